//! The switch is found: the seed's own file, and what else moves a record.

use super::{SIMPLE, Trial};
use crate::terraform::{RecordKey, Target, ValueOrigin};

const SEED: &str = include_str!("../../../tests/seed/main.tf");
const LIVE: &str =
    r#"{"dns_name": "LB-1.eu-west-1.elb.amazonaws.com", "zone_id": "Z32O12XQLNTSW2"}"#;
const PAGE: &str = r#"{"domain_name": "d111.cloudfront.net", "hosted_zone_id": "Z2FDTNDATAQYW2"}"#;

fn seed() -> Trial {
    Trial::new(SEED)
        .file("terraform.tfvars", "route53_zone_id = \"Z1\"\nurl = \"App.example.com.\"\n")
        .state(&[
            ("aws_lb.load_balancer", LIVE),
            ("data.aws_cloudfront_distribution.maintenance", PAGE),
        ])
}

fn alias(name: &str, zone_id: &str) -> Target {
    let (name, zone_id) = (name.to_owned(), zone_id.to_owned());
    Target::Alias { name, zone_id, evaluate_target_health: false }
}

#[test]
fn the_seeds_own_file_has_its_switch_and_both_targets() {
    let found = seed().find();
    assert_eq!(found.variable, "maintenance_mode");
    assert_eq!((found.value, found.origin), (false, ValueOrigin::Default));
    let [record] = found.records.as_slice() else { panic!("{:?}", found.records) };
    assert_eq!(record.address, "aws_route53_record.environment");
    assert_eq!(record.place.line, 7);
    assert_eq!(
        record.key,
        RecordKey {
            zone_id: "Z1".to_owned(),
            name: "app.example.com".to_owned(),
            kind: "A".to_owned(),
            set_identifier: None
        }
    );
    assert_eq!(
        record.live.clone().map(|set| set.target),
        Some(alias("lb-1.eu-west-1.elb.amazonaws.com", "Z32O12XQLNTSW2"))
    );
    assert_eq!(
        record.maintenance.clone().map(|set| set.target),
        Some(alias("d111.cloudfront.net", "Z2FDTNDATAQYW2"))
    );
    assert_eq!(found.workspace, "default");
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
}

#[test]
fn a_state_that_was_not_read_is_asked_for() {
    let error = seed().without_state().try_find().map(|found| found.records).unwrap_err();
    assert!(error.to_string().contains("known only from the state"), "{error}");
}

#[test]
fn a_state_without_the_target_is_an_error_that_names_the_expression_and_the_way_out() {
    let shown = seed().state(&[("aws_lb.load_balancer", LIVE)]).error();
    let expression = "data.aws_cloudfront_distribution.maintenance.domain_name";
    assert!(shown.contains(&format!("`{expression}` is not known: not in the state")), "{shown}");
    assert!(shown.contains("main.tf:24:32"), "{shown}");
    assert!(shown.contains("-from-plans"), "{shown}");
}

#[test]
fn our_file_is_read_and_what_beats_it_is_named() {
    let trial =
        Trial::new(SIMPLE).file("roadworks.auto.tfvars.json", "{\"maintenance_mode\": true}");
    let ours = ValueOrigin::File(trial.path().join("roadworks.auto.tfvars.json"));
    let found = trial.find();
    assert_eq!((found.value, found.origin), (true, ours));
    assert_eq!((found.value_without_our_file, found.overruling), (false, None));
    let found = Trial::new(SIMPLE).file("z.auto.tfvars", "maintenance_mode = false").find();
    assert!(matches!(found.overruling, Some(ValueOrigin::File(_))), "{:?}", found.overruling);
    let found = Trial::new(SIMPLE).var("maintenance_mode=true").find();
    assert_eq!(found.overruling, Some(ValueOrigin::CommandLine));
    assert!(found.value);
}

#[test]
fn a_value_from_the_environment_is_text_until_the_type_says_otherwise() {
    let found = Trial::new(SIMPLE).env("TF_VAR_maintenance_mode", "true").find();
    assert!(found.value);
    assert_eq!(found.origin, ValueOrigin::Environment("TF_VAR_maintenance_mode".to_owned()));
    assert!(found.value_without_our_file);
}
