//! The ladder of modes: each lets less through than the one before.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a site's visitors get, ordered from the loosest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everything passes.
    Open,
    /// Reads pass, writes are refused.
    ReadOnly,
    /// Requests wait.
    Hold,
    /// A maintenance page; testers pass.
    Closed,
    /// The name itself leads to a page that nothing here can break.
    Detour,
}

impl Mode {
    /// All modes, from the loosest to the strictest.
    pub const LADDER: [Mode; 5] =
        [Mode::Open, Mode::ReadOnly, Mode::Hold, Mode::Closed, Mode::Detour];

    /// The word for it in JSON, in files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Open => "open",
            Mode::ReadOnly => "read-only",
            Mode::Hold => "hold",
            Mode::Closed => "closed",
            Mode::Detour => "detour",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    /// Takes the words of [`Mode::word`], and `close` for `closed`, since the verb is `close`.
    fn from_str(word: &str) -> Result<Mode, UnknownMode> {
        let wanted = if word == "close" { "closed" } else { word };
        Mode::LADDER
            .into_iter()
            .find(|mode| mode.word() == wanted)
            .ok_or_else(|| UnknownMode(word.to_owned()))
    }
}

/// A word that is no mode.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a mode: open, read-only, hold, closed or detour")]
pub struct UnknownMode(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_goes_from_open_to_detour_and_every_word_reads_back() {
        assert!(Mode::LADDER.is_sorted());
        for mode in Mode::LADDER {
            assert_eq!(mode.word().parse::<Mode>().unwrap(), mode);
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.word());
        }
        assert_eq!("close".parse::<Mode>().unwrap(), Mode::Closed);
        assert!("Open".parse::<Mode>().is_err());
    }
}
