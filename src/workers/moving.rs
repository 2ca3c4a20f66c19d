//! Workers moved one after the other, all or none of them.

use super::block::{Block, QUIET, WORKING};
use super::way::{Effect, Failed};
use crate::lever::Error;
use crate::switch::Step;

/// Makes `steps`, each of one of `blocks`. Where one fails, those that were moved before it are moved back, and it with them,
/// since it may have been.
pub(super) async fn moved(blocks: &[Block], steps: &[Step]) -> Result<(), Error> {
    let mut done: Vec<(&Block, &Step)> = Vec::new();
    for step in steps {
        let Some(block) = blocks.iter().find(|block| block.name() == step.target) else { continue };
        let Err(failed) = towards(block, step.after.as_str()).await else {
            done.push((block, step));
            continue;
        };
        let mut left = Vec::new();
        if let Err(undo) = towards(block, step.before.as_str()).await
            && failed.effect == Effect::Unknown
        {
            left.push(left_behind(block, step, &undo));
        }
        for (block, step) in done.into_iter().rev() {
            if let Err(undo) = towards(block, step.before.as_str()).await {
                left.push(left_behind(block, step, &undo));
            }
        }
        return Err(why(block, step, failed, &left));
    }
    Ok(())
}

/// Moves a block to what a step says; nothing where that is not known.
async fn towards(block: &Block, wanted: Option<&str>) -> Result<(), Failed> {
    match wanted {
        Some(QUIET) => block.quiet().await,
        Some(WORKING) => block.resume().await,
        Some(_) | None => Ok(()),
    }
}

fn left_behind(block: &Block, step: &Step, undo: &Failed) -> String {
    let wanted = step.before.as_str().unwrap_or("as it was");
    format!("workers {} may not be {wanted} again: {}", block.name(), undo.message)
}

fn why(block: &Block, step: &Step, failed: Failed, left: &[String]) -> Error {
    let wanted = if step.after == QUIET { "made quiet" } else { "resumed" };
    let message = format!("workers {} could not be {wanted}: {}", block.name(), failed.message);
    if left.is_empty() {
        return Error::Failed { code: "workers-failed", message, hint: failed.hint };
    }
    Error::Partly {
        message: format!("{message}; and {}", left.join("; ")),
        hint: "see them by hand, or run the same command again once they can be reached".to_owned(),
    }
}
