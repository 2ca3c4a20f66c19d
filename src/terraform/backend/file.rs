//! State in files: the backend `local`, and `-state FILE`.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{BackendError, DEFAULT, LARGEST_STATE, Lock, LockHolder, Settings, Workspaces, lock};

const STATE: &str = "terraform.tfstate";
/// More workspaces than anybody has; the rest is not looked at.
const MOST: usize = 1000;

/// Where they are.
#[derive(Debug)]
pub(super) struct Files {
    state: PathBuf,
    /// The default workspace's state.
    default: PathBuf,
    /// One folder per other workspace.
    others: PathBuf,
}

impl Files {
    /// The state's file.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn of(folder: &Path, settings: &Settings, workspace: &str) -> Self {
        let at = |name: &str, otherwise: &str| {
            folder.join(settings.text(name).as_deref().unwrap_or(otherwise))
        };
        let default = at("path", STATE);
        let others = at("workspace_dir", "terraform.tfstate.d");
        let state = match workspace {
            DEFAULT => default.clone(),
            other => others.join(other).join(STATE),
        };
        Self { state, default, others }
    }

    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, BackendError> {
        // Terraform makes an empty file first, to lock it.
        Ok(bounded(&self.state, LARGEST_STATE)?.filter(|bytes| !bytes.is_empty()))
    }

    pub(super) fn lock(&self) -> Result<Lock, BackendError> {
        lock_of(&self.state)
    }

    pub(super) fn workspaces(&self) -> Result<Workspaces, BackendError> {
        let mut names = BTreeSet::new();
        if self.default.exists() {
            names.insert(DEFAULT.to_owned());
        }
        let entries = match std::fs::read_dir(&self.others) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Workspaces { names, complete: true });
            }
            Err(source) => return Err(BackendError::File { path: self.others.clone(), source }),
        };
        let mut complete = true;
        for (count, entry) in entries.enumerate() {
            if count >= MOST {
                complete = false;
                break;
            }
            let entry =
                entry.map_err(|source| BackendError::File { path: self.others.clone(), source })?;
            if entry.path().is_dir() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(Workspaces { names, complete })
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.display().fmt(f)
    }
}

/// `.terraform.tfstate.lock.info` beside the state; a leading dot of the state's name is not doubled.
pub(super) fn lock_of(state: &Path) -> Result<Lock, BackendError> {
    let Some(name) = state.file_name() else { return Ok(Lock::Free) };
    let name = name.to_string_lossy();
    let name = name.strip_prefix('.').unwrap_or(&name);
    let path = state.with_file_name(format!(".{name}.lock.info"));
    let place = path.display().to_string();
    match bounded(&path, lock::LARGEST) {
        Ok(None) => Ok(Lock::Free),
        Ok(Some(bytes)) => Ok(Lock::Held(LockHolder::read(&bytes, place))),
        Err(BackendError::TooLarge { .. }) => Ok(Lock::Held(LockHolder::read(&[], place))),
        Err(error) => Err(error),
    }
}

/// A file's bytes, or `None` where there is none. Refuses more than `limit` without reading it all.
pub(super) fn bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, BackendError> {
    let failed = |source| BackendError::File { path: path.to_owned(), source };
    let file = match crate::files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(BackendError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(Some(bytes))
}
