//! What a client has said of its connection: remembered while Redis is there, so that another connection becomes the same.

use bytes::Bytes;

use super::answer::Verdict;
use super::emergency::Named;
use super::frame::{Arguments, number};
use super::journal::Entry;
use super::value::{Resp, Value};

/// So many keys one transaction may write while Redis is away.
const MOST_DROPPED: usize = 100_000;

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
    /// What Redis was asked to queue and not yet to do: what is sent now belongs to it.
    pub(super) queue: Option<Queue>,
    pub(super) took: Took,
    /// Whether keys are watched upstream.
    pub(super) is_watching: bool,
    pub(super) standing: Standing,
    /// The keys of what is queued here.
    pub(super) named: Named,
}

/// Whether somebody is known to be who they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody asked, while Redis is away.
    #[default]
    Unknown,
    /// Redis let them in, or they know the guard's own password.
    Proven,
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
    /// By us: what is said at its end and must not be read afterwards, or that nothing is said.
    Here { answers: Vec<Value>, dirty: Vec<Entry>, is_lost: bool },
}

/// What a client has had Redis queue, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Queue {
    commands: Vec<Bytes>,
    size: usize,
}

impl Queue {
    /// So much is kept of one transaction.
    const MOST: usize = 1 << 20;

    pub(super) fn push(&mut self, command: Option<&Bytes>) {
        self.size = self.size.saturating_add(command.map_or(usize::MAX, Bytes::len));
        if let Some(command) = command.filter(|_| self.size <= Self::MOST) {
            self.commands.push(command.clone());
        }
    }

    /// All of it, or nothing.
    pub(super) fn whole(self) -> Option<Vec<Bytes>> {
        (self.size <= Self::MOST).then_some(self.commands)
    }

    /// The same.
    pub(super) fn known(&self) -> Option<&[Bytes]> {
        (self.size <= Self::MOST).then_some(self.commands.as_slice())
    }
}

/// What Redis has said of the commands of a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Took {
    /// It queued all.
    #[default]
    All,
    /// It refused writes, of which the client was told that they are queued.
    ButWrites,
    /// The client knows that one was refused.
    Not,
}

impl Transaction {
    /// Whether there is one.
    pub(super) fn is_any(&self) -> bool {
        !matches!(self, Transaction::None)
    }

    /// Whether it is ours, and nothing is queued in it: Redis may be told to begin it instead.
    pub(super) fn is_begun(&self) -> bool {
        matches!(
            self,
            Transaction::Here { answers, dirty, is_lost: false } if answers.is_empty() && dirty.is_empty()
        )
    }
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

impl Change {
    /// Whether what was asked before it means something else after it: it is of another database, user or protocol.
    pub(super) fn is_of_all_behind(&self) -> bool {
        matches!(
            self,
            Change::Remember(_) | Change::Select(_) | Change::Hello { .. } | Change::Reset
        )
    }
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
            Change::Reset => {
                // What was sent after it belongs to what comes.
                let queue = self.queue.take();
                *self = Session { queue, ..Session::default() };
            }
            Change::Multi => (self.transaction, self.took) = (Transaction::There, Took::All),
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
        self.queue = None;
        if matches!(self.transaction, Transaction::There) {
            self.transaction =
                Transaction::Here { answers: Vec::new(), dirty: Vec::new(), is_lost: true };
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

/// What is said to a command that a client queues here, or that ends what it queued. What is dropped is of `database`, where it may be
/// dropped at all.
pub(super) fn queued(
    transaction: &mut Transaction,
    arguments: &Arguments<'_>,
    database: Option<u32>,
    verdict: impl FnOnce() -> Verdict,
) -> Queued {
    let Transaction::Here { answers, dirty, is_lost } = transaction else {
        let error = |text: &str| Queued::Said(Value::Error(text.to_owned()));
        if arguments.is(0, "MULTI") {
            *transaction = Transaction::here();
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
        let (answers, dirty) = (std::mem::take(answers), std::mem::take(dirty));
        let is_lost = std::mem::take(is_lost);
        *transaction = Transaction::None;
        return match (is_lost, dirty.is_empty()) {
            (true, _) => Queued::Said(aborted()),
            (false, true) => Queued::Said(Value::List(answers)),
            (false, false) => Queued::Done { answer: Value::List(answers), dirty },
        };
    }
    if arguments.is(0, "DISCARD") {
        *transaction = Transaction::None;
        return Queued::Said(Value::Status("OK"));
    }
    if arguments.is(0, "MULTI") {
        return Queued::Said(Value::Error("ERR MULTI calls can not be nested".to_owned()));
    }
    match (verdict(), database) {
        (Verdict::Said(error @ Value::Error(_)), _) => {
            *is_lost = true;
            Queued::Said(error)
        }
        // Nothing waits in a transaction.
        (Verdict::Said(answer) | Verdict::Waits { answer, .. }, _) => {
            answers.push(answer);
            Queued::Said(Value::Status("QUEUED"))
        }
        (Verdict::Dropped { answer, dirty: keys }, Some(database))
            if dirty.len() + keys.len() <= MOST_DROPPED =>
        {
            answers.push(answer);
            dirty.extend(keys.into_iter().map(|dirty| Entry { database, dirty }));
            Queued::Said(Value::Status("QUEUED"))
        }
        (Verdict::Dropped { .. } | Verdict::Refused(_) | Verdict::Own(_), _) => {
            *is_lost = true;
            Queued::Refused
        }
    }
}

impl Transaction {
    /// One of ours that begins.
    pub(super) fn here() -> Transaction {
        Transaction::Here { answers: Vec::new(), dirty: Vec::new(), is_lost: false }
    }
}

/// As Redis says it.
pub(super) fn aborted() -> Value {
    Value::Error("EXECABORT Transaction discarded because of previous errors.".to_owned())
}

/// What becomes of a command of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Said(Value),
    /// Its end, which is said once these are kept.
    Done {
        answer: Value,
        dirty: Vec<Entry>,
    },
    Refused,
}
