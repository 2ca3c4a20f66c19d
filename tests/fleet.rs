//! Several machines, one switch: in a folder that they share, and in a bucket. A gateway's silence is nobody's yes, and only a
//! person says that it is gone.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::app::App;
use crate::support::bind::free_port;
use crate::support::bucket;
use crate::support::emulator::{ministack, moto};
use crate::support::redis::{Client, RedisServer};
use crate::support::s3::{self, Flaw, S3};
use crate::support::serving::{HOST, Serving, Stand, config, until};

/// Two machines, each with a state folder of its own, on the store that this says.
fn two(app: &App, store: &str) -> [(Stand, Serving); 2] {
    let settings = format!("{store}\n{}", config(&app.url(), ""));
    [(); 2].map(|()| {
        let stand = Stand::new(&settings);
        let serving = stand.serve();
        (stand, serving)
    })
}

fn shared(folder: &tempfile::TempDir) -> String {
    format!("store {{\n  url = \"file://{}\"\n}}", folder.path().display())
}

fn in_bucket(endpoint: &str) -> String {
    named(&bucket::made(endpoint), endpoint)
}

pub(crate) fn named(name: &str, endpoint: &str) -> String {
    format!(
        "store {{\n  url = \"s3://{name}/state\"\n  endpoint = \"{endpoint}\"\n  region = \"us-east-1\"\n}}"
    )
}

fn gateways(status: &Value) -> usize {
    status["gateways"].as_array().map_or(0, Vec::len)
}

/// The id of a gateway, as it says when it is ready.
fn id(serving: &Serving) -> String {
    let log = serving.log();
    log.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
}

#[test]
fn what_one_machine_asks_every_gateway_does_though_they_share_nothing_but_a_bucket() {
    for endpoint in [ministack(), moto()] {
        let app = App::start();
        let [(one, first), (other, second)] = two(&app, &in_bucket(&endpoint));
        one.until(|status| gateways(status) == 2);
        let closed = one.run(&["--json", "close", "--yes"]).exits(0).json();
        assert_eq!((&closed["mode"], &closed["phase"]), (&"closed".into(), &"settled".into()));
        assert_eq!((first.ask("GET", "/").0, second.ask("GET", "/").0), (503, 503));
        other.run(&["open", "--yes"]).exits(0);
        assert_eq!((first.ask("GET", "/").0, second.ask("GET", "/").0), (200, 200));
        // Of the two agents one keeps the end, and it opens once.
        one.run(&["hold", "--for", "2s", "--yes"]).exits(0);
        other.until(|status| status["mode"] == "open" && status["phase"] == "settled");
        let log = one.run(&["--json", "log"]).exits(0).json();
        let opened = log["entries"].as_array().unwrap().iter();
        let opened = opened.filter(|entry| entry["event"] == "asked" && entry["to"] == "open");
        assert_eq!(opened.count(), 2, "{log:#}");
    }
}

#[test]
fn the_agent_of_a_machine_that_died_is_followed_by_another() {
    let app = App::start();
    let [(one, first), (other, second)] = two(&app, &in_bucket(&ministack()));
    one.until(|status| gateways(status) == 2);
    let leads = |stand: &Stand| stand.run(&["--json", "close", "--for", "1h", "--yes"]);
    leads(&one).exits(0);
    for serving in [&first, &second] {
        serving.signal("KILL");
        serving.ended();
    }
    // Nobody keeps an end now, and that is said as soon as it is known.
    until(|| (leads(&other).code == Some(3)).then_some(()));
    let _again = other.serve();
    // The right of the dead one counts for ten seconds, and each question in between takes some.
    let kept = (0..20).any(|_| leads(&other).code == Some(0));
    assert!(kept, "nobody keeps ends: {:#?}", leads(&other));
}

#[test]
fn a_gateway_that_is_gone_is_waited_for_until_a_person_forgets_it() {
    let app = App::start();
    let folder = tempfile::tempdir().unwrap();
    let [(stand, alive), (_other, gone)] = two(&app, &shared(&folder));
    stand.until(|status| gateways(status) == 2);
    let (lives, dead) = (id(&alive), id(&gone));
    gone.signal("KILL");
    gone.ended();
    let error = stand.run(&["--json", "close", "--yes"]).exits(5).error();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("1 of 2 gateways is silent for ") && message.contains(&dead));
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("roadworks gateway forget {dead}")), "{hint}");
    assert_eq!(alive.ask("GET", "/").0, 503, "the others are closed all the same");
    // Somebody who knows better goes on without it, and the log says so.
    let reason = ["--override=silent-gateway", "--reason", "its machine burns"];
    let closed = stand.run(&[&["--json", "close", "--yes"], &reason[..]].concat()).exits(0).json();
    assert_eq!(closed["phase"], "settled", "{closed:#}");
    let log = stand.run(&["log"]).exits(0).stdout;
    assert!(log.contains("silent-gateway") && log.contains("its machine burns"), "{log}");
    // Only what is silent can be forgotten, and only what is known.
    let forget = |id: &str| stand.run(&["--json", "gateway", "forget", id, "--reason", "burnt"]);
    assert_eq!(forget(&lives).exits(3).error()["code"], "gateway-alive");
    assert_eq!(forget("nobody").exits(1).error()["code"], "no-such-gateway");
    assert_eq!(forget(&dead).exits(0).json()["forgotten"], dead);
    let status = stand.status();
    assert_eq!(gateways(&status), 1, "{status:#}");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(alive.ask("GET", "/").0, 200);
    assert!(stand.run(&["log"]).exits(0).stdout.contains("burnt"));
}

/// The check of this name, as `doctor` tells it.
fn check(stand: &Stand, id: &str) -> Value {
    let ran = stand.run(&["--json", "doctor"]);
    let told = ran.json();
    let mut checks = told["checks"].as_array().unwrap().iter();
    checks.find(|check| check["id"] == id).unwrap_or_else(|| panic!("{told:#}")).clone()
}

#[test]
fn doctor_refuses_a_bucket_that_ignores_conditions_or_hides_what_is_not_there() {
    let app = App::start();
    let stand = |store: &str| Stand::new(&format!("{store}\n{}", config(&app.url(), "")));
    for endpoint in [ministack(), moto()] {
        let good = stand(&in_bucket(&endpoint));
        for id in ["store-writable", "store-conditional", "store-absent"] {
            assert_eq!(check(&good, id)["result"], "ok", "{id}");
        }
    }
    let ignores = stand(&named("any", &s3::start(Flaw::IgnoresConditions).endpoint));
    let told = check(&ignores, "store-conditional");
    assert_eq!(told["result"], "fail", "{told:#}");
    assert!(told["reason"].as_str().unwrap().contains("would both win"), "{told:#}");
    let hides = stand(&named("any", &s3::start(Flaw::HidesWhatIsNotThere).endpoint));
    let told = check(&hides, "store-absent");
    assert!(
        told["result"] == "fail" && told["fix"].to_string().contains("s3:ListBucket"),
        "{told:#}"
    );
    // What cannot be told from a switch that may not be read opens nothing.
    let serving = hides.serve();
    assert_eq!((serving.ask("GET", "/").0, serving.ask("GET", "/healthz").0), (503, 503));
    assert_eq!(app.asked("GET /"), 0);
    let of_store = "roadworks_trouble{site=\"shop\",what=\"store\"}";
    assert_eq!(serving.metric(of_store).as_deref(), Some("1"));
    assert_eq!(hides.run(&["--json", "status"]).exits(4).error()["code"], "credentials");
}

/// A policy as IAM takes it.
struct Policy(Value);

impl Policy {
    fn shipped() -> Policy {
        Policy(serde_json::from_str(include_str!("../packaging/iam/gateway.json")).unwrap())
    }

    fn allows(&self, action: &str, resource: &str) -> bool {
        self.0["Statement"].as_array().unwrap().iter().any(|statement| {
            let actions = &statement["Action"];
            let named = actions == action
                || actions.as_array().is_some_and(|all| all.iter().any(|one| one == action));
            named && fits(statement["Resource"].as_str().unwrap(), resource)
        })
    }

    /// Whether what begins so may be listed.
    fn shows(&self, bucket: &str, prefix: &str) -> bool {
        self.0["Statement"].as_array().unwrap().iter().any(|statement| {
            let wanted = &statement["Condition"]["StringLike"]["s3:prefix"];
            statement["Action"] == "s3:ListBucket"
                && statement["Resource"] == format!("arn:aws:s3:::{bucket}")
                && wanted.as_str().is_some_and(|wanted| fits(wanted, prefix))
        })
    }

    /// Each that this bucket was asked is allowed.
    #[track_caller]
    fn allows_all_that_was_asked_of(&self, bucket: &S3) {
        for asked in bucket.asked() {
            let (method, path) = asked.split_once(" /").unwrap();
            let is_allowed = match (method, path.split_once('?')) {
                ("GET", Some((bucket, query))) => {
                    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
                    let prefix = prefix.unwrap_or("").replace("%2F", "/").replace("%25", "%");
                    self.shows(bucket, &prefix)
                }
                ("GET", None) => self.allows("s3:GetObject", &arn(path)),
                ("PUT", _) => self.allows("s3:PutObject", &arn(path)),
                ("DELETE", _) => self.allows("s3:DeleteObject", &arn(path)),
                _ => panic!("{asked}"),
            };
            assert!(is_allowed, "{asked} by {:#}", self.0);
        }
    }
}

fn fits(wanted: &str, resource: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == resource, |start| resource.starts_with(start))
}

/// The object that is asked for by this path.
fn arn(path: &str) -> String {
    format!("arn:aws:s3:::{}", path.replace("%25", "%"))
}

/// What packaging/iam/gateway.json allows, and nothing else.
#[test]
fn a_gateway_asks_for_nothing_that_its_policy_does_not_allow() {
    let app = App::start();
    let bucket = s3::start(Flaw::None);
    let store = named("shop-roadworks", &bucket.endpoint);
    let stand = Stand::new(&format!("{store}\n{}", config(&app.url(), "")));
    let serving = stand.serve_by(&mut stand.command(&["serve", "--role", "gateway"]));
    let id = id(&serving);
    until(|| bucket.asked().iter().any(|asked| asked.starts_with("PUT")).then_some(()));
    serving.signal("TERM");
    serving.ended();
    let asked = bucket.asked();
    assert!(
        asked.contains(&format!("DELETE /shop-roadworks/state/shop/gateways/{id}.json")),
        "{asked:?}"
    );
    let policy = Policy::shipped();
    policy.allows_all_that_was_asked_of(&bucket);
    for other in ["switch.json", "dirty/sessions/a.json", "audit/a.json"] {
        let other = format!("arn:aws:s3:::shop-roadworks/state/shop/{other}");
        assert!(!policy.allows("s3:PutObject", &other), "{other}");
    }
}

/// A site that has nothing but a guard.
fn guarding((site, name): (&str, &str), port: u16, redis: u16) -> String {
    format!(
        "site \"{site}\" {{\n  redis \"{name}\" {{\n    listen   = \"127.0.0.1:{port}\"\n    upstream = \"redis://127.0.0.1:{redis}\"\n    role     = \"cache\"\n    budget   = \"1s\"\n    journal {{}}\n  }}\n}}\n"
    )
}

#[test]
fn a_guard_of_a_gateways_asks_for_nothing_that_its_policy_does_not_allow() {
    let (mut redis, bucket) = (RedisServer::start(), s3::start(Flaw::None));
    let store = named("shop-roadworks", &bucket.endpoint);
    let guard = || {
        let port = free_port();
        let redis = redis.port;
        let stand = Stand::new(&format!("{store}\n{}", guarding(("shop", "cache"), port, redis)));
        let serving = stand.serve_by(&mut stand.command(&["serve", "--role", "gateway"]));
        (stand, serving, port)
    };
    let [(_folder, gone, of_gone), (stand, _alive, of_alive)] = [guard(), guard()];
    let of = |method: &str| {
        let start = format!("{method} /shop-roadworks/state/shop/dirty/cache/");
        bucket.asked().iter().filter(|asked| asked.starts_with(&start)).count()
    };
    redis.kill();
    for (port, count) in [(of_gone, 1), (of_alive, 2)] {
        until(|| (Client::at(port).does("DEL price") == ":0").then_some(()));
        assert_eq!(of("PUT"), count, "it is told before it is answered");
    }
    gone.signal("KILL");
    gone.ended();
    redis.again();
    // It takes away its own, and what the other one left where a person says so.
    until(|| (of("DELETE") == 1).then_some(()));
    stand.run(&["redis", "recover", "cache", "--flush", "--yes"]).exits(0);
    assert_eq!(of("DELETE"), 2);
    assert!(of("GET") > 0, "what the other one left is read");
    Policy::shipped().allows_all_that_was_asked_of(&bucket);
}

#[test]
fn names_of_any_letters_are_in_the_policy_as_they_are_in_the_bucket() {
    let (bucket, port) = (s3::start(Flaw::None), free_port());
    let store = named("shop-roadworks", &bucket.endpoint);
    let stand =
        Stand::new(&format!("{store}\n{}", guarding(("my shop", "my cache"), port, free_port())));
    let policy = stand.run(&["doctor", "--policy", "--role", "gateway"]).exits(0).json();
    // What the verb asked is no gateway's.
    bucket.becomes(Flaw::None);
    let _serving = stand.serve_by(&mut stand.command(&["serve", "--role", "gateway"]));
    until(|| (Client::at(port).does("DEL price") == ":0").then_some(()));
    assert!(bucket.asked().iter().any(|asked| asked.starts_with("PUT")), "{:?}", bucket.asked());
    Policy(policy).allows_all_that_was_asked_of(&bucket);
}

/// Each question to such a store takes eight seconds.
#[test]
fn a_gateway_of_many_sites_waits_once_for_a_store_that_is_silent_and_listens_then() {
    let app = App::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let one = config(&app.url(), "");
    let (serve, site) = one.split_once("site ").unwrap();
    let of = |name: &str| {
        let site = site.replace("\"shop\"", &format!("\"{name}\""));
        format!("site {}", site.replace(HOST, &format!("{name}.example.com")))
    };
    let sites = ["shop", "b", "c", "d"].map(of).concat();
    let stand = Stand::new(&format!("{}\n{serve}{sites}", named("any", &endpoint)));
    let serving = stand.serve();
    assert_eq!((serving.ask("GET", "/").0, serving.ask("GET", "/healthz").0), (503, 503));
}
