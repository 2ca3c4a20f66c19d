//! Reads and writes a connection, and tells who watches it how that goes. As many system calls as tokio's own stream.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::Wire;

/// Reads and writes a [`Wire`].
#[derive(Debug)]
pub struct Socket(pub Arc<Wire>);

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &*self.0;
        loop {
            ready!(wire.tcp.poll_read_ready(cx))?;
            let (room, mut read) = (buf.remaining(), 0);
            // A read that does not fill the room emptied the socket: told to tokio as "would block", this saves asking again.
            // It must happen in here, where tokio knows which event is meant.
            let emptied = wire.tcp.try_io(Interest::READABLE, || {
                read = wire.tcp.try_read_buf(buf)?;
                let partly = read > 0 && read < room;
                if partly { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match emptied {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                Err(_) if read == 0 => {}
                _ => {
                    wire.read_some();
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Socket {
    fn write(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let wire = &*self.0;
        loop {
            if wire.tcp.poll_write_ready(cx)?.is_pending() {
                wire.full.store(true, Relaxed);
                return Poll::Pending;
            }
            match write(&wire.tcp) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(written) => {
                    if wire.full.load(Relaxed) {
                        wire.full.store(false, Relaxed);
                    }
                    wire.given.fetch_add(written as u64, Relaxed);
                    return Poll::Ready(Ok(written));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |tcp| tcp.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |tcp| tcp.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0.tcp).shutdown(Shutdown::Write))
    }
}
