//! The page from a running gateway: a browser visits while the test throws the switch.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{chromium, tools};
use crate::support::app::App;
use crate::support::serving::{Stand, config};

/// Plays `scenario` of live.mjs, which says itself what is wrong, and runs the verbs that it asks for. How often the app
/// was asked for `/cart` comes back.
#[track_caller]
fn plays(chromium: &Path, scenario: &str) -> u64 {
    let app = App::start();
    let named = "hosts = [\"shop.example.com\"]";
    let site = config(&app.url(), "").replace(named, "hosts = [\"127.0.0.1\"]");
    let stand = Stand::new(&site);
    let serving = stand.serve();
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/live.mjs");
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", "--kill-after=5s", "120s", "node"]).arg(runner);
    command.arg(tools()).arg(chromium).arg(format!("http://{}", serving.address())).arg(scenario);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut visitor = command.spawn().unwrap();
    let mut answers = visitor.stdin.take().unwrap();
    for verb in BufReader::new(visitor.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let words: Vec<&str> = verb.split(' ').chain(["--yes"]).collect();
        stand.run(&words).exits(0);
        answers.write_all(b"done\n").unwrap();
    }
    let mut wrong = String::new();
    visitor.stderr.take().unwrap().read_to_string(&mut wrong).unwrap();
    assert!(visitor.wait().unwrap().success(), "{wrong}");
    let methods = ["GET", "PUT", "POST", "OPTIONS"].into_iter();
    methods.map(|method| app.asked(&format!("{method} /cart"))).sum()
}

#[test]
fn the_page_of_a_closed_gateway_comes_back_by_itself_when_the_site_opens() {
    let test = "the_page_of_a_closed_gateway_comes_back_by_itself_when_the_site_opens";
    if let Some(chromium) = chromium(test) {
        plays(&chromium, "recovers");
    }
}

#[test]
fn whoever_stops_the_page_of_a_closed_gateway_looks_by_hand() {
    if let Some(chromium) = chromium("whoever_stops_the_page_of_a_closed_gateway_looks_by_hand") {
        plays(&chromium, "byhand");
    }
}

#[test]
fn axe_finds_nothing_in_the_page_of_a_closed_gateway() {
    if let Some(chromium) = chromium("axe_finds_nothing_in_the_page_of_a_closed_gateway") {
        plays(&chromium, "accessible");
    }
}

#[test]
fn n5_a_program_of_another_origin_reads_the_refusal_and_its_retry_after() {
    let test = "n5_a_program_of_another_origin_reads_the_refusal_and_its_retry_after";
    if let Some(chromium) = chromium(test) {
        assert_eq!(plays(&chromium, "origins"), 0, "nothing of it reached the app");
    }
}
