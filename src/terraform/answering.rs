//! The rules of both sides -> the one that has visitors answered while the boolean is true, or why there is none to be made of
//! them. The same answer may stand on several listeners; what else the boolean does to rules is Terraform's own business.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::reach::Node;
use super::scope::World;
use super::shape::Block;
use super::survey::{self, SurveyedRule};
use super::{AnsweringRule, Error, ListenerRule, RuleAction, RuleAnswer, Stays};

/// What a boolean does to listeners' rules.
#[derive(Debug, Default)]
pub(super) struct Answering {
    /// The rule that answers, or why what the boolean does is of no use; `None` where it does nothing to rules.
    pub(super) rule: Option<Result<AnsweringRule, Error>>,
    /// The resources of all rules that differ.
    pub(super) resources: Vec<String>,
}

/// A rule that differs between the two sides.
struct Differs<'a> {
    address: &'a str,
    block: &'a Block,
    live: Option<&'a ListenerRule>,
    maintenance: Option<&'a ListenerRule>,
}

/// A rule that answers while the boolean is true.
struct Answers<'a> {
    address: &'a str,
    block: &'a Block,
    rule: &'a ListenerRule,
    answer: &'a RuleAnswer,
    stays: Stays,
}

/// Finds it in a folder with the boolean false and true. Only the want of a state is an error of the search itself.
pub(super) fn find(
    (live, maintenance): (&World<'_>, &World<'_>),
    reached: &HashSet<&Node>,
) -> Result<Answering, Error> {
    if !reached.iter().any(|node| survey::is_rule(node)) {
        return Ok(Answering::default());
    }
    let both = survey::rules(live, reached)
        .and_then(|before| Ok((before, survey::rules(maintenance, reached)?)));
    let (before, after) = match both {
        Ok(both) => both,
        Err(needed @ Error::NeedsState { .. }) => return Err(needed),
        Err(error) => return Ok(Answering { rule: Some(Err(error)), resources: Vec::new() }),
    };
    let differing = differing(&before, &after);
    let addresses: BTreeSet<_> = differing.iter().map(|one| one.address).collect();
    let resources = before.iter().chain(&after).filter(|one| addresses.contains(&*one.address));
    let resources: BTreeSet<_> = resources.map(|one| one.resource.clone()).collect();
    let answering: Vec<_> = differing.iter().filter_map(answers).collect();
    let rule = match answering.as_slice() {
        [] => differing.first().map(|one| Err(answers_nobody(one))),
        [first, rest @ ..] => {
            let mut numbers = survey::numbers(live)?;
            numbers.extend(survey::numbers(maintenance)?);
            Some(one_answer(first, rest, &numbers))
        }
    };
    Ok(Answering { rule, resources: resources.into_iter().collect() })
}

fn differing<'a>(
    before: &'a [SurveyedRule<'_>],
    after: &'a [SurveyedRule<'_>],
) -> Vec<Differs<'a>> {
    let mut sides: BTreeMap<&str, Differs<'a>> = BTreeMap::new();
    for one in before {
        let Differs { live, .. } = entry(&mut sides, one);
        *live = Some(&one.says);
    }
    for one in after {
        let Differs { maintenance, .. } = entry(&mut sides, one);
        *maintenance = Some(&one.says);
    }
    sides.into_values().filter(|one| one.live != one.maintenance).collect()
}

fn entry<'a, 'm>(
    sides: &'m mut BTreeMap<&'a str, Differs<'a>>,
    one: &'a SurveyedRule<'_>,
) -> &'m mut Differs<'a> {
    let none =
        || Differs { address: &one.address, block: one.block, live: None, maintenance: None };
    sides.entry(&one.address).or_insert_with(none)
}

fn answers<'a>(one: &Differs<'a>) -> Option<Answers<'a>> {
    let rule = one.maintenance?;
    let stays = if one.live.is_some() { Stays::Changed } else { Stays::Gone };
    match &rule.action {
        RuleAction::Answers(answer) => {
            Some(Answers { address: one.address, block: one.block, rule, answer, stays })
        }
        RuleAction::Other(_) => None,
    }
}

fn answers_nobody(one: &Differs<'_>) -> Error {
    let does = match one.maintenance.map(|rule| &rule.action) {
        Some(RuleAction::Other(kind)) => {
            format!("its action is \"{kind}\" while the boolean is true")
        }
        Some(RuleAction::Answers(_)) | None => {
            "it is not there while the boolean is true".to_owned()
        }
    };
    let message = format!("{} does not answer visitors: {does}", one.address);
    let hint = "Roadworks writes what Terraform's rule answers by itself, a fixed-response or a redirect; name the listener in roadworks.hcl instead: balancer \"alb\"";
    one.block.wrong(message).with_hint(hint).into()
}

/// One answer for the same requests, on a listener or on several.
fn one_answer(
    first: &Answers<'_>,
    rest: &[Answers<'_>],
    numbers: &[(Option<String>, u32)],
) -> Result<AnsweringRule, Error> {
    let region = |arn: &str| arn.split(':').nth(3).unwrap_or_default().to_owned();
    let mut rule = AnsweringRule {
        addresses: vec![first.address.to_owned()],
        listeners: vec![first.rule.listener.clone()],
        conditions: first.rule.conditions.clone(),
        answer: first.answer.clone(),
        stays: first.stays,
        declared: Vec::new(),
    };
    for other in rest {
        let listener = &other.rule.listener;
        let differ = if rule.listeners.contains(listener) {
            "stand on one listener"
        } else if *other.answer != rule.answer {
            "answer differently"
        } else if other.rule.conditions != rule.conditions {
            "are for other requests"
        } else if region(listener) != region(&first.rule.listener) {
            "are in other regions"
        } else {
            rule.addresses.push(other.address.to_owned());
            rule.listeners.push(listener.clone());
            continue;
        };
        let (one, other_one) = (first.address, other.address);
        let message = format!(
            "the boolean moves more than one rule that answers: {one} and {other_one} {differ}"
        );
        let hint =
            "put them into one, or name the listeners in roadworks.hcl instead: balancer \"alb\"";
        return Err(other.block.wrong(message).with_hint(hint).into());
    }
    let here = |listener: &Option<String>| {
        listener.as_ref().is_none_or(|listener| rule.listeners.contains(listener))
    };
    let declared: BTreeSet<u32> =
        numbers.iter().filter(|(listener, _)| here(listener)).map(|(_, number)| *number).collect();
    rule.declared = declared.into_iter().collect();
    Ok(rule)
}
