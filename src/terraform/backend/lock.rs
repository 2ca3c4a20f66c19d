//! Who holds a state's lock: the same JSON in a file beside a local state, and in an object beside one in S3 or an item of
//! `DynamoDB`.

/// Whether somebody is changing what the state describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// Nobody.
    Free,
    /// Somebody, or a crash left the lock behind; only a person can tell.
    Held(LockHolder),
    /// It cannot be seen from here.
    Unseen {
        /// Why, as a sentence's part.
        why: String,
    },
}

/// What Terraform wrote into the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// `ann@laptop`
    pub who: String,
    /// `OperationTypeApply`
    pub operation: String,
    /// When, as Terraform wrote it; empty if it did not.
    pub created: String,
    /// What `terraform force-unlock` takes; empty if it was not written.
    pub id: String,
    /// Terraform's remark, mostly empty.
    pub info: String,
    /// Where the lock is.
    pub place: String,
}

/// A lock has a few hundred bytes; more is read as an unknown holder's.
pub(super) const LARGEST: u64 = 64 * 1024;

impl std::fmt::Display for LockHolder {
    /// `ann@laptop (OperationTypeApply since 2026-11-23T00:00:00Z, .terraform.tfstate.lock.info)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.who, self.operation)?;
        if !self.created.is_empty() {
            write!(f, " since {}", self.created)?;
        }
        write!(f, ", {})", self.place)
    }
}

impl LockHolder {
    /// From whatever is in the lock: one that is there counts, even when it says nothing.
    pub(super) fn read(bytes: &[u8], place: String) -> Self {
        #[derive(Default, serde::Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Written {
            #[serde(rename = "ID")]
            id: String,
            operation: String,
            info: String,
            who: String,
            created: String,
        }
        let written: Written = serde_json::from_slice(bytes).unwrap_or_default();
        let known = |text: String| if text.is_empty() { "unknown".into() } else { plain(&text) };
        Self {
            who: known(written.who),
            operation: known(written.operation),
            created: plain(&written.created),
            id: plain(&written.id),
            info: plain(&written.info),
            place,
        }
    }

    /// What to do when nobody holds it any more.
    pub fn hint(&self) -> String {
        let id = if self.id.is_empty() { "ID" } else { &self.id };
        if self.place.contains("://") {
            format!(
                "wait for it to end; if nobody is there any more, `terraform force-unlock {id}`"
            )
        } else {
            format!("wait for it to end; if nobody is there any more, remove {}", self.place)
        }
    }
}

/// Somebody else's words, shown on our terminal: one short line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
