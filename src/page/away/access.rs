//! Whether anybody may write to the bucket: by its grants, or by its policy. Only reads.

use serde_json::Value;

use super::{Error, Place};
use crate::aws;

/// What lets somebody put another page where visitors look.
const WRITES: [&str; 6] = [
    "s3:putobject",
    "s3:deleteobject",
    "s3:putobjectacl",
    "s3:putbucketacl",
    "s3:putbucketpolicy",
    "s3:replicateobject",
];

/// Everybody, and everybody with an account at AWS: to S3 both are "public".
const EVERYBODY: [&str; 2] = ["/groups/global/AllUsers", "/groups/global/AuthenticatedUsers"];

/// What could be seen of who may write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// What a person should know: what could not be looked at, and what is public to read.
    pub warnings: Vec<String>,
}

impl Place {
    /// Refuses a bucket to which everybody may write. What the credentials may not look at is a warning.
    pub async fn access(&self) -> Result<Access, Error> {
        let mut warnings = Vec::new();
        let block = self.asked("publicAccessBlock", "s3:GetBucketPublicAccessBlock", &mut warnings);
        let block = block.await?.unwrap_or_default();
        let set = |name: &str| text_of(&block, name) == Some("true");
        let how = if set("IgnorePublicAcls") { None } else { self.grants(&mut warnings).await? };
        let how = match how {
            None if !set("RestrictPublicBuckets") => self.policy(&mut warnings).await?,
            how => how,
        };
        match how {
            Some(how) => Err(Error::PublicWrite { bucket: format!("s3://{}", self.name), how }),
            None => Ok(Access { warnings }),
        }
    }

    /// The grant by which everybody may write, if there is one.
    async fn grants(&self, warnings: &mut Vec<String>) -> Result<Option<String>, Error> {
        let acl = self.asked("acl", "s3:GetBucketAcl", warnings).await?.unwrap_or_default();
        Ok(public_grant(&acl))
    }

    /// The statement by which everybody may write, if there is one.
    async fn policy(&self, warnings: &mut Vec<String>) -> Result<Option<String>, Error> {
        let status =
            self.asked("policyStatus", "s3:GetBucketPolicyStatus", &mut Vec::new()).await?;
        let public = status.as_deref().and_then(|status| text_of(status, "IsPublic"));
        if public.is_some_and(|public| public.eq_ignore_ascii_case("false")) {
            return Ok(None);
        }
        let Some(policy) = self.asked("policy", "s3:GetBucketPolicy", warnings).await? else {
            return Ok(None);
        };
        let policy: Value = serde_json::from_str(&policy).unwrap_or_default();
        let statements = match policy.get("Statement") {
            Some(Value::Array(statements)) => statements.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        for statement in statements.iter().filter(|statement| is_for_everybody(statement)) {
            let name =
                statement.get("Sid").and_then(Value::as_str).unwrap_or("a statement without a Sid");
            let under_conditions = statement.get("Condition").is_some();
            match (writes(statement), under_conditions) {
                (true, false) => return Ok(Some(format!("its policy says so ({name})"))),
                (true, true) => warnings.push(format!(
                    "the policy of {} lets everybody write under conditions ({name}): see that they hold",
                    self.name
                )),
                (false, _) => warnings.push(format!(
                    "the policy of {} lets everybody read ({name}): what is read there directly has status 200, not 503",
                    self.name
                )),
            }
        }
        Ok(None)
    }

    /// What S3 says about the bucket. That it does not let us see it is no reason to publish nothing.
    async fn asked(
        &self,
        what: &str,
        action: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<String>, Error> {
        match self.bucket.about(what).await {
            Ok(text) => Ok(text),
            Err(aws::Error::Credentials { problem: aws::CredentialsProblem::Denied, .. }) => {
                warnings.push(format!(
                    "whether anybody else may write to {} cannot be seen: allow {action} on arn:aws:s3:::{0}",
                    self.name
                ));
                Ok(None)
            }
            Err(source) => Err(Error::Aws {
                doing: format!("s3://{} cannot be looked at", self.name),
                needs: format!("{action} on arn:aws:s3:::{}", self.name),
                source,
            }),
        }
    }
}

/// The text of the first element of that name.
fn text_of<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(text, _)| text.trim())
}

fn public_grant(acl: &str) -> Option<String> {
    acl.split("<Grant>").skip(1).find_map(|grant| {
        let group = EVERYBODY.iter().find(|group| grant.contains(**group))?;
        let permission = text_of(grant, "Permission")?;
        let writes = ["WRITE", "WRITE_ACP", "FULL_CONTROL"].contains(&permission);
        let group = group.rsplit('/').next().unwrap_or(group);
        writes.then(|| format!("its ACL grants {permission} to {group}"))
    })
}

fn is_for_everybody(statement: &Value) -> bool {
    let everybody = |value: &Value| match value {
        Value::String(text) => text == "*",
        Value::Array(several) => several.iter().any(|one| one == "*"),
        _ => false,
    };
    let principal = statement.get("Principal").unwrap_or(&Value::Null);
    let allows = statement.get("Effect").is_some_and(|effect| effect == "Allow");
    allows && (everybody(principal) || principal.get("AWS").is_some_and(everybody))
}

fn writes(statement: &Value) -> bool {
    let patterns: Vec<_> = match statement.get("Action") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        // NotAction: everything but what it names.
        Some(_) | None => return true,
    };
    let matching = |pattern: &str| {
        let pattern = pattern.to_ascii_lowercase();
        WRITES.iter().any(|action| matches(pattern.as_bytes(), action.as_bytes()))
    };
    patterns.into_iter().any(matching)
}

/// As IAM matches actions: `*` is any run of characters, `?` is one.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=text.len()).any(|from| matches(rest, text.get(from..).unwrap_or_default()))
        }
        (Some((b'?', rest)), Some((_, left))) => matches(rest, left),
        (Some((one, rest)), Some((other, left))) if one == other => matches(rest, left),
        (None | Some(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_grant_that_lets_everybody_write_is_found_and_one_to_read_is_none() {
        let acl = |group: &str, permission: &str| {
            format!(
                "<AccessControlPolicy><AccessControlList><Grant><Grantee><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant><Grant><Grantee xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/{group}</URI></Grantee><Permission>{permission}</Permission></Grant></AccessControlList></AccessControlPolicy>"
            )
        };
        let found = public_grant(&acl("global/AuthenticatedUsers", "WRITE"));
        assert_eq!(found.as_deref(), Some("its ACL grants WRITE to AuthenticatedUsers"));
        assert!(public_grant(&acl("global/AllUsers", "FULL_CONTROL")).is_some());
        assert_eq!(public_grant(&acl("global/AllUsers", "READ")), None);
        assert_eq!(public_grant(&acl("s3/LogDelivery", "WRITE")), None);
    }

    #[test]
    fn a_statement_is_read_as_iam_reads_it() {
        let statement = |principal: Value, action: Value| json!({ "Effect": "Allow", "Principal": principal, "Action": action });
        for (principal, everybody) in [
            (json!("*"), true),
            (json!({ "AWS": "*" }), true),
            (json!({ "AWS": ["arn:aws:iam::1:root", "*"] }), true),
            (json!({ "Service": "cloudfront.amazonaws.com" }), false),
            (json!({ "AWS": "arn:aws:iam::1:root" }), false),
        ] {
            assert_eq!(is_for_everybody(&statement(principal, json!("s3:*"))), everybody);
        }
        for (action, changes) in [
            (json!("s3:GetObject"), false),
            (json!(["s3:GetObject", "s3:Put*"]), true),
            (json!("*"), true),
            (json!("S3:PutObject"), true),
            (json!("s3:?utObject"), true),
            (json!("s3:Get*"), false),
        ] {
            assert_eq!(writes(&statement(json!("*"), action.clone())), changes, "{action}");
        }
        assert!(writes(&json!({ "NotAction": "s3:GetObject" })));
    }
}
