//! Where a listener stands, and what it takes to close and to open it: what a plan shows and compares. Pure.
//!
//! Never holds the value that lets a tester pass.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::NO_ROOM;
use super::calls::Listener;
use super::room::{
    Closing, Move, NoRoom, Renumber, all_by_terraform, back, by_terraform, closing, is_closed,
};
use super::rule::{Role, Rule, words};
use super::wanted::{STATUS, Wants};
use crate::config::Stays;
use crate::switch::Mode;

/// What an open listener has where a move ended before it began: it remembers places that nobody left.
const NOTES: &str = "notes";

/// What a step says instead of what it makes of Terraform's own rule.
pub(super) const NOT_OURS: &str = "not-ours";

/// Whether a listener that stands so has nothing that answers, and nothing that lets testers pass.
pub(super) fn is_bare(value: &Value) -> bool {
    value.is_null() || value.get(NOTES).is_some()
}

/// A listener, seen once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outlook {
    /// Whether visitors of every host get the answer.
    pub(super) closed: bool,
    /// Our rules as they are; null where there are none, and only notes where there are only those.
    pub(super) now: Value,
    /// Our rules as they are where the site is closed; null where there is no room for them.
    pub(super) then: Value,
    /// Terraform's own rule, where it stands so that visitors come to it, and what becomes of it where the site opens.
    #[serde(default)]
    pub(super) theirs: Option<(Value, Value)>,
    /// Why there is no room.
    pub(super) no_room: Option<String>,
    /// Rules of others that give way, before and after.
    pub(super) way: Option<(Value, Value)>,
    /// Rules of others that go back, before and after.
    pub(super) back: Option<(Value, Value)>,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
}

impl Outlook {
    /// What our rules are and should be, where visitors of a closed site come through, or those of an open one do not. Not which
    /// page they get, nor which rules testers meet: that changes with the configuration, and with the rules of others.
    pub(super) fn stray(self, to: Mode) -> Option<(Value, Value)> {
        let Outlook { closed, now, then, no_room, .. } = self;
        match (to >= Mode::Closed, no_room) {
            (false, _) => (!is_bare(&now)).then_some((now, Value::Null)),
            (true, _) if closed => None,
            (true, None) => Some((now, then)),
            // Set aside for a detour, which does not need it.
            (true, Some(why)) => (to == Mode::Closed).then(|| (now, json!({ NO_ROOM: why }))),
        }
    }
}

/// Where a listener with these rules stands.
pub(super) fn outlook(
    listener: &Listener,
    rules: &[Rule],
    wants: &Wants,
    (secret, renumber): (&str, Renumber),
) -> Outlook {
    let theirs = by_terraform(rules, wants).map(|rule| of_terraform(rule, rules, wants));
    let mut seen = Outlook {
        closed: theirs.is_some() || is_closed(rules, wants),
        now: now(rules),
        then: Value::Null,
        theirs,
        no_room: None,
        way: None,
        back: places(&back(rules)),
        warnings: Vec::new(),
    };
    let noted = rules.iter().any(|rule| rule.is(Role::Note));
    if noted && seen.back.is_none() {
        seen.warnings.push(format!(
            "{}: the rules that gave way stay where they are, since somebody put others in their places",
            listener.name
        ));
    }
    match closing(rules, wants, secret, renumber) {
        Ok(closing) => {
            if !is_bare(&seen.now) && !closing.is_whole(wants) {
                let part = "some rules are missing, too many or out of place";
                seen.now
                    .as_object_mut()
                    .map(|now| now.insert("unfinished".to_owned(), json!(part)));
            }
            seen.then = then(&closing, wants);
            seen.way = places(&closing.moves);
            let told = closing.warnings.iter().map(|text| format!("{}: {text}", listener.name));
            seen.warnings.extend(told);
            if seen.way.is_some() {
                seen.warnings.push(format!(
                    "{}: other rules get other numbers, and get theirs back when the site opens; until then Terraform shows them as changed",
                    listener.name
                ));
            }
        }
        Err(none) => seen.no_room = Some(no_room(listener, wants, &none)),
    }
    seen
}

/// Our rules as they are.
fn now(rules: &[Rule]) -> Value {
    let of = |role| {
        let of_role = rules.iter().filter(move |rule| rule.is(role));
        let mut numbers: Vec<_> = of_role.filter_map(|rule| rule.priority).collect();
        numbers.sort_unstable();
        numbers
    };
    let (answers, testers) = (of(Role::Answer), of(Role::Testers));
    if answers.is_empty() && testers.is_empty() {
        let notes = of(Role::Note);
        return if notes.is_empty() { Value::Null } else { json!({ NOTES: notes }) };
    }
    let answering = || rules.iter().filter(|rule| rule.is(Role::Answer));
    let mut hosts: Vec<_> = answering().filter_map(Rule::hosts).flatten().collect();
    hosts.sort();
    let mut pages: Vec<_> =
        answering().filter_map(|rule| rule.own.as_ref()?.page.clone()).collect();
    pages.sort();
    pages.dedup();
    let status = answering().find_map(Rule::status).unwrap_or(STATUS);
    let others = answering().next().map(Rule::others).unwrap_or_default();
    let others: Vec<_> = others.iter().map(words).collect();
    shown((&hosts, &others), (&answers, &testers), (status, &pages.join(" ")))
}

/// Terraform's own rule now, and once the site is open: gone, or why that is not ours to do.
fn of_terraform(rule: &Rule, rules: &[Rule], wants: &Wants) -> (Value, Value) {
    let Some(theirs) = &wants.theirs else { return (Value::Null, Value::Null) };
    let mut now = json!({ "address": theirs.address, "rule": rule.in_words() });
    let beside = all_by_terraform(rules, wants).into_iter().filter(|other| other.arn != rule.arn);
    let beside: Vec<_> = beside.map(Rule::in_words).collect();
    if let (false, Some(fields)) = (beside.is_empty(), now.as_object_mut()) {
        fields.insert("beside".to_owned(), json!(beside));
    }
    let then = match theirs.stays {
        Stays::Gone => Value::Null,
        Stays::Changed => json!({ NOT_OURS: format!(
            "{} is there with the boolean false, too, and says something else then: only Terraform can put it back",
            theirs.address
        ) }),
    };
    (now, then)
}

fn then(closing: &Closing, wants: &Wants) -> Value {
    let mut hosts = wants.hosts.clone();
    hosts.sort();
    let numbers = |role| {
        let mut numbers = closing.priorities(role);
        numbers.sort_unstable();
        numbers
    };
    let others: Vec<_> = wants.others.iter().map(words).collect();
    let (answers, testers) = (numbers(Role::Answer), numbers(Role::Testers));
    let answer = (wants.answer.status, wants.answer.digest.as_str());
    shown((&hosts, &others), (&answers, &testers), answer)
}

fn shown(
    (hosts, others): (&[String], &[String]),
    (answers, testers): (&[u32], &[u32]),
    (status, page): (u16, &str),
) -> Value {
    let mut shown = json!({
        "hosts": hosts,
        "page": page,
        "priorities": answers,
        "status": status,
        "testers": testers,
    });
    if let (false, Some(fields)) = (others.is_empty(), shown.as_object_mut()) {
        fields.insert("only".to_owned(), json!(others));
    }
    shown
}

/// The rules that are moved, as they stand before and after.
fn places(moves: &[Move]) -> Option<(Value, Value)> {
    let at = |number: fn(&Move) -> u32| {
        let words = moves.iter().map(|one| format!("{} {}", number(one), one.words));
        json!({ "rules": words.collect::<Vec<_>>() })
    };
    (!moves.is_empty()).then(|| (at(|one| one.from), at(|one| one.to)))
}

fn no_room(listener: &Listener, wants: &Wants, none: &NoRoom) -> String {
    let NoRoom { needed, free, rules } = none;
    let hosts = match wants.hosts.as_slice() {
        [] => "any host".to_owned(),
        hosts => hosts.join(", "),
    };
    format!(
        "{}: {needed} rules have to come before the first that forwards for {hosts}, and there is room for {free}: the rules in the way are {}",
        listener.name,
        rules.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_strays_where_visitors_meet_something_else_than_they_should() {
        let seen = |closed, now, no_room: Option<&str>| {
            let then = if no_room.is_some() { Value::Null } else { json!("rules") };
            let no_room = no_room.map(str::to_owned);
            let (theirs, way, back, warnings) = (None, None, None, Vec::new());
            Outlook { closed, now, then, theirs, no_room, way, back, warnings }
        };
        let (none, page, notes) =
            (|| Value::Null, || json!({ "page": "old" }), || json!({ NOTES: [1] }));
        for (outlook, to, stray) in [
            (seen(false, none(), None), Mode::Closed, Some((none(), json!("rules")))),
            (seen(false, page(), None), Mode::Detour, Some((page(), json!("rules")))),
            (seen(true, page(), None), Mode::Closed, None),
            (
                seen(false, none(), Some("full")),
                Mode::Closed,
                Some((none(), json!({ NO_ROOM: "full" }))),
            ),
            (seen(false, none(), Some("full")), Mode::Detour, None),
            (seen(true, page(), None), Mode::Open, Some((page(), none()))),
            (seen(false, notes(), None), Mode::Open, None),
            (seen(false, none(), Some("full")), Mode::Open, None),
        ] {
            let told = format!("{outlook:?} in {to}");
            assert_eq!(outlook.stray(to), stray, "{told}");
        }
    }
}
