//! The same change as commands of AWS's own command line, for the night when Roadworks itself is broken.

use aws_sdk_route53::types::{Change, ResourceRecordSet};
use serde_json::{Map, Value, json};

/// The command that sends `changes` to `zone` and waits for it, with `options` of AWS's command line.
pub(super) fn command(zone: &str, changes: &[Change], options: &str, comment: &str) -> String {
    let changes: Vec<_> = changes.iter().map(change).collect();
    let batch = json!({ "Comment": comment, "Changes": changes });
    format!(
        "aws{options} route53 wait resource-record-sets-changed --id \"$(aws{options} route53 change-resource-record-sets --hosted-zone-id {} --change-batch {} --query ChangeInfo.Id --output text)\"",
        quoted(zone),
        quoted(&batch.to_string())
    )
}

fn change(change: &Change) -> Value {
    json!({
        "Action": change.action.as_str(),
        "ResourceRecordSet": change.resource_record_set.as_ref().map(record),
    })
}

fn record(set: &ResourceRecordSet) -> Value {
    let mut record = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            record.insert(name.to_owned(), value);
        }
    };
    put("Name", Some(json!(set.name)));
    put("Type", Some(json!(set.r#type.as_str())));
    put("SetIdentifier", set.set_identifier.as_ref().map(|id| json!(id)));
    put("Weight", set.weight.map(|weight| json!(weight)));
    put("Region", set.region.as_ref().map(|region| json!(region.as_str())));
    put("Failover", set.failover.as_ref().map(|role| json!(role.as_str())));
    put("MultiValueAnswer", set.multi_value_answer.map(|on| json!(on)));
    put(
        "GeoLocation",
        set.geo_location.as_ref().map(|place| {
            let mut codes = Map::new();
            for (name, code) in [
                ("ContinentCode", &place.continent_code),
                ("CountryCode", &place.country_code),
                ("SubdivisionCode", &place.subdivision_code),
            ] {
                if let Some(code) = code {
                    codes.insert(name.to_owned(), json!(code));
                }
            }
            Value::Object(codes)
        }),
    );
    put("CidrRoutingConfig", set.cidr_routing_config.as_ref().map(|cidr| {
        json!({ "CollectionId": cidr.collection_id, "LocationName": cidr.location_name })
    }));
    put("TTL", set.ttl.map(|ttl| json!(ttl)));
    put(
        "ResourceRecords",
        set.resource_records.as_ref().map(|records| {
            let records: Vec<_> =
                records.iter().map(|record| json!({ "Value": record.value })).collect();
            json!(records)
        }),
    );
    put(
        "AliasTarget",
        set.alias_target.as_ref().map(|alias| {
            json!({
                "HostedZoneId": alias.hosted_zone_id,
                "DNSName": alias.dns_name,
                "EvaluateTargetHealth": alias.evaluate_target_health,
            })
        }),
    );
    put("HealthCheckId", set.health_check_id.as_ref().map(|id| json!(id)));
    Value::Object(record)
}

/// `text` as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_value_stays_inside_the_word() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
