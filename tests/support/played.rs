//! An upstream that the test plays itself, byte for byte: it is given each connection with the head of its first request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, Sender, channel};

use roadworks::tasks::Tasks;

use super::serving::LONG;

/// The upstream. `/up` is well, without the test.
pub(crate) struct Played {
    address: SocketAddr,
    asked: Receiver<Asked>,
    over: Arc<AtomicBool>,
}

/// A connection on which the gateway asks something.
pub(crate) struct Asked {
    pub(crate) stream: TcpStream,
    pub(crate) head: String,
    /// What came behind the head.
    rest: Vec<u8>,
}

impl Played {
    pub(crate) fn start() -> Played {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ((asks, asked), over) = (channel(), Arc::<AtomicBool>::default());
        let ends = Arc::clone(&over);
        let work = move || {
            for stream in listener.incoming() {
                if ends.load(SeqCst) {
                    return;
                }
                answer(stream.unwrap(), &asks);
            }
        };
        Tasks::new().start_thread("played", work).unwrap();
        Played { address, asked, over }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection on which something is asked.
    #[track_caller]
    pub(crate) fn asked(&self) -> Asked {
        self.asked.recv_timeout(LONG).expect("the gateway asks")
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        // So that it looks.
        drop(TcpStream::connect(self.address));
    }
}

fn answer(stream: TcpStream, asks: &Sender<Asked>) {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut asked = Asked { stream, head: String::new(), rest: Vec::new() };
    let Some(end) = asked.more_until(b"\r\n\r\n") else { return };
    asked.head = String::from_utf8(asked.rest.drain(..end).collect()).unwrap();
    if asked.head.starts_with("GET /up ") {
        let well = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        drop(asked.stream.write_all(well));
    } else {
        // A test that has ended wants it no more.
        drop(asks.send(asked));
    }
}

impl Asked {
    /// Reads until `last` has come; how many bytes that is from the first one that was not taken.
    fn more_until(&mut self, last: &[u8]) -> Option<usize> {
        loop {
            let found = self.rest.windows(last.len()).position(|bytes| bytes == last);
            if let Some(found) = found {
                return Some(found + last.len());
            }
            let mut piece = [0; 8192];
            match self.stream.read(&mut piece) {
                Ok(read @ 1..) => self.rest.extend_from_slice(&piece[..read]),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// What comes until these bytes have.
    #[track_caller]
    pub(crate) fn until(&mut self, last: &str) -> String {
        let end = self.more_until(last.as_bytes()).expect("it comes");
        String::from_utf8(self.rest.drain(..end).collect()).unwrap()
    }

    /// The next so many bytes.
    #[track_caller]
    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.rest);
        let had = bytes.len().min(length);
        self.rest = bytes.split_off(had);
        bytes.resize(length, 0);
        self.stream.read_exact(&mut bytes[had..]).unwrap();
        bytes
    }

    #[track_caller]
    pub(crate) fn says(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }
}
