//! The page in a real browser: what run.mjs looks at is made here, by the library, as a gateway would serve it.

mod live;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use roadworks::config::PageConfig;
use roadworks::page::{Language, Page, Told};
use roadworks::switch::{Mode, OperationId, Posture};

use crate::support::terraform::skipped;

/// Where script/test puts playwright-core and axe-core.
fn tools() -> PathBuf {
    let given = env::var_os("ROADWORKS_TEST_BROWSER").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/browser"))
}

/// The browser, or `None` after `test` is reported as skipped.
fn chromium(test: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| {
        env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    let node = found("node").filter(|_| tools().join("node_modules/axe-core").is_dir());
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(found);
    let browser = browser.filter(|_| node.is_some());
    if browser.is_none() {
        skipped(
            test,
            "node, chromium, and playwright-core and axe-core, which script/test installs",
        );
    }
    browser
}

/// What the pages tell: the site of the docs, in `mode`, until 20 minutes after `now`.
fn posture(mode: Mode, now: Timestamp) -> Posture {
    let until = now.checked_add(jiff::SignedDuration::from_mins(20)).unwrap();
    Posture {
        mode,
        operation: Some(OperationId::at(now, 1)),
        since: now,
        until: Some(until),
        patience: None,
        reopened: None,
    }
}

fn told(posture: &Posture, now: Timestamp) -> Told<'_> {
    Told { host: Some("shop.example.com"), posture: Some(posture), now }
}

/// Every page that a scenario may want.
fn pages(folder: &Path) {
    let now: Timestamp = "2027-01-15T08:00:00Z".parse().unwrap();
    let page = Page::compile(&PageConfig {
        message: Some("We are moving to a bigger database.\nالصيانة".to_owned()),
        contact: Some("help@example.com".to_owned()),
        status_url: Some("http://status.invalid/status.json".to_owned()),
        ..PageConfig::default()
    });
    let page = page.unwrap();
    let write = |name: &str, content: &[u8]| fs::write(folder.join(name), content).unwrap();
    let closed = posture(Mode::Closed, now);
    for file in page.files(&told(&closed, now)) {
        write(&file.name, &file.content);
    }
    let forms = page.render(&told(&closed, now));
    for language in Language::ALL {
        let name = format!("{}.html", language.tag());
        write(&name, &forms.html(language, "0123456789abcdef"));
    }
    let english = Language::English;
    write("sender.html", &forms.html_to_sender(english, "0123456789abcdef"));
    let late = forms.at(closed.until.unwrap());
    write("late.html", &late.html(Language::Hebrew, "0123456789abcdef"));
    for (name, mode) in
        [("read-only", Mode::ReadOnly), ("hold", Mode::Hold), ("detour", Mode::Detour)]
    {
        let posture = posture(mode, now);
        let forms = page.render(&told(&posture, now));
        write(&format!("{name}.html"), &forms.html(english, "0123456789abcdef"));
    }
}

/// Plays `scenario` of run.mjs, which says itself what is wrong.
#[track_caller]
fn plays(test: &str, scenario: &str) {
    let Some(chromium) = chromium(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    pages(folder.path());
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/run.mjs");
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", "--kill-after=5s", "170s", "node"]).arg(runner);
    command.arg(tools()).arg(chromium).arg(folder.path()).arg(scenario);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn axe_finds_nothing_in_light_dark_and_forced_colours_in_twelve_languages() {
    plays("axe_finds_nothing_in_light_dark_and_forced_colours_in_twelve_languages", "accessible");
}

#[test]
fn the_page_recovers_by_itself_and_asks_nobody_but_its_own_origin() {
    plays("the_page_recovers_by_itself_and_asks_nobody_but_its_own_origin", "recovers");
}

#[test]
fn what_was_sent_is_not_sent_again_when_the_site_opens() {
    plays("what_was_sent_is_not_sent_again_when_the_site_opens", "sender");
}

#[test]
fn a_page_made_in_advance_speaks_the_visitors_language_and_comes_back_with_a_get() {
    plays(
        "a_page_made_in_advance_speaks_the_visitors_language_and_comes_back_with_a_get",
        "advance",
    );
}

#[test]
fn in_detour_it_looks_at_the_other_host() {
    plays("in_detour_it_looks_at_the_other_host", "elsewhere");
}

#[test]
fn it_can_be_stopped_and_asked_by_keyboard_and_tells_the_end_in_the_visitors_zone() {
    plays(
        "it_can_be_stopped_and_asked_by_keyboard_and_tells_the_end_in_the_visitors_zone",
        "keyboard",
    );
}

#[test]
fn it_does_not_look_while_hidden_and_says_when_the_end_has_passed() {
    plays("it_does_not_look_while_hidden_and_says_when_the_end_has_passed", "patient");
}

#[test]
fn without_scripts_everything_that_matters_is_there() {
    plays("without_scripts_everything_that_matters_is_there", "plain");
}
