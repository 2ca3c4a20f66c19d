//! A DNS record as Terraform's `aws_route53_record` describes it and Route 53 stores it.

use serde::{Deserialize, Serialize};

/// Which record: Route 53 knows a record set by these four.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// Hosted zone id, without `/hostedzone/`.
    pub zone_id: String,
    /// Name, lower case, without trailing dot, special characters as Route 53 escapes them (`\052.example.com`).
    pub name: String,
    /// `A`, `AAAA`, `CNAME`, `HTTPS`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Tells apart several record sets of one name and type (weighted, latency, ..).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_identifier: Option<String>,
}

/// What the record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// Where the name leads.
    pub target: Target,
    /// How Route 53 chooses among several sets of one name; `None` for a simple record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// The Route 53 health check, if one is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_id: Option<String>,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A Route 53 alias.
    Alias {
        /// DNS name of the target, lower case, without trailing dot.
        name: String,
        /// The target's own zone id (of the load balancer or of `CloudFront`), not the record's.
        zone_id: String,
        /// Whether Route 53 follows the target's health.
        evaluate_target_health: bool,
    },
    /// Values with a TTL.
    Plain {
        /// Seconds.
        ttl: u64,
        /// Values as Route 53's API takes them.
        records: Vec<String>,
    },
}

/// A routing policy (Route 53 developer guide, "Choosing a routing policy").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// A share of the answers, 0 to 255.
    Weighted(u8),
    /// `PRIMARY` or `SECONDARY`.
    Failover(String),
    /// The AWS region whose latency counts.
    Latency(String),
    /// Where the resolver is.
    Geolocation {
        /// Two letters, or none.
        continent: Option<String>,
        /// Two letters or `*`, or none.
        country: Option<String>,
        /// A US state and the like, or none.
        subdivision: Option<String>,
    },
    /// By the resolver's address block.
    Cidr {
        /// Id of the CIDR collection.
        collection_id: String,
        /// Location inside the collection, or `*`.
        location: String,
    },
    /// Up to eight healthy ones at random.
    Multivalue,
}
