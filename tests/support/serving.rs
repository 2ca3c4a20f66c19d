//! `roadworks serve` as a process, in a folder with a roadworks.hcl, in front of an app; and the verbs that speak to it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use roadworks::clock;
use roadworks::tasks::Tasks;
use serde_json::Value;
use tempfile::TempDir;

use super::command::{Ran, roadworks, run};

/// Longer than anything takes that goes well.
pub(crate) const LONG: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// The host of the site that [`config`] describes.
pub(crate) const HOST: &str = "shop.example.com";
const NOBODY: &str = "http://127.0.0.1:1";

/// A site `shop` in front of the app at this URL; `more` goes into its gateway's block.
pub(crate) fn config(upstream: &str, more: &str) -> String {
    format!(
        r#"
serve {{
  admin = "127.0.0.1:0"
}}
site "shop" {{
  hosts = ["{HOST}"]
  gateway {{
    listen    = ["127.0.0.1:0"]
    upstreams = ["{upstream}"]
    health {{
      lb_path       = "/healthz"
      upstream_path = "/up"
      interval      = "50ms"
    }}
    {more}
  }}
}}
"#
    )
}

/// A folder with a roadworks.hcl, in which verbs are run.
pub(crate) struct Stand {
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Stand {
    pub(crate) fn new(config: &str) -> Stand {
        let temporary = tempfile::tempdir().unwrap();
        let stand = Stand::at(temporary.path(), config);
        Stand { _temporary: Some(temporary), ..stand }
    }

    /// In this folder, which is made where it is not there.
    pub(crate) fn at(folder: &Path, config: &str) -> Stand {
        fs::create_dir_all(folder).unwrap();
        let stand = Stand { folder: folder.to_owned(), _temporary: None };
        stand.write("roadworks.hcl", config);
        stand
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.folder().join(name), content).unwrap();
    }

    /// `roadworks` in this folder, not yet run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.command_by(&[], words)
    }

    /// The same, run by another program.
    pub(crate) fn command_by(&self, around: &[&str], words: &[&str]) -> Command {
        let around: Vec<_> = around.iter().map(OsStr::new).collect();
        let mut command = roadworks(self.folder(), NOBODY, &around);
        command.args(words);
        command
    }

    /// The same, with a listening socket as systemd passes one (`sd_listen_fds(3)`).
    pub(crate) fn command_with(&self, words: &[&str], socket: TcpListener) -> Command {
        let plain = self.command(&[]);
        // The process that it is passed to is named by its number, so that nothing may stand between.
        let pass = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", pass, "sh", env!("CARGO_BIN_EXE_roadworks")]).args(words);
        shell.current_dir(self.folder()).env_clear();
        shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.stdin(OwnedFd::from(socket));
        shell
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    /// The object of `status --json`.
    pub(crate) fn status(&self) -> Value {
        self.run(&["--json", "status"]).exits(0).json()
    }

    /// What the running gateway says of its first site now, by its control socket: without the store between.
    pub(crate) fn told(&self) -> Value {
        let socket = self.folder().join(".roadworks/local/control.sock");
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = "GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut whole = String::new();
        stream.read_to_string(&mut whole).unwrap();
        let (_, body) = whole.split_once("\r\n\r\n").expect("an answer");
        let status: Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {whole}"));
        status["sites"][0].clone()
    }

    /// Looks at `status --json` until it is as wanted; fails the test when that takes too long.
    #[track_caller]
    pub(crate) fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        until(|| Some(self.status()).filter(&wanted))
    }

    /// Starts `roadworks serve` and waits until it is ready.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_by(&mut self.command(&["serve"]))
    }

    /// Starts it by this command.
    #[expect(clippy::unused_self, reason = "it serves this stand's folder")]
    pub(crate) fn serve_by(&self, command: &mut Command) -> Serving {
        let serving = Serving::start(command);
        until(|| {
            assert!(serving.is_running(), "it ended:\n{}", serving.log());
            serving.log().contains(" ready ").then_some(())
        });
        serving
    }
}

/// Looks again and again, until there is something; fails the test when that takes too long.
#[track_caller]
pub(crate) fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let began = clock::monotonic();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock::monotonic().duration_since(began) < LONG, "it takes too long");
        thread::sleep(POLL);
    }
}

/// A running `roadworks serve`. It is killed with the test's handle of it.
pub(crate) struct Serving {
    child: Mutex<Child>,
    log: Arc<Mutex<String>>,
}

impl Serving {
    /// Starts it, and waits for nothing.
    pub(crate) fn start(command: &mut Command) -> Serving {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let (lines, log) = (child.stderr.take().unwrap(), Arc::<Mutex<String>>::default());
        let writing = Arc::clone(&log);
        let work = move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let mut log = writing.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        };
        Tasks::new().start_thread("log", work).unwrap();
        Serving { child: Mutex::new(child), log }
    }

    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// The process of `roadworks` itself, which `timeout` runs, if it does.
    pub(crate) fn pid(&self) -> String {
        let parent = self.child.lock().unwrap().id();
        let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        if name.trim() != "timeout" {
            return parent.to_string();
        }
        let children = format!("/proc/{parent}/task/{parent}/children");
        until(|| {
            Some(fs::read_to_string(&children).ok()?.trim().to_owned())
                .filter(|pid| !pid.is_empty())
        })
    }

    /// Sends it a signal by name: `TERM`, `KILL`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.pid()]).status().unwrap();
        assert!(kill.success(), "kill -{name}");
    }

    /// Its exit code, once it has ended; `None` where a signal ended it.
    #[track_caller]
    pub(crate) fn ended(&self) -> Option<i32> {
        until(|| self.child.lock().unwrap().try_wait().unwrap()).code()
    }

    /// Where its first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Where it listens, in the order of the configuration.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let log = self.log();
        let listens = log.split("listens=\"").nth(1).expect("it says where it listens");
        let listens = listens.split('"').next().unwrap().split(' ');
        listens.map(|address| address.parse().unwrap()).collect()
    }

    /// Where its metrics are.
    fn admin(&self) -> SocketAddr {
        let log = self.log();
        let admin = log.split("admin=\"").nth(1).expect("it says where its metrics are");
        admin.split('"').next().unwrap().parse().unwrap()
    }

    /// The page of its metrics.
    pub(crate) fn metrics(&self) -> String {
        let (_, answer) = ask(self.admin(), "GET", "/metrics");
        answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, page)| page.to_owned())
    }

    /// What stands behind this name and labels among its metrics.
    pub(crate) fn metric(&self, name: &str) -> Option<String> {
        let page = self.metrics();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    }

    /// The status and the whole answer of one request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, String) {
        ask(self.address(), method, path)
    }

    /// A request that is sent, and not answered yet.
    pub(crate) fn sends(&self, method: &str, path: &str) -> TcpStream {
        send(self.address(), method, path)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.is_running() {
            // `timeout` hands it on: a process of the test's may not outlive it.
            self.signal("KILL");
            self.ended();
        }
    }
}

/// Sends one request on a connection of its own.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request(method, path).as_bytes()).unwrap();
    stream
}

fn request(method: &str, path: &str) -> String {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n");
    head + if method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" }
}

/// The status and the whole answer on a connection that ends with it.
pub(crate) fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).unwrap();
    let whole = String::from_utf8_lossy(&whole).into_owned();
    let status = whole.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {whole:?}")), whole)
}

/// The same of a server that may be gone.
pub(crate) fn visit(address: SocketAddr, method: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.write_all(request(method, path).as_bytes())?;
    let mut whole = String::new();
    stream.read_to_string(&mut whole)?;
    let status = whole.get(9..12).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::UnexpectedEof)?, whole))
}

/// Both.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    answer(send(address, method, path))
}
