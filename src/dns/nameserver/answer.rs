//! A zone and a question -> the answer. Everything in it comes from the one zone it is given.
//!
//! Offers no recursion, no transfer and no wildcard.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::limits;
use super::zone::{Node, RrSet, Standing, Zone};

/// What is answered to `request`, which is no update.
pub fn answer(zone: &Zone, request: &Message) -> Message {
    let mut response = begun(request);
    response.metadata.response_code = match request.edns.as_ref() {
        // RFC 6891 section 6.1.3.
        Some(edns) if edns.version() > 0 => ResponseCode::BADVERS,
        _ if request.op_code != OpCode::Query => ResponseCode::NotImp,
        _ => asked(zone, request, &mut response),
    };
    response
}

/// An empty answer to `request`, with its id, its question, and EDNS where it had it.
pub(super) fn begun(request: &Message) -> Message {
    let mut response = Message::new(request.id, MessageType::Response, request.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.queries.clone_from(&request.queries);
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(limits::UDP_ANSWER).set_version(0);
        response.set_edns(edns);
    }
    response
}

/// The same where it cannot even be read: its id, if it is a question at all.
pub(super) fn unreadable(bytes: &[u8]) -> Option<Message> {
    let (id, flags) = (bytes.get(..2)?, bytes.get(2..4)?);
    let id = u16::from_be_bytes(id.try_into().ok()?);
    let first = *flags.first()?;
    // QR: answers are never answered.
    if bytes.len() < 12 || first & 0x80 != 0 {
        return None;
    }
    let mut response =
        Message::error_msg(id, OpCode::from_u8((first >> 3) & 0x0f), ResponseCode::FormErr);
    response.metadata.message_type = MessageType::Response;
    response.metadata.recursion_desired = first & 1 == 1;
    Some(response)
}

fn asked(zone: &Zone, request: &Message, response: &mut Message) -> ResponseCode {
    let [query] = request.queries.as_slice() else { return ResponseCode::FormErr };
    let (name, kind) = (query.name(), query.query_type());
    let refused = matches!(kind, RecordType::AXFR | RecordType::IXFR)
        || query.query_class() != DNSClass::IN
        || !zone.origin().zone_of(name);
    if refused {
        return ResponseCode::Refused;
    }
    if matches!(kind, RecordType::OPT | RecordType::TSIG | RecordType::SIG | RecordType::ZERO) {
        return ResponseCode::FormErr;
    }
    let mut name = name.clone();
    for link in 0..=limits::CHAIN {
        match look(zone, &name, kind) {
            Found::Set(set) => {
                response.metadata.authoritative = true;
                response.answers.extend(records(&name, set));
                return ResponseCode::NoError;
            }
            Found::Link(set, target) => {
                response.metadata.authoritative = true;
                response.answers.extend(records(&name, set));
                if link == limits::CHAIN || !zone.origin().zone_of(target) {
                    return ResponseCode::NoError;
                }
                name = target.clone();
            }
            Found::Below(cut, set) => {
                refer(zone, &cut, set, response);
                return ResponseCode::NoError;
            }
            Found::Nothing(code) => {
                response.metadata.authoritative = true;
                response.authorities.extend(negative(zone));
                return code;
            }
        }
    }
    ResponseCode::NoError
}

enum Found<'a> {
    /// What was asked for.
    Set(&'a RrSet),
    /// Another name has it.
    Link(&'a RrSet, &'a Name),
    /// Another server has it.
    Below(Name, &'a RrSet),
    Nothing(ResponseCode),
}

fn look<'a>(zone: &'a Zone, name: &Name, kind: RecordType) -> Found<'a> {
    if let Some((cut, set)) = zone.cut(name)
        // DS is the parent's (RFC 4035 section 3.1.4.1).
        && !(kind == RecordType::DS && cut == *name)
    {
        return Found::Below(cut, set);
    }
    match zone.standing(name) {
        Standing::Node(node) => in_node(node, kind),
        Standing::Between => Found::Nothing(ResponseCode::NoError),
        Standing::Absent => Found::Nothing(ResponseCode::NXDomain),
    }
}

fn in_node(node: &Node, kind: RecordType) -> Found<'_> {
    // RFC 8482 section 4.1: of everything, one is enough.
    let set = if kind == RecordType::ANY { node.values().next() } else { node.get(&kind) };
    if let Some(set) = set {
        return Found::Set(set);
    }
    match node.get(&RecordType::CNAME).map(|set| (set, set.data.as_slice())) {
        Some((set, [RData::CNAME(target)])) => Found::Link(set, &target.0),
        _ => Found::Nothing(ResponseCode::NoError),
    }
}

/// Sends the asker to whom the names below `cut` belong, with their addresses as far as they are here.
fn refer(zone: &Zone, cut: &Name, set: &RrSet, response: &mut Message) {
    response.authorities.extend(records(cut, set));
    for data in &set.data {
        let RData::NS(server) = data else { continue };
        for kind in [RecordType::A, RecordType::AAAA] {
            if let Some(set) = zone.set(&server.0, kind) {
                response.additionals.extend(records(&server.0, set));
            }
        }
    }
}

/// The SOA, and how long it may be believed that there is nothing (RFC 2308 section 3).
fn negative(zone: &Zone) -> Option<Record> {
    let set = zone.set(zone.origin(), RecordType::SOA)?;
    let ttl = set.ttl.min(zone.soa().minimum);
    Some(Record::from_rdata(zone.origin().clone(), ttl, RData::SOA(zone.soa().clone())))
}

fn records<'a>(name: &'a Name, set: &'a RrSet) -> impl Iterator<Item = Record> + use<'a> {
    set.data.iter().map(|data| Record::from_rdata(name.clone(), set.ttl, data.clone()))
}

/// The bytes of `response`, at most `limit`: where it does not fit, only the question and that it was cut off, so that
/// the asker comes back by TCP.
pub(super) fn encoded(response: &Message, limit: usize) -> Option<Vec<u8>> {
    match response.to_vec() {
        Ok(bytes) if bytes.len() <= limit => Some(bytes),
        _ => response.truncate().to_vec().ok().filter(|bytes| bytes.len() <= limit),
    }
}

/// How many bytes an answer to `request` may have by UDP.
pub(super) fn udp_limit(request: &Message) -> usize {
    let plain = limits::UDP_ANSWER_PLAIN;
    let asked = request.edns.as_ref().map_or(plain, Edns::max_payload);
    usize::from(asked.clamp(plain, limits::UDP_ANSWER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rig::{question, zone};
    use super::*;
    use crate::net::record;

    const LINES: &str = "@ A 192.0.2.9\nshop A 192.0.2.1\nshop A 192.0.2.2\nshop TXT \"a b\"\nwww CNAME shop.example.test.\nfar CNAME lb.example.net.\nnowhere CNAME gone.example.test.\nround CNAME about.example.test.\nabout CNAME round.example.test.\nx.deep A 192.0.2.3\nchild NS ns.child.example.test.\nns.child A 192.0.2.4";

    /// Status, AA, answers and authorities as lines.
    fn told(owner: &str, kind: &str) -> (ResponseCode, bool, Vec<String>, Vec<String>) {
        let response = answer(&zone(LINES), &question(owner, kind));
        let lines = |records: &[Record]| {
            let line = |one: &Record| {
                format!(
                    "{} {} {} {}",
                    one.name,
                    one.ttl,
                    one.record_type(),
                    record::shown(&one.data)
                )
            };
            records.iter().map(line).collect::<Vec<_>>()
        };
        let (answers, authorities) = (lines(&response.answers), lines(&response.authorities));
        assert!(!response.recursion_available);
        (response.response_code, response.authoritative, answers, authorities)
    }

    const SOA: &str =
        "example.test. 5 SOA ns.example.test. hostmaster.example.test. 7 3600 600 604800 5";

    #[test]
    fn a_name_is_answered_for_whatever_its_case_and_as_it_was_asked_for() {
        let (code, sure, answers, authorities) = told("SHOP.Example.TEST.", "A");
        assert!(code == ResponseCode::NoError && sure && authorities.is_empty());
        assert_eq!(
            answers,
            ["SHOP.Example.TEST. 60 A 192.0.2.1", "SHOP.Example.TEST. 60 A 192.0.2.2"]
        );
    }

    #[test]
    fn what_is_not_there_comes_with_the_soa_and_its_negative_ttl() {
        for (owner, kind, wanted) in [
            ("gone", "A", ResponseCode::NXDomain),
            ("shop", "AAAA", ResponseCode::NoError),
            ("deep", "A", ResponseCode::NoError),
            ("y.deep", "A", ResponseCode::NXDomain),
            ("eep", "A", ResponseCode::NXDomain),
        ] {
            let (code, sure, answers, authorities) = told(owner, kind);
            assert!(code == wanted && sure && answers.is_empty(), "{owner} {kind}: {code}");
            assert_eq!(authorities, [SOA], "{owner}");
        }
    }

    #[test]
    fn a_cname_is_followed_as_far_as_the_zone_goes() {
        let (code, _, answers, _) = told("www", "A");
        assert_eq!(code, ResponseCode::NoError);
        assert_eq!(answers.len(), 3);
        assert_eq!(answers[0], "www.example.test. 60 CNAME shop.example.test.");
        assert_eq!(told("www", "CNAME").2.len(), 1);
        let (code, sure, answers, authorities) = told("far", "A");
        assert!(code == ResponseCode::NoError && sure && authorities.is_empty());
        assert_eq!(answers.len(), 1);
        // RFC 6604 section 2: the code is that of the last name.
        let (code, _, answers, authorities) = told("nowhere", "A");
        assert!(code == ResponseCode::NXDomain && answers.len() == 1 && authorities == [SOA]);
        assert_eq!(told("round", "A").2.len(), limits::CHAIN + 1);
    }

    #[test]
    fn below_a_cut_the_asker_is_sent_on_with_an_address() {
        let response = answer(&zone(LINES), &question("www.child", "A"));
        assert!(!response.authoritative && response.answers.is_empty());
        assert_eq!(response.authorities.len(), 1);
        assert_eq!(response.additionals.len(), 1);
        assert!(told("child", "DS").1, "DS is the parent's");
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for (owner, kind) in [
            ("example.com.", "A"),
            ("test.", "NS"),
            ("xexample.test.", "A"),
            ("@", "AXFR"),
            ("@", "TYPE251"),
        ] {
            let (code, sure, answers, authorities) = told(owner, kind);
            assert!(code == ResponseCode::Refused && !sure, "{owner} {kind}: {code}");
            assert!(answers.is_empty() && authorities.is_empty());
        }
        assert_eq!(told("shop", "ANY").2.len(), 2, "one set of several");
    }

    #[test]
    fn what_does_not_fit_says_so_and_keeps_the_question() {
        let values = (0..200).map(|n| format!("shop A 192.0.2.{n}")).collect::<Vec<_>>().join("\n");
        let mut request = question("shop", "A");
        let zone = zone(&values);
        assert_eq!(udp_limit(&request), 512);
        let bytes = encoded(&answer(&zone, &request), udp_limit(&request)).unwrap();
        let cut = Message::from_vec(&bytes).unwrap();
        assert!(bytes.len() <= 512 && cut.truncation && cut.answers.is_empty());
        assert!(cut.queries == request.queries && cut.id == request.id);
        assert_eq!(cut.message_type, MessageType::Response);
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        request.set_edns(edns.clone());
        assert_eq!(udp_limit(&request), 1_232);
        assert!(encoded(&answer(&zone, &request), 65_535).unwrap().len() > 1_232);
        edns.set_version(1);
        request.set_edns(edns);
        assert_eq!(answer(&zone, &request).response_code, ResponseCode::BADVERS);
    }

    #[test]
    fn other_work_is_not_done_here() {
        for code in [1, 2, 4, 6, 15] {
            let mut request = question("shop", "A");
            request.metadata.op_code = OpCode::from_u8(code);
            assert_eq!(answer(&zone(LINES), &request).response_code, ResponseCode::NotImp);
        }
        let mut two = question("shop", "A");
        two.add_query(two.queries[0].clone());
        assert_eq!(answer(&zone(LINES), &two).response_code, ResponseCode::FormErr);
    }

    #[test]
    fn what_cannot_be_read_is_a_form_error_and_an_answer_is_not_answered() {
        let mut bytes = question("shop", "A").to_vec().unwrap();
        bytes.truncate(bytes.len() - 1);
        let response = unreadable(&bytes).unwrap();
        assert_eq!(response.response_code, ResponseCode::FormErr);
        assert_eq!(response.id.to_be_bytes(), bytes[..2]);
        bytes[2] |= 0x80;
        assert!(unreadable(&bytes).is_none() && unreadable(&bytes[..11]).is_none());
    }

    proptest! {
        #[test]
        fn no_message_breaks_it(mut bytes in question_bytes(), at in 0_usize..64, by in any::<u8>()) {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= by;
            }
            match Message::from_vec(&bytes) {
                Ok(request) => {
                    let response = answer(&zone(LINES), &request);
                    prop_assert!(encoded(&response, udp_limit(&request)).is_some_and(|bytes| bytes.len() <= 1_232));
                }
                Err(_) => drop(unreadable(&bytes)),
            }
        }
    }

    fn question_bytes() -> impl Strategy<Value = Vec<u8>> {
        let owners = prop::sample::select(vec!["shop", "www", "@", "child", "round", "gone.deep"]);
        let kinds = prop::sample::select(vec!["A", "ANY", "SOA", "AXFR", "CNAME"]);
        (owners, kinds).prop_map(|(owner, kind)| question(owner, kind).to_vec().unwrap())
    }
}
