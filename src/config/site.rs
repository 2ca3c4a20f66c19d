//! A `site` block -> what is switched, and by which levers.

use std::path::{Path, PathBuf};

use hcl_edit::structure::{Block, Body};

use super::balancer::{self, BalancerSource};
use super::checks::{self, CheckConfig};
use super::database::{self, DatabaseConfig};
use super::dns;
use super::gateway::{self, GatewayConfig, words};
use super::lookup::LookedUp;
use super::notify::{self, NotifyConfig};
use super::page::{self, PageConfig};
use super::read::Reader;
use super::records::SwitchedRecord;
use super::redis::{self, RedisConfig};
use super::rfc2136::Rfc2136Config;
use super::settle::{self, SettleConfig};
use super::variable::{self, PipelineConfig, VariableWay};
use super::workers::{self, WorkersConfig};
use crate::switch::Mode;

/// One site of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Its name; `None` for a bare folder, whose site is named like its first moved record.
    pub name: Option<String>,
    /// Its host names, if given.
    pub hosts: Vec<String>,
    /// What `maintenance_mode = true` means; `None` for the strictest that the levers offer.
    pub maintenance: Option<Mode>,
    /// Where its name's two targets are learned.
    pub dns: Option<DnsSource>,
    /// Where Terraform or the pipeline reads the boolean.
    pub variable: VariableWay,
    /// Which pipeline must not undo a maintenance, if one could.
    pub pipeline: Option<PipelineConfig>,
    /// What stands in front of its app, if anything does.
    pub gateway: Option<GatewayConfig>,
    /// The load balancer's listeners that close it, where no gateway does.
    pub balancer: Option<BalancerSource>,
    /// Its databases, and when they are paused or take no writes.
    pub databases: Vec<DatabaseConfig>,
    /// The caches, queues and sessions that are guarded.
    pub redis: Vec<RedisConfig>,
    /// Who writes in the background.
    pub workers: Vec<WorkersConfig>,
    /// What must hold before its visitors are let back.
    pub checks: Vec<CheckConfig>,
    /// Who is told of what happens to it.
    pub notify: Vec<NotifyConfig>,
    /// What its visitors read.
    pub page: PageConfig,
    /// How the end of a move is seen.
    pub settle: SettleConfig,
    /// What its agent does where somebody else moves its record or its rules.
    pub on_drift: OnDrift,
    /// What is allowed and still unwise, each with its place.
    pub warnings: Vec<String>,
}

/// The folder of `.tf` files whose boolean is the site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerraformFolder<'a> {
    /// The root module's folder.
    pub dir: &'a Path,
    /// The boolean, where it is not `maintenance_mode`.
    pub variable: Option<&'a str>,
}

impl SiteConfig {
    /// Where its boolean is, if it has one.
    pub fn terraform(&self) -> Option<TerraformFolder<'_>> {
        let of_name = match &self.dns {
            Some(DnsSource::Terraform { dir, variable, .. }) => Some((dir, variable)),
            Some(DnsSource::Records { .. } | DnsSource::Rfc2136(_)) | None => None,
        };
        let of_rule = match &self.balancer {
            Some(BalancerSource::Terraform { dir, variable, .. }) => Some((dir, variable)),
            Some(BalancerSource::Alb(_)) | None => None,
        };
        let (dir, variable) = of_name.or(of_rule)?;
        Some(TerraformFolder { dir, variable: variable.as_deref() })
    }

    /// Whether it is a bare folder of `.tf` files: whatever its boolean moves there is moved.
    pub fn is_bare(&self) -> bool {
        self.name.is_none()
    }

    /// Whether its levers can make `mode` true.
    pub fn offers(&self, mode: Mode) -> bool {
        match mode {
            Mode::Open => true,
            Mode::Closed => self.gateway.is_some() || self.balancer.is_some(),
            Mode::ReadOnly | Mode::Hold => self.gateway.is_some(),
            Mode::Detour => self.dns.is_some(),
        }
    }

    /// What `maintenance_mode = true` means: what the file says, else the strictest mode that the levers offer.
    pub fn maintenance_mode(&self) -> Mode {
        let offered = Mode::LADDER.into_iter().rev().find(|mode| self.offers(*mode));
        self.maintenance.or(offered).unwrap_or(Mode::Detour)
    }
}

/// What an agent does where somebody else moves a lever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// It tells, and leaves it there.
    #[default]
    Report,
    /// It tells, and puts it back, where that lets nobody in.
    PutBack,
}

/// Where the records and their two targets are learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsSource {
    /// From a folder of `.tf` files.
    Terraform {
        /// The root module's folder.
        dir: PathBuf,
        /// The boolean, where it is not `maintenance_mode`.
        variable: Option<String>,
        /// Whose credentials move the record.
        account: Account,
    },
    /// Written out in roadworks.hcl.
    Records {
        /// The records, as far as they are written.
        records: Vec<SwitchedRecord>,
        /// The targets that are looked up, if they are: while the site is open, and in maintenance.
        looked_up: Box<[Option<LookedUp>; 2]>,
        /// Whose credentials move them.
        account: Account,
    },
    /// On name servers of one's own, written out in roadworks.hcl.
    Rfc2136(Box<Rfc2136Config>),
}

/// The credentials of one lever; all empty means the standard chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// A profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The ARN of a role to take on.
    pub assume_role: Option<String>,
}

#[cfg(feature = "aws")]
impl Account {
    /// The same, as a session is loaded from it.
    pub fn settings(&self) -> crate::aws::Settings {
        let role = self.assume_role.clone().map(|role_arn| crate::aws::AssumeRole {
            role_arn,
            external_id: None,
            session_name: None,
        });
        let (profile, region) = (self.profile.clone(), self.region.clone());
        crate::aws::Settings { profile, region, assume_role: role }
    }
}

const ATTRIBUTES: [&str; 3] = ["hosts", "maintenance", "on_drift"];
const ON_DRIFT: [(&str, OnDrift); 2] =
    [("report", OnDrift::Report), ("put-back", OnDrift::PutBack)];
const BLOCKS: [&str; 7] = ["dns", "variable", "gateway", "balancer", "page", "pipeline", "settle"];

/// Reads `site "name" { .. }`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<SiteConfig> {
    let labels = reader.labels(block, &["name"])?;
    let name = labels.first().map(|&name| name.to_owned());
    if name.as_deref() == Some("") {
        reader.wrong(&block.ident, "a site's name is not empty");
    }
    let body = &block.body;
    reader.only(body, &ATTRIBUTES, &BLOCKS, &["check", "database", "notify", "redis", "workers"]);
    let sub = |name| body.get_blocks(name).next();
    has_a_lever(reader, block);
    let hosts = reader.list(body, "hosts", words::host).unwrap_or_default();
    let dns = sub("dns").and_then(|block| dns::read(reader, block, &hosts));
    let variable = variable_of(reader, body);
    let workers = workers::read(reader, body.get_blocks("workers"));
    let checks = checks_of(reader, body);
    let databases = database::read(reader, body.get_blocks("database"));
    let redis = redis::read(reader, body);
    let notify = notify::read(reader, body.get_blocks("notify"));
    let page = sub("page").map(|block| page::read(reader, block, &hosts)).unwrap_or_default();
    let gateway = sub("gateway").map(|block| gateway::read::read(reader, block));
    let balancer =
        sub("balancer").and_then(|block| balancer::read(reader, block, (&hosts, dns.as_ref())));
    is_closed_once(reader, body);
    let pipeline = sub("pipeline").and_then(|block| variable::read_pipeline(reader, block));
    let settle = sub("settle").map(|block| settle::read(reader, block)).unwrap_or_default();
    let warnings = reader.take_warnings();
    let mut site = SiteConfig {
        name,
        hosts,
        maintenance: None,
        dns,
        variable,
        pipeline,
        gateway,
        balancer,
        databases,
        redis,
        workers,
        checks,
        notify,
        page,
        settle,
        on_drift: on_drift(reader, block),
        warnings,
    };
    site.maintenance = maintenance(reader, body, |mode| match mode {
        // What is broken is there all the same, and reported.
        Mode::Detour => sub("dns").is_some(),
        Mode::Closed => sub("gateway").is_some() || sub("balancer").is_some(),
        mode => site.offers(mode),
    });
    Some(site)
}

/// Where the boolean is written, if the site has one.
fn variable_of<'a>(reader: &mut Reader<'a>, body: &'a Body) -> VariableWay {
    let sub = |name| body.get_blocks(name).next();
    match sub("variable") {
        Some(block) => {
            let way = variable::read(reader, block);
            let read_by_terraform =
                ["dns", "balancer"].into_iter().filter_map(sub).any(balancer::is_of_terraform);
            let alone = way.stands_alone() && sub("dns").is_some();
            if way != VariableWay::None && !read_by_terraform && !alone {
                let hint = "leave it out, or say none = true".to_owned();
                let message = "nothing here has a boolean: only `dns \"terraform\"` and `balancer \"terraform\"` have one";
                reader.wrong_with(&block.ident, message, Some(hint));
            }
            way
        }
        None => VariableWay::Tfvars { chosen: false },
    }
}

/// The checks. One that asks as a tester needs a gateway that lets testers past.
fn checks_of<'a>(reader: &mut Reader<'a>, body: &'a Body) -> Vec<CheckConfig> {
    let checks = checks::read(reader, body.get_blocks("check"));
    let gateway = body.get_blocks("gateway").next();
    let bypass = gateway.and_then(|gateway| gateway.body.get_blocks("bypass").next());
    if bypass.is_some_and(|bypass| bypass.body.has_attribute("key")) {
        return checks;
    }
    for check in body.get_blocks("check").filter(|check| checks::asks_as_tester(check)) {
        let hint = "gateway { bypass { key = env(\"BYPASS_KEY\") } }, or leave as_tester out";
        let message = "a check asks as a tester only where the site's gateway has a `bypass` key";
        reader.wrong_with(&check.ident, message, Some(hint.to_owned()));
    }
    checks
}

fn is_closed_once(reader: &mut Reader<'_>, body: &Body) {
    if let Some(block) = body.get_blocks("balancer").next().filter(|_| body.has_blocks("gateway")) {
        let hint = "leave one of the two out: behind a listener that answers by itself the gateway would hold, count and let in nobody";
        let message = "a gateway closes this site already: its listeners' rules would not be used";
        reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
    }
}

fn has_a_lever(reader: &mut Reader<'_>, block: &Block) {
    if ["dns", "gateway", "balancer", "redis"].iter().all(|name| !block.body.has_blocks(name)) {
        let hint = "the name is moved by `dns`, requests are held or refused by `gateway`, or refused by a load balancer's listeners with `balancer`";
        reader.wrong_with(
            &block.ident,
            "the site has no lever: it needs a `dns`, a `gateway` or a `balancer` block, or a `redis` that is guarded",
            Some(hint.to_owned()),
        );
    }
}

fn on_drift(reader: &mut Reader<'_>, block: &Block) -> OnDrift {
    let Some(given) = block.body.get_attribute("on_drift") else { return OnDrift::default() };
    if !["dns", "balancer"].iter().any(|name| block.body.has_blocks(name)) {
        let hint = "leave it out: gateways follow the switch by themselves".to_owned();
        let message =
            "nobody else can move a lever of this site: it has no `dns` and no `balancer` block";
        reader.wrong_with(&given.value, message, Some(hint));
    }
    reader.choice(&block.body, "on_drift", &ON_DRIFT).unwrap_or_default()
}

fn maintenance(
    reader: &mut Reader<'_>,
    body: &Body,
    offers: impl Fn(Mode) -> bool,
) -> Option<Mode> {
    let word = reader.text(body, "maintenance")?;
    let given = &body.get_attribute("maintenance")?.value;
    let missing = match word.parse::<Mode>() {
        Err(error) => {
            reader.wrong(given, error.to_string());
            return None;
        }
        Ok(Mode::Open) => {
            reader.wrong(given, "maintenance is not `open`");
            return None;
        }
        Ok(mode) if offers(mode) => return Some(mode),
        Ok(Mode::Detour) => "dns",
        Ok(Mode::ReadOnly | Mode::Hold | Mode::Closed) => "gateway",
    };
    reader.wrong_with(
        given,
        format!("the site cannot be put into `{word}`: it has no `{missing}` block"),
        Some(format!("add a `{missing}` block, or leave `maintenance` out")),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::super::rig::{good, wrong, wrong_and_hints};
    use super::OnDrift;

    const DNS: &str = "  dns \"route53\" {\n    zone_id = \"Z1\"\n    name = \"a.example.com\"\n    live { records = [\"192.0.2.1\"] }\n    maintenance { records = [\"192.0.2.2\"] }\n  }\n";

    fn site(lines: &str) -> String {
        format!("site \"shop\" {{\n{lines}\n}}\n")
    }

    #[test]
    fn what_is_done_about_a_drift_is_a_word_of_two_and_needs_what_can_drift() {
        let read = |line: &str| good(&site(&format!("{line}\n{DNS}"))).sites[0].on_drift;
        assert_eq!(read(""), OnDrift::Report);
        assert_eq!(read("  on_drift = \"report\""), OnDrift::Report);
        assert_eq!(read("  on_drift = \"put-back\""), OnDrift::PutBack);
        let wrongly = wrong_and_hints(&site(&format!("  on_drift = \"putback\"\n{DNS}")));
        assert_eq!(
            wrongly,
            ["2:14 `putback` is not a word for `on_drift` did you mean \"put-back\"?"]
        );
        let gateway = "  on_drift = \"report\"\n  gateway {\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }";
        let wrongly = wrong(&site(gateway));
        assert!(
            wrongly[0].starts_with("2:14 nobody else can move a lever of this site"),
            "{wrongly:?}"
        );
    }
}
