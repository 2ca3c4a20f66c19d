//! The variable where a pipeline in AWS reads it: one lever for every place that keeps a boolean by its name.
//!
//! Writes that boolean and nothing beside it, only from what was read, and reads it back. AWS has no conditional write for any
//! of these places: each says how it notices that somebody else wrote too.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::told::{Unfit, unread};
use crate::aws::Error as AwsError;
use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::switch::{LeverName, Mode, OperationId, Step};

/// What a place says.
#[derive(Debug)]
pub(super) enum Read<S> {
    /// The boolean, and what it was read from.
    Is(bool, S),
    /// Something that cannot be written as a boolean.
    Unfit(Unfit),
}

/// Where a boolean is kept by its name.
pub(super) trait Place: fmt::Debug {
    /// What was read, as far as writing needs it.
    type Stand;
    /// Its kind in plans and status.
    const KIND: &'static str;

    /// What a step names.
    fn target(&self) -> String;

    /// The same in a sentence: `the parameter /shop/maintenance_mode`.
    fn told(&self) -> String;

    async fn read(&self) -> Result<Read<Self::Stand>, AwsError>;

    /// Writes `value` where `stand` was read, and sees that nobody else wrote meanwhile.
    #[expect(clippy::fn_params_excessive_bools, reason = "it is Terraform's boolean")]
    async fn write(&self, value: bool, stand: Self::Stand) -> Result<(), Error>;
}

/// The lever over a place.
#[derive(Debug)]
pub(super) struct Written<P> {
    pub(super) place: P,
    /// From which mode on the boolean is true.
    pub(super) true_from: Mode,
}

impl<P: Place> Written<P> {
    async fn value(&self) -> Result<Value, Error> {
        match self.place.read().await {
            Ok(Read::Is(value, _)) => Ok(json!(value)),
            Ok(Read::Unfit(unfit)) => Ok(unfit.value()),
            Err(error) => Ok(Unfit::unread(&self.place.told(), &error)?.value()),
        }
    }

    async fn observed(&self) -> Result<Observation, Error> {
        let value = self.value().await?;
        let detail = match Unfit::of(&value) {
            Some(unfit) => unfit.message,
            None => format!("{} says {value}", self.place.told()),
        };
        let on = value == json!(true);
        Ok(Observation {
            position: Position::At(if on { self.true_from } else { Mode::Open }),
            detail,
            parts: vec![Part { target: self.place.target(), value }],
            warnings: Vec::new(),
        })
    }

    async fn write(&self, step: &Step) -> Result<(), Error> {
        let Some(wanted) = step.after.as_bool() else { return Ok(()) };
        let read = self.place.read().await;
        match read.map_err(|error| unread(&self.place.told(), &error))? {
            Read::Unfit(unfit) => Err(unfit.into()),
            Read::Is(now, _) if now == wanted => Ok(()),
            Read::Is(now, _) if json!(now) != step.before => Err(Error::Refused {
                code: "variable-moved",
                message: format!("{} was changed by somebody else meanwhile", self.place.told()),
                hint: "run `roadworks status`, then plan again".to_owned(),
            }),
            Read::Is(_, stand) => self.place.write(wanted, stand).await,
        }
    }
}

/// Puts `field` of the object in `list` that is called `name` at `value`.
pub(super) fn with(list: Option<&mut Value>, name: &str, (field, value): (&str, &str)) {
    for one in list.and_then(Value::as_array_mut).into_iter().flatten() {
        if one.get("name").and_then(Value::as_str) == Some(name)
            && let Some(fields) = one.as_object_mut()
        {
            fields.insert(field.to_owned(), json!(value));
        }
    }
}

/// That somebody else wrote while we did: what counts now is not certain.
pub(super) fn somebody_wrote(what: &str, says: &str) -> Error {
    Error::Unknown {
        message: format!("somebody else wrote {what} at the same time: now it says {says}"),
        hint: "find out who, then run the same command again: it reads what is there and goes on from it".to_owned(),
    }
}

impl<P: Place> Lever for Written<P> {
    fn name(&self) -> LeverName {
        LeverName::Variable
    }

    fn kind(&self) -> &'static str {
        P::KIND
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(self.observed())
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let after = json!(to >= self.true_from);
        let differs =
            seen.parts.iter().filter(|part| part.value.is_boolean() && part.value != after);
        let steps = differs.map(|part| Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after: after.clone(),
        });
        steps.collect()
    }

    fn again(&self, _seen: &Observation, _to: Mode) -> Vec<Step> {
        Vec::new()
    }

    fn refusal(&self, seen: &Observation, _to: Mode) -> Option<Refusal> {
        seen.parts.iter().find_map(|part| Unfit::of(&part.value)).map(Refusal::from)
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            for step in steps {
                self.write(step).await?;
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
