//! What AWS itself could say where a state does not: load balancers, distributions and hosted zones that the `.tf` files name,
//! and by what they are known there. Which they are is pure; `asked.rs` asks.

#[cfg(feature = "aws")]
mod asked;

use std::fmt;
use std::rc::Rc;

use super::expression::evaluate;
use super::folder::{Folder, Inputs};
use super::instances::{self, Repetition};
use super::module::ResourceName;
use super::scope::{Instance, Scope, World};
use super::shape::Block;
use super::state::{Key, State};
use super::variables::Variables;
use super::{Error, Value};

#[cfg(feature = "aws")]
pub use asked::{Found, ask, zone_name};

/// So many are asked for at most: a folder that names more is not one stack, and its state will be somewhere.
const MOST: usize = 20;

/// What something in AWS is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// A load balancer's name or ARN.
    LoadBalancer(String),
    /// A distribution's id, or one of its alternate domain names.
    Distribution(String),
    /// A public zone's name.
    Zone(String),
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::LoadBalancer(name) => write!(f, "the load balancer {name}"),
            Known::Distribution(name) => write!(f, "the distribution {name}"),
            Known::Zone(name) => write!(f, "the hosted zone {name}"),
        }
    }
}

/// A resource without a state, and what it is in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// `data.aws_lb.main["blue"]`
    pub address: String,
    /// What it is known by.
    pub known: Known,
    pub(super) at: At,
}

/// Where a state would have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    pub(super) module: String,
    pub(super) name: ResourceName,
    pub(super) key: Option<Key>,
}

/// What of a folder could be looked up, in the order of the files' names for it; nothing that `state` has.
pub fn lookups(folder: &Folder, inputs: &Inputs, state: &State) -> Result<Vec<Lookup>, Error> {
    let variables = Variables::collect(folder, inputs)?;
    let world = World::new(folder, &variables, Some(state), None);
    let mut found = Vec::new();
    within(&world, &world.root(), &mut found);
    found.truncate(MOST);
    Ok(found)
}

fn within<'f>(world: &World<'f>, instance: &Rc<Instance<'f>>, found: &mut Vec<Lookup>) {
    for (name, block) in &instance.module.resources {
        let Ok(repetition) = instances::repetition(world, instance, block) else { continue };
        for (key, each) in repetition.all() {
            if found.len() >= MOST {
                return;
            }
            let scope = Scope::of(world, instance, &block.source).within(&each);
            found.extend(of_one(scope, (name, key), block));
        }
    }
    for (name, call) in &instance.module.calls {
        // What cannot be worked out is not asked for: whoever needs it says so.
        let Ok(children) = instances::children(world, instance, name, call) else { continue };
        if matches!(children.repetition, Repetition::Unknown(_)) {
            continue;
        }
        for (_, child) in &children.instances {
            within(world, child, found);
        }
    }
}

fn of_one(
    scope: Scope<'_, '_>,
    (name, key): (&ResourceName, Option<Key>),
    block: &Block,
) -> Option<Lookup> {
    let at = At { module: scope.instance.address.clone(), name: name.clone(), key };
    if scope.world.state.is_some_and(|state| state.has(&at)) {
        return None;
    }
    let text = |attribute: &str| text(scope, block, attribute);
    let known = match name.kind.as_str() {
        "aws_lb" | "aws_alb" => Known::LoadBalancer(text("arn").or_else(|| text("name"))?),
        "aws_cloudfront_distribution" if name.mode == "data" => Known::Distribution(text("id")?),
        "aws_cloudfront_distribution" => Known::Distribution(text("aliases")?),
        "aws_route53_zone" => {
            let private = block.body.attribute("private_zone").is_some()
                || block.body.blocks.iter().any(|inner| inner.kind == "vpc");
            let name = text("name").filter(|_| !private)?;
            Known::Zone(name.trim_end_matches('.').to_lowercase())
        }
        _ => return None,
    };
    let dot = if at.module.is_empty() { "" } else { "." };
    let address = format!("{}{dot}{name}{}", at.module, instances::suffix(at.key.as_ref()));
    Some(Lookup { address, known, at })
}

/// The attribute's text, or the first of its texts, if it is known.
fn text(scope: Scope<'_, '_>, block: &Block, attribute: &str) -> Option<String> {
    let written = block.body.attribute(attribute)?;
    let scope = Scope { source: &written.source, ..scope };
    let text = match evaluate(scope, &written.expression).ok()? {
        Value::String(text) => text,
        Value::List(all) | Value::Set(all) | Value::Tuple(all) => {
            all.into_iter().find_map(|one| match one {
                Value::String(text) => Some(text),
                _ => None,
            })?
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
