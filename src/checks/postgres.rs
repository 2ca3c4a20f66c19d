//! A check of a `PostgreSQL`: it answers, takes writes, and says yes to a question of the operator's.

use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Asked, Check, Failed};
use crate::config::{PostgresCheckConfig, Writes};
use crate::net::ask::trusting;

/// What it is asked where the operator asks nothing.
const ALIVE: &str = "SELECT true";
/// Whether it takes writes: neither a standby nor read-only by default (`PostgreSQL`, `default_transaction_read_only`).
const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

/// One `PostgreSQL`, or a pool before it.
#[derive(Debug)]
pub struct PostgresCheck(PostgresCheckConfig);

impl PostgresCheck {
    /// What the `check` block says.
    pub fn new(config: PostgresCheckConfig) -> PostgresCheck {
        PostgresCheck(config)
    }

    async fn asked(&self) -> Result<String, Failed> {
        let PostgresCheckConfig { url, timeout, .. } = &self.0;
        let text = String::from_utf8_lossy(url.bytes());
        let mut config: Config = text.parse().map_err(|_| Failed {
            why: "its url is none".to_owned(),
            fix: "postgres://USER:PASSWORD@db:5432/shop".to_owned(),
        })?;
        config.application_name("roadworks check");
        let place = place(&config);
        let talk = async {
            if config.get_ssl_mode() == SslMode::Disable {
                let (client, connection) =
                    config.connect(NoTls).await.map_err(|error| unasked(&place, &error))?;
                return self.talked(client, connection, &place).await;
            }
            let tls = MakeRustlsConnect::new(trusting(&[b"postgresql"]));
            let (client, connection) =
                config.connect(tls).await.map_err(|error| unasked(&place, &error))?;
            self.talked(client, connection, &place).await
        };
        let late = || Failed {
            why: format!("{place} does not answer within {} s", timeout.as_secs_f64()),
            fix: "see that it runs, and that it can be reached from here".to_owned(),
        };
        tokio::time::timeout(*timeout, talk).await.unwrap_or_else(|_| Err(late()))
    }

    /// The connection works while it is asked, and ends with it.
    async fn talked(
        &self,
        client: Client,
        connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
        place: &str,
    ) -> Result<String, Failed> {
        let mut connection = std::pin::pin!(connection);
        let mut asked = std::pin::pin!(self.all(&client, place));
        tokio::select! {
            biased;
            found = &mut asked => found,
            // Whoever asks hears of its end.
            _ = &mut connection => asked.await,
        }
    }

    async fn all(&self, client: &Client, place: &str) -> Result<String, Failed> {
        let PostgresCheckConfig { query, wants, .. } = &self.0;
        if *wants == Writes::Taken && !is_true(client, TAKES_WRITES, place).await?.0 {
            return Err(Failed {
                why: format!("{place} takes no writes: it is a standby, or read-only"),
                fix: "let it be promoted, or say writable = false".to_owned(),
            });
        }
        let (yes, said) = is_true(client, query.as_deref().unwrap_or(ALIVE), place).await?;
        if !yes {
            return Err(Failed {
                why: format!("{place} answers {said} to the query"),
                fix: "look at what the query asks for".to_owned(),
            });
        }
        Ok(match (query, wants) {
            (Some(_), _) => format!("{place} answers {said} to the query"),
            (None, Writes::Taken) => format!("{place} answers, and takes writes"),
            (None, Writes::NotAsked) => format!("{place} answers"),
        })
    }
}

impl Check for PostgresCheck {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

/// Whether the first value of the first row is neither false nor null, and what it is.
async fn is_true(client: &Client, query: &str, place: &str) -> Result<(bool, String), Failed> {
    // The simple protocol, which each pool takes.
    let rows = client.simple_query(query).await.map_err(|error| unasked(place, &error))?;
    let first = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => Some(row.try_get(0).ok().flatten().map(str::to_owned)),
        _ => None,
    });
    Ok(match first {
        None => (false, "no row".to_owned()),
        Some(None) => (false, "null".to_owned()),
        Some(Some(value)) => {
            let shown: String = value.chars().filter(|one| !one.is_control()).take(80).collect();
            (!matches!(value.as_str(), "f" | "false"), shown)
        }
    })
}

/// Where, for a message: never who, and never the password.
fn place(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5_432);
    match config.get_dbname() {
        Some(name) => format!("{host}:{port}/{name}"),
        None => format!("{host}:{port}"),
    }
}

fn unasked(place: &str, error: &tokio_postgres::Error) -> Failed {
    if let Some(told) = error.as_db_error() {
        let why = format!("{place} says {}: {}", told.code().code(), told.message());
        let fix = "look at the user, the database and their rights, and at PostgreSQL's log";
        return Failed { why, fix: fix.to_owned() };
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Failed {
        why: format!("{place} cannot be asked: {error}{}", cause.unwrap_or_default()),
        fix: "see that it runs, and that it can be reached from here; without TLS, sslmode=disable"
            .to_owned(),
    }
}
