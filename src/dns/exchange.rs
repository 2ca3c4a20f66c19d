//! One message to a name server and its answer, by UDP or TCP, with a deadline. Knows nothing of keys.
//!
//! Whoever asks may be asked again; an update is sent once.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// How long each attempt may take.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 2;
/// What fits into a datagram everywhere (RFC 1035, section 2.3.4).
const DATAGRAM: usize = 512;
const LARGEST: usize = u16::MAX as usize;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    /// Nothing came.
    #[error("it gave no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The way there is closed.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// What came is no answer to what was asked.
    #[error("what it answered is not an answer to the question")]
    Garbled,
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// The one for a message of so many bytes.
    pub(super) fn for_size(bytes: &[u8]) -> Transport {
        if bytes.len() <= DATAGRAM { Transport::Udp } else { Transport::Tcp }
    }
}

/// An answer, read and as it came.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: Message,
    pub(super) bytes: Vec<u8>,
}

/// Asks a question: by UDP, once more where nothing comes, and by TCP where the answer does not fit. Cancel safe.
pub(super) async fn ask(server: SocketAddr, question: &Message) -> Result<Message, Silence> {
    let bytes = question.to_vec().map_err(|_| Silence::Garbled)?;
    let mut last = Silence::Late(PATIENCE);
    for _ in 0..ATTEMPTS {
        match send(server, question, &bytes, Transport::Udp).await {
            Ok(reply) if reply.message.truncation => {
                return ask_by_tcp(server, question).await;
            }
            Ok(reply) => return Ok(reply.message),
            Err(silence) => last = silence,
        }
    }
    Err(last)
}

/// The same by TCP alone. Cancel safe.
pub(super) async fn ask_by_tcp(server: SocketAddr, question: &Message) -> Result<Message, Silence> {
    let bytes = question.to_vec().map_err(|_| Silence::Garbled)?;
    send(server, question, &bytes, Transport::Tcp).await.map(|reply| reply.message)
}

/// Sends `bytes`, which are `sent` in writing, once, and waits for the answer.
///
/// Not cancel safe for an update: dropped midway, whether it took effect is only known by asking.
pub(super) async fn send(
    server: SocketAddr,
    sent: &Message,
    bytes: &[u8],
    transport: Transport,
) -> Result<Reply, Silence> {
    let exchange = async {
        match transport {
            Transport::Udp => by_udp(server, sent, bytes).await,
            Transport::Tcp => by_tcp(server, sent, bytes).await,
        }
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| Silence::Late(PATIENCE))?
}

async fn by_udp(server: SocketAddr, sent: &Message, bytes: &[u8]) -> Result<Reply, Silence> {
    let from = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    // A port of its own for each question, and only what comes from `server` is read.
    let socket = UdpSocket::bind(from).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Anything else may be a forgery, or late: the answer may still come.
        if let Some(reply) = buffer.get(..length).and_then(|came| read(sent, came)) {
            return Ok(reply);
        }
    }
}

async fn by_tcp(server: SocketAddr, sent: &Message, bytes: &[u8]) -> Result<Reply, Silence> {
    let length = u16::try_from(bytes.len()).map_err(|_| Silence::Garbled)?;
    let mut stream = TcpStream::connect(server).await?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut came = vec![0; length.into()];
    stream.read_exact(&mut came).await?;
    read(sent, &came).ok_or(Silence::Garbled)
}

/// The answer to `sent`, if it is one: the same id, the same kind of message, the same question.
fn read(sent: &Message, bytes: &[u8]) -> Option<Reply> {
    let message = Message::from_vec(bytes).ok()?;
    let refused = message.response_code != ResponseCode::NoError;
    let update = sent.op_code == hickory_proto::op::OpCode::Update;
    // RFC 2136 section 3.8 lets an answer leave the zone out, and many leave the question out of an error.
    let may_leave_out = refused || update || message.truncation;
    let about = match (message.queries.as_slice(), sent.queries.as_slice()) {
        ([], _) => may_leave_out,
        ([answered], [asked]) => same(answered, asked),
        _ => false,
    };
    let answers = message.id == sent.id
        && message.message_type == MessageType::Response
        && message.op_code == sent.op_code
        && about;
    answers.then(|| Reply { message, bytes: bytes.to_vec() })
}

fn same(answered: &Query, asked: &Query) -> bool {
    answered.name == asked.name
        && answered.query_type == asked.query_type
        && answered.query_class == asked.query_class
}
