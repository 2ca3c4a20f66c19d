//! Where a value stands in roadworks.hcl, for what shows only when it is used: a port in use, a certificate that does
//! not match its key, a template that does not compile.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use crate::hcl::Diagnostic;

/// Where each value of a block stands. Two blocks that say the same are equal wherever they stand, so that a reload of a
/// file with one more line in it changes nothing.
#[derive(Clone, Default)]
pub struct Spots(BTreeMap<String, Diagnostic>);

impl Spots {
    /// What is wrong with the value of `key` (`certificate`, `template`), pointing at it.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        let message = message.into();
        match self.0.get(key) {
            Some(spot) => Diagnostic { message, ..spot.clone() },
            None => Diagnostic { message, hint: None, place: None, text: None },
        }
    }

    /// What is wrong with listening at `address`, pointing at it.
    pub fn wrong_listen(&self, address: SocketAddr, message: impl Into<String>) -> Diagnostic {
        self.wrong(&listen(address), message)
    }

    pub(super) fn note(&mut self, key: impl Into<String>, spot: Diagnostic) {
        self.0.insert(key.into(), spot);
    }

    pub(super) fn note_listen(&mut self, address: SocketAddr, spot: Diagnostic) {
        self.note(listen(address), spot);
    }
}

fn listen(address: SocketAddr) -> String {
    format!("listen {address}")
}

impl PartialEq for Spots {
    fn eq(&self, _: &Spots) -> bool {
        true
    }
}

impl Eq for Spots {}

impl fmt::Debug for Spots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places =
            self.0.iter().filter_map(|(key, spot)| Some((key, spot.place.as_ref()?.to_string())));
        f.debug_map().entries(places).finish()
    }
}
