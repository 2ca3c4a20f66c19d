//! What the name servers say of the name, and how that stands to what is wanted. Changes nothing.

use std::net::SocketAddr;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SvcParamKey, SvcParamValue};
use hickory_proto::rr::{Name, RData, RecordType};
use serde_json::{Value, json};

use super::super::words::in_words;
use super::exchange::ask;
use super::told::{no_authority, refused_reading, unread};
use crate::config::{Answers, MOVED, Rfc2136Config};

use crate::lever::{Error, Position};
use crate::switch::Step;

/// All that one name server says of the name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    sets: Vec<(RecordType, Set)>,
    /// For how long resolvers keep that there is no such record (RFC 2308), where the server said so.
    pub(super) negative_ttl: Option<u32>,
}

/// All the records of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    pub(super) ttl: u32,
    pub(super) data: Vec<RData>,
}

impl Said {
    /// Asks `server` for every type that moves. Cancel safe.
    pub(super) async fn of(server: SocketAddr, name: &Name) -> Result<Said, Error> {
        let [a, aaaa, https, cname] = MOVED;
        let ask = |kind| set_of(server, name, kind);
        let (a, aaaa, https, cname) = tokio::try_join!(ask(a), ask(aaaa), ask(https), ask(cname))?;
        let answers = [a, aaaa, https, cname];
        let negative_ttl = answers.iter().filter_map(|(_, negative)| *negative).max();
        let sets = MOVED.into_iter().zip(answers).filter_map(|(kind, (set, _))| Some((kind, set?)));
        Ok(Said { sets: sets.collect(), negative_ttl })
    }

    /// The records of one type.
    pub(super) fn set(&self, kind: RecordType) -> Option<&Set> {
        self.sets.iter().find(|(of, _)| *of == kind).map(|(_, set)| set)
    }

    /// The longest TTL of its records.
    pub(super) fn longest_ttl(&self) -> Option<u32> {
        self.sets.iter().map(|(_, set)| set.ttl).max()
    }

    /// The value of one type, as a step has it.
    pub(super) fn value(&self, kind: RecordType) -> Value {
        self.set(kind).map_or(Value::Null, |set| shown(set.ttl, set.data.iter()))
    }

    pub(super) fn position(&self, config: &Rfc2136Config) -> Position {
        let says =
            |side: &Answers| MOVED.iter().all(|kind| self.value(*kind) == wanted(side, *kind));
        if says(&config.live) {
            Position::Live
        } else if says(&config.maintenance) {
            Position::Maintenance
        } else if self.sets.is_empty() {
            Position::Absent
        } else {
            Position::Foreign
        }
    }

    /// In a line.
    pub(super) fn in_words(&self) -> String {
        all_in_words(MOVED.iter().map(|kind| (*kind, self.value(*kind))))
    }

    /// How it stands to steps, each with its type.
    pub(super) fn stand(&self, steps: &[(RecordType, &Step)]) -> Stand {
        if steps.iter().all(|(kind, step)| self.value(*kind) == step.before) {
            Stand::Before
        } else if self.is_after(steps) {
            Stand::After
        } else {
            Stand::Elsewhere
        }
    }

    /// Whether it says what the steps lead to, be it what was before or not.
    pub(super) fn is_after(&self, steps: &[(RecordType, &Step)]) -> bool {
        steps.iter().all(|(kind, step)| self.value(*kind) == step.after)
    }
}

/// How the name stands to what some steps expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Before,
    After,
    Elsewhere,
}

/// What one type says on one side of the switch, as a step has it.
pub(super) fn wanted(side: &Answers, kind: RecordType) -> Value {
    let mut data = side.of(kind).peekable();
    if data.peek().is_none() { Value::Null } else { shown(side.ttl, data) }
}

pub(super) fn side_in_words(side: &Answers) -> String {
    all_in_words(MOVED.iter().map(|kind| (*kind, wanted(side, *kind))))
}

fn all_in_words(values: impl Iterator<Item = (RecordType, Value)>) -> String {
    let values: Vec<_> = values.filter(|(_, value)| !value.is_null()).collect();
    match values.as_slice() {
        [] => in_words(&Value::Null),
        [(RecordType::A | RecordType::AAAA, only)] => in_words(only),
        all => {
            let each = all.iter().map(|(kind, value)| format!("{kind} {}", in_words(value)));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

/// Records as a step has them; sets have no order, so the texts are sorted.
fn shown<'a>(ttl: u32, data: impl Iterator<Item = &'a RData>) -> Value {
    let mut records: Vec<_> = data.map(text).collect();
    records.sort();
    json!({ "ttl": ttl, "records": records })
}

/// A record's data as a zone file has it.
fn text(data: &RData) -> String {
    match data {
        RData::HTTPS(https) => {
            let parameter = |(key, value): &(SvcParamKey, SvcParamValue)| match value
                .to_string()
                .trim_end_matches(',')
            {
                "" => key.to_string(),
                value => format!("{key}={value}"),
            };
            let first = format!("{} {}", https.0.svc_priority, https.0.target_name);
            let parameters = https.0.svc_params.iter().map(parameter);
            std::iter::once(first).chain(parameters).collect::<Vec<_>>().join(" ")
        }
        RData::CNAME(name) => name.0.to_lowercase().to_string(),
        data => data.to_string(),
    }
}

/// One type's records, and the negative TTL where there are none.
async fn set_of(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<(Option<Set>, Option<u32>), Error> {
    let mut question = Message::query();
    question.add_query(Query::query(name.clone(), kind));
    let answer = ask(server, &question).await.map_err(|silence| unread(server, &silence))?;
    match answer.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        code => return Err(refused_reading(server, name, code)),
    }
    if !answer.authoritative {
        return Err(no_authority(server, name));
    }
    // Where the name is a CNAME, its target's records may come along: they are not the name's.
    let of_name =
        answer.answers.iter().filter(|record| record.name == *name && record.record_type() == kind);
    // RFC 2181 section 5.2: one TTL for all; where they differ, the smallest counts.
    let ttl = of_name.clone().map(|record| record.ttl).min();
    let data: Vec<_> = of_name.map(|record| record.data.clone()).collect();
    let soa = answer.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    Ok((ttl.map(|ttl| Set { ttl, data }), soa))
}
