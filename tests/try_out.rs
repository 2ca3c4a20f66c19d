//! `roadworks try`: the whole system on loopback, moved by the verbs that move a real one, and nothing of it afterwards.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use roadworks::clock;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::command::{Ran, roadworks, run};
use crate::support::serving::{LONG, Serving, answer, until};

const NOBODY: &str = "http://127.0.0.1:1";
const HOST: &str = "shop.example.test";

#[test]
fn ended_before_it_is_up_it_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let temporary = tempfile::tempdir().unwrap();
        let left = || fs::read_dir(temporary.path()).unwrap().count();
        let mut command = roadworks(temporary.path(), NOBODY, &[]);
        command.args(["--json", "try"]).env("TMPDIR", temporary.path());
        let serving = Serving::start(&mut command);
        until(|| (left() > 0).then_some(()));
        serving.signal(signal);
        until(|| (!serving.is_running()).then_some(()));
        assert_eq!((left(), serving.ended()), (0, Some(130)), "{signal}: {}", serving.log());
    }
}

#[test]
fn a_temporary_folder_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = roadworks(folder.path(), NOBODY, &[]);
    let ran = run(command.arg("try").env("TMPDIR", "/nonexistent")).exits(1);
    assert!(ran.stderr.contains("/nonexistent cannot be written"), "{}", ran.stderr);
}

/// A running `roadworks try`.
struct Trying {
    serving: Serving,
    object: Value,
    /// What it printed.
    line: String,
    /// Where its own folder is made, and nothing else.
    temporary: TempDir,
}

impl Trying {
    fn start(words: &[&str]) -> Trying {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("out.json");
        let mut command = roadworks(temporary.path(), NOBODY, &[]);
        command.args(["--json", "try"]).args(words);
        command.env("TMPDIR", temporary.path()).stdout(File::create(&out).unwrap());
        let serving = Serving::start(&mut command);
        let (line, object) = until(|| {
            assert!(serving.is_running(), "it ended:\n{}", serving.log());
            let line = fs::read_to_string(&out).ok()?;
            let object = serde_json::from_str(&line).ok()?;
            Some((line, object))
        });
        fs::remove_file(out).unwrap();
        Trying { serving, object, line, temporary }
    }

    fn at(&self, who: &str) -> SocketAddr {
        self.object[who].as_str().unwrap().parse().unwrap()
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(self.object["folder"].as_str().unwrap())
    }

    /// A verb in the folder that it names.
    fn run(&self, words: &[&str]) -> Ran {
        run(roadworks(&self.folder(), NOBODY, &[]).args(words))
    }

    /// The status and the whole answer of one request of a visitor.
    fn ask(&self, who: &str, line: &str, body: &str) -> (u16, String) {
        use std::io::Write as _;
        let at = self.at(who);
        let mut stream = std::net::TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let (length, port) = (body.len(), at.port());
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        answer(stream)
    }

    /// What the name server says of the name.
    fn leads_to(&self) -> Option<[u8; 4]> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut question = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in HOST.split('.') {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend(label.as_bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        socket.send_to(&question, self.at("nameserver")).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).ok()?;
        assert_eq!((answer[0], answer[1], answer[7]), (0x12, 0x34, 1), "{:?}", &answer[..length]);
        // Behind the question: a name of two bytes (a pointer), type, class, TTL and length.
        let address = answer[..length].get(question.len() + 12..question.len() + 16)?;
        Some(address.try_into().unwrap())
    }

    /// Ends it by this signal, and sees that nothing is left.
    #[track_caller]
    fn ends_by(self, signal: &str) {
        let addresses = ["app", "gateway", "page", "nameserver"].map(|who| self.at(who));
        self.serving.signal(signal);
        assert_eq!(self.serving.ended(), Some(0), "{}", self.serving.log());
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        for address in addresses {
            TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        }
    }
}

#[test]
fn the_example_is_read_and_written_waits_and_is_led_away_and_back() {
    let trying = Trying::start(&[]);
    assert_eq!((&trying.object["format"], &trying.object["host"]), (&1.into(), &HOST.into()));
    assert_eq!(trying.at("gateway").port(), trying.at("page").port());
    assert!(trying.folder().join("roadworks.hcl").is_file());
    for who in ["app", "gateway"] {
        assert_eq!(trying.ask(who, "GET /count", "").0, 200, "{who}");
        let (status, ordered) = trying.ask(who, "POST /orders", "item=pen");
        assert!(status == 201 && ordered.contains("the latest: pen"), "{ordered}");
    }
    let (status, page) = trying.ask("page", "GET /any", "");
    assert!(status == 503 && page.contains("The example shop is being moved."), "{page}");

    trying.run(&["hold", "--for", "2s", "--yes"]).exits(0);
    let began = clock::monotonic();
    let (status, slow) = trying.ask("gateway", "GET /count", "");
    let took = clock::monotonic().duration_since(began);
    assert!(status == 200 && slow.contains("2 orders"), "{slow}");
    assert!(took > Duration::from_millis(500), "it waited for {took:?}");
    until(|| (trying.run(&["--json", "status"]).json()["phase"] != "moving").then_some(()));

    trying.run(&["read-only", "--yes"]).exits(0);
    assert_eq!(trying.ask("gateway", "GET /count", "").0, 200);
    assert_eq!(trying.ask("gateway", "POST /orders", "item=pen").0, 503);
    trying.run(&["open", "--yes"]).exits(0);
    assert_eq!(trying.ask("gateway", "POST /orders", "item=pen").0, 201);
    trying.ends_by("INT");
}

#[test]
fn the_name_moves_to_the_page_within_a_second_and_back() {
    let trying = Trying::start(&[]);
    assert_eq!(trying.leads_to(), Some([127, 0, 0, 1]));
    trying.run(&["detour", "--yes"]).exits(0);
    let soon = clock::monotonic() + Duration::from_secs(1);
    until(|| {
        assert!(clock::monotonic() < soon, "{:?}", trying.leads_to());
        trying.leads_to().filter(|address| *address == [127, 0, 0, 2])
    });
    assert_eq!(trying.ask("gateway", "GET /", "").0, 503, "whoever has the old answer");
    trying.run(&["open", "--yes"]).exits(0);
    until(|| trying.leads_to().filter(|address| *address == [127, 0, 0, 1]));
    assert_eq!(trying.ask("gateway", "GET /", "").0, 200);
    trying.ends_by("TERM");
}

#[test]
fn a_program_reads_one_line_and_has_a_health_to_ask_for_and_passes_for_its_testers() {
    let trying = Trying::start(&[]);
    assert_eq!(trying.line.trim_end().lines().count(), 1, "{}", trying.line);
    trying.run(&["healthcheck"]).exits(0);
    trying.run(&["close", "--yes"]).exits(0);
    let passes = trying.run(&["--json", "bypass"]).exits(0).json();
    let (header, token) = (passes["header"].as_str().unwrap(), passes["token"].as_str().unwrap());
    assert_eq!(header, format!("Roadworks-Bypass: {token}"));
    assert_eq!(trying.ask("gateway", &format!("GET /count HTTP/1.1\r\n{header}\r\nA:"), "").0, 200);
    assert_eq!(trying.ask("gateway", "GET /count", "").0, 503);
}

#[test]
fn what_is_recorded_stays_with_its_key_for_its_owner_alone_and_is_never_overwritten() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().join("shop");
    let words = ["--record", folder.to_str().unwrap()];
    let trying = Trying::start(&words);
    let config = fs::read_to_string(folder.join("roadworks.hcl")).unwrap();
    assert_eq!(config, fs::read_to_string(trying.folder().join("roadworks.hcl")).unwrap());
    for key in ["update.key", "bypass.key"] {
        let kept = fs::metadata(folder.join(key)).unwrap();
        assert_eq!(kept.permissions().mode() & 0o777, 0o600, "{key}");
    }
    // A terminal that is closed ends it too.
    trying.ends_by("HUP");
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bypass.key", "roadworks.hcl", "update.key"]);
    roadworks::config::load(&folder, &|_| None).unwrap();

    let again = run(roadworks(kept.path(), NOBODY, &[]).args(["--json", "try"]).args(words));
    assert_eq!(again.exits(3).error()["code"], "already-there");
    assert_eq!(fs::read_to_string(folder.join("roadworks.hcl")).unwrap(), config);
}

#[test]
fn a_person_reads_what_runs_where_and_five_lines_to_paste_that_work() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    let mut command = roadworks(temporary.path(), NOBODY, &[]);
    command.arg("try").env("TMPDIR", temporary.path()).stdout(File::create(&out).unwrap());
    let serving = Serving::start(&mut command);
    let words = until(|| {
        assert!(serving.is_running(), "it ended:\n{}", serving.log());
        fs::read_to_string(&out).ok().filter(|words| words.contains("Ctrl-C"))
    });
    let lines: Vec<_> = words.lines().filter_map(|line| line.strip_prefix("     ")).collect();
    assert_eq!(lines.len(), 5, "{words}");
    let said: Vec<_> = lines.iter().map(|line| pasted(line, temporary.path())).collect();
    for (place, wanted) in [
        (0, "1 orders, the latest: pen"),
        (1, "1 orders, the latest: pen"),
        (2, "1 orders, the latest: pen"),
        (3, "127.0.0.2"),
        (4, "127.0.0.1"),
    ] {
        assert!(said[place].contains(wanted), "{}\n{}", lines[place], said[place]);
    }
    assert!(!said[2].contains("2 orders"), "{}", said[2]);
    assert!(said[3].contains("being moved"), "{}", said[3]);
    assert!(said[4].contains("1 orders"), "{}", said[4]);
    serving.signal("INT");
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn where_dig_is_missing_our_own_is_in_the_lines_to_paste() {
    let temporary = tempfile::tempdir().unwrap();
    let (out, bin) = (temporary.path().join("out"), temporary.path().join("bin"));
    fs::create_dir(&bin).unwrap();
    // The test's own clock runs it.
    std::os::unix::fs::symlink("/usr/bin/timeout", bin.join("timeout")).unwrap();
    let mut command = roadworks(temporary.path(), NOBODY, &[]);
    command.arg("try").env("PATH", &bin).stdout(File::create(&out).unwrap());
    let serving = Serving::start(&mut command);
    let words = until(|| {
        assert!(serving.is_running(), "it ended:\n{}", serving.log());
        fs::read_to_string(&out).ok().filter(|words| words.contains("Ctrl-C"))
    });
    let back = words.lines().rfind(|line| line.starts_with("     ")).unwrap();
    let asks = back.split("; ").nth(1).unwrap();
    assert!(asks.contains("roadworks dig @127.0.0.1:"), "{asks}");
    assert_eq!(pasted(asks, temporary.path()).trim(), "127.0.0.1", "{asks}");
    serving.signal("INT");
    assert_eq!(serving.ended(), Some(0));
}

/// What a shell says to a line that is pasted into it.
fn pasted(line: &str, home: &Path) -> String {
    let mut shell = Command::new("timeout");
    shell.args(["--signal=KILL", "60s", "bash", "-c", line]);
    shell.env("HOME", home).env("USER", "ana").env("NO_COLOR", "1").env_remove("ROADWORKS_CONFIG");
    Ran::from(shell.output().unwrap()).stdout
}
