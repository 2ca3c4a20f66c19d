//! The name servers that an update must move: BIND, Knot, and our own, each with the same zone and the same key.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::bind::{Bind, free_port};
use super::dig::{Client, SECRET};
use super::serving::{Serving, Stand};

/// One of them. Ends with its handle.
pub(crate) enum Server {
    Bind(Bind),
    Knot(Knot),
    Ours(Ours),
}

impl Server {
    /// All three, one after another, with these records: each line `NAME TTL TYPE DATA`, the name as in a zone file.
    pub(crate) fn each(records: &str) -> impl Iterator<Item = Server> {
        [Server::bind, Server::knot, Server::ours].into_iter().map(move |start| start(records))
    }

    pub(crate) fn bind(records: &str) -> Server {
        Server::Bind(Bind::primary(records, None))
    }

    pub(crate) fn knot(records: &str) -> Server {
        Server::Knot(Knot::primary(records))
    }

    pub(crate) fn ours(records: &str) -> Server {
        Server::Ours(Ours::primary(records))
    }

    pub(crate) fn called(&self) -> &'static str {
        match self {
            Server::Bind(_) => "BIND",
            Server::Knot(_) => "Knot",
            Server::Ours(_) => "ours",
        }
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        match self {
            Server::Bind(bind) => bind,
            Server::Knot(knot) => &knot.client,
            Server::Ours(ours) => &ours.client,
        }
    }
}

/// A folder in memory where there is one: what is measured is whether an answer is torn, not how fast a disk is.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Real Knot.
pub(crate) struct Knot {
    client: Client,
    process: Child,
    _folder: TempDir,
}

impl Knot {
    fn primary(records: &str) -> Knot {
        let (folder, port) = (folder(), free_port());
        let path = folder.path().display();
        let configuration = format!(
            "server:\n  rundir: \"{path}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             database:\n  storage: \"{path}\"\n  journal-db-max-size: 100M\n\
             log:\n  - target: stderr\n    any: info\n\
             key:\n  - id: roadworks\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
             acl:\n  - id: roadworks\n    key: roadworks\n    action: [update, transfer]\n\
             zone:\n  - domain: example.test\n    storage: \"{path}\"\n    file: zone\n    acl: roadworks\n    zonefile-sync: -1\n"
        );
        let zone = format!(
            "$ORIGIN example.test.\n$TTL 60\n@ SOA ns.example.test. ana.example.test. 1 3600 600 86400 30\n@ NS ns.example.test.\nns A 127.0.0.1\n{records}\n"
        );
        fs::write(folder.path().join("zone"), zone).unwrap();
        let file = folder.path().join("knot.conf");
        fs::write(&file, configuration).unwrap();
        let log = folder.path().join("log");
        let process = Command::new("knotd")
            .arg("-c")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .expect("knotd is installed by script/test");
        let knot = Knot { client: Client::of(port), process, _folder: folder };
        knot.client.until_ready(|| fs::read_to_string(&log).unwrap_or_default());
        knot
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The nameserver of `roadworks serve`.
pub(crate) struct Ours {
    client: Client,
    serving: Serving,
    _stand: (Stand, TempDir),
}

impl Ours {
    fn primary(records: &str) -> Ours {
        let folder = folder();
        let text = format!(
            "nameserver \"example.test\" {{\n  listen = [\"127.0.0.1:0\"]\n  key \"roadworks\" {{\n    secret = \"{SECRET}\"\n  }}\n}}\n"
        );
        let stand = Stand::at(folder.path(), &text);
        // By nothing that ends it after a while, as other verbs are: thousands of flips take minutes.
        let mut command = Command::new(env!("CARGO_BIN_EXE_roadworks"));
        command.arg("serve").current_dir(folder.path()).stdin(Stdio::null()).env_clear();
        let plain = stand.command(&[]);
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let serving = stand.serve_by(&mut command);
        let client = Client::of(super::nameserver::address(&serving).port());
        let lines: Vec<_> = records.lines().map(added).collect();
        client.nsupdate(&lines.join("\n"));
        Ours { client, serving, _stand: (stand, folder) }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.serving.signal("KILL");
        self.serving.ended();
    }
}

/// A line of a zone file -> one of `nsupdate`.
fn added(line: &str) -> String {
    let (name, rest) = line.split_once(' ').expect("a record has a name and more");
    match name {
        "@" => format!("update add example.test {rest}"),
        name => format!("update add {name}.example.test {rest}"),
    }
}
