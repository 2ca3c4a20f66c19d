//! A `check "kind" "name"` block -> what must hold before visitors are let back. Asks nobody.

use std::time::Duration;

use hcl_edit::structure::Block;
use http::Uri;

use super::dns::account;
use super::gateway::words;
use super::read::Reader;
use super::site::Account;

const LONGEST_WAIT: Duration = Duration::from_hours(1);
const SOONEST: Duration = Duration::from_millis(100);
/// How long an answer may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a check may take to pass where nothing is said.
const DEADLINE: Duration = Duration::from_secs(30);
/// What every check says besides its own.
const COMMON: [&str; 3] = ["passes", "interval", "deadline"];
const OF_AWS: [&str; 3] = ["profile", "region", "assume_role"];
const KINDS: [&str; 5] = ["http", "target-group", "ecs", "rds", "cloudfront"];

/// A check that a site has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckConfig {
    /// What `--override` calls it.
    pub name: String,
    /// What is asked.
    pub asks: CheckKind,
    /// How often in a row it has to pass.
    pub passes: u32,
    /// From one question to the next.
    pub interval: Duration,
    /// How long it may take to pass.
    pub deadline: Duration,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// One HTTP request.
    Http(HttpCheckConfig),
    /// An ALB's target group has so many healthy targets.
    TargetGroup {
        /// Its ARN.
        arn: String,
        /// So many at least.
        healthy: u32,
        /// Whose credentials ask.
        account: Account,
    },
    /// A service of ECS is stable.
    Ecs {
        /// The cluster's name or ARN.
        cluster: String,
        /// The service's name or ARN.
        service: String,
        /// So many tasks run at least: a service that was scaled down is stable, too.
        running: u32,
        /// Whose credentials ask.
        account: Account,
    },
    /// A database of RDS is available, with nothing pending.
    Rds {
        /// Which.
        which: RdsName,
        /// Whose credentials ask.
        account: Account,
    },
    /// A distribution is switched on and deployed.
    Distribution {
        /// Its id.
        id: String,
        /// Whose credentials ask.
        account: Account,
    },
}

impl CheckKind {
    /// Whose credentials ask, where AWS is asked.
    pub fn account(&self) -> Option<&Account> {
        match self {
            CheckKind::Http(_) => None,
            CheckKind::TargetGroup { account, .. }
            | CheckKind::Ecs { account, .. }
            | CheckKind::Rds { account, .. }
            | CheckKind::Distribution { account, .. } => Some(account),
        }
    }
}

/// A database of RDS, by its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RdsName {
    /// One instance.
    Instance(String),
    /// A cluster, with all of its instances.
    Cluster(String),
}

/// One HTTP request, and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheckConfig {
    /// Where: `http://127.0.0.1:3000`.
    pub url: String,
    /// Asked under this name, if not under its own: through a load balancer while the site's name leads elsewhere.
    pub host: Option<String>,
    /// With its query.
    pub path: String,
    /// The statuses that pass; empty for any of 200 to 299.
    pub statuses: Vec<u16>,
    /// What the body has to have in it, within its first MiB.
    pub contains: Option<String>,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// Reads the `check` blocks of a site.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    blocks: impl Iterator<Item = &'a Block>,
) -> Vec<CheckConfig> {
    let mut checks: Vec<CheckConfig> = Vec::new();
    for block in blocks {
        let Some(check) = one(reader, block) else { continue };
        if checks.iter().any(|other| other.name == check.name) {
            reader.wrong(&block.ident, format!("there are two checks \"{}\"", check.name));
        }
        checks.push(check);
    }
    checks
}

fn one<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckConfig> {
    let labels = reader.labels(block, &["kind", "name"])?;
    let [kind, name] = labels.as_slice() else { return None };
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
    if name.is_empty() || !name.chars().all(plain) {
        let hint = "letters, digits, `-`, `_` and `.`: --override takes it".to_owned();
        reader.wrong_with(&block.ident, format!("`{name}` is no name for a check"), Some(hint));
    }
    let asks = match *kind {
        "http" => CheckKind::Http(http(reader, block)?),
        "target-group" => target_group(reader, block)?,
        "ecs" => ecs(reader, block)?,
        "rds" => rds(reader, block)?,
        "cloudfront" => {
            only(reader, block, &["distribution"], &OF_AWS);
            let id = reader.needed(block, "distribution")?;
            CheckKind::Distribution { id, account: account(reader, block) }
        }
        other => {
            let message = format!("there is no check \"{other}\"");
            let known: Vec<_> = KINDS.iter().map(|kind| format!("\"{kind}\"")).collect();
            reader.wrong_with(&block.ident, message, Some(format!("known: {}", known.join(", "))));
            return None;
        }
    };
    let body = &block.body;
    let usual = Duration::from_secs(if *kind == "http" { 1 } else { 5 });
    let passes = reader.count(body, "passes", 1..=100).unwrap_or(1);
    let interval = reader.duration(body, "interval", SOONEST..=LONGEST_WAIT).unwrap_or(usual);
    let deadline = reader.duration(body, "deadline", SOONEST..=LONGEST_WAIT).unwrap_or(DEADLINE);
    let passes = u32::try_from(passes).unwrap_or(u32::MAX);
    if interval * (passes - 1) >= deadline {
        let message = format!(
            "{passes} passes, one each {} s, take longer than {} s",
            interval.as_secs_f64(),
            deadline.as_secs_f64()
        );
        reader.wrong_with(
            &block.ident,
            message,
            Some("make `deadline` longer, or `interval` shorter".to_owned()),
        );
    }
    Some(CheckConfig { name: (*name).to_owned(), asks, passes, interval, deadline })
}

fn only(reader: &mut Reader<'_>, block: &Block, own: &[&str], more: &[&str]) {
    let keys: Vec<_> = own.iter().chain(more).chain(&COMMON).copied().collect();
    reader.only(&block.body, &keys, &[], &[]);
}

fn http<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<HttpCheckConfig> {
    only(reader, block, &["url", "host", "status", "contains", "timeout"], &[]);
    let body = &block.body;
    let given = reader.needed(block, "url")?;
    let (url, path) = match split(&given) {
        Ok(parts) => parts,
        Err(message) => {
            let at = body.get_attribute("url").map(|attribute| &attribute.value)?;
            reader.wrong(at, message);
            return None;
        }
    };
    let host = reader.parsed(body, "host", words::host);
    let status = |text: &str| match text.parse::<u16>() {
        Ok(status) if (100..600).contains(&status) => Ok(status),
        Ok(_) | Err(_) => Err(format!("`{text}` is no status: 200")),
    };
    let statuses = reader.list(body, "status", status).unwrap_or_default();
    let contains = reader.text(body, "contains");
    let timeout = reader.duration(body, "timeout", SOONEST..=Duration::from_mins(1));
    let timeout = timeout.unwrap_or(TIMEOUT);
    Some(HttpCheckConfig { url, host, path, statuses, contains, timeout })
}

/// Scheme with authority, and the path with its query.
fn split(text: &str) -> Result<(String, String), String> {
    // What stands there may be a secret: it is not shown.
    let wrong = || "this is no URL to ask, such as http://127.0.0.1:3000/up".to_owned();
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (url.scheme_str(), url.authority())
    else {
        return Err(wrong());
    };
    if authority.as_str().contains('@') {
        return Err("a URL with a password in it would be shown: leave the password out".to_owned());
    }
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Ok((format!("{scheme}://{authority}"), path.to_owned()))
}

fn target_group<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["arn", "healthy"], &OF_AWS);
    let arn = reader.needed(block, "arn")?;
    let healthy = reader.count(&block.body, "healthy", 1..=1000).unwrap_or(1);
    let mut account = account(reader, block);
    match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "elasticloadbalancing", region, _, rest, ..]
            if rest.starts_with("targetgroup/") =>
        {
            account.region.get_or_insert_with(|| (*region).to_owned());
        }
        _ => {
            let at = block.body.get_attribute("arn").map(|attribute| &attribute.value)?;
            let message =
                "this is no ARN of a target group: arn:aws:elasticloadbalancing:..:targetgroup/..";
            reader.wrong(at, message);
            return None;
        }
    }
    let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
    Some(CheckKind::TargetGroup { arn, healthy, account })
}

fn ecs<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["cluster", "service", "running"], &OF_AWS);
    let cluster = reader.text(&block.body, "cluster").unwrap_or_else(|| "default".to_owned());
    let service = reader.needed(block, "service")?;
    let running = reader.count(&block.body, "running", 0..=100_000).unwrap_or(1);
    let running = u32::try_from(running).unwrap_or(u32::MAX);
    Some(CheckKind::Ecs { cluster, service, running, account: account(reader, block) })
}

fn rds<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["instance", "cluster"], &OF_AWS);
    let named = (reader.text(&block.body, "instance"), reader.text(&block.body, "cluster"));
    let which = match named {
        (Some(instance), None) => RdsName::Instance(instance),
        (None, Some(cluster)) => RdsName::Cluster(cluster),
        _ => {
            let message = "a check \"rds\" says which database, one way";
            let hint = "instance = \"shop-db\", or cluster = \"shop\" for all of its instances";
            reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
            return None;
        }
    };
    Some(CheckKind::Rds { which, account: account(reader, block) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rig::{good, wrong};

    fn site(checks: &str) -> String {
        format!(
            "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }}\n{checks}}}\n"
        )
    }

    #[test]
    fn a_check_says_what_is_asked_and_how_often_it_has_to_pass() {
        let config = good(&site(
            "  check \"http\" \"app\" {\n    url = \"http://127.0.0.1:3000/up?deep=1\"\n    host = \"shop.example.com\"\n    status = [\"200\", \"204\"]\n    passes = 3\n  }\n  check \"cloudfront\" \"page\" {\n    distribution = \"E1\"\n  }\n",
        ));
        let [app, page] = config.sites[0].checks.as_slice() else { panic!() };
        let CheckKind::Http(http) = &app.asks else { panic!() };
        assert_eq!(
            (http.url.as_str(), http.path.as_str()),
            ("http://127.0.0.1:3000", "/up?deep=1")
        );
        assert_eq!((http.statuses.as_slice(), app.passes), ([200, 204].as_slice(), 3));
        assert!(matches!(&page.asks, CheckKind::Distribution { id, .. } if id == "E1"));
        assert_eq!((app.interval.as_secs(), page.interval.as_secs()), (1, 5));
    }

    #[test]
    fn each_mistake_has_its_place() {
        for (check, line, says) in [
            ("  check \"htp\" \"app\" {\n  }\n", 7, "there is no check \"htp\""),
            ("  check \"http\" \"app\" {\n  }\n", 7, "needs `url`"),
            (
                "  check \"http\" \"a b\" {\n    url = \"http://a/\"\n  }\n",
                7,
                "no name for a check",
            ),
            ("  check \"http\" \"app\" {\n    url = \"ftp://a/\"\n  }\n", 8, "no URL to ask"),
            ("  check \"http\" \"app\" {\n    url = \"http://u:p@a/\"\n  }\n", 8, "password"),
            (
                "  check \"target-group\" \"app\" {\n    arn = \"arn:aws:s3:::x\"\n  }\n",
                8,
                "no ARN of a target group",
            ),
            ("  check \"rds\" \"db\" {\n  }\n", 7, "says which database, one way"),
            (
                "  check \"rds\" \"db\" {\n    instance = \"a\"\n    cluster = \"a\"\n  }\n",
                7,
                "says which database, one way",
            ),
            (
                "  check \"http\" \"app\" {\n    url = \"http://a/\"\n    passes = 40\n  }\n",
                7,
                "take longer than 30 s",
            ),
            (
                "  check \"http\" \"app\" {\n    url = \"http://a/\"\n    service = \"x\"\n  }\n",
                9,
                "`service` is not known here",
            ),
        ] {
            let mistakes = wrong(&site(check));
            assert!(
                mistakes.len() == 1 && mistakes[0].starts_with(&format!("{line}:")),
                "{mistakes:?}"
            );
            assert!(mistakes[0].contains(says), "{mistakes:?}");
        }
    }
}
