//! A zone and an update (RFC 2136) -> the next zone, or why not. All of it happens, or nothing.
//!
//! Whoever asks has been recognised by then. Never leaves a zone without its SOA and an NS, and never goes back with its serial.

use std::collections::BTreeMap;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordData as _, RecordType};

use super::zone::{Node, RrSet, Zone, is_later, next_serial};
use crate::net::record;

/// RFC 2181 section 8: longer than this is none.
const LONGEST_TTL: u32 = i32::MAX as u32;

/// The zone after the update `request`; `None` where it changes nothing.
pub fn update(zone: &Zone, request: &Message) -> Result<Option<Zone>, ResponseCode> {
    // Section 3.1: the zone.
    let [query] = request.queries.as_slice() else { return Err(ResponseCode::FormErr) };
    if query.query_type() != RecordType::SOA {
        return Err(ResponseCode::FormErr);
    }
    if query.query_class() != DNSClass::IN || query.name() != zone.origin() {
        return Err(ResponseCode::NotAuth);
    }
    required(zone, &request.answers)?;
    // Section 3.4.1: nothing is done before all of it was looked at.
    request.authorities.iter().try_for_each(|change| sound(zone, change))?;
    let mut draft = Draft { zone, nodes: zone.nodes().clone(), soa: None };
    request.authorities.iter().for_each(|change| draft.make(change));
    draft.done()
}

/// Section 3.2: what must be so.
fn required(zone: &Zone, wanted: &[Record]) -> Result<(), ResponseCode> {
    let mut exact: BTreeMap<(Name, RecordType), Vec<RData>> = BTreeMap::new();
    for one in wanted {
        if one.ttl != 0 {
            return Err(ResponseCode::FormErr);
        }
        if !zone.origin().zone_of(&one.name) {
            return Err(ResponseCode::NotZone);
        }
        let kind = one.record_type();
        let named = !record::is_meta(kind);
        let any = kind == RecordType::ANY;
        let empty = one.data.is_update();
        let in_use = zone.nodes().contains_key(&one.name);
        let there = zone.set(&one.name, kind).is_some();
        match one.dns_class {
            DNSClass::ANY if empty && any => in_use.then_some(()).ok_or(ResponseCode::NXDomain)?,
            DNSClass::ANY if empty && named => there.then_some(()).ok_or(ResponseCode::NXRRSet)?,
            DNSClass::NONE if empty && any => {
                (!in_use).then_some(()).ok_or(ResponseCode::YXDomain)?;
            }
            DNSClass::NONE if empty && named => {
                (!there).then_some(()).ok_or(ResponseCode::YXRRSet)?;
            }
            DNSClass::IN if !empty && named => {
                exact.entry((one.name.clone(), kind)).or_default().push(one.data.clone());
            }
            _ => return Err(ResponseCode::FormErr),
        }
    }
    let as_wanted = exact
        .iter()
        .all(|((name, kind), data)| zone.set(name, *kind).is_some_and(|set| set.is(data)));
    as_wanted.then_some(()).ok_or(ResponseCode::NXRRSet)
}

/// Section 3.4.1.3: whether a change can be made at all.
fn sound(zone: &Zone, change: &Record) -> Result<(), ResponseCode> {
    if !zone.origin().zone_of(&change.name) {
        return Err(ResponseCode::NotZone);
    }
    let kind = change.record_type();
    let named = !record::is_meta(kind);
    let empty = change.data.is_update();
    let well = match change.dns_class {
        DNSClass::IN => named && !empty,
        DNSClass::ANY => change.ttl == 0 && empty && (named || kind == RecordType::ANY),
        DNSClass::NONE => change.ttl == 0 && named && !empty,
        _ => false,
    };
    well.then_some(()).ok_or(ResponseCode::FormErr)?;
    // Signatures are nobody's to write, and a name that has no text could not be kept.
    let signed = matches!(kind, RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3);
    let ours = !signed && record::is_plain(&change.name);
    ours.then_some(()).ok_or(ResponseCode::Refused)
}

/// Section 3.4.2: the changes, one after another.
struct Draft<'a> {
    zone: &'a Zone,
    nodes: BTreeMap<Name, Node>,
    /// Another one, which was given.
    soa: Option<SOA>,
}

impl Draft<'_> {
    fn make(&mut self, change: &Record) {
        let kind = change.record_type();
        let apex = change.name == *self.zone.origin();
        match (change.dns_class, kind) {
            (DNSClass::IN, RecordType::SOA) => self.begin_anew(change),
            (DNSClass::IN, _) => self.add(change),
            // Of the origin, SOA and NS stay.
            (DNSClass::ANY, RecordType::ANY) if apex => {
                let stays = |kind: &RecordType| matches!(kind, RecordType::SOA | RecordType::NS);
                self.at(&change.name).retain(|kind, _| stays(kind));
            }
            (DNSClass::ANY, RecordType::ANY) => self.at(&change.name).clear(),
            (DNSClass::ANY, RecordType::SOA | RecordType::NS) if apex => {}
            (DNSClass::ANY, kind) => drop(self.at(&change.name).remove(&kind)),
            (_, RecordType::SOA) => {}
            (_, kind) => self.take_out(&change.name, kind, &change.data),
        }
    }

    fn at(&mut self, name: &Name) -> &mut Node {
        self.nodes.entry(name.to_lowercase()).or_default()
    }

    fn add(&mut self, change: &Record) {
        let kind = change.record_type();
        let ttl = if change.ttl > LONGEST_TTL { 0 } else { change.ttl };
        let node = self.at(&change.name);
        let of_cname = kind == RecordType::CNAME;
        // What cannot stand beside what is there is left out without a word.
        if node.keys().any(|there| (*there == RecordType::CNAME) != of_cname) {
            return;
        }
        let set = node.entry(kind).or_insert_with(|| RrSet { ttl, data: Vec::new() });
        set.ttl = ttl;
        if of_cname {
            set.data.clear();
        }
        // The same data again gives it its TTL, and its spelling.
        match set.data.iter_mut().find(|data| **data == change.data) {
            Some(data) => data.clone_from(&change.data),
            None => set.data.push(change.data.clone()),
        }
    }

    fn begin_anew(&mut self, change: &Record) {
        let RData::SOA(soa) = &change.data else { return };
        let now = self.soa.as_ref().unwrap_or(self.zone.soa()).serial;
        if change.name == *self.zone.origin() && is_later(soa.serial, now) {
            let ttl = if change.ttl > LONGEST_TTL { 0 } else { change.ttl };
            let set = RrSet { ttl, data: vec![change.data.clone()] };
            self.at(&change.name).insert(RecordType::SOA, set);
            self.soa = Some(soa.clone());
        }
    }

    fn take_out(&mut self, name: &Name, kind: RecordType, data: &RData) {
        let apex = name == self.zone.origin();
        let node = self.at(name);
        let Some(set) = node.get_mut(&kind) else { return };
        let last = set.data.len() == 1;
        if apex && kind == RecordType::NS && last {
            return;
        }
        set.data.retain(|one| one != data);
        if set.data.is_empty() {
            node.remove(&kind);
        }
    }

    fn done(mut self) -> Result<Option<Zone>, ResponseCode> {
        self.nodes.retain(|_, node| !node.is_empty());
        if self.nodes == *self.zone.nodes() {
            return Ok(None);
        }
        if self.soa.is_none() {
            let mut soa = self.zone.soa().clone();
            soa.serial = next_serial(soa.serial);
            let origin = self.zone.origin().clone();
            if let Some(set) = self.at(&origin).get_mut(&RecordType::SOA) {
                set.data = vec![RData::SOA(soa)];
            }
        }
        // What is too large for a zone.
        let next = Zone::of(self.zone.origin().clone(), self.nodes);
        next.map(Some).map_err(|_| ResponseCode::Refused)
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
