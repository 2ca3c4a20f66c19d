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

/// A program of `PostgreSQL`, run by its own user where we are root.
fn as_user(program: &str) -> Command {
    let program = binary(program);
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
fn binary(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(program))
}

fn until_open(port: u16) {
    let until = roadworks::clock::monotonic() + LONG;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(roadworks::clock::monotonic() < until, "nobody listens at {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
