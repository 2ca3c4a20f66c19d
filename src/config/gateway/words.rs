//! One text of a `gateway` block -> an address, a host, an upstream, a network, a path. Asks no resolver.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::{PathPattern, Share, UpstreamProtocol, UpstreamUrl};

/// `0.0.0.0:8080`, `[::1]:8080`, or `:8080` for every IPv4 address.
pub(in crate::config) fn socket(text: &str) -> Result<SocketAddr, String> {
    let every = || text.strip_prefix(':')?.parse().ok();
    let every = every().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    text.parse()
        .ok()
        .or(every)
        .ok_or_else(|| format!("`{text}` is not an address to listen at: \"127.0.0.1:8080\", \"[::]:8080\" or \":8080\""))
}

/// `10.0.0.0/8`, or one address.
pub(in crate::config) fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().or_else(one).map(|network| network.trunc()).ok_or_else(|| {
        format!("`{text}` is not a network: \"10.0.0.0/8\", \"2001:db8::/32\" or one address")
    })
}

/// `5%` or `0.5%`, no less than `least`.
pub(in crate::config) fn share(text: &str, least: Share) -> Result<Share, String> {
    let wrong = || format!("`{text}` is not a share from {least} to 100 %: \"5%\"");
    let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str, most: usize| {
        let fits = (1..=most).contains(&part.len());
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| fits && digits)
    };
    let (whole, tenths) = digits(whole, 3).zip(digits(tenths, 1)).ok_or_else(wrong)?;
    let thousandths = whole * 10 + tenths;
    let share = Share::thousandths(thousandths);
    let within = share >= least && thousandths <= Share::ALL.in_thousandths();
    if within { Ok(share) } else { Err(wrong()) }
}

/// A host name as a Host header has it, in lower case; `*.example.com` for every name one level below.
pub fn host(text: &str) -> Result<String, String> {
    let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    if name.contains('*') {
        return Err(format!("`{text}` is not a host: a `*` stands for the whole first label only"));
    }
    if !name.is_ascii() {
        return Err(format!("`{text}` is not a host: write it as DNS has it, xn--.."));
    }
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()) && name == lower
    {
        return Ok(lower);
    }
    if name.contains(':') {
        return Err(format!("`{text}` is not a host: leave the port and the scheme out"));
    }
    if is_name(name) && lower.len() <= 253 {
        Ok(lower)
    } else {
        Err(format!("`{text}` is not a host: \"shop.example.com\" or \"*.example.com\""))
    }
}

/// Letters, digits, `-` and `_` (which real names have) between dots, at most 63 each.
fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(letter);
    name.split('.').all(label)
}

/// `http://app:3000`, `https://app`, `h2c://app:50051`: no path, no user, no query.
pub fn upstream(text: &str) -> Result<UpstreamUrl, String> {
    let wrong = |why: &str| format!("`{}` is not an upstream: {why}", without_user(text));
    let form = "http://HOST:PORT, https://HOST or h2c://HOST:PORT";
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong(form))?;
    let (protocol, default) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (UpstreamProtocol::Http, 80),
        "https" => (UpstreamProtocol::Https, 443),
        "h2c" => (UpstreamProtocol::H2c, 80),
        _ => return Err(wrong(form)),
    };
    if rest.contains('@') {
        return Err(wrong("a user and a password have no place in it"));
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(wrong("requests keep their own path, so it has none"));
    }
    let (host, port) = host_and_port(authority).ok_or_else(|| wrong(form))?;
    let port = match port {
        None => default,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| wrong("its port is 1 to 65535"))?,
    };
    Ok(UpstreamUrl { protocol, host, port })
}

/// `app`, `app:80`, `[::1]:80`: the host without brackets, and the port as written.
fn host_and_port(authority: &str) -> Option<(String, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let host = host.parse::<std::net::Ipv6Addr>().ok()?.to_string();
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None if rest.is_empty() => Some((host, None)),
            None => None,
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    (is_name(name) && name.len() <= 253).then(|| (host.to_ascii_lowercase(), port))
}

/// A URL for a message: what stands before an `@` may be a password.
fn without_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// `/search`, or `/webhooks/*` for everything that begins so.
pub(super) fn pattern(text: &str) -> Result<PathPattern, String> {
    let exact = text.strip_suffix('*');
    let path = path(exact.unwrap_or(text))?;
    if path.contains('*') {
        return Err(format!("`{text}` is not a path: a `*` stands at its end only"));
    }
    Ok(if exact.is_some() { PathPattern::Prefix(path) } else { PathPattern::Exact(path) })
}

/// A path as a request line has it: from `/`, without a query.
pub(super) fn path(text: &str) -> Result<String, String> {
    let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.starts_with('/') && graphic && !text.contains(['?', '#']) && text.len() <= 2_048 {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not a path: it begins with `/`, without a query, other letters as %xx"
        ))
    }
}

/// The name of an `allow` block: it stands in counts and metrics.
pub(super) fn label(text: &str) -> Result<String, String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(letter) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a name: letters, digits, `-` and `_`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_to_listen_at_may_leave_its_host_out() {
        assert_eq!(socket(":8080").unwrap().to_string(), "0.0.0.0:8080");
        assert_eq!(socket("[::1]:80").unwrap().to_string(), "[::1]:80");
        for wrong in ["8080", "localhost:80", ":99999", "127.0.0.1", "http://127.0.0.1:80", ""] {
            assert!(socket(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_is_lowered_and_a_wildcard_is_one_whole_label() {
        assert_eq!(host("Shop.Example.com.").unwrap(), "shop.example.com");
        assert_eq!(host("*.Example.com").unwrap(), "*.example.com");
        assert_eq!(host("[::1]").unwrap(), "[::1]");
        for wrong in [
            "shop.example.com:80",
            "http://shop",
            "*",
            "*.*.com",
            "a.*.com",
            "ex*.com",
            "",
            "a..b",
            "shöp.de",
            "*.[::1]",
            "a/b",
        ] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port_and_shows_as_it_is_written() {
        let shown = |text| upstream(text).unwrap().to_string();
        assert_eq!(shown("http://App:3000"), "http://app:3000");
        assert_eq!(shown("https://app.internal/"), "https://app.internal:443");
        assert_eq!(shown("h2c://[::1]:50051"), "h2c://[::1]:50051");
        for wrong in [
            "app:3000",
            "ftp://app",
            "http://app/path",
            "http://app?x",
            "http://app:0",
            "http://app:x",
            "http://",
            "http://[::1",
            "http://[::1]x",
            "http://a:b:c",
            "http://a b",
        ] {
            assert!(upstream(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_an_upstream_is_refused_and_not_repeated() {
        let told = upstream("http://ana:hunter2@app:3000").unwrap_err();
        assert!(!told.contains("hunter2") && !told.contains("ana"), "{told}");
    }

    #[test]
    fn a_network_is_one_address_or_many() {
        assert_eq!(network("10.0.0.7/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for wrong in ["10.0.0.0/33", "10.0.0", "example.com", ""] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_whole_percents_or_tenths_of_them() {
        let read = |text| share(text, Share::thousandths(1));
        for (text, thousandths) in [("5%", 50), ("0.5%", 5), ("100%", 1000), ("50 %", 500)] {
            assert_eq!(read(text), Ok(Share::thousandths(thousandths)), "{text}");
        }
        let wrongs =
            ["5", "", "%", "0%", "0.0%", "101%", "100.1%", "999%", "-1%", "+5%", "5.55%", ".5%"];
        for wrong in wrongs {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_may_end_in_a_star() {
        assert_eq!(pattern("/a/*").unwrap(), PathPattern::Prefix("/a/".to_owned()));
        assert_eq!(pattern("/a").unwrap(), PathPattern::Exact("/a".to_owned()));
        assert_eq!(pattern("/*").unwrap(), PathPattern::Prefix("/".to_owned()));
        for wrong in ["a", "", "*", "/a/*/b", "/a?b=c", "/a b", "/ä", "/a**"] {
            assert!(pattern(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_word_panic_and_what_is_taken_reads_back(text in ".{0,60}") {
            if let Ok(taken) = upstream(&text) {
                prop_assert_eq!(upstream(&taken.to_string()).unwrap(), taken);
            }
            if let Ok(taken) = host(&text) {
                prop_assert_eq!(host(&taken).unwrap(), taken);
            }
            let _seen = (socket(&text).is_ok(), network(&text).is_ok(), pattern(&text).is_ok());
            let _share = share(&text, Share::NONE);
        }
    }
}
