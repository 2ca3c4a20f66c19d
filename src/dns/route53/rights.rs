//! The rights that the calls of this folder need.

use serde_json::json;

use crate::aws::policy::{Owner, Statement};
use crate::config::{Known, SwitchedRecord, Target};

/// What `dns "route53"` names is looked up.
pub fn rights_to_look_up(known: &Known) -> Vec<Statement> {
    let (sid, action) = match known {
        Known::LoadBalancer(_) => {
            ("LooksUpTheLoadBalancer", "elasticloadbalancing:DescribeLoadBalancers")
        }
        Known::Distribution(_) => ("LooksUpTheDistribution", "cloudfront:ListDistributions"),
        Known::Zone(_) => ("LooksUpTheZone", "route53:ListHostedZonesByName"),
    };
    vec![Statement::new(sid, [action], ["*".to_owned()])]
}

/// The records of one site are moved, by `doctor` tried, and their distribution is looked at.
pub fn rights(records: &[SwitchedRecord], owner: &Owner) -> Vec<Statement> {
    let mut zones = unique(records.iter().map(|record| record.key.zone_id.clone()));
    let mut names = unique(records.iter().flat_map(|record| {
        let name = record.key.name.trim_end_matches('.').to_lowercase();
        // For `doctor`, which asks to remove what is not there, and for its `--exercise`.
        let scratch = format!("_roadworks-*.{}", name.trim_start_matches("\\052."));
        [name, scratch]
    }));
    if records.is_empty() {
        zones = vec!["*".to_owned()];
        names = vec!["*".to_owned()];
    }
    let zones: Vec<_> =
        zones.iter().map(|zone| owner.bare("route53", &format!("hostedzone/{zone}"))).collect();
    let changes =
        Statement::new("MovesTheRecord", ["route53:ChangeResourceRecordSets"], zones.clone());
    let mut all = vec![
        Statement::new(
            "ReadsTheZone",
            ["route53:GetHostedZone", "route53:ListResourceRecordSets"],
            zones,
        ),
        changes.only_if(json!({
            "ForAllValues:StringLike": {
                "route53:ChangeResourceRecordSetsNormalizedRecordNames": names,
            },
            "ForAllValues:StringEquals": {
                "route53:ChangeResourceRecordSetsActions": ["DELETE", "CREATE"],
            },
        })),
        Statement::new(
            "SeesItConfirmed",
            ["route53:GetChange"],
            [owner.bare("route53", "change/*")],
        ),
    ];
    if records.is_empty() || records.iter().any(to_cloudfront) {
        all.push(Statement::new(
            "LooksAtTheDistribution",
            ["cloudfront:ListDistributions", "cloudfront:ListConflictingAliases"],
            ["*".to_owned()],
        ));
    }
    if records.is_empty() || records.iter().any(from_a_load_balancer) {
        all.push(Statement::new(
            "LooksAtTheLoadBalancer",
            [
                "elasticloadbalancing:DescribeLoadBalancers",
                "elasticloadbalancing:DescribeLoadBalancerAttributes",
            ],
            ["*".to_owned()],
        ));
    }
    all
}

fn from_a_load_balancer(record: &SwitchedRecord) -> bool {
    record.live.iter().any(|set| match &set.target {
        Target::Alias { name, .. } => name.contains(".elb.amazonaws.com"),
        Target::Plain { .. } => false,
    })
}

fn to_cloudfront(record: &SwitchedRecord) -> bool {
    record.maintenance.iter().any(|set| match &set.target {
        Target::Alias { name, .. } => {
            name.trim_end_matches('.').to_lowercase().ends_with(".cloudfront.net")
        }
        Target::Plain { .. } => false,
    })
}

fn unique(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}
