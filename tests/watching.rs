//! Those who look on: `wait`, `status` of one site and of several, once and again, `healthcheck`; several gateways on one
//! store, and how soon each hears of a change.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use roadworks::clock;
use serde_json::Value;

use crate::support::app::App;
use crate::support::command::Ran;
use crate::support::route53::Route53;
use crate::support::serving::{Serving, Stand, answer, config, until};
use crate::support::site::Site;

#[test]
fn a_wait_ends_when_the_site_is_in_the_mode_or_gives_up_with_5() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let _serving = stand.serve();
    stand.run(&["wait"]).exits(0);
    let gave_up =
        stand.run(&["--json", "wait", "--for-mode", "closed", "--timeout", "1s"]).exits(5);
    assert_eq!(gave_up.error()["code"], "gave-up", "{gave_up:#?}");
    let mut waiting = stand.command(&["--json", "wait", "--for-mode", "closed"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stand.run(&["close", "--yes"]).exits(0);
    let waited = Ran::from(waiting.wait_with_output().unwrap()).exits(0).json();
    assert_eq!((&waited["mode"], &waited["phase"]), (&"closed".into(), &"settled".into()));
    stand.run(&["wait", "--for-mode", "shut"]).exits(1);
}

#[test]
fn a_watched_status_tells_again_on_each_change() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let _serving = stand.serve();
    let mut watching = stand.command(&["--json", "status", "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = |mode: &str| {
        let told = lines.find(|line| {
            let told: Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
            told["mode"] == mode
        });
        assert!(told.is_some(), "it ended before {mode}");
    };
    next("open");
    for (verb, mode) in [("read-only", "read-only"), ("close", "closed"), ("open", "open")] {
        stand.run(&[verb, "--yes"]).exits(0);
        next(mode);
    }
    let id = watching.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(130));
}

/// Two sites in front of one app.
fn shop_and_blog(app: &App) -> Stand {
    let site = |name: &str| {
        let whole = config(&app.url(), "").replace("site \"shop\"", &format!("site \"{name}\""));
        whole[whole.find("site ").unwrap()..]
            .replace("shop.example.com", &format!("{name}.example.com"))
    };
    let admin = "serve {\n  admin = \"127.0.0.1:0\"\n}";
    Stand::new(&format!("{admin}\n{}{}", site("shop"), site("blog")))
}

#[test]
fn a_site_that_cannot_be_read_hides_no_other() {
    let app = App::start();
    let stand = shop_and_blog(&app);
    let serving = stand.serve();
    stand.run(&["--site", "shop", "close", "--yes"]).exits(0);
    stand.write(".roadworks/shop/switch.json", "{");
    let told = stand.run(&["--json", "status", "-detailed-exitcode"]).exits(1);
    assert_eq!(told.error()["code"], "store-unreadable", "{told:#?}");
    let sites = told.json()["sites"].clone();
    assert_eq!((&sites[0]["site"], &sites[1]["site"]), (&"shop".into(), &"blog".into()));
    assert_eq!(sites[0]["error"]["code"], "store-unreadable", "{sites:#}");
    assert_eq!((&sites[0]["mode"], &sites[1]["mode"]), (&"closed".into(), &"open".into()));
    assert_eq!(sites[1]["error"], Value::Null, "{sites:#}");
    let words = stand.run(&["status"]).exits(1);
    assert!(words.stdout.contains("OPEN"), "{words:#?}");
    assert!(words.stderr.contains("site shop cannot be read:\nerror: `switch.json`"), "{words:#?}");
    // Where no gateway of this machine tells of it, the error is all that is known.
    serving.signal("KILL");
    serving.ended();
    let told = stand.run(&["--json", "status"]).exits(1).json();
    let fields: Vec<_> = told["sites"][0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["site", "error"], "{told:#}");
}

#[test]
fn the_exit_code_of_status_tells_whether_every_site_is_open() {
    let app = App::start();
    let stand = shop_and_blog(&app);
    let _serving = stand.serve();
    let both = stand.run(&["--json", "status", "-detailed-exitcode"]).exits(0).json();
    let names: Vec<_> =
        both["sites"].as_array().unwrap().iter().map(|site| &site["site"]).collect();
    assert_eq!(names, ["shop", "blog"], "{both:#}");
    let unnamed = stand.run(&["--json", "close", "--yes"]).exits(1).error();
    assert_eq!(unnamed["hint"], "name one with --site: shop, blog", "{unnamed:#}");
    stand.run(&["--site", "blog", "close", "--yes"]).exits(0);
    let both = stand.run(&["--json", "status", "-detailed-exitcode"]).exits(2).json();
    assert_eq!(
        (&both["sites"][0]["mode"], &both["sites"][1]["mode"]),
        (&"open".into(), &"closed".into())
    );
    stand.run(&["--site", "shop", "status", "-detailed-exitcode"]).exits(0);
    stand.run(&["--site", "blog", "status", "-detailed-exitcode"]).exits(2);
    stand.run(&["status"]).exits(0);
}

/// Route 53 takes five requests a second from all of an account.
#[test]
fn whoever_watches_asks_aws_now_and_then_and_the_store_at_once() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["detour", "--yes"]).exits(0);
    let switch = fs::read_dir(site.folder().join(".roadworks")).unwrap();
    let mut switch = switch.map(|entry| entry.unwrap().path().join("switch.json"));
    let switch = switch.find(|path| path.exists()).unwrap();
    let mut watching = site.command(&["--json", "status", "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    server.forget();
    let mut asked: Value = serde_json::from_slice(&fs::read(&switch).unwrap()).unwrap();
    for number in 0..20 {
        asked["reason"] = format!("reason {number}").into();
        // Whole or not at all, as a store writes.
        let new = switch.with_extension("new");
        fs::write(&new, asked.to_string()).unwrap();
        fs::rename(&new, &switch).unwrap();
        let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(told["reason"], asked["reason"], "{told:#}");
    }
    let requests = server.requests().len();
    assert!(requests < 20, "{requests} requests for 20 looks");
    Command::new("kill").args(["-INT", &watching.id().to_string()]).status().unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(130));
}

#[test]
fn a_healthcheck_says_whether_the_process_lives() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let url = format!("http://{}/healthz", serving.address());
    stand.run(&["healthcheck", &url]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    stand.run(&["healthcheck", &url]).exits(0);
    let sick = stand.run(&["--json", "healthcheck", &format!("http://{}/", serving.address())]);
    assert_eq!(sick.exits(1).error()["code"], "sick");
    serving.signal("KILL");
    serving.ended();
    stand.run(&["healthcheck", &url]).exits(1);
}

#[test]
fn a_process_without_a_gateway_can_be_asked_whether_it_is_well() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let agent = stand.serve_by(&mut stand.command(&["serve", "--role", "agent"]));
    let log = agent.log();
    let admin = log.split("admin=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    for path in ["livez", "readyz"] {
        stand.run(&["healthcheck", &format!("http://{admin}/{path}")]).exits(0);
    }
    assert!(log.contains("listens=\"\""), "it listens for no visitor: {log}");
    stand.run(&["reload"]).exits(0);
    assert!(agent.is_running());
}

/// Two machines, each with a state folder of its own, on one store.
fn two(app: &App) -> ((Stand, Serving), (Stand, Serving)) {
    let first = Stand::new("");
    let store =
        format!("store {{\n  url = \"file://{}\"\n}}\n", first.folder().join("store").display());
    let settings = store + &config(&app.url(), "drain {\n deadline = \"60s\"\n}");
    first.write("roadworks.hcl", &settings);
    let second = Stand::new(&settings);
    let both = (first.serve(), second.serve());
    ((first, both.0), (second, both.1))
}

#[test]
fn holding_waits_for_every_gateway_of_the_store() {
    let app = App::start();
    let ((stand, one), (_second, other)) = two(&app);
    stand.until(|status| status["gateways"].as_array().is_some_and(|all| all.len() == 2));
    let running = other.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    let mut holding = stand.command(&["--json", "hold", "--yes"]);
    let mut holding = holding.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stand.until(|status| {
        status["gateways"].as_array().unwrap().iter().all(|gateway| gateway["mode"] == "hold")
    });
    assert!(holding.try_wait().unwrap().is_none(), "one of them drains");
    app.opens_the_gate(true);
    let held = Ran::from(holding.wait_with_output().unwrap()).exits(0).json();
    assert_eq!(held["phase"], "settled", "{held:#}");
    assert_eq!(answer(running).0, 200);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!((one.ask("GET", "/").0, other.ask("GET", "/").0), (200, 200));
}

#[test]
fn a_gateway_that_is_silent_is_named_and_its_silence_is_no_yes() {
    let app = App::start();
    let ((stand, one), (_second, other)) = two(&app);
    let status =
        stand.until(|status| status["gateways"].as_array().is_some_and(|all| all.len() == 2));
    let log = other.log();
    let id = log.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(status.to_string().contains(id), "{status:#}");
    other.signal("STOP");
    let held = stand.run(&["--json", "close", "--yes", "--timeout", "15s"]).exits(5);
    assert!(held.error()["message"].as_str().unwrap().contains(id), "{held:#?}");
    assert_eq!(one.ask("GET", "/").0, 503, "the stricter mode is kept");
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(words.contains(&format!("gateway {id} has been silent since")), "{words}");
    other.signal("CONT");
    until(|| (other.ask("GET", "/").0 == 503).then_some(()));
    stand.run(&["close", "--yes"]).exits(0);
}

/// The figure is what counts; the bound tells a notice from the polling beneath, on a machine that others use too.
#[test]
fn a_gateway_on_the_same_machine_hears_of_a_change_at_once() {
    const BOUND: Duration = Duration::from_millis(100);
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let switch = stand.folder().join(".roadworks/shop/switch.json");
    let mut contents = ["close", "open"].map(|verb| {
        stand.run(&[verb, "--yes"]).exits(0);
        (fs::read(&switch).unwrap(), if verb == "open" { 200 } else { 503 })
    });
    let mut took: Vec<_> = (0..20)
        .map(|round| {
            let (content, wanted) = &mut contents[round % 2];
            let temporary = switch.with_file_name(".next");
            fs::write(&temporary, content).unwrap();
            let began = clock::monotonic();
            fs::rename(&temporary, &switch).unwrap();
            // At once again: a pause between two looks would be measured too.
            while serving.ask("GET", "/").0 != *wanted {
                assert!(
                    clock::monotonic().duration_since(began) < BOUND * 100,
                    "it takes too long"
                );
            }
            clock::monotonic().duration_since(began)
        })
        .collect();
    took.sort();
    #[expect(clippy::print_stdout, reason = "the figure is what counts")]
    {
        println!("from write to the gateway's answer: median {:?}, worst {:?}", took[10], took[19]);
    }
    assert!(took[10] < BOUND, "{took:?}");
}

#[test]
fn a_site_is_not_said_to_be_open_while_its_only_gateway_is_silent() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    serving.signal("KILL");
    serving.ended();
    stand.until(|status| status["gateways"][0]["phase"] == "silent");
    let unconfirmed = stand.run(&["--json", "open", "--yes", "--timeout", "8s"]).exits(5);
    assert!(
        unconfirmed.error()["message"].as_str().unwrap().contains("silent"),
        "{unconfirmed:#?}"
    );
    let again = stand.serve();
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(again.ask("GET", "/").0, 200);
}
