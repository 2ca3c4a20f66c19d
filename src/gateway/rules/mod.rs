//! What kind of request this is, and in which modes that kind passes: the table of docs/http.md, as pure functions.
//!
//! Nothing here looks at the mode of now, opens a socket or waits. When in doubt a request is a write.

mod graphql;
mod path;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::robots;
use crate::config::{GatewayConfig, PathPattern};
use crate::switch::Mode;

pub use graphql::BODY_LIMIT;

/// Where certificates are asked for.
const ACME: &str = "/.well-known/acme-challenge/";
/// Headers by which frameworks let a method pretend to be another one.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Whether a request can change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// It reads.
    Read,
    /// It may write.
    Write,
    /// Its body tells: see [`Rules::read_body`]. Until then it may write.
    Graphql,
}

/// What kind of request this is. Each kind has a lane, in which it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Like most.
    Plain(Nature),
    /// An authority asks for proof that a certificate is wanted.
    Acme,
    /// `/robots.txt`: with a [copy](super::robots::Robots) it is answered from that in hold, closed and detour.
    Robots,
    /// On a path of the n-th `allow` block.
    Allow(usize, Nature),
    /// From a tester.
    Bypass,
}

/// The rules of one site.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    reads: Vec<PathPattern>,
    writes: Vec<PathPattern>,
    graphql: Vec<PathPattern>,
    allow: Vec<Allow>,
}

#[derive(Debug, Clone)]
struct Allow {
    lane: String,
    paths: Vec<PathPattern>,
    modes: Vec<Mode>,
}

impl Rules {
    /// As configured.
    pub fn new(config: &GatewayConfig) -> Rules {
        let decoded =
            |patterns: &[PathPattern]| patterns.iter().map(path::decoded_pattern).collect();
        let allow = config.allow.iter().map(|allow| Allow {
            lane: format!("allow {}", allow.name),
            paths: decoded(&allow.paths),
            modes: allow.modes.clone(),
        });
        Rules {
            reads: decoded(&config.read_only.reads),
            writes: decoded(&config.read_only.writes),
            graphql: decoded(&config.read_only.graphql),
            allow: allow.collect(),
        }
    }

    /// What kind of request this is, as far as its head tells. Whether it is a tester's, [`super::bypass`] says.
    pub fn kind(&self, parts: &Parts) -> Kind {
        let (method, raw) = (&parts.method, parts.uri.path());
        let agreed = path::agreed(raw);
        let agreed = agreed.as_deref();
        let asked = announced(parts);
        if asked.is_none() && matches!(*method, Method::GET | Method::HEAD) {
            match agreed {
                Some(robots::PATH) => return Kind::Robots,
                Some(path) if is_acme(path) => return Kind::Acme,
                _ => {}
            }
        }
        let nature = match asked {
            Some(asked) => self.nature_of_preflight(asked, raw, agreed),
            None => self.nature(parts, agreed),
        };
        let allowed = self.allow.iter().position(|allow| path::lets(&allow.paths, agreed));
        allowed.map_or(Kind::Plain(nature), |index| Kind::Allow(index, nature))
    }

    /// The kind of a request whose nature its body tells: [`Nature::Graphql`]. `body` is all of it, at most
    /// [`BODY_LIMIT`] bytes; one that is longer is a write and need not be read. Other kinds stay as they are.
    pub fn read_body(&self, kind: Kind, parts: &Parts, body: &[u8]) -> Kind {
        let nature = || graphql::nature_of_body(&parts.headers, parts.uri.query(), body);
        match kind {
            Kind::Plain(Nature::Graphql) => Kind::Plain(nature()),
            Kind::Allow(index, Nature::Graphql) => Kind::Allow(index, nature()),
            kind => kind,
        }
    }

    /// Whether this kind passes in `mode`.
    pub fn passes(&self, kind: Kind, mode: Mode) -> bool {
        match kind {
            Kind::Plain(Nature::Read) => mode <= Mode::ReadOnly,
            Kind::Plain(Nature::Write | Nature::Graphql) => mode == Mode::Open,
            Kind::Acme | Kind::Robots => mode != Mode::Hold,
            Kind::Allow(index, nature) => {
                self.passes(Kind::Plain(nature), mode)
                    || self.allow.get(index).is_some_and(|allow| allow.modes.contains(&mode))
            }
            Kind::Bypass => true,
        }
    }

    /// Every kind that requests of this site can have, each with a [`Rules::lane_index`] of its own, in their order.
    pub fn kinds(&self) -> Vec<Kind> {
        let plain = [
            Kind::Plain(Nature::Read),
            Kind::Plain(Nature::Write),
            Kind::Acme,
            Kind::Robots,
            Kind::Bypass,
        ];
        let allowed = (0..self.allow.len()).flat_map(|index| {
            [Kind::Allow(index, Nature::Read), Kind::Allow(index, Nature::Write)]
        });
        plain.into_iter().chain(allowed).collect()
    }

    /// The place of this kind's lane in [`Rules::kinds`].
    pub fn lane_index(&self, kind: Kind) -> usize {
        match kind {
            Kind::Plain(Nature::Read) => 0,
            Kind::Plain(Nature::Write | Nature::Graphql) => 1,
            Kind::Acme => 2,
            Kind::Robots => 3,
            Kind::Bypass => 4,
            Kind::Allow(index, nature) => 5 + 2 * index + usize::from(nature != Nature::Read),
        }
    }

    /// The name of this kind's lane, for reports. A kind of `allow` has the same name whatever its nature.
    pub fn lane_name(&self, kind: Kind) -> &str {
        match kind {
            Kind::Plain(Nature::Read) => "reads",
            Kind::Plain(Nature::Write | Nature::Graphql) => "writes",
            Kind::Acme => "acme",
            Kind::Robots => "robots",
            Kind::Bypass => "bypass",
            Kind::Allow(index, _) => self.allow.get(index).map_or("allow", |allow| &allow.lane),
        }
    }

    fn nature(&self, parts: &Parts, agreed: Option<&str>) -> Nature {
        let (method, raw) = (&parts.method, parts.uri.path());
        if path::keeps_out(&self.writes, raw) || pretends_to_write(&parts.headers) {
            return Nature::Write;
        }
        if upgrades(&parts.headers) {
            let reads = *method == Method::GET && path::lets(&self.reads, agreed);
            return if reads { Nature::Read } else { Nature::Write };
        }
        let is_graphql = self.is_graphql(raw, agreed);
        match method.as_str() {
            "GET" | "HEAD" if is_graphql => {
                graphql::nature_of_query(&parts.headers, parts.uri.query())
            }
            "POST" | "QUERY" if is_graphql && path::lets(&self.graphql, agreed) => {
                graphql::nature_of_head(&parts.headers, parts.uri.query())
            }
            "POST" | "QUERY" if is_graphql => Nature::Write,
            "GET" | "HEAD" | "OPTIONS" | "QUERY" => Nature::Read,
            "POST" if path::lets(&self.reads, agreed) => Nature::Read,
            _ => Nature::Write,
        }
    }

    /// A preflight is what it announces: it passes where the announced request could, so that the gateway never answers
    /// for one that the app would execute.
    fn nature_of_preflight(&self, asked: &[u8], raw: &str, agreed: Option<&str>) -> Nature {
        if path::keeps_out(&self.writes, raw) {
            return Nature::Write;
        }
        let reads = match asked {
            b"GET" | b"HEAD" | b"OPTIONS" | b"QUERY" => true,
            b"POST" => path::lets(&self.reads, agreed) || path::lets(&self.graphql, agreed),
            _ => false,
        };
        if reads { Nature::Read } else { Nature::Write }
    }

    /// A GraphQL path in any spelling: one that is spelt oddly must not become an ordinary GET.
    fn is_graphql(&self, raw: &str, agreed: Option<&str>) -> bool {
        path::lets(&self.graphql, agreed) || path::keeps_out(&self.graphql, raw)
    }
}

/// The method that a CORS preflight announces, if this is one.
pub fn announced(parts: &Parts) -> Option<&[u8]> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ORIGIN) {
        return None;
    }
    parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD).map(http::HeaderValue::as_bytes)
}

/// Whether the client wants to speak another protocol from now on: a `WebSocket`, mostly. `h2c` is not meant: some clients
/// offer it with every request, it is never forwarded, and may be ignored (RFC 9110 §7.8).
pub fn upgrades(headers: &HeaderMap) -> bool {
    headers.get_all(UPGRADE).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|token| !token.is_empty() && !token.eq_ignore_ascii_case(b"h2c"))
    })
}

/// Whether a header says that the method means another one, which is not safe.
fn pretends_to_write(headers: &HeaderMap) -> bool {
    OVERRIDES.iter().any(|name| {
        headers.get_all(*name).iter().any(|value| {
            let safe = [&b"GET"[..], b"HEAD", b"OPTIONS", b"QUERY"];
            !safe.iter().any(|method| value.as_bytes().eq_ignore_ascii_case(method))
        })
    })
}

/// A challenge and nothing below it: one segment of a token's letters (RFC 8555 §8.3).
fn is_acme(path: &str) -> bool {
    path.strip_prefix(ACME).is_some_and(|token| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !token.is_empty() && token.bytes().all(letter)
    })
}

#[cfg(test)]
mod tests;
