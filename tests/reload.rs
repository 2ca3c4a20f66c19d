//! A running `serve` reads its configuration again: a good one counts without a lost request, a broken one changes nothing
//! and is said where people and machines look.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use roadworks::tasks::Tasks;

use crate::support::app::App;
use crate::support::serving::{HOST, Serving, Stand, config, until};

const WENT_WELL: &str = "roadworks_config_last_reload_successful";

/// The configuration with a mistake in its twelfth line.
fn broken(url: &str) -> String {
    config(url, "").replace("upstream_path", "upstraem_path")
}

#[test]
fn a_reload_takes_what_changed_and_loses_no_request() {
    let (before, after) = (App::start(), App::start());
    let stand = Stand::new(&config(&before.url(), ""));
    let serving = Arc::new(stand.serve());
    let (stop, asked, lost) = (
        Arc::new(AtomicBool::new(false)),
        Arc::<AtomicU64>::default(),
        Arc::<AtomicU64>::default(),
    );
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let serving = Arc::clone(&serving);
            let (stop, asked, lost) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&lost));
            let visit = move || {
                while !stop.load(SeqCst) {
                    lost.fetch_add(u64::from(serving.ask("POST", "/visitor").0 != 200), SeqCst);
                    asked.fetch_add(1, SeqCst);
                }
            };
            Tasks::new().start_thread("visitor", visit).unwrap()
        })
        .collect();
    until(|| (before.asked("POST /visitor") > 50).then_some(()));
    stand.write("roadworks.hcl", &config(&after.url(), ""));
    stand.run(&["reload"]).exits(0);
    until(|| (after.asked("POST /visitor") > 50).then_some(()));
    // By the signal too, and back.
    let so_far = before.asked("POST /visitor");
    stand.write("roadworks.hcl", &config(&before.url(), ""));
    serving.signal("HUP");
    until(|| (before.asked("POST /visitor") > so_far + 50).then_some(()));
    stop.store(true, SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(lost.load(SeqCst), 0, "of {}", asked.load(SeqCst));
    let executed = before.asked("POST /visitor") + after.asked("POST /visitor");
    assert_eq!(executed, asked.load(SeqCst), "each was executed once");
}

#[test]
fn k9_a_broken_file_keeps_the_old_configuration_and_is_said_with_its_place() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    assert_eq!(serving.metric(WENT_WELL).as_deref(), Some("1"));
    stand.write("roadworks.hcl", &broken(&app.url()));
    let refused = stand.run(&["--json", "reload"]).exits(1).error();
    assert_eq!((&refused["line"], &refused["column"]), (&12.into(), &7.into()), "{refused:#}");
    assert!(refused["file"].as_str().unwrap().ends_with("roadworks.hcl"), "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("upstraem_path"), "{refused:#}");
    assert_eq!(serving.metric(WENT_WELL).as_deref(), Some("0"), "{}", serving.log());
    assert_eq!(serving.ask("GET", "/").0, 200);
    stand.write("roadworks.hcl", &config(&app.url(), ""));
    stand.run(&["reload"]).exits(0);
    assert_eq!(serving.metric(WENT_WELL).as_deref(), Some("1"));
}

#[test]
fn a_broken_file_at_a_signal_is_in_the_log_with_its_place() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.write("roadworks.hcl", &broken(&app.url()));
    serving.signal("HUP");
    until(|| serving.log().contains("not reloaded").then_some(()));
    assert!(serving.log().contains("roadworks.hcl:12:7"), "{}", serving.log());
    assert_eq!(serving.metric(WENT_WELL).as_deref(), Some("0"));
    assert_eq!(serving.ask("GET", "/").0, 200);
}

/// What only whoever serves can see is said with its place as well.
#[test]
fn an_address_in_use_is_refused_at_a_reload_and_the_old_one_stays() {
    let (app, other) = (App::start(), App::start());
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let taken = format!("\"127.0.0.1:0\", \"{}\"]", other.address);
    let settings = config(&app.url(), "");
    stand.write("roadworks.hcl", &settings.replace("\"127.0.0.1:0\"]", &taken));
    let refused = stand.run(&["--json", "reload"]).exits(1).error();
    assert_eq!((&refused["line"], &refused["column"]), (&8.into(), &33.into()), "{refused:#}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("cannot be listened on: Address already in use"), "{refused:#}");
    let words = stand.run(&["reload"]).exits(1).stderr;
    assert!(words.contains("roadworks.hcl:8:33"), "{words}");
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn a_certificate_that_changed_on_disk_is_served_without_a_restart() {
    let app = App::start();
    let stand = with_tls(&app);
    let first = issue(&stand);
    let serving = stand.serve();
    assert!(shown(&serving).contains(&first));
    let second = issue(&stand);
    assert_ne!(first, second);
    until(|| shown(&serving).contains(&second).then_some(()));
    // A broken one never takes the place of a good one.
    stand.write("site.pem", "not a certificate");
    until(|| serving.log().contains("the certificate of before stays").then_some(()));
    assert!(shown(&serving).contains(&second));
}

fn with_tls(app: &App) -> Stand {
    let tls = "listen = [\"127.0.0.1:0\"]\n certificate = \"site.pem\"\n key = \"site.key\"";
    let plain = "listen    = [\"127.0.0.1:0\"]";
    Stand::new(&config(&app.url(), "").replace(plain, &format!("tls {{\n {tls}\n }}")))
}

/// A new certificate and key for the site, on disk; gives the certificate as `openssl s_client` shows it.
fn issue(stand: &Stand) -> String {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let pem = made.cert.pem().replace("\r\n", "\n");
    // Both at once, as whoever renews them should: a reader between the two sees a pair that does not match.
    for (name, content) in
        [("site.key", made.signing_key.serialize_pem()), ("site.pem", pem.clone())]
    {
        let temporary = stand.folder().join("renewed");
        fs::write(&temporary, content).unwrap();
        fs::rename(&temporary, stand.folder().join(name)).unwrap();
    }
    pem.lines().nth(1).unwrap().to_owned() + "\n" + pem.lines().nth(2).unwrap()
}

fn shown(serving: &Serving) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &serving.address().to_string(), "-servername", HOST]);
    let told = client.stdin(std::process::Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&told.stdout).into_owned()
}
