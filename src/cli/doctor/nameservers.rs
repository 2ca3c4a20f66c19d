//! The name servers of `dns "rfc2136"`: each is asked, they agree, and the primary takes updates signed with the key.

use super::super::context::Context;
use super::super::report::Waiting;
use super::{Finding, fail, ok};
use crate::clock;
use crate::config::Rfc2136Config;
use crate::dns::Rfc2136;
use crate::dns::rfc2136::exercise;
use crate::switch::OperationId;

pub(super) async fn findings(config: &Rfc2136Config) -> Vec<Finding> {
    const SERVER: &str = "nameserver";
    const KEY: &str = "key";
    let name = Rfc2136::new(config.clone());
    let mut findings = Vec::new();
    let mut said = Vec::new();
    for (server, answer) in name.survey().await {
        findings.push(match answer {
            Ok((position, words)) => {
                let finding = ok(SERVER, format!("{server} answers with authority: {words}"));
                said.push((server, position, words));
                finding
            }
            Err(error) => fail(SERVER, &error, error.hint()),
        });
    }
    let differs =
        said.iter().find(|(_, _, words)| Some(words) != said.first().map(|(.., words)| words));
    if let (Some((first, ..)), Some((other, ..))) = (said.first(), differs) {
        findings.push(fail(
            "nameservers-agree",
            format!("{first} and {other} do not say the same"),
            "see that the secondaries follow: NOTIFY, allow-transfer, the serial",
        ));
    } else if said.len() > 1 {
        findings.push(ok("nameservers-agree", format!("all {} say the same", said.len())));
    }
    findings.push(match name.may_update().await {
        Ok(()) => ok(KEY, format!("{} takes updates signed with it", config.primary)),
        Err(error) => fail(KEY, &error, error.hint()),
    });
    findings
}

/// A real round trip, on a name that nobody needs.
pub(super) async fn exercised(context: &Context, config: &Rfc2136Config) -> Finding {
    let waiting = Waiting::new(context.report);
    let operation = OperationId::at(clock::now(), fastrand::u32(..));
    let done = exercise(config, &operation, &waiting).await;
    waiting.ended();
    super::round_trip(done, "on every name server")
}
