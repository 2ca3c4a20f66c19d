//! Pipelines of any commands while anything happens to Redis: nothing is done twice, nothing that was told is lost, and no cache tells
//! what is no longer true. `ROADWORKS_FAULTS` says for how many rounds (8 by day, each a guard and a Redis of its own).

use std::collections::HashMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame as Frame;

use super::guard::Guarded;
use crate::support::bind::free_port;
use crate::support::redis::{Client, RedisServer, encoded};

const CLIENTS: usize = 6;
/// In each round; those that follow on each other last longer and longer.
const FAULTS: usize = 3;
/// In each round, of each client, at least.
const TURNS: usize = 30;

/// What became of a command, as far as its client can tell.
#[derive(Debug, Clone)]
enum Outcome {
    Done(Frame),
    Refused,
    Unknown,
}

impl Outcome {
    /// Of the bytes of an answer; none where the connection ended.
    fn of(answer: Option<Vec<u8>>) -> Outcome {
        let Some(bytes) = answer else { return Outcome::Unknown };
        match decode(&bytes).unwrap().unwrap().0 {
            Frame::Error(error) if error.contains("is unknown") => Outcome::Unknown,
            Frame::Error(_) => Outcome::Refused,
            said => Outcome::Done(said),
        }
    }
}

/// A client that begins anew where its connection ended, or nobody knows in which database it is.
struct Pipelining {
    port: u16,
    client: Client,
    database: usize,
    rng: Rng,
}

impl Pipelining {
    fn at(port: u16, seed: u64) -> Pipelining {
        Pipelining { port, client: Client::at(port), database: 0, rng: Rng::with_seed(seed) }
    }

    /// Sends some of what `make` makes for a database in one piece, now and then as a transaction, or with a SELECT between; each with
    /// what became of it.
    fn asks<T>(
        &mut self,
        mut make: impl FnMut(&mut Rng, usize) -> (Vec<String>, T),
    ) -> Vec<(T, Outcome)> {
        let (mut bytes, mut whats) = (Vec::new(), Vec::new());
        let count = self.rng.usize(1..8);
        let is_transaction = self.rng.u8(..4) == 0;
        let turns_at = self.rng.usize(..count * 2);
        if is_transaction {
            bytes.extend(encoded(&["MULTI"]));
        }
        for number in 0..count {
            if number == turns_at && !is_transaction {
                self.database = 1 - self.database;
                bytes.extend(encoded(&["SELECT", &self.database.to_string()]));
                whats.push(None);
            }
            let (words, what) = make(&mut self.rng, self.database);
            bytes.extend(encoded(&words));
            whats.push(Some(what));
        }
        let sent = self.client.send_if_open(&bytes);
        let outcomes = if is_transaction {
            self.client.send_if_open(&encoded(&["EXEC"])).unwrap_or_default();
            self.executed(count)
        } else {
            whats.iter().map(|_| Outcome::of(self.client.next())).collect()
        };
        let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done(_));
        if sent.is_err() || !outcomes.iter().all(is_done) {
            (self.client, self.database) = (Client::at(self.port), 0);
        }
        let all = whats.into_iter().zip(outcomes);
        all.filter_map(|(what, outcome)| Some((what?, outcome))).collect()
    }

    /// What became of the commands of a transaction.
    fn executed(&mut self, count: usize) -> Vec<Outcome> {
        let mut last = Outcome::Refused;
        for _ in 0..count + 2 {
            last = Outcome::of(self.client.next());
        }
        match last {
            Outcome::Done(Frame::Array(said)) => {
                assert_eq!(said.len(), count);
                said.into_iter().map(Outcome::Done).collect()
            }
            Outcome::Done(said) => panic!("no transaction is answered so: {said:?}"),
            other => vec![other; count],
        }
    }
}

/// Rounds of a guard with these lines, clients that do what `visits` does until faults are over, and what must hold `then`.
#[expect(clippy::print_stdout, reason = "a test that fails shows what it began with")]
fn plays<T: Default + Send + Sync>(
    lines: &str,
    visits: impl Fn(&mut Pipelining, usize, &Mutex<T>) + Sync,
    then: impl Fn(&Guarded, &T),
) {
    let rounds = env::var("ROADWORKS_FAULTS").map_or(8, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let seed = fastrand::u64(..);
        println!("round {round}, seed {seed}");
        let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
        let mut guarded = Guarded::before(redis, lines);
        let (port, told, is_over) = (guarded.port, Mutex::<T>::default(), AtomicBool::default());
        thread::scope(|scope| {
            for own in 0..CLIENTS {
                let (visits, told, is_over) = (&visits, &told, &is_over);
                scope.spawn(move || {
                    let own_seed = seed.wrapping_add(u64::try_from(own).unwrap());
                    let (mut client, mut turns) = (Pipelining::at(port, own_seed), 0);
                    while turns < TURNS || !is_over.load(Ordering::SeqCst) {
                        visits(&mut client, own, told);
                        turns += 1;
                    }
                });
            }
            let mut rng = Rng::with_seed(seed);
            for _ in 0..FAULTS {
                thread::sleep(Duration::from_millis(rng.u64(20..200)));
                happens(&mut guarded, &mut rng);
            }
            thread::sleep(Duration::from_millis(100));
            is_over.store(true, Ordering::SeqCst);
        });
        then(&guarded, &told.into_inner().unwrap());
    }
}

/// Something happens to Redis.
fn happens(guarded: &mut Guarded, rng: &mut Rng) {
    let a_while = Duration::from_millis(rng.u64(1..300));
    let for_a_while = |begin: &str, end: &str| {
        assert_eq!(guarded.redis.client().does(begin), "+OK");
        thread::sleep(a_while);
        assert_eq!(guarded.redis.client().does(end), "+OK");
    };
    match rng.u8(..5) {
        0 => {
            guarded.redis.kill();
            thread::sleep(a_while);
            guarded.redis.again();
        }
        1 => {
            guarded.redis.signal("STOP");
            thread::sleep(a_while);
            guarded.redis.signal("CONT");
        }
        // It takes no writes.
        2 => for_a_while("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        3 => for_a_while(&format!("REPLICAOF 127.0.0.1 {}", free_port()), "REPLICAOF NO ONE"),
        _ => {
            let killed = guarded.redis.client().does("CLIENT KILL TYPE normal SKIPME yes");
            assert!(killed.starts_with(':'), "{killed}");
        }
    }
}

// Queues

/// What is done with a queue.
#[derive(Debug, Clone)]
enum Step {
    Push(String),
    Take,
    /// To another list.
    Move,
}

/// All jobs of a round.
#[derive(Debug, Default)]
struct Jobs {
    pushed: Vec<(String, Outcome)>,
    taken: Vec<String>,
    /// Of so many nobody knows whether they took one.
    perhaps_taken: usize,
}

fn works(client: &mut Pipelining, own: usize, jobs: &Mutex<Jobs>) {
    let done = client.asks(|rng, database| {
        let from = format!("jobs-{own}");
        let (words, step) = match rng.u8(..4) {
            0 => (vec!["LPOP".to_owned(), from], Step::Take),
            1 => (vec!["RPOPLPUSH".to_owned(), from, format!("begun-{own}")], Step::Move),
            _ => {
                let job = format!("job-{database}-{own}-{}", rng.u64(..));
                (vec!["RPUSH".to_owned(), from, job.clone()], Step::Push(job))
            }
        };
        (words, step)
    });
    let mut jobs = jobs.lock().unwrap();
    for (step, outcome) in done {
        match (step, outcome) {
            (Step::Push(job), outcome) => jobs.pushed.push((job, outcome)),
            (Step::Take, Outcome::Done(Frame::BulkString(job))) => {
                jobs.taken.push(String::from_utf8(job).unwrap());
            }
            (Step::Take, Outcome::Unknown) => jobs.perhaps_taken += 1,
            (Step::Take | Step::Move, _) => {}
        }
    }
}

/// Each job that was accepted is there once, in its database, or was taken once; and none that was refused.
fn each_job_is_there_once(guarded: &Guarded, jobs: &Jobs) {
    let mut found: HashMap<String, usize> = HashMap::new();
    let mut direct = guarded.redis.client();
    for database in 0..2 {
        assert_eq!(direct.does(&format!("SELECT {database}")), "+OK");
        for (kind, own) in
            ["jobs", "begun"].iter().flat_map(|kind| (0..CLIENTS).map(move |own| (kind, own)))
        {
            let said = direct.does(&format!("LRANGE {kind}-{own} 0 -1"));
            for job in said.lines().filter(|line| line.starts_with("job-")) {
                assert!(
                    job.starts_with(&format!("job-{database}-{own}-")),
                    "{job} is in {database}"
                );
                *found.entry(job.to_owned()).or_default() += 1;
            }
        }
    }
    for job in &jobs.taken {
        *found.entry(job.clone()).or_default() += 1;
    }
    let (mut is_missing, log) = (Vec::new(), guarded.serving.log());
    for (job, outcome) in &jobs.pushed {
        let count = found.remove(job).unwrap_or_default();
        match outcome {
            Outcome::Done(_) if count == 0 => is_missing.push(job),
            Outcome::Done(_) => {
                let taken = jobs.taken.iter().filter(|taken| *taken == job).count();
                assert_eq!(count, 1, "{job} taken {taken} times\n{log}");
            }
            Outcome::Refused => assert_eq!(count, 0, "{job} was refused\n{log}"),
            Outcome::Unknown => assert!(count <= 1, "{job}\n{log}"),
        }
    }
    assert!(found.is_empty(), "nobody pushed {found:?}");
    assert!(is_missing.len() <= jobs.perhaps_taken, "{is_missing:?}\n{log}");
    let done = jobs.pushed.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Done(_)));
    assert!(done.count() > 100, "much is done all the while\n{log}");
}

#[test]
fn each_job_of_a_queue_is_there_once_whatever_happens_to_redis() {
    plays("role = \"queue\"", works, each_job_is_there_once);
}

// Caches

const KEPT: &str = "budget = \"100ms\"\n    journal {\n    }";

/// What each key of a database may have.
type Values = HashMap<(usize, String), Vec<String>>;

/// What is done with a key of a cache.
#[derive(Debug, Clone)]
enum Use {
    Get(usize, String),
    Set(usize, String, String),
    Delete(usize, String),
}

/// What each client's keys may have in a round, and how much was read of them.
#[derive(Debug, Default)]
struct Looked {
    values: HashMap<usize, Values>,
    hits: usize,
    misses: usize,
}

fn reads_and_writes(client: &mut Pipelining, own: usize, looked: &Mutex<Looked>) {
    let done = client.asks(|rng, database| {
        let key = format!("k-{own}-{}", rng.u8(..6));
        match rng.u8(..4) {
            0 => {
                let value = format!("v-{database}-{}", rng.u64(..));
                let words = vec!["SET".to_owned(), key.clone(), value.clone()];
                (words, Use::Set(database, key, value))
            }
            1 if rng.bool() => (vec!["DEL".to_owned(), key.clone()], Use::Delete(database, key)),
            _ => (vec!["GET".to_owned(), key.clone()], Use::Get(database, key)),
        }
    });
    let mut looked = looked.lock().unwrap();
    let Looked { values, hits, misses } = &mut *looked;
    let values = values.entry(own).or_default();
    for (what, outcome) in done {
        match (what, outcome) {
            (Use::Get(database, key), Outcome::Done(Frame::BulkString(value))) => {
                let value = String::from_utf8(value).unwrap();
                let may_be = values.get(&(database, key.clone())).cloned().unwrap_or_default();
                assert!(may_be.contains(&value), "{database} {key}: {value} of {may_be:?}");
                *hits += 1;
            }
            (Use::Get(..), Outcome::Done(_)) => *misses += 1,
            (Use::Set(database, key, value), Outcome::Done(_)) => {
                values.insert((database, key), vec![value]);
            }
            // It may be done yet.
            (Use::Set(database, key, value), Outcome::Unknown) => {
                values.entry((database, key)).or_default().push(value);
            }
            (Use::Delete(database, key), Outcome::Done(_)) => {
                values.remove(&(database, key));
            }
            (Use::Get(..) | Use::Set(..) | Use::Delete(..), _) => {}
        }
    }
}

fn much_was_looked_at(guarded: &Guarded, looked: &Looked) {
    assert!(looked.hits > 20 && looked.misses > 20, "{looked:?}\n{}", guarded.serving.log());
}

#[test]
fn no_cache_tells_what_is_no_longer_true_whatever_happens_to_redis() {
    plays(&format!("role = \"cache\"\n    {KEPT}"), reads_and_writes, much_was_looked_at);
}

#[test]
fn no_cache_whose_clients_wait_tells_what_is_no_longer_true() {
    plays(
        &format!("role = \"cache\"\n    on_outage = [\"hold 500ms\", \"open\"]\n    {KEPT}"),
        reads_and_writes,
        much_was_looked_at,
    );
}
