//! An Alertmanager whose alerts are silent while a site is not open: a small one that takes what API v2 takes and refuses what it
//! refuses.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use roadworks::clock;
use roadworks::config::{Destination, Matcher, Occasion, Secret};
use roadworks::notify::{Event, renewed};
use roadworks::switch::Mode;
use serde_json::{Value, json};

use crate::notify::notices;
use crate::support::app::App;
use crate::support::listener::{Does, Heard, Listener};
use crate::support::serving::{Serving, Stand, config, until};

/// What it has: id and document.
type Silences = Arc<Mutex<Vec<Value>>>;

/// A small Alertmanager.
fn alertmanager() -> (Listener, Silences) {
    losing(0)
}

/// The same, whose first so many answers are lost after it did what was asked for.
fn losing(answers: u32) -> (Listener, Silences) {
    let (silences, lost) = (Silences::default(), AtomicU32::new(0));
    let own = Arc::clone(&silences);
    let answers = move |heard: &Heard| {
        let answer = answer(heard, &mut own.lock().unwrap());
        let changes = heard.method != "GET";
        if changes && lost.fetch_add(1, SeqCst) < answers { Does::Cuts } else { answer }
    };
    (Listener::answering(answers), silences)
}

fn answer(heard: &Heard, silences: &mut Vec<Value>) -> Does {
    let ok = |body: &Value| Does::Answers(200, body.to_string());
    let ended = heard.path.strip_prefix("/am/api/v2/silence/");
    match (heard.method.as_str(), heard.path.as_str(), ended) {
        ("GET", "/am/api/v2/silences", _) => ok(&json!(*silences)),
        ("POST", "/am/api/v2/silences", _) => match posted(&heard.json(), silences) {
            Ok(id) => ok(&json!({ "silenceID": id })),
            Err((status, why)) => Does::Answers(status, format!("\"{why}\"")),
        },
        ("DELETE", _, Some(id)) => {
            let there = silences.iter_mut().find(|silence| silence["id"] == id);
            let Some(silence) = there else { return Does::Answers(404, String::new()) };
            silence["status"]["state"] = "expired".into();
            Does::Answers(200, String::new())
        }
        _ => Does::Answers(404, "no such path".to_owned()),
    }
}

/// Its rules: matchers that are whole, a time that is not over, who and why; an id that is there, if there is one.
fn posted(silence: &Value, silences: &mut Vec<Value>) -> Result<String, (u16, &'static str)> {
    let text = |field: &str| silence[field].as_str().filter(|text| !text.is_empty());
    let time = |field: &str| text(field).and_then(|text| text.parse::<Timestamp>().ok());
    let matchers = silence["matchers"].as_array().filter(|all| !all.is_empty());
    let whole = |one: &Value| {
        one["name"].is_string() && one["value"].is_string() && one["isRegex"].is_boolean()
    };
    if !matchers.is_some_and(|all| all.iter().all(whole)) {
        return Err((422, "matchers in body is required"));
    }
    let (Some(starts), Some(ends)) = (time("startsAt"), time("endsAt")) else {
        return Err((422, "startsAt and endsAt in body are required"));
    };
    if text("createdBy").is_none() || text("comment").is_none() {
        return Err((422, "createdBy and comment in body are required"));
    }
    if ends <= starts {
        return Err((400, "start time must not be after end time"));
    }
    if ends < clock::now() {
        return Err((400, "end time can't be in the past"));
    }
    let mut silence = silence.clone();
    silence["status"] = json!({ "state": "active" });
    if let Some(id) = silence["id"].as_str().map(str::to_owned) {
        let there = silences.iter_mut().find(|other| other["id"] == *id);
        let there = there.ok_or((404, "silence not found"))?;
        *there = silence;
        return Ok(id);
    }
    let id = format!("s{}", silences.len() + 1);
    silence["id"] = id.clone().into();
    silences.push(silence);
    Ok(id)
}

fn hcl(app: &App, listener: &Listener) -> String {
    let block = format!(
        "}}\n  notify \"alertmanager\" {{\n    url = \"{}/am/\"\n    matchers = [\"service=shop\", \"job=~\\\"a|b\\\"\"]\n  }}\n  settle {{",
        listener.url()
    );
    config(&app.url(), &block)
}

type Served = (Silences, Stand, (App, Serving, Listener));

/// A site that is served, and whose alerts these are.
fn served((listener, silences): (Listener, Silences)) -> Served {
    let app = App::start();
    let stand = Stand::new(&hcl(&app, &listener));
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    (silences, stand, (app, serving, listener))
}

fn active(silences: &Silences) -> Vec<Value> {
    let all = silences.lock().unwrap();
    all.iter().filter(|one| one["status"]["state"] == "active").cloned().collect()
}

fn ends(silence: &Value) -> Timestamp {
    silence["endsAt"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_silence_is_made_moved_with_the_end_and_lifted_and_there_is_only_one() {
    let (silences, stand, _runs) = served(alertmanager());
    let own = json!([
        { "name": "service", "value": "shop", "isRegex": false, "isEqual": true },
        { "name": "job", "value": "a|b", "isRegex": true, "isEqual": true },
    ]);
    let other = |id: &str, by: &str, comment: &str, matchers: &Value| {
        let (starts, ends) = (clock::now(), clock::now() + SignedDuration::from_hours(9));
        json!({
            "id": id, "status": { "state": "active" }, "createdBy": by, "comment": comment,
            "startsAt": starts, "endsAt": ends, "matchers": matchers,
        })
    };
    let others = [
        other("by-hand", "ana", "[roadworks shop] not", &own),
        other("another-site", "roadworks", "[roadworks shop2] closed", &own),
        other("other-alerts", "roadworks", "[roadworks shop] closed", &json!([own[0]])),
    ];
    silences.lock().unwrap().extend(others.clone());
    let began = clock::now();
    stand.run(&["hold", "--yes", "--reason", "new database"]).exits(0);
    let is_ours = |one: &Value| others.iter().all(|other| other["id"] != one["id"]);
    let ours = || active(&silences).into_iter().filter(is_ours).collect::<Vec<_>>();
    until(|| (ours().len() == 1).then_some(()));
    let made = ours()[0].clone();
    assert_eq!(
        (&made["createdBy"], &made["matchers"][1]),
        (
            &json!("roadworks"),
            &json!({ "name": "job", "value": "a|b", "isRegex": true, "isEqual": true })
        )
    );
    assert!(made["comment"].as_str().unwrap().starts_with("[roadworks shop] shop "), "{made:#}");
    let lasts = ends(&made).duration_since(began);
    assert!(
        (lasts - SignedDuration::from_hours(4)).abs() < SignedDuration::from_mins(1),
        "{lasts:?}"
    );

    stand.run(&["close", "--yes", "--for", "30m"]).exits(0);
    let at = stand.status()["until"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let beyond = SignedDuration::from_mins(10);
    until(|| (ours().len() == 1 && ends(&ours()[0]) == at + beyond).then_some(()));
    assert_eq!(ours()[0]["id"], made["id"]);
    stand.run(&["extend", "15m"]).exits(0);
    until(|| (ends(&ours()[0]) == at + beyond + SignedDuration::from_mins(15)).then_some(()));

    stand.run(&["open", "--yes"]).exits(0);
    until(|| ours().is_empty().then_some(()));
    assert_eq!(active(&silences), others, "what somebody else made is left alone");
}

#[test]
fn an_answer_that_is_lost_makes_no_second_silence() {
    let (silences, stand, (_app, _serving, listener)) = served(losing(2));
    stand.run(&["close", "--yes"]).exits(0);
    let posts = || listener.heard().iter().filter(|heard| heard.method == "POST").count();
    until(|| (posts() >= 3 && notices(&stand) == 0).then_some(()));
    assert_eq!((active(&silences).len(), silences.lock().unwrap().len()), (1, 1));
}

#[test]
fn a_test_makes_a_silence_of_nothing_and_lifts_it_and_says_what_is_refused() {
    let (app, (listener, silences)) = (App::start(), alertmanager());
    let stand = Stand::new(&hcl(&app, &listener));
    stand.run(&["notify", "test"]).exits(0);
    assert!(active(&silences).is_empty());
    let tried = silences.lock().unwrap()[0].clone();
    assert_eq!(tried["matchers"][0]["value"], "RoadworksNotifyTest");
    listener.then([Does::Answers(422, "\"matchers in body is required\"".to_owned())]);
    let said = stand.run(&["notify", "test"]).exits(1).stdout;
    assert!(said.contains("answers 422: \"matchers in body is required\""), "{said}");
    listener.then([Does::Answers(200, "<html>".to_owned())]);
    let said = stand.run(&["notify", "test"]).exits(1).stdout;
    assert!(said.contains("does not answer as an Alertmanager"), "{said}");
}

#[tokio::test]
async fn a_silence_without_an_end_is_renewed_in_its_last_hour_and_made_again_where_it_is_gone() {
    let (listener, silences) = alertmanager();
    let to = Destination { origin: listener.url(), path: Secret::new("/am") };
    let matchers = [Matcher {
        name: "service".to_owned(),
        value: "shop".to_owned(),
        is_regex: false,
        is_equal: true,
    }];
    let began = clock::now();
    let event = Event {
        id: "1".to_owned(),
        occasion: Occasion::ModeChanged,
        at: began,
        site: "shop".to_owned(),
        operation: "1".to_owned(),
        from: Mode::Open,
        mode: Mode::Closed,
        by: "ana".to_owned(),
        reason: None,
        starts: None,
        until: None,
        detail: None,
    };
    let at = |hours| began + SignedDuration::from_hours(hours);
    renewed(&to, &matchers, &event, began).await.unwrap();
    assert_eq!(active(&silences).iter().map(ends).collect::<Vec<_>>(), [at(4)]);
    renewed(&to, &matchers, &event, at(2)).await.unwrap();
    assert_eq!(ends(&active(&silences)[0]), at(4), "there is time left");
    renewed(&to, &matchers, &event, at(3)).await.unwrap();
    assert_eq!(active(&silences).iter().map(ends).collect::<Vec<_>>(), [at(7)]);
    silences.lock().unwrap()[0]["status"]["state"] = "expired".into();
    renewed(&to, &matchers, &event, at(5)).await.unwrap();
    assert_eq!(active(&silences).iter().map(ends).collect::<Vec<_>>(), [at(9)]);
}
