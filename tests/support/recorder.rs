//! An upstream that writes down every byte's meaning as a strict server reads it: no other line end than CRLF, one framing,
//! nothing guessed. What it cannot read, or what breaks off, is written down as that.
//!
//! `/up` is well, and not written down. Everything else gets 200 and `ok`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use roadworks::tasks::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A request, as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// `METHOD TARGET`
    pub(crate) line: String,
    /// In lower case, with their values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Why it is none: what could not be read, or that it broke off.
    pub(crate) broken: Option<String>,
}

impl Recorded {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(named, _)| named == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// The upstream, on a thread of its own. It ends with the test's handle of it.
pub(crate) struct Recorder {
    address: SocketAddr,
    records: Arc<Mutex<Vec<Recorded>>>,
    _ends: oneshot::Sender<()>,
}

impl Recorder {
    pub(crate) fn start() -> Recorder {
        let records = Arc::<Mutex<Vec<Recorded>>>::default();
        let ((started, address_of), (ends, ended)) = (mpsc::channel(), oneshot::channel());
        let writing = Arc::clone(&records);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = move || {
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, writing) => {}
                    _ = ended => {}
                }
            });
        };
        Tasks::new().start_thread("recorder", work).unwrap();
        Recorder { address: address_of.recv().expect("it listens"), records, _ends: ends }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that came since it was last asked.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.records.lock().unwrap())
    }
}

async fn accept(listener: TcpListener, records: Arc<Mutex<Vec<Recorded>>>) {
    let tasks = Tasks::new();
    while let Ok((stream, _)) = listener.accept().await {
        let records = Arc::clone(&records);
        tasks.start(async move {
            let mut reading = Reading { stream, bytes: Vec::new() };
            while let Some(record) = reading.request().await {
                let ends = record.broken.is_some();
                if record.line != "GET /up" {
                    records.lock().unwrap().push(record);
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if ends || reading.stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

struct Reading {
    stream: TcpStream,
    /// Read, and not yet taken.
    bytes: Vec<u8>,
}

impl Reading {
    /// The next request; `None` at a clean end.
    async fn request(&mut self) -> Option<Recorded> {
        let mut record = Recorded::default();
        match self.head(&mut record).await {
            Err(_) if self.bytes.is_empty() && record.line.is_empty() => return None,
            Err(why) => record.broken = Some(why),
            Ok(()) => record.broken = self.body(&mut record).await.err(),
        }
        Some(record)
    }

    async fn head(&mut self, record: &mut Recorded) -> Result<(), String> {
        let line = self.line().await?;
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(method), Some(target), Some("HTTP/1.1"), None) => {
                record.line = format!("{method} {target}");
            }
            _ => return Err(format!("no request line: {line:?}")),
        }
        record.headers = self.fields().await?;
        Ok(())
    }

    async fn fields(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(':').ok_or(format!("no field: {line:?}"))?;
            let letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            if name.is_empty() || !name.chars().all(letter) {
                return Err(format!("no field name: {line:?}"));
            }
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    async fn body(&mut self, record: &mut Recorded) -> Result<(), String> {
        let (lengths, codings) = (record.all("content-length"), record.all("transfer-encoding"));
        match (&lengths[..], &codings[..]) {
            ([], []) => {}
            ([length], []) if length.bytes().all(|digit| digit.is_ascii_digit()) => {
                let length = length.parse().map_err(|_| format!("length {length}"))?;
                record.body = self.exactly(length).await?;
            }
            ([], ["chunked"]) => loop {
                let line = self.line().await?;
                let size =
                    usize::from_str_radix(&line, 16).map_err(|_| format!("size {line:?}"))?;
                if size == 0 {
                    record.trailers = self.fields().await?;
                    break;
                }
                record.body.extend(self.exactly(size).await?);
                if !self.line().await?.is_empty() {
                    return Err("a chunk that does not end".to_owned());
                }
            },
            _ => return Err(format!("framing {lengths:?} {codings:?}")),
        }
        Ok(())
    }

    async fn line(&mut self) -> Result<String, String> {
        let end = loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            self.more().await?;
        };
        let line = self.exactly(end + 2).await?;
        let line = line.strip_suffix(b"\r\n").expect("it ends there");
        if line.iter().any(|byte| [b'\r', b'\n', 0].contains(byte)) {
            return Err(format!("a line with {line:?}"));
        }
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.bytes.len() < length {
            self.more().await?;
        }
        Ok(self.bytes.drain(..length).collect())
    }

    async fn more(&mut self) -> Result<(), String> {
        match self.stream.read_buf(&mut self.bytes).await {
            Ok(0) => Err("it broke off".to_owned()),
            Err(error) => Err(format!("it broke off: {error}")),
            Ok(_) => Ok(()),
        }
    }
}
