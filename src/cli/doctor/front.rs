//! The load balancer in front: for how long its visitors' connections outlive a move of the name.

use std::time::Duration;

use super::super::context::Opened;
use super::{Finding, ok, warn};
use crate::aws::Session;
use crate::balancer::Front;
use crate::config::Target;
use crate::switch::LeverName;

const ID: &str = "keep-alive";
/// What a name's alias is kept for: a connection that outlives that is what a visitor waits for.
const SHORT: Duration = Duration::from_mins(1);

/// How long connections are kept, of each load balancer that the name leads to; and after how long without a byte the most
/// impatient of them gives a request up.
pub(super) async fn findings(
    session: &Session,
    opened: &Opened,
) -> (Vec<Finding>, Option<Duration>) {
    let mut findings = Vec::new();
    let mut gives_up: Option<Duration> = None;
    for name in fronts(opened) {
        match Front::of(session, &name).await {
            Ok(Some(front)) => {
                findings.push(kept(&front, closes_by(opened)));
                gives_up = gives_up.into_iter().chain([front.idle_timeout]).min();
            }
            Ok(None) => {}
            Err(error) => findings.push(warn(
                ID,
                format!("how long {name} keeps its visitors' connections cannot be told: {error}"),
                "allow elasticloadbalancing:DescribeLoadBalancers and DescribeLoadBalancerAttributes, or look at client_keep_alive by hand",
            )),
        }
    }
    (findings, gives_up)
}

/// What a move would meet, and nothing of what could not be looked at.
pub(in crate::cli) async fn defects(session: &Session, opened: &Opened) -> Vec<Finding> {
    let mut findings = Vec::new();
    if closes_by(opened).is_none() {
        for name in fronts(opened) {
            if let Ok(Some(front)) = Front::of(session, &name).await
                && front.keep_alive > SHORT
            {
                findings.push(kept(&front, None));
            }
        }
    }
    findings
}

fn kept(front: &Front, closes_by: Option<LeverName>) -> Finding {
    let (name, seconds) = (&front.name, front.keep_alive.as_secs());
    match closes_by {
        None if front.keep_alive > SHORT => warn(
            ID,
            format!(
                "{name} keeps a visitor's connection for up to {seconds} s: who has one open stays with the app after a detour, whatever the name says"
            ),
            "client_keep_alive = 60 in its aws_lb, the day before; or close the site at the load balancer too: balancer \"alb\"",
        ),
        Some(lever) if front.keep_alive > SHORT => ok(
            ID,
            format!(
                "{name} keeps a visitor's connection for up to {seconds} s: whoever has one open meets the page of the {}",
                lever.word()
            ),
        ),
        _ => ok(ID, format!("{name} keeps a visitor's connection for at most {seconds} s")),
    }
}

/// What answers visitors who come to the load balancer all the same.
fn closes_by(opened: &Opened) -> Option<LeverName> {
    let mut levers = opened.site.levers.iter().map(|lever| lever.name());
    levers.find(|lever| matches!(lever, LeverName::Gateway | LeverName::Balancer))
}

/// The names of what the site's name leads to while it is open, once each.
fn fronts(opened: &Opened) -> Vec<String> {
    let mut names = Vec::new();
    for record in &opened.resolved.records {
        if let Some(Target::Alias { name, .. }) = record.live.as_ref().map(|set| &set.target)
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}
