//! What the boolean moves, wherever that was learned -> what of it the site is moved by. The rest is named: Terraform will move it
//! at its next apply, Roadworks does not.

use super::super::balancer::BalancerSource;
use super::super::records::SwitchedRecord;
use super::super::site::{Account, DnsSource, SiteConfig};
use super::super::unresolved::Unresolved;
use super::{Resolved, Variable, name_of, true_from};
use crate::terraform::plans::Compared;
use crate::terraform::{self, AnsweringRule, Folder, Inputs, Switchboard};

/// What our own evaluator says.
pub(super) fn of_board(
    board: Switchboard,
    said: Vec<String>,
    site: &SiteConfig,
) -> Result<Resolved, Unresolved> {
    let mut warnings = said;
    warnings.extend(board.warnings.iter().map(|warning| match &warning.place {
        Some(place) => format!("{} ({place})", warning.message),
        None => warning.message.clone(),
    }));
    for sibling in &board.siblings {
        warnings.push(format!(
            "{} ({} {}) stays where it is while its sibling moves: visitors who use it are not led away",
            sibling.address, sibling.key.name, sibling.key.kind
        ));
    }
    let records = board.records.into_iter().map(|record| SwitchedRecord {
        address: record.address,
        key: record.key,
        live: record.live,
        maintenance: record.maintenance,
    });
    let variable = Variable {
        name: board.variable,
        value: board.value,
        without: board.value_without_our_file,
        audience: board.audience,
        spelling: board.spelling,
        overruled_by: board.overruling.map(|origin| origin.to_string()),
        workspaces: Vec::new(),
    };
    let moved = Moved {
        records: records.collect(),
        rule: board.rule.map(|rule| rule.map_err(Unresolved::from)),
        rules: board.rules,
        also: board.also_moves,
    };
    learned(site, moved, (variable, warnings), board.digest)
}

/// What two plans of Terraform's say.
pub(super) fn compared(
    plans: Compared,
    (site, folder): (&SiteConfig, &Folder),
    inputs: &Inputs,
) -> Result<Resolved, Unresolved> {
    let records = plans.records.iter().map(|record| SwitchedRecord {
        address: record.address.clone(),
        key: record.key.clone(),
        live: record.live.clone(),
        maintenance: record.maintenance.clone(),
    });
    let mut warnings = Vec::new();
    if !plans.undecided.is_empty() {
        warnings.push(format!(
            "only an apply will know what these say, so they are left alone: {}",
            plans.undecided.join(", ")
        ));
    }
    let rule = plans.rule.map(|rule| rule.map_err(Unresolved::from));
    let boolean = terraform::read_boolean(folder, inputs, &plans.variable)?;
    let variable = Variable {
        name: plans.variable.clone(),
        value: boolean.value,
        without: boolean.value_without_our_file,
        audience: boolean.audience,
        spelling: boolean.spelling,
        overruled_by: boolean.overruling.map(|origin| origin.to_string()),
        workspaces: Vec::new(),
    };
    let moved =
        Moved { records: records.collect(), rule, rules: plans.rules, also: plans.also_moves };
    learned(site, moved, (variable, warnings), folder.digest.clone())
}

/// What the boolean moves, wherever that was learned.
struct Moved {
    records: Vec<SwitchedRecord>,
    rule: Option<Result<AnsweringRule, Unresolved>>,
    /// The resources of the rules that it is made of.
    rules: Vec<String>,
    also: Vec<String>,
}

/// Of what the boolean moves, what the site says that it is moved by: in a bare folder all.
fn learned(
    site: &SiteConfig,
    moved: Moved,
    (variable, mut warnings): (Variable, Vec<String>),
    digest: String,
) -> Result<Resolved, Unresolved> {
    let Moved { mut records, rule, rules, mut also } = moved;
    let nothing = |rule: Option<&str>| match rule {
        Some(rule) => {
            Unresolved::OnlyRule { variable: variable.name.clone(), rule: rule.to_owned() }
        }
        None => terraform::Error::MovesNothing(variable.name.clone()).into(),
    };
    let found = match &rule {
        Some(Ok(rule)) => rule.addresses.first().cloned(),
        Some(Err(_)) | None => None,
    };
    let mut without_rule = None;
    let by_rule = matches!(site.balancer, Some(BalancerSource::Terraform { .. }));
    let rule = match rule {
        Some(Ok(rule)) if by_rule || site.is_bare() => Some(rule),
        Some(Err(why)) if by_rule || (site.is_bare() && records.is_empty()) => return Err(why),
        Some(Err(why)) if site.is_bare() => {
            without_rule = Some(why.to_string());
            None
        }
        None if by_rule => return Err(Unresolved::NoRule { variable: variable.name }),
        Some(_) | None => None,
    };
    let by_name = matches!(site.dns, Some(DnsSource::Terraform { .. }));
    if by_name && records.is_empty() && !(site.is_bare() && rule.is_some()) {
        return Err(nothing(found.as_deref()));
    }
    if rule.is_some() {
        also.retain(|address| !rules.contains(address));
    }
    let of_rule = rule.as_ref().filter(|_| records.is_empty()).map(|rule| rule.name().to_owned());
    if !by_name {
        also.extend(records.iter().map(|record| record.address.clone()));
        records.clear();
    }
    warnings.extend(also_moves(&also, &variable.name));
    Ok(Resolved {
        name: of_rule.unwrap_or_else(|| name_of(&records)),
        true_from: true_from(site, &records, rule.as_ref()),
        records,
        rule,
        variable: Some(variable),
        folder: None,
        workspace: None,
        warnings,
        digest: Some(digest),
        account: Account::default(),
        pinned_at: None,
        without_rule,
        looked_up: false,
        backend: None,
    })
}

/// What the boolean moves besides what is moved here: Terraform will, at its next apply; Roadworks does not.
fn also_moves(addresses: &[String], variable: &str) -> Option<String> {
    const SHOWN: usize = 12;
    let (first, rest) = addresses.split_at(addresses.len().min(SHOWN));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    (!addresses.is_empty()).then(|| {
        format!(
            "with {variable} changed, the next apply changes {}{more} too; Roadworks does not",
            first.join(", ")
        )
    })
}
