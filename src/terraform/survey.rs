//! Goes through all module instances of one world and works out what is asked: its records, its listeners' rules, or what a
//! boolean changes besides them.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use super::blocks;
use super::instances::{self, Repetition};
use super::module::ResourceName;
use super::reach::{Node, Thing};
use super::records;
use super::scope::{Each, Instance, Scope, World};
use super::shape::Block;
use super::{Error, ListenerRule, RecordKey, RecordSet, rules};

/// A thing that was worked out, and where it comes from.
#[derive(Debug)]
pub(super) struct Surveyed<'f, T> {
    /// With the key of its instance.
    pub(super) address: String,
    /// Without.
    pub(super) resource: String,
    pub(super) block: &'f Block,
    pub(super) says: T,
}

/// A record.
pub(super) type SurveyedRecord<'f> = Surveyed<'f, (RecordKey, RecordSet)>;
/// A listener's rule.
pub(super) type SurveyedRule<'f> = Surveyed<'f, ListenerRule>;

/// Whether a node is a record.
pub(super) fn is_record(node: &Node) -> bool {
    matches!(&node.thing, Thing::Resource(name) if is_record_name(name))
}

fn is_record_name(name: &ResourceName) -> bool {
    name.mode == "managed" && name.kind == "aws_route53_record"
}

/// Whether a node is a listener's rule.
pub(super) fn is_rule(node: &Node) -> bool {
    matches!(&node.thing, Thing::Resource(name) if is_rule_name(name))
}

fn is_rule_name(name: &ResourceName) -> bool {
    // The provider knows it by both.
    name.mode == "managed"
        && matches!(name.kind.as_str(), "aws_lb_listener_rule" | "aws_alb_listener_rule")
}

/// All records. Of those that the boolean reaches, each must be known; the others are told as far as they are.
pub(super) fn records<'f>(
    world: &World<'f>,
    reached: &HashSet<&Node>,
) -> Result<Vec<SurveyedRecord<'f>>, Error> {
    survey(world, reached, (is_record_name, records::record))
}

/// The rules that the boolean reaches, each of which must be known, and others as far as they are.
pub(super) fn rules<'f>(
    world: &World<'f>,
    reached: &HashSet<&Node>,
) -> Result<Vec<SurveyedRule<'f>>, Error> {
    survey(world, reached, (is_rule_name, rules::rule))
}

/// Where rules stand, on which listener: as far as both are known.
pub(super) fn numbers(world: &World<'_>) -> Result<Vec<(Option<String>, u32)>, Error> {
    let numbers = survey(world, &HashSet::new(), (is_rule_name, rules::number))?;
    let known = numbers.into_iter().filter_map(|one| Some((one.says.0, one.says.1?)));
    Ok(known.collect())
}

/// Which resources are asked for, and how one is worked out.
type Asked<T> = (fn(&ResourceName) -> bool, fn(Scope<'_, '_>, &Block) -> Result<T, Error>);

fn survey<'f, T>(
    world: &World<'f>,
    reached: &HashSet<&Node>,
    asked: Asked<T>,
) -> Result<Vec<Surveyed<'f, T>>, Error> {
    let mut survey = Survey { world, reached, asked, found: Vec::new() };
    survey.module(&world.root())?;
    Ok(survey.found)
}

struct Survey<'w, 'f, T> {
    world: &'w World<'f>,
    reached: &'w HashSet<&'w Node>,
    asked: Asked<T>,
    found: Vec<Surveyed<'f, T>>,
}

impl<'f, T> Survey<'_, 'f, T> {
    fn module(&mut self, instance: &Rc<Instance<'f>>) -> Result<(), Error> {
        let module = instance.module;
        let (is_asked, _) = self.asked;
        for (name, block) in module.resources.iter().filter(|(name, _)| is_asked(name)) {
            let result = self.resource(instance, name, block);
            if result.is_err() && self.reaches(instance, Thing::Resource(name.clone())) {
                return result;
            }
        }
        for (name, call) in &module.calls {
            let children = instances::children(self.world, instance, name, call);
            let children = match children {
                Ok(children) => children,
                Err(fault) if self.passes(instance, name) => return Err(fault.into()),
                Err(_not_concerned) => continue,
            };
            if let Repetition::Unknown(unknown) = &children.repetition
                && self.passes(instance, name)
            {
                let scope = Scope::of(self.world, instance, &call.block.source);
                records::known(scope, Ok(unknown.clone()))?;
            }
            for (_, child) in &children.instances {
                self.module(child)?;
            }
        }
        Ok(())
    }

    fn resource(
        &mut self,
        instance: &Rc<Instance<'f>>,
        name: &ResourceName,
        block: &'f Block,
    ) -> Result<(), Error> {
        let scope = Scope::of(self.world, instance, &block.source);
        let repetition = instances::repetition(self.world, instance, block)?;
        if let Repetition::Unknown(unknown) = &repetition {
            records::known(scope, Ok(unknown.clone()))?;
        }
        for (key, each) in repetition.all() {
            let resource = address(instance, name);
            let address = format!("{resource}{}", instances::suffix(key.as_ref()));
            let (_, work_out) = self.asked;
            let says = work_out(scope.within(&each), block)?;
            self.found.push(Surveyed { address, resource, block, says });
        }
        Ok(())
    }

    fn reaches(&self, instance: &Instance<'_>, thing: Thing) -> bool {
        self.reached.contains(&Node { module: instance.path.clone(), thing })
    }

    /// Whether the boolean can change something in a module that is called.
    fn passes(&self, instance: &Instance<'_>, name: &str) -> bool {
        if self.reaches(instance, Thing::Call(name.to_owned())) {
            return true;
        }
        let inner = instance.inner_path(name);
        let deeper = format!("{inner}.");
        self.reached.iter().any(|node| node.module == inner || node.module.starts_with(&deeper))
    }
}

fn address(instance: &Instance<'_>, name: &ResourceName) -> String {
    let dot = if instance.address.is_empty() { "" } else { "." };
    format!("{}{dot}{name}", instance.address)
}

/// What the boolean changes besides records: what can be worked out is compared, the rest is named to be safe.
pub(super) fn others<'f>(
    live: &World<'f>,
    maintenance: &World<'f>,
    reached: &HashSet<&Node>,
) -> Vec<String> {
    let mut changed = BTreeSet::new();
    let paths: BTreeSet<(&str, &ResourceName)> = reached
        .iter()
        .filter_map(|node| match &node.thing {
            Thing::Resource(name) if !is_record_name(name) => Some((node.module.as_str(), name)),
            _ => None,
        })
        .collect();
    for (path, name) in paths {
        let before = modules_at(live, path);
        let after = modules_at(maintenance, path);
        let addresses: BTreeSet<&str> =
            before.iter().chain(&after).map(|one| one.address.as_str()).collect();
        for module in addresses {
            let find = |all: &[Rc<Instance<'f>>]| {
                all.iter().find(|one| one.address == module).map(Rc::clone)
            };
            let (before, after) = (find(&before), find(&after));
            if differs((live, before.as_ref()), (maintenance, after.as_ref()), name, reached) {
                let either = before.or(after);
                changed.extend(either.map(|instance| address(&instance, name)));
            }
        }
    }
    changed.into_iter().collect()
}

/// The instances of the module at a path of calls.
fn modules_at<'f>(world: &World<'f>, path: &str) -> Vec<Rc<Instance<'f>>> {
    let mut found = vec![world.root()];
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let children = found.iter().filter_map(|instance| {
            let (name, call) = instance.module.calls.get_key_value(name)?;
            instances::children(world, instance, name, call).ok()
        });
        let children: Vec<_> = children.collect();
        found = children
            .iter()
            .flat_map(|one| one.instances.iter().map(|(_, instance)| Rc::clone(instance)))
            .collect();
    }
    found
}

type Side<'s, 'f> = (&'s World<'f>, Option<&'s Rc<Instance<'f>>>);

fn differs(
    live: Side<'_, '_>,
    maintenance: Side<'_, '_>,
    name: &ResourceName,
    reached: &HashSet<&Node>,
) -> bool {
    let ((live, Some(before)), (maintenance, Some(after))) = (live, maintenance) else {
        return true;
    };
    let Some(block) = before.module.resources.get(name) else { return false };
    let repetitions = (
        instances::repetition(live, before, block),
        instances::repetition(maintenance, after, block),
    );
    let (Ok(before_all), Ok(after_all)) = repetitions else { return true };
    if before_all != after_all {
        return true;
    }
    let touched = |attribute: &str| {
        let thing = Thing::Attribute(name.clone(), attribute.to_owned());
        let written = block.body.attributes.contains_key(attribute);
        !written || reached.contains(&Node { module: before.path.clone(), thing })
    };
    let each = match &before_all {
        Repetition::Unknown(_) => vec![(None, Each::Count(0))],
        known => known.all(),
    };
    each.iter().any(|(_, each)| {
        let one = Scope::of(live, before, &block.source).within(each);
        let other = Scope::of(maintenance, after, &block.source).within(each);
        let one = blocks::contents(one, &block.body, &touched);
        let other = blocks::contents(other, &block.body, &touched);
        match (one, other) {
            (Ok(one), Ok(other)) => !one.same(&other),
            _ => true,
        }
    })
}
