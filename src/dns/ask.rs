//! One question to one server, by UDP, and by TCP where that is asked for or the answer was cut off.

use std::io;
use std::net::SocketAddr;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};

use super::exchange::{self, Silence};

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
    let answer = match transport {
        Transport::Usual => exchange::ask(server, &question).await,
        Transport::Tcp => exchange::ask_by_tcp(server, &question).await,
    };
    answer.map_err(|silence| match silence {
        Silence::Late(_) => Unanswered::Silent(server),
        Silence::Unreachable(source) => Unanswered::Unreachable { server, source },
        Silence::Garbled => Unanswered::Garbled(server),
    })
}
