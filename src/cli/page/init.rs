//! `page init`: the page's own Terraform stack, on standard output.

use serde_json::json;

use super::super::args::PageInitArgs;
use super::super::context::Context;
use super::super::error::Error;
use super::super::report::Form;
use super::{compiled, posture};
use crate::clock;
use crate::config::SiteConfig;
use crate::page::Told;
use crate::switch::{Mode, Posture};

/// As long as the beginning of a bucket's name may be that Terraform ends itself.
const LONGEST_NAME: usize = 36;
const NEXT: &str = "Next: put it into a folder of its own (roadworks page init > page/main.tf), then terraform init and terraform apply there";

pub(super) fn run(context: &Context, site: &SiteConfig, args: &PageInitArgs) -> Result<u8, Error> {
    let hosts = if args.domain.is_empty() { &site.hosts } else { &args.domain };
    let Some(first) = hosts.first() else {
        return Err(Error::Usage {
            message: "the site has no `hosts`, and a distribution answers only for the names that it lists"
                .to_owned(),
            hint: "name them: roadworks page init --domain shop.example.com".to_owned(),
        });
    };
    let page = compiled(site)?;
    let now = clock::now();
    // What is in the function stays there until it is applied again: it does not speak of an end.
    let posture = Posture { until: None, ..posture(Mode::Detour, now, now) };
    let told = Told { host: Some(first), posture: Some(&posture), now };
    let name = args.name.clone().unwrap_or_else(|| made_of(site.name.as_deref().unwrap_or(first)));
    let stack = page.stack(&told, hosts, &name);
    if context.report.form() == Form::Json {
        context
            .report
            .object(&json!({ "format": 1, "name": name, "hosts": hosts, "stack": stack }))?;
    } else {
        context.report.data(&stack)?;
        context.report.words(NEXT);
    }
    Ok(0)
}

/// `shop-page` of `Shop`.
fn made_of(name: &str) -> String {
    const END: &str = "-page";
    let letters = name.to_ascii_lowercase();
    let known = |one: char| if one.is_ascii_alphanumeric() { one } else { '-' };
    let letters: String = letters.chars().map(known).take(LONGEST_NAME - END.len()).collect();
    let letters = letters.trim_matches('-');
    if letters.is_empty() { "site-page".to_owned() } else { format!("{letters}{END}") }
}

#[cfg(test)]
mod tests {
    use super::made_of;

    #[test]
    fn a_name_is_made_that_a_bucket_may_have() {
        assert_eq!(made_of("Shop"), "shop-page");
        assert_eq!(made_of("*.example.com"), "example-com-page");
        assert_eq!(made_of("ø"), "site-page");
        assert_eq!(made_of(&"a".repeat(80)).len(), 36);
    }
}
