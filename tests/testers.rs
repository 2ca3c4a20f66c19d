//! `bypass` from outside: what it prints lets a tester in, for as long as it says and for one operation.

use std::process::Command;

use crate::support::app::App;
use crate::support::serving::{HOST, Serving, Stand, config, until};

/// A closed site behind TLS, as its visitors meet it.
fn closed(app: &App) -> (Stand, Serving) {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let tls =
        "tls {\n listen = [\"127.0.0.1:0\"]\n certificate = \"site.pem\"\n key = \"site.key\"\n }";
    let key = "bypass {\n key = \"0123456789abcdef0123456789abcdef\"\n }";
    let settings = config(&app.url(), key).replace("listen    = [\"127.0.0.1:0\"]", tls);
    let stand = Stand::new(&settings);
    stand.write("site.pem", &made.cert.pem());
    stand.write("site.key", &made.signing_key.serialize_pem());
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    (stand, serving)
}

/// The status that curl gets in the end; the site's name leads to the gateway.
fn curl(serving: &Serving, words: &[&str]) -> String {
    let mut curl = Command::new("curl");
    let way = format!("{HOST}:443:{}", serving.address());
    curl.args(["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]);
    let told = curl.args(["--connect-to", &way]).args(words).output().unwrap();
    String::from_utf8_lossy(&told.stdout).into_owned()
}

#[test]
fn the_printed_link_and_header_let_curl_in_until_the_operation_ends() {
    let app = App::start();
    let (stand, serving) = closed(&app);
    let site = format!("https://{HOST}/");
    let passes = stand.run(&["--json", "bypass"]).exits(0).json();
    let (link, header) = (passes["link"].as_str().unwrap(), passes["header"].as_str().unwrap());
    assert_eq!(curl(&serving, &[&site]), "503");
    let jar = stand.folder().join("jar");
    let jar = jar.to_str().unwrap();
    assert_eq!(curl(&serving, &["-L", "-b", jar, "-c", jar, link]), "200");
    assert_eq!(curl(&serving, &["-b", jar, &site]), "200", "the cookie goes on");
    assert_eq!(curl(&serving, &["-H", header, &site]), "200");
    assert_eq!(curl(&serving, &["-H", "Roadworks-Bypass: 1.x", &site]), "503");
    // Another operation: the old token is void.
    stand.run(&["open", "--yes"]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(curl(&serving, &["-H", header, &site]), "503");
    assert_eq!(curl(&serving, &["-b", jar, &site]), "503");
}

/// A gateway that trusts no proxy may be reached as it listens, in the clear and at its own port.
#[test]
fn where_nothing_need_stand_in_front_a_link_to_the_gateway_itself_is_printed_too() {
    let app = App::start();
    let key = "bypass {\n key = \"0123456789abcdef0123456789abcdef\"\n }";
    let settings = config(&app.url(), key);
    let stand = Stand::new(&settings);
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let port = serving.address().port();
    // Where it listens is known to its file alone, so that says it now.
    stand.write(
        "roadworks.hcl",
        &settings.replace("127.0.0.1:0\"]", &format!("127.0.0.1:{port}\"]")),
    );
    let passes = stand.run(&["--json", "bypass"]).exits(0).json();
    let direct = passes["direct"].as_str().unwrap();
    assert!(direct.starts_with(&format!("http://{HOST}:{port}/?roadworks-bypass=")), "{direct}");
    let mut curl = Command::new("curl");
    let way = format!("{HOST}:{port}:127.0.0.1:{port}");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "--max-time", "10"]);
    let told = curl.args(["--connect-to", &way, direct]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stdout), format!("303 http://{HOST}:{port}/"));
    stand.write(
        "roadworks.hcl",
        &settings.replace("gateway {", "gateway {\n trusted_proxies = [\"10.0.0.0/8\"]"),
    );
    let passes = stand.run(&["--json", "bypass"]).exits(0).json();
    assert!(passes["direct"].is_null(), "{passes:#}");
}

#[test]
fn a_pass_ends_when_it_says_and_none_is_good_for_more_than_half_a_day() {
    let app = App::start();
    let (stand, serving) = closed(&app);
    let site = format!("https://{HOST}/");
    let passes = stand.run(&["--json", "bypass", "--for", "2s"]).exits(0).json();
    let header = passes["header"].as_str().unwrap();
    assert_eq!(curl(&serving, &["-H", header, &site]), "200");
    until(|| (curl(&serving, &["-H", header, &site]) == "503").then_some(()));
    let refused = stand.run(&["--json", "bypass", "--for", "13h"]).exits(1).error();
    assert_eq!(refused["hint"], "roadworks bypass --for 12h", "{refused:#}");
    stand.run(&["open", "--yes"]).exits(0);
    let refused = stand.run(&["--json", "bypass"]).exits(1).error();
    assert!(refused["message"].as_str().unwrap().contains("nothing to pass by"), "{refused:#}");
}

/// The key is the gateways': whoever closes the site at night may do so from a machine that does not have it.
#[test]
fn only_what_signs_needs_the_key() {
    let app = App::start();
    let more = "    bypass { key = env(\"ROADWORKS_TEST_BYPASS_KEY\") }\n";
    let stand = Stand::new(&config(&app.url(), more));
    let refused = stand.run(&["--json", "serve"]).exits(1).error();
    let message = refused["message"].to_string();
    assert!(message.contains("has no ROADWORKS_TEST_BYPASS_KEY"), "{refused:#}");
    assert!(refused["line"].as_u64().is_some(), "{refused:#}");
    let mut command = stand.command(&["serve"]);
    let with_key = command.env("ROADWORKS_TEST_BYPASS_KEY", "0123456789abcdef");
    let _serving = stand.serve_by(with_key);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(stand.status()["mode"], "closed");
    let unsigned = stand.run(&["--json", "bypass"]).exits(1).error();
    assert_eq!(unsigned["message"], refused["message"], "it is the key that it lacks");
    let doctor = stand.run(&["--json", "doctor"]).exits(1).json();
    let checks = doctor["checks"].as_array().unwrap();
    let secret = checks.iter().find(|check| check["id"] == "secret").expect("it is told");
    assert_eq!(secret["result"], "fail");
    stand.run(&["open", "--yes"]).exits(0);
}
