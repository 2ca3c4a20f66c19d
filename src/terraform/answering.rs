//! The rules of both sides -> the one that has visitors answered while the boolean is true, or why there is none to be made of
//! them. The same answer may stand on several listeners; what else the boolean does to rules is Terraform's own business.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::reach::Node;
use super::scope::World;
use super::survey::{self, SurveyedRule};
use super::{AnsweringRule, Error, ListenerRule, RuleAction, RuleAnswer, RuleBeside, Stays};
use crate::hcl::Diagnostic;

/// What a boolean does to a folder's listeners' rules.
#[derive(Debug, Default)]
pub(super) struct Answering {
    /// The rule that answers, or why what the boolean does is of no use; `None` where it does nothing to rules.
    pub(super) rule: Option<Result<AnsweringRule, Error>>,
    /// The resources of the rules that it is made of.
    pub(super) resources: Vec<String>,
}

/// A rule, as the two sides have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) address: &'a str,
    pub(super) live: Option<&'a ListenerRule>,
    pub(super) maintenance: Option<&'a ListenerRule>,
}

/// Why nothing can be made of what the boolean does to rules.
#[derive(Debug)]
pub(super) struct Useless {
    /// The rule that is in the way.
    pub(super) address: String,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// A number that a rule has, on a listener that may not be known.
pub(super) type Numbered = (Option<String>, u32);

/// A rule that answers while the boolean is true.
struct Answers<'a> {
    address: &'a str,
    rule: &'a ListenerRule,
    answer: &'a RuleAnswer,
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
    let mut numbers = survey::numbers(live)?;
    numbers.extend(survey::numbers(maintenance)?);
    let sides = sides(&before, &after);
    let all = || before.iter().chain(&after);
    let at_its_place = |useless: Useless| {
        let Useless { address, message, hint } = useless;
        let diagnostic = match all().find(|one| one.address == address) {
            Some(one) => one.block.wrong(message),
            None => Diagnostic::new(message),
        };
        diagnostic.with_hint(hint).into()
    };
    let rule = choose(&sides, &numbers).map(|rule| rule.map_err(at_its_place));
    let moved = |one: &&SurveyedRule<'_>| match &rule {
        Some(Ok(rule)) => rule.is_made_of(&one.address),
        Some(Err(_)) | None => false,
    };
    let resources: BTreeSet<_> = all().filter(moved).map(|one| one.resource.clone()).collect();
    Ok(Answering { rule, resources: resources.into_iter().collect() })
}

fn sides<'a>(before: &'a [SurveyedRule<'_>], after: &'a [SurveyedRule<'_>]) -> Vec<Sides<'a>> {
    let of = |all: &'a [SurveyedRule<'_>]| -> BTreeMap<&'a str, &'a ListenerRule> {
        all.iter().map(|one| (one.address.as_str(), &one.says)).collect()
    };
    let (before, after) = (of(before), of(after));
    let addresses: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let both = |address| Sides {
        address,
        live: before.get(address).copied(),
        maintenance: after.get(address).copied(),
    };
    addresses.into_iter().map(both).collect()
}

/// The rule that answers, of all that are there; `None` where none differs.
pub(super) fn choose(
    sides: &[Sides<'_>],
    numbers: &[Numbered],
) -> Option<Result<AnsweringRule, Useless>> {
    let differing = || sides.iter().filter(|one| one.differ());
    let answering: Vec<_> = differing().filter_map(answers).collect();
    match answering.as_slice() {
        [] => differing().next().map(|one| Err(answers_nobody(one))),
        [first, rest @ ..] => Some(one_answer(first, rest, numbers).map(|mut rule| {
            rule.beside = differing().filter_map(beside).collect();
            // What Terraform changes, or takes away meanwhile, only Terraform puts back.
            if differing().any(|one| one.live.is_some()) {
                rule.stays = Stays::Changed;
            }
            rule
        })),
    }
}

fn beside(one: &Sides<'_>) -> Option<RuleBeside> {
    let rule = one.maintenance.filter(|_| one.live.is_none())?;
    let (address, conditions) = (one.address.to_owned(), rule.conditions.clone());
    matches!(rule.action, RuleAction::Other(_)).then_some(RuleBeside { address, conditions })
}

impl Sides<'_> {
    /// Whether the boolean moves it.
    pub(super) fn differ(&self) -> bool {
        self.live != self.maintenance
    }
}

fn answers<'a>(one: &Sides<'a>) -> Option<Answers<'a>> {
    let rule = one.maintenance?;
    match &rule.action {
        RuleAction::Answers(answer) => Some(Answers { address: one.address, rule, answer }),
        RuleAction::Other(_) => None,
    }
}

fn answers_nobody(one: &Sides<'_>) -> Useless {
    let does = match one.maintenance.map(|rule| &rule.action) {
        Some(RuleAction::Other(kind)) => {
            format!("its action is \"{kind}\" while the boolean is true")
        }
        Some(RuleAction::Answers(_)) | None => {
            "it is not there while the boolean is true".to_owned()
        }
    };
    Useless {
        address: one.address.to_owned(),
        message: format!("{} does not answer visitors: {does}", one.address),
        hint: "Roadworks writes what Terraform's rule answers by itself, a fixed-response or a redirect; name the listener in roadworks.hcl instead: balancer \"alb\"",
    }
}

/// One answer for the same requests, on a listener or on several.
fn one_answer(
    first: &Answers<'_>,
    rest: &[Answers<'_>],
    numbers: &[Numbered],
) -> Result<AnsweringRule, Useless> {
    let region = |arn: &str| arn.split(':').nth(3).unwrap_or_default().to_owned();
    let mut rule = AnsweringRule {
        addresses: vec![first.address.to_owned()],
        listeners: vec![first.rule.listener.clone()],
        conditions: first.rule.conditions.clone(),
        answer: first.answer.clone(),
        stays: Stays::Gone,
        beside: Vec::new(),
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
        let (one, another) = (first.address, other.address);
        return Err(Useless {
            address: another.to_owned(),
            message: format!(
                "the boolean moves more than one rule that answers: {one} and {another} {differ}"
            ),
            hint: "put them into one, or name the listeners in roadworks.hcl instead: balancer \"alb\"",
        });
    }
    let here = |listener: &Option<String>| {
        listener.as_ref().is_none_or(|listener| rule.listeners.contains(listener))
    };
    let declared: BTreeSet<u32> =
        numbers.iter().filter(|(listener, _)| here(listener)).map(|(_, number)| *number).collect();
    rule.declared = declared.into_iter().collect();
    Ok(rule)
}
