//! A check of what the DNS says.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;

use super::{Asked, Check, Failed};
use crate::config::DnsCheckConfig;
use crate::dns::{Transport, ask};

/// One question.
#[derive(Debug)]
pub struct DnsCheck {
    config: DnsCheckConfig,
    resolvers: Vec<SocketAddr>,
}

impl DnsCheck {
    /// What the `check` block says; the first of `resolvers` is asked where it names no server.
    pub fn new(config: DnsCheckConfig, resolvers: Vec<SocketAddr>) -> DnsCheck {
        DnsCheck { config, resolvers }
    }

    async fn asked(&self) -> Result<String, Failed> {
        let DnsCheckConfig { name, kind, answers, server, timeout } = &self.config;
        let failed = |why: String, fix: &str| Failed { why, fix: fix.to_owned() };
        let Some(server) = server.or_else(|| self.resolvers.first().copied()) else {
            let fix = "name one: server = \"192.0.2.53\"";
            return Err(failed(
                "there is nobody to ask: this machine has no resolver".to_owned(),
                fix,
            ));
        };
        let question = ask(server, name, *kind, Transport::Usual);
        let shown = format!("{name} {kind}");
        let shown = shown.replacen(". ", " ", 1);
        let unanswered = "see that it can be reached from here";
        let message = match tokio::time::timeout(*timeout, question).await {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => return Err(failed(format!("{shown}: {error}"), unanswered)),
            Err(_) => return Err(failed(format!("{shown}: {server} does not answer"), unanswered)),
        };
        let code = message.metadata.response_code;
        if code != ResponseCode::NoError {
            return Err(failed(format!("{shown}: {server} says {code}"), "look at the zone"));
        }
        let said: BTreeSet<_> = message
            .answers
            .iter()
            .filter(|record| record.record_type() == *kind)
            .map(|record| plain(&record.data.to_string()))
            .collect();
        let wanted: BTreeSet<_> = answers.iter().map(|answer| plain(answer)).collect();
        let list = |all: &BTreeSet<String>| match all.len() {
            0 => "nothing".to_owned(),
            _ => all.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        if said.is_empty() || (!wanted.is_empty() && said != wanted) {
            let but = if wanted.is_empty() {
                String::new()
            } else {
                format!(", and {} is wanted", list(&wanted))
            };
            let why = format!("{shown} is {}{but}, says {server}", list(&said));
            return Err(failed(why, "look at the zone, or wait until its TTL is over"));
        }
        Ok(format!("{shown} is {}", list(&said)))
    }
}

impl Check for DnsCheck {
    fn kind(&self) -> &'static str {
        "dns"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

/// An answer as people write it: without a last dot, and in one case.
fn plain(answer: &str) -> String {
    answer.trim_matches('"').trim_end_matches('.').to_lowercase()
}
