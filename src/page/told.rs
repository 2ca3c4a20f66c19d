//! What one form says: the situation in one language, and to whom. The built-in page, the text and every template are
//! made from it.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::PageConfig;
use super::language::Language;
use super::words::{self, Situation, Words};
use crate::switch::{Mode, Posture};

/// What a page is to tell.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The site's name towards visitors, if it has one: its first host.
    pub host: Option<&'a str>,
    /// What the gateway gives; `None` where it knows nothing, and says that the site is closed.
    pub posture: Option<&'a Posture>,
    /// When it is told.
    pub now: Timestamp,
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Somebody who wanted to see something.
    Reader,
    /// Somebody who sent something: a browser may not send it again by itself.
    Sender,
    /// Either: a page that was made in advance cannot know.
    Anybody,
}

impl To {
    /// Whether they sent something, as the script and templates read it.
    pub(super) fn word(self) -> &'static str {
        match self {
            To::Reader => "no",
            To::Sender => "yes",
            To::Anybody => "unknown",
        }
    }
}

/// Whether the end has come and gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody knows when it is.
    Unknown,
    /// It is to come.
    At(Timestamp),
    /// It has passed, and the site is not open.
    Passed(Timestamp),
}

impl End {
    /// The end as it was said, and seen at `now`.
    pub(super) fn seen(until: Option<Timestamp>, now: Timestamp) -> End {
        match until {
            None => End::Unknown,
            Some(at) if at <= now => End::Passed(at),
            Some(at) => End::At(at),
        }
    }

    /// The time itself.
    pub(super) fn at(self) -> Option<Timestamp> {
        match self {
            End::Unknown => None,
            End::At(at) | End::Passed(at) => Some(at),
        }
    }
}

/// Everything that one form says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft<'a> {
    pub(super) config: &'a PageConfig,
    pub(super) host: Option<&'a str>,
    pub(super) language: Language,
    pub(super) mode: Option<Mode>,
    pub(super) end: End,
    pub(super) to: To,
    /// What stands where the reference goes; `None` where nobody will ever put one in.
    pub(super) reference: Option<&'a str>,
}

impl<'a> Draft<'a> {
    pub(super) fn words(&self) -> &'static Words {
        words::of(self.language)
    }

    pub(super) fn situation(&self) -> &'static Situation {
        let words = self.words();
        match self.mode {
            Some(Mode::ReadOnly) => &words.read_only,
            Some(Mode::Hold) => &words.hold,
            Some(Mode::Open | Mode::Closed | Mode::Detour) | None => &words.closed,
        }
    }

    /// To whom. In read-only mode only a change is refused, whatever its method.
    pub(super) fn to(&self) -> To {
        if self.mode == Some(Mode::ReadOnly) { To::Sender } else { self.to }
    }

    /// Whether what the visitor did last was saved.
    pub(super) fn saved(&self) -> Cow<'static, str> {
        let words = self.words();
        match self.to() {
            To::Reader => words.safe.into(),
            To::Sender => words.unsent.into(),
            To::Anybody => format!("{} {}", words.safe, words.unsent).into(),
        }
    }

    /// When it ends, as a sentence.
    pub(super) fn when(&self) -> String {
        match self.end {
            End::Unknown => self.words().endless.to_owned(),
            End::At(at) => format!("{}: {}", self.words().ends, utc(at)),
            End::Passed(_) => self.words().overdue.to_owned(),
        }
    }

    pub(super) fn message(&self) -> Option<&'a str> {
        self.config.message.as_deref().map(str::trim).filter(|message| !message.is_empty())
    }

    pub(super) fn contact(&self) -> Option<Contact<'a>> {
        let text = self.config.contact.as_deref().map(str::trim)?;
        (!text.is_empty()).then(|| Contact::of(text))
    }

    /// Where the page asks whether the site is open again. When the name leads elsewhere that is another host, because a
    /// browser keeps its connection to this one and would never resolve the name anew.
    pub(super) fn look(&self) -> &'a str {
        let elsewhere = self.config.status_url.as_deref().filter(|url| is_web(url));
        match self.mode {
            Some(Mode::Detour) => elsewhere.unwrap_or(OWN_STATUS),
            Some(Mode::Open | Mode::ReadOnly | Mode::Hold | Mode::Closed) | None => OWN_STATUS,
        }
    }

    /// The page's title.
    pub(super) fn title(&self) -> String {
        let heading = self.situation().heading;
        self.host.map_or_else(|| heading.to_owned(), |host| format!("{heading} · {host}"))
    }
}

/// Where every gateway says its site's mode.
pub(super) const OWN_STATUS: &str = "/.well-known/roadworks";

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contact<'a> {
    pub(super) text: &'a str,
    /// Where a link leads; `None` where the text is neither an address nor a URL.
    pub(super) href: Option<String>,
}

impl Contact<'_> {
    fn of(text: &str) -> Contact<'_> {
        let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let href = if is_web(text) {
            Some(text.to_owned())
        } else if plain && text.contains('@') && !text.contains(':') {
            Some(format!("mailto:{text}"))
        } else {
            None
        };
        Contact { text, href }
    }
}

/// Whether it is a URL that a page may lead to.
fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A time that everybody reads alike.
pub(super) fn utc(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}
