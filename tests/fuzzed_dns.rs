//! What must hold for any message to the nameserver and any file of a zone. The fuzz targets look for one for which it does
//! not; `corpus` replays what they started from, so that every build knows of it.

use std::sync::LazyLock;

use hickory_proto::op::{Message, MessageType, Query};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, RecordType, TSigner};
use roadworks::config::{Secret, TsigDigest, TsigKey};
use roadworks::dns::nameserver::{Way, Zone, answer, from_json, is_later, to_json, tried};

/// A check of one input.
pub(crate) type Check = fn(&[u8]);

/// Each fuzz target, by the name of its seeds.
pub(crate) const CHECKS: [(&str, Check); 2] = [("messages", messages), ("zones", zones)];

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const ZONE: &str = r#"{"format": 1, "zone": "example.test.", "records": [
  {"name": "example.test.", "type": "SOA", "ttl": 60, "values": ["ns.example.test. hostmaster.example.test. 7 3600 600 604800 5"]},
  {"name": "example.test.", "type": "NS", "ttl": 60, "values": ["ns.example.test."]},
  {"name": "shop.example.test.", "type": "A", "ttl": 60, "values": ["192.0.2.1", "192.0.2.2"]},
  {"name": "www.example.test.", "type": "CNAME", "ttl": 60, "values": ["shop.example.test."]},
  {"name": "child.example.test.", "type": "NS", "ttl": 60, "values": ["ns.child.example.test."]},
  {"name": "ns.child.example.test.", "type": "A", "ttl": 60, "values": ["192.0.2.4"]},
  {"name": "large.example.test.", "type": "A", "ttl": 60, "values": [LARGE]}
]}"#;

/// With a name whose answer is too large for a datagram.
static STANDING: LazyLock<Zone> = LazyLock::new(|| {
    let large: Vec<_> = (0..100).map(|last| format!("\"198.51.100.{last}\"")).collect();
    from_json(ZONE.replace("LARGE", &large.join(", ")).as_bytes()).expect("this is a zone")
});

/// Every message has an answer that can be read and fits, or none; only a signed one changes the zone, and what it becomes is
/// a later zone that can be written and read.
pub(crate) fn messages(input: &[u8]) {
    let zone = &*STANDING;
    for way in [Way::Udp, Way::Tcp] {
        let next = asked(zone, input, way);
        assert_eq!(next, None, "nobody signed it");
    }
    let Ok(mut request) = Message::from_vec(input) else { return };
    if request.signature().is_some() {
        return;
    }
    // Nobody guesses a signature: what it would do with one.
    let key = TSigner::new(SECRET.to_vec(), TsigAlgorithm::HmacSha256, name("update."), 300);
    if request.finalize(&key.expect("this is a key"), NOW).is_err() {
        return;
    }
    let Ok(signed) = request.to_vec() else { return };
    for way in [Way::Udp, Way::Tcp] {
        if let Some(next) = asked(zone, &signed, way) {
            assert!(is_later(next.soa().serial, zone.soa().serial), "{next:?}");
            assert_eq!(from_json(&to_json(&next)).as_ref(), Ok(&next));
        }
    }
}

/// The zone after `bytes`, if it is another one.
fn asked(zone: &Zone, bytes: &[u8], way: Way) -> Option<Zone> {
    let secret = Secret::new(SECRET);
    let key =
        TsigKey { name: name("update."), algorithm: TsigDigest::Sha256, secret: Some(secret) };
    let tried = tried(zone, &[key], bytes, way, NOW).expect("the key is one");
    let most = match (way, Message::from_vec(bytes)) {
        (Way::Tcp, _) => 65_535,
        (Way::Udp, Ok(request)) if request.edns.is_some() => 1_232,
        (Way::Udp, _) => 512,
    };
    assert!(tried.answer.len() <= most, "{} of {most} bytes", tried.answer.len());
    if !tried.answer.is_empty() {
        let answer = Message::from_vec(&tried.answer).expect("an answer can be read");
        assert_eq!(answer.id.to_be_bytes(), bytes[..2]);
        assert_eq!(answer.message_type, MessageType::Response);
        assert!(!answer.recursion_available);
    }
    tried.next
}

/// What is read as a zone is written so that it is read as the same, and is answered for.
pub(crate) fn zones(input: &[u8]) {
    let Ok(zone) = from_json(input) else { return };
    assert_eq!(from_json(&to_json(&zone)).as_ref(), Ok(&zone));
    let mut question = Message::query();
    question.add_query(Query::query(zone.origin().clone(), RecordType::SOA));
    assert!(answer(&zone, &question).authoritative);
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("this is a name")
}
