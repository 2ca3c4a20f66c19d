//! A body of HCL -> values, with every mistake collected and pointing at its place.
//!
//! Values are literal, but for `env("NAME")` and `file("path")`. Never prints a value: it may be a secret.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Block, Body};

use crate::files::read_up_to;
use crate::hcl::{Diagnostic, Source, nearest};

/// A file named by `file()` holds one value.
const LARGEST_VALUE: usize = 64 << 10;

/// Reads one file's body and collects what is wrong with it.
pub(super) struct Reader<'a> {
    source: &'a Source,
    folder: PathBuf,
    env: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        source: &'a Source,
        folder: &Path,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Reader<'a> {
        Reader { source, folder: folder.to_owned(), env, mistakes: Vec::new() }
    }

    pub(super) fn mistakes(self) -> Vec<Diagnostic> {
        self.mistakes
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
        let hint = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "nothing can stand here".to_owned(),
            None => format!("known here: {}", known.join(", ")),
        };
        self.wrong_with(at, format!("`{word}` is not known here"), Some(hint));
    }

    /// The labels of `block`, exactly as many as `names`.
    pub(super) fn labels(&mut self, block: &'a Block, names: &[&str]) -> Option<Vec<&'a str>> {
        let labels: Vec<_> =
            block.labels.iter().map(hcl_edit::structure::BlockLabel::as_str).collect();
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
            self.wrong(at, format!("the environment has no {name}"));
        }
        value
    }

    fn file_value(&mut self, at: &Expression, path: &str) -> Option<String> {
        match read_up_to(&self.folder.join(path), LARGEST_VALUE) {
            Ok(Some(content)) => match String::from_utf8(content) {
                Ok(text) => return Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(_) => self.wrong(at, format!("{path} is not text")),
            },
            Ok(None) => self.wrong(at, format!("there is no file {path}")),
            Err(error) => self.wrong(at, format!("{path} cannot be read: {error}")),
        }
        None
    }
}
