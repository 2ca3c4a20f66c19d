//! A text that is shown to nobody.

use std::fmt;

use subtle::ConstantTimeEq;

/// A key or a token. `Debug` hides it, and it has neither `Display` nor `Serialize`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<Vec<u8>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for whoever signs or sends with it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// In constant time, but for the length.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }
}

impl Eq for Secret {}
