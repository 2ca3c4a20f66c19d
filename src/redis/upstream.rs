//! A connection to Redis: made anew by name each time, and brought into the state that its client had before.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::breaker::Trouble;
use super::frame::{Kind, Replies, Reply, Request, Requests};
use crate::config::RedisPlace;
use crate::net::ask::secured;

/// A connection, to a client or to Redis: in the open, or by TLS.
pub(super) type Stream = Either<Plain, Box<TlsStream<TcpStream>>>;

/// One in the open.
pub(super) type Plain = Either<TcpStream, UnixStream>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// Nobody is there, or nobody answers.
    #[error("{0}")]
    Gone(String),
    /// It does not let the client be again who it was.
    #[error("it refuses what the client was before: {0}")]
    Refused(String),
}

/// Connects. Cancel safe: nothing is kept.
pub(super) async fn connect(place: &RedisPlace, within: Duration) -> io::Result<Stream> {
    let connecting = async {
        Ok(match place {
            RedisPlace::Unix(path) => Stream::Left(Plain::Right(UnixStream::connect(path).await?)),
            RedisPlace::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                if *tls {
                    Stream::Right(Box::new(secured(stream, host, &[]).await?))
                } else {
                    Stream::Left(Plain::Left(stream))
                }
            }
        })
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
    tokio::time::timeout(within, connecting).await.unwrap_or_else(|_| Err(late()))
}

/// Nothing more is sent on it, when it is dropped: what Redis has not taken yet, because it hangs or cannot be reached, is never done
/// behind what is asked of it by then. Gives what Redis knows it by, where it may have to end it by itself.
pub(super) fn abandon(stream: &Stream) -> Option<SocketAddr> {
    let stream = match stream {
        Stream::Left(Plain::Left(stream)) => stream,
        Stream::Right(secured) => secured.get_ref().0,
        // What is written to one has been taken.
        Stream::Left(Plain::Right(_)) => return None,
    };
    if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a lost connection is closed as any other");
    }
    stream.local_addr().ok()
}

/// Connects, and says again what the client had said of itself; each of those answers has its own time.
pub(super) async fn restored(
    place: RedisPlace,
    before: Vec<Bytes>,
    within: Duration,
    patience: Duration,
) -> Result<Stream, Lost> {
    let gone = |error: io::Error| Lost::Gone(error.to_string());
    let mut stream = connect(&place, within).await.map_err(gone)?;
    let mut talk = Talk { stream: &mut stream, buffer: BytesMut::new() };
    for words in before {
        let said = talk.asked(&words, patience).await.map_err(gone)?;
        if said.kind == Kind::Error {
            // It may say of itself that it cannot answer, which is nothing about the client.
            return Err(match Trouble::told_by(&said.bytes) {
                Some(_) => Lost::Gone(String::from_utf8_lossy(&said.bytes).trim_end().to_owned()),
                // Older ones do not know all that a client may say of itself, and nobody waits for that.
                None if is_of_client(&words) && said.bytes.starts_with(b"-ERR ") => continue,
                None => Lost::Refused(said.word()),
            });
        }
    }
    Ok(stream)
}

/// Whether these words are `CLIENT ..`.
fn is_of_client(words: &[u8]) -> bool {
    let mut requests = Requests::default();
    matches!(requests.read(words), Ok(Request::Whole { arguments, .. }) if arguments.is(0, "CLIENT"))
}

/// Question and answer, one after the other.
pub(super) struct Talk<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) buffer: BytesMut,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
}

impl Said {
    /// The word at its beginning: `-WRONGPASS`. What comes after it may be what was sent.
    pub(super) fn word(&self) -> String {
        let end = self.bytes.iter().position(u8::is_ascii_whitespace);
        let word = self.bytes.get(..end.unwrap_or(self.bytes.len()).min(40)).unwrap_or_default();
        String::from_utf8_lossy(word).into_owned()
    }
}

/// The longest answer that is read here: `INFO` of a Redis with many databases is far shorter.
const LONGEST: usize = 1 << 20;

impl Talk<'_> {
    /// The answer to `words`. Not cancel safe: the connection is of no use afterwards.
    pub(super) async fn asked(&mut self, words: &[u8], within: Duration) -> io::Result<Said> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        let asking = self.ask(words);
        tokio::time::timeout(within, asking).await.unwrap_or_else(|_| Err(late()))
    }

    /// The same of several that are sent in one piece, whatever their answers are.
    pub(super) async fn asked_all(&mut self, all: &[Vec<u8>], within: Duration) -> io::Result<()> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        let asking = async {
            self.send(&all.concat()).await?;
            for _ in all {
                self.answer().await?;
            }
            Ok(())
        };
        tokio::time::timeout(within, asking).await.unwrap_or_else(|_| Err(late()))
    }

    async fn ask(&mut self, words: &[u8]) -> io::Result<Said> {
        self.send(words).await?;
        self.answer().await
    }

    async fn send(&mut self, words: &[u8]) -> io::Result<()> {
        self.stream.write_all(words).await?;
        self.stream.flush().await
    }

    async fn answer(&mut self) -> io::Result<Said> {
        let (mut replies, mut bytes) = (Replies::default(), BytesMut::new());
        loop {
            match replies.read(&self.buffer).map_err(io::Error::other)? {
                Reply::Whole { length, kind: Kind::Push } => self.buffer.advance(length),
                Reply::Whole { length, kind } => {
                    bytes.extend_from_slice(&self.buffer.split_to(length));
                    return Ok(Said { kind, bytes: bytes.freeze() });
                }
                Reply::More { done } => {
                    bytes.extend_from_slice(&self.buffer.split_to(done));
                    if bytes.len() > LONGEST {
                        return Err(io::Error::other("its answer is too long"));
                    }
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }
}
