//! A restart that nobody sees: web clients and workers wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Duration;

use roadworks::clock::monotonic;

use super::guard::Guarded;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::serving::until;

const WEB: usize = 20;
const WORKERS: usize = 3;
const AWAY: Duration = Duration::from_secs(3);

/// What they did: each job that was accepted, and each that was done.
#[derive(Default)]
struct Told {
    accepted: Vec<String>,
    done: Vec<String>,
    reads: usize,
    slowest: Duration,
}

/// One web client: it reads, and gives a job now and then, until it is over.
fn visits(port: u16, web: usize, pushing: &RwLock<()>, told: &Mutex<Told>, is_over: &AtomicBool) {
    let mut client = Client::at(port);
    for number in 0.. {
        let began = monotonic();
        assert_eq!(client.does("GET price"), "$2\r\n10");
        assert_eq!(client.does("MGET price name"), "*2\r\n$2\r\n10\r\n$3\r\nana");
        let took = monotonic().duration_since(began);
        if number % 10 == 0 {
            // Of a push that is on its way when Redis goes nobody can say whether it was done.
            let _pushing = pushing.read().unwrap();
            let job = format!("{web}-{number}");
            let said = client.does(&format!("RPUSH jobs {job}"));
            assert!(said.starts_with(':'), "{said}");
            told.lock().unwrap().accepted.push(job);
        }
        let mut told = told.lock().unwrap();
        told.reads += 2;
        told.slowest = told.slowest.max(took);
        if is_over.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// One worker: it waits for a job, does it, and ends with one that says so.
fn works(port: u16, told: &Mutex<Told>) {
    let mut client = Client::at(port);
    loop {
        client.send(&encoded(&["BLPOP", "jobs", "0"]));
        let said = String::from_utf8(client.next().expect("it is not let go")).unwrap();
        let job = said.trim_end().rsplit("\r\n").next().unwrap().to_owned();
        if job == "end" {
            return;
        }
        told.lock().unwrap().done.push(job);
    }
}

#[test]
fn twenty_web_clients_and_three_workers_see_nothing_of_a_restart_of_three_seconds() {
    let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut guarded = Guarded::before(redis, "role = \"queue\"");
    let port = guarded.port;
    assert_eq!(guarded.client().does("MSET price 10 name ana"), "+OK");
    let (pushing, told) = (RwLock::<()>::default(), Mutex::<Told>::default());
    let is_over = AtomicBool::default();
    let accepted = || told.lock().unwrap().accepted.len();
    let are_done = || {
        let told = told.lock().unwrap();
        (told.done.len() == told.accepted.len()).then_some(())
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| works(port, &told));
        }
        thread::scope(|scope| {
            for web in 0..WEB {
                let (pushing, told, is_over) = (&pushing, &told, &is_over);
                scope.spawn(move || visits(port, web, pushing, told, is_over));
            }
            until(|| (accepted() >= WEB).then_some(()));
            {
                let _nobody_pushes = pushing.write().unwrap();
                until(are_done);
                guarded.redis.kill();
                guarded.says("redis is away");
            }
            thread::sleep(AWAY);
            let before = accepted();
            guarded.again();
            // All of them go on.
            until(|| (accepted() >= before + WEB).then_some(()));
            is_over.store(true, Ordering::SeqCst);
        });
        until(are_done);
        for _ in 0..WORKERS {
            assert!(guarded.client().does("RPUSH jobs end").starts_with(':'));
        }
    });
    let mut told = told.into_inner().unwrap();
    told.accepted.sort();
    told.done.sort();
    assert_eq!(told.accepted, told.done, "every job once");
    assert!(told.slowest >= AWAY && told.slowest < AWAY * 4, "{:?}", told.slowest);
    assert_eq!(guarded.told("redis is away"), 1);
    assert!(guarded.told("redis is back") == 1 && told.reads > WEB * 20, "{}", told.reads);
}
