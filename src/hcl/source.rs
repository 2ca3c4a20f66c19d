//! A file's text with an index of its lines, so that a span becomes a place in logarithmic time. Reads nothing from disk.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Diagnostic, Place};

/// Largest file that is read, in bytes. The largest real `.tf` are a few hundred KiB.
pub const LARGEST_FILE: usize = 16 * 1024 * 1024;

/// A text and where it came from.
#[derive(Debug)]
pub struct Source {
    file: Arc<PathBuf>,
    text: Arc<str>,
    /// Byte offset of each line's first character.
    lines: Arc<[usize]>,
    /// For text whose spans mean nothing (an expression inside JSON): every place is this one.
    fixed: Option<Range<usize>>,
    /// Whether the text is shown beside a message: values may be secrets.
    shown: bool,
}

impl Source {
    /// The text of `file`; a byte order mark at its start is dropped.
    pub fn new(file: PathBuf, text: &str) -> Self {
        let text: Arc<str> = Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text));
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(starts.map(|(at, _)| at + 1)).collect();
        Self { file: Arc::new(file), text, lines, fixed: None, shown: true }
    }

    /// The same text, which no message ever shows: a file of values, some of which may be secrets.
    pub fn hidden(self) -> Self {
        Self { shown: false, ..self }
    }

    /// The same file, but every place is `span`: for expressions that a JSON string carries.
    pub fn pinned_to(&self, span: Range<usize>) -> Self {
        Self {
            file: Arc::clone(&self.file),
            text: Arc::clone(&self.text),
            lines: Arc::clone(&self.lines),
            fixed: Some(span),
            shown: self.shown,
        }
    }

    /// The file, as it was named when it was read.
    pub fn file(&self) -> &Arc<PathBuf> {
        &self.file
    }

    /// The text, without byte order mark.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The text of a span, or nothing where the span is not in the text.
    pub fn excerpt(&self, span: Range<usize>) -> &str {
        if self.fixed.is_some() {
            return "";
        }
        self.text.get(span).unwrap_or_default()
    }

    /// Where a span begins.
    pub fn place(&self, span: Range<usize>) -> Place {
        let span = self.fixed.clone().unwrap_or(span);
        let start = floor_boundary(&self.text, span.start);
        let end = floor_boundary(&self.text, span.end.max(start));
        let line = self.lines.partition_point(|begin| *begin <= start).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.text.get(begin..start).map_or(0, |head| head.chars().count()) + 1;
        Place { file: Arc::clone(&self.file), line, column, span: start..end }
    }

    /// A diagnostic that points at a span of this text.
    pub fn diagnostic(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            hint: None,
            place: Some(self.place(span)),
            text: self.shown.then(|| Arc::clone(&self.text)),
        }
    }
}

/// The nearest character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters_and_a_line_starts_at_one() {
        let source = Source::new("a.tf".into(), "\u{feff}é = 1\nüß = x\n");
        let at = source.text().find('x').unwrap();
        let place = source.place(at..at + 1);
        assert_eq!((place.line, place.column), (2, 6));
        assert_eq!(source.place(0..1).to_string(), "a.tf:1:1");
    }

    #[test]
    fn a_span_outside_the_text_is_moved_inside() {
        let source = Source::new("a.tf".into(), "é");
        assert_eq!(source.place(1..900).span, 0..2);
        assert_eq!(source.place(500..900).span, 2..2);
    }
}
