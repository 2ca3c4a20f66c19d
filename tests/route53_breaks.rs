//! The faults of the strict fake, met by a plain request: a fault that does not come proves nothing.

use std::panic;

use crate::support::http::call;
use crate::support::route53::{Effect, Fault, Route53, Verb};
use crate::support::site::{LIVE, MAINTENANCE, NAME, Site, foreign, live, maintenance};

fn list(site: &Site) -> (u16, String) {
    let path = format!("/2013-04-01/hostedzone/{}/rrset", site.zone_id);
    call(&site.endpoint, "GET", &path, "")
}

#[test]
fn a_fault_is_met_by_the_request_it_is_set_for_and_by_no_other() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.forget();
    for (fault, status, code) in [
        (Fault::Throttling, 400, "<Code>Throttling</Code>"),
        (Fault::PriorRequestNotComplete, 400, "PriorRequestNotComplete"),
        (Fault::ExpiredToken, 403, "ExpiredToken"),
        (Fault::AccessDenied, 403, "AccessDenied"),
    ] {
        server.fault(Verb::List, 2, fault);
        assert_eq!(list(&site).0, 200);
        let (got, answer) = list(&site);
        assert_eq!((got, answer.contains(code)), (status, true), "{answer}");
        assert_eq!(list(&site).0, 200);
    }
    assert_eq!(server.unmet(), 0);
    let requests = server.requests();
    assert_eq!(requests.len(), 12);
    assert!(requests.is_sorted_by_key(|request| request.at));
}

#[test]
fn an_answer_that_is_lost_may_stand_for_a_change_that_was_made() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    for (effect, leads_to) in [(Effect::Lost, LIVE), (Effect::Taken, MAINTENANCE)] {
        server.put(&site.zone_id, live());
        server.fault(Verb::Change, 1, Fault::Cut(effect));
        let cut = panic::catch_unwind(panic::AssertUnwindSafe(|| site.upsert(&maintenance())));
        assert!(cut.is_err(), "the connection is cut");
        assert_eq!(site.leads_to(), leads_to);
        server.put(&site.zone_id, live());
        server.fault(Verb::Change, 1, Fault::Breaks(effect));
        let broken = panic::catch_unwind(panic::AssertUnwindSafe(|| site.upsert(&maintenance())));
        assert!(broken.is_err(), "the answer is a 500");
        assert_eq!(site.leads_to(), leads_to);
    }
    assert_eq!(server.batches().last().unwrap().actions(), ["UPSERT"]);
}

#[test]
fn somebody_else_can_be_quicker_and_a_change_can_be_pending_for_long() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let zone = site.zone_id.clone();
    server.fault(Verb::List, 1, Fault::meddle(move |cloud| cloud.put(&zone, foreign())));
    assert!(list(&site).1.contains("other-99"));
    assert_eq!(server.record(&site.zone_id, NAME, "A"), Some(foreign()));
    server.pending_for(3);
    site.upsert(&live());
    let asked = || call(&site.endpoint, "GET", "/2013-04-01/change/C0000000000002", "").1;
    let pending = (0..5).filter(|_| asked().contains("PENDING")).count();
    assert_eq!(pending, 3);
    server.remove(&site.zone_id, ("app.example.com.", "A", None));
    assert_eq!(site.leads_to(), "nowhere");
}
