//! Input that wants to keep us busy, fill the memory or overflow the stack.

use proptest::prelude::*;

use super::{SIMPLE, Trial};

fn refused(locals: &str) -> String {
    Trial::new(&format!("{}locals {{\n{locals}}}\n", SIMPLE.replace("\"192.0.2.1\"", "local.a0")))
        .error()
}

fn chain(length: usize, link: &dyn Fn(usize) -> String) -> String {
    let append = |text: String, at: usize| text + &format!("  a{at} = {}\n", link(at + 1));
    (0..length).fold(String::new(), append) + &format!("  a{length} = \"x\"\n")
}

#[test]
fn a_long_chain_of_locals_is_refused_before_the_stack_ends() {
    let shown = refused(&chain(5_000, &|next| format!("local.a{next}")));
    assert!(shown.contains("expressions inside each other"), "{shown}");
    let deep = |next| format!("{}local.a{next}{}", "(".repeat(60), ")".repeat(60));
    let shown = refused(&chain(500, &deep));
    assert!(shown.contains("expressions inside each other"), "{shown}");
    let calls = |next| format!("try([for x in [local.a{next}] : \"${{x}}\"][0])");
    let shown = refused(&chain(500, &calls));
    assert!(shown.contains("expressions inside each other"), "{shown}");
}

#[test]
fn a_value_that_doubles_with_each_local_is_refused() {
    for link in
        ["[local.aN, local.aN]", "\"${local.aN}${local.aN}\"", "{a = local.aN, b = local.aN}"]
    {
        let shown = refused(&chain(60, &|next| link.replace("aN", &format!("a{next}"))));
        assert!(shown.contains("more than") || shown.contains("longer than"), "{shown}");
    }
}

#[test]
fn loops_inside_loops_are_refused() {
    let shown = refused(
        "  n = range(1000)\n  a0 = [for a in local.n : [for b in local.n : [for c in local.n : a]]]\n",
    );
    assert!(shown.contains("takes more than"), "{shown}");
    let other = format!("{SIMPLE}variable \"x\" {{}}\n");
    assert!(!Trial::new(&other).var("x=[").find().records.is_empty());
}

#[test]
fn a_module_that_calls_itself_is_refused() {
    let shown = Trial::new("module \"a\" {\n  source = \"./\"\n}\n").error();
    assert!(shown.contains("too many modules call each other"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_the_parser_or_the_evaluator_panic(text in "\\PC{0,200}") {
        let _either = Trial::new(&text).try_find().is_ok();
    }

    #[test]
    fn no_expression_made_of_hcl_makes_the_evaluator_panic(
        parts in proptest::collection::vec(prop::sample::select(WORDS.as_slice()), 1..25)
    ) {
        let expression = parts.concat();
        let main = SIMPLE.replace("\"192.0.2.1\"", &expression);
        let _either = Trial::new(&main).try_find().is_ok();
        let json = serde_json::json!({"locals": {"a": format!("${{{expression}}}")}}).to_string();
        let _either = Trial::new(&main).file("x.tf.json", &json).try_find().is_ok();
    }
}

const WORDS: [&str; 44] = [
    "1",
    "\"a\"",
    "null",
    "true",
    "var.maintenance_mode",
    "var.",
    "local.a",
    "each.key",
    "aws_lb.x",
    ".id",
    "[0]",
    "[*]",
    ".*",
    ".0",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    "=",
    "=>",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "&&",
    "!",
    "for x in ",
    "for k, v in ",
    " if ",
    "...",
    "\"${",
    "}\"",
    "%{if true}",
    "%{endif}",
    "<<-E\n",
    "\nE\n",
    "length(",
];
