//! The values of variables: who gives them, by Terraform's precedence, and what their declarations make of them.
//!
//! A value may be a secret: no error quotes one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hcl_edit::expr::Expression;
use serde::{Deserialize, Serialize};

use super::constraint::{self, Constraint};
use super::expression::evaluate;
use super::fault::{Eval, Fault};
use super::folder::{Folder, Inputs, VariableInput};
use super::scope::{Each, Reach, Scope};
use super::shape::{Attribute, Block};
use super::tfvars::{self, Named, Values};
use super::{Error, Spelling, Value, candidates, normal};
use crate::hcl::{self, Diagnostic, Source};

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrigin {
    /// The declaration's `default`.
    Default,
    /// Nobody gives one, and there is no default: the switch counts as `false`.
    Nowhere,
    /// `TF_VAR_name`, by its whole name.
    Environment(String),
    /// A file of values that Terraform finds by itself.
    File(PathBuf),
    /// `-var-file`
    VarFile(PathBuf),
    /// `-var`
    CommandLine,
}

impl std::fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("its default"),
            Self::Nowhere => f.write_str("nowhere"),
            Self::Environment(name) => write!(f, "the environment ({name})"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::VarFile(path) => write!(f, "-var-file {}", path.display()),
            Self::CommandLine => f.write_str("-var"),
        }
    }
}

/// Who hears a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Whoever runs Terraform in the folder.
    #[default]
    Everybody,
    /// This shell or this command line alone: the folder's files say otherwise.
    Us,
}

/// A value that somebody gives to a variable of the root module.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) origin: ValueOrigin,
    raw: Raw,
}

#[derive(Debug)]
enum Raw {
    /// From the environment or `-var`: text, or an expression where the type is no primitive.
    Text(String),
    /// From a `.tfvars`.
    Written(Attribute),
    /// From a `.tfvars.json`.
    Json(Value),
}

/// All values that are given, each name's in rising precedence.
#[derive(Debug, Default)]
pub(super) struct Variables {
    assigned: BTreeMap<String, Vec<Assignment>>,
}

impl Variables {
    /// Collects them.
    pub(super) fn collect(folder: &Folder, inputs: &Inputs) -> Result<Self, Error> {
        let mut variables = Self::default();
        for (whole, value) in &inputs.environment {
            if let Some(name) = whole.strip_prefix("TF_VAR_") {
                let origin = ValueOrigin::Environment(whole.clone());
                variables.add(name, origin, Raw::Text(value.clone()));
            }
        }
        variables.add_files(folder, Named::ByItself);
        for (index, input) in inputs.variables.iter().enumerate() {
            match input {
                VariableInput::File(_) => {
                    variables.add_files(folder, Named::OnCommandLine(index));
                }
                VariableInput::Value(text) => {
                    let Some((name, value)) = text.split_once('=') else {
                        // The text may be a value without its name.
                        let diagnostic = Diagnostic::new("-var needs NAME=VALUE");
                        return Err(diagnostic.into());
                    };
                    let raw = Raw::Text(value.to_owned());
                    variables.add(name.trim(), ValueOrigin::CommandLine, raw);
                }
            }
        }
        Ok(variables)
    }

    fn add_files(&mut self, folder: &Folder, named: Named) {
        for file in folder.values.iter().filter(|file| file.named == named) {
            let origin = || match named {
                Named::ByItself => ValueOrigin::File(file.path.clone()),
                Named::OnCommandLine(_) => ValueOrigin::VarFile(file.path.clone()),
            };
            match &file.content {
                Values::Hcl(body) => {
                    for (name, attribute) in &body.attributes {
                        self.add(name, origin(), Raw::Written(attribute.clone()));
                    }
                }
                Values::Json(entries) => {
                    for (name, json) in entries {
                        self.add(name, origin(), Raw::Json(tfvars::json_value(json)));
                    }
                }
            }
        }
    }

    fn add(&mut self, name: &str, origin: ValueOrigin, raw: Raw) {
        self.assigned.entry(name.to_owned()).or_default().push(Assignment { origin, raw });
    }

    /// Forgets what a file says.
    pub(super) fn forget(&mut self, path: &Path) {
        for given in self.assigned.values_mut() {
            given.retain(|one| !matches!(&one.origin, ValueOrigin::File(file) if file == path));
        }
    }

    /// Forgets what the environment and the command line say of a variable.
    pub(super) fn forget_all_but_files(&mut self, name: &str) {
        if let Some(given) = self.assigned.get_mut(name) {
            given.retain(|one| matches!(one.origin, ValueOrigin::File(_)));
        }
    }

    /// The names that `-var` gives a value.
    pub(super) fn of_command_line(&self) -> impl Iterator<Item = &str> {
        let by_hand = |one: &Assignment| matches!(one.origin, ValueOrigin::CommandLine);
        let given = self.assigned.iter().filter(move |(_, given)| given.iter().any(by_hand));
        given.map(|(name, _)| name.as_str())
    }

    /// Who gives this variable a value, the strongest last.
    pub(super) fn given(&self, name: &str) -> &[Assignment] {
        self.assigned.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The value of `var.NAME` in a module instance.
pub(super) fn value(scope: Scope<'_, '_>, name: &str, here: Range<usize>) -> Eval<Value> {
    let declared = scope.instance.module.variables.get(name);
    let given = match &scope.instance.origin {
        Some(origin) => {
            let Some(declared) = declared else {
                let known = scope.instance.module.variables.keys().map(String::as_str);
                return Err(Fault::last(scope.missing(here, &format!("var.{name}"), name, known)));
            };
            let parent = |attribute: &Attribute| {
                let scope = Scope::of(scope.world, &origin.parent, &attribute.source);
                evaluate(scope.within(&origin.each), &attribute.expression)
            };
            let attribute = origin.call.block.body.attribute(name);
            return typed(scope, declared, attribute.map(parent).transpose()?);
        }
        None => scope.world.variables.given(name).last(),
    };
    let switched = scope.world.switch.filter(|(switch, _)| *switch == name);
    if let Some((_, side)) = switched {
        let side = match candidates::spelling(declared) {
            Spelling::Boolean => Value::Bool(side),
            Spelling::Text => Value::String(side.to_string()),
        };
        return match declared {
            Some(declared) => typed(scope, declared, Some(side)),
            None => Ok(side),
        };
    }
    let given = given.map(|assignment| read(scope, declared, assignment)).transpose()?;
    match (declared, given) {
        (Some(declared), given) => typed(scope, declared, given),
        (None, Some(given)) => Ok(given),
        (None, None) => {
            let known = scope.instance.module.variables.keys().map(String::as_str);
            let message = format!("variable \"{name}\" is not declared and has no value");
            let hint = match hcl::nearest(name, known) {
                Some(nearest) => format!("did you mean `var.{nearest}`?"),
                None => format!("give it one with -var {name}=.. or in a .tfvars file"),
            };
            Err(Fault::last(scope.source.diagnostic(here, message).with_hint(hint)))
        }
    }
}

/// A given value, before its type.
pub(super) fn read(
    scope: Scope<'_, '_>,
    declared: Option<&Block>,
    assignment: &Assignment,
) -> Eval<Value> {
    match &assignment.raw {
        Raw::Json(value) => Ok(normal::value(value.clone())),
        Raw::Written(attribute) => constant(scope, &attribute.source, &attribute.expression),
        Raw::Text(text) => {
            let complex = match declared {
                Some(block) => constraint_of(scope, block)?.is_some_and(|kind| kind.is_complex()),
                None => false,
            };
            if !complex {
                return Ok(Value::String(normal::text(text.clone())));
            }
            let source = Source::new(PathBuf::from(assignment.origin.to_string()), text);
            let Ok(expression) = hcl::parse_expression(&source) else {
                // The parser's own message points into the value.
                let message = format!("the value from {} is no expression", assignment.origin);
                return Err(Fault::from(Diagnostic::new(message)));
            };
            constant(scope, &source, &expression)
        }
    }
}

/// An expression that uses nothing of the module.
fn constant(scope: Scope<'_, '_>, source: &Source, expression: &Expression) -> Eval<Value> {
    let scope = Scope { source, each: &Each::Once, bindings: None, reach: Reach::Nothing, ..scope };
    evaluate(scope, expression)
}

fn constraint_of(scope: Scope<'_, '_>, block: &Block) -> Eval<Option<Constraint>> {
    let Some(attribute) = block.body.attribute("type") else { return Ok(None) };
    let scope = Scope { source: &attribute.source, ..scope };
    constraint::parse(scope, &attribute.expression).map(Some)
}

/// A value in the type of its variable; the default where none is given, or null is and may not be.
fn typed(scope: Scope<'_, '_>, block: &Block, given: Option<Value>) -> Eval<Value> {
    let name = block.label(0);
    let nullable = match block.body.attribute("nullable") {
        Some(attribute) => attribute.expression.as_bool().unwrap_or(true),
        None => true,
    };
    let value = match given {
        Some(Value::Null) if !nullable => None,
        given => given,
    };
    let value = match (value, block.body.attribute("default")) {
        (Some(value), _) => value,
        (None, Some(default)) => constant(scope, &default.source, &default.expression)?,
        (None, None) => {
            let message = format!("variable \"{name}\" has no value");
            let hint = format!("give it one with -var {name}=.. or in a .tfvars file");
            return Err(block.wrong(message).with_hint(hint).into());
        }
    };
    let Some(constraint) = constraint_of(scope, block)? else { return Ok(value) };
    match constraint.apply(value) {
        Ok(value) => Ok(value),
        Err(mismatch) => {
            let message =
                format!("the value of variable \"{name}\" does not fit its type: {mismatch}");
            Err(block.wrong(message).into())
        }
    }
}

/// Refuses a value that a `validation` block knows to be wrong. What cannot be decided here passes: Terraform decides.
pub(super) fn validate(scope: Scope<'_, '_>, name: &str) -> Eval<()> {
    let Some(block) = scope.instance.module.variables.get(name) else { return Ok(()) };
    for rule in block.body.blocks("validation") {
        let Some(condition) = rule.body.attribute("condition") else { continue };
        let inside = Scope::of(scope.world, scope.instance, &condition.source);
        if !matches!(evaluate(inside, &condition.expression), Ok(Value::Bool(false))) {
            continue;
        }
        // A text with values in it could tell a secret.
        let plain = rule.body.attribute("error_message");
        let plain = plain.and_then(|message| message.expression.as_str().map(str::to_owned));
        let message = plain.unwrap_or_else(|| "its validation says no".to_owned());
        let message = format!("the value of variable \"{name}\" is refused: {message}");
        return Err(condition.wrong(message).into());
    }
    Ok(())
}
