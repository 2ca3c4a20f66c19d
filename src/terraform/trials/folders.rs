//! Shapes that real folders have: modules, repetition, overrides, JSON, workspaces.

use super::{SIMPLE, Trial};
use crate::terraform::{MovedRecord, RecordSet, Routing, Target};

const BOOLEAN: &str = "variable \"maintenance_mode\" {\n  type    = bool\n  default = false\n}\n";

fn with_boolean(text: &str) -> Trial {
    Trial::new(&format!("{BOOLEAN}{text}"))
}

fn values(set: Option<&RecordSet>) -> Vec<String> {
    match set.map(|set| &set.target) {
        Some(Target::Plain { records, .. }) => records.clone(),
        Some(Target::Alias { name, .. }) => vec![name.clone()],
        None => Vec::new(),
    }
}

/// Address, live and maintenance of each.
fn moves(records: &[MovedRecord]) -> Vec<String> {
    let line = |record: &MovedRecord| {
        let (live, maintenance) =
            (values(record.live.as_ref()), values(record.maintenance.as_ref()));
        format!("{} {}: {live:?} -> {maintenance:?}", record.address, record.key.name)
    };
    records.iter().map(line).collect()
}

const PLAIN: &str = "zone_id = \"Z1\"\n  type = \"CNAME\"\n  ttl = 60\n";

#[test]
fn a_pair_with_opposite_counts_is_one_moved_record() {
    let found = with_boolean(&format!(
        "resource \"aws_route53_record\" \"live\" {{\n  count = var.maintenance_mode ? 0 : 1\n  name = \"a.x.org\"\n  \
         records = [\"live.x.org\"]\n  {PLAIN}}}\n\
         resource \"aws_route53_record\" \"page\" {{\n  count = var.maintenance_mode ? 1 : 0\n  name = \"a.x.org\"\n  \
         records = [\"page.x.org\"]\n  {PLAIN}}}\n"
    ))
    .find();
    assert_eq!(
        moves(&found.records),
        [r#"aws_route53_record.live[0] a.x.org: ["live.x.org"] -> ["page.x.org"]"#]
    );
}

#[test]
fn for_each_moves_each_of_its_records() {
    let found = with_boolean(&format!(
        "locals {{\n  hosts = {{ a = \"1\", \"b c\" = \"2\" }}\n}}\n\
         resource \"aws_route53_record\" \"all\" {{\n  for_each = local.hosts\n  name = \"h${{each.value}}.x.org\"\n  \
         records = [var.maintenance_mode ? \"page.x.org\" : \"${{each.value}}.x.org\"]\n  {PLAIN}}}\n"
    ))
    .find();
    assert_eq!(
        moves(&found.records),
        [
            r#"aws_route53_record.all["a"] h1.x.org: ["1.x.org"] -> ["page.x.org"]"#,
            r#"aws_route53_record.all["b c"] h2.x.org: ["2.x.org"] -> ["page.x.org"]"#,
        ]
    );
}

#[test]
fn a_local_module_gets_the_boolean_and_gives_back_an_output() {
    let found = with_boolean(
        "module \"dns\" {\n  source = \"./modules/dns\"\n  for_each = toset([\"a\", \"b\"])\n  name = each.key\n  \
         closed = var.maintenance_mode\n  target = module.lb.name\n}\n\
         module \"lb\" {\n  source = \"./modules/lb\"\n}\n",
    )
    .file(
        "modules/dns/main.tf",
        &format!(
            "variable \"name\" {{}}\nvariable \"closed\" {{ type = bool }}\nvariable \"target\" {{}}\n\
             resource \"aws_route53_record\" \"this\" {{\n  name = \"${{var.name}}.x.org\"\n  \
             records = [var.closed ? \"page.x.org\" : var.target]\n  {PLAIN}}}\n"
        ),
    )
    .file("modules/lb/main.tf", "output \"name\" {\n  value = aws_lb.this.dns_name\n}\n")
    .state(&[("module.lb.aws_lb.this", r#"{"dns_name": "lb.x.org"}"#)])
    .find();
    assert_eq!(
        moves(&found.records),
        [
            r#"module.dns["a"].aws_route53_record.this a.x.org: ["lb.x.org"] -> ["page.x.org"]"#,
            r#"module.dns["b"].aws_route53_record.this b.x.org: ["lb.x.org"] -> ["page.x.org"]"#,
        ]
    );
    assert_eq!(found.records[0].place.file.file_name().unwrap(), "main.tf");
}

#[test]
fn an_installed_module_is_found_by_its_manifest() {
    let manifest = r#"{"Modules":[{"Key":"","Source":"","Dir":"."},
        {"Key":"dns","Source":"registry.terraform.io/x/dns/aws","Version":"1.0.0","Dir":".terraform/modules/dns"}]}"#;
    let main = "module \"dns\" {\n  source = \"x/dns/aws\"\n  closed = var.maintenance_mode\n}\n";
    let inner = format!(
        "variable \"closed\" {{}}\nresource \"aws_route53_record\" \"this\" {{\n  name = \"a.x.org\"\n  \
         records = [var.closed ? \"page.x.org\" : \"lb.x.org\"]\n  {PLAIN}}}\n"
    );
    let found = with_boolean(main)
        .file(".terraform/modules/modules.json", manifest)
        .file(".terraform/modules/dns/main.tf", &inner)
        .find();
    assert_eq!(found.records.len(), 1);
    let shown = with_boolean(main).error();
    assert!(shown.contains("module \"dns\" is not on this machine"), "{shown}");
    assert!(shown.contains("terraform init"), "{shown}");
}

#[test]
fn a_nested_dynamic_block_with_an_iterator_is_unfolded() {
    let found = with_boolean(
        "resource \"aws_route53_record\" \"a\" {\n  zone_id = \"Z1\"\n  name = \"a.x.org\"\n  type = \"A\"\n  \
         dynamic \"alias\" {\n    for_each = var.maintenance_mode ? { page = \"d1.cloudfront.net\" } : { lb = \"lb.x.org\" }\n    \
         iterator = target\n    content {\n      name = target.value\n      zone_id = upper(target.key)\n      \
         evaluate_target_health = target.key == \"lb\"\n    }\n  }\n}\n",
    )
    .find();
    let [record] = found.records.as_slice() else { panic!("{:?}", found.records) };
    let Some(RecordSet { target: Target::Alias { zone_id, evaluate_target_health, .. }, .. }) =
        &record.live
    else {
        panic!("{record:?}")
    };
    assert_eq!((zone_id.as_str(), *evaluate_target_health), ("LB", true));
}

#[test]
fn an_override_replaces_attributes_and_blocks_by_their_kind() {
    let found = Trial::new(SIMPLE)
        .file(
            "x_override.tf",
            "resource \"aws_route53_record\" \"app\" {\n  ttl = 30\n  records = [var.maintenance_mode ? \"192.0.2.9\" : \"192.0.2.1\"]\n}\n",
        )
        .find();
    assert!(moves(&found.records)[0].contains("192.0.2.9"));
    let shown = Trial::new(SIMPLE).file("override.tf", "variable \"nope\" {}\n").error();
    assert!(shown.contains("no variable nope to override"), "{shown}");
}

#[test]
fn json_is_read_like_hcl() {
    let json = r#"{
  "variable": {"maintenance_mode": {"type": "bool", "default": false}},
  "resource": {"aws_route53_record": {"a": {
    "zone_id": "Z1", "name": "${local.host}", "type": "A",
    "dynamic": {"alias": {"for_each": "${var.maintenance_mode ? [1] : []}",
      "content": {"name": "page.x.org", "zone_id": "Z2", "evaluate_target_health": false}}},
    "alias": []
  }}},
  "locals": {"host": "a.x.org"}
}"#;
    let shown = Trial::new("").file("main.tf.json", json).error();
    assert!(shown.contains("a record needs `alias` or `records`"), "{shown}");
    assert!(shown.contains("main.tf.json:3:39"), "{shown}");
    let json = json.replace("\"alias\": []", "\"records\": \"${var.maintenance_mode ? null : [\\\"1.2.3.4\\\"]}\", \"ttl\": \"${var.maintenance_mode ? null : 60}\"");
    let found = Trial::new("").file("main.tf.json", &json).find();
    assert_eq!(
        moves(&found.records),
        [r#"aws_route53_record.a a.x.org: ["1.2.3.4"] -> ["page.x.org"]"#]
    );
}

#[test]
fn the_only_boolean_that_moves_a_record_is_the_switch() {
    let main = SIMPLE.replace("maintenance_mode", "closed")
        + "variable \"verbose\" {\n  type = bool\n  default = true\n}\n";
    let found = Trial::new(&main).find();
    assert_eq!(found.variable, "closed");
    let both = main.replace("ttl     = 60", "ttl = var.verbose ? 60 : 61");
    let shown = Trial::new(&both).error();
    assert!(shown.contains("more than one boolean moves a record: closed, verbose"), "{shown}");
    let mut named = Trial::new(&both);
    named.inputs.variable = Some("verbose".to_owned());
    assert_eq!(named.find().variable, "verbose");
}

#[test]
fn what_else_the_boolean_changes_is_named_and_what_it_does_not_is_not() {
    let found = Trial::new(&format!(
        "{SIMPLE}locals {{\n  tasks = var.maintenance_mode ? 0 : 2\n  same = var.maintenance_mode ? 1 : 1\n}}\n\
         resource \"aws_ecs_service\" \"app\" {{\n  desired_count = local.tasks\n}}\n\
         resource \"aws_ecs_service\" \"same\" {{\n  desired_count = local.same\n}}\n\
         data \"aws_lb\" \"page\" {{\n  count = var.maintenance_mode ? 1 : 0\n}}\n\
         resource \"aws_s3_bucket\" \"other\" {{\n  bucket = \"x\"\n}}\n"
    ))
    .find();
    assert_eq!(found.also_moves, ["aws_ecs_service.app", "data.aws_lb.page"]);
}

#[test]
fn a_record_of_the_same_name_that_stays_is_a_sibling() {
    let found = Trial::new(&format!(
        "{SIMPLE}resource \"aws_route53_record\" \"six\" {{\n  zone_id = \"Z1\"\n  name = \"APP.example.com\"\n  \
         type = \"AAAA\"\n  ttl = 60\n  records = [\"2001:db8::1\"]\n}}\n"
    ))
    .find();
    assert_eq!(found.siblings.len(), 1);
    assert_eq!(found.siblings[0].address, "aws_route53_record.six");
    assert_eq!(found.siblings[0].key.kind, "AAAA");
}

#[test]
fn a_relative_name_is_completed_by_the_zone_that_the_state_knows() {
    let main = SIMPLE
        .replace("app.example.com", "*.app")
        .replace("\"Z1\"", "aws_route53_zone.main.zone_id");
    let found = Trial::new(&format!(
        "{main}resource \"aws_route53_zone\" \"main\" {{\n  name = \"example.com\"\n}}\n"
    ))
    .state(&[("aws_route53_zone.main", r#"{"zone_id": "Z9", "name": "example.com"}"#)])
    .find();
    assert_eq!(found.records[0].key.name, r"\052.app.example.com");
    assert_eq!(found.records[0].key.zone_id, "Z9");
}

#[test]
fn weighted_records_keep_their_policies_and_identifiers() {
    let found = Trial::new(&SIMPLE.replace(
        "ttl     = 60",
        "ttl = 60\n  set_identifier = \"blue\"\n  weighted_routing_policy {\n    weight = var.maintenance_mode ? 0 : \"100\"\n  }",
    ))
    .find();
    let record = &found.records[0];
    assert_eq!(record.key.set_identifier.as_deref(), Some("blue"));
    assert_eq!(record.live.as_ref().unwrap().routing, Some(Routing::Weighted(100)));
    assert_eq!(record.maintenance.as_ref().unwrap().routing, Some(Routing::Weighted(0)));
}

#[test]
fn values_come_by_terraforms_precedence() {
    let main =
        SIMPLE.replace("\"192.0.2.1\"", "var.ip") + "variable \"ip\" {\n  default = \"d\"\n}\n";
    let ip = |trial: Trial| values(trial.find().records[0].live.as_ref()).concat();
    let trial = || Trial::new(&main);
    assert_eq!(ip(trial()), "d");
    let trial = || Trial::new(&main).env("TF_VAR_ip", "env");
    assert_eq!(ip(trial()), "env");
    let trial =
        || Trial::new(&main).env("TF_VAR_ip", "env").file("terraform.tfvars", "ip = \"t\"\n");
    assert_eq!(ip(trial()), "t");
    let json = |trial: Trial| trial.file("terraform.tfvars.json", r#"{"ip": "tj"}"#);
    assert_eq!(ip(json(trial())), "tj");
    let auto = |trial: Trial| {
        json(trial)
            .file("b.auto.tfvars", "ip = \"b\"\n")
            .file("a.auto.tfvars.json", r#"{"ip": "a"}"#)
    };
    assert_eq!(ip(auto(trial())), "b");
    assert_eq!(ip(auto(trial()).var("ip=one").var("ip=two")), "two");
}

#[test]
fn a_workspace_is_chosen_by_the_environment_or_by_terraforms_own_file() {
    let main = SIMPLE.replace("\"192.0.2.1\"", "terraform.workspace");
    let name = |trial: Trial| {
        let found = trial.find();
        assert_eq!(values(found.records[0].live.as_ref()).concat(), found.workspace);
        found.workspace
    };
    let selected = || Trial::new(&main).file(".terraform/environment", "blue\n");
    assert_eq!(name(Trial::new(&main)), "default");
    assert_eq!(name(selected()), "blue");
    assert_eq!(name(selected().env("TF_WORKSPACE", "green")), "green");
    let moved =
        Trial::new(&main).file("elsewhere/environment", "red").env("TF_DATA_DIR", "elsewhere");
    assert_eq!(name(moved), "red");
}

#[test]
fn the_digest_tells_one_content_from_another() {
    let digest = |main: &str| Trial::new(main).find().digest;
    assert_eq!(digest(SIMPLE), digest(SIMPLE));
    assert_ne!(digest(SIMPLE), digest(&format!("{SIMPLE}# more\n")));
}

#[test]
fn an_optional_attribute_has_its_default_and_complex_text_is_an_expression() {
    let main = SIMPLE.replace("\"192.0.2.1\"", "var.hosts[0].ip")
        + "variable \"hosts\" {\n  type = list(object({ name = string, ip = optional(string, \"192.0.2.7\") }))\n}\n";
    let found = Trial::new(&main).env("TF_VAR_hosts", "[{ name = \"x\" }]").find();
    assert_eq!(values(found.records[0].live.as_ref()), ["192.0.2.7"]);
    let shown = Trial::new(&main).var("hosts=hunter2 [").error();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_output_of_a_remote_state_is_read() {
    let main = SIMPLE.replace("\"192.0.2.1\"", "data.terraform_remote_state.net.outputs.ip");
    let outputs =
        r#"{"outputs": {"value": {"ip": "192.0.2.8"}, "type": ["object", {"ip": "string"}]}}"#;
    let found = Trial::new(&main).state(&[("data.terraform_remote_state.net", outputs)]).find();
    assert_eq!(values(found.records[0].live.as_ref()), ["192.0.2.8"]);
}

#[test]
fn an_attribute_of_instances_that_no_state_has_is_what_the_folder_says() {
    for first in ["X.*.name[0]", "element(X[*].name, 0)", "X.0.name", "X[0].name"] {
        let first = first.replace('X', "aws_route53_record.page");
        let found = with_boolean(&format!(
            "resource \"aws_route53_record\" \"page\" {{\n  count = var.maintenance_mode ? 2 : 0\n  \
             name = \"p${{count.index}}.x.org\"\n  records = [\"page.x.org\"]\n  {PLAIN}}}\n\
             resource \"aws_route53_record\" \"app\" {{\n  name = \"a.x.org\"\n  \
             records = [try({first}, \"open.x.org\")]\n  {PLAIN}}}\n"
        ))
        .find();
        let app = r#"aws_route53_record.app a.x.org: ["open.x.org"] -> ["p0.x.org"]"#.to_owned();
        assert!(moves(&found.records).contains(&app), "{first}: {:?}", moves(&found.records));
    }
}
