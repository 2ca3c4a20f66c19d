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
    /// A limit of ours, or what Terraform refuses before it evaluates: nothing goes on.
    Last,
}

/// What an expression comes to.
pub(super) type Eval<T> = Result<T, Fault>;

impl Fault {
    /// An error that `try` must not hide.
    pub(super) fn last(diagnostic: Diagnostic) -> Self {
        Self { diagnostic: Rc::new(diagnostic), kind: FaultKind::Last }
    }

    /// Whether `try` must not go on.
    pub(super) fn is_last(&self) -> bool {
        self.kind == FaultKind::Last
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
        if fault.is_last() { Self::Beyond(diagnostic) } else { Self::Wrong(diagnostic) }
    }
}
