//! Which variable is taken for the switch: booleans first, then texts that hold one.

use super::Trial;
use crate::terraform::Spelling;

const HEAD: &str = "resource \"aws_route53_record\" \"app\" {\n  zone_id = \"Z1\"\n  type = \"A\"\n  ttl = 60\n  name = \
                    \"app.x.org\"\n";

fn variable(name: &str, declaration: &str) -> String {
    format!("variable \"{name}\" {{\n  {declaration}\n}}\n")
}

fn moves_by(condition: &str) -> String {
    format!("{HEAD}  records = [{condition} ? \"192.0.2.9\" : \"192.0.2.1\"]\n}}\n")
}

#[test]
fn a_text_that_holds_a_boolean_is_the_switch_where_no_boolean_moves_a_record() {
    let closed = variable("closed", "type = string\n  default = \"false\"");
    let logs = variable("logs", "type = bool\n  default = true");
    let found = Trial::new(&format!("{closed}{logs}{}", moves_by("var.closed == \"true\""))).find();
    assert_eq!((found.variable.as_str(), found.value), ("closed", false));
    assert_eq!(found.spelling, Spelling::Boolean);
    assert_eq!(found.records.len(), 1);
}

#[test]
fn a_text_without_a_type_is_set_to_a_text() {
    let usual = variable("maintenance_mode", "default = \"false\"");
    for condition in ["var.maintenance_mode == \"true\"", "var.maintenance_mode"] {
        let found = Trial::new(&format!("{usual}{}", moves_by(condition))).find();
        assert_eq!((found.records.len(), found.spelling), (1, Spelling::Text), "{condition}");
    }
}

#[test]
fn a_text_that_holds_anything_else_is_never_tried() {
    let name = variable("name", "type = string\n  default = \"app\"");
    let empty = variable("target", "type = string");
    let text = format!("{HEAD}  records = [\"${{var.name}}.${{var.target}}\"]\n}}\n");
    let error = Trial::new(&format!("{name}{empty}{text}")).error();
    assert!(error.contains("no boolean variable"), "{error}");
}

#[test]
fn a_boolean_that_leads_elsewhere_is_the_switch_beside_one_that_only_creates() {
    let closed = variable("closed", "type = bool\n  default = false");
    let create = variable("create", "type = bool\n  default = true");
    let record = moves_by("var.closed").replace("  ttl", "  count = var.create ? 1 : 0\n  ttl");
    let found = Trial::new(&format!("{closed}{create}{record}")).find();
    assert_eq!(found.variable, "closed");
    // Alone, it is the only one that moves a record.
    let record = record.replace("var.closed", "false");
    assert_eq!(Trial::new(&format!("{create}{record}")).find().variable, "create");
}
