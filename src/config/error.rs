//! What is wrong with the configuration, each mistake with its place.

use std::io;
use std::path::PathBuf;

use crate::hcl::Diagnostic;

/// Why there is no configuration to go on with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file says what it may not say; all of it, not the first.
    #[error("{}", first(.0))]
    Wrong(Vec<Diagnostic>),
    /// The folder has nothing to switch.
    #[error("{} has neither a roadworks.hcl nor a .tf file", .0.display())]
    Nothing(PathBuf),
    /// There is no such file or folder, or it cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `--site` names none of them.
    #[error("there is no site \"{wanted}\"")]
    NoSuchSite {
        /// What `--site` said.
        wanted: String,
        /// The sites there are.
        known: Vec<String>,
    },
    /// There is only a nameserver.
    #[error("the configuration has no site")]
    NoSite,
    /// There are several, and none was named.
    #[error("the configuration has several sites")]
    WhichSite {
        /// The sites there are.
        known: Vec<String>,
    },
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Wrong(mistakes) => {
                mistakes.first().and_then(|mistake| mistake.hint.clone()).unwrap_or_else(|| {
                    "put the file right; docs/configuration.md lists all keys".to_owned()
                })
            }
            Error::Nothing(_) => {
                "go into the folder with your Terraform, or name it: roadworks -c PATH ..; `roadworks init` begins one, `roadworks try` shows all of it"
                    .to_owned()
            }
            Error::Unreadable { .. } => "check the path given by -c or ROADWORKS_CONFIG".to_owned(),
            Error::NoSite => {
                "add a `site` block; `serve` and `dig` are all that works without one".to_owned()
            }
            Error::NoSuchSite { known, .. } | Error::WhichSite { known } => {
                format!("name one with --site: {}", known.join(", "))
            }
        }
    }
}

fn first(mistakes: &[Diagnostic]) -> String {
    match mistakes {
        [] => "the configuration is wrong".to_owned(),
        [only] => only.message.clone(),
        [first, others @ ..] => format!("{} (and {} more mistakes)", first.message, others.len()),
    }
}
