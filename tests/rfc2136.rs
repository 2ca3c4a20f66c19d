//! `dns "rfc2136"` against real BIND, Knot and our own nameserver: there and back, what is refused, and what a name server does in silence.

use std::fs;

use tempfile::TempDir;

use crate::support::bind::{Bind, Fate, Wire, free_port, meddle};
use crate::support::command::{Ran, roadworks, run};
use crate::support::dig::{Client, SECRET};
use crate::support::servers::Server;

const NAME: &str = "shop.example.test";
const LIVE: &str = "A = [\"192.0.2.10\", \"192.0.2.11\"]\nHTTPS = [\"1 . alpn=h2,h3\"]\nttl = 60";
const MAINTENANCE: &str = "A = [\"198.51.100.7\"]\nAAAA = [\"2001:db8::7\"]\nttl = 30";
const RECORDS: &str = "shop 60 A 192.0.2.10\nshop 60 A 192.0.2.11\nshop 60 HTTPS 1 . alpn=h2,h3";
const DETOUR: [&str; 3] = ["detour", "--yes", "--json"];
const NOBODY: &str = "http://127.0.0.1:1";

/// A site whose name is on these servers.
struct Site(TempDir);

impl Site {
    fn of(ports: &[u16], live: &str, maintenance: &str) -> Site {
        Site::with(ports, ("shop", "roadworks", SECRET), live, maintenance)
    }

    fn with(
        ports: &[u16],
        (label, key, secret): (&str, &str, &str),
        live: &str,
        maintenance: &str,
    ) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let servers: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let host = if label.is_empty() {
            "example.test".to_owned()
        } else {
            format!("{label}.example.test")
        };
        let text = format!(
            "site \"shop\" {{\n  hosts = [\"{host}\"]\n  dns \"rfc2136\" {{\n    zone = \"example.test\"\n    servers = [{}]\n    key \"{key}\" {{\n      secret = file(\"update.key\")\n    }}\n    live {{\n{live}\n    }}\n    maintenance {{\n{maintenance}\n    }}\n  }}\n}}\n",
            servers.join(", ")
        );
        fs::write(folder.path().join("roadworks.hcl"), text).unwrap();
        fs::write(folder.path().join("update.key"), format!("{secret}\n")).unwrap();
        Site(folder)
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(roadworks(self.0.path(), NOBODY, &[]).args(words))
    }
}

/// BIND, Knot and ours in turn, the name of each live, with its site and its serial.
fn each() -> impl Iterator<Item = (Server, Site, u32)> {
    Server::each(RECORDS).map(|server| {
        let site = Site::of(&[server.port()], LIVE, MAINTENANCE);
        let serial = server.serial();
        (server, site, serial)
    })
}

#[track_caller]
fn says(server: &Client, kinds: [&[&str]; 4]) {
    for (kind, wanted) in ["A", "AAAA", "HTTPS", "CNAME"].into_iter().zip(kinds) {
        assert_eq!(server.dig(NAME, kind), wanted, "{kind}");
    }
}

#[track_caller]
fn is_live(server: &Client) {
    says(server, [&["60 192.0.2.10", "60 192.0.2.11"], &[], &["60 1 . alpn=\"h2,h3\""], &[]]);
}

#[track_caller]
fn is_in_maintenance(server: &Client) {
    says(server, [&["30 198.51.100.7"], &["30 2001:db8::7"], &[], &[]]);
}

#[test]
fn all_types_of_the_name_move_there_and_back_in_one_update_each() {
    for (server, site, first) in each() {
        let plan = site.run(&["plan", "detour", "--json"]).exits(0).json();
        let steps: Vec<_> =
            plan["steps"].as_array().unwrap().iter().map(|step| &step["target"]).collect();
        assert_eq!(
            steps,
            ["shop.example.test A", "shop.example.test AAAA", "shop.example.test HTTPS"]
        );
        assert_eq!(plan["steps"][0]["kind"], "rfc2136");
        assert_eq!(plan["steps"][1]["before"], serde_json::Value::Null);
        assert_eq!(plan["steps"][1]["after"]["records"][0], "2001:db8::7");
        assert_eq!(server.serial(), first);
        let status = site.run(&DETOUR).exits(0).json();
        assert_eq!(status["levers"][0]["position"], "maintenance", "{}", server.called());
        assert_eq!(status["phase"], "moved");
        is_in_maintenance(&server);
        assert_eq!(server.serial(), first + 1, "{}: one update", server.called());
        site.run(&["open", "--yes"]).exits(0);
        is_live(&server);
        assert_eq!(server.serial(), first + 2, "{}: one update", server.called());
        site.run(&["open", "--yes"]).exits(0);
        assert_eq!(server.serial(), first + 2, "{}: nothing to do", server.called());
        assert_eq!(site.run(&["status", "--json"]).exits(0).json()["mode"], "open");
    }
}

#[test]
fn an_exercise_makes_swaps_and_removes_a_name_that_nobody_needs_or_says_who_refused_it() {
    let exercised = |site: &Site| {
        let doctor = site.run(&["doctor", "--exercise", "--json"]).json();
        let checks = doctor["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["id"] == "exercise").unwrap()
    };
    let scratch = "roadworks-doctor.shop.example.test";
    for (server, site, first) in each() {
        let check = exercised(&site);
        assert_eq!(check["result"], "ok", "{}: {check:#}", server.called());
        assert!(check["reason"].as_str().unwrap().contains(scratch), "{check:#}");
        assert_eq!(server.serial(), first + 3, "{}: three updates", server.called());
        assert!(server.dig(scratch, "A").is_empty(), "{}: it is gone", server.called());
        is_live(&server);
    }
    let server = Server::bind(RECORDS);
    let site = Site::of(&[server.port()], LIVE, MAINTENANCE);
    server.nsupdate(&format!("update add {scratch} 1 A 192.0.2.1"));
    let first = server.serial();
    assert_eq!(exercised(&site)["result"], "ok");
    assert_eq!(server.serial(), first + 4, "what one of before left is taken away first");
    server.nsupdate(&format!("update add {scratch} 60 A 203.0.113.9"));
    assert!(exercised(&site)["reason"].as_str().unwrap().contains("somebody else's"));
    assert_eq!(server.dig(scratch, "A"), ["60 203.0.113.9"]);
    server.nsupdate(&format!("update delete {scratch} A"));
    let guest = Site::with(&[server.port()], ("shop", "guest", SECRET), LIVE, MAINTENANCE);
    let check = exercised(&guest);
    let told = check["reason"].as_str().unwrap();
    assert_eq!(check["result"], "fail", "{check:#}");
    assert!(told.contains("REFUSED") && told.contains(scratch), "{check:#}");
    assert!(check["fix"].as_str().unwrap().contains(scratch), "{check:#}");
}

/// Whoever asks where the secret is not sees how things stand, and is told what is missing before anything moves.
#[test]
fn a_name_is_not_moved_from_where_the_secret_of_its_key_is_not() {
    let (server, site, first) = each().next().unwrap();
    fs::remove_file(site.0.path().join("update.key")).unwrap();
    assert_eq!(site.run(&["status", "--json"]).exits(0).json()["mode"], "open");
    let error = site.run(&DETOUR).exits(3).error();
    assert_eq!(error["code"], "no-secret", "{error:#}");
    site.run(&["detour", "--yes", "--override=no-secret", "--reason", "why not"]).exits(1);
    let doctor = site.run(&["doctor", "--json"]).exits(1).json();
    let reasons = |id: &str| {
        let checks = doctor["checks"].as_array().unwrap().iter().filter(|check| check["id"] == id);
        checks.map(|check| check["reason"].to_string()).collect::<String>()
    };
    assert!(reasons("secret").contains("there is no file update.key"), "{doctor:#}");
    assert!(reasons("key").contains("its secret is not here"), "{doctor:#}");
    is_live(&server);
    assert_eq!(server.serial(), first);
}

#[test]
fn a_plan_that_somebody_overtook_changes_nothing_and_names_what_is_there() {
    for (server, site, _) in each() {
        site.run(&["plan", "detour", "-out", "plan.json"]).exits(0);
        server.nsupdate(
            "update delete shop.example.test A\nupdate add shop.example.test 60 A 203.0.113.9",
        );
        let before = server.serial();
        let error = site.run(&["apply", "plan.json", "-auto-approve", "--json"]).exits(3).error();
        assert!(error.to_string().contains("203.0.113.9"), "{}: {error:#}", server.called());
        assert_eq!(server.serial(), before);
    }
}

#[test]
fn what_is_neither_target_is_refused_by_name_until_its_rule_is_set_aside() {
    for (server, site, _) in each() {
        server.nsupdate("update add shop.example.test 60 A 203.0.113.9");
        let before = server.serial();
        let error = site.run(&DETOUR).exits(3).error();
        assert!(error["message"].as_str().unwrap().contains("203.0.113.9"), "{error:#}");
        assert_eq!(server.serial(), before);
        let status = site.run(&["status", "--json"]).exits(0).json();
        assert_eq!(status["levers"][0]["position"], "foreign");
        let aside = ["--override=foreign-record", "--reason", "ours"];
        site.run(&[&DETOUR[..], &aside].concat()).exits(0);
        is_in_maintenance(&server);
    }
}

#[test]
fn somebody_who_is_quicker_than_the_update_is_not_overwritten() {
    for server in Server::each(RECORDS) {
        let quick = meddle(server.port(), "update add shop.example.test 60 A 203.0.113.9");
        let wire = Wire::to(&server, Fate::Arrives, quick);
        let site = Site::of(&[wire.port()], LIVE, MAINTENANCE);
        let error = site.run(&DETOUR).exits(3).error();
        assert_eq!(error["code"], "record-moved", "{}: {error:#}", server.called());
        assert!(error["message"].as_str().unwrap().contains("203.0.113.9"), "{error:#}");
        assert_eq!(server.dig(NAME, "A").len(), 3);
        assert_eq!(server.dig(NAME, "AAAA"), [""; 0]);
        let status = site.run(&["status", "--json"]).exits(0).json();
        assert_eq!(status["desired"], "open", "the switch is put back with it: {status:#}");
    }
}

#[test]
fn an_update_whose_answer_is_lost_is_found_by_reading_and_one_that_is_lost_is_sent_again() {
    for fate in [Fate::Unanswered, Fate::Lost] {
        for server in Server::each(RECORDS) {
            let first = server.serial();
            let wire = Wire::to(&server, fate, || {});
            let site = Site::of(&[wire.port()], LIVE, MAINTENANCE);
            site.run(&DETOUR).exits(0);
            is_in_maintenance(&server);
            assert_eq!(server.serial(), first + 1, "{}, {fate:?}: made once", server.called());
        }
    }
}

#[test]
fn a_cname_becomes_an_address_and_the_address_a_cname_in_one_message() {
    let cname = "CNAME = \"lb.example.test\"";
    let records = "lb 60 A 192.0.2.20\nshop 60 CNAME lb.example.test.";
    for server in Server::each(records) {
        let first = server.serial();
        let site = Site::of(&[server.port()], cname, MAINTENANCE);
        site.run(&DETOUR).exits(0);
        is_in_maintenance(&server);
        site.run(&["open", "--yes"]).exits(0);
        assert_eq!(server.dig(NAME, "CNAME"), ["60 lb.example.test."], "{}", server.called());
        assert_eq!(server.serial(), first + 2);
    }
}

#[test]
fn a_cname_beside_which_something_stands_is_not_sent_on_its_way() {
    // BIND would delete the addresses, drop the CNAME because of the TXT, and say NOERROR.
    for server in Server::each(&format!("{RECORDS}\nshop 60 TXT \"mine\"")) {
        let site = Site::of(&[server.port()], LIVE, "CNAME = \"page.example.net\"");
        let error = site.run(&DETOUR).exits(1).error();
        assert!(error["message"].as_str().unwrap().contains("YXRRSET"), "{error:#}");
        is_live(&server);
    }
}

#[test]
fn a_cname_at_the_apex_is_refused_before_anything_is_sent() {
    let site = Site::with(&[1], ("", "roadworks", SECRET), LIVE, "CNAME = \"page.example.net\"");
    let error = site.run(&["plan", "detour", "--json"]).exits(1).error();
    assert!(error["message"].as_str().unwrap().contains("apex"), "{error:#}");
    assert_eq!(error["line"], 15, "{error:#}");
}

#[test]
fn an_address_at_the_apex_moves_and_soa_and_ns_stay() {
    for server in Server::each("@ 60 A 192.0.2.10") {
        let key = ("", "roadworks", SECRET);
        let site = Site::with(&[server.port()], key, "A = [\"192.0.2.10\"]", MAINTENANCE);
        site.run(&DETOUR).exits(0);
        assert_eq!(server.dig("example.test", "A"), ["30 198.51.100.7"], "{}", server.called());
        assert_eq!(server.dig("example.test", "NS").len(), 1);
    }
}

#[test]
fn a_ttl_alone_is_moved() {
    // Knot keeps the old TTL where the same address is added: the set is deleted first.
    for server in Server::each("shop 60 A 192.0.2.10") {
        let address = "A = [\"192.0.2.10\"]\nttl = ";
        let site = Site::of(&[server.port()], &format!("{address}60"), &format!("{address}5"));
        site.run(&DETOUR).exits(0);
        assert_eq!(server.dig(NAME, "A"), ["5 192.0.2.10"], "{}", server.called());
    }
}

#[test]
fn a_key_that_the_name_server_does_not_take_is_named_and_nothing_is_changed() {
    let wrong = "d3JvbmcgLSB3cm9uZyAtIHdyb25nIC0gd3JvbmcgLSB3cm9uZw==";
    for (server, _, first) in each() {
        let mut keys = vec![("roadworks", wrong, "BADSIG"), ("nobodys", SECRET, "BADKEY")];
        // One that it knows, and that may not.
        if let Server::Bind(_) = server {
            keys.push(("guest", SECRET, "REFUSED"));
        }
        for (key, secret, word) in keys {
            let site = Site::with(&[server.port()], ("shop", key, secret), LIVE, MAINTENANCE);
            let ran = site.run(&DETOUR).exits(4);
            assert!(!ran.stderr.contains(secret), "a secret is in no error");
            let error = ran.error();
            assert!(error["message"].as_str().unwrap().contains(word), "{error:#}");
            is_live(&server);
            let doctor = site.run(&["doctor"]).exits(1);
            assert!(doctor.stdout.contains(word), "{doctor:#?}");
        }
        assert_eq!(server.serial(), first, "{}", server.called());
    }
}

#[test]
fn doctor_asks_every_name_server_and_tries_the_key_and_changes_nothing() {
    for (server, site, first) in each() {
        let doctor = site.run(&["doctor", "--json"]).exits(0).json();
        let results: Vec<_> = doctor["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| (check["id"].as_str().unwrap(), check["result"].as_str().unwrap()))
            .collect();
        for wanted in ["nameserver", "key", "record", "ttl"] {
            assert!(results.contains(&(wanted, "ok")), "{doctor:#}");
        }
        assert_eq!(server.serial(), first);
    }
}

#[test]
fn a_secondary_that_is_told_follows_and_the_move_waits_for_it() {
    let port = free_port();
    let bind = Bind::primary(RECORDS, Some(port));
    let secondary = Bind::secondary(bind.port(), port);
    let site = Site::of(&[bind.port(), port], LIVE, MAINTENANCE);
    site.run(&DETOUR).exits(0);
    is_in_maintenance(&bind);
    is_in_maintenance(&secondary);
}

#[test]
fn a_secondary_that_lags_behind_is_waited_for_and_named() {
    let bind = Bind::primary(RECORDS, None);
    let mut secondary = Bind::secondary(bind.port(), free_port());
    let site = Site::of(&[bind.port(), secondary.port()], LIVE, MAINTENANCE);
    let ran = site.run(&["detour", "--yes", "--timeout", "3s"]).exits(5);
    let lags = format!("127.0.0.1:{}", secondary.port());
    assert!(ran.stderr.contains(&lags), "{ran:#?}");
    is_in_maintenance(&bind);
    is_live(&secondary);
    let status = site.run(&["status"]);
    assert!(status.stdout.contains(&lags), "{status:#?}");
    assert!(site.run(&["doctor"]).exits(1).stdout.contains("do not say the same"));
    secondary.restart();
    site.run(&DETOUR).exits(0);
    is_in_maintenance(&secondary);
    assert_eq!(bind.serial(), 2, "it was made once");
}

#[test]
fn what_does_not_fit_into_a_datagram_goes_by_tcp() {
    let addresses: Vec<_> = (1..=60).map(|last| format!("\"198.51.100.{last}\"")).collect();
    let many = format!("A = [{}]", addresses.join(", "));
    for server in Server::each(RECORDS) {
        let site = Site::of(&[server.port()], LIVE, &many);
        site.run(&DETOUR).exits(0);
        assert_eq!(server.dig(NAME, "A").len(), 60, "{}", server.called());
        site.run(&["open", "--yes"]).exits(0);
        is_live(&server);
    }
}

#[test]
fn a_name_server_that_is_down_is_named() {
    let site = Site::of(&[free_port()], LIVE, MAINTENANCE);
    let error = site.run(&DETOUR).exits(1).error();
    assert_eq!(error["code"], "unreachable", "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("127.0.0.1:"), "{error:#}");
}
