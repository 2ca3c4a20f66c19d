//! State in S3: Terraform's backend `s3`, its workspaces and its lock, an object beside the state or an item of a `DynamoDB` table.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{BackendError, DEFAULT, Lock, LockHolder, Settings, Workspaces, lock};
use crate::aws::policy::{Owner, Statement};
use crate::aws::s3::{Addressing, Bucket, Location};
use crate::aws::{AssumeRole, Error, JsonService, Keys, Retry, Session};

/// How many keys are looked at for workspaces: ten requests.
const MOST: usize = 10_000;

/// Where the objects are.
pub(super) struct Objects {
    bucket: String,
    /// The default workspace's state.
    key: String,
    /// Before the other workspaces' names.
    prefix: String,
    /// This workspace's state.
    state: String,
    /// Where `DynamoDB` keeps the lock, if it does.
    table: Option<Table>,
    session: crate::aws::Settings,
    keys: Option<Keys>,
    location: Location,
    opened: OnceCell<Bucket>,
}

/// A table of locks.
struct Table {
    name: String,
    endpoint: Option<String>,
}

impl Objects {
    pub(super) fn of(settings: &Settings, workspace: &str) -> Result<Self, BackendError> {
        if settings.text("sse_customer_key").is_some() {
            return Err(BackendError::CustomerKey);
        }
        let key = settings.required("key")?;
        let prefix = match settings.values.get("workspace_key_prefix") {
            Some(Value::String(prefix)) => prefix.trim_matches('/').to_owned(),
            _ => "env:".to_owned(),
        };
        let state = match workspace {
            DEFAULT => key.clone(),
            other => format!("{}{other}/{key}", slashed(&prefix)),
        };
        Ok(Self {
            bucket: settings.required("bucket")?,
            table: settings.text("dynamodb_table").map(|name| Table {
                name,
                endpoint: settings
                    .nested("endpoints", "dynamodb")
                    .or_else(|| settings.text("dynamodb_endpoint")),
            }),
            session: session(settings),
            keys: keys(settings),
            location: location(settings),
            opened: OnceCell::new(),
            key,
            prefix,
            state,
        })
    }

    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, BackendError> {
        let object = self.get(&self.state).await?;
        Ok(object.map(|object| object.bytes.into()))
    }

    pub(super) async fn lock(&self) -> Result<Lock, BackendError> {
        let key = format!("{}.tflock", self.state);
        if let Some(object) = self.get(&key).await? {
            let bytes =
                if object.bytes.len() as u64 > lock::LARGEST { &[] } else { &object.bytes[..] };
            let place = format!("s3://{}/{key}", self.bucket);
            return Ok(Lock::Held(LockHolder::read(bytes, place)));
        }
        let Some(table) = &self.table else { return Ok(Lock::Free) };
        Ok(match self.item(table).await {
            Ok(None) => Lock::Free,
            Ok(Some(info)) => {
                let place = format!("dynamodb://{}/{}", table.name, self.lock_id());
                Lock::Held(LockHolder::read(info.as_bytes(), place))
            }
            Err(error) => Lock::Unseen {
                why: format!(
                    "the state is locked in the DynamoDB table `{}`, which cannot be read (dynamodb:GetItem): {error}",
                    table.name
                ),
            },
        })
    }

    /// What Terraform wrote into `table`, if it holds the lock.
    async fn item(&self, table: &Table) -> Result<Option<String>, Error> {
        let session = Session::with_keys(&self.session, self.keys.as_ref()).await;
        let asked = json!({
            "TableName": table.name,
            "Key": { "LockID": { "S": self.lock_id() } },
            "ConsistentRead": true,
        });
        let (endpoint, service) = (table.endpoint.clone(), JsonService::DynamoDb);
        let asked = ("GetItem", &asked);
        let answer = session.json_at(endpoint, service, asked, Retry::Standard).await?;
        let Some(item) = answer.get("Item").filter(|item| item.is_object()) else {
            return Ok(None);
        };
        let info = item.pointer("/Info/S").and_then(Value::as_str);
        Ok(Some(info.unwrap_or_default().to_owned()))
    }

    /// Terraform's name for the lock in a table (`internal/backend/remote-state/s3`, `lockPath`).
    fn lock_id(&self) -> String {
        format!("{}/{}", self.bucket, self.state)
    }

    pub(super) async fn workspaces(&self) -> Result<Workspaces, BackendError> {
        let prefix = slashed(&self.prefix);
        let bucket = self.bucket().await?;
        let listing = bucket.list(&prefix, MOST).await.map_err(|source| self.failed(source))?;
        // Other states share the bucket: only keys that end in ours are workspaces of this folder.
        let own = format!("/{}", self.key);
        let name = |key: &String| {
            let name = key.strip_prefix(&prefix)?.strip_suffix(&own)?;
            (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
        };
        let mut names: BTreeSet<String> = listing.keys.iter().filter_map(name).collect();
        if bucket.exists(&self.key).await.map_err(|source| self.failed(source))? {
            names.insert(DEFAULT.to_owned());
        }
        Ok(Workspaces { names, complete: !listing.truncated })
    }

    /// Whose credentials read it.
    pub(super) fn session(&self) -> &crate::aws::Settings {
        &self.session
    }

    /// The rights that reading it, and its lock, needs.
    pub(super) fn rights(&self, owner: &Owner) -> Vec<Statement> {
        let key = |rest: &str| owner.bare("s3", &format!("{}/{}{rest}", self.bucket, self.state));
        let objects = [key(""), key(".tflock")];
        let mut all = vec![
            Statement::new("ReadsTheState", ["s3:GetObject"], objects),
            Statement::new(
                "SeesItsWorkspaces",
                ["s3:ListBucket"],
                [owner.bare("s3", &self.bucket)],
            ),
        ];
        if let Some(table) = &self.table {
            let table = owner.arn("dynamodb", &format!("table/{}", table.name));
            all.push(Statement::new("SeesItsLock", ["dynamodb:GetItem"], [table]));
        }
        all
    }

    async fn get(&self, key: &str) -> Result<Option<crate::aws::s3::Object>, BackendError> {
        let answer = self.bucket().await?.get(key).await;
        answer.map_err(|source| self.failed(source))
    }

    async fn bucket(&self) -> Result<&Bucket, BackendError> {
        let open = || async {
            let session = Session::with_keys(&self.session, self.keys.as_ref()).await;
            Bucket::open(&session, &self.bucket, &self.location)
        };
        self.opened.get_or_try_init(open).await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: Error) -> BackendError {
        BackendError::S3 { place: self.to_string(), source }
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.state)
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({self})")
    }
}

fn slashed(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

fn session(settings: &Settings) -> crate::aws::Settings {
    // Before Terraform 1.6 the role stood beside the other settings.
    let of_role = |nested: &str, flat: &str| {
        settings.nested("assume_role", nested).or_else(|| settings.text(flat))
    };
    crate::aws::Settings {
        profile: settings.text("profile"),
        region: settings.text("region"),
        assume_role: of_role("role_arn", "role_arn").map(|role_arn| AssumeRole {
            role_arn,
            external_id: of_role("external_id", "external_id"),
            session_name: of_role("session_name", "session_name"),
        }),
    }
}

fn keys(settings: &Settings) -> Option<Keys> {
    let (id, secret) = settings.text("access_key").zip(settings.text("secret_key"))?;
    Some(Keys { id, secret, token: settings.text("token") })
}

fn location(settings: &Settings) -> Location {
    let in_path = settings.flag("use_path_style") || settings.flag("force_path_style");
    Location {
        region: settings.text("region"),
        endpoint: settings.nested("endpoints", "s3").or_else(|| settings.text("endpoint")),
        addressing: if in_path { Addressing::Path } else { Addressing::Auto },
    }
}
