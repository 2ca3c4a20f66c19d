//! Templates: quoted ones, heredocs, and the files that `templatefile` reads.
//!
//! White space is taken away as HCL does it (hclsyntax, `parser_template.go`): first `~`, which reaches to the end of one
//! line only, then the indentation of a `<<-` heredoc.

use hcl_edit::template::{
    Directive, Element, ForTemplateExpr, HeredocTemplate, IfDirective, Interpolation,
    StringTemplate, Strip, Template,
};

use super::convert::{self, Type};
use super::expression::{entries, evaluate, span, truth};
use super::fault::{Eval, Fault};
use super::scope::{Binding, Scope};
use super::{Value, normal};

/// Longest text that a template may make, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// What stands between quotes. A single interpolation gives its value as it is, of any type.
pub(super) fn quoted(scope: Scope<'_, '_>, template: &StringTemplate) -> Eval<Value> {
    let elements: Vec<&Element> = template.iter().collect();
    if let [Element::Interpolation(only)] = elements.as_slice() {
        return evaluate(scope, &only.expr);
    }
    rendered(scope, &Parts::of(template.iter(), Literals::Whole))
}

/// A heredoc is text even if it holds a single interpolation.
pub(super) fn heredoc(scope: Scope<'_, '_>, heredoc: &HeredocTemplate) -> Eval<Value> {
    let mut parts = Parts::of(heredoc.template.iter(), Literals::ByLine);
    // Parsed as ` <<EOT` in the place of `<<-EOT`.
    if scope.source.excerpt(span(heredoc)).starts_with("<-") {
        parts.flush();
    }
    rendered(scope, &parts)
}

/// A template that stands alone in a file.
pub(super) fn file(scope: Scope<'_, '_>, template: &Template) -> Eval<Value> {
    let elements: Vec<&Element> = template.iter().collect();
    if let [Element::Interpolation(only)] = elements.as_slice() {
        return evaluate(scope, &only.expr);
    }
    rendered(scope, &Parts::of(template.iter(), Literals::ByLine))
}

/// Whether a literal of several lines is one thing to `~`, or each line is.
#[derive(Debug, Clone, Copy)]
enum Literals {
    Whole,
    ByLine,
}

/// A template taken apart.
struct Parts<'e> {
    literals: Vec<String>,
    /// All in the order of the text: a literal by its number, or anything else.
    order: Vec<Option<usize>>,
    tree: Vec<Part<'e>>,
    by_line: Literals,
    trims_next: bool,
}

enum Part<'e> {
    Literal(usize),
    Value(&'e Interpolation),
    If(&'e IfDirective, Vec<Part<'e>>, Vec<Part<'e>>),
    For(&'e ForTemplateExpr, Vec<Part<'e>>),
}

impl<'e> Parts<'e> {
    fn of(elements: impl Iterator<Item = &'e Element>, by_line: Literals) -> Self {
        let (literals, order, tree) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = Self { literals, order, tree, by_line, trims_next: false };
        parts.tree = parts.branch(elements);
        parts
    }

    fn branch(&mut self, elements: impl Iterator<Item = &'e Element>) -> Vec<Part<'e>> {
        let mut branch = Vec::new();
        for element in elements {
            match element {
                Element::Literal(literal) => match self.by_line {
                    Literals::Whole => branch.push(self.literal(literal.value())),
                    Literals::ByLine => {
                        let lines = literal.value().split_inclusive('\n');
                        branch.extend(lines.map(|line| self.literal(line)));
                    }
                },
                Element::Interpolation(value) => {
                    self.marker(value.strip);
                    branch.push(Part::Value(value));
                }
                Element::Directive(directive) => branch.push(self.directive(directive)),
            }
        }
        branch
    }

    fn directive(&mut self, directive: &'e Directive) -> Part<'e> {
        match directive {
            Directive::If(directive) => {
                self.marker(directive.if_expr.strip);
                let then = self.branch(directive.if_expr.template.iter());
                let other = match &directive.else_expr {
                    Some(other) => {
                        self.marker(other.strip);
                        self.branch(other.template.iter())
                    }
                    None => Vec::new(),
                };
                self.marker(directive.endif_expr.strip);
                Part::If(directive, then, other)
            }
            Directive::For(directive) => {
                self.marker(directive.for_expr.strip);
                let body = self.branch(directive.for_expr.template.iter());
                self.marker(directive.endfor_expr.strip);
                Part::For(&directive.for_expr, body)
            }
        }
    }

    fn literal(&mut self, text: &str) -> Part<'e> {
        let text = if self.trims_next { text.trim_start() } else { text };
        self.trims_next = false;
        self.literals.push(text.to_owned());
        let number = self.literals.len() - 1;
        self.order.push(Some(number));
        Part::Literal(number)
    }

    /// `${..}` or `%{..}`, which may take white space from its neighbours.
    fn marker(&mut self, strip: Strip) {
        let before = self.order.last().copied().flatten();
        if matches!(strip, Strip::Start | Strip::Both)
            && let Some(literal) = before.and_then(|number| self.literals.get_mut(number))
        {
            literal.truncate(literal.trim_end().len());
        }
        self.trims_next = matches!(strip, Strip::End | Strip::Both);
        self.order.push(None);
    }

    /// Takes away the indentation that all lines share. Blank lines do not count.
    fn flush(&mut self) {
        let mut shared = usize::MAX;
        let mut indented = Vec::new();
        let mut starts_line = true;
        for part in &self.order {
            let text = part.and_then(|number| self.literals.get(number)).map(String::as_str);
            if starts_line {
                let text = text.unwrap_or_default();
                let blank = text.ends_with('\n') && text.trim().is_empty();
                if !blank {
                    let letters = text.chars().take_while(|letter| letter.is_whitespace());
                    shared = shared.min(letters.count());
                    indented.extend(*part);
                }
            }
            starts_line = text.is_some_and(|text| text.ends_with('\n'));
        }
        for number in indented {
            if let Some(literal) = self.literals.get_mut(number) {
                *literal = literal.chars().skip(shared).collect();
            }
        }
    }
}

fn rendered(scope: Scope<'_, '_>, parts: &Parts<'_>) -> Eval<Value> {
    let mut text = Text { literals: &parts.literals, written: String::new() };
    match text.parts(scope, &parts.tree)? {
        Some(unknown) => Ok(unknown),
        None => Ok(Value::String(normal::text(text.written))),
    }
}

/// The text so far.
struct Text<'p> {
    literals: &'p [String],
    written: String,
}

impl Text<'_> {
    /// Writes parts. Gives the unknown that makes the whole unknown.
    fn parts(&mut self, scope: Scope<'_, '_>, parts: &[Part<'_>]) -> Eval<Option<Value>> {
        for part in parts {
            let unknown = match part {
                Part::Literal(number) => {
                    let literal = self.literals.get(*number);
                    self.written.push_str(literal.map_or("", String::as_str));
                    None
                }
                Part::Value(value) => self.value(scope, value)?,
                Part::If(directive, then, other) => {
                    match truth(scope, &directive.if_expr.cond_expr)? {
                        Ok(true) => self.parts(scope, then)?,
                        Ok(false) => self.parts(scope, other)?,
                        Err(unknown) => Some(unknown),
                    }
                }
                Part::For(head, body) => self.repeat(scope, head, body)?,
            };
            if unknown.is_some() {
                return Ok(unknown);
            }
        }
        Ok(None)
    }

    fn value(&mut self, scope: Scope<'_, '_>, part: &Interpolation) -> Eval<Option<Value>> {
        let value = evaluate(scope, &part.expr)?;
        match convert::convert(value, &Type::String) {
            Ok(Value::String(text)) => {
                self.written.push_str(&text);
                if self.written.len() > LONGEST {
                    let message = format!("this text is longer than {} MiB", LONGEST / 1024 / 1024);
                    return Err(Fault::beyond(scope.source.diagnostic(span(part), message)));
                }
                Ok(None)
            }
            Ok(Value::Null) => scope.wrong(span(&part.expr), "null cannot stand in a text"),
            Ok(unknown) => Ok(Some(unknown)),
            Err(mismatch) => scope.wrong(span(&part.expr), mismatch.to_string()),
        }
    }

    fn repeat(
        &mut self,
        scope: Scope<'_, '_>,
        head: &ForTemplateExpr,
        body: &[Part<'_>],
    ) -> Eval<Option<Value>> {
        let collection = evaluate(scope, &head.collection_expr)?;
        if matches!(collection, Value::Unknown(_)) {
            return Ok(Some(collection));
        }
        let entries = entries(collection)
            .or_else(|mismatch| scope.wrong(span(&head.collection_expr), mismatch.to_string()))?;
        for (key, value) in entries {
            scope.charge(1, || span(&head.collection_expr))?;
            let key_name = head.key_var.as_ref().map_or("", |name| name.value().as_str());
            let key = Binding { name: key_name, value: key, outer: scope.bindings };
            let name = head.value_var.value().as_str();
            let value = Binding { name, value, outer: Some(&key) };
            let unknown = self.parts(scope.with(&value), body)?;
            if unknown.is_some() {
                return Ok(unknown);
            }
        }
        Ok(None)
    }
}
