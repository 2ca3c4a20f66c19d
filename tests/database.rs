//! A site's databases, with real `PostgreSQL` and `PgBouncer`: paused while visitors wait, read-only while they may only read, and let
//! go by somebody whatever happens to whoever paused them.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::app::App;
use crate::support::command::interruptible;
use crate::support::databases::{PASSWORD, Pgbouncer, Postgres, binary};
use crate::support::serving::{Serving, Stand, answer, config, until};

/// A site whose pools are paused in hold and whose database is read-only in read-only.
struct Shop {
    stand: Stand,
    pools: Vec<Pgbouncer>,
    postgres: Postgres,
    _app: App,
}

impl Shop {
    fn new(pools: usize, settings: &str, more: &str) -> Shop {
        let (app, postgres) = (App::start(), Postgres::start());
        postgres.does("CREATE TABLE orders (id serial PRIMARY KEY, at timestamptz DEFAULT now())");
        postgres.does("CREATE ROLE migrator LOGIN");
        let pools: Vec<_> = (0..pools).map(|_| Pgbouncer::start(&postgres, settings)).collect();
        let blocks: Vec<_> = pools.iter().map(|pool| block(pool, more)).collect();
        let server = format!(
            "  database \"postgres\" {{\n    url = \"{}\"\n    migrators = [\"migrator\"]\n  }}\n",
            postgres.url(PASSWORD)
        );
        let text = config(&app.url(), "hold {\n      patience = \"8s\"\n    }");
        let text = with(&text, &format!("{}{server}", blocks.concat()));
        let stand = Stand::new(&text);
        Shop { stand, pools, postgres, _app: app }
    }

    fn serve(&self) -> Serving {
        let serving = self.stand.serve();
        self.stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
        serving
    }

    fn pool(&self) -> &Pgbouncer {
        &self.pools[0]
    }

    fn count(&self) -> usize {
        self.postgres.says("SELECT count(*) FROM orders").parse().unwrap()
    }

    fn database(&self) -> Value {
        let status = self.stand.status();
        let levers = status["levers"].as_array().unwrap().clone();
        levers.into_iter().find(|lever| lever["name"] == "database").unwrap()
    }
}

fn block(pool: &Pgbouncer, more: &str) -> String {
    format!(
        "  database \"pgbouncer\" {{\n    url = \"{}\"\n    databases = [\"shop\"]\n    probe = \"{}\"\n{more}  }}\n",
        pool.console(),
        pool.url("shop")
    )
}

/// The configuration `text` with these lines at the end of its site.
fn with(text: &str, lines: &str) -> String {
    let (before, _) = text.trim_end().rsplit_once('}').unwrap();
    format!("{before}{lines}}}\n")
}

/// A session that has a transaction open in the pool and does nothing, until it is ended.
struct Idles(Child);

impl Idles {
    fn in_pool(pool: &Pgbouncer, postgres: &Postgres) -> Idles {
        Idles::with(pool, postgres, "BEGIN; INSERT INTO orders DEFAULT VALUES;")
    }

    fn with(pool: &Pgbouncer, postgres: &Postgres, begins: &str) -> Idles {
        let line = format!(
            "(echo '{begins}'; sleep 600) | {} '{}' -q",
            binary("psql").display(),
            pool.url("shop")
        );
        let child = Command::new("setsid")
            .args(["sh", "-c", &line])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
        until(|| (postgres.says(idle) == "1").then_some(()));
        Idles(child)
    }
}

impl Drop for Idles {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.0.wait());
    }
}

#[test]
fn s1_a_pool_is_paused_while_a_command_works_and_let_go_last_and_nobody_notices_but_by_waiting() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    let insert = format!(
        "{} '{}' -q -c 'INSERT INTO orders DEFAULT VALUES'",
        binary("psql").display(),
        shop.pool().url("shop")
    );
    let waits = "touch begun; while [ ! -e go ]; do sleep 0.02; done";
    let words = ["run", "hold", "--yes", "--", "sh", "-c", waits];
    let running = Serving::start(&mut interruptible(&shop.stand.command(&words)));
    until(|| shop.stand.folder().join("begun").exists().then_some(()));
    assert!(shop.pool().is_paused());
    assert_eq!(shop.pool().retry(), "0");
    assert_eq!(shop.database()["position"], "hold");
    thread::scope(|scope| {
        let writer = scope.spawn(|| Command::new("sh").args(["-c", &insert]).status().unwrap());
        until(|| shop.pool().says("SHOW POOLS").contains("shop|ana|0|1|").then_some(()));
        assert_eq!(shop.count(), 0, "it waits");
        shop.stand.write("go", "");
        assert!(writer.join().unwrap().success());
    });
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    assert_eq!((shop.count(), shop.pool().is_paused()), (1, false));
    assert_eq!(shop.pool().retry(), "15", "as it was");
    assert_eq!(shop.database()["position"], "open");
}

#[test]
fn s2_s4_a_session_that_keeps_the_pool_from_being_paused_is_named_and_everything_goes_on() {
    let shop = Shop::new(1, "", "    deadline = \"1s\"\n");
    let serving = shop.serve();
    // From then on this PgBouncer says at once of every PAUSE that it is done.
    shop.pool().does("SELECT 1");
    shop.pool().says("RECONNECT shop");
    shop.pool().says("WAIT_CLOSE shop");
    let _idle = Idles::in_pool(shop.pool(), &shop.postgres);
    let refused =
        shop.stand.run(&["run", "hold", "--yes", "--json", "--", "touch", "ran"]).exits(3);
    let error = refused.error();
    assert_eq!(error["code"], "pause-blocked", "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("psql of ana") || message.contains("of ana (psql)"), "{message}");
    assert!(!shop.stand.folder().join("ran").exists(), "nothing is run");
    assert!(!shop.pool().is_paused());
    assert_eq!(shop.pool().retry(), "15");
    assert_eq!(shop.stand.status()["mode"], "open");
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn an_idle_session_is_ended_where_somebody_says_so() {
    let shop = Shop::new(1, "", "    deadline = \"3s\"\n");
    let _serving = shop.serve();
    let _idle = Idles::in_pool(shop.pool(), &shop.postgres);
    let words = ["run", "hold", "--yes", "--terminate-idle", "--", "true"];
    shop.stand.run(&words).exits(0);
    assert_eq!(shop.count(), 0, "what it had begun is undone");
    assert!(!shop.pool().is_paused());
}

#[test]
fn of_several_pools_all_are_paused_or_none() {
    let mut shop = Shop::new(2, "", "    deadline = \"1s\"\n");
    let _serving = shop.serve();
    shop.stand.run(&["hold", "--yes"]).exits(0);
    assert!(shop.pools.iter().all(Pgbouncer::is_paused));
    shop.stand.run(&["open", "--yes"]).exits(0);
    assert!(!shop.pools.iter().any(Pgbouncer::is_paused));
    let idle = Idles::in_pool(&shop.pools[1], &shop.postgres);
    shop.stand.run(&["hold", "--yes"]).exits(3);
    assert!(!shop.pools.iter().any(Pgbouncer::is_paused));
    drop(idle);
    // One that is gone is said before anything moves.
    drop(shop.pools.pop());
    let error = shop.stand.run(&["hold", "--yes", "--json"]).exits(3).error();
    assert_eq!(error["code"], "database-unreachable", "{error:#}");
    assert!(!shop.pool().is_paused());
}

/// Kills whoever runs a command while the pool is paused, and then the command.
fn killed_in_hold(shop: &Shop) {
    let line = "echo $$ > pid; mv pid begun; exec sleep 60";
    let words = ["run", "hold", "--yes", "--", "sh", "-c", line];
    let running = Serving::start(&mut shop.stand.command(&words));
    let pid = until(|| fs::read_to_string(shop.stand.folder().join("begun")).ok());
    assert!(shop.pool().is_paused());
    running.signal("KILL");
    // The drop of its handle finds it gone.
    assert_eq!(running.ended(), None);
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn n10_a_pool_is_let_go_by_the_agent_when_whoever_runs_the_command_is_killed() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    killed_in_hold(&shop);
    until(|| (!shop.pool().is_paused()).then_some(()));
    until(|| (shop.pool().retry() == "15").then_some(()));
    assert_eq!(shop.stand.status()["desired"], "hold", "nobody opens the site");
    let log = until(|| {
        let log = shop.stand.run(&["log", "--json"]).exits(0).json();
        let entries = log["entries"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["event"] == "let-go")
    });
    assert!(log["detail"].as_str().unwrap().contains("is gone"), "{log:#}");
    shop.stand.run(&["open", "--yes"]).exits(0);
}

#[test]
fn no_pool_is_paused_for_a_command_whose_runner_is_gone_before_it_began() {
    let shop = Shop::new(1, "", "");
    let serving = shop.serve();
    // While this request runs the drain goes on, and nothing is paused yet.
    let slow = serving.sends("GET", "/slow/3000");
    let words = ["run", "hold", "--yes", "--", "touch", "ran"];
    let running = Serving::start(&mut interruptible(&shop.stand.command(&words)));
    shop.stand.until(|status| status["desired"] == "hold");
    running.signal("KILL");
    running.ended();
    assert_eq!(answer(slow).0, 200);
    shop.stand.until(|status| status["phase"] != "moving");
    assert!(!shop.pool().is_paused());
    let log = shop.stand.run(&["log", "--json"]).exits(0).json();
    let events: Vec<_> =
        log["entries"].as_array().unwrap().iter().map(|one| &one["event"]).collect();
    assert!(events.iter().any(|event| *event == "resumed"), "{events:?}");
    assert!(!events.iter().any(|event| *event == "let-go"), "nothing was paused: {events:?}");
    assert!(!shop.stand.folder().join("ran").exists());
    // Whoever asks for it by hand has it paused.
    shop.stand.run(&["open", "--yes"]).exits(0);
    shop.stand.run(&["hold", "--yes"]).exits(0);
    assert!(shop.pool().is_paused());
}

#[test]
fn what_an_agent_pauses_for_a_moment_for_a_runner_that_is_gone_is_looked_after() {
    let shop = Shop::new(1, "", "");
    let serving = shop.serve();
    let slow = serving.sends("POST", "/slow/3000");
    let words = ["run", "read-only", "--yes", "--", "touch", "ran"];
    let running = Serving::start(&mut interruptible(&shop.stand.command(&words)));
    shop.stand.until(|status| status["desired"] == "read-only");
    running.signal("KILL");
    running.ended();
    assert_eq!(answer(slow).0, 200);
    let moved = shop.stand.until(|status| status["phase"] != "moving");
    assert_eq!(shop.database()["position"], "read-only");
    assert!(!shop.pool().is_paused());
    // Its pool was paused while the database was changed, and somebody else knew of it.
    let pause = fs::read(shop.stand.folder().join(".roadworks/shop/pause.json")).unwrap();
    let pause: Value = serde_json::from_slice(&pause).unwrap();
    assert_eq!((&pause["operation"], &pause["over"]), (&moved["operation"], &Value::Bool(true)));
    assert!(pause["keeper"].is_string(), "{pause:#}");
}

#[test]
fn a_pool_that_is_let_go_while_a_command_works_is_said_and_nobodys_death_makes_it_last_longer() {
    let shop = Shop::new(1, "", "");
    let serving = shop.serve();
    let waits = "touch begun; while [ ! -e go ]; do sleep 0.02; done";
    let words = ["run", "hold", "--yes", "--on-failure=open", "--", "sh", "-c", waits];
    let running = Serving::start(&mut interruptible(&shop.stand.command(&words)));
    until(|| shop.stand.folder().join("begun").exists().then_some(()));
    assert!(shop.pool().is_paused());
    // The agent that looks after it dies: whoever runs the command lets it go, a little later than it would have.
    serving.signal("KILL");
    serving.ended();
    until(|| (!shop.pool().is_paused()).then_some(()));
    until(|| running.log().contains("what was paused for it runs again").then_some(()));
    let serving = shop.serve();
    shop.stand.write("go", "");
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    let log = running.log();
    let warning = "as long as its clients may wait: that was before `sh` had ended";
    assert!(log.contains(warning), "{log}");
    assert_eq!(shop.pool().retry(), "15");
    drop(serving);
}

#[test]
fn s3_a_pool_is_let_go_when_visitors_wait_no_longer_and_the_site_stays() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    shop.stand.run(&["hold", "--yes"]).exits(0);
    assert!(shop.pool().is_paused());
    until(|| (!shop.pool().is_paused()).then_some(()));
    assert_eq!(shop.stand.status()["desired"], "hold");
    assert_eq!(shop.database()["position"], "open");
    shop.stand.run(&["open", "--yes"]).exits(0);
}

#[test]
fn where_no_agent_lives_a_watchdog_lets_the_pool_go() {
    let shop = Shop::new(1, "", "");
    let serving = shop.stand.serve_by(&mut shop.stand.command(&["serve", "--role", "gateway"]));
    shop.stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    killed_in_hold(&shop);
    until(|| (!shop.pool().is_paused()).then_some(()));
    until(|| (shop.pool().retry() == "15").then_some(()));
    assert_eq!(shop.stand.status()["desired"], "hold", "nobody opens the site");
    drop(serving);
}

#[test]
fn what_cannot_be_paused_is_said_before_anything_moves() {
    let shop = Shop::new(1, "pool_mode = session", "");
    let _serving = shop.serve();
    let error = shop.stand.run(&["hold", "--yes", "--json"]).exits(3).error();
    assert_eq!(error["code"], "session-pool", "{error:#}");
    assert_eq!(shop.stand.status()["mode"], "open");
    assert!(doubts(&shop.stand)[0].contains("by session"), "{:?}", doubts(&shop.stand));
    // Without anything in the way: the URL of the database itself, and clients that do not wait.
    let impatient = Shop::new(1, "query_wait_timeout = 5", "");
    let _serving = impatient.serve();
    let error = impatient.stand.run(&["hold", "--yes", "--json"]).exits(3).error();
    assert_eq!(error["code"], "query-wait-timeout", "{error:#}");
    let itself = format!(
        "  database \"pgbouncer\" {{\n    url = \"{}\"\n  }}\n",
        impatient.postgres.url(PASSWORD)
    );
    let stand = Stand::new(&with(&config("http://127.0.0.1:1", ""), &itself));
    let found = stand.run(&["doctor", "--json"]).exits(1).json();
    let found = found["checks"].as_array().unwrap().iter().find(|one| one["id"] == "database");
    let reason = found.unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("no admin console of a PgBouncer"), "{reason}");
    assert!(!reason.contains("secret"), "{reason}");
}

/// What `doctor` finds wrong with the databases.
fn doubts(stand: &Stand) -> Vec<String> {
    let found = stand.run(&["doctor", "--json"]).json();
    let all = found["checks"].as_array().unwrap().iter();
    let wrong = all.filter(|one| one["id"] == "database" && one["result"] == "fail");
    wrong.map(|one| one["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_would_fail_once_it_moves_is_tried_before_by_doctor() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    assert!(doubts(&shop.stand).is_empty(), "{:?}", doubts(&shop.stand));
    // Somebody who may read and no more, a role that is not there, and a probe that is not let in.
    shop.postgres.does("CREATE ROLE clerk LOGIN PASSWORD 'clerk'");
    let clerk = "postgres://clerk:clerk@127.0.0.1";
    let text = fs::read_to_string(shop.stand.folder().join("roadworks.hcl")).unwrap();
    let (pools, servers) = text.rsplit_once("database \"postgres\"").unwrap();
    let (_, after) = servers.split_once("@127.0.0.1").unwrap();
    let servers =
        format!(" {{\n    url = \"{clerk}{after}").replace("[\"migrator\"]", "[\"nobody\"]");
    let (before, probe) = pools.split_once("probe = \"").unwrap();
    let (_, behind) = probe.split_once("@127.0.0.1").unwrap();
    let pools = format!("{before}probe = \"postgres://ana:wrong@127.0.0.1{behind}");
    shop.stand.write("roadworks.hcl", &format!("{pools}database \"postgres\"{servers}"));
    let found = doubts(&shop.stand).join("\n");
    for says in
        ["`probe`: ", "may not alter this database", "may not alter roles", "has no role nobody"]
    {
        assert!(found.contains(says), "{says}: {found}");
    }
    assert!(!found.contains("wrong@"), "{found}");
}

#[test]
fn a_database_is_read_only_through_its_pool_and_migrators_write() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    // A session of before, at work through the pool.
    let insert = |url: &str| {
        let done = Command::new(binary("psql"))
            .args([url, "-v", "VERBOSITY=verbose", "-c", "INSERT INTO orders DEFAULT VALUES"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    assert_eq!(insert(&shop.pool().url("shop")), "");
    shop.stand.run(&["read-only", "--yes"]).exits(0);
    assert_eq!(shop.database()["position"], "read-only");
    assert!(!shop.pool().is_paused());
    assert!(insert(&shop.pool().url("shop")).contains("25006"));
    assert!(insert(&shop.postgres.url(PASSWORD)).contains("25006"));
    let migrates = "SET ROLE migrator";
    assert_eq!(shop.postgres.says(migrates), "SET");
    let roles = "SELECT setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE rolname = 'migrator'";
    assert_eq!(shop.postgres.says(roles), "{default_transaction_read_only=off}");
    shop.stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(insert(&shop.pool().url("shop")), "");
    assert_eq!(shop.count(), 2);
    assert_eq!(shop.postgres.says(roles), "");
}

#[test]
fn a_transaction_that_does_not_end_keeps_nobody_from_writing_again() {
    let shop = Shop::new(1, "", "    deadline = \"500ms\"\n");
    let _serving = shop.serve();
    shop.stand.run(&["read-only", "--yes"]).exits(0);
    let _idle = Idles::with(shop.pool(), &shop.postgres, "BEGIN; SELECT 1;");
    shop.stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(shop.database()["position"], "open");
    shop.pool().does("INSERT INTO orders DEFAULT VALUES");
    assert_eq!(shop.count(), 1);
}

#[test]
fn a_command_is_told_how_long_its_statements_may_wait() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    let line = "echo \"$PGOPTIONS\"";
    let told = shop.stand.run(&["run", "hold", "--yes", "--", "sh", "-c", line]).exits(0).stdout;
    assert_eq!(told, "-c lock_timeout=1000 -c statement_timeout=8000\n");
    let told = shop.stand.run(&["run", "close", "--yes", "--", "sh", "-c", line]).exits(0).stdout;
    assert_eq!(told, "-c lock_timeout=1000\n");
}

#[test]
fn s5_what_is_paused_already_and_what_runs_already_is_as_good() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    assert_eq!(shop.pool().says("PAUSE shop"), "PAUSE\n");
    shop.stand.run(&["hold", "--yes"]).exits(0);
    assert_eq!(shop.pool().says("RESUME shop"), "RESUME\n");
    shop.stand.run(&["open", "--yes"]).exits(0);
    assert!(!shop.pool().is_paused());
}

/// Eight writers through the pool, each row in a connection that stays, until they are told to stop.
struct Writers {
    children: Vec<Child>,
    enough: PathBuf,
}

impl Writers {
    fn through(shop: &Shop) -> Writers {
        let enough = shop.stand.folder().join("enough");
        // Each writes what it did and how long the longest took, in milliseconds, and its first error.
        let line = format!(
            "while [ ! -e '{}' ]; do echo 'INSERT INTO orders DEFAULT VALUES;'; sleep 0.01; done | {} '{}' -q -v ON_ERROR_STOP=1",
            enough.display(),
            binary("psql").display(),
            shop.pool().url("shop")
        );
        let write = |_| {
            Command::new("sh")
                .args(["-c", &line])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        Writers { children: (0..8).map(write).collect(), enough }
    }

    /// What each of them said that went wrong.
    fn ended(self) -> Vec<String> {
        fs::write(&self.enough, "").unwrap();
        let said = |child: Child| {
            let done = child.wait_with_output().unwrap();
            String::from_utf8_lossy(&done.stderr).into_owned()
        };
        self.children.into_iter().map(said).filter(|said| !said.is_empty()).collect()
    }
}

/// Visitors who ask until they are told to stop: how many were answered, and the slowest answer in milliseconds.
fn visitors(serving: &Serving, enough: &AtomicBool) -> (u32, u128) {
    let (mut answered, mut slowest) = (0, 0);
    while !enough.load(SeqCst) {
        let began = roadworks::clock::monotonic();
        assert_eq!(serving.ask("GET", "/").0, 200);
        slowest = slowest.max(began.elapsed().as_millis());
        answered += 1;
    }
    (answered, slowest)
}

#[test]
fn a_migration_and_a_restart_of_the_database_under_load_fail_nobody() {
    let shop = Shop::new(1, "", "");
    let serving = shop.serve();
    let writers = Writers::through(&shop);
    until(|| (shop.count() > 100).then_some(()));
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| visitors(&serving, &enough))).collect();
        let alter = format!(
            "{} '{}' -q -c 'ALTER TABLE orders ADD note text'",
            binary("psql").display(),
            shop.postgres.url(PASSWORD)
        );
        shop.stand.run(&["run", "hold", "--yes", "--", "sh", "-c", &alter]).exits(0);
        let before = shop.count();
        let restart = shop.postgres.restart();
        shop.stand.run(&["run", "hold", "--yes", "--", "sh", "-c", &restart]).exits(0);
        until(|| (shop.count() > before + 100).then_some(()));
        enough.store(true, SeqCst);
        for visitor in asking {
            let (answered, slowest) = visitor.join().unwrap();
            assert!(
                answered > 10 && slowest < 8_000,
                "{answered} answers, the slowest {slowest} ms"
            );
        }
    });
    assert_eq!(writers.ended(), Vec::<String>::new());
    assert_eq!(shop.pool().retry(), "15");
}

#[test]
fn b1_of_five_holds_under_queries_none_loses_one() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    let writers = Writers::through(&shop);
    until(|| (shop.count() > 50).then_some(()));
    for _ in 0..5 {
        shop.stand.run(&["run", "hold", "--yes", "--", "true"]).exits(0);
    }
    assert_eq!(writers.ended(), Vec::<String>::new());
}

#[test]
fn b2_clients_are_let_go_before_the_pool_would_send_them_away() {
    // They wait for twelve seconds, of which the pool is paused for two, whatever the patience of visitors.
    let shop = Shop::new(1, "query_wait_timeout = 12", "");
    let _serving = shop.serve();
    shop.stand.run(&["hold", "--yes"]).exits(0);
    assert!(shop.pool().is_paused());
    shop.pool().does("INSERT INTO orders DEFAULT VALUES");
    assert!(!shop.pool().is_paused());
    assert_eq!(shop.stand.status()["mode"], "hold");
    shop.stand.run(&["open", "--yes"]).exits(0);
}

#[test]
fn b3_a_database_that_somebody_disabled_is_warned_of_and_stays_so() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    shop.pool().says("DISABLE shop");
    let plan = shop.stand.run(&["plan", "hold", "--json"]).exits(0).json();
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("is disabled: its clients are sent away"), "{warnings}");
    // It lets nobody in, so the site does not open onto it.
    let stays = shop.stand.run(&["run", "hold", "--yes", "--json", "--", "true"]).exits(6).error();
    let message = stays["message"].as_str().unwrap();
    assert!(message.contains("lets no new connection in"), "{message}");
    assert!(!shop.pool().is_paused());
    shop.pool().says("ENABLE shop");
    shop.stand.run(&["open", "--yes"]).exits(0);
    shop.pool().does("INSERT INTO orders DEFAULT VALUES");
}

#[test]
fn b4_a_pool_that_ends_while_it_is_paused_is_said_and_the_site_opens_once_it_is_back() {
    let mut shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    shop.stand.run(&["hold", "--yes"]).exits(0);
    let pool = shop.pools.remove(0).restarted(|| {
        let error = shop.stand.run(&["open", "--yes", "--json"]).exits(3).error();
        assert_eq!(error["code"], "database-unreachable", "{error:#}");
        assert_eq!(shop.stand.status()["desired"], "hold");
    });
    shop.stand.run(&["open", "--yes"]).exits(0);
    assert_eq!((pool.is_paused(), shop.stand.status()["mode"].clone()), (false, "open".into()));
}

#[test]
fn whoever_runs_a_command_may_be_killed_at_any_time_and_the_end_that_was_promised_comes() {
    let shop = Shop::new(1, "", "");
    let _serving = shop.serve();
    for after in [20, 120, 250, 380, 420, 460] {
        let words = ["run", "hold", "--for", "5s", "--yes", "--", "sleep", "0.2"];
        let running = Serving::start(&mut shop.stand.command(&words));
        thread::sleep(Duration::from_millis(after));
        if running.is_running() {
            running.signal("KILL");
            running.ended();
        }
        // At its end the agent opens: healthy upstreams are a check.
        let status =
            shop.stand.until(|status| status["mode"] == "open" && status["phase"] != "moving");
        assert_eq!(status["desired"], "open", "killed after {after} ms: {status:#}");
        until(|| (!shop.pool().is_paused() && shop.pool().retry() == "15").then_some(()));
    }
    shop.pool().does("INSERT INTO orders DEFAULT VALUES");
}

#[test]
fn a_check_that_fails_keeps_the_site_closed_and_its_pool_running_though_no_agent_lives() {
    let shop = Shop::new(1, "", "    when = [\"closed\"]\n");
    let path = shop.stand.folder().join("roadworks.hcl");
    let check = "  check \"exec\" \"well\" {\n    command = [\"test\", \"-e\", \"well\"]\n    deadline = \"1s\"\n  }\n";
    shop.stand.write("roadworks.hcl", &with(&fs::read_to_string(path).unwrap(), check));
    let _serving = shop.stand.serve_by(&mut shop.stand.command(&["serve", "--role", "gateway"]));
    shop.stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    shop.stand.run(&["close", "--yes"]).exits(0);
    assert!(shop.pool().is_paused());
    let error = shop.stand.run(&["open", "--yes", "--json"]).exits(3).error();
    assert_eq!(error["code"], "check-failed", "{error:#}");
    let status = shop.stand.status();
    assert_eq!((&status["mode"], &status["desired"]), (&"closed".into(), &"closed".into()));
    assert!(!shop.pool().is_paused(), "nobody waits for it");
    shop.stand.write("well", "");
    shop.stand.run(&["open", "--yes"]).exits(0);
}
