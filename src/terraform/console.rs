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
    // The parser takes no heredoc at the very start, where there is no room for what `hcl` puts before it.
    let text = if expression.starts_with("<<-") {
        format!("({expression}\n)")
    } else {
        expression.to_owned()
    };
    let source = Source::new(PathBuf::from("console"), &text);
    let expression = hcl::parse_expression(&source)?;
    let scope = Scope::of(&world, &root, &source);
    records::known(scope, evaluate(scope, &expression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_may_begin_with_a_heredoc() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("main.tf"), "").unwrap();
        let inputs = Inputs { folder: dir.path().to_owned(), ..Inputs::default() };
        let folder = super::super::load(&inputs).unwrap();
        for text in ["<<-EOT\n  a\n    b\n  EOT", "<<-EOT\n  a\n    b\n  EOT\n"] {
            let value = console(&folder, &inputs, None, text).unwrap();
            assert_eq!(value, Value::String("a\n  b\n".to_owned()));
        }
    }
}
