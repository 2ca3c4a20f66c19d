//! What sites share: addresses and hosts. Each mistake points at the second of the two that cannot both be.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hcl_edit::Span;
use hcl_edit::structure::{Block, Body};

use super::gateway::words;
use super::read::Reader;
use super::serve::{Admin, ServeConfig};

/// A site as the checks need it: what it says and where.
struct Claims<'a> {
    name: &'a str,
    block: &'a Block,
    /// Where it listens: the address, whether with TLS, and where that is written.
    listen: Vec<(SocketAddr, Way, Spot)>,
    /// Its hosts, each with its place.
    hosts: Vec<(String, Spot)>,
}

/// How an address is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
}

/// A span that is passed on.
#[derive(Debug, Clone)]
struct Spot(Option<std::ops::Range<usize>>);

impl Span for Spot {
    fn span(&self) -> Option<std::ops::Range<usize>> {
        self.0.clone()
    }
}

/// Notes what cannot be at the same time, of all gateways in `body` and the admin listener.
pub(super) fn check<'a>(reader: &mut Reader<'a>, body: &'a Body, serve: &ServeConfig) {
    let sites: Vec<_> = body.get_blocks("site").filter_map(claims).collect();
    let listen = one_way_each(reader, &sites);
    if let (Admin::At(admin), Some(given)) = (serve.admin, admin(body))
        && let Some((_, name)) = listen.get(&admin)
    {
        reader.wrong(&given, format!("the gateway of `{name}` listens at {admin} already"));
    }
    one_owner_each(reader, &sites);
    one_guard_each(reader, body, &listen);
}

/// Nobody else listens where a guard does.
fn one_guard_each(
    reader: &mut Reader<'_>,
    body: &Body,
    gateways: &BTreeMap<SocketAddr, (Way, &str)>,
) {
    let mut seen: Vec<(String, &str)> = Vec::new();
    let guards = body.get_blocks("site").flat_map(|site| site.body.get_blocks("redis"));
    for block in guards {
        let name = block.labels.first().map_or("", hcl_edit::structure::BlockLabel::as_str);
        let one = block.body.get_attribute("listen").map(|given| &given.value);
        let one = one.and_then(|value| Some((value.as_str()?, Spot(value.span()))));
        let mut own = Vec::new();
        for (text, spot) in texts(&block.body, "listen").chain(one) {
            let address = words::socket(text).ok();
            if address.is_some_and(|address| address.port() == 0) {
                continue;
            }
            let text = address.map_or_else(|| text.to_owned(), |address| address.to_string());
            if address.is_some_and(|address| gateways.contains_key(&address)) {
                reader.wrong(&spot, format!("a gateway listens at {text} already"));
            } else if let Some((_, other)) = seen.iter().find(|(taken, _)| *taken == text) {
                reader.wrong(&spot, format!("the guard \"{other}\" listens at {text} already"));
            }
            own.push((text, name));
        }
        seen.extend(own);
    }
}

fn admin(body: &Body) -> Option<Spot> {
    let serve = body.get_blocks("serve").next()?;
    serve.body.get_attribute("admin").map(|given| Spot(given.value.span()))
}

/// What a site with a gateway claims. What cannot be read is a mistake elsewhere already.
fn claims(block: &Block) -> Option<Claims<'_>> {
    let gateway = block.body.get_blocks("gateway").next()?;
    let name = block.labels.first().map(hcl_edit::structure::BlockLabel::as_str)?;
    let mut listen = Vec::new();
    let tls = gateway.body.get_blocks("tls").next();
    let of_tls = tls.map(|tls| (&tls.body, Way::Tls));
    for (body, way) in [(&gateway.body, Way::Plain)].into_iter().chain(of_tls) {
        for (text, spot) in texts(body, "listen") {
            listen.extend(words::socket(text).ok().map(|address| (address, way, spot)));
        }
    }
    let hosts = texts(&block.body, "hosts");
    let hosts = hosts.filter_map(|(text, spot)| Some((words::host(text).ok()?, spot)));
    Some(Claims { name, block, listen, hosts: hosts.collect() })
}

fn texts<'a>(body: &'a Body, key: &str) -> impl Iterator<Item = (&'a str, Spot)> {
    let list = body.get_attribute(key).and_then(|given| given.value.as_array());
    list.into_iter()
        .flat_map(hcl_edit::expr::Array::iter)
        .filter_map(|item| Some((item.as_str()?, Spot(item.span()))))
}

/// An address speaks TLS or does not, for all of its sites.
fn one_way_each<'a>(
    reader: &mut Reader<'_>,
    sites: &[Claims<'a>],
) -> BTreeMap<SocketAddr, (Way, &'a str)> {
    let mut seen: BTreeMap<SocketAddr, (Way, &'a str)> = BTreeMap::new();
    for site in sites {
        for (address, way, spot) in &site.listen {
            // Port 0 is another port each time.
            if address.port() == 0 {
                continue;
            }
            let (other, owner) = *seen.entry(*address).or_insert((*way, site.name));
            if other != *way {
                let (this, that) = match way {
                    Way::Plain => ("without", "with"),
                    Way::Tls => ("with", "without"),
                };
                reader.wrong(
                    spot,
                    format!("{address} is {this} TLS here and {that} TLS in `{owner}`"),
                );
            }
        }
    }
    seen
}

/// At an address a host leads to one site; a site without hosts has its addresses for itself.
fn one_owner_each(reader: &mut Reader<'_>, sites: &[Claims<'_>]) {
    for (index, site) in sites.iter().enumerate() {
        let shares = |other: &&Claims<'_>| {
            let mut own = site.listen.iter().filter(|(address, ..)| address.port() != 0);
            own.any(|(address, ..)| other.listen.iter().any(|(theirs, ..)| theirs == address))
        };
        let neighbours: Vec<_> =
            sites.iter().enumerate().filter(|(at, other)| *at != index && shares(other)).collect();
        if site.hosts.is_empty()
            && let Some((_, other)) = neighbours.first()
        {
            reader.wrong_with(
                &site.block.ident,
                format!(
                    "`{}` has no hosts, so it would answer for those of `{}` at the same address",
                    site.name, other.name
                ),
                Some("hosts = [\"shop.example.com\"]".to_owned()),
            );
        }
        for (host, spot) in &site.hosts {
            let before = neighbours.iter().filter(|(at, _)| *at < index);
            let mut owners =
                before.filter(|(_, other)| other.hosts.iter().any(|(theirs, _)| theirs == host));
            if let Some((_, owner)) = owners.next() {
                reader.wrong(
                    spot,
                    format!("{host} is a host of `{}` at the same address", owner.name),
                );
            }
        }
    }
}
