//! The same change as commands of AWS's own command line, for the night when Roadworks itself is broken. What lets testers pass
//! is left out: it would be a secret on a terminal.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, HttpHeaderConditionConfig, QueryStringConditionConfig,
    QueryStringKeyValuePair, RedirectActionStatusCodeEnum, RuleCondition,
};
use serde_json::{Map, Value, json};

use super::Alb;
use super::acts::{Act, tags, to_close, to_open};
use super::calls::Listener;
use super::outlook::is_bare;
use super::room::{all_by_terraform, closing};
use super::rule::{OPERATION, PAGE, Role, Rule, values};
use super::wanted::Wanted;
use super::{NO_SECRET, is_of, no_room, theirs_of};
use crate::clock;
use crate::lever::Error;
use crate::switch::{OperationId, Step};

const TESTERS: &str =
    "# testers: what lets them pass is not among these, `roadworks close` makes it";
const THEIRS: &str = "# Terraform's own rule: terraform apply makes it again";

/// Commands that make a plan, and those that undo it, each in the order in which to run them.
pub type Commands = (Vec<String>, Vec<String>);

impl Alb {
    /// `steps` as commands, for whoever uses `profile`. Changes nothing; cancel safe.
    pub async fn as_aws_cli(
        &self,
        steps: &[Step],
        profile: Option<&str>,
    ) -> Result<Commands, Error> {
        let operation = OperationId::at(clock::now(), fastrand::u32(..));
        let profile = profile.map(|name| format!(" --profile {}", quoted(name)));
        let region = format!(" --region {}", quoted(self.calls.session.region()));
        let aws = format!("aws{}{region} elbv2", profile.unwrap_or_default());
        let (mut make, mut undo) = (Vec::new(), Vec::new());
        for (listener, rules) in self.read().await? {
            let own: Vec<_> = steps.iter().filter(|step| is_of(step, &listener)).collect();
            if own.is_empty() {
                continue;
            }
            let acts = self.planned(&listener, &rules, &own, &operation)?;
            let by_hand = ByHand {
                aws: &aws,
                listener: &listener,
                rules: &rules,
                alb: self,
                operation: &operation,
            };
            make.extend(acts.iter().map(|act| by_hand.make(act)));
            undo.extend(acts.iter().rev().map(|act| by_hand.undo(act)));
        }
        for commands in [&mut make, &mut undo] {
            commands.retain(|command| !command.is_empty());
            // Said once, however many there are.
            commands.dedup();
        }
        Ok((make, undo))
    }

    fn planned(
        &self,
        listener: &Listener,
        rules: &[Rule],
        steps: &[&Step],
        operation: &OperationId,
    ) -> Result<Vec<Act>, Error> {
        let closes = steps.iter().any(|step| step.target == listener.name && !is_bare(&step.after));
        if !closes {
            let goes = steps.iter().any(|step| step.target == theirs_of(&listener.name));
            let all = all_by_terraform(rules, &self.wants);
            return Ok(to_open(rules, if goes { &all } else { &[] }));
        }
        let closing = closing(rules, &self.wants, NO_SECRET, self.renumber)
            .map_err(|none| no_room(none.rules.join(", ")))?;
        Ok(to_close(rules, &closing, &self.wants, operation))
    }
}

/// What a command needs to know.
struct ByHand<'a> {
    /// `aws --region eu-central-1 elbv2`
    aws: &'a str,
    listener: &'a Listener,
    /// As they are before anything is done.
    rules: &'a [Rule],
    alb: &'a Alb,
    operation: &'a OperationId,
}

impl ByHand<'_> {
    fn make(&self, act: &Act) -> String {
        match act {
            Act::Create { wanted, .. } if wanted.role == Role::Testers => TESTERS.to_owned(),
            Act::Create { wanted, priority, tags } => self.create(wanted, *priority, tags),
            Act::Put(places) => self.put(places),
            Act::Repage { rule, action, digest } => self.repage(rule, action, digest),
            Act::Delete { rule } => format!("{} delete-rule --rule-arn {}", self.aws, quoted(rule)),
        }
    }

    fn undo(&self, act: &Act) -> String {
        match act {
            Act::Create { wanted, .. } if wanted.role == Role::Testers => TESTERS.to_owned(),
            Act::Create { priority, .. } => format!(
                "{aws} delete-rule --rule-arn \"$({aws} describe-rules --listener-arn {} --query {} --output text)\"",
                quoted(&self.listener.arn),
                quoted(&format!("Rules[?Priority=='{priority}'].RuleArn")),
                aws = self.aws,
            ),
            Act::Put(places) => {
                let before = |arn: &str| self.there(arn).and_then(|rule| rule.priority);
                let back = places.iter().filter_map(|(arn, _)| Some((arn.clone(), before(arn)?)));
                self.put(&back.collect::<Vec<_>>())
            }
            Act::Repage { rule, .. } => match self.there(rule) {
                Some(Rule { actions, own: Some(own), .. }) if !actions.is_empty() => {
                    let page = own.page.as_deref().unwrap_or_default();
                    actions.iter().map(|action| self.repage(rule, action, page)).collect()
                }
                _ => String::new(),
            },
            Act::Delete { rule } => self.again(rule),
        }
    }

    fn there(&self, arn: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.arn == arn)
    }

    /// A rule that is taken away, made again.
    fn again(&self, arn: &str) -> String {
        let Some(rule) = self.there(arn) else { return String::new() };
        let (Some(own), Some(priority)) = (&rule.own, rule.priority) else {
            return THEIRS.to_owned();
        };
        if own.role != Role::Answer {
            return TESTERS.to_owned();
        }
        let mut tags = tags(own.role, &self.alb.wants, self.operation);
        tags.extend(own.page.clone().map(|page| (PAGE.to_owned(), page)));
        let wanted = Wanted {
            role: own.role,
            conditions: rule.conditions.clone(),
            actions: rule.actions.clone(),
            transforms: Vec::new(),
        };
        self.create(&wanted, priority, &tags)
    }

    fn create(&self, wanted: &Wanted, priority: u32, tags: &BTreeMap<String, String>) -> String {
        let conditions: Vec<_> = wanted.conditions.iter().map(condition).collect();
        let actions: Vec<_> = wanted.actions.iter().map(action).collect();
        let tags = tags.iter().filter(|(key, _)| *key != OPERATION);
        let tags: Vec<_> = tags.map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        format!(
            "{} create-rule --listener-arn {} --priority {priority} --conditions {} --actions {} --tags {}",
            self.aws,
            quoted(&self.listener.arn),
            quoted(&Value::Array(conditions).to_string()),
            quoted(&Value::Array(actions).to_string()),
            quoted(&Value::Array(tags).to_string()),
        )
    }

    fn put(&self, places: &[(String, u32)]) -> String {
        let place =
            |(arn, priority): &(String, u32)| json!({ "RuleArn": arn, "Priority": priority });
        let places: Vec<_> = places.iter().map(place).collect();
        let places = quoted(&Value::Array(places).to_string());
        format!("{} set-rule-priorities --rule-priorities {places}", self.aws)
    }

    fn repage(&self, rule: &str, to: &Action, digest: &str) -> String {
        let (rule, actions) = (quoted(rule), quoted(&json!([action(to)]).to_string()));
        let tag = quoted(&json!([{ "Key": PAGE, "Value": digest }]).to_string());
        format!(
            "{aws} modify-rule --rule-arn {rule} --actions {actions} && {aws} add-tags --resource-arns {rule} --tags {tag}",
            aws = self.aws
        )
    }
}

fn condition(asked: &RuleCondition) -> Value {
    let field = asked.field.as_deref().unwrap_or_default();
    let of = |config: &str, inside: Value| json!({ "Field": field, config: inside });
    match field {
        "host-header" => of("HostHeaderConfig", json!({ "Values": values(asked) })),
        "path-pattern" => of("PathPatternConfig", json!({ "Values": values(asked) })),
        "http-request-method" => of("HttpRequestMethodConfig", json!({ "Values": values(asked) })),
        "source-ip" => of("SourceIpConfig", json!({ "Values": values(asked) })),
        "http-header" => {
            let name = asked
                .http_header_config
                .as_ref()
                .and_then(HttpHeaderConditionConfig::http_header_name);
            of("HttpHeaderConfig", json!({ "HttpHeaderName": name, "Values": values(asked) }))
        }
        _ => {
            let pairs = asked.query_string_config.as_ref().map(QueryStringConditionConfig::values);
            let pair = |pair: &QueryStringKeyValuePair| {
                fields(&[("Key", pair.key()), ("Value", pair.value())])
            };
            let pairs: Vec<_> = pairs.unwrap_or_default().iter().map(pair).collect();
            of("QueryStringConfig", json!({ "Values": pairs }))
        }
    }
}

fn action(does: &Action) -> Value {
    let kind = does.r#type.as_ref().map(ActionTypeEnum::as_str);
    let mut written = Map::from_iter([("Type".to_owned(), json!(kind))]);
    if let Some(fixed) = &does.fixed_response_config {
        let fixed = fields(&[
            ("StatusCode", fixed.status_code()),
            ("ContentType", fixed.content_type()),
            ("MessageBody", fixed.message_body()),
        ]);
        written.insert("FixedResponseConfig".to_owned(), fixed);
    }
    if let Some(redirect) = &does.redirect_config {
        let redirect = fields(&[
            ("Protocol", redirect.protocol()),
            ("Host", redirect.host()),
            ("Port", redirect.port()),
            ("Path", redirect.path()),
            ("Query", redirect.query()),
            ("StatusCode", redirect.status_code().map(RedirectActionStatusCodeEnum::as_str)),
        ]);
        written.insert("RedirectConfig".to_owned(), redirect);
    }
    Value::Object(written)
}

/// Those that have a value.
fn fields(all: &[(&str, Option<&str>)]) -> Value {
    let known = all.iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?))));
    Value::Object(known.collect())
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
