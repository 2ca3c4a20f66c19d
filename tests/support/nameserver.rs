//! A zone `example.test` that the built binary answers for, and whoever asks and changes it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{DNSClass, Name, Record, RecordType, TSigner};
use roadworks::clock;
use roadworks::net::record;

use super::serving::{LONG, Serving, Stand};

/// Base64 of `0123456789abcdef0123456789abcdef`.
pub(crate) const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
pub(crate) const BYTES: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A configuration with these lines in its `nameserver` block besides the key.
pub(crate) fn config(lines: &str) -> String {
    format!(
        r#"
nameserver "example.test" {{
  listen = ["127.0.0.1:0"]
  {lines}
  key "update" {{
    algorithm = "hmac-sha256"
    secret    = "{SECRET}"
  }}
}}
"#
    )
}

/// A record of the configuration.
pub(crate) fn record(owner: &str, kind: &str, values: &str) -> String {
    format!("record \"{owner}\" {{\n type = \"{kind}\"\n ttl = 5\n values = [{values}]\n }}\n")
}

/// Where the nameserver of `serving` listens.
pub(crate) fn address(serving: &Serving) -> SocketAddr {
    let log = serving.log();
    let address = log.split("nameserver=\"").nth(1).expect("it says where its nameserver is");
    address.split('"').next().unwrap().parse().unwrap()
}

/// The zone's file.
pub(crate) fn file(stand: &Stand) -> std::path::PathBuf {
    stand.folder().join(".roadworks/nameserver/example.test.json")
}

pub(crate) fn name(owner: &str) -> Name {
    match owner {
        "@" => record::name("example.test"),
        owner => record::name(&format!("{owner}.example.test")),
    }
    .unwrap()
}

pub(crate) fn one(owner: &str, kind: &str, ttl: u32, value: &str) -> Record {
    let kind = record::type_of(kind).unwrap();
    Record::from_rdata(name(owner), ttl, record::data(kind, value).unwrap())
}

pub(crate) fn key(bytes: &[u8], called: &str) -> TSigner {
    let called = record::name(called).unwrap();
    TSigner::new(bytes.to_vec(), TsigAlgorithm::HmacSha256, called, 300).unwrap()
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    u64::try_from(clock::now().as_second()).unwrap()
}

/// An update of one set of addresses from exactly `from` to `to`.
pub(crate) fn swap(owner: &str, from: &[&str], to: &[&str]) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.add_query(Query::query(name("@"), RecordType::SOA));
    message.answers.extend(from.iter().map(|value| one(owner, "A", 0, value)));
    let mut gone = Record::update0(name(owner), 0, RecordType::A).into_record_of_rdata();
    gone.dns_class = DNSClass::ANY;
    message.authorities.push(gone);
    message.authorities.extend(to.iter().map(|value| one(owner, "A", 5, value)));
    message
}

/// Somebody with a socket.
pub(crate) struct Asker(UdpSocket);

impl Asker {
    pub(crate) fn of(server: SocketAddr) -> Asker {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Asker(socket)
    }

    /// Sends, and has no answer yet.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.0.send(bytes).unwrap();
    }

    pub(crate) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.send(bytes);
        let mut buffer = vec![0; 65_535];
        let length = self.0.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    pub(crate) fn ask(&self, owner: &str, kind: &str) -> Message {
        let question = question(owner, kind);
        let answer = Message::from_vec(&self.bytes(&question.to_vec().unwrap())).unwrap();
        assert_eq!((answer.id, &answer.queries), (question.id, &question.queries));
        answer
    }

    /// The values of a name and type, sorted.
    pub(crate) fn values(&self, owner: &str, kind: &str) -> Vec<String> {
        values(&self.ask(owner, kind))
    }

    /// Sends an update signed with the right key; the answer's signature must be right too.
    pub(crate) fn update(&self, mut message: Message) -> ResponseCode {
        let mut verifier =
            message.finalize(&key(BYTES, "update"), seconds()).unwrap().expect("a signature");
        let bytes = self.bytes(&message.to_vec().unwrap());
        verifier.verify(&bytes).expect("the answer is signed").response_code
    }

    pub(crate) fn serial(&self) -> u32 {
        let soa = self.values("@", "SOA").pop().unwrap();
        soa.split(' ').nth(2).unwrap().parse().unwrap()
    }
}

pub(crate) fn question(owner: &str, kind: &str) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(name(owner), record::type_of(kind).unwrap()));
    message
}

pub(crate) fn values(answer: &Message) -> Vec<String> {
    let mut values: Vec<_> = answer.answers.iter().map(|one| record::shown(&one.data)).collect();
    values.sort();
    values
}

/// What comes back for `bytes` behind their length, on a connection.
pub(crate) fn by_tcp(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut whole = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    whole.extend(bytes);
    stream.write_all(&whole).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    answer
}
