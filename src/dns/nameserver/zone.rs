//! A zone, whole and unchangeable: an answer is made from one of them, so it cannot mix two.
//!
//! Always has an SOA and at least one NS at its origin, and nothing beside a CNAME.

use std::collections::BTreeMap;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, RecordType};

use super::limits;
use crate::net::record;

/// All records of one name and type. They share a TTL (RFC 2181 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RrSet {
    /// Seconds.
    pub ttl: u32,
    /// At least one, none twice.
    pub data: Vec<RData>,
}

impl RrSet {
    /// Whether it has exactly these, in whatever order and however often each is said.
    pub fn is(&self, data: &[RData]) -> bool {
        data.iter().all(|one| self.data.contains(one))
            && self.data.iter().all(|one| data.contains(one))
    }
}

/// What one name has, by type.
pub type Node = BTreeMap<RecordType, RrSet>;

/// What a name of the zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It has records.
    Node(&'a Node),
    /// It has none, but names below it have (RFC 8020).
    Between,
    /// It is not there.
    Absent,
}

/// One state of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    origin: Name,
    soa: SOA,
    nodes: BTreeMap<Name, Node>,
}

/// Why records are no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAZone {
    /// Without it nobody knows how new the zone is.
    #[error("it has no SOA record, or several")]
    Soa,
    /// Without it nobody is sent to it.
    #[error("it has no NS record at {0}")]
    Ns(Name),
    /// A record is somewhere else.
    #[error("{0} is not in it")]
    Outside(Name),
    /// RFC 1034 section 3.6.2.
    #[error("{0} has a CNAME beside something else")]
    Beside(Name),
    /// More than this server takes.
    #[error("it is too large at {0}")]
    TooLarge(Name),
}

impl Zone {
    /// The zone that has these records.
    pub fn new(
        origin: &Name,
        sets: impl IntoIterator<Item = (Name, RecordType, RrSet)>,
    ) -> Result<Zone, NotAZone> {
        let origin = origin.to_lowercase();
        let mut nodes: BTreeMap<Name, Node> = BTreeMap::new();
        for (name, kind, set) in sets {
            if !origin.zone_of(&name) {
                return Err(NotAZone::Outside(name));
            }
            nodes.entry(name.to_lowercase()).or_default().insert(kind, set);
        }
        Zone::of(origin, nodes)
    }

    /// The same from what is sorted already.
    pub(super) fn of(origin: Name, mut nodes: BTreeMap<Name, Node>) -> Result<Zone, NotAZone> {
        for node in nodes.values_mut() {
            node.retain(|_, set| !set.data.is_empty());
        }
        nodes.retain(|_, node| !node.is_empty());
        if nodes.len() > limits::NAMES {
            return Err(NotAZone::TooLarge(origin));
        }
        for (name, node) in &nodes {
            let cname = node.get(&RecordType::CNAME);
            if cname.is_some_and(|cname| node.len() > 1 || cname.data.len() > 1) {
                return Err(NotAZone::Beside(name.clone()));
            }
            if !node.values().all(fits) {
                return Err(NotAZone::TooLarge(name.clone()));
            }
        }
        let apex = nodes.get(&origin).ok_or(NotAZone::Soa)?;
        let soa = apex.get(&RecordType::SOA).ok_or(NotAZone::Soa)?;
        let [RData::SOA(soa)] = soa.data.as_slice() else { return Err(NotAZone::Soa) };
        let soa = soa.clone();
        if !apex.contains_key(&RecordType::NS) {
            return Err(NotAZone::Ns(origin));
        }
        Ok(Zone { origin, soa, nodes })
    }

    /// Where it begins, in lower case.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Its start of authority.
    pub fn soa(&self) -> &SOA {
        &self.soa
    }

    /// What `name` is in it.
    pub fn standing(&self, name: &Name) -> Standing<'_> {
        match self.nodes.range(name.clone()..).next() {
            Some((found, node)) if found == name => Standing::Node(node),
            // In DNSSEC's order of names what is below a name follows it.
            Some((found, _)) if name.zone_of(found) => Standing::Between,
            _ => Standing::Absent,
        }
    }

    /// All records of `name` and `kind`.
    pub fn set(&self, name: &Name, kind: RecordType) -> Option<&RrSet> {
        self.nodes.get(name)?.get(&kind)
    }

    /// Where the zone ends on the way down to `name`: the highest name below the origin that has NS records.
    pub fn cut(&self, name: &Name) -> Option<(Name, &RrSet)> {
        let (whole, own) = (name.iter().count(), self.origin.iter().count());
        (own + 1..=whole).find_map(|labels| {
            let above = name.trim_to(labels);
            let set = self.set(&above, RecordType::NS)?;
            Some((above, set))
        })
    }

    /// Every name with what it has.
    pub fn nodes(&self) -> &BTreeMap<Name, Node> {
        &self.nodes
    }
}

/// Whether it goes into one message.
fn fits(set: &RrSet) -> bool {
    set.data.len() <= limits::SET_RECORDS
        && set.data.iter().map(record::size).sum::<usize>() <= limits::SET_BYTES
}

/// Whether `new` comes after `old` (RFC 1982 section 3.2): half of all numbers do.
pub fn is_later(new: u32, old: u32) -> bool {
    new != old && new.wrapping_sub(old) < 1 << 31
}

/// The serial after this one. 0 is left out: some secondaries take it for none (RFC 2136 section 7.11).
pub fn next_serial(serial: u32) -> u32 {
    match serial.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_go_round_and_never_back() {
        assert!(is_later(1, u32::MAX) && !is_later(u32::MAX, 1) && !is_later(7, 7));
        for serial in [0, 1, 7, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
            assert!(is_later(next_serial(serial), serial) && next_serial(serial) != 0, "{serial}");
        }
    }
}
