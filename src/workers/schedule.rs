//! A schedule of `EventBridge` Scheduler, disabled and enabled again.
//!
//! `UpdateSchedule` sets what it is not told to nothing (API reference), so all that was read is sent again. Scheduler has no
//! conditional write: what is there is read before and after, and that somebody else wrote too is told. By a mark in its
//! description it is known who disabled it: a schedule that somebody else disabled stays so.

use serde_json::{Map, Value, json};

use super::told::{unheard, unmade};
use super::way::{Doing, Effect, Failed, Jobs, Seen, Stand, Way};
use crate::aws::{RestCall, RestService, Retry, Session};

/// What a description ends with while it is we who disabled it.
const MARK: &str = "(disabled by roadworks)";
/// The longest description (API reference).
const LONGEST: usize = 512;
/// What an answer has that a request does not take.
const NOT_SENT: [&str; 4] = ["Arn", "CreationDate", "LastModificationDate", "Name"];
const ENABLED: &str = "ENABLED";
const DISABLED: &str = "DISABLED";

/// A schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) session: Session,
    pub(super) name: String,
    pub(super) group: String,
}

impl Schedule {
    fn told(&self) -> String {
        format!("the schedule {}", self.name)
    }

    async fn document(&self) -> Result<Map<String, Value>, String> {
        let path = format!("/schedules/{}?groupName={}", self.name, self.group);
        let call = RestCall { operation: "GetSchedule", method: "GET", path: &path, body: None };
        let answer = self.session.rest(RestService::Scheduler, call, Retry::Standard).await;
        match answer.map_err(|error| unheard(&self.told(), &error))? {
            Value::Object(document) => Ok(sent(document)),
            _ => Err(format!("{} is no document", self.told())),
        }
    }

    async fn seen(&self) -> Seen {
        match self.document().await {
            Err(why) => Seen::unheard(why),
            // What a schedule starts runs elsewhere.
            Ok(document) => Seen::of(stand(&document), Jobs::Uncounted),
        }
    }

    async fn known(&self) -> Result<Map<String, Value>, Failed> {
        self.document().await.map_err(|message| Failed {
            message,
            hint: "nothing was changed; try again".to_owned(),
            effect: Effect::Nothing,
        })
    }

    async fn put(&self, wanted: Map<String, Value>) -> Result<(), Failed> {
        let wanted = Value::Object(wanted);
        let path = format!("/schedules/{}", self.name);
        let body = Some(&wanted);
        let call = RestCall { operation: "UpdateSchedule", method: "PUT", path: &path, body };
        let put = self.session.rest(RestService::Scheduler, call, Retry::Never).await;
        if let Err(error) = put {
            return Err(unmade(&self.told(), &error));
        }
        let unknown = |message: String| Failed {
            message,
            hint: "look at it: aws scheduler get-schedule".to_owned(),
            effect: Effect::Unknown,
        };
        let now = self.document().await.map_err(unknown)?;
        if Value::Object(now) == wanted {
            return Ok(());
        }
        let told = self.told();
        Err(unknown(format!("{told} is not what was written: somebody else changed it, too")))
    }

    async fn disable(&self) -> Result<(), Failed> {
        let document = self.known().await?;
        match stand(&document) {
            Stand::Working => {}
            _ => return Ok(()),
        }
        let said = unmarked(&document);
        let marked = if said.is_empty() { MARK.to_owned() } else { format!("{said} {MARK}") };
        if marked.chars().count() > LONGEST {
            return Err(Failed {
                message: format!("{} has no room in its description for a mark", self.told()),
                hint: format!("make its description shorter by {} characters", MARK.len() + 1),
                effect: Effect::Nothing,
            });
        }
        self.put(moved(document, DISABLED, Some(marked))).await
    }

    async fn enable(&self) -> Result<(), Failed> {
        let document = self.known().await?;
        if stand(&document) != Stand::Quiet {
            return Ok(());
        }
        let said = Some(unmarked(&document).to_owned()).filter(|said| !said.is_empty());
        self.put(moved(document, ENABLED, said)).await
    }
}

/// What of an answer a request takes. What is nothing is what it is without.
fn sent(document: Map<String, Value>) -> Map<String, Value> {
    let takes = |name: &str, value: &Value| !NOT_SENT.contains(&name) && !value.is_null();
    document.into_iter().filter(|(name, value)| takes(name, value)).collect()
}

fn description(document: &Map<String, Value>) -> &str {
    document.get("Description").and_then(Value::as_str).unwrap_or_default()
}

/// As it is without our mark.
fn unmarked(document: &Map<String, Value>) -> &str {
    let said = description(document);
    said.strip_suffix(MARK).unwrap_or(said).trim_end()
}

fn stand(document: &Map<String, Value>) -> Stand {
    let disabled = document.get("State").and_then(Value::as_str) == Some(DISABLED);
    match (disabled, description(document).ends_with(MARK)) {
        (false, _) => Stand::Working,
        (true, true) => Stand::Quiet,
        (true, false) => Stand::Theirs("somebody else disabled it".to_owned()),
    }
}

fn moved(
    mut document: Map<String, Value>,
    state: &str,
    said: Option<String>,
) -> Map<String, Value> {
    document.insert("State".to_owned(), json!(state));
    match said {
        Some(said) => document.insert("Description".to_owned(), json!(said)),
        None => document.remove("Description"),
    };
    document
}

impl Way for Schedule {
    fn kind(&self) -> &'static str {
        "eventbridge"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(self.seen())
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.disable())
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.enable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(value: Value) -> Map<String, Value> {
        let Value::Object(document) = value else { panic!() };
        sent(document)
    }

    #[test]
    fn all_that_was_read_is_sent_again_but_what_aws_alone_writes() {
        let read = document(json!({
            "Arn": "a", "Name": "nightly", "CreationDate": 1.5, "LastModificationDate": 2.5,
            "GroupName": "default", "State": "ENABLED", "StartDate": 1_893_456_000, "EndDate": null,
            "Target": { "Arn": "t", "of_tomorrow": [1] },
        }));
        let put = Value::Object(moved(read, DISABLED, Some(MARK.to_owned())));
        let wanted = json!({
            "GroupName": "default", "State": "DISABLED", "StartDate": 1_893_456_000,
            "Description": MARK, "Target": { "Arn": "t", "of_tomorrow": [1] },
        });
        assert_eq!(put, wanted);
    }

    #[test]
    fn a_schedule_that_somebody_else_disabled_is_not_ours() {
        let of = |state: &str, said: &str| {
            stand(&document(json!({ "State": state, "Description": said })))
        };
        assert_eq!(of(DISABLED, &format!("night {MARK}")), Stand::Quiet);
        assert!(matches!(of(DISABLED, "night"), Stand::Theirs(_)));
        assert_eq!(of(ENABLED, &format!("night {MARK}")), Stand::Working);
    }
}
