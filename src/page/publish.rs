//! The page as files, for a server or a CDN that knows nothing of Roadworks.
//!
//! The same input makes the same bytes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::html::index;
use super::language::Language;
use super::told::{Draft, To, Told};
use super::{Error, Page, forms, html, text};
use crate::switch::Mode;

/// A file to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticFile {
    /// Its name in the folder.
    pub name: String,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What is in it.
    pub content: Vec<u8>,
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

impl Page {
    /// The page as files, without the compressed ones: `index.html` with all languages, each in a page and a text of its
    /// own, `problem.json`, `nano.html`, and `status.json`, which is what pages look at.
    ///
    /// Whoever has a template has it in `index.html` in English: a template makes one language at a time.
    pub fn files(&self, told: &Told<'_>) -> Vec<StaticFile> {
        let draft = Draft { to: To::Anybody, ..self.draft(told, None) };
        let all = Language::ALL.map(|language| Draft { language, ..draft });
        let first = match &self.template {
            Some(_) => self.html(&draft).0,
            None => index(&all),
        };
        let mut files = vec![StaticFile::new("index.html", HTML, first)];
        for draft in &all {
            let tag = draft.language.tag();
            files.push(StaticFile::new(&format!("{tag}.html"), HTML, self.html(draft).0));
            files.push(StaticFile::new(&format!("{tag}.txt"), TEXT, text::text(draft)));
        }
        let operation = told.posture.and_then(|posture| posture.operation.as_ref());
        let operation = operation.map(ToString::to_string);
        let problem = forms::problem_without_a_visitor(&draft, operation.as_deref());
        files.push(StaticFile::new("problem.json", "application/problem+json", problem));
        files.push(StaticFile::new("nano.html", HTML, text::nano(&draft)));
        files.push(StaticFile::new("status.json", "application/json", status(&draft)));
        files
    }

    /// The page in one language, as a visitor of a gateway would see it, with a reference made up.
    pub fn preview(&self, told: &Told<'_>, language: Language, to: To) -> Result<String, Error> {
        let draft = Draft { language, to, ..self.draft(told, Some("0123456789abcdef")) };
        match &self.template {
            Some(template) => template.render(&draft),
            None => Ok(html::page(&draft)),
        }
    }
}

impl StaticFile {
    fn new(name: &str, content_type: &'static str, content: String) -> StaticFile {
        StaticFile { name: name.to_owned(), content_type, content: content.into_bytes() }
    }

    /// The content as `Content-Encoding: gzip`, without a name or a time in it.
    pub fn gzip(&self) -> io::Result<Vec<u8>> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&self.content)?;
        packed.finish()
    }

    /// The content as `Content-Encoding: br`.
    pub fn brotli(&self) -> io::Result<Vec<u8>> {
        let mut packed = brotli::CompressorWriter::new(Vec::new(), 4096, 11, 22);
        packed.write_all(&self.content)?;
        packed.flush()?;
        Ok(packed.into_inner())
    }
}

/// What pages look at, with nothing in it that is not for everybody.
fn status(draft: &Draft<'_>) -> String {
    let mode = draft.mode.map(Mode::word);
    let until = draft.end.at().map(|at| at.to_string());
    format!("{}\n", serde_json::json!({ "mode": mode, "until": until }))
}
