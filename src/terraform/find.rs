//! Finds the switch: evaluates every record and every listener's rule with the boolean false and true; those that differ are
//! the change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::answering::{self, Answering};
use super::convert::{self, Type};
use super::folder::{Folder, Inputs};
use super::reach::{Node, Reach};
use super::scope::{Scope, World};
use super::state::State;
use super::survey::{self, SurveyedRecord};
use super::variables::{self, Audience, ValueOrigin, Variables};
use super::{AnsweringRule, Error, RecordKey, RecordSet, Spelling, Value, candidates};
use crate::hcl::{Place, nearest};

/// The file that Roadworks writes so that Terraform agrees with a flip.
pub const OUR_FILE: &str = "roadworks.auto.tfvars.json";

/// The variable's usual name.
const USUAL: &str = "maintenance_mode";

/// What a boolean moves, and what it is now.
#[derive(Debug)]
pub struct Switchboard {
    /// The boolean.
    pub variable: String,
    /// Its value now, by Terraform's precedence.
    pub value: bool,
    /// Where that value comes from.
    pub origin: ValueOrigin,
    /// The value that it would have without `roadworks.auto.tfvars.json`.
    pub value_without_our_file: bool,
    /// Who hears that value.
    pub audience: Audience,
    /// How Terraform must find it written.
    pub spelling: Spelling,
    /// What would beat `roadworks.auto.tfvars.json`.
    pub overruling: Option<ValueOrigin>,
    /// The records that it moves, in the order of the files.
    pub records: Vec<MovedRecord>,
    /// The listeners' rule that answers while it is true, or why what it does to rules is of no use.
    pub rule: Option<Result<AnsweringRule, Error>>,
    /// The resources of the rules that it is made of.
    pub rules: Vec<String>,
    /// Addresses of other resources and data that it changes, those rules among them.
    pub also_moves: Vec<String>,
    /// Records with the name of a moved one that stay where they are.
    pub siblings: Vec<Sibling>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The workspace that is selected.
    pub workspace: String,
    /// SHA-256 over the files that were read.
    pub digest: String,
}

/// A record that the boolean moves.
#[derive(Debug, Clone)]
pub struct MovedRecord {
    /// `module.a.aws_route53_record.x["k"]`
    pub address: String,
    /// Where it is declared.
    pub place: Place,
    /// Which record.
    pub key: RecordKey,
    /// What it says while the boolean is false, or that it is absent then.
    pub live: Option<RecordSet>,
    /// What it says while the boolean is true.
    pub maintenance: Option<RecordSet>,
}

/// A record that stays while another of its name moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sibling {
    /// Its address in Terraform.
    pub address: String,
    /// Which record.
    pub key: RecordKey,
}

/// Something odd that is handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Lower case, no full stop.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
}

/// Finds what the folder's boolean moves. Without a state, an answer that needs one is `Error::NeedsState`.
pub fn find_switch(
    folder: &Folder,
    inputs: &Inputs,
    state: Option<&State>,
) -> Result<Switchboard, Error> {
    let search = Search {
        folder,
        inputs,
        state,
        variables: Variables::collect(folder, inputs)?,
        reach: Reach::of(&folder.root),
    };
    search.knows_every_variable()?;
    let (variable, moved) = search.variable()?;
    search.switchboard(variable, moved)
}

/// A boolean of the folder, as Terraform's precedence has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boolean {
    /// Its value now.
    pub value: bool,
    /// The value that it would have without `roadworks.auto.tfvars.json`.
    pub value_without_our_file: bool,
    /// Who hears that value.
    pub audience: Audience,
    /// How Terraform must find it written.
    pub spelling: Spelling,
    /// What would beat `roadworks.auto.tfvars.json`.
    pub overruling: Option<ValueOrigin>,
}

/// Whose word counts for a variable's value.
#[derive(Clone, Copy)]
enum Heard<'p> {
    Everybody,
    AllBut(&'p Path),
    /// Of the files that Terraform finds by itself, all but one.
    FilesBut(&'p Path),
}

/// What the boolean `name` is now, where what it moves is learned elsewhere.
pub fn read_boolean(folder: &Folder, inputs: &Inputs, name: &str) -> Result<Boolean, Error> {
    let variables = Variables::collect(folder, inputs)?;
    let reach = Reach::of(&folder.root);
    let search = Search { folder, inputs, state: None, variables, reach };
    search.knows_every_variable()?;
    search.boolean(name)
}

struct Search<'a> {
    folder: &'a Folder,
    inputs: &'a Inputs,
    state: Option<&'a State>,
    variables: Variables,
    reach: Reach,
}

/// The records of both sides, and those that differ.
struct Moved {
    records: Vec<MovedRecord>,
    answering: Answering,
    still: Vec<Sibling>,
    also: Vec<String>,
}

impl Moved {
    /// Whether something that can be moved differs.
    fn moves(&self) -> bool {
        !self.records.is_empty() || matches!(self.answering.rule, Some(Ok(_)))
    }
}

impl Search<'_> {
    /// Refuses a `-var` that nobody declares or uses, as Terraform does: most likely it is misspelt.
    fn knows_every_variable(&self) -> Result<(), Error> {
        let declared = &self.folder.root.variables;
        let unknown = |name: &&str| !declared.contains_key(*name) && !self.is_used(name);
        let Some(name) = self.variables.of_command_line().find(unknown) else { return Ok(()) };
        let diagnostic =
            crate::hcl::Diagnostic::new(format!("no .tf file here declares a variable \"{name}\""));
        let hint = match nearest(name, declared.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("leave -var {name}=.. out, or look whether this is the right folder"),
        };
        Err(diagnostic.with_hint(hint).into())
    }

    /// The named one, the usual one, or the only one that moves a record or a rule.
    fn variable(&self) -> Result<(String, Moved), Error> {
        let named = self.inputs.variable.clone();
        let usual = || self.is_used(USUAL).then(|| USUAL.to_owned());
        if let Some(name) = named.or_else(usual) {
            if !self.is_used(&name) {
                let declared = self.folder.root.variables.keys().map(String::as_str);
                let hint = nearest(&name, declared).map(|near| format!("did you mean `{near}`?"));
                let message = format!("no expression uses a variable \"{name}\"");
                let diagnostic = crate::hcl::Diagnostic::new(message);
                let hint = hint.unwrap_or_else(|| "name the boolean with -variable".to_owned());
                return Err(diagnostic.with_hint(hint).into());
            }
            let moved = self.moved(&name)?;
            if moved.moves() {
                return Ok((name, moved));
            }
            return Err(match moved.answering.rule {
                Some(Err(why)) => why,
                Some(Ok(_)) | None => Error::MovesNothing(name),
            });
        }
        self.only_one()
    }

    fn is_used(&self, name: &str) -> bool {
        self.reach.variables.contains(name)
    }

    fn only_one(&self) -> Result<(String, Moved), Error> {
        let mut failed = None;
        if let Some(only) = self.mover(candidates::booleans(&self.folder.root), &mut failed)? {
            return Ok(only);
        }
        // A text that holds a boolean counts only where no boolean moves a record.
        let world = World::new(self.folder, &self.variables, self.state, None);
        let mut texts = candidates::texts(&self.folder.root);
        texts.retain(|name| self.reaches(name) && candidates::holds_boolean(&world, name));
        if let Some(only) = self.mover(texts, &mut failed)? {
            return Ok(only);
        }
        Err(failed.unwrap_or_else(|| Error::NoSwitch(self.folder.path.clone())))
    }

    /// The only one of some variables that moves something; `failed` is why one of them could not be tried.
    fn mover(
        &self,
        candidates: Vec<&str>,
        failed: &mut Option<Error>,
    ) -> Result<Option<(String, Moved)>, Error> {
        let mut movers = Vec::new();
        for name in candidates.into_iter().filter(|name| self.reaches(name)) {
            match self.moved(name) {
                Ok(moved) if moved.moves() => movers.push((name.to_owned(), moved)),
                Ok(Moved { answering: Answering { rule: Some(Err(why)), .. }, .. }) => {
                    *failed = failed.take().or(Some(why));
                }
                Ok(_) => {}
                Err(needed @ Error::NeedsState { .. }) => return Err(needed),
                Err(error) => *failed = failed.take().or(Some(error)),
            }
        }
        // A rule that comes and goes may be anything; beside a boolean that moves a name it is no switch.
        let of_records = movers.iter().any(|(_, moved)| !moved.records.is_empty());
        if of_records {
            movers.retain(|(_, moved)| !moved.records.is_empty());
        }
        // A boolean that leads a name elsewhere is the switch beside one that only makes records come and go.
        if movers.iter().any(|(_, moved)| leads_elsewhere(&moved.records)) {
            movers.retain(|(_, moved)| leads_elsewhere(&moved.records));
        }
        if movers.len() > 1 {
            let what = if of_records { "a record" } else { "a listener's rule" };
            let names = movers.into_iter().map(|(name, _)| name).collect();
            return Err(Error::ManySwitches { what, names });
        }
        Ok(movers.pop())
    }

    /// Whether it may move a record or a rule.
    fn reaches(&self, name: &str) -> bool {
        let is_moved = |node: &Node| survey::is_record(node) || survey::is_rule(node);
        self.reach.from(name).into_iter().any(is_moved)
    }

    fn moved(&self, name: &str) -> Result<Moved, Error> {
        let reached = self.reach.from(name);
        let world =
            |value| World::new(self.folder, &self.variables, self.state, Some((name, value)));
        let worlds = (world(false), world(true));
        let live = survey::records(&worlds.0, &reached)?;
        let maintenance = survey::records(&worlds.1, &reached)?;
        let records = difference(&live, &maintenance)?;
        let answering = answering::find((&worlds.0, &worlds.1), &reached)?;
        let moving: BTreeSet<&RecordKey> = records.iter().map(|record| &record.key).collect();
        let names: BTreeSet<(&str, &str)> =
            moving.iter().map(|key| (key.zone_id.as_str(), key.name.as_str())).collect();
        let beside = live.iter().chain(&maintenance).filter(|record| {
            let (key, _) = &record.says;
            names.contains(&(key.zone_id.as_str(), key.name.as_str())) && !moving.contains(key)
        });
        let mut still: Vec<Sibling> = Vec::new();
        for record in beside {
            let sibling = Sibling { address: record.address.clone(), key: record.says.0.clone() };
            if !still.contains(&sibling) {
                still.push(sibling);
            }
        }
        let mut moved = Moved { records, answering, still, also: Vec::new() };
        if moved.moves() {
            moved.also = survey::others(&world(false), &world(true), &reached);
        }
        Ok(moved)
    }

    fn switchboard(&self, variable: String, moved: Moved) -> Result<Switchboard, Error> {
        let Boolean { value, value_without_our_file, audience, spelling, overruling } =
            self.boolean(&variable)?;
        let (_, origin) = self.value(&variable, Heard::Everybody)?;
        Ok(Switchboard {
            value,
            origin,
            value_without_our_file,
            audience,
            spelling,
            overruling,
            records: moved.records,
            rule: moved.answering.rule,
            rules: moved.answering.resources,
            also_moves: moved.also,
            siblings: moved.still,
            warnings: self.warnings(),
            workspace: self.folder.workspace.clone(),
            digest: self.folder.digest.clone(),
            variable,
        })
    }

    fn boolean(&self, name: &str) -> Result<Boolean, Error> {
        let ours = self.inputs.folder.join(OUR_FILE);
        let (value, _) = self.value(name, Heard::Everybody)?;
        let (value_without_our_file, _) = self.value(name, Heard::AllBut(&ours))?;
        // Another shell, and whoever runs Terraform there, hears the folder's files alone.
        let (elsewhere, _) = self.value(name, Heard::FilesBut(&ours))?;
        let same = elsewhere == value_without_our_file;
        let audience = if same { Audience::Everybody } else { Audience::Us };
        let spelling = candidates::spelling(self.folder.root.variables.get(name));
        let overruling = self.overruling(name);
        Ok(Boolean { value, value_without_our_file, audience, spelling, overruling })
    }

    /// The variable's value, for whoever hears no more than `heard`.
    fn value(&self, name: &str, heard: Heard<'_>) -> Result<(bool, ValueOrigin), Error> {
        let mut variables = Variables::collect(self.folder, self.inputs)?;
        match heard {
            Heard::Everybody => {}
            Heard::AllBut(path) => variables.forget(path),
            Heard::FilesBut(path) => {
                variables.forget(path);
                variables.forget_all_but_files(name);
            }
        }
        let given = variables.given(name).last().map(|assignment| assignment.origin.clone());
        let declared = self.folder.root.variables.get(name);
        let default = declared.is_some_and(|block| block.body.attribute("default").is_some());
        let origin = match given {
            Some(origin) => origin,
            None if default => ValueOrigin::Default,
            None => return Ok((false, ValueOrigin::Nowhere)),
        };
        let world = World::new(self.folder, &variables, self.state, None);
        let root = world.root();
        let source = crate::hcl::Source::new(self.folder.path.clone(), "");
        let value = variables::value(Scope::of(&world, &root, &source), name, 0..0)?;
        match convert::convert(value, &Type::Bool) {
            Ok(Value::Bool(value)) => Ok((value, origin)),
            Ok(Value::Null) => Ok((false, origin)),
            _ => {
                let message =
                    format!("the value of variable \"{name}\" from {origin} is no boolean");
                Err(crate::hcl::Diagnostic::new(message).into())
            }
        }
    }

    /// The strongest value that our file would not beat.
    fn overruling(&self, name: &str) -> Option<ValueOrigin> {
        let strongest = self.variables.given(name).iter().map(|given| &given.origin);
        let stronger = |origin: &&ValueOrigin| match origin {
            ValueOrigin::CommandLine | ValueOrigin::VarFile(_) => true,
            ValueOrigin::File(path) => {
                let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
                file.is_some_and(|file| file.contains(".auto.tfvars") && file.as_str() > OUR_FILE)
            }
            ValueOrigin::Default | ValueOrigin::Nowhere | ValueOrigin::Environment(_) => false,
        };
        strongest.rev().find(stronger).cloned()
    }

    fn warnings(&self) -> Vec<Warning> {
        let undeclared = self.reach.variables.iter().filter(|name| {
            !self.folder.root.variables.contains_key(*name)
                && !self.variables.given(name).is_empty()
        });
        let undeclared = undeclared.map(|name| Warning {
            message: format!("variable \"{name}\" is used and has a value, but is not declared"),
            place: None,
        });
        let absent = self.folder.root.calls.values().filter_map(|call| call.module.as_ref().err());
        let absent = absent.map(|diagnostic| Warning {
            message: format!("{}; what it holds is not looked at", diagnostic.message),
            place: diagnostic.place.clone(),
        });
        undeclared.chain(absent).collect()
    }
}

/// Whether a name has an answer on both sides, if another one.
fn leads_elsewhere(records: &[MovedRecord]) -> bool {
    let name = |record: &'_ MovedRecord| (record.key.zone_id.clone(), record.key.name.clone());
    let live: BTreeSet<_> = records.iter().filter(|one| one.live.is_some()).map(name).collect();
    let mut answers = records.iter().filter(|one| one.maintenance.is_some());
    answers.any(|record| live.contains(&name(record)))
}

/// Both sides joined by key. The same key twice on one side is refused: Terraform would let one of them win.
fn difference(
    live: &[SurveyedRecord<'_>],
    maintenance: &[SurveyedRecord<'_>],
) -> Result<Vec<MovedRecord>, Error> {
    let (live, maintenance) = (by_key(live), by_key(maintenance));
    let keys: BTreeSet<&RecordKey> = live.keys().chain(maintenance.keys()).copied().collect();
    let mut moved = Vec::new();
    for key in keys {
        let none: &[&SurveyedRecord<'_>] = &[];
        let before = live.get(key).map_or(none, Vec::as_slice);
        let after = maintenance.get(key).map_or(none, Vec::as_slice);
        let differs = before.len() != after.len()
            || before.iter().zip(after).any(|(before, after)| before.says.1 != after.says.1);
        if !differs {
            continue;
        }
        for side in [before, after] {
            if let [first, second, ..] = side {
                let message = format!(
                    "{} {} is declared twice: {} and {}",
                    key.name, key.kind, first.address, second.address
                );
                let hint = "give each a `set_identifier`, or make them exclude each other";
                return Err(second.block.wrong(message).with_hint(hint).into());
            }
        }
        let (before, after) = (before.first(), after.first());
        let Some(either) = before.or(after) else { continue };
        moved.push(MovedRecord {
            address: either.address.clone(),
            place: either.block.place(),
            key: key.clone(),
            live: before.map(|record| record.says.1.clone()),
            maintenance: after.map(|record| record.says.1.clone()),
        });
    }
    moved.sort_by(|one, other| {
        let order = |record: &MovedRecord| (record.place.file.clone(), record.place.span.start);
        order(one).cmp(&order(other)).then_with(|| one.address.cmp(&other.address))
    });
    Ok(moved)
}

fn by_key<'a, 'f>(
    records: &'a [SurveyedRecord<'f>],
) -> BTreeMap<&'a RecordKey, Vec<&'a SurveyedRecord<'f>>> {
    let mut keyed: BTreeMap<&RecordKey, Vec<&SurveyedRecord<'f>>> = BTreeMap::new();
    for record in records {
        keyed.entry(&record.says.0).or_default().push(record);
    }
    keyed
}
