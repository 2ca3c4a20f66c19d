//! Why an expression has no value. Cheap to clone, because what failed once is asked for again.

use std::rc::Rc;

use super::Error;
use crate::hcl::Diagnostic;

/// The evaluator's own error.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    diagnostic: Rc<Diagnostic>,
    kind: FaultKind,
}

/// Whether `try` and `can` may go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultKind {
    /// The expression is wrong: `try` goes on.
    Wrong,
    /// A limit of ours: nothing goes on.
    Limit,
}

/// What an expression comes to.
pub(super) type Eval<T> = Result<T, Fault>;

impl Fault {
    /// A limit of ours, which `try` must not hide.
    pub(super) fn limit(diagnostic: Diagnostic) -> Self {
        Self { diagnostic: Rc::new(diagnostic), kind: FaultKind::Limit }
    }

    /// Whether `try` may go on.
    pub(super) fn is_limit(&self) -> bool {
        self.kind == FaultKind::Limit
    }
}

impl From<Diagnostic> for Fault {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic: Rc::new(diagnostic), kind: FaultKind::Wrong }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let diagnostic = Box::new((*fault.diagnostic).clone());
        if fault.is_limit() { Self::Beyond(diagnostic) } else { Self::Wrong(diagnostic) }
    }
}
