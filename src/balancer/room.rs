//! Where our rules stand among those of others: before every rule that forwards for the site's hosts, as near to it as
//! can be. A load balancer takes the first that matches, the lowest number first. Pure.

use std::collections::BTreeSet;

use super::rule::{Role, Rule, print};
use super::terraform::Theirs;
use super::wanted::{Wanted, Wants, answers, testers};

/// The largest number of a rule (ELB API reference, `CreateRule`).
pub(super) const LAST: u32 = 50_000;

/// How a listener is closed.
#[derive(Debug, Clone)]
pub(super) struct Closing {
    /// The rules of others that give way, first to last.
    pub(super) moves: Vec<Move>,
    /// Our rules, testers first.
    pub(super) placed: Vec<Placed>,
    /// Rules of ours that are not among them.
    pub(super) extras: Vec<Rule>,
    /// What testers will not see.
    pub(super) warnings: Vec<String>,
}

/// A rule of somebody else that gives way, or goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) arn: String,
    pub(super) id: String,
    /// What it looks at, for a person.
    pub(super) words: String,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// A rule that is to be, at its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) wanted: Wanted,
    pub(super) priority: u32,
    /// The rule that is it already, wherever it stands.
    pub(super) there: Option<Rule>,
}

/// Our rules would have to come before one that leaves them no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// How many rules need a place.
    pub(super) needed: usize,
    /// How many places there are.
    pub(super) free: usize,
    /// The rule before which they have to be, and those that stand there.
    pub(super) rules: Vec<String>,
}

/// Whether room may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renumber {
    /// Rules of others stay where they are.
    No,
    /// They may give way, in their order.
    Yes,
}

impl Closing {
    /// Whether all is as it is to be.
    pub(super) fn is_whole(&self, wants: &Wants) -> bool {
        let stands = |placed: &Placed| {
            placed.there.as_ref().is_some_and(|rule| {
                rule.priority == Some(placed.priority) && !is_stale(rule, wants)
            })
        };
        self.moves.is_empty() && self.extras.is_empty() && self.placed.iter().all(stands)
    }

    pub(super) fn priorities(&self, role: Role) -> Vec<u32> {
        let of_role = self.placed.iter().filter(|placed| placed.wanted.role == role);
        of_role.map(|placed| placed.priority).collect()
    }
}

/// Whether it answers with another page.
pub(super) fn is_stale(rule: &Rule, wants: &Wants) -> bool {
    let page = rule.own.as_ref().and_then(|own| own.page.as_ref());
    rule.is(Role::Answer) && page != Some(&wants.answer.digest)
}

/// How `rules`, all of a listener's, are put so that the site is closed; its testers' header says `secret`.
pub(super) fn closing(
    rules: &[Rule],
    wants: &Wants,
    secret: &str,
    renumber: Renumber,
) -> Result<Closing, NoRoom> {
    let listener = Listener::of(rules, wants);
    if let Some(closing) = listener.as_it_stands(wants, secret) {
        return Ok(closing);
    }
    let put = |renumber| {
        let puts = listener.lowest().into_iter().map(|lowest| {
            let closing = listener.put(wants, secret, renumber, lowest)?;
            // A copy of each rule that visitors, and so testers, do not come to any more.
            let now = closing.placed.iter().map(|placed| placed.priority).min().unwrap_or(lowest);
            let enough = listener.covered(now).len() <= listener.covered(lowest).len();
            Ok(enough.then_some(closing))
        });
        let mut none = None;
        for put in puts {
            match put {
                Ok(Some(closing)) => return Ok(closing),
                Ok(None) => {}
                Err(error) => none = none.or(Some(error)),
            }
        }
        Err(none.unwrap_or_else(|| listener.no_room(listener.first(), wants.hosts.len(), 0)))
    };
    match (put(Renumber::No), renumber) {
        (Err(_), Renumber::Yes) => put(Renumber::Yes),
        (done, _) => done,
    }
}

/// Whether visitors of every host of the site get the answer from rules of ours.
pub(super) fn is_closed(rules: &[Rule], wants: &Wants) -> bool {
    let first = Listener::of(rules, wants).first();
    let (asks, _) = print(&wants.others, &[]);
    let answering: Vec<_> = rules
        .iter()
        .filter(|rule| rule.is(Role::Answer) && rule.priority.is_some_and(|own| own < first))
        .filter(|rule| print(&rule.others(), &[]).0 == asks)
        .map(Rule::hosts)
        .collect();
    let answered = |host| {
        answering.iter().any(|hosts| hosts.as_ref().is_none_or(|hosts| hosts.contains(host)))
    };
    match wants.hosts.as_slice() {
        [] => answering.contains(&None),
        hosts => hosts.iter().all(answered),
    }
}

/// Terraform's own rule, where it stands so that visitors come to it.
pub(super) fn by_terraform<'a>(rules: &'a [Rule], wants: &Wants) -> Option<&'a Rule> {
    let first = Listener::of(rules, wants).first();
    let stands = |rule: &&Rule| rule.priority.is_some_and(|priority| priority < first);
    let answers = |rule: &&Rule| wants.theirs.as_ref().is_some_and(|theirs| theirs.is(rule));
    rules.iter().filter(stands).find(answers)
}

/// All of Terraform's own rules: the one that answers, and those that let somebody past it.
pub(super) fn all_by_terraform<'a>(rules: &'a [Rule], wants: &Wants) -> Vec<&'a Rule> {
    rules.iter().filter(|rule| is_theirs(rule, wants)).collect()
}

fn is_theirs(rule: &Rule, wants: &Wants) -> bool {
    let is = |theirs: &Theirs| theirs.is(rule) || theirs.lets_past(rule);
    wants.theirs.as_ref().is_some_and(is)
}

/// The rules that gave way and go back: those that stand where we put them, if all their old places are free once our
/// rules are gone.
pub(super) fn back(rules: &[Rule]) -> Vec<Move> {
    let noted = || rules.iter().filter_map(|rule| rule.own.as_ref()).flat_map(|own| &own.moved);
    let others: Vec<_> = rules.iter().filter(|rule| rule.own.is_none()).collect();
    let gone_back = |rule: &&Rule| {
        let now = rule.priority?;
        let (_, (from, to)) = noted().find(|(id, (_, to))| *id == rule.id() && *to == now)?;
        (from != to).then(|| a_move(rule, now, *from))
    };
    let moves: Vec<_> = others.iter().filter_map(gone_back).collect();
    let stays = |priority: u32| {
        let stay = others.iter().filter(|rule| moves.iter().all(|gone| gone.arn != rule.arn));
        stay.filter_map(|rule| rule.priority).any(|other| other == priority)
    };
    if moves.iter().any(|gone| stays(gone.to)) { Vec::new() } else { moves }
}

fn a_move(rule: &Rule, from: u32, to: u32) -> Move {
    let words = rule.in_words();
    let words = words.split_once(' ').map_or(words.as_str(), |(_, looks)| looks).to_owned();
    Move { arn: rule.arn.clone(), id: rule.id().to_owned(), words, from, to }
}

/// A listener's rules, sorted out.
struct Listener<'a> {
    /// Of others, first to last, without the default.
    others: Vec<&'a Rule>,
    /// Those of them, and the default, that a request for the open site may come to.
    concerned: Vec<&'a Rule>,
    own: Vec<&'a Rule>,
    notes: Vec<&'a Rule>,
}

impl<'a> Listener<'a> {
    fn of(rules: &'a [Rule], wants: &Wants) -> Listener<'a> {
        let mut sorted: Vec<_> = rules.iter().collect();
        sorted.sort_by_key(|rule| rule.priority.unwrap_or(u32::MAX));
        let of_others = |rule: &&&Rule| rule.own.is_none();
        let others = sorted.iter().filter(of_others).copied();
        // Terraform's own are there with the boolean true alone, and whom they let past is let past.
        let concerned =
            others.clone().filter(|rule| rule.concerns(&wants.hosts) && !is_theirs(rule, wants));
        let own = sorted.iter().filter(|rule| rule.is(Role::Answer) || rule.is(Role::Testers));
        Listener {
            concerned: concerned.collect(),
            others: others.filter(|rule| rule.priority.is_some()).collect(),
            own: own.copied().collect(),
            notes: sorted.iter().filter(|rule| rule.is(Role::Note)).copied().collect(),
        }
    }

    /// The number before which ours have to be.
    fn first(&self) -> u32 {
        let mut forwarding = self.concerned.iter().filter(|rule| rule.forwards());
        forwarding.find_map(|rule| rule.priority).unwrap_or(LAST + 1)
    }

    /// The numbers that a run of Terraform may give to rules that it makes: not those that rules have now, or had before they gave way.
    fn reserved(&self, wants: &Wants) -> BTreeSet<u32> {
        let noted = self.notes.iter().filter_map(|rule| rule.own.as_ref());
        let before = noted.flat_map(|own| own.moved.values().map(|(from, _)| *from));
        let now = self.others.iter().filter(|rule| !is_theirs(rule, wants));
        let now = now.filter_map(|rule| rule.priority);
        let had: BTreeSet<u32> = before.chain(now).collect();
        wants.declared.difference(&had).copied().collect()
    }

    /// From where on rules may be covered: from the first that forwards, or from one before it, the fewest first.
    fn lowest(&self) -> Vec<u32> {
        let first = self.first();
        let before = self.concerned.iter().filter_map(|rule| rule.priority);
        let before: Vec<_> = before.filter(|priority| *priority < first).collect();
        [first].into_iter().chain(before.into_iter().rev()).collect()
    }

    /// The rules that visitors do not come to any more where ours begin at `lowest`.
    fn covered(&self, lowest: u32) -> Vec<&'a Rule> {
        let comes_later = |rule: &&&Rule| rule.priority.is_none_or(|priority| priority >= lowest);
        self.concerned.iter().filter(comes_later).copied().collect()
    }

    /// Our rules with those that are there already, and those that are too many.
    fn matched(&self, wanted: Vec<Wanted>) -> (Vec<(Wanted, Option<Rule>)>, Vec<Rule>) {
        let mut left = self.own.clone();
        let matched = wanted.into_iter().map(|wanted| {
            let print = print(&wanted.conditions, &wanted.actions);
            let found = left.iter().position(|rule| rule.is(wanted.role) && rule.print() == print);
            let rule = found.map(|at| left.remove(at).clone());
            (wanted, rule)
        });
        let matched = matched.collect();
        (matched, left.into_iter().cloned().collect())
    }

    fn wanted(&self, wants: &Wants, secret: &str, lowest: u32) -> (Vec<Wanted>, Vec<String>) {
        let (mut wanted, warnings) = testers(wants, &self.covered(lowest), secret);
        wanted.extend(answers(wants));
        (wanted, warnings)
    }

    /// What is there, if nothing of it has to be moved, made or taken away.
    fn as_it_stands(&self, wants: &Wants, secret: &str) -> Option<Closing> {
        let lowest = self.own.iter().filter_map(|rule| rule.priority).min()?;
        let (wanted, warnings) = self.wanted(wants, secret, lowest);
        let (matched, extras) = self.matched(wanted);
        let placed = matched.into_iter().map(|(wanted, there)| {
            let priority = there.as_ref()?.priority?;
            Some(Placed { wanted, priority, there })
        });
        let placed = placed.collect::<Option<Vec<_>>>()?;
        let in_order = |role: Role| placed.iter().filter(move |placed| placed.wanted.role == role);
        let rising = in_order(Role::Testers)
            .zip(in_order(Role::Testers).skip(1))
            .all(|(one, next)| one.priority < next.priority);
        let of = |role: Role| in_order(role).map(|placed| placed.priority);
        let reserved = self.reserved(wants);
        let kept_free = placed.iter().all(|placed| !reserved.contains(&placed.priority));
        let before_answers = of(Role::Testers).max() < of(Role::Answer).min();
        let before_all = of(Role::Answer).all(|priority| priority < self.first());
        (extras.is_empty() && rising && before_answers && before_all && kept_free)
            .then_some(Closing { moves: Vec::new(), placed, extras, warnings })
    }

    /// Puts our rules, with copies of all that are covered from `lowest` on, at the last free places.
    fn put(
        &self,
        wants: &Wants,
        secret: &str,
        renumber: Renumber,
        lowest: u32,
    ) -> Result<Closing, NoRoom> {
        let (wanted, warnings) = self.wanted(wants, secret, lowest);
        let (matched, extras) = self.matched(wanted);
        // Testers' rules that are too many go first, so that their places are free; an answer stays until there is another.
        let kept = extras.iter().filter(|rule| rule.is(Role::Answer));
        let kept: BTreeSet<u32> =
            kept.chain(self.notes.iter().copied()).filter_map(|rule| rule.priority).collect();
        let reserved = self.reserved(wants);
        let taken = self.others.iter().filter_map(|rule| rule.priority).chain(kept.clone());
        let taken: BTreeSet<u32> = taken.chain(reserved.iter().copied()).collect();
        let first = self.first();
        let mut free: Vec<u32> = (1..first).filter(|number| !taken.contains(number)).collect();
        let mut moves = Vec::new();
        if free.len() < matched.len() {
            let missing = matched.len() - free.len();
            let given = (first..=LAST).filter(|number| !reserved.contains(number));
            let given: Vec<u32> = given.take(missing).collect();
            let others = match renumber {
                Renumber::Yes => self.moved_on((first, &given), &kept, &reserved),
                Renumber::No => None,
            };
            (moves, free) = match others {
                Some(moves) => (moves, free.into_iter().chain(given).collect()),
                None => return Err(self.no_room(first, matched.len(), free.len())),
            };
        }
        let begin = free.len().saturating_sub(matched.len());
        let places = free.into_iter().skip(begin);
        let put = |((wanted, there), priority)| Placed { wanted, priority, there };
        let all = matched.into_iter().zip(places).map(put).collect();
        Ok(Closing { moves, placed: all, extras, warnings })
    }

    /// The rules from `first` on give way to `given`, each only as far as it must; `None` where the numbers end.
    fn moved_on(
        &self,
        (first, given): (u32, &[u32]),
        kept: &BTreeSet<u32>,
        reserved: &BTreeSet<u32>,
    ) -> Option<Vec<Move>> {
        let mut next = given.last()?.checked_add(1)?;
        // A place that stays ours is none to move on to, and none to be given.
        if kept.range(first..next).next().is_some() {
            return None;
        }
        let mut moves = Vec::new();
        for rule in &self.others {
            let Some(now) = rule.priority.filter(|priority| *priority >= first) else { continue };
            let mut to = now.max(next);
            // Ours leave their places later, if at all.
            let others = |to| to != now && reserved.contains(&to);
            while kept.contains(&to)
                || others(to)
                || self.own.iter().any(|rule| rule.priority == Some(to))
            {
                to += 1;
            }
            if to > LAST {
                return None;
            }
            next = to + 1;
            if to != now {
                moves.push(a_move(rule, now, to));
            }
        }
        Some(moves)
    }

    fn no_room(&self, first: u32, needed: usize, free: usize) -> NoRoom {
        let before = self.others.iter().filter(|rule| rule.priority <= Some(first));
        let mut rules: Vec<_> = before.rev().take(4).map(|rule| rule.in_words()).collect();
        if rules.len() == 4 {
            rules.truncate(3);
            rules.push("..".to_owned());
        }
        NoRoom { needed, free, rules }
    }
}

#[cfg(test)]
#[path = "room_trials.rs"]
mod trials;
