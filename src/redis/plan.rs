//! What is known of a command before Redis is asked: what it does to its connection, and how soon it is answered.

use super::asked::{Asked, Pace, Sent};
use super::frame::{Arguments, Request, Requests};
use super::session::{Change, change};
use super::table::{Command, Family};

/// What is known of a command before Redis is asked.
pub(super) struct Plan {
    /// What it does; `None` for a command that is not known.
    pub(super) family: Option<Family>,
    pub(super) change: Option<Change>,
    pub(super) pace: Pace,
    /// Answers come afterwards that nobody asked for.
    pub(super) listens: bool,
    /// Bytes come that are no answers.
    pub(super) is_refused: bool,
}

impl Plan {
    pub(super) fn of(command: Option<&'static Command>, arguments: &Arguments<'_>) -> Plan {
        let family = command.map(|command| command.family);
        let pace = command.map_or(Pace::Unknown, pace);
        if family.is_some_and(is_about_keys) {
            return Plan { family, change: None, pace, listens: false, is_refused: false };
        }
        let is = |name: &str| arguments.is(0, name);
        let listens = match arguments.name().first().map(u8::to_ascii_uppercase) {
            Some(b'S' | b'P' | b'U') => family == Some(Family::Subscribe),
            Some(b'M') => is("MONITOR"),
            Some(b'C') if is("CLIENT") => {
                (arguments.is(1, "REPLY") && !arguments.is(2, "ON"))
                    || (arguments.is(1, "TRACKING") && arguments.is(2, "ON"))
            }
            _ => false,
        };
        Plan {
            family,
            change: change(arguments),
            pace,
            listens,
            is_refused: is("SYNC") || is("PSYNC"),
        }
    }
}

/// Whether commands like it are about keys and nothing of their connection, and are answered at once: nearly all.
pub(super) fn is_about_keys(family: Family) -> bool {
    matches!(family, Family::Read(_) | Family::Set | Family::Unset | Family::Write(_))
}

/// Whether the text of an error is the client's own: `DEBUG ERROR`.
pub(super) fn wants_an_error(sent: &Sent) -> bool {
    let Asked::Whole(bytes) = &sent.asked else { return false };
    let mut requests = Requests::default();
    matches!(requests.read(bytes), Ok(Request::Whole { arguments, .. }) if arguments.is(0, "DEBUG"))
}

/// How soon a Redis that is well answers.
fn pace(command: &Command) -> Pace {
    const QUICK: [&str; 24] = [
        "append",
        "decr",
        "decrby",
        "echo",
        "hello",
        "hincrby",
        "hincrbyfloat",
        "incr",
        "incrby",
        "incrbyfloat",
        "lpop",
        "lpush",
        "pfadd",
        "ping",
        "rpop",
        "rpush",
        "sadd",
        "select",
        "setbit",
        "setrange",
        "spop",
        "xadd",
        "zadd",
        "zincrby",
    ];
    let is_quick = match command.family {
        Family::Never | Family::Count | Family::Local => QUICK.binary_search(&command.name).is_ok(),
        // Of what it ends nobody knows.
        Family::Transaction => command.name != "exec",
        family => is_about_keys(family),
    };
    if is_quick { Pace::Quick } else { Pace::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::table::all;

    #[test]
    fn what_is_about_keys_changes_nothing_of_its_connection() {
        for command in all() {
            let sent = format!("*2\r\n${}\r\n{}\r\n$2\r\nON\r\n", command.name.len(), command.name);
            let mut requests = Requests::default();
            let Ok(Request::Whole { arguments, .. }) = requests.read(sent.as_bytes()) else {
                panic!("{sent:?} is a command")
            };
            if is_about_keys(command.family) {
                let looked = Plan::of(None, &arguments);
                assert_eq!(looked.change, None, "{}", command.name);
                assert!(!looked.listens && !looked.is_refused, "{}", command.name);
            }
        }
    }
}
