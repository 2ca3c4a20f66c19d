//! The proof that a flip is over, against real BIND and real Unbound: what delays it, what does not, and what is told beside.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::bind::{Bind, free_port};
use crate::support::command::{Ran, roadworks, run};
use crate::support::dig::SECRET;
use crate::support::route53::Route53;
use crate::support::route53::record::{Answer, RecordSet, normal};
use crate::support::serving::{HOST, LONG, Stand, answer, config, until};
use crate::support::site::{live, maintenance};
use crate::support::unbound::Unbound;
use crate::support::{self, app::App};
use roadworks::clock;

const NOBODY: &str = "http://127.0.0.1:1";
const LIVE: &str = "192.0.2.10";
const AWAY: &str = "198.51.100.7";

/// A site whose name is on these name servers and sampled at these resolvers.
struct Site(TempDir);

impl Site {
    fn of(servers: &[u16], (live, away): (&str, &str), resolvers: &[String]) -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        site.write(servers, (live, away), resolvers);
        fs::write(site.0.path().join("update.key"), SECRET).unwrap();
        site
    }

    fn write(&self, servers: &[u16], (live, away): (&str, &str), resolvers: &[String]) {
        let servers: Vec<_> = servers.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let resolvers: Vec<_> = resolvers.iter().map(|at| format!("\"{at}\"")).collect();
        let text = format!(
            "site \"shop\" {{\n  hosts = [\"shop.example.test\"]\n  dns \"rfc2136\" {{\n    zone = \"example.test\"\n    servers = [{}]\n    key \"roadworks\" {{\n      secret = file(\"update.key\")\n    }}\n    live {{\n{live}\n    }}\n    maintenance {{\n{away}\n    }}\n  }}\n  settle {{\n    resolvers = [{}]\n    quiet = \"2s\"\n  }}\n}}\n",
            servers.join(", "),
            resolvers.join(", ")
        );
        fs::write(self.0.path().join("roadworks.hcl"), text).unwrap();
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(roadworks(self.0.path(), NOBODY, &[]).args(words))
    }
}

fn says(address: &str, ttl: u32) -> String {
    format!("A = [\"{address}\"]\nttl = {ttl}")
}

fn time(status: &Value, field: &str) -> Timestamp {
    let text = status[field].as_str().unwrap_or_else(|| panic!("no {field}: {status:#}"));
    text.parse().unwrap()
}

/// Seconds from moved to settled.
fn bound(status: &Value) -> i64 {
    time(status, "settled_at").duration_since(time(status, "moved_at")).as_secs()
}

#[test]
fn t5_a_lagging_secondary_delays_the_bound() {
    let port = free_port();
    // Nobody tells the secondary, so it lags until it is started again and looks.
    let primary = Bind::primary(&format!("shop 8 A {LIVE}"), None);
    let mut secondary = Bind::secondary(primary.port(), port);
    let ttl = (says(LIVE, 8), says(AWAY, 8));
    let site = Site::of(&[primary.port(), port], (&ttl.0, &ttl.1), &[]);
    let began = clock::now();
    let status = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(3));
            secondary.restart();
        });
        site.run(&["detour", "--yes", "--json"]).exits(0).json()
    });
    let moved_at = time(&status, "moved_at");
    assert!(moved_at.duration_since(began).as_secs() >= 3, "{status:#}");
    assert_eq!(status["phase"], "moved");
    assert_eq!(bound(&status), 9, "counted from the last one's answer");
}

#[test]
fn t6_who_stretches_ttls_is_named_before_the_switch_and_who_serves_expired_answers_after() {
    let bind = Bind::primary(&format!("shop 3 A {LIVE}"), None);
    let stretcher = Unbound::of(&bind, "cache-min-ttl: 25");
    let expired = Unbound::of(&bind, "serve-expired: yes");
    let honest = Unbound::of(&bind, "prefetch: no");
    let dead = format!("127.0.0.1:{}", free_port());
    let all = [&stretcher, &expired, &honest].map(|one| one.address().to_string());
    let asked: Vec<_> = all.iter().cloned().chain([dead.clone()]).collect();
    let ttl = (says(LIVE, 3), says(AWAY, 3));
    let site = Site::of(&[bind.port()], (&ttl.0, &ttl.1), &asked);
    let plan = site.run(&["plan", "detour", "--json"]).exits(0).json();
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains(&format!("{} stretches TTLs to 25 s", all[0])), "{plan:#}");
    assert!(!warnings.contains(&all[1]) && !warnings.contains(&all[2]), "{plan:#}");
    let ran = site.run(&["detour", "--yes", "--wait", "settled", "--json"]).exits(0);
    let status = ran.json();
    assert_eq!(status["phase"], "settled");
    let answer = |address: &str| {
        let samples = status["resolvers"].as_array().unwrap();
        samples.iter().find(|one| one["resolver"] == address).unwrap()["answer"].clone()
    };
    assert_eq!(answer(&all[0]), "old", "{status:#}");
    assert_eq!(answer(&all[1]), "old", "{status:#}");
    assert_eq!(answer(&all[2]), "new", "{status:#}");
    assert_eq!(answer(&dead), "silent", "{status:#}");
    let named = format!("resolver {} still gives the old answer", all[1]);
    assert!(status["warnings"].to_string().contains(&named), "{status:#}");
}

#[test]
fn t7_a_ttl_that_was_lowered_ten_seconds_ago_does_not_count_yet() {
    let bind = Bind::primary(&format!("shop 300 A {LIVE}"), None);
    let site = Site::of(&[bind.port()], (&says(LIVE, 300), &says(AWAY, 5)), &[]);
    site.run(&["plan", "detour"]).exits(0);
    bind.nsupdate(&format!(
        "update delete shop.example.test A\nupdate add shop.example.test 5 A {LIVE}"
    ));
    site.write(&[bind.port()], (&says(LIVE, 5), &says(AWAY, 5)), &[]);
    let status = site.run(&["detour", "--yes", "--json"]).exits(0).json();
    assert!((299..=301).contains(&bound(&status)), "{}: {status:#}", bound(&status));
    let gave_up = ["detour", "--yes", "--wait", "settled", "--timeout", "1s"];
    let ran = site.run(&gave_up).exits(5);
    assert!(ran.stderr.contains("settled: old answers expire, in "), "{ran:#?}");
}

#[test]
fn t8_where_a_type_appears_the_negative_ttl_counts() {
    let bind = Bind::primary(&format!("shop 5 A {LIVE}"), None);
    let away = format!("{}\nAAAA = [\"2001:db8::7\"]", says(AWAY, 5));
    let site = Site::of(&[bind.port()], (&says(LIVE, 5), &away), &[]);
    let status = site.run(&["detour", "--yes", "--json"]).exits(0).json();
    assert_eq!(bound(&status), 31, "the minimum of the SOA is 30: {status:#}");
}

#[test]
fn in_route53_the_soa_of_the_zone_says_how_long_a_missing_record_is_missed() {
    let server = Route53::start();
    let site = support::site::Site::at(&server.endpoint());
    let moved = |soa: Option<(u64, &str)>| {
        server.remove(&site.zone_id, live().key());
        server.remove(&site.zone_id, maintenance().key());
        if let Some((ttl, minimum)) = soa {
            let values =
                vec![format!("ns-1.awsdns-01.org. hostmaster. 1 7200 900 1209600 {minimum}")];
            let answer = Answer::Plain { ttl, values };
            let set =
                RecordSet { name: normal("example.com"), kind: "SOA".to_owned(), answer, ..live() };
            server.put(&site.zone_id, set);
        }
        fs::remove_dir_all(site.folder().join(".roadworks")).ok();
        bound(&site.run(&["detour", "--yes", "--json"]).exits(0).json())
    };
    assert_eq!(moved(None), 901, "it cannot be read: what Route 53 makes of itself");
    assert_eq!(moved(Some((900, "120"))), 121);
    assert_eq!(moved(Some((300, "86400"))), 301);
}

#[test]
fn whoever_waits_for_the_move_of_another_sees_the_same_countdown_and_the_same_resolvers() {
    let bind = Bind::primary(&format!("shop 4 A {LIVE}"), None);
    let unbound = Unbound::of(&bind, "serve-expired: yes");
    let expired = unbound.address().to_string();
    let ttl = (says(LIVE, 4), says(AWAY, 4));
    let site = Site::of(&[bind.port()], (&ttl.0, &ttl.1), std::slice::from_ref(&expired));
    site.run(&["detour", "--yes"]).exits(0);
    let moved = site.run(&["wait", "moved", "--json"]).exits(0).json();
    assert_eq!((&moved["phase"], &moved["resolvers"]), (&"moved".into(), &Value::Null));
    site.run(&["wait", "--timeout", "1s"]).exits(5);
    let ran = site.run(&["wait"]).exits(0);
    assert!(ran.stderr.contains("settled: old answers expire, in "), "{ran:#?}");
    let named = format!("warning: resolver {expired} still gives the old answer");
    assert!(ran.stderr.contains(&named), "{ran:#?}");
    let settled = site.run(&["wait", "settled", "--json"]).exits(0).json();
    assert_eq!(settled["resolvers"][0]["resolver"], expired, "{settled:#}");
    let again = site.run(&["detour", "--yes", "--wait", "settled", "--json"]).exits(0).json();
    assert_eq!(again["resolvers"][0]["resolver"], expired, "nothing had to move: {again:#}");
    site.run(&["wait", "quiet"]).exits(3);
}

#[test]
fn while_an_agent_runs_a_ttl_that_is_lowered_by_hand_is_known_without_any_plan() {
    let (app, bind) = (App::start(), Bind::primary(&format!("shop 300 A {LIVE}"), None));
    let stand = in_front_of(&app, &bind);
    let _serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    let remembered = stand.folder().join(".roadworks/shop/pinned.json");
    until(|| fs::read_to_string(&remembered).ok().filter(|text| text.contains("\"ttl\": 300")));
    bind.nsupdate(&format!(
        "update delete shop.example.test A\nupdate add shop.example.test 1 A {LIVE}"
    ));
    let status = stand.run(&["detour", "--yes", "--json"]).exits(0).json();
    assert!((299..=301).contains(&bound(&status)), "{}: {status:#}", bound(&status));
}

#[test]
fn quiet_is_refused_where_nobody_counts() {
    let bind = Bind::primary(&format!("shop 5 A {LIVE}"), None);
    let site = Site::of(&[bind.port()], (&says(LIVE, 5), &says(AWAY, 5)), &[]);
    let error = site.run(&["detour", "--yes", "--wait", "quiet", "--json"]).exits(3).error();
    assert!(error["message"].as_str().unwrap().contains("`gateway` block"), "{error:#}");
    assert_eq!(bind.serial(), 1, "nothing moved");
}

/// A site with a gateway, whose name is on this server; nobody may come for two seconds.
fn in_front_of(app: &App, bind: &Bind) -> Stand {
    let text = config(&app.url(), "");
    let (before, _) = text.trim_end().rsplit_once('}').unwrap();
    let stand = Stand::new(&format!(
        "{before}  dns \"rfc2136\" {{\n    zone = \"example.test\"\n    name = \"shop.example.test\"\n    servers = [\"127.0.0.1:{}\"]\n    key \"roadworks\" {{\n      secret = file(\"update.key\")\n    }}\n    live {{\n{}\n    }}\n    maintenance {{\n{}\n    }}\n  }}\n  settle {{\n    resolvers = []\n    quiet = \"2s\"\n  }}\n}}\n",
        bind.port(),
        says(LIVE, 1),
        says(AWAY, 1)
    ));
    stand.write("update.key", SECRET);
    stand
}

/// Reads one answer on a connection that stays open.
fn one_answer(stream: &mut TcpStream) -> String {
    let (mut text, mut byte) = (String::new(), [0]);
    while !text.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    let text = text.to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    text
}

#[test]
fn t11_a_keep_alive_client_leaves_the_old_target_within_one_request_and_then_it_is_quiet() {
    let (app, bind) = (App::start(), Bind::primary(&format!("shop 1 A {LIVE}"), None));
    let stand = in_front_of(&app, &bind);
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    let mut stream = TcpStream::connect(serving.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert!(one_answer(&mut stream).starts_with("http/1.1 200"));
    stand.run(&["detour", "--yes"]).exits(0);
    stream.write_all(request.as_bytes()).unwrap();
    let (status, whole) = answer(stream);
    assert_eq!(status, 503);
    assert!(whole.to_lowercase().contains("\r\nconnection: close\r\n"), "{whole}");
    let came = stand.until(|status| status["last_request"].is_string());
    let waited = stand.run(&["wait", "quiet", "--json"]).exits(0).json();
    assert_eq!(waited["phase"], "quiet", "{waited:#}");
    let quiet = stand.run(&["detour", "--yes", "--wait", "quiet", "--json"]).exits(0).json();
    assert_eq!(quiet["phase"], "quiet", "{quiet:#}");
    let waited = time(&quiet, "quiet_at").duration_since(time(&came, "last_request"));
    assert!(waited.as_secs() >= 2 || waited.as_millis() > 1_990, "{quiet:#}");
    stand.run(&["open", "--yes", "--wait", "quiet"]).exits(3);
    stand.run(&["wait", "quiet", "--for-mode", "open"]).exits(3);
}
