//! Who may use whom. The table is the map of ARCHITECTURE.md; an arrow that is not in it fails here, and so does a
//! folder that is not on the map. What is built for tests only may look anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The ground floor: knows nothing of sites, uses itself only.
const FLOOR: &str = "aws clock files hcl lever metrics net tasks";

/// Each folder or file of src, and what it may use besides itself; `FLOOR` stands for the ground floor.
const MAP: [(&str, &str); 29] = [
    ("clock", ""),
    ("tasks", "clock"),
    ("metrics", ""),
    ("files", ""),
    ("lever", "clock switch"),
    ("hcl", "files"),
    ("net", "clock files metrics tasks"),
    ("aws", "clock files net tasks"),
    // The way of a change, from asking to written.
    ("terraform", "aws clock files hcl"),
    ("config", "aws clock files hcl net switch terraform"),
    ("switch", ""),
    ("store", "FLOOR config switch"),
    // Levers never import each other; `agent` joins them.
    ("gateway", "FLOOR config page switch"),
    ("page", "FLOOR config switch"),
    ("dns", "FLOOR config switch"),
    ("balancer", "FLOOR config switch"),
    ("pipeline", "FLOOR config switch"),
    // Its guards tell each other by the store what they have yet to remove.
    ("redis", "FLOOR config store switch"),
    ("database", "FLOOR config switch"),
    ("workers", "FLOOR config switch"),
    ("checks", "FLOOR config database dns redis switch"),
    ("notify", "FLOOR config switch"),
    ("audit", "FLOOR store switch"),
    // What joins them, and what stands on top.
    ("agent", "FLOOR LEVERS audit checks config notify store switch terraform"),
    ("doctor", "FLOOR LEVERS agent audit checks config notify store switch terraform"),
    ("cli", "FLOOR LEVERS agent audit checks config doctor notify store switch terraform"),
    ("panel", "FLOOR LEVERS agent audit checks config doctor notify store switch terraform"),
    ("main", "cli"),
    ("lib", ""),
];

const LEVERS: &str = "balancer database dns gateway page pipeline redis workers";

/// What makes a rule impure: waiting, a clock, the outside world.
const IMPURE: [&str; 9] = [
    "async",
    "await",
    "tokio",
    "Timestamp::now",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::env",
];

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let spelt = |word: &'static str| match word {
        "FLOOR" => FLOOR,
        "LEVERS" => LEVERS,
        word => word,
    };
    MAP.iter()
        .map(|(part, uses)| {
            (*part, uses.split_whitespace().flat_map(|word| spelt(word).split(' ')).collect())
        })
        .collect()
}

/// Every source file with the part of the map it belongs to and how many modules deep it lies.
fn sources() -> Vec<(PathBuf, String, usize)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let placed = |path: PathBuf| {
        let inside = path.strip_prefix(&root).unwrap().with_extension("");
        let names: Vec<_> = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        let deep = names.len() - usize::from(names.last().is_some_and(|last| last == "mod"));
        (path.clone(), names[0].clone(), deep)
    };
    files.into_iter().map(placed).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The source without comments and without what is built for tests only.
fn shipped(source: &str) -> String {
    let mut lines = Vec::new();
    let mut source = source.lines();
    while let Some(line) = source.next() {
        if line.trim_start() == "#[cfg(test)]" {
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let opens = source.next().unwrap_or_default();
            if !opens.trim_end().ends_with([';', '}']) {
                source.by_ref().find(|line| *line == end);
            }
        } else {
            lines.push(line.split_once("//").map_or(line, |(code, _)| code));
        }
    }
    lines.join("\n")
}

/// The parts of the map that a file names, by `crate::` or by climbing out with `super::`.
fn uses(source: &str, deep: usize) -> BTreeSet<String> {
    let climb = "super::".repeat(deep);
    let mut found = BTreeSet::new();
    for out in ["crate::", "roadworks::", &climb] {
        for (place, _) in source.match_indices(out) {
            let whole =
                !source[..place].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
            if whole {
                found.extend(named(&source[place + out.len()..]));
            }
        }
    }
    found
}

/// The first name of a path, or of each path in braces.
fn named(path: &str) -> Vec<String> {
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut names, mut fresh) = (1, Vec::new(), true);
    for (place, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            letter if fresh && !letter.is_whitespace() => {
                names.push(name(&group[place..]));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The arrows of one file that the map does not have.
fn forbidden(part: &str, source: &str, deep: usize) -> Vec<String> {
    let map = allowed();
    let own = map
        .get(part)
        .unwrap_or_else(|| panic!("`{part}` is not on the map of tests/architecture.rs"));
    let used = uses(&shipped(source), deep).into_iter();
    let parts = used.filter(|used| map.contains_key(used.as_str()) && used != part);
    parts.filter(|used| !own.contains(used.as_str())).collect()
}

#[test]
fn every_arrow_is_on_the_map() {
    let mut wrong = Vec::new();
    for (path, part, deep) in sources() {
        for used in forbidden(&part, &fs::read_to_string(&path).unwrap(), deep) {
            wrong.push(format!("{}: {part} must not use {used}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_two_parts_of_the_map_use_each_other() {
    let map = allowed();
    for (part, uses) in &map {
        for used in uses {
            let back = map.get(used).is_some_and(|back| back.contains(part));
            assert!(!back, "{part} and {used} use each other");
        }
    }
}

#[test]
fn the_switch_is_pure() {
    let switch = sources().into_iter().filter(|(_, part, _)| part == "switch");
    let mut seen = 0;
    for (path, ..) in switch {
        let source = shipped(&fs::read_to_string(&path).unwrap());
        for word in IMPURE {
            assert!(!source.contains(word), "{}: {word}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 0, "there is a switch to look at");
}

#[test]
fn a_forbidden_arrow_is_seen_in_every_spelling() {
    for source in [
        "use crate::redis::Guard;",
        "use crate::{\n    clock,\n    redis::{Guard, Key},\n};",
        "fn f() -> crate::redis::Guard {}",
        "pub use super::super::redis;",
    ] {
        assert_eq!(forbidden("dns", source, 2), ["redis"], "{source}");
    }
    assert_eq!(forbidden("dns", "use super::redis;", 1), ["redis"]);
}

#[test]
fn comments_and_tests_make_no_arrow() {
    let source = "// crate::redis\n#[cfg(test)]\nmod tests {\n    use crate::redis::Guard;\n}\n#[cfg(test)]\nmod loopback;\nuse crate::clock;\nuse super::wire;";
    assert_eq!(forbidden("dns", source, 2), Vec::<String>::new());
    let after = format!("{source}\nuse crate::redis;");
    assert_eq!(forbidden("dns", &after, 2), ["redis"]);
}
