//! The traps of RFC 2136, one by one, and any sequence of updates.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::DNSClass;
use proptest::prelude::*;

use super::super::rig::{SERIAL, after, question, values, zone};
use super::super::{Zone, answer, is_later};

const LINES: &str = "@ A 192.0.2.9\nshop A 192.0.2.1\nshop A 192.0.2.2\nwww CNAME LB.example.net.";

/// What must have changed something.
fn changed(zone: &Zone, lines: &str) -> Zone {
    after(zone, lines).unwrap().expect("it changes the zone")
}

#[test]
fn a_swap_needs_exactly_what_is_there() {
    let zone = zone(LINES);
    let to = "delete shop A\nadd shop 5 A 198.51.100.1";
    for stale in [
        "yes shop A 192.0.2.1",
        "yes shop A 192.0.2.1\nyes shop A 192.0.2.3",
        "yes shop A 192.0.2.1\nyes shop A 192.0.2.2\nyes shop A 192.0.2.3",
        "yes shop AAAA 2001:db8::1",
        "yes gone A 192.0.2.1",
    ] {
        let refused = after(&zone, &format!("{stale}\n{to}")).unwrap_err();
        assert_eq!(refused, ResponseCode::NXRRSet, "{stale}");
    }
    let swapped = changed(&zone, &format!("yes SHOP A 192.0.2.2\nyes shop A 192.0.2.1\n{to}"));
    assert_eq!(values(&swapped, "shop", "A"), ["5 198.51.100.1"]);
    assert_eq!(swapped.soa().serial, SERIAL + 1);
    // Names in the data have no case either.
    let flat = "delete www CNAME\nadd www 5 A 198.51.100.1";
    let swapped = changed(&zone, &format!("yes www CNAME lb.EXAMPLE.net.\n{flat}"));
    assert_eq!(values(&swapped, "www", "A"), ["5 198.51.100.1"]);
}

#[test]
fn the_whole_zone_can_be_swapped_by_its_soa() {
    let zone = zone(LINES);
    let soa = |serial| {
        format!(
            "yes @ SOA ns.example.test. hostmaster.example.test. {serial} 3600 600 604800 5\nadd new 5 A 192.0.2.7"
        )
    };
    assert_eq!(after(&zone, &soa(SERIAL + 1)).unwrap_err(), ResponseCode::NXRRSet);
    changed(&zone, &soa(SERIAL));
}

#[test]
fn each_prerequisite_has_its_own_refusal() {
    let zone = zone(LINES);
    let change = "\nadd new 5 A 192.0.2.7";
    for (wanted, code) in [
        ("yes gone", ResponseCode::NXDomain),
        ("yes shop AAAA", ResponseCode::NXRRSet),
        ("no shop", ResponseCode::YXDomain),
        ("no shop A", ResponseCode::YXRRSet),
        ("yes example.com. A", ResponseCode::NotZone),
    ] {
        assert_eq!(after(&zone, &format!("{wanted}{change}")).unwrap_err(), code, "{wanted}");
    }
    for met in ["yes shop", "yes shop A", "no gone", "no shop AAAA"] {
        changed(&zone, &format!("{met}{change}"));
    }
}

#[test]
fn an_address_beside_a_cname_and_a_cname_beside_an_address_are_left_out() {
    let zone = zone(LINES);
    assert_eq!(after(&zone, "add www 5 A 192.0.2.1").unwrap(), None);
    assert_eq!(after(&zone, "add shop 5 CNAME lb.example.net.").unwrap(), None);
    let other = changed(&zone, "add www 5 CNAME other.example.net.");
    assert_eq!(values(&other, "www", "CNAME"), ["5 other.example.net."]);
}

#[test]
fn order_counts_within_an_update() {
    let zone = zone(LINES);
    let right = changed(&zone, "delete www CNAME\nadd www 5 A 192.0.2.1");
    assert_eq!(values(&right, "www", "A"), ["5 192.0.2.1"]);
    // As BIND and Knot have it: the address is left out, then the name goes.
    let wrong = changed(&zone, "add www 5 A 192.0.2.1\ndelete www CNAME");
    assert!(values(&wrong, "www", "A").is_empty() && values(&wrong, "www", "CNAME").is_empty());
    let apex = changed(&zone, "delete @ A\nadd @ 5 CNAME lb.example.net.");
    assert!(values(&apex, "@", "A").is_empty() && values(&apex, "@", "CNAME").is_empty());
}

#[test]
fn a_ttl_is_that_of_all_records_of_a_name_and_type() {
    let zone = zone(LINES);
    let again = changed(&zone, "add shop 5 A 192.0.2.1");
    assert_eq!(values(&again, "shop", "A"), ["5 192.0.2.1", "5 192.0.2.2"]);
    let more = changed(&zone, "add shop 7 A 192.0.2.3");
    assert_eq!(values(&more, "shop", "A"), ["7 192.0.2.1", "7 192.0.2.2", "7 192.0.2.3"]);
    let anew = changed(&zone, "delete shop A\nadd shop 9 A 192.0.2.1");
    assert_eq!(values(&anew, "shop", "A"), ["9 192.0.2.1"]);
}

#[test]
fn the_zone_keeps_its_soa_and_its_last_ns() {
    let zone = zone(LINES);
    let bare = changed(&zone, "delete @");
    assert!(values(&bare, "@", "A").is_empty());
    assert_eq!(values(&bare, "@", "NS").len(), 1);
    for nothing in [
        "delete @ NS",
        "delete @ SOA",
        "delete @ NS ns.example.test.",
        "delete @ SOA ns.example.test. hostmaster.example.test. 7 3600 600 604800 5",
    ] {
        assert_eq!(after(&zone, nothing).unwrap(), None, "{nothing}");
    }
    let other = changed(&zone, "add @ 60 NS ns2.example.test.\ndelete @ NS ns.example.test.");
    assert_eq!(values(&other, "@", "NS"), ["60 ns2.example.test."]);
}

#[test]
fn all_of_an_update_happens_or_nothing() {
    let zone = zone(LINES);
    let outside = "delete shop A\nadd www.example.com. 5 A 192.0.2.1";
    assert_eq!(after(&zone, outside).unwrap_err(), ResponseCode::NotZone);
    let mut odd = super::super::rig::request("delete shop A\nadd shop 5 A 192.0.2.7");
    odd.authorities[1].dns_class = DNSClass::CH;
    assert_eq!(super::update(&zone, &odd).unwrap_err(), ResponseCode::FormErr);
}

#[test]
fn a_soa_counts_only_if_it_is_later() {
    let zone = zone(LINES);
    let soa = |serial: u32| {
        format!("add @ 60 SOA ns.example.test. me.example.test. {serial} 3600 600 604800 9")
    };
    assert_eq!(after(&zone, &soa(SERIAL)).unwrap(), None);
    assert_eq!(after(&zone, &soa(SERIAL - 1)).unwrap(), None);
    let later = changed(&zone, &format!("{}\nadd shop 60 A 192.0.2.3", soa(100)));
    assert_eq!((later.soa().serial, later.soa().minimum), (100, 9));
    let round = changed(&zone, &soa(SERIAL + (1 << 31) - 1));
    assert!(is_later(round.soa().serial, SERIAL));
}

#[test]
fn an_update_of_another_zone_is_not_ours() {
    let zone = zone(LINES);
    let mut request = super::super::rig::request("add shop 5 A 192.0.2.7");
    request.queries[0].set_name(super::super::rig::name("shop.example.test"));
    assert_eq!(super::update(&zone, &request).unwrap_err(), ResponseCode::NotAuth);
    request.queries.clear();
    assert_eq!(super::update(&zone, &request).unwrap_err(), ResponseCode::FormErr);
}

fn line() -> impl Strategy<Value = String> {
    let owners = prop::sample::select(vec!["@", "shop", "www", "new", "a.new", "SHOP"]);
    let datas = prop::sample::select(vec![
        "A 192.0.2.1",
        "A 192.0.2.2",
        "AAAA 2001:db8::1",
        "CNAME lb.example.net.",
        "NS ns.example.test.",
        "NS ns2.example.test.",
        "TXT \"x\"",
        "SOA ns.example.test. me.example.test. 4000000000 1 1 1 1",
    ]);
    let verbs =
        prop::sample::select(vec!["add", "delete", "delete set", "delete all", "yes", "no"]);
    (verbs, owners, datas, 0_u32..9).prop_map(|(verb, owner, data, ttl)| {
        let kind = data.split(' ').next().unwrap();
        match verb {
            "add" => format!("add {owner} {ttl} {data}"),
            "delete" => format!("delete {owner} {data}"),
            "delete set" => format!("delete {owner} {kind}"),
            "delete all" => format!("delete {owner}"),
            "yes" => format!("yes {owner} {data}"),
            _ => format!("no {owner} {kind}"),
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_asked_for_the_zone_stays_a_zone_and_its_serial_goes_on(
        updates in prop::collection::vec(prop::collection::vec(line(), 1..5), 1..12)
    ) {
        let mut now = zone(LINES);
        for lines in updates {
            let Ok(Some(next)) = after(&now, &lines.join("\n")) else { continue };
            prop_assert!(is_later(next.soa().serial, now.soa().serial));
            prop_assert!(!values(&next, "@", "NS").is_empty());
            // What a zone must have is asked when one is made; a file of it reads back the same.
            prop_assert_eq!(super::super::from_json(&super::super::to_json(&next)).unwrap(), next.clone());
            prop_assert!(answer(&next, &question("shop", "A")).to_vec().is_ok());
            now = next;
        }
    }
}
