//! What each variable of the root module can reach, by the references that are written: through locals, modules and their
//! outputs. Evaluates nothing; says more rather than less.

use std::collections::{BTreeSet, HashMap, HashSet};

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::visit::{self, Visit};

use super::module::{Module, ResourceName};
use super::shape::{Attribute, Body};

/// A thing in the configuration; `module` is the path of calls (`site.dns`), empty for the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) module: String,
    pub(super) thing: Thing,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Thing {
    Variable(String),
    Local(String),
    Output(String),
    /// A module's `count` and `for_each`.
    Call(String),
    /// A resource with all that it says.
    Resource(ResourceName),
    /// Its `count` and `for_each`.
    Shape(ResourceName),
    /// One of its attributes.
    Attribute(ResourceName, String),
}

/// References, backwards: from what is used to what uses it.
#[derive(Debug, Default)]
pub(super) struct Reach {
    users: HashMap<Node, Vec<Node>>,
    /// Variables of the root module that something uses.
    pub(super) variables: BTreeSet<String>,
}

impl Reach {
    /// Reads a whole tree of modules.
    pub(super) fn of(root: &Module) -> Self {
        let mut reach = Self::default();
        reach.module(root, "");
        reach
    }

    /// All that a variable of the root module can change, itself included.
    pub(super) fn from(&self, variable: &str) -> HashSet<&Node> {
        let start = Node { module: String::new(), thing: Thing::Variable(variable.to_owned()) };
        let mut reached = HashSet::new();
        let mut next: Vec<&Node> = self.users.get(&start).into_iter().flatten().collect();
        while let Some(node) = next.pop() {
            if reached.insert(node) {
                next.extend(self.users.get(node).into_iter().flatten());
            }
        }
        reached
    }

    fn module(&mut self, module: &Module, path: &str) {
        for (name, attribute) in &module.locals {
            self.expression(module, path, attribute, &Thing::Local(name.clone()));
        }
        for (name, block) in &module.outputs {
            if let Some(value) = block.body.attribute("value") {
                self.expression(module, path, value, &Thing::Output(name.clone()));
            }
        }
        for (name, block) in &module.resources {
            self.resource(module, path, name, &block.body);
        }
        for (name, call) in &module.calls {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let shape = Thing::Call(name.clone());
            for (argument, attribute) in &call.block.body.attributes {
                if argument == "count" || argument == "for_each" {
                    self.expression(module, path, attribute, &shape);
                    continue;
                }
                let user = Node { module: inner.clone(), thing: Thing::Variable(argument.clone()) };
                self.uses(module, path, attribute, &user);
            }
            let Ok(called) = &call.module else { continue };
            let shape = Node { module: path.to_owned(), thing: shape };
            for resource in called.resources.keys() {
                let user = Node { module: inner.clone(), thing: Thing::Shape(resource.clone()) };
                self.add(shape.clone(), user);
            }
            for nested in called.calls.keys() {
                let user = Node { module: inner.clone(), thing: Thing::Call(nested.clone()) };
                self.add(shape.clone(), user);
            }
            self.module(called, &inner);
        }
    }

    fn resource(&mut self, module: &Module, path: &str, name: &ResourceName, body: &Body) {
        let whole = Thing::Resource(name.clone());
        let node = |thing: Thing| Node { module: path.to_owned(), thing };
        self.add(node(Thing::Shape(name.clone())), node(whole.clone()));
        for (attribute, written) in &body.attributes {
            let thing = match attribute.as_str() {
                "count" | "for_each" => Thing::Shape(name.clone()),
                other => Thing::Attribute(name.clone(), other.to_owned()),
            };
            self.add(node(thing.clone()), node(whole.clone()));
            self.expression(module, path, written, &thing);
        }
        for block in &body.blocks {
            self.nested(module, path, &block.body, &whole);
        }
    }

    fn nested(&mut self, module: &Module, path: &str, body: &Body, user: &Thing) {
        for attribute in body.attributes.values() {
            self.expression(module, path, attribute, user);
        }
        for block in &body.blocks {
            self.nested(module, path, &block.body, user);
        }
    }

    fn expression(&mut self, module: &Module, path: &str, attribute: &Attribute, user: &Thing) {
        let user = Node { module: path.to_owned(), thing: user.clone() };
        self.uses(module, path, attribute, &user);
    }

    /// Adds what an expression in `module` uses as used by `user`.
    fn uses(&mut self, module: &Module, path: &str, attribute: &Attribute, user: &Node) {
        let mut references = References { module, path, found: Vec::new() };
        references.visit_expr(&attribute.expression);
        for used in references.found {
            if path.is_empty()
                && let Thing::Variable(name) = &used.thing
            {
                self.variables.insert(name.clone());
            }
            self.add(used, user.clone());
        }
    }

    fn add(&mut self, what: Node, user: Node) {
        self.users.entry(what).or_default().push(user);
    }
}

struct References<'m> {
    module: &'m Module,
    path: &'m str,
    found: Vec<Node>,
}

impl References<'_> {
    fn note(&mut self, thing: Thing) {
        self.found.push(Node { module: self.path.to_owned(), thing });
    }

    fn resource(&mut self, name: ResourceName, attribute: Option<&str>) {
        if self.module.resources.contains_key(&name) {
            if let Some(attribute) = attribute {
                self.note(Thing::Attribute(name.clone(), attribute.to_owned()));
            }
            self.note(Thing::Shape(name));
        }
    }

    fn called(&mut self, name: &str, output: Option<&str>) {
        let Some(call) = self.module.calls.get(name) else { return };
        self.note(Thing::Call(name.to_owned()));
        let Ok(module) = &call.module else { return };
        let dot = if self.path.is_empty() { "" } else { "." };
        let inner = format!("{}{dot}{name}", self.path);
        for known in module.outputs.keys() {
            if output.is_none_or(|output| output == known) {
                let thing = Thing::Output(known.clone());
                self.found.push(Node { module: inner.clone(), thing });
            }
        }
    }
}

impl Visit for References<'_> {
    fn visit_traversal(&mut self, node: &Traversal) {
        if let Expression::Variable(root) = &node.expr {
            // `[0]` and splats may stand between a resource and its attribute.
            let names: Vec<&str> = node
                .operators
                .iter()
                .filter_map(|operator| match operator.value() {
                    TraversalOperator::GetAttr(name) => Some(name.value().as_str()),
                    _ => None,
                })
                .collect();
            let name = |mode, kind: &str, name: &str| ResourceName {
                mode,
                kind: kind.to_owned(),
                name: name.to_owned(),
            };
            match (root.value().as_str(), names.as_slice()) {
                ("var", [first, ..]) => self.note(Thing::Variable((*first).to_owned())),
                ("local", [first, ..]) => self.note(Thing::Local((*first).to_owned())),
                ("module", [first, rest @ ..]) => self.called(first, rest.first().copied()),
                ("data", [kind, first, rest @ ..]) => {
                    self.resource(name("data", kind, first), rest.first().copied());
                }
                (kind, [first, rest @ ..]) => {
                    self.resource(name("managed", kind, first), rest.first().copied());
                }
                _ => {}
            }
        }
        visit::visit_traversal(self, node);
    }
}
