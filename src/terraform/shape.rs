//! Blocks and attributes as the rest of this folder reads them, whether they came from `.tf`, `.tf.json` or an
//! override: each attribute knows its own file. Evaluates nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Structure;

use crate::hcl::{Diagnostic, Place, Source};

/// An attribute's expression and the file that it stands in.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// What stands right of `=`.
    pub(super) expression: Arc<Expression>,
    /// The file.
    pub(super) source: Arc<Source>,
    /// Name and expression.
    pub(super) span: Range<usize>,
}

/// What stands between braces, or in a whole file.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// By name.
    pub(super) attributes: BTreeMap<String, Attribute>,
    /// In the order of the text.
    pub(super) blocks: Vec<Block>,
}

/// `kind "label" .. { body }`
#[derive(Debug, Clone)]
pub struct Block {
    /// The first word.
    pub(super) kind: String,
    /// The words after it.
    pub(super) labels: Vec<String>,
    /// What it holds.
    pub(super) body: Body,
    /// The file that it begins in.
    pub(super) source: Arc<Source>,
    /// From the kind to the closing brace.
    pub(super) span: Range<usize>,
}

impl Attribute {
    /// What stands right of `=`.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// A diagnostic that points at the attribute.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Diagnostic {
        self.source.diagnostic(self.span.clone(), message)
    }
}

impl Block {
    /// Where the block begins.
    pub fn place(&self) -> Place {
        self.source.place(self.span.clone())
    }

    /// A label by its position, or nothing.
    pub(super) fn label(&self, index: usize) -> &str {
        self.labels.get(index).map_or("", String::as_str)
    }

    /// A diagnostic that points at the block's first line.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Diagnostic {
        self.source.diagnostic(self.span.clone(), message)
    }
}

impl Body {
    /// An attribute by its name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.get(name)
    }

    /// The blocks of one kind, in the order of the text.
    pub fn blocks<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }

    /// A body that hcl-edit has read.
    pub(super) fn from_hcl(body: hcl_edit::structure::Body, source: &Arc<Source>) -> Self {
        let mut shaped = Self::default();
        for structure in body {
            let span = structure.span().unwrap_or_default();
            match structure {
                Structure::Attribute(attribute) => {
                    let name = attribute.key.value().as_str().to_owned();
                    let expression = Arc::new(attribute.value);
                    let source = Arc::clone(source);
                    shaped.attributes.insert(name, Attribute { expression, source, span });
                }
                Structure::Block(block) => shaped.blocks.push(Block {
                    kind: block.ident.value().as_str().to_owned(),
                    labels: block.labels.iter().map(|label| label.as_str().to_owned()).collect(),
                    body: Self::from_hcl(block.body, source),
                    source: Arc::clone(source),
                    span,
                }),
            }
        }
        shaped
    }
}
