//! Why there is no page of one's own.

use std::io;
use std::path::PathBuf;

/// What is wrong with a `page` block's template.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or is too large.
    #[error("the page's template {} cannot be read", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It does not compile, or fails when it is tried.
    #[error("{}:{line}: {why}", file.display())]
    Template {
        /// Which.
        file: PathBuf,
        /// Where in it; 1 where the engine does not say.
        line: usize,
        /// What is wrong there.
        why: String,
    },
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Unreadable { .. } => {
                "check the path in the `page` block and your rights on it".to_owned()
            }
            Error::Template { .. } => {
                "try it with `roadworks page preview`; docs/page.md lists what a template is given"
                    .to_owned()
            }
        }
    }
}
