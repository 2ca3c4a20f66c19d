//! What Route 53 says of the records, and how that stands to what is wanted. Asks nothing and changes nothing.

use aws_sdk_route53::types::ResourceRecordSet;
use serde_json::Value;

use super::super::words::in_words;
use super::wire::{is, shown, shown_as_read};
use crate::config::{RecordKey, RecordSet, SwitchedRecord};
use crate::lever::{Error, Part, Position};
use crate::switch::Step;

/// What the records say, as Route 53 answered it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) sets: Vec<(String, ResourceRecordSet)>,
}

impl Read {
    /// The record set that `key` names.
    pub(super) fn of(&self, key: &RecordKey) -> Option<&ResourceRecordSet> {
        self.sets
            .iter()
            .find(|(zone, set)| *zone == key.zone_id && is(set, key))
            .map(|(_, set)| set)
    }
}

/// How a record stands to what a step expects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Before,
    After,
    Elsewhere,
}

pub(super) fn value_of(read: &Read, key: &RecordKey) -> Value {
    read.of(key).map_or(Value::Null, shown_as_read)
}

pub(super) fn position(record: &SwitchedRecord, value: &Value) -> Position {
    let says = |set: &Option<RecordSet>| {
        *value == set.as_ref().map_or(Value::Null, |set| shown(&record.key.kind, set))
    };
    if says(&record.live) {
        Position::Live
    } else if says(&record.maintenance) {
        Position::Maintenance
    } else if value.is_null() {
        Position::Absent
    } else {
        Position::Foreign
    }
}

/// Which of the record's two sets `after` shows.
pub(super) fn wanted<'a>(record: &'a SwitchedRecord, after: &Value) -> Option<&'a RecordSet> {
    [&record.live, &record.maintenance]
        .into_iter()
        .flatten()
        .find(|set| shown(&record.key.kind, set) == *after)
}

pub(super) fn stand(read: &Read, records: &[(&SwitchedRecord, &Step)]) -> Stand {
    if records.iter().all(|(record, step)| value_of(read, &record.key) == step.before) {
        Stand::Before
    } else {
        stand_after(read, records)
    }
}

pub(super) fn stand_after(read: &Read, records: &[(&SwitchedRecord, &Step)]) -> Stand {
    if records.iter().all(|(record, step)| value_of(read, &record.key) == step.after) {
        Stand::After
    } else {
        Stand::Elsewhere
    }
}

/// A foreign value beside the two that it could be.
pub(super) fn beside_both(record: &SwitchedRecord, part: &Part) -> String {
    let said = |set: &Option<RecordSet>| {
        in_words(&set.as_ref().map_or(Value::Null, |set| shown(&record.key.kind, set)))
    };
    format!(
        "{} is neither target: it is {}, live would be {}, maintenance {}",
        part.target,
        in_words(&part.value),
        said(&record.live),
        said(&record.maintenance)
    )
}

pub(super) fn moved_meanwhile(read: &Read, records: &[(&SwitchedRecord, &Step)]) -> Error {
    let found = records.iter().find_map(|(record, step)| {
        let value = value_of(read, &record.key);
        (value != step.before && value != step.after).then(|| (step.target.clone(), value))
    });
    let message = match found {
        Some((target, value)) => format!(
            "{target} was changed by somebody else meanwhile: it is {} now",
            in_words(&value)
        ),
        None => "some of the records were changed by somebody else meanwhile".to_owned(),
    };
    Error::Refused {
        code: "record-moved",
        message,
        hint: "run `roadworks status` to see where it stands, then plan again".to_owned(),
    }
}
