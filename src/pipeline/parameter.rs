//! The variable in a parameter of Systems Manager, which a pipeline's Terraform reads.
//!
//! What else the parameter has (its key, its description, its pattern) is said again when it is written. Each write makes a
//! version: one that is not the next one after what was read tells that somebody else wrote.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::told::{ABSENT, NEITHER, UNREAD, Unfit, is_code, patiently, unwritten};
use super::written::{Place, Read, Written, somebody_wrote};
use crate::aws::{CredentialsProblem, Error as AwsError, JsonService, Retry, Session};
use crate::lever::{Error, Lever};
use crate::switch::Mode;

/// What is said again of a parameter, from `DescribeParameters`.
const KEPT: [&str; 5] = ["Description", "KeyId", "AllowedPattern", "DataType", "Tier"];
/// How many pages are looked at for one parameter.
const PAGES: u32 = 50;
/// How often a parameter that was just written is read until its new version is seen, and how long between.
const LOOKS: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(200);
const SECURE: &str = "SecureString";

#[derive(Debug)]
struct Parameter {
    session: Session,
    name: String,
}

/// What was read of it.
#[derive(Debug)]
pub(super) struct Stand {
    kind: String,
    value: String,
    version: i64,
}

/// The lever over the parameter `name`, which is true from a mode on.
pub fn parameter(session: Session, name: &str, true_from: Mode) -> Box<dyn Lever> {
    Box::new(Written { place: Parameter { session, name: name.to_owned() }, true_from })
}

impl Parameter {
    async fn ask(
        &self,
        operation: &'static str,
        input: &Value,
        retry: Retry,
    ) -> Result<Value, AwsError> {
        self.session.json(JsonService::Ssm, operation, input, retry).await
    }

    async fn stand(&self) -> Result<Stand, AwsError> {
        let input = json!({ "Name": self.name, "WithDecryption": true });
        let answer = self.ask("GetParameter", &input, Retry::Standard).await?;
        let parameter = answer.get("Parameter").unwrap_or(&Value::Null);
        let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok(Stand {
            kind: text("Type").to_owned(),
            value: text("Value").to_owned(),
            version: parameter.get("Version").and_then(Value::as_i64).unwrap_or_default(),
        })
    }

    /// What the parameter has besides its value, as far as we may see it, or `None` where AWS does not tell.
    async fn described(&self) -> Result<Option<Map<String, Value>>, AwsError> {
        let filters = json!([{ "Key": "Name", "Option": "Equals", "Values": [self.name] }]);
        let mut input = json!({ "ParameterFilters": filters });
        // A page can be empty and not the last (API reference, `DescribeParameters`).
        for _ in 0..PAGES {
            let answer = self.ask("DescribeParameters", &input, Retry::Standard).await?;
            let all = answer.get("Parameters").and_then(Value::as_array);
            if let Some(described) = all.and_then(|all| all.first()) {
                return Ok(Some(kept(described)));
            }
            match answer.get("NextToken").and_then(Value::as_str) {
                Some(next) if !next.is_empty() => {
                    input = json!({ "ParameterFilters": filters, "NextToken": next });
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What is said again when it is written: only a secret one cannot do without.
    async fn said_again(&self, kind: &str) -> Result<Map<String, Value>, Error> {
        let what = self.told();
        match self.described().await {
            Ok(Some(kept)) => Ok(kept),
            Ok(None) if kind == SECURE => Err(Error::Refused {
                code: UNREAD,
                message: format!("{what} is a {SECURE}, and AWS does not tell by which key"),
                hint: "nothing was written, or it would have got another key; try again, or make it a String: a boolean is no secret".to_owned(),
            }),
            Ok(None) => Ok(Map::new()),
            Err(AwsError::Credentials { problem: CredentialsProblem::Denied, .. })
                if kind != SECURE =>
            {
                Ok(Map::new())
            }
            Err(error) => Err(super::told::unread(&what, &error)),
        }
    }

    /// Reads until the version that was written is there, or something newer.
    async fn since(&self, version: i64) -> Result<Stand, AwsError> {
        for _ in 1..LOOKS {
            let stand = self.stand().await?;
            if stand.version >= version {
                return Ok(stand);
            }
            tokio::time::sleep(BETWEEN).await;
        }
        self.stand().await
    }
}

fn kept(described: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    for name in KEPT {
        if let Some(value) = described.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    // Of the other tiers none can be lost.
    if kept.get("Tier").is_some_and(|tier| tier != "Advanced") {
        kept.remove("Tier");
    }
    kept
}

impl Place for Parameter {
    type Stand = Stand;
    const KIND: &'static str = "ssm";

    fn target(&self) -> String {
        self.name.clone()
    }

    fn told(&self) -> String {
        format!("the parameter {}", self.name)
    }

    async fn read(&self) -> Result<Read<Stand>, AwsError> {
        let unfit =
            |rule, message: String, hint: String| Ok(Read::Unfit(Unfit { rule, message, hint }));
        let stand = match self.stand().await {
            Ok(stand) => stand,
            Err(error) if is_code(&error, "ParameterNotFound") => {
                return unfit(
                    ABSENT,
                    format!("there is no {} in {}", self.told(), self.session.region()),
                    format!(
                        "look at name and region, or make it: aws ssm put-parameter --type String --name {} --value false",
                        self.name
                    ),
                );
            }
            Err(error) if is_code(&error, "InvalidKeyId") => {
                return unfit(
                    UNREAD,
                    format!(
                        "{} is a {SECURE} whose key does not let it be read: {error}",
                        self.told()
                    ),
                    "a boolean is no secret: make it a String, or give kms:Decrypt on its key"
                        .to_owned(),
                );
            }
            Err(error) => return Err(error),
        };
        match stand.value.parse() {
            Ok(value) if stand.kind != "StringList" => Ok(Read::Is(value, stand)),
            // What it says may be a secret.
            _ => unfit(
                NEITHER,
                format!("{} is neither `true` nor `false`", self.told()),
                "see whether it is the right one; Roadworks overwrites nothing else".to_owned(),
            ),
        }
    }

    async fn write(&self, value: bool, stand: Stand) -> Result<(), Error> {
        let what = self.told();
        let mut input = self.said_again(&stand.kind).await?;
        input.insert("Name".to_owned(), json!(self.name));
        input.insert("Type".to_owned(), json!(stand.kind));
        input.insert("Value".to_owned(), json!(value.to_string()));
        input.insert("Overwrite".to_owned(), json!(true));
        let input = Value::Object(input);
        let sent = patiently(async || self.ask("PutParameter", &input, Retry::Never).await).await;
        let next = stand.version + 1;
        let wrote = match &sent {
            Ok(answer) => answer.get("Version").and_then(Value::as_i64).unwrap_or(next),
            Err(error) if error.may_have_happened() => next,
            Err(error) => return Err(unwritten(&what, error)),
        };
        let now = self.since(wrote).await.map_err(|error| {
            let told = error.to_string();
            unwritten(&what, &AwsError::OutcomeUnknown { reason: told })
        })?;
        match sent {
            Err(error) if now.version < next => Err(unwritten(&what, &error)),
            _ if wrote == next && now.version == next && now.value == value.to_string() => Ok(()),
            _ => Err(somebody_wrote(&what, &format!("`{}`", now.value))),
        }
    }
}
