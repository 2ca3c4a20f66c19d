//! Terraform's functions, as 1.11.4 answers them.
//!
//! Pure but for the file functions, which read regular files of bounded size. What we do not have is refused by name,
//! never approximated; what would differ from run to run (`uuid`, `timestamp`) is refused because a plan must mean the
//! same twice. `try`, `can`, `templatefile` and `templatestring` evaluate expressions and so belong to the evaluator.

mod arguments;
mod collection;
mod conversion;
mod encoding;
mod filesystem;
mod format;
mod hash;
mod json;
mod network;
mod numeric;
mod pattern;
mod sequence;
mod text;
mod time;

use std::path::PathBuf;

use self::arguments::{Arguments, Failure, Signature};
use super::normal;
use super::value::Value;

/// Largest result of one call, in bytes of text and elements together: calls nest, and each could double its argument.
const LARGEST: usize = 4 << 20;

/// Where a configuration stands, for the functions that read files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The root module's folder, where Terraform is run: relative paths start here (`path.root`).
    pub root_dir: PathBuf,
    /// The folder of the module whose expression is evaluated (`path.module`).
    pub module_dir: PathBuf,
    /// The current folder of the process (`path.cwd`).
    pub cwd: PathBuf,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Terraform has no such function either.
    #[error("there is no function named \"{name}\"")]
    NoSuchFunction {
        /// As it was written.
        name: String,
        /// The function whose name is nearest.
        nearest: Option<&'static str>,
    },
    /// Terraform has it, we do not.
    #[error("the function \"{name}\" is not supported: {reason}")]
    NotSupported {
        /// As it was written.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Terraform refuses this call too, with few exceptions.
    #[error("{name}: {reason}")]
    Refused {
        /// The function.
        name: String,
        /// What is wrong with the arguments; never holds their values.
        reason: String,
    },
}

impl Error {
    /// What the person who wrote the expression can do.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchFunction {
                nearest: Some(nearest), ..
            } => format!("did you mean \"{nearest}\"?"),
            Self::NoSuchFunction { nearest: None, .. } => "see Terraform's list of functions".to_owned(),
            Self::NotSupported { .. } => {
                "give the value in another way, or let Terraform itself make the two plans (-from-plans)".to_owned()
            }
            Self::Refused { .. } => "`terraform console` shows what the function takes".to_owned(),
        }
    }
}

const TABLES: [&[Signature]; 12] = [
    collection::TABLE,
    conversion::TABLE,
    encoding::TABLE,
    filesystem::TABLE,
    format::TABLE,
    hash::TABLE,
    network::TABLE,
    numeric::TABLE,
    pattern::TABLE,
    sequence::TABLE,
    text::TABLE,
    time::TABLE,
];

const UNREPEATABLE: &str = "it gives another answer each time";
const COSTLY: &str = "no record needs it";
const MARKS: &str = "sensitivity is not tracked through values";

/// What Terraform 1.11.4 has and we leave out.
const LEFT_OUT: [(&str, &str); 15] = [
    ("base64gzip", COSTLY),
    ("bcrypt", UNREPEATABLE),
    ("ephemeralasnull", MARKS),
    ("issensitive", MARKS),
    ("plantimestamp", UNREPEATABLE),
    ("rsadecrypt", COSTLY),
    ("textdecodebase64", COSTLY),
    ("textencodebase64", COSTLY),
    ("timestamp", UNREPEATABLE),
    ("type", "it exists in `terraform console` only"),
    ("uuid", UNREPEATABLE),
    ("uuidv5", COSTLY),
    ("yamldecode", "YAML is read by no crate that Terraform agrees with"),
    ("yamlencode", "YAML is written by no crate that Terraform agrees with"),
    ("defaults", "Terraform removed it in 1.3"),
];

/// Calls a function. `core::name` is the same function.
///
/// An argument that is unknown gives that same unknown back, except where the answer does not depend on it.
pub fn call(name: &str, args: Vec<Value>, context: &Context) -> Result<Value, Error> {
    let short = name.strip_prefix("core::").unwrap_or(name);
    let Some(signature) = signature(short) else {
        return Err(missing(short));
    };
    let refused = |reason: String| Error::Refused { name: short.to_owned(), reason };
    let answer = Arguments::check(signature, args, context)
        .and_then(|arguments| (signature.body)(arguments));
    match answer {
        Ok(value) if size(&value) > LARGEST => Err(refused("the result is too large".to_owned())),
        Ok(value) => Ok(normal::value(value)),
        Err(Failure::Unknown(unknown)) => Ok(Value::Unknown(unknown)),
        Err(Failure::Refused(reason)) => Err(refused(reason)),
    }
}

fn signature(name: &str) -> Option<&'static Signature> {
    let name = name.strip_prefix("core::").unwrap_or(name);
    TABLES.iter().flat_map(|table| table.iter()).find(|signature| signature.name == name)
}

fn missing(name: &str) -> Error {
    if let Some((_, reason)) = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name) {
        return Error::NotSupported { name: name.to_owned(), reason };
    }
    let nearest = TABLES
        .iter()
        .flat_map(|table| table.iter())
        .map(|signature| (distance(name, signature.name), signature.name))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    Error::NoSuchFunction {
        name: name.chars().take(64).collect(),
        nearest: nearest.map(|(_, name)| name),
    }
}

/// Levenshtein's distance; names are short, and one that is not is near to nothing.
fn distance(left: &str, right: &str) -> usize {
    if left.len() > 32 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left) in left.bytes().enumerate() {
        let mut corner = index;
        let mut last = index + 1;
        let mut next = vec![last];
        for (right, above) in right.bytes().zip(row.iter().skip(1)) {
            last = (above + 1).min(last + 1).min(corner + usize::from(left != right));
            corner = *above;
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// How much a value holds.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Unknown(_) | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + text.len(),
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            1 + elements.iter().map(size).sum::<usize>()
        }
        Value::Map(entries) | Value::Object(entries) => {
            1 + entries.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::hcl::Place;
    use crate::terraform::{Number, Unknown};
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::Arc;

    pub(super) fn context() -> Context {
        Context {
            root_dir: Path::new("/nowhere").to_owned(),
            module_dir: Path::new("/nowhere").to_owned(),
            cwd: Path::new("/nowhere").to_owned(),
        }
    }

    pub(super) fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    pub(super) fn number(text: &str) -> Value {
        Value::Number(text.parse::<Number>().unwrap())
    }

    pub(super) fn texts(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|part| text(part)).collect()
    }

    pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(super) fn unknown() -> Value {
        Value::Unknown(Rc::new(Unknown {
            expression: "aws_lb.x.dns_name".to_owned(),
            why: "not in the state".to_owned(),
            place: Place { file: Arc::new("main.tf".into()), line: 1, column: 1, span: 0..1 },
        }))
    }

    pub(super) fn answer<const N: usize>(name: &str, args: [Value; N]) -> Result<Value, Error> {
        call(name, Vec::from(args), &context())
    }

    pub(super) fn refused<const N: usize>(name: &str, args: [Value; N]) -> bool {
        matches!(answer(name, args), Err(Error::Refused { .. }))
    }

    #[test]
    fn every_function_of_terraform_is_here_or_left_out_by_name() {
        // `terraform metadata functions -json`, 1.11.4, without what the evaluator does itself.
        let all = include_str!("names.txt").split_whitespace();
        for name in all {
            let left_out = LEFT_OUT.iter().any(|(left_out, _)| *left_out == name);
            assert!(signature(name).is_some() != left_out, "{name}");
        }
    }

    #[test]
    fn no_function_stands_twice() {
        let mut names: Vec<&str> =
            TABLES.iter().flat_map(|table| table.iter()).map(|row| row.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn an_unknown_argument_makes_every_function_of_texts_and_numbers_unknown() {
        assert_eq!(answer("upper", [unknown()]), Ok(unknown()));
        assert_eq!(answer("substr", [text("a"), unknown(), number("1")]), Ok(unknown()));
        assert_eq!(answer("max", [number("1"), unknown()]), Ok(unknown()));
        assert_eq!(answer("jsonencode", [object([("a", unknown())])]), Ok(unknown()));
        assert_eq!(
            answer("join", [text(","), Value::Tuple(vec![text("a"), unknown()])]),
            Ok(unknown())
        );
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let error = answer("uper", [text("a")]).unwrap_err();
        assert_eq!(error.to_string(), "there is no function named \"uper\"");
        assert_eq!(error.hint(), "did you mean \"upper\"?");
        let error = answer("timestamp", []).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the function \"timestamp\" is not supported: it gives another answer each time"
        );
    }

    #[test]
    fn null_and_the_wrong_number_of_arguments_are_refused() {
        assert!(refused("upper", [Value::Null]));
        assert!(refused("upper", []));
        assert!(refused("upper", [text("a"), text("b")]));
        assert!(refused("upper", [Value::Tuple(vec![])]));
    }

    #[test]
    fn an_error_does_not_tell_the_value() {
        let error = answer("parseint", [text("hunter2!"), number("10")]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let error = answer("tonumber", [text("hunter2!")]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_result_that_explodes_is_refused() {
        let long = text(&"a".repeat(4096));
        let replacement = text(&"b".repeat(4096));
        assert!(refused("replace", [long, text("a"), replacement]));
    }
}
