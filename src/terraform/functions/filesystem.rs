//! Functions of files and paths. Relative paths start in the root module's folder, where Terraform is run.
//!
//! Reads regular files only, of bounded size, and never writes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::RegexBuilder;

use super::Context;
use super::arguments::{Answer, Arguments, Failure, Signature, TEXT};
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("abspath", &[TEXT], absolute),
    Signature::fixed("basename", &[TEXT], base_name),
    Signature::fixed("dirname", &[TEXT], folder_name),
    Signature::fixed("file", &[TEXT], file),
    Signature::fixed("filebase64", &[TEXT], file_base64),
    Signature::fixed("fileexists", &[TEXT], file_exists),
    Signature::fixed("fileset", &[TEXT, TEXT], file_set),
    Signature::fixed("pathexpand", &[TEXT], path_expand),
];

/// Largest file that is read.
const LARGEST_FILE: u64 = 4 << 20;
/// Most entries of folders that are looked at for one pattern.
const MOST_ENTRIES: usize = 20_000;
/// Deepest folder that a pattern reaches.
const DEEPEST_FOLDER: usize = 32;

/// The bytes of a regular file. Errors name no path: it may come from a secret.
pub(super) fn read(path: &str, context: &Context) -> Result<Vec<u8>, Failure> {
    let path = placed(path, context)?;
    let unreadable = |error: std::io::Error| {
        Failure::Refused(format!("the file cannot be read ({})", error.kind()))
    };
    // Asked before opening, because opening a pipe would wait for its writer.
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        return Err("this is no regular file".into());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(unreadable)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err("the file is larger than 4 MiB".into());
    }
    Ok(bytes)
}

fn placed(path: &str, context: &Context) -> Result<PathBuf, Failure> {
    Ok(context.root_dir.join(expanded(path)?))
}

/// `~` and `~/x` stand for the home folder.
fn expanded(path: &str) -> Result<String, Failure> {
    let Some(rest) = path.strip_prefix('~') else {
        return Ok(path.to_owned());
    };
    if !rest.is_empty() && !rest.starts_with('/') {
        return Err("another user's home folder is not known".into());
    }
    let home =
        std::env::var("HOME").map_err(|_unset| "the home folder is not known: HOME is not set")?;
    Ok(cleaned(&format!("{home}{rest}")))
}

fn path_expand(mut args: Arguments<'_>) -> Answer {
    Ok(Value::String(expanded(&args.text()?)?))
}

fn file(mut args: Arguments<'_>) -> Answer {
    let bytes = read(&args.text()?, args.context)?;
    let text = String::from_utf8(bytes).map_err(|_binary| "the file is not UTF-8 text")?;
    Ok(Value::String(text))
}

fn file_base64(mut args: Arguments<'_>) -> Answer {
    Ok(Value::String(STANDARD.encode(read(&args.text()?, args.context)?)))
}

fn file_exists(mut args: Arguments<'_>) -> Answer {
    match fs::metadata(placed(&args.text()?, args.context)?) {
        Ok(found) if found.is_file() => Ok(Value::Bool(true)),
        Ok(_) => Err("this is no regular file".into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Bool(false)),
        Err(error) => Err(format!("the path cannot be looked at ({})", error.kind()).into()),
    }
}

fn absolute(mut args: Arguments<'_>) -> Answer {
    let root = std::path::absolute(&args.context.root_dir)
        .map_err(|_no_folder| "the current folder is not known")?;
    let path = root.join(args.text()?);
    let path = path.to_str().ok_or("the path is not UTF-8 text")?;
    Ok(Value::String(cleaned(path)))
}

/// Go's `path.Clean`: the shortest path that means the same, by its text alone.
fn cleaned(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if path.starts_with('/') => {}
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    match (path.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn base_name(mut args: Arguments<'_>) -> Answer {
    let path = args.text()?;
    let name = match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        trimmed => trimmed.rsplit('/').next().unwrap_or(trimmed),
    };
    Ok(Value::String(name.to_owned()))
}

fn folder_name(mut args: Arguments<'_>) -> Answer {
    let path = args.text()?;
    let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("");
    Ok(Value::String(cleaned(folder)))
}

/// The regular files under a folder whose path in it matches a pattern.
fn file_set(mut args: Arguments<'_>) -> Answer {
    let (folder, pattern) = (args.text()?, args.text()?);
    let folder = placed(&folder, args.context)?;
    if Path::new(&pattern).components().any(|part| part == Component::ParentDir)
        || pattern.starts_with('/')
    {
        return Err("a pattern that leaves its folder is not supported".into());
    }
    let pattern = RegexBuilder::new(&glob(&pattern)?)
        .size_limit(1 << 20)
        .build()
        .map_err(|_bad_pattern| "this pattern is not valid")?;
    let mut found = BTreeSet::new();
    let mut entries = 0;
    let mut folders = vec![(folder, String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        // A folder that does not exist holds nothing.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MOST_ENTRIES {
                return Err("the folder holds too many files".into());
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let name = format!("{prefix}{name}");
            let (is_folder, is_link) = match entry.file_type() {
                Ok(kind) => (kind.is_dir(), kind.is_symlink()),
                Err(_gone) => continue,
            };
            let is_file =
                !is_folder && fs::metadata(entry.path()).is_ok_and(|target| target.is_file());
            if is_file && pattern.is_match(&name) {
                found.insert(name);
            } else if is_folder && !is_link && name.matches('/').count() < DEEPEST_FOLDER {
                folders.push((entry.path(), format!("{name}/")));
            }
        }
    }
    Ok(Value::Set(found.into_iter().map(Value::String).collect()))
}

/// `*`, `**`, `?`, `[a-z]` and `{a,b}` as a regular expression.
fn glob(pattern: &str) -> Result<String, Failure> {
    let mut regex = "^(?s:".to_owned();
    let mut braces = 0usize;
    let mut left = pattern;
    while let Some(next) = left.chars().next() {
        let rest = left.get(next.len_utf8()..).unwrap_or("");
        left = rest;
        match next {
            '*' if rest.starts_with("*/") => {
                regex.push_str("(?:[^/]+/)*");
                left = rest.get(2..).unwrap_or("");
            }
            '*' if rest == "*" => {
                regex.push_str(".*");
                left = "";
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '{' => {
                braces += 1;
                regex.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                regex.push(')');
            }
            ',' if braces > 0 => regex.push('|'),
            '[' => {
                let (class, after) = rest.split_once(']').ok_or("this pattern is not valid")?;
                let (negated, class) = match class.strip_prefix(['!', '^']) {
                    Some(class) => ("^", class),
                    None => ("", class),
                };
                let class: String =
                    class
                        .chars()
                        .map(|one| {
                            if one == '-' {
                                "-".to_owned()
                            } else {
                                regex::escape(&one.to_string())
                            }
                        })
                        .collect();
                let class = format!("[{negated}{class}]");
                regex.push_str(&class);
                left = after;
            }
            '\\' => return Err("a backslash in a pattern is not supported".into()),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, text, texts};
    use super::super::{Context, Error, call};
    use super::*;

    fn folder() -> (tempfile::TempDir, Context) {
        let folder = tempfile::tempdir().unwrap();
        let root_dir = folder.path().to_owned();
        fs::create_dir_all(root_dir.join("a/b")).unwrap();
        for (name, text) in
            [("f.txt", "hello"), ("a/g.txt", "g"), ("a/b/h.md", "h"), (".hidden", "")]
        {
            fs::write(root_dir.join(name), text).unwrap();
        }
        fs::write(root_dir.join("binary"), [0xff, 0xfe]).unwrap();
        let context = Context { module_dir: root_dir.clone(), cwd: root_dir.clone(), root_dir };
        (folder, context)
    }

    #[test]
    fn files_are_read_from_the_root_folder() {
        let (_folder, context) = folder();
        let ask = |name: &str, path: &str| call(name, vec![text(path)], &context);
        assert_eq!(ask("file", "f.txt"), Ok(text("hello")));
        assert_eq!(ask("file", "./a/../f.txt"), Ok(text("hello")));
        assert_eq!(ask("filebase64", "binary"), Ok(text("//4=")));
        assert_eq!(ask("filemd5", "f.txt"), Ok(text("5d41402abc4b2a76b9719d911017c592")));
        assert_eq!(ask("fileexists", "none"), Ok(Value::Bool(false)));
        for path in ["binary", "none", "a"] {
            assert!(matches!(ask("file", path), Err(Error::Refused { .. })), "{path}");
        }
        assert!(ask("fileexists", "a").is_err());
    }

    #[test]
    fn a_device_and_a_large_file_are_refused() {
        let (folder, context) = folder();
        assert!(call("file", vec![text("/dev/zero")], &context).is_err());
        fs::File::create(folder.path().join("large")).unwrap().set_len(LARGEST_FILE + 1).unwrap();
        assert!(call("filemd5", vec![text("large")], &context).is_err());
    }

    #[test]
    fn patterns_find_the_files_that_terraform_finds() {
        let (_folder, context) = folder();
        let find = |pattern: &str| call("fileset", vec![text("."), text(pattern)], &context);
        let set = |names: &[&str]| Ok(Value::Set(texts(names)));
        assert_eq!(find("*.txt"), set(&["f.txt"]));
        assert_eq!(find("**/*.txt"), set(&["a/g.txt", "f.txt"]));
        assert_eq!(find("**"), set(&[".hidden", "a/b/h.md", "a/g.txt", "binary", "f.txt"]));
        assert_eq!(find("a/*"), set(&["a/g.txt"]));
        assert_eq!(find("{f,g}.t?t"), set(&["f.txt"]));
        assert_eq!(find("[!a-e]*"), set(&[".hidden", "f.txt"]));
        assert!(find("../*").is_err());
        let missing = call("fileset", vec![text("missing"), text("*")], &context);
        assert_eq!(missing, Ok(Value::Set(vec![])));
    }

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn paths_are_taken_apart_by_their_text() {
        for (path, base, dir) in [
            ("a/b/c", "c", "a/b"),
            ("a", "a", "."),
            ("/", "/", "/"),
            ("a/b/", "b", "a/b"),
            ("", ".", "."),
        ] {
            assert_eq!(answer("basename", [text(path)]), Ok(text(base)), "{path}");
            assert_eq!(answer("dirname", [text(path)]), Ok(text(dir)), "{path}");
        }
        assert_eq!(answer("abspath", [text("a/../b/.")]), Ok(text("/nowhere/b")));
        assert!(answer("pathexpand", [text("~other/x")]).is_err());
        assert_eq!(answer("pathexpand", [text("a/b")]), Ok(text("a/b")));
    }
}
