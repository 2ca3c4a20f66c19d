//! The lever for a pipeline whose variable cannot be made truthful: while the site is not open, nothing enters the stage that
//! runs Terraform.
//!
//! Disables the stage's inbound transition with a reason by which it knows its own again, and never touches one that somebody
//! else disabled. What is in the stage already goes on. What came meanwhile waits, and is let go by hand.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::told::{NO_STAGE, UNREAD, Unfit, is_code, patiently, unread, unwritten};
use super::CodePipeline;
use super::seen::Stage;
use crate::aws::{Error as AwsError, Retry};
use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::switch::{LeverName, Mode, OperationId, Step};

/// The values of the part that is moved.
const ENABLED: &str = "enabled";
const FROZEN: &str = "frozen";
const THEIRS: &str = "disabled by somebody else";
/// The part that tells who waits.
const WAITING: &str = "waiting";
/// The longest reason that AWS takes (API reference, `DisableStageTransition`), and how much of it is a site's name.
const LONGEST: usize = 300;
const LONGEST_SITE: usize = 100;
/// How often it is read whether a transition is what it was made, and how long between.
const LOOKS: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(300);

/// A stage that is closed while its site is not open.
#[derive(Debug, Clone)]
pub struct Freezer {
    pipeline: CodePipeline,
    stage: String,
    site: String,
}

/// The way into a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Open.
    Enabled,
    /// Closed by Roadworks, for this site.
    Frozen,
    /// Closed by somebody else: who, and why.
    Theirs {
        /// The ARN of whoever did it.
        by: String,
        /// As they wrote it.
        reason: String,
    },
}

/// A stage, seen from its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// The way in.
    pub transition: Transition,
    /// The executions that wait before it.
    pub waiting: Vec<String>,
    /// The execution that is in it, or was last.
    pub inside: Option<String>,
    /// Why it is closed, as AWS keeps it.
    reason: Option<String>,
}

impl Freezer {
    /// `stage` of `pipeline`, closed for `site`.
    pub fn new(pipeline: CodePipeline, stage: &str, site: &str) -> Freezer {
        Freezer { pipeline, stage: stage.to_owned(), site: site.to_owned() }
    }

    /// What it is called in a sentence.
    pub fn told(&self) -> String {
        format!("stage {} of {}", self.stage, self.pipeline.told())
    }

    /// By which we know our own reason again. A name that does not fit as it is has its sum with it, so that no two sites share
    /// a mark.
    fn mark(&self) -> String {
        let cut: String = self.site.chars().take(LONGEST_SITE).collect();
        let name = allowed(&cut);
        if name == self.site {
            return format!("roadworks (site {name}) ");
        }
        let sum = Sha256::digest(self.site.as_bytes());
        let sum = sum.iter().take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        format!("roadworks (site {name} {sum:08x}) ")
    }

    fn reason(&self, why: &str) -> String {
        let whole = format!("{}{}", self.mark(), allowed(why));
        whole.chars().take(LONGEST).collect()
    }

    fn gate_of(&self, stage: &Stage) -> Gate {
        let transition = if stage.is_enabled() {
            Transition::Enabled
        } else {
            let reason = stage.disabled_reason().unwrap_or_default();
            let by = stage.inbound_transition_state.as_ref();
            let by = by.and_then(|inbound| inbound.last_changed_by.clone());
            if reason.starts_with(&self.mark()) {
                Transition::Frozen
            } else {
                let by = by.unwrap_or_else(|| "somebody".to_owned());
                Transition::Theirs { by, reason: reason.to_owned() }
            }
        };
        Gate {
            transition,
            waiting: stage.waiting().into_iter().map(str::to_owned).collect(),
            inside: stage.latest.as_ref().map(|run| run.id.clone()),
            reason: stage.disabled_reason().map(str::to_owned),
        }
    }

    async fn read(&self) -> Result<Result<Gate, Unfit>, AwsError> {
        let stages = match self.pipeline.stages_read().await {
            Err(error) if is_code(&error, "PipelineNotFoundException") => {
                return Ok(Err(self.pipeline.absent()));
            }
            stages => stages?,
        };
        let found = stages.iter().find(|stage| stage.name == self.stage);
        let names =
            || stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>().join(", ");
        Ok(found.map(|stage| self.gate_of(stage)).ok_or_else(|| Unfit {
            rule: NO_STAGE,
            message: format!("{} has no stage {}", self.pipeline.told(), self.stage),
            hint: format!("its stages: {}", names()),
        }))
    }

    /// How its way in stands. Cancel safe.
    pub async fn gate(&self) -> Result<Gate, Error> {
        let read = self.read().await.map_err(|error| unread(&self.told(), &error))?;
        Ok(read?)
    }

    async fn set(&self, operation: &'static str, reason: Option<String>) -> Result<(), AwsError> {
        let mut input = json!({
            "pipelineName": self.pipeline.name,
            "stageName": self.stage,
            "transitionType": "Inbound",
        });
        if let (Some(reason), Some(fields)) = (reason, input.as_object_mut()) {
            fields.insert("reason".to_owned(), json!(reason));
        }
        patiently(async || self.pipeline.ask(operation, &input, Retry::Never).await).await?;
        Ok(())
    }

    /// Reads until the way in is `wanted`, after a change that was `sent`.
    async fn set_to(&self, wanted: &Transition, sent: Result<(), AwsError>) -> Result<Gate, Error> {
        let sent = match sent {
            Err(error) if !error.may_have_happened() => {
                return Err(unwritten(&self.told(), &error));
            }
            sent => sent,
        };
        let mut gate = None;
        for _ in 0..LOOKS {
            match self.read().await {
                Ok(Ok(now)) if now.transition == *wanted => return Ok(now),
                Ok(Ok(now)) => gate = Some(now),
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(BETWEEN).await;
        }
        let unknown = |reason| unwritten(&self.told(), &AwsError::OutcomeUnknown { reason });
        Err(match (sent, gate) {
            (Err(error), _) => unwritten(&self.told(), &error),
            (Ok(()), Some(Gate { transition: Transition::Theirs { by, .. }, .. })) => {
                unknown(format!("{by} changed it at the same time"))
            }
            (Ok(()), _) => unknown("it is not seen to be so".to_owned()),
        })
    }

    /// Closes the way in for `why`, unless it is closed. Not cancel safe.
    pub async fn freeze(&self, why: &str) -> Result<Gate, Error> {
        let gate = self.gate().await?;
        if gate.transition != Transition::Enabled {
            return Ok(gate);
        }
        let sent = self.set("DisableStageTransition", Some(self.reason(why))).await;
        self.set_to(&Transition::Frozen, sent).await
    }

    /// Closes the way in for `why`, also where it is read to be closed: something that was sent to open it may arrive yet. Not
    /// where somebody else closed it. Not cancel safe.
    pub async fn freeze_anyway(&self, why: &str) -> Result<Gate, Error> {
        let gate = self.gate().await?;
        if let Transition::Theirs { .. } = gate.transition {
            return Ok(gate);
        }
        let sent = self.set("DisableStageTransition", Some(self.reason(why))).await;
        self.set_to(&Transition::Frozen, sent).await
    }

    /// Opens the way in, if it is we who closed it. Not cancel safe.
    pub async fn thaw(&self) -> Result<Gate, Error> {
        let gate = self.gate().await?;
        if gate.transition == Transition::Frozen { self.opened().await } else { Ok(gate) }
    }

    /// The same for a move of the site: whoever began to wait since the plan was made keeps it closed. Not where `operation` takes
    /// back what it closed itself: who waits then would have entered without it.
    async fn thaw_for(&self, operation: &OperationId) -> Result<Gate, Error> {
        let gate = self.gate().await?;
        let lets_go = gate.waiting.is_empty() || self.is_closed_by(&gate, operation);
        if gate.transition == Transition::Frozen && lets_go {
            self.opened().await
        } else {
            Ok(gate)
        }
    }

    fn is_closed_by(&self, gate: &Gate, operation: &OperationId) -> bool {
        let begin = self.reason(&format!("{operation} "));
        gate.reason.as_deref().is_some_and(|reason| reason.starts_with(&begin))
    }

    async fn opened(&self) -> Result<Gate, Error> {
        let sent = self.set("EnableStageTransition", None).await;
        self.set_to(&Transition::Enabled, sent).await
    }

    async fn observed(&self) -> Result<Observation, Error> {
        let read = match self.read().await {
            Ok(read) => read,
            Err(error) => Err(Unfit::unseen(&self.told(), &error)),
        };
        Ok(match read {
            Ok(gate) => self.seen(&gate),
            Err(unfit) => Observation {
                position: Position::Absent,
                detail: unfit.message.clone(),
                parts: vec![Part { target: self.target(), value: unfit.value() }],
                warnings: Vec::new(),
            },
        })
    }

    fn target(&self) -> String {
        format!("{} stage {}", self.pipeline.name, self.stage)
    }

    fn seen(&self, gate: &Gate) -> Observation {
        let (position, value) = match &gate.transition {
            Transition::Enabled => (Mode::Open, ENABLED),
            Transition::Frozen => (Mode::Detour, FROZEN),
            Transition::Theirs { .. } => (Mode::Detour, THEIRS),
        };
        let mut warnings = Vec::new();
        let mut detail = format!("stage {} is {value}", self.stage);
        if let Transition::Theirs { by, reason } = &gate.transition {
            detail = format!("stage {} was disabled by {by}: {reason}", self.stage);
            warnings.push(format!("{detail}; it stays as it is, whatever becomes of the site"));
        }
        if !gate.waiting.is_empty() && gate.transition == Transition::Frozen {
            warnings.push(format!(
                "{} before stage {} ({}) and stays there until `roadworks pipeline release`, or `pass`",
                waits(gate),
                self.stage,
                gate.waiting.join(", ")
            ));
        }
        if !gate.waiting.is_empty() {
            detail =
                format!("{detail}, and {} before it: {}", waits(gate), gate.waiting.join(", "));
        }
        Observation {
            position: Position::At(position),
            detail,
            parts: vec![
                Part { target: self.target(), value: json!(value) },
                Part { target: WAITING.to_owned(), value: json!(gate.waiting) },
            ],
            warnings,
        }
    }
}

fn waits(gate: &Gate) -> String {
    match gate.waiting.len() {
        1 => "1 execution waits".to_owned(),
        many => format!("{many} executions wait"),
    }
}

/// The executions that wait before the stage, as they were seen; none where the stage is not frozen by us.
pub fn waiting(seen: &Observation) -> Vec<String> {
    let frozen = seen.parts.first().is_some_and(|part| part.value == FROZEN);
    let part = seen.parts.iter().find(|part| part.target == WAITING && frozen);
    let all = part.and_then(|part| part.value.as_array());
    all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The same text in the characters that AWS takes in a reason: `[a-zA-Z0-9!@ ().*?-]`.
fn allowed(text: &str) -> String {
    let fits = |one: char| one.is_ascii_alphanumeric() || "!@ ().*?-".contains(one);
    text.chars().map(|one| if fits(one) { one } else { '-' }).collect()
}

impl Lever for Freezer {
    fn name(&self) -> LeverName {
        LeverName::Pipeline
    }

    fn kind(&self) -> &'static str {
        "codepipeline"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(self.observed())
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let Some(part) = seen.parts.first() else { return Vec::new() };
        let after = match part.value.as_str() {
            Some(ENABLED) if to != Mode::Open => FROZEN,
            // Whoever waits is let go by hand, once nobody can have an old answer.
            Some(FROZEN) if to == Mode::Open && waiting(seen).is_empty() => ENABLED,
            _ => return Vec::new(),
        };
        vec![Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after: json!(after),
        }]
    }

    fn again(&self, _seen: &Observation, _to: Mode) -> Vec<Step> {
        Vec::new()
    }

    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        let unfit = seen.parts.iter().find_map(|part| Unfit::of(&part.value))?;
        // What keeps a run out is nothing that keeps visitors out.
        (to != Mode::Open || unfit.rule != UNREAD).then(|| unfit.into())
    }

    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            for step in steps {
                if step.after == ENABLED {
                    self.thaw_for(operation).await.map_err(|error| self.still_frozen(&error))?;
                } else {
                    self.freeze(&format!("{operation} Terraform must not undo a maintenance"))
                        .await?;
                }
            }
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        _started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        self.observe()
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}

impl Freezer {
    /// A pipeline that stays frozen takes nothing back of what visitors have again already.
    fn still_frozen(&self, error: &Error) -> Error {
        Error::Unknown {
            message: format!("{} may still be closed: {error}", self.told()),
            hint: "run `roadworks open` again, or `roadworks pipeline release`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{Session, Settings};

    async fn freezer(site: &str) -> Freezer {
        let session = Session::load(&Settings::default()).await;
        Freezer::new(CodePipeline::new(session, "shop-deploy"), "Deploy", site)
    }

    fn stage(reason: &str) -> Stage {
        serde_json::from_value(json!({
            "stageName": "Deploy",
            "inboundTransitionState": {
                "enabled": false, "disabledReason": reason, "lastChangedBy": "arn:ana",
            },
            "inboundExecution": { "pipelineExecutionId": "e-1", "status": "InProgress" },
            "inboundExecutions": [
                { "pipelineExecutionId": "e-1", "status": "InProgress" },
                { "pipelineExecutionId": "e-0", "status": "Stopped" },
            ],
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_reason_has_only_the_characters_that_aws_takes_and_is_known_again() {
        let freezer = freezer(&format!("shop_eu/ä:{}", "x".repeat(400))).await;
        let reason = freezer.reason("20261124T030000Z-7: why, \"so\"\n");
        assert!(reason.len() <= LONGEST && allowed(&reason) == reason, "{reason}");
        assert_eq!(freezer.gate_of(&stage(&reason)).transition, Transition::Frozen);
    }

    #[tokio::test]
    async fn no_two_sites_share_a_mark_and_a_name_that_fits_has_the_mark_it_always_had() {
        assert_eq!(freezer("shop-eu").await.mark(), "roadworks (site shop-eu) ");
        let long = |end: &str| format!("{}{end}", "x".repeat(LONGEST_SITE));
        for (one, other) in [
            ("shop_eu".to_owned(), "shop-eu".to_owned()),
            (long("a"), long("b")),
            (long("a"), long("")),
        ] {
            let (one, other) = (freezer(&one).await, freezer(&other).await);
            let closed = stage(&one.reason("x"));
            assert_eq!(one.gate_of(&closed).transition, Transition::Frozen);
            assert_ne!(other.gate_of(&closed).transition, Transition::Frozen, "{}", one.mark());
            let closed = stage(&other.reason("x"));
            assert_ne!(one.gate_of(&closed).transition, Transition::Frozen, "{}", other.mark());
        }
    }

    #[tokio::test]
    async fn what_somebody_else_or_another_site_closed_is_not_ours_to_move() {
        let own = freezer("shop").await;
        for reason in
            [freezer("shop2").await.reason("x"), "change freeze".to_owned(), String::new()]
        {
            let seen = own.seen(&own.gate_of(&stage(&reason)));
            assert_eq!(seen.parts[0].value, THEIRS, "{reason}");
            for to in Mode::LADDER {
                assert!(own.steps(&seen, to).is_empty(), "{reason} to {to}");
            }
            assert!(waiting(&seen).is_empty());
        }
    }

    #[tokio::test]
    async fn a_frozen_stage_before_which_nobody_waits_opens_with_the_site_and_another_by_hand() {
        let own = freezer("shop").await;
        let mut gate = own.gate_of(&stage(&own.reason("x")));
        assert_eq!(waiting(&own.seen(&gate)), ["e-1"]);
        assert!(own.steps(&own.seen(&gate), Mode::Open).is_empty());
        gate.waiting.clear();
        let steps = own.steps(&own.seen(&gate), Mode::Open);
        assert_eq!((&steps[0].before, &steps[0].after), (&json!(FROZEN), &json!(ENABLED)));
    }
}
