//! Tests of whole folders: what is written on disk -> the switch that is found.

mod choice;
mod finding;
mod folders;
mod growth;
mod language;
mod limits;
mod refusals;
mod rules;

use std::path::{Path, PathBuf};

use super::{Error, Inputs, State, Switchboard, VariableInput, find_switch, load};
use crate::hcl::Colour;

/// A folder for one test.
pub(super) struct Trial {
    dir: tempfile::TempDir,
    pub(super) inputs: Inputs,
    state: Option<State>,
}

impl Trial {
    /// A folder with a `main.tf`, and an empty state.
    pub(super) fn new(main: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inputs = Inputs { folder: dir.path().to_owned(), ..Inputs::default() };
        let trial = Self { dir, inputs, state: Some(State::default()) };
        trial.file("main.tf", main)
    }

    /// One more file.
    pub(super) fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// `-var`
    pub(super) fn var(mut self, text: &str) -> Self {
        self.inputs.variables.push(VariableInput::Value(text.to_owned()));
        self
    }

    /// A variable of the environment.
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Resources of the state: `(address, attributes in JSON)`.
    pub(super) fn state(mut self, resources: &[(&str, &str)]) -> Self {
        let resources: Vec<serde_json::Value> =
            resources.iter().map(|(address, attributes)| resource(address, attributes)).collect();
        let text = serde_json::json!({"version": 4, "resources": resources}).to_string();
        self.state = Some(State::parse(text.as_bytes()).unwrap());
        self
    }

    /// No state yet.
    pub(super) fn without_state(mut self) -> Self {
        self.state = None;
        self
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn try_find(&self) -> Result<Switchboard, Error> {
        let folder = load(&self.inputs)?;
        find_switch(&folder, &self.inputs, self.state.as_ref())
    }

    pub(super) fn find(&self) -> Switchboard {
        match self.try_find() {
            Ok(found) => found,
            Err(error) => panic!("{}", shown(&error)),
        }
    }

    /// The error as a person sees it, with the folder's own path taken out.
    pub(super) fn error(&self) -> String {
        let error = self.try_find().map(|found| found.records).unwrap_err();
        let folder: PathBuf = self.dir.path().join("x");
        let prefix = folder.to_string_lossy().trim_end_matches('x').to_owned();
        shown(&error).replace(&prefix, "")
    }
}

fn shown(error: &Error) -> String {
    match error.diagnostic() {
        Some(diagnostic) => diagnostic.render(Colour::Never),
        None => format!("{error}\n{:?}\n{:?}", error.place(), error.hint()),
    }
}

/// `module.a.data.aws_x.y["k"]` with attributes, as a state holds it.
fn resource(address: &str, attributes: &str) -> serde_json::Value {
    let (address, key) = match address.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((address, key)) => (address, Some(serde_json::from_str(key).unwrap())),
        None => (address, None::<serde_json::Value>),
    };
    let mut parts: Vec<&str> = address.split('.').collect();
    let name = parts.pop().unwrap();
    let kind = parts.pop().unwrap();
    let data = parts.last() == Some(&"data");
    if data {
        parts.pop();
    }
    let attributes: serde_json::Value = serde_json::from_str(attributes).unwrap();
    let mut resource = serde_json::json!({
        "mode": if data { "data" } else { "managed" },
        "type": kind, "name": name, "instances": [{"index_key": key, "attributes": attributes}],
    });
    if !parts.is_empty() {
        resource["module"] = parts.join(".").into();
    }
    resource
}

/// A folder's main.tf with one plain record whose value depends on the boolean.
pub(super) const SIMPLE: &str = r#"
variable "maintenance_mode" {
  type    = bool
  default = false
}
resource "aws_route53_record" "app" {
  zone_id = "Z1"
  name    = "app.example.com"
  type    = "A"
  ttl     = 60
  records = [var.maintenance_mode ? "192.0.2.2" : "192.0.2.1"]
}
"#;
