//! `roadworks init`: what each kind of folder gets, and that `doctor` accepts it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use roadworks::config::{self, Config, DnsSource};
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::command::{Ran, roadworks, run};
use crate::support::route53::Route53;
use crate::support::site::{NAME, Site};

const NOBODY: &str = "http://127.0.0.1:1";

fn ran(folder: &Path, words: &[&str]) -> Ran {
    run(roadworks(folder, NOBODY, &[]).args(words))
}

fn loaded(folder: &Path) -> Config {
    config::load(folder, &|_| None).unwrap()
}

/// What `doctor` finds, by its id.
#[track_caller]
fn found(doctor: &Ran) -> Vec<(String, String)> {
    let checks = doctor.json()["checks"].as_array().unwrap().clone();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    checks.iter().map(|check| (word(&check["id"]), word(&check["result"]))).collect()
}

#[test]
fn a_folder_with_a_compose_file_gets_a_gateway_in_front_of_its_app() {
    let (folder, app) = (tempfile::tempdir().unwrap(), App::start());
    let compose = format!(
        "services:\n  db:\n    image: postgres\n    ports: [\"5432:5432\"]\n  web:\n    build: .\n    ports:\n      - \"{}:3000\"\n",
        app.address.port()
    );
    fs::write(folder.path().join("docker-compose.yml"), compose).unwrap();
    let told = ran(folder.path(), &["--json", "init"]).exits(0).json();
    assert_eq!(told["upstreams"][0]["url"], app.url());
    assert_eq!((&told["site"], &told["hosts"]), (&json!("web"), &json!([])));
    assert_eq!((&told["terraform"], &told["format"]), (&Value::Null, &json!(1)));
    assert_eq!(told["next"], json!(["roadworks doctor", "roadworks serve"]));

    let config = loaded(folder.path());
    let gateway = config.site(Some("web")).unwrap().gateway.as_ref().unwrap();
    assert_eq!(gateway.upstreams[0].to_string(), app.url());
    assert_eq!(json!(gateway.listen[0].to_string()), told["listen"]);
    let doctor = ran(folder.path(), &["--json", "doctor"]).exits(0);
    assert!(found(&doctor).contains(&("upstream".to_owned(), "ok".to_owned())), "{doctor:#?}");
}

#[test]
fn a_folder_of_terraform_keeps_its_switch_and_doctor_finds_what_it_found_without_a_file() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let before = found(&site.run(&["--json", "doctor"]));
    let words = site.run(&["init"]).exits(0);
    assert_eq!(words.stdout.trim(), "roadworks.hcl");
    assert!(words.stderr.contains(&format!("maintenance_mode moves {NAME} A")), "{words:#?}");
    assert!(words.stderr.ends_with("Next: roadworks doctor, then roadworks plan\n"), "{words:#?}");

    let config = loaded(site.folder());
    let one = config.site(Some("app")).unwrap();
    let Some(DnsSource::Terraform { variable, .. }) = &one.dns else { panic!("{one:#?}") };
    assert_eq!(variable.as_deref(), Some("maintenance_mode"));
    assert_eq!((one.hosts.as_slice(), &one.gateway), ([NAME.to_owned()].as_slice(), &None));
    assert_eq!(found(&site.run(&["--json", "doctor"])), before);
    let plan = site.run(&["--json", "plan", "detour"]).exits(0).json();
    assert_eq!((&plan["site"], &plan["changes"]), (&json!("app"), &json!(true)));
}

#[test]
fn terraform_below_and_a_compose_file_beside_it_give_a_site_both_levers() {
    let (seed, folder) = (Site::unreachable(), tempfile::tempdir().unwrap());
    let infra = folder.path().join("infra/production");
    fs::create_dir_all(&infra).unwrap();
    for file in ["main.tf", "terraform.tfvars", "terraform.tfstate"] {
        fs::copy(seed.folder().join(file), infra.join(file)).unwrap();
    }
    let compose = "services: { app: { ports: [{ target: 8000, published: 8123 }] } }\n";
    fs::write(folder.path().join("compose.yaml"), compose).unwrap();
    let told = ran(folder.path(), &["--json", "init", "--host", "www.example.com"]).exits(0).json();
    assert_eq!(told["terraform"]["dir"], "infra/production");
    let config = loaded(folder.path());
    let site = config.site(Some("www")).unwrap();
    let Some(DnsSource::Terraform { dir, .. }) = &site.dns else { panic!("{site:#?}") };
    assert!(dir.ends_with("infra/production"), "{dir:?}");
    assert_eq!(site.hosts, ["www.example.com", NAME]);
    let gateway = site.gateway.as_ref().unwrap();
    assert_eq!(gateway.upstreams[0].to_string(), "http://127.0.0.1:8123");
}

#[test]
fn an_app_that_only_listens_here_is_found_where_apps_listen() {
    // One of the usual ports, whichever is free: another app may be there first.
    let usual = [3000, 8000, 8080, 5000, 4000, 4567, 9292, 8888, 5173];
    let app = usual.iter().find_map(|port| TcpListener::bind(("127.0.0.1", *port)).ok()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = ran(folder.path(), &["--json", "init"]).exits(0).json();
    let url = told["upstreams"][0]["url"].as_str().unwrap();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let ours = app.local_addr().unwrap().port();
    assert!(usual.contains(&port), "{told:#}");
    let notes = told["notes"].to_string();
    assert!(port == ours || notes.contains(&format!(":{ours}")), "{told:#}");
    ran(folder.path(), &["doctor"]).exits(0);
}

#[test]
fn a_file_that_is_there_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roadworks.hcl");
    fs::write(&file, "mine").unwrap();
    let words = ["--json", "init", "--upstream", "http://127.0.0.1:3000"];
    let error = ran(folder.path(), &words).exits(3).error();
    assert_eq!(error["code"], "already-there");
    assert!(error["message"].as_str().unwrap().starts_with("roadworks.hcl is there"), "{error:#}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    ran(folder.path(), &words).exits(3);
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn a_bare_folder_that_is_in_a_detour_is_opened_first() {
    let server = Route53::start();
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    site.run(&["detour", "--yes"]).exits(0);
    let error = site.run(&["--json", "init"]).exits(3).error();
    assert_eq!(error["code"], "under-way");
    assert_eq!(site.read("roadworks.hcl"), None);
    site.run(&["open", "--yes"]).exits(0);
    site.run(&["init"]).exits(0);
}

#[test]
fn what_is_said_is_not_looked_for_and_what_is_wrong_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [["--host", "a b"], ["--upstream", "ftp://app"]] {
        ran(folder.path(), &["init", wrong[0], wrong[1]]).exits(1);
        assert!(!folder.path().join("roadworks.hcl").exists());
    }
    let words = ["init", "--host", "Shop.example.com.", "--upstream", "http://app"];
    ran(folder.path(), &words).exits(0);
    let config = loaded(folder.path());
    let site = config.site(Some("shop")).unwrap();
    assert_eq!(site.hosts, ["shop.example.com"]);
    assert_eq!(site.gateway.as_ref().unwrap().upstreams[0].to_string(), "http://app:80");
}

#[test]
fn what_cannot_be_read_is_named_where_nothing_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("compose.yaml", b"services: [" as &[u8]), ("main.tf", b"a = \xff")] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let mut command = roadworks(folder.path(), "http://127.0.0.1:1", &[]);
    let ran = run(command.args(["init", "--json"]));
    // Something else may listen on one of the usual ports of this machine: then it is a note.
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("compose.yaml cannot be read: ") && said.contains("main.tf"), "{said}");
    assert!(said.contains("UTF-8"), "{said}");
}

/// The port says nothing about a site that Terraform has, and a gateway alone would hide it.
#[test]
fn where_terraform_lacks_a_value_nothing_is_guessed_from_a_port() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seed/main.tf"),
        folder.path().join("main.tf"),
    )
    .unwrap();
    let _listens = TcpListener::bind("127.0.0.1:3000");
    let told = ran(folder.path(), &["--json", "init"]).exits(1).error();
    assert!(told["message"].to_string().contains("url"), "{told:#}");
    assert!(told["hint"].to_string().contains("-var NAME=VALUE"), "{told:#}");
    assert!(!folder.path().join("roadworks.hcl").exists());
}
