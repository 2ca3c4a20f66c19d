//! Listening sockets: our own, one for each core, or inherited ones that outlive us.
//!
//! Must never share an address with another process by accident: one that is taken is refused.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// As many connections may wait to be accepted; the system caps it (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// Sockets that somebody else opened and will keep open: systemd, or whoever starts us. Nothing is refused between two
/// processes that take turns on them.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
}

impl Inherited {
    /// Those of `LISTEN_FDS`. They are taken once.
    pub fn from_environment() -> io::Result<Inherited> {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..passed.len() {
            // What is no TCP listener is somebody else's.
            let Ok(Some(socket)) = passed.take_tcp_listener(index) else { continue };
            SockRef::from(&socket).set_cloexec(true)?;
            sockets.push((socket.local_addr()?, socket));
        }
        Ok(Inherited { sockets })
    }

    /// The one at `address`, or at its port on all addresses: systemd opens `[::]:80` for `ListenStream=80`.
    fn at(&self, address: SocketAddr) -> Option<&TcpListener> {
        let all = |at: SocketAddr| {
            at.ip().is_unspecified() && address.ip().is_unspecified() && at.port() == address.port()
        };
        let exact = self.sockets.iter().find(|(at, _)| *at == address);
        exact.or_else(|| self.sockets.iter().find(|(at, _)| all(*at))).map(|(_, socket)| socket)
    }
}

/// One address that is listened on.
#[derive(Debug)]
pub struct Bound {
    /// Where it really is: port 0 has become a port.
    pub address: SocketAddr,
    /// One for each core.
    pub sockets: Vec<TcpListener>,
}

/// Listens on `address`, with a socket for each of `cores`.
pub fn bind(address: SocketAddr, cores: usize, inherited: &Inherited) -> io::Result<Bound> {
    if let Some(socket) = inherited.at(address) {
        // One queue for all: what the old process did not accept, we do.
        let sockets = (0..cores).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
        sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        return Ok(Bound { address: socket.local_addr()?, sockets });
    }
    // A socket that shares its address may join another process's: this one may not, so it finds out.
    drop(open(address, Sharing::Alone)?);
    let first = open(address, Sharing::Cores)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < cores {
        sockets.push(open(address, Sharing::Cores)?);
    }
    Ok(Bound { address, sockets })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Cores,
}

fn open(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Cores)?;
    if address.is_ipv6() {
        // As systemd and everybody else has it: `[::]` is IPv4 too.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Who listens alone only asks; a connection to it would be lost.
    if sharing == Sharing::Cores {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn every_core_has_a_socket_at_the_same_port_and_nobody_else_gets_it() {
        let bound = bind(ANY, 2, &Inherited::default()).unwrap();
        assert_ne!(bound.address.port(), 0);
        assert_eq!(bound.sockets.len(), 2);
        for socket in &bound.sockets {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
        }
        let taken = bind(bound.address, 2, &Inherited::default()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_inherited_socket_is_one_queue_for_all_cores() {
        let socket = TcpListener::bind(ANY).unwrap();
        let address = socket.local_addr().unwrap();
        let inherited = Inherited { sockets: vec![(address, socket)] };
        let bound = bind(address, 2, &inherited).unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        // Whichever core asks first has it, though both sockets were there before.
        let accept = || bound.sockets.iter().rev().find_map(|socket| socket.accept().ok());
        let (_, from) = accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
    }
}
