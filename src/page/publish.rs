//! The page as files, for a server or a CDN that knows nothing of Roadworks.
//!
//! The same input makes the same bytes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

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

/// A file in one of the ways in which it travels: what a bucket keeps, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageObject {
    /// The file's name, with `.br` or `.gz` at its end where it is packed.
    pub name: String,
    /// Its `Content-Type`: what is in it once it is unpacked.
    pub content_type: &'static str,
    /// Its `Content-Encoding`, where it is packed.
    pub content_encoding: Option<&'static str>,
    /// Its `Cache-Control`.
    pub cache_control: &'static str,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Never kept: what is said now may be over in a minute.
const NO_STORE: &str = "no-store";
/// So that crawlers ask again soon after, and not only the next day (RFC 9309 section 2.4).
const FOR_MINUTES: &str = "public, max-age=300";
/// Pages look at it at most twice a minute each; who stands between them and it may answer a few at once.
const FOR_SECONDS: &str = "public, max-age=5";

/// The name of what crawlers read first.
pub const ROBOTS: &str = "robots.txt";
/// The name of what pages look at.
pub const STATUS: &str = "status.json";
/// Where one's own copy is not given: a file that is not there would mean the same, but a CDN would answer it with 503,
/// and that stops all crawling.
const ROBOTS_OF_NOBODY: &str = "User-agent: *\nDisallow:\n";

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

impl Page {
    /// The page as files, without the compressed ones: `index.html` with all languages, each in a page and a text of its
    /// own, `problem.json`, `nano.html`, `robots.txt`, and `status.json`, which is what pages look at.
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
        files.push(StaticFile::new(ROBOTS, TEXT, ROBOTS_OF_NOBODY.to_owned()));
        files.push(StaticFile::new(
            STATUS,
            "application/json",
            told_status(draft.mode, draft.end.at()),
        ));
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
    /// `status.json` of a mode, `open` included.
    pub fn status(mode: Mode, until: Option<Timestamp>) -> StaticFile {
        StaticFile::new(STATUS, "application/json", told_status(Some(mode), until))
    }

    /// One's own `robots.txt`.
    pub fn robots(content: Vec<u8>) -> StaticFile {
        StaticFile { name: ROBOTS.to_owned(), content_type: TEXT, content }
    }

    fn new(name: &str, content_type: &'static str, content: String) -> StaticFile {
        StaticFile { name: name.to_owned(), content_type, content: content.into_bytes() }
    }

    /// The file as it is, and as Brotli and gzip beside it.
    pub fn objects(&self) -> io::Result<[PageObject; 3]> {
        let forms = [
            ("", None, self.content.clone()),
            (".br", Some("br"), self.brotli()?),
            (".gz", Some("gzip"), self.gzip()?),
        ];
        Ok(forms.map(|(ending, content_encoding, content)| PageObject {
            name: format!("{}{ending}", self.name),
            content_type: self.content_type,
            content_encoding,
            cache_control: match self.name.as_str() {
                ROBOTS => FOR_MINUTES,
                STATUS => FOR_SECONDS,
                _ => NO_STORE,
            },
            content,
        }))
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
fn told_status(mode: Option<Mode>, until: Option<Timestamp>) -> String {
    let mode = mode.map(Mode::word);
    let until = until.map(|at| at.to_string());
    format!("{}\n", serde_json::json!({ "mode": mode, "until": until }))
}
