//! What is refused, where it points, and that it tells the way out.

use super::{SIMPLE, Trial};

fn refused(main: &str, words: &[&str]) {
    let shown = Trial::new(main).error();
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in\n{shown}");
    }
}

#[test]
fn a_cycle_of_locals_is_refused() {
    let locals = "locals {\n  a = local.b\n  b = local.a\n}\n";
    refused(
        &format!("{}{locals}", SIMPLE.replace("\"192.0.2.1\"", "local.a")),
        &["this depends on itself: local.a -> local.b -> local.a", "main.tf:15:7"],
    );
}

#[test]
fn health_of_a_cloudfront_target_is_refused_at_the_attribute() {
    let alias = "alias {\n    name = var.maintenance_mode ? \"d1.cloudfront.net\" : \"lb.x.org\"\n    \
                 zone_id = var.maintenance_mode ? \"Z2FDTNDATAQYW2\" : \"Z2\"\n    evaluate_target_health = true\n  }\n";
    let main = SIMPLE.replace("ttl     = 60", alias);
    let main =
        main.lines().filter(|line| !line.contains("records")).collect::<Vec<_>>().join("\n") + "\n";
    refused(
        &main,
        &["cannot evaluate the target's health", "evaluate_target_health = true", "^^^"],
    );
}

#[test]
fn an_alias_and_records_together_or_neither_are_refused() {
    let alias =
        "alias {\n    name = \"x\"\n    zone_id = \"Z2\"\n    evaluate_target_health = false\n  }";
    refused(
        &SIMPLE.replace("ttl     = 60", alias),
        &["`alias` or `records`, not both", "main.tf:6:1"],
    );
    let none = SIMPLE.replace("records = [", "allow_overwrite = [");
    let none = none.replace("type    = \"A\"", "type = var.maintenance_mode ? \"A\" : \"AAAA\"");
    refused(&none, &["needs `alias` or `records`"]);
}

#[test]
fn a_cname_at_the_top_of_its_zone_is_refused() {
    let main = SIMPLE.replace("\"A\"", "\"CNAME\"");
    let shown = Trial::new(&main)
        .state(&[("aws_route53_zone.z", r#"{"zone_id": "Z1", "name": "app.example.com"}"#)])
        .error();
    assert!(shown.contains("a CNAME cannot stand at the top of its zone"), "{shown}");
}

#[test]
fn the_same_key_twice_is_refused_with_both_addresses() {
    let twice = SIMPLE.replace("\"app\" {", "\"other\" {");
    let second = twice.split_once("resource").unwrap().1;
    refused(
        &format!("{SIMPLE}resource{second}"),
        &["declared twice", "aws_route53_record.app", "aws_route53_record.other"],
    );
}

#[test]
fn a_function_that_is_missing_is_named_at_its_place() {
    let main = SIMPLE.replace("\"192.0.2.1\"", "uper(\"x\")");
    refused(
        &main,
        &["there is no function named \"uper\"", "did you mean \"upper\"", "main.tf:11"],
    );
    let main = SIMPLE.replace("\"192.0.2.1\"", "provider::aws::arn_parse(\"x\")");
    refused(&main, &["belongs to a provider", "-from-plans"]);
}

#[test]
fn a_misspelt_variable_finds_the_nearest() {
    let main = SIMPLE.replace("\"192.0.2.1\"", "var.maintenence_mode");
    refused(
        &main,
        &["\"maintenence_mode\" is not declared", "did you mean `var.maintenance_mode`?"],
    );
    let mut trial = Trial::new(SIMPLE);
    trial.inputs.variable = Some("maintainance_mode".to_owned());
    assert!(trial.error().contains("did you mean `maintenance_mode`?"));
}

#[test]
fn a_folder_without_terraform_and_one_without_a_switch_are_refused() {
    let empty = tempfile::tempdir().unwrap();
    let inputs = crate::terraform::Inputs { folder: empty.path().to_owned(), ..Default::default() };
    let error = crate::terraform::load(&inputs).map(|folder| folder.digest).unwrap_err();
    assert!(error.to_string().contains("no .tf or .tf.json file"));
    refused("locals {\n  a = 1\n}\n", &["no boolean variable"]);
    refused(
        "variable \"maintenance_mode\" {}\noutput \"x\" {\n  value = var.maintenance_mode\n}\n",
        &["moves no record"],
    );
}

#[test]
fn a_tfvars_file_that_is_no_json_is_one_clear_error() {
    let shown = Trial::new(SIMPLE).file("terraform.tfvars.json", "{\"a\": hunter2}").error();
    assert!(shown.contains("not a JSON object of values"), "{shown}");
    assert!(!shown.contains("hunter2"), "values may be secrets: {shown}");
}

#[test]
fn a_value_that_does_not_fit_is_refused_without_being_shown() {
    let shown = Trial::new(SIMPLE).var("maintenance_mode=hunter2").error();
    assert!(shown.contains("does not fit its type") && !shown.contains("hunter2"), "{shown}");
    let shown = Trial::new(SIMPLE).var("hunter2").error();
    assert!(shown.contains("NAME=VALUE") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_validation_that_says_no_is_heard() {
    let rule = "default = false\n  validation {\n    condition     = var.maintenance_mode == false\n    error_message = \"Never.\"\n  }";
    refused(&SIMPLE.replace("default = false", rule), &["is refused: Never."]);
}

#[test]
fn count_that_depends_on_something_unknown_is_refused_where_it_counts() {
    let main =
        SIMPLE.replace("zone_id = \"Z1\"", "zone_id = \"Z1\"\n  count = length(aws_lb.x.subnets)");
    refused(&main, &["`aws_lb.x.subnets` is not known: not in the state"]);
    let elsewhere = format!(
        "{SIMPLE}resource \"aws_route53_record\" \"v\" {{\n  for_each = aws_acm_certificate.c.options\n  name = each.value\n}}\n"
    );
    assert_eq!(Trial::new(&elsewhere).find().records.len(), 1);
}

#[test]
fn a_folder_that_is_named_like_a_file_is_passed_over() {
    assert_eq!(Trial::new(SIMPLE).file("odd.tf/inner", "x").find().records.len(), 1);
}

#[test]
fn try_does_not_hide_a_function_that_only_terraform_has() {
    let main = SIMPLE.replace("\"192.0.2.1\"", "try(timestamp(), \"192.0.2.1\")");
    let error = Trial::new(&main).try_find().map(|found| found.records).unwrap_err();
    assert!(error.is_beyond_us(), "{error}");
    let main =
        SIMPLE.replace("\"192.0.2.1\"", "var.maintenance_mode ? timestamp() : \"192.0.2.1\"");
    let main = main.replace("\"192.0.2.2\"", "\"192.0.2.3\"");
    assert_eq!(
        Trial::new(&main).find().records.len(),
        1,
        "a side that is not taken does not count"
    );
}
