//! The rights that the calls of this folder need.

use serde_json::json;

use crate::aws::policy::{Owner, Statement};
use crate::config::Listeners;

/// The rules of the site `name` are made, found, and taken away; no others.
pub fn rights(listeners: &Listeners, name: &str, owner: &Owner) -> Vec<Statement> {
    let places = places(listeners, owner);
    let rule = |place: &String| place.replacen(":listener/", ":listener-rule/", 1);
    let within = |place: &String| match listeners {
        Listeners::Named(_) => format!("{place}/*"),
        Listeners::Of(_) => place.clone(),
    };
    let rules: Vec<_> = places.iter().map(|place| within(&rule(place))).collect();
    let made = Statement::new(
        "MakesItsOwnRules",
        ["elasticloadbalancing:CreateRule", "elasticloadbalancing:AddTags"],
        places.iter().cloned().chain(rules.clone()),
    );
    let changed = Statement::new(
        "ChangesAndTakesAwayItsOwnRulesOnly",
        [
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:DeleteRule",
            "elasticloadbalancing:ModifyRule",
            "elasticloadbalancing:SetRulePriorities",
        ],
        rules,
    );
    vec![
        Statement::new(
            "ReadsTheListeners",
            [
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeLoadBalancers",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTags",
            ],
            ["*".to_owned()],
        ),
        made.only_if(json!({ "StringEquals": { "aws:RequestTag/roadworks:site": name } })),
        changed.only_if(json!({ "StringEquals": { "aws:ResourceTag/roadworks:site": name } })),
    ]
}

/// The listeners, as a policy names them.
fn places(listeners: &Listeners, owner: &Owner) -> Vec<String> {
    match listeners {
        Listeners::Named(arns) => arns.clone(),
        Listeners::Of(arn) if arn.starts_with("arn:") => {
            vec![format!("{}/*", arn.replacen(":loadbalancer/", ":listener/", 1))]
        }
        Listeners::Of(name) => {
            vec![owner.arn("elasticloadbalancing", &format!("listener/app/{name}/*"))]
        }
    }
}
