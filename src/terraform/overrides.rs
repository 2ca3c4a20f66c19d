//! Override files merged as Terraform merges them ("Override Files" in its documentation): attributes one by one,
//! nested blocks by their kind. An override of something that is not there is an error.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::module::{Module, resource_name};
use super::shape::{Block, Body};

/// Merges one block of an override file.
pub(super) fn merge(
    module: &mut Module,
    calls: &mut BTreeMap<String, Block>,
    block: &Block,
) -> Result<(), Error> {
    let base = match block.kind.as_str() {
        "variable" => module.variables.get_mut(block.label(0)),
        "output" => module.outputs.get_mut(block.label(0)),
        "module" => calls.get_mut(block.label(0)),
        "resource" | "data" => module.resources.get_mut(&resource_name(block)),
        "locals" => return merge_locals(module, block),
        "terraform" => {
            merge_settings(module, block);
            return Ok(());
        }
        _ => return Ok(()),
    };
    let Some(base) = base else {
        let message = format!("no {} {} to override", block.kind, block.labels.join("."));
        return Err(block.wrong(message).into());
    };
    merge_body(&mut base.body, &block.body);
    Ok(())
}

fn merge_body(base: &mut Body, over: &Body) {
    for (name, attribute) in &over.attributes {
        base.attributes.insert(name.clone(), attribute.clone());
    }
    let replaced: BTreeSet<&str> = over.blocks.iter().map(meaning).collect();
    for block in over.blocks.iter().filter(|block| block.kind == "lifecycle") {
        if let Some(base) = base.blocks.iter_mut().find(|base| base.kind == "lifecycle") {
            merge_body(&mut base.body, &block.body);
        } else {
            base.blocks.push(block.clone());
        }
    }
    base.blocks.retain(|block| block.kind == "lifecycle" || !replaced.contains(meaning(block)));
    base.blocks.extend(over.blocks.iter().filter(|block| block.kind != "lifecycle").cloned());
}

/// The kind that a block becomes: `dynamic "alias"` is an `alias`.
fn meaning(block: &Block) -> &str {
    if block.kind == "dynamic" { block.label(0) } else { &block.kind }
}

fn merge_locals(module: &mut Module, block: &Block) -> Result<(), Error> {
    for (name, attribute) in &block.body.attributes {
        if module.locals.insert(name.clone(), attribute.clone()).is_none() {
            return Err(attribute.wrong(format!("no local.{name} to override")).into());
        }
    }
    Ok(())
}

/// A backend or `cloud {}` of an override takes the place of either.
fn merge_settings(module: &mut Module, block: &Block) {
    let storage = |block: &Block| matches!(block.kind.as_str(), "backend" | "cloud");
    if block.body.blocks.iter().any(storage) {
        for settings in &mut module.settings {
            settings.body.blocks.retain(|nested| !storage(nested));
        }
    }
    module.settings.push(block.clone());
}
