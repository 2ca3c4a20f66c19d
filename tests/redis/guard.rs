//! `roadworks serve` with a guard before a real Redis, which goes away and comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use roadworks::clock::monotonic;
use roadworks::tasks::Tasks;

use super::clients::load_slowly;
use super::forms::{READS, WRITES};
use crate::support::bind::free_port;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::serving::{LONG, Serving, Stand, until};

/// A guard in front of a Redis.
pub(super) struct Guarded {
    pub(super) serving: Serving,
    pub(super) stand: Stand,
    pub(super) port: u16,
    pub(super) redis: RedisServer,
}

impl Guarded {
    /// A cache; `lines` go into its block.
    pub(super) fn cache(lines: &str) -> Guarded {
        Guarded::before(RedisServer::start(), &format!("role = \"cache\"\n{lines}"))
    }

    pub(super) fn before(redis: RedisServer, lines: &str) -> Guarded {
        let way = redis.port;
        Guarded::by(way, redis, lines)
    }

    /// That comes to its Redis by another port.
    pub(super) fn by(way: u16, redis: RedisServer, lines: &str) -> Guarded {
        Guarded::at(&format!("redis://127.0.0.1:{way}"), redis, lines, &[])
    }

    /// That comes to it by this URL, in a process with these in its environment besides.
    pub(super) fn at(
        upstream: &str,
        redis: RedisServer,
        lines: &str,
        more: &[(&str, &Path)],
    ) -> Guarded {
        let port = free_port();
        let stand = Stand::new(&config(&format!("127.0.0.1:{port}"), upstream, lines));
        let serving = stand.serve_by(stand.command(&["serve"]).envs(more.iter().copied()));
        Guarded { serving, stand, port, redis }
    }

    pub(super) fn client(&self) -> Client {
        Client::at(self.port)
    }

    /// How often these words are in its log.
    pub(super) fn told(&self, words: &str) -> usize {
        self.serving.log().matches(words).count()
    }

    /// Begins an outage, and waits until the guard knows.
    pub(super) fn goes(&mut self, begin: impl FnOnce(&mut Guarded)) {
        let before = self.told("redis is away");
        begin(self);
        until(|| {
            // Somebody has to ask.
            assert_eq!(self.client().does("GET nobody"), "$-1");
            (self.told("redis is away") > before).then_some(())
        });
    }

    /// Ends one, and waits until the guard knows.
    pub(super) fn comes_back(&mut self, end: impl FnOnce(&mut Guarded)) {
        let before = self.told("redis is back");
        end(self);
        until(|| (self.told("redis is back") > before).then_some(()));
    }

    pub(super) fn says(&self, words: &str) {
        until(|| self.serving.log().contains(words).then_some(()));
    }

    /// Kills Redis, and waits until the guard knows.
    pub(super) fn kill(&mut self) {
        self.redis.kill();
        // Somebody has to ask.
        assert_eq!(self.client().does("GET nobody"), "$-1");
        self.says("redis is away");
    }

    /// Starts Redis, and waits until the guard knows.
    pub(super) fn again(&mut self) {
        self.comes_back(|guarded| guarded.redis.again());
    }
}

pub(super) fn config(listen: &str, upstream: &str, lines: &str) -> String {
    // A machine that has much to do makes no outage.
    let budget = if lines.contains("budget") { "" } else { "\n    budget = \"1s\"" };
    format!(
        "serve {{ admin = \"127.0.0.1:0\" }}\nsite \"shop\" {{\n  redis \"cache\" {{\n    listen = \"{listen}\"\n    upstream = \"{upstream}\"\n    {lines}{budget}\n  }}\n}}\n"
    )
}

/// Without what differs from one asking to the next.
fn is_steady(form: &str) -> bool {
    !["RANDOMKEY", "TIME", "INFO"].iter().any(|word| form.starts_with(word))
}

#[test]
fn a_redis_that_is_there_answers_itself() {
    let guarded = Guarded::cache("");
    let (mut direct, mut through) = (guarded.redis.client(), guarded.client());
    for version in ["HELLO 2", "HELLO 3"] {
        // The id of a connection is its own.
        assert_eq!(direct.does(version)[..40], through.does(version)[..40]);
        for form in READS.iter().chain(&WRITES).filter(|form| is_steady(form)) {
            assert_eq!(direct.does("FLUSHALL"), "+OK");
            let wanted = direct.does(form);
            assert_eq!(through.does("FLUSHALL"), "+OK");
            assert_eq!(through.does(form), wanted, "{form}");
        }
    }
}

#[test]
fn commands_in_one_piece_are_answered_in_order() {
    let guarded = Guarded::cache("");
    let mut client = guarded.client();
    let many: Vec<u8> =
        (0..5_000).flat_map(|number| encoded(&["ECHO", &number.to_string()])).collect();
    client.send(&many);
    for number in 0..5_000 {
        let wanted = format!("${}\r\n{number}\r\n", number.to_string().len());
        assert_eq!(client.next().unwrap(), wanted.as_bytes());
    }
    client.send(b"SET inline 'a b'\r\nGET inline\r\n\r\n");
    assert_eq!(
        (client.next().unwrap(), client.next().unwrap()),
        (b"+OK\r\n".to_vec(), b"$3\r\na b\r\n".to_vec())
    );
    client.send(b"*1\r\n$x\r\n");
    assert_eq!(client.next().unwrap(), b"-ERR Protocol error: invalid bulk length\r\n");
    assert_eq!(client.next(), None);
}

#[test]
fn a_value_that_is_longer_than_redis_takes_is_refused_before_it_has_come() {
    let guarded = Guarded::cache("");
    let mut client = guarded.client();
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$629145600\r\n");
    assert_eq!(client.next().unwrap(), b"-ERR Protocol error: invalid bulk length\r\n");
    assert_eq!(client.next(), None);
    guarded.says("a client's connection is closed: ");
}

#[test]
fn a_value_of_many_megabytes_passes_both_ways() {
    let mut guarded = Guarded::cache("budget = \"2s\"");
    let mut client = guarded.client();
    let value = vec![b'v'; 30 << 20];
    client.send(&encoded(&[b"SET", &b"k"[..], &value, b"EX", b"6000"]));
    assert_eq!(client.next().unwrap(), b"+OK\r\n");
    client.send(&encoded(&["GET", "k"]));
    let answer = client.next().unwrap();
    assert_eq!(answer.len(), value.len() + "$31457280\r\n\r\n".len());
    let left: u32 = client.does("TTL k").trim_start_matches(':').parse().unwrap();
    assert!((5_900..=6_000).contains(&left), "its options came along: {left}");
    guarded.kill();
    client.send(&encoded(&[b"SET", &b"k"[..], &value, b"NX"]));
    assert_eq!(
        client.next().unwrap(),
        b"$-1\r\n",
        "its options are known, though its value is not kept"
    );
}

#[test]
fn a_redis_that_is_killed_is_a_miss_and_back_again_it_has_its_values() {
    let mut guarded = Guarded::cache("");
    let mut client = guarded.client();
    assert_eq!(client.does("SET k v"), "+OK");
    assert_eq!(client.does("GET k"), "$1\r\nv");
    guarded.kill();
    // Nobody pays a budget: a machine that has much to do may be slow now and then.
    let answered = |client: &mut Client| {
        let began = monotonic();
        assert_eq!(client.does("GET k"), "$-1");
        monotonic().duration_since(began)
    };
    let mut took: Vec<_> = (0..200).map(|_| answered(&mut client)).collect();
    took.sort_unstable();
    assert!(took[100] < Duration::from_millis(20), "{:?}", took[100]);
    assert_eq!(client.does("PING"), "+PONG");
    // What would be lost is refused, and so is what would grant something.
    for form in ["SET k v", "DEL k", "EXPIRE k 1", "INCR n", "KEYS *", "LPUSH l a", "EVAL x 0"] {
        assert!(client.does(form).starts_with("-ROADWORKSDOWN "), "{form}");
    }
    assert_eq!(client.does("SET lock me NX"), "$-1");
    guarded.again();
    assert_eq!(client.does("SET k w"), "+OK", "the same connection goes on");
    assert_eq!(guarded.redis.client().does("GET k"), "$1\r\nw");
}

#[test]
fn a_guard_that_starts_before_its_redis_answers_meanwhile() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mut guarded = Guarded::before(redis, "role = \"cache\"");
    guarded.says("redis is away");
    let mut client = guarded.client();
    assert_eq!(client.does("GET k"), "$-1");
    assert!(client.does("INFO").contains("loading:0\r\n"), "clients ask before they begin");
    // Redis knows this since 7.2.
    assert_eq!(client.does("CLIENT SETINFO LIB-NAME mine"), "+OK");
    guarded.again();
    assert_eq!(
        (client.does("SET k v"), client.does("GET k")),
        ("+OK".to_owned(), "$1\r\nv".to_owned())
    );
}

#[test]
fn a_redis_that_hangs_costs_three_budgets_and_a_late_answer_goes_to_nobody_else() {
    let guarded = Guarded::cache("budget = \"50ms\"");
    let mut client = guarded.client();
    assert_eq!(client.does("SET k v"), "+OK");
    guarded.redis.signal("STOP");
    let began = monotonic();
    assert_eq!(client.does("GET k"), "$-1");
    assert!(monotonic().duration_since(began) >= Duration::from_millis(50));
    guarded.redis.signal("CONT");
    // The answer that came too late is not that of the next command.
    assert_eq!(client.does("ECHO next"), "$4\r\nnext");
    guarded.redis.signal("STOP");
    for _ in 0..3 {
        assert_eq!(client.does("GET k"), "$-1");
    }
    guarded.says("redis is away");
    let began = monotonic();
    for _ in 0..50 {
        assert_eq!(guarded.client().does("GET k"), "$-1");
    }
    assert!(monotonic().duration_since(began) < Duration::from_secs(1), "nobody else waits");
    guarded.redis.signal("CONT");
    guarded.says("redis is back");
    assert_eq!(client.does("GET k"), "$1\r\nv");
}

#[test]
fn a_redis_that_hangs_in_the_middle_of_an_answer_is_away_though_one_alone_asks() {
    // More than all buffers on the way take.
    const SIZE: usize = 64 << 20;
    let guarded = Guarded::cache("budget = \"500ms\"");
    let mut client = guarded.client();
    client.send_meanwhile(encoded(&[b"SET", b"k".as_slice(), &vec![b'a'; SIZE]]));
    assert_eq!(client.next().unwrap(), b"+OK\r\n");
    let mut reads = TcpStream::connect(("127.0.0.1", guarded.port)).unwrap();
    reads.set_read_timeout(Some(LONG)).unwrap();
    reads.write_all(&encoded(&["GET", "k"])).unwrap();
    reads.read_exact(&mut [0; 1]).unwrap();
    guarded.redis.signal("STOP");
    let mut rest = Vec::new();
    let ended = reads.read_to_end(&mut rest);
    assert!(
        ended.is_ok() && rest.len() < SIZE,
        "it ends, and what was being said cannot be unsaid"
    );
    guarded.says("redis is away");
    guarded.redis.signal("CONT");
}

#[test]
fn a_write_that_hangs_is_told_that_nobody_knows() {
    let guarded = Guarded::cache("budget = \"50ms\"");
    let mut client = guarded.client();
    assert_eq!(client.does("SET k v"), "+OK");
    guarded.redis.signal("STOP");
    assert!(client.does("INCR n").ends_with("is unknown"));
    guarded.says("redis is away");
    guarded.redis.signal("CONT");
}

#[test]
fn who_somebody_is_and_where_is_said_again_to_a_redis_that_is_back() {
    let redis = RedisServer::with(&["--requirepass", "pass"]);
    let mut guarded = Guarded::before(redis, "role = \"cache\"");
    let mut client = guarded.client();
    assert!(client.does("GET k").starts_with("-NOAUTH"), "that is seen, and not hidden");
    assert_eq!(client.does("AUTH wrong").split(' ').next(), Some("-WRONGPASS"));
    assert_eq!(client.does("AUTH pass"), "+OK");
    assert!(client.does("HELLO 3 SETNAME web").starts_with('%'));
    assert_eq!(client.does("SELECT 3"), "+OK");
    assert_eq!(client.does("SET k v"), "+OK");
    guarded.kill();
    assert_eq!(client.does("GET k"), "_", "as RESP3 has it");
    assert_eq!(client.does("SELECT 4"), "+OK");
    guarded.again();
    assert_eq!(client.does("SET k w"), "+OK");
    assert!(client.does("CLIENT INFO").contains(" name=web "));
    assert!(client.does("CLIENT INFO").contains(" db=4 "));
    assert!(guarded.serving.is_running());
}

#[test]
fn who_comes_again_to_a_redis_that_lets_nobody_in_reads_misses() {
    let guarded = Guarded::cache("");
    let mut client = guarded.client();
    assert_eq!((client.does("SELECT 3").as_str(), client.does("SET k v").as_str()), ("+OK", "+OK"));
    let mut side = guarded.redis.client();
    assert_eq!(side.does("CONFIG SET maxclients 1"), "+OK");
    assert!(side.does("CLIENT KILL TYPE normal SKIPME yes").starts_with(':'));
    assert_eq!(client.does("GET k"), "$-1", "it is not let go");
    guarded.says("redis is away");
    assert_eq!(side.does("CONFIG SET maxclients 1000"), "+OK");
    guarded.says("redis is back");
    assert_eq!(client.does("GET k"), "$1\r\nv", "where it was");
}

#[test]
fn a_transaction_that_redis_lost_is_aborted_and_one_of_misses_is_answered() {
    let mut guarded = Guarded::cache("");
    let (mut open, mut watching) = (guarded.client(), guarded.client());
    assert_eq!(
        (open.does("MULTI"), open.does("SET k v")),
        ("+OK".to_owned(), "+QUEUED".to_owned())
    );
    assert_eq!(watching.does("WATCH k"), "+OK");
    guarded.kill();
    assert!(open.does("EXEC").starts_with("-EXECABORT"));
    assert_eq!(watching.does("GET k"), "it hung up", "its watch is over, which it must know");
    assert_eq!(open.does("MULTI"), "+OK");
    assert_eq!(
        (open.does("GET k"), open.does("MGET a b")),
        ("+QUEUED".to_owned(), "+QUEUED".to_owned())
    );
    assert_eq!(open.does("EXEC"), "*2\r\n$-1\r\n*2\r\n$-1\r\n$-1");
    assert_eq!(open.does("MULTI"), "+OK");
    assert!(open.does("SET k v").starts_with("-ROADWORKSDOWN"));
    assert!(open.does("EXEC").starts_with("-EXECABORT"));
    assert_eq!(open.does("EXEC"), "-ERR EXEC without MULTI");
}

#[test]
fn messages_pass_and_who_listens_is_closed_when_redis_goes_and_when_it_is_back() {
    let mut guarded = Guarded::cache("");
    let mut listener = guarded.client();
    assert!(listener.does("SUBSCRIBE news").ends_with(":1"));
    assert_eq!(guarded.client().does("PUBLISH news hello"), ":1");
    assert!(String::from_utf8(listener.next().unwrap()).unwrap().ends_with("hello\r\n"));
    guarded.kill();
    assert_eq!(listener.next(), None);
    let mut listener = guarded.client();
    assert!(listener.does("SUBSCRIBE news").ends_with(":1"));
    assert_eq!(guarded.client().does("PUBLISH news hello"), ":0");
    guarded.again();
    assert_eq!(listener.next(), None, "so that it listens where messages come");
}

#[test]
fn who_listens_and_leaves_is_told_goodbye() {
    let guarded = Guarded::cache("");
    for _ in 0..20 {
        let mut listener = guarded.client();
        assert!(listener.does("SUBSCRIBE news").ends_with(":1"));
        assert_eq!((listener.does("QUIT").as_str(), listener.next()), ("+OK", None));
    }
}

#[test]
fn what_waits_for_an_item_has_it_from_the_redis_that_is_back() {
    let mut guarded = Guarded::cache("");
    let mut waits = guarded.client();
    waits.send(&encoded(&["BLPOP", "jobs", "0"]));
    let mut early = guarded.client();
    assert_eq!(early.does("PING"), "+PONG");
    guarded.kill();
    let began = monotonic();
    assert_eq!(early.does("BLPOP jobs 0.3"), "*-1");
    assert!(monotonic().duration_since(began) >= Duration::from_millis(300), "not a loop");
    guarded.again();
    assert_eq!(guarded.client().does("RPUSH jobs one"), ":1");
    assert!(String::from_utf8(waits.next().unwrap()).unwrap().ends_with("one\r\n"));
}

#[test]
fn clients_wait_for_a_restart_and_nobody_sees_it() {
    let mut guarded = Guarded::cache("on_outage = [\"hold 20s\", \"open\"]");
    let port = guarded.port;
    let tasks = Tasks::new();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let stopping = tasks.clone();
            let work = move || {
                let (mut client, mut done) = (Client::at(port), 0);
                while !stopping.is_stopping() {
                    // What may have been done is not done twice: each waits for its answer.
                    let said = client.does(&format!("GET k{worker}"));
                    assert_eq!(said, "$-1");
                    done += 1;
                }
                done
            };
            tasks.start_thread("worker", work).unwrap()
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    guarded.redis.kill();
    guarded.says("redis is away");
    let mut writer = guarded.client();
    writer.send(&encoded(&["SET", "held", "v"]));
    guarded.redis.again();
    assert_eq!(writer.next().unwrap(), b"+OK\r\n", "it waited, and was done");
    tasks.stop();
    for worker in workers {
        assert!(worker.join().unwrap() > 10);
    }
}

/// A guard whose Redis begins to load its data, and nobody has found out; loads until the second is dropped.
fn loading(lines: &str) -> (Guarded, Client) {
    // While it loads it takes its time for each refusal.
    let guarded = Guarded::before(RedisServer::start(), &format!("budget = \"10s\"\n{lines}"));
    assert_eq!(guarded.client().does("PING"), "+PONG");
    let mut side = guarded.redis.client();
    load_slowly(&guarded.redis, &mut side);
    (guarded, side)
}

fn has_loaded(guarded: &Guarded) {
    assert_eq!(guarded.redis.client().does("CONFIG SET key-load-delay 0"), "+OK");
}

#[test]
fn what_a_redis_refuses_while_it_loads_is_done_once_it_has_loaded() {
    let (guarded, _side) = loading("role = \"queue\"");
    let mut client = guarded.client();
    // So many that Redis looks at them in several turns, 64 KiB in each, and answers in several pieces.
    let mut all: Vec<_> =
        (1..=5_000).map(|number| encoded(&["RPUSH", "jobs", &number.to_string()])).collect();
    all.push(encoded(&["LRANGE", "jobs", "-2", "-1"]));
    client.send(&all.concat());
    guarded.says("redis is away");
    has_loaded(&guarded);
    for number in 1..=5_000 {
        assert_eq!(client.next().unwrap(), format!(":{number}\r\n").as_bytes());
    }
    assert_eq!(client.next().unwrap(), b"*2\r\n$4\r\n4999\r\n$4\r\n5000\r\n", "each is done once");
}

#[test]
fn what_is_refused_while_redis_loads_ends_the_connection_where_the_configuration_says_so() {
    for lines in
        ["role = \"cache\"\nrefuse_as = \"close\"", "role = \"queue\"\non_outage = [\"drop\"]"]
    {
        let (guarded, _side) = loading(lines);
        let mut client = guarded.client();
        client.send(&[encoded(&["RPUSH", "k", "1"]), encoded(&["PING"])].concat());
        // Nothing is said in its place: a later answer would be taken for it.
        assert_eq!(client.next(), None, "{lines}");
        guarded.says("redis is away");
    }
    let hold = "role = \"cache\"\nrefuse_as = \"close\"\non_outage = [\"hold 1s\", \"open\"]";
    let (guarded, _side) = loading(hold);
    let mut client = guarded.client();
    client.send(&encoded(&["INCR", "k"]));
    assert_eq!(client.next(), None, "after the hold");
}

#[test]
fn what_comes_behind_what_a_loading_redis_refuses_is_of_another_database() {
    let journal = "role = \"cache\"\njournal { path = \"cache.journal\" }";
    let (guarded, _side) = loading(journal);
    let mut client = guarded.client();
    // `SELECT` is allowed while it loads.
    client.send(&[encoded(&["DEL", "large1"]), encoded(&["SELECT", "3"])].concat());
    guarded.says("redis is away");
    let first = client.next().unwrap();
    has_loaded(&guarded);
    guarded.says("redis is back");
    let read = guarded.client().does("GET large1");
    assert!(first.starts_with(b"-") == (read != "$-1"), "{first:?}: {read}");
}

/// Without a way to it.
#[test]
fn what_is_asked_as_redis_goes_and_was_never_sent_is_done_once_it_is_back() {
    let mut guarded = Guarded::before(RedisServer::start(), "role = \"queue\"");
    let mut client = guarded.client();
    assert_eq!(client.does("PING"), "+PONG");
    let mut one = guarded.redis.client();
    assert_eq!(one.does("CONFIG SET maxclients 1"), "+OK");
    let mut late = guarded.client();
    late.send(&[encoded(&["RPUSH", "jobs", "1"]), encoded(&["RPUSH", "jobs", "2"])].concat());
    guarded.says("max number of clients");
    assert_eq!(one.does("CONFIG SET maxclients 1000"), "+OK");
    assert_eq!((late.next().unwrap(), late.next().unwrap()), (b":1\r\n".into(), b":2\r\n".into()));
    guarded.redis.kill();
    let mut later = guarded.client();
    later.send(&[encoded(&["RPUSH", "jobs", "3"]), encoded(&["RPUSH", "jobs", "4"])].concat());
    until(|| (guarded.told("redis is away") == 2).then_some(()));
    guarded.redis.again();
    assert_eq!(
        (later.next().unwrap(), later.next().unwrap()),
        (b":1\r\n".into(), b":2\r\n".into())
    );
}

#[test]
fn after_the_hold_comes_what_the_configuration_says() {
    let mut guarded = Guarded::cache("on_outage = [\"hold 300ms\", \"drop\"]");
    let mut client = guarded.client();
    assert_eq!(client.does("SET k v"), "+OK");
    guarded.redis.kill();
    let began = monotonic();
    assert_eq!(client.does("GET k"), "it hung up");
    assert!(monotonic().duration_since(began) >= Duration::from_millis(250));
    assert_eq!(guarded.client().next(), None, "as a Redis that is away");

    let mut refusing = Guarded::cache("on_outage = [\"refuse\"]");
    let mut client = refusing.client();
    refusing.redis.kill();
    assert!(client.does("GET k").starts_with("-ROADWORKSDOWN"));
    assert_eq!(client.does("PING"), "+PONG");
}

#[test]
fn who_is_let_go_by_and_by_has_no_error_and_waits_for_a_redis_that_hangs() {
    let lines = "role = \"queue\"\n    on_outage = [\"hold 10s\", \"drop\"]\n    budget = \"50ms\"";
    let mut guarded = Guarded::before(RedisServer::start(), lines);
    let mut client = guarded.client();
    assert_eq!(client.does("RPUSH jobs one"), ":1");
    guarded.redis.signal("STOP");
    client.send(&encoded(&["RPUSH", "jobs", "two"]));
    // Somebody else who comes waits as well.
    let mut other = guarded.client();
    other.send(&encoded(&["SELECT", "0"]));
    thread::sleep(Duration::from_millis(400));
    assert!(!guarded.serving.log().contains("redis is away"), "it may be slow");
    guarded.redis.signal("CONT");
    assert_eq!(
        (client.next(), other.next()),
        (Some(b":2\r\n".to_vec()), Some(b"+OK\r\n".to_vec()))
    );
    // Whoever asked something that may have been done is let go, as by Redis itself.
    guarded.redis.signal("STOP");
    client.send(&encoded(&["RPUSH", "jobs", "three"]));
    let mut queueing = guarded.client();
    queueing.send(&encoded(&["MULTI"]));
    let mut waits = guarded.client();
    waits.send(&encoded(&["BLPOP", "others", "0"]));
    thread::sleep(Duration::from_millis(100));
    guarded.redis.kill();
    assert_eq!((client.next(), queueing.next()), (None, None));
    guarded.again();
    assert_eq!(guarded.client().does("RPUSH others one"), ":1");
    assert!(waits.next().is_some(), "what takes nothing before its answer is asked again");
}

#[test]
fn who_is_let_go_by_and_by_waits_no_longer_than_the_hold() {
    let lines =
        "role = \"queue\"\n    on_outage = [\"hold 300ms\", \"drop\"]\n    budget = \"50ms\"";
    let guarded = Guarded::before(RedisServer::start(), lines);
    let mut client = guarded.client();
    assert_eq!(client.does("RPUSH jobs one"), ":1");
    guarded.redis.signal("STOP");
    let began = monotonic();
    assert_eq!(client.does("RPUSH jobs two"), "it hung up");
    let took = monotonic().duration_since(began);
    assert!(took >= Duration::from_millis(290), "{took:?}");
    guarded.says("an answer took as long as clients are held");
    guarded.redis.signal("CONT");
}

#[test]
fn refusals_are_slowed_down() {
    let mut guarded = Guarded::cache("");
    guarded.kill();
    let mut client = guarded.client();
    let began = monotonic();
    for _ in 0..26 {
        assert!(client.does("INCR n").starts_with("-ROADWORKSDOWN"));
    }
    // 10 + 20 + .. + 320 ms.
    assert!(monotonic().duration_since(began) >= Duration::from_millis(600));
}

#[test]
fn keys_that_are_no_cache_are_never_answered_for() {
    let at_once = "key \"*.sessions.*\" {\n role = \"session\"\n on_outage = [\"refuse\"]\n }";
    let lines = format!("presets = [\"django\"]\n{at_once}");
    let mut guarded = Guarded::before(RedisServer::start(), &lines);
    let mut client = guarded.client();
    guarded.redis.kill();
    assert_eq!(client.does("GET :1:price"), "$-1");
    for form in
        ["GET :1:django.contrib.sessions.cachex", "GET other", "MGET :1:price other", "DBSIZE"]
    {
        assert!(client.does(form).starts_with("-ROADWORKSDOWN"), "{form}");
    }
}

#[test]
fn a_socket_of_this_machine_is_listened_on_and_taken_away() {
    let redis = RedisServer::start();
    let upstream = format!("redis://127.0.0.1:{}", redis.port);
    let stand = Stand::new(&config("unix:guard.sock", &upstream, "role = \"cache\""));
    let path = stand.folder().join("guard.sock");
    for _ in 0..2 {
        // What a process left that was killed is in nobody's way.
        let serving = stand.serve();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
        drop(serving);
    }
}

#[test]
fn a_connection_that_redis_ends_is_no_outage_of_it() {
    let guarded = Guarded::cache("");
    let mut other = guarded.client();
    assert_eq!(other.does("SET k v"), "+OK");
    // Redis ends it: it takes these words for an attack of a browser.
    let mut browser = guarded.client();
    browser.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    browser.next().unwrap();
    let mut waits = guarded.client();
    waits.send(&encoded(&["BLPOP", "jobs", "0"]));
    let direct = |words: &str| guarded.redis.client().does(words);
    let is_blocked = || direct("INFO clients").contains("blocked_clients:1");
    until(|| is_blocked().then_some(()));
    assert!(direct("CLIENT KILL TYPE normal SKIPME yes").starts_with(':'));
    until(|| is_blocked().then_some(()));
    assert_eq!(other.does("RPUSH jobs 1"), ":1");
    assert_eq!(waits.next().unwrap(), b"*2\r\n$4\r\njobs\r\n$1\r\n1\r\n");
    // Nor is what a script says.
    other.send(&encoded(&["EVAL", "return {err='LOADING x'}", "0"]));
    assert_eq!(other.next().unwrap(), b"-LOADING x\r\n");
    assert_eq!((other.does("GET k").as_str(), guarded.told("redis is away")), ("$1\r\nv", 0));
}

#[test]
fn an_answer_that_is_skipped_is_skipped_as_by_redis() {
    let guarded = Guarded::cache("");
    for mut client in [guarded.redis.client(), guarded.client()] {
        let skips = encoded(&["CLIENT", "REPLY", "SKIP"]);
        let asks = [encoded(&["ECHO", "a"]), encoded(&["ECHO", "b"])].concat();
        client.send(&[&skips[..], b"*0\r\n", &asks].concat());
        client.send(&[&skips[..], &asks].concat());
        let said: Vec<_> = (0..3).map(|_| client.next().unwrap()).collect();
        assert_eq!(
            said,
            ["$1\r\na\r\n", "$1\r\nb\r\n", "$1\r\nb\r\n"].map(|it| it.as_bytes().to_vec())
        );
    }
}

#[test]
fn what_comes_behind_a_goodbye_has_no_answer() {
    let guarded = Guarded::cache("");
    let mut client = guarded.client();
    client.send(&[encoded(&["QUIT"]), encoded(&["GET", "k"])].concat());
    assert_eq!((client.next().unwrap(), client.next()), (b"+OK\r\n".to_vec(), None));
}

#[test]
fn a_redis_that_hangs_is_away_though_whoever_asks_begins_a_transaction() {
    let guarded = Guarded::cache("budget = \"100ms\"");
    let mut client = guarded.client();
    assert_eq!(client.does("PING"), "+PONG");
    guarded.redis.signal("STOP");
    client.send(&[encoded(&["MULTI"]), encoded(&["GET", "k"])].concat());
    guarded.says("redis is away");
    guarded.redis.signal("CONT");
}

#[test]
fn an_error_that_somebody_asked_for_says_nothing_of_redis() {
    let mut guarded = Guarded::cache("");
    let mut client = guarded.client();
    for error in ["LOADING", "READONLY", "MASTERDOWN"] {
        client.send(&encoded(&["DEBUG", "ERROR", &format!("{error} not at all")]));
        assert_eq!(client.next().unwrap(), format!("-{error} not at all\r\n").as_bytes());
        assert_eq!(client.does("SET k v"), "+OK", "it is asked as before");
    }
    guarded.kill();
    assert_eq!(guarded.serving.log().matches("redis is away").count(), 1);
}

/// redis-py with its own defaults, which are what an app has.
struct Python(std::process::Child, std::io::BufReader<std::process::ChildStdout>);

impl Python {
    fn at(port: u16, version: &str) -> Python {
        let python = std::env::var("ROADWORKS_TEST_CLIENTS")
            .expect("this test needs redis-py: run script/test, which installs it");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/redis_cache.py");
        let mut child = std::process::Command::new("timeout")
            .args(["60s", &python])
            .arg(script)
            .args([&port.to_string(), version])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let reads = std::io::BufReader::new(child.stdout.take().unwrap());
        Python(child, reads)
    }

    /// What it gives to its caller, and in how many milliseconds.
    fn does(&mut self, line: &str) -> (u64, String) {
        use std::io::BufRead as _;
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut said = String::new();
        self.1.read_line(&mut said).unwrap();
        let (time, said) = said.trim_end().split_once(' ').expect("it says something");
        (time.parse().unwrap(), said.to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

#[test]
fn redis_py_reads_misses_and_no_errors_and_its_values_again() {
    for version in ["2", "3"] {
        let mut guarded = Guarded::cache("");
        let mut python = Python::at(guarded.port, version);
        let mut says = |line: &str, wanted: &str, most: u64| {
            let (time, said) = python.does(line);
            assert!(said.starts_with(wanted), "{version} {line}: {said}");
            assert!(time <= most, "{version} {line}: {time} ms");
        };
        says("set k v", "True", 2_000);
        says("get k", "b'v'", 500);
        guarded.redis.kill();
        for _ in 0..3 {
            // By itself it takes four seconds for each of these, and then raises.
            says("get k", "None", 500);
            says("mget k l", "[None, None]", 500);
            says("hgetall h", "{}", 500);
            says("smembers s", "set()", 500);
            says("pipeline k l", "[None, None]", 500);
            says("exists k", "0", 500);
        }
        says("set k w", "ResponseError: ROADWORKSDOWN", 500);
        says("incr n", "ResponseError: ROADWORKSDOWN", 500);
        // Whoever comes new is let in, too.
        let mut other = Python::at(guarded.port, version);
        assert_eq!(other.does("get k").1, "None");
        guarded.again();
        says("set k w", "True", 500);
        says("get k", "b'w'", 500);
        assert_eq!(other.does("get k").1, "b'w'");
    }
}
