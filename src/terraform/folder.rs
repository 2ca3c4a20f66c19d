//! A folder of Terraform read from disk: its module, the modules that it calls, and what stands in their blocks.
//!
//! Reads each file once, evaluates nothing, writes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hcl_edit::expr::Expression;
use sha2::{Digest, Sha256};

use super::backend::BackendBlock;
use super::module::{self, Module};
use super::shape::{Attribute, Block, Body};
use super::tfvars::{self, ValuesFile};
use super::{Error, OUR_FILE, json};
use crate::hcl::{self, LARGEST_FILE, Place, Source};

/// All files of a folder together, in bytes.
const LARGEST_FOLDER: u64 = 128 * 1024 * 1024;

/// What a caller gives beside the folder's own files.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The root module.
    pub folder: PathBuf,
    /// `-var` and `-var-file`, in the order of the command line.
    pub variables: Vec<VariableInput>,
    /// The environment, as far as Terraform reads it (`TF_VAR_*`, `TF_WORKSPACE`, `TF_DATA_DIR`).
    pub environment: BTreeMap<String, String>,
    /// `-state`.
    pub state: Option<PathBuf>,
    /// `-variable`: the boolean that is the switch.
    pub variable: Option<String>,
}

/// A value from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableInput {
    /// `-var NAME=VALUE`
    Value(String),
    /// `-var-file FILE`
    File(PathBuf),
}

/// A parsed folder.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256, in hexadecimal, over the names and contents of every file that was read.
    pub digest: String,
    /// The workspace that is selected.
    pub workspace: String,
    /// The label and the body of `terraform { backend "x" {} }`.
    pub backend: Option<Block>,
    /// `terraform { cloud {} }`: the state is at HCP Terraform.
    pub cloud: bool,
    pub(super) root: Module,
    pub(super) values: Vec<ValuesFile>,
    sources: Vec<Arc<Source>>,
}

impl Folder {
    /// The text that a place points into.
    pub(super) fn text_of(&self, place: &Place) -> Option<Arc<str>> {
        let source = self.sources.iter().find(|source| source.file() == &place.file);
        source.map(|source| Arc::clone(source.text()))
    }
}

impl Folder {
    /// Where the files say that the state is kept; a setting that is not a literal is left out, as `terraform init` asks
    /// for one too.
    pub fn backend_block(&self) -> Option<BackendBlock> {
        if self.cloud {
            return Some(BackendBlock { kind: "cloud".to_owned(), settings: BTreeMap::new() });
        }
        let block = self.backend.as_ref()?;
        let kind = block.labels.first()?.clone();
        Some(BackendBlock { kind, settings: settings(&block.body) })
    }
}

fn settings(body: &Body) -> BTreeMap<String, serde_json::Value> {
    let attributes = body.attributes.iter();
    let literals = attributes
        .filter_map(|(name, attribute)| Some((name.clone(), plain(&attribute.expression)?)));
    let nested = body.blocks.iter().map(|block| {
        let inner = settings(&block.body).into_iter().collect();
        (block.kind.clone(), serde_json::Value::Object(inner))
    });
    literals.chain(nested).collect()
}

/// A literal as JSON.
fn plain(expression: &Expression) -> Option<serde_json::Value> {
    match expression {
        Expression::String(text) => Some(text.value().as_str().into()),
        Expression::Bool(boolean) => Some((*boolean.value()).into()),
        Expression::Number(number) => number.value().as_u64().map(Into::into),
        Expression::Object(object) => {
            let mut fields = serde_json::Map::new();
            for (key, value) in object {
                let name = key.as_ident().map(|name| name.as_str().to_owned());
                let name = name.or_else(|| Some(key.as_expr()?.as_str()?.to_owned()))?;
                fields.insert(name, plain(value.expr())?);
            }
            Some(serde_json::Value::Object(fields))
        }
        _ => None,
    }
}

/// Reads the folder, its modules and its files of values.
pub fn load(inputs: &Inputs) -> Result<Folder, Error> {
    let mut reader = Reader::new(inputs);
    let files = reader.files(&inputs.folder)?;
    if files.names.is_empty() {
        return Err(Error::NoTerraform(inputs.folder.clone()));
    }
    let manifest = module::manifest(&mut reader)?;
    let root = module::read(&mut reader, &manifest, &inputs.folder)?;
    let values = tfvars::read(&mut reader, inputs)?;
    let blocks = || root.settings.iter().flat_map(|block| &block.body.blocks);
    let backend = blocks().rfind(|block| block.kind == "backend").cloned();
    let cloud = blocks().any(|block| block.kind == "cloud");
    let workspace = workspace(&mut reader, inputs)?;
    let (path, digest) = (inputs.folder.clone(), reader.digest());
    Ok(Folder { path, digest, workspace, backend, cloud, root, values, sources: reader.sources })
}

/// `TF_WORKSPACE`, else what `terraform workspace select` wrote, else `default`.
fn workspace(reader: &mut Reader, inputs: &Inputs) -> Result<String, Error> {
    let given = inputs.environment.get("TF_WORKSPACE").filter(|name| !name.is_empty());
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let path = reader.data_dir.join("environment");
    let written = reader.optional(&path)?.map(|text| text.trim().to_owned());
    Ok(written.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned()))
}

/// Reads files, once each, and remembers what it read for the digest.
pub(super) struct Reader {
    /// The root module's folder.
    pub(super) root: PathBuf,
    /// `.terraform`, or `TF_DATA_DIR`.
    pub(super) data_dir: PathBuf,
    seen: BTreeMap<PathBuf, [u8; 32]>,
    folders: HashMap<PathBuf, Arc<Files>>,
    sources: Vec<Arc<Source>>,
    total: u64,
}

/// The configuration files of one folder, parsed: plain ones, and overrides.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Plain files in the order of their names.
    pub(super) plain: Vec<Body>,
    /// `override.tf`, `*_override.tf`, in the order of their names.
    pub(super) overrides: Vec<Body>,
    names: Vec<String>,
}

impl Reader {
    fn new(inputs: &Inputs) -> Self {
        let data_dir = inputs.environment.get("TF_DATA_DIR").filter(|dir| !dir.is_empty());
        let data_dir = inputs.folder.join(data_dir.map_or(".terraform", String::as_str));
        let (seen, folders) = (BTreeMap::new(), HashMap::new());
        Self { root: inputs.folder.clone(), data_dir, seen, folders, sources: Vec::new(), total: 0 }
    }

    /// The configuration in a folder.
    pub(super) fn files(&mut self, folder: &Path) -> Result<Arc<Files>, Error> {
        if let Some(known) = self.folders.get(folder) {
            return Ok(Arc::clone(known));
        }
        let mut files = Files::default();
        for name in names(folder)? {
            let Some(stem) = configuration_stem(&name) else { continue };
            let path = folder.join(&name);
            if path.is_dir() {
                continue;
            }
            let text = self.text(&path)?;
            let source = Arc::new(Source::new(path, &text));
            self.sources.push(Arc::clone(&source));
            let body = if Path::new(&name).extension().is_some_and(|end| end == "json") {
                json::body(&source)?
            } else {
                Body::from_hcl(hcl::parse_body(&source)?, &source)
            };
            let overrides = stem == "override" || stem.ends_with("_override");
            if overrides {
                files.overrides.push(body);
            } else {
                files.plain.push(body);
            }
            files.names.push(name);
        }
        let files = Arc::new(files);
        self.folders.insert(folder.to_owned(), Arc::clone(&files));
        Ok(files)
    }

    /// A file's text, counted into the digest.
    pub(super) fn text(&mut self, path: &Path) -> Result<String, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        // A pipe would keep us waiting for ever.
        if !metadata.is_file() {
            return Err(unreadable(std::io::Error::other("not a regular file")));
        }
        self.total += metadata.len();
        if metadata.len() > LARGEST_FILE as u64 || self.total > LARGEST_FOLDER {
            let message = "larger than 16 MiB, or 128 MiB with all files before it";
            return Err(unreadable(std::io::Error::other(message)));
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        // Our own file changes with every flip, and what it says is not what the folder says.
        if path.file_name().is_none_or(|name| name != OUR_FILE) {
            self.seen.insert(path.to_owned(), Sha256::digest(&bytes).into());
        }
        String::from_utf8(bytes).map_err(|_not_text| {
            unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8"))
        })
    }

    /// A file's text, or nothing where there is no such file.
    pub(super) fn optional(&mut self, path: &Path) -> Result<Option<String>, Error> {
        match self.text(path) {
            Ok(text) => Ok(Some(text)),
            Err(Error::Unreadable { source, .. }) if is_absent(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn digest(&self) -> String {
        let mut sum = Sha256::new();
        for (path, content) in &self.seen {
            let name = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy();
            sum.update((name.len() as u64).to_be_bytes());
            sum.update(name.as_bytes());
            sum.update(content);
        }
        let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
        sum.finalize().iter().fold(String::new(), hex)
    }
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// The name without `.tf` or `.tf.json`, if Terraform reads such a file.
fn configuration_stem(name: &str) -> Option<&str> {
    let hidden = name.starts_with('.') || name.ends_with('~');
    if hidden || (name.starts_with('#') && name.ends_with('#')) {
        return None;
    }
    name.strip_suffix(".tf").or_else(|| name.strip_suffix(".tf.json"))
}

/// An attribute's text, where it is a plain string.
pub(super) fn literal(attribute: &Attribute) -> Option<&str> {
    attribute.expression.as_str()
}
