//! Every form of a refusal, made when the mode is set, so that a visitor's costs one copy.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::language::Language;
use super::splice::Spliced;
use super::told::{Draft, End, To};
use super::{text, told};
use crate::switch::Mode;

/// What refused visitors of one site get, in every language and form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forms {
    /// One per language, in the order of [`Language::ALL`].
    spoken: Vec<Spoken>,
    problem: ProblemParts,
    nano: Bytes,
    grpc_message: String,
    fell_back: Option<String>,
    until: Option<Timestamp>,
    overdue: Option<Box<Forms>>,
}

/// The forms of one language.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spoken {
    html: Spliced,
    html_to_sender: Spliced,
    text: Spliced,
    text_to_sender: Spliced,
}

/// What problem details say that is known only when a visitor comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemDetails<'a> {
    /// The answer's status.
    pub status: u16,
    /// The request's id.
    pub instance: &'a str,
    /// The seconds of `Retry-After`, where it is sent.
    pub retry_after: Option<u64>,
}

/// An object of RFC 9457 around what is known only later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProblemParts {
    /// From the first brace to the status.
    before: String,
    /// From there to the instance.
    between: String,
}

impl Forms {
    /// Makes all forms; `html` makes the page of one draft, and says why it could not make one's own.
    pub(super) fn make(
        draft: &Draft<'_>,
        operation: Option<&str>,
        html: &dyn Fn(&Draft<'_>) -> (String, Option<String>),
    ) -> Forms {
        let mut forms = Forms::of(draft, operation, html);
        if let End::At(at) = draft.end {
            let late = Draft { end: End::Passed(at), ..*draft };
            forms.overdue = Some(Box::new(Forms::of(&late, operation, html)));
        }
        forms
    }

    fn of(
        draft: &Draft<'_>,
        operation: Option<&str>,
        html: &dyn Fn(&Draft<'_>) -> (String, Option<String>),
    ) -> Forms {
        let mut fell_back = None;
        let mut page = |draft: &Draft<'_>| {
            let (page, failed) = html(draft);
            fell_back = fell_back.take().or(failed);
            Spliced::new(&page)
        };
        let spoken = Language::ALL.map(|language| {
            let reader = Draft { language, to: To::Reader, ..*draft };
            let sender = Draft { to: To::Sender, ..reader };
            Spoken {
                html: page(&reader),
                html_to_sender: page(&sender),
                text: Spliced::new(&text::text(&reader)),
                text_to_sender: Spliced::new(&text::text(&sender)),
            }
        });
        let detail = text::detail(draft);
        Forms {
            spoken: spoken.into(),
            nano: Bytes::from(text::nano(draft)),
            grpc_message: text::grpc_message(&detail),
            problem: ProblemParts::new(draft, operation, detail),
            fell_back,
            until: draft.end.at(),
            overdue: None,
        }
    }

    /// The forms as they read at `now`: past the end they say that it takes longer than planned.
    pub fn at(&self, now: Timestamp) -> &Forms {
        match (&self.overdue, self.until) {
            (Some(overdue), Some(until)) if until <= now => overdue,
            _ => self,
        }
    }

    /// The page for whoever wanted to see something: `text/html; charset=utf-8`.
    pub fn html(&self, language: Language, reference: &str) -> Bytes {
        self.spoken(language).map_or_else(Bytes::new, |spoken| spoken.html.with(reference))
    }

    /// The page for whoever sent something by a method that is not safe: it says that it was not saved, and does not
    /// reload by itself, since that would send it again.
    pub fn html_to_sender(&self, language: Language, reference: &str) -> Bytes {
        self.spoken(language)
            .map_or_else(Bytes::new, |spoken| spoken.html_to_sender.with(reference))
    }

    /// The same as [`html`](Forms::html) in `text/plain; charset=utf-8`.
    pub fn text(&self, language: Language, reference: &str) -> Bytes {
        self.spoken(language).map_or_else(Bytes::new, |spoken| spoken.text.with(reference))
    }

    /// The same as [`html_to_sender`](Forms::html_to_sender) in `text/plain; charset=utf-8`.
    pub fn text_to_sender(&self, language: Language, reference: &str) -> Bytes {
        self.spoken(language)
            .map_or_else(Bytes::new, |spoken| spoken.text_to_sender.with(reference))
    }

    /// `application/problem+json` (RFC 9457), always in English.
    pub fn problem(&self, details: &ProblemDetails<'_>) -> Bytes {
        self.problem.with(details)
    }

    /// A page of at most 1,024 bytes, in English.
    pub fn nano(&self) -> &Bytes {
        &self.nano
    }

    /// What gRPC clients are told, encoded as `grpc-message` wants it.
    pub fn grpc_message(&self) -> &str {
        &self.grpc_message
    }

    /// Why the built-in page stands in for one's own, where it does.
    pub fn fell_back(&self) -> Option<&str> {
        self.fell_back.as_deref()
    }

    fn spoken(&self, language: Language) -> Option<&Spoken> {
        self.spoken.get(language as usize)
    }
}

/// Problem details for everybody: without an instance, and without the seconds that differ by visitor.
pub(super) fn problem_without_a_visitor(draft: &Draft<'_>, operation: Option<&str>) -> String {
    let ProblemParts { before, between } = ProblemParts::new(draft, operation, text::detail(draft));
    let between = between.strip_suffix(INSTANCE).unwrap_or(&between);
    format!("{before}503{between}}}\n")
}

/// What comes before a request's id.
const INSTANCE: &str = ",\"instance\":\"";

impl ProblemParts {
    fn new(draft: &Draft<'_>, operation: Option<&str>, detail: String) -> ProblemParts {
        let english = Draft { language: Language::English, ..*draft };
        let mode = draft.mode.map(Mode::word);
        // Where a program can read on; a path is resolved against what it asked for (RFC 9457 section 3.1.1).
        let kind = mode.map_or_else(
            || told::OWN_STATUS.to_owned(),
            |mode| format!("{}#{mode}", told::OWN_STATUS),
        );
        let json = |value: Value| value.to_string();
        let title = english.situation().heading;
        let until = draft.end.at().map(|at| at.to_string());
        ProblemParts {
            before: format!(
                "{{\"type\":{},\"title\":{},\"status\":",
                json(kind.into()),
                json(title.into())
            ),
            between: format!(
                ",\"detail\":{},\"mode\":{},\"until\":{},\"operation\":{}{INSTANCE}",
                json(detail.into()),
                json(mode.into()),
                json(until.into()),
                json(operation.into()),
            ),
        }
    }

    fn with(&self, details: &ProblemDetails<'_>) -> Bytes {
        let retry_after =
            details.retry_after.map_or_else(|| "null".to_owned(), |seconds| seconds.to_string());
        let ProblemParts { before, between } = self;
        let instance = super::splice::plain(details.instance);
        let status = details.status;
        Bytes::from(format!(
            "{before}{status}{between}{instance}\",\"retry_after\":{retry_after}}}"
        ))
    }
}
