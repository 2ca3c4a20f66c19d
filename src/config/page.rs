//! A `page` block -> what visitors read.

use std::path::PathBuf;

/// What visitors read when they may not pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageConfig {
    /// What happens, in the operator's words; shown as it is, in every language.
    pub message: Option<String>,
    /// Whom to ask: an e-mail address or a URL.
    pub contact: Option<String>,
    /// Where the page asks whether the site is open again while the name leads elsewhere: another host.
    pub status_url: Option<String>,
    /// A template of one's own instead of the built-in page.
    pub template: Option<PathBuf>,
}
