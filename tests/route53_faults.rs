//! Whatever goes wrong between us and Route 53: the same end, the right exit code, never an UPSERT, and no change
//! sent again without reading first.

use std::time::Duration;

use crate::support::command::Ran;
use crate::support::route53::record::RecordSet;
use crate::support::route53::{Effect, Fault, Request, Route53, Verb};
use crate::support::site::{LIVE, MAINTENANCE, NAME, Site, foreign, live, maintenance};

const DETOUR: [&str; 3] = ["detour", "--yes", "--json"];

/// A detour that meets `fault` at the `nth` request of `verb`.
fn meeting(verb: Verb, nth: usize, fault: Fault) -> (Route53, Site, Ran) {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.forget();
    server.fault(verb, nth, fault);
    let ran = site.run(&DETOUR);
    assert_eq!(server.unmet(), 0, "the fault was met: {ran:#?}");
    (server, site, ran)
}

/// What holds of every run: UPSERT is never sent, and before a change is sent again the record is read.
#[track_caller]
fn sent_well(server: &Route53) {
    let requests = server.requests();
    let mut read_since = true;
    for Request { verb, body, .. } in &requests {
        match verb {
            Verb::List => read_since = true,
            Verb::Change => {
                assert!(read_since, "a change was sent again without reading: {requests:#?}");
                assert!(!body.contains("UPSERT"), "{body}");
                read_since = false;
            }
            Verb::GetChange | Verb::Identity | Verb::Other => {}
        }
    }
}

/// The way on after any fault: the same command ends it, and `open` leads back.
#[track_caller]
fn goes_on(server: &Route53, site: &Site) {
    site.run(&DETOUR).exits(0);
    site.is_in_maintenance();
    site.run(&["open", "--yes"]).exits(0);
    site.is_open();
    sent_well(server);
}

#[track_caller]
fn moves_all_the_same(verb: Verb, nth: usize, fault: Fault) -> Vec<Request> {
    let (server, site, ran) = meeting(verb, nth, fault);
    ran.exits(0);
    site.is_in_maintenance();
    let requests = server.requests();
    goes_on(&server, &site);
    requests
}

fn changes(requests: &[Request]) -> Vec<&Request> {
    requests.iter().filter(|request| request.verb == Verb::Change).collect()
}

#[test]
fn a_throttled_change_backs_off_and_is_made() {
    let requests = moves_all_the_same(Verb::Change, 1, Fault::Throttling);
    let sent = changes(&requests);
    assert_eq!(sent.len(), 2);
    assert!(sent[1].at.duration_since(sent[0].at) >= Duration::from_millis(150));
}

#[test]
fn a_prior_request_that_is_not_complete_is_waited_for() {
    let requests = moves_all_the_same(Verb::Change, 1, Fault::PriorRequestNotComplete);
    assert_eq!(changes(&requests).len(), 2);
}

#[test]
fn a_change_that_broke_before_it_took_effect_is_made_once() {
    let requests = moves_all_the_same(Verb::Change, 1, Fault::Breaks(Effect::Lost));
    assert_eq!(changes(&requests).len(), 2);
}

#[test]
fn a_change_that_took_effect_and_broke_is_found_by_reading() {
    let requests = moves_all_the_same(Verb::Change, 1, Fault::Breaks(Effect::Taken));
    let back = changes(&requests)[1..].iter().any(|request| request.body.contains(LIVE));
    assert!(!back, "nothing was deleted that had not been read: {requests:#?}");
}

#[test]
fn a_connection_cut_before_the_change_took_effect_is_mended() {
    moves_all_the_same(Verb::Change, 1, Fault::Cut(Effect::Lost));
}

#[test]
fn a_connection_cut_after_the_change_took_effect_is_found_by_reading() {
    moves_all_the_same(Verb::Change, 1, Fault::Cut(Effect::Taken));
}

#[test]
fn a_change_is_not_sent_again_by_what_was_read_before_it_however_late_that_reading_was() {
    for fault in [Fault::Throttling, Fault::Breaks(Effect::Taken), Fault::Cut(Effect::Lost)] {
        let server = Route53::start();
        let site = Site::at(&server.endpoint());
        server.forget();
        // What was seen while planning is old by the time of the change, so the change reads for itself.
        server.slow(Verb::Identity, Duration::from_millis(2_300));
        server.fault(Verb::Change, 1, fault);
        site.run(&DETOUR).exits(0);
        sent_well(&server);
        site.is_in_maintenance();
    }
}

#[test]
fn a_question_that_fails_is_asked_again() {
    for fault in [Fault::Throttling, Fault::Breaks(Effect::Lost), Fault::Cut(Effect::Lost)] {
        moves_all_the_same(Verb::List, 1, fault);
    }
    for fault in [Fault::Throttling, Fault::Breaks(Effect::Lost), Fault::Cut(Effect::Lost)] {
        moves_all_the_same(Verb::GetChange, 1, fault);
    }
}

#[test]
fn who_asks_is_not_worth_failing_for() {
    moves_all_the_same(Verb::Identity, 1, Fault::AccessDenied);
}

#[track_caller]
fn is_refused_and_nothing_is_half_done(verb: Verb, fault: Fault, words: &str) {
    let (server, site, ran) = meeting(verb, 1, fault);
    let error = ran.exits(4).error();
    let said = error.to_string();
    assert!(said.contains(words), "{said}");
    assert!(error["hint"].is_string(), "{error:#}");
    site.is_open();
    assert_eq!(site.run(&["status", "--json"]).exits(0).json()["mode"], "open");
    goes_on(&server, &site);
}

#[test]
fn credentials_that_expired_are_named_and_nothing_is_half_done() {
    is_refused_and_nothing_is_half_done(Verb::List, Fault::ExpiredToken, "expired");
    is_refused_and_nothing_is_half_done(Verb::Change, Fault::ExpiredToken, "expired");
}

#[test]
fn a_missing_permission_is_named_and_nothing_is_half_done() {
    let permission = "route53:ChangeResourceRecordSets";
    is_refused_and_nothing_is_half_done(Verb::Change, Fault::AccessDenied, permission);
    let permission = "route53:ListResourceRecordSets";
    is_refused_and_nothing_is_half_done(Verb::List, Fault::AccessDenied, permission);
}

/// A detour during which somebody else sets the record between reading and writing.
fn while_somebody_sets(set: Option<RecordSet>) -> (Route53, Site, Ran) {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.forget();
    let zone = site.zone_id.clone();
    let meddle = move |cloud: &mut crate::support::route53::Cloud| match set {
        Some(set) => cloud.put(&zone, set),
        None => cloud.take(&zone, ("app.example.com.", "A", None)),
    };
    server.fault(Verb::Change, 1, Fault::meddle(meddle));
    let ran = site.run(&DETOUR);
    assert_eq!(server.unmet(), 0, "{ran:#?}");
    (server, site, ran)
}

#[test]
fn a_record_that_somebody_else_set_meanwhile_is_not_overwritten() {
    let (server, site, ran) = while_somebody_sets(Some(foreign()));
    let error = ran.exits(3).error();
    assert!(error["message"].as_str().unwrap().contains("other-99"), "{error:#}");
    assert_eq!(server.record(&site.zone_id, NAME, "A"), Some(foreign()));
    assert_eq!(site.told(), None, "what was told to Terraform is taken back");
    server.put(&site.zone_id, live());
    goes_on(&server, &site);
}

#[test]
fn a_record_that_somebody_else_took_away_meanwhile_is_not_made_anew() {
    let (server, site, ran) = while_somebody_sets(None);
    ran.exits(3).error();
    assert_eq!(server.record(&site.zone_id, NAME, "A"), None);
    assert_eq!(site.told(), None);
    goes_on(&server, &site);
}

#[test]
fn a_record_that_somebody_else_moved_to_the_same_place_is_there() {
    let (server, site, ran) = while_somebody_sets(Some(maintenance()));
    ran.exits(0);
    goes_on(&server, &site);
}

#[test]
fn a_change_that_is_never_in_sync_is_given_up_on_and_finished_by_the_next_run() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.pending_for(1_000);
    server.forget();
    let error = site.run(&["detour", "--yes", "--json", "--timeout", "2s"]).exits(5).error();
    assert!(error["hint"].as_str().unwrap().contains("same command"), "{error:#}");
    site.is_in_maintenance();
    let status = site.run(&["status", "--json"]).exits(0).json();
    assert_eq!(
        (status["phase"].as_str(), status["mode"].as_str()),
        (Some("moving"), Some("detour"))
    );
    server.pending_for(0);
    goes_on(&server, &site);
}

#[test]
fn the_confirmation_may_be_lost_to_expired_credentials_and_the_next_run_confirms() {
    let (server, site, ran) = meeting(Verb::GetChange, 1, Fault::ExpiredToken);
    assert!(matches!(ran.code, Some(4 | 5)), "{ran:#?}");
    assert_eq!(site.leads_to(), MAINTENANCE);
    assert_eq!(site.run(&["status", "--json"]).exits(0).json()["phase"], "moving");
    goes_on(&server, &site);
}

#[test]
fn route_53_that_throttles_for_ever_is_given_up_on_with_nothing_half_done() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    for nth in 1..=40 {
        server.fault(Verb::Change, nth, Fault::Throttling);
    }
    let ran = site.run(&DETOUR);
    assert!(matches!(ran.code, Some(1 | 5)), "{ran:#?}");
    ran.error();
    assert!(server.unmet() > 20, "it gives up after a few");
    site.is_open();
}
