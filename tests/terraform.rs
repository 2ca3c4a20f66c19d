//! The evaluator against a real Terraform, whose answers script/oracle wrote into tests/terraform.
//!
//! Values and their types are equal, or both refuse. Where we refuse what Terraform answers, tests/terraform/refused.txt
//! names the expression and the reason; where we answer otherwise, which is a defect of ours, wrong.txt does. What is
//! named there and agrees after all is a failure too, so that neither list outlives its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use roadworks::terraform::convert::{Type, type_of};
use roadworks::terraform::functions::{Context, call};
use roadworks::terraform::{
    Inputs, MovedRecord, RecordKey, RecordSet, Routing, State, Switchboard, Target,
};
use roadworks::terraform::{Value, VariableInput, console, find_switch, load};
use serde::Deserialize;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terraform")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[derive(Deserialize)]
struct Expressions {
    terraform: String,
    expressions: Vec<Answer>,
}

/// Without a value, Terraform refuses, or answers with something that is not known or that JSON cannot hold.
#[derive(Deserialize)]
struct Answer {
    expression: String,
    value: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    no_json: bool,
}

/// The expressions of a list, with the reason of each.
fn listed(file: &str) -> BTreeMap<String, String> {
    let text = read(&tests().join(file));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let split = |line: &str| {
        let (reason, expression) = line.split_once('\t').expect("a reason, a tab, an expression");
        (expression.to_owned(), reason.to_owned())
    };
    lines.map(split).collect()
}

fn json(value: &Value, context: &Context) -> String {
    match call("jsonencode", vec![value.clone()], context) {
        Ok(Value::String(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// How our answer stands to Terraform's.
#[derive(Debug, PartialEq)]
enum Verdict {
    Same,
    /// We refuse what Terraform answers.
    Refused(String),
    Wrong(String),
}

/// Evaluates an expression as the oracle did: as the local `value`, beside the prelude.
fn verdict(answer: &Answer, inputs: &Inputs) -> Verdict {
    let context = Context {
        root_dir: inputs.folder.clone(),
        module_dir: inputs.folder.clone(),
        cwd: inputs.folder.clone(),
    };
    let text = format!("locals {{\n  value = {}\n}}\n", answer.expression);
    fs::write(inputs.folder.join("value.tf"), text).unwrap();
    let ours = load(inputs).and_then(|folder| console(&folder, inputs, None, "local.value"));
    match (ours, answer.value.as_deref()) {
        (Ok(value), Some(theirs)) => {
            let ours = json(&value, &context);
            if ours != theirs {
                return Verdict::Wrong(format!("{ours}, not {theirs}"));
            }
            match &answer.kind {
                Some(kind) if !agree(&type_of(&value), &TypeText::of(kind).read()) => {
                    Verdict::Wrong(format!("has type {:?}, not {kind}", type_of(&value)))
                }
                _ => Verdict::Same,
            }
        }
        (Ok(value), None) => {
            Verdict::Wrong(format!("{}, but Terraform refuses", json(&value, &context)))
        }
        (Err(_), None) if !answer.no_json => Verdict::Same,
        (Err(error), theirs) => {
            Verdict::Refused(format!("{error}; Terraform: {}", theirs.unwrap_or("infinity")))
        }
    }
}

#[test]
fn every_expression_has_the_value_that_terraform_printed_or_both_refuse() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(tests().join("prelude")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let inputs = Inputs { folder: folder.path().to_owned(), ..Inputs::default() };
    let found: Expressions =
        serde_json::from_str(&read(&tests().join("expressions.json"))).unwrap();
    let (mut refused, mut wrong) = (listed("refused.txt"), listed("wrong.txt"));
    let mut differences = Vec::new();
    for answer in &found.expressions {
        let name = answer.expression.replace('\n', "\\n");
        match (verdict(answer, &inputs), refused.remove(&name), wrong.remove(&name)) {
            (Verdict::Same, None, None)
            | (Verdict::Refused(_), Some(_), None)
            | (Verdict::Wrong(_), None, Some(_)) => {}
            (verdict, refused, wrong) => {
                differences.push(format!("{name}\n    {verdict:?}, listed: {refused:?} {wrong:?}"));
            }
        }
    }
    assert!(found.expressions.len() >= 300, "{}", found.expressions.len());
    assert!(
        refused.is_empty() && wrong.is_empty(),
        "listed, but never asked: {refused:?} {wrong:?}"
    );
    let count = differences.len();
    assert!(
        count == 0,
        "{count} differ from Terraform {}:\n{}",
        found.terraform,
        differences.join("\n")
    );
}

#[test]
fn every_question_has_an_answer() {
    let found: Expressions =
        serde_json::from_str(&read(&tests().join("expressions.json"))).unwrap();
    let answered: BTreeSet<&str> =
        found.expressions.iter().map(|answer| answer.expression.as_str()).collect();
    let asked = read(&tests().join("expressions.txt"));
    let lines =
        asked.lines().filter(|line| !line.is_empty() && !line.starts_with("# ") && *line != "---");
    for line in lines {
        let is_answered =
            answered.iter().any(|expression| expression.lines().any(|part| part == line));
        assert!(is_answered, "run script/oracle expressions: {line}");
    }
}

/// What our values do not tell (the type of a null, of the elements of an empty list) agrees with anything.
fn agree(ours: &Type, theirs: &Type) -> bool {
    match (ours, theirs) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::List(ours), Type::List(theirs))
        | (Type::Set(ours), Type::Set(theirs))
        | (Type::Map(ours), Type::Map(theirs)) => agree(ours, theirs),
        (Type::Tuple(ours), Type::Tuple(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| agree(ours, theirs))
        }
        (Type::Object(ours), Type::Object(theirs)) => {
            ours.keys().eq(theirs.keys())
                && ours.values().zip(theirs.values()).all(|(ours, theirs)| agree(ours, theirs))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// Reads what `type()` prints, without its spaces: `list(object({a:string}))`.
struct TypeText<'a> {
    left: &'a str,
}

impl<'a> TypeText<'a> {
    fn of(text: &'a str) -> Self {
        Self { left: text }
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let rest = self.left.strip_prefix(wanted);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    fn read(&mut self) -> Type {
        let simple = [
            ("dynamic", Type::Any),
            ("bool", Type::Bool),
            ("number", Type::Number),
            ("string", Type::String),
        ];
        for (name, kind) in simple {
            if self.eat(name) {
                return kind;
            }
        }
        let kind = if self.eat("list(") {
            Type::List(Box::new(self.read()))
        } else if self.eat("set(") {
            Type::Set(Box::new(self.read()))
        } else if self.eat("map(") {
            Type::Map(Box::new(self.read()))
        } else if self.eat("tuple([") {
            self.tuple()
        } else if self.eat("object({") {
            self.object()
        } else {
            panic!("no type: {}", self.left)
        };
        assert!(self.eat(")"), "no end: {}", self.left);
        kind
    }

    fn tuple(&mut self) -> Type {
        let mut elements = Vec::new();
        while !self.eat("]") {
            elements.push(self.read());
            self.eat(",");
        }
        Type::Tuple(elements)
    }

    fn object(&mut self) -> Type {
        let mut attributes = BTreeMap::new();
        while !self.eat("}") {
            let (name, rest) = self.left.split_once(':').expect("a name");
            self.left = rest;
            attributes.insert(name.trim_matches('"').to_owned(), self.read());
            self.eat(",");
        }
        Type::Object(attributes)
    }
}

/// The state of folders that have none: it names the zone, which Terraform's provider would ask AWS for.
const ZONE: &str = r#"{"version": 4, "resources": [{"mode": "data", "type": "aws_route53_zone", "name": "zone",
    "instances": [{"attributes": {"id": "Z0ZONE", "zone_id": "Z0ZONE", "name": "example.com"}}]}]}"#;

/// How a folder is asked, beside its own files.
#[derive(Deserialize, Default)]
struct Ask {
    variable: Option<String>,
    workspace: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    arguments: Vec<String>,
}

/// The records of two plans, by address.
#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "false")]
    live: BTreeMap<String, Record>,
    #[serde(rename = "true")]
    maintenance: BTreeMap<String, Record>,
}

/// A record as Terraform's plan has it.
#[derive(Deserialize, PartialEq, Debug)]
struct Record {
    /// The oracle leaves out what is empty.
    #[serde(default)]
    name: String,
    #[serde(rename = "type")]
    kind: String,
    zone_id: String,
    set_identifier: Option<String>,
    ttl: Option<u64>,
    records: Option<BTreeSet<String>>,
    alias: Option<Vec<Alias>>,
    health_check_id: Option<String>,
    weighted_routing_policy: Option<Vec<BTreeMap<String, u8>>>,
    failover_routing_policy: Option<Vec<BTreeMap<String, String>>>,
    latency_routing_policy: Option<Vec<BTreeMap<String, String>>>,
    geolocation_routing_policy: Option<Vec<BTreeMap<String, Option<String>>>>,
    cidr_routing_policy: Option<Vec<BTreeMap<String, String>>>,
    #[serde(default)]
    multivalue_answer_routing_policy: bool,
    unknown: Option<Vec<String>>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Alias {
    name: String,
    zone_id: String,
    evaluate_target_health: bool,
}

impl Record {
    /// As Route 53 names it (developer guide, "DNS domain name format").
    fn key(&self) -> RecordKey {
        let name = self.name.to_lowercase();
        let name = name.trim_end_matches('.').replace('*', "\\052");
        // The provider puts the zone's name behind a name that has it not (record.go, `expandRecordName`).
        let name = match name.as_str() {
            "" => "example.com".to_owned(),
            whole if whole.ends_with("example.com") => name,
            relative => format!("{relative}.example.com"),
        };
        RecordKey {
            zone_id: self.zone_id.clone(),
            name,
            kind: self.kind.clone(),
            set_identifier: self.set_identifier.clone(),
        }
    }

    fn routing(&self) -> Option<Routing> {
        fn first<T>(policy: Option<&Vec<T>>) -> Option<&T> {
            policy.and_then(|blocks| blocks.first())
        }
        if let Some(policy) = first(self.weighted_routing_policy.as_ref()) {
            return Some(Routing::Weighted(policy["weight"]));
        }
        if let Some(policy) = first(self.failover_routing_policy.as_ref()) {
            return Some(Routing::Failover(policy["type"].clone()));
        }
        if let Some(policy) = first(self.latency_routing_policy.as_ref()) {
            return Some(Routing::Latency(policy["region"].clone()));
        }
        if let Some(policy) = first(self.geolocation_routing_policy.as_ref()) {
            let part =
                |name: &str| policy.get(name).cloned().flatten().filter(|text| !text.is_empty());
            return Some(Routing::Geolocation {
                continent: part("continent"),
                country: part("country"),
                subdivision: part("subdivision"),
            });
        }
        if let Some(policy) = first(self.cidr_routing_policy.as_ref()) {
            return Some(Routing::Cidr {
                collection_id: policy["collection_id"].clone(),
                location: policy["location_name"].clone(),
            });
        }
        self.multivalue_answer_routing_policy.then_some(Routing::Multivalue)
    }

    fn set(&self) -> RecordSet {
        let target = match self.alias.as_ref().and_then(|alias| alias.first()) {
            Some(alias) => Target::Alias {
                name: alias.name.to_lowercase().trim_end_matches('.').to_owned(),
                zone_id: alias.zone_id.clone(),
                evaluate_target_health: alias.evaluate_target_health,
            },
            None => Target::Plain {
                ttl: self.ttl.expect("a plain record has a TTL"),
                records: self.records.iter().flatten().cloned().collect(),
            },
        };
        RecordSet { target, routing: self.routing(), health_check_id: self.health_check_id.clone() }
    }
}

/// The order of a record's values means nothing, and `TXT` values are quoted on the way to Route 53.
fn sorted(set: &RecordSet) -> RecordSet {
    let mut set = set.clone();
    if let Target::Plain { records, .. } = &mut set.target {
        for record in records.iter_mut() {
            if let Some(inner) = record.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                *record = inner.replace("\\\"", "\"");
            }
        }
        records.sort();
    }
    set
}

fn switchboard(path: &Path) -> Switchboard {
    let ask: Ask = match fs::read_to_string(path.join("ask.json")) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_none) => Ask::default(),
    };
    let mut environment: BTreeMap<String, String> = ask
        .environment
        .into_iter()
        .map(|(name, value)| (format!("TF_VAR_{name}"), value))
        .collect();
    environment.extend(ask.workspace.map(|workspace| ("TF_WORKSPACE".to_owned(), workspace)));
    let file = |argument: &String| {
        let file = argument.strip_prefix("-var-file=").expect("only -var-file is used");
        VariableInput::File(path.join(file))
    };
    let inputs = Inputs {
        folder: path.to_owned(),
        variables: ask.arguments.iter().map(file).collect(),
        environment,
        state: None,
        variable: ask.variable,
    };
    let state = fs::read(path.join("terraform.tfstate"));
    let state = State::parse(&state.unwrap_or_else(|_none| ZONE.as_bytes().to_vec())).unwrap();
    let folder = load(&inputs).unwrap();
    find_switch(&folder, &inputs, Some(&state))
        .unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

/// The records of one plan as Route 53 knows them: a pair with `count` is one record that changes.
fn by_key(records: &BTreeMap<String, Record>) -> BTreeMap<RecordKey, RecordSet> {
    let one = |(address, record): (&String, &Record)| {
        assert!(record.unknown.is_none(), "{address} is not known to Terraform");
        (record.key(), sorted(&record.set()))
    };
    records.iter().map(one).collect()
}

fn check_folder(path: &Path) -> Vec<String> {
    let expected: Expected = serde_json::from_str(&read(&path.join("expected.json"))).unwrap();
    let (live, maintenance) = (by_key(&expected.live), by_key(&expected.maintenance));
    let found = switchboard(path);
    let mut ours: BTreeMap<&RecordKey, &MovedRecord> =
        found.records.iter().map(|moved| (&moved.key, moved)).collect();
    let mut wrong = Vec::new();
    for key in live.keys().chain(maintenance.keys()).collect::<BTreeSet<_>>() {
        let theirs = (live.get(key).cloned(), maintenance.get(key).cloned());
        if theirs.0 == theirs.1 {
            continue;
        }
        let Some(moved) = ours.remove(key) else {
            wrong.push(format!("{key:?} is not found"));
            continue;
        };
        let ours = (moved.live.as_ref().map(sorted), moved.maintenance.as_ref().map(sorted));
        if ours != theirs {
            wrong.push(format!("{key:?} moves {ours:?}, not {theirs:?}"));
        }
    }
    wrong.extend(ours.keys().map(|key| format!("{key:?} does not move")));
    wrong
}

#[test]
fn every_folder_moves_the_records_that_terraform_plans_to_move() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(tests().join("folders")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 41, "{}", folders.len());
    let wrong: Vec<String> = folders
        .iter()
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            check_folder(path).into_iter().map(move |wrong| format!("{name}: {wrong}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The target of docs/performance.md, met by the slow build that the tests use, reading the files included. The best of
/// many runs counts: what else the machine does is not ours.
#[test]
#[expect(clippy::print_stderr, reason = "docs/performance.md quotes what it prints")]
fn the_seeds_folder_is_evaluated_in_under_five_milliseconds() {
    let folder = tempfile::tempdir().unwrap();
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seed/main.tf");
    fs::copy(main, folder.path().join("main.tf")).unwrap();
    let values = "url = \"app.example.com\"\nroute53_zone_id = \"Z1\"\n";
    fs::write(folder.path().join("terraform.tfvars"), values).unwrap();
    let state = include_bytes!("seed/terraform.tfstate");
    let inputs = Inputs { folder: folder.path().to_owned(), ..Inputs::default() };
    let runs = (0..50).map(|_| {
        let began = roadworks::clock::monotonic();
        let loaded = load(&inputs).unwrap();
        let board = find_switch(&loaded, &inputs, Some(&State::parse(state).unwrap())).unwrap();
        assert_eq!(board.records.len(), 1);
        roadworks::clock::monotonic().duration_since(began)
    });
    let best = runs.min().unwrap();
    eprintln!("evaluating the seed's folder: {best:?}");
    assert!(best < std::time::Duration::from_millis(5), "{best:?}");
}
