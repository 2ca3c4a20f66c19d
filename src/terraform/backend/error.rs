//! Why a state cannot be found or read, and the way out.

use std::path::PathBuf;

/// Why the state cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A backend that only Terraform itself speaks to.
    #[error("the state is kept by the backend `{kind}`, which is not read here")]
    NotRead {
        /// The block's label, or `cloud`.
        kind: String,
    },
    /// The backend is S3, and this program was built without it.
    #[error("the state is in S3, and this roadworks was built without AWS")]
    #[cfg(not(feature = "aws"))]
    NotBuilt,
    /// The `.tf` files and `terraform init` disagree.
    #[error(
        "the files name the backend `{named}`, but `terraform init` was last run with `{noted}`"
    )]
    Stale {
        /// What the `.tf` files say.
        named: String,
        /// What `.terraform/terraform.tfstate` says.
        noted: String,
    },
    /// A setting is missing or is not what it must be.
    #[error("the backend `{kind}` has no usable `{setting}`")]
    Setting {
        /// The backend.
        kind: String,
        /// The setting's name.
        setting: &'static str,
    },
    /// A customer's own key encrypts the state.
    #[error("the state in S3 is encrypted with `sse_customer_key`, which is not read here")]
    CustomerKey,
    /// A workspace's name that would lead out of its folder.
    #[error("`{0}` is not a workspace's name")]
    Workspace(String),
    /// A file that is there and cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file given with `-state` is not there.
    #[error("there is no state file {path}")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// A file larger than is read into memory.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much is read at most.
        limit: u64,
    },
    /// What `terraform init` left behind is not JSON of the shape it writes.
    #[error("{path} is not what `terraform init` writes")]
    Note {
        /// The file.
        path: PathBuf,
    },
    /// S3 did not give it.
    #[error("cannot read the state {place}")]
    #[cfg(feature = "aws")]
    S3 {
        /// `s3://bucket/key`
        place: String,
        /// Why.
        #[source]
        source: crate::aws::Error,
    },
}

impl BackendError {
    /// Whether better credentials are the way out.
    pub fn is_about_credentials(&self) -> bool {
        match self {
            #[cfg(feature = "aws")]
            Self::S3 { source, .. } => matches!(source, crate::aws::Error::Credentials { .. }),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        const PULL: &str =
            "run `terraform state pull > live.tfstate`, then add `-state live.tfstate`";
        match self {
            Self::NotRead { .. } | Self::CustomerKey => PULL.into(),
            #[cfg(not(feature = "aws"))]
            Self::NotBuilt => PULL.into(),
            Self::Stale { .. } | Self::Note { .. } => "run `terraform init`".into(),
            Self::Setting { .. } => {
                format!("run `terraform init`, which notes what the block leaves out; or {PULL}")
            }
            Self::Workspace(_) => "see `terraform workspace list`".into(),
            Self::File { .. } | Self::Absent { .. } => "check its name and its permissions".into(),
            Self::TooLarge { .. } => "is this a Terraform state?".into(),
            #[cfg(feature = "aws")]
            Self::S3 { source, .. } => source.hint(),
        }
    }
}
