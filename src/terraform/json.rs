//! `.tf.json` -> the same blocks and attributes as `.tf`. JSON does not say which object is a block, so this file knows
//! it for the blocks that Roadworks reads. Spans inside JSON are those of the block that they stand in.

use std::ops::Range;
use std::sync::Arc;

use hcl_edit::expr::{Expression, Object, ObjectKey, ObjectValue};
use hcl_edit::template::{Element, StringTemplate};
use serde_json::Value as Json;

use super::shape::{Attribute, Block, Body};
use crate::hcl::{Diagnostic, Source};

/// Kinds of nested blocks, wherever they stand; everything else is an attribute.
const NESTED: [&str; 14] = [
    "alias",
    "backend",
    "cidr_routing_policy",
    "cloud",
    "content",
    "dynamic",
    "failover_routing_policy",
    "geolocation_routing_policy",
    "geoproximity_routing_policy",
    "latency_routing_policy",
    "lifecycle",
    "required_providers",
    "validation",
    "weighted_routing_policy",
];

/// The blocks of a file. The text was read by `Source`, so it is not larger than a file may be.
pub(super) fn body(source: &Arc<Source>) -> Result<Body, Diagnostic> {
    let json: Json = serde_json::from_str(source.text()).map_err(|error| {
        let at = offset(source.text(), error.line(), error.column());
        source.diagnostic(at..at, "this file is not JSON")
    })?;
    let mut reader =
        Reader { source: Arc::clone(source), cursor: 0, lost: false, body: Body::default() };
    for file in one_or_many(&json) {
        let Some(entries) = file.as_object() else {
            return Err(source.diagnostic(0..0, "an object of blocks is required"));
        };
        for (kind, content) in entries {
            reader.top_level(kind, content)?;
        }
    }
    Ok(reader.body)
}

struct Reader {
    source: Arc<Source>,
    /// How far the text has been searched for the names of blocks, which come in its order.
    cursor: usize,
    /// A name was not found as it is, so places stay where they are: looking for more would cost the rest of the text
    /// each time.
    lost: bool,
    body: Body,
}

impl Reader {
    fn top_level(&mut self, kind: &str, content: &Json) -> Result<(), Diagnostic> {
        let labels = match kind {
            "resource" | "data" | "ephemeral" => 2,
            "variable" | "output" | "module" | "provider" | "check" => 1,
            "locals" | "terraform" => 0,
            _ => return Ok(()),
        };
        self.find(kind);
        self.labelled(kind, &[], labels, content)
    }

    fn labelled(
        &mut self,
        kind: &str,
        labels: &[String],
        missing: usize,
        content: &Json,
    ) -> Result<(), Diagnostic> {
        for content in one_or_many(content) {
            if missing == 0 {
                let block = self.block(kind, labels.to_vec(), content)?;
                self.body.blocks.push(block);
                continue;
            }
            let Some(entries) = content.as_object() else {
                return Err(self.wrong(format!("an object of `{kind}` blocks is required")));
            };
            for (label, content) in entries.iter().filter(|(label, _)| *label != "//") {
                self.find(label);
                let mut labels = labels.to_vec();
                labels.push(label.clone());
                self.labelled(kind, &labels, missing - 1, content)?;
            }
        }
        Ok(())
    }

    fn block(&mut self, kind: &str, labels: Vec<String>, json: &Json) -> Result<Block, Diagnostic> {
        let source = Arc::new(self.source.pinned_to(self.here()));
        let body = nested_body(kind, json, &source)?;
        Ok(Block { kind: kind.to_owned(), labels, body, source, span: self.here() })
    }

    /// Moves the cursor to the next `"name"` in the text.
    fn find(&mut self, name: &str) {
        let rest = self.source.text().get(self.cursor..).filter(|_| !self.lost);
        match rest.and_then(|rest| rest.find(&format!("\"{name}\""))) {
            Some(at) => self.cursor += at,
            None => self.lost = true,
        }
    }

    fn here(&self) -> Range<usize> {
        self.cursor..self.cursor + 1
    }

    fn wrong(&self, message: String) -> Diagnostic {
        self.source.diagnostic(self.here(), message)
    }
}

fn nested_body(kind: &str, json: &Json, source: &Arc<Source>) -> Result<Body, Diagnostic> {
    let Some(entries) = json.as_object() else {
        return Err(source.diagnostic(0..0, format!("`{kind}` must be an object")));
    };
    let mut body = Body::default();
    for (name, json) in entries.iter().filter(|(name, _)| *name != "//") {
        // `locals`, `module` and `variable` have no blocks of these names; a local may be called `alias`.
        let plain = matches!(kind, "locals" | "module" | "output");
        if NESTED.contains(&name.as_str()) && !plain {
            body.blocks.extend(nested_blocks(name, json, source)?);
            continue;
        }
        let as_written = (kind == "variable" && name == "type") || name == "iterator";
        let expression = match json {
            Json::String(text) if as_written => parsed(hcl_edit::parser::parse_expr(text), source)?,
            json => expression(json, source)?,
        };
        let (expression, source) = (Arc::new(expression), Arc::clone(source));
        body.attributes.insert(name.clone(), Attribute { expression, source, span: 0..0 });
    }
    Ok(body)
}

/// `"alias": {..}`, `"alias": [{..}, ..]`, and with a label `"dynamic": {"alias": {..}}`.
fn nested_blocks(kind: &str, json: &Json, source: &Arc<Source>) -> Result<Vec<Block>, Diagnostic> {
    let labelled = matches!(kind, "dynamic" | "backend");
    let mut blocks = Vec::new();
    for json in one_or_many(json) {
        if !labelled {
            blocks.push(nested_block(kind, Vec::new(), json, source)?);
            continue;
        }
        let entries = json.as_object().into_iter().flatten();
        for (label, content) in entries.filter(|(label, _)| *label != "//") {
            for content in one_or_many(content) {
                blocks.push(nested_block(kind, vec![label.clone()], content, source)?);
            }
        }
    }
    Ok(blocks)
}

fn nested_block(
    kind: &str,
    labels: Vec<String>,
    json: &Json,
    source: &Arc<Source>,
) -> Result<Block, Diagnostic> {
    let body = nested_body(kind, json, source)?;
    Ok(Block { kind: kind.to_owned(), labels, body, source: Arc::clone(source), span: 0..0 })
}

fn one_or_many(json: &Json) -> &[Json] {
    match json {
        Json::Array(many) => many,
        // An empty block list may be written as null.
        Json::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// JSON as an expression: strings are templates, keys of objects too (Terraform, "JSON Configuration Syntax").
fn expression(json: &Json, source: &Source) -> Result<Expression, Diagnostic> {
    Ok(match json {
        Json::Null => Expression::null(),
        Json::Bool(truth) => Expression::from(*truth),
        Json::Number(number) => parsed(hcl_edit::parser::parse_expr(&number.to_string()), source)?,
        Json::String(text) => template(text, source)?,
        Json::Array(elements) => {
            let elements = elements.iter().map(|element| expression(element, source));
            Expression::Array(elements.collect::<Result<Vec<_>, _>>()?.into())
        }
        Json::Object(entries) => {
            let mut object = Object::new();
            for (key, json) in entries.iter().filter(|(key, _)| *key != "//") {
                let key = ObjectKey::Expression(template(key, source)?);
                object.insert(key, ObjectValue::new(expression(json, source)?));
            }
            Expression::Object(object)
        }
    })
}

fn template(text: &str, source: &Source) -> Result<Expression, Diagnostic> {
    if !text.contains("${") && !text.contains("%{") {
        return Ok(Expression::from(text));
    }
    let template = parsed(hcl_edit::parser::parse_template(text), source)?;
    let elements: Vec<Element> = template.into_iter().collect();
    Ok(Expression::StringTemplate(StringTemplate::from(elements)))
}

fn parsed<T>(result: Result<T, hcl_edit::parser::Error>, source: &Source) -> Result<T, Diagnostic> {
    result.map_err(|error| source.diagnostic(0..0, error.message().replace('\n', " ")))
}

/// The byte that a line and a column (in bytes, as `serde_json` counts) name.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let begin: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    begin + column.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Body, Diagnostic> {
        body(&Arc::new(Source::new("main.tf.json".into(), text)))
    }

    #[test]
    fn blocks_have_labels_and_the_line_of_their_name() {
        let text = r#"{
  "resource": {
    "aws_route53_record": {
      "first": {"name": "a", "alias": {"name": "${var.x}"}},
      "second": [{"name": "b", "dynamic": {"alias": {"for_each": [1], "content": {}}}}]
    }
  },
  "locals": {"alias": 1}
}"#;
        let body = read(text).unwrap();
        let lines: Vec<usize> = body.blocks.iter().map(|block| block.place().line).collect();
        assert_eq!(lines, [4, 5, 8]);
        assert_eq!(body.blocks[1].labels, ["aws_route53_record", "second"]);
        assert_eq!(body.blocks[1].body.blocks[0].labels, ["alias"]);
        assert!(body.blocks[2].body.attribute("alias").is_some());
    }

    #[test]
    fn a_file_that_is_no_json_is_refused_where_it_breaks() {
        let place = read("{\n  \"a\": ,\n}").unwrap_err().place.unwrap();
        assert_eq!((place.line, place.column), (2, 8));
        assert!(read("[1]").is_err());
    }
}
