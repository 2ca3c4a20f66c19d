//! Two at once: one wins, the other is refused and told who won.

use std::process::Stdio;

use crate::support::command::Ran;
use crate::support::route53::{Route53, Verb};
use crate::support::site::Site;

const WHO: &str = "arn:aws:iam::123456789012:user/ana";

/// `first`, and `second` once the change of `first` is on its way.
fn two(site: &Site, server: &Route53, first: &str, second: &str) -> (Ran, Ran) {
    server.pending_for(2);
    server.forget();
    let mut command = site.command(&[first, "--yes", "--json"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.hears(Verb::Change);
    let late = site.run(&[second, "--yes", "--json"]);
    (Ran::from(running.wait_with_output().unwrap()), late)
}

#[test]
fn of_two_that_want_the_same_one_wins_and_the_other_is_told_who() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let (won, late) = two(&site, &server, "detour", "detour");
    won.exits(0);
    let error = late.exits(3).error();
    assert!(error["message"].as_str().unwrap().contains(WHO), "{error:#}");
    assert_eq!(server.batches().len(), 1);
    site.is_in_maintenance();
}

#[test]
fn who_comes_while_the_other_moves_does_not_turn_it_back() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let (won, late) = two(&site, &server, "detour", "open");
    won.exits(0);
    let error = late.exits(3).error();
    assert!(error["message"].as_str().unwrap().contains(WHO), "{error:#}");
    site.is_in_maintenance();
    site.run(&["open", "--yes"]).exits(0);
    site.is_open();
}

#[test]
fn of_two_started_together_one_wins_and_the_record_moves_once() {
    for _ in 0..3 {
        let server = Route53::start();
        let site = Site::at(&server.endpoint());
        server.forget();
        let start = || {
            let mut command = site.command(&["detour", "--yes", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let both = [start(), start()];
        let codes = both.map(|running| Ran::from(running.wait_with_output().unwrap()).code);
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 3))), "{codes:?}");
        site.is_in_maintenance();
        assert_eq!(server.batches().len(), 1, "the record was moved once");
    }
}
