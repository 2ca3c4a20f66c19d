//! Alerts that are silent while a site is not open: a silence made, moved and lifted by Alertmanager's API v2.
//!
//! Nothing is remembered here: ours is found by who made it, and for which site. So an answer that was lost, and a crash, leave no
//! second one.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Error, Event, post};
use crate::config::{Destination, Matcher, Occasion};
use crate::switch::Mode;

/// Who made it.
const AUTHOR: &str = "roadworks";
/// How long it lasts where no end is known; it is renewed while it has less than this left.
const USUAL: Duration = Duration::from_hours(4);
const RENEWED_AT: Duration = Duration::from_hours(1);
/// How long it lasts beyond an end: opening takes its time, too.
const BEYOND: Duration = Duration::from_mins(10);
const SILENCES: &str = "/api/v2/silences";

/// A silence, as Alertmanager lists it.
#[derive(Debug, Clone, Deserialize)]
struct Silence {
    id: String,
    status: Status,
    matchers: Vec<Matcher>,
    #[serde(rename = "startsAt")]
    starts_at: Timestamp,
    #[serde(rename = "endsAt")]
    ends_at: Timestamp,
    #[serde(rename = "createdBy")]
    created_by: String,
    comment: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Status {
    state: String,
}

/// What Alertmanager answers where it made one.
#[derive(Debug, Deserialize)]
struct Made {
    #[serde(rename = "silenceID")]
    id: String,
}

/// What an event does to the silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Keep,
    Lift,
    Leave,
}

fn act(event: &Event) -> Act {
    match event.occasion {
        Occasion::WindowStarted | Occasion::WindowExtended | Occasion::ModeChanged => Act::Keep,
        Occasion::WindowEnded => Act::Lift,
        // Nothing has changed: what was begun for it is taken back, too.
        Occasion::ModeFailed if event.from == Mode::Open => Act::Lift,
        // Whoever is reminded that a site is overdue hears its alerts again, too.
        Occasion::WindowOverdue
        | Occasion::WindowAnnounced
        | Occasion::WindowReminder
        | Occasion::WindowCancelled
        | Occasion::GateFailed
        | Occasion::GateRecovered
        | Occasion::ModeFailed
        | Occasion::ModeUnfinished
        | Occasion::OverrideUsed
        | Occasion::LeverDrifted
        | Occasion::LeverRestored
        | Occasion::LeverPutBack
        | Occasion::GatewayForgotten
        | Occasion::PipelinePassed
        | Occasion::PipelineReleased
        | Occasion::Test => Act::Leave,
    }
}

/// Does what `event` asks for.
pub(super) async fn tell(
    to: &Destination,
    matchers: &[Matcher],
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    if event.occasion == Occasion::Test {
        return tried(to, event, now).await;
    }
    match act(event) {
        Act::Keep => kept(to, matchers, event, now).await,
        Act::Lift => {
            for silence in ours(to, matchers, &event.site).await? {
                lift(to, &silence.id).await?;
            }
            Ok(())
        }
        Act::Leave => Ok(()),
    }
}

/// Until when a silence is to last.
fn lasts(until: Option<Timestamp>, now: Timestamp) -> Timestamp {
    match until {
        // Overdue already: it ends, and is made for no time at all.
        Some(until) => until.saturating_add(BEYOND).unwrap_or(until),
        None => now.saturating_add(USUAL).unwrap_or(now),
    }
}

/// Makes a silence without an end last longer before it ends by itself. `event` is what it was made for.
pub async fn renewed(
    to: &Destination,
    matchers: &[Matcher],
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    let soon = now.saturating_add(RENEWED_AT).unwrap_or(now);
    let last = ours(to, matchers, &event.site).await?.into_iter().map(|one| one.ends_at).max();
    if last.is_some_and(|last| last > soon) {
        return Ok(());
    }
    kept(to, matchers, event, now).await
}

/// One silence of ours that lasts as long as it should: the one that is there, or a new one.
async fn kept(
    to: &Destination,
    matchers: &[Matcher],
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    let ends_at = lasts(event.until, now);
    let mut there = ours(to, matchers, &event.site).await?.into_iter();
    let first = there.next();
    // Of two that were made at once one is enough.
    for other in there {
        lift(to, &other.id).await?;
    }
    if ends_at <= now {
        return Ok(());
    }
    let starts_at = first.as_ref().map_or(now, |silence| silence.starts_at);
    let comment = format!("{} {}", mark(&event.site), event.sentence());
    let mut silence = json!({
        "matchers": matchers,
        "startsAt": starts_at,
        "endsAt": ends_at,
        "createdBy": AUTHOR,
        "comment": comment,
    });
    if let (Some(first), Some(fields)) = (first, silence.as_object_mut()) {
        fields.insert("id".to_owned(), first.id.into());
    }
    made(to, &silence).await.map(drop)
}

/// A silence of nothing, made and lifted.
async fn tried(to: &Destination, event: &Event, now: Timestamp) -> Result<(), Error> {
    let matcher = Matcher {
        name: "alertname".to_owned(),
        value: "RoadworksNotifyTest".to_owned(),
        is_regex: false,
        is_equal: true,
    };
    let id = made(
        to,
        &json!({
            "matchers": [matcher],
            "startsAt": now,
            "endsAt": now.saturating_add(Duration::from_mins(1)).unwrap_or(now),
            "createdBy": AUTHOR,
            "comment": event.sentence(),
        }),
    )
    .await?;
    lift(to, &id).await
}

/// The beginning of the comment of each silence of `site`.
fn mark(site: &str) -> String {
    format!("[roadworks {site}]")
}

/// The silences of `site` that are there, or are to be, with exactly these matchers.
async fn ours(to: &Destination, matchers: &[Matcher], site: &str) -> Result<Vec<Silence>, Error> {
    let answer = post::sent(to, Method::GET, (SILENCES, Vec::new()), Bytes::new()).await?;
    let all: Vec<Silence> = serde_json::from_slice(&answer.body)
        .map_err(|error| if error.is_eof() { too_many(to) } else { strange(to, &error) })?;
    let of = |matchers: &[Matcher]| -> BTreeSet<_> {
        let fields =
            |one: &Matcher| (one.name.clone(), one.value.clone(), one.is_regex, one.is_equal);
        matchers.iter().map(fields).collect()
    };
    let wanted = of(matchers);
    let is_ours = |silence: &Silence| {
        silence.status.state != "expired"
            && silence.created_by == AUTHOR
            && silence.comment.starts_with(&mark(site))
            && of(&silence.matchers) == wanted
    };
    Ok(all.into_iter().filter(is_ours).collect())
}

async fn made(to: &Destination, silence: &serde_json::Value) -> Result<String, Error> {
    let body = silence.to_string().into();
    let answer = post::sent(to, Method::POST, (SILENCES, Vec::new()), body).await?;
    let Made { id } = serde_json::from_slice(&answer.body).map_err(|error| strange(to, &error))?;
    Ok(id)
}

async fn lift(to: &Destination, id: &str) -> Result<(), Error> {
    let path = format!("/api/v2/silence/{id}");
    match post::sent(to, Method::DELETE, (&path, Vec::new()), Bytes::new()).await {
        // It has ended by itself meanwhile.
        Ok(_) | Err(Error::Answered { status: 404, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// An answer is read up to its first MiB.
fn too_many(to: &Destination) -> Error {
    Error::Strange {
        origin: to.origin.clone(),
        why: "its list of silences breaks off, or is longer than 1 MiB".to_owned(),
    }
}

fn strange(to: &Destination, error: &serde_json::Error) -> Error {
    Error::Strange { origin: to.origin.clone(), why: error.to_string() }
}
