//! A text made in advance, with places for what is known only when a visitor comes: the reference.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Stands where the reference goes while a text is made: private-use characters, which no sane text holds.
pub(super) const REFERENCE: &str = "\u{f8a1}reference\u{f8a2}";

/// The longest reference that is shown; a longer one is cut.
const LONGEST: usize = 128;

/// The parts between the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spliced {
    parts: Vec<Bytes>,
    length: usize,
}

impl Spliced {
    /// Cuts `text` at each [`REFERENCE`].
    pub(super) fn new(text: &str) -> Spliced {
        let parts: Vec<_> =
            text.split(REFERENCE).map(|part| Bytes::copy_from_slice(part.as_bytes())).collect();
        let length = parts.iter().map(Bytes::len).sum();
        Spliced { parts, length }
    }

    /// The text with `reference` at its places.
    pub(super) fn with(&self, reference: &str) -> Bytes {
        if let [only] = self.parts.as_slice() {
            return only.clone();
        }
        let shown = plain(reference);
        let places = self.parts.len().saturating_sub(1);
        let mut text = BytesMut::with_capacity(self.length + places * shown.len());
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                text.extend_from_slice(shown.as_bytes());
            }
            text.extend_from_slice(part);
        }
        text.freeze()
    }
}

/// A reference that needs no escaping, in HTML, JSON or text: whatever is not plain in it is left out.
pub(super) fn plain(reference: &str) -> Cow<'_, str> {
    let is_short = reference.len() <= LONGEST;
    if is_short && reference.bytes().all(is_plain) {
        return Cow::Borrowed(reference);
    }
    reference.bytes().take(LONGEST).filter(|&byte| is_plain(byte)).map(char::from).collect()
}

/// What a reference is made of: nothing that HTML, a header or a terminal acts on.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:=+/@,;~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_put_in_every_place_and_can_be_no_markup() {
        let text = Spliced::new(&format!("<p>{REFERENCE}</p><i>{REFERENCE}</i>"));
        assert_eq!(text.with("ab-12"), "<p>ab-12</p><i>ab-12</i>");
        assert_eq!(text.with("<b>&\"'\n"), "<p>b</p><i>b</i>");
        assert_eq!(text.with(&"x".repeat(500)).len(), "<p></p><i></i>".len() + 2 * LONGEST);
        assert_eq!(Spliced::new("none").with("ab"), "none");
    }
}
