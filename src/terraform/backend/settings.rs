//! A backend's settings: what `terraform init` noted, over what the `.tf` files say.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::{BackendBlock, BackendError, file};

/// What `terraform init` notes about the backend has a few hundred bytes.
const LARGEST_NOTE: u64 = 1024 * 1024;

/// The settings that hold, with Terraform's leniency about types (`"true"` is a bool).
pub(super) struct Settings {
    pub(super) kind: String,
    pub(super) values: BTreeMap<String, Json>,
}

impl Settings {
    pub(super) fn merged(
        block: Option<&BackendBlock>,
        noted: Option<&BackendBlock>,
    ) -> Result<Self, BackendError> {
        let kind_of = |side: Option<&BackendBlock>| side.map_or("local", |b| &b.kind).to_owned();
        let kind = kind_of(block);
        if noted.is_some() && kind_of(noted) != kind {
            return Err(BackendError::Stale { named: kind, noted: kind_of(noted) });
        }
        let mut values = block.map(|block| block.settings.clone()).unwrap_or_default();
        let noted = noted.into_iter().flat_map(|noted| &noted.settings);
        values.extend(
            noted.filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())),
        );
        Ok(Self { kind, values })
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        text(self.values.get(name)?)
    }

    #[cfg(feature = "aws")]
    pub(super) fn required(&self, setting: &'static str) -> Result<String, BackendError> {
        self.text(setting).ok_or_else(|| BackendError::Setting { kind: self.kind.clone(), setting })
    }

    #[cfg(feature = "aws")]
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value == "true")
    }

    /// A setting of a nested block, or of an object.
    #[cfg(feature = "aws")]
    pub(super) fn nested(&self, block: &str, name: &str) -> Option<String> {
        let block = self.values.get(block)?;
        let object = block.as_array().map_or(Some(block), |blocks| blocks.first())?;
        text(object.get(name)?)
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::String(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// What `terraform init` noted: the backend with all its settings, those of `-backend-config` included.
pub(super) fn noted(path: &Path) -> Result<Option<BackendBlock>, BackendError> {
    #[derive(serde::Deserialize)]
    struct Note {
        backend: Option<Noted>,
    }
    #[derive(serde::Deserialize)]
    struct Noted {
        #[serde(rename = "type")]
        kind: String,
        config: Option<BTreeMap<String, Json>>,
    }
    let Some(bytes) = file::bounded(path, LARGEST_NOTE)? else { return Ok(None) };
    let note: Note =
        serde_json::from_slice(&bytes).map_err(|_| BackendError::Note { path: path.to_owned() })?;
    Ok(note
        .backend
        .map(|noted| BackendBlock { kind: noted.kind, settings: noted.config.unwrap_or_default() }))
}
