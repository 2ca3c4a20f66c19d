//! The access log from outside: off by default; on, one JSON object a line, and no secret in any.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{HOST, Serving, Stand, config, until};

/// A site that writes its log to a file.
fn logs(app: &App, more: &str) -> (Stand, Serving) {
    let wanted = format!("admin = \"127.0.0.1:0\"\n  {more}");
    let key = "bypass {\n key = \"0123456789abcdef0123456789abcdef\"\n }";
    let settings = config(&app.url(), key).replace("admin = \"127.0.0.1:0\"", &wanted);
    let stand = Stand::new(&settings);
    let out = File::create(stand.folder().join("log")).unwrap();
    let serving = stand.serve_by(stand.command(&["serve"]).stdout(out));
    (stand, serving)
}

fn lines(stand: &Stand) -> Vec<Value> {
    let text = fs::read_to_string(stand.folder().join("log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line of the request for `path`, once it is there.
fn line(stand: &Stand, path: &str) -> Value {
    until(|| lines(stand).into_iter().find(|line| line["path"] == path))
}

#[test]
fn k12_each_request_is_one_line_and_who_hung_up_is_a_499() {
    let app = App::start();
    let (stand, serving) = logs(&app, "access_log = true");
    assert_eq!(serving.ask("GET", "/passed?token=hunter2").0, 200);
    let passed = line(&stand, "/passed");
    assert_eq!((&passed["status"], &passed["decision"]), (&200.into(), &"passed".into()));
    assert_eq!((&passed["site"], &passed["host"]), (&"shop".into(), &HOST.into()), "{passed:#}");
    assert_eq!((&passed["method"], &passed["client"]), (&"GET".into(), &"127.0.0.1".into()));
    let mut leaves = TcpStream::connect(serving.address()).unwrap();
    write!(leaves, "POST /gate HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n").unwrap();
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    drop(leaves);
    let gone = line(&stand, "/gate");
    assert_eq!((&gone["status"], &gone["decision"]), (&499.into(), &"gone".into()), "{gone:#}");
    stand.run(&["close", "--yes"]).exits(0);
    let link = stand.run(&["--json", "bypass"]).exits(0).json()["link"].clone();
    let (_, token) = link.as_str().unwrap().split_once('=').unwrap();
    assert_eq!(serving.ask("GET", &format!("/linked?roadworks-bypass={token}")).0, 303);
    assert_eq!(serving.ask("GET", "/refused").0, 503);
    let refused = line(&stand, "/refused");
    assert_eq!((&refused["status"], &refused["decision"]), (&503.into(), &"refused".into()));
    assert_eq!(line(&stand, "/linked")["decision"], "answered");
    let all = fs::read_to_string(stand.folder().join("log")).unwrap();
    assert!(!all.contains("hunter2") && !all.contains(token), "{all}");
    assert!(!serving.log().contains(token), "{}", serving.log());
}

#[test]
fn it_is_off_by_default() {
    let app = App::start();
    let (stand, serving) = logs(&app, "");
    assert_eq!(serving.ask("GET", "/passed").0, 200);
    let passed = "roadworks_requests_total{site=\"shop\",decision=\"passed\"}";
    until(|| (serving.metric(passed).as_deref() == Some("1")).then_some(()));
    serving.signal("TERM");
    assert_eq!(serving.ended(), Some(0));
    assert_eq!(lines(&stand), Vec::<Value>::new());
}
