//! Several gateways on one store, several sites in one file, and what is seen of them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use roadworks::clock;

use crate::support::app::App;
use crate::support::serving::{HOST, Serving, Stand, answer, config, until};

/// A second gateway of the same site, on the same store, with a state of its own.
fn second(stand: &Stand, settings: &str) -> Serving {
    let store =
        format!("store {{\n  url = \"file://{}\"\n}}\n", stand.folder().join("store").display());
    stand.write("roadworks.hcl", &format!("{store}{settings}"));
    std::fs::create_dir_all(stand.folder().join("second")).unwrap();
    let own = settings.replace("serve {", "serve {\n  state = \"local\"");
    stand.write("second/roadworks.hcl", &format!("{store}{own}"));
    stand.serve_by(&mut stand.command(&["-c", "second", "serve"]))
}

#[test]
fn holding_waits_for_every_gateway_and_names_one_that_is_silent() {
    let app = App::start();
    let stand = Stand::new("");
    let two = second(&stand, &config(&app.url(), ""));
    let one = stand.serve();
    stand.until(|status| status["gateways"].as_array().unwrap().len() == 2);
    let running = two.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    let holding = stand.command(&["hold", "--yes"]).stderr(Stdio::null()).spawn().unwrap();
    let status = stand.until(|status| {
        status["gateways"].as_array().unwrap().iter().all(|one| one["mode"] == "hold")
    });
    assert_eq!(status["phase"], "moving", "one of them has not drained: {status:#}");
    app.opens_the_gate(true);
    assert_eq!(answer(running).0, 200);
    assert!(holding.wait_with_output().unwrap().status.success());
    assert_eq!(stand.status()["phase"], "settled");
    // Stopped, it says nothing, and may still let somebody pass.
    two.signal("STOP");
    stand.until(|status| {
        status["gateways"].as_array().unwrap().iter().any(|one| one["phase"] == "silent")
    });
    let gave_up = stand.run(&["--json", "read-only", "--yes"]).exits(5);
    let silent = stand.status()["gateways"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["phase"] == "silent")
        .unwrap()["id"]
        .clone();
    assert!(
        gave_up.error()["message"].as_str().unwrap().contains(silent.as_str().unwrap()),
        "{gave_up:#?}"
    );
    two.signal("CONT");
    stand.until(|status| status["phase"] == "settled" && status["mode"] == "read-only");
    // One that says goodbye is waited for no longer.
    two.signal("TERM");
    two.ended();
    stand.until(|status| status["gateways"].as_array().unwrap().len() == 1);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(one.ask("POST", "/").0, 200);
}

#[test]
fn several_sites_are_told_apart_by_their_host_and_by_name() {
    let app = App::start();
    let settings = config(&app.url(), "");
    let (serve, site) = settings.split_at(settings.find("site ").unwrap());
    let other = site.replace("\"shop\"", "\"blog\"").replace(HOST, "*.blog.example.com");
    let stand = Stand::new(
        &format!("{serve}{site}{other}")
            .replace("127.0.0.1:0\"]", "127.0.0.1:PORT\"]")
            .replace("PORT", &free_port()),
    );
    let serving = stand.serve();
    let which = stand.run(&["--json", "close", "--yes"]).exits(1);
    assert!(which.error()["hint"].as_str().unwrap().contains("--site"), "{which:#?}");
    stand.run(&["--site", "blog", "close", "--yes"]).exits(0);
    let status = stand.status();
    let of = |name: &str| {
        status["sites"].as_array().unwrap().iter().find(|site| site["site"] == name).unwrap()["mode"].clone()
    };
    assert_eq!((of("shop"), of("blog")), ("open".into(), "closed".into()), "{status:#}");
    let ask = |host: &str| serving.ask_host(host, "/").0;
    assert_eq!(
        (
            ask(HOST),
            ask("my.blog.example.com"),
            ask("a.my.blog.example.com"),
            ask("other.example.com")
        ),
        (200, 503, 421, 421)
    );
    assert_eq!(stand.run(&["status", "-detailed-exitcode"]).code, Some(2));
    assert_eq!(stand.run(&["--site", "shop", "status", "-detailed-exitcode"]).code, Some(0));
}

fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn whoever_watches_sees_each_move() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let _serving = stand.serve();
    let mut watching =
        stand.command(&["--json", "status", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut modes = lines
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .map(|status| status["mode"].as_str().unwrap().to_owned());
    assert_eq!(modes.next().as_deref(), Some("open"));
    stand.run(&["hold", "--yes"]).exits(0);
    assert!(modes.any(|mode| mode == "hold"));
    stand.run(&["close", "--yes"]).exits(0);
    assert!(modes.any(|mode| mode == "closed"));
    let id = watching.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    drop(watching.wait());
}

#[test]
fn whoever_waits_for_a_mode_is_answered_when_it_is_settled() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let _serving = stand.serve();
    let waiting = stand
        .command(&["--json", "wait", "--for-mode", "hold"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    stand.run(&["hold", "--yes"]).exits(0);
    let waited = crate::support::command::Ran::from(waiting.wait_with_output().unwrap()).exits(0);
    assert_eq!(waited.json()["mode"], "hold");
    stand.run(&["wait", "--for-mode", "open", "--timeout", "1s"]).exits(5);
}

#[test]
fn a_tester_passes_by_what_the_command_printed_for_one_operation() {
    let app = App::start();
    let settings = config(&app.url(), "bypass {\n key = \"0123456789abcdef0123456789abcdef\"\n}");
    let stand = Stand::new(&settings);
    let serving = stand.serve();
    assert!(
        stand.run(&["--json", "bypass"]).exits(1).error()["hint"].is_string(),
        "an open site has nothing to pass by"
    );
    stand.run(&["close", "--yes"]).exits(0);
    assert!(stand.run(&["bypass", "--for", "13h"]).exits(1).stderr.contains("12h"));
    let told = stand.run(&["--json", "bypass", "--for", "2h"]).exits(0).json();
    let (link, header) = (told["link"].as_str().unwrap(), told["header"].as_str().unwrap());
    let curl = |more: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--connect-to"])
            .arg(format!("{HOST}:80:{}", serving.address()));
        String::from_utf8(curl.args(more).output().unwrap().stdout).unwrap()
    };
    let site = format!("http://{HOST}/");
    assert_eq!(curl(&[&site]), "503");
    assert_eq!(curl(&["-H", header, &site]), "200");
    let jar = stand.folder().join("jar");
    let jar = jar.to_str().unwrap();
    let link = link.replace("https://", "http://");
    assert_eq!(
        curl(&["-L", "-c", jar, "-b", jar, &link]),
        "200",
        "the link sets a cookie and leads on"
    );
    assert_eq!(curl(&["-b", jar, &site]), "200");
    let wrong = header.replace(&header[header.len() - 4..], "0000");
    assert_eq!(curl(&["-H", &wrong, &site]), "503");
    assert!(!serving.log().contains(header.split(' ').nth(1).unwrap()), "a token is in no log");
    // Void when the operation ends.
    stand.run(&["open", "--yes"]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(
        (curl(&["-H", header, &site]), curl(&["-b", jar, &site])),
        ("503".to_owned(), "503".to_owned())
    );
}

#[test]
fn the_process_says_whether_it_lives() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let url = format!("http://{}/healthz", serving.address());
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["healthcheck", &url]).exits(0);
    serving.signal("KILL");
    serving.ended();
    stand.run(&["healthcheck", &url]).exits(1);
}

/// From the verb's start to the gateway's first answer in the new mode: on the same machine a change is noticed at once,
/// and not at the next look.
#[test]
fn a_change_reaches_the_gateway_at_once() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let mut took = Vec::new();
    for verb in ["read-only", "open", "read-only", "open", "read-only"] {
        let wanted = if verb == "open" { 200 } else { 503 };
        let moving = stand
            .command(&[verb, "--yes", "--wait", "none"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let switch = stand.folder().join(".roadworks/shop/switch.json");
        let mode = if verb == "open" { "open" } else { "read-only" };
        until(|| {
            let written: Value = serde_json::from_slice(&std::fs::read(&switch).ok()?).ok()?;
            (written["mode"] == mode).then_some(())
        });
        let written = clock::monotonic();
        until(|| (serving.ask("POST", "/").0 == wanted).then_some(()));
        took.push(clock::monotonic().duration_since(written).as_secs_f64() * 1000.0);
        assert!(moving.wait_with_output().unwrap().status.success());
        stand.until(|status| status["phase"] == "settled");
    }
    took.sort_by(f64::total_cmp);
    println!("from the switch's writing to the new answer: {took:.1?} ms");
    assert!(took[took.len() / 2] < 100.0, "{took:?} ms");
}
