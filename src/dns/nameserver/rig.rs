//! A zone, messages and keys for the tests.

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::{RrSet, Zone, from_json, update};
use crate::net::record;

pub(super) const SERIAL: u32 = 7;

pub(super) fn name(text: &str) -> Name {
    record::name(text).unwrap()
}

pub(super) fn kind(text: &str) -> RecordType {
    record::type_of(text).unwrap()
}

pub(super) fn data(of: &str, text: &str) -> RData {
    record::data(kind(of), text).unwrap()
}

/// `example.test` with these lines `name type value`, besides what it cannot be without.
pub(super) fn zone(lines: &str) -> Zone {
    let mut sets: Vec<(Name, RecordType, RrSet)> = Vec::new();
    let own = format!(
        "@ SOA ns.example.test. hostmaster.example.test. {SERIAL} 3600 600 604800 5\n@ NS ns.example.test.\n"
    );
    for line in own.lines().chain(lines.lines()) {
        let mut words = line.trim().splitn(3, ' ');
        let (Some(owner), Some(of), Some(text)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let owner = within(owner);
        match sets.iter_mut().find(|(name, is, _)| *name == owner && *is == kind(of)) {
            Some((_, _, set)) => set.data.push(data(of, text)),
            None => sets.push((owner, kind(of), RrSet { ttl: 60, data: vec![data(of, text)] })),
        }
    }
    let zone = Zone::new(&name("example.test"), sets).unwrap();
    assert_eq!(from_json(&super::to_json(&zone)).unwrap(), zone);
    zone
}

pub(super) fn within(owner: &str) -> Name {
    match owner {
        "@" => name("example.test"),
        owner if owner.ends_with('.') => name(owner),
        owner => name(&format!("{owner}.example.test")),
    }
}

pub(super) fn question(owner: &str, of: &str) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(within(owner), kind(of)));
    message
}

/// An update, line by line: `yes NAME [TYPE [VALUE]]` and `no NAME [TYPE]` are required, `add NAME TTL TYPE VALUE` and
/// `delete NAME [TYPE [VALUE]]` are done.
pub(super) fn request(lines: &str) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.add_query(Query::query(name("example.test"), RecordType::SOA));
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.splitn(3, ' ').collect();
        let (verb, owner) = (words[0], within(words[1]));
        let rest = words.get(2).copied().unwrap_or_default();
        let (ttl, rest) = match verb {
            "add" => rest.split_once(' ').map(|(ttl, rest)| (ttl.parse().unwrap(), rest)).unwrap(),
            _ => (0, rest),
        };
        let (of, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let empty = Record::update0(
            owner.clone(),
            0,
            if of.is_empty() { RecordType::ANY } else { kind(of) },
        );
        let mut record = empty.into_record_of_rdata();
        if !text.is_empty() {
            record = Record::from_rdata(owner, ttl, data(of, text));
        }
        record.dns_class = match (verb, text.is_empty()) {
            ("yes" | "delete", true) => DNSClass::ANY,
            ("no", _) | ("delete", false) => DNSClass::NONE,
            _ => DNSClass::IN,
        };
        match verb {
            "yes" | "no" => message.answers.push(record),
            _ => message.authorities.push(record),
        }
    }
    message
}

fn by_wire(message: &Message) -> Message {
    Message::from_vec(&message.to_vec().unwrap()).unwrap()
}

/// The zone after `lines`, as it comes by wire.
pub(super) fn after(zone: &Zone, lines: &str) -> Result<Option<Zone>, ResponseCode> {
    update(zone, &by_wire(&request(lines)))
}

/// The values of a name and type, sorted, each with the TTL.
pub(super) fn values(zone: &Zone, owner: &str, of: &str) -> Vec<String> {
    let set = zone.set(&within(owner), kind(of));
    let all = set
        .into_iter()
        .flat_map(|set| set.data.iter().map(|data| format!("{} {}", set.ttl, record::shown(data))));
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}
