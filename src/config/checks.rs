//! A `check "kind" "name"` block -> what must hold before visitors are let back. Asks nobody.

mod kinds;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;
use hickory_proto::rr::{Name, RecordType};

pub(super) use kinds::address;

use super::read::Reader;
use super::secret::Secret;
use super::site::Account;

const LONGEST_WAIT: Duration = Duration::from_hours(1);
const SOONEST: Duration = Duration::from_millis(100);
/// How long a check may take to pass where nothing is said.
const DEADLINE: Duration = Duration::from_secs(30);
const KINDS: [&str; 10] =
    ["http", "tcp", "dns", "exec", "redis", "postgres", "target-group", "ecs", "rds", "cloudfront"];

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
    /// Something listens there.
    Tcp {
        /// `db.internal:5432`
        address: String,
        /// How long it may take.
        timeout: Duration,
    },
    /// One question to the DNS.
    Dns(DnsCheckConfig),
    /// A command ends well.
    Exec {
        /// Its words.
        command: Vec<String>,
        /// The folder that it is run in: that of the configuration.
        folder: PathBuf,
        /// How long it may take.
        timeout: Duration,
    },
    /// A Redis answers.
    Redis(RedisCheckConfig),
    /// A `PostgreSQL` answers.
    Postgres(PostgresCheckConfig),
    /// This machine does not have what it needs: it cannot be asked here, and does not pass.
    Lacking {
        /// What kind it is.
        kind: &'static str,
        /// What is lacking.
        why: String,
    },
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
            CheckKind::Http(_)
            | CheckKind::Tcp { .. }
            | CheckKind::Dns(_)
            | CheckKind::Exec { .. }
            | CheckKind::Redis(_)
            | CheckKind::Postgres(_)
            | CheckKind::Lacking { .. } => None,
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
    /// A header, in lower case, and what its value has to have in it.
    pub header: Option<(String, String)>,
    /// What the body has to have in it, within its first MiB.
    pub contains: Option<String>,
    /// For how long the certificate has to be good still.
    pub certificate_for: Option<Duration>,
    /// Who asks.
    pub asks_as: AsksAs,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// As whom a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsksAs {
    /// As everybody.
    Visitor,
    /// As a tester, whom the site's own gateway lets past: through the site's own name, once that leads to it.
    Tester,
}

/// One question to the DNS, and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheckConfig {
    /// What is asked for.
    pub name: Name,
    /// Of which type.
    pub kind: RecordType,
    /// What the answer must be, in any order; empty for any that is not empty.
    pub answers: Vec<String>,
    /// Who is asked; else the resolvers that the site has.
    pub server: Option<SocketAddr>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A Redis, and who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisCheckConfig {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether by TLS.
    pub tls: bool,
    /// Whose password it is, if not the default user's.
    pub user: Option<String>,
    /// The password, if it wants one.
    pub password: Option<Secret>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A `PostgreSQL`, and what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresCheckConfig {
    /// Its URL, with the password.
    pub url: Secret,
    /// A query that has to give a first value that is neither false nor null; none for a question that is always true.
    pub query: Option<String>,
    /// Whether it has to take writes.
    pub wants: Writes,
    /// How long it may take.
    pub timeout: Duration,
}

/// Whether a database has to take writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// It must: a standby, and one that is read-only, do not pass.
    Taken,
    /// It need not.
    NotAsked,
}

/// Whether a check asks as a tester, whom something has to let past.
pub(super) fn asks_as_tester(check: &Block) -> bool {
    let said = check.body.get_attribute("as_tester").map(|attribute| &attribute.value);
    matches!(said, Some(Expression::Bool(yes)) if *yes.value())
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
    let asks = kinds::read(reader, block, kind)?;
    let body = &block.body;
    let usual = Duration::from_secs(if asks.account().is_some() { 5 } else { 1 });
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
