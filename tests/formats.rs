//! Each form in which a document of the store was ever written, as a file: today's program reads them all, and refuses what
//! is newer than itself.

use std::fs;
use std::path::Path;

use roadworks::store::Held;
use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{Stand, config, until};

/// File, mode, phase, until, by, reason.
const SWITCHES: [(&str, [Option<&str>; 5]); 3] = [
    (
        "1-first.json",
        [Some("detour"), Some("settled"), None, Some("ana@laptop"), Some("new database")],
    ),
    (
        "1-moving.json",
        [
            Some("read-only"),
            Some("moving"),
            None,
            Some("arn:aws:sts::123456789012:assumed-role/ops/ana"),
            None,
        ],
    ),
    (
        "1-end.json",
        [
            Some("hold"),
            Some("settled"),
            Some("2126-11-23T08:20:00Z"),
            Some("ana@laptop"),
            Some("resize"),
        ],
    ),
];

fn written(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn throw(stand: &Stand, content: &str) {
    let folder = stand.folder().join(".roadworks/shop");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("switch.json"), content).unwrap();
}

#[test]
fn every_switch_that_was_ever_written_reads_as_it_was_meant() {
    for (name, wanted) in SWITCHES {
        let stand = Stand::new(&config("http://127.0.0.1:1", ""));
        throw(&stand, &written(name));
        let status = stand.status();
        let told =
            ["desired", "phase", "until", "by", "reason"].map(|field| status[field].as_str());
        assert_eq!(told, wanted, "{name}: {status:#}");
    }
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")).unwrap();
    assert_eq!(files.count(), SWITCHES.len() + 1, "each file is read by a test");
}

#[test]
fn a_lease_that_an_older_agent_wrote_names_it() {
    let held: Held = serde_json::from_str(&written("1-lease-first.json")).unwrap();
    assert_eq!((held.agent.as_str(), held.every, held.released), ("shop-1-4f2a", 2, false));
}

#[test]
fn a_switch_of_a_newer_format_is_refused_and_the_last_one_kept() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let mut newer: Value = serde_json::from_str(&written("1-end.json")).unwrap();
    newer["format"] = 2.into();
    throw(&stand, &newer.to_string());
    let error = stand.run(&["--json", "status"]).exits(1).error();
    assert_eq!(error["code"], "store-unreadable", "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("newer Roadworks"), "{error:#}");
    assert_eq!(
        stand.run(&["--json", "open", "--yes"]).exits(1).error()["code"],
        "store-unreadable"
    );
    let trouble = || serving.metric("roadworks_trouble{site=\"shop\",what=\"store\"}");
    until(|| (trouble().as_deref() == Some("1")).then_some(()));
    assert_eq!((serving.ask("GET", "/").0, serving.ask("GET", "/healthz").0), (503, 200));
}
