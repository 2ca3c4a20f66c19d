//! What a text is as a configuration, for tests.

use std::fs;

use super::{Config, Error, load};
use crate::hcl::Diagnostic;

/// The configuration that `text` is, or its mistakes. Beside it is `update.key`; the environment has `ZONE` and `BYPASS_KEY`.
pub(super) fn load_text(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roadworks.hcl"), text).unwrap();
    fs::write(folder.path().join("update.key"), "c2VjcmV0LW9mLTE2LWJ5dGVzIQ==\n").unwrap();
    let env = |name: &str| match name {
        "ZONE" => Some("Z1".to_owned()),
        "BYPASS_KEY" => Some("0123456789abcdef".to_owned()),
        _ => None,
    };
    match load(folder.path(), &env) {
        Ok(config) => (Some(config), Vec::new()),
        Err(Error::Wrong(mistakes)) => (None, mistakes),
        Err(other) => panic!("{other}"),
    }
}

pub(super) fn good(text: &str) -> Config {
    let (config, mistakes) = load_text(text);
    config.unwrap_or_else(|| panic!("{mistakes:#?}"))
}

/// `line:column message` of each mistake.
pub(super) fn wrong(text: &str) -> Vec<String> {
    load_text(text).1.iter().map(placed).collect()
}

/// The same with the hints.
pub(super) fn wrong_and_hints(text: &str) -> Vec<String> {
    let shown = |mistake: &Diagnostic| {
        format!("{} {}", placed(mistake), mistake.hint.as_deref().unwrap_or_default())
    };
    load_text(text).1.iter().map(shown).collect()
}

fn placed(mistake: &Diagnostic) -> String {
    let place = mistake.place.as_ref().unwrap();
    format!("{}:{} {}", place.line, place.column, mistake.message)
}
