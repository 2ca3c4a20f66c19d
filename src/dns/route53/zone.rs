//! A hosted zone, as far as a change in it depends on it. Changes nothing.

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};

use super::calls::Calls;
use super::wire::name_of;
use crate::aws::{Error, Retry, Session};

/// A hosted zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name, without trailing dot.
    pub name: String,
    /// Whether only some networks see it.
    pub private: bool,
}

/// Whether AWS would let us change records.
#[derive(Debug)]
pub enum Allowed {
    /// It looked at the change, and refused it for what it is.
    Yes,
    /// It does not let us.
    No(Error),
}

impl Zone {
    /// Reads the zone. Cancel safe.
    pub async fn read(session: &Session, id: &str) -> Result<Zone, Error> {
        let client = Client::new(&session.config(Retry::Standard));
        session.route53_turn().await;
        let answer = client.get_hosted_zone().id(id).send().await;
        let answer = answer.map_err(|error| session.sort(&error))?;
        let zone = answer.hosted_zone.ok_or_else(|| Error::Service {
            code: "GetHostedZone".to_owned(),
            message: format!("the answer says nothing of {id}"),
            request_id: None,
        })?;
        let private = zone.config.is_some_and(|config| config.private_zone);
        Ok(Zone { name: name_of(&zone.name), private })
    }

    /// For how many seconds a resolver keeps that a record of the zone is not there: the smaller of the TTL and the
    /// minimum of its SOA (RFC 2308). `None` where it says nothing of that. Cancel safe.
    pub(super) async fn negative_ttl(
        session: &Session,
        calls: &Calls,
        id: &str,
    ) -> Result<Option<u32>, Error> {
        let zone = Zone::read(session, id).await?;
        let sets = calls.sets_of(id, &zone.name).await?;
        Ok(sets.iter().find(|set| set.r#type == RrType::Soa).and_then(kept))
    }

    /// Asks to remove a record that does not exist: AWS checks the right first, and then finds nothing to do.
    pub async fn may_change(session: &Session, id: &str, name: &str) -> Result<Allowed, Error> {
        let request = |reason: String| Error::Request { reason };
        let value = ResourceRecord::builder().value("\"roadworks doctor\"").build();
        let record = ResourceRecordSet::builder()
            .name(format!("_roadworks-doctor.{}.", name.trim_start_matches("\\052.")))
            .r#type(RrType::Txt)
            .ttl(1)
            .resource_records(value.map_err(|error| request(error.to_string()))?)
            .build()
            .map_err(|error| request(error.to_string()))?;
        let change = Change::builder()
            .action(ChangeAction::Delete)
            .resource_record_set(record)
            .build()
            .map_err(|error| request(error.to_string()))?;
        let batch = ChangeBatch::builder()
            .changes(change)
            .build()
            .map_err(|error| request(error.to_string()))?;
        let client = Client::new(&session.config(Retry::Never));
        session.route53_turn().await;
        let answer = client
            .change_resource_record_sets()
            .hosted_zone_id(id)
            .change_batch(batch)
            .send()
            .await;
        match answer.map_err(|error| session.sort(&error)) {
            Ok(_) => Ok(Allowed::Yes),
            // What Route 53 and its emulators say of a record that is not there.
            Err(Error::Service { code, .. })
                if matches!(code.as_str(), "InvalidChangeBatch" | "InvalidInput") =>
            {
                Ok(Allowed::Yes)
            }
            Err(error @ Error::Credentials { .. }) => Ok(Allowed::No(error)),
            Err(error) => Err(error),
        }
    }
}

/// The smaller of the TTL and the minimum, which is the last of a SOA's seven fields (RFC 1035, 3.3.13).
fn kept(soa: &ResourceRecordSet) -> Option<u32> {
    let value = &soa.resource_records.as_ref()?.first()?.value;
    let minimum: u32 = value.split_whitespace().nth(6)?.parse().ok()?;
    Some(minimum.min(u32::try_from(soa.ttl?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_record_is_not_there_is_kept_for_the_smaller_of_two_times() {
        let soa = |ttl, value: &str| {
            let record = ResourceRecord::builder().value(value).build().unwrap();
            let set = ResourceRecordSet::builder().name("example.com.").r#type(RrType::Soa);
            kept(&set.ttl(ttl).resource_records(record).build().unwrap())
        };
        let usual = "ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";
        assert_eq!(soa(900, usual), Some(900));
        assert_eq!(soa(172_800, usual), Some(86_400));
        assert_eq!(soa(900, "ns-1.awsdns-01.org. hostmaster. 1"), None);
    }
}
