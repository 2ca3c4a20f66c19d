//! What happened, and how it is said: as JSON, as a sentence, as a command's environment. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Occasion;
use crate::switch::Mode;

/// What happened to a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same for each time that it is told: that of the log's entry.
    pub id: String,
    /// What kind of thing.
    pub occasion: Occasion,
    /// When.
    pub at: Timestamp,
    /// The site's name.
    pub site: String,
    /// The operation it belongs to.
    pub operation: String,
    /// The mode before.
    pub from: Mode,
    /// The mode asked for.
    pub mode: Mode,
    /// Who asked.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When it is to start, or was, where it was announced.
    pub starts: Option<Timestamp>,
    /// When it is to end, as far as that was known when it was told first.
    pub until: Option<Timestamp>,
    /// What exactly, for a person.
    pub detail: Option<String>,
}

impl Event {
    /// The body of a webhook: `type`, `timestamp` and `data`, as Standard Webhooks asks for.
    pub fn json(&self) -> Value {
        json!({
            "type": self.occasion.word(),
            "timestamp": self.at,
            "data": {
                "id": self.id,
                "site": self.site,
                "operation": self.operation,
                "from": self.from,
                "mode": self.mode,
                "by": self.by,
                "reason": self.reason,
                "starts": self.starts,
                "until": self.until,
                "detail": self.detail,
                "text": self.sentence(),
            },
        })
    }

    /// The body of Slack's incoming webhook: `text` for notifications and screen readers, and the same as a block.
    pub fn for_slack(&self) -> Value {
        let text = escaped(&self.sentence());
        json!({
            "text": text,
            "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": text } }],
        })
    }

    /// What a command finds in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let all = vec![
            ("ROADWORKS_EVENT", self.occasion.word().to_owned()),
            ("ROADWORKS_ID", self.id.clone()),
            ("ROADWORKS_AT", self.at.to_string()),
            ("ROADWORKS_SITE", self.site.clone()),
            ("ROADWORKS_OPERATION", self.operation.clone()),
            ("ROADWORKS_FROM", self.from.word().to_owned()),
            ("ROADWORKS_MODE", self.mode.word().to_owned()),
            ("ROADWORKS_BY", self.by.clone()),
            ("ROADWORKS_REASON", text(&self.reason)),
            ("ROADWORKS_STARTS", time(self.starts)),
            ("ROADWORKS_UNTIL", time(self.until)),
            ("ROADWORKS_DETAIL", text(&self.detail)),
            ("ROADWORKS_TEXT", self.sentence()),
        ];
        // An environment has no such byte.
        all.into_iter().map(|(name, value)| (name, value.replace('\0', " "))).collect()
    }

    /// One sentence, for a person.
    pub fn sentence(&self) -> String {
        let Event { site, by, mode, from, .. } = self;
        let until = self.until.map(|until| format!(", until {until}")).unwrap_or_default();
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let detail = self.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        match self.occasion {
            Occasion::WindowAnnounced => {
                let starts = self.starts.map(|at| format!(" at {at}")).unwrap_or_default();
                format!(
                    "{site} will go into maintenance ({mode}){starts}{until}, says {by}{reason}"
                )
            }
            Occasion::WindowReminder => {
                let starts = self.starts.map(|at| format!(" at {at}")).unwrap_or_default();
                format!(
                    "{site} goes into maintenance ({mode}) soon,{starts}{until}, says {by}{reason}"
                )
            }
            Occasion::WindowCancelled => {
                let starts = self.starts.map(|at| format!(" at {at}")).unwrap_or_default();
                format!("{site} will not go into maintenance ({mode}){starts}, says {by}{reason}")
            }
            Occasion::WindowStarted => {
                format!("{site} goes into maintenance ({mode}{until}), says {by}{reason}")
            }
            Occasion::WindowExtended => format!("{site} stays in {mode}, says {by}{detail}"),
            Occasion::WindowOverdue => {
                format!("{site} was to be open by now and is still in {mode}{detail}")
            }
            Occasion::WindowEnded => format!("{site} is open again, says {by}{reason}"),
            Occasion::ModeChanged => format!("{site} is in {mode} now{until}, says {by}{reason}"),
            Occasion::ModeFailed => {
                format!("{site} could not be put into {mode} and is in {from} as before{detail}")
            }
            Occasion::ModeUnfinished => {
                format!("{site} is only half way from {from} to {mode}{detail}")
            }
            Occasion::GateFailed => format!("{site} cannot be let back yet{detail}"),
            Occasion::GateRecovered => format!("every check of {site} passes again"),
            Occasion::OverrideUsed => {
                format!("{by} set a rule aside to put {site} into {mode}{detail}")
            }
            Occasion::LeverDrifted => format!("somebody else moved a lever of {site}{detail}"),
            Occasion::LeverRestored => format!("{site} stands as it is asked for again{detail}"),
            Occasion::LeverPutBack => {
                format!("what somebody else moved of {site} is put back{detail}")
            }
            Occasion::GatewayForgotten => {
                format!("{by} took a gateway out of the fleet of {site}{detail}")
            }
            Occasion::PipelinePassed => {
                format!("{by} let a run into the closed stage of {site}{detail}")
            }
            Occasion::PipelineReleased => {
                format!("{by} let go whoever waited before the stage of {site}{detail}")
            }
            Occasion::Test => format!("{by} tries whether you are told of {site}: you are"),
        }
    }
}

/// What Slack takes for markup (its manual, "Escaping text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::notify) fn event(occasion: Occasion) -> Event {
        Event {
            id: "0001".to_owned(),
            occasion,
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            site: "shop".to_owned(),
            operation: "op".to_owned(),
            from: Mode::Open,
            mode: Mode::Hold,
            by: "ana@laptop".to_owned(),
            reason: Some("a <b> & c".to_owned()),
            starts: None,
            until: Timestamp::from_second(1_800_003_600).ok(),
            detail: None,
        }
    }

    #[test]
    fn an_event_is_said_as_json_for_slack_and_in_an_environment() {
        let event = event(Occasion::WindowStarted);
        let said = "shop goes into maintenance (hold, until 2027-01-15T09:00:00Z), says ana@laptop: a <b> & c";
        assert_eq!(event.sentence(), said);
        let body = event.json();
        assert_eq!(
            (&body["type"], &body["timestamp"], &body["data"]["mode"]),
            (&json!("window.started"), &json!("2027-01-15T08:00:00Z"), &json!("hold"))
        );
        assert_eq!((&body["data"]["text"], &body["data"]["detail"]), (&json!(said), &Value::Null));
        let slack = event.for_slack();
        assert!(slack["text"].as_str().unwrap().ends_with("a &lt;b&gt; &amp; c"), "{slack}");
        assert_eq!(slack["text"], slack["blocks"][0]["text"]["text"]);
        let hostile = Event { by: "a\0b".to_owned(), ..event };
        let environment = hostile.environment();
        assert!(environment.contains(&("ROADWORKS_BY", "a b".to_owned())));
        assert!(environment.contains(&("ROADWORKS_UNTIL", "2027-01-15T09:00:00Z".to_owned())));
    }

    #[test]
    fn every_event_has_a_sentence_of_its_own_that_names_the_site() {
        let said: Vec<_> = Occasion::ALL.into_iter().map(|one| event(one).sentence()).collect();
        assert!(said.iter().all(|said| said.contains("shop")), "{said:?}");
        let different: std::collections::BTreeSet<_> = said.iter().collect();
        assert_eq!(different.len(), said.len());
    }
}
