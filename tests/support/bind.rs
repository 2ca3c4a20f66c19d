//! Real BIND in a folder of its own, somebody else with a key of theirs, and a wire to it on which things happen.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use roadworks::tasks::Tasks;
use tempfile::TempDir;

use super::dig::{Client, SECRET, nsupdate};

const LONG: Duration = Duration::from_secs(20);
/// The opcode of an update, in the third byte of a message (RFC 2136, section 1.3).
const UPDATE: u8 = 5 << 3;

/// A name server of the zone `example.test`.
pub(crate) struct Bind {
    folder: TempDir,
    client: Client,
    process: Child,
}

impl Deref for Bind {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Bind {
    /// A primary with these records besides SOA and NS; it tells `secondary` of changes, if there is one.
    pub(crate) fn primary(records: &str, secondary: Option<u16>) -> Bind {
        let folder = tempfile::tempdir().unwrap();
        let zone = format!(
            "$ORIGIN example.test.\n$TTL 60\n@ SOA ns.example.test. ana.example.test. 1 3600 600 86400 30\n@ NS ns.example.test.\nns A 127.0.0.1\n{records}\n"
        );
        fs::write(folder.path().join("zone"), zone).unwrap();
        let mut lines = "type primary; file \"zone\"; allow-transfer { any; }; update-policy { grant roadworks zonesub ANY; };".to_owned();
        if let Some(port) = secondary {
            write!(lines, " notify explicit; also-notify {{ 127.0.0.1 port {port}; }};").unwrap();
        }
        Bind::start(folder, free_port(), &lines)
    }

    /// A secondary of the primary at `primary`, listening at `port`.
    pub(crate) fn secondary(primary: u16, port: u16) -> Bind {
        let lines = format!("type secondary; primaries {{ 127.0.0.1 port {primary}; }};");
        Bind::start(tempfile::tempdir().unwrap(), port, &lines)
    }

    fn start(folder: TempDir, port: u16, zone: &str) -> Bind {
        let path = folder.path().display().to_string();
        let key = |name: &str| {
            format!("key \"{name}\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n")
        };
        let configuration = format!(
            "options {{ directory \"{path}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file \"{path}/pid\"; session-keyfile \"{path}/session\"; lock-file none; recursion no; dnssec-validation no; notify no; transfer-source 127.0.0.1; }};\ncontrols {{ }};\n{}{}zone \"example.test\" {{ {zone} }};\n",
            key("roadworks"),
            key("guest")
        );
        fs::write(folder.path().join("named.conf"), configuration).unwrap();
        let process = named(folder.path());
        let bind = Bind { folder, client: Client::of(port), process };
        bind.until_ready();
        bind
    }

    /// Ends it and starts it again: a secondary then looks at once whether it is behind.
    pub(crate) fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = named(self.folder.path());
        self.until_ready();
    }

    #[track_caller]
    fn until_ready(&self) {
        let log = self.folder.path().join("log");
        self.client.until_ready(|| fs::read_to_string(&log).unwrap_or_default());
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn named(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    Command::new("named")
        .args(["-g", "-n", "1", "-c"])
        .arg(folder.join("named.conf"))
        .stderr(log)
        .spawn()
        .expect("named is installed by script/test")
}

/// A port that is free for both UDP and TCP. None of those that the system gives to connections (`ip_local_port_range`): one would
/// have it when a server that was ended comes back to it.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        let is_free = UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if is_free && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What becomes of an update on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Arrives,
    /// It never arrives.
    Lost,
    /// It arrives, and its answer is lost.
    Unanswered,
}

/// A wire to a name server: the first update on it, by UDP, meets its fate, and something may happen before.
pub(crate) struct Wire {
    port: u16,
    over: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn to(
        server: &Client,
        fate: Fate,
        mut before: impl FnMut() + Send + 'static,
    ) -> Wire {
        let port = free_port();
        let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (address, over) = (server.address(), Arc::<AtomicBool>::default());
        let ends = Arc::clone(&over);
        let datagrams = move || {
            let mut fate = Some(fate);
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if ends.load(SeqCst) {
                    return;
                }
                let update = buffer.get(2).is_some_and(|byte| byte & 0x78 == UPDATE);
                let fate = if update { fate.take() } else { None };
                if fate.is_some() {
                    before();
                }
                if fate == Some(Fate::Lost) {
                    continue;
                }
                let answer = forwarded(address, &buffer[..length]);
                if let Some(answer) = answer.filter(|_| fate != Some(Fate::Unanswered)) {
                    drop(socket.send_to(&answer, from));
                }
            }
        };
        Tasks::new().start_thread("wire", datagrams).unwrap();
        let ends = Arc::clone(&over);
        let streams = move || {
            for stream in listener.incoming() {
                if ends.load(SeqCst) {
                    return;
                }
                let (mut client, mut server) =
                    (stream.unwrap(), TcpStream::connect(address).unwrap());
                let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                Tasks::new()
                    .start_thread("up", move || drop(std::io::copy(&mut up, &mut server)))
                    .unwrap();
                Tasks::new()
                    .start_thread("down", move || drop(std::io::copy(&mut down, &mut client)))
                    .unwrap();
            }
        };
        Tasks::new().start_thread("streams", streams).unwrap();
        Wire { port, over }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        // So that both look.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        drop(socket.send_to(&[0; 12], ("127.0.0.1", self.port)));
    }
}

fn forwarded(server: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
    socket.set_read_timeout(Some(LONG)).ok()?;
    socket.send_to(datagram, server).ok()?;
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Changes the zone behind `port` as somebody else would, from another thread.
pub(crate) fn meddle(port: u16, lines: &'static str) -> impl FnMut() + Send + 'static {
    move || nsupdate(port, lines)
}
