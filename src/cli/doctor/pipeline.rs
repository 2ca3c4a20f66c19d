//! The pipeline: whether `pipeline start` could hand it the boolean.

use super::super::context::codepipeline;
use super::{Finding, ok, warn};
use crate::config::PipelineConfig;

const ID: &str = "pipeline-variable";

/// Whether the pipeline of `block` has a variable for the boolean, which is called `boolean`.
pub(super) async fn finding(block: &PipelineConfig, boolean: &str) -> Finding {
    let variable = block.variable.as_deref().unwrap_or(boolean);
    match codepipeline(block).await.declared(variable).await {
        Ok(default) => {
            let default = default.map(|value| format!(", {value} by default")).unwrap_or_default();
            ok(ID, format!("{} has the variable {variable}{default}", block.name))
        }
        // Whoever only closes a stage needs none.
        Err(error) => warn(ID, &error, error.hint()),
    }
}
