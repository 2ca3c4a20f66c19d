//! Programs that people use, against the built gateway: what each gets in each mode, and that what it sends is executed
//! once or not at all.

mod program;
mod streams;

use std::io::Write as _;
use std::process::{Command, Stdio};

pub(crate) use self::program::{has, python};
use self::program::{node, script};
use crate::support::app::App;
use crate::support::serving::{Serving, Stand, config, until};

/// The site under the address that clients connect to.
fn hcl(upstream: &str, more: &str) -> String {
    let named = "hosts = [\"shop.example.com\"]";
    config(upstream, more).replace(named, "hosts = [\"shop.example.com\", \"127.0.0.1\"]")
}

/// What a client says of the answer that it got.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    status: u16,
    retry_after: Option<u32>,
    length: Option<usize>,
    body: String,
}

/// Runs a client that tells what it got.
#[track_caller]
fn got(command: &mut Command) -> Got {
    told(&command.output().unwrap())
}

#[track_caller]
fn told(output: &std::process::Output) -> Got {
    let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    let text = String::from_utf8_lossy(out);
    let (first, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{text:?} {err}"));
    let mut words = first.split(' ');
    let status = words.next().unwrap().parse().unwrap();
    let retry_after = words.next().and_then(|word| word.parse().ok());
    let length = words.next().and_then(|word| word.parse().ok());
    Got { status, retry_after, length, body: body.to_owned() }
}

/// `close --for 30m` or another mode, which every client must take as it is meant.
#[track_caller]
fn in_each_mode(asks: impl Fn(&str, &str) -> Command) {
    let app = App::start();
    let stand = Stand::new(&hcl(&app.url(), ""));
    let serving = stand.serve();
    let url = |path: &str| format!("http://{}{path}", serving.address());
    let get = |path: &str| got(&mut asks(&url(path), "GET"));
    let post = |path: &str| got(&mut asks(&url(path), "POST"));
    assert_eq!((get("/open").status, &*get("/open?a=b;c").body), (200, "GET /open?a=b;c 0"));
    assert_eq!((post("/open").status, app.asked("POST /open")), (200, 1));

    stand.run(&["read-only", "--for", "30m", "--yes"]).exits(0);
    assert_eq!((get("/read").status, app.asked("GET /read")), (200, 1));
    is_refusal(&post("/read"));

    stand.run(&["hold", "--yes"]).exits(0);
    let kept = waiting(&stand, asks(&url("/held"), "POST"));
    assert_eq!(app.asked("POST /held"), 0);
    stand.run(&["open", "--yes"]).exits(0);
    let released = told(&kept.wait_with_output().unwrap());
    assert_eq!((released.status, &*released.body), (200, "POST /held 2"));
    assert_eq!(app.asked("POST /held"), 1, "once");

    stand.run(&["close", "--for", "30m", "--yes"]).exits(0);
    is_refusal(&post("/closed"));
    let (page, head) = (get("/closed"), got(&mut asks(&url("/closed"), "HEAD")));
    is_refusal(&page);
    assert!(page.body.contains("Closed for maintenance"), "{page:?}");
    assert_eq!((head.status, head.length, &*head.body), (503, page.length, ""));
    let nothing = ["POST /read", "GET /closed", "POST /closed", "HEAD /closed"];
    assert!(nothing.into_iter().all(|line| app.asked(line) == 0));
}

#[track_caller]
fn is_refusal(got: &Got) {
    assert_eq!((got.status, got.length), (503, Some(got.body.len())), "{got:?}");
    assert!(got.retry_after.is_some_and(|wait| (240..=300).contains(&wait)), "{got:?}");
}

/// Starts a client, and comes back when its request waits.
fn waiting(stand: &Stand, mut command: Command) -> std::process::Child {
    use std::process::Stdio;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stand.until(|status| status["gateways"][0]["waiting"] == 1);
    child
}

/// curl, in the form of the other clients.
fn curl_asks(more: &'static [&'static str]) -> impl Fn(&str, &str) -> Command {
    move |url, method| {
        let mut command = Command::new("sh");
        let told = "%{http_code} %header{retry-after} %header{content-length}\\n\\n";
        let script = r#"body=$(mktemp); head=$(curl -s -S -m 20 -o "$body" -w "$told" "$@"); code=$?
            printf '%s\n\n' "$head"; [ "$method" = HEAD ] || cat "$body"; rm "$body"; exit $code"#;
        command.env("told", told).env("method", method).args(["-c", script, "sh"]).args(more);
        match method {
            "HEAD" => command.arg("-I"),
            "POST" => command.args(["-d", "hi"]),
            _ => &mut command,
        };
        command.arg(url);
        command
    }
}

#[test]
fn curl_gets_what_each_mode_says() {
    in_each_mode(curl_asks(&[]));
}

#[test]
fn curl_by_http2_gets_what_each_mode_says() {
    in_each_mode(curl_asks(&["--http2-prior-knowledge"]));
}

fn python_asks(test: &str, library: &'static str) -> Option<impl Fn(&str, &str) -> Command> {
    let python = python(test)?;
    Some(move |url: &str, method: &str| {
        let mut command = script(&python, "ask.py");
        command.args([library, url, method]);
        command
    })
}

#[test]
fn requests_gets_what_each_mode_says() {
    if let Some(asks) = python_asks("requests_gets_what_each_mode_says", "requests") {
        in_each_mode(asks);
    }
}

#[test]
fn httpx_gets_what_each_mode_says() {
    if let Some(asks) = python_asks("httpx_gets_what_each_mode_says", "httpx") {
        in_each_mode(asks);
    }
}

#[test]
fn httpx_by_http2_gets_what_each_mode_says() {
    let test = "httpx_by_http2_gets_what_each_mode_says";
    if let Some(asks) = python_asks(test, "httpx2")
        && has(test, "h2")
    {
        in_each_mode(asks);
    }
}

#[test]
fn the_fetch_of_node_gets_what_each_mode_says() {
    let Some(node) = node("the_fetch_of_node_gets_what_each_mode_says") else { return };
    in_each_mode(|url, method| {
        let mut command = script(&node, "ask.mjs");
        command.args([url, method]);
        command
    });
}

/// How many bytes curl sent of an upload of 1 MiB that it asked for first, and the status.
fn upload(serving: &Serving, more: &[&str]) -> (u16, u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, vec![b'x'; 1 << 20]).unwrap();
    let url = format!("http://{}/upload", serving.address());
    let mut command = Command::new("curl");
    command.args(["-s", "-S", "-m", "20", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}"]);
    command.args(["-H", "Expect: 100-continue", "--expect100-timeout", "10", "-T"]).arg(&file);
    let output = command.args(more).arg(url).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (status, sent) = text.split_once(' ').unwrap();
    (status.parse().unwrap(), sent.parse().unwrap())
}

#[test]
fn an_upload_that_asks_first_is_sent_to_an_open_site_and_never_to_a_closed_one() {
    let app = App::start();
    let stand = Stand::new(&hcl(&app.url(), ""));
    let serving = stand.serve();
    assert_eq!(upload(&serving, &[]), (200, 1 << 20));
    assert_eq!(app.answered("PUT /upload"), 1);
    for mode in ["read-only", "close"] {
        stand.run(&[mode, "--yes"]).exits(0);
        assert_eq!(upload(&serving, &[]), (503, 0), "{mode}: told at once, and nothing sent");
    }
    assert_eq!(app.asked("PUT /upload"), 1);
}

#[test]
fn urllib3_comes_back_when_retry_after_says_so_and_its_post_is_executed_once() {
    let test = "urllib3_comes_back_when_retry_after_says_so_and_its_post_is_executed_once";
    let Some(asks) = python_asks(test, "retry") else { return };
    let app = App::start();
    let stand = Stand::new(&hcl(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--for", "2s", "--yes"]).exits(0);
    let answer = got(&mut asks(&format!("http://{}/order", serving.address()), "POST"));
    assert_eq!((answer.status, &*answer.body), (200, "POST /order 2"));
    assert_eq!(app.asked("POST /order"), 1);
    until(|| (stand.status()["mode"] == "open").then_some(()));
}

#[test]
fn a_scraper_reads_every_family_of_the_metrics() {
    const TEST: &str = "a_scraper_reads_every_family_of_the_metrics";
    if !has(TEST, "prometheus_client") {
        return;
    }
    let app = App::start();
    let stand = Stand::new(&hcl(&app.url(), ""));
    let serving = stand.serve();
    serving.ask("GET", "/");
    stand.run(&["close", "--yes"]).exits(0);
    let page = serving.metrics();
    let mut scraper = script(&python(TEST).unwrap(), "scrape.py");
    let mut scraper = scraper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    scraper.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let read = scraper.wait_with_output().unwrap();
    assert!(read.status.success(), "{page}");
    let families = String::from_utf8(read.stdout).unwrap();
    assert_eq!(families.lines().count(), page.matches("# TYPE ").count(), "{families}");
}
