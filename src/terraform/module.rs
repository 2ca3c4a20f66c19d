//! A module's blocks by their names, overrides merged, and the modules that it calls. Evaluates nothing.
//!
//! A module that is not on disk is no error here: only a record that needs it makes it one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;
use super::folder::{Reader, literal};
use super::overrides;
use super::shape::{Attribute, Block};
use crate::hcl::Diagnostic;

/// Levels of modules calling modules, and how many there may be in all: a module that calls itself must end.
const DEEPEST: usize = 32;
const MOST_MODULES: usize = 2_000;

/// What a resource or a data source is known by in its module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ResourceName {
    /// `managed` or `data`, as the state says it.
    pub(super) mode: &'static str,
    /// `aws_lb`
    pub(super) kind: String,
    /// `load_balancer`
    pub(super) name: String,
}

impl std::fmt::Display for ResourceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = if self.mode == "data" { "data." } else { "" };
        write!(f, "{prefix}{}.{}", self.kind, self.name)
    }
}

/// A module as it is written.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its folder.
    pub(super) dir: PathBuf,
    /// `variable` blocks.
    pub(super) variables: BTreeMap<String, Block>,
    /// Attributes of all `locals` blocks.
    pub(super) locals: BTreeMap<String, Attribute>,
    /// `output` blocks.
    pub(super) outputs: BTreeMap<String, Block>,
    /// `resource` and `data` blocks.
    pub(super) resources: BTreeMap<ResourceName, Block>,
    /// `module` blocks.
    pub(super) calls: BTreeMap<String, Call>,
    /// `terraform` blocks.
    pub(super) settings: Vec<Block>,
}

/// A `module` block and what it calls.
#[derive(Debug)]
pub(super) struct Call {
    /// The block.
    pub(super) block: Block,
    /// The module, or why it cannot be read.
    pub(super) module: Result<Module, Diagnostic>,
}

/// Where `terraform init` put the modules, by the path of their calls (`site.dns`).
pub(super) type Manifest = BTreeMap<String, PathBuf>;

#[derive(Deserialize)]
struct ManifestFile {
    #[serde(rename = "Modules", default)]
    modules: Vec<ManifestEntry>,
}

#[derive(Deserialize)]
struct ManifestEntry {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Dir")]
    dir: PathBuf,
}

/// `.terraform/modules/modules.json`, if there is one.
pub(super) fn manifest(reader: &mut Reader) -> Result<Manifest, Error> {
    let path = reader.data_dir.join("modules").join("modules.json");
    let Some(text) = reader.optional(&path)? else {
        return Ok(Manifest::new());
    };
    let file: ManifestFile = serde_json::from_str(&text).map_err(|error| Error::Unreadable {
        path,
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })?;
    // Relative to where `terraform init` ran, which is the root module.
    let entries = file.modules.into_iter();
    Ok(entries.map(|entry| (entry.key, reader.root.join(entry.dir))).collect())
}

/// The root module and all below it.
pub(super) fn read(reader: &mut Reader, manifest: &Manifest, dir: &Path) -> Result<Module, Error> {
    let mut tree = Tree { reader, manifest, modules: 0 };
    tree.module(dir, &mut Vec::new())
}

struct Tree<'a> {
    reader: &'a mut Reader,
    manifest: &'a Manifest,
    modules: usize,
}

impl Tree<'_> {
    fn module(&mut self, dir: &Path, path: &mut Vec<String>) -> Result<Module, Error> {
        self.modules += 1;
        let files = self.reader.files(dir)?;
        let mut module = Module { dir: dir.to_owned(), ..Module::default() };
        let mut calls = BTreeMap::new();
        for body in &files.plain {
            for block in &body.blocks {
                place_block(&mut module, &mut calls, block)?;
            }
        }
        for body in &files.overrides {
            for block in &body.blocks {
                overrides::merge(&mut module, &mut calls, block)?;
            }
        }
        for (name, block) in calls {
            path.push(name.clone());
            let called = self.called(dir, &block, path)?;
            path.pop();
            module.calls.insert(name, Call { block, module: called });
        }
        Ok(module)
    }

    /// The module that a block calls. What is wrong inside a readable one is an error at once.
    fn called(
        &mut self,
        dir: &Path,
        block: &Block,
        path: &mut Vec<String>,
    ) -> Result<Result<Module, Diagnostic>, Error> {
        let Some(attribute) = block.body.attribute("source") else {
            return Err(block.wrong("a module needs a `source`").into());
        };
        let Some(source) = literal(attribute) else {
            return Err(attribute.wrong("a module's `source` must be a plain string").into());
        };
        if path.len() > DEEPEST || self.modules >= MOST_MODULES {
            return Err(attribute.wrong("too many modules call each other").into());
        }
        let local = source.starts_with("./") || source.starts_with("../");
        let found = if local {
            Some(dir.join(source))
        } else {
            self.manifest.get(&path.join(".")).cloned()
        };
        let Some(found) = found.filter(|found| found.is_dir()) else {
            let hint = "run `terraform init` in this folder, or let Terraform itself make the plans with -from-plans";
            let message = format!("module \"{}\" is not on this machine", path.join("."));
            return Ok(Err(attribute.wrong(message).with_hint(hint)));
        };
        self.module(&tidy(&found), path).map(Ok)
    }
}

/// The same path without `.` and without `x/..`, so that a folder called twice is read once.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if tidied.file_name().is_some() => {
                tidied.pop();
            }
            part => tidied.push(part),
        }
    }
    tidied
}

fn place_block(
    module: &mut Module,
    calls: &mut BTreeMap<String, Block>,
    block: &Block,
) -> Result<(), Error> {
    let before = match block.kind.as_str() {
        "variable" => module.variables.insert(block.label(0).to_owned(), block.clone()),
        "output" => module.outputs.insert(block.label(0).to_owned(), block.clone()),
        "module" => calls.insert(block.label(0).to_owned(), block.clone()),
        "resource" | "data" => module.resources.insert(resource_name(block), block.clone()),
        "terraform" => {
            module.settings.push(block.clone());
            None
        }
        "locals" => {
            for (name, attribute) in &block.body.attributes {
                if module.locals.insert(name.clone(), attribute.clone()).is_some() {
                    return Err(attribute.wrong(format!("local.{name} is defined twice")).into());
                }
            }
            None
        }
        _ => None,
    };
    match before {
        Some(before) => {
            let what = format!("{} {}", block.kind, block.labels.join("."));
            let message = format!("{what} is already declared at {}", before.place());
            Err(block.wrong(message).into())
        }
        None => Ok(()),
    }
}

/// The name of a `resource` or `data` block.
pub(super) fn resource_name(block: &Block) -> ResourceName {
    let mode = if block.kind == "data" { "data" } else { "managed" };
    ResourceName { mode, kind: block.label(0).to_owned(), name: block.label(1).to_owned() }
}

/// The folder of the module as Terraform prints it in `path.module`, relative to the root module.
pub(super) fn path_module(root: &Path, dir: &Path) -> String {
    let relative = dir.strip_prefix(tidy(root)).or_else(|_| dir.strip_prefix(root));
    match relative {
        Ok(relative) if relative.as_os_str().is_empty() => ".".to_owned(),
        Ok(relative) => relative.to_string_lossy().into_owned(),
        Err(_elsewhere) => dir.to_string_lossy().into_owned(),
    }
}
