//! Where Terraform's state is, its bytes, who holds its lock, and which workspaces there are beside it.
//!
//! Reads only, and only when asked. Must never log or print what it reads, settings included: both hold secrets.

mod error;
mod file;
mod lock;
#[cfg(feature = "aws")]
mod s3;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

#[cfg(feature = "aws")]
use crate::aws::Session;
#[cfg(feature = "aws")]
use crate::aws::policy::{Owner, Statement};
pub use error::BackendError;
pub use lock::{Lock, LockHolder};
use settings::Settings;

/// The largest state that is read into memory. Real ones stay under 100 MiB.
pub const LARGEST_STATE: u64 = 256 * 1024 * 1024;
const DEFAULT: &str = "default";

/// The `backend "KIND" {}` block of the folder, or `cloud {}` as the kind `cloud`.
#[derive(Clone, Default, PartialEq)]
pub struct BackendBlock {
    /// `local`, `s3`, ..
    pub kind: String,
    /// Its settings; a nested block is an object or a list of one object.
    pub settings: BTreeMap<String, Json>,
}

impl fmt::Debug for BackendBlock {
    /// Without the settings: an access key may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendBlock").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What the environment says to Terraform about its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `TF_DATA_DIR`, else `.terraform`; relative to the folder.
    pub data_dir: Option<PathBuf>,
    /// `TF_WORKSPACE`, else what `.terraform/environment` says.
    pub workspace: Option<String>,
}

impl Surroundings {
    /// As this process sees them.
    pub fn of_this_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            data_dir: set("TF_DATA_DIR").map(PathBuf::from),
            workspace: set("TF_WORKSPACE").map(|name| name.to_string_lossy().into_owned()),
        }
    }

    /// The workspace that is selected in `folder`, without reading its `.tf` files.
    pub fn workspace_of(&self, folder: &Path) -> Result<String, BackendError> {
        workspace(self, &self.data(folder))
    }

    fn data(&self, folder: &Path) -> PathBuf {
        folder.join(self.data_dir.as_deref().unwrap_or(Path::new(".terraform")))
    }
}

/// Where the state of one workspace of a folder is. Making one reads only the folder.
#[derive(Debug)]
pub struct Backend {
    workspace: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Own(At),
    /// The file of `-state`, and where the state would be without it: for the lock, as far as it can be seen.
    Given {
        file: PathBuf,
        own: Result<At, BackendError>,
    },
}

#[derive(Debug)]
enum At {
    File(file::Files),
    #[cfg(feature = "aws")]
    S3(Box<s3::Objects>),
}

/// The workspaces that have a state, and the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspaces {
    /// By name; never empty.
    pub names: BTreeSet<String>,
    /// Whether all were seen: a very large bucket is not read to its end.
    pub complete: bool,
}

impl Backend {
    /// Finds it: `state` (the `-state` option) wins; else what `terraform init` noted, over what the block says.
    pub fn find(
        folder: &Path,
        block: Option<&BackendBlock>,
        state: Option<&Path>,
        surroundings: &Surroundings,
    ) -> Result<Self, BackendError> {
        let data = surroundings.data(folder);
        let workspace = workspace(surroundings, &data)?;
        let own = At::find(folder, block, &data, &workspace);
        let source = match state {
            Some(file) => Source::Given { file: file.to_owned(), own },
            None => Source::Own(own?),
        };
        Ok(Self { workspace, source })
    }

    /// Where the state is, for a person.
    pub fn describe(&self) -> String {
        match &self.source {
            Source::Own(At::File(files)) => files.state().display().to_string(),
            #[cfg(feature = "aws")]
            Source::Own(At::S3(objects)) => objects.to_string(),
            Source::Given { file, .. } => file.display().to_string(),
        }
    }

    /// Whose credentials read it, where it is in AWS, and the rights that they need.
    #[cfg(feature = "aws")]
    pub async fn rights(&self) -> Option<(crate::aws::Settings, Vec<Statement>)> {
        let at = match &self.source {
            Source::Own(at) => at,
            Source::Given { own, .. } => own.as_ref().ok()?,
        };
        let At::S3(objects) = at else { return None };
        let session = Session::load(objects.session()).await;
        let owner = Owner::of(&session).await;
        Some((objects.session().clone(), objects.rights(&owner)))
    }

    /// The state's bytes, or `None` where nothing was applied yet. They hold secrets.
    ///
    /// Cancel safe: it only reads.
    pub async fn read(&self) -> Result<Option<Vec<u8>>, BackendError> {
        match &self.source {
            Source::Own(at) => at.read().await,
            Source::Given { file, .. } => match file::bounded(file, LARGEST_STATE)? {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(BackendError::Absent { path: file.clone() }),
            },
        }
    }

    /// Whether somebody is changing what the state describes. A copy given with `-state` has no lock of its own, so
    /// the backend's is looked at then too; where that fails, it is `Unseen` instead of an error.
    ///
    /// Cancel safe: it only reads.
    pub async fn lock(&self) -> Result<Lock, BackendError> {
        let (file, own) = match &self.source {
            Source::Own(at) => return at.lock().await,
            Source::Given { file, own } => (file, own),
        };
        if let held @ Lock::Held(_) = file::lock_of(file)? {
            return Ok(held);
        }
        let unseen = |error: &BackendError| Lock::Unseen { why: error.to_string() };
        Ok(match own {
            Ok(at) => at.lock().await.unwrap_or_else(|error| unseen(&error)),
            Err(error) => unseen(error),
        })
    }

    /// The workspaces that have a state, and this one.
    ///
    /// Cancel safe: it only reads.
    pub async fn workspaces(&self) -> Result<Workspaces, BackendError> {
        let nothing = || Workspaces { names: BTreeSet::new(), complete: false };
        let mut found = match &self.source {
            Source::Own(at) => at.workspaces().await?,
            Source::Given { own: Ok(at), .. } => {
                at.workspaces().await.unwrap_or_else(|_| nothing())
            }
            Source::Given { own: Err(_), .. } => nothing(),
        };
        found.names.insert(self.workspace.clone());
        Ok(found)
    }
}

#[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "only S3 waits"))]
impl At {
    fn find(
        folder: &Path,
        block: Option<&BackendBlock>,
        data: &Path,
        workspace: &str,
    ) -> Result<Self, BackendError> {
        let noted = settings::noted(&data.join("terraform.tfstate"))?;
        let settings = Settings::merged(block, noted.as_ref())?;
        match settings.kind.as_str() {
            "local" => Ok(Self::File(file::Files::of(folder, &settings, workspace))),
            #[cfg(feature = "aws")]
            "s3" => Ok(Self::S3(Box::new(s3::Objects::of(&settings, workspace)?))),
            #[cfg(not(feature = "aws"))]
            "s3" => Err(BackendError::NotBuilt),
            other => Err(BackendError::NotRead { kind: other.into() }),
        }
    }

    async fn read(&self) -> Result<Option<Vec<u8>>, BackendError> {
        match self {
            Self::File(files) => files.read(),
            #[cfg(feature = "aws")]
            Self::S3(objects) => objects.read().await,
        }
    }

    async fn lock(&self) -> Result<Lock, BackendError> {
        match self {
            Self::File(files) => files.lock(),
            #[cfg(feature = "aws")]
            Self::S3(objects) => objects.lock().await,
        }
    }

    async fn workspaces(&self) -> Result<Workspaces, BackendError> {
        match self {
            Self::File(files) => files.workspaces(),
            #[cfg(feature = "aws")]
            Self::S3(objects) => objects.workspaces().await,
        }
    }
}

impl fmt::Display for Backend {
    /// `infra/terraform.tfstate`, `s3://bucket/key`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Given { file, .. } => file.display().fmt(f),
            Source::Own(At::File(files)) => files.fmt(f),
            #[cfg(feature = "aws")]
            Source::Own(At::S3(objects)) => objects.fmt(f),
        }
    }
}

/// The current workspace, as Terraform finds it.
fn workspace(surroundings: &Surroundings, data: &Path) -> Result<String, BackendError> {
    let chosen = match &surroundings.workspace {
        Some(name) => Some(name.clone()),
        None => file::bounded(&data.join("environment"), 4096)?
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()),
    };
    let name = chosen.filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT.into());
    let bad = |c: char| c == '/' || c == '\\' || c.is_control();
    if name.contains(bad) || name == "." || name == ".." || name.len() > 90 {
        return Err(BackendError::Workspace(name));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &str = r#"{"ID":"7f2","Operation":"OperationTypeApply","Info":"","Who":"ann@laptop","Version":"1.11.4","Created":"2026-11-23T20:00:00Z","Path":"terraform.tfstate"}"#;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn found(
        folder: &tempfile::TempDir,
        block: Option<&BackendBlock>,
    ) -> Result<Backend, BackendError> {
        Backend::find(folder.path(), block, None, &Surroundings::default())
    }

    fn block(kind: &str, settings: serde_json::Value) -> BackendBlock {
        BackendBlock { kind: kind.into(), settings: serde_json::from_value(settings).unwrap() }
    }

    #[tokio::test]
    async fn without_a_backend_the_state_is_beside_the_files() {
        let folder = folder(&[("terraform.tfstate", "here")]);
        let backend = found(&folder, None).unwrap();
        assert_eq!(backend.read().await.unwrap().unwrap(), b"here");
        assert_eq!(backend.lock().await.unwrap(), Lock::Free);
        assert_eq!(backend.workspace, "default");
    }

    #[tokio::test]
    async fn nothing_applied_yet_is_no_error_and_a_given_file_that_is_absent_is_one() {
        let folder = folder(&[]);
        assert_eq!(found(&folder, None).unwrap().read().await.unwrap(), None);
        let state = folder.path().join("x.tfstate");
        let given =
            Backend::find(folder.path(), None, Some(&state), &Surroundings::default()).unwrap();
        assert!(matches!(given.read().await, Err(BackendError::Absent { .. })));
    }

    #[tokio::test]
    async fn the_empty_file_of_a_first_apply_is_no_state() {
        let folder = folder(&[("terraform.tfstate", "")]);
        assert_eq!(found(&folder, None).unwrap().read().await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_chosen_workspace_has_its_own_state() {
        let files = [
            (".terraform/environment", "prod"),
            ("terraform.tfstate", "default's"),
            ("terraform.tfstate.d/prod/terraform.tfstate", "prod's"),
            ("terraform.tfstate.d/test/terraform.tfstate", "test's"),
        ];
        let folder = folder(&files);
        let backend = found(&folder, None).unwrap();
        assert_eq!(backend.read().await.unwrap().unwrap(), b"prod's");
        let all = backend.workspaces().await.unwrap();
        assert_eq!(Vec::from_iter(all.names), ["default", "prod", "test"]);
        let asked = Surroundings { workspace: Some("test".into()), ..Surroundings::default() };
        let backend = Backend::find(folder.path(), None, None, &asked).unwrap();
        assert_eq!(backend.read().await.unwrap().unwrap(), b"test's");
    }

    #[test]
    fn a_workspace_that_would_lead_elsewhere_is_refused() {
        let folder = folder(&[(".terraform/environment", "../../etc")]);
        assert!(matches!(found(&folder, None), Err(BackendError::Workspace(_))));
    }

    #[tokio::test]
    async fn what_init_noted_wins_over_the_block() {
        let note = r#"{"version":3,"backend":{"type":"local","config":{"path":"b.tfstate","workspace_dir":null},"hash":1}}"#;
        let folder = folder(&[
            ("data/terraform.tfstate", note),
            ("b.tfstate", "b"),
            ("ws/x/terraform.tfstate", ""),
        ]);
        let block = block("local", serde_json::json!({"path": "a.tfstate", "workspace_dir": "ws"}));
        let moved = Surroundings { data_dir: Some("data".into()), ..Surroundings::default() };
        let backend = Backend::find(folder.path(), Some(&block), None, &moved).unwrap();
        assert_eq!(backend.read().await.unwrap().unwrap(), b"b");
        assert_eq!(Vec::from_iter(backend.workspaces().await.unwrap().names), ["default", "x"]);
    }

    #[test]
    fn a_folder_whose_backend_changed_since_init_is_refused() {
        let note = r#"{"backend":{"type":"s3","config":{}}}"#;
        let folder = folder(&[(".terraform/terraform.tfstate", note)]);
        let error = found(&folder, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the files name the backend `local`, but `terraform init` was last run with `s3`"
        );
    }

    #[test]
    fn a_backend_that_only_terraform_reads_names_the_way_out() {
        for kind in ["gcs", "cloud", "remote"] {
            let error = found(&folder(&[]), Some(&block(kind, serde_json::json!({})))).unwrap_err();
            assert!(error.to_string().contains(&format!("`{kind}`")), "{error}");
            assert!(error.hint().contains("terraform state pull > live.tfstate"));
        }
    }

    #[test]
    fn what_init_wrote_is_not_trusted_to_be_json() {
        let folder = folder(&[(".terraform/terraform.tfstate", "{")]);
        assert!(matches!(found(&folder, None), Err(BackendError::Note { .. })));
    }

    #[tokio::test]
    async fn a_held_lock_names_its_holder() {
        let folder = folder(&[(".terraform.tfstate.lock.info", HELD)]);
        let Lock::Held(holder) = found(&folder, None).unwrap().lock().await.unwrap() else {
            panic!()
        };
        assert_eq!(
            (holder.who.as_str(), holder.operation.as_str()),
            ("ann@laptop", "OperationTypeApply")
        );
        assert_eq!((holder.id.as_str(), holder.created.as_str()), ("7f2", "2026-11-23T20:00:00Z"));
    }

    #[tokio::test]
    async fn a_lock_that_says_nothing_is_held_all_the_same() {
        for text in ["", "{", "[]", r#"{"Who":7}"#, &"x".repeat(100_000)] {
            let folder = folder(&[(".terraform.tfstate.lock.info", text)]);
            let Lock::Held(holder) = found(&folder, None).unwrap().lock().await.unwrap() else {
                panic!()
            };
            assert_eq!(holder.who, "unknown");
        }
    }

    #[tokio::test]
    async fn a_copy_given_with_state_still_looks_at_the_lock_of_the_folder() {
        let folder = folder(&[(".terraform.tfstate.lock.info", HELD), ("copy.tfstate", "c")]);
        let copy = folder.path().join("copy.tfstate");
        let find = |block| {
            Backend::find(folder.path(), block, Some(&copy), &Surroundings::default()).unwrap()
        };
        let backend = find(None);
        assert_eq!(backend.read().await.unwrap().unwrap(), b"c");
        assert!(matches!(backend.lock().await.unwrap(), Lock::Held(_)));
        let gcs = block("gcs", serde_json::json!({}));
        assert!(matches!(find(Some(&gcs)).lock().await.unwrap(), Lock::Unseen { .. }));
    }

    #[cfg(feature = "aws")]
    #[test]
    fn a_state_in_s3_is_found_by_workspace() {
        let s3 = serde_json::json!({"bucket": "b", "key": "net/a.tfstate", "region": "eu-west-1"});
        let at = |workspace: &str, more: serde_json::Value| {
            let mut block = block("s3", s3.clone());
            block.settings.extend(serde_json::from_value::<BTreeMap<String, Json>>(more).unwrap());
            let asked =
                Surroundings { workspace: Some(workspace.into()), ..Surroundings::default() };
            Backend::find(folder(&[]).path(), Some(&block), None, &asked).unwrap().to_string()
        };
        assert_eq!(at("default", serde_json::json!({})), "s3://b/net/a.tfstate");
        assert_eq!(at("prod", serde_json::json!({})), "s3://b/env:/prod/net/a.tfstate");
        let prefix = serde_json::json!({"workspace_key_prefix": "ws/x"});
        assert_eq!(at("prod", prefix), "s3://b/ws/x/prod/net/a.tfstate");
        let prefix = serde_json::json!({"workspace_key_prefix": ""});
        assert_eq!(at("prod", prefix), "s3://b/prod/net/a.tfstate");
    }

    #[cfg(feature = "aws")]
    #[test]
    fn an_unfinished_s3_backend_says_what_is_missing() {
        let error =
            found(&folder(&[]), Some(&block("s3", serde_json::json!({"key": "k"})))).unwrap_err();
        assert_eq!(error.to_string(), "the backend `s3` has no usable `bucket`");
    }

    #[test]
    fn settings_are_never_shown() {
        let block = block("s3", serde_json::json!({"secret_key": "hush"}));
        assert!(!format!("{block:?}").contains("hush"));
    }
}
