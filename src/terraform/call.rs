//! Function calls. `try`, `can`, `templatefile` and `templatestring` need the expressions themselves and are here; the
//! rest is in `functions`.

use hcl_edit::expr::{Expression, FuncCall};

use super::expression::{converted, evaluate, span};
use super::fault::{Eval, Fault};
use super::scope::{Binding, Reach, Scope};
use super::{Value, access, convert, functions, template};
use crate::hcl::{self, Source};

/// The value of a call.
pub(super) fn call(scope: Scope<'_, '_>, function: &FuncCall) -> Eval<Value> {
    let short = function.name.name.value().as_str();
    let namespace: Vec<&str> =
        function.name.namespace.iter().map(|part| part.value().as_str()).collect();
    match (namespace.as_slice(), short) {
        ([] | ["core"], "try") => attempt(scope, function),
        ([] | ["core"], "can") => possible(scope, function),
        ([] | ["core"], _) => plain(scope, function, short),
        _ => {
            let name = format!("{}::{short}", namespace.join("::"));
            let message = format!("the function \"{name}\" belongs to a provider");
            let hint = "only Terraform can call it: let it make the plans with -from-plans";
            Err(Fault::beyond(scope.source.diagnostic(span(function), message).with_hint(hint)))
        }
    }
}

/// The first argument that has a value. An unknown ends the search: nobody knows whether it fails.
fn attempt(scope: Scope<'_, '_>, function: &FuncCall) -> Eval<Value> {
    for argument in &function.args {
        match evaluate(scope, argument) {
            Ok(value) => return Ok(value),
            Err(fault) if fault.is_last() => return Err(fault),
            Err(_next) => {}
        }
    }
    scope.wrong(span(function), "try: no argument has a value")
}

fn possible(scope: Scope<'_, '_>, function: &FuncCall) -> Eval<Value> {
    let mut arguments = function.args.iter();
    let (Some(argument), None) = (arguments.next(), arguments.next()) else {
        return scope.wrong(span(function), "can takes one argument");
    };
    match evaluate(scope, argument) {
        Ok(unknown @ Value::Unknown(_)) => Ok(unknown),
        Ok(_) => Ok(Value::Bool(true)),
        Err(fault) if fault.is_last() => Err(fault),
        Err(_impossible) => Ok(Value::Bool(false)),
    }
}

fn plain(scope: Scope<'_, '_>, function: &FuncCall, name: &str) -> Eval<Value> {
    let mut arguments = Vec::new();
    for argument in &function.args {
        arguments.push(evaluate(scope, argument)?);
    }
    if function.args.expand_final() {
        match expand(scope, function, arguments.pop())? {
            Ok(elements) => arguments.extend(elements),
            Err(unknown) => return Ok(unknown),
        }
    }
    match name {
        "templatefile" => template_file(scope, function, arguments),
        "templatestring" => template_string(scope, function, arguments),
        name => builtin(scope, function, name, arguments),
    }
}

/// The elements of a last argument that `...` follows, or the unknown that it is.
fn expand(
    scope: Scope<'_, '_>,
    function: &FuncCall,
    last: Option<Value>,
) -> Eval<Result<Vec<Value>, Value>> {
    match last {
        Some(Value::List(elements) | Value::Tuple(elements) | Value::Set(elements)) => {
            Ok(Ok(elements))
        }
        Some(unknown @ Value::Unknown(_)) => Ok(Err(unknown)),
        _ => scope.wrong(span(function), "`...` needs a list before it"),
    }
}

fn template_file(scope: Scope<'_, '_>, function: &FuncCall, arguments: Vec<Value>) -> Eval<Value> {
    let Ok([path, variables]) = <[Value; 2]>::try_from(arguments) else {
        return scope.wrong(span(function), "templatefile takes a path and an object");
    };
    let text = match builtin(scope, function, "file", vec![path.clone()])? {
        Value::String(text) => text,
        unknown => return Ok(unknown),
    };
    let file = if let Value::String(path) = path { path } else { String::new() };
    let source = Source::new(file.into(), &text);
    render(scope, function, &source, variables)
}

fn template_string(
    scope: Scope<'_, '_>,
    function: &FuncCall,
    arguments: Vec<Value>,
) -> Eval<Value> {
    let Ok([text, variables]) = <[Value; 2]>::try_from(arguments) else {
        return scope.wrong(span(function), "templatestring takes a text and an object");
    };
    // Terraform 1.11: a direct reference, so that no one writes a template inside a template.
    let Some(Expression::Traversal(_) | Expression::Variable(_)) = function.args.get(0) else {
        return scope.wrong(span(function), "templatestring takes a reference, not an expression");
    };
    match converted(scope, function, &text, &convert::Type::String)? {
        Value::String(text) => {
            let whole = scope.source.pinned_to(span(function));
            // Its places mean nothing in our file: they are all the call's.
            let source = Source::new((**whole.file()).clone(), &text);
            let source = if text.is_empty() { whole } else { source };
            render(scope, function, &source, variables)
        }
        Value::Null => scope.wrong(span(function), "a template must not be null"),
        unknown => Ok(unknown),
    }
}

fn render(
    scope: Scope<'_, '_>,
    function: &FuncCall,
    source: &Source,
    variables: Value,
) -> Eval<Value> {
    let entries = match variables {
        Value::Object(entries) | Value::Map(entries) => entries,
        unknown @ Value::Unknown(_) => return Ok(unknown),
        _ => return scope.wrong(span(function), "a template's variables must be an object"),
    };
    let template = hcl::parse_template(source)?;
    let inside = Scope { source, reach: Reach::Nothing, bindings: None, ..scope };
    let names: Vec<(String, Value)> = entries.into_iter().collect();
    bind_all(inside, &names, &mut |scope| template::file(scope, &template))
}

/// Runs something with all these names bound.
fn bind_all(
    scope: Scope<'_, '_>,
    names: &[(String, Value)],
    work: &mut dyn FnMut(Scope<'_, '_>) -> Eval<Value>,
) -> Eval<Value> {
    let Some(((name, value), rest)) = names.split_first() else {
        return work(scope);
    };
    let binding = Binding { name, value: value.clone(), outer: scope.bindings };
    scope.deeper(|| 0..0, || bind_all(scope.with(&binding), rest, work))
}

/// A function that takes values.
fn builtin(
    scope: Scope<'_, '_>,
    function: &FuncCall,
    name: &str,
    arguments: Vec<Value>,
) -> Eval<Value> {
    let root = &scope.world.folder.path;
    let context = functions::Context {
        root_dir: root.clone(),
        module_dir: scope.instance.module.dir.clone(),
        cwd: std::path::absolute(root).unwrap_or_else(|_gone| root.clone()),
    };
    let answer = functions::call(name, arguments, &context).map_err(|error| {
        let diagnostic = scope.source.diagnostic(span(function), error.to_string());
        let diagnostic = diagnostic.with_hint(error.hint());
        match error {
            functions::Error::Refused { .. } => Fault::from(diagnostic),
            functions::Error::NoSuchFunction { .. } => Fault::last(diagnostic),
            functions::Error::NotSupported { .. } => Fault::beyond(diagnostic),
        }
    })?;
    scope.charge(access::weight(&answer), || span(function))?;
    Ok(answer)
}
