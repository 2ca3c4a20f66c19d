//! The distribution that a maintenance target names: would CloudFront answer the site's visitors from it, with the page?

use super::{Finding, fail, ok, warn};
use crate::aws::{CredentialsProblem, Error as AwsError, Session};
use crate::config::{SwitchedRecord, Target};
use crate::page::distribution::{Distribution, Distributions, Rival};

const ID: &str = "distribution";
const RIVAL: &str = "distribution-rival";
const METHODS: &str = "distribution-methods";
const ERRORS: &str = "distribution-errors";

/// Longer than CloudFront's own 10 s is somebody's choice, and felt: what was published or mended is not seen.
const LONG_ERROR_TTL: i64 = 10;

/// What is known of each distribution, what could not be looked at included.
pub(super) async fn findings(session: &Session, records: &[SwitchedRecord]) -> Vec<Finding> {
    let wanted = wanted(records);
    if wanted.is_empty() {
        return Vec::new();
    }
    let all = match Distributions::read(session).await {
        Ok(all) => all,
        Err(error) => {
            let fix = "allow cloudfront:ListDistributions, or check it by hand";
            return vec![warn(ID, &error, fix)];
        }
    };
    let mut findings = Vec::new();
    for (domain, name) in &wanted {
        let Some(found) = all.of_domain(domain) else {
            findings.push(warn(
                ID,
                format!("{domain} is not a distribution of this account, so it cannot be checked"),
                format!(
                    "check by hand that it is enabled and lists {name} with a certificate for it, and ask it: roadworks page verify https://{domain} --host {name}"
                ),
            ));
            continue;
        };
        let (defects, unseen) = of_one(session, &all, found, name).await;
        if !defects.iter().any(|finding| finding.id == ID) {
            let id = &found.id;
            findings.push(ok(ID, format!("{id} ({domain}) is enabled, deployed and lists {name}")));
        }
        findings.extend(defects);
        findings.extend(unseen);
    }
    findings
}

/// What would go wrong, and nothing of what could not be looked at.
pub(in crate::cli) async fn defects(session: &Session, records: &[SwitchedRecord]) -> Vec<Finding> {
    let wanted = wanted(records);
    if wanted.is_empty() {
        return Vec::new();
    }
    let Ok(all) = Distributions::read(session).await else { return Vec::new() };
    let mut findings = Vec::new();
    for (domain, name) in &wanted {
        if let Some(found) = all.of_domain(domain) {
            findings.extend(of_one(session, &all, found, name).await.0);
        }
    }
    findings
}

/// The distribution's domain and the visitors' name, once for A and AAAA.
fn wanted(records: &[SwitchedRecord]) -> Vec<(String, String)> {
    let mut wanted = Vec::new();
    for SwitchedRecord { key, maintenance, .. } in records {
        let Some(Target::Alias { name: domain, .. }) = maintenance.as_ref().map(|set| &set.target)
        else {
            continue;
        };
        let pair = (domain.clone(), key.name.replace("\\052", "*"));
        if domain.ends_with(".cloudfront.net") && !wanted.contains(&pair) {
            wanted.push(pair);
        }
    }
    wanted
}

async fn of_one(
    session: &Session,
    all: &Distributions,
    found: &Distribution,
    name: &str,
) -> (Vec<Finding>, Vec<Finding>) {
    let mut defects: Vec<_> = itself(found, name).into_iter().collect();
    let mut unseen = Vec::new();
    let rival = match all.rival(found, name) {
        Some(rival) => Some(rival),
        None if !found.lists(name) || !found.certificate => None,
        None => match found.rival_anywhere(session, name).await {
            Ok(rival) => rival,
            Err(AwsError::Credentials { problem: CredentialsProblem::Denied, .. }) => {
                unseen.push(warn(
                    RIVAL,
                    format!("whether a distribution of another account answers for {name} cannot be seen"),
                    "allow cloudfront:ListConflictingAliases on the distribution",
                ));
                None
            }
            // Asked for beside the rest: no word of it is no defect.
            Err(_) => None,
        },
    };
    defects.extend(rival.map(|rival| beaten(&rival, found, name)));
    defects.extend(answers(found));
    (defects, unseen)
}

fn itself(found: &Distribution, name: &str) -> Option<Finding> {
    let Distribution { id, domain, .. } = found;
    if !found.enabled {
        return Some(fail(ID, format!("{id} ({domain}) is disabled"), "enable the distribution"));
    }
    if !found.lists(name) {
        return Some(fail(
            ID,
            format!("{id} ({domain}) does not list {name}: CloudFront would refuse its visitors"),
            format!("add {name} to its alternate domain names, with a certificate that covers it"),
        ));
    }
    if !found.certificate {
        return Some(fail(
            ID,
            format!("{id} ({domain}) has no certificate of its own for {name}"),
            "attach one from ACM in us-east-1",
        ));
    }
    let deployed = format!("{id} ({domain}) is still being deployed");
    (!found.deployed).then(|| warn(ID, deployed, "wait until it is Deployed"))
}

fn beaten(rival: &Rival, found: &Distribution, name: &str) -> Finding {
    let of = rival.account.as_ref().map(|account| format!(" of account {account}"));
    fail(
        RIVAL,
        format!(
            "{}{} lists {}: CloudFront goes by the Host of a request and the closest name, not by DNS, so visitors of {name} would stay with it",
            rival.id,
            of.unwrap_or_default(),
            rival.alias,
        ),
        format!(
            "move {name} to {} (aws cloudfront associate-alias), or answer with the page from {} itself",
            found.id, rival.id
        ),
    )
}

fn answers(found: &Distribution) -> Vec<Finding> {
    let Distribution { id, .. } = found;
    let mut findings = Vec::new();
    let refused = found.refuses();
    if !refused.is_empty() {
        findings.push(warn(
            METHODS,
            format!("{id} answers {} with 403, not with the page", refused.join(", ")),
            "allow all seven methods in its default cache behaviour, and answer them with 503",
        ));
    }
    if let Some((error, status)) = found.answers_well() {
        findings.push(warn(
            ERRORS,
            format!("{id} answers {status} where its origin says {error}: search engines and caches would keep the page"),
            "make its custom error response answer with 503",
        ));
    }
    let kept = found.keeps_errors_for();
    if kept > LONG_ERROR_TTL {
        findings.push(warn(
            ERRORS,
            format!(
                "{id} keeps its 503 for {kept} s: what is mended or published meanwhile is not seen"
            ),
            "set the error caching minimum TTL of 503 to 0",
        ));
    }
    findings
}
