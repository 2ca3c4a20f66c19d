//! A hosted zone: what it holds, in which order it lists it, and what a batch may do to it.

use super::record::{RecordSet, normal};
use super::xml::Element;

#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) sets: Vec<RecordSet>,
}

/// Why a batch is refused, in Route 53's words.
#[derive(Debug)]
pub(crate) enum Refused {
    Input(String),
    Batch(Vec<String>),
}

/// Labels from the root on, then the type, then the identifier: the order in which Route 53 lists.
fn order<'a>(
    name: &'a str,
    kind: &'a str,
    identifier: Option<&'a str>,
) -> (Vec<&'a str>, &'a str, &'a str) {
    (name.trim_end_matches('.').rsplit('.').collect(), kind, identifier.unwrap_or_default())
}

impl Zone {
    pub(crate) fn new(name: &str) -> Zone {
        Zone { name: normal(name), sets: Vec::new() }
    }

    pub(crate) fn find(&self, key: (&str, &str, Option<&str>)) -> Option<&RecordSet> {
        self.sets.iter().find(|set| set.key() == key)
    }

    /// The record sets from a place on, as many as are asked for, and the first of those left over.
    pub(crate) fn list(
        &self,
        from: (&str, &str, &str),
        most: usize,
    ) -> (Vec<&RecordSet>, Option<&RecordSet>) {
        let (name, kind, identifier) = from;
        let name = normal(name);
        let mut found: Vec<_> = self.sets.iter().collect();
        found.sort_by_key(|set| order(&set.name, &set.kind, set.set_identifier.as_deref()));
        if name != "." {
            let start = order(&name, kind, Some(identifier));
            found.retain(|set| order(&set.name, &set.kind, set.set_identifier.as_deref()) >= start);
        }
        let next = found.get(most).copied();
        found.truncate(most);
        (found, next)
    }

    /// Makes every change of a batch or none.
    pub(crate) fn apply(&mut self, batch: &Element) -> Result<(), Refused> {
        let mut after = self.clone();
        let mut refused = Vec::new();
        let changes = batch.all("Change");
        if changes.is_empty() {
            return Err(Refused::Input("Invalid request: a batch without changes".to_owned()));
        }
        for change in changes {
            let action = change.at(&["Action"]).unwrap_or_default();
            let set = change.child("ResourceRecordSet").ok_or("no ResourceRecordSet".to_owned());
            let set = set.and_then(|set| RecordSet::read(set, action)).map_err(Refused::Input)?;
            if let Err(message) = after.change(action, set) {
                refused.push(message);
            }
        }
        if refused.is_empty() {
            *self = after;
            Ok(())
        } else {
            Err(Refused::Batch(refused))
        }
    }

    fn change(&mut self, action: &str, set: RecordSet) -> Result<(), String> {
        let said = said(&set);
        let now = self.sets.iter().position(|other| other.key() == set.key());
        match (action, now) {
            ("DELETE", None) => {
                Err(format!("Tried to delete resource record set {said} but it was not found"))
            }
            ("DELETE", Some(place)) if self.sets[place] == set => {
                self.sets.remove(place);
                Ok(())
            }
            ("DELETE", Some(_)) => Err(format!(
                "Tried to delete resource record set {said} but the values provided do not match the current values"
            )),
            ("CREATE", Some(_)) => {
                Err(format!("Tried to create resource record set {said} but it already exists"))
            }
            ("CREATE", None) => self.add(set),
            ("UPSERT", now) => {
                if let Some(place) = now {
                    self.sets.remove(place);
                }
                self.add(set)
            }
            _ => Err(format!("Invalid action {action}")),
        }
    }

    fn add(&mut self, set: RecordSet) -> Result<(), String> {
        let (name, zone) = (&set.name, &self.name);
        if name != zone && !name.ends_with(&format!(".{zone}")) {
            return Err(format!("RRSet with DNS name {name} is not permitted in zone {zone}"));
        }
        if set.kind == "CNAME" && name == zone {
            return Err(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
            ));
        }
        let beside = || self.sets.iter().filter(|other| other.name == *name);
        if beside().any(|other| (other.kind == "CNAME") != (set.kind == "CNAME")) {
            return Err(format!(
                "RRSet of type {} with DNS name {name} is not permitted because a conflicting RRSet of type CNAME or with the same DNS name already exists in zone {zone}",
                set.kind
            ));
        }
        let simple = set.set_identifier.is_none();
        let same = |other: &RecordSet| other.kind == set.kind;
        if beside().any(|other| same(other) && other.set_identifier.is_none() != simple) {
            return Err(format!(
                "RRSet with DNS name {name}, type {} cannot be created as a simple and a routed RRSet with the same name and type would exist",
                set.kind
            ));
        }
        self.sets.push(set);
        Ok(())
    }
}

fn said(set: &RecordSet) -> String {
    match &set.set_identifier {
        None => format!("[name='{}', type='{}']", set.name, set.kind),
        Some(id) => format!("[name='{}', type='{}', set identifier='{id}']", set.name, set.kind),
    }
}
