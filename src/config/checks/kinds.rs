//! What each kind of check is asked for, from its block.

use std::time::Duration;

use hcl_edit::structure::Block;
use http::Uri;

use super::{
    AsksAs, CheckKind, DnsCheckConfig, HttpCheckConfig, PostgresCheckConfig, RdsName,
    RedisCheckConfig, Writes,
};
use crate::config::database::is_a_url;
use crate::config::dns::account;
use crate::config::gateway::words;
use crate::config::read::Reader;
use crate::config::secret::Secret;

const SOONEST: Duration = Duration::from_millis(100);
/// How long an answer may take where nothing is said; a command gets more.
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: Duration = Duration::from_mins(1);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_COMMAND: Duration = Duration::from_hours(1);
/// What every check says besides its own.
const COMMON: [&str; 3] = ["passes", "interval", "deadline"];
const OF_AWS: [&str; 3] = ["profile", "region", "assume_role"];

/// Reads what a check of this kind asks; nothing where it is wrong, which is told.
pub(super) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block, kind: &str) -> Option<CheckKind> {
    Some(match kind {
        "http" => CheckKind::Http(http(reader, block)?),
        "tcp" => tcp(reader, block)?,
        "dns" => CheckKind::Dns(dns(reader, block)?),
        "exec" => exec(reader, block)?,
        "redis" => redis(reader, block)?,
        "postgres" => postgres(reader, block)?,
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
            let known: Vec<_> = super::KINDS.iter().map(|kind| format!("\"{kind}\"")).collect();
            reader.wrong_with(&block.ident, message, Some(format!("known: {}", known.join(", "))));
            return None;
        }
    })
}

fn only(reader: &mut Reader<'_>, block: &Block, own: &[&str], more: &[&str]) {
    let keys: Vec<_> = own.iter().chain(more).chain(&COMMON).copied().collect();
    reader.only(&block.body, &keys, &[], &[]);
}

fn http<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<HttpCheckConfig> {
    let own =
        ["url", "host", "status", "header", "contains", "certificate_days", "as_tester", "timeout"];
    only(reader, block, &own, &[]);
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
    let header = reader.parsed(body, "header", header);
    let contains = reader.text(body, "contains");
    let days = reader.count(body, "certificate_days", 1..=3_650);
    if days.is_some() && !url.starts_with("https:") {
        let message = "only an https URL has a certificate";
        reader.wrong(&body.get_attribute("certificate_days")?.value, message);
    }
    let certificate_for =
        days.map(|days| Duration::from_hours(24) * u32::try_from(days).unwrap_or(u32::MAX));
    let asks_as = match reader.boolean(body, "as_tester") {
        Some(true) => AsksAs::Tester,
        Some(false) | None => AsksAs::Visitor,
    };
    let timeout = answers_within(reader, block);
    Some(HttpCheckConfig {
        url,
        host,
        path,
        statuses,
        header,
        contains,
        certificate_for,
        asks_as,
        timeout,
    })
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

/// `Content-Type: text/html` -> the header's name, and what its value has to have in it.
fn header(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is no header: \"content-type: text/html\"");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name: http::HeaderName = name.trim().parse().map_err(|_| wrong())?;
    Ok((name.as_str().to_owned(), value.trim().to_owned()))
}

fn answers_within(reader: &mut Reader<'_>, block: &Block) -> Duration {
    reader.duration(&block.body, "timeout", SOONEST..=LONGEST_ANSWER).unwrap_or(TIMEOUT)
}

fn tcp<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["address", "timeout"], &[]);
    let address = reader.needed(block, "address")?;
    let port = address
        .rsplit_once(':')
        .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    if port.is_none() {
        let at = block.body.get_attribute("address").map(|attribute| &attribute.value)?;
        reader.wrong(at, format!("`{address}` is no address with a port: \"db.internal:5432\""));
        return None;
    }
    Some(CheckKind::Tcp { address, timeout: answers_within(reader, block) })
}

fn dns<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<DnsCheckConfig> {
    only(reader, block, &["name", "type", "answers", "server", "timeout"], &[]);
    let name = reader.needed(block, "name")?;
    let name = hickory_proto::rr::Name::from_ascii(&name).map(|mut name| {
        name.set_fqdn(true);
        name
    });
    let Ok(name) = name else {
        let at = block.body.get_attribute("name").map(|attribute| &attribute.value)?;
        reader.wrong(at, "this is no name of the DNS");
        return None;
    };
    let kind = reader.parsed(&block.body, "type", |text| match text {
        "A" | "AAAA" | "CNAME" | "TXT" | "MX" | "NS" | "CAA" | "SRV" | "HTTPS" => {
            text.parse().map_err(|_| text.to_owned())
        }
        other => Err(format!("`{other}` is no type that is asked for: A, AAAA, CNAME, TXT, ..")),
    });
    let kind = kind.unwrap_or(hickory_proto::rr::RecordType::A);
    let answers = reader.texts(&block.body, "answers").unwrap_or_default();
    let server = reader.parsed(&block.body, "server", crate::config::rfc2136::server);
    let timeout = answers_within(reader, block);
    Some(DnsCheckConfig { name, kind, answers, server, timeout })
}

fn exec<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["command", "timeout"], &[]);
    let command = reader.command(&block.body, "command").unwrap_or_default();
    if command.is_empty() {
        let hint = "command = [\"./smoke.sh\"], or a line for the shell: command = \"curl -f ..\"";
        reader.wrong_with(&block.ident, "a check \"exec\" needs `command`", Some(hint.to_owned()));
        return None;
    }
    let timeout = reader.duration(&block.body, "timeout", SOONEST..=LONGEST_COMMAND);
    let folder = reader.folder().to_owned();
    Some(CheckKind::Exec { command, folder, timeout: timeout.unwrap_or(COMMAND_TIMEOUT) })
}

fn redis<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["url", "timeout"], &[]);
    let text = match address(reader, block)? {
        Ok(text) => text,
        Err(why) => return Some(CheckKind::Lacking { kind: "redis", why }),
    };
    let wrong = "this is no URL of a Redis: redis://:PASSWORD@cache:6379, or rediss:// for TLS";
    let parsed = url::Url::parse(&text).ok().and_then(|url| {
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return None,
        };
        let plain = |text: &str| {
            let plain = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
            Some(plain.into_owned())
        };
        let password = match url.password() {
            Some(password) => Some(Secret::new(plain(password)?)),
            None => None,
        };
        Some(RedisCheckConfig {
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(6_379),
            tls,
            user: plain(url.username()).filter(|user| !user.is_empty()),
            password,
            timeout: TIMEOUT,
        })
    });
    let Some(parsed) = parsed else {
        let at = block.body.get_attribute("url").map(|attribute| &attribute.value)?;
        reader.wrong(at, wrong);
        return None;
    };
    let timeout = answers_within(reader, block);
    Some(CheckKind::Redis(RedisCheckConfig { timeout, ..parsed }))
}

fn postgres<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<CheckKind> {
    only(reader, block, &["url", "query", "writable", "timeout"], &[]);
    let text = match address(reader, block)? {
        Ok(text) => text,
        Err(why) => return Some(CheckKind::Lacking { kind: "postgres", why }),
    };
    if !is_a_url(&text) {
        let at = block.body.get_attribute("url").map(|attribute| &attribute.value)?;
        let message = "this is no URL of a PostgreSQL: postgres://USER:PASSWORD@db:5432/shop?sslmode=require, where a password has %40 for @";
        reader.wrong(at, message);
        return None;
    }
    let query = reader.text(&block.body, "query");
    let wants = match reader.boolean(&block.body, "writable") {
        Some(false) => Writes::NotAsked,
        Some(true) | None => Writes::Taken,
    };
    let timeout = answers_within(reader, block);
    let url = Secret::new(text);
    Some(CheckKind::Postgres(PostgresCheckConfig { url, query, wants, timeout }))
}

/// The `url`, which may have a password in it and is shown nowhere; why this machine does not have it, where it comes from the
/// environment.
pub(in crate::config) fn address<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
) -> Option<Result<String, String>> {
    if block.body.get_attribute("url").is_none() {
        reader.needed(block, "url");
        return None;
    }
    reader.perhaps_secret(&block.body, "url").transpose()
}
