//! The calls to Elastic Load Balancing, each in its turn; a read is asked again where that may help, a change never.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::error::ProvideErrorMetadata;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, Listener as Found, LoadBalancer, LoadBalancerTypeEnum, RulePriorityPair, Tag,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::rule::Rule;
use super::told::{Call, RULE_GONE, RULE_NOT_FOUND, told};
use super::wanted::{Wanted, Wants};
use crate::aws::{Backoff, Error as AwsError, Retry, Session};
use crate::lever::Error;

/// How often a read is asked again before it counts as failed.
const ATTEMPTS: u32 = 8;
/// `DescribeTags` takes so many resources (ELB API reference).
const TAGS_AT_ONCE: usize = 20;
/// How often a listener is read anew because somebody took a rule away meanwhile.
const LOOKS: u32 = 3;
/// The largest page of `DescribeRules`, and how many are read: a listener has a few hundred rules at most.
const PAGE: i32 = 400;
const MOST_PAGES: usize = 50;

/// Elastic Load Balancing, asked no faster than it likes.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) session: Session,
    client: Client,
}

/// A listener, as far as a person knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) arn: String,
    /// `shop-alb:443`
    pub(super) name: String,
}

impl Calls {
    pub(super) fn new(session: Session) -> Calls {
        // The SDK's own retries would not keep the pace, and must never repeat a change.
        let client = Client::new(&session.config(Retry::Never));
        Calls { session, client }
    }

    /// The listeners with these ARNs. Cancel safe.
    pub(super) async fn listeners(&self, arns: &[String]) -> Result<Vec<Listener>, Error> {
        let mut found = Vec::new();
        for arn in arns {
            let question = self.client.describe_listeners().listener_arns(arn);
            let call = Call { action: "elasticloadbalancing:DescribeListeners", on: arn };
            let answer = self.read(call, || question.clone().send()).await?;
            found.extend(answer.listeners.unwrap_or_default().into_iter().filter_map(listener));
        }
        Ok(found)
    }

    /// Every listener of the load balancer with this name or ARN. Cancel safe.
    pub(super) async fn listeners_of(&self, balancer: &str) -> Result<Vec<Listener>, Error> {
        let question = self.client.describe_load_balancers();
        let question = if balancer.starts_with("arn:") {
            question.load_balancer_arns(balancer)
        } else {
            question.names(balancer)
        };
        let call = Call { action: "elasticloadbalancing:DescribeLoadBalancers", on: balancer };
        let answer = self.read(call, || question.clone().send()).await?;
        let arn = match answer.load_balancers.unwrap_or_default().as_slice() {
            [
                LoadBalancer {
                    load_balancer_arn: Some(arn),
                    r#type: None | Some(LoadBalancerTypeEnum::Application),
                    ..
                },
            ] => arn.clone(),
            [_] => {
                return Err(unfit(
                    format!("{balancer} is not an application load balancer"),
                    "only those know host names",
                ));
            }
            _ => {
                return Err(unfit(
                    format!("there is no load balancer {balancer} in {}", self.session.region()),
                    "look at its name, the region and the profile of the `balancer` block",
                ));
            }
        };
        let (mut found, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.client.describe_listeners().load_balancer_arn(&arn).set_marker(marker);
            let call = Call { action: "elasticloadbalancing:DescribeListeners", on: &arn };
            let answer = self.read(call, || page.clone().send()).await?;
            found.extend(answer.listeners.unwrap_or_default().into_iter().filter_map(listener));
            marker = answer.next_marker.filter(|next| !next.is_empty());
            if marker.is_none() {
                break;
            }
        }
        if found.is_empty() {
            return Err(unfit(
                format!("{balancer} has no listener"),
                "make one before the site is closed",
            ));
        }
        Ok(found)
    }

    /// All rules of a listener, those of `site` told apart by their tags. Cancel safe.
    pub(super) async fn rules(&self, listener: &str, wants: &Wants) -> Result<Vec<Rule>, Error> {
        for _ in 0..LOOKS {
            match self.rules_once(listener, wants).await {
                // Between its description and its tags.
                Err(Error::Failed { code, .. }) if code == RULE_GONE => {}
                read => return read,
            }
        }
        self.rules_once(listener, wants).await
    }

    async fn rules_once(&self, listener: &str, wants: &Wants) -> Result<Vec<Rule>, Error> {
        let (mut written, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.client.describe_rules().listener_arn(listener).page_size(PAGE);
            let page = page.set_marker(marker);
            let call = Call { action: "elasticloadbalancing:DescribeRules", on: listener };
            let answer = self.read(call, || page.clone().send()).await?;
            written.extend(answer.rules.unwrap_or_default());
            marker = answer.next_marker.filter(|next| !next.is_empty());
            if marker.is_none() {
                break;
            }
        }
        let arns = written.iter().filter(|rule| rule.is_default != Some(true));
        let arns: Vec<_> = arns.filter_map(|rule| rule.rule_arn.clone()).collect();
        let tags = self.tags(&arns).await?;
        let none = BTreeMap::new();
        let rules = written.into_iter().filter_map(|rule| {
            let tags = rule.rule_arn.as_ref().and_then(|arn| tags.get(arn));
            Rule::read(rule, tags.unwrap_or(&none), wants)
        });
        Ok(rules.collect())
    }

    async fn tags(
        &self,
        arns: &[String],
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
        let mut found = BTreeMap::new();
        for some in arns.chunks(TAGS_AT_ONCE) {
            let question = self.client.describe_tags().set_resource_arns(Some(some.to_vec()));
            let on = some.first().map_or("", String::as_str);
            let call = Call { action: "elasticloadbalancing:DescribeTags", on };
            let answer = self.read(call, || question.clone().send()).await?;
            for described in answer.tag_descriptions.unwrap_or_default() {
                let tags = described.tags.unwrap_or_default().into_iter();
                let tags = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
                found.extend(described.resource_arn.map(|arn| (arn, tags.collect())));
            }
        }
        Ok(found)
    }

    /// Makes a rule, once.
    ///
    /// Not cancel safe, as every change here: dropped midway, whether it was made is only known by reading.
    pub(super) async fn create(
        &self,
        listener: &str,
        wanted: &Wanted,
        priority: u32,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), AwsError> {
        self.session.balancing_turn().await;
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let request = self
            .client
            .create_rule()
            .listener_arn(listener)
            .priority(priority.cast_signed())
            .set_conditions(Some(wanted.conditions.clone()))
            .set_actions(Some(wanted.actions.clone()))
            .set_tags(Some(tags.iter().map(tag).collect()));
        let request = match wanted.transforms.as_slice() {
            [] => request,
            transforms => request.set_transforms(Some(transforms.to_vec())),
        };
        request.send().await.map(drop).map_err(|error| self.session.sort(&error))
    }

    /// Gives a rule another action, and then another value of a tag.
    pub(super) async fn change_action(
        &self,
        rule: &str,
        action: Action,
        tag: (&str, &str),
    ) -> Result<(), AwsError> {
        self.session.balancing_turn().await;
        let request = self.client.modify_rule().rule_arn(rule).actions(action);
        request.send().await.map_err(|error| self.session.sort(&error))?;
        self.session.balancing_turn().await;
        let tag = Tag::builder().key(tag.0).value(tag.1).build();
        let request = self.client.add_tags().resource_arns(rule).tags(tag);
        request.send().await.map(drop).map_err(|error| self.session.sort(&error))
    }

    /// Takes a rule away; one that is gone already is no failure.
    pub(super) async fn delete(&self, rule: &str) -> Result<(), AwsError> {
        self.session.balancing_turn().await;
        let request = self.client.delete_rule().rule_arn(rule);
        match request.send().await.map_err(|error| self.session.sort(&error)) {
            Err(AwsError::Service { code, .. }) if code == RULE_NOT_FOUND => Ok(()),
            done => done.map(drop),
        }
    }

    /// Gives rules of one listener other places, all at once.
    pub(super) async fn put(&self, places: &[(String, u32)]) -> Result<(), AwsError> {
        self.session.balancing_turn().await;
        let pair = |(arn, priority): &(String, u32)| {
            RulePriorityPair::builder().rule_arn(arn).priority(priority.cast_signed()).build()
        };
        let pairs = places.iter().map(pair).collect();
        let request = self.client.set_rule_priorities().set_rule_priorities(Some(pairs));
        request.send().await.map(drop).map_err(|error| self.session.sort(&error))
    }

    /// Asks until there is an answer, or one that asking again would not change.
    async fn read<T, E, F>(&self, call: Call<'_>, ask: impl Fn() -> F) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut backoff = Backoff::new(ATTEMPTS);
        loop {
            self.session.balancing_turn().await;
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.session.sort(&error),
            };
            match (&error, backoff.next_wait()) {
                (AwsError::Throttled { .. } | AwsError::OutcomeUnknown { .. }, Some(wait)) => {
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(told(&self.session, call, error).await),
            }
        }
    }
}

fn listener(found: Found) -> Option<Listener> {
    let arn = found.listener_arn?;
    let balancer = arn.split('/').nth(2).unwrap_or("?").to_owned();
    let name = format!("{balancer}:{}", found.port.unwrap_or_default());
    Some(Listener { arn, name })
}

fn unfit(message: String, hint: &str) -> Error {
    Error::Failed { code: "listener-not-found", message, hint: hint.to_owned() }
}
