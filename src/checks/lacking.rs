//! A check that this machine lacks something for: it cannot be asked here, and so it does not pass here.

use super::{Asked, Check, Failed};

/// A check without its secret.
#[derive(Debug)]
pub struct LackingCheck {
    kind: &'static str,
    why: String,
}

impl LackingCheck {
    /// A check of this kind, and what it lacks.
    pub fn new(kind: &'static str, why: String) -> LackingCheck {
        LackingCheck { kind, why }
    }
}

impl Check for LackingCheck {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn ask(&self) -> Asked<'_> {
        let why = format!("it cannot be asked from this machine: {}", self.why);
        let fix = "set it where `roadworks serve` and its verbs run".to_owned();
        Box::pin(std::future::ready(Err(Failed { why, fix })))
    }
}
