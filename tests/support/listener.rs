//! Somebody who is told by HTTP: what reaches them is kept, and they answer, cut off or stay silent as a test wants it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use roadworks::tasks::Tasks;
use serde_json::Value;

/// What was sent to them.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The event's word.
    pub(crate) fn event(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// What they do with the next request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers with this status and body.
    Answers(u16, String),
    /// Ends the connection without an answer.
    Cuts,
    /// Answers never.
    Hangs,
}

type Answers = Box<dyn Fn(&Heard) -> Does + Send + Sync>;

struct Told {
    heard: Mutex<Vec<Heard>>,
    next: Mutex<VecDeque<Does>>,
    usual: Answers,
    held: Mutex<Vec<TcpStream>>,
}

/// They listen until the test ends.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    told: Arc<Told>,
}

impl Listener {
    /// Answers 200 where nothing else is wanted.
    pub(crate) fn start() -> Listener {
        Listener::answering(|_| Does::Answers(200, "ok".to_owned()))
    }

    /// Answers as `usual` says.
    pub(crate) fn answering(usual: impl Fn(&Heard) -> Does + Send + Sync + 'static) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Told {
            heard: Mutex::default(),
            next: Mutex::default(),
            usual: Box::new(usual),
            held: Mutex::default(),
        });
        let telling = Arc::clone(&told);
        let work = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let telling = Arc::clone(&telling);
                Tasks::new().start_thread("told", move || one(stream, &telling)).unwrap();
            }
        };
        Tasks::new().start_thread("listener", work).unwrap();
        Listener { address, told }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does with the next requests, one each.
    pub(crate) fn then(&self, next: impl IntoIterator<Item = Does>) {
        self.told.next.lock().unwrap().extend(next);
    }

    /// It does what it usually does again.
    pub(crate) fn told_no_more(&self) {
        self.told.next.lock().unwrap().clear();
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.told.heard.lock().unwrap().clone()
    }
}

fn one(stream: TcpStream, told: &Told) {
    let Some(heard) = read(&stream) else { return };
    let next = told.next.lock().unwrap().pop_front();
    let does = next.unwrap_or_else(|| (told.usual)(&heard));
    told.heard.lock().unwrap().push(heard);
    match does {
        Does::Cuts => {}
        Does::Hangs => told.held.lock().unwrap().push(stream),
        Does::Answers(status, body) => {
            let answer = format!(
                "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            drop((&stream).write_all((answer + &body).as_bytes()));
        }
    }
}

fn read(stream: &TcpStream) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Heard { method, path, headers, body: String::from_utf8(body).ok()? })
}
