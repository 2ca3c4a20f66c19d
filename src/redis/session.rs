//! What a client has said of its connection: remembered while Redis is there, so that another connection becomes the same.

use bytes::Bytes;

use super::answer::Verdict;
use super::frame::{Arguments, number};
use super::value::{Resp, Value};

/// A client's connection, as Redis would know it.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) version: Resp,
    /// What is said again on another connection, in order, one of each kind.
    before: Vec<(Kind, Bytes)>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) database: u32,
    pub(super) transaction: Transaction,
    /// Whether Redis was asked to queue what comes, and has not said that it is over: no answer there is a value.
    pub(super) is_queueing: bool,
    /// Whether keys are watched upstream.
    pub(super) is_watching: bool,
}

/// What one command replaces of what was said earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Auth,
    Hello,
    Select,
    Client(Vec<u8>),
}

/// Commands that are queued for `EXEC`.
#[derive(Debug, Default)]
pub(super) enum Transaction {
    #[default]
    None,
    /// By Redis.
    There,
    /// By us: what is said at its end, or that nothing is.
    Here { answers: Vec<Value>, is_lost: bool },
}

/// What a command does to its connection, once Redis has said that it did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Remember(Kind),
    Select(u32),
    Name(Vec<u8>),
    Hello { version: Resp, name: Option<Vec<u8>> },
    Reset,
    Quit,
    Multi,
    Ended,
    Watch,
    Unwatch,
}

impl Session {
    /// What another connection is told first.
    pub(super) fn before(&self) -> Vec<Bytes> {
        self.before.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Redis did what was asked of it in `bytes`.
    pub(super) fn apply(&mut self, change: Change, bytes: &Bytes) {
        match change {
            Change::Remember(kind) => self.remember(kind, bytes),
            Change::Select(database) => {
                self.database = database;
                self.remember(Kind::Select, bytes);
            }
            Change::Name(name) => {
                self.name = Some(name).filter(|name| !name.is_empty());
                self.remember(Kind::Client(b"SETNAME".to_vec()), bytes);
            }
            Change::Hello { version, name } => {
                self.version = version;
                self.name = name.or(self.name.take());
                self.remember(Kind::Hello, bytes);
            }
            Change::Reset => *self = Session::default(),
            Change::Multi => self.transaction = Transaction::There,
            Change::Ended => {
                self.transaction = Transaction::None;
                self.is_queueing = false;
                self.is_watching = false;
            }
            Change::Watch => self.is_watching = true,
            Change::Unwatch => self.is_watching = false,
            Change::Quit => {}
        }
    }

    fn remember(&mut self, kind: Kind, bytes: &Bytes) {
        self.before.retain(|(known, _)| *known != kind);
        // A copy: a slice would keep the whole buffer that it came in.
        self.before.push((kind, Bytes::copy_from_slice(bytes)));
    }

    /// Redis is gone with what it had queued.
    pub(super) fn lose(&mut self) {
        self.is_queueing = false;
        if matches!(self.transaction, Transaction::There) {
            self.transaction = Transaction::Here { answers: Vec::new(), is_lost: true };
        }
    }
}

/// What a command does to its connection, if it does anything.
pub(super) fn change(arguments: &Arguments<'_>) -> Option<Change> {
    let is = |name: &str| arguments.is(0, name);
    // The first letter spares most commands the comparisons.
    match arguments.name().first().map(u8::to_ascii_uppercase) {
        Some(b'A') if is("AUTH") => Some(Change::Remember(Kind::Auth)),
        Some(b'H') if is("HELLO") && arguments.count() > 1 => {
            let version = if arguments.is(1, "3") { Resp::Three } else { Resp::Two };
            let name = (2..arguments.count()).find(|at| arguments.is(*at, "SETNAME"));
            let name = name.and_then(|at| arguments.short(at + 1)).map(<[u8]>::to_vec);
            Some(Change::Hello { version, name })
        }
        Some(b'S') if is("SELECT") => {
            let database = arguments.short(1).and_then(number)?;
            u32::try_from(database).ok().map(Change::Select)
        }
        Some(b'C') if is("CLIENT") => {
            if arguments.is(1, "SETNAME") {
                return arguments.short(2).map(|name| Change::Name(name.to_vec()));
            }
            let kept = ["SETINFO", "NO-EVICT", "NO-TOUCH"];
            let kept = kept.into_iter().find(|word| arguments.is(1, word))?;
            // `SETINFO` has a name and a version.
            let which = if kept == "SETINFO" {
                arguments.short(2)?.to_ascii_lowercase()
            } else {
                kept.into()
            };
            Some(Change::Remember(Kind::Client(which)))
        }
        Some(b'R') if is("RESET") => Some(Change::Reset),
        Some(b'Q') if is("QUIT") => Some(Change::Quit),
        Some(b'M') if is("MULTI") => Some(Change::Multi),
        Some(b'E') if is("EXEC") => Some(Change::Ended),
        Some(b'D') if is("DISCARD") => Some(Change::Ended),
        Some(b'W') if is("WATCH") => Some(Change::Watch),
        Some(b'U') if is("UNWATCH") => Some(Change::Unwatch),
        _ => None,
    }
}

/// What is said to a command that a client queues here, or that ends what it queued.
pub(super) fn queued(
    transaction: &mut Transaction,
    arguments: &Arguments<'_>,
    verdict: impl FnOnce() -> Verdict,
) -> Queued {
    let Transaction::Here { answers, is_lost } = transaction else {
        let error = |text: &str| Queued::Said(Value::Error(text.to_owned()));
        if arguments.is(0, "MULTI") {
            *transaction = Transaction::Here { answers: Vec::new(), is_lost: false };
            return Queued::Said(Value::Status("OK"));
        }
        return match arguments.name().to_ascii_lowercase().as_slice() {
            b"exec" => error("ERR EXEC without MULTI"),
            b"discard" => error("ERR DISCARD without MULTI"),
            b"unwatch" => Queued::Said(Value::Status("OK")),
            _ => Queued::Refused,
        };
    };
    if arguments.is(0, "EXEC") {
        let said = if *is_lost {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            Value::Error(text.to_owned())
        } else {
            Value::List(std::mem::take(answers))
        };
        *transaction = Transaction::None;
        return Queued::Said(said);
    }
    if arguments.is(0, "DISCARD") {
        *transaction = Transaction::None;
        return Queued::Said(Value::Status("OK"));
    }
    if arguments.is(0, "MULTI") {
        return Queued::Said(Value::Error("ERR MULTI calls can not be nested".to_owned()));
    }
    match verdict() {
        Verdict::Said(error @ Value::Error(_)) => {
            *is_lost = true;
            Queued::Said(error)
        }
        // Nothing waits in a transaction.
        Verdict::Said(answer) | Verdict::Waits { answer, .. } => {
            answers.push(answer);
            Queued::Said(Value::Status("QUEUED"))
        }
        Verdict::Dropped { .. } | Verdict::Refused(_) | Verdict::Own(_) => {
            *is_lost = true;
            Queued::Refused
        }
    }
}

/// What becomes of a command of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Said(Value),
    Refused,
}
