//! `dns "rfc2136"`: a name on name servers of one's own, moved by signed updates.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hcl_edit::structure::Block;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, RecordType};

use super::gateway::words;
use super::read::Reader;
use super::tsig::{self, TsigKey};

/// A name, its two answers, and the name servers that give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rfc2136Config {
    /// The zone that holds the name.
    pub zone: Name,
    /// The name that is moved.
    pub name: Name,
    /// Every name server that gives the answer.
    pub servers: Vec<SocketAddr>,
    /// The one that takes updates.
    pub primary: SocketAddr,
    /// What updates are signed with.
    pub key: TsigKey,
    /// What the name says while the site is open.
    pub live: Answers,
    /// What it says in maintenance.
    pub maintenance: Answers,
}

/// Everything that a name says: of each type in [`MOVED`] all records, or none.
#[derive(Clone, PartialEq, Eq)]
pub struct Answers {
    /// For how many seconds it may be kept.
    pub ttl: u32,
    /// The records, all of them of types in [`MOVED`].
    pub data: Vec<RData>,
}

/// The types that lead visitors somewhere. They move together: whoever asks for one of them must not be left behind.
pub const MOVED: [RecordType; 4] =
    [RecordType::A, RecordType::AAAA, RecordType::HTTPS, RecordType::CNAME];

const KIND: &str = "dns \"rfc2136\"";
const DNS_PORT: u16 = 53;
const TTL: u32 = 60;
/// RFC 2181 section 8.
const LARGEST_TTL: u32 = i32::MAX as u32;
impl Answers {
    /// The records of one type.
    pub fn of(&self, kind: RecordType) -> impl Iterator<Item = &RData> {
        self.data.iter().filter(move |data| data.record_type() == kind)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.data.iter().map(ToString::to_string)).finish()
    }
}

/// Reads the block; the name is by default the first of `hosts`.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
    hosts: &[String],
) -> Option<Rfc2136Config> {
    let body = &block.body;
    let blocks = ["key", "live", "maintenance"];
    reader.only(body, &["zone", "name", "servers", "primary"], &blocks, &[]);
    let zone = reader.needed(block, "zone").and_then(|_| reader.parsed(body, "zone", dns_name));
    let given = reader.parsed(body, "name", dns_name);
    let name = match (given, hosts.first()) {
        (Some(given), _) => Some(given),
        (None, Some(host)) if body.get_attribute("name").is_none() => dns_name(host).ok(),
        (None, None) if body.get_attribute("name").is_none() => {
            let hint = "name = \"shop.example.com\", or `hosts` of the site".to_owned();
            reader.wrong_with(&block.ident, format!("`{KIND}` needs a `name`"), Some(hint));
            None
        }
        (None, _) => None,
    };
    let servers = servers(reader, block);
    let primary = reader.parsed(body, "primary", server);
    let key = key(reader, block);
    let (live, maintenance) =
        (answers(reader, block, "live"), answers(reader, block, "maintenance"));
    let (zone, name, servers) = (zone?, name?, servers?);
    if !zone.zone_of(&name) {
        let message = format!("{} is not in the zone {}", words_of(&name), words_of(&zone));
        match body.get_attribute("name") {
            Some(given) => reader.wrong(&given.value, message),
            None => reader.wrong(&block.ident, message),
        }
        return None;
    }
    if name == zone {
        no_cname(reader, block, "live");
        no_cname(reader, block, "maintenance");
    }
    let (live, maintenance) = (live?, maintenance?);
    if live == maintenance {
        reader
            .wrong(&block.ident, "`live` and `maintenance` say the same: there is nothing to move");
        return None;
    }
    let primary = primary.or_else(|| servers.first().copied())?;
    Some(Rfc2136Config { zone, name, servers, primary, key: key?, live, maintenance })
}

fn servers<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<Vec<SocketAddr>> {
    let servers = reader.list(&block.body, "servers", server);
    match (block.body.get_attribute("servers"), servers) {
        (Some(given), Some(servers)) if servers.is_empty() => {
            reader
                .wrong(&given.value, "`servers` names every name server of the zone: one at least");
            None
        }
        (None, _) => {
            let hint =
                "servers = [\"192.0.2.53\", \"192.0.2.54\"]: every one of the zone".to_owned();
            reader.wrong_with(&block.ident, format!("`{KIND}` needs `servers`"), Some(hint));
            None
        }
        (Some(_), servers) => servers,
    }
}

fn key<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<TsigKey> {
    let Some(block) = block.body.get_blocks("key").next() else {
        let hint = "`tsig-keygen -a hmac-sha256 roadworks` makes one for BIND, `keymgr -t roadworks hmac-sha256` for Knot";
        let message =
            format!("`{KIND}` needs a `key` block: an update that nobody signed is not sent");
        reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
        return None;
    };
    // How long it has to be is for the name server to say.
    tsig::key(reader, block, 1)
}

fn answers<'a>(reader: &mut Reader<'a>, block: &'a Block, side: &str) -> Option<Answers> {
    let Some(block) = block.body.get_blocks(side).next() else {
        reader.wrong(&block.ident, format!("`{KIND}` needs a `{side}` block"));
        return None;
    };
    let body = &block.body;
    reader.only(body, &["A", "AAAA", "HTTPS", "CNAME", "ttl"], &[], &[]);
    let ttl = reader.count(body, "ttl", 0..=LARGEST_TTL.into());
    let ttl = ttl.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(TTL);
    let lists = [
        reader.list(body, "A", |text| address::<Ipv4Addr>(text).map(|ip| RData::A(ip.into()))),
        reader
            .list(body, "AAAA", |text| address::<Ipv6Addr>(text).map(|ip| RData::AAAA(ip.into()))),
        reader.list(body, "HTTPS", https),
        reader.parsed(body, "CNAME", dns_name).map(|name| vec![RData::CNAME(CNAME(name))]),
    ];
    let given = ["A", "AAAA", "HTTPS", "CNAME"].map(|key| body.get_attribute(key).is_some());
    // What could not be read is reported already.
    if given.iter().zip(&lists).any(|(given, list)| *given && list.is_none()) {
        return None;
    }
    let mut data: Vec<_> = lists.into_iter().flatten().flatten().collect();
    // Sets have no order.
    data.sort_by_key(ToString::to_string);
    if data.is_empty() {
        let hint = "A = [\"192.0.2.10\"], AAAA, HTTPS or CNAME".to_owned();
        reader.wrong_with(
            &block.ident,
            format!("`{side}` has no record: the name would be gone"),
            Some(hint),
        );
        return None;
    }
    if data.len() > 1 && data.iter().any(|data| data.record_type() == RecordType::CNAME) {
        reader.wrong(&block.ident, "a CNAME stands alone (RFC 1034, section 3.6.2)");
        return None;
    }
    Some(Answers { ttl, data })
}

/// RFC 1034 forbids it, and name servers drop such an update in silence after they have made the rest of it.
fn no_cname<'a>(reader: &mut Reader<'a>, block: &'a Block, side: &str) {
    let given = block.body.get_blocks(side).next();
    if let Some(cname) = given.and_then(|side| side.body.get_attribute("CNAME")) {
        let hint = "write the addresses out: A = [\"..\"], AAAA = [\"..\"]".to_owned();
        reader.wrong_with(
            cname,
            "a CNAME cannot stand at the apex of a zone, beside its SOA and NS",
            Some(hint),
        );
    }
}

fn address<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address of that type"))
}

/// `1 . alpn=h2,h3 ipv4hint=192.0.2.1` (RFC 9460, section 2.1).
fn https(text: &str) -> Result<RData, String> {
    let wrong =
        |why: String| format!("`{text}` is not an HTTPS record, as \"1 . alpn=h2,h3\": {why}");
    let data = RData::try_from_str(RecordType::HTTPS, text);
    match data.map_err(|error| wrong(error.to_string()))? {
        RData::HTTPS(mut https) => {
            https.0.target_name.set_fqdn(true);
            // Name servers keep and give them in this order (RFC 9460, section 2.2).
            https.0.svc_params.sort_by_key(|(key, _)| *key);
            Ok(RData::HTTPS(https))
        }
        _ => Err(wrong("it is of another type".to_owned())),
    }
}

/// `192.0.2.53`, `192.0.2.53:5300`, `2001:db8::53` or `[2001:db8::53]:5300`.
pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    let at_port = || text.parse().ok();
    let alone = text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    alone.or_else(at_port).ok_or_else(|| {
        format!(
            "`{text}` is not the address of a name server: \"192.0.2.53\" or \"192.0.2.53:5300\""
        )
    })
}

fn dns_name(text: &str) -> Result<Name, String> {
    let host = words::host(text)?;
    Name::from_ascii(format!("{host}.")).map_err(|error| format!("`{text}` is not a name: {error}"))
}

/// A name without its last dot, as a person writes it.
fn words_of(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rig::load_text;
    use crate::config::{DnsSource, TsigDigest};

    const KEY: &str = "key \"roadworks\" {\n secret = file(\"update.key\")\n}\n";
    const SIDES: &str =
        "live {\n A = [\"192.0.2.10\"]\n}\nmaintenance {\n AAAA = [\"2001:db8::7\"]\n ttl = 5\n}\n";

    type ReadOr = (Option<Rfc2136Config>, Vec<String>);

    /// The block with these lines, or its mistakes.
    fn read(lines: &str) -> ReadOr {
        let text = format!(
            "site \"shop\" {{\n hosts = [\"Shop.Example.test\"]\n dns \"rfc2136\" {{\n{lines}}}\n}}\n"
        );
        let (config, mistakes) = load_text(&text);
        let block = config.map(|mut config| match config.sites.remove(0).dns {
            Some(DnsSource::Rfc2136(name)) => *name,
            other => panic!("{other:?}"),
        });
        (block, mistakes.into_iter().map(|mistake| mistake.message).collect())
    }

    fn with(servers: &str, rest: &str) -> ReadOr {
        read(&format!("zone = \"example.test\"\nservers = {servers}\n{rest}"))
    }

    #[track_caller]
    fn is_wrong((_, mistakes): ReadOr, word: &str) {
        assert!(mistakes.len() == 1 && mistakes[0].contains(word), "{mistakes:?}");
    }

    #[test]
    fn the_name_is_the_first_host_the_primary_the_first_server_and_the_port_53() {
        let servers = "[\"192.0.2.53\", \"127.0.0.1:5300\", \"2001:db8::53\"]";
        let config = with(servers, &format!("{KEY}{SIDES}")).0.unwrap();
        assert_eq!(config.name.to_string(), "shop.example.test.");
        assert_eq!(config.primary.to_string(), "192.0.2.53:53");
        assert_eq!(config.servers[2].to_string(), "[2001:db8::53]:53");
        assert_eq!(config.key.secret.as_ref().unwrap().bytes(), b"secret-of-16-bytes!");
        assert_eq!(config.key.algorithm, TsigDigest::Sha256);
        assert_eq!((config.live.ttl, config.maintenance.ttl), (60, 5));
        assert!(!format!("{config:?}").contains("secret\""), "{config:?}");
    }

    #[test]
    fn what_could_not_work_is_a_mistake() {
        const ONE: &str = "[\"192.0.2.53\"]";
        is_wrong(with("[]", &format!("{KEY}{SIDES}")), "one at least");
        is_wrong(with("[\"ns.example.test\"]", &format!("{KEY}{SIDES}")), "not the address");
        is_wrong(with(ONE, SIDES), "needs a `key` block");
        is_wrong(
            with(ONE, &format!("name = \"shop.example.org\"\n{KEY}{SIDES}")),
            "not in the zone",
        );
        let side = |side: &str| {
            format!("{KEY}live {{\n{side}\n}}\nmaintenance {{\nA = [\"192.0.2.10\"]\n}}\n")
        };
        is_wrong(with(ONE, &side("")), "no record");
        is_wrong(with(ONE, &side("A = [\"192.0.2.10\"]")), "say the same");
        is_wrong(with(ONE, &side("A = [\"2001:db8::7\"]")), "not an address of that type");
        is_wrong(with(ONE, &side("HTTPS = [\"one . alpn=h2\"]")), "not an HTTPS record");
        is_wrong(with(ONE, &side("CNAME = \"a.example\"\nA = [\"192.0.2.1\"]")), "stands alone");
        let apex = format!("name = \"example.test\"\n{}", side("CNAME = \"a.example\""));
        is_wrong(with(ONE, &apex), "apex");
    }

    #[test]
    fn a_secret_that_is_not_base64_is_refused_and_not_shown() {
        let key = "key \"roadworks\" {\nsecret = \"not base64 at all!\"\n}\n";
        let mistakes = with("[\"192.0.2.53\"]", &format!("{key}{SIDES}")).1;
        assert!(mistakes[0].contains("base64"), "{mistakes:?}");
        assert!(!mistakes.concat().contains("at all"), "{mistakes:?}");
    }
}
