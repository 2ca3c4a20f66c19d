//! One `PostgreSQL`, or whatever speaks as one, by its URL: asked and told by the simple protocol, which pools take, too.
//!
//! Never shows who asks, and never the password.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;
use crate::config::Secret;
use crate::net::ask::trusting;

/// No answer has more rows that somebody looks at.
const MOST_ROWS: usize = 10_000;

/// Where a server is, and as whom it is asked.
#[derive(Debug, Clone)]
pub struct Server {
    config: Config,
    /// `db:5432`
    pub address: String,
    /// `db:5432/shop`, for a message.
    pub place: String,
}

/// A row of an answer, by the names of its columns.
pub(super) type Row = BTreeMap<String, Option<String>>;

impl Server {
    /// The server of `url`, which sees us under the name `application`; none where it is no URL.
    pub fn new(url: &Secret, application: &str) -> Option<Server> {
        let mut config: Config = String::from_utf8_lossy(url.bytes()).parse().ok()?;
        config.application_name(application);
        let address = address(&config);
        let place = match config.get_dbname() {
            Some(name) => format!("{address}/{name}"),
            None => address.clone(),
        };
        Some(Server { config, address, place })
    }

    /// The database that the URL names.
    pub fn database(&self) -> Option<&str> {
        self.config.get_dbname()
    }

    /// Connects, does `work`, and leaves, for at most `within`. Cancel safe as `work` is.
    pub async fn talk<T>(
        &self,
        within: Duration,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let talk = async {
            if self.config.get_ssl_mode() == SslMode::Disable {
                let connected = self.config.connect(NoTls).await;
                let (client, connection) = connected.map_err(|error| self.error(&error))?;
                return talked(client, connection, work).await;
            }
            let connected = self.config.connect(MakeRustlsConnect::new(trusting(&[b"postgresql"])));
            let (client, connection) = connected.await.map_err(|error| self.error(&error))?;
            talked(client, connection, work).await
        };
        let late = || Error::Late { place: self.place.clone(), within };
        tokio::time::timeout(within, talk).await.unwrap_or_else(|_| Err(late()))
    }

    /// The rows that `query` gives.
    pub(super) async fn rows(&self, client: &Client, query: &str) -> Result<Vec<Row>, Error> {
        let messages = client.simple_query(query).await.map_err(|error| self.error(&error))?;
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let value = |index| row.try_get(index).ok().flatten().map(str::to_owned);
                let columns = row.columns().iter().enumerate();
                Some(columns.map(|(index, one)| (one.name().to_owned(), value(index))).collect())
            }
            _ => None,
        };
        Ok(messages.iter().filter_map(row).take(MOST_ROWS).collect())
    }

    /// Does `command`, which gives no rows that matter.
    pub(super) async fn does(&self, client: &Client, command: &str) -> Result<(), Error> {
        client.simple_query(command).await.map(drop).map_err(|error| self.error(&error))
    }

    /// What the server, or the way to it, says.
    pub fn error(&self, error: &tokio_postgres::Error) -> Error {
        let place = self.place.clone();
        if let Some(told) = error.as_db_error() {
            let (code, message) = (told.code().code().to_owned(), told.message().to_owned());
            return Error::Said { place, code, message };
        }
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        Error::Unasked { place, why: format!("{error}{}", cause.unwrap_or_default()) }
    }
}

/// The connection works while `work` is done, and ends with it.
async fn talked<T>(
    client: Client,
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut connection = pin!(connection);
    let mut done = pin!(work(&client));
    tokio::select! {
        biased;
        done = &mut done => done,
        // Whoever asks hears of its end.
        _ = &mut connection => done.await,
    }
}

fn address(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5_432);
    format!("{host}:{port}")
}
