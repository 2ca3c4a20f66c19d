//! Moving a listener's rules: read, do what is missing, read again, until nothing is. What is read decides, so that a
//! lost answer, a number that somebody else took, or a crash is mended by the next reading.

use std::time::Duration;

use super::Alb;
use super::acts::{Act, to_close, to_open};
use super::calls::Listener;
use super::outlook::{is_bare, outlook};
use super::room::{Renumber, all_by_terraform, closing};
use super::rule::{PAGE, Rule};
use super::told::{Call, RULE_NOT_FOUND, told};
use crate::aws::{Backoff, Error as AwsError};
use crate::lever::Error;
use crate::switch::{OperationId, Step};

/// How often a request is sent again, and how often a listener is read, before the lever gives up.
const ATTEMPTS: u32 = 8;
const ROUNDS: u32 = 12;
/// What became of a request that was sent is read no sooner.
const SENT: Duration = Duration::from_secs(1);

/// Where a listener is to be moved.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aim<'a> {
    /// Testers pass with this value.
    Closed {
        secret: &'a str,
    },
    Open {
        theirs: Theirs,
    },
}

/// What becomes of Terraform's own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theirs {
    /// They stay.
    Stay,
    /// They go: a step says so.
    Go,
}

impl Alb {
    /// Whether `steps`, planned for this listener, still lead from what is so; `None` where they were made already.
    pub(super) async fn still(
        &self,
        listener: &Listener,
        steps: &[&Step],
        secret: &str,
    ) -> Result<Option<Renumber>, Error> {
        let rules = self.calls.rules(&listener.arn, &self.wants).await?;
        let at = |target: String| steps.iter().find(move |step| step.target == target);
        let moves = at(super::places_of(&listener.name)).is_some();
        if let Some(step) = at(super::theirs_of(&listener.name)) {
            let seen = outlook(listener, &rules, &self.wants, (secret, self.renumber));
            // One that is gone already is no trouble.
            if seen.theirs.is_some_and(|(now, _)| now != step.before) {
                return Err(moved(listener));
            }
        }
        let Some(step) = at(listener.name.clone()) else { return Ok(Some(self.renumber)) };
        // Where it opens, others go back, and the plan asked for no room.
        let makes_room = moves && !is_bare(&step.after);
        let renumber = if makes_room { Renumber::Yes } else { self.renumber };
        let seen = outlook(listener, &rules, &self.wants, (secret, renumber));
        let (now, then) = (&seen.now, &seen.then);
        if step.after == *now || (is_bare(&step.after) && now.is_null()) {
            let more = at(super::theirs_of(&listener.name)).is_some();
            return Ok(more.then_some(renumber));
        }
        // What it had before cannot be made again, an older page say, and visitors meet a closed listener either way.
        if step.before == *now && !is_bare(&step.after) && now == then {
            return Ok(None);
        }
        if step.before == *now && (is_bare(&step.after) || step.after == *then) {
            return Ok(Some(renumber));
        }
        Err(moved(listener))
    }

    /// Moves a listener, and tells in `changed` once something is changed.
    pub(super) async fn pursue(
        &self,
        listener: &Listener,
        (aim, renumber): (Aim<'_>, Renumber),
        operation: &OperationId,
        changed: &mut Changed,
    ) -> Result<(), Error> {
        let mut backoff = Backoff::new(ATTEMPTS);
        for _ in 0..ROUNDS {
            let rules = self.calls.rules(&listener.arn, &self.wants).await?;
            let acts = self.acts(listener, &rules, (aim, renumber), operation)?;
            if acts.is_empty() {
                return Ok(());
            }
            for act in acts {
                let error = match self.act(listener, &act).await {
                    Ok(()) => {
                        *changed = Changed::Yes;
                        continue;
                    }
                    Err(error) => error,
                };
                if error.may_have_happened() {
                    *changed = Changed::Yes;
                }
                let Some(wait) = worth_another(&error).then(|| backoff.next_wait()).flatten()
                else {
                    return Err(told(&self.calls.session, call(listener, &act), error).await);
                };
                tracing::debug!(listener = listener.name, %error, "read again and go on");
                let sent = if error.may_have_happened() { SENT } else { Duration::ZERO };
                tokio::time::sleep(wait.max(sent)).await;
                break;
            }
        }
        Err(Error::Failed {
            code: "rules-moved",
            message: format!("somebody else keeps changing the rules of {}", listener.name),
            hint: "find out who, then run the same command again".to_owned(),
        })
    }

    fn acts(
        &self,
        listener: &Listener,
        rules: &[Rule],
        (aim, renumber): (Aim<'_>, Renumber),
        operation: &OperationId,
    ) -> Result<Vec<Act>, Error> {
        let secret = match aim {
            Aim::Closed { secret } => secret,
            Aim::Open { theirs } => {
                let all = all_by_terraform(rules, &self.wants);
                return Ok(to_open(rules, if theirs == Theirs::Go { &all } else { &[] }));
            }
        };
        if let Ok(closing) = closing(rules, &self.wants, secret, renumber) {
            return Ok(to_close(rules, &closing, &self.wants, operation));
        }
        let seen = outlook(listener, rules, &self.wants, (secret, renumber));
        Err(super::no_room(seen.no_room.unwrap_or_default()))
    }

    async fn act(&self, listener: &Listener, act: &Act) -> Result<(), AwsError> {
        match act {
            Act::Create { wanted, priority, tags } => {
                self.calls.create(&listener.arn, wanted, *priority, tags).await
            }
            Act::Put(places) => self.calls.put(places).await,
            Act::Repage { rule, action, digest } => {
                self.calls.change_action(rule, (**action).clone(), (PAGE, digest)).await
            }
            Act::Delete { rule } => self.calls.delete(rule).await,
        }
    }
}

/// Whether anything was changed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    No,
    Yes,
}

fn moved(listener: &Listener) -> Error {
    Error::Refused {
        code: "rules-moved",
        message: format!(
            "the rules of {} were changed by somebody else since the plan was made",
            listener.name
        ),
        hint: "run `roadworks status` to see where it stands, then plan again".to_owned(),
    }
}

/// Whether reading again and going on may help: nothing was done, or it is not known, or somebody was quicker.
fn worth_another(error: &AwsError) -> bool {
    match error {
        AwsError::Throttled { .. } | AwsError::OutcomeUnknown { .. } => true,
        AwsError::Service { code, .. } => code == "PriorityInUse" || code == RULE_NOT_FOUND,
        AwsError::Credentials { .. } | AwsError::Unreachable { .. } | AwsError::Request { .. } => {
            false
        }
    }
}

fn call<'a>(listener: &'a Listener, act: &'a Act) -> Call<'a> {
    let (action, on) = match act {
        Act::Create { .. } => ("elasticloadbalancing:CreateRule", listener.arn.as_str()),
        Act::Put(places) => (
            "elasticloadbalancing:SetRulePriorities",
            places.first().map_or(listener.arn.as_str(), |(rule, _)| rule),
        ),
        Act::Repage { rule, .. } => ("elasticloadbalancing:ModifyRule", rule.as_str()),
        Act::Delete { rule } => ("elasticloadbalancing:DeleteRule", rule.as_str()),
    };
    Call { action, on }
}
