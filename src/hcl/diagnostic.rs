//! A message that points into a file, and how it looks. Never decides where it is printed, nor reads a file.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use super::Place;

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Lower case, no full stop.
    pub message: String,
    /// The way out, if there is one.
    pub hint: Option<String>,
    /// Where.
    pub place: Option<Place>,
    /// The text that `place` points into, for the rendering.
    pub text: Option<Arc<str>>,
}

/// Whether a rendering has terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI escapes.
    Always,
    /// Plain text.
    Never,
}

impl Diagnostic {
    /// A message about no place in particular.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, place: None, text: None }
    }

    /// The same with a way out.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Message, the lines that it points at, and the hint, as rustc shows them.
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Always => Renderer::styled(),
            Colour::Never => Renderer::plain(),
        };
        let mut group =
            Level::ERROR.primary_title(self.message.as_str()).elements(Vec::<Element<'_>>::new());
        match (&self.place, &self.text) {
            (Some(place), Some(text)) => group = group.element(snippet(place, text)),
            // What stands there may be a secret; where it stands is none.
            (Some(place), None) => {
                let file = Origin::path(place.file.display().to_string());
                group = group.element(file.line(place.line).char_column(place.column));
            }
            (None, _) => {}
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    /// `main.tf:12:5: message`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The lines around the place: only those are handed to the renderer, which reads all that it gets.
fn snippet<'a>(place: &Place, text: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let begin =
        text.get(..place.span.start).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
    // A span may be a whole block: its first line says enough.
    let rest = text.get(place.span.start..).unwrap_or_default();
    let line_end = place.span.start + rest.find('\n').unwrap_or(rest.len());
    let shown = text.get(begin..line_end).unwrap_or_default();
    let end = place.span.end.clamp(place.span.start, line_end);
    Snippet::source(without_passwords(shown))
        .line_start(place.line)
        .path(place.file.display().to_string())
        .annotation(AnnotationKind::Primary.span(place.span.start - begin..end - begin))
}

/// A text for a message, with stars for each byte that may be a user and a password in a URL: rather more than less.
pub fn without_passwords(text: &str) -> String {
    text.split_inclusive('\n').map(line_without_passwords).collect()
}

fn line_without_passwords(line: &str) -> String {
    let Some((head, rest)) = line.rsplit_once('@') else { return line.to_owned() };
    let word = head.rfind([' ', '\t', '"', '\'', '`']).map_or(0, |at| at + 1);
    let without_scheme = head.get(word..).is_some_and(|word| word.contains(':'));
    let own = if without_scheme { word } else { head.len() };
    let begin = head.find("://").map_or(own, |at| at + 3);
    let (open, secret) = head.split_at_checked(begin).unwrap_or(("", head));
    format!("{open}{}@{rest}", "*".repeat(secret.len()))
}

/// The candidate that a person may have meant: at most a third of the letters differ.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .take(10_000)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(100).collect();
    let right: Vec<char> = right.chars().take(100).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let change = at(&row, j) + usize::from(a != b);
            let mut best = change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped =
                i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, right.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hcl::Source;

    #[test]
    fn a_diagnostic_shows_the_line_and_underlines_the_span() {
        let source = Source::new("main.tf".into(), "a = 1\nb = maintainance_mode\n");
        let at = source.text().find("main").unwrap();
        let shown = source
            .diagnostic(at..at + 17, "no such thing")
            .with_hint("did you mean `maintenance_mode`?")
            .render(Colour::Never);
        assert!(shown.contains("main.tf:2:5"), "{shown}");
        assert!(shown.contains("2 | b = maintainance_mode"), "{shown}");
        assert!(shown.contains("^^^^^^^^^^^^^^^^^"), "{shown}");
        assert!(shown.contains("help: did you mean"), "{shown}");
    }

    #[test]
    fn a_password_in_a_url_is_not_shown_with_its_line() {
        let text =
            "a = 1\nb = [\"http://a\", \"http://ana:hun\"ter2@h:1\"]\nc = \"ana:hunter2@h\"\n";
        let source = Source::new("main.tf".into(), text);
        for (word, shows) in [("[", "@h:1\"]"), ("\"ana", "c = \"***********@h\"")] {
            let at = text.find(word).unwrap();
            let shown = source.diagnostic(at..at + 9, "wrong").render(Colour::Never);
            assert!(shown.contains(shows), "{shown}");
            assert!(!shown.contains("ter2") && !shown.contains("hun"), "{shown}");
        }
        assert_eq!(
            without_passwords("contact = \"help@example.com\""),
            "contact = \"help@example.com\""
        );
    }

    #[test]
    fn what_is_not_shown_has_its_place_all_the_same() {
        let source = Source::new("main.tf".into(), "a = 1\nb = \"hunter2\"\n");
        let shown = Diagnostic { text: None, ..source.diagnostic(10..19, "too short") };
        let shown = shown.render(Colour::Never);
        assert!(shown.contains("main.tf:2:5") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_span_of_many_lines_is_underlined_on_its_first() {
        let source = Source::new("main.tf".into(), "a {\n  b = 1\n}\n");
        let shown = source.diagnostic(0..13, "wrong").render(Colour::Never);
        assert!(shown.contains("^^^") && !shown.contains("b = 1"), "{shown}");
    }

    #[test]
    fn a_swapped_or_missing_letter_finds_the_nearest_name() {
        let names = ["maintenance_mode", "url", "zone_id"];
        assert_eq!(nearest("maintenence_mode", names), Some("maintenance_mode"));
        assert_eq!(nearest("zoen_id", names), Some("zone_id"));
        assert_eq!(nearest("something", names), None);
    }
}
