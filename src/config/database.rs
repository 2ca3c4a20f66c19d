//! A `database` block -> a pool that is paused, or a database that is made read-only, and in which modes. Connects to nobody.

use std::time::Duration;

use hcl_edit::structure::Block;
use tokio_postgres::config::Host;

use super::checks::address;
use super::read::Reader;
use super::secret::Secret;
use crate::switch::Mode;

const KINDS: [&str; 2] = ["pgbouncer", "postgres"];
/// How long `PAUSE` may take where nothing is said: new queries wait from its first moment on.
const DEADLINE: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_millis(100);
/// A longer one would be the outage that it is to prevent.
const LONGEST_DEADLINE: Duration = Duration::from_secs(30);
/// Why `open` is no mode in which something is done.
const AS_ALWAYS: &str = "an open site's database is as always";
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// One database of a site, by what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseConfig {
    /// A `PgBouncer`, whose clients are kept waiting.
    Pgbouncer(PgbouncerConfig),
    /// A `PostgreSQL`, which takes no writes.
    Postgres(PostgresConfig),
}

/// One `PgBouncer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgbouncerConfig {
    /// The URL of its admin console, or why this machine does not have it.
    pub url: Result<Secret, String>,
    /// Which of its databases; empty for all that it has.
    pub databases: Vec<String>,
    /// The modes in which they are paused.
    pub when: Vec<Mode>,
    /// How long `PAUSE` may take.
    pub deadline: Duration,
    /// A URL through the pool, by which is seen after `RESUME` that it lets new connections in.
    pub probe: Option<Result<Secret, String>>,
}

/// One `PostgreSQL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// The URL of the database, past any pool, for a role that may alter it; or why this machine does not have it.
    pub url: Result<Secret, String>,
    /// The modes in which it is read-only.
    pub when: Vec<Mode>,
    /// The roles that may write all the same.
    pub migrators: Vec<String>,
    /// How long a statement of a command waits for a lock.
    pub lock_timeout: Duration,
    /// How long a statement of a command may take; `None` for as long as clients wait, or for ever where none do.
    pub statement_timeout: Option<Duration>,
}

impl PostgresConfig {
    /// How long a command's statement waits for a lock where nothing is said: everybody who comes after it waits behind it.
    pub const LOCK: Duration = Duration::from_secs(1);
}

/// Reads the `database` blocks of a site.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    blocks: impl Iterator<Item = &'a Block>,
) -> Vec<DatabaseConfig> {
    let mut all: Vec<DatabaseConfig> = Vec::new();
    for block in blocks {
        let Some(read) = one(reader, block) else { continue };
        if all.iter().any(|other| other.is_of_the_same(&read)) {
            let (message, hint) = match read {
                DatabaseConfig::Pgbouncer(_) => (
                    "another block is of the same PgBouncer",
                    "name all of its databases in one: databases = [\"shop\", \"blog\"]",
                ),
                DatabaseConfig::Postgres(_) => {
                    ("another block is of the same database", "one block for each database")
                }
            };
            reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
        }
        all.push(read);
    }
    all
}

impl DatabaseConfig {
    /// Whether both are of one console, or of one database: what one of them puts back the other would change again.
    fn is_of_the_same(&self, other: &DatabaseConfig) -> bool {
        match (self, other) {
            (DatabaseConfig::Pgbouncer(one), DatabaseConfig::Pgbouncer(other)) => {
                let places = place(&one.url).zip(place(&other.url));
                places.is_some_and(|(one, other)| one.0 == other.0)
            }
            (DatabaseConfig::Postgres(one), DatabaseConfig::Postgres(other)) => {
                place(&one.url).is_some_and(|place_of| Some(place_of) == place(&other.url))
            }
            (DatabaseConfig::Pgbouncer(_), DatabaseConfig::Postgres(_))
            | (DatabaseConfig::Postgres(_), DatabaseConfig::Pgbouncer(_)) => false,
        }
    }
}

/// The hosts and ports of a URL, and the database there.
type Place = ((Vec<Host>, Vec<u16>), Option<String>);

fn place(url: &Result<Secret, String>) -> Option<Place> {
    let text = std::str::from_utf8(url.as_ref().ok()?.bytes()).ok()?;
    let config = text.parse::<tokio_postgres::Config>().ok()?;
    let ports = match config.get_ports() {
        [] => vec![5432],
        ports => ports.to_vec(),
    };
    let server = (config.get_hosts().to_vec(), ports);
    Some((server, config.get_dbname().map(str::to_owned)))
}

fn one<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<DatabaseConfig> {
    let labels = reader.labels(block, &["kind"])?;
    match labels.as_slice() {
        ["pgbouncer"] => pgbouncer(reader, block).map(DatabaseConfig::Pgbouncer),
        ["postgres"] => postgres(reader, block).map(DatabaseConfig::Postgres),
        other => {
            let message = format!("there is no database \"{}\"", other.join(" "));
            let known: Vec<_> = KINDS.iter().map(|kind| format!("\"{kind}\"")).collect();
            reader.wrong_with(&block.ident, message, Some(format!("known: {}", known.join(", "))));
            None
        }
    }
}

fn pgbouncer<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<PgbouncerConfig> {
    let body = &block.body;
    reader.only(body, &["url", "databases", "when", "deadline", "probe"], &[], &[]);
    let said = address(reader, block)?;
    let url = url(reader, block, "url", said)?;
    let databases = reader.list(body, "databases", name).unwrap_or_default();
    let when = modes(reader, block, (AS_ALWAYS, &[Mode::Hold]));
    if when.contains(&Mode::ReadOnly)
        && let Some(given) = body.get_attribute("when")
    {
        let message = "a pool that is paused keeps readers waiting, too: not in `read-only`";
        let hint = "a `database \"postgres\"` block makes it refuse writes then".to_owned();
        reader.wrong_with(&given.value, message, Some(hint));
    }
    let deadline = reader.duration(body, "deadline", SHORTEST..=LONGEST_DEADLINE);
    let probe = match reader.perhaps_secret(body, "probe").transpose() {
        Some(said) => Some(self::url(reader, block, "probe", said)?),
        None => None,
    };
    Some(PgbouncerConfig { url, databases, when, deadline: deadline.unwrap_or(DEADLINE), probe })
}

fn postgres<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<PostgresConfig> {
    let body = &block.body;
    let keys = ["url", "when", "migrators", "lock_timeout", "statement_timeout"];
    reader.only(body, &keys, &[], &[]);
    let said = address(reader, block)?;
    let url = url(reader, block, "url", said)?;
    let when = modes(reader, block, (AS_ALWAYS, &[Mode::ReadOnly]));
    let migrators = reader.list(body, "migrators", name).unwrap_or_default();
    let within = Duration::from_millis(1)..=LONGEST_TIMEOUT;
    let lock_timeout =
        reader.duration(body, "lock_timeout", within.clone()).unwrap_or(PostgresConfig::LOCK);
    let statement_timeout = reader.duration(body, "statement_timeout", within);
    Some(PostgresConfig { url, when, migrators, lock_timeout, statement_timeout })
}

/// The URL that `key` says, which may have a password in it and is shown nowhere; or why this machine does not have it.
fn url(
    reader: &mut Reader<'_>,
    block: &Block,
    key: &str,
    said: Result<String, String>,
) -> Option<Result<Secret, String>> {
    let text = match said {
        Ok(text) => text,
        Err(why) => return Some(Err(why)),
    };
    if is_a_url(&text) {
        return Some(Ok(Secret::new(text)));
    }
    let at = block.body.get_attribute(key).map(|attribute| &attribute.value)?;
    reader.wrong(
        at,
        "this is no URL of a PostgreSQL or a PgBouncer: postgres://USER:PASSWORD@db:6432/pgbouncer, where a password has %40 for @",
    );
    None
}

/// Whether a text is a `PostgreSQL` URL. A password with an `@` in it would become a part of the host, which is shown.
pub(super) fn is_a_url(text: &str) -> bool {
    let odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
    let parsed = text.parse::<tokio_postgres::Config>();
    parsed.is_ok_and(|config| !config.get_hosts().iter().any(odd))
}

/// A name of a database or a role, as `PostgreSQL` takes it: at most 63 bytes.
fn name(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.len() <= 63 && !text.chars().any(char::is_control);
    if plain { Ok(text.to_owned()) } else { Err(format!("`{text}` is no name of PostgreSQL's")) }
}

/// In which modes a lever moves; `open` is none of them, and the words say why.
pub(super) fn modes(
    reader: &mut Reader<'_>,
    block: &Block,
    (not_open, usual): (&str, &[Mode]),
) -> Vec<Mode> {
    let mode = |word: &str| match word.parse::<Mode>() {
        Ok(Mode::Open) => Err(not_open.to_owned()),
        Ok(mode) => Ok(mode),
        Err(error) => Err(error.to_string()),
    };
    reader.list(&block.body, "when", mode).unwrap_or_else(|| usual.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rig::{good, wrong, wrong_and_hints};

    fn site(lines: &str) -> String {
        format!(
            "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }}\n{lines}}}\n"
        )
    }

    #[test]
    fn a_pool_is_paused_in_hold_and_a_database_is_read_only_in_read_only_where_nothing_is_said() {
        let config = good(&site(
            "  database \"pgbouncer\" {\n    url = \"postgres://ops:secret@pool:6432/pgbouncer\"\n  }\n  database \"postgres\" {\n    url = \"postgres://ops:secret@db/shop\"\n    migrators = [\"migrator\"]\n  }\n",
        ));
        let [DatabaseConfig::Pgbouncer(pool), DatabaseConfig::Postgres(server)] =
            config.sites[0].databases.as_slice()
        else {
            panic!()
        };
        assert_eq!((pool.when.as_slice(), pool.deadline), ([Mode::Hold].as_slice(), DEADLINE));
        assert_eq!(
            (server.when.as_slice(), server.lock_timeout),
            ([Mode::ReadOnly].as_slice(), PostgresConfig::LOCK)
        );
        assert_eq!(server.migrators, ["migrator"]);
        assert!(!format!("{config:?}").contains("secret@"), "a password is shown to nobody");
    }

    #[test]
    fn a_machine_without_the_password_does_everything_else() {
        let config = good(&site(
            "  database \"pgbouncer\" {\n    url = env(\"NOT_HERE\")\n    when = [\"hold\", \"closed\"]\n  }\n",
        ));
        let [DatabaseConfig::Pgbouncer(pool)] = config.sites[0].databases.as_slice() else {
            panic!()
        };
        assert!(pool.url.as_ref().unwrap_err().contains("NOT_HERE"));
    }

    #[test]
    fn one_console_has_one_block_and_so_has_one_database() {
        let block = |kind: &str, url: &str| {
            format!("  database \"{kind}\" {{\n    url = \"postgres://{url}\"\n  }}\n")
        };
        for (kind, one, other, refused) in [
            ("pgbouncer", "ops@pool/pgbouncer", "ops:pw@pool:5432/pgbouncer", true),
            ("pgbouncer", "ops@pool:6432/pgbouncer", "ops@pool:6433/pgbouncer", false),
            ("postgres", "ops@db/shop", "other@db/shop", true),
            ("postgres", "ops@db/shop", "ops@db/blog", false),
        ] {
            let text = site(&(block(kind, one) + &block(kind, other)));
            if !refused {
                assert_eq!(good(&text).sites[0].databases.len(), 2, "{one} {other}");
                continue;
            }
            let wrongly = wrong(&text);
            assert!(wrongly[0].starts_with("10:"), "{wrongly:?}");
            assert!(wrongly[0].contains("another block is of the same"), "{wrongly:?}");
        }
    }

    #[test]
    fn each_mistake_has_its_place() {
        for (block, line, says) in [
            ("  database \"mysql\" {\n  }\n", 7, "there is no database \"mysql\""),
            ("  database \"pgbouncer\" {\n  }\n", 7, "needs `url`"),
            ("  database \"pgbouncer\" {\n    url = \"redis://a\"\n  }\n", 8, "no URL"),
            (
                "  database \"postgres\" {\n    url = \"postgres://u:p@q@db/shop\"\n  }\n",
                8,
                "no URL",
            ),
        ] {
            let wrongly = wrong(&site(block));
            assert!(wrongly[0].starts_with(&format!("{line}:")), "{wrongly:?}");
            assert!(wrongly[0].contains(says), "{wrongly:?}");
        }
        let url = "    url = \"postgres://ops@pool:6432/pgbouncer\"\n";
        for (line, says) in [
            ("    when = [\"read-only\"]\n", "keeps readers waiting"),
            ("    when = [\"open\"]\n", "as always"),
            ("    deadline = \"5m\"\n", "at most 30 s"),
            ("    databses = [\"shop\"]\n", "did you mean `databases`?"),
            ("    databases = [\"\"]\n", "no name"),
        ] {
            let text = site(&format!("  database \"pgbouncer\" {{\n{url}{line}  }}\n"));
            let wrongly = wrong_and_hints(&text).join(" ");
            assert!(wrongly.contains(says), "{line}: {wrongly}");
        }
    }
}
