//! One resource record set as Route 53 keeps it, and its way from and to XML.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::xml::{Element, escape};

/// The hosted zone of every `CloudFront` distribution.
pub(crate) const CLOUDFRONT: &str = "Z2FDTNDATAQYW2";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Alias {
        zone_id: String,
        name: String,
        health: bool,
    },
    /// The values are sorted: Route 53 compares them as a set.
    Plain {
        ttl: u64,
        values: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordSet {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) set_identifier: Option<String>,
    pub(crate) answer: Answer,
    /// The routing policy and the health check, element by element.
    pub(crate) policy: BTreeMap<String, String>,
}

const POLICIES: [&str; 5] = ["Weight", "Region", "Failover", "MultiValueAnswer", "HealthCheckId"];

impl RecordSet {
    /// An alias as most tests want it.
    pub(crate) fn alias(name: &str, zone_id: &str, target: &str) -> RecordSet {
        let answer =
            Answer::Alias { zone_id: zone_id.to_owned(), name: normal(target), health: false };
        RecordSet {
            name: normal(name),
            kind: "A".to_owned(),
            set_identifier: None,
            answer,
            policy: BTreeMap::new(),
        }
    }

    /// What identifies it within its zone.
    pub(crate) fn key(&self) -> (&str, &str, Option<&str>) {
        (&self.name, &self.kind, self.set_identifier.as_deref())
    }

    /// Reads a `ResourceRecordSet`, with the refusals that Route 53 calls `InvalidInput`.
    pub(crate) fn read(element: &Element, action: &str) -> Result<RecordSet, String> {
        let text = |name: &str| element.at(&[name]).map(str::to_owned);
        let (name, kind) = (text("Name").ok_or("no Name")?, text("Type").ok_or("no Type")?);
        let (name, set_identifier) = (normal(&name), text("SetIdentifier"));
        let policy: BTreeMap<_, _> = POLICIES
            .iter()
            .filter_map(|policy| Some(((*policy).to_owned(), text(policy)?)))
            .collect();
        let place = format!(
            "[Action={action}, Name={name}, Type={kind}, SetIdentifier={}]",
            set_identifier.as_deref().unwrap_or("null")
        );
        let routed = policy.keys().any(|policy| policy != "HealthCheckId");
        if routed != set_identifier.is_some() {
            return Err(format!(
                "Invalid request: Missing field 'SetIdentifier' or a routing policy in Change with {place}"
            ));
        }
        let answer = answer(element, &place)?;
        Ok(RecordSet { name, kind, set_identifier, answer, policy })
    }

    /// The `ResourceRecordSet` that Route 53 answers.
    pub(crate) fn written(&self) -> String {
        let mut xml = format!(
            "<ResourceRecordSet><Name>{}</Name><Type>{}</Type>",
            escape(&self.name),
            self.kind
        );
        if let Some(id) = &self.set_identifier {
            push(&mut xml, format_args!("<SetIdentifier>{}</SetIdentifier>", escape(id)));
        }
        for (policy, value) in &self.policy {
            push(&mut xml, format_args!("<{policy}>{}</{policy}>", escape(value)));
        }
        match &self.answer {
            Answer::Alias { zone_id, name, health } => push(
                &mut xml,
                format_args!(
                    "<AliasTarget><HostedZoneId>{zone_id}</HostedZoneId><DNSName>{}</DNSName><EvaluateTargetHealth>{health}</EvaluateTargetHealth></AliasTarget>",
                    escape(name)
                ),
            ),
            Answer::Plain { ttl, values } => {
                push(&mut xml, format_args!("<TTL>{ttl}</TTL><ResourceRecords>"));
                for value in values {
                    let value = escape(value);
                    push(
                        &mut xml,
                        format_args!("<ResourceRecord><Value>{value}</Value></ResourceRecord>"),
                    );
                }
                xml.push_str("</ResourceRecords>");
            }
        }
        xml + "</ResourceRecordSet>"
    }
}

fn push(xml: &mut String, what: std::fmt::Arguments<'_>) {
    xml.write_fmt(what).expect("a string takes everything");
}

fn answer(element: &Element, place: &str) -> Result<Answer, String> {
    let found = |what: &str| {
        format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found {what} in Change with {place}"
        )
    };
    let ttl = element.at(&["TTL"]);
    let values: Vec<_> = element.all("Value").iter().map(|value| value.text.clone()).collect();
    match (element.child("AliasTarget"), ttl) {
        (Some(_), Some(_)) => Err(found("more than one")),
        (Some(_), None) if !values.is_empty() => Err(found("more than one")),
        (Some(alias), None) => {
            let part = |name: &str| alias.at(&[name]).ok_or(format!("no {name} in {place}"));
            let health = part("EvaluateTargetHealth")? == "true";
            let zone_id = part("HostedZoneId")?.to_owned();
            if health && zone_id == CLOUDFRONT {
                return Err(format!(
                    "Invalid request: EvaluateTargetHealth must be false for a CloudFront distribution in Change with {place}"
                ));
            }
            Ok(Answer::Alias { zone_id, name: normal(part("DNSName")?), health })
        }
        (None, Some(ttl)) if !values.is_empty() => {
            let ttl = ttl.parse().map_err(|_| format!("TTL is not a number in {place}"))?;
            let mut values = values;
            values.sort();
            Ok(Answer::Plain { ttl, values })
        }
        (None, _) => Err(found("none")),
    }
}

/// A name as Route 53 keeps it: lower case, with its dot, and everything unusual as an octal escape.
pub(crate) fn normal(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut out = String::with_capacity(name.len() + 1);
    for byte in name.bytes() {
        match byte.to_ascii_lowercase() {
            plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'\\') => {
                out.push(char::from(plain));
            }
            other => push(&mut out, format_args!("\\{other:03o}")),
        }
    }
    out + "."
}
