//! Real databases, each in a folder of its own and at a free port of loopback, ended with their handles.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::bind::free_port;

const LONG: Duration = Duration::from_secs(30);
/// The password of whoever may ask.
pub(crate) const PASSWORD: &str = "not-a:secret/at@all";

/// A Redis that wants [`PASSWORD`].
pub(crate) struct Redis {
    pub(crate) port: u16,
    process: Child,
    _folder: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--requirepass", PASSWORD, "--daemonize", "no", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server: run script/test, which installs it");
        until_open(port);
        Redis { port, process, _folder: folder }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A `PostgreSQL` with a database `shop` of `ana`, who has [`PASSWORD`].
pub(crate) struct Postgres {
    pub(crate) port: u16,
    process: Child,
    folder: TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Postgres {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        fs::write(&password, PASSWORD).unwrap();
        // It refuses to be run by root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let made = as_user("initdb")
            .args(["--username=ana", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(&data)
            .output()
            .expect("PostgreSQL: run script/test, which installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let process = as_user("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-k"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until_open(port);
        let postgres = Postgres { port, process, folder };
        let until = roadworks::clock::monotonic() + LONG;
        while !postgres.tries("CREATE DATABASE shop", "postgres") {
            assert!(roadworks::clock::monotonic() < until, "it does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        postgres
    }

    /// Its URL for whoever has `password`.
    pub(crate) fn url(&self, password: &str) -> String {
        let password = password.replace(':', "%3A").replace('/', "%2F").replace('@', "%40");
        format!("postgres://ana:{password}@127.0.0.1:{}/shop?sslmode=disable", self.port)
    }

    /// Does this in the database.
    pub(crate) fn does(&self, sql: &str) {
        assert!(self.tries(sql, "shop"), "{sql}");
    }

    /// A line of the shell that stops it and starts it again.
    pub(crate) fn restart(&self) -> String {
        let data = self.folder.path().join("data");
        let control = as_user("pg_ctl");
        let words: Vec<_> =
            std::iter::once(control.get_program()).chain(control.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let options =
            format!("-p {} -h 127.0.0.1 -F -k {}", self.port, self.folder.path().display());
        format!(
            "{} restart -m fast -w -s -D {} -o '{options}' >/dev/null 2>&1",
            words.join(" "),
            data.display()
        )
    }

    /// What a query gives, in one session of its own.
    pub(crate) fn says(&self, sql: &str) -> String {
        let done = Command::new(binary("psql"))
            .args([&self.url(PASSWORD), "-A", "-t", "-c", sql])
            .output()
            .unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
            + &String::from_utf8_lossy(&done.stderr)
    }

    fn tries(&self, sql: &str, database: &str) -> bool {
        let done = Command::new(binary("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "ana", "-d", database])
            .args(["-q", "-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.unwrap().success()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An orderly end takes its shared memory with it; the process is a child of whoever changed the user.
        let stop = as_user("pg_ctl")
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.folder.path().join("data"))
            .output();
        drop(stop);
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A `PgBouncer` before a `PostgreSQL`: `ana` may use it, and its console.
pub(crate) struct Pgbouncer {
    pub(crate) port: u16,
    process: Child,
    folder: TempDir,
}

impl Pgbouncer {
    /// Pools by transaction; `more` goes into its settings.
    pub(crate) fn start(postgres: &Postgres, more: &str) -> Pgbouncer {
        // A port that was free is taken now and then by somebody who goes out from it.
        let mut tries = (0..5).filter_map(|_| Pgbouncer::at(free_port(), postgres, more));
        tries.next().expect("PgBouncer starts at one of five ports")
    }

    fn at(port: u16, postgres: &Postgres, more: &str) -> Option<Pgbouncer> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let users = folder.path().join("users");
        fs::write(&users, format!("\"ana\" \"{PASSWORD}\"\n")).unwrap();
        let settings = format!(
            "[databases]\nshop = host=127.0.0.1 port={} dbname=shop\nother = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npidfile = {}\nauth_type = scram-sha-256\nauth_file = {}\nadmin_users = ana\npool_mode = transaction\nignore_startup_parameters = extra_float_digits\n{more}\n",
            postgres.port,
            postgres.port,
            folder.path().join("pid").display(),
            users.display()
        );
        let path = folder.path().join("pgbouncer.ini");
        fs::write(&path, settings).unwrap();
        let mut process = by_user("pgbouncer")
            .arg(&path)
            .stderr(Stdio::null())
            .spawn()
            .expect("PgBouncer: run script/test, which installs it");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Pgbouncer { port, process, folder })
    }

    /// Ends it, and starts it again once `meanwhile` is done.
    pub(crate) fn restarted(mut self, meanwhile: impl FnOnce()) -> Pgbouncer {
        self.end();
        meanwhile();
        let path = self.folder.path().join("pgbouncer.ini");
        self.process = by_user("pgbouncer").arg(path).stderr(Stdio::null()).spawn().unwrap();
        until_open(self.port);
        self
    }

    fn end(&mut self) {
        // Where we are root it is a child of whoever changed the user.
        let path = self.folder.path().join("pid");
        if let Ok(pid) = fs::read_to_string(&path) {
            drop(Command::new("kill").arg(pid.trim()).status());
        }
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_file(path));
    }

    /// The URL of its console.
    pub(crate) fn console(&self) -> String {
        self.url("pgbouncer")
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        let password = PASSWORD.replace(':', "%3A").replace('/', "%2F").replace('@', "%40");
        format!("postgres://ana:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// What its console answers, one line each row, values between `|`.
    pub(crate) fn says(&self, command: &str) -> String {
        let done = Command::new(binary("psql"))
            .args([&self.console(), "-A", "-t", "-c", command])
            .output()
            .unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
    }

    /// Does this in `shop`, through the pool.
    pub(crate) fn does(&self, sql: &str) {
        let done = Command::new(binary("psql")).args([&self.url("shop"), "-q", "-c", sql]).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Whether `shop` is paused.
    pub(crate) fn is_paused(&self) -> bool {
        let all = self.says("SHOW DATABASES");
        let shop = all.lines().find(|line| line.starts_with("shop|")).expect(&all);
        shop.split('|').nth_back(1) == Some("1")
    }

    /// Its `server_login_retry`.
    pub(crate) fn retry(&self) -> String {
        let all = self.says("SHOW CONFIG");
        let line = all.lines().find(|line| line.starts_with("server_login_retry|")).expect(&all);
        line.split('|').nth(1).unwrap().to_owned()
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program of `PostgreSQL`, run by its own user where we are root.
fn as_user(program: &str) -> Command {
    by_user(&binary(program).to_string_lossy())
}

/// A program, run by the user of `PostgreSQL` where we are root.
fn by_user(program: &str) -> Command {
    let root = Path::new("/proc/self")
        .metadata()
        .is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// Debian keeps them out of `PATH`, one folder for each version.
pub(crate) fn binary(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(program))
}

pub(crate) fn until_open(port: u16) {
    let until = roadworks::clock::monotonic() + LONG;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(roadworks::clock::monotonic() < until, "nobody listens at {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
