//! `notify "webhook" { .. }` and its like -> who is told of what happens to a site.
//!
//! Where they are told is shown as far as the host: the rest of a URL is often the key to it.

mod occasion;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hcl_edit::structure::{Block, BlockLabel};
use http::Uri;
use serde::{Deserialize, Serialize};

use super::read::Reader;
use super::secret::Secret;
use crate::hcl::nearest;
pub use occasion::Occasion;

const KINDS: [&str; 4] = ["webhook", "slack", "exec", "alertmanager"];
const SOONEST: Duration = Duration::from_millis(100);
/// How long a command may take where nothing is said, and at most: whoever is told after it waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(1);
/// What a key of a webhook begins with, and how long it is (Standard Webhooks).
const PREFIX: &str = "whsec_";
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyConfig {
    /// Its second label, else its first; each has another one.
    pub name: String,
    /// How.
    pub way: NotifyWay,
    /// Of what; empty for everything.
    pub occasions: Vec<Occasion>,
}

impl NotifyConfig {
    /// Its first label: `slack`.
    pub fn kind(&self) -> &'static str {
        match &self.way {
            NotifyWay::Webhook { .. } => "webhook",
            NotifyWay::Slack { .. } => "slack",
            NotifyWay::Exec { .. } => "exec",
            NotifyWay::Alertmanager { .. } => "alertmanager",
            NotifyWay::Lacking { kind, .. } => kind,
        }
    }

    /// Whether it wants to hear of `occasion`.
    pub fn wants(&self, occasion: Occasion) -> bool {
        self.occasions.is_empty()
            || occasion == Occasion::Test
            || self.occasions.contains(&occasion)
    }
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyWay {
    /// By a POST of JSON, signed as Standard Webhooks are.
    Webhook {
        /// Where.
        to: Destination,
        /// The key, decoded; without one nothing is signed.
        secret: Option<Secret>,
    },
    /// By an incoming webhook of Slack's.
    Slack {
        /// Where.
        to: Destination,
    },
    /// By a command.
    Exec {
        /// Its words.
        command: Vec<String>,
        /// Where it runs.
        folder: PathBuf,
        /// How long it may take.
        timeout: Duration,
    },
    /// By a silence, as long as the site is not open.
    Alertmanager {
        /// Where.
        to: Destination,
        /// Which alerts are silent.
        matchers: Vec<Matcher>,
    },
    /// This machine does not have a secret of it.
    Lacking {
        /// Its first label.
        kind: &'static str,
        /// Which secret.
        why: String,
    },
}

/// Where something is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `https://hooks.slack.com`, which may be shown.
    pub origin: String,
    /// Path and query, which may not.
    pub path: Secret,
}

/// One label of the alerts that are silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// What its value is, or is not.
    pub value: String,
    /// Whether `value` is a regular expression.
    #[serde(rename = "isRegex")]
    pub is_regex: bool,
    /// Whether it is, not is not.
    #[serde(rename = "isEqual", default = "equal")]
    pub is_equal: bool,
}

/// What Alertmanager takes a matcher without the field for.
fn equal() -> bool {
    true
}

/// Reads the `notify` blocks of a site.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    blocks: impl Iterator<Item = &'a Block>,
) -> Vec<NotifyConfig> {
    let mut all: Vec<NotifyConfig> = Vec::new();
    for block in blocks {
        let Some(one) = one(reader, block) else { continue };
        if all.iter().any(|other| other.name == one.name) {
            let hint = format!("give each a name of its own: notify \"{}\" \"ops\"", one.kind());
            let message = format!("there are two notify blocks named \"{}\"", one.name);
            reader.wrong_with(&block.ident, message, Some(hint));
        }
        all.push(one);
    }
    all
}

fn one<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<NotifyConfig> {
    let labels: Vec<_> = block.labels.iter().map(BlockLabel::as_str).collect();
    let (kind, name) = match labels.as_slice() {
        [kind] => (*kind, *kind),
        [kind, name] => (*kind, *name),
        _ => {
            let message = "a `notify` block is written `notify \"webhook\" { .. }`, with a name of its own after that if there are several";
            reader.wrong(&block.ident, message);
            return None;
        }
    };
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
    if name.is_empty() || !name.chars().all(plain) {
        let message = format!("`{name}` is no name for a notify block");
        let hint = "letters, digits, `-`, `_` and `.`".to_owned();
        reader.wrong_with(&block.ident, message, Some(hint));
    }
    let occasions = occasions(reader, block);
    let way = match kind {
        "webhook" => webhook(reader, block)?,
        "slack" => {
            reader.only(&block.body, &["url", "events"], &[], &[]);
            match destination(reader, block)? {
                Ok(to) => NotifyWay::Slack { to },
                Err(why) => NotifyWay::Lacking { kind: "slack", why },
            }
        }
        "exec" => exec(reader, block)?,
        "alertmanager" => alertmanager(reader, block)?,
        other => {
            let hint = match nearest(other, KINDS) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known: {}", KINDS.map(|kind| format!("\"{kind}\"")).join(", ")),
            };
            let message = format!("there is no notify \"{other}\"");
            reader.wrong_with(&block.ident, message, Some(hint));
            return None;
        }
    };
    Some(NotifyConfig { name: name.to_owned(), way, occasions })
}

/// `events`: words, or all that begin alike: `window.*`.
fn occasions(reader: &mut Reader<'_>, block: &Block) -> Vec<Occasion> {
    let known = |text: &str| -> Result<Vec<Occasion>, String> {
        let alike = text.strip_suffix('*').filter(|alike| alike.ends_with('.'));
        let found = Occasion::ALL.into_iter().filter(|one| match alike {
            Some(alike) => one.word().starts_with(alike),
            None => one.word() == text,
        });
        let found: Vec<_> = found.collect();
        if !found.is_empty() {
            return Ok(found);
        }
        Err(match nearest(text, Occasion::ALL.map(Occasion::word)) {
            Some(near) => format!("there is no event `{text}`: did you mean \"{near}\"?"),
            None => format!(
                "there is no event `{text}`, there are: {}",
                Occasion::ALL.map(Occasion::word).join(", ")
            ),
        })
    };
    let Some(chosen) = reader.list(&block.body, "events", known) else { return Vec::new() };
    if chosen.is_empty()
        && let Some(given) = block.body.get_attribute("events")
    {
        reader.wrong(&given.value, "`events` is not empty: leave it out for all of them");
    }
    let mut chosen: Vec<_> = chosen.into_iter().flatten().collect();
    chosen.sort();
    chosen.dedup();
    chosen
}

fn webhook<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<NotifyWay> {
    reader.only(&block.body, &["url", "secret", "events"], &[], &[]);
    let lacking = |why| Some(NotifyWay::Lacking { kind: "webhook", why });
    let to = destination(reader, block);
    let secret = match reader.perhaps_secret(&block.body, "secret") {
        Err(why) => return lacking(why),
        Ok(None) => None,
        Ok(Some(text)) => {
            let key = text.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
            let Some(key) = key.filter(|key| SIZES.contains(&key.len())) else {
                let at = &block.body.get_attribute("secret")?.value;
                let message = "`secret` is `whsec_` and 24 to 64 bytes as Base64";
                let hint = "echo \"whsec_$(openssl rand -base64 32)\" makes one".to_owned();
                reader.wrong_with(at, message, Some(hint));
                return None;
            };
            Some(Secret::new(key))
        }
    };
    match to? {
        Ok(to) => Some(NotifyWay::Webhook { to, secret }),
        Err(why) => lacking(why),
    }
}

fn exec<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<NotifyWay> {
    reader.only(&block.body, &["command", "timeout", "events"], &[], &[]);
    let command = reader.command(&block.body, "command").unwrap_or_default();
    if command.is_empty() {
        let hint = "command = [\"./tell.sh\"], or a line for the shell: command = \"logger ..\"";
        reader.wrong_with(&block.ident, "a notify \"exec\" needs `command`", Some(hint.to_owned()));
        return None;
    }
    let timeout = reader.duration(&block.body, "timeout", SOONEST..=LONGEST).unwrap_or(TIMEOUT);
    Some(NotifyWay::Exec { command, folder: reader.folder().to_owned(), timeout })
}

fn alertmanager<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<NotifyWay> {
    reader.only(&block.body, &["url", "matchers"], &[], &[]);
    let to = destination(reader, block);
    let matchers = reader.list(&block.body, "matchers", matcher);
    if matchers.as_ref().is_none_or(Vec::is_empty) {
        if block.body.get_attribute("matchers").is_none_or(|_| matchers.is_some()) {
            let hint = "matchers = [\"service=\\\"shop\\\"\"]: without one every alert of everybody would be silent";
            let message = "a notify \"alertmanager\" needs `matchers`";
            reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
        }
        return None;
    }
    match to? {
        Ok(to) => Some(NotifyWay::Alertmanager { to, matchers: matchers.unwrap_or_default() }),
        Err(why) => Some(NotifyWay::Lacking { kind: "alertmanager", why }),
    }
}

/// `service="shop"`, `severity!="page"`, `job=~"shop-.*"`, `job!~".."`, with or without the quotes.
fn matcher(text: &str) -> Result<Matcher, String> {
    let wrong = || format!("`{text}` is no matcher: service=\"shop\", or job=~\"shop-.*\"");
    let (place, sign) = ["=~", "!~", "!=", "="]
        .into_iter()
        .filter_map(|sign| Some((text.find(sign)?, sign)))
        .min_by_key(|(place, sign)| (*place, std::cmp::Reverse(sign.len())))
        .ok_or_else(wrong)?;
    let (name, rest) = text.split_at(place);
    let (name, value) = (name.trim(), rest.trim_start_matches(sign).trim());
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_name = name.starts_with(|one: char| one.is_ascii_alphabetic() || one == '_')
        && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    if !is_name || value.is_empty() {
        return Err(wrong());
    }
    let is_regex = sign.ends_with('~');
    if is_regex && regex::Regex::new(value).is_err() {
        return Err(format!("`{value}` is no regular expression"));
    }
    let is_equal = !sign.starts_with('!');
    Ok(Matcher { name: name.to_owned(), value: value.to_owned(), is_regex, is_equal })
}

/// `url`, which is shown as far as its host; or why this machine does not have it.
fn destination<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
) -> Option<Result<Destination, String>> {
    let Some(given) = block.body.get_attribute("url") else {
        reader.needed(block, "url");
        return None;
    };
    let text = match reader.perhaps_secret(&block.body, "url") {
        Ok(text) => text?,
        Err(why) => return Some(Err(why)),
    };
    match split(&text) {
        Ok(to) => Some(Ok(to)),
        Err(message) => {
            reader.wrong(&given.value, message);
            None
        }
    }
}

/// What stands there may be a secret: it is in no message.
fn split(text: &str) -> Result<Destination, &'static str> {
    const WRONG: &str = "`url` is where to send to, such as https://example.com/hooks/roadworks";
    let url: Uri = text.parse().map_err(|_| WRONG)?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (url.scheme_str(), url.authority())
    else {
        return Err(WRONG);
    };
    if authority.host().is_empty() {
        return Err(WRONG);
    }
    if authority.as_str().contains('@') {
        return Err("a user and a password in `url` are not sent: leave them out");
    }
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Ok(Destination { origin: format!("{scheme}://{authority}"), path: Secret::new(path) })
}

#[cfg(test)]
mod trials;
