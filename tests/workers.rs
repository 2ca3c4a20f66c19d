//! Workers: quiet while a site is closed, in their order, all of them or none, and back as they were.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use roadworks::clock;
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::command::{Ran, interruptible, run};
use crate::support::databases::{PASSWORD, Redis};
use crate::support::emulator::{aws, ministack, moto};
use crate::support::serving::{Serving, Stand, config, until};

/// Notes each thing that is asked of it in `events`, and does it as the files say: `jobs` how many run, `fails` what ends badly,
/// `hangs` what never ends.
const QUEUE: &str = r#"#!/bin/sh
echo "$1 $2" >>events
if grep -qx "$1 $2" hangs 2>/dev/null; then exec sleep 600; fi
if grep -qx "$1 $2" fails 2>/dev/null; then echo "no broker" >&2; exit 7; fi
case $2 in
  jobs) sed -n "s/^$1 //p" jobs ;;
  state) exec grep -qx "$1" quiet ;;
  quiet) echo "$1" >>quiet ;;
  resume) grep -vx "$1" quiet >left; mv left quiet ;;
esac
"#;

/// A served site whose workers are these.
fn served(blocks: &str) -> (App, Stand, Serving) {
    let app = App::start();
    // The gateway's block ends before them, and the last of theirs with the configuration's own brace.
    let blocks = blocks.trim().strip_suffix('}').unwrap();
    let stand = Stand::new(&config(&app.url(), &format!("}}\n{blocks}")));
    stand.write("queue", QUEUE);
    stand.write("jobs", "mail 0\n");
    stand.write("quiet", "");
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.write("events", "");
    (app, stand, serving)
}

fn block(name: &str, more: &str) -> String {
    let words = |verb: &str| format!("[\"sh\", \"./queue\", \"{name}\", \"{verb}\"]");
    format!(
        "workers \"{name}\" {{\n  quiet = {}\n  resume = {}\n  timeout = \"5s\"\n  {more}\n}}\n",
        words("quiet"),
        words("resume")
    )
}

/// With somebody who counts.
fn counted(name: &str, more: &str) -> String {
    block(name, &format!("busy = [\"sh\", \"./queue\", \"{name}\", \"jobs\"]\n  {more}"))
}

/// What was asked of the queues to change.
fn events(stand: &Stand) -> Vec<String> {
    let said = fs::read_to_string(stand.folder().join("events")).unwrap();
    let moves = said.lines().filter(|line| !line.ends_with("jobs") && !line.ends_with("state"));
    moves.map(str::to_owned).collect()
}

fn workers(status: &Value) -> Value {
    let levers = status["levers"].as_array().unwrap();
    levers.iter().find(|lever| lever["name"] == "workers").unwrap().clone()
}

fn detail(status: &Value) -> String {
    workers(status)["detail"].as_str().unwrap().to_owned()
}

fn mode(stand: &Stand) -> Value {
    stand.status()["mode"].clone()
}

#[test]
fn crons_are_made_quiet_first_and_resumed_last_and_what_was_done_is_remembered() {
    let (_app, stand, serving) = served(&(counted("mail", "") + &block("nightly", "cron = true")));
    let plan = stand.run(&["--json", "plan", "close"]).exits(0).json();
    let steps = plan["steps"].as_array().unwrap();
    let order: Vec<_> = steps.iter().map(|step| (&step["lever"], &step["target"])).collect();
    assert_eq!(
        order[1..],
        [(&json!("workers"), &json!("nightly")), (&json!("workers"), &json!("mail"))]
    );
    assert_eq!((&steps[2]["before"], &steps[2]["after"]), (&json!("working"), &json!("quiet")));

    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(events(&stand), ["nightly quiet", "mail quiet"]);
    let lever = workers(&stand.status());
    assert_eq!((&lever["position"], &lever["kind"]), (&json!("closed"), &json!("commands")));
    assert_eq!(lever["detail"], "mail quiet; nightly quiet");
    // It is so already.
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(events(&stand).len(), 2);

    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(events(&stand)[2..], ["mail resume", "nightly resume"]);
    assert_eq!(workers(&stand.status())["position"], "open");
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn they_are_quiet_in_the_modes_that_say_so() {
    let (_app, stand, _serving) =
        served(&counted("mail", "when = [\"hold\", \"closed\", \"detour\"]"));
    stand.run(&["read-only", "--yes"]).exits(0);
    assert!(events(&stand).is_empty());
    stand.run(&["hold", "--yes"]).exits(0);
    assert_eq!(events(&stand), ["mail quiet"]);
    assert_eq!(workers(&stand.status())["position"], "hold");
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(events(&stand).len(), 1, "they are quiet already");
    // Nothing of theirs has to move: a broker that is down by now keeps nobody from making it stricter.
    stand.run(&["hold", "--yes"]).exits(0);
    stand.write("fails", "mail jobs\n");
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(events(&stand).len(), 1);
    stand.write("fails", "");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(events(&stand)[1..], ["mail resume"]);
}

#[test]
fn a_site_is_closed_once_the_jobs_that_run_have_ended_and_status_says_how_many_do() {
    let (_app, stand, serving) = served(&counted("mail", ""));
    stand.write("jobs", "mail 2\n");
    let closing = Serving::start(&mut interruptible(&stand.command(&["close", "--yes"])));
    let status = stand.until(|status| detail(status).contains("still writing: 2 jobs"));
    assert_eq!(status["phase"], "moving");
    assert_eq!(serving.ask("GET", "/").0, 503, "visitors are kept out first");
    stand.write("jobs", "mail 0\n");
    assert_eq!(closing.ended(), Some(0), "{}", closing.log());
    assert_eq!(detail(&stand.status()), "mail quiet");
    assert_eq!(events(&stand), ["mail quiet"]);
}

#[test]
fn where_jobs_do_not_end_in_their_time_they_are_named_and_all_is_as_it_was() {
    let blocks = counted("mail", "deadline = \"1s\"") + &block("nightly", "cron = true");
    let (_app, stand, serving) = served(&blocks);
    stand.write("jobs", "mail 2\n");
    let refused = stand.run(&["--json", "close", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "still-writing", "{refused:#}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("still writing: 2 jobs of mail after 1 s"), "{message}");
    let all = ["nightly quiet", "mail quiet", "mail resume", "nightly resume"];
    assert_eq!(events(&stand), all);
    let status = stand.status();
    assert_eq!((&status["mode"], &status["desired"]), (&json!("open"), &json!("open")));
    assert_eq!(workers(&status)["position"], "open");
    assert_eq!(serving.ask("GET", "/").0, 200);
    // In an emergency it is closed all the same, and that is in the log.
    assert!(refused["hint"].as_str().unwrap().contains("--override=still-writing"), "{refused:#}");
    let words = ["close", "--yes", "--override=still-writing", "--reason", "it burns"];
    let closed = stand.run(&words).exits(0);
    assert!(closed.stderr.contains("warning: still writing: 2 jobs of mail"), "{}", closed.stderr);
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let mut entries = log["entries"].as_array().unwrap().iter();
    let over = entries.find(|entry| entry["event"] == "overridden").unwrap();
    assert!(over["detail"].as_str().unwrap().starts_with("still-writing: "), "{over:#}");
}

#[test]
fn where_one_cannot_be_made_quiet_none_is_and_visitors_are_let_in_again() {
    let (_app, stand, serving) = served(&(counted("mail", "") + &block("nightly", "cron = true")));
    stand.write("fails", "mail quiet\n");
    let failed = stand.run(&["--json", "close", "--yes"]).exits(1).error();
    assert_eq!(failed["code"], "workers-failed", "{failed:#}");
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("workers mail could not be made quiet"), "{message}");
    assert!(message.contains("exit status: 7: no broker"), "{message}");
    // It may have happened in part, so it is resumed, too.
    assert_eq!(events(&stand), ["nightly quiet", "mail quiet", "mail resume", "nightly resume"]);
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("open"), 200));
    // What could not be put back is told, and the site stays as asked.
    stand.write("fails", "mail quiet\nnightly resume\n");
    let partly = stand.run(&["--json", "close", "--yes"]).exits(6).error();
    let message = partly["message"].as_str().unwrap();
    assert!(message.contains("nightly may not be working again"), "{message}");
    stand.write("fails", "");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(detail(&stand.status()), "mail working; nightly working");
}

#[test]
fn where_one_cannot_be_resumed_all_stay_quiet_and_the_site_closed() {
    let (_app, stand, serving) = served(&(counted("mail", "") + &block("nightly", "cron = true")));
    stand.run(&["close", "--yes"]).exits(0);
    stand.write("events", "");
    stand.write("fails", "nightly resume\n");
    let failed = stand.run(&["--json", "open", "--yes"]).exits(1).error();
    assert!(failed["message"].as_str().unwrap().contains("could not be resumed"), "{failed:#}");
    assert_eq!(events(&stand), ["mail resume", "nightly resume", "nightly quiet", "mail quiet"]);
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("closed"), 503));
}

#[test]
fn a_command_that_never_ends_is_cut_and_does_not_hang_the_switch() {
    let (_app, stand, serving) = served(&block("mail", "").replace("5s", "400ms"));
    stand.write("hangs", "mail quiet\n");
    let began = clock::monotonic();
    let failed = stand.run(&["--json", "close", "--yes"]).exits(1).error();
    assert!(clock::monotonic().duration_since(began) < Duration::from_secs(10));
    assert!(failed["message"].as_str().unwrap().contains("did not end within 0.4 s"), "{failed:#}");
    assert_eq!(events(&stand), ["mail quiet", "mail resume"], "it may have been made quiet");
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("open"), 200));
}

#[test]
fn workers_that_cannot_be_counted_are_not_begun_with_unless_somebody_says_so() {
    let (_app, stand, serving) = served(&(counted("mail", "") + &block("nightly", "cron = true")));
    stand.write("fails", "mail jobs\n");
    let refused = stand.run(&["--json", "close", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "workers-unheard", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("no broker"), "{refused:#}");
    assert!(events(&stand).is_empty(), "nothing was begun");
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("open"), 200));
    let doctor = stand.run(&["--json", "doctor"]).json();
    let found = doctor["checks"].as_array().unwrap().iter();
    let warned: Vec<_> = found.filter(|one| one["id"] == "workers").collect();
    assert!(warned.iter().any(|one| one["result"] == "warn"), "{warned:#?}");
}

/// By which it is seen whether they are quiet.
const ASKED: &str = "is_quiet = [\"sh\", \"./queue\", \"mail\", \"state\"]";

#[test]
fn workers_that_cannot_be_asked_are_left_out_where_somebody_says_so_and_made_quiet_later() {
    let (_app, stand, _serving) = served(&counted("mail", ASKED));
    stand.write("fails", "mail state\n");
    let refused = stand.run(&["--json", "close", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "workers-unheard", "{refused:#}");
    let words = ["close", "--yes", "--override=workers-unheard", "--reason", "Redis is away"];
    stand.run(&words).exits(0);
    assert!(events(&stand).is_empty());
    assert!(detail(&stand.status()).contains("mail not heard"), "{}", detail(&stand.status()));
    stand.write("fails", "");
    assert_eq!(detail(&stand.status()), "mail working");
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(
        (events(&stand).join(" "), detail(&stand.status()).as_str()),
        ("mail quiet".to_owned(), "mail quiet")
    );
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(detail(&stand.status()), "mail working");
}

#[test]
fn after_a_kill_in_the_middle_of_it_running_again_waits_for_the_jobs_all_the_same() {
    for asked in ["", ASKED] {
        let (_app, stand, _serving) = served(&counted("mail", asked));
        stand.write("jobs", "mail 1\n");
        let closing = Serving::start(&mut interruptible(&stand.command(&["close", "--yes"])));
        stand.until(|status| detail(status).contains("still writing: 1 job"));
        until(|| (!events(&stand).is_empty()).then_some(()));
        closing.signal("KILL");
        closing.ended();
        let again = Serving::start(&mut interruptible(&stand.command(&["close", "--yes"])));
        until(|| (events(&stand).len() >= 2).then_some(()));
        assert!(again.is_running(), "{}", again.log());
        stand.write("jobs", "mail 0\n");
        assert_eq!(again.ended(), Some(0), "{}", again.log());
        assert_eq!(detail(&stand.status()), "mail quiet");
        stand.run(&["open", "--yes"]).exits(0);
        assert_eq!(events(&stand).last().unwrap(), "mail resume");
    }
}

// Real workers.

/// A program of the tests' Python.
fn python(program: &str) -> String {
    let python = std::env::var("ROADWORKS_TEST_CLIENTS").unwrap_or_else(|_| {
        panic!("this test needs Celery and rq: run script/test, which installs them")
    });
    Path::new(&python).with_file_name(program).display().to_string()
}

/// As `until`, where each look starts several Pythons, and the machine has more to do.
#[track_caller]
fn in_time<T>(look: impl Fn() -> Option<T>) -> T {
    let began = clock::monotonic();
    loop {
        if let Some(found) = look() {
            return found;
        }
        let waited = clock::monotonic().duration_since(began);
        assert!(waited < Duration::from_mins(1), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether an operation has told the workers what it wants of them.
fn is_told(stand: &Stand) -> bool {
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let mut entries = log["entries"].as_array().unwrap().iter();
    entries.any(|entry| entry["event"] == "started" && entry["detail"] == "mail")
}

/// Ended with the test's handle of it.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn url(redis: &Redis) -> String {
    let password = PASSWORD.replace(':', "%3A").replace('/', "%2F").replace('@', "%40");
    format!("redis://:{password}@127.0.0.1:{}/0", redis.port)
}

fn python_says(stand: &Stand, script: &str) -> String {
    let done = Command::new(python("python"))
        .args(["-c", script])
        .current_dir(stand.folder())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The jobs that began, and those that ended, in their order.
fn jobs(stand: &Stand, file: &str) -> Vec<String> {
    let said = fs::read_to_string(stand.folder().join(file)).unwrap_or_default();
    said.lines().map(str::to_owned).collect()
}

/// What a job does: it is known when it began, waits for the file `go`, and is known when it has ended.
const JOB: &str = "
import os, time
def work(name):
    open('begun', 'a').write(f'{name}\\n')
    until = time.monotonic() + 60
    while not os.path.exists('go') and time.monotonic() < until: time.sleep(0.02)
    open('ended', 'a').write(f'{name}\\n')
";

#[test]
fn a_real_celery_is_quiet_while_its_site_is_closed_and_does_each_job_once() {
    let redis = Redis::start();
    let blocks = format!(
        "workers \"mail\" {{\n  preset = \"celery\"\n  app = \"shop\"\n  queues = [\"celery\"]\n  run = [\"{}\"]\n}}",
        python("celery")
    );
    let (_app, stand, _serving) = served(&blocks);
    stand.write("shop.py", &format!("from celery import Celery\n{JOB}\napp = Celery('shop', broker='{}')\napp.conf.worker_prefetch_multiplier = 1\nwork = app.task(work)\n", url(&redis)));
    let worker = Command::new(python("celery"))
        .args(["-A", "shop", "worker", "-P", "threads", "-c", "1", "-n", "a@test", "-l", "warning"])
        .current_dir(stand.folder())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let _worker = Ends(worker.unwrap());
    in_time(|| (detail(&stand.status()) == "mail working").then_some(()));
    let send = |name: &str| python_says(&stand, &format!("import shop; shop.work.delay('{name}')"));
    send("one");
    until(|| (jobs(&stand, "begun") == ["one"]).then_some(()));
    let closing = Serving::start(&mut interruptible(&stand.command(&["close", "--yes"])));
    in_time(|| is_told(&stand).then_some(()));
    assert_eq!(detail(&stand.status()), "mail quiet, still writing: 1 job");
    assert!(closing.is_running());
    stand.write("go", "");
    in_time(|| (!closing.is_running()).then_some(()));
    assert_eq!(closing.ended(), Some(0), "{}", closing.log());
    assert_eq!(jobs(&stand, "ended"), ["one"]);
    send("two");
    assert_eq!(detail(&stand.status()), "mail quiet", "it had its time to begin");
    assert_eq!(jobs(&stand, "begun"), ["one"]);
    stand.run(&["open", "--yes"]).exits(0);
    until(|| (jobs(&stand, "ended") == ["one", "two"]).then_some(()));
    send("three");
    until(|| (jobs(&stand, "ended") == ["one", "two", "three"]).then_some(()));
    assert_eq!(jobs(&stand, "begun"), ["one", "two", "three"], "each once");
}

#[test]
fn a_celery_whose_broker_is_down_is_said_within_its_time_and_leaves_the_site_as_it_was() {
    let blocks = format!(
        "workers \"mail\" {{\n  preset = \"celery\"\n  app = \"shop\"\n  queues = [\"celery\"]\n  run = [\"{}\"]\n  timeout = \"20s\"\n}}",
        python("celery")
    );
    let (_app, stand, serving) = served(&blocks);
    let broker = "redis://127.0.0.1:1/0";
    stand.write(
        "shop.py",
        &format!("from celery import Celery\napp = Celery('shop', broker='{broker}')\n"),
    );
    let began = clock::monotonic();
    let refused = stand.run(&["--json", "close", "--yes"]).exits(3).error();
    assert!(clock::monotonic().duration_since(began) < Duration::from_secs(40));
    assert_eq!(refused["code"], "workers-unheard", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("Connection refused"), "{refused:#}");
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("open"), 200));
    let log = stand.run(&["--json", "log"]).exits(0).json();
    assert_eq!(log["entries"], json!([]));
}

#[test]
fn a_broker_that_takes_connections_and_never_answers_is_cut_and_said() {
    let mute = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let blocks = format!(
        "workers \"mail\" {{\n  preset = \"rq\"\n  run = [\"{}\"]\n  url = \"redis://{}/0\"\n  timeout = \"1s\"\n}}",
        python("rq"),
        mute.local_addr().unwrap()
    );
    let (_app, stand, serving) = served(&blocks);
    let refused = stand.run(&["--json", "close", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "workers-unheard", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("did not end within 1 s"), "{refused:#}");
    assert_eq!((mode(&stand), serving.ask("GET", "/").0), (json!("open"), 200));
}

/// Answers as `systemctl`, `artisan` and a runner of Ruby do, by what it was told before.
const STANDS_IN: &str = r#"#!/bin/sh
case "$1 $2" in
  "stop report.timer") echo inactive >report ;;
  "start report.timer") echo active >report ;;
  "show "*)
    case $3 in
      report.timer) printf 'LoadState=loaded\nActiveState=%s\nUnit=report.service\n' "$(cat report)" ;;
      report.service) printf 'LoadState=loaded\nActiveState=inactive\nSubState=dead\n' ;;
    esac ;;
  "horizon:pause "*) echo paused >horizon ;;
  "horizon:continue "*) echo running >horizon ;;
  "horizon:status "*) echo "Horizon is $(cat horizon)."; [ "$(cat horizon)" = running ] ;;
  *"quiet!"*) echo 1 >sidekiq ;;
  *"sidekiq/api"*) echo "sidekiq 1 $(cat sidekiq) 0" ;;
  "restart "*) echo 0 >sidekiq ;;
  *) exit 9 ;;
esac
echo "$1 $2" >>asked
"#;

#[test]
fn horizon_sidekiq_and_a_timer_are_moved_by_their_own_words() {
    let run = "run = [\"sh\", \"./stands-in\"]";
    let blocks = format!(
        "workers \"horizon\" {{\n  preset = \"horizon\"\n  {run}\n  busy = \"echo 0\"\n}}\nworkers \"report\" {{\n  preset = \"systemd\"\n  unit = \"report.timer\"\n  {run}\n}}\nworkers \"sidekiq\" {{\n  preset = \"sidekiq\"\n  {run}\n  resume = [\"sh\", \"./stands-in\", \"restart\", \"sidekiq\"]\n}}"
    );
    let (_app, stand, _serving) = served(&blocks);
    stand.write("stands-in", STANDS_IN);
    for (file, said) in [("report", "active"), ("horizon", "running"), ("sidekiq", "0")] {
        stand.write(file, said);
    }
    assert_eq!(detail(&stand.status()), "horizon working; report working; sidekiq working");
    assert_eq!(workers(&stand.status())["kind"], "several");
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(detail(&stand.status()), "horizon quiet; report quiet; sidekiq quiet");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(detail(&stand.status()), "horizon working; report working; sidekiq working");
    let asked = jobs(&stand, "asked");
    let moves: Vec<_> = asked
        .iter()
        .filter(|line| !line.contains("show") && !line.contains("status") && !line.contains("puts"))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    let closing = ["stop", "horizon:pause", "require"];
    assert_eq!(moves, [&closing[..], &["restart", "horizon:continue", "start"]].concat());
}

#[test]
fn a_real_rq_is_quiet_though_its_worker_waits_for_a_job_and_does_each_job_once() {
    let redis = Redis::start();
    let blocks = format!(
        "workers \"mail\" {{\n  preset = \"rq\"\n  run = [\"{}\"]\n  url = \"{}\"\n}}",
        python("rq"),
        url(&redis)
    );
    let (_app, stand, _serving) = served(&blocks);
    stand.write("jobs_of_shop.py", JOB);
    let worker = Command::new(python("rq"))
        .args(["worker", "high", "default"])
        .current_dir(stand.folder())
        .env("RQ_REDIS_URL", url(&redis))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let _worker = Ends(worker.unwrap());
    let send = |name: &str| {
        let address = url(&redis);
        python_says(
            &stand,
            &format!(
                "import redis, rq, jobs_of_shop\nrq.Queue('default', connection=redis.Redis.from_url('{address}')).enqueue(jobs_of_shop.work, '{name}')"
            ),
        );
    };
    let idle = || {
        let info = Command::new(python("rq"))
            .args(["info", "--raw"])
            .env("RQ_REDIS_URL", url(&redis))
            .output();
        String::from_utf8(info.unwrap().stdout).unwrap().contains(" idle ").then_some(())
    };
    until(idle);
    // A worker that waits begins the next job, suspended or not, unless it is woken.
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(detail(&stand.status()), "mail quiet");
    stand.write("go", "");
    send("one");
    assert_eq!(detail(&stand.status()), "mail quiet", "it had its time to begin");
    assert!(jobs(&stand, "begun").is_empty());
    stand.run(&["open", "--yes"]).exits(0);
    until(|| (jobs(&stand, "ended") == ["one"]).then_some(()));
    fs::remove_file(stand.folder().join("go")).unwrap();
    send("two");
    until(|| (jobs(&stand, "begun") == ["one", "two"]).then_some(()));
    send("three");
    let closing = Serving::start(&mut interruptible(&stand.command(&["close", "--yes"])));
    stand.until(|status| detail(status).ends_with("1 job") && status["phase"] == "moving");
    stand.write("go", "");
    assert_eq!(closing.ended(), Some(0), "{}", closing.log());
    assert_eq!(jobs(&stand, "ended"), ["one", "two"]);
    stand.run(&["open", "--yes"]).exits(0);
    until(|| (jobs(&stand, "ended") == ["one", "two", "three"]).then_some(()));
    assert_eq!(jobs(&stand, "begun"), ["one", "two", "three"], "each once");
    let shown = stand.run(&["status"]).stdout + &stand.run(&["plan", "close"]).stdout;
    assert!(!shown.contains(PASSWORD) && !shown.contains("secret"), "{shown}");
}

// What is in AWS.

fn at(stand: &Stand, endpoint: &str, words: &[&str]) -> Ran {
    run(stand.command(words).env("AWS_ENDPOINT_URL", endpoint))
}

/// A service of ECS with three tasks, in a cluster of its own.
struct Service {
    endpoint: String,
    name: String,
}

impl Service {
    fn at(endpoint: String) -> Service {
        let name = format!("workers-{}", fastrand::u32(..));
        let service = Service { endpoint, name };
        let name = service.name.as_str();
        let containers = r#"[{"name":"a","image":"a","memory":64}]"#;
        service.ecs("create-cluster", &["--cluster-name", name]);
        let task = ["--family", name, "--container-definitions", containers];
        service.ecs("register-task-definition", &task);
        let count = ["--desired-count", "3"];
        let made = ["--cluster", name, "--service-name", "worker", "--task-definition", name];
        service.ecs("create-service", &[&made[..], &count].concat());
        service
    }

    fn ecs(&self, verb: &str, words: &[&str]) -> Value {
        aws(&self.endpoint, &[&["ecs", verb], words].concat())
    }

    /// What its count is, and its tags.
    fn count(&self) -> (Value, Value) {
        let words = ["--cluster", &self.name, "--services", "worker", "--include", "TAGS"];
        let service = self.ecs("describe-services", &words)["services"][0].clone();
        let tags = Some(service["tags"].clone()).filter(|tags| !tags.is_null());
        (service["desiredCount"].clone(), tags.unwrap_or_else(|| json!([])))
    }

    /// A site whose workers it is, and whose check.
    fn blocks(&self) -> String {
        let which = format!("  cluster = \"{}\"\n  service = \"worker\"\n", self.name);
        format!(
            "workers \"mail\" {{\n  preset = \"ecs\"\n{which}}}\ncheck \"ecs\" \"worker\" {{\n{which}  running = 0\n  interval = \"100ms\"\n  deadline = \"200ms\"\n}}"
        )
    }
}

#[test]
fn a_service_of_ecs_is_scaled_to_nothing_and_back_to_what_it_was_on_whatever_machine() {
    // No task runs in an emulator.
    let open = ["open", "--yes", "--override=worker", "--reason", "no tasks run here"];
    for service in [moto(), ministack()].map(Service::at) {
        let (_app, stand, _serving) = served_at(&service.blocks(), &service.endpoint);
        let run = |words: &[&str]| at(&stand, &service.endpoint, words);
        run(&["close", "--yes"]).exits(0);
        let tag = json!([{ "key": "roadworks:desired-count", "value": "3" }]);
        assert_eq!(service.count(), (json!(0), tag));
        let found = run(&["--json", "check"]).exits(3).json();
        let why = found["checks"][0]["reason"].as_str().unwrap_or_default();
        assert!(why.contains("3 were before"), "{found:#}");
        run(&open).exits(0);
        assert_eq!(service.count(), (json!(3), json!([])));
        // One that somebody else scaled to nothing is not ours.
        let nothing = ["--cluster", &service.name, "--service", "worker", "--desired-count", "0"];
        service.ecs("update-service", &nothing);
        run(&["close", "--yes"]).exits(0);
        let status = run(&["--json", "status"]).exits(0).json();
        assert_eq!(detail(&status), "mail stopped: somebody else scaled it to 0");
        run(&open).exits(0);
        assert_eq!(service.count(), (json!(0), json!([])));
    }
}

/// A served site whose workers are in the AWS at `endpoint`.
fn served_at(blocks: &str, endpoint: &str) -> (App, Stand, Serving) {
    let app = App::start();
    let blocks = blocks.trim().strip_suffix('}').unwrap();
    let stand = Stand::new(&config(&app.url(), &format!("}}\n{blocks}")));
    let serving = stand.serve_by(stand.command(&["serve"]).env("AWS_ENDPOINT_URL", endpoint));
    (app, stand, serving)
}

#[test]
fn a_schedule_is_disabled_and_enabled_with_all_that_it_has() {
    for endpoint in [moto(), ministack()] {
        let name = format!("nightly-{}", fastrand::u32(..));
        let schedule = || {
            let mut schedule = aws(&endpoint, &["scheduler", "get-schedule", "--name", &name]);
            schedule.as_object_mut().unwrap().remove("LastModificationDate");
            schedule
        };
        let target = r#"{"Arn":"arn:aws:lambda:us-east-1:123456789012:function:x","RoleArn":"arn:aws:iam::123456789012:role/r","Input":"{}","RetryPolicy":{"MaximumRetryAttempts":3}}"#;
        let window = r#"{"Mode":"FLEXIBLE","MaximumWindowInMinutes":15}"#;
        aws(
            &endpoint,
            &[
                "scheduler",
                "create-schedule",
                "--name",
                &name,
                "--schedule-expression",
                "rate(1 day)",
                "--flexible-time-window",
                window,
                "--target",
                target,
                "--description",
                "every night",
                "--start-date",
                "2030-01-01T00:00:00Z",
                "--schedule-expression-timezone",
                "Europe/Berlin",
            ],
        );
        let before = schedule();
        let blocks = format!(
            "workers \"nightly\" {{\n  preset = \"eventbridge\"\n  schedule = \"{name}\"\n}}"
        );
        let (_app, stand, _serving) = served_at(&blocks, &endpoint);
        at(&stand, &endpoint, &["close", "--yes"]).exits(0);
        let during = schedule();
        assert_eq!(
            (&during["State"], &during["Description"]),
            (&json!("DISABLED"), &json!("every night (disabled by roadworks)"))
        );
        for key in ["Target", "StartDate", "FlexibleTimeWindow", "ScheduleExpressionTimezone"] {
            assert_eq!(during[key], before[key], "{key}");
        }
        at(&stand, &endpoint, &["open", "--yes"]).exits(0);
        assert_eq!(schedule(), before);
    }
}
