//! Lever: what must not undo the maintenance. The variable that Terraform reads is made truthful before the name moves,
//! or the next `terraform apply` would end the maintenance without a word.

mod command;
mod tfvars;

pub use command::VariableCommand;
pub use tfvars::{FILE_NAME, VariableFile};
