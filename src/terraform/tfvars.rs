//! Which files give values to variables, in Terraform's order, and what stands in them. Decides nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{self, Inputs, Reader, VariableInput};
use super::shape::Body;
use super::{Error, Value, state};
use crate::hcl::{self, Source};

/// A file of values.
#[derive(Debug)]
pub(super) struct ValuesFile {
    /// As it was named.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) content: Values,
    /// How Terraform came to read it.
    pub(super) named: Named,
}

/// How a file of values was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By its name in the folder.
    ByItself,
    /// By the n-th entry of the command line.
    OnCommandLine(usize),
}

/// What a file of values says.
#[derive(Debug)]
pub(super) enum Values {
    /// `.tfvars`
    Hcl(Body),
    /// `.tfvars.json`
    Json(BTreeMap<String, serde_json::Value>),
}

/// Reads them: the folder's own in order, then those of the command line.
pub(super) fn read(reader: &mut Reader, inputs: &Inputs) -> Result<Vec<ValuesFile>, Error> {
    let mut files = Vec::new();
    let names = folder::names(&inputs.folder)?;
    let automatic = names
        .iter()
        .filter(|name| name.ends_with(".auto.tfvars") || name.ends_with(".auto.tfvars.json"));
    let fixed = ["terraform.tfvars", "terraform.tfvars.json"];
    let fixed = fixed.into_iter().filter(|name| names.iter().any(|other| other == name));
    for name in fixed.chain(automatic.map(String::as_str)) {
        files.push(read_file(reader, &inputs.folder.join(name), Named::ByItself)?);
    }
    for (index, variable) in inputs.variables.iter().enumerate() {
        if let VariableInput::File(path) = variable {
            files.push(read_file(reader, path, Named::OnCommandLine(index))?);
        }
    }
    Ok(files)
}

fn read_file(reader: &mut Reader, path: &Path, named: Named) -> Result<ValuesFile, Error> {
    let text = reader.text(path)?;
    let source = Arc::new(Source::new(path.to_owned(), &text).hidden());
    let content = if path.extension().is_some_and(|end| end == "json") {
        Values::Json(read_json(&source)?)
    } else {
        let body = Body::from_hcl(hcl::parse_body(&source)?, &source);
        if let Some(block) = body.blocks.first() {
            let hint = "declare variables in a .tf file, and give values here as `name = value`";
            return Err(block.wrong("a file of values has no blocks").with_hint(hint).into());
        }
        Values::Hcl(body)
    };
    Ok(ValuesFile { path: path.to_owned(), content, named })
}

fn read_json(source: &Source) -> Result<BTreeMap<String, serde_json::Value>, Error> {
    serde_json::from_str(source.text()).map_err(|error| {
        let line = error.line().saturating_sub(1);
        let begin: usize = source.text().split_inclusive('\n').take(line).map(str::len).sum();
        let at = begin + error.column().saturating_sub(1);
        let message = "this file is not a JSON object of values";
        let hint = "correct it, or remove it: Terraform refuses it too";
        source.diagnostic(at..at, message).with_hint(hint).into()
    })
}

/// A value of a `.tfvars.json`: strings are no templates there, and arrays are tuples until a type says otherwise.
pub(super) fn json_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Array(elements) => {
            Value::Tuple(elements.iter().map(json_value).collect())
        }
        serde_json::Value::Object(entries) => Value::Object(
            entries.iter().map(|(name, json)| (name.clone(), json_value(json))).collect(),
        ),
        plain => state::value(plain),
    }
}
