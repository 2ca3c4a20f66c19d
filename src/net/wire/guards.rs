//! What a connection is busy with, for as long as each lives: a request, a body that somebody waits for, an answer that is
//! offered piece by piece.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Wire;

/// A request that is being answered: while it lives its connection is not idle, and a hang-up is looked for.
#[derive(Debug)]
pub struct Busy(Arc<Wire>);

impl Busy {
    /// How many requests of its connection are being answered.
    pub fn together(&self) -> u32 {
        self.0.busy.load(Relaxed)
    }

    /// From now on.
    pub fn on(wire: &Arc<Wire>) -> Busy {
        wire.busy.fetch_add(1, Relaxed);
        wire.head_since.store(0, Relaxed);
        Busy(Arc::clone(wire))
    }
}

/// An answer that is given piece by piece. On a connection of frames the next piece is asked for only where the client
/// has room for it: whoever has none keeps it stuck, though the socket takes bytes.
#[derive(Debug)]
pub struct Offered {
    wire: Arc<Wire>,
    stuck: bool,
}

impl Offered {
    /// Nobody has asked for its first piece yet. `None` where the socket tells.
    pub fn by(busy: &Busy) -> Option<Offered> {
        let wire = &busy.0;
        wire.frames.load(Relaxed).then(|| {
            let mut offered = Offered { wire: Arc::clone(wire), stuck: false };
            offered.gave();
            offered
        })
    }

    /// The next piece was asked for.
    pub fn asked(&mut self) {
        if std::mem::take(&mut self.stuck) {
            self.wire.stuck.fetch_sub(1, Relaxed);
        }
    }

    /// A piece was given: the client has yet to ask for the next.
    pub fn gave(&mut self) {
        if !std::mem::replace(&mut self.stuck, true) {
            self.wire.stuck.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.asked();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Relaxed) == 1 {
            self.0.idle_since.store(self.0.lookout.looks.load(Relaxed), Relaxed);
        }
    }
}

/// A body that is read: while somebody waits for it, it has to come at the rate.
#[derive(Debug)]
pub struct Wanted {
    wire: Arc<Wire>,
    waiting: bool,
}

impl Wanted {
    /// Nobody waits yet.
    pub fn on(wire: &Arc<Wire>) -> Wanted {
        Wanted { wire: Arc::clone(wire), waiting: false }
    }

    /// Somebody waits for the client.
    pub fn waits(&mut self) {
        if !self.waiting {
            self.waiting = true;
            self.wire.wanted.fetch_add(1, Relaxed);
        }
    }

    /// So many bytes came, or it ended.
    pub fn came(&mut self, bytes: usize) {
        if self.waiting {
            self.waiting = false;
            self.wire.wanted.fetch_sub(1, Relaxed);
        }
        self.wire.taken.fetch_add(bytes as u64, Relaxed);
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.came(0);
    }
}
