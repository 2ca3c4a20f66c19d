//! `roadworks.hcl`, or a bare folder of `.tf` files -> checked types that remember their place.
//!
//! Parsing opens no socket and changes nothing.

mod balancer;
mod checks;
mod database;
mod dns;
mod error;
mod gateway;
mod locate;
mod lookup;
mod nameserver;
mod notify;
mod page;
mod read;
mod records;
mod redis;
mod resolve;
mod rfc2136;
#[cfg(test)]
mod rig;
mod secret;
mod serve;
mod settle;
mod sharing;
mod site;
mod spot;
mod store;
#[cfg(test)]
mod trials;
mod tsig;
mod units;
mod unresolved;
mod variable;
mod workers;

pub use crate::terraform::{
    AnsweringRule, Audience, Known, RuleAnswer, RuleBeside, RuleCondition, Spelling, Stays,
};
pub use balancer::{BalancerConfig, BalancerSource, Listeners};
pub use checks::{
    AsksAs, CheckConfig, CheckKind, DnsCheckConfig, HttpCheckConfig, PostgresCheckConfig, RdsName,
    RedisCheckConfig, Writes,
};
pub use database::{DatabaseConfig, PgbouncerConfig, PostgresConfig};
pub use error::Error;
pub use gateway::words::{host, upstream};
pub use gateway::{
    AllowConfig, BypassConfig, DrainConfig, DrainThen, GatewayConfig, HealthConfig, HoldConfig,
    OpenConfig, PathPattern, ReadOnlyConfig, Share, TlsConfig, Upgrades, UpstreamProtocol,
    UpstreamUrl,
};
pub use locate::{Config, FILE_NAME, StoreAt, load};
pub use lookup::LookedUp;
pub use nameserver::{NameserverConfig, RecordConfig};
pub use notify::{Destination, Matcher, NotifyConfig, NotifyWay, Occasion};
pub use page::PageConfig;
pub use records::{RecordKey, RecordSet, Routing, SwitchedRecord, Target};
pub use redis::{
    Afterwards, EmergencyConfig, JournalConfig, KeyPattern, KeyRule, KeyRules, OnOutage,
    RedisConfig, RedisListen, RedisMode, RedisPlace, RedisRole, RedisUpstream, RefuseAs, Says,
    Whether,
};
pub use resolve::{Beside, Pinned, Resolved, Variable, name_of, resolve};
pub use rfc2136::{Answers, MOVED, Rfc2136Config};
pub use secret::Secret;
pub use serve::{Admin, Limits, ServeConfig};
pub use settle::{MOST_RESOLVERS, SettleConfig};
pub use site::{Account, DnsSource, OnDrift, SiteConfig, TerraformFolder};
pub use spot::Spots;
pub use store::{BucketConfig, BucketKind};
pub use tsig::{TsigDigest, TsigKey};
pub use units::duration;
pub use unresolved::Unresolved;
pub use variable::{Freeze, PipelineConfig, VariableWay};
pub use workers::{DESIRED_COUNT, Turn, WorkersCommands, WorkersConfig, WorkersWay};
