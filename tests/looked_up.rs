//! Targets that neither a state nor the configuration gives: AWS is asked, and that is said.

use crate::support::command::run;
use crate::support::emulator::{Enabled, aws, distribution, ministack};
use crate::support::route53::Route53;
use crate::support::route53::record::RecordSet;
use crate::support::site::{NAME, Site};

/// A load balancer and a distribution of this test's own, and the record of a site at the former.
struct Stack {
    site: Site,
    balancer: String,
    arn: String,
    live: String,
    distribution: String,
    page: String,
    alias: String,
}

fn stack() -> Stack {
    let endpoint = ministack();
    let site = Site::at(&endpoint);
    let balancer = format!("rw-{:08x}", fastrand::u32(..));
    let made = aws(&endpoint, &["elbv2", "create-load-balancer", "--name", &balancer]);
    let made = &made["LoadBalancers"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (arn, live) = (text(&made["LoadBalancerArn"]), text(&made["DNSName"]).to_lowercase());
    let zone = text(&made["CanonicalHostedZoneId"]);
    let alias = format!("{balancer}.example.com");
    let [distribution, page] = distribution(&endpoint, Some(&alias), Enabled::Yes);
    let page = page.to_lowercase();
    site.upsert(&RecordSet::alias(NAME, &zone, &live));
    Stack { site, balancer, arn, live, distribution, page, alias }
}

impl Stack {
    /// Moves the name to the page and back.
    fn moves(&self) {
        let moved = self.site.run(&["detour", "--yes", "--json"]).exits(0).json();
        assert_eq!(
            (moved["mode"].as_str(), self.site.leads_to()),
            (Some("detour"), self.page.clone())
        );
        self.site.run(&["open", "--yes"]).exits(0);
        assert_eq!(self.site.leads_to(), self.live);
    }

    /// What `plan detour` warns of.
    fn warned(&self) -> String {
        self.site.run(&["plan", "detour", "--json"]).exits(0).json()["warnings"].to_string()
    }

    /// The load balancer and the distribution in the files, as the seed's stack has them.
    fn names_itself(&self) {
        let (balancer, distribution) = (&self.balancer, &self.distribution);
        self.site.write(
            "stack.tf",
            &format!(
                "variable \"url\" {{ type = string }}\nvariable \"route53_zone_id\" {{ type = string }}\nresource \"aws_lb\" \"load_balancer\" {{\n  name = \"{balancer}\"\n}}\ndata \"aws_cloudfront_distribution\" \"maintenance\" {{\n  id = \"{distribution}\"\n}}\n"
            ),
        );
    }

    fn written(&self, live: &str, maintenance: &str) {
        self.site.write(
            "roadworks.hcl",
            &format!(
                "site \"shop\" {{\n  dns \"route53\" {{\n    zone_id = \"{}\"\n    name    = \"{NAME}\"\n    live {{ {live} }}\n    maintenance {{ {maintenance} }}\n  }}\n}}\n",
                self.site.zone_id
            ),
        );
    }
}

#[test]
fn a_target_is_looked_up_by_the_name_or_the_arn_of_a_load_balancer_and_by_what_a_distribution_is_called()
 {
    let stack = stack();
    for (live, maintenance) in [(&stack.balancer, &stack.distribution), (&stack.arn, &stack.alias)]
    {
        stack.written(
            &format!("load_balancer = \"{live}\""),
            &format!("distribution = \"{maintenance}\""),
        );
        let warned = stack.warned();
        let said = format!("the load balancer {live} was looked up: {}", stack.live);
        assert!(warned.contains(&said), "{warned}");
        let said = format!("the distribution {maintenance} was looked up: {}", stack.page);
        assert!(warned.contains(&said), "{warned}");
        stack.moves();
    }
    let policy = stack.site.run(&["doctor", "--policy"]).exits(0).stdout;
    assert!(policy.contains("elasticloadbalancing:DescribeLoadBalancers"), "{policy}");
    // What was looked up is pinned, for the night when AWS does not say it.
    let mut at_night = stack.site.command(&["plan", "detour", "--json"]);
    let plan =
        run(at_night.env("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", "http://127.0.0.1:1"));
    let warned = plan.exits(0).json()["warnings"].to_string();
    assert!(warned.contains("cannot be looked up") && warned.contains("pinned"), "{warned}");
}

#[test]
fn what_is_not_there_is_refused_by_its_name_and_nothing_moves() {
    let stack = stack();
    stack.written("load_balancer = \"no-such\"", "alias = \"d1.cloudfront.net\"");
    let refused = stack.site.run(&["detour", "--yes", "--json"]).exits(1).error();
    assert_eq!(refused["code"], "no-such-target", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("load balancer no-such"), "{refused:#}");
    assert_eq!(stack.site.leads_to(), stack.live);
}

/// The whole stack is in the files, and its state is not there, or not here.
#[test]
fn what_the_files_name_is_looked_up_where_the_state_does_not_have_it() {
    let stack = stack();
    stack.names_itself();
    let empty = r#"{"version": 4, "terraform_version": "1.9.0", "resources": []}"#;
    for state in [None, Some(empty), Some("not read: no.such.backend")] {
        match state {
            None => stack.site.remove("terraform.tfstate"),
            Some(text) if text == empty => stack.site.write("terraform.tfstate", text),
            Some(_) => stack.site.write(
                "backend.tf",
                "terraform {\n  backend \"http\" {\n    address = \"http://127.0.0.1:1\"\n  }\n}\n",
            ),
        }
        let warned = stack.warned();
        let said = format!(
            "aws_lb.load_balancer is not in the state: the load balancer {} was looked up in AWS",
            stack.balancer
        );
        assert!(warned.contains(&said), "{state:?}: {warned}");
        assert!(warned.contains("data.aws_cloudfront_distribution.maintenance"), "{warned}");
        stack.moves();
    }
}

/// A name in a zone that nobody read may be relative: `app` is `app.example.com`.
#[test]
fn a_relative_name_is_completed_by_the_zone_that_is_looked_up() {
    let stack = stack();
    stack.site.write(
        "terraform.tfvars",
        &format!("url = \"app\"\nroute53_zone_id = \"{}\"\n", stack.site.zone_id),
    );
    stack.names_itself();
    stack.site.remove("terraform.tfstate");
    let plan = stack.site.run(&["plan", "detour", "--json"]).exits(0).json();
    let steps = plan["steps"].to_string();
    assert!(steps.contains(&format!("{NAME} A")), "{steps}");
    stack.moves();
}

#[test]
fn where_aws_does_not_have_it_either_the_missing_state_is_the_answer() {
    let cloud = Route53::start();
    let site = Site::at(&cloud.endpoint());
    site.remove("terraform.tfstate");
    let refused = site.run(&["plan", "detour", "--json"]).exits(1).error();
    assert_eq!(refused["code"], "no-state", "{refused:#}");
}
