//! What `serve` does not start with: each mistake is said with its place in the file, exit code 1; and a process that runs
//! never gets worse by a reload of the same.

use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{HOST, Stand, config};

/// `serve` refuses `wrong` at this line and column; a process that runs with what is `right` refuses it in the same words,
/// and goes on. `files` are beside it.
#[track_caller]
fn refused(
    (app, wrong): (&App, &str),
    (line, column): (u64, u64),
    files: &[(&str, &str)],
) -> String {
    let stand = Stand::new(wrong);
    for (name, content) in files {
        stand.write(name, content);
    }
    let at_start = stand.run(&["--json", "serve"]).exits(1).stderr;
    // Its log comes before the error.
    let error: Value = serde_json::from_str(at_start.lines().last().unwrap()).unwrap();
    let error = &error["error"];
    assert!(
        error["file"].as_str().is_some_and(|file| file.ends_with("roadworks.hcl")),
        "{error:#}"
    );
    assert_eq!((&error["line"], &error["column"]), (&line.into(), &column.into()), "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(|first: char| !first.is_uppercase()), "{message}");
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error:#}");

    stand.write("roadworks.hcl", &config(&app.url(), ""));
    let serving = stand.serve();
    stand.write("roadworks.hcl", wrong);
    let at_reload = stand.run(&["--json", "reload"]).exits(1).error();
    assert_eq!((&at_reload["message"], &at_reload["line"]), (&error["message"], &error["line"]));
    assert_eq!(serving.ask("GET", "/").0, 200);
    message.to_owned()
}

#[test]
fn an_unknown_key() {
    let app = App::start();
    let wrong = config(&app.url(), "patience = \"20s\"");
    let message = refused((&app, &wrong), (15, 5), &[]);
    assert!(message.contains("`patience`"), "{message}");
}

#[test]
fn an_address_in_use() {
    let (app, other) = (App::start(), App::start());
    let wrong = config(&app.url(), "")
        .replace("listen    = [\"127.0.0.1:0\"]", &format!("listen = [\"{}\"]", other.address));
    let message = refused((&app, &wrong), (8, 15), &[]);
    assert!(message.contains("Address already in use"), "{message}");
}

#[test]
fn a_template_that_does_not_compile() {
    let app = App::start();
    let page = "page {\n    template = \"page.html\"\n  }\n  gateway {";
    let wrong = config(&app.url(), "").replace("gateway {", page);
    let message = refused((&app, &wrong), (8, 16), &[("page.html", "<p>\n{% if %}</p>")]);
    assert!(message.contains("page.html:2"), "its own line is said too: {message}");
}

#[test]
fn a_certificate_that_does_not_match_its_key() {
    let app = App::start();
    let made = || rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let (certificate, key) = (made().cert.pem(), made().signing_key.serialize_pem());
    let tls =
        "tls {\n listen = [\"127.0.0.1:0\"]\n certificate = \"site.pem\"\n key = \"site.key\"\n }";
    let message = refused(
        (&app, &config(&app.url(), tls)),
        (17, 16),
        &[("site.pem", &certificate), ("site.key", &key)],
    );
    assert!(message.contains("cannot be used together"), "{message}");
    let message = refused(
        (&app, &config(&app.url(), tls)),
        (18, 8),
        &[("site.pem", &certificate), ("site.key", "no key")],
    );
    assert!(message.contains("has no private key"), "{message}");
}

#[test]
fn a_host_that_two_sites_claim_at_one_address() {
    let app = App::start();
    let at = "127.0.0.1:18431";
    let site = |name: &str| {
        format!(
            "site \"{name}\" {{\n  hosts = [\"{HOST}\"]\n  gateway {{\n    listen = [\"{at}\"]\n    upstreams = [\"{}\"]\n  }}\n}}\n",
            app.url()
        )
    };
    let message = refused((&app, &(site("shop") + &site("other"))), (9, 12), &[]);
    assert!(message.contains(&format!("{HOST} is a host of `shop`")), "{message}");
}
