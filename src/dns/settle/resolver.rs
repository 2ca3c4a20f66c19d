//! What recursive resolvers say of a name: a sample, bounded in time. One that is silent is no finding.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::rr::{Name, RData, RecordType};
use serde::Serialize;
use serde_json::Value;

use super::super::ask::{Transport, ask};
use crate::switch::Step;
use crate::tasks::all;

/// No sample takes longer, however many resolvers are asked.
const PATIENCE: Duration = Duration::from_millis(700);

/// What is asked of each resolver: one name and type that moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// As a step has it.
    pub target: String,
    name: Name,
    kind: RecordType,
    before: Value,
    after: Value,
}

/// What one resolver said to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Which resolver.
    pub resolver: SocketAddr,
    /// The name and type, as a step has it.
    pub target: String,
    /// What it said.
    pub answer: Heard,
    /// For how many seconds it keeps that, where it gave records.
    pub ttl: Option<u32>,
}

/// What a resolver said, beside what was before a flip and what is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Heard {
    /// What is given after the flip.
    New,
    /// What was given before.
    Old,
    /// Something else, or what cannot be compared: an alias has the addresses of its target.
    Other,
    /// Nothing, in time.
    Silent,
}

impl Question {
    /// The question about what `step` moves; `None` where its target is not a name that can be asked for.
    pub fn of(step: &Step) -> Option<Question> {
        let mut words = step.target.split(' ');
        let (name, kind) = (words.next()?, words.next()?);
        // One of several sets of a name: what is heard may be another's. And `\052` is any name at all.
        if words.next().is_some() || name.contains('\\') {
            return None;
        }
        let kind = match kind {
            "A" => RecordType::A,
            "AAAA" => RecordType::AAAA,
            "CNAME" => RecordType::CNAME,
            _ => return None,
        };
        Some(Question {
            target: step.target.clone(),
            name: Name::from_ascii(name).ok().map(|name| fully_qualified(&name))?,
            kind,
            before: step.before.clone(),
            after: step.after.clone(),
        })
    }

    /// Which of the two values these records are.
    fn heard(&self, records: &[String]) -> Heard {
        let is = |value: &Value| match value {
            Value::Null => records.is_empty(),
            value => value.get("records").and_then(Value::as_array).is_some_and(|wanted| {
                let mut wanted: Vec<_> =
                    wanted.iter().filter_map(Value::as_str).map(plain).collect();
                wanted.sort();
                wanted == records
            }),
        };
        match (is(&self.after), is(&self.before)) {
            (true, _) => Heard::New,
            (false, true) => Heard::Old,
            (false, false) => Heard::Other,
        }
    }
}

/// Asks every resolver every question, all at once. Cancel safe: it changes nothing.
pub async fn sample(resolvers: &[SocketAddr], questions: &[Question]) -> Vec<Sample> {
    let each = resolvers
        .iter()
        .flat_map(|resolver| questions.iter().map(move |question| one(*resolver, question)));
    all(each).await
}

async fn one(resolver: SocketAddr, question: &Question) -> Sample {
    let asked = ask(resolver, &question.name, question.kind, Transport::Usual);
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let (answer, ttl) = match answer {
        Ok(Ok(answer)) if is_answer(answer.response_code) => {
            let own = || {
                let own = answer.answers.iter().filter(|record| record.name == question.name);
                own.filter(|record| record.record_type() == question.kind)
            };
            let mut records: Vec<_> = own().map(|record| plain(&text(&record.data))).collect();
            records.sort();
            (question.heard(&records), own().map(|record| record.ttl).max())
        }
        Ok(Ok(_) | Err(_)) | Err(_) => (Heard::Silent, None),
    };
    Sample { resolver, target: question.target.clone(), answer, ttl }
}

/// The resolvers that keep an answer for longer than the name servers say, each with its TTL: `allowed` says of a target
/// how long that is.
pub fn stretches(
    samples: &[Sample],
    allowed: impl Fn(&str) -> Option<u32>,
) -> Vec<(SocketAddr, u32, u32)> {
    let mut found: Vec<(SocketAddr, u32, u32)> = Vec::new();
    for Sample { resolver, target, ttl, .. } in samples {
        let (Some(ttl), Some(allowed)) = (*ttl, allowed(target)) else { continue };
        if ttl <= allowed {
            continue;
        }
        match found.iter_mut().find(|(other, ..)| other == resolver) {
            Some(known) if known.1 >= ttl => {}
            Some(known) => *known = (*resolver, ttl, allowed),
            None => found.push((*resolver, ttl, allowed)),
        }
    }
    found
}

fn is_answer(code: hickory_proto::op::ResponseCode) -> bool {
    use hickory_proto::op::ResponseCode;
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

fn fully_qualified(name: &Name) -> Name {
    let mut name = name.clone();
    name.set_fqdn(true);
    name
}

fn text(data: &RData) -> String {
    match data {
        RData::CNAME(name) => name.0.to_string(),
        data => data.to_string(),
    }
}

/// One spelling for one address or name.
fn plain(record: &str) -> String {
    match record.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => record.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::switch::LeverName;

    fn step(target: &str, before: Value, after: Value) -> Step {
        Step {
            lever: LeverName::Dns,
            kind: "rfc2136".to_owned(),
            target: target.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn what_is_heard_is_told_apart_whatever_its_spelling_and_order() {
        let before = json!({ "ttl": 60, "records": ["2001:DB8::1", "2001:db8:0::2"] });
        let question = Question::of(&step("shop.example.test AAAA", before, Value::Null)).unwrap();
        let heard = |records: &[&str]| {
            question.heard(&records.iter().map(|&record| record.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(heard(&["2001:db8::1", "2001:db8::2"]), Heard::Old);
        assert_eq!(heard(&[]), Heard::New);
        assert_eq!(heard(&["2001:db8::1"]), Heard::Other);
    }

    #[test]
    fn only_a_name_that_has_one_set_is_asked_for() {
        let of = |target| Question::of(&step(target, Value::Null, Value::Null)).is_some();
        assert!(of("shop.example.test A"));
        assert!(!of("shop.example.test A blue"));
        assert!(!of("shop.example.test HTTPS"));
        assert!(!of("\\052.example.test A"));
        assert!(!of("shop"));
    }

    #[test]
    fn the_longest_ttl_of_a_resolver_is_named_once() {
        let resolver = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let said = |port, ttl| Sample {
            resolver: resolver(port),
            target: "shop A".to_owned(),
            answer: Heard::Old,
            ttl,
        };
        let samples = [said(1, Some(8)), said(2, Some(25)), said(2, Some(20)), said(3, None)];
        assert_eq!(stretches(&samples, |_| Some(8)), [(resolver(2), 25, 8)]);
    }
}
