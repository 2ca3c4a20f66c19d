//! Which call a request is, and what is answered where nothing goes wrong (API version 2013-04-01).

use super::xml::Element;
use super::zone::{Refused, Zone};
use super::{Change, Cloud, Request, Verb};

const NAMESPACE: &str = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";
const ROUTE53: &str = "/2013-04-01/";
const CLOUDFRONT: &str = "/2020-05-31/distribution/";
/// Route 53's page, and the most that it gives.
const PAGE: usize = 300;

pub(super) fn verb(method: &str, path: &str) -> Verb {
    let path = path.trim_end_matches('/');
    match method {
        "GET" if path.ends_with("/rrset") => Verb::List,
        "POST" if path.ends_with("/rrset") => Verb::Change,
        "GET" if path.starts_with("/2013-04-01/change/") => Verb::GetChange,
        "POST" if path.is_empty() => Verb::Identity,
        _ => Verb::Other,
    }
}

pub(super) fn error(status: u16, code: &str, message: &str) -> (u16, String) {
    let message = super::xml::escape(message);
    let body = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse {NAMESPACE}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>4f1d0000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    );
    (status, body)
}

pub(super) fn not_allowed(verb: Verb) -> (u16, String) {
    let action = match verb {
        Verb::List => "route53:ListResourceRecordSets",
        Verb::Change => "route53:ChangeResourceRecordSets",
        Verb::GetChange => "route53:GetChange",
        Verb::Identity => "sts:GetCallerIdentity",
        Verb::Other => "route53:GetHostedZone",
    };
    let message = format!(
        "User: arn:aws:iam::123456789012:user/ana is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    );
    error(403, "AccessDenied", &message)
}

fn good(status: u16, name: &str, content: &str) -> (u16, String) {
    (status, format!("<?xml version=\"1.0\"?>\n<{name} {NAMESPACE}>{content}</{name}>"))
}

impl Cloud {
    pub(super) fn served(&mut self, request: &Request) -> (u16, String) {
        let path = request.path.trim_end_matches('/');
        if request.verb == Verb::Identity {
            return identity(request);
        }
        if let Some(id) = path.strip_prefix(CLOUDFRONT) {
            return distribution(id);
        }
        let Some(path) = path.strip_prefix(ROUTE53) else {
            return error(404, "UnknownOperation", &request.path);
        };
        let parts: Vec<_> = path.split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["hostedzone"]) => self.create_zone(request),
            ("GET", ["hostedzone"]) => self.list_zones("ListHostedZonesResponse"),
            ("GET", ["hostedzonesbyname"]) => self.list_zones("ListHostedZonesByNameResponse"),
            ("GET", ["change", id]) => self.get_change(id),
            (method, ["hostedzone", id, rest @ ..]) => {
                let Some(zone) = self.zones.get_mut(*id) else {
                    let message = format!("No hosted zone found with ID: {id}");
                    return error(404, "NoSuchHostedZone", &message);
                };
                match (method, rest) {
                    ("GET", []) => {
                        let zone = described(id, zone);
                        good(200, "GetHostedZoneResponse", &zone)
                    }
                    ("GET", ["rrset"]) => list(zone, &request.query),
                    ("POST", ["rrset"]) => match batch(zone, &request.body) {
                        Ok(()) => self.changed(),
                        Err(refused) => refused,
                    },
                    _ => error(404, "UnknownOperation", &request.path),
                }
            }
            _ => error(404, "UnknownOperation", &request.path),
        }
    }

    fn create_zone(&mut self, request: &Request) -> (u16, String) {
        let Ok(asked) = Element::parse(&request.body) else {
            return error(400, "InvalidInput", "not XML");
        };
        let zone = Zone::new(asked.at(&["Name"]).unwrap_or_default());
        let id = format!("Z0000000{:012}", self.zones.len() + 1);
        let content = described(&id, &zone);
        self.zones.insert(id, zone);
        good(201, "CreateHostedZoneResponse", &content)
    }

    fn list_zones(&self, name: &str) -> (u16, String) {
        let zones: String = self.zones.iter().map(|(id, zone)| described(id, zone)).collect();
        good(
            200,
            name,
            &format!(
                "<HostedZones>{zones}</HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>"
            ),
        )
    }

    fn changed(&mut self) -> (u16, String) {
        self.made += 1;
        let id = format!("C{:013}", self.made);
        let content = change_info(&id, "PENDING");
        self.changes.insert(id, Change { polls_left: self.polls });
        good(200, "ChangeResourceRecordSetsResponse", &content)
    }

    fn get_change(&mut self, id: &str) -> (u16, String) {
        let Some(change) = self.changes.get_mut(id) else {
            let message = format!("A change with the specified change ID {id} does not exist.");
            return error(404, "NoSuchChange", &message);
        };
        let status = if change.polls_left == 0 { "INSYNC" } else { "PENDING" };
        change.polls_left = change.polls_left.saturating_sub(1);
        good(200, "GetChangeResponse", &change_info(id, status))
    }
}

fn change_info(id: &str, status: &str) -> String {
    format!(
        "<ChangeInfo><Id>/change/{id}</Id><Status>{status}</Status><SubmittedAt>2026-11-23T20:00:00.000Z</SubmittedAt></ChangeInfo>"
    )
}

fn described(id: &str, zone: &Zone) -> String {
    format!(
        "<HostedZone><Id>/hostedzone/{id}</Id><Name>{}</Name><CallerReference>{id}</CallerReference><Config><PrivateZone>false</PrivateZone></Config><ResourceRecordSetCount>{}</ResourceRecordSetCount></HostedZone>",
        zone.name,
        zone.sets.len()
    )
}

fn batch(zone: &mut Zone, body: &str) -> Result<(), (u16, String)> {
    let asked =
        Element::parse(body).map_err(|why| error(400, "InvalidInput", &format!("XML: {why}")))?;
    zone.apply(&asked).map_err(|refused| match refused {
        Refused::Input(message) => error(400, "InvalidInput", &message),
        Refused::Batch(messages) => {
            error(400, "InvalidChangeBatch", &format!("[{}]", messages.join(", ")))
        }
    })
}

fn list(zone: &Zone, query: &str) -> (u16, String) {
    let asked = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.map(unquoted).unwrap_or_default()
    };
    let most = asked("maxitems").parse().unwrap_or(PAGE).min(PAGE);
    let (name, kind, identifier) = (asked("name"), asked("type"), asked("identifier"));
    if !kind.is_empty() && name.is_empty() {
        return error(400, "InvalidInput", "type without name");
    }
    let (sets, next) = zone.list((&name, &kind, &identifier), most);
    let sets: String = sets.into_iter().map(super::RecordSet::written).collect();
    let mut content = format!(
        "<ResourceRecordSets>{sets}</ResourceRecordSets><IsTruncated>{}</IsTruncated><MaxItems>{most}</MaxItems>",
        next.is_some()
    );
    if let Some(next) = next {
        let identifier = next.set_identifier.as_ref();
        let identifier = identifier
            .map(|id| format!("<NextRecordIdentifier>{id}</NextRecordIdentifier>"))
            .unwrap_or_default();
        let (name, kind) = (&next.name, &next.kind);
        let place = format!(
            "<NextRecordName>{name}</NextRecordName><NextRecordType>{kind}</NextRecordType>{identifier}"
        );
        content.push_str(&place);
    }
    good(200, "ListResourceRecordSetsResponse", &content)
}

/// Percent-decoding, as far as names need it.
fn unquoted(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let code = (byte == b'%').then(|| [bytes.next(), bytes.next()]);
        let decoded = code.and_then(|code| match code {
            [Some(high), Some(low)] => {
                u8::from_str_radix(&String::from_utf8_lossy(&[high, low]), 16).ok()
            }
            _ => None,
        });
        out.push(decoded.unwrap_or(byte));
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn identity(request: &Request) -> (u16, String) {
    if !request.body.contains("Action=GetCallerIdentity") {
        return error(400, "InvalidAction", "only GetCallerIdentity is here");
    }
    let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ana</Arn><UserId>AIDATEST</UserId><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>4f1d0000-0000-4000-8000-000000000001</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
    (200, body.to_owned())
}

fn distribution(id: &str) -> (u16, String) {
    error(404, "NoSuchDistribution", &format!("The specified distribution {id} does not exist."))
}
