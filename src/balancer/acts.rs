//! What has to be done to a listener, one request after the other, so that being cut off anywhere leaves visitors closed
//! out or let in, never half of each rule. Pure.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, FixedResponseActionConfig};

use super::room::{Closing, LAST, Move, Placed, back, is_stale};
use super::rule::{MOVED, OPERATION, PAGE, ROLE, Role, Rule, SITE};
use super::wanted::{STATUS, Wanted, Wants, of_hosts};
use crate::switch::OperationId;

/// Nobody asks for it: the name cannot exist (RFC 6761, section 6.4).
const NOBODY: &str = "note.roadworks.invalid";
/// A tag's value has at most 256 characters (ELB API reference, `Tag`), and an entry at most 28.
const IN_A_TAG: usize = 8;

/// One request that changes something.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A rule is made.
    Create { wanted: Box<Wanted>, priority: u32, tags: BTreeMap<String, String> },
    /// Rules get other places, all at once.
    Put(Vec<(String, u32)>),
    /// A rule answers with another page.
    Repage { rule: String, action: Box<Action>, digest: String },
    /// A rule is taken away.
    Delete { rule: String },
}

/// What closes a listener with these rules. Visitors come first: their answers stand before testers can pass.
pub(super) fn to_close(
    rules: &[Rule],
    closing: &Closing,
    wants: &Wants,
    operation: &OperationId,
) -> Vec<Act> {
    let (mut acts, mut told) = (Vec::new(), None);
    let notes: Vec<_> = rules.iter().filter(|rule| rule.is(Role::Note)).collect();
    if !closing.moves.is_empty() {
        let moved = remembered(rules, closing, &notes);
        told = notes.iter().position(|rule| says(rule, &moved));
        if told.is_none() {
            acts.push(note(rules, closing, &moved, (wants, operation)));
        }
        acts.push(Act::Put(closing.moves.iter().map(|gone| (gone.arn.clone(), gone.to)).collect()));
    }
    let extras = |role| closing.extras.iter().filter(move |rule| rule.is(role)).map(deleted);
    acts.extend(extras(Role::Testers));
    let misplaced = closing.placed.iter().filter_map(|placed| {
        let there = placed.there.as_ref()?;
        (there.priority != Some(placed.priority)).then(|| (there.arn.clone(), placed.priority))
    });
    let misplaced: Vec<_> = misplaced.collect();
    if !misplaced.is_empty() {
        acts.push(Act::Put(misplaced));
    }
    let there = closing.placed.iter().filter_map(|placed| placed.there.as_ref());
    acts.extend(there.filter(|rule| is_stale(rule, wants)).map(|rule| Act::Repage {
        rule: rule.arn.clone(),
        action: Box::new(wants.answer.action.clone()),
        digest: wants.answer.digest.clone(),
    }));
    for role in [Role::Answer, Role::Testers] {
        let missing = closing
            .placed
            .iter()
            .filter(|placed| placed.there.is_none() && placed.wanted.role == role);
        acts.extend(missing.map(|placed| created(placed, wants, operation)));
    }
    acts.extend(extras(Role::Answer));
    if !closing.moves.is_empty() {
        let others = notes.into_iter().enumerate().filter(|(at, _)| Some(*at) != told);
        acts.extend(others.map(|(_, rule)| deleted(rule)));
    }
    acts
}

/// What opens a listener with these rules: visitors first, then the places of others, and what remembers them last. `theirs` are
/// Terraform's own rules, where they go too.
pub(super) fn to_open(rules: &[Rule], theirs: &[&Rule]) -> Vec<Act> {
    let of = |role| rules.iter().filter(move |rule| rule.is(role)).map(deleted);
    let mut acts: Vec<_> = of(Role::Answer).chain(of(Role::Testers)).collect();
    acts.extend(theirs.iter().map(|rule| deleted(rule)));
    let back = back(rules);
    if !back.is_empty() {
        acts.push(Act::Put(back.into_iter().map(|gone| (gone.arn, gone.to)).collect()));
    }
    acts.extend(of(Role::Note));
    acts
}

fn deleted(rule: &Rule) -> Act {
    Act::Delete { rule: rule.arn.clone() }
}

fn created(placed: &Placed, wants: &Wants, operation: &OperationId) -> Act {
    let Placed { wanted, priority, .. } = placed;
    let mut tags = tags(wanted.role, wants, operation);
    if wanted.role == Role::Answer {
        tags.insert(PAGE.to_owned(), wants.answer.digest.clone());
    }
    Act::Create { wanted: Box::new(wanted.clone()), priority: *priority, tags }
}

pub(super) fn tags(role: Role, wants: &Wants, operation: &OperationId) -> BTreeMap<String, String> {
    let operation = operation.to_string();
    let pairs = [(SITE, wants.site.as_str()), (ROLE, role.word()), (OPERATION, &operation)];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// From where others were moved, and to where, by the last part of their ARN.
type Moved = BTreeMap<String, (u32, u32)>;

/// What is to be remembered: where a rule was moved twice, from where it was first.
fn remembered(rules: &[Rule], closing: &Closing, notes: &[&Rule]) -> Moved {
    let mut moved = Moved::new();
    let before = notes.iter().filter_map(|rule| rule.own.as_ref()).flat_map(|own| &own.moved);
    for (id, (from, to)) in before {
        let stands = |rule: &&Rule| rule.id() == id && rule.priority == Some(*to);
        if rules.iter().any(|rule| stands(&rule)) {
            moved.insert(id.clone(), (*from, *to));
        }
    }
    for Move { id, from, to, .. } in &closing.moves {
        let first = moved.get(id).map_or(*from, |(first, _)| *first);
        moved.insert(id.clone(), (first, *to));
    }
    moved
}

/// Whether a note that was written before, and not followed by a move, remembers the same.
fn says(note: &Rule, moved: &Moved) -> bool {
    note.own.as_ref().is_some_and(|own| own.moved == *moved)
}

/// A rule that remembers from where others were moved, written before they are.
fn note(
    rules: &[Rule],
    closing: &Closing,
    moved: &Moved,
    (wants, operation): (&Wants, &OperationId),
) -> Act {
    let mut tags = tags(Role::Note, wants, operation);
    let entries: Vec<_> =
        moved.iter().map(|(id, (from, to))| format!("{id}:{from}:{to}")).collect();
    for (number, some) in entries.chunks(IN_A_TAG).enumerate() {
        tags.insert(format!("{MOVED}{}", number + 1), some.join(" "));
    }
    let taken = |number: &u32| {
        rules.iter().any(|rule| rule.priority == Some(*number))
            || closing.moves.iter().any(|gone| gone.to == *number)
            || closing.placed.iter().any(|placed| placed.priority == *number)
            || wants.declared.contains(number)
    };
    let priority = (1..=LAST).rev().find(|number| !taken(number)).unwrap_or(LAST);
    let answer = FixedResponseActionConfig::builder()
        .status_code(STATUS.to_string())
        .content_type("text/plain")
        .build();
    let action = Action::builder()
        .r#type(ActionTypeEnum::FixedResponse)
        .fixed_response_config(answer)
        .build();
    let wanted = Wanted {
        role: Role::Note,
        conditions: vec![of_hosts(&[NOBODY.to_owned()])],
        actions: vec![action],
        transforms: Vec::new(),
    };
    Act::Create { wanted: Box::new(wanted), priority, tags }
}

#[cfg(test)]
mod tests {
    use super::super::room::{Renumber, closing};
    use super::super::rule::Own;
    use super::super::rule::trials::rule;
    use super::super::wanted::trials::wants;
    use super::*;

    #[test]
    fn a_note_whose_move_never_came_is_used_again_and_opening_takes_it_away() {
        let wants = wants(&["shop.x"], &[]);
        let operation = OperationId::at(jiff::Timestamp::UNIX_EPOCH, 1);
        let closes = |rules: &[Rule]| {
            let closing = closing(rules, &wants, "hush", Renumber::Yes).unwrap();
            let moved = remembered(rules, &closing, &[]);
            (to_close(rules, &closing, &wants, &operation), moved)
        };
        let notes = |acts: &[Act]| {
            let note =
                |act: &&Act| matches!(act, Act::Create { wanted, .. } if wanted.role == Role::Note);
            acts.iter().filter(note).count()
        };
        let mut rules = vec![rule(1, "blog.x", "blog"), rule(2, "shop.x", "app")];
        let (acts, moved) = closes(&rules);
        assert_eq!((notes(&acts), moved.len()), (1, 1), "one note, and what it remembers");
        // The note was made, and nothing after it.
        rules.push(Rule {
            arn: "own/note".to_owned(),
            priority: Some(LAST),
            conditions: Vec::new(),
            actions: Vec::new(),
            transforms: Vec::new(),
            own: Some(Own { role: Role::Note, page: None, moved }),
        });
        let (acts, _) = closes(&rules);
        let is_gone = |act: &Act| matches!(act, Act::Delete { rule } if rule == "own/note");
        assert!(notes(&acts) == 0 && !acts.iter().any(is_gone), "{acts:?}");
        let opens = to_open(&rules, &[]);
        assert!(opens.len() == 1 && is_gone(&opens[0]), "{opens:?}");
    }
}
