//! What guards of one Redis tell each other: that something is dropped which Redis still has. Pure: documents in, decisions out.
//!
//! A guard's marker is in the store before its first dropped write of an outage is answered, and until its Redis has none of it.
//! While another's is there nobody reads: what it is about only that guard knows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::encoded;

/// The format that is written.
const FORMAT: u32 = 1;
/// A marker that is there for so long may be nobody's any more.
const LONG: SignedDuration = SignedDuration::from_mins(2);

/// `dirty/<name>/<guard>.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Its format.
    pub format: u32,
    /// The id of the process whose guard it is.
    pub guard: String,
    /// Since when.
    pub at: Timestamp,
    /// The databases in which something was dropped.
    pub databases: BTreeSet<u32>,
    /// Whether nobody knows any more what was dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

impl Marker {
    /// One that says that `guard` has dropped something in these.
    pub fn of(guard: &str, at: Timestamp, databases: BTreeSet<u32>) -> Marker {
        Marker { format: FORMAT, guard: guard.to_owned(), at, databases, lost: false }
    }
}

/// The folder of the markers of the guards `name`.
pub fn folder(name: &str) -> String {
    format!("dirty/{}/", encoded(name))
}

/// Where a guard's own is.
pub fn key(name: &str, guard: &str) -> String {
    format!("{}{}.json", folder(name), encoded(guard))
}

/// What a guard knows of its own journal when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It has what was dropped before, if anything was.
    Sound,
    /// It is new, or in memory only: what was dropped before is not in it.
    None,
}

/// What one guard knows of the markers.
#[derive(Debug, Clone)]
pub struct Known {
    guard: String,
    memory: Memory,
    /// Whether the store was ever read.
    has_looked: bool,
    /// Its own, as it is there.
    own: Option<Marker>,
    /// The databases in which it has dropped something.
    wanted: BTreeSet<u32>,
    /// Those in which something was dropped of which nobody knows any more what.
    lost: BTreeSet<u32>,
    /// Others', with when each was first seen, and whether that was told.
    others: BTreeMap<String, (Timestamp, bool)>,
}

/// What is to be done about a guard's own marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// Nothing.
    Right,
    /// To write it.
    Write(Marker),
    /// To take it away.
    Remove,
}

impl Known {
    /// Nothing yet; `wanted` is what its journal has.
    pub fn nothing(guard: &str, memory: Memory, wanted: BTreeSet<u32>) -> Known {
        Known {
            guard: guard.to_owned(),
            memory,
            has_looked: false,
            own: None,
            wanted,
            lost: BTreeSet::new(),
            others: BTreeMap::new(),
        }
    }

    /// Whether another one's, or one of its own whose keys nobody knows, keeps this guard from reading: and before it has looked,
    /// whatever may be there.
    pub fn keeps_from_reading(&self) -> bool {
        !self.has_looked || !self.others.is_empty() || !self.lost.is_empty()
    }

    /// Whether its own marker says already what is to be said before something is dropped in `databases`.
    pub fn covers(&self, databases: &BTreeSet<u32>) -> bool {
        let is_told = |own: &Marker| own.lost != self.lost.is_empty();
        self.own.as_ref().is_some_and(|own| is_told(own) && databases.is_subset(&own.databases))
    }

    /// The databases in which something was dropped of which nobody knows any more what.
    pub fn lost(&self) -> &BTreeSet<u32> {
        &self.lost
    }

    /// The databases that are marked.
    pub fn covered(&self) -> BTreeSet<u32> {
        let own = self.own.as_ref().filter(|own| own.lost != self.lost.is_empty());
        own.map(|own| own.databases.clone()).unwrap_or_default()
    }

    /// Whether it has a marker there, or is to have one.
    pub fn has_own(&self) -> bool {
        self.own.is_some() || !self.wanted.is_empty()
    }

    /// Whose markers are there besides.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.keys().map(String::as_str)
    }

    /// Whether the store was ever read.
    pub fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Something is to be dropped in these.
    pub fn want(&mut self, databases: &BTreeSet<u32>) {
        self.wanted.extend(databases);
    }

    /// Nothing that it dropped is left.
    pub fn done(&mut self) {
        self.wanted.clear();
    }

    /// All that was lost is to be removed, or somebody said that it may be read.
    pub fn recovered(&mut self) {
        self.lost.clear();
    }

    /// What is to be done about its own.
    pub fn own(&self, now: Timestamp) -> Own {
        let databases: BTreeSet<_> = self.wanted.union(&self.lost).copied().collect();
        let lost = !self.lost.is_empty();
        match &self.own {
            // Whatever is there may be of before.
            _ if !self.has_looked => Own::Right,
            None if databases.is_empty() => Own::Right,
            Some(_) if databases.is_empty() => Own::Remove,
            Some(own) if own.lost == lost && databases.is_subset(&own.databases) => Own::Right,
            Some(own) => Own::Write(Marker { databases, lost, ..own.clone() }),
            None => Own::Write(Marker { lost, ..Marker::of(&self.guard, now, databases) }),
        }
    }

    /// Its own is written, or taken away.
    pub fn wrote(&mut self, own: Option<Marker>) {
        self.own = own;
    }

    /// What is there now. Comes back with those that are there for long, each once.
    pub fn looked(&mut self, markers: Vec<Marker>, now: Timestamp) -> Vec<String> {
        let (own, others): (Vec<_>, Vec<_>) =
            markers.into_iter().partition(|marker| marker.guard == self.guard);
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        self.own = own.into_iter().next();
        if let Some(own) = self.own.as_ref().filter(|_| is_first)
            && (own.lost || self.memory == Memory::None)
        {
            self.lost.extend(&own.databases);
        }
        let was = std::mem::take(&mut self.others);
        let seen = |guard: &String| was.get(guard).copied().unwrap_or((now, false));
        self.others = others.into_iter().map(|one| (one.guard.clone(), seen(&one.guard))).collect();
        let is_long = |since: Timestamp| now.duration_since(since) >= LONG;
        let mut long = Vec::new();
        for (guard, (since, is_told)) in &mut self.others {
            if is_long(*since) && !std::mem::replace(is_told, true) {
                long.push(guard.clone());
            }
        }
        long
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Some guards, a store that some of them cannot reach now and then, and a Redis.
    #[derive(Debug, Clone)]
    enum Step {
        Drops(usize),
        Removes(usize),
        Looks(usize),
        Dies(usize),
    }

    struct Fleet {
        store: BTreeMap<String, Marker>,
        guards: Vec<Guard>,
    }

    struct Guard {
        id: String,
        known: Known,
        /// Whether Redis still has what it dropped.
        has_dropped: bool,
        /// Whether it knows what that is.
        is_lost: bool,
        memory: Memory,
    }

    impl Fleet {
        fn of(memories: &[Memory]) -> Fleet {
            let guard = |(number, memory): (usize, &Memory)| Guard {
                id: format!("guard-{number}"),
                known: Known::nothing(&format!("guard-{number}"), *memory, BTreeSet::new()),
                has_dropped: false,
                is_lost: false,
                memory: *memory,
            };
            let guards = memories.iter().enumerate().map(guard).collect();
            Fleet { store: BTreeMap::new(), guards }
        }

        fn write(&mut self, at: usize) {
            let guard = &mut self.guards[at];
            match guard.known.own(Timestamp::UNIX_EPOCH) {
                Own::Right => {}
                Own::Write(marker) => {
                    self.store.insert(guard.id.clone(), marker.clone());
                    guard.known.wrote(Some(marker));
                }
                Own::Remove => {
                    self.store.remove(&guard.id);
                    guard.known.wrote(None);
                }
            }
        }

        fn does(&mut self, step: &Step) {
            match *step {
                Step::Drops(at) => {
                    let databases = BTreeSet::from([0]);
                    if !self.guards[at].known.has_looked() {
                        self.looks(at);
                    }
                    self.guards[at].known.want(&databases);
                    self.write(at);
                    assert!(self.guards[at].known.covers(&databases));
                    self.guards[at].has_dropped = true;
                }
                Step::Removes(at) => {
                    self.guards[at].has_dropped = self.guards[at].is_lost;
                    self.guards[at].known.done();
                    self.write(at);
                    self.looks(at);
                }
                Step::Looks(at) => self.looks(at),
                Step::Dies(at) => {
                    let guard = &mut self.guards[at];
                    guard.is_lost |= guard.memory == Memory::None && guard.has_dropped;
                    let wanted = match guard.memory {
                        Memory::Sound if guard.has_dropped => BTreeSet::from([0]),
                        Memory::Sound | Memory::None => BTreeSet::new(),
                    };
                    guard.known = Known::nothing(&guard.id, guard.memory, wanted);
                    assert!(guard.known.keeps_from_reading(), "it looks before it reads");
                }
            }
        }

        fn looks(&mut self, at: usize) {
            let markers = self.store.values().cloned().collect();
            self.guards[at].known.looked(markers, Timestamp::UNIX_EPOCH);
            self.write(at);
        }
    }

    fn memory() -> impl Strategy<Value = Memory> {
        prop_oneof![Just(Memory::Sound), Just(Memory::None)]
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = 0..3_usize;
        prop_oneof![
            at.clone().prop_map(Step::Drops),
            at.clone().prop_map(Step::Removes),
            at.clone().prop_map(Step::Looks),
            at.prop_map(Step::Dies),
        ]
    }

    proptest! {
        #[test]
        fn whoever_has_looked_reads_nothing_while_another_has_something_to_remove(
            memories in proptest::array::uniform3(memory()),
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let mut fleet = Fleet::of(&memories);
            for step in &steps {
                fleet.does(step);
                for at in 0..3 {
                    let marked = fleet.store.contains_key(&fleet.guards[at].id);
                    prop_assert!(marked || !fleet.guards[at].has_dropped, "{step:?}: it is told before");
                }
                for at in 0..3 {
                    fleet.looks(at);
                    let others = (0..3).any(|other| other != at && fleet.guards[other].has_dropped);
                    let reads = !fleet.guards[at].known.keeps_from_reading();
                    prop_assert!(!(others && reads), "{step:?}");
                }
            }
            // Where all that was dropped is known, all is removed at last, and everybody reads.
            let is_lost = fleet.guards.iter().any(|guard| guard.is_lost);
            for at in 0..3 {
                fleet.does(&Step::Removes(at));
            }
            for at in 0..3 {
                fleet.looks(at);
                prop_assert_eq!(fleet.guards[at].known.keeps_from_reading(), is_lost);
            }
        }
    }

    #[test]
    fn a_marker_whose_keys_nobody_knows_stays_until_somebody_says_what_becomes_of_them() {
        let now = Timestamp::UNIX_EPOCH;
        let mut known = Known::nothing("a", Memory::None, BTreeSet::new());
        known.looked(vec![Marker::of("a", now, BTreeSet::from([3]))], now);
        assert_eq!(known.lost(), &BTreeSet::from([3]));
        known.done();
        let Own::Write(marker) = known.own(now) else { panic!("it says so") };
        assert!(marker.lost, "after another start, too");
        known.wrote(Some(marker));
        assert_eq!(known.own(now), Own::Right, "it is not taken away");
        known.want(&BTreeSet::from([0]));
        let Own::Write(marker) = known.own(now) else { panic!("it is to have both") };
        assert!(marker.lost && marker.databases == BTreeSet::from([0, 3]));
        known.wrote(Some(marker));
        known.recovered();
        known.done();
        assert!(!known.keeps_from_reading());
        assert_eq!(known.own(now), Own::Remove);
    }

    #[test]
    fn another_s_marker_that_stays_is_told_once() {
        let now = Timestamp::UNIX_EPOCH;
        let mut known = Known::nothing("a", Memory::Sound, BTreeSet::new());
        let theirs = || vec![Marker::of("b", now, BTreeSet::new())];
        assert!(known.looked(theirs(), now).is_empty());
        assert_eq!(known.looked(theirs(), now + LONG), ["b"]);
        assert!(known.looked(theirs(), now + LONG * 2).is_empty() && known.keeps_from_reading());
        known.looked(Vec::new(), now + LONG * 2);
        assert!(!known.keeps_from_reading());
        let json = serde_json::to_string(&theirs()[0]).unwrap();
        assert_eq!(json, r#"{"format":1,"guard":"b","at":"1970-01-01T00:00:00Z","databases":[]}"#);
        assert_eq!(key("my cache", "web.1-ab"), "dirty/my%20cache/web.1-ab.json");
    }
}
