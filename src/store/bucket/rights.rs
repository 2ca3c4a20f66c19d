//! The rights that a store in S3 needs.

use serde_json::json;

use crate::aws::policy::{Owner, Statement};
use crate::config::BucketConfig;
use crate::store::encoded;

/// Who uses the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User<'a> {
    /// Whoever runs verbs, and the agent.
    Agent,
    /// A gateway: it reads the switch and tells of itself. Guards of a Redis that run with it have their markers in these folders,
    /// and take away those of others where a person says so.
    Gateway(&'a [String]),
}

/// The documents of the site `name` are read and written by `user`.
pub fn rights(bucket: &BucketConfig, name: &str, user: User<'_>, owner: &Owner) -> Vec<Statement> {
    let slash = if bucket.prefix.is_empty() { "" } else { "/" };
    // Whatever writes objects escapes the sign by which names are escaped.
    let as_written = |name: &str| name.replace('%', "%25");
    let folder = format!("{}{slash}{}", bucket.prefix, as_written(&encoded(name)));
    let key = |rest: &str| owner.bare("s3", &format!("{}/{folder}/{rest}", bucket.name));
    let listed = |sid| {
        let whole = owner.bare("s3", &bucket.name);
        let within = json!({ "StringLike": { "s3:prefix": format!("{folder}/*") } });
        Statement::new(sid, ["s3:ListBucket"], [whole]).only_if(within)
    };
    match user {
        User::Agent => vec![
            Statement::new(
                "KeepsTheDocumentsOfTheSite",
                ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                [key("*")],
            ),
            listed("FindsThem"),
        ],
        User::Gateway(markers) => {
            let markers: Vec<_> = markers.iter().map(|one| key(&as_written(one)) + "*").collect();
            let guards = (!markers.is_empty()).then(|| {
                Statement::new(
                    "TellsOtherGuardsWhatTheyMustNotRead",
                    ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    markers,
                )
            });
            let own = [
                Statement::new("ReadsTheSwitch", ["s3:GetObject"], [key("switch.json")]),
                Statement::new(
                    "TellsOfItself",
                    ["s3:PutObject", "s3:DeleteObject"],
                    [key("gateways/*")],
                ),
                listed("TellsWhatWasNeverWrittenFromWhatItMayNotRead"),
            ];
            own.into_iter().chain(guards).collect()
        }
    }
}
