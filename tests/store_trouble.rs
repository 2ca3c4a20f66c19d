//! The store gone, torn, unreadable or full: the mode stays as it is, and status and metrics say so. It can be made stricter
//! on the gateway's machine all the same, and never looser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{Serving, Stand, config, until};
use crate::support::terraform::skipped;

const OF_STORE: &str = "roadworks_trouble{site=\"shop\",what=\"store\"}";
const OF_HEARTBEAT: &str = "roadworks_trouble{site=\"shop\",what=\"heartbeat\"}";

fn store(stand: &Stand) -> PathBuf {
    stand.folder().join(".roadworks/shop")
}

/// A closed site, and its switch.
fn closed(app: &App) -> (Stand, Serving, PathBuf) {
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(serving.metric(OF_STORE).as_deref(), Some("0"));
    let switch = store(&stand).join("switch.json");
    (stand, serving, switch)
}

/// Visitors are refused as before, and whoever scrapes is told.
#[track_caller]
fn stays_closed(serving: &Serving) {
    until(|| (serving.metric(OF_STORE).as_deref() == Some("1")).then_some(()));
    assert_eq!(serving.ask("GET", "/").0, 503);
    assert_eq!(serving.ask("GET", "/healthz").0, 200, "it knows its mode");
}

#[test]
fn a_switch_that_is_gone_leaves_the_mode_as_it_is() {
    let app = App::start();
    let (stand, serving, switch) = closed(&app);
    fs::remove_file(&switch).unwrap();
    stays_closed(&serving);
    let status = stand.until(|status| status["gateways"][0]["trouble"][0].is_string());
    assert_eq!(status["mode"], "closed", "{status:#}");
    let trouble = status["gateways"][0]["trouble"][0].as_str().unwrap();
    assert!(trouble.contains("gone from the store"), "{trouble}");
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(words.contains("CLOSED") && words.contains("gone from the store"), "{words}");
    // A restart finds it in the copy on disk.
    serving.signal("KILL");
    serving.ended();
    let again = stand.serve();
    stays_closed(&again);
    // And the next move of the switch mends it.
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(again.ask("GET", "/").0, 200);
    until(|| (again.metric(OF_STORE).as_deref() == Some("0")).then_some(()));
}

#[test]
fn a_switch_that_is_gone_and_whose_copy_is_torn_opens_nothing() {
    let app = App::start();
    let (stand, serving, switch) = closed(&app);
    let copy = stand.folder().join(".roadworks/local/shop/switch.json");
    until(|| copy.exists().then_some(()));
    serving.signal("KILL");
    serving.ended();
    fs::remove_file(&switch).unwrap();
    fs::write(&copy, "{").unwrap();
    let again = stand.serve();
    until(|| (again.metric(OF_STORE).as_deref() == Some("1")).then_some(()));
    assert_eq!((again.ask("GET", "/").0, again.ask("GET", "/healthz").0), (503, 503));
    stand.run(&["close", "--yes"]).exits(0);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(again.ask("GET", "/").0, 200);
}

#[test]
fn a_switch_that_is_torn_or_unreadable_leaves_the_mode_as_it_is() {
    let app = App::start();
    let (stand, serving, switch) = closed(&app);
    let fields = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let all = fields(&stand.status());
    let whole = fs::read(&switch).unwrap();
    fs::write(&switch, &whole[..whole.len() / 2]).unwrap();
    stays_closed(&serving);
    let words = stand.run(&["status"]).exits(1).stderr;
    assert!(words.contains("CLOSED") && words.contains("the mode stays as it is"), "{words}");
    // A program gets what the gateway of this machine gives, beside the error.
    let told = stand.run(&["--json", "status"]).exits(1);
    assert_eq!(told.error()["code"], "store-unreadable", "{told:#?}");
    let told = told.json();
    assert_eq!((&told["mode"], &told["desired"]), (&"closed".into(), &Value::Null));
    assert_eq!(fields(&told), all, "whatever a program looks for is there, if only as null");
    let trouble = told["gateways"][0]["trouble"][0].as_str().unwrap();
    assert!(trouble.contains("the mode stays as it is"), "{told:#}");
    assert_eq!(
        stand.run(&["--json", "open", "--yes"]).exits(1).error()["code"],
        "store-unreadable"
    );
    fs::write(&switch, &whole).unwrap();
    until(|| (serving.metric(OF_STORE).as_deref() == Some("0")).then_some(()));
    // A folder in its place: nobody can read it, root neither.
    fs::remove_file(&switch).unwrap();
    fs::create_dir(&switch).unwrap();
    stays_closed(&serving);
    stand.run(&["status"]).exits(1);
}

#[test]
fn a_store_that_is_gone_leaves_the_mode_as_it_is() {
    let app = App::start();
    let (stand, serving, _) = closed(&app);
    let folder = store(&stand);
    fs::rename(&folder, stand.folder().join("lost")).unwrap();
    stays_closed(&serving);
    // Something else in its place, which nobody can write into either.
    until(|| {
        fs::remove_dir_all(&folder).ok();
        fs::write(&folder, "").ok()
    });
    until(|| (serving.metric(OF_HEARTBEAT).as_deref() == Some("1")).then_some(()));
    stays_closed(&serving);
    let words = stand.run(&["status"]).exits(1).stderr;
    assert!(words.contains("CLOSED"), "{words}");
    fs::remove_file(&folder).unwrap();
    fs::remove_dir_all(&folder).ok();
    until(|| {
        fs::rename(stand.folder().join("lost"), &folder)
            .or_else(|_| {
                fs::remove_dir_all(&folder)
                    .and_then(|()| fs::rename(stand.folder().join("lost"), &folder))
            })
            .ok()
    });
    stand.until(|status| status["gateways"][0]["trouble"].as_array().is_some_and(Vec::is_empty));
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn a_gateway_that_knows_nothing_answers_503_to_its_balancer_too_and_one_with_a_copy_keeps_the_mode()
{
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    fs::create_dir_all(stand.folder().join(".roadworks")).unwrap();
    fs::write(store(&stand), "").unwrap();
    let serving = stand.serve();
    assert_eq!((serving.ask("GET", "/").0, serving.ask("GET", "/healthz").0), (503, 503));
    assert_eq!(app.asked("GET /"), 0);
    // What it may not do on its machine is guess: the switch may ask for more.
    let refused = stand.run(&["--json", "read-only", "--local", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "looser", "{refused:#}");
    // The store is back, and somebody made it read-only: that is kept.
    fs::remove_file(store(&stand)).unwrap();
    until(|| (serving.ask("GET", "/healthz").0 == 200).then_some(()));
    stand.run(&["read-only", "--yes"]).exits(0);
    serving.signal("TERM");
    serving.ended();
    fs::remove_dir_all(store(&stand)).unwrap();
    fs::write(store(&stand), "").unwrap();
    let again = stand.serve();
    assert_eq!((again.ask("GET", "/").0, again.ask("POST", "/").0), (200, 503));
    assert_eq!(again.ask("GET", "/healthz").0, 200);
}

/// Invariant 5: with the store down the switch can still be made stricter on a gateway's machine.
#[test]
fn a_mode_of_one_machine_is_stricter_never_looser_and_holds_until_it_is_cleared() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["read-only", "--yes"]).exits(0);
    let stricter = stand.run(&["--json", "hold", "--local", "--yes"]).exits(0).json();
    assert_eq!((&stricter["mode"], &stricter["desired"]), (&"hold".into(), &"read-only".into()));
    let whole = stand.folder().join("lost");
    fs::rename(store(&stand), &whole).unwrap();
    until(|| (serving.metric(OF_STORE).as_deref() == Some("1")).then_some(()));
    stand.run(&["close", "--local", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 503);
    // Sticky.
    serving.signal("KILL");
    serving.ended();
    let again = stand.serve();
    assert_eq!(again.ask("GET", "/").0, 503);
    // Shown.
    let status = stand.until(|status| status["gateways"][0]["local"] == "closed");
    let told = |metric: &str, mode: &str| {
        again.metric(&format!("roadworks_{metric}{{site=\"shop\",mode=\"{mode}\"}}")).unwrap()
    };
    let both = [("mode", "closed"), ("desired_mode", "closed"), ("desired_mode", "read-only")];
    until(|| (both.map(|(metric, mode)| told(metric, mode)) == ["1", "0", "1"]).then_some(()));
    assert_eq!(status["mode"], "closed", "{status:#}");
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(words.contains("kept at closed on its own machine, by --local"), "{words}");
    assert!(words.contains("Next: roadworks open --local"), "{words}");
    // Cleared: what the switch asked for last.
    stand.run(&["open", "--local"]).exits(0);
    assert_eq!((again.ask("GET", "/").0, again.ask("POST", "/").0), (200, 503));
    stand.run(&["close", "--yes"]).exits(0);
    let refused = stand.run(&["--json", "hold", "--local", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "looser", "{refused:#}");
    assert_eq!(again.ask("GET", "/").0, 503);
}

/// A small file system in memory, mounted for a test.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Small> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "roadworks-test"]).arg(at);
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| Small(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_leaves_the_mode_as_it_is_and_what_was_missed_is_made_up_for() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let Some(_small) = Small::mount(&stand.folder().join(".roadworks")) else {
        return skipped(
            "a_full_disk_leaves_the_mode_as_it_is_and_what_was_missed_is_made_up_for",
            "the right to mount a tmpfs",
        );
    };
    let serving = stand.serve();
    stand.run(&["read-only", "--yes"]).exits(0);
    let full = stand.folder().join(".roadworks/full");
    // The last bytes too: a write fails when nothing at all is left.
    fs::write(&full, vec![0; 1 << 20]).unwrap_err();
    until(|| (serving.metric(OF_HEARTBEAT).as_deref() == Some("1")).then_some(()));
    let refused = stand.run(&["--json", "close", "--yes"]);
    assert_ne!(refused.code, Some(0), "{refused:#?}");
    assert_eq!((serving.ask("GET", "/").0, serving.ask("POST", "/").0), (200, 503));
    // In memory it can be made stricter, and it is said that a restart would forget it.
    let kept = stand.run(&["--json", "close", "--local", "--yes"]).exits(1).error();
    assert!(kept["message"].as_str().unwrap().contains("a restart forgets it"), "{kept:#}");
    assert_eq!(serving.ask("GET", "/").0, 503);
    fs::remove_file(&full).unwrap();
    stand.run(&["open", "--local"]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    until(|| (serving.metric(OF_HEARTBEAT).as_deref() == Some("0")).then_some(()));
    assert_eq!(serving.ask("GET", "/").0, 503);
}
