//! A `balancer` block -> the listeners that close a site where no gateway stands: `"alb"`, named here, or `"terraform"`, those of
//! the rule that the Terraform has already. Asks nothing of AWS.

use std::path::PathBuf;

use hcl_edit::Span;
use hcl_edit::structure::Block;
use ipnet::IpNet;

use super::dns::account;
use super::gateway::words::network;
use super::read::{Item, Reader};
use super::site::{Account, DnsSource};

/// Where the listeners and what they answer are learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalancerSource {
    /// Named in roadworks.hcl: they answer with the site's page.
    Alb(BalancerConfig),
    /// From a folder of `.tf` files, whose rule behind the boolean says all of it.
    Terraform {
        /// The root module's folder.
        dir: PathBuf,
        /// The boolean, where it is not `maintenance_mode`.
        variable: Option<String>,
        /// From where testers pass.
        from: Vec<IpNet>,
        /// Whose credentials write the rules. The region is that of the listener.
        account: Account,
    },
}

impl BalancerSource {
    /// Whose credentials write the rules.
    pub fn account(&self) -> &Account {
        match self {
            BalancerSource::Alb(BalancerConfig { account, .. })
            | BalancerSource::Terraform { account, .. } => account,
        }
    }
}

/// A listener's rules are what a site is closed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerConfig {
    /// Which listeners.
    pub listeners: Listeners,
    /// From where testers pass.
    pub from: Vec<IpNet>,
    /// Whose credentials write the rules. The region is that of the ARN, where there is one.
    pub account: Account,
}

/// Which listeners a site is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listeners {
    /// Each by its ARN.
    Named(Vec<String>),
    /// All of a load balancer, by its name or its ARN: they are looked up.
    Of(String),
}

/// What an ARN of Elastic Load Balancing names: `arn:aws:elasticloadbalancing:REGION:ACCOUNT:RESOURCE`.
struct Arn<'a> {
    region: &'a str,
    resource: &'a str,
}

const OF_TERRAFORM: [&str; 5] = ["dir", "variable", "from", "profile", "assume_role"];
const KEYS: [&str; 6] = ["listeners", "load_balancer", "from", "profile", "region", "assume_role"];
/// The host names of a condition are at most so long (ELB API reference, `HostHeaderConditionConfig`).
const LONGEST_HOST: usize = 128;

/// Reads the `balancer` block of a site with these hosts.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
    (hosts, dns): (&[String], Option<&DnsSource>),
) -> Option<BalancerSource> {
    let labels = reader.labels(block, &["kind"])?;
    match labels.first().copied().unwrap_or_default() {
        "alb" => alb(reader, block, hosts).map(BalancerSource::Alb),
        "terraform" => Some(terraform(reader, block, dns)),
        kind => {
            let message = format!("there is no balancer lever \"{kind}\"");
            let known = "known: \"alb\", \"terraform\"".to_owned();
            reader.wrong_with(&block.ident, message, Some(known));
            None
        }
    }
}

/// Whether a block is one that Terraform's files fill.
pub(super) fn is_of_terraform(block: &Block) -> bool {
    block.labels.first().is_some_and(|kind| kind.as_str() == "terraform")
}

/// A site has one boolean, in one folder: that of the `dns` block, if it is Terraform's too.
fn terraform<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
    dns: Option<&DnsSource>,
) -> BalancerSource {
    reader.only(&block.body, &OF_TERRAFORM, &[], &[]);
    let dir = reader.text(&block.body, "dir").map(|dir| reader.folder().join(dir));
    let variable = reader.text(&block.body, "variable");
    let from = reader.list(&block.body, "from", network).unwrap_or_default();
    let account = account(reader, block);
    let Some(DnsSource::Terraform { dir: of_name, variable: named, .. }) = dns else {
        let dir = dir.unwrap_or_else(|| reader.folder().to_owned());
        return BalancerSource::Terraform { dir, variable, from, account };
    };
    let other_folder = dir.is_some_and(|dir| dir != *of_name);
    if other_folder || (variable.is_some() && variable != *named) {
        let hint = "leave `dir` and `variable` out: those of `dns` count for both";
        let message = "the `dns` block has another folder or another boolean, and a site has one";
        reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
    }
    BalancerSource::Terraform { dir: of_name.clone(), variable: named.clone(), from, account }
}

fn alb<'a>(reader: &mut Reader<'a>, block: &'a Block, hosts: &[String]) -> Option<BalancerConfig> {
    reader.only(&block.body, &KEYS, &[], &[]);
    has_hosts(reader, block, hosts);
    let from = reader.list(&block.body, "from", network).unwrap_or_default();
    let mut account = account(reader, block);
    let listeners = listeners(reader, block, &mut account)?;
    Some(BalancerConfig { listeners, from, account })
}

fn has_hosts(reader: &mut Reader<'_>, block: &Block, hosts: &[String]) {
    if hosts.is_empty() {
        let hint = "hosts = [\"shop.example.com\"] in the site: only their requests are answered";
        reader.wrong_with(
            &block.ident,
            "`balancer` needs the site's `hosts`",
            Some(hint.to_owned()),
        );
    }
    for host in hosts {
        if host.len() > LONGEST_HOST || host.starts_with('[') {
            let message = format!(
                "a listener's rule cannot name `{host}`: a host name of at most 128 characters"
            );
            reader.wrong(&block.ident, message);
        }
    }
}

fn listeners(reader: &mut Reader<'_>, block: &Block, account: &mut Account) -> Option<Listeners> {
    let body = &block.body;
    let (named, of) = (reader.items(body, "listeners"), reader.text(body, "load_balancer"));
    match (named, of) {
        (Some(named), None) if !named.is_empty() => named_ones(reader, named, account),
        (None, Some(text)) => {
            let at = &body.get_attribute("load_balancer")?.value;
            if text.starts_with("arn:") {
                let arn = arn(&text, "loadbalancer").map_err(|message| reader.wrong(at, message));
                in_region(reader, at, arn.ok()?.region, account);
            } else if !is_name(&text) {
                let hint = "its name, as `aws elbv2 describe-load-balancers` shows it, or its ARN";
                let message = format!("`{text}` is not a load balancer");
                reader.wrong_with(at, message, Some(hint.to_owned()));
                return None;
            }
            Some(Listeners::Of(text))
        }
        (None, None) if body.get_attribute("listeners").is_some() => None,
        _ => {
            reader.wrong_with(
                &block.ident,
                "a `balancer` block says which listeners, one way",
                Some("listeners = [\"arn:..\"] or load_balancer = \"its name or ARN\"".to_owned()),
            );
            None
        }
    }
}

fn named_ones(
    reader: &mut Reader<'_>,
    named: Vec<Item<'_>>,
    account: &mut Account,
) -> Option<Listeners> {
    let mut arns = Vec::new();
    for Item { at, text } in named {
        match arn(&text, "listener") {
            Err(message) => reader.wrong(at, message),
            Ok(_) if arns.contains(&text) => {
                reader.wrong(at, format!("`{text}` is given twice"));
            }
            Ok(arn) => {
                in_region(reader, at, arn.region, account);
                arns.push(text);
            }
        }
    }
    (!arns.is_empty()).then_some(Listeners::Named(arns))
}

/// The calls go to the region of the first ARN, unless the block says another: then one of the two is wrong.
fn in_region(reader: &mut Reader<'_>, at: &impl Span, region: &str, account: &mut Account) {
    match &account.region {
        Some(other) if other != region => {
            let message = format!("this is in {region}, and the block's calls go to {other}");
            let hint = "leave `region` out: it is in the ARN; listeners of another region are another site's";
            reader.wrong_with(at, message, Some(hint.to_owned()));
        }
        Some(_) => {}
        None => account.region = Some(region.to_owned()),
    }
}

fn arn<'a>(text: &'a str, kind: &str) -> Result<Arn<'a>, String> {
    let example = match kind {
        "listener" => {
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/0123456789abcdef/0123456789abcdef"
        }
        _ => {
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/shop/0123456789abcdef"
        }
    };
    let wrong = || format!("`{text}` is not the ARN of a {kind}: {example}");
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let [_, _, "elasticloadbalancing", region, _, resource] = parts.as_slice() else {
        return Err(wrong());
    };
    let found = Arn { region, resource };
    let mut path = found.resource.split('/');
    match (path.next(), path.next()) {
        (Some(found), Some("app")) if found == kind && !region.is_empty() => {}
        (Some(found), Some("net" | "gwy")) if found == kind => {
            return Err(format!(
                "`{text}` is not of an application load balancer: only those know host names"
            ));
        }
        _ => return Err(wrong()),
    }
    let ids = path.filter(|id| !id.is_empty()).count();
    if ids == if kind == "listener" { 3 } else { 2 } { Ok(found) } else { Err(wrong()) }
}

/// As the ELB API reference has it (`CreateLoadBalancer`, `Name`).
fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=32).contains(&text.len()) && text.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::super::rig::{good, wrong, wrong_and_hints};
    use super::*;
    use crate::switch::Mode;

    const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";

    fn alb(config: &crate::config::Config) -> BalancerConfig {
        match config.sites[0].balancer.clone() {
            Some(BalancerSource::Alb(balancer)) => balancer,
            other => panic!("{other:?}"),
        }
    }

    fn site(lines: &str) -> String {
        format!(
            "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  balancer \"alb\" {{\n{lines}\n  }}\n}}\n"
        )
    }

    #[test]
    fn a_listener_closes_a_site_and_with_a_name_it_can_be_detoured_too() {
        let text = site(&format!("listeners = [\"{LISTENER}\"]\nfrom = [\"203.0.113.9/24\"]"));
        let config = good(&text);
        let of = |site: &crate::config::SiteConfig| Mode::LADDER.map(|mode| site.offers(mode));
        assert_eq!(of(&config.sites[0]), [true, false, false, true, false]);
        assert_eq!(config.sites[0].maintenance_mode(), Mode::Closed);
        let balancer = alb(&config);
        assert_eq!(balancer.listeners, Listeners::Named(vec![LISTENER.to_owned()]));
        assert_eq!(balancer.account.region.as_deref(), Some("eu-central-1"));
        assert_eq!(balancer.from, ["203.0.113.0/24".parse().unwrap()]);
        let named = text.replace("  balancer", "  dns \"terraform\" { dir = \".\" }\n  balancer");
        let config = good(&named);
        assert_eq!(of(&config.sites[0]), [true, false, false, true, true]);
        assert_eq!(config.sites[0].maintenance_mode(), Mode::Detour);
    }

    #[test]
    fn a_load_balancer_is_given_by_its_name_or_its_arn() {
        for (text, region) in [
            ("shop-alb", None),
            (
                "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188",
                Some("cn-north-1"),
            ),
        ] {
            let config = good(&site(&format!("load_balancer = \"{text}\"")));
            let balancer = alb(&config);
            assert_eq!(balancer.listeners, Listeners::Of(text.to_owned()));
            assert_eq!(balancer.account.region.as_deref(), region);
        }
    }

    #[test]
    fn each_mistake_of_a_balancer_points_at_itself() {
        let rule = LISTENER.replace(":listener/", ":listener-rule/");
        let network = LISTENER.replace("/app/", "/net/");
        let elsewhere = LISTENER.replace("eu-central-1", "eu-west-1");
        for (lines, told) in [
            (String::new(), "3:3 a `balancer` block says which listeners, one way".to_owned()),
            (
                format!("listeners = [\"{LISTENER}\"]\nload_balancer = \"shop\""),
                "3:3 a `balancer` block says which listeners, one way".to_owned(),
            ),
            (
                "listeners = []".to_owned(),
                "3:3 a `balancer` block says which listeners, one way".to_owned(),
            ),
            (
                format!("listeners = [\"{rule}\"]"),
                format!("4:14 `{rule}` is not the ARN of a listener"),
            ),
            (
                format!("listeners = [\"{network}\"]"),
                format!("4:14 `{network}` is not of an application load balancer"),
            ),
            (
                format!("region = \"us-east-1\"\nlisteners = [\"{LISTENER}\"]"),
                "5:14 this is in eu-central-1, and the block's calls go to us-east-1".to_owned(),
            ),
            (
                format!("listeners = [\"{LISTENER}\", \"{elsewhere}\"]"),
                "this is in eu-west-1, and the block's calls go to eu-central-1".to_owned(),
            ),
            (format!("listeners = [\"{LISTENER}\", \"{LISTENER}\"]"), "is given twice".to_owned()),
            (
                "load_balancer = \"shop_alb\"".to_owned(),
                "4:17 `shop_alb` is not a load balancer".to_owned(),
            ),
            (
                "load_balancer = \"shop\"\nfrom = [\"10/8\"]".to_owned(),
                "5:9 `10/8` is not a network".to_owned(),
            ),
            (
                "load_balancer = \"shop\"\nfrm = []".to_owned(),
                "5:1 `frm` is not known here".to_owned(),
            ),
        ] {
            let mistakes = wrong(&site(&lines));
            assert!(mistakes.len() == 1 && mistakes[0].contains(&told), "{lines}: {mistakes:#?}");
        }
    }

    #[test]
    fn a_balancer_needs_hosts_and_no_gateway_beside_it() {
        let hostless = "site \"a\" {\n  balancer \"alb\" { load_balancer = \"shop\" }\n}\n";
        assert_eq!(wrong(hostless), ["2:3 `balancer` needs the site's `hosts`"]);
        let both = site("load_balancer = \"shop\"").replace(
            "  balancer",
            "  gateway {\n    listen = [\":80\"]\n    upstreams = [\"http://app\"]\n  }\n  balancer",
        );
        let told = wrong_and_hints(&both);
        assert!(
            told.len() == 1 && told[0].starts_with("7:3 a gateway closes this site already"),
            "{told:#?}"
        );
        let classic = site("load_balancer = \"shop\"").replace("\"alb\"", "\"nlb\"");
        assert_eq!(wrong(&classic), ["3:3 there is no balancer lever \"nlb\""]);
    }

    #[test]
    fn a_rule_of_terraforms_is_looked_for_in_one_folder() {
        let block = |lines: &str| format!("balancer \"terraform\" {{\n{lines}\n}}\n");
        let alone = good(&format!("site \"a\" {{\n{}}}\n", block("dir = \"infra\"")));
        let site = &alone.sites[0];
        let folder = site.terraform().unwrap();
        assert!(folder.dir.ends_with("infra") && folder.variable.is_none());
        assert_eq!(site.maintenance_mode(), Mode::Closed);
        let dns = "dns \"terraform\" {\n  dir = \"infra\"\n  variable = \"down\"\n}\n";
        for lines in ["", "dir = \"infra\"\nvariable = \"down\""] {
            let both = good(&format!("site \"a\" {{\n{dns}{}}}\n", block(lines)));
            let folder = both.sites[0].terraform().unwrap();
            assert!(folder.dir.ends_with("infra") && folder.variable == Some("down"));
            assert_eq!(both.sites[0].maintenance_mode(), Mode::Detour);
        }
        let told = |lines: &str| wrong(&format!("site \"a\" {{\n{dns}{}}}\n", block(lines)));
        for lines in ["dir = \".\"", "variable = \"up\""] {
            let mistakes = told(lines);
            assert!(
                mistakes.len() == 1 && mistakes[0].contains("another folder or another boolean"),
                "{mistakes:?}"
            );
        }
        assert!(told("listeners = []")[0].contains("`listeners` is not known here"));
        assert!(told("from = [\"10/8\"]")[0].contains("`10/8` is not a network"));
    }

    #[test]
    fn a_boolean_may_be_kept_elsewhere_where_only_a_rule_depends_on_it() {
        let text = "site \"a\" {\n  balancer \"terraform\" { dir = \".\" }\n  variable { command = [\"tell\"] }\n}\n";
        assert_eq!(good(text).sites[0].maintenance_mode(), Mode::Closed);
        let named =
            text.replace("\"terraform\" { dir = \".\" }", "\"alb\" { load_balancer = \"shop\" }");
        let named = named.replace("  balancer", "  hosts = [\"a.example.com\"]\n  balancer");
        assert!(wrong(&named)[0].contains("nothing here has a boolean"));
    }

    #[test]
    fn a_mode_that_a_balancer_does_not_have_names_the_block_that_does() {
        let hold = site("load_balancer = \"shop\"")
            .replace("  balancer", "  maintenance = \"hold\"\n  balancer");
        assert_eq!(
            wrong(&hold),
            ["3:17 the site cannot be put into `hold`: it has no `gateway` block"]
        );
        let close = hold.replace("\"hold\"", "\"close\"");
        assert_eq!(good(&close).sites[0].maintenance, Some(Mode::Closed));
    }
}
