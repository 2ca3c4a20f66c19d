//! A Terraform stack for the page alone: bucket, distribution, certificate, status. Text, made of what the page says.

use super::language::Language;
use super::told::{Draft, To, Told};
use super::{Page, forms, text};

const STACK: &str = include_str!("stack/main.tf");
const ANSWER: &str = include_str!("stack/answer.js");

/// What CloudFront takes of a function.
#[cfg(test)]
const LARGEST_FUNCTION: usize = 10 * 1024;

impl Page {
    /// The code of the CloudFront function that answers: `cloudfront-js-2.0`, for both events of a viewer.
    ///
    /// Whoever sends something gets what is in it, a form of at most 1,024 bytes; everybody else the bucket's objects.
    pub fn function(&self, told: &Told<'_>) -> String {
        let draft = Draft { to: To::Sender, ..self.draft(told, None) };
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let languages = Language::ALL.map(Language::tag);
        let values = [
            ("SPOKEN", serde_json::json!(languages).to_string()),
            ("SENDER_PROBLEM", json(&forms::problem_without_a_visitor(&draft, None))),
            ("SENDER_HTML", json(&text::nano(&draft))),
        ];
        filled(ANSWER, &values)
    }

    /// The stack for `hosts` (at least one), whose parts are called `name`: at most 36 characters that a bucket's name
    /// may have.
    pub fn stack(&self, told: &Told<'_>, hosts: &[String], name: &str) -> String {
        let quoted = |text: &str| escaped(&serde_json::Value::from(text).to_string());
        let list: Vec<_> = hosts.iter().map(|host| quoted(host)).collect();
        let first = hosts.first().map_or("", String::as_str);
        STACK
            .replace("HOST_LIST", &format!("[{}]", list.join(", ")))
            .replace("HOSTS", &hosts.join(", "))
            .replace("--host HOST", &format!("--host {first}"))
            .replace("= NAME", &format!("= {}", quoted(name)))
            .replace("FUNCTION", escaped(&self.function(told)).trim_end())
    }
}

/// `template` with each of the names in it replaced, once from the top: a value that has a name in it stays as it is.
fn filled(template: &str, values: &[(&str, String)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    let next = |rest: &str| {
        values.iter().filter_map(|one| Some((rest.find(one.0)?, one))).min_by_key(|(at, _)| *at)
    };
    while let Some((_, (name, value))) = next(rest)
        && let Some((before, after)) = rest.split_once(name)
    {
        text.extend([before, value.as_str()]);
        rest = after;
    }
    text + rest
}

/// As it stands in a template of Terraform's: nothing in it is to be evaluated.
fn escaped(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::super::PageConfig;
    use super::*;

    #[test]
    fn a_message_is_text_to_terraform_and_to_the_function() {
        let message = "`${var.secret}` %{ if } </script> \"quoted\" FUNCTION SENDER_HTML SPOKEN";
        let message = Some(message.to_owned());
        let page = Page { config: PageConfig { message, ..PageConfig::default() }, template: None };
        let told = Told { host: None, posture: None, now: jiff::Timestamp::UNIX_EPOCH };
        let stack = page.stack(&told, &["shop.example.com".to_owned()], "shop-page");
        assert!(stack.contains("$${var.secret}") && stack.contains("%%{ if }"));
        let ours = stack.matches("${").count() - stack.matches("$${").count();
        let of_the_text = STACK.matches("${").count();
        assert_eq!(ours, of_the_text, "nothing more is evaluated than what the stack has itself");
        let function = page.function(&told);
        assert!(function.len() <= LARGEST_FUNCTION);
        assert!(function.contains("FUNCTION SENDER_HTML SPOKEN"), "{function}");
    }
}
