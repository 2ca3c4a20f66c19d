//! What a name in an expression means: variables, locals, modules and the repetition that it stands in. Each is worked
//! out when it is first asked for, once, and a value that needs itself is refused.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::expression::evaluate;
use super::fault::{Eval, Fault};
use super::folder::Folder;
use super::instances::Children;
use super::module::{Call, Module};
use super::state::State;
use super::variables::{self, Variables};
use super::{Unknown, Value};
use crate::hcl::{Diagnostic, Source};

/// Steps that one evaluation may take; a folder of 2,000 resources takes about a hundred thousand.
const MOST_STEPS: u64 = 3_000_000;
/// Expressions inside expressions, through locals and modules: 300 of the largest fit a thread's 2 MiB unoptimised.
const DEEPEST: usize = 200;

/// One way of evaluating a folder: its values of variables, and the switch set to one side.
pub(super) struct World<'f> {
    pub(super) folder: &'f Folder,
    pub(super) variables: &'f Variables,
    pub(super) state: Option<&'f State>,
    /// The switch and the value that it has in this world.
    pub(super) switch: Option<(&'f str, bool)>,
    memo: RefCell<HashMap<Node, Memo>>,
    pub(super) children: RefCell<HashMap<(usize, String), Rc<Children<'f>>>>,
    /// What is being worked out, for the message about a cycle.
    chain: RefCell<Vec<String>>,
    modules: Cell<usize>,
    steps: Cell<u64>,
    depth: Cell<usize>,
}

/// A thing that is worked out once: in which module instance, and its name (`local.x`).
type Node = (usize, String);

enum Memo {
    Busy,
    Done(Eval<Rc<Value>>),
}

/// A module as it is called: one for each `count` and `for_each`.
#[derive(Debug)]
pub(super) struct Instance<'f> {
    pub(super) id: usize,
    pub(super) module: &'f Module,
    /// `module.a["k"].module.b`, empty for the root.
    pub(super) address: String,
    /// The same without keys: `a.b`.
    pub(super) path: String,
    pub(super) origin: Option<Origin<'f>>,
}

impl Instance<'_> {
    /// The path of a module that this one calls.
    pub(super) fn inner_path(&self, name: &str) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("{}{dot}{name}", self.path)
    }
}

/// Who calls a module instance.
#[derive(Debug)]
pub(super) struct Origin<'f> {
    pub(super) parent: Rc<Instance<'f>>,
    pub(super) call: &'f Call,
    pub(super) each: Each,
}

/// The repetition that an expression stands in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Each {
    /// None.
    Once,
    /// `count.index`
    Count(usize),
    /// `each.key` and `each.value`
    Key(String, Value),
}

/// A name that an expression itself brings: of a `for`, of a `dynamic` block, of a template's variables.
pub(super) struct Binding<'s> {
    pub(super) name: &'s str,
    pub(super) value: Value,
    pub(super) outer: Option<&'s Binding<'s>>,
}

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'f> {
    pub(super) world: &'s World<'f>,
    pub(super) instance: &'s Rc<Instance<'f>>,
    pub(super) each: &'s Each,
    pub(super) source: &'s Source,
    pub(super) bindings: Option<&'s Binding<'s>>,
    pub(super) reach: Reach,
}

/// What names an expression may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All.
    Module,
    /// Only those that it brings itself: a file of values, a template file.
    Nothing,
}

impl<'f> World<'f> {
    pub(super) fn new(
        folder: &'f Folder,
        variables: &'f Variables,
        state: Option<&'f State>,
        switch: Option<(&'f str, bool)>,
    ) -> Self {
        Self {
            folder,
            variables,
            state,
            switch,
            memo: RefCell::default(),
            children: RefCell::default(),
            chain: RefCell::default(),
            modules: Cell::new(0),
            steps: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    /// The root module.
    pub(super) fn root(&self) -> Rc<Instance<'f>> {
        Rc::new(Instance {
            id: 0,
            module: &self.folder.root,
            address: String::new(),
            path: String::new(),
            origin: None,
        })
    }

    /// A number for a new module instance.
    pub(super) fn next_module(&self) -> usize {
        self.modules.set(self.modules.get() + 1);
        self.modules.get()
    }

    /// Works something out once.
    pub(super) fn once(
        &self,
        node: Node,
        refuse: impl FnOnce(String) -> Diagnostic,
        work: impl FnOnce() -> Eval<Value>,
    ) -> Eval<Rc<Value>> {
        match self.memo.borrow().get(&node) {
            Some(Memo::Done(done)) => return done.clone(),
            Some(Memo::Busy) => {
                let mut chain = self.chain.borrow().clone();
                chain.push(node.1.clone());
                let start = chain.iter().position(|name| *name == node.1).unwrap_or_default();
                let circle = chain.get(start..).unwrap_or_default().join(" -> ");
                return Err(refuse(format!("this depends on itself: {circle}")).into());
            }
            None => {}
        }
        self.memo.borrow_mut().insert(node.clone(), Memo::Busy);
        self.chain.borrow_mut().push(node.1.clone());
        let done = work().map(Rc::new);
        self.chain.borrow_mut().pop();
        self.memo.borrow_mut().insert(node, Memo::Done(done.clone()));
        done
    }

    fn is_busy(&self, node: &Node) -> bool {
        matches!(self.memo.borrow().get(node), Some(Memo::Busy))
    }

    fn charge(&self, steps: u64) -> bool {
        let spent = self.steps.get().saturating_add(steps);
        self.steps.set(spent);
        spent <= MOST_STEPS
    }
}

impl<'s, 'f> Scope<'s, 'f> {
    /// The scope of a module's own expressions, outside of any repetition.
    pub(super) fn of(
        world: &'s World<'f>,
        instance: &'s Rc<Instance<'f>>,
        source: &'s Source,
    ) -> Self {
        let (each, bindings, reach) = (&Each::Once, None, Reach::Module);
        Self { world, instance, each, source, bindings, reach }
    }

    /// The same, inside a repetition.
    pub(super) fn within(self, each: &'s Each) -> Self {
        Self { each, ..self }
    }

    /// The same, with one more name.
    pub(super) fn with<'t>(self, binding: &'t Binding<'t>) -> Scope<'t, 'f>
    where
        's: 't,
    {
        Scope { bindings: Some(binding), ..self }
    }

    /// A value that the scope itself brings.
    pub(super) fn bound(&self, name: &str) -> Option<&'s Value> {
        let mut next = self.bindings;
        while let Some(binding) = next {
            if binding.name == name {
                return Some(&binding.value);
            }
            next = binding.outer;
        }
        None
    }

    /// Counts work, so that no folder keeps us busy for ever or fills the memory.
    pub(super) fn charge(&self, steps: u64, span: impl FnOnce() -> Range<usize>) -> Eval<()> {
        if self.world.charge(steps) {
            return Ok(());
        }
        let message = format!("evaluating this folder takes more than {MOST_STEPS} steps");
        Err(Fault::beyond(self.source.diagnostic(span(), message)))
    }

    /// Runs one level deeper, unless that is too deep.
    pub(super) fn deeper<T>(
        &self,
        span: impl FnOnce() -> Range<usize>,
        work: impl FnOnce() -> Eval<T>,
    ) -> Eval<T> {
        let depth = self.world.depth.get();
        if depth >= DEEPEST {
            let message = format!("more than {DEEPEST} expressions inside each other");
            return Err(Fault::beyond(self.source.diagnostic(span(), message)));
        }
        self.world.depth.set(depth + 1);
        let result = work();
        self.world.depth.set(depth);
        result
    }

    /// An error that points at a span.
    pub(super) fn wrong<T>(&self, span: Range<usize>, message: impl Into<String>) -> Eval<T> {
        Err(self.source.diagnostic(span, message).into())
    }

    /// A value that nobody knows here.
    pub(super) fn unknown(&self, span: Range<usize>, expression: String, why: &str) -> Value {
        let place = self.source.place(span);
        Value::Unknown(Rc::new(Unknown { expression, why: why.to_owned(), place }))
    }

    /// `local.NAME`
    pub(super) fn local(&self, name: &str, span: Range<usize>) -> Eval<Rc<Value>> {
        let Some(attribute) = self.instance.module.locals.get(name) else {
            let known = self.instance.module.locals.keys().map(String::as_str);
            return Err(Fault::last(self.missing(span, &format!("local.{name}"), name, known)));
        };
        let scope = Scope::of(self.world, self.instance, &attribute.source);
        self.world.once(
            (self.instance.id, format!("local.{name}")),
            |message| self.source.diagnostic(span, message),
            || evaluate(scope, &attribute.expression),
        )
    }

    /// `var.NAME`
    pub(super) fn variable(&self, name: &str, span: Range<usize>) -> Eval<Rc<Value>> {
        let value = self.world.once(
            (self.instance.id, format!("var.{name}")),
            |message| self.source.diagnostic(span.clone(), message),
            || variables::value(*self, name, span.clone()),
        )?;
        let rule = (self.instance.id, format!("the validation of var.{name}"));
        // A validation asks for the variable itself.
        if !self.world.is_busy(&rule) {
            let check = || variables::validate(*self, name).map(|()| Value::Null);
            self.world.once(rule, |message| self.source.diagnostic(span, message), check)?;
        }
        Ok(value)
    }

    /// An error about a name that is not there, with the nearest that is.
    pub(super) fn missing<'n>(
        &self,
        span: Range<usize>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Diagnostic {
        let diagnostic = self.source.diagnostic(span, format!("there is no {what}"));
        match crate::hcl::nearest(name, known) {
            Some(nearest) => diagnostic.with_hint(format!("did you mean `{nearest}`?")),
            None => diagnostic,
        }
    }
}
