//! What visitors see when they may not pass: the forms, the languages, the page.
//!
//! Rendered when the mode is set, never while a visitor waits. A template that cannot be rendered never opens the site:
//! the built-in page answers.

#[cfg(feature = "bucket")]
pub mod away;
#[cfg(feature = "aws")]
pub mod distribution;
mod error;
mod forms;
mod html;
mod language;
pub mod looks;
mod publish;
mod splice;
mod stack;
mod template;
mod text;
mod told;
mod words;

use crate::config::PageConfig;
use crate::switch::Mode;

pub use error::Error;
pub use forms::{Forms, ProblemDetails};
pub use language::Language;
pub use publish::{PageObject, ROBOTS, STATUS, StaticFile};
pub use text::NANO_LIMIT;
pub use told::{To, Told};

use template::Template;
use told::{Draft, End};

/// What a site's `page` block makes of every situation.
#[derive(Debug, Clone, Default)]
pub struct Page {
    config: PageConfig,
    template: Option<Template>,
}

impl Page {
    /// Reads and compiles the template, if there is one, and tries it in every mode and language.
    pub fn compile(config: &PageConfig) -> Result<Page, Error> {
        let template = config.template.as_deref().map(Template::read).transpose()?;
        let page = Page { config: config.clone(), template };
        page.try_out()?;
        Ok(page)
    }

    /// Makes all forms. Where one's own template fails, which [`compile`](Page::compile) has made unlikely, the built-in
    /// page stands in, and [`Forms::fell_back`] says so.
    pub fn render(&self, told: &Told<'_>) -> Forms {
        let operation = told.posture.and_then(|posture| posture.operation.as_ref());
        let operation = operation.map(ToString::to_string);
        let draft = self.draft(told, Some(splice::REFERENCE));
        Forms::make(&draft, operation.as_deref(), &|draft| self.html(draft))
    }

    fn html(&self, draft: &Draft<'_>) -> (String, Option<String>) {
        match self.template.as_ref().map(|template| template.render(draft)) {
            None => (html::page(draft), None),
            Some(Ok(page)) => (page, None),
            Some(Err(error)) => (html::page(draft), Some(error.to_string())),
        }
    }

    fn draft<'a>(&'a self, told: &Told<'a>, reference: Option<&'a str>) -> Draft<'a> {
        Draft {
            config: &self.config,
            host: told.host,
            language: Language::English,
            mode: told.posture.map(|posture| posture.mode),
            end: End::seen(told.posture.and_then(|posture| posture.until), told.now),
            to: To::Reader,
            reference,
        }
    }

    /// Every branch that a template can take by its data.
    fn try_out(&self) -> Result<(), Error> {
        let Some(template) = &self.template else { return Ok(()) };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let modes =
            [None, Some(Mode::ReadOnly), Some(Mode::Hold), Some(Mode::Closed), Some(Mode::Detour)];
        let ends = [End::Unknown, End::At(at), End::Passed(at)];
        for (mode, end) in modes.into_iter().flat_map(|mode| ends.map(|end| (mode, end))) {
            for (language, to) in Language::ALL
                .into_iter()
                .zip([To::Reader, To::Sender, To::Anybody].into_iter().cycle())
            {
                for (host, reference) in [(None, None), (Some("example.com"), Some("reference"))] {
                    let config = &self.config;
                    template.render(&Draft { config, host, language, mode, end, to, reference })?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
