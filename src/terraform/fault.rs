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
    /// What Terraform refuses before it evaluates: nothing goes on.
    Last,
    /// What Terraform itself might answer: a limit of ours, a function that we lack. Nothing goes on, because `try`
    /// would then choose otherwise than Terraform.
    Beyond,
}

/// What an expression comes to.
pub(super) type Eval<T> = Result<T, Fault>;

impl Fault {
    /// An error that `try` must not hide.
    pub(super) fn last(diagnostic: Diagnostic) -> Self {
        Self { diagnostic: Rc::new(diagnostic), kind: FaultKind::Last }
    }

    /// An error that Terraform itself might not have.
    pub(super) fn beyond(diagnostic: Diagnostic) -> Self {
        Self { diagnostic: Rc::new(diagnostic), kind: FaultKind::Beyond }
    }

    /// Whether `try` must not go on.
    pub(super) fn is_last(&self) -> bool {
        self.kind != FaultKind::Wrong
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
        match fault.kind {
            FaultKind::Beyond => Self::Beyond(diagnostic),
            FaultKind::Wrong | FaultKind::Last => Self::Wrong(diagnostic),
        }
    }
}
