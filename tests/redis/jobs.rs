//! Queues as apps have them, while Redis goes away: clients wait, each job is done once, and no worker ends or asks in a loop.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use super::clients::{Program, Runs, load_slowly};
use super::guard::Guarded;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::serving::until;

/// How long an outage is: with what it takes to find that it is over, less than the 5 s of redis-py.
const AWAY: Duration = Duration::from_millis(1_500);
const EACH: usize = 6;

/// A worker, and who gives it jobs.
struct Queue {
    guarded: Guarded,
    worker: Child,
    enqueues: Program,
    done: PathBuf,
    given: usize,
}

impl Drop for Queue {
    fn drop(&mut self) {
        drop(self.worker.kill());
        drop(self.worker.wait());
    }
}

impl Queue {
    fn start(runs: Runs, kind: &str) -> Option<Queue> {
        let name = if matches!(runs, Runs::Node) { "jobs.mjs" } else { "jobs.py" };
        let (mut works, mut enqueues) = (runs.program(kind, name)?, runs.program(kind, name)?);
        let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
        let guarded = Guarded::before(redis, "role = \"queue\"");
        let (port, done) = (guarded.port.to_string(), guarded.stand.folder().join("done"));
        let clients = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        works.args([kind, &port, "work"]).arg(&done).env("PYTHONPATH", clients);
        let log = fs::File::create(guarded.stand.folder().join("worker")).unwrap();
        works.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        works.current_dir(guarded.stand.folder());
        enqueues.args([kind, &port, "enqueue"]);
        let (worker, enqueues) = (works.spawn().unwrap(), Program::start(kind, enqueues));
        Some(Queue { guarded, worker, enqueues, done, given: 0 })
    }

    /// Gives it some jobs, which wait where Redis is away.
    fn give(&mut self) {
        for number in self.given..self.given + EACH {
            self.enqueues.ask(&number.to_string());
        }
        self.given += EACH;
    }

    /// All that were given are accepted, and done once.
    #[track_caller]
    fn does_them_once(&mut self) {
        for _ in 0..EACH {
            assert_eq!(self.enqueues.said(), "accepted", "{}", self.log());
        }
        let done = || fs::read_to_string(&self.done).unwrap_or_default();
        until(|| (done().lines().count() >= self.given).then_some(()));
        self.is_quiet();
        let mut numbers: Vec<usize> = done().lines().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..self.given).collect::<Vec<_>>(), "{}", self.log());
        assert!(self.worker.try_wait().unwrap().is_none(), "{}", self.log());
    }

    /// Waits until nobody asks anything but for a job: what is on its way when Redis goes may be lost between the two of them.
    fn is_quiet(&self) {
        let asked = || {
            let stats = self.guarded.redis.client().does("INFO stats");
            let mut lines = stats.lines();
            let count = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
            count.unwrap().parse::<u64>().unwrap()
        };
        until(|| {
            let before = asked();
            thread::sleep(Duration::from_millis(50));
            (asked() == before + 1).then_some(())
        });
    }

    /// How long it and the guard have worked.
    fn worked(&self) -> Duration {
        let of = |pid: &str| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let (_, rest) = text.rsplit_once(')').unwrap();
            let numbers = rest.split_whitespace().skip(11).take(2);
            numbers.map(|number| number.parse::<u64>().unwrap() * 10).sum::<u64>()
        };
        let each = [self.worker.id().to_string(), self.guarded.serving.pid()];
        Duration::from_millis(each.iter().map(|pid| of(pid)).sum())
    }

    /// Redis is away for a while, in which more is given.
    fn goes(&mut self, begin: impl FnOnce(&mut Guarded), end: impl FnOnce(&mut Guarded)) {
        begin(&mut self.guarded);
        self.give();
        let before = self.worked();
        thread::sleep(AWAY);
        let worked = self.worked().saturating_sub(before);
        assert!(worked < AWAY / 4, "a loop: {worked:?}\n{}", self.log());
        end(&mut self.guarded);
        self.does_them_once();
    }

    fn log(&self) -> String {
        let worker = fs::read_to_string(self.guarded.stand.folder().join("worker"));
        format!("{}\n{}", worker.unwrap_or_default(), self.guarded.serving.log())
    }
}

fn does_each_once(runs: Runs, kind: &str) {
    let Some(mut queue) = Queue::start(runs, kind) else { return };
    queue.give();
    queue.does_them_once();
    queue.goes(|it| it.redis.kill(), |it| it.redis.again());
    assert_eq!(queue.guarded.told("redis is away"), 1);
    queue.goes(|it| it.redis.signal("STOP"), |it| it.redis.signal("CONT"));
    assert_eq!(queue.guarded.told("redis is away"), 1, "it may be slow");
    if kind == "rq" {
        // It waits five seconds for an answer and no longer, and an outage so soon after another lasts longer.
        queue = Queue::start(runs, kind).unwrap();
        queue.give();
        queue.does_them_once();
    } else {
        // A new password is for who comes new, as whoever works for rq does for each job.
        let side = RefCell::new(queue.guarded.redis.client());
        queue.goes(|_| sets(&side, "requirepass new"), |_| sets(&side, "requirepass "));
    }
    let mut side = queue.guarded.redis.client();
    queue.goes(
        |it| {
            load_slowly(&it.redis, &mut side);
            is_found_away(it);
        },
        |it| assert_eq!(it.redis.client().does("CONFIG SET key-load-delay 0"), "+OK"),
    );
    assert_eq!(side.next().unwrap(), b"+OK\r\n");
    if kind == "rq" {
        queue = Queue::start(runs, kind).unwrap();
        queue.give();
        queue.does_them_once();
    }
    let side = RefCell::new(queue.guarded.redis.client());
    queue.goes(
        |it| {
            sets(&side, "maxclients 1");
            is_found_away(it);
        },
        |_| sets(&side, "maxclients 1000"),
    );
}

/// By one who is connected: to them it is open.
fn sets(side: &RefCell<Client>, what: &str) {
    assert_eq!(side.borrow_mut().does(&format!("CONFIG SET {what}")), "+OK");
}

/// Has somebody ask it, so that the outage is as long for everybody.
fn is_found_away(guarded: &Guarded) {
    let before = guarded.told("redis is away");
    let mut other = guarded.client();
    other.send(&encoded(&["GET", "a"]));
    until(|| (guarded.told("redis is away") > before).then_some(()));
}

#[test]
fn celery_does_each_job_once_whatever_becomes_of_redis() {
    does_each_once(Runs::Python, "celery");
}

#[test]
fn rq_does_each_job_once_whatever_becomes_of_redis() {
    does_each_once(Runs::Python, "rq");
}

#[test]
fn bullmq_does_each_job_once_whatever_becomes_of_redis() {
    does_each_once(Runs::Node, "bullmq");
}
