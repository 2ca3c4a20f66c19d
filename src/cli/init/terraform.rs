//! The folder or one below it -> the switch that its Terraform has. Reads the state only where it is a file: `doctor` asks the
//! rest.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::context::Context;
use super::super::error::Error;
use crate::config::{self, Unresolved};
use crate::terraform::backend::{Backend, Surroundings};
use crate::terraform::{self, Folder, Inputs, State, Switchboard};

/// How deep roots lie: `infra/production`.
const DEEPEST: usize = 2;
/// A folder with more below it is no project.
const MOST: usize = 200;
/// Where no root module is.
const PASSED_OVER: [&str; 5] = ["modules", "node_modules", "target", "vendor", "venv"];

/// A boolean that moves a record, or makes a listener's rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Switch {
    /// The root module, from the folder that was looked at.
    pub(super) dir: PathBuf,
    /// The boolean, where it could be worked out.
    pub(super) variable: Option<String>,
    /// The records that it moves, `NAME TYPE`.
    pub(super) records: Vec<String>,
    /// The listeners' rule that answers visitors, by its address.
    pub(super) rule: Option<String>,
    /// The names of both.
    pub(super) hosts: Vec<String>,
    /// Whether the folder has no other workspace, as far as files tell.
    pub(super) alone: bool,
}

impl Switch {
    /// For a person.
    pub(super) fn said(&self) -> String {
        let Some(variable) = &self.variable else {
            return "a boolean moves a record; which one only the state says".to_owned();
        };
        let moves = format!("moves {}", self.records.join(", "));
        let makes = self.rule.as_ref().map(|rule| format!("makes {rule}"));
        let both: Vec<_> =
            Some(moves).filter(|_| !self.records.is_empty()).into_iter().chain(makes).collect();
        format!("{variable} {}", both.join(" and "))
    }

    /// Whether a name is moved, as far as is known.
    pub(super) fn moves_a_name(&self) -> bool {
        self.rule.is_none() || !self.records.is_empty()
    }
}

/// The first root module with a switch, those nearest to `folder` first. Others are notes.
pub(super) async fn switch(
    context: &Context,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<Switch>, Error> {
    let mut found: Option<Switch> = None;
    for dir in roots(folder) {
        let own = relative(folder, &dir);
        let inputs = context.terraform_inputs(&dir);
        let switch = match of_root(&inputs).await {
            Ok(None) => continue,
            Ok(Some(switch)) => switch,
            Err(error @ terraform::Error::ManySwitches { .. }) => {
                return Err(Unresolved::Terraform(error).into());
            }
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                notes.push(format!("{}: {error}{cause}", own.display()));
                continue;
            }
        };
        match &found {
            None => found = Some(Switch { dir: own, ..switch }),
            Some(_) => {
                notes.push(format!("{} has a switch too: {}", own.display(), switch.said()));
            }
        }
    }
    Ok(found)
}

fn relative(folder: &Path, dir: &Path) -> PathBuf {
    match dir.strip_prefix(folder) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Folders with `.tf` files, the nearest first, then by name.
fn roots(folder: &Path) -> Vec<PathBuf> {
    let mut level = vec![folder.to_owned()];
    let (mut roots, mut seen) = (Vec::new(), 0);
    for _ in 0..=DEEPEST {
        let mut below = Vec::new();
        for dir in level {
            seen += 1;
            let Some(entries) = fs::read_dir(&dir).ok().filter(|_| seen <= MOST) else { continue };
            let mut has_terraform = false;
            for entry in entries.filter_map(Result::ok) {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if name.starts_with('.') {
                    continue;
                }
                has_terraform |= !is_folder && is_terraform(&name);
                if is_folder && !PASSED_OVER.contains(&name.as_str()) {
                    below.push(entry.path());
                }
            }
            if has_terraform {
                roots.push(dir);
            }
        }
        below.sort();
        level = below;
    }
    roots
}

/// As Terraform has it: by the ending, in lower case.
fn is_terraform(name: &str) -> bool {
    let ending = name.trim_end_matches(".json").rsplit_once('.');
    ending.is_some_and(|(_, ending)| ending == "tf")
}

/// The switch of one root module, or none.
async fn of_root(inputs: &Inputs) -> Result<Option<Switch>, terraform::Error> {
    let folder = terraform::load(inputs)?;
    let board = match terraform::find_switch(&folder, inputs, None) {
        Err(terraform::Error::NeedsState { .. }) => match state(&folder, inputs).await {
            Some(state) => terraform::find_switch(&folder, inputs, Some(&state)),
            None => return Ok(Some(Switch { alone: alone(&folder), ..Switch::default() })),
        },
        found => found,
    };
    match board {
        Ok(board) => Ok(Some(Switch { alone: alone(&folder), ..of_board(&board) })),
        Err(
            terraform::Error::NoSwitch(_)
            | terraform::Error::MovesNothing(_)
            | terraform::Error::NoTerraform(_),
        ) => Ok(None),
        // Terraform itself will know, and `doctor` asks it.
        Err(error) if error.is_beyond_us() && inputs.variable.is_some() => {
            Ok(Some(Switch { alone: alone(&folder), ..Switch::default() }))
        }
        Err(error) => Err(error),
    }
}

fn of_board(board: &Switchboard) -> Switch {
    let mut switch = Switch { variable: Some(board.variable.clone()), ..Switch::default() };
    for record in &board.records {
        let name = record.key.name.replace("\\052", "*");
        switch.records.push(format!("{name} {}", record.key.kind));
        let host = config::host(&name);
        switch.hosts.extend(host.ok().filter(|host| !switch.hosts.contains(host)));
    }
    if let Some(Ok(rule)) = &board.rule {
        switch.rule = Some(rule.addresses.join(", "));
        let hosts = rule.hosts().iter().filter_map(|host| config::host(host).ok());
        for host in hosts {
            if !switch.hosts.contains(&host) {
                switch.hosts.push(host);
            }
        }
    }
    switch
}

fn is_local(folder: &Folder) -> bool {
    folder.backend_block().is_none_or(|block| block.kind == "local")
}

fn alone(folder: &Folder) -> bool {
    is_local(folder) && !folder.path.join("terraform.tfstate.d").exists()
}

/// The state, where it is a file that can be read.
async fn state(folder: &Folder, inputs: &Inputs) -> Option<State> {
    if !is_local(folder) && inputs.state.is_none() {
        return None;
    }
    let block = folder.backend_block();
    let surroundings = Surroundings::of_this_process();
    let backend =
        Backend::find(&folder.path, block.as_ref(), inputs.state.as_deref(), &surroundings).ok()?;
    State::parse(&backend.read().await.ok()??).ok()
}
