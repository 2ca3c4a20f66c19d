//! Where something stands in a file, for errors that point at it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A span of a file, with the line and column of its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named when it was read.
    pub file: Arc<PathBuf>,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
    /// Byte range in the file's text.
    pub span: std::ops::Range<usize>,
}

impl fmt::Display for Place {
    /// `main.tf:12:5`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}
