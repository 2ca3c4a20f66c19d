//! What the page says, in each language: one file per language, so that whoever speaks it can put it right.
//!
//! Every sentence is true of every site: nothing here may promise what only an operator knows.

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod he;
mod it;
mod ja;
mod nl;
mod pl;
mod pt;
mod zh;

use super::language::Language;

/// All sentences of one language. Each is text, not markup.
#[derive(Debug)]
pub(super) struct Words {
    /// The language's own name.
    pub(super) name: &'static str,
    /// The whole site is closed.
    pub(super) closed: Situation,
    /// A change was asked for, and only reading is possible.
    pub(super) read_only: Situation,
    /// A request could not wait until it is over: its time was up, or every place was taken.
    pub(super) hold: Situation,
    /// To whoever only wanted to look.
    pub(super) safe: &'static str,
    /// To whoever sent something.
    pub(super) unsent: &'static str,
    /// Before the time of the end.
    pub(super) ends: &'static str,
    /// Where there is no such time.
    pub(super) endless: &'static str,
    /// Where that time has passed.
    pub(super) overdue: &'static str,
    /// Before the address to ask.
    pub(super) questions: &'static str,
    /// Before the reference id.
    pub(super) reference: &'static str,
    /// The page looks by itself, and opens the site.
    pub(super) checking: &'static str,
    /// It looks by itself, and says so when the time has come.
    pub(super) watching: &'static str,
    /// It has looked; a time follows.
    pub(super) checked: &'static str,
    /// It could not look; a time follows.
    pub(super) unreachable: &'static str,
    /// It does not look any more.
    pub(super) stopped: &'static str,
    /// What was refused would pass now.
    pub(super) reopened: &'static str,
    /// A button: look now.
    pub(super) check_now: &'static str,
    /// A button: do not look any more.
    pub(super) stop: &'static str,
    /// A button: to the page before, with the form.
    pub(super) back: &'static str,
    /// To whoever has no scripts.
    pub(super) by_hand: &'static str,
    /// What the list of languages is called.
    pub(super) languages: &'static str,
}

/// What happens, and what still works.
#[derive(Debug)]
pub(super) struct Situation {
    /// In a few words.
    pub(super) heading: &'static str,
    /// What happens.
    pub(super) what: &'static str,
    /// What still works.
    pub(super) works: &'static str,
}

/// The words of a language.
pub(super) fn of(language: Language) -> &'static Words {
    match language {
        Language::English => &en::WORDS,
        Language::German => &de::WORDS,
        Language::French => &fr::WORDS,
        Language::Spanish => &es::WORDS,
        Language::Portuguese => &pt::WORDS,
        Language::Italian => &it::WORDS,
        Language::Dutch => &nl::WORDS,
        Language::Polish => &pl::WORDS,
        Language::Japanese => &ja::WORDS,
        Language::Chinese => &zh::WORDS,
        Language::Arabic => &ar::WORDS,
        Language::Hebrew => &he::WORDS,
    }
}
