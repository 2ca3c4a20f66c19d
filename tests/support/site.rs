//! The seed's folder with a state, and its zone and record in an AWS, fake or emulated.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::{Ran, roadworks, run};
use super::http::call;
use super::route53::record::{CLOUDFRONT, RecordSet};
use super::route53::xml::Element;

pub(crate) const NAME: &str = "app.example.com";
pub(crate) const LIVE: &str = "shop-1234567890.eu-central-1.elb.amazonaws.com";
pub(crate) const LIVE_ZONE: &str = "Z215JYRZR1TBD5";
pub(crate) const MAINTENANCE: &str = "d111111abcdef8.cloudfront.net";
/// The file in which the flip tells Terraform.
pub(crate) const TOLD: &str = "roadworks.auto.tfvars.json";
/// The seed's file, byte for byte.
pub(crate) const MAIN_TF: &str = include_str!("../seed/main.tf");
/// What `terraform apply` of the whole stack leaves, as far as the seed's file speaks of it.
pub(crate) const STATE: &str = include_str!("../seed/terraform.tfstate");
const NAMESPACE: &str = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";

pub(crate) struct Site {
    folder: TempDir,
    pub(crate) endpoint: String,
    pub(crate) zone_id: String,
}

impl Site {
    /// The seed's folder and, at `endpoint`, a zone with the name at the load balancer.
    pub(crate) fn at(endpoint: &str) -> Site {
        let site = Site {
            folder: tempfile::tempdir().unwrap(),
            endpoint: endpoint.to_owned(),
            zone_id: zone(endpoint),
        };
        site.upsert(&live());
        site.fill();
        site
    }

    /// The seed's folder with nobody to ask.
    pub(crate) fn unreachable() -> Site {
        let endpoint = "http://127.0.0.1:1".to_owned();
        let zone_id = "Z00000000000000000001".to_owned();
        let site = Site { folder: tempfile::tempdir().unwrap(), endpoint, zone_id };
        site.fill();
        site
    }

    fn fill(&self) {
        self.write("main.tf", MAIN_TF);
        let tfvars = format!("url = \"{NAME}\"\nroute53_zone_id = \"{}\"\n", self.zone_id);
        self.write("terraform.tfvars", &tfvars);
        self.write("terraform.tfstate", STATE);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.folder().join(name), content).unwrap();
    }

    /// The file's text, or `None` where there is no such file.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder().join(name)).ok()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder().join(name)).unwrap();
    }

    /// `roadworks` in this folder, not yet run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = roadworks(self.folder(), &self.endpoint, &[]);
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// What Terraform is told in this folder, if it is told anything.
    pub(crate) fn told(&self) -> Option<Value> {
        self.read(TOLD).map(|text| serde_json::from_str(&text).unwrap())
    }

    /// Fails the test unless everything says that the name leads to the maintenance page.
    #[track_caller]
    pub(crate) fn is_in_maintenance(&self) {
        assert_eq!(self.leads_to(), MAINTENANCE);
        assert_eq!(self.told(), Some(json!({ "maintenance_mode": true })));
    }

    /// Fails the test unless everything is as it was before the first flip.
    #[track_caller]
    pub(crate) fn is_open(&self) {
        assert_eq!(self.leads_to(), LIVE);
        assert_eq!(self.told(), None);
    }

    /// Where the name leads now.
    pub(crate) fn leads_to(&self) -> String {
        let path = format!("/2013-04-01/hostedzone/{}/rrset?name={NAME}.&type=A", self.zone_id);
        let (status, body) = call(&self.endpoint, "GET", &path, "");
        assert_eq!(status, 200, "{body}");
        let answer = Element::parse(&body).unwrap();
        let sets = answer.all("ResourceRecordSet");
        let set = sets.iter().find(|set| set.at(&["Name"]) == Some(&format!("{NAME}.")));
        let target = set.and_then(|set| set.at(&["AliasTarget", "DNSName"])).unwrap_or("nowhere");
        target.trim_end_matches('.').to_owned()
    }

    /// Sets a record as another program would.
    pub(crate) fn upsert(&self, set: &RecordSet) {
        upsert(&self.endpoint, &self.zone_id, set);
    }
}

/// Sets a record of a zone as another program would.
pub(crate) fn upsert(endpoint: &str, zone_id: &str, set: &RecordSet) {
    let body = format!(
        "<ChangeResourceRecordSetsRequest {NAMESPACE}><ChangeBatch><Changes><Change><Action>UPSERT</Action>{}</Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
        set.written()
    );
    let (status, answer) =
        call(endpoint, "POST", &format!("/2013-04-01/hostedzone/{zone_id}/rrset/"), &body);
    assert_eq!(status, 200, "{answer}");
}

pub(crate) fn live() -> RecordSet {
    RecordSet::alias(NAME, LIVE_ZONE, LIVE)
}

pub(crate) fn maintenance() -> RecordSet {
    RecordSet::alias(NAME, CLOUDFRONT, MAINTENANCE)
}

/// A record that is neither of the two.
pub(crate) fn foreign() -> RecordSet {
    RecordSet::alias(NAME, LIVE_ZONE, "other-99.eu-central-1.elb.amazonaws.com")
}

/// Makes a zone `example.com` and gives its id.
fn zone(endpoint: &str) -> String {
    let unique = roadworks::clock::now().as_millisecond();
    let reference = format!("{unique}-{}-{:?}", std::process::id(), std::thread::current().id());
    let body = format!(
        "<CreateHostedZoneRequest {NAMESPACE}><Name>example.com</Name><CallerReference>{reference}</CallerReference></CreateHostedZoneRequest>"
    );
    let (status, answer) = call(endpoint, "POST", "/2013-04-01/hostedzone", &body);
    assert_eq!(status, 201, "{answer}");
    let answer = Element::parse(&answer).unwrap();
    let id = answer.at(&["HostedZone", "Id"]).expect("a zone has an id");
    id.trim_start_matches("/hostedzone/").to_owned()
}
