//! The CloudFront distribution that a maintenance target names: whether it would answer for the site, with the page, for
//! every method. Only reads.

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{
    Aliases, ConflictingAliasesList, CustomErrorResponse, CustomErrorResponses,
    DistributionSummary, Method,
};

use crate::aws::{Error, Retry, Session};

/// An account has 200 distributions unless AWS was asked for more.
const MOST_PAGES: usize = 50;
/// For how long CloudFront keeps an error of the origin where nothing is said (Developer Guide, "custom error responses").
const USUAL_ERROR_TTL: i64 = 10;

/// What matters of a distribution to a name that is led to it.
#[expect(clippy::struct_excessive_bools, reason = "three questions of their own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its id.
    pub id: String,
    /// `d111.cloudfront.net`, lower case.
    pub domain: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether its last change is everywhere.
    pub deployed: bool,
    /// Whether it has a certificate of its own, not only CloudFront's.
    pub certificate: bool,
    aliases: Vec<String>,
    /// What it takes; it answers other methods with 403.
    methods: Vec<String>,
    errors: Vec<ErrorAnswer>,
}

/// What it makes of an error of its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ErrorAnswer {
    of: i32,
    status: Option<String>,
    kept: i64,
}

/// Another distribution that answers for a name, though DNS leads to ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// Its id; of another account's AWS hides a part.
    pub id: String,
    /// The alternate domain name by which it does.
    pub alias: String,
    /// Whose it is, where that is known.
    pub account: Option<String>,
}

/// All distributions of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distributions(Vec<Distribution>);

impl Distributions {
    /// Reads them. Cancel safe.
    pub async fn read(session: &Session) -> Result<Distributions, Error> {
        let client = Client::new(&session.config(Retry::Standard));
        let (mut all, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let answer = client.list_distributions().set_marker(marker).send().await;
            let answer = answer.map_err(|error| session.sort(&error))?;
            let Some(list) = answer.distribution_list else { break };
            all.extend(list.items().iter().map(Distribution::from));
            match list.next_marker {
                Some(next) if list.is_truncated => marker = Some(next),
                _ => break,
            }
        }
        Ok(Distributions(all))
    }

    /// The distribution whose domain is `domain`, if this account has it.
    pub fn of_domain(&self, domain: &str) -> Option<&Distribution> {
        self.0.iter().find(|found| found.domain == domain)
    }

    /// The distribution that answers for `name` instead of `ours`: CloudFront goes by the most specific alternate name,
    /// wherever DNS leads (Developer Guide, "alternate domain names").
    pub fn rival(&self, ours: &Distribution, name: &str) -> Option<Rival> {
        let own = ours.specific(name);
        let others = self.0.iter().filter(|other| other.id != ours.id);
        let wins = |other: &Distribution| other.specific(name) > own;
        let found = others.filter(|other| wins(other)).max_by_key(|other| other.specific(name))?;
        let alias = found.aliases.iter().max_by_key(|alias| specific(alias, name));
        Some(Rival { id: found.id.clone(), alias: alias?.clone(), account: None })
    }
}

impl Distribution {
    /// Whether it answers for `name`: by that name, or by a wildcard one level up.
    pub fn lists(&self, name: &str) -> bool {
        self.specific(name) > 0
    }

    /// The distribution of whatever account that answers for `name` instead of this one, as far as CloudFront tells.
    ///
    /// CloudFront tells only who has a certificate for the name on this distribution. Cancel safe.
    pub async fn rival_anywhere(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<Option<Rival>, Error> {
        let client = Client::new(&session.config(Retry::Standard));
        let request = client.list_conflicting_aliases().distribution_id(&self.id).alias(name);
        let answer = request.send().await.map_err(|error| session.sort(&error))?;
        let list = answer.conflicting_aliases_list;
        let all = list.as_ref().map(ConflictingAliasesList::items).unwrap_or_default();
        let own = self.specific(name);
        let others = all.iter().filter_map(|found| {
            let alias = found.alias.as_ref()?.to_ascii_lowercase();
            let id = found.distribution_id.clone()?;
            Some(Rival { id, alias, account: found.account_id.clone() })
        });
        let wins = |rival: &Rival| rival.id != self.id && specific(&rival.alias, name) > own;
        Ok(others.filter(wins).max_by_key(|rival| specific(&rival.alias, name)))
    }

    /// The methods that it answers with 403, whatever the page.
    pub fn refuses(&self) -> Vec<&'static str> {
        let all = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];
        all.into_iter().filter(|method| !self.methods.iter().any(|own| own == method)).collect()
    }

    /// For how many seconds the longest it keeps an answer that says 5xx, or turns an error into one: so long it gives
    /// what was before.
    pub fn keeps_errors_for(&self) -> i64 {
        let longest =
            self.errors.iter().filter(|error| error.ends_as_503()).map(|error| error.kept);
        longest.max().unwrap_or(USUAL_ERROR_TTL)
    }

    /// An error that it answers with a status that says that all is well, or moved.
    pub fn answers_well(&self) -> Option<(i32, &str)> {
        self.errors.iter().find_map(|error| {
            let status = error.status.as_deref().filter(|status| !status.starts_with('5'))?;
            Some((error.of, status))
        })
    }

    fn specific(&self, name: &str) -> usize {
        self.aliases.iter().map(|alias| specific(alias, name)).max().unwrap_or(0)
    }
}

impl ErrorAnswer {
    fn ends_as_503(&self) -> bool {
        self.of == 503 || self.status.as_deref() == Some("503")
    }
}

/// How closely an alternate name fits: 0 not at all, a name more than a wildcard.
fn specific(alias: &str, name: &str) -> usize {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    match alias.strip_prefix("*.") {
        _ if alias == name => usize::MAX,
        Some(wild) if Some(wild) == parent => alias.len(),
        Some(_) | None => 0,
    }
}

impl From<&DistributionSummary> for Distribution {
    fn from(summary: &DistributionSummary) -> Distribution {
        let aliases = summary.aliases.as_ref().map(Aliases::items).unwrap_or_default();
        let certificate = summary.viewer_certificate.as_ref();
        let behaviour = summary.default_cache_behavior.as_ref();
        let methods = behaviour.and_then(|behaviour| behaviour.allowed_methods.as_ref());
        let methods =
            methods.map(|methods| methods.items.iter().map(Method::as_str).map(str::to_owned));
        let errors = summary.custom_error_responses.as_ref();
        let errors = errors.map(CustomErrorResponses::items).unwrap_or_default();
        Distribution {
            id: summary.id.clone(),
            domain: summary.domain_name.trim_end_matches('.').to_ascii_lowercase(),
            enabled: summary.enabled,
            deployed: summary.status == "Deployed",
            certificate: certificate.is_some_and(|own| {
                own.acm_certificate_arn.is_some() || own.iam_certificate_id.is_some()
            }),
            aliases: aliases.iter().map(|alias| alias.to_ascii_lowercase()).collect(),
            // CloudFront's own default.
            methods: methods
                .map_or_else(|| vec!["GET".to_owned(), "HEAD".to_owned()], Iterator::collect),
            errors: errors.iter().map(ErrorAnswer::from).collect(),
        }
    }
}

impl From<&CustomErrorResponse> for ErrorAnswer {
    fn from(told: &CustomErrorResponse) -> ErrorAnswer {
        ErrorAnswer {
            of: told.error_code,
            status: told.response_code.clone().filter(|status| !status.is_empty()),
            kept: told.error_caching_min_ttl.unwrap_or(USUAL_ERROR_TTL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(id: &str, aliases: &[&str]) -> Distribution {
        Distribution {
            id: id.to_owned(),
            domain: format!("{id}.cloudfront.net").to_ascii_lowercase(),
            enabled: true,
            deployed: true,
            certificate: true,
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            errors: Vec::new(),
        }
    }

    #[test]
    fn a_wildcard_speaks_for_one_level() {
        let distribution = distribution("E1", &["*.example.com", "example.org"]);
        assert!(distribution.lists("app.example.com"));
        assert!(distribution.lists("*.example.com"));
        assert!(distribution.lists("example.org"));
        assert!(!distribution.lists("a.b.example.com"));
        assert!(!distribution.lists("example.com"));
    }

    #[test]
    fn a_name_wins_over_a_wildcard_and_nothing_over_a_name() {
        let wild = distribution("E1", &["*.example.com"]);
        let exact = distribution("E2", &["other.example.com", "app.example.com"]);
        let all = Distributions(vec![wild.clone(), exact.clone(), distribution("E3", &[])]);
        let rival = all.rival(&wild, "app.example.com").unwrap();
        assert_eq!((rival.id.as_str(), rival.alias.as_str()), ("E2", "app.example.com"));
        assert_eq!(all.rival(&exact, "app.example.com"), None);
        assert_eq!(all.rival(&wild, "www.example.com"), None);
    }

    #[test]
    fn an_error_that_becomes_200_and_one_that_is_kept_are_seen() {
        let answer = |of, status: Option<&str>, kept| ErrorAnswer {
            of,
            status: status.map(str::to_owned),
            kept,
        };
        let mut distribution = distribution("E1", &[]);
        assert_eq!(distribution.keeps_errors_for(), 10);
        distribution.errors = vec![answer(404, Some("503"), 300), answer(503, None, 0)];
        assert_eq!((distribution.keeps_errors_for(), distribution.answers_well()), (300, None));
        distribution.errors = vec![answer(403, Some("200"), 0), answer(503, None, 0)];
        assert_eq!(distribution.keeps_errors_for(), 0);
        assert_eq!(distribution.answers_well(), Some((403, "200")));
        assert_eq!(distribution.refuses(), ["OPTIONS", "PUT", "POST", "PATCH", "DELETE"]);
    }
}
