//! A whole `gateway {}`, `page {}` and `serve {}`: what is read, what is refused and where.

use std::time::Duration;

use proptest::prelude::*;

use super::rig::{good, load_text, wrong};
use super::*;
use crate::hcl::Colour;
use crate::switch::Mode;

/// A site `shop` whose gateway has these lines besides the least.
fn with(lines: &str) -> String {
    format!(
        "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n{lines}\n  }}\n}}\n"
    )
}

/// The gateway, page and serve parts of DESIGN §5.
const EXAMPLE: &str = r#"
store { url = "file:///var/lib/roadworks" }
serve {
  state      = "run"
  admin      = "127.0.0.1:9180"
  cores      = 2
  access_log = true
  limits {
    header_bytes   = "16KiB"
    header_timeout = "5s"
    connections    = 1000
  }
}
site "shop" {
  hosts       = ["Shop.example.com", "*.shop.example.com"]
  maintenance = "hold"
  gateway {
    listen          = ["0.0.0.0:8080"]
    upstreams       = ["http://127.0.0.1:3000", "h2c://grpc:50051"]
    trusted_proxies = ["10.0.0.0/8"]
    refuse_status   = 429
    tls {
      listen      = ["[::]:8443"]
      certificate = "cert.pem"
      key         = "key.pem"
    }
    health {
      lb_path       = "/healthz"
      upstream_path = "/up"
    }
    hold {
      patience     = "1m30s"
      places       = 500
      release_rate = 200
    }
    drain {
      deadline = 5
      then     = "abort"
      upgrades = "close"
    }
    open {
      ramp  = "2m"
      first = "0.5%"
    }
    read_only {
      reads   = ["/search"]
      writes  = ["/unsubscribe"]
      graphql = ["/graphql"]
    }
    allow "webhooks" {
      paths = ["/webhooks/*"]
      modes = ["read-only", "closed"]
    }
    allow "pings" { paths = ["/ping"] }
    bypass {
      key  = env("BYPASS_KEY")
      from = ["203.0.113.0/24", "2001:db8::1"]
    }
  }
  page {
    message    = "We are moving to a bigger database."
    contact    = "help@example.com"
    status_url = "https://status.example.com/shop.json"
    template   = "page.html"
  }
}
"#;

#[test]
fn every_key_of_a_gateway_is_read() {
    let config = good(EXAMPLE);
    let site = config.site(None).unwrap();
    assert_eq!(site.hosts, ["shop.example.com", "*.shop.example.com"]);
    assert_eq!(site.maintenance_mode(), Mode::Hold);
    assert_eq!(site.page.template, Some(config.folder.join("page.html")));
    let gateway = site.gateway.as_ref().unwrap();
    assert_eq!(gateway.listen[0].to_string(), "0.0.0.0:8080");
    assert_eq!(gateway.upstreams[1].to_string(), "h2c://grpc:50051");
    let tls = gateway.tls.as_ref().unwrap();
    assert_eq!(tls.certificate, config.folder.join("cert.pem"));
    assert_eq!(gateway.health.lb_path.as_deref(), Some("/healthz"));
    assert_eq!(gateway.health.interval, HealthConfig::default().interval);
    assert_eq!((gateway.hold.patience, gateway.hold.places), (Duration::from_secs(90), 500));
    assert_eq!(
        (gateway.drain.deadline, gateway.drain.then),
        (Duration::from_secs(5), Some(DrainThen::Abort))
    );
    assert_eq!(gateway.drain.upgrades, Upgrades::Close);
    let open = gateway.open.as_ref().unwrap();
    assert_eq!((open.ramp, open.first), (Duration::from_mins(2), Share::thousandths(5)));
    assert_eq!(open.limit, OpenConfig::LIMIT);
    assert_eq!(gateway.read_only.graphql, [PathPattern::Exact("/graphql".to_owned())]);
    assert_eq!(gateway.allow[0].paths, [PathPattern::Prefix("/webhooks/".to_owned())]);
    assert_eq!(gateway.allow[0].modes, [Mode::ReadOnly, Mode::Closed]);
    assert_eq!(gateway.allow[1].modes, [Mode::ReadOnly]);
    assert_eq!(gateway.bypass.key.as_ref().unwrap().bytes(), b"0123456789abcdef");
    assert_eq!(gateway.bypass.from.len(), 2);
    assert_eq!(config.serve.limits.header_bytes, 16_384);
    assert_eq!(config.serve.limits.streams, Limits::default().streams);
    assert_eq!((config.serve.cores, config.serve.access_log), (Some(2), true));
    assert_eq!(config.serve.state, Some(config.folder.join("run")));
    assert!(
        site.warnings[0].contains("refuse_status = 429") && site.warnings[0].contains(":21:23"),
        "{:?}",
        site.warnings
    );
}

/// The defaults, as docs/configuration.md has them.
const DEFAULTS: &str = r#"
trusted_proxies = []
health {
  interval = "1s"
  timeout  = "5s"
  passes   = 2
  failures = 2
}
hold {
  patience = "20s"
  places   = 10000
}
drain {
  deadline = "10s"
  upgrades = "leave"
}
"#;
const PROCESS_DEFAULTS: &str = r#"
serve {
  access_log = false
  limits {
    header_bytes   = "32KiB"
    header_count   = 100
    header_timeout = "10s"
    idle_timeout   = "75s"
    connections    = 100000
    streams        = 128
    body_rate      = 240
  }
}
"#;

#[test]
fn what_is_left_out_has_the_defaults_of_the_documents() {
    let config = good(&with(""));
    let written = good(&format!("{PROCESS_DEFAULTS}{}", with(DEFAULTS)));
    assert_eq!(config.sites, written.sites);
    assert_eq!((config.serve, ServeConfig::default()), (written.serve, ServeConfig::default()));
    let gateway = config.sites[0].gateway.clone().unwrap();
    assert_eq!((gateway.drain.then, gateway.refuse_status), (None, None));
}

#[test]
fn a_site_has_the_modes_of_its_levers() {
    let gateway_only = &good(&with("")).sites[0];
    let offered = |site: &SiteConfig| Mode::LADDER.map(|mode| site.offers(mode));
    assert_eq!(offered(gateway_only), [true, true, true, true, false]);
    assert_eq!(gateway_only.maintenance_mode(), Mode::Closed);
    let both = with("").replace("  gateway {", "  dns \"terraform\" { dir = \".\" }\n  gateway {");
    assert_eq!(good(&both).sites[0].maintenance_mode(), Mode::Detour);
    let closed = both.replace("  gateway {", "  maintenance = \"close\"\n  gateway {");
    assert_eq!(good(&closed).sites[0].maintenance_mode(), Mode::Closed);
    assert_eq!(
        wrong(&with("").replace("  gateway {", "  maintenance = \"detour\"\n  gateway {")),
        ["3:17 the site cannot be put into `detour`: it has no `dns` block"]
    );
    let name_only =
        "site \"a\" {\n  maintenance = \"hold\"\n  dns \"terraform\" { dir = \".\" }\n}\n";
    assert_eq!(
        wrong(name_only),
        ["2:17 the site cannot be put into `hold`: it has no `gateway` block"]
    );
}

#[test]
fn each_mistake_of_a_gentle_opening_points_at_itself() {
    for (lines, told) in [
        ("open { first = \"5%\" }", "6:1 `open` needs `ramp`"),
        ("open { ramp = \"500ms\" }", "6:15 `ramp` is at least 1s and at most 3600 s"),
        (
            "open {\nramp = 60\nfirst = \"0%\"\n}",
            "8:9 `0%` is not a share from 0.1 % to 100 %: \"5%\"",
        ),
        (
            "open {\nramp = 60\nlimit = \"0.5%\"\n}",
            "8:9 `0.5%` is not a share from 1 % to 100 %: \"5%\"",
        ),
        ("open {\nramp = 60\nfrist = \"5%\"\n}", "8:1 `frist` is not known here"),
    ] {
        let mistakes = wrong(&with(lines));
        assert_eq!(mistakes.first().map(String::as_str), Some(told), "{lines}: {mistakes:?}");
    }
}

#[test]
fn each_mistake_of_a_gateway_points_at_itself() {
    for (lines, told) in [
        ("hold { patience = 0 }", "6:19 `patience` is at least 1ms and at most 300 s"),
        ("hold { patience = \"6m\" }", "6:19 `patience` is at least 1ms and at most 300 s"),
        ("hold { patience = \"soon\" }", "6:19 `soon` is not a duration: 90s, 15m, 1h30m"),
        ("hold { places = 0 }", "6:17 `places` is at least 1 and at most 1000000"),
        ("hold { places = -1 }", "6:17 `places` is a whole number, 0 or more"),
        ("hold { patiense = 1 }", "6:8 `patiense` is not known here"),
        ("refuse_status = 200", "6:17 `refuse_status` is at least 400 and at most 599"),
        (
            "trusted_proxies = [\"10.0.0.0/8\", \"10/8\"]",
            "6:34 `10/8` is not a network: \"10.0.0.0/8\", \"2001:db8::/32\" or one address",
        ),
        ("drain { then = \"abbort\" }", "6:16 `abbort` is not a word for `then`"),
        ("drain { upgrades = \"cut\" }", "6:20 `cut` is not a word for `upgrades`"),
        ("allow \"a\" { modes = [\"hold\"] }", "6:1 `allow` needs `paths`"),
        (
            "allow \"a b\" { paths = [\"/a\"] }",
            "6:1 `a b` is not a name: letters, digits, `-` and `_`",
        ),
        (
            "allow \"a\" {\npaths = [\"/a\"]\nmodes = [\"open\"]\n}",
            "8:10 in `open` everything passes",
        ),
        (
            "allow \"a\" {\npaths = [\"/a\"]\nmodes = []\n}",
            "8:9 `modes` is empty: it would allow nothing",
        ),
        ("read_only {\nreads = [\"/a\"]\nwrites = [\"/a\"]\n}", "8:11 `/a` is in `reads` already"),
        (
            "health { lb_path = \"healthz\" }",
            "6:20 `healthz` is not a path: it begins with `/`, without a query, other letters as %xx",
        ),
        ("bypass { key = \"short\" }", "6:16 the bypass key has fewer than 16 bytes"),
        ("tls { listen = [\":8443\"] }", "6:1 `tls` needs `certificate`"),
    ] {
        let mistakes = wrong(&with(lines));
        assert_eq!(mistakes.first().map(String::as_str), Some(told), "{lines}: {mistakes:?}");
    }
    assert_eq!(
        wrong("site \"shop\" {\n  gateway {\n  }\n}\n"),
        ["2:3 the gateway listens nowhere", "2:3 the gateway has no upstream"]
    );
    assert_eq!(
        wrong("site \"shop\" {\n  page { contact = \"javascript:alert(1)\" }\n}\n"),
        [
            "1:1 the site has no lever: it needs a `dns`, a `gateway` or a `balancer` block, or a `redis` that is guarded",
            "2:20 `javascript:alert(1)` is neither an e-mail address nor a URL"
        ]
    );
}

#[test]
fn a_key_that_is_refused_is_shown_in_no_form() {
    for text in [
        with("bypass { key = \"hunter2\" }"),
        with("bypass { kye = \"hunter2hunter2hunter2\" }"),
        with("bypas { key = \"hunter2hunter2hunter2\" }"),
        with("bypass {\nkey = \"hunter2hunter2hunter2\"\nkey = \"hunter2\"\n}"),
        with("bypass { key = \"hunter2 }"),
    ] {
        let (_, mistakes) = load_text(&text);
        assert!(!mistakes.is_empty(), "{text}");
        for mistake in mistakes {
            let shown = format!("{mistake:?}{}", mistake.render(Colour::Never));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

/// Two sites with a gateway each.
fn two(first: &str, second: &str) -> String {
    let site = |name: &str, lines: &str| {
        format!(
            "site \"{name}\" {{\n{lines}\n  gateway {{\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }}\n}}\n"
        )
    };
    // `listen` stands inside of the gateway.
    let inside = |text: String| {
        let (lines, listen): (Vec<_>, Vec<_>) =
            text.lines().partition(|line| !line.starts_with("listen"));
        let mut out = Vec::new();
        for line in lines {
            out.push(line.to_owned());
            if line == "  gateway {" {
                out.extend(listen.iter().map(|line| (*line).to_owned()));
            }
        }
        out.join("\n")
    };
    format!("{}\n{}\n", inside(site("a", first)), inside(site("b", second)))
}

#[test]
fn sites_share_an_address_but_no_host_and_the_second_is_pointed_at() {
    good(&two(
        "hosts = [\"a.com\", \"*.a.com\"]\nlisten = [\":80\"]",
        "hosts = [\"b.a.com\"]\nlisten = [\":80\"]",
    ));
    good(&two(
        "hosts = [\"a.com\"]\nlisten = [\":80\"]",
        "hosts = [\"a.com\"]\nlisten = [\":81\"]",
    ));
    good(&two("listen = [\":80\"]", "listen = [\":81\"]"));
    assert_eq!(
        wrong(&two(
            "hosts = [\"a.com\"]\nlisten = [\":80\"]",
            "hosts = [\"b.com\", \"A.com\"]\nlisten = [\":80\"]"
        )),
        ["9:19 a.com is a host of `a` at the same address"]
    );
    assert_eq!(
        wrong(&two("listen = [\":80\"]", "hosts = [\"b.com\"]\nlisten = [\":80\"]")),
        ["1:1 `a` has no hosts, so it would answer for those of `b` at the same address"]
    );
}

#[test]
fn an_address_has_tls_or_not_and_the_admin_listener_has_its_own() {
    let tls = "    tls {\n      listen = [\"0.0.0.0:8080\"]\n      certificate = \"c\"\n      key = \"k\"\n    }";
    assert_eq!(wrong(&with(tls)), ["7:17 0.0.0.0:8080 is with TLS here and without TLS in `shop`"]);
    let admin = format!("serve {{ admin = \":8080\" }}\n{}", with(""));
    assert_eq!(wrong(&admin), ["1:17 the gateway of `shop` listens at 0.0.0.0:8080 already"]);
}

#[test]
fn what_shows_later_still_points_into_the_file() {
    let config = good(EXAMPLE);
    let gateway = config.sites[0].gateway.as_ref().unwrap();
    let place =
        |mistake: crate::hcl::Diagnostic| mistake.place.map(|place| (place.line, place.column));
    assert_eq!(place(gateway.spots.wrong_listen(gateway.listen[0], "in use")), Some((18, 24)));
    assert_eq!(place(gateway.spots.wrong("certificate", "expired")), Some((24, 21)));
    assert_eq!(place(config.sites[0].page.spots.wrong("template", "broken")), Some((64, 18)));
    let moved = good(&with("").replace("listen", "\n\n    listen"));
    assert_eq!(
        moved.sites[0].gateway,
        good(&with("")).sites[0].gateway,
        "a line more is no change"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands where a value is wanted.
    #[test]
    fn no_value_makes_reading_panic(at in 0usize..60, value in prop_oneof![
        "[a-z0-9\"\\[\\]{}():=./,*$%-]{0,12}",
        Just("null".to_owned()),
        Just("-1e400".to_owned()),
        Just("[[1], {}]".to_owned()),
        Just("\"${x}\"".to_owned()),
        Just("env(file(\"x\"))".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("\"9999999999999h\"".to_owned()),
    ]) {
        let mut lines: Vec<String> = EXAMPLE.lines().map(str::to_owned).collect();
        let index = at % lines.len();
        if let Some((key, _)) = lines[index].split_once('=') {
            lines[index] = format!("{key}= {value}");
        } else {
            lines[index] = value;
        }
        let _seen = load_text(&lines.join("\n")).0.is_some();
    }

    /// Whatever stands anywhere: a file cut short, or with something in between.
    #[test]
    fn no_text_makes_reading_panic(cut in 0usize..1_800, between in "\\PC{0,8}") {
        let cut = cut.min(EXAMPLE.len());
        let _seen = load_text(&EXAMPLE[..cut]).0.is_some();
        let text = format!("{}{between}{}", &EXAMPLE[..cut], &EXAMPLE[cut..]);
        let _seen = load_text(&text).0.is_some();
    }
}
