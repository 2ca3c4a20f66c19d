//! A way to a server on which, while it is bad, each connection is reset in the middle of what the server says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roadworks::tasks::Tasks;
use socket2::SockRef;

/// Such a way.
pub(crate) struct Resets {
    pub(crate) port: u16,
    is_bad: Arc<AtomicBool>,
}

impl Resets {
    /// To the server at this port of loopback.
    pub(crate) fn to(server: u16) -> Resets {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, is_bad) = (listener.local_addr().unwrap().port(), Arc::default());
        let bad = Arc::clone(&is_bad);
        let accept = move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    join(client, server, &bad);
                }
            }
        };
        Tasks::new().start_thread("resets", accept).unwrap();
        Resets { port, is_bad }
    }

    pub(crate) fn begin(&self) {
        self.is_bad.store(true, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.is_bad.store(false, Ordering::SeqCst);
    }
}

fn join(client: TcpStream, server: TcpStream, is_bad: &Arc<AtomicBool>) {
    let (asks, asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let copy = move || {
        let (mut asks, mut asked) = (asks, asked);
        drop(std::io::copy(&mut asks, &mut asked));
        asked.shutdown(Shutdown::Both).unwrap_or_default();
    };
    Tasks::new().start_thread("resets", copy).unwrap();
    let is_bad = Arc::clone(is_bad);
    Tasks::new().start_thread("resets", move || answer(client, server, &is_bad)).unwrap();
}

fn answer(mut client: TcpStream, mut server: TcpStream, is_bad: &AtomicBool) {
    let mut piece = [0; 16 << 10];
    while let Ok(length @ 1..) = server.read(&mut piece) {
        let said = &piece[..length];
        if !is_bad.load(Ordering::SeqCst) {
            if client.write_all(said).is_err() {
                break;
            }
            continue;
        }
        // Half an answer, and no goodbye once nobody has this connection any more.
        client.write_all(&said[..length / 2]).unwrap_or_default();
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        break;
    }
    // The other thread reads its end.
    client.shutdown(Shutdown::Read).unwrap_or_default();
}
