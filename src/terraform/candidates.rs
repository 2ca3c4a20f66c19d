//! Which variables of the root module may be the switch, by their declarations and values. Evaluates no record.

use serde::{Deserialize, Serialize};

use super::module::Module;
use super::scope::{Scope, World};
use super::shape::Block;
use super::{Value, variables};
use crate::hcl::Source;

/// How Terraform must find the switch's value written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// `true`, which becomes a text by itself where the variable's type is `string`.
    #[default]
    Boolean,
    /// `"true"`: no type says that it is a text, but its default does, and expressions may compare it with one.
    Text,
}

/// How a variable's value is written; an undeclared one is a boolean.
pub(super) fn spelling(declared: Option<&Block>) -> Spelling {
    let untyped = |block: &&Block| matches!(kind(block).as_deref(), None | Some("any"));
    let default = declared.filter(untyped).and_then(|block| block.body.attribute("default"));
    match default.and_then(|default| default.expression.as_str()) {
        Some(_) => Spelling::Text,
        None => Spelling::Boolean,
    }
}

/// Variables of type `bool`, or without a type and with a boolean as default.
pub(super) fn booleans(root: &Module) -> Vec<&str> {
    let boolean = |block: &Block| {
        let default = block.body.attribute("default");
        let default = default.and_then(|default| default.expression.as_bool());
        kind(block).map_or(default.is_some(), |kind| kind == "bool")
    };
    named(root, &boolean)
}

/// Variables that may hold a text: `holds_boolean` tells which hold `true` or `false`.
pub(super) fn texts(root: &Module) -> Vec<&str> {
    named(root, &|block| matches!(kind(block).as_deref(), None | Some("string" | "any")))
}

/// Whether a variable's value is the text `true` or `false`. Setting any other text to these would rename things.
pub(super) fn holds_boolean(world: &World<'_>, name: &str) -> bool {
    let root = world.root();
    let source = Source::new(root.module.dir.clone(), "");
    let value = variables::value(Scope::of(world, &root, &source), name, 0..0);
    matches!(value, Ok(Value::String(text)) if matches!(text.as_str(), "true" | "false"))
}

fn named<'m>(root: &'m Module, wanted: &dyn Fn(&Block) -> bool) -> Vec<&'m str> {
    let wanted = root.variables.iter().filter(|(_, block)| wanted(block));
    wanted.map(|(name, _)| name.as_str()).collect()
}

/// The type as written.
fn kind(block: &Block) -> Option<String> {
    Some(block.body.attribute("type")?.expression.to_string().trim().to_owned())
}
