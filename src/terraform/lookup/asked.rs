//! Asks AWS. Only reads.

use aws_sdk_cloudfront::Client as CloudFront;
use aws_sdk_cloudfront::types::Aliases;
use aws_sdk_elasticloadbalancingv2::Client as Balancing;
use aws_sdk_elasticloadbalancingv2::error::ProvideErrorMetadata as _;
use aws_sdk_route53::Client as Route53;
use serde_json::json;

use super::Known;
use crate::aws::{Error, Retry, Session};
use crate::terraform::records::CLOUDFRONT;
use crate::terraform::state::Attributes;

/// So many zones from that name on are looked at: private ones may have it too, one for each network.
const MOST_ZONES: i32 = 100;
/// An account has 200 distributions unless AWS was asked for more.
const MOST_PAGES: usize = 50;

/// What AWS says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its own name in DNS, lower case; of a zone its name.
    pub dns_name: String,
    /// The zone that an alias to it names; of a zone its own id.
    pub zone_id: String,
    /// Its ARN or id.
    pub id: String,
}

impl Found {
    /// What a state would have of it, as far as that is known.
    pub(crate) fn attributes(&self, known: &Known) -> Attributes {
        let Found { dns_name, zone_id, id } = self;
        let attributes = match known {
            Known::LoadBalancer(_) => {
                json!({ "id": id, "arn": id, "dns_name": dns_name, "zone_id": zone_id })
            }
            Known::Distribution(_) => {
                json!({ "id": id, "domain_name": dns_name, "hosted_zone_id": zone_id })
            }
            Known::Zone(_) => json!({ "id": id, "zone_id": zone_id, "name": dns_name }),
        };
        match attributes {
            serde_json::Value::Object(attributes) => attributes,
            _ => Attributes::new(),
        }
    }
}

/// What AWS says of `known`; nothing where it has no such thing. Cancel safe.
pub async fn ask(session: &Session, known: &Known) -> Result<Option<Found>, Error> {
    match known {
        Known::LoadBalancer(name) => load_balancer(session, name).await,
        Known::Distribution(name) => distribution(session, name).await,
        Known::Zone(name) => zone(session, name).await,
    }
}

async fn load_balancer(session: &Session, name: &str) -> Result<Option<Found>, Error> {
    let question = Balancing::new(&session.config(Retry::Standard)).describe_load_balancers();
    let question = if name.starts_with("arn:") {
        question.load_balancer_arns(name)
    } else {
        question.names(name)
    };
    let answer = match question.send().await {
        Err(error) if error.code() == Some("LoadBalancerNotFound") => return Ok(None),
        answer => answer.map_err(|error| session.sort(&error))?,
    };
    let found = answer.load_balancers.unwrap_or_default().into_iter().next();
    Ok(found.and_then(|found| {
        Some(Found {
            dns_name: found.dns_name?.to_lowercase(),
            zone_id: found.canonical_hosted_zone_id?,
            id: found.load_balancer_arn?,
        })
    }))
}

async fn distribution(session: &Session, name: &str) -> Result<Option<Found>, Error> {
    let client = CloudFront::new(&session.config(Retry::Standard));
    let mut marker = None;
    for _ in 0..MOST_PAGES {
        let answer = client.list_distributions().set_marker(marker).send().await;
        let answer = answer.map_err(|error| session.sort(&error))?;
        let Some(list) = answer.distribution_list else { break };
        let named = list.items().iter().find(|one| {
            let mut aliases = one.aliases.iter().flat_map(Aliases::items);
            one.id == name || aliases.any(|alias| alias.eq_ignore_ascii_case(name))
        });
        if let Some(one) = named {
            return Ok(Some(Found {
                dns_name: one.domain_name.to_lowercase(),
                zone_id: CLOUDFRONT.to_owned(),
                id: one.id.clone(),
            }));
        }
        match list.next_marker {
            Some(next) if list.is_truncated => marker = Some(next),
            _ => break,
        }
    }
    Ok(None)
}

/// The name of the zone `id`. Cancel safe.
pub async fn zone_name(session: &Session, id: &str) -> Result<String, Error> {
    session.route53_turn().await;
    let client = Route53::new(&session.config(Retry::Standard));
    let answer = client.get_hosted_zone().id(id).send().await;
    let answer = answer.map_err(|error| session.sort(&error))?;
    Ok(answer.hosted_zone.map(|zone| zone.name).unwrap_or_default())
}

/// The only public zone of that name: with two of them nobody can say which is meant.
async fn zone(session: &Session, name: &str) -> Result<Option<Found>, Error> {
    session.route53_turn().await;
    let client = Route53::new(&session.config(Retry::Standard));
    let answer =
        client.list_hosted_zones_by_name().dns_name(name).max_items(MOST_ZONES).send().await;
    let answer = answer.map_err(|error| session.sort(&error))?;
    let named = answer.hosted_zones.into_iter().filter(|zone| {
        let public = !zone.config.as_ref().is_some_and(|config| config.private_zone);
        public && zone.name.trim_end_matches('.').eq_ignore_ascii_case(name)
    });
    let mut named = named.map(|zone| zone.id.trim_start_matches("/hostedzone/").to_owned());
    Ok(match (named.next(), named.next()) {
        (Some(id), None) => Some(Found { dns_name: name.to_lowercase(), zone_id: id.clone(), id }),
        _ => None,
    })
}
