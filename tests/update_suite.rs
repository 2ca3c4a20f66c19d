//! The cases for updates that BIND's authors wrote for their own server, against ours. They are no part of this repository:
//! script/test fetches them from Debian's source package.

use std::env;
use std::fs;
use std::process::Command;

use crate::support::command::run;
use crate::support::nameserver::{Asker, SECRET, address, config, record};
use crate::support::serving::Stand;
use crate::support::terraform::skipped;

/// What may fail, by its section and what is said there, with the reason. One that passes does not belong here.
const NOT_OURS: [(&str, &str, &str); 1] = [(
    "Excessive NSEC3PARAM iterations",
    "expected REFUSED, got NOERROR",
    "nothing is signed here, so the iterations cost nobody anything: the record is one like any other",
)];
/// All sections of the suite: it is over only after the last of them.
const SECTIONS: usize = 20;
/// Its resolver has no key; this gives it one.
const PORT: &str = "$res->port($opt_p);\n";
const KEY: &str = "$res->tsig($ENV{TSIG_KEY});\n";

/// Each failure as its section and what is said there; and how many sections there were.
fn failures(output: &str) -> (Vec<(String, String)>, usize) {
    let (mut failed, mut section, mut count) = (Vec::new(), String::new(), 0);
    for line in output.lines() {
        let case = line.strip_prefix("Test Failed: ").map(|case| case.trim_end_matches(" ***"));
        if let Some(case) = case.or_else(|| line.strip_prefix("Update failed: ")) {
            failed.push((section.clone(), case.to_owned()));
        } else if !line.ends_with("successful.") && !line.ends_with("tests failed.") {
            line.clone_into(&mut section);
            count += 1;
        }
    }
    (failed, count)
}

#[test]
fn t4_the_cases_of_binds_authors_hold_but_for_those_that_are_named() {
    let Some(suite) = env::var_os("ROADWORKS_TEST_UPDATE_SUITE") else {
        skipped(
            "update_suite::t4_the_cases_of_binds_authors_hold_but_for_those_that_are_named",
            "the source package bind9=1:9.18.49-1~deb12u1 from a Debian mirror",
        );
        return;
    };
    let suite = fs::read_to_string(suite).unwrap();
    assert_eq!(suite.matches(PORT).count(), 1, "one place to give the key");
    let stand = Stand::new(&config(&record("@", "NS", "\"ns1.example.test.\"")));
    let key = format!("key \"update\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n");
    stand.write("update.key", &key);
    stand.write("update_test.pl", &suite.replace(PORT, &format!("{PORT}{KEY}")));
    let serving = stand.serve();
    let port = address(&serving).port().to_string();
    let mut perl = Command::new("perl");
    perl.args(["update_test.pl", "-s", "127.0.0.1", "-p", &port, "example.test."])
        .current_dir(stand.folder())
        .env("TSIG_KEY", stand.folder().join("update.key"));
    let ran = run(&mut perl);
    let (failed, sections) = failures(&ran.stdout);
    assert_eq!(sections, SECTIONS, "{ran:#?}");
    let expected = NOT_OURS.map(|(section, case, _)| (section.to_owned(), case.to_owned()));
    assert_eq!(failed, expected, "{ran:#?}");
    // What it left behind is a zone that a next start can read.
    let serial = Asker::of(address(&serving)).serial();
    serving.signal("KILL");
    serving.ended();
    assert_eq!(Asker::of(address(&stand.serve())).serial(), serial);
}
