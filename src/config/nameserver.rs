//! The `nameserver` block -> a zone that `serve` answers for itself.
//!
//! Its records are those of a zone's first start; afterwards the zone is what updates made of it.

use std::net::SocketAddr;

use hcl_edit::structure::{Block, Body};
use hickory_proto::rr::{Name, RData, RecordType};

use super::gateway::words;
use super::read::{Item, Reader};
use super::spot::Spots;
use super::tsig::{TsigKey, key};
use crate::net::record;

/// Where it listens unless told otherwise: loopback, and no right is needed for the port.
const LISTEN: &str = "127.0.0.1:5300";
const TTL: u32 = 60;
/// RFC 2181 section 8.
const LONGEST_TTL: u64 = i32::MAX as u64;
/// RFC 8945 section 6 wants as many bytes as the digest has; half of the shortest is what `openssl rand` users send.
const SHORTEST_SECRET: usize = 16;

/// A zone that is answered for here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameserverConfig {
    /// Its origin, absolute and in lower case.
    pub zone: Name,
    /// Where it is asked, by UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// What it has at its first start.
    pub records: Vec<RecordConfig>,
    /// Who may change it. Nobody, without a key.
    pub keys: Vec<TsigKey>,
    /// Where its addresses stand in the file.
    pub spots: Spots,
}

/// All records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordConfig {
    /// Absolute, in the zone.
    pub name: Name,
    /// Not SOA, which the nameserver writes itself.
    pub kind: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// At least one, none twice.
    pub data: Vec<RData>,
}

/// Reads the `nameserver` block of a whole file, if there is one.
pub(super) fn read<'a>(reader: &mut Reader<'a>, body: &'a Body) -> Option<NameserverConfig> {
    let block = body.get_blocks("nameserver").next()?;
    let zone = reader.labels(block, &["zone"]).and_then(|labels| {
        let zone = zone(labels.first().copied().unwrap_or_default());
        zone.map_err(|message| reader.wrong(&block.ident, message)).ok()
    });
    let body = &block.body;
    reader.only(body, &["listen"], &[], &["record", "key"]);
    let mut spots = Spots::default();
    let listen = listen(reader, body, &mut spots);
    // Whatever the zone is, what is wrong with the rest is said as well.
    let origin = zone.clone().unwrap_or_else(Name::root);
    let records = records(reader, body, &origin);
    let keys = keys(reader, body);
    Some(NameserverConfig { zone: zone?, listen, records, keys, spots })
}

fn zone(text: &str) -> Result<Name, String> {
    let name = words::host(text).ok().filter(|name| !name.contains(['*', '[']));
    name.and_then(|name| record::name(&name))
        .ok_or_else(|| format!("`{text}` is not a zone: nameserver \"example.test\" {{ .. }}"))
}

fn listen(reader: &mut Reader<'_>, body: &Body, spots: &mut Spots) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    let given = reader.items(body, "listen");
    if given.is_none() && body.get_attribute("listen").is_none() {
        return words::socket(LISTEN).into_iter().collect();
    }
    for Item { at, text } in given.unwrap_or_default() {
        match words::socket(&text) {
            // Port 0 is another one each time.
            Ok(address) if addresses.contains(&address) && address.port() != 0 => {
                reader.wrong(at, format!("`{text}` is given twice"));
            }
            Ok(address) => {
                spots.note_listen(address, reader.spot(at));
                addresses.push(address);
            }
            Err(message) => reader.wrong(at, message),
        }
    }
    if let Some(given) = body.get_attribute("listen").filter(|_| addresses.is_empty())
        && given.value.as_array().is_some_and(hcl_edit::expr::Array::is_empty)
    {
        let hint = format!("listen = [\"{LISTEN}\"]");
        reader.wrong_with(&given.value, "the nameserver listens nowhere", Some(hint));
    }
    addresses
}

fn records<'a>(reader: &mut Reader<'a>, body: &'a Body, origin: &Name) -> Vec<RecordConfig> {
    let mut records: Vec<RecordConfig> = Vec::new();
    for block in body.get_blocks("record") {
        let Some(record) = record(reader, block, origin) else { continue };
        let mut same_name = records.iter().filter(|other| other.name == record.name);
        let beside = |kind| record.kind == kind && record.name == *origin;
        if same_name.clone().any(|other| other.kind == record.kind) {
            let kind = record::type_name(record.kind);
            let hint = "one block has all values of a name and type".to_owned();
            let message = format!("there are two `record` blocks for {} {kind}", record.name);
            reader.wrong_with(&block.ident, message, Some(hint));
        } else if beside(RecordType::CNAME)
            || same_name
                .any(|other| other.kind == RecordType::CNAME || record.kind == RecordType::CNAME)
        {
            let message = format!("{} cannot have a CNAME beside other records", record.name);
            reader.wrong(&block.ident, message);
        } else {
            records.push(record);
        }
    }
    records
}

fn record<'a>(reader: &mut Reader<'a>, block: &'a Block, origin: &Name) -> Option<RecordConfig> {
    let labels = reader.labels(block, &["name"])?;
    let label = labels.first().copied().unwrap_or_default();
    let name = within(origin, label).map_err(|message| reader.wrong(&block.ident, message)).ok();
    let body = &block.body;
    reader.only(body, &["type", "ttl", "values"], &[], &[]);
    reader.needed(block, "type");
    let kind = reader.parsed(body, "type", kind);
    let ttl = reader.count(body, "ttl", 0..=LONGEST_TTL);
    if body.get_attribute("values").is_none() {
        let hint = "values = [\"127.0.0.1\"]".to_owned();
        reader.wrong_with(&block.ident, "`record` needs `values`", Some(hint));
    }
    let kind = kind?;
    let data = reader.list(body, "values", |text| record::data(kind, text))?;
    if let Some(given) = body.get_attribute("values") {
        let empty = given.value.as_array().is_some_and(hcl_edit::expr::Array::is_empty);
        if empty || (kind == RecordType::CNAME && data.len() > 1) {
            let message = if empty { "`values` is empty" } else { "a CNAME has one value" };
            reader.wrong(&given.value, message);
        }
    }
    let ttl = ttl.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(TTL);
    let name = name.filter(|_| !data.is_empty())?;
    Some(RecordConfig { name, kind, ttl, data })
}

/// `shop`, `a.b` or `@`, relative to the zone.
fn within(origin: &Name, label: &str) -> Result<Name, String> {
    if label == "@" {
        return Ok(origin.clone());
    }
    let relative = Name::from_ascii(label).ok();
    relative
        .filter(|name| !name.is_fqdn() && !label.is_empty())
        .and_then(|name| name.append_domain(origin).ok())
        .map(|name| name.to_lowercase())
        .ok_or_else(|| {
            format!("`{label}` is not a name in the zone: \"shop\", or \"@\" for the zone itself")
        })
}

fn kind(text: &str) -> Result<RecordType, String> {
    match record::type_of(text) {
        Some(RecordType::SOA) => Err("the nameserver writes the SOA itself".to_owned()),
        Some(kind) if !record::is_meta(kind) => Ok(kind),
        _ => Err(format!("`{text}` is not a type of record: A, AAAA, CNAME, TXT, ..")),
    }
}

fn keys<'a>(reader: &mut Reader<'a>, body: &'a Body) -> Vec<TsigKey> {
    let mut keys: Vec<TsigKey> = Vec::new();
    for block in body.get_blocks("key") {
        let Some(key) = key(reader, block, SHORTEST_SECRET) else { continue };
        if keys.iter().any(|other| other.name == key.name) {
            reader.wrong(&block.ident, format!("there are two keys \"{}\"", key.name));
        }
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::super::TsigDigest;
    use crate::config::rig::{good, wrong_and_hints};

    #[test]
    fn a_whole_nameserver_is_read() {
        let text = "nameserver \"Example.test.\" {\n  listen = [\"127.0.0.1:0\"]\n  record \"@\" {\n    type = \"a\"\n    values = [\"127.0.0.1\"]\n  }\n  record \"a.b\" {\n    type = \"TXT\"\n    ttl = 5\n    values = [\"x y\"]\n  }\n  key \"update\" {\n    secret = file(\"update.key\")\n  }\n}\n";
        let nameserver = good(text).nameserver.unwrap();
        assert_eq!(nameserver.zone.to_ascii(), "example.test.");
        let names: Vec<_> = nameserver.records.iter().map(|one| one.name.to_ascii()).collect();
        assert_eq!(names, ["example.test.", "a.b.example.test."]);
        assert_eq!((nameserver.records[0].ttl, nameserver.records[1].ttl), (60, 5));
        assert_eq!(nameserver.keys[0].algorithm, TsigDigest::Sha256);
        let bare = good("nameserver \"example.test\" {}\n").nameserver.unwrap();
        assert_eq!(bare.listen, ["127.0.0.1:5300".parse().unwrap()]);
    }

    #[test]
    fn each_mistake_is_said_with_its_place() {
        let text = "nameserver \"exa mple\" {\n  lisen = []\n  record \"shop\" {\n    type = \"A\"\n    values = [\"192.0.2\"]\n  }\n  record \"www\" {\n    type = \"SOA\"\n    values = [\"x\"]\n  }\n  record \"a.\" {\n    type = \"A\"\n    values = [\"192.0.2.1\"]\n  }\n  record \"b\" {\n    type = \"CNAME\"\n    values = [\"c.test\"]\n  }\n  record \"b\" {\n    type = \"A\"\n    values = [\"192.0.2.1\"]\n  }\n  key \"update\" {\n    algorithm = \"hmac-md5\"\n    secret = \"short\"\n  }\n  key \"k\" {\n    secret = \"short\"\n  }\n}\n";
        let mistakes = wrong_and_hints(text);
        let said = [
            (1, "is not a zone"),
            (2, "did you mean `listen`?"),
            (5, "`192.0.2` is not A data"),
            (8, "writes the SOA itself"),
            (11, "is not a name in the zone"),
            (19, "CNAME beside other records"),
            (24, "is not a word for `algorithm`"),
            (25, "is not base64 of 16 bytes or more"),
            (28, "is not base64 of 16 bytes or more"),
        ];
        for (line, words) in said {
            let there = |one: &String| one.starts_with(&format!("{line}:")) && one.contains(words);
            assert!(mistakes.iter().any(there), "{line} {words}: {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), said.len(), "{mistakes:#?}");
        assert!(mistakes.iter().all(|one| !one.contains("short")), "{mistakes:#?}");
    }
}
