//! A listener's rule as Terraform's `aws_lb_listener_rule` describes it and a load balancer has it.

use serde::{Deserialize, Serialize};

/// A rule, as far as it says for whom it is and what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerRule {
    /// The listener's ARN.
    pub listener: String,
    /// Where it stands; `None` where AWS chooses.
    pub priority: Option<u32>,
    /// What it asks of a request, all of it.
    pub conditions: Vec<RuleCondition>,
    /// What becomes of the request.
    pub action: RuleAction,
}

/// What a rule asks of a request: that one of the values matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleCondition {
    /// `host_header`
    Hosts(Vec<String>),
    /// `path_pattern`
    Paths(Vec<String>),
    /// `http_request_method`
    Methods(Vec<String>),
    /// `source_ip`
    Sources(Vec<String>),
    /// `http_header`
    Header {
        /// Which.
        name: String,
        /// Its values.
        values: Vec<String>,
    },
    /// `query_string`, each with the key where it has one.
    Query(Vec<(Option<String>, String)>),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleAction {
    /// The load balancer answers by itself.
    Answers(RuleAnswer),
    /// Something else: `forward`, or that visitors sign in first.
    Other(String),
}

/// How a load balancer answers by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAnswer {
    /// `fixed-response`
    Fixed {
        /// The status code.
        status: u16,
        /// The content type.
        content_type: String,
        /// The body, at most 1,024 bytes.
        body: String,
    },
    /// `redirect`, each part as the API takes it: `#{host}` is that of the request.
    Redirect {
        /// `HTTP`, `HTTPS` or `#{protocol}`.
        protocol: String,
        /// The host.
        host: String,
        /// The port.
        port: String,
        /// The path, with its first slash.
        path: String,
        /// The query, without its question mark.
        query: String,
        /// Whether for ever (301) or for now (302).
        status: u16,
    },
}

/// What the boolean has visitors answered with, wherever its rules stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweringRule {
    /// `aws_lb_listener_rule.maintenance[0]`, one for each listener.
    pub addresses: Vec<String>,
    /// The listeners' ARNs.
    pub listeners: Vec<String>,
    /// For which requests.
    pub conditions: Vec<RuleCondition>,
    /// What they get.
    pub answer: RuleAnswer,
    /// What becomes of it and of all others that differ where the boolean is false.
    pub stays: Stays,
    /// What the boolean makes besides, to let somebody past.
    #[serde(default)]
    pub beside: Vec<RuleBeside>,
    /// The numbers that rules of the folder have on those listeners, whatever the boolean says.
    pub declared: Vec<u32>,
}

/// A rule that is there while the boolean is true, and does not answer: it lets the office past, say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleBeside {
    /// `aws_lb_listener_rule.office[0]`
    pub address: String,
    /// For which requests.
    pub conditions: Vec<RuleCondition>,
}

/// What becomes of Terraform's own rules where the boolean is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// There are none of them.
    Gone,
    /// One is there, and says something else or stands somewhere else.
    Changed,
}

impl AnsweringRule {
    /// The host names that it is for; none where it is for every host.
    pub fn hosts(&self) -> &[String] {
        let hosts = self.conditions.iter().find_map(|condition| match condition {
            RuleCondition::Hosts(hosts) => Some(hosts.as_slice()),
            RuleCondition::Paths(_)
            | RuleCondition::Methods(_)
            | RuleCondition::Sources(_)
            | RuleCondition::Header { .. }
            | RuleCondition::Query(_) => None,
        });
        hosts.unwrap_or_default()
    }

    /// Whether the rule at `address` is among those of Terraform that it stands for.
    pub(super) fn is_made_of(&self, address: &str) -> bool {
        self.addresses
            .iter()
            .chain(self.beside.iter().map(|one| &one.address))
            .any(|own| own == address)
    }

    /// The networks that the boolean lets past for all that is answered.
    pub fn lets_past(&self) -> Vec<String> {
        let mut past: Vec<String> = Vec::new();
        for RuleBeside { conditions, .. } in &self.beside {
            let only_sources = conditions.iter().all(|condition| match condition {
                RuleCondition::Sources(_) => true,
                RuleCondition::Hosts(hosts) => self.hosts().iter().all(|own| hosts.contains(own)),
                RuleCondition::Paths(_)
                | RuleCondition::Methods(_)
                | RuleCondition::Header { .. }
                | RuleCondition::Query(_) => false,
            });
            for condition in conditions.iter().filter(|_| only_sources) {
                if let RuleCondition::Sources(networks) = condition {
                    past.extend(networks.iter().cloned());
                }
            }
        }
        past.sort();
        past.dedup();
        past
    }

    /// Its first host, or else the name of its load balancer.
    pub fn name(&self) -> &str {
        let of_balancer = || self.listeners.first().and_then(|arn| arn.split('/').nth(2));
        self.hosts().first().map(String::as_str).or_else(of_balancer).unwrap_or("site")
    }
}
