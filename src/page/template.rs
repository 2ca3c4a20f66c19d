//! A page of one's own: a template with the data of the built-in page. Bounded in what it may do and how much it may say,
//! and tried in every situation before it is taken.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::error::Error;
use super::html::{SCRIPT, STYLE, controls, end};
use super::told::{Draft, End, utc};
use crate::files::read_up_to;
use crate::switch::Mode;

/// The largest template.
const LARGEST: usize = 256 * 1024;
/// The largest page that one may make.
const LARGEST_PAGE: usize = 1024 * 1024;
/// What one may do, in the engine's steps: the built-in page as a template takes about 100.
const FUEL: u64 = 100_000;
const NAME: &str = "page.html";

/// A template that compiled.
#[derive(Debug, Clone)]
pub(super) struct Template {
    environment: Environment<'static>,
    file: PathBuf,
}

impl Template {
    /// Reads and compiles `file`.
    pub(super) fn read(file: &Path) -> Result<Template, Error> {
        let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
        let content = read_up_to(file, LARGEST)
            .and_then(|content| content.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
            .map_err(unreadable)?;
        let source = String::from_utf8(content).map_err(|error| {
            unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
        })?;
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        // A name that is not there is a mistake, not an empty place on the page of tonight.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let template = environment.add_template_owned(NAME, source);
        template.map_err(|error| wrong(file, &error))?;
        Ok(Template { environment, file: file.to_owned() })
    }

    /// The page of one draft.
    pub(super) fn render(&self, draft: &Draft<'_>) -> Result<String, Error> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|error| wrong(&self.file, &error))?;
        let mut page = Bounded(Vec::new());
        template
            .render_captured_to(data(draft), &mut page)
            .map_err(|error| wrong(&self.file, &error))?;
        String::from_utf8(page.0).map_err(|error| Error::Template {
            file: self.file.clone(),
            line: 1,
            why: error.to_string(),
        })
    }
}

/// Where the engine says that something is wrong.
fn wrong(file: &Path, error: &minijinja::Error) -> Error {
    let why = error
        .detail()
        .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    Error::Template { file: file.to_owned(), line: error.line().unwrap_or(1), why }
}

/// What a template is given; docs/page.md lists it.
fn data(draft: &Draft<'_>) -> Value {
    let words = draft.words();
    let situation = draft.situation();
    let contact = draft.contact();
    let until = draft.end.at();
    context! {
        mode => draft.mode.map(Mode::word),
        host => draft.host,
        lang => draft.language.tag(),
        dir => draft.language.direction(),
        title => draft.title(),
        heading => situation.heading,
        what => situation.what,
        works => situation.works,
        saved => draft.saved().into_owned(),
        sent => draft.to().word(),
        when => draft.when(),
        until => until.map(text),
        until_utc => until.map(utc),
        overdue => matches!(draft.end, End::Passed(_)),
        message => draft.message(),
        contact => contact.as_ref().map(|contact| contact.text),
        contact_href => contact.as_ref().and_then(|contact| contact.href.clone()),
        questions => words.questions,
        reference => draft.reference,
        reference_label => words.reference,
        look => draft.look(),
        end => Value::from_safe_string(end(draft)),
        controls => Value::from_safe_string(controls(draft)),
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
    }
}

fn text(value: impl Display) -> String {
    value.to_string()
}

/// Takes a page until it is too large.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + more.len() > LARGEST_PAGE {
            return Err(std::io::Error::new(
                std::io::ErrorKind::FileTooLarge,
                "the page is over 1 MiB",
            ));
        }
        self.0.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
