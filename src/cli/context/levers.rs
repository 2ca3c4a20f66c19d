//! The levers that a site has, from what is known of it.

use std::time::Duration;

use crate::agent::Fleet;
use crate::aws::Session;
use crate::balancer::{Alb, Renumber};
use crate::clock;
use crate::config::{
    Account, BalancerConfig, BalancerSource, DnsSource, Freeze, Listeners, PageConfig,
    PipelineConfig, Resolved, SiteConfig, Variable, VariableWay, WorkersConfig,
};
use crate::database::{Databases, Idle};
use crate::dns::{Rfc2136, Route53};
use crate::lever::Lever;
use crate::page::{Page, Told};
use crate::pipeline::{
    CodePipeline, Freezer, VariableCommand, VariableFile, default_of, parameter, project,
};
use crate::store::{AnyStore, SiteStore};
use crate::switch::{Mode, Phase, Posture, Switch};
use crate::workers::Workers;

/// The boolean's name where no Terraform of ours has one.
pub(in crate::cli) const USUAL: &str = "maintenance_mode";

/// How long clients of a database wait where no visitor does.
const CLIENTS_WAIT: Duration = Duration::from_mins(2);

/// What of a site is moved.
pub(super) struct Levers {
    /// Its levers, in the order of the configuration.
    pub(super) all: Vec<Box<dyn Lever>>,
    /// The AWS session of the name's lever.
    pub(super) session: Option<Session>,
    /// The session by which whoever asks is known, of whichever lever has one.
    pub(super) caller: Option<Session>,
    /// The stage of a pipeline that is closed while the site is not open.
    pub(super) freezer: Option<Freezer>,
}

/// How a site's switch stands, and what somebody said of the move.
pub(super) struct Thrown<'a> {
    pub(super) switch: Option<&'a Switch>,
    pub(super) renumber: Renumber,
    pub(super) idle: Idle,
}

/// The levers that `site` has, whose switch is thrown so.
pub(super) async fn of(
    site: &SiteConfig,
    resolved: &Resolved,
    store: &SiteStore<AnyStore>,
    Thrown { switch, renumber, idle }: Thrown<'_>,
) -> Levers {
    let mut all: Vec<Box<dyn Lever>> = Vec::new();
    let mut session = None;
    match &site.dns {
        Some(DnsSource::Terraform { .. } | DnsSource::Records { .. }) => {
            let own = Session::load(&resolved.account.settings()).await;
            all.push(Box::new(Route53::new(own.clone(), resolved.records.clone())));
            session = Some(own);
        }
        Some(DnsSource::Rfc2136(name)) => {
            all.push(Box::new(Rfc2136::new(name.as_ref().clone())));
        }
        None => {}
    }
    if let Some(gateway) = &site.gateway {
        let fleet = Fleet::new(store.clone(), &resolved.name, &site.hosts);
        all.push(Box::new(fleet.opening(gateway.open.clone())));
    }
    let mut caller = session.clone();
    if let Some((lever, own)) = balancer_lever(site, resolved).await {
        caller = caller.or(Some(own));
        all.push(Box::new(lever.renumbering(renumber)));
    }
    let patience = site.gateway.as_ref().map(|gateway| gateway.hold.patience);
    let databases = Databases::new(&site.databases, patience.unwrap_or(CLIENTS_WAIT));
    all.extend(databases.map(|lever| Box::new(lever.with_idle(idle)) as Box<dyn Lever>));
    all.extend(variable_lever(&site.variable, resolved, switch).await);
    all.extend(workers_lever(&site.workers, switch).await);
    let freezer = freezer(site.pipeline.as_ref(), &resolved.name).await;
    all.extend(freezer.clone().map(|freezer| Box::new(freezer) as Box<dyn Lever>));
    Levers { all, session, caller, freezer }
}

/// The background writers, if the site has any.
async fn workers_lever(
    blocks: &[WorkersConfig],
    switch: Option<&Switch>,
) -> Option<Box<dyn Lever>> {
    let told = match switch.map(|switch| (switch.mode, switch.phase)) {
        None => Some(Mode::Open),
        Some((mode, Phase::Moved { .. })) => Some(mode),
        Some((_, Phase::Moving)) => None,
    };
    let mut workers = Workers::new();
    for block in blocks {
        match block.way.account() {
            Some(account) => {
                workers.in_aws(block, Session::load(&account.settings()).await, told);
            }
            None => workers.by_commands(block, told),
        }
    }
    (!blocks.is_empty()).then(|| Box::new(workers) as Box<dyn Lever>)
}

/// What makes the boolean truthful, wherever it is kept.
pub(super) async fn variable_lever(
    way: &VariableWay,
    resolved: &Resolved,
    switch: Option<&Switch>,
) -> Option<Box<dyn Lever>> {
    let boolean = resolved.variable.as_ref().map_or(USUAL, |variable| variable.name.as_str());
    let true_from = resolved.true_from;
    match way {
        VariableWay::Ssm { parameter: name, account } => {
            Some(parameter(Session::load(&account.settings()).await, name, true_from))
        }
        VariableWay::Pipeline { pipeline, variable, account } => {
            let session = Session::load(&account.settings()).await;
            let variable = variable.as_deref().unwrap_or(boolean);
            Some(default_of(CodePipeline::new(session, pipeline), variable, true_from))
        }
        VariableWay::CodeBuild { project: name, name: variable, account } => {
            let session = Session::load(&account.settings()).await;
            let usual = format!("TF_VAR_{boolean}");
            Some(project(session, name, variable.as_deref().unwrap_or(&usual), true_from))
        }
        VariableWay::Tfvars { .. } | VariableWay::Command(_) | VariableWay::None => {
            here(way, resolved, switch)
        }
    }
}

/// The pipeline of a `pipeline` block.
pub(in crate::cli) async fn codepipeline(config: &PipelineConfig) -> CodePipeline {
    CodePipeline::new(Session::load(&config.account.settings()).await, &config.name)
}

/// The stage that is closed while the site `name` is not open, if its block says so.
pub(super) async fn freezer(config: Option<&PipelineConfig>, name: &str) -> Option<Freezer> {
    let config = config.filter(|config| config.freeze == Freeze::WhileNotOpen)?;
    Some(Freezer::new(codepipeline(config).await, config.stage.as_deref()?, name))
}

/// What is written on this machine.
fn here(way: &VariableWay, resolved: &Resolved, switch: Option<&Switch>) -> Option<Box<dyn Lever>> {
    let Variable { name, without, audience, spelling, overruled_by, workspaces, .. } =
        resolved.variable.as_ref()?;
    match way {
        VariableWay::Ssm { .. }
        | VariableWay::Pipeline { .. }
        | VariableWay::CodeBuild { .. }
        | VariableWay::None => None,
        VariableWay::Tfvars { chosen } => {
            let lever = VariableFile::new(resolved.folder.as_deref()?, name, *without)
                .heard_by(*audience)
                .spelled(*spelling)
                .overruled_by(overruled_by.clone())
                .true_from(resolved.true_from);
            let others = if *chosen { Vec::new() } else { workspaces.clone() };
            Some(Box::new(lever.among(others)))
        }
        VariableWay::Command(command) => {
            let told = match switch.map(|switch| (switch.mode, switch.phase)) {
                None => Some(false),
                Some((mode, Phase::Moved { .. })) => Some(mode >= resolved.true_from),
                Some((_, Phase::Moving)) => None,
            };
            let lever = VariableCommand::new(name, command.clone(), told);
            Some(Box::new(lever.true_from(resolved.true_from)))
        }
    }
}

/// The listeners that close a site, if any do, and the session by which they are asked.
pub(super) async fn balancer_lever(
    site: &SiteConfig,
    resolved: &Resolved,
) -> Option<(Alb, Session)> {
    match &site.balancer {
        Some(BalancerSource::Alb(block)) => {
            Some(named_listeners(site, block, &resolved.name).await)
        }
        Some(BalancerSource::Terraform { .. }) | None => listeners_of_rule(site, resolved).await,
    }
}

/// The listeners that a `balancer "alb"` block names.
pub(in crate::cli) async fn named_listeners(
    site: &SiteConfig,
    block: &BalancerConfig,
    name: &str,
) -> (Alb, Session) {
    let session = Session::load(&block.account.settings()).await;
    let lever = Alb::new(session.clone(), block, (name, &site.hosts), nano_page(site));
    (lever, session)
}

/// The listeners of the rule that Terraform's boolean makes, if there is one.
pub(in crate::cli) async fn listeners_of_rule(
    site: &SiteConfig,
    resolved: &Resolved,
) -> Option<(Alb, Session)> {
    let rule = resolved.rule.as_ref()?;
    let (account, _) = listeners_by_rule(site, resolved)?;
    let from = match &site.balancer {
        Some(BalancerSource::Terraform { from, .. }) => from.as_slice(),
        Some(BalancerSource::Alb(_)) | None => &[],
    };
    let session = Session::load(&account.settings()).await;
    let boolean = resolved.variable.as_ref().map_or(USUAL, |variable| variable.name.as_str());
    let lever = Alb::of_rule(session.clone(), &resolved.name, (rule, boolean), from);
    Some((lever, session))
}

/// The listeners of that rule, and whose credentials write theirs.
pub(in crate::cli) fn listeners_by_rule(
    site: &SiteConfig,
    resolved: &Resolved,
) -> Option<(Account, Listeners)> {
    let rule = resolved.rule.as_ref()?;
    let account = match &site.balancer {
        Some(BalancerSource::Terraform { account, .. }) => account.clone(),
        Some(BalancerSource::Alb(_)) | None => Account::default(),
    };
    // Its calls go where the listener is: arn:aws:elasticloadbalancing:REGION:..
    let region = rule.listeners.first().and_then(|arn| arn.split(':').nth(3));
    let account = Account { region: region.map(str::to_owned), ..account };
    Some((account, Listeners::Named(rule.listeners.clone())))
}

/// The page in its smallest form. That one has no template, and says the same whenever it is made.
fn nano_page(site: &SiteConfig) -> String {
    let plain = PageConfig { template: None, ..site.page.clone() };
    let page = Page::compile(&plain).unwrap_or_default();
    let now = clock::now();
    let posture = Posture {
        mode: Mode::Closed,
        operation: None,
        since: now,
        until: None,
        patience: None,
        reopened: None,
    };
    let host = site.hosts.first().map(String::as_str);
    let forms = page.render(&Told { host, posture: Some(&posture), now });
    String::from_utf8_lossy(forms.nano()).into_owned()
}
