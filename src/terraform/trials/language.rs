//! The language itself, against what `terraform console` 1.11.4 printed.

use super::Trial;
use crate::terraform::{Value, console, load};

const MAIN: &str = r#"
variable "s" { default = "hello" }
variable "l" { default = ["a", "b", "c"] }
variable "m" { default = { one = 1, two = 2 } }
variable "o" {
  type    = list(object({ name = string, n = optional(number, 7) }))
  default = [{ name = "x" }, { name = "y", n = 2 }]
}
variable "t" {
  type    = list(string)
  default = ["a", "b"]
}
variable "none" { default = null }
locals {
  nested = { list = [{ a = 1 }, { a = 2 }], empty = [] }
  here   = <<-EOT
    first
      second ${var.s}
    %{for x in var.l~}
    - ${x}
    %{endfor~}
    end
  EOT
}
"#;

/// The value as JSON, or `refused`.
fn printed(trial: &Trial, expression: &str) -> String {
    let folder = load(&trial.inputs).unwrap();
    let wrapped = format!("jsonencode({expression})");
    match console(&folder, &trial.inputs, trial.state.as_ref(), &wrapped) {
        Ok(Value::String(json)) => json,
        Ok(_) => "not a text".to_owned(),
        Err(_refused) => "refused".to_owned(),
    }
}

#[test]
fn every_expression_gives_what_terraform_printed() {
    let trial = Trial::new(MAIN);
    let mut lines = include_str!("language.txt").lines();
    let mut wrong = Vec::new();
    while let (Some(expression), Some(expected)) = (lines.next(), lines.next()) {
        let found = printed(&trial, expression);
        if found != expected.trim_start() {
            wrong.push(format!("{expression}\n  Terraform: {}\n  here: {found}", expected.trim()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
