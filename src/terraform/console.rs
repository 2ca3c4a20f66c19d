//! One expression in a folder's root module, as `terraform console` evaluates it: for comparing us with Terraform.

use std::path::PathBuf;

use super::expression::evaluate;
use super::folder::{Folder, Inputs};
use super::scope::{Scope, World};
use super::state::State;
use super::variables::Variables;
use super::{Error, Value, records};
use crate::hcl::{self, Source};

/// The value of an expression; one that depends on something unknown is an error.
pub fn console(
    folder: &Folder,
    inputs: &Inputs,
    state: Option<&State>,
    expression: &str,
) -> Result<Value, Error> {
    let variables = Variables::collect(folder, inputs)?;
    let world = World::new(folder, &variables, state, None);
    let root = world.root();
    let source = Source::new(PathBuf::from("console"), expression);
    let expression = hcl::parse_expression(&source)?;
    let scope = Scope::of(&world, &root, &source);
    records::known(scope, evaluate(scope, &expression))
}
