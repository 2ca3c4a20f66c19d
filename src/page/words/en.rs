//! The page in English.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "English",
    closed: Situation {
        heading: "Closed for maintenance",
        what: "We are working on this site, so it cannot be used at the moment.",
        works: "Until we are done, none of its pages work. You do not have to do anything.",
    },
    read_only: Situation {
        heading: "Only reading is possible right now",
        what: "We are working on this site, and nothing can be changed until we are done.",
        works: "Everything that is only for reading works as usual.",
    },
    hold: Situation {
        heading: "This is taking longer than a moment",
        what: "A short piece of maintenance is under way. Your request could not wait until it is over.",
        works: "We expect the site to be back very soon.",
    },
    safe: "What you saved before is safe.",
    unsent: "What you just sent was not carried out and not saved. Go back: your text is usually still in the form. Send it again when the site is open.",
    ends: "Expected end",
    endless: "We cannot say yet when this will be over.",
    overdue: "This is taking longer than planned. We are still working on it.",
    questions: "Questions?",
    reference: "Reference",
    checking: "This page checks by itself whether the site is open again, and then opens it.",
    watching: "This page checks by itself whether the site is open again, and tells you.",
    checked: "Not open yet. Last checked:",
    unreachable: "The check did not get through. Last tried:",
    stopped: "This page no longer checks by itself.",
    reopened: "The site is open again. Go back and send it once more.",
    check_now: "Check now",
    stop: "Stop checking",
    back: "Go back",
    by_hand: "Reload this page to see whether the site is open again.",
    languages: "Languages",
};
