//! The changes that make a set of steps, as one batch: DELETE of exactly what was read, CREATE of what is wanted.

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{Change, ChangeAction, ResourceRecordSet};

use super::reading::{Read, wanted};
use super::wire::built;
use crate::config::SwitchedRecord;
use crate::lever::Error;
use crate::switch::Step;

/// Route 53's limits for one batch (Route 53 developer guide, "Quotas").
const MOST_VALUES: usize = 1_000;
const MOST_CHARACTERS: usize = 32_000;

/// The changes of one hosted zone.
pub(super) fn changes(
    read: &Read,
    records: &[(&SwitchedRecord, &Step)],
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::with_capacity(records.len() * 2);
    for (record, step) in records {
        let now = read.of(&record.key);
        if let Some(now) = now {
            changes.push(change(ChangeAction::Delete, now.clone())?);
        }
        // Confirmed anew: the same again, so that Route 53 names a change to wait for.
        let wanted = match now {
            Some(now) if step.before == step.after => Some(now.clone()),
            _ => wanted(record, &step.after)
                .map(|set| built(&record.key, set))
                .transpose()
                .map_err(|error| unbuildable(&error))?,
        };
        match wanted {
            Some(wanted) => changes.push(change(ChangeAction::Create, wanted)?),
            None if step.after.is_null() => {}
            // Without this a value that is not ours would be taken away and nothing put in its place.
            None => return Err(not_ours(step)),
        }
    }
    within_limits(&changes)?;
    Ok(changes)
}

/// The same steps from where they lead to where they lead.
pub(super) fn confirming(records: &[(&SwitchedRecord, &Step)]) -> Vec<Step> {
    records.iter().map(|(_, step)| Step { before: step.after.clone(), ..(*step).clone() }).collect()
}

pub(super) fn affirmed<'a>(
    records: &[(&'a SwitchedRecord, &Step)],
    steps: &'a [Step],
) -> Vec<(&'a SwitchedRecord, &'a Step)> {
    records.iter().map(|(record, _)| *record).zip(steps).collect()
}

fn change(action: ChangeAction, set: ResourceRecordSet) -> Result<Change, Error> {
    Change::builder()
        .action(action)
        .resource_record_set(set)
        .build()
        .map_err(|error| unbuildable(&error))
}

pub(super) fn reversed(made: &Change) -> Result<Change, Error> {
    let action = if made.action == ChangeAction::Create {
        ChangeAction::Delete
    } else {
        ChangeAction::Create
    };
    Change::builder()
        .action(action)
        .set_resource_record_set(made.resource_record_set.clone())
        .build()
        .map_err(|error| unbuildable(&error))
}

fn within_limits(changes: &[Change]) -> Result<(), Error> {
    let sets = || changes.iter().filter_map(|change| change.resource_record_set.as_ref());
    let values: usize = sets().map(|set| set.resource_records().len().max(1)).sum();
    let characters: usize = sets()
        .flat_map(ResourceRecordSet::resource_records)
        .map(|record| record.value.chars().count())
        .sum();
    if values <= MOST_VALUES && characters <= MOST_CHARACTERS {
        return Ok(());
    }
    Err(Error::Refused {
        code: "batch-too-large",
        message: format!(
            "{values} values with {characters} characters do not fit into one change of Route 53, which takes {MOST_VALUES} and {MOST_CHARACTERS}"
        ),
        hint: "split the site: fewer records behind one switch, so that each moves all at once"
            .to_owned(),
    })
}

fn not_ours(step: &Step) -> Error {
    Error::Refused {
        code: "foreign-record",
        message: format!("{} is to become what is neither of its two targets", step.target),
        hint: "run `roadworks status` to see where it stands, then plan again".to_owned(),
    }
}

pub(super) fn unbuildable(error: &BuildError) -> Error {
    Error::Failed {
        code: "record-incomplete",
        message: format!("the record cannot be put into a request: {error}"),
        hint:
            "look at the record in the .tf or roadworks.hcl: a name, a target or a value is missing"
                .to_owned(),
    }
}
