//! `doctor --policy`: the least rights in AWS for one site, by whose credentials need them. Asks AWS only who asks, which
//! needs no right, and reads what says which records there are; where that cannot be read, any record will do.

use serde_json::{Value, json};

use super::super::args::{DoctorArgs, Role};
use super::super::context::{Context, Opened, listeners_by_rule};
use super::super::error::Error;
use super::super::report::{Form, message};
use crate::aws::policy::{Owner, Statement, document};
use crate::aws::{Session, Settings};
use crate::config::{
    BalancerSource, BucketKind, Config, DnsSource, SiteConfig, StoreAt, VariableWay,
};
use crate::dns::route53;
use crate::redis::marker;
use crate::store::bucket::User;
use crate::{balancer, checks, pipeline, store, workers};

/// The rights that one set of credentials needs.
struct Policy {
    whose: Settings,
    statements: Vec<Statement>,
}

/// All of a site's, in the order in which they were met.
#[derive(Default)]
struct Policies(Vec<Policy>);

impl Policies {
    fn add(&mut self, whose: &Settings, statements: Vec<Statement>) {
        if statements.is_empty() {
            return;
        }
        let same = |one: &&mut Policy| {
            one.whose.profile == whose.profile && one.whose.assume_role == whose.assume_role
        };
        match self.0.iter_mut().find(same) {
            Some(one) => one.statements.extend(statements),
            None => self.0.push(Policy { whose: whose.clone(), statements }),
        }
    }

    /// Who takes on a role needs the right to.
    fn with_roles(mut self) -> Policies {
        let taken = |policy: &Policy| {
            let role = policy.whose.assume_role.as_ref()?.role_arn.clone();
            Some((Settings { assume_role: None, ..policy.whose.clone() }, role))
        };
        let taken: Vec<_> = self.0.iter().filter_map(taken).collect();
        for (whose, role) in taken {
            self.add(&whose, vec![Statement::new("TakesOnTheRole", ["sts:AssumeRole"], [role])]);
        }
        self
    }
}

pub(super) async fn run(context: &Context, args: &DoctorArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let opened = match Box::pin(context.open_site(&config, site)).await {
        Ok(opened) => Some(opened),
        Err(error) => {
            context.report.words(&format!(
                "note: which records there are is not known, so any will do: {}",
                message(&error)
            ));
            None
        }
    };
    let name = opened.as_ref().map(|opened| opened.site.name.as_str());
    let name = name.or(site.name.as_deref()).unwrap_or("*").to_owned();
    let mut policies = Policies::default();
    of_store(&mut policies, &config, (site, &name), args.role).await;
    if args.role != Some(Role::Gateway) {
        of_levers(&mut policies, site, opened.as_ref(), &name).await;
    }
    let policies = policies.with_roles();
    print(context, &name, policies)
}

async fn of_store(
    policies: &mut Policies,
    config: &Config,
    (site, name): (&SiteConfig, &str),
    role: Option<Role>,
) {
    let StoreAt::Bucket(bucket) = &config.store else { return };
    if bucket.kind != BucketKind::S3 {
        return;
    }
    // A guard without a journal drops nothing, and has nothing to tell.
    let guards = site.redis.iter().filter(|guard| guard.journal.is_some());
    let markers: Vec<_> = guards.map(|guard| marker::folder(&guard.name)).collect();
    let user = if role == Some(Role::Gateway) { User::Gateway(&markers) } else { User::Agent };
    let whose = bucket.account.settings();
    let owner = owner(&whose).await;
    policies.add(&whose, store::bucket::rights(bucket, name, user, &owner));
}

async fn of_levers(
    policies: &mut Policies,
    site: &SiteConfig,
    opened: Option<&Opened>,
    name: &str,
) {
    match &site.dns {
        Some(DnsSource::Terraform { account, .. } | DnsSource::Records { account, .. }) => {
            let account = opened.map_or(account, |opened| &opened.resolved.account);
            let whose = account.settings();
            let records = opened.map_or(&[][..], |opened| &opened.resolved.records);
            let owner = owner(&whose).await;
            policies.add(&whose, route53::rights(records, &owner));
            if let Some(DnsSource::Records { looked_up, .. }) = &site.dns {
                for wanted in looked_up.iter().flatten() {
                    policies.add(&whose, route53::rights_to_look_up(&wanted.known));
                }
            }
        }
        Some(DnsSource::Rfc2136(_)) | None => {}
    }
    if let Some(opened) = opened
        && let Some((whose, statements)) = opened.resolved.rights().await
    {
        policies.add(&whose, statements);
    }
    let listeners = match (&site.balancer, opened) {
        (Some(BalancerSource::Alb(block)), _) => {
            Some((block.account.clone(), block.listeners.clone()))
        }
        (Some(BalancerSource::Terraform { .. }) | None, Some(opened)) => {
            listeners_by_rule(site, &opened.resolved)
        }
        (Some(BalancerSource::Terraform { .. }) | None, None) => None,
    };
    if let Some((account, listeners)) = listeners {
        let whose = account.settings();
        let owner = owner(&whose).await;
        policies.add(&whose, balancer::rights(&listeners, name, &owner));
    }
    match &site.variable {
        way @ (VariableWay::Ssm { account, .. }
        | VariableWay::Pipeline { account, .. }
        | VariableWay::CodeBuild { account, .. }) => {
            let whose = account.settings();
            let owner = owner(&whose).await;
            policies.add(&whose, pipeline::rights_of_variable(way, &owner));
        }
        VariableWay::Tfvars { .. } | VariableWay::Command(_) | VariableWay::None => {}
    }
    if let Some(block) = &site.pipeline {
        let whose = block.account.settings();
        let owner = owner(&whose).await;
        policies.add(&whose, pipeline::rights(block, &owner));
    }
    of_workers(policies, site).await;
    for check in &site.checks {
        let Some(account) = check.asks.account() else { continue };
        let whose = account.settings();
        let owner = owner(&whose).await;
        policies.add(&whose, checks::rights(&check.asks, &owner));
    }
}

async fn of_workers(policies: &mut Policies, site: &SiteConfig) {
    for block in &site.workers {
        let Some(account) = block.way.account() else { continue };
        let whose = account.settings();
        let owner = owner(&whose).await;
        policies.add(&whose, workers::rights(&block.way, &owner));
    }
}

async fn owner(whose: &Settings) -> Owner {
    Owner::of(&Session::load(whose).await).await
}

fn print(context: &Context, name: &str, Policies(all): Policies) -> Result<u8, Error> {
    if context.report.form() == Form::Json {
        let policies: Vec<Value> = all
            .into_iter()
            .map(|Policy { whose, statements }| {
                json!({
                    "profile": whose.profile,
                    "assume_role": whose.assume_role.map(|role| role.role_arn),
                    "policy": document(statements),
                })
            })
            .collect();
        context.report.object(&json!({ "format": 1, "site": name, "policies": policies }))?;
        return Ok(0);
    }
    if all.is_empty() {
        context.report.words(&format!("{name} needs no right in AWS"));
    }
    for Policy { whose, statements } in all {
        let who = match (&whose.profile, &whose.assume_role) {
            (_, Some(role)) => format!("the role {}", role.role_arn),
            (Some(profile), None) => format!("the profile {profile}"),
            (None, None) => "whoever runs roadworks".to_owned(),
        };
        context.report.words(&format!("For {who}:"));
        let policy = document(statements);
        context.report.data(&format!("{policy:#}\n"))?;
    }
    Ok(0)
}
