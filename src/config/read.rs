//! A body of HCL -> values, with every mistake collected and pointing at its place.
//!
//! Values are literal, but for `env("NAME")` and `file("path")`. Never prints a value: it may be a secret.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Attribute, Block, BlockLabel, Body};

use super::units;
use crate::files::read_up_to;
use crate::hcl::{Diagnostic, Source, nearest};

/// What the design has and this version does not.
const LATER: [&str; 2] = ["pipeline", "ssm"];
/// A file named by `file()` holds one value.
const LARGEST_VALUE: usize = 64 << 10;

/// Reads one file's body and collects what is wrong with it.
pub(super) struct Reader<'a> {
    source: &'a Source,
    folder: PathBuf,
    env: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Diagnostic>,
    /// Secrets that are not here: a mistake to whoever needs them.
    lacking: Vec<Diagnostic>,
    /// Whether what is read now is such a secret.
    at_need: bool,
    warnings: Vec<String>,
    /// First and last line of what may be a secret.
    hidden: Vec<(usize, usize)>,
}

/// One text of a list, and where it stands.
pub(super) struct Item<'b> {
    pub(super) at: &'b Expression,
    pub(super) text: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        source: &'a Source,
        folder: &Path,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Reader<'a> {
        Reader {
            source,
            folder: folder.to_owned(),
            env,
            mistakes: Vec::new(),
            lacking: Vec::new(),
            at_need: false,
            warnings: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// What is wrong, and the secrets that are not here.
    pub(super) fn mistakes(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let Reader { mut mistakes, mut lacking, hidden, .. } = self;
        for mistake in mistakes.iter_mut().chain(&mut lacking) {
            let line = mistake.place.as_ref().map_or(0, |place| place.line);
            if hidden.iter().any(|(first, last)| (*first..=*last).contains(&line)) {
                mistake.text = None;
            }
        }
        // From the top of the file, whatever was read first.
        for all in [&mut mistakes, &mut lacking] {
            all.sort_by_key(|mistake| mistake.place.as_ref().map(|place| place.span.start));
        }
        (mistakes, lacking)
    }

    /// A text that only some need: a machine that does not have it does everything else.
    pub(super) fn secret(&mut self, body: &Body, key: &str) -> Option<String> {
        self.at_need = true;
        let text = self.text(body, key);
        self.at_need = false;
        text
    }

    /// The same where somebody else says what a machine without it cannot do: why it does not have it.
    pub(super) fn perhaps_secret(
        &mut self,
        body: &Body,
        key: &str,
    ) -> Result<Option<String>, String> {
        let known = self.lacking.len();
        let text = self.secret(body, key);
        match self.lacking.drain(known..).next() {
            Some(lacking) => Err(lacking.message),
            None => Ok(text),
        }
    }

    /// Keys written into the file are in no message: the lines of `bypass`, `database`, `key` and `notify` blocks and of keys that are
    /// no paths.
    pub(super) fn hide_secrets(&mut self, body: &Body) {
        for attribute in
            body.attributes().filter(|given| ["key", "secret"].contains(&given.key.as_str()))
        {
            self.hide(attribute);
        }
        for block in body.blocks() {
            match block.ident.as_str() {
                "bypass" | "database" | "key" | "notify" => self.hide(block),
                // Only its upstream may have one.
                "redis" => {
                    let upstream =
                        block.body.get_attribute("upstream").filter(|given| has_user(given));
                    if let Some(given) = upstream {
                        self.hide(given);
                    }
                }
                "check" if is_of_a_database(block) => self.hide(block),
                "workers" if block.body.has_attribute("url") => self.hide(block),
                // Its key is a file.
                "tls" => {}
                _ => self.hide_secrets(&block.body),
            }
        }
    }

    fn hide(&mut self, at: &impl Span) {
        let span = at.span().unwrap_or(0..0);
        let last = self.source.place(span.end..span.end).line;
        self.hidden.push((self.source.place(span).line, last));
    }

    /// The warnings since they were last taken, each with its place.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Notes what is allowed and still unwise.
    pub(super) fn warn(&mut self, at: &impl Span, message: impl Into<String>) {
        let spot = self.spot(at);
        let place = spot.place.map(|place| format!(" ({place})")).unwrap_or_default();
        self.warnings.push(format!("{}{place}", message.into()));
    }

    /// Where something stands, for what shows later.
    pub(super) fn spot(&self, at: &impl Span) -> Diagnostic {
        self.source.diagnostic(at.span().unwrap_or(0..0), String::new())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes a mistake at `span`.
    pub(super) fn wrong(&mut self, at: &impl Span, message: impl Into<String>) {
        self.wrong_with(at, message, None);
    }

    pub(super) fn wrong_with(
        &mut self,
        at: &impl Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let span = at.span().unwrap_or(0..0);
        let mistake = self.source.diagnostic(span, message);
        self.mistakes.push(match hint {
            Some(hint) => mistake.with_hint(hint),
            None => mistake,
        });
    }

    /// Checks that `body` has no other attributes and blocks than these, and none twice but `many`.
    pub(super) fn only(
        &mut self,
        body: &Body,
        attributes: &[&str],
        blocks: &[&str],
        many: &[&str],
    ) {
        let mut seen = BTreeSet::new();
        for attribute in body.attributes() {
            let key = attribute.key.as_str();
            if !attributes.contains(&key) {
                self.unknown(&attribute.key, key, attributes);
            } else if !seen.insert(key) {
                self.wrong(&attribute.key, format!("`{key}` is given twice"));
            }
        }
        for block in body.blocks() {
            let name = block.ident.as_str();
            if !blocks.contains(&name) && !many.contains(&name) {
                let all: Vec<_> = blocks.iter().chain(many).copied().collect();
                self.unknown(&block.ident, name, &all);
            } else if blocks.contains(&name) && !seen.insert(name) {
                self.wrong(&block.ident, format!("there are two `{name}` blocks"));
            }
        }
    }

    fn unknown(&mut self, at: &impl Span, word: &str, known: &[&str]) {
        if LATER.contains(&word) {
            let hint = format!("this version has: {}", known.join(", "));
            return self.wrong_with(at, format!("`{word}` is not there yet"), Some(hint));
        }
        let hint = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "nothing can stand here".to_owned(),
            None => format!("known here: {}", known.join(", ")),
        };
        self.wrong_with(at, format!("`{word}` is not known here"), Some(hint));
    }

    /// The labels of `block`, exactly as many as `names`.
    pub(super) fn labels(&mut self, block: &'a Block, names: &[&str]) -> Option<Vec<&'a str>> {
        let labels: Vec<_> = block.labels.iter().map(BlockLabel::as_str).collect();
        if labels.len() == names.len() {
            return Some(labels);
        }
        let wanted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let name = block.ident.as_str();
        self.wrong(
            &block.ident,
            format!("a `{name}` block is written `{name} {} {{ .. }}`", wanted.join(" ")),
        );
        None
    }

    /// The text of `key`, if it is there.
    pub(super) fn text(&mut self, body: &Body, key: &str) -> Option<String> {
        let value = &body.get_attribute(key)?.value;
        self.text_of(value, key)
    }

    /// The text of `key`, which must be there.
    pub(super) fn needed(&mut self, block: &Block, key: &str) -> Option<String> {
        if block.body.get_attribute(key).is_none() {
            self.wrong(&block.ident, format!("`{}` needs `{key}`", block.ident.as_str()));
        }
        self.text(&block.body, key)
    }

    /// The texts of the list `key`, if it is there.
    pub(super) fn texts(&mut self, body: &Body, key: &str) -> Option<Vec<String>> {
        let value = &body.get_attribute(key)?.value;
        let Expression::Array(array) = value else {
            self.wrong(value, format!("`{key}` is a list of texts: [\"..\"]"));
            return None;
        };
        array.iter().map(|item| self.text_of(item, key)).collect()
    }

    /// The texts of the list `key`, each with its place; what is no text is noted.
    pub(super) fn items<'b>(&mut self, body: &'b Body, key: &str) -> Option<Vec<Item<'b>>> {
        let value = &body.get_attribute(key)?.value;
        let Expression::Array(array) = value else {
            self.wrong(value, format!("`{key}` is a list of texts: [\"..\"]"));
            return None;
        };
        let items = array.iter().filter_map(|at| {
            let text = self.text_or_number(at, key)?;
            Some(Item { at, text })
        });
        Some(items.collect())
    }

    /// The list `key`, each of its texts read by `read`; a text that is there twice is a mistake. None too where not one of its
    /// texts could be read: that is reported, and it is no empty list.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        body: &Body,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.items(body, key)?;
        let (mut values, is_empty) = (Vec::new(), items.is_empty());
        for Item { at, text } in items {
            match read(&text) {
                Ok(value) if values.contains(&value) => {
                    self.wrong(at, format!("`{text}` is given twice"));
                }
                Ok(value) => values.push(value),
                Err(message) => self.wrong(at, message),
            }
        }
        (is_empty || !values.is_empty()).then_some(values)
    }

    /// The text of `key`, read by `read`.
    pub(super) fn parsed<T>(
        &mut self,
        body: &Body,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(body, key)?;
        let value = &body.get_attribute(key)?.value;
        read(&text).map_err(|message| self.wrong(value, message)).ok()
    }

    /// The word of `key`, one of a few.
    pub(super) fn choice<T: Copy>(
        &mut self,
        body: &Body,
        key: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let word = self.text(body, key)?;
        if let Some((_, value)) = known.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let words = || known.iter().map(|(name, _)| *name);
        let hint = match nearest(&word, words()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known: {}", words().collect::<Vec<_>>().join(", ")),
        };
        let value = &body.get_attribute(key)?.value;
        self.wrong_with(value, format!("`{word}` is not a word for `{key}`"), Some(hint));
        None
    }

    /// The duration of `key`, within `bounds`; a bare number is seconds.
    pub(super) fn duration(
        &mut self,
        body: &Body,
        key: &str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = &body.get_attribute(key)?.value;
        let text = self.text_or_number(value, key)?;
        let duration = match units::duration(&text) {
            Ok(duration) => duration,
            Err(message) => {
                self.wrong(value, message);
                return None;
            }
        };
        if bounds.contains(&duration) {
            return Some(duration);
        }
        let (least, most) = (bounds.start(), bounds.end());
        let least = if least.is_zero() { "0 s".to_owned() } else { format!("{least:?}") };
        let most = most.as_secs();
        self.wrong(value, format!("`{key}` is at least {least} and at most {most} s"));
        None
    }

    /// The whole number of `key`, within `bounds`.
    pub(super) fn count(
        &mut self,
        body: &Body,
        key: &str,
        bounds: RangeInclusive<u64>,
    ) -> Option<u64> {
        let number = self.number(body, key)?;
        self.within(body, key, number, bounds)
    }

    /// The size of `key` in bytes, within `bounds`: a number, or a text as `32KiB`.
    pub(super) fn size(
        &mut self,
        body: &Body,
        key: &str,
        bounds: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = &body.get_attribute(key)?.value;
        let text = self.text_or_number(value, key)?;
        let bytes = units::size(&text).map_err(|message| self.wrong(value, message)).ok()?;
        self.within(body, key, bytes, bounds)
    }

    fn within(
        &mut self,
        body: &Body,
        key: &str,
        number: u64,
        bounds: RangeInclusive<u64>,
    ) -> Option<u64> {
        if bounds.contains(&number) {
            return Some(number);
        }
        let value = &body.get_attribute(key)?.value;
        let (least, most) = (bounds.start(), bounds.end());
        self.wrong(value, format!("`{key}` is at least {least} and at most {most}"));
        None
    }

    fn text_or_number(&mut self, value: &Expression, key: &str) -> Option<String> {
        match value {
            Expression::Number(number) => Some(number.value().to_string()),
            other => self.text_of(other, key),
        }
    }

    /// The words of the command `key`: a list is run as it is, a text by the shell.
    pub(super) fn command(&mut self, body: &Body, key: &str) -> Option<Vec<String>> {
        if let Expression::Array(_) = &body.get_attribute(key)?.value {
            return self.texts(body, key);
        }
        let line = self.text(body, key)?;
        Some(vec!["sh".to_owned(), "-c".to_owned(), line])
    }

    pub(super) fn boolean(&mut self, body: &Body, key: &str) -> Option<bool> {
        let value = &body.get_attribute(key)?.value;
        if let Expression::Bool(boolean) = value {
            return Some(*boolean.value());
        }
        self.wrong(value, format!("`{key}` is true or false"));
        None
    }

    pub(super) fn number(&mut self, body: &Body, key: &str) -> Option<u64> {
        let value = &body.get_attribute(key)?.value;
        if let Expression::Number(number) = value
            && let Some(number) = number.value().as_u64()
        {
            return Some(number);
        }
        self.wrong(value, format!("`{key}` is a whole number, 0 or more"));
        None
    }

    fn text_of(&mut self, value: &Expression, key: &str) -> Option<String> {
        match value {
            Expression::String(text) => Some(text.value().clone()),
            Expression::FuncCall(call) if call.name.namespace.is_empty() => {
                let arguments: Vec<_> = call.args.iter().collect();
                let [Expression::String(argument)] = arguments.as_slice() else {
                    self.wrong(value, "env() and file() take one text");
                    return None;
                };
                match call.name.name.as_str() {
                    "env" => self.env_value(value, argument.value()),
                    "file" => self.file_value(value, argument.value()),
                    other => {
                        self.wrong_with(
                            value,
                            format!("there is no function `{other}` here"),
                            Some("roadworks.hcl knows env(\"NAME\") and file(\"path\")".to_owned()),
                        );
                        None
                    }
                }
            }
            _ => {
                self.wrong(
                    value,
                    format!("`{key}` is a text: \"..\", env(\"NAME\") or file(\"path\")"),
                );
                None
            }
        }
    }

    fn env_value(&mut self, at: &Expression, name: &str) -> Option<String> {
        let value = (self.env)(name);
        if value.is_none() {
            self.lacks(at, format!("the environment has no {name}"));
        }
        value
    }

    fn file_value(&mut self, at: &Expression, path: &str) -> Option<String> {
        match read_up_to(&self.folder.join(path), LARGEST_VALUE) {
            Ok(Some(content)) => match String::from_utf8(content) {
                Ok(text) => return Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(_) => self.wrong(at, format!("{path} is not text")),
            },
            Ok(None) => self.lacks(at, format!("there is no file {path}")),
            Err(error) => self.lacks(at, format!("{path} cannot be read: {error}")),
        }
        None
    }

    fn lacks(&mut self, at: &Expression, message: String) {
        if self.at_need {
            let span = at.span().unwrap_or(0..0);
            self.lacking.push(self.source.diagnostic(span, message));
        } else {
            self.wrong(at, message);
        }
    }
}

/// A password stands before an `@`.
fn has_user(given: &Attribute) -> bool {
    given.value.as_str().is_some_and(|text| text.contains('@'))
}

/// Its URL may have a password in it.
fn is_of_a_database(check: &Block) -> bool {
    let kind = check.labels.first().map(BlockLabel::as_str);
    matches!(kind, Some("redis" | "postgres"))
}
