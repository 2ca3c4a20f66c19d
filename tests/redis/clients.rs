//! Clients as apps have them, with their own defaults, while Redis goes away in each of the ways in which it does: no call of a cache
//! raises, none is slow, and what is written afterwards is read.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::guard::Guarded;
use crate::support::bind::free_port;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::resets::Resets;
use crate::support::serving::until;
use crate::support::terraform::skipped;

/// By themselves some of them take minutes for a call.
const SLOWEST: u64 = 3_000;
const JOURNAL: &str = "role = \"cache\"\n    journal { path = \"cache.journal\" }";

/// A machine that has much to do makes no outage of it.
fn patient() -> String {
    format!("{JOURNAL}\n    budget = \"10s\"")
}

/// What runs a client.
#[derive(Clone, Copy)]
pub(super) enum Runs {
    Python,
    /// With the redis-py of before, which asks in RESP2 and tries nothing again.
    PythonBefore,
    Node,
}

impl Runs {
    /// A program of tests/clients, or `None` after its test is reported as skipped.
    pub(super) fn program(self, test: &str, name: &str) -> Option<Command> {
        let set = |variable: &str| {
            let found = env::var_os(variable).map(PathBuf::from);
            if found.is_none() {
                skipped(test, &format!("what {variable} names, which script/test installs"));
            }
            found
        };
        let interpreter = match self {
            Runs::Python => set("ROADWORKS_TEST_CLIENTS")?,
            Runs::PythonBefore => set("ROADWORKS_TEST_CLIENTS_BEFORE")?,
            Runs::Node => set("ROADWORKS_TEST_NODE_CLIENTS").map(|_| "node".into())?,
        };
        let mut command = Command::new(interpreter);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name));
        Some(command)
    }
}

/// A program that has a line for each line.
pub(super) struct Program {
    pub(super) name: String,
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Program {
    pub(super) fn start(name: &str, mut command: Command) -> Program {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asks, says) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Program { name: name.to_owned(), child, asks, says: BufReader::new(says) }
    }

    pub(super) fn ask(&mut self, line: &str) {
        writeln!(self.asks, "{line}").unwrap();
    }

    pub(super) fn said(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Every client that a cache is known to have.
struct Apps(Vec<Program>);

impl Apps {
    fn start(test: &str, port: u16) -> Apps {
        let all = [
            (Runs::Python, "redis-py"),
            (Runs::Python, "redis-py-resp2"),
            (Runs::PythonBefore, "redis-py"),
            (Runs::Python, "django"),
            (Runs::Python, "django-redis"),
            (Runs::Node, "ioredis"),
            (Runs::Node, "node-redis"),
        ];
        let started = all.into_iter().filter_map(|(runs, kind)| {
            let name = if matches!(runs, Runs::Node) { "cached.mjs" } else { "cached.py" };
            let mut command = runs.program(test, name)?;
            command.args([kind, &port.to_string()]);
            Some(Program::start(kind, command))
        });
        Apps(started.collect())
    }

    /// A round of calls by each of them at once: none raises.
    #[track_caller]
    fn all_call(&mut self, line: &str, when: &str) {
        self.0.iter_mut().for_each(|app| app.ask(line));
        for app in &mut self.0 {
            let said = app.said();
            let mut words = said.splitn(3, ' ');
            let mut number = || words.next()?.parse::<u64>().ok();
            let (calls, slowest) = (number(), number());
            let raised = words.next().unwrap_or_default();
            assert!(raised.is_empty() && calls > Some(0), "{} {when}: {said}", app.name);
            assert!(slowest <= Some(SLOWEST) || when == "at first", "{} {when}: {said}", app.name);
        }
    }

    /// Nobody sees that it is away, and everybody that it is back.
    #[track_caller]
    fn see_nothing_of(
        &mut self,
        what: &str,
        guarded: &mut Guarded,
        begin: impl FnOnce(&mut Guarded),
        end: impl FnOnce(&mut Guarded),
    ) {
        guarded.goes(begin);
        for _ in 0..3 {
            self.all_call("round", what);
        }
        guarded.comes_back(end);
        self.all_call("kept", &format!("after {what}"));
        self.all_call("whole", &format!("after {what}"));
    }
}

#[test]
fn no_client_of_a_cache_sees_that_redis_is_gone_frozen_loading_or_full_of_clients() {
    let mut guarded = Guarded::before(RedisServer::start(), JOURNAL);
    let mut apps = Apps::start("clients of a cache", guarded.port);
    apps.all_call("whole", "at first");
    apps.see_nothing_of("gone", &mut guarded, |it| it.redis.kill(), |it| it.redis.again());
    let stop = |it: &mut Guarded| it.redis.signal("STOP");
    apps.see_nothing_of("frozen", &mut guarded, stop, |it| it.redis.signal("CONT"));
    let mut side = guarded.redis.client();
    let loads = &mut side;
    apps.see_nothing_of(
        "loading",
        &mut guarded,
        |it| load_slowly(&it.redis, loads),
        |it| assert_eq!(it.redis.client().does("CONFIG SET key-load-delay 0"), "+OK"),
    );
    assert_eq!(side.next().unwrap(), b"+OK\r\n");
    // Whoever is connected stays so: to one of them it is open.
    let mut one = guarded.redis.client();
    assert_eq!(one.does("CONFIG SET maxclients 1"), "+OK");
    let more = |_: &mut Guarded| assert_eq!(one.does("CONFIG SET maxclients 1000"), "+OK");
    apps.see_nothing_of("full of clients", &mut guarded, |_| {}, more);
}

/// Has it load its own data again, as after a restart: so long that nobody sees the end of it.
pub(super) fn load_slowly(redis: &RedisServer, side: &mut Client) {
    let mut client = redis.client();
    let value = vec![b'v'; 2 << 10];
    for number in 0..200 {
        client.send(&encoded(&[b"SET", format!("large{number}").as_bytes(), &value]));
        assert_eq!(client.next().unwrap(), b"+OK\r\n");
    }
    // It looks for clients after so many bytes: with each value, as long as none is compressed.
    for setting in
        ["rdbcompression no", "loading-process-events-interval-bytes 1024", "key-load-delay 200000"]
    {
        assert_eq!(client.does(&format!("CONFIG SET {setting}")), "+OK");
    }
    side.send(&encoded(&["DEBUG", "RELOAD"]));
    until(|| redis.client().does("GET a").starts_with("-LOADING").then_some(()));
}

#[test]
fn no_client_of_a_cache_sees_that_its_connection_is_reset_in_mid_answer() {
    let redis = RedisServer::start();
    let way = Resets::to(redis.port);
    let mut guarded = Guarded::by(way.port, redis, &patient());
    let mut apps = Apps::start("clients that are reset", guarded.port);
    apps.all_call("whole", "at first");
    apps.see_nothing_of("reset", &mut guarded, |_| way.begin(), |_| way.end());
}

#[test]
fn no_client_of_a_cache_sees_that_redis_takes_no_writes() {
    let guarded = Guarded::before(RedisServer::start(), &patient());
    let mut apps = Apps::start("clients of a Redis without writes", guarded.port);
    apps.all_call("whole", "at first");
    let mut direct = guarded.redis.client();
    let replica = format!("REPLICAOF 127.0.0.1 {}", free_port());
    for (what, begin, end) in [
        ("without memory", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("a replica", replica.as_str(), "REPLICAOF NO ONE"),
    ] {
        let over = guarded.told("redis has refused no write for a while");
        assert_eq!(direct.does(begin), "+OK");
        for _ in 0..3 {
            apps.all_call("whole", what);
        }
        guarded.says("redis takes no writes");
        assert_eq!(direct.does(end), "+OK");
        // Until what they wrote is removed, they miss it.
        apps.all_call("whole", &format!("just after {what}"));
        until(|| (guarded.told("redis has refused no write for a while") > over).then_some(()));
        apps.all_call("kept", &format!("after {what}"));
        apps.all_call("whole", &format!("after {what}"));
    }
    assert_eq!((guarded.told("redis takes no writes"), guarded.told("redis is away")), (2, 0));
}

#[test]
fn clients_of_a_cache_begin_without_a_redis_and_go_on_with_one() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mut guarded = Guarded::before(redis, &patient());
    guarded.says("redis is away");
    let mut apps = Apps::start("clients that begin early", guarded.port);
    apps.all_call("round", "at first");
    apps.all_call("round", "without a redis");
    guarded.again();
    apps.all_call("kept", "with one");
    // A new password is for who comes new: that is seen, and by nobody else.
    let mut side = guarded.redis.client();
    assert_eq!(side.does("CONFIG SET requirepass new"), "+OK");
    apps.all_call("whole", "with a new password");
    apps.all_call("kept", "with a new password");
    let mut late = guarded.client();
    assert!(late.does("GET k").starts_with("-NOAUTH"));
    assert_eq!((late.does("AUTH new").as_str(), late.does("GET k").as_str()), ("+OK", "$-1"));
    assert_eq!(guarded.told("redis is away"), 1);
}
