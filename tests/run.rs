//! `roadworks run`: visitors wait or are kept out, a command works, and the site opens again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::command::{interruptible, run};
use crate::support::serving::{HOST, Serving, Stand, answer, config, until};

/// A site that is served, with its app; `more` goes into its gateway's block.
fn served(more: &str) -> (App, Stand, Serving) {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), more));
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    (app, stand, serving)
}

fn mode(stand: &Stand) -> Value {
    stand.status()["mode"].clone()
}

/// A command that waits for the file `go` in the stand's folder, once it wrote `begun`.
const WAITS: &str = "touch begun; while [ ! -e go ]; do sleep 0.02; done";

/// `roadworks run` with these words and this line of the shell, in the background, once its command has begun.
fn begun(stand: &Stand, words: &[&str], line: &str) -> Serving {
    let all = [&["run"], words, &["--yes", "--", "sh", "-c", line]].concat();
    let running = Serving::start(&mut interruptible(&stand.command(&all)));
    until(|| stand.folder().join("begun").exists().then_some(()));
    running
}

#[test]
fn visitors_wait_while_a_command_works_and_none_is_lost() {
    let (app, stand, serving) = served("");
    let running = begun(&stand, &["hold"], WAITS);
    assert_eq!(mode(&stand), "hold");
    let before = app.asked("GET /");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| serving.ask("GET", "/").0);
        stand.until(|status| status["gateways"][0]["waiting"] == 1);
        assert_eq!(app.asked("GET /"), before);
        stand.write("go", "");
        assert_eq!(waiting.join().unwrap(), 200);
    });
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    assert_eq!(mode(&stand), "open");
}

#[test]
fn how_many_are_held_and_how_long_the_first_has_waited_is_said_while_it_works() {
    let (_app, stand, serving) = served("hold { patience = \"40s\" }");
    let running = begun(&stand, &["hold"], WAITS);
    let held = [serving.sends("GET", "/"), serving.sends("POST", "/")];
    until(|| running.log().contains(": held 2, oldest ").then_some(()));
    let log = running.log();
    let seconds = log.split("oldest ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!((3..20).contains(&seconds.parse::<u64>().unwrap()), "{log}");
    assert!(log.contains(&format!("held 2, oldest {seconds} s of 40 s")), "{log}");
    let gateway = stand.status()["gateways"][0].clone();
    assert_eq!(gateway["patience"], 40);
    assert!(gateway["oldest"].as_u64() >= seconds.parse().ok(), "{gateway}");
    stand.write("go", "");
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    assert_eq!(held.map(|stream| answer(stream).0), [200, 200]);
    stand.until(|status| status["gateways"][0]["oldest"] == Value::Null);
    let log = running.log();
    let longest = log.split("2 requests waited, the longest ").nth(1);
    let longest =
        longest.and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{log}"));
    assert!((seconds.parse().unwrap()..30.0).contains(&longest.parse::<f64>().unwrap()), "{log}");
    let waited = &stand.status()["gateways"][0]["waited"];
    assert_eq!(waited["requests"], 2);
    // Who waits in the next hold is counted for themselves.
    let nobody = stand.run(&["--json", "run", "hold", "--yes", "--", "true"]).exits(0).json();
    assert_eq!(nobody["waited"], json!({ "requests": 0, "longest": 0.0 }));
}

#[test]
fn the_command_is_told_where_it_runs_and_its_words_pass_through() {
    let (_app, stand, _serving) = served("");
    let line = "echo $ROADWORKS_SITE $ROADWORKS_MODE; test -n \"$ROADWORKS_OPERATION\" || exit 9; test -n \"$ROADWORKS_UNTIL\" || exit 8";
    let words = ["run", "close", "--for", "10m", "--yes", "--", "sh", "-c", line];
    let done = run(&mut stand.command(&words)).exits(0);
    assert_eq!(done.stdout, "shop closed\n");
    assert!(done.stderr.contains("`sh` ended well after"), "{}", done.stderr);
    // Under --json standard output is one object.
    let words = ["--json", "run", "close", "--yes", "--", "sh", "-c", "echo hello"];
    let done = run(&mut stand.command(&words)).exits(0);
    assert_eq!(
        (&done.json()["mode"], &done.json()["command"]["code"]),
        (&json!("open"), &json!(0))
    );
    assert!(done.stderr.contains("hello"), "{}", done.stderr);
}

#[test]
fn a_command_that_fails_gives_its_code_and_the_site_stays_where_it_is() {
    let (_app, stand, serving) = served("");
    let failed = stand.run(&["--json", "run", "close", "--yes", "--", "sh", "-c", "exit 42"]);
    let failed = failed.exits(42).error();
    assert_eq!(failed["code"], "command-failed", "{failed:#}");
    assert!(failed["hint"].as_str().unwrap().contains("stays in closed"), "{failed:#}");
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
    // Again, from where it stands.
    stand.run(&["run", "close", "--yes", "--", "true"]).exits(0);
    assert_eq!(mode(&stand), "open");
    let words = ["run", "close", "--on-failure=open", "--yes", "--", "sh", "-c", "kill -9 $$"];
    let killed = stand.run(&words).exits(128 + 9);
    assert!(killed.stderr.contains("ended by signal 9"), "{}", killed.stderr);
    assert_eq!(mode(&stand), "open");
}

#[test]
fn a_command_that_is_not_there_moves_nothing() {
    let (_app, stand, _serving) = served("");
    stand.write("not-executable", "#!/bin/sh\n");
    for (command, code) in [("no-such-command", 127), ("./no-such", 127), ("./not-executable", 126)]
    {
        let refused = stand.run(&["--json", "run", "close", "--yes", "--", command]).exits(code);
        assert_eq!(refused.error()["code"], "no-command", "{command}");
    }
    let usage = stand.run(&["--json", "run", "open", "--yes", "--", "true"]).exits(1);
    assert_eq!(usage.error()["code"], "usage");
    let unavailable = stand.run(&["--json", "run", "detour", "--yes", "--", "true"]).exits(3);
    assert_eq!(unavailable.error()["code"], "mode-not-available");
    let log = stand.run(&["--json", "log"]).exits(0).json();
    assert_eq!(log["entries"], json!([]));
}

#[test]
fn nobody_opens_while_a_command_works_and_what_somebody_made_stricter_is_theirs() {
    let (_app, stand, _serving) = served("");
    let running = begun(&stand, &["hold"], WAITS);
    let refused = stand.run(&["--json", "open", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "command-runs", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("ana@"), "{refused:#}");
    let second = stand.run(&["--json", "run", "close", "--yes", "--", "true"]).exits(3).error();
    assert_eq!(second["code"], "command-runs", "{second:#}");
    stand.run(&["close", "--yes"]).exits(0);
    stand.write("go", "");
    assert_eq!(running.ended(), Some(3), "{}", running.log());
    assert_eq!(mode(&stand), "closed");
    let looser = stand.run(&["--json", "run", "hold", "--yes", "--", "true"]).exits(3).error();
    assert_eq!(looser["code"], "stricter-mode", "{looser:#}");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(mode(&stand), "open");
}

#[test]
fn an_end_that_comes_while_a_command_works_opens_nothing_until_it_has_ended() {
    let (_app, stand, serving) = served("");
    let running = begun(&stand, &["close", "--for", "1s"], WAITS);
    stand.until(|status| status["overdue"] == true);
    // An agent that would open has looked a few times by then.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
    let overdue = || {
        let log = stand.run(&["--json", "log"]).exits(0).json();
        let entries = log["entries"].as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["event"] == "overdue").collect::<Vec<_>>()
    };
    let told = until(|| overdue().pop());
    let status = stand.run(&["status"]).exits(0).stdout;
    assert!(status.contains("runs a command in this maintenance"), "{status}");
    assert_ne!(stand.status()["run"], Value::Null);
    assert_eq!(told["detail"], "its command still works");
    until(|| running.log().contains("; it was to be over at 20").then_some(()));
    stand.write("go", "");
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    assert_eq!((mode(&stand), overdue().len()), (json!("open"), 1));
}

#[test]
fn n10_the_process_dies_in_a_run_and_the_end_s_policy_is_carried_out_and_until_then_anybody_may_open()
 {
    let (_app, stand, _serving) = served("");
    let running = begun(&stand, &["close", "--for", "3s"], WAITS);
    running.signal("KILL");
    running.ended();
    // The agent opens it once its time is over, as it was promised.
    stand.until(|status| status["mode"] == "open");
    stand.write("go", "");
    let again = |words: &[&str]| {
        for name in ["begun", "go"] {
            drop(std::fs::remove_file(stand.folder().join(name)));
        }
        let running = begun(&stand, words, WAITS);
        running.signal("KILL");
        running.ended();
    };
    again(&["close", "--for", "1s", "--on-end", "stay"]);
    let stays = || {
        let log = stand.run(&["--json", "log"]).exits(0).json();
        let entries = log["entries"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["event"] == "overdue")
    };
    assert_eq!(until(stays)["detail"], "it was to stay");
    assert_eq!(mode(&stand), "closed");
    stand.write("go", "");
    until(|| (stand.run(&["open", "--yes"]).code == Some(0)).then_some(()));
    again(&["close"]);
    assert_eq!(mode(&stand), "closed");
    until(|| (stand.run(&["open", "--yes"]).code == Some(0)).then_some(()));
    stand.write("go", "");
}

#[test]
fn a_signal_goes_to_the_command_and_the_site_stays() {
    let (_app, stand, _serving) = served("");
    let line = "trap 'echo told >&2; exit 7' TERM; touch begun; while :; do sleep 0.05; done";
    let running = begun(&stand, &["close"], line);
    running.signal("TERM");
    assert_eq!(running.ended(), Some(7), "{}", running.log());
    assert!(running.log().contains("told"), "{}", running.log());
    assert_eq!(mode(&stand), "closed");
}

#[test]
fn a_check_that_does_not_pass_keeps_the_site_closed_though_the_command_ended_well() {
    let checked = App::start();
    let more = format!(
        "}}\n  check \"http\" \"app\" {{\n    url      = \"{}/up\"\n    host     = \"{HOST}\"\n    deadline = \"300ms\"\n    interval = \"100ms\"",
        checked.url()
    );
    let (_app, stand, _serving) = served(&more);
    checked.is_well(false);
    let refused = stand.run(&["--json", "run", "close", "--yes", "--", "true"]).exits(3).error();
    assert_eq!(refused["code"], "check-failed", "{refused:#}");
    assert_eq!(refused["command"], json!({ "code": 0 }), "it did its work");
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.starts_with("`true` ended well, and the site is not open again: "),
        "{message}"
    );
    let hint = refused["hint"].as_str().unwrap();
    assert!(hint.starts_with("what `true` did is done: do not run it again"), "{hint}");
    assert!(hint.contains("roadworks open --override=app"), "{hint}");
    assert_eq!(mode(&stand), "closed");
    checked.is_well(true);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(mode(&stand), "open");
}

#[test]
fn a_hold_that_outlives_its_patience_refuses_visitors_and_the_command_goes_on() {
    let (_app, stand, serving) = served("hold { patience = \"1s\" }");
    let running = begun(&stand, &["hold"], WAITS);
    stand.until(|status| status["hold_spent"] == true);
    assert_eq!(serving.ask("GET", "/").0, 503);
    assert_eq!(stand.status()["desired"], "hold");
    until(|| running.log().contains("patience is over").then_some(()));
    stand.write("go", "");
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("open"), 200));
}

#[test]
fn a_job_of_a_crontab_is_left_out_while_the_site_is_not_open() {
    let (_app, stand, _serving) = served("");
    let job = ["--", "sh", "-c", "echo works; exit 5"];
    let gate = |words: &[&str]| stand.run(&[&["gate"], words, &job].concat());
    let ran = gate(&[]).exits(5);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("works\n", ""));
    stand.run(&["read-only", "--yes"]).exits(0);
    let left_out = gate(&[]).exits(0);
    assert!(left_out.stdout.is_empty() && left_out.stderr.contains("is left out"), "{left_out:?}");
    gate(&["--else-code", "75"]).exits(75);
    assert_eq!(gate(&["--up-to", "read-only"]).exits(5).stdout, "works\n");
    stand.run(&["close", "--yes"]).exits(0);
    gate(&["--up-to", "read-only", "--else-code", "9"]).exits(9);
    stand.write(".roadworks/shop/switch.json", "{");
    assert_eq!(gate(&[]).exits(1).stdout, "");
    let ran = gate(&["--unknown", "run"]).exits(5);
    assert!(ran.stderr.contains("the mode is not known"), "{}", ran.stderr);
}

#[test]
fn what_somebody_else_asked_for_is_not_opened_by_a_command_of_mine() {
    let (_app, stand, serving) = served("");
    let by = |who: &str, words: &[&str]| run(stand.command(words).env("USER", who));
    by("bob", &["close", "--yes"]).exits(0);
    let words = ["--json", "run", "close", "--yes", "--", "true"];
    let refused = by("ana", &words).exits(3).error();
    assert_eq!(refused["code"], "others-operation", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("bob@"), "{refused:#}");
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
    let over = ["--override=others-operation", "--reason", "he said so"];
    let words = [&["run", "close", "--yes"], &over[..], &["--", "true"]].concat();
    by("ana", &words).exits(0);
    assert_eq!(mode(&stand), "open");
}

#[test]
fn a_command_that_failed_keeps_the_site_closed_past_its_end() {
    let (_app, stand, serving) = served("");
    let words = ["run", "close", "--for", "1s", "--yes", "--", "sh", "-c", "sleep 0.3; exit 1"];
    stand.run(&words).exits(1);
    let status = stand.until(|status| status["overdue"] == true);
    assert_eq!(status["on_end"], "stay", "{status:#}");
    // An agent that would open has looked by then.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
}

#[test]
fn a_signal_on_the_way_back_ends_run_and_the_site_stays() {
    let more = "}\n  check \"tcp\" \"app\" {\n    address = \"127.0.0.1:1\"\n    deadline = \"1m\"";
    let (_app, stand, _serving) = served(more);
    let running = begun(&stand, &["close"], "touch begun");
    until(|| running.log().contains("check app").then_some(()));
    running.signal("TERM");
    assert_eq!(running.ended(), Some(143), "{}", running.log());
    assert_eq!(mode(&stand), "closed");
}

#[test]
fn a_script_that_does_not_say_by_what_it_is_run_is_the_shells() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_app, stand, _serving) = served("");
    stand.write("job", "echo from a script; exit 6\n");
    let script = stand.folder().join("job");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = stand.run(&["run", "close", "--on-failure=open", "--yes", "--", "./job"]).exits(6);
    assert_eq!((ran.stdout.as_str(), mode(&stand)), ("from a script\n", json!("open")));
    assert_eq!(stand.run(&["gate", "--", "./job"]).exits(6).stdout, "from a script\n");
    // An interpreter that is not there: nothing was run, and the site is as it was.
    stand.write("job", "#!/no/such/interpreter\n");
    let refused = stand.run(&["--json", "run", "close", "--yes", "--", "./job"]).exits(126).error();
    assert_eq!((&refused["code"], mode(&stand)), (&json!("no-command"), json!("open")));
}

#[test]
fn a_site_that_is_healthy_opens_by_itself_only_once_whoever_ran_the_command_is_dead() {
    let (app, stand, serving) = served("");
    let running = begun(&stand, &["close", "--until-healthy=1"], WAITS);
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    // The agent asks once a second, and has asked a few times by then.
    std::thread::sleep(Duration::from_secs(4));
    app.is_well(true);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    // As often as one that would open.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
    running.signal("KILL");
    running.ended();
    stand.until(|status| status["mode"] == "open");
    stand.write("go", "");
}

#[test]
fn a_command_that_fails_has_its_site_stay_though_it_is_healthy() {
    let (_app, stand, _serving) = served("");
    let words = ["run", "close", "--until-healthy", "--yes", "--", "sh", "-c", "exit 3"];
    stand.run(&words).exits(3);
    let status = stand.status();
    assert_eq!((&status["mode"], &status["until_healthy"]), (&json!("closed"), &Value::Null));
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(!words.contains("it opens once"), "{words}");
}

#[test]
fn d2_a_command_gives_back_what_was_so_and_what_is_planned_however_it_ends() {
    let (_app, stand, _serving) = served("");
    let start = (roadworks::clock::now() + jiff::SignedDuration::from_hours(48)).to_string();
    stand.run(&["schedule", "add", &start, "--for", "30m", "--mode", "close"]).exits(0);
    let planned = || stand.run(&["--json", "schedule", "list"]).exits(0).json();
    let before = planned();
    for (line, code) in [("true", 0), ("exit 4", 4)] {
        let words = ["run", "hold", "--on-failure=open", "--yes", "--", "sh", "-c", line];
        stand.run(&words).exits(code);
        assert_eq!((mode(&stand), planned()), (json!("open"), before.clone()), "{line}");
    }
}

#[test]
fn what_a_command_leaves_running_is_named_and_said_what_it_means() {
    let (_app, stand, _serving) = served("");
    // A session of its own, and a parent that ends at once: a daemon.
    let line = "setsid sh -c 'echo $$ > daemon; while [ ! -e go ]; do sleep 0.05; done' > /dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.02; done";
    let ran = stand.run(&["run", "close", "--yes", "--", "sh", "-c", line]).exits(0);
    let pid = std::fs::read_to_string(stand.folder().join("daemon")).unwrap();
    let said = format!("pid {} `sh`", pid.trim());
    assert!(ran.stderr.contains("warning: `sh` has ended, and "), "{}", ran.stderr);
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert_eq!(mode(&stand), "open");
    let words = ["--json", "run", "close", "--yes", "--", "true"];
    let quiet = stand.run(&words).exits(0);
    assert!(!quiet.stderr.contains("has ended, and"), "that one is another's: {}", quiet.stderr);
    assert_eq!(quiet.json()["command"]["left"], json!([]));
    stand.write("go", "");
}

#[test]
fn ctrl_c_has_one_clear_answer_at_each_stage_and_the_site_is_in_a_known_mode() {
    let (app, stand, serving) = served("drain {\n deadline = \"60s\"\n}");
    // While it drains: nothing was run yet.
    let inside = serving.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    let words = ["run", "close", "--yes", "--", "touch", "ran"];
    let running = Serving::start(&mut interruptible(&stand.command(&words)));
    stand.until(|status| status["desired"] == "closed");
    running.signal("INT");
    assert_eq!(running.ended(), Some(130), "{}", running.log());
    let log = running.log();
    assert!(log.contains("interrupted: the switch stays as asked, and may be half way"), "{log}");
    assert!(!stand.folder().join("ran").exists());
    app.opens_the_gate(true);
    assert_eq!(answer(inside).0, 200);
    stand.run(&["wait"]).exits(0);
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
    // While the command works: it is the command's to end.
    let running = begun(&stand, &["close"], WAITS);
    running.signal("INT");
    assert_eq!(running.ended(), Some(130), "{}", running.log());
    let log = running.log();
    assert!(
        log.contains("`sh` was ended by signal 2") && log.contains("the site stays in closed"),
        "{log}"
    );
    assert_eq!(mode(&stand), "closed");
}

/// A command behind a terminal whose input is another one: the terminal tells it, and we do not tell it again.
#[test]
fn a_ctrl_c_that_is_typed_reaches_the_command_once_though_its_input_is_redirected() {
    let name = "a_ctrl_c_that_is_typed_reaches_the_command_once_though_its_input_is_redirected";
    let Some(python) = crate::clients::python(name) else { return };
    let (_app, stand, _serving) = served("");
    let line = "trap 'echo told >> told' INT; touch begun; while [ ! -e go ]; do sleep 0.02; done";
    let program = "
import os, pty, sys, time
child, terminal = pty.fork()
if child == 0:
    nothing = os.open('/dev/null', os.O_RDONLY)
    os.dup2(nothing, 0)
    os.execv(sys.argv[1], sys.argv[1:])
def wait(name):
    end = time.monotonic() + 20
    while not os.path.exists(name):
        if time.monotonic() > end:
            sys.exit('no ' + name)
        time.sleep(0.02)
wait('begun')
os.write(terminal, b'\\x03')
wait('told')
time.sleep(0.5)
open('go', 'w').close()
try:
    while os.read(terminal, 4096):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";
    let words = ["run", "close", "--yes", "--", "sh", "-c", line];
    let plain = interruptible(&stand.command(&words));
    let mut command = std::process::Command::new(python);
    command.args(["-c", program]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(stand.folder()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut command).exits(0);
    let told = std::fs::read_to_string(stand.folder().join("told")).unwrap();
    assert_eq!((told.as_str(), mode(&stand)), ("told\n", json!("open")));
}
