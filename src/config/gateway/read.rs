//! A `gateway` block, read key by key; every mistake is noted with its place.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use hcl_edit::structure::{Block, Body};

use super::super::read::{Item, Reader};
use super::super::secret::Secret;
use super::super::spot::Spots;
use super::words;
use super::{
    AllowConfig, BypassConfig, DrainConfig, DrainThen, GatewayConfig, HealthConfig, HoldConfig,
    OpenConfig, PathPattern, ReadOnlyConfig, Share, TlsConfig, Upgrades,
};
use crate::switch::Mode;

const ATTRIBUTES: [&str; 4] = ["listen", "upstreams", "trusted_proxies", "refuse_status"];
const BLOCKS: [&str; 7] = ["tls", "health", "hold", "drain", "open", "read_only", "bypass"];
/// Balancers and clients give up long before.
const LONGEST_PATIENCE: Duration = Duration::from_mins(5);
/// Nothing here is ever waited for longer.
const HOUR: Duration = Duration::from_hours(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// A shorter one lets all in at once, as far as anybody can tell.
const SHORTEST_RAMP: Duration = Duration::from_secs(1);
/// One in a thousand.
const LEAST_SHARE: Share = Share::thousandths(1);
const ONE_PERCENT: Share = Share::percent(1);
/// A key of a person's own making has at least so many bytes; `openssl rand -hex 32` has 64.
const SHORTEST_KEY: usize = 16;

/// Reads `gateway { .. }`.
pub(in crate::config) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block) -> GatewayConfig {
    reader.labels(block, &[]);
    let body = &block.body;
    reader.only(body, &ATTRIBUTES, &BLOCKS, &["allow"]);
    let mut spots = Spots::default();
    let listen = listen(reader, body, &mut spots);
    let tls = sub(body, "tls").and_then(|block| tls(reader, block, &mut spots));
    if listen.is_empty() && sub(body, "tls").is_none() {
        let hint = "listen = [\"0.0.0.0:8080\"], or a `tls` block";
        reader.wrong_with(&block.ident, "the gateway listens nowhere", Some(hint.to_owned()));
    }
    let upstreams = reader.list(body, "upstreams", words::upstream).unwrap_or_default();
    if body.get_attribute("upstreams").is_none_or(|given| is_empty(&given.value)) {
        let hint = "upstreams = [\"http://127.0.0.1:3000\"]".to_owned();
        reader.wrong_with(&block.ident, "the gateway has no upstream", Some(hint));
    }
    GatewayConfig {
        listen,
        tls,
        upstreams,
        trusted_proxies: reader.list(body, "trusted_proxies", words::network).unwrap_or_default(),
        health: sub(body, "health").map(|block| health(reader, block)).unwrap_or_default(),
        hold: sub(body, "hold").map(|block| hold(reader, block)).unwrap_or_default(),
        drain: sub(body, "drain").map(|block| drain(reader, block)).unwrap_or_default(),
        open: sub(body, "open").and_then(|block| open(reader, block)),
        read_only: sub(body, "read_only").map(|block| read_only(reader, block)).unwrap_or_default(),
        allow: allows(reader, body),
        bypass: sub(body, "bypass").map(|block| bypass(reader, block)).unwrap_or_default(),
        refuse_status: refuse_status(reader, body),
        spots,
    }
}

fn sub<'a>(body: &'a Body, name: &'a str) -> Option<&'a Block> {
    body.get_blocks(name).next()
}

fn is_empty(value: &hcl_edit::expr::Expression) -> bool {
    value.as_array().is_some_and(hcl_edit::expr::Array::is_empty)
}

fn listen(reader: &mut Reader<'_>, body: &Body, spots: &mut Spots) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for Item { at, text } in reader.items(body, "listen").unwrap_or_default() {
        match words::socket(&text) {
            Ok(address) if addresses.contains(&address) => {
                reader.wrong(at, format!("`{text}` is given twice"));
            }
            Ok(address) => {
                spots.note_listen(address, reader.spot(at));
                addresses.push(address);
            }
            Err(message) => reader.wrong(at, message),
        }
    }
    addresses
}

fn tls<'a>(reader: &mut Reader<'a>, block: &'a Block, spots: &mut Spots) -> Option<TlsConfig> {
    reader.labels(block, &[]);
    let body = &block.body;
    reader.only(body, &["listen", "certificate", "key"], &[], &[]);
    let listen = listen(reader, body, spots);
    if listen.is_empty() {
        let hint = "listen = [\"0.0.0.0:8443\"]".to_owned();
        reader.wrong_with(&block.ident, "`tls` needs an address in `listen`", Some(hint));
    }
    for key in ["certificate", "key"] {
        if let Some(attribute) = body.get_attribute(key) {
            spots.note(key, reader.spot(&attribute.value));
        }
    }
    let certificate = reader.needed(block, "certificate");
    let key = reader.needed(block, "key");
    let folder = reader.folder();
    Some(TlsConfig { listen, certificate: folder.join(certificate?), key: folder.join(key?) })
}

fn health<'a>(reader: &mut Reader<'a>, block: &'a Block) -> HealthConfig {
    const KEYS: [&str; 7] =
        ["lb_path", "upstream_path", "upstream_host", "interval", "timeout", "passes", "failures"];
    let body = plain(reader, block, &KEYS);
    let default = HealthConfig::default();
    let times = MILLISECOND..=HOUR;
    HealthConfig {
        lb_path: reader.parsed(body, "lb_path", words::path),
        upstream_path: reader.parsed(body, "upstream_path", words::path),
        upstream_host: reader.parsed(body, "upstream_host", words::host),
        interval: reader.duration(body, "interval", times.clone()).unwrap_or(default.interval),
        timeout: reader.duration(body, "timeout", times).unwrap_or(default.timeout),
        passes: small(reader, body, "passes", 1..=1_000).unwrap_or(default.passes),
        failures: small(reader, body, "failures", 1..=1_000).unwrap_or(default.failures),
    }
}

fn hold<'a>(reader: &mut Reader<'a>, block: &'a Block) -> HoldConfig {
    let body = plain(reader, block, &["patience", "places", "release_rate"]);
    let default = HoldConfig::default();
    let patience = reader.duration(body, "patience", MILLISECOND..=LONGEST_PATIENCE);
    let places = small(reader, body, "places", 1..=1_000_000);
    HoldConfig {
        patience: patience.unwrap_or(default.patience),
        places: places.and_then(|places| usize::try_from(places).ok()).unwrap_or(default.places),
        release_rate: small(reader, body, "release_rate", 1..=1_000_000),
    }
}

fn drain<'a>(reader: &mut Reader<'a>, block: &'a Block) -> DrainConfig {
    const THEN: [(&str, DrainThen); 2] = [("abort", DrainThen::Abort), ("cut", DrainThen::Cut)];
    const UPGRADES: [(&str, Upgrades); 2] =
        [("leave", Upgrades::Leave), ("close", Upgrades::Close)];
    let body = plain(reader, block, &["deadline", "then", "upgrades"]);
    let default = DrainConfig::default();
    let deadline = reader.duration(body, "deadline", Duration::ZERO..=HOUR);
    DrainConfig {
        deadline: deadline.unwrap_or(default.deadline),
        then: reader.choice(body, "then", &THEN),
        upgrades: reader.choice(body, "upgrades", &UPGRADES).unwrap_or(default.upgrades),
    }
}

fn open<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<OpenConfig> {
    let body = plain(reader, block, &["ramp", "first", "limit"]);
    let ramp = reader.duration(body, "ramp", SHORTEST_RAMP..=HOUR);
    if body.get_attribute("ramp").is_none() {
        let hint = "ramp = \"60s\", or no `open` block: all are let in at once".to_owned();
        reader.wrong_with(&block.ident, "`open` needs `ramp`", Some(hint));
    }
    let first = reader.parsed(body, "first", |text| words::share(text, LEAST_SHARE));
    let limit = reader.parsed(body, "limit", |text| words::share(text, ONE_PERCENT));
    Some(OpenConfig {
        ramp: ramp?,
        first: first.unwrap_or(OpenConfig::FIRST),
        limit: limit.unwrap_or(OpenConfig::LIMIT),
    })
}

fn read_only<'a>(reader: &mut Reader<'a>, block: &'a Block) -> ReadOnlyConfig {
    let body = plain(reader, block, &["reads", "writes", "graphql"]);
    let mut taken: Vec<(PathPattern, &str)> = Vec::new();
    let mut patterns = |key| {
        let mut own = Vec::new();
        for Item { at, text } in reader.items(body, key).unwrap_or_default() {
            match words::pattern(&text) {
                Err(message) => reader.wrong(at, message),
                Ok(pattern) => match taken.iter().find(|(other, _)| *other == pattern) {
                    Some((_, other)) if *other == key => {
                        reader.wrong(at, format!("`{text}` is given twice"));
                    }
                    Some((_, other)) => {
                        reader.wrong(at, format!("`{text}` is in `{other}` already"));
                    }
                    None => {
                        taken.push((pattern.clone(), key));
                        own.push(pattern);
                    }
                },
            }
        }
        own
    };
    ReadOnlyConfig {
        reads: patterns("reads"),
        writes: patterns("writes"),
        graphql: patterns("graphql"),
    }
}

fn allows<'a>(reader: &mut Reader<'a>, body: &'a Body) -> Vec<AllowConfig> {
    let mut allows: Vec<AllowConfig> = Vec::new();
    for block in body.get_blocks("allow") {
        let Some(allow) = allow(reader, block) else { continue };
        if allows.iter().any(|other| other.name == allow.name) {
            reader.wrong(&block.ident, format!("there are two `allow \"{}\"` blocks", allow.name));
        }
        allows.push(allow);
    }
    allows
}

fn allow<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<AllowConfig> {
    let labels = reader.labels(block, &["name"])?;
    let name = words::label(labels.first().copied().unwrap_or_default());
    let name = name.map_err(|message| reader.wrong(&block.ident, message)).ok();
    let body = &block.body;
    reader.only(body, &["paths", "modes"], &[], &[]);
    let paths = reader.list(body, "paths", words::pattern);
    if paths.as_ref().is_none_or(Vec::is_empty)
        && body.get_attribute("paths").is_none_or(|given| is_empty(&given.value))
    {
        let hint = "paths = [\"/webhooks/*\"]".to_owned();
        reader.wrong_with(&block.ident, "`allow` needs `paths`", Some(hint));
    }
    let modes = reader.list(body, "modes", |word| match word.parse::<Mode>() {
        Ok(Mode::Open) => Err("in `open` everything passes".to_owned()),
        Ok(mode) => Ok(mode),
        Err(error) => Err(error.to_string()),
    });
    if let Some(attribute) = body.get_attribute("modes").filter(|given| is_empty(&given.value)) {
        let hint = "leave it out for [\"read-only\"]".to_owned();
        reader.wrong_with(&attribute.value, "`modes` is empty: it would allow nothing", Some(hint));
    }
    Some(AllowConfig {
        name: name?,
        paths: paths.unwrap_or_default(),
        modes: modes.unwrap_or_else(|| vec![Mode::ReadOnly]),
    })
}

fn bypass<'a>(reader: &mut Reader<'a>, block: &'a Block) -> BypassConfig {
    let body = plain(reader, block, &["key", "from"]);
    let key = reader.secret(body, "key").map(Secret::new);
    if let (Some(key), Some(attribute)) = (&key, body.get_attribute("key"))
        && key.bytes().len() < SHORTEST_KEY
    {
        let hint = "make one: openssl rand -hex 32".to_owned();
        let message = format!("the bypass key has fewer than {SHORTEST_KEY} bytes");
        reader.wrong_with(&attribute.value, message, Some(hint));
    }
    BypassConfig { key, from: reader.list(body, "from", words::network).unwrap_or_default() }
}

fn refuse_status(reader: &mut Reader<'_>, body: &Body) -> Option<u16> {
    let status = small(reader, body, "refuse_status", 400..=599)?;
    let attribute = body.get_attribute("refuse_status")?;
    if status != 503 {
        reader.warn(
            &attribute.value,
            format!("refuse_status = {status}: only 503 tells clients, caches and crawlers that the site comes back"),
        );
    }
    u16::try_from(status).ok()
}

/// The body of a block without labels and blocks.
fn plain<'a>(reader: &mut Reader<'a>, block: &'a Block, keys: &[&str]) -> &'a Body {
    reader.labels(block, &[]);
    reader.only(&block.body, keys, &[], &[]);
    &block.body
}

fn small(
    reader: &mut Reader<'_>,
    body: &Body,
    key: &str,
    bounds: RangeInclusive<u64>,
) -> Option<u32> {
    reader.count(body, key, bounds).and_then(|number| u32::try_from(number).ok())
}
