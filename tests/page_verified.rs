//! `page verify`: against the function of `page init` in front of what `page build` makes, and against places that are
//! none.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use roadworks::tasks::Tasks;
use serde_json::Value;

use crate::support::command::{Ran, roadworks, run};

const HOST: &str = "app.example.com";
const CONFIG: &str = r#"
site "shop" {
  hosts = ["app.example.com"]
  gateway {
    listen    = ["127.0.0.1:8080"]
    upstreams = ["http://127.0.0.1:3000"]
  }
}
"#;

/// An edge with the page behind it.
struct Edge {
    folder: tempfile::TempDir,
    node: Child,
    port: u16,
    certificate: PathBuf,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.node.kill().unwrap();
        self.node.wait().unwrap();
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roadworks.hcl"), CONFIG).unwrap();
    folder
}

fn ran(folder: &tempfile::TempDir, words: &[&str]) -> Ran {
    run(roadworks(folder.path(), "http://127.0.0.1:1", &[]).args(words))
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Tcp,
    Tls,
}

/// `change` is what somebody does to the function.
fn edge(change: impl Fn(&str) -> String, over: Over) -> Edge {
    let folder = folder();
    let built = ran(&folder, &["--json", "page", "build", "public"]).exits(0).stdout;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("public/files.json"), built).unwrap();
    let stack = ran(&folder, &["page", "init"]).exits(0).stdout;
    let (_, code) = stack.split_once("<<-JS\n").unwrap();
    let (code, _) = code.split_once("\n  JS\n").unwrap();
    let code = code.replace("$${", "${").replace("%%{", "%{");
    let changed = change(&code);
    fs::write(at("function.js"), changed).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/edge.js");
    let mut node = Command::new("node");
    node.arg(script).arg(at("function.js")).arg(at("public")).arg(HOST);
    if over == Over::Tls {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        fs::write(at("certificate.pem"), made.cert.pem()).unwrap();
        fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
        node.arg(at("certificate.pem")).arg(at("key.pem"));
    }
    let certificate = at("certificate.pem");
    let mut node = node
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs node: run script/test, which installs it");
    let mut line = String::new();
    BufReader::new(node.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Edge { folder, node, port: line.trim().parse().unwrap(), certificate }
}

impl Edge {
    fn verify(&self, words: &[&str]) -> Ran {
        let url = format!("http://127.0.0.1:{}", self.port);
        ran(&self.folder, &[&["page", "verify", url.as_str()], words].concat())
    }
}

/// The looks that are not well.
fn failed(looked: &Value) -> Vec<String> {
    let all = looked["looks"].as_array().unwrap().iter();
    let failed = all.filter(|look| look["result"] != "ok").map(|look| {
        assert!(look["fix"].is_string() && look["reason"].is_string(), "{look}");
        format!("{} {}", look["method"].as_str().unwrap(), look["path"].as_str().unwrap())
    });
    failed.collect()
}

#[test]
fn the_stacks_function_in_front_of_what_is_built_answers_every_path_and_method_with_the_page() {
    let edge = edge(str::to_owned, Over::Tcp);
    let looked = edge.verify(&["--host", HOST, "--json"]).exits(0).json();
    assert_eq!(failed(&looked), Vec::<String>::new());
    assert_eq!(looked["host"], HOST);
    let looks = looked["looks"].as_array().unwrap();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert!(
            looks.iter().any(|look| look["method"] == method && look["status"] == 503),
            "{method}"
        );
    }
    let words = edge.verify(&["--host", HOST]).exits(0);
    assert!(
        words.stdout.contains("ok    GET     /robots.txt                    200, "),
        "{words:#?}"
    );

    // Under its own address it knows no page: as CloudFront, which goes by Host.
    let stranger = edge.verify(&["--json"]).exits(3);
    let reason = stranger.json()["looks"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("does not know the name"), "{reason}");
}

#[test]
fn whatever_is_changed_in_what_answers_is_seen_and_each_has_its_fix() {
    let robots = "'/robots.txt': '/robots.txt', ";
    let without = |what: &'static str, instead: &'static str| {
        move |code: &str| {
            assert!(code.contains(what), "{what}");
            code.replace(what, instead)
        }
    };
    for (what, instead, seen) in [
        (
            "response.statusCode = 503;",
            "response.statusCode = response.statusCode || 503;",
            "GET /",
        ),
        ("{ value: 'no-store' }", "{ value: 'max-age=60' }", "POST /"),
        ("headers['retry-after'] =", "const never =", "OPTIONS /"),
        (robots, "", "GET /robots.txt"),
        ("'if-modified-since', ", "", "GET /account"),
        (", '/.well-known/roadworks': '/status.json'", "", "GET /.well-known/roadworks"),
    ] {
        let edge = edge(without(what, instead), Over::Tcp);
        let ran = edge.verify(&["--host", HOST, "--json"]);
        let failed = failed(&ran.json());
        assert!(failed.iter().any(|look| look == seen), "{what}: {failed:?}");
        // A page that looks there in vain is worse, and still the page.
        let worse = seen.ends_with("roadworks");
        assert_eq!(ran.code, Some(if worse { 0 } else { 3 }), "{ran:#?}");
    }
}

#[test]
fn with_tls_the_certificate_has_to_be_the_names_and_the_status_elsewhere_is_asked_too() {
    let edge = edge(str::to_owned, Over::Tls);
    let url = format!("https://127.0.0.1:{}", edge.port);
    let verify = |words: &[&str]| {
        let mut command = roadworks(edge.folder.path(), "http://127.0.0.1:1", &[]);
        command.env("SSL_CERT_FILE", &edge.certificate);
        run(command.args(["page", "verify", &url, "--json"]).args(words))
    };
    verify(&["--host", HOST]).exits(0);
    let other = verify(&["--host", "other.example.com"]).exits(3).json();
    assert_eq!(other["looks"].as_array().unwrap().len(), 1, "nothing more is asked: {other}");
    assert!(other["looks"][0]["fix"].as_str().unwrap().contains("certificate"), "{other}");
    // Whose authority nobody here knows.
    let untrusted = ran(&edge.folder, &["page", "verify", &url, "--host", HOST]).exits(3);
    assert!(untrusted.stdout.contains("FAIL  GET     /"), "{untrusted:#?}");

    let status = plays(
        b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"mode\":\"detour\"}",
    );
    let elsewhere = format!("{status}/status.json");
    let looked = verify(&["--host", HOST, "--status", &elsewhere]).exits(3).json();
    assert_eq!(failed(&looked), [format!("GET {elsewhere}")], "no other host's page may read it");
}

/// A server that answers everything with these bytes, and then goes on with zeros where they promise more.
fn plays(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _read = stream.read(&mut head);
            let endless = bytes.windows(9).any(|some| some == b"999999999");
            let mut more = stream.write_all(bytes);
            while endless && more.is_ok() {
                more = stream.write_all(&[b'0'; 4096]);
            }
        }
    };
    Tasks::new().start_thread("plays", serve).unwrap();
    url
}

#[test]
fn what_never_ends_is_read_to_a_bound_and_what_is_no_http_is_said_once() {
    let folder = folder();
    let endless = plays(b"HTTP/1.1 503 x\r\nRetry-After: 1\r\nCache-Control: no-store\r\nContent-Type: text/html\r\nContent-Length: 999999999\r\n\r\n");
    let looked = ran(&folder, &["page", "verify", &endless, "--json"]).exits(3).json();
    assert_eq!(looked["looks"][0]["bytes"], 1 << 20);
    assert_eq!(failed(&looked), ["GET /robots.txt", "GET /.well-known/roadworks"]);

    let noise = plays(b"SSH-2.0-x\r\n");
    let looked = ran(&folder, &["page", "verify", &noise, "--json"]).exits(3).json();
    assert_eq!(looked["looks"].as_array().unwrap().len(), 1);

    let nobody = ran(&folder, &["page", "verify", "http://127.0.0.1:1", "--json"]).exits(1);
    assert_eq!(nobody.error()["code"], "no-answer");
    for wrong in ["d1.cloudfront.net", "https://ana:secret@d1.cloudfront.net"] {
        let refused = ran(&folder, &["page", "verify", wrong]).exits(1);
        assert!(!refused.stderr.contains("secret"), "{refused:#?}");
    }
}
