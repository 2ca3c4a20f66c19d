//! The load balancer that a name leads to while its site is open: for how long it keeps connections. Only reads.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::config::{Builder, Region};

use crate::aws::{Error, Retry, Session};

/// What an application load balancer does with connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Its name.
    pub name: String,
    /// For how long a visitor's connection is kept (`client_keep_alive.seconds`).
    pub keep_alive: Duration,
    /// After how long without a byte a request is given up (`idle_timeout.timeout_seconds`).
    pub idle_timeout: Duration,
}

/// A page has 400; an account has 50 in each region unless AWS was asked for more.
const MOST_PAGES: usize = 10;
/// Where nobody said otherwise (ELB, "Application Load Balancers", load balancer attributes).
const KEEP_ALIVE: Duration = Duration::from_hours(1);
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

impl Front {
    /// The load balancer whose name in DNS is `dns_name`; nothing where that is none of this account, or of another kind.
    /// Cancel safe.
    pub async fn of(session: &Session, dns_name: &str) -> Result<Option<Front>, Error> {
        let Some((name, region)) = named(dns_name) else { return Ok(None) };
        let config = session.config(Retry::Standard);
        let config = Builder::from(&config).region(Region::new(region.to_owned())).build();
        let client = Client::from_conf(config);
        let Some(arn) = arn_of(session, &client, dns_name).await? else { return Ok(None) };
        let told = client.describe_load_balancer_attributes().load_balancer_arn(arn).send().await;
        let told = told.map_err(|error| session.sort(&error))?.attributes.unwrap_or_default();
        let seconds = |key: &str| {
            let of_key = told.iter().find(|one| one.key.as_deref() == Some(key));
            let seconds = of_key.and_then(|one| one.value.as_deref()?.parse().ok());
            seconds.map(Duration::from_secs)
        };
        Ok(Some(Front {
            name: name.to_owned(),
            keep_alive: seconds("client_keep_alive.seconds").unwrap_or(KEEP_ALIVE),
            idle_timeout: seconds("idle_timeout.timeout_seconds").unwrap_or(IDLE_TIMEOUT),
        }))
    }
}

/// The load balancer with this name in DNS. A name in lower case, as DNS has it, may be another one to ELB, which is asked for all.
async fn arn_of(
    session: &Session,
    client: &Client,
    dns_name: &str,
) -> Result<Option<String>, Error> {
    let same = |other: &str| plain(other).eq_ignore_ascii_case(plain(dns_name));
    let mut marker = None;
    for _ in 0..MOST_PAGES {
        let page = client.describe_load_balancers().set_marker(marker).send().await;
        let page = page.map_err(|error| session.sort(&error))?;
        let mut found = page.load_balancers.unwrap_or_default().into_iter();
        if let Some(one) = found.find(|one| one.dns_name.as_deref().is_some_and(same)) {
            return Ok(one.load_balancer_arn);
        }
        marker = page.next_marker.filter(|next| !next.is_empty());
        if marker.is_none() {
            break;
        }
    }
    Ok(None)
}

/// The name and the region in `NAME-1234567890.REGION.elb.amazonaws.com`, as application load balancers have it.
fn named(dns_name: &str) -> Option<(&str, &str)> {
    let mut labels = plain(dns_name).split('.');
    let (first, region, elb) = (labels.next()?, labels.next()?, labels.next()?);
    let of_aws = elb == "elb" && labels.next() == Some("amazonaws");
    let (name, number) = first.strip_prefix("internal-").unwrap_or(first).rsplit_once('-')?;
    let counted = !number.is_empty() && number.chars().all(|one| one.is_ascii_alphanumeric());
    (of_aws && counted).then_some((name, region))
}

/// Without what the console puts before it for both families of addresses.
fn plain(dns_name: &str) -> &str {
    dns_name.strip_prefix("dualstack.").unwrap_or(dns_name).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_load_balancer_is_known_by_its_name_in_dns() {
        for (dns_name, found) in [
            (
                "shop-alb-1234567890.eu-central-1.elb.amazonaws.com",
                Some(("shop-alb", "eu-central-1")),
            ),
            ("dualstack.shop-1.cn-north-1.elb.amazonaws.com.cn", Some(("shop", "cn-north-1"))),
            ("internal-shop-1.us-east-1.elb.amazonaws.com", Some(("shop", "us-east-1"))),
            // Of the network kind, and of CloudFront.
            ("shop-0123456789abcdef.elb.eu-central-1.amazonaws.com", None),
            ("d111111abcdef8.cloudfront.net", None),
            ("elb.amazonaws.com", None),
        ] {
            assert_eq!(named(dns_name), found, "{dns_name}");
        }
    }
}
