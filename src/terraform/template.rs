//! Templates: quoted ones, heredocs, and the files that `templatefile` reads.

use std::ops::Range;

use hcl_edit::template::{
    Directive, Element, ForDirective, HeredocTemplate, IfDirective, StringTemplate, Strip, Template,
};

use super::Value;
use super::convert::{self, Type};
use super::expression::{entries, evaluate, span, truth};
use super::fault::{Eval, Fault};
use super::scope::{Binding, Scope};

/// Longest text that a template may make, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// What stands between quotes. A single interpolation gives its value as it is, of any type.
pub(super) fn quoted(scope: Scope<'_, '_>, template: &StringTemplate) -> Eval<Value> {
    let elements: Vec<&Element> = template.iter().collect();
    if let [Element::Interpolation(only)] = elements.as_slice() {
        return evaluate(scope, &only.expr);
    }
    rendered(scope, &elements)
}

/// A heredoc is text even if it holds a single interpolation.
pub(super) fn heredoc(scope: Scope<'_, '_>, heredoc: &HeredocTemplate) -> Eval<Value> {
    let elements: Vec<&Element> = heredoc.template.iter().collect();
    rendered(scope, &elements)
}

/// A template that stands alone in a file.
pub(super) fn file(scope: Scope<'_, '_>, template: &Template) -> Eval<Value> {
    let elements: Vec<&Element> = template.iter().collect();
    if let [Element::Interpolation(only)] = elements.as_slice() {
        return evaluate(scope, &only.expr);
    }
    rendered(scope, &elements)
}

fn rendered(scope: Scope<'_, '_>, elements: &[&Element]) -> Eval<Value> {
    let mut text = Text::default();
    match text.elements(scope, elements)? {
        Some(unknown) => Ok(unknown),
        None => Ok(Value::String(text.written)),
    }
}

/// The text so far, and whether the next literal loses its leading white space.
#[derive(Default)]
struct Text {
    written: String,
    trims_next: bool,
    /// Where the literal at the end begins: `~` trims literals, not values.
    literal_from: usize,
}

impl Text {
    /// Writes elements. Gives the unknown that makes the whole unknown.
    fn elements(&mut self, scope: Scope<'_, '_>, elements: &[&Element]) -> Eval<Option<Value>> {
        for element in elements {
            let unknown = match element {
                Element::Literal(literal) => {
                    self.literal(literal.value());
                    None
                }
                Element::Interpolation(part) => {
                    self.open(part.strip);
                    let unknown = self.value(scope, part)?;
                    self.close(part.strip);
                    unknown
                }
                Element::Directive(directive) => match &**directive {
                    Directive::If(directive) => self.condition(scope, directive)?,
                    Directive::For(directive) => self.repeat(scope, directive)?,
                },
            };
            if unknown.is_some() {
                return Ok(unknown);
            }
            self.bounded(scope, span(*element))?;
        }
        Ok(None)
    }

    fn literal(&mut self, literal: &str) {
        let literal = if self.trims_next { literal.trim_start() } else { literal };
        self.trims_next &= literal.is_empty();
        self.written.push_str(literal);
    }

    fn value(
        &mut self,
        scope: Scope<'_, '_>,
        part: &hcl_edit::template::Interpolation,
    ) -> Eval<Option<Value>> {
        let value = evaluate(scope, &part.expr)?;
        match convert::convert(value, &Type::String) {
            Ok(Value::String(text)) => {
                self.written.push_str(&text);
                self.literal_from = self.written.len();
                Ok(None)
            }
            Ok(Value::Null) => scope.wrong(span(&part.expr), "null cannot stand in a text"),
            Ok(unknown) => Ok(Some(unknown)),
            Err(mismatch) => scope.wrong(span(&part.expr), mismatch.to_string()),
        }
    }

    fn condition(&mut self, scope: Scope<'_, '_>, directive: &IfDirective) -> Eval<Option<Value>> {
        self.open(directive.if_expr.strip);
        let holds = match truth(scope, &directive.if_expr.cond_expr)? {
            Ok(holds) => holds,
            Err(unknown) => return Ok(Some(unknown)),
        };
        let otherwise = directive.else_expr.as_ref();
        let last = directive.endif_expr.strip;
        let (begin, branch, end) = if holds {
            let end = otherwise.map_or(last, |other| other.strip);
            (directive.if_expr.strip, Some(&directive.if_expr.template), end)
        } else {
            let begin = otherwise.map_or(directive.if_expr.strip, |other| other.strip);
            (begin, otherwise.map(|other| &other.template), last)
        };
        if let Some(branch) = branch {
            self.close(begin);
            let elements: Vec<&Element> = branch.iter().collect();
            let unknown = self.elements(scope, &elements)?;
            if unknown.is_some() {
                return Ok(unknown);
            }
            self.open(end);
        }
        self.close(last);
        Ok(None)
    }

    fn repeat(&mut self, scope: Scope<'_, '_>, directive: &ForDirective) -> Eval<Option<Value>> {
        let head = &directive.for_expr;
        self.open(head.strip);
        let collection = evaluate(scope, &head.collection_expr)?;
        if matches!(collection, Value::Unknown(_)) {
            return Ok(Some(collection));
        }
        let entries = entries(collection)
            .or_else(|mismatch| scope.wrong(span(&head.collection_expr), mismatch.to_string()))?;
        let elements: Vec<&Element> = head.template.iter().collect();
        for (key, value) in entries {
            let key_name = head.key_var.as_ref().map_or("", |name| name.value().as_str());
            let key = Binding { name: key_name, value: key, outer: scope.bindings };
            let name = head.value_var.value().as_str();
            let value = Binding { name, value, outer: Some(&key) };
            self.close(head.strip);
            let unknown = self.elements(scope.with(&value), &elements)?;
            if unknown.is_some() {
                return Ok(unknown);
            }
            self.open(directive.endfor_expr.strip);
        }
        self.close(directive.endfor_expr.strip);
        Ok(None)
    }

    /// `~` after `${` or `%{`: what stands before loses its trailing white space.
    fn open(&mut self, strip: Strip) {
        if matches!(strip, Strip::Start | Strip::Both) {
            let literal = self.written.get(self.literal_from..).unwrap_or_default();
            let kept = self.literal_from + literal.trim_end().len();
            self.written.truncate(kept);
        }
        self.literal_from = self.written.len();
        self.trims_next = false;
    }

    /// `~` before `}`: what follows loses its leading white space.
    fn close(&mut self, strip: Strip) {
        self.trims_next = matches!(strip, Strip::End | Strip::Both);
    }

    fn bounded(&self, scope: Scope<'_, '_>, span: Range<usize>) -> Eval<()> {
        if self.written.len() <= LONGEST {
            return Ok(());
        }
        let message = format!("this text is longer than {} MiB", LONGEST / 1024 / 1024);
        Err(Fault::limit(scope.source.diagnostic(span, message)))
    }
}
