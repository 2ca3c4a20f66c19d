//! `roadworks.hcl` from outside: each mistake with its place, and a site that has nothing but a gateway.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use roadworks::config::load;

use serde_json::Value;

use crate::support::serving::Stand;
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

/// Answers one question with `answer`, and gives its first line.
fn answers(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = std::thread::Builder::new().spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        line
    });
    (address, asked.unwrap())
}

#[test]
fn healthcheck_asks_the_admin_listener_or_what_it_is_told_to() {
    let (admin, asked) = answers("HTTP/1.1 200 OK\r\n\r\n");
    let gateway = "site \"shop\" {\n  gateway {\n    listen = [\":0\"]\n    upstreams = [\"http://app\"]\n  }\n}\n";
    let site = folder(&format!("serve {{ admin = \"{admin}\" }}\n{gateway}"));
    site.run(&["healthcheck"]).exits(0);
    assert_eq!(asked.join().unwrap(), "GET /livez HTTP/1.1\r\n");

    let (closed, asked) = answers("HTTP/1.1 503 Service Unavailable\r\n\r\n");
    let url = format!("http://{closed}/healthz?x");
    let error = site.run(&["healthcheck", &url, "--json"]).exits(1).error();
    assert!(error["message"].as_str().unwrap().contains("503"), "{error:#}");
    assert_eq!(asked.join().unwrap(), "GET /healthz?x HTTP/1.1\r\n");

    let error = site.run(&["healthcheck", "--json"]).exits(1).error();
    assert_eq!(error["code"], "sick", "nobody listens there any more: {error:#}");
    let off = folder(&format!("serve {{ admin = \"off\" }}\n{gateway}"));
    assert_eq!(off.run(&["healthcheck", "--json"]).exits(1).error()["code"], "usage");
}

#[test]
fn a_password_that_was_put_into_an_upstream_is_printed_nowhere() {
    let url = "http://ana:hunter2@h:80";
    let gateway = |upstream: &str| {
        format!(
            "site \"shop\" {{\n  gateway {{\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"{upstream}\"]\n  }}\n}}\n"
        )
    };
    let stand = Stand::new(&gateway(url));
    for words in [&["plan"][..], &["init", "--host", "a.test", "--upstream", url]] {
        for form in [&[][..], &["--json"]] {
            let ran = stand.run(&[form, words].concat()).exits(1);
            assert!(ran.stderr.contains("a user and a password have no place"), "{}", ran.stderr);
            assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_bypass_key_that_is_refused_has_its_place() {
    let stand = Stand::new(
        "site \"shop\" {\n  gateway {\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"http://h\"]\n    bypass { key = \"hunter2\" }\n  }\n}\n",
    );
    let shown = stand.run(&["plan"]).exits(1).stderr;
    assert!(shown.contains("roadworks.hcl:5:") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn doctor_tries_the_template_of_the_page() {
    let page = "site \"shop\" {\n  gateway {\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"http://127.0.0.1:9\"]\n  }\n  page {\n    template = \"page.html\"\n  }\n}\n";
    let stand = Stand::new(page);
    let found = || {
        let ran = stand.run(&["doctor", "--json"]);
        let object = ran.json();
        let all = object["checks"].as_array().unwrap();
        let one = all.iter().find(|one| one["id"] == "page-template").unwrap().clone();
        (ran.code, one["result"].clone(), one["reason"].to_string())
    };
    for template in [None, Some("{% for x in %}")] {
        if let Some(text) = template {
            stand.write("page.html", text);
        }
        let (code, result, reason) = found();
        assert_eq!((code, result), (Some(1), "fail".into()));
        assert!(reason.contains("page.html") && reason.contains("roadworks.hcl:7:"), "{reason}");
    }
    stand.write("page.html", "<h1>soon</h1>");
    assert_eq!(found().1, "ok");
}
