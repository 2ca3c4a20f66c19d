//! As much of CloudFront as publishing and preflight ask, for what no emulator has: an invalidation in progress, a
//! distribution being deployed, another account's names, a right that is missing. One request for each connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use roadworks::tasks::Tasks;

const NAMESPACE: &str = "xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"";

/// A distribution.
#[derive(Debug, Clone)]
pub(crate) struct Distribution {
    pub(crate) id: &'static str,
    pub(crate) domain: String,
    pub(crate) aliases: Vec<&'static str>,
    pub(crate) enabled: bool,
    pub(crate) status: &'static str,
    pub(crate) certificate: bool,
    pub(crate) methods: Vec<&'static str>,
    /// Error, status, seconds.
    pub(crate) errors: Vec<(u16, &'static str, u32)>,
    /// Domain and path.
    pub(crate) origin: (String, &'static str),
}

impl Distribution {
    /// One in perfect order.
    pub(crate) fn new(id: &'static str, domain: &str, aliases: &[&'static str]) -> Distribution {
        Distribution {
            id,
            domain: domain.to_owned(),
            aliases: aliases.to_vec(),
            enabled: true,
            status: "Deployed",
            certificate: true,
            methods: vec!["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
            errors: vec![(503, "", 0)],
            origin: ("elsewhere.example.com".to_owned(), ""),
        }
    }
}

/// What is so.
#[derive(Default)]
pub(crate) struct Now {
    pub(crate) distributions: Vec<Distribution>,
    /// Alias, distribution and account.
    pub(crate) conflicts: Vec<(&'static str, &'static str, &'static str)>,
    /// How many more times an invalidation is in progress.
    pub(crate) busy: u32,
    /// Their references and paths; the first is `I1`.
    pub(crate) invalidations: Vec<(String, String)>,
    /// What is answered with 403: a part of the request line.
    pub(crate) denied: Vec<&'static str>,
    /// How many more invalidations are too many.
    pub(crate) full: u32,
    /// How many more requests of any kind are throttled.
    pub(crate) throttled: u32,
}

pub(crate) struct CloudFront {
    pub(crate) endpoint: String,
    now: Arc<Mutex<Now>>,
}

impl CloudFront {
    pub(crate) fn start(distributions: Vec<Distribution>) -> CloudFront {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let now = Arc::new(Mutex::new(Now { distributions, ..Now::default() }));
        let serving = Arc::clone(&now);
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &mut serving.lock().unwrap());
            }
        };
        Tasks::new().start_thread("cloudfront", serve).unwrap();
        CloudFront { endpoint, now }
    }

    pub(crate) fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap()
    }
}

fn answer(stream: TcpStream, now: &mut Now) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((_, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, text) = told(&first, &String::from_utf8(body).unwrap(), now);
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    reader.into_inner().write_all((head + &text).as_bytes()).unwrap_or_default();
}

fn told(first: &str, body: &str, now: &mut Now) -> (u16, String) {
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let path = target.split('?').next().unwrap();
    let path = path.strip_prefix("/2020-05-31/").unwrap().trim_end_matches('/');
    if now.throttled > 0 {
        now.throttled -= 1;
        return error(400, "Throttling", "Rate exceeded");
    }
    if let Some(denied) = now.denied.iter().find(|denied| first.contains(**denied)) {
        return error(
            403,
            "AccessDenied",
            &format!("User: ana is not authorized to perform {denied}"),
        );
    }
    let parts: Vec<_> = path.split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["distribution"]) => (200, list(&now.distributions)),
        ("GET", ["conflicting-alias"]) => (200, conflicts(now)),
        ("GET", ["distribution", id]) => match now.distributions.iter().find(|one| one.id == *id) {
            Some(one) => (200, whole(one)),
            None => error(404, "NoSuchDistribution", "The specified distribution does not exist."),
        },
        ("POST", ["distribution", _, "invalidation"]) if now.full > 0 => {
            now.full -= 1;
            error(400, "TooManyInvalidationsInProgress", "wait until one is complete")
        }
        ("POST", ["distribution", _, "invalidation"]) => {
            let between = |name: &str| {
                let (_, rest) = body.split_once(&format!("<{name}>")).unwrap();
                rest.split_once('<').unwrap().0.to_owned()
            };
            let made = (between("CallerReference"), between("Path"));
            // The same reference gives what it gave; AWS refuses it for other paths.
            let known = now.invalidations.iter().position(|(reference, _)| *reference == made.0);
            let number = known.unwrap_or(now.invalidations.len());
            match now.invalidations.get(number) {
                Some((_, path)) if *path != made.1 => {
                    return error(400, "InvalidationBatchAlreadyExists", "other paths");
                }
                Some(_) => {}
                None => now.invalidations.push(made),
            }
            (201, invalidation(now, number))
        }
        ("GET", ["distribution", _, "invalidation", id]) => {
            now.busy = now.busy.saturating_sub(1);
            let number: usize = id.trim_start_matches('I').parse().unwrap();
            (200, invalidation(now, number - 1))
        }
        _ => error(400, "InvalidArgument", "this stand-in does not know it"),
    }
}

fn error(status: u16, code: &str, message: &str) -> (u16, String) {
    (
        status,
        format!(
            "<ErrorResponse {NAMESPACE}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn invalidation(now: &Now, number: usize) -> String {
    let status = if now.busy > 0 { "InProgress" } else { "Completed" };
    let (reference, path) = &now.invalidations[number];
    format!(
        "<Invalidation {NAMESPACE}><Id>I{}</Id><Status>{status}</Status><CreateTime>2026-11-23T00:00:00Z</CreateTime><InvalidationBatch><Paths><Quantity>1</Quantity><Items><Path>{path}</Path></Items></Paths><CallerReference>{reference}</CallerReference></InvalidationBatch></Invalidation>",
        number + 1
    )
}

fn counted(name: &str, items: &[String]) -> String {
    format!(
        "<{name}><Quantity>{}</Quantity><Items>{}</Items></{name}>",
        items.len(),
        items.concat()
    )
}

/// What a distribution's config and a summary of it have in common.
fn parts(one: &Distribution) -> String {
    let aliases: Vec<_> =
        one.aliases.iter().map(|alias| format!("<CNAME>{alias}</CNAME>")).collect();
    let methods: Vec<_> =
        one.methods.iter().map(|method| format!("<Method>{method}</Method>")).collect();
    let errors: Vec<_> = one.errors.iter().map(|(error, status, kept)| {
        format!("<CustomErrorResponse><ErrorCode>{error}</ErrorCode><ResponseCode>{status}</ResponseCode><ErrorCachingMinTTL>{kept}</ErrorCachingMinTTL></CustomErrorResponse>")
    }).collect();
    let (domain, path) = &one.origin;
    let origins = [format!(
        "<Origin><Id>page</Id><DomainName>{domain}</DomainName><OriginPath>{path}</OriginPath></Origin>"
    )];
    let certificate = if one.certificate {
        "<ACMCertificateArn>arn:aws:acm:us-east-1:1:certificate/c</ACMCertificateArn>"
    } else {
        "<CloudFrontDefaultCertificate>true</CloudFrontDefaultCertificate>"
    };
    format!(
        "{}{}<DefaultCacheBehavior><TargetOriginId>page</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>{}</DefaultCacheBehavior>{}<Comment></Comment><Enabled>{}</Enabled><ViewerCertificate>{certificate}</ViewerCertificate>",
        counted("Aliases", &aliases),
        counted("Origins", &origins),
        counted("AllowedMethods", &methods),
        counted("CustomErrorResponses", &errors),
        one.enabled,
    )
}

fn head(one: &Distribution) -> String {
    let Distribution { id, domain, status, .. } = one;
    format!(
        "<Id>{id}</Id><ARN>arn:aws:cloudfront::1:distribution/{id}</ARN><Status>{status}</Status><LastModifiedTime>2026-11-23T00:00:00Z</LastModifiedTime><DomainName>{domain}</DomainName>"
    )
}

fn whole(one: &Distribution) -> String {
    format!(
        "<Distribution {NAMESPACE}>{}<InProgressInvalidationBatches>0</InProgressInvalidationBatches><DistributionConfig><CallerReference>r</CallerReference>{}</DistributionConfig></Distribution>",
        head(one),
        parts(one)
    )
}

fn list(all: &[Distribution]) -> String {
    let items: Vec<_> = all
        .iter()
        .map(|one| {
            format!(
                "<DistributionSummary>{}{}<Staging>false</Staging></DistributionSummary>",
                head(one),
                parts(one)
            )
        })
        .collect();
    format!(
        "<DistributionList {NAMESPACE}><Marker></Marker><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated><Quantity>{}</Quantity><Items>{}</Items></DistributionList>",
        items.len(),
        items.concat()
    )
}

fn conflicts(now: &Now) -> String {
    let items: Vec<_> = now.conflicts.iter().map(|(alias, id, account)| {
        format!("<ConflictingAlias><Alias>{alias}</Alias><DistributionId>{id}</DistributionId><AccountId>{account}</AccountId></ConflictingAlias>")
    }).collect();
    format!(
        "<ConflictingAliasesList {NAMESPACE}><MaxItems>100</MaxItems><Quantity>{}</Quantity><Items>{}</Items></ConflictingAliasesList>",
        items.len(),
        items.concat()
    )
}
