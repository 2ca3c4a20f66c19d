//! Lever: what must not undo the maintenance. The variable that Terraform reads is made truthful before the name moves, wherever
//! it is kept, or the next run of Terraform would end the maintenance without a word. Where that cannot be, the stage of the
//! pipeline that runs Terraform is closed for as long.

#[cfg(feature = "aws")]
mod codebuild;
#[cfg(feature = "aws")]
mod codepipeline;
mod command;
#[cfg(feature = "aws")]
mod parameter;
#[cfg(feature = "aws")]
mod rights;
mod tfvars;
#[cfg(feature = "aws")]
mod told;
#[cfg(feature = "aws")]
mod written;

#[cfg(feature = "aws")]
pub use codebuild::project;
#[cfg(feature = "aws")]
pub use codepipeline::{
    CodePipeline, Ended, Execution, Freezer, Gate, Run, Stage, Told, Transition, Trigger,
    default_of, waiting,
};
pub use command::VariableCommand;
#[cfg(feature = "aws")]
pub use parameter::parameter;
#[cfg(feature = "aws")]
pub use rights::{rights, rights_of_variable};
pub use tfvars::{FILE_NAME, VariableFile};
