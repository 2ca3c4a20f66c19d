//! A site of the configuration -> its records with both targets, the rule that answers its visitors, and what is known of the
//! boolean behind them.

mod learned;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lookup;
use super::records::SwitchedRecord;
use super::site::{Account, DnsSource, SiteConfig, TerraformFolder};
use super::unresolved::Unresolved;
#[cfg(feature = "aws")]
use crate::aws::policy::Statement;
use crate::clock;
use crate::files::read_up_to;
use crate::switch::Mode;
use crate::terraform::backend::{Backend, BackendError, Lock, Surroundings};
use crate::terraform::plans;
use crate::terraform::{
    self, AnsweringRule, Audience, Folder, Inputs, Spelling, State, Switchboard, VariableInput,
};
use learned::{compared, of_board};

/// The variables file of a folder speaks to every workspace of it.
const ALL_WORKSPACES: &str = "whether this folder has other workspaces cannot be seen: the variables file would speak to them too";

/// A site whose targets are known.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Its name.
    pub name: String,
    /// The records that the switch moves.
    pub records: Vec<SwitchedRecord>,
    /// The listeners' rule that the boolean makes, if the site is closed by it.
    pub rule: Option<AnsweringRule>,
    /// The boolean behind them; `None` where the records are written out.
    pub variable: Option<Variable>,
    /// From which mode on the boolean is true: where it moves a name, that is when the name leads away; else from where the
    /// listeners close.
    pub true_from: Mode,
    /// The folder of the `.tf` files, if there is one.
    pub folder: Option<PathBuf>,
    /// The Terraform workspace, if there is one.
    pub workspace: Option<String>,
    /// What a person should know before moving anything.
    pub warnings: Vec<String>,
    /// SHA-256 of what was read, if Terraform's files were.
    pub digest: Option<String>,
    /// Whose credentials move the records.
    pub account: Account,
    /// When an earlier plan pinned this, if it was not learned now.
    pub pinned_at: Option<Timestamp>,
    /// Why the listeners' rule is not known, where the records are.
    without_rule: Option<String>,
    /// Whether AWS was asked for a target that the configuration names.
    looked_up: bool,
    /// Where the Terraform state is kept, if it can be told.
    backend: Option<Result<Arc<Backend>, String>>,
}

/// The boolean that is the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value now, by Terraform's precedence.
    pub value: bool,
    /// Its value if `roadworks.auto.tfvars.json` did not exist.
    pub without: bool,
    /// Who hears that value.
    #[serde(default)]
    pub audience: Audience,
    /// How Terraform must find it written.
    #[serde(default)]
    pub spelling: Spelling,
    /// What has a higher precedence than that file, for a person.
    pub overruled_by: Option<String>,
    /// The folder's workspaces.
    pub workspaces: Vec<String>,
}

/// What a successful plan leaves behind, so that a flip in an incident needs neither state nor backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The format of this document.
    pub format: u32,
    /// When it was resolved.
    pub at: Timestamp,
    /// The site's name.
    pub site: String,
    /// The Terraform workspace that it was resolved in.
    #[serde(default)]
    pub workspace: Option<String>,
    /// The folder of the `.tf` files: a copy of it is another site's until a plan says otherwise.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// SHA-256 of Terraform's files then.
    pub digest: Option<String>,
    /// The records with both targets.
    pub records: Vec<SwitchedRecord>,
    /// The listeners' rule.
    #[serde(default)]
    pub rule: Option<AnsweringRule>,
    /// The boolean.
    pub variable: Option<Variable>,
}

/// The newest format of [`Pinned`] that is read and written.
const FORMAT: u32 = 1;

impl Resolved {
    /// Whether something else than the configuration said what the targets are, and may be silent at night.
    pub fn is_learned(&self) -> bool {
        self.folder.is_some() || self.looked_up
    }

    /// Whether somebody holds the lock of the Terraform state now. Cancel safe.
    pub async fn lock(&self) -> Lock {
        let unseen = |why: String| Lock::Unseen { why };
        match &self.backend {
            None if self.folder.is_none() => Lock::Free,
            None => unseen("the state cannot be read".to_owned()),
            Some(Err(why)) => unseen(why.clone()),
            Some(Ok(backend)) => {
                backend.lock().await.unwrap_or_else(|error| unseen(error.to_string()))
            }
        }
    }

    /// Whose credentials read Terraform's state, where it is in AWS, and the rights that they need. Cancel safe.
    #[cfg(feature = "aws")]
    pub async fn rights(&self) -> Option<(crate::aws::Settings, Vec<Statement>)> {
        self.backend.as_ref()?.as_ref().ok()?.rights().await
    }

    /// Keeps the backend for its lock, and learns the folder's workspaces.
    async fn add_backend(&mut self, backend: Result<Backend, BackendError>) {
        let backend = backend.map(Arc::new).map_err(|error| error.to_string());
        let workspaces = match &backend {
            Ok(backend) => backend.workspaces().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        match (workspaces, &mut self.variable) {
            (Ok(found), Some(variable)) => {
                if !found.complete {
                    self.warnings.push(ALL_WORKSPACES.to_owned());
                }
                variable.workspaces = found.names.into_iter().collect();
            }
            (Err(why), Some(_)) => self.warnings.push(format!("{ALL_WORKSPACES} ({why})")),
            (_, None) => {}
        }
        self.backend = Some(backend);
    }

    /// Where the rule is not known and everything else is: the one that was pinned for the same files, or a word about it.
    pub fn with_pinned_rule(&mut self, pinned: Option<&Pinned>) {
        let Some(why) = self.without_rule.take() else { return };
        let same =
            |pinned: &&Pinned| pinned.digest == self.digest && pinned.workspace == self.workspace;
        let pinned = pinned.filter(same).and_then(|pinned| Some((pinned.at, pinned.rule.clone()?)));
        let Some((at, rule)) = pinned else {
            self.warnings.push(format!("no listener is closed: {why}"));
            return;
        };
        let age = age(at, clock::now());
        let used = format!("{why}: using the listener's rule that was pinned {age} ago, at {at}");
        self.warnings.push(used);
        (self.rule, self.pinned_at) = (Some(rule), Some(at));
    }

    /// What to keep for the night when it cannot be resolved.
    pub fn pinned(&self, now: Timestamp) -> Pinned {
        Pinned {
            format: FORMAT,
            at: now,
            site: self.name.clone(),
            workspace: self.workspace.clone(),
            folder: self.folder.as_deref().and_then(whole),
            digest: self.digest.clone(),
            records: self.records.clone(),
            rule: self.rule.clone(),
            variable: self.variable.clone(),
        }
    }
}

impl Pinned {
    /// What was pinned, as the site's targets; `why` is why it is used. What was pinned in another workspace is not.
    pub fn resolved(
        self,
        site: &SiteConfig,
        inputs: &Inputs,
        why: &str,
    ) -> Result<Resolved, Unresolved> {
        let workspace = Surroundings::of_this_process().workspace_of(&inputs.folder);
        let workspace = workspace.map_err(|error| Unresolved::of_state(&error))?;
        // Where the files cannot even be read now, they cannot be compared either.
        let digest = terraform::load(inputs).map(|folder| folder.digest).ok();
        let changed = digest.is_some() && digest != self.digest;
        let copied = changed && self.folder.is_some() && self.folder != whole(&inputs.folder);
        let other = self.workspace.as_ref().is_some_and(|own| *own != workspace);
        if self.format > FORMAT || other || copied {
            return Err(Unresolved::PinnedElsewhere { why: why.to_owned(), workspace });
        }
        let age = age(self.at, clock::now());
        let mut warnings =
            vec![format!("{why}: using the targets that were pinned {age} ago, at {}", self.at)];
        if changed {
            let changed = "the .tf or .tfvars files changed since the targets were pinned: look twice at where they lead";
            warnings.push(changed.to_owned());
        }
        Ok(Resolved {
            true_from: true_from(site, &self.records, self.rule.as_ref()),
            name: self.site,
            records: self.records,
            rule: self.rule,
            variable: self.variable,
            folder: site.terraform().map(|folder| folder.dir.to_owned()),
            workspace: self.workspace,
            warnings,
            digest: self.digest,
            account: account_of(site),
            pinned_at: Some(self.at),
            without_rule: None,
            looked_up: false,
            backend: None,
        })
    }
}

/// Whose credentials move the name in Route 53.
fn account_of(site: &SiteConfig) -> Account {
    match &site.dns {
        Some(DnsSource::Terraform { account, .. } | DnsSource::Records { account, .. }) => {
            account.clone()
        }
        Some(DnsSource::Rfc2136(_)) | None => Account::default(),
    }
}

fn true_from(site: &SiteConfig, records: &[SwitchedRecord], rule: Option<&AnsweringRule>) -> Mode {
    let of_boolean = matches!(site.dns, Some(DnsSource::Terraform { .. })) && !records.is_empty();
    if rule.is_some() && !of_boolean { Mode::Closed } else { Mode::Detour }
}

/// A folder's path, the same wherever it is asked from.
fn whole(folder: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(folder).ok()
}

/// How long ago, in the largest unit that says something.
fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What else may say what the records are.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Two documents of `terraform show -json`, to be read instead of evaluating the `.tf`.
    pub plans: Option<&'a [PathBuf]>,
    /// What an earlier plan pinned, good enough where only Terraform itself could say it again, which takes long.
    pub pinned: Option<&'a Pinned>,
}

/// Learns a site's records and targets, and whether somebody holds the lock of Terraform's state.
///
/// Cancel safe.
pub async fn resolve(
    site: &SiteConfig,
    inputs: &Inputs,
    beside: Beside<'_>,
) -> Result<Resolved, Unresolved> {
    let Some(TerraformFolder { dir, .. }) = site.terraform() else {
        return written_out(site).await;
    };
    let folder = terraform::load(inputs)?;
    let block = folder.backend_block();
    let surroundings = Surroundings::of_this_process();
    let backend = Backend::find(dir, block.as_ref(), inputs.state.as_deref(), &surroundings);
    let mut resolved = match beside.plans {
        Some(files) => {
            let plans = plans::compare(&read(files, 0)?, &read(files, 1)?)?;
            compared(plans, (site, &folder), inputs)?
        }
        None => match evaluated(&folder, inputs, backend.as_ref(), &account_of(site))
            .await
            .and_then(|(board, said)| of_board(board, said, site))
        {
            Ok(resolved) => resolved,
            Err(Unresolved::Terraform(error)) if error.is_beyond_us() => match beside.pinned {
                Some(pinned) if pinned.digest.as_ref() == Some(&folder.digest) => {
                    let why = "the .tf files are beyond our own evaluator";
                    pinned.clone().resolved(site, inputs, why)?
                }
                _ => by_terraform(error, (site, &folder), inputs).await?,
            },
            Err(error) => return Err(error),
        },
    };
    resolved.workspace = Some(folder.workspace.clone());
    resolved.add_backend(backend).await;
    if let Some(name) = &site.name {
        resolved.name.clone_from(name);
    }
    resolved.folder = Some(dir.to_owned());
    resolved.account = account_of(site);
    if !matches!(site.dns, Some(DnsSource::Terraform { .. })) {
        let (records, said) = own_records(site).await?;
        resolved.looked_up = !said.is_empty();
        (resolved.records, resolved.warnings) = (records, [resolved.warnings, said].concat());
    }
    Ok(resolved)
}

/// What roadworks.hcl says itself, with those targets that are looked up.
async fn written_out(site: &SiteConfig) -> Result<Resolved, Unresolved> {
    let (records, said) = own_records(site).await?;
    Ok(Resolved {
        name: site.name.clone().unwrap_or_else(|| name_of(&records)),
        records,
        rule: None,
        variable: None,
        true_from: Mode::Detour,
        folder: None,
        workspace: None,
        looked_up: !said.is_empty(),
        warnings: said,
        digest: None,
        account: account_of(site),
        pinned_at: None,
        without_rule: None,
        backend: None,
    })
}

/// The records as roadworks.hcl has them, and what is to be said of targets that were looked up.
async fn own_records(site: &SiteConfig) -> Result<(Vec<SwitchedRecord>, Vec<String>), Unresolved> {
    let Some(DnsSource::Records { records, looked_up, account }) = &site.dns else {
        return Ok((Vec::new(), Vec::new()));
    };
    let (mut targets, mut said) = ([None, None], Vec::new());
    for (target, wanted) in targets.iter_mut().zip(looked_up.iter()) {
        if let Some(wanted) = wanted {
            let (found, words) = lookup::target(wanted, account).await?;
            said.push(words);
            *target = Some(found);
        }
    }
    let [live, maintenance] = targets;
    Ok((lookup::with(records, live.as_ref(), maintenance.as_ref()), said))
}

/// Evaluates without the state first: most of the time it is needed, but where it is not, nothing is asked of it. What it
/// does not say, AWS may; what is told beside the switch are the words for that.
async fn evaluated(
    folder: &Folder,
    inputs: &Inputs,
    backend: Result<&Backend, &BackendError>,
    account: &Account,
) -> Result<(Switchboard, Vec<String>), Unresolved> {
    match terraform::find_switch(folder, inputs, None) {
        Err(terraform::Error::NeedsState { .. }) => {}
        found => return Ok((found?, Vec::new())),
    }
    let (state, failed) = match read_state(backend).await {
        Ok(Some(state)) => {
            let found = terraform::find_switch(folder, inputs, Some(&state));
            match found {
                Err(error) if error.is_beyond_us() => (state, error.into()),
                found => return Ok((found?, Vec::new())),
            }
        }
        // A folder of literal values tells its switch before anything was ever applied.
        Ok(None) => match terraform::find_switch(folder, inputs, Some(&State::default())) {
            Err(error) if error.is_beyond_us() => (State::default(), Unresolved::NoState(error)),
            found => return Ok((found?, Vec::new())),
        },
        Err(error @ Unresolved::BadState { .. }) => return Err(error),
        Err(error) => (State::default(), error),
    };
    lookup::switchboard(folder, inputs, state, account).await.ok_or(failed)
}

async fn read_state(backend: Result<&Backend, &BackendError>) -> Result<Option<State>, Unresolved> {
    let backend = backend.map_err(Unresolved::of_state)?;
    let bytes = backend.read().await.map_err(|error| Unresolved::of_state(&error))?;
    let parsed = bytes.map(|bytes| State::parse(&bytes));
    parsed.transpose().map_err(|error| Unresolved::BadState { place: backend.describe(), error })
}

/// The way out where our evaluator refuses: two plans by Terraform itself. Where that fails too, our own reason is the
/// one to tell, with the commands that a person can run.
async fn by_terraform(
    error: terraform::Error,
    (site, folder): (&SiteConfig, &Folder),
    inputs: &Inputs,
) -> Result<Resolved, Unresolved> {
    let variable = inputs.variable.as_deref().unwrap_or("maintenance_mode");
    let request = plans::Request {
        arguments: inputs.variables.iter().map(argument).collect(),
        state: inputs.state.clone(),
        ..plans::Request::of(&inputs.folder, variable)
    };
    let (live, maintenance) = match plans::make(&request).await {
        Ok(made) => made,
        Err(by_terraform) => return Err(Unresolved::Beyond { error, by_terraform }),
    };
    let mut resolved = compared(plans::compare(&live, &maintenance)?, (site, folder), inputs)?;
    resolved.warnings.push(
        "the .tf files are beyond our own evaluator: two plans by terraform were read instead"
            .to_owned(),
    );
    Ok(resolved)
}

fn argument(input: &VariableInput) -> plans::Argument {
    match input {
        VariableInput::Value(text) => plans::Argument::Variable(text.clone()),
        VariableInput::File(path) => plans::Argument::VariableFile(path.clone()),
    }
}

fn read(files: &[PathBuf], index: usize) -> Result<Vec<u8>, Unresolved> {
    let path = files.get(index).map_or(Path::new(""), PathBuf::as_path);
    let limit = usize::try_from(plans::LARGEST_PLAN).unwrap_or(usize::MAX);
    read_up_to(path, limit)
        .and_then(|content| content.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .map_err(|source| Unresolved::PlanFile { path: path.to_owned(), source })
}

/// A bare folder's site is named like its first moved record.
pub fn name_of(records: &[SwitchedRecord]) -> String {
    records
        .first()
        .map_or_else(|| "site".to_owned(), |record| record.key.name.replace("\\052", "*"))
}
