//! Real Unbound in a folder of its own, asking a BIND of ours for the zone `example.test`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command};
use std::time::Duration;

use roadworks::clock;
use tempfile::TempDir;

use super::bind::{Bind, free_port};

const LONG: Duration = Duration::from_secs(20);

/// A recursive resolver.
pub(crate) struct Unbound {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Unbound {
    /// One that asks `server`, with this line of configuration more.
    pub(crate) fn of(server: &Bind, more: &str) -> Unbound {
        let folder = tempfile::tempdir().unwrap();
        let (port, path) = (free_port(), folder.path().display().to_string());
        let configuration = format!(
            "server:\n  directory: \"{path}\"\n  pidfile: \"{path}/pid\"\n  chroot: \"\"\n  username: \"\"\n  use-syslog: no\n  logfile: \"{path}/log\"\n  interface: 127.0.0.1@{port}\n  do-ip6: no\n  num-threads: 1\n  do-not-query-localhost: no\n  module-config: \"iterator\"\n  local-zone: \"test.\" nodefault\n  {more}\nremote-control:\n  control-enable: no\nstub-zone:\n  name: \"example.test\"\n  stub-addr: 127.0.0.1@{}\n",
            server.port()
        );
        fs::write(folder.path().join("unbound.conf"), configuration).unwrap();
        let process = Command::new("unbound")
            .args(["-d", "-c"])
            .arg(folder.path().join("unbound.conf"))
            .spawn()
            .expect("unbound is installed by script/test");
        let resolver = Unbound { folder, port, process };
        let deadline = clock::monotonic() + LONG;
        while !resolver.knows("ns.example.test") {
            let log = || fs::read_to_string(resolver.folder.path().join("log")).unwrap_or_default();
            assert!(clock::monotonic() < deadline, "unbound is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        resolver
    }

    /// Whether it has an address of `name`; it keeps it then.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let output = Command::new("dig")
            .args(["+short", "+tries=1", "+time=1", "@127.0.0.1", "-p"])
            .args([&self.port.to_string(), name, "A"])
            .output()
            .expect("dig is installed by script/test");
        output.status.success() && !output.stdout.is_empty() && output.stdout[0] != b';'
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
