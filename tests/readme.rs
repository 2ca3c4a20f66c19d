//! The console blocks of README.md, in order, in one folder, against a strict Route 53 and a gateway that runs: what it
//! shows is what happens.

use std::fs;
use std::path::Path;

use crate::support::app::App;
use crate::support::route53::Route53;
use crate::support::serving::Stand;
use crate::support::site::{LIVE, MAIN_TF, Site};

const FENCE: &str = "```hcl\n";

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).unwrap()
}

/// The files that it shows: the seed's, and the configuration of a gateway.
fn shown() -> (String, String) {
    let text = readme();
    let mut blocks = text.split(FENCE).skip(1).filter_map(|rest| rest.split("```").next());
    let mut next = || blocks.next().expect("the README shows two files").to_owned();
    (next(), next())
}

#[test]
fn the_readme_happens_as_it_is_written() {
    let server = Route53::start();
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    let place = tempfile::tempdir().unwrap();
    // trycmd runs a file's blocks in the folder beside it that has its name.
    let folder = place.path().join("README.in");
    fs::create_dir(&folder).unwrap();
    for file in ["main.tf", "terraform.tfvars", "terraform.tfstate"] {
        fs::copy(site.folder().join(file), folder.join(file)).unwrap();
    }
    let app = App::start();
    let free = |config: &str, fixed: &str, other: &str| {
        assert!(config.contains(fixed), "{fixed} is in {config}");
        config.replace(fixed, other)
    };
    // The same, but for ports that somebody else may have.
    let config = free(&shown().1, "127.0.0.1:8080", "127.0.0.1:0");
    let config = free(&config, "127.0.0.1:3000", &app.address.to_string());
    let stand = Stand::at(
        &folder.join("shop"),
        &format!("{config}\nserve {{\n  admin = \"127.0.0.1:0\"\n}}\n"),
    );
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    let copy = place.path().join("README.md");
    fs::write(&copy, readme()).unwrap();
    trycmd::TestCases::new()
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", place.path().display().to_string())
        .env("USER", "ana")
        .env("NO_COLOR", "1")
        .case(&copy)
        .run();
    assert_eq!(site.leads_to(), LIVE, "the README ends with an open site");
    assert_eq!(serving.ask("GET", "/").0, 200, "and so does its shop");
}

#[test]
fn the_readme_shows_the_seeds_file_as_it_is() {
    assert_eq!(shown().0, MAIN_TF);
}

/// The documents that a page leads to are there.
#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    let mut dead = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let folder = page.parent().expect("a page is in a folder");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
        for link in files {
            let file = link.split('#').next().unwrap_or(link);
            if !folder.join(file).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}
