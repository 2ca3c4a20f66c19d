//! One question to one server, by UDP, and by TCP where that is asked for or the answer was cut off.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(2);
/// A datagram can be lost.
const TRIES: usize = 2;
const UDP_ANSWER: u16 = 1_232;

/// By which way it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP first.
    Usual,
    /// TCP only.
    Tcp,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody answered in time.
    #[error("{0} does not answer")]
    Silent(SocketAddr),
    /// The way to it is broken.
    #[error("{server} cannot be asked: {source}")]
    Unreachable {
        /// Who.
        server: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What came back is no answer to the question.
    #[error("{0} answered something that cannot be read")]
    Garbled(SocketAddr),
}

/// The answer of `server`. Cancel safe: dropping the future closes the socket.
pub async fn ask(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    transport: Transport,
) -> Result<Message, Unanswered> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_ANSWER).set_version(0);
    question.set_edns(edns);
    let bytes = question.to_vec().map_err(|_| Unanswered::Garbled(server))?;
    if transport == Transport::Usual {
        let answer = by_udp(server, &question, &bytes).await?;
        if !answer.truncation {
            return Ok(answer);
        }
    }
    match timeout(TRY, by_tcp(server, &bytes)).await {
        Err(_) => Err(Unanswered::Silent(server)),
        Ok(Err(source)) => Err(Unanswered::Unreachable { server, source }),
        Ok(Ok(bytes)) => read(&question, &bytes).ok_or(Unanswered::Garbled(server)),
    }
}

async fn by_udp(
    server: SocketAddr,
    question: &Message,
    bytes: &[u8],
) -> Result<Message, Unanswered> {
    let any = match server.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let broken = |source| Unanswered::Unreachable { server, source };
    for _ in 0..TRIES {
        // A port of its own for each try, so that a stranger cannot guess where the answer is awaited.
        let socket = UdpSocket::bind((any, 0)).await.map_err(broken)?;
        socket.connect(server).await.map_err(broken)?;
        socket.send(bytes).await.map_err(broken)?;
        if let Ok(answer) = timeout(TRY, matching(&socket, question)).await {
            return answer.map_err(broken);
        }
    }
    Err(Unanswered::Silent(server))
}

/// The first datagram that answers the question; others are somebody's guesses.
async fn matching(socket: &UdpSocket, question: &Message) -> io::Result<Message> {
    let mut buffer = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = read(question, buffer.get(..length).unwrap_or_default()) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend(bytes);
    stream.write_all(&whole).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn read(question: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    // Who could not read the question need not repeat it.
    let same = answer.queries == question.queries || answer.queries.is_empty();
    let ours = answer.id == question.id && answer.message_type == MessageType::Response;
    (ours && same).then_some(answer)
}
