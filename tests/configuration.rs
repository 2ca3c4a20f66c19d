//! `roadworks.hcl` from outside: each mistake with its place, and a site that has nothing but a gateway.

use std::net::TcpListener;
use std::path::Path;

use roadworks::config::load;

use serde_json::Value;

use crate::support::site::Site;

/// A folder with this roadworks.hcl, where every call to AWS would fail.
fn folder(text: &str) -> Site {
    let site = Site::unreachable();
    for name in ["main.tf", "terraform.tfvars", "terraform.tfstate"] {
        site.remove(name);
    }
    site.write("roadworks.hcl", text);
    site
}

/// A site with a gateway in front of `upstream`, with these lines in its block besides.
fn gateway_only(upstream: &str, lines: &str) -> Site {
    folder(&format!(
        "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"{upstream}\"]\n{lines}\n  }}\n}}\n"
    ))
}

#[test]
fn the_example_of_the_documents_is_read_as_it_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let example = page.split("```hcl\n").nth(1).unwrap().split("```").next().unwrap();
    let site = folder(example);
    site.write("zone.txt", "Z1\n");
    let env = |name: &str| (name == "BYPASS_KEY").then(|| "0123456789abcdef".to_owned());
    let config = load(site.folder(), &env).unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!(config.sites.len(), 3);
}

#[test]
fn every_mistake_is_shown_with_its_place_and_the_nearest_name() {
    let site = folder(
        "site \"shop\" {\n  gateway {\n    lisen = [\":80\"]\n    upstreams = [\"http://app/x\"]\n    hold { patience = \"10m\" }\n  }\n}\n",
    );
    let ran = site.run(&["status"]).exits(1);
    for words in [
        "roadworks.hcl:2:3",
        "the gateway listens nowhere",
        "roadworks.hcl:3:5",
        "did you mean `listen`?",
        "roadworks.hcl:4:18",
        "roadworks.hcl:5:23",
        "at most 300 s",
    ] {
        assert!(ran.stderr.contains(words), "`{words}` in {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
    let error = site.run(&["status", "--json"]).exits(1).error();
    assert_eq!((&error["line"], &error["column"]), (&Value::from(2), &Value::from(3)), "{error:#}");
}

#[test]
fn two_sites_with_one_host_at_one_address_are_refused_at_the_second() {
    let site = |name: &str| {
        format!(
            "site \"{name}\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }}\n}}\n"
        )
    };
    let error = folder(&format!("{}{}", site("a"), site("b"))).run(&["status", "--json"]);
    let error = error.exits(1).error();
    assert_eq!(
        (&error["line"], &error["column"]),
        (&Value::from(9), &Value::from(12)),
        "{error:#}"
    );
    assert!(error["message"].as_str().unwrap().contains("shop.example.com"), "{error:#}");
}

#[test]
fn a_site_with_only_a_gateway_is_seen_without_aws() {
    let site = gateway_only("http://127.0.0.1:9", "");
    let status = site.run(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["site"], &status["mode"]), (&Value::from("shop"), &Value::from("open")));
    let plan = site.run(&["plan", "open", "--json"]).exits(0).json();
    assert_eq!(plan["changes"], false, "{plan:#}");
    let error = site.run(&["detour", "--yes", "--json"]).exits(3).error();
    assert!(error["message"].as_str().unwrap().contains("dns"), "{error:#}");
    let error = site.run(&["plan", "open", "--as-aws-cli", "--json"]).exits(1).error();
    assert!(error["message"].as_str().unwrap().contains("no name"), "{error:#}");
}

#[test]
fn doctor_looks_at_what_a_gateway_needs_around_it() {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", app.local_addr().unwrap());
    let lines = "health { lb_path = \"/\" }\nhold { patience = 90 }\nbypass { key = \"0123456789abcdef0123\" }";
    let site = gateway_only(&url, lines);
    let found = |code: i32| {
        let ran = site.run(&["doctor", "--json"]).exits(code);
        assert!(!ran.stdout.contains("0123456789abcdef"), "a key is shown");
        let checks = ran.json()["checks"].as_array().unwrap().clone();
        move |id: &str| {
            let check = checks.iter().find(|check| check["id"] == id);
            check.unwrap_or_else(|| panic!("no {id} in {checks:#?}"))["result"].clone()
        }
    };
    let well = found(0);
    for (id, result) in [
        ("lb-path", "warn"),
        ("patience", "warn"),
        ("trusted-proxies", "ok"),
        ("bypass", "ok"),
        ("upstream", "ok"),
    ] {
        assert_eq!(well(id), result, "{id}");
    }
    drop(app);
    assert_eq!(found(1)("upstream"), "fail");
}
