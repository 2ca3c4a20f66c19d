//! The least policy: which actions on which resources. Each lever says what its calls need; here it becomes a document of IAM.

use serde_json::{Value, json};

use super::session::Session;

/// What an ARN has where nobody can say it.
const ANY: &str = "*";

/// Whose resources they are: what stands in the middle of an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// `eu-central-1`
    pub region: String,
    /// Twelve digits, or `*` where they are not known.
    pub account: String,
}

impl Owner {
    /// Of whoever `session` is; asking that needs no right. The account is any where there are no credentials yet.
    pub async fn of(session: &Session) -> Owner {
        let region = session.region().to_owned();
        let caller = session.caller().await.ok();
        let partition = caller.as_ref().and_then(|caller| caller.arn.split(':').nth(1));
        let partition = partition.unwrap_or(usual_partition(&region)).to_owned();
        let account = caller.map_or_else(|| ANY.to_owned(), |caller| caller.account);
        Owner { partition, region, account }
    }

    /// `arn:aws:ssm:eu-central-1:123456789012:parameter/shop`
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let Owner { partition, region, account } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// The same of a service that has no regions.
    pub fn global(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::{}:{resource}", self.partition, self.account)
    }

    /// The same where the name says all: `arn:aws:s3:::bucket`.
    pub fn bare(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:::{resource}", self.partition)
    }
}

fn usual_partition(region: &str) -> &'static str {
    match region {
        china if china.starts_with("cn-") => "aws-cn",
        government if government.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// What is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What for, in one word of letters and digits.
    pub sid: &'static str,
    /// `route53:GetChange`
    pub actions: Vec<&'static str>,
    /// ARNs.
    pub resources: Vec<String>,
    /// Under which condition, as IAM writes it.
    pub condition: Option<Value>,
}

impl Statement {
    /// Without a condition.
    pub fn new(
        sid: &'static str,
        actions: impl IntoIterator<Item = &'static str>,
        resources: impl IntoIterator<Item = String>,
    ) -> Statement {
        let (actions, resources) = (actions.into_iter().collect(), resources.into_iter().collect());
        Statement { sid, actions, resources, condition: None }
    }

    /// The same, only where this holds.
    pub fn only_if(self, condition: Value) -> Statement {
        Statement { condition: Some(condition), ..self }
    }
}

/// The document that allows all of `statements`; those of one purpose and condition are one.
pub fn document(statements: Vec<Statement>) -> Value {
    let mut all: Vec<Statement> = Vec::new();
    for Statement { sid, actions, resources, condition } in statements {
        match all.iter_mut().find(|one| one.sid == sid && one.condition == condition) {
            None => all.push(Statement { sid, actions, resources, condition }),
            Some(one) => {
                add(&mut one.actions, actions);
                add(&mut one.resources, resources);
            }
        }
    }
    // An id may be there only once.
    let mut seen: Vec<&str> = Vec::new();
    let statements: Vec<_> = all
        .iter()
        .map(|one| {
            let times = seen.iter().filter(|sid| **sid == one.sid).count();
            seen.push(one.sid);
            let sid =
                if times == 0 { one.sid.to_owned() } else { format!("{}{}", one.sid, times + 1) };
            written(&sid, one)
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn written(sid: &str, Statement { actions, resources, condition, .. }: &Statement) -> Value {
    let mut written = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Action": one_or_all(actions),
        "Resource": one_or_all(resources),
    });
    if let (Some(condition), Some(fields)) = (condition, written.as_object_mut()) {
        fields.insert("Condition".to_owned(), condition.clone());
    }
    written
}

fn one_or_all<T: serde::Serialize>(all: &[T]) -> Value {
    match all {
        [one] => json!(one),
        all => json!(all),
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_one_purpose_are_one_and_each_id_is_there_once() {
        let get = |key: &str| Statement::new("Reads", ["s3:GetObject"], [key.to_owned()]);
        let condition = json!({ "StringLike": { "s3:prefix": "a/*" } });
        let document = document(vec![get("a"), get("b"), get("a"), get("c").only_if(condition)]);
        let statements = document["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 2);
        assert_eq!(statements[0]["Resource"], json!(["a", "b"]));
        assert_eq!(statements[0]["Action"], "s3:GetObject");
        assert_eq!(statements[1]["Sid"], "Reads2");
    }

    #[test]
    fn an_arn_is_of_the_partition_of_its_region() {
        for (region, partition) in
            [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
        {
            assert_eq!(usual_partition(region), partition);
        }
    }
}
