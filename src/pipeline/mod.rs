//! Lever: what must not undo the maintenance. The variable that Terraform reads is made truthful before the name moves, wherever
//! it is kept, or the next run of Terraform would end the maintenance without a word. Where that cannot be, the stage of the
//! pipeline that runs Terraform is closed for as long.

mod codebuild;
mod codepipeline;
mod command;
mod parameter;
mod tfvars;
mod told;
mod written;

pub use codebuild::project;
pub use codepipeline::{
    CodePipeline, Ended, Execution, Freezer, Gate, Run, Stage, Told, Transition, Trigger,
    default_of, waiting,
};
pub use command::VariableCommand;
pub use parameter::parameter;
pub use tfvars::{FILE_NAME, VariableFile};
