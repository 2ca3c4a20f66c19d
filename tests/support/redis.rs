//! A real Redis without a password, in a folder of its own and at a free port of loopback; and a client that shows bytes.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use roadworks::redis::frame::{Replies, Reply};
use roadworks::tasks::Tasks;
use tempfile::TempDir;

use super::bind::free_port;
use super::databases::until_open;

const LONG: Duration = Duration::from_secs(20);

/// A Redis, ended with its handle.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    process: Option<Child>,
    folder: TempDir,
    more: Vec<String>,
}

impl RedisServer {
    pub(crate) fn start() -> RedisServer {
        RedisServer::with(&[])
    }

    /// With these words on its command line.
    pub(crate) fn with(more: &[&str]) -> RedisServer {
        let more = more.iter().map(|&word| word.to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        // A Sentinel wants one to write to.
        fs::write(folder.path().join("redis.conf"), "").unwrap();
        let mut server = RedisServer { port: free_port(), process: None, folder, more };
        server.again();
        server
    }

    /// Starts it where it was, with the data that it saved, if it did.
    pub(crate) fn again(&mut self) {
        let process = Command::new("redis-server")
            .arg(self.folder.path().join("redis.conf"))
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(self.folder.path())
            .args(&self.more)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server: run script/test, which installs it");
        self.process = Some(process);
        until_open(self.port);
    }

    /// The same, from now on with these words on its command line.
    pub(crate) fn again_with(&mut self, more: &[&str]) {
        self.more.extend(more.iter().map(|&word| word.to_owned()));
        self.again();
    }

    /// Where it saves what it has.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Kills it: its port refuses.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(done.unwrap().success());
    }

    pub(crate) fn client(&self) -> Client {
        Client::at(self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection that shows what is answered as it is sent.
pub(crate) struct Client {
    stream: TcpStream,
    replies: Replies,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn at(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, replies: Replies::default(), buffer: Vec::new() }
    }

    /// The bytes of the next answer; `None` where the connection ends instead. Fails the test when that takes too long.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let mut answer = Vec::new();
        loop {
            match self.replies.read(&self.buffer).unwrap() {
                Reply::Whole { length, .. } => {
                    answer.extend(self.buffer.drain(..length));
                    return Some(answer);
                }
                Reply::More { done } => answer.extend(self.buffer.drain(..done)),
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend(&piece[..read]),
                // Its read timeout: nothing came, and it did not end either.
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it takes too long"),
                Err(_) => return None,
            }
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.send_if_open(bytes).unwrap();
    }

    /// The same where the other side may have hung up.
    pub(crate) fn send_if_open(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends more than anybody takes before its answers are read.
    pub(crate) fn send_meanwhile(&mut self, bytes: Vec<u8>) {
        let mut stream = self.stream.try_clone().unwrap();
        let work = move || stream.write_all(&bytes).unwrap();
        Tasks::new().start_thread("client", work).unwrap();
    }

    /// What is answered to a command, without its last line's end.
    pub(crate) fn does(&mut self, words: &str) -> String {
        let words: Vec<_> = words.split(' ').map(str::as_bytes).collect();
        self.send(&encoded(&words));
        let answer = self.next().unwrap_or_else(|| b"it hung up\r\n".to_vec());
        String::from_utf8_lossy(&answer).trim_end_matches("\r\n").to_owned()
    }
}

/// A command as clients write it.
pub(crate) fn encoded<T: AsRef<[u8]>>(words: &[T]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.as_ref().len()).bytes());
        bytes.extend(word.as_ref());
        bytes.extend(b"\r\n");
    }
    bytes
}
