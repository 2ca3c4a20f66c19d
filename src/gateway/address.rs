//! Who the client is: the peer, or whoever a trusted proxy speaks for. From anyone else such words count for nothing.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// `Forwarded`, RFC 7239.
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whom a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it speaks TLS, to us or to a trusted proxy.
    pub https: bool,
}

/// Who the client is, when `direct` is the connection's other end: the right-most address that is no trusted proxy's.
///
/// Where both are there, `X-Forwarded-For` counts and `Forwarded` does not; a proxy has to set one and drop the other.
/// A proxy that hides whom it speaks for (`unknown`, `_name`) is the client itself; where an address cannot be read,
/// the peer is.
pub fn client(direct: Client, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let peer = Client { ip: direct.ip.to_canonical(), ..direct };
    if !is_trusted(peer.ip, trusted) {
        return peer;
    }
    if headers.contains_key(FORWARDED_FOR) {
        let https = scheme(headers).unwrap_or(peer.https);
        let ip = walk(peer.ip, listed(headers), trusted).unwrap_or(peer.ip);
        Client { ip, https }
    } else if headers.contains_key(FORWARDED) {
        from_forwarded(peer, headers, trusted)
    } else {
        Client { https: scheme(headers).unwrap_or(peer.https), ..peer }
    }
}

/// Whether `ip` is in one of these networks, an IPv4 address in IPv6's clothes included.
pub fn is_trusted(ip: IpAddr, networks: &[IpNet]) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

/// What one entry of the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Address(IpAddr),
    /// It says that it does not say.
    Hidden,
    Garbage,
}

/// From the nearest hop to the farthest, as long as trusted proxies say so; `None` if an address cannot be read.
fn walk(peer: IpAddr, hops: impl Iterator<Item = Hop>, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut nearest = peer;
    for hop in hops {
        match hop {
            Hop::Address(ip) => nearest = ip,
            Hop::Hidden => return Some(nearest),
            Hop::Garbage => return None,
        }
        if !is_trusted(nearest, trusted) {
            break;
        }
    }
    Some(nearest)
}

/// `X-Forwarded-For`, all lines of it, nearest hop first.
fn listed(headers: &HeaderMap) -> impl Iterator<Item = Hop> + '_ {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',').map(hop))
}

/// The nearest proxy's word for how the client spoke to it.
fn scheme(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    is_https(value.rsplit(',').next()?.trim())
}

fn is_https(scheme: &str) -> Option<bool> {
    if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") {
        Some(true)
    } else if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws") {
        Some(false)
    } else {
        None
    }
}

fn from_forwarded(peer: Client, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let mut elements = Vec::new();
    for line in headers.get_all(FORWARDED) {
        // One line that cannot be read spoils all: where its elements end is anybody's guess.
        let Some(read) = line.to_str().ok().and_then(elements_of) else { return peer };
        elements.extend(read);
    }
    let (mut https, mut read) = (None, 0_usize);
    let hops = elements.iter().rev().map(|element| {
        read += 1;
        https = element.https.or(https);
        element.hop
    });
    match walk(peer.ip, hops, trusted) {
        Some(ip) if read > 0 => Client { ip, https: https.unwrap_or(peer.https) },
        _ => peer,
    }
}

#[derive(Debug, Clone, Copy)]
struct Element {
    hop: Hop,
    https: Option<bool>,
}

/// The elements of one `Forwarded` line: pairs after `;`, elements after `,`, both also inside of quotes.
fn elements_of(line: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut element = Element { hop: Hop::Hidden, https: None };
    let mut rest = line.trim();
    loop {
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case("for") {
            element.hop = hop(value.as_bytes());
        } else if name.eq_ignore_ascii_case("proto") {
            element.https = is_https(&value);
        }
        let after = after.trim_start();
        match after.chars().next() {
            Some(';') => {}
            Some(',') => {
                elements.push(element);
                element = Element { hop: Hop::Hidden, https: None };
            }
            None => {
                elements.push(element);
                return Some(elements);
            }
            Some(_) => return None,
        }
        rest = after.get(1..)?.trim_start();
    }
}

/// A name, its value without quotes, and what comes after.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    let letter = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(letter) {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([';', ',', ' ', '\t']).unwrap_or(rest.len());
        let (value, after) = rest.split_at_checked(end)?;
        return Some((name, value.to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Some((name, value, quoted.get(place + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, `unknown`, `_name`.
fn hop(entry: &[u8]) -> Hop {
    let Ok(text) = std::str::from_utf8(entry) else { return Hop::Garbage };
    let text = text.trim();
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Hop::Hidden;
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let read = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).ok(),
        None => text.parse().ok().or_else(|| text.parse().map(|it: SocketAddr| it.ip()).ok()),
    };
    read.or_else(|| before_odd_port(text))
        .map_or(Hop::Garbage, |ip| Hop::Address(ip.to_canonical()))
}

/// RFC 7239 §6 lets the port be hidden too: `192.0.2.1:_gazonk`.
fn before_odd_port(text: &str) -> Option<IpAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let bare = address.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let ip = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => IpAddr::V4(address.parse().ok()?),
    };
    port.starts_with('_').then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn networks() -> Vec<IpNet> {
        ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).to_vec()
    }

    fn seen(peer: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let direct = Client { ip: peer.parse().unwrap(), https: false };
        let client = client(direct, &map, &networks());
        (client.ip.to_string(), client.https)
    }

    fn ip(peer: &str, headers: &[(&str, &str)]) -> String {
        seen(peer, headers).0
    }

    #[test]
    fn from_anyone_but_a_trusted_proxy_such_words_count_for_nothing() {
        let words = [("x-forwarded-for", "10.1.1.1"), ("x-forwarded-proto", "https")];
        assert_eq!(seen("192.0.2.9", &words), ("192.0.2.9".to_owned(), false));
        assert_eq!(ip("192.0.2.9", &[("forwarded", "for=10.1.1.1")]), "192.0.2.9");
        assert_eq!(ip("::ffff:10.0.0.1", &[("x-forwarded-for", "192.0.2.7")]), "192.0.2.7");
    }

    #[test]
    fn the_right_most_address_that_is_no_trusted_proxys_wins_over_all_lines() {
        for lines in [
            &["1.1.1.1, 192.0.2.7"][..],
            &["1.1.1.1, 192.0.2.7, 10.9.9.9"],
            &["1.1.1.1", "192.0.2.7", "10.9.9.9, fd00::1"],
            &["garbage, 192.0.2.7:4711"],
            &["192.0.2.7 ,10.9.9.9:80"],
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(ip("10.0.0.1", &lines), "192.0.2.7", "{lines:?}");
        }
        assert_eq!(ip("10.0.0.1", &[("x-forwarded-for", "10.2.2.2, 10.3.3.3")]), "10.2.2.2");
        assert_eq!(ip("10.0.0.1", &[("x-forwarded-for", "[2001:db8::1]:443")]), "2001:db8::1");
    }

    #[test]
    fn a_hidden_address_stops_the_walk_and_an_unreadable_one_gives_the_peers() {
        assert_eq!(
            ip("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, unknown, 10.3.3.3")]),
            "10.3.3.3"
        );
        assert_eq!(ip("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, _secret")]), "10.0.0.1");
        for garbage in
            ["", "1.1.1.1,", "1.1.1.1, 999.1.1.1", "1.1.1.1, [::1", "fe80::1%eth0", "\u{e9}"]
        {
            assert_eq!(ip("10.0.0.1", &[("x-forwarded-for", garbage)]), "10.0.0.1", "{garbage}");
        }
    }

    #[test]
    fn rfc_7239_is_read_with_quotes_ports_and_several_elements() {
        for line in [
            "for=192.0.2.7",
            "For=\"192.0.2.7:4711\"; proto=http; by=203.0.113.43",
            "for=1.1.1.1, for=192.0.2.7, for=\"[fd00::1]:80\"",
            "for=\"a,b;c\\\"d\", for=192.0.2.7",
            "for=\"192.0.2.7:_port\"",
        ] {
            assert_eq!(ip("10.0.0.1", &[("forwarded", line)]), "192.0.2.7", "{line}");
        }
        let quoted = [("forwarded", "for=\"[2001:db8:cafe::17]:4711\";proto=https")];
        assert_eq!(seen("10.0.0.1", &quoted), ("2001:db8:cafe::17".to_owned(), true));
        for line in
            ["for=unknown", "for=_hidden", "for=\"1.1.1.1", "for", "=", "for=1.1.1.1 x", "", "a=b,"]
        {
            assert_eq!(ip("10.0.0.1", &[("forwarded", line)]), "10.0.0.1", "{line}");
        }
    }

    #[test]
    fn where_both_are_there_forwarded_does_not_count() {
        let both = [("forwarded", "for=10.5.5.5, for=192.0.2.1"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(ip("10.0.0.1", &both), "192.0.2.7");
    }

    #[test]
    fn the_scheme_is_the_nearest_trusted_proxys_word() {
        let proto = |value| seen("10.0.0.1", &[("x-forwarded-proto", value)]).1;
        assert!(proto("https") && proto("http, HTTPS") && !proto("https, http") && !proto("x"));
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_is_always_itself_and_nothing_panics(
            line in "[ -~]{0,60}",
            forwarded in "((for|proto|by)?=?\"?[0-9a-f.:_,;\\[\\]\"\\\\]{0,20}[;, ]?){0,5}",
        ) {
            let words = [("x-forwarded-for", line.as_str()), ("forwarded", forwarded.as_str())];
            prop_assert_eq!(ip("192.0.2.9", &words), "192.0.2.9");
            ip("10.0.0.1", &words);
            ip("10.0.0.1", &[("forwarded", forwarded.as_str())]);
        }
    }
}
