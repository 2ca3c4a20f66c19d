//! The CloudFront distribution that a maintenance target names: whether it would answer for the site. Only reads.

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{Aliases, DistributionSummary};

use super::wire::name_of;
use crate::aws::{Error, Retry, Session};

/// An account has 200 distributions unless AWS was asked for more.
const MOST_PAGES: usize = 50;

/// What matters of a distribution to a name that is led to it.
#[expect(clippy::struct_excessive_bools, reason = "three questions of their own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its id.
    pub id: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether its last change is everywhere.
    pub deployed: bool,
    /// Whether it has a certificate of its own, not only CloudFront's.
    pub certificate: bool,
    aliases: Vec<String>,
}

impl Distribution {
    /// The distribution whose domain is `domain`, or `None` where this account has none. Cancel safe.
    pub async fn of_domain(session: &Session, domain: &str) -> Result<Option<Distribution>, Error> {
        let client = Client::new(&session.config(Retry::Standard));
        let mut marker = None;
        for _ in 0..MOST_PAGES {
            let answer = client.list_distributions().set_marker(marker).send().await;
            let answer = answer.map_err(|error| session.sort(&error))?;
            let Some(list) = answer.distribution_list else { return Ok(None) };
            let found = list.items().iter().find(|summary| name_of(&summary.domain_name) == domain);
            if let Some(summary) = found {
                return Ok(Some(Distribution::from(summary)));
            }
            match list.next_marker {
                Some(next) if list.is_truncated => marker = Some(next),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Whether it answers for `name`: by that name, or by a wildcard one level up.
    pub fn lists(&self, name: &str) -> bool {
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        self.aliases.iter().any(|alias| alias == name || Some(alias) == wildcard.as_ref())
    }
}

impl From<&DistributionSummary> for Distribution {
    fn from(summary: &DistributionSummary) -> Distribution {
        let aliases = summary.aliases.as_ref().map(Aliases::items).unwrap_or_default();
        let certificate = summary.viewer_certificate.as_ref();
        Distribution {
            id: summary.id.clone(),
            enabled: summary.enabled,
            deployed: summary.status == "Deployed",
            certificate: certificate.is_some_and(|own| {
                own.acm_certificate_arn.is_some() || own.iam_certificate_id.is_some()
            }),
            aliases: aliases.iter().map(|alias| alias.to_ascii_lowercase()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_speaks_for_one_level() {
        let distribution = Distribution {
            id: "E1".to_owned(),
            enabled: true,
            deployed: true,
            certificate: true,
            aliases: vec!["*.example.com".to_owned(), "example.org".to_owned()],
        };
        assert!(distribution.lists("app.example.com"));
        assert!(distribution.lists("example.org"));
        assert!(!distribution.lists("a.b.example.com"));
        assert!(!distribution.lists("example.com"));
    }
}
