//! A check of a database of RDS: an instance, or a cluster with all of its instances, is available, and nothing that was asked
//! of it is still to be done.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Asked, Check, Failed};
use crate::aws::{QueryService, Session};

/// A database that has to be well.
#[derive(Debug)]
pub struct RdsDatabase {
    session: Session,
    which: Database,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// One instance, by its identifier.
    Instance(String),
    /// An Aurora or Multi-AZ cluster, by its identifier.
    Cluster(String),
}

impl RdsDatabase {
    /// `which` is available with nothing pending.
    pub fn new(session: Session, which: Database) -> RdsDatabase {
        RdsDatabase { session, which }
    }

    async fn asked(&self) -> Result<String, Failed> {
        match &self.which {
            Database::Instance(name) => {
                let found = self.instances(&[("DBInstanceIdentifier", name)]).await?;
                let Some(found) = found.iter().find(|one| one.name.eq_ignore_ascii_case(name))
                else {
                    return Err(absent("instance", name));
                };
                well("instance", name, &found.status, found.pending.as_ref())?;
                Ok(format!("{name} is available, with nothing pending"))
            }
            Database::Cluster(name) => self.cluster(name).await,
        }
    }

    async fn cluster(&self, name: &str) -> Result<String, Failed> {
        const ACTION: &str = "DescribeDBClusters";
        let asked = [("DBClusterIdentifier", name)];
        let answer = self.session.query::<ClustersAnswer>(QueryService::Rds, ACTION, &asked).await;
        let answer = answer.map_err(|error| super::unasked(&error, "rds:DescribeDBClusters"))?;
        let found = answer.result.clusters.unwrap_or_default().all;
        let Some(found) = found.iter().find(|one| one.name.eq_ignore_ascii_case(name)) else {
            return Err(absent("cluster", name));
        };
        well("cluster", name, &found.status, found.pending.as_ref())?;
        let of_cluster =
            [("Filters.Filter.1.Name", "db-cluster-id"), ("Filters.Filter.1.Values.Value.1", name)];
        let instances = self.instances(&of_cluster).await?;
        if instances.is_empty() {
            let why = format!("the cluster {name} has no instance");
            return Err(Failed { why, fix: "add one: nobody could ask it anything".to_owned() });
        }
        for one in &instances {
            well("instance", &one.name, &one.status, one.pending.as_ref())?;
        }
        let count = instances.len();
        Ok(format!("{name} and its instances, {count}, are available, with nothing pending"))
    }

    async fn instances(&self, asked: &[(&str, &str)]) -> Result<Vec<Instance>, Failed> {
        const ACTION: &str = "DescribeDBInstances";
        let answer = self.session.query::<InstancesAnswer>(QueryService::Rds, ACTION, asked).await;
        let answer = answer.map_err(|error| super::unasked(&error, "rds:DescribeDBInstances"))?;
        Ok(answer.result.instances.unwrap_or_default().all)
    }
}

impl Check for RdsDatabase {
    fn kind(&self) -> &'static str {
        "rds"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

fn absent(what: &str, name: &str) -> Failed {
    let fix = "look at its identifier, the region and the profile".to_owned();
    Failed { why: format!("there is no {what} {name} of RDS"), fix }
}

fn well(what: &str, name: &str, status: &str, pending: Option<&Pending>) -> Result<(), Failed> {
    if status != "available" {
        let why = format!("the {what} {name} is {status}");
        let fix = match status {
            "storage-optimization" => {
                "it works meanwhile, and this may take hours: --override, if that will do"
            }
            _ => "wait until it is available, or see its events",
        };
        return Err(Failed { why, fix: fix.to_owned() });
    }
    let pending: Vec<_> =
        pending.iter().flat_map(|pending| &pending.0).map(String::as_str).collect();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Failed {
        why: format!("the {what} {name} has changes pending: {}", pending.join(", ")),
        fix: "apply them now, while nobody is let in, or wait until they are applied".to_owned(),
    })
}

/// What was asked of a database and is still to be done, by the name of each value. The values may be secret.
#[derive(Debug)]
struct Pending(Vec<String>);

impl<'de> Deserialize<'de> for Pending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pending, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Pending;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("elements")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Pending, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = all.next_entry()? {
                    names.push(name);
                }
                Ok(Pending(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[derive(Debug, Deserialize)]
struct InstancesAnswer {
    #[serde(rename = "DescribeDBInstancesResult")]
    result: Instances,
}

#[derive(Debug, Deserialize)]
struct Instances {
    #[serde(rename = "DBInstances")]
    instances: Option<InstanceList>,
}

#[derive(Debug, Default, Deserialize)]
struct InstanceList {
    #[serde(rename = "DBInstance", default)]
    all: Vec<Instance>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    #[serde(rename = "DBInstanceIdentifier")]
    name: String,
    #[serde(rename = "DBInstanceStatus", default)]
    status: String,
    #[serde(rename = "PendingModifiedValues")]
    pending: Option<Pending>,
}

#[derive(Debug, Deserialize)]
struct ClustersAnswer {
    #[serde(rename = "DescribeDBClustersResult")]
    result: Clusters,
}

#[derive(Debug, Deserialize)]
struct Clusters {
    #[serde(rename = "DBClusters")]
    clusters: Option<ClusterList>,
}

#[derive(Debug, Default, Deserialize)]
struct ClusterList {
    #[serde(rename = "DBCluster", default)]
    all: Vec<Cluster>,
}

#[derive(Debug, Deserialize)]
struct Cluster {
    #[serde(rename = "DBClusterIdentifier")]
    name: String,
    #[serde(rename = "Status", default)]
    status: String,
    #[serde(rename = "PendingModifiedValues")]
    pending: Option<Pending>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instance as RDS tells it (API reference, `DescribeDBInstances`), among much else.
    fn instance(status: &str, pending: &str) -> Instance {
        let answer = format!(
            "<DescribeDBInstancesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBInstancesResult><DBInstances><DBInstance><AllocatedStorage>20</AllocatedStorage><DBInstanceIdentifier>shop</DBInstanceIdentifier><Endpoint><Port>5432</Port></Endpoint><DBInstanceStatus>{status}</DBInstanceStatus>{pending}</DBInstance></DBInstances></DescribeDBInstancesResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></DescribeDBInstancesResponse>"
        );
        let answer: InstancesAnswer = quick_xml::de::from_str(&answer).unwrap();
        answer.result.instances.unwrap().all.pop().unwrap()
    }

    fn judged(status: &str, pending: &str) -> Result<(), String> {
        let Instance { name, status, pending } = instance(status, pending);
        well("instance", &name, &status, pending.as_ref()).map_err(|failed| failed.why)
    }

    #[test]
    fn a_database_is_well_where_it_is_available_and_nothing_is_pending() {
        assert_eq!(judged("available", ""), Ok(()));
        assert_eq!(judged("available", "<PendingModifiedValues/>"), Ok(()));
        assert_eq!(judged("modifying", ""), Err("the instance shop is modifying".to_owned()));
        let pending = "<PendingModifiedValues><DBInstanceClass>db.t4g.large</DBInstanceClass><MasterUserPassword>****</MasterUserPassword><PendingCloudwatchLogsExports><LogTypesToEnable><member>postgresql</member></LogTypesToEnable></PendingCloudwatchLogsExports></PendingModifiedValues>";
        let why = "the instance shop has changes pending: DBInstanceClass, MasterUserPassword, PendingCloudwatchLogsExports";
        assert_eq!(judged("available", pending), Err(why.to_owned()));
    }

    #[test]
    fn an_answer_without_a_database_is_read_too() {
        let answer = "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters/></DescribeDBClustersResult></DescribeDBClustersResponse>";
        let answer: ClustersAnswer = quick_xml::de::from_str(answer).unwrap();
        assert!(answer.result.clusters.unwrap_or_default().all.is_empty());
    }
}
