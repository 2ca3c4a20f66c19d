//! `page preview` and `page build`, by the built binary.

use std::fs;
use std::path::Path;

use crate::support::command::{Ran, roadworks, run};

const CONFIG: &str = r#"
site "shop" {
  hosts = ["app.example.com"]
  gateway {
    listen    = ["127.0.0.1:8080"]
    upstreams = ["http://127.0.0.1:3000"]
  }
  page {
    message = "We are moving to a bigger database."
  }
}
"#;

/// A folder with that configuration, changed by `change`.
fn folder(change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roadworks.hcl"), change(CONFIG)).unwrap();
    folder
}

fn page(folder: &Path, words: &[&str]) -> Ran {
    run(roadworks(folder, "http://127.0.0.1:1", &[]).args(words))
}

#[test]
fn a_preview_is_the_page_in_the_language_and_at_the_time_that_were_asked_for() {
    let folder = folder(str::to_owned);
    let preview = |words: &[&str]| {
        page(folder.path(), &[&["page", "preview"], words].concat()).exits(0).stdout
    };
    let page_of_now = preview(&["--lang", "he"]);
    assert!(page_of_now.starts_with("<!doctype html>\n<html lang=\"he\" dir=\"rtl\">"));
    assert!(page_of_now.contains("We are moving to a bigger database."));
    assert!(page_of_now.contains("data-late hidden"));
    assert!(preview(&["--for", "15m", "--at", "+20m"]).contains("data-late>"));
    assert!(preview(&["--sent"]).contains("was not carried out"));
    let refused = page(folder.path(), &["page", "preview", "--mode", "open"]).exits(1);
    assert!(refused.stderr.contains("read-only, hold, closed, detour"), "{refused:#?}");
}

#[test]
fn a_built_page_is_the_same_each_time_and_packed_beside() {
    let folder = folder(str::to_owned);
    let build = |dir: &str| {
        let words = ["--json", "page", "build", dir, "--until", "2099-01-01T03:00:00Z"];
        page(folder.path(), &words).exits(0).json()
    };
    let (first, second) = (build("one"), build("two/deep"));
    assert_eq!(first["files"], second["files"]);
    assert_eq!(first["files"][0]["name"], "index.html");
    for file in first["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let read = |dir: &str| fs::read(folder.path().join(dir).join(name)).unwrap();
        assert_eq!(read("one"), read("two/deep"), "{name}");
        assert_eq!(read("one").len() as u64, file["bytes"].as_u64().unwrap(), "{name}");
    }
}

#[test]
fn a_template_that_does_not_compile_is_refused_with_both_places() {
    let folder =
        folder(|text| text.replace("message = ", "template = \"mine.html\"\n    message = "));
    fs::write(folder.path().join("mine.html"), "a\n{{ nothing }}\n").unwrap();
    let refused = page(folder.path(), &["--json", "page", "build", "public"]).exits(1);
    let error = refused.error();
    assert!(error["message"].as_str().unwrap().contains("mine.html:2: "), "{error}");
    assert_eq!(error["line"], 9);
    assert!(!folder.path().join("public").exists());
}
