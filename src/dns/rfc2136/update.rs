//! The update that makes a move, as one message (RFC 2136): first what must be so, then what goes, last what comes.
//!
//! The order is not a matter of taste. Where an address is added before the CNAME beside it is deleted, name servers
//! drop the address in silence, delete the CNAME, and say NOERROR: the name is gone.

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{CNAME, HTTPS, SVCB};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::reading::{Said, wanted};
use crate::config::{Answers, MOVED, Rfc2136Config};

/// What may stand at a name and must not beside a CNAME.
const BESIDE_NO_CNAME: [RecordType; 9] = [
    RecordType::TXT,
    RecordType::MX,
    RecordType::NS,
    RecordType::SRV,
    RecordType::CAA,
    RecordType::NAPTR,
    RecordType::SSHFP,
    RecordType::TLSA,
    RecordType::SVCB,
];

/// From what `said` says to `side`: nothing happens unless all of the first still is so.
pub(super) fn swap(config: &Rfc2136Config, said: &Said, side: &Answers) -> Message {
    let Rfc2136Config { zone, name, .. } = config;
    let mut message = empty(zone);
    for kind in MOVED {
        match said.set(kind) {
            Some(set) => {
                message.add_answers(set.data.iter().map(|data| record(name, 0, data)));
            }
            None => {
                message.add_answer(bare(name, kind, DNSClass::NONE));
            }
        }
    }
    if side.of(RecordType::CNAME).next().is_some() {
        let alone = BESIDE_NO_CNAME.into_iter().map(|kind| bare(name, kind, DNSClass::NONE));
        message.add_answers(alone);
    }
    let moves = || MOVED.into_iter().filter(|kind| said.value(*kind) != wanted(side, *kind));
    for kind in moves().filter(|kind| said.set(*kind).is_some()) {
        message.add_authority(bare(name, kind, DNSClass::ANY));
    }
    for kind in moves() {
        message.add_authorities(side.of(kind).map(|data| record(name, side.ttl, data)));
    }
    message
}

/// Asks to delete records that nobody has, of each type that moves: the key and its rights are tried, and nothing is
/// changed.
pub(super) fn nothing(config: &Rfc2136Config) -> Message {
    let mut message = empty(&config.zone);
    for kind in MOVED {
        let moved = [&config.live, &config.maintenance];
        if moved.iter().any(|side| side.of(kind).next().is_some()) {
            let mut nobodys = record(&config.name, 0, &nobodys(kind, &config.zone));
            nobodys.dns_class = DNSClass::NONE;
            message.add_authority(nobodys);
        }
    }
    message
}

fn nobodys(kind: RecordType, zone: &Name) -> RData {
    let name = Name::from_ascii("_roadworks-doctor.invalid.").unwrap_or_else(|_| zone.clone());
    match kind {
        RecordType::AAAA => RData::AAAA(std::net::Ipv6Addr::UNSPECIFIED.into()),
        RecordType::HTTPS => RData::HTTPS(HTTPS(SVCB::new(0, name, Vec::new()))),
        RecordType::CNAME => RData::CNAME(CNAME(name)),
        _ => RData::A(std::net::Ipv4Addr::UNSPECIFIED.into()),
    }
}

fn empty(zone: &Name) -> Message {
    let mut message = Message::new(Message::query().id, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(zone.clone(), RecordType::SOA));
    message
}

fn record(name: &Name, ttl: u32, data: &RData) -> Record {
    Record::from_rdata(name.clone(), ttl, data.clone())
}

/// All records of a type (class ANY), or none (class NONE): RFC 2136 sections 2.4 and 2.5.
fn bare(name: &Name, kind: RecordType, class: DNSClass) -> Record {
    let mut record = Record::update0(name.clone(), 0, kind);
    record.dns_class = class;
    record
}
