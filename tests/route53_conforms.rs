//! The strict fake against ministack, where ministack is right: a fake that nobody checks proves nothing.

use crate::support::emulator::ministack;
use crate::support::http::call;
use crate::support::route53::Route53;
use crate::support::route53::record::RecordSet;
use crate::support::route53::xml::Element;
use crate::support::site::{LIVE, MAINTENANCE, Site, foreign, live, maintenance};

fn batch(changes: &[(&str, &RecordSet)]) -> String {
    let changes = changes.iter().map(|(action, set)| {
        format!("<Change><Action>{action}</Action>{}</Change>", set.written())
    });
    let changes = changes.collect::<Vec<_>>().concat();
    format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    )
}

fn send(site: &Site, changes: &[(&str, &RecordSet)]) -> (u16, Element) {
    let path = format!("/2013-04-01/hostedzone/{}/rrset/", site.zone_id);
    let (status, answer) = call(&site.endpoint, "POST", &path, &batch(changes));
    (status, Element::parse(&answer).unwrap())
}

#[track_caller]
fn refuses(site: &Site, changes: &[(&str, &RecordSet)], words: &str) {
    let (status, answer) = send(site, changes);
    assert_eq!(status, 400, "{answer:#?}");
    let messages: String =
        answer.all("Message").iter().map(|message| message.text.as_str()).collect();
    assert!(messages.contains(words), "{messages}");
    assert!(answer.all("Code").iter().any(|code| code.text == "InvalidChangeBatch"), "{answer:#?}");
}

fn asks_until_in_sync(site: &Site, change: &Element) -> Vec<String> {
    let id = change.at(&["ChangeInfo", "Id"]).unwrap().trim_start_matches("/change/").to_owned();
    let mut said = vec![change.at(&["ChangeInfo", "Status"]).unwrap().to_owned()];
    while said.last().is_some_and(|last| last == "PENDING") && said.len() < 20 {
        let (_, answer) = call(&site.endpoint, "GET", &format!("/2013-04-01/change/{id}"), "");
        let answer = Element::parse(&answer).unwrap();
        said.push(answer.at(&["ChangeInfo", "Status"]).unwrap().to_owned());
    }
    said
}

/// What both must do, in order, on one zone.
fn conforms(endpoint: &str) {
    let site = Site::at(endpoint);
    assert_eq!(site.leads_to(), LIVE);
    let to_maintenance = [("DELETE", &live()), ("CREATE", &maintenance())];
    let (status, change) = send(&site, &to_maintenance);
    assert_eq!(status, 200, "{change:#?}");
    let said = asks_until_in_sync(&site, &change);
    assert_eq!(said.first().map(String::as_str), Some("PENDING"), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("INSYNC"), "{said:?}");
    assert_eq!(site.leads_to(), MAINTENANCE);

    refuses(&site, &to_maintenance, "but the values provided do not match the current values");
    refuses(&site, &[("DELETE", &maintenance()), ("DELETE", &maintenance())], "not found");
    refuses(&site, &[("CREATE", &live())], "but it already exists");
    let other = RecordSet::alias("other.example.com", "Z215JYRZR1TBD5", LIVE);
    refuses(&site, &[("DELETE", &other)], "but it was not found");
    // All or none: the first change of a refused batch has no effect.
    refuses(&site, &[("CREATE", &other), ("DELETE", &foreign())], "do not match");
    refuses(&site, &[("DELETE", &other)], "but it was not found");
    assert_eq!(site.leads_to(), MAINTENANCE);

    let (status, answer) = call(endpoint, "GET", "/2013-04-01/change/CNEVER", "");
    assert_eq!(status, 404);
    assert!(answer.contains("NoSuchChange"), "{answer}");
    let (status, answer) = call(endpoint, "GET", "/2013-04-01/hostedzone/ZNEVER/rrset", "");
    assert_eq!(status, 404);
    assert!(answer.contains("NoSuchHostedZone"), "{answer}");
}

#[test]
fn the_strict_fake_does_what_route_53_does() {
    conforms(&Route53::start().endpoint());
}

#[test]
fn ministack_does_what_the_strict_fake_does() {
    conforms(&ministack());
}

#[test]
fn the_strict_fake_refuses_what_no_emulator_refuses() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let outside = RecordSet::alias("app.example.org", "Z1", LIVE);
    refuses(&site, &[("CREATE", &outside)], "is not permitted in zone example.com.");
    let plain = |name: &str| RecordSet {
        kind: "CNAME".to_owned(),
        answer: crate::support::route53::record::Answer::Plain {
            ttl: 60,
            values: vec!["x.example.org".to_owned()],
        },
        ..RecordSet::alias(name, "Z1", LIVE)
    };
    refuses(&site, &[("CREATE", &plain("app.example.com"))], "conflicting RRSet");
    refuses(&site, &[("CREATE", &plain("example.com"))], "not permitted at apex");
    let healthy = maintenance().written().replace(">false<", ">true<");
    let with_ttl = maintenance().written().replace("<AliasTarget>", "<TTL>60</TTL><AliasTarget>");
    for (set, words) in [(healthy, "EvaluateTargetHealth"), (with_ttl, "found more than one")] {
        let body = batch(&[("UPSERT", &live())]).replace(&live().written(), &set);
        let path = format!("/2013-04-01/hostedzone/{}/rrset/", site.zone_id);
        let (status, answer) = call(&site.endpoint, "POST", &path, &body);
        assert_eq!((status, answer.contains(words)), (400, true), "{answer}");
    }
    assert_eq!(site.leads_to(), LIVE);
}

#[test]
fn the_strict_fake_lists_from_the_root_on_and_in_pages() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    for name in ["a.z.example.com", "z.a.example.com", "*.example.com", "B.example.com"] {
        site.upsert(&RecordSet::alias(name, "Z1", LIVE));
    }
    let mut found = Vec::new();
    let mut query = "maxitems=2".to_owned();
    loop {
        let path = format!("/2013-04-01/hostedzone/{}/rrset?{query}", site.zone_id);
        let (_, answer) = call(&site.endpoint, "GET", &path, "");
        let answer = Element::parse(&answer).unwrap();
        let sets = answer.all("ResourceRecordSet");
        found.extend(sets.iter().map(|set| set.at(&["Name"]).unwrap().to_owned()));
        match answer.at(&["NextRecordName"]) {
            Some(next) => query = format!("maxitems=2&type=A&name={next}"),
            None => break,
        }
    }
    let expected = [
        "\\052.example.com.",
        "z.a.example.com.",
        "app.example.com.",
        "b.example.com.",
        "a.z.example.com.",
    ];
    assert_eq!(found, expected);
}
