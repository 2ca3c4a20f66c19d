//! What Redis has and may not be read as it is, while it is there: writes of it were refused, and dropped.
//!
//! A copy in memory of what the journal has: a key is in it before its write is answered, and until Redis has it no more.

use std::collections::{HashMap, HashSet};

use super::answer::Dirty;
use super::frame::{Argument, Arguments};
use super::journal::Entry;
use super::keys;
use super::table::{self, Dropped, Family, Keys};

/// Keys that may not be read.
#[derive(Debug, Default)]
pub(super) struct DirtyKeys {
    keys: HashMap<u32, HashSet<Vec<u8>>>,
    /// Some are known by a pattern only: any key may be one of them.
    all: bool,
}

impl DirtyKeys {
    pub(super) fn add(&mut self, entries: &[Entry]) {
        for Entry { database, dirty } in entries {
            match dirty {
                Dirty::Key(key) => {
                    self.keys.entry(*database).or_default().insert(key.clone());
                }
                Dirty::Pattern(_) | Dirty::Database => self.all = true,
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.all
    }

    /// In whatever database: which one a client is in is not known before Redis has answered.
    fn has(&self, key: &[u8]) -> bool {
        self.all || self.keys.values().any(|keys| keys.contains(key))
    }

    /// Whether what Redis says to this command would tell of what was dropped.
    pub(super) fn is_told_by(&self, arguments: &Arguments<'_>) -> bool {
        !self.is_empty() && tells(arguments, &|key| self.has(key))
    }
}

/// Whether the answer to a command, or what it does with it elsewhere, depends on the value of a key of these.
pub(super) fn tells(arguments: &Arguments<'_>, is_one: &dyn Fn(&[u8]) -> bool) -> bool {
    let Some(command) = table::find(arguments.name()) else {
        // Which of its arguments are keys is not known.
        return (1..arguments.count()).any(|at| arguments.short(at).is_some_and(is_one));
    };
    if arguments.is(0, "SWAPDB") {
        return true;
    }
    let has_value = match command.family {
        // These say what was there before.
        Family::Read(_)
        | Family::Never
        | Family::Count
        | Family::Blocking
        | Family::Write(Dropped::Nil) => true,
        // What is copied from is read.
        Family::Write(Dropped::Ok | Dropped::Zero | Dropped::Fields) => arguments.is(0, "COPY"),
        Family::Set => {
            let has_get = (3..arguments.count()).any(|at| arguments.is(at, "GET"));
            has_get || arguments.is(0, "GETEX")
        }
        // Names of keys are no values: who looks for them to delete them is to find them.
        Family::Search
        | Family::Flush
        | Family::Unset
        | Family::Message
        | Family::Subscribe
        | Family::Transaction
        | Family::Local => false,
    };
    if !has_value || command.keys == Keys::None {
        return false;
    }
    // Parts of other keys, by patterns.
    let reads_more = || {
        let options = ["BY", "GET"];
        matches!(command.name, "sort" | "sort_ro")
            && (2..arguments.count()).any(|at| options.iter().any(|word| arguments.is(at, word)))
    };
    match keys::of(command, arguments) {
        // A script that names none may read any.
        None => true,
        Some(keys) if keys.is_empty() => matches!(command.keys, Keys::Counted(_)),
        Some(keys) => keys.into_iter().any(is_one) || reads_more(),
    }
}

/// Whether a command names a key of these.
pub(super) fn names(arguments: &Arguments<'_>, entries: &[Entry]) -> bool {
    let is_one = |key: &[u8]| {
        entries.iter().any(|entry| match &entry.dirty {
            Dirty::Key(known) => known == key,
            Dirty::Pattern(_) | Dirty::Database => true,
        })
    };
    (1..arguments.count()).any(|at| match arguments.get(at) {
        Some(Argument::Short(text)) => is_one(text),
        Some(Argument::Long(_)) | None => false,
    })
}
