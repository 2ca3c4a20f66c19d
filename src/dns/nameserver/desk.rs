//! A message's bytes -> the answer's bytes: the zone that counts now, and the one place that changes it.
//!
//! A change is on disk before anybody can see it; changes are made one at a time.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::TSigner;

use super::answer::{answer, begun, encoded, udp_limit, unreadable};
use super::done::Done;
use super::tsig::{Checked, Signature, check};
use super::zone::Zone;
use super::{disk, limits, update};

/// By which way a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In one datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// What is to be done about a message.
pub(super) enum Taken {
    /// Nothing: it is no question.
    Nothing,
    /// To send this.
    Answer(Vec<u8>),
    /// To have [`Clerk::change`] make it, whose turn it is.
    Change(Box<Change>),
}

/// An update by somebody who may make it.
pub(super) struct Change {
    request: Message,
    signature: Signature,
    limit: usize,
}

impl Change {
    /// `zone` after it; `None` where it changes nothing.
    pub(super) fn on(&self, zone: &Zone) -> Result<Option<Zone>, ResponseCode> {
        update(zone, &self.request)
    }

    /// The answer to it.
    pub(super) fn reply(&self, code: ResponseCode, now: u64) -> Vec<u8> {
        let mut response = begun(&self.request);
        response.metadata.response_code = code;
        sent(response, Some(&self.signature), self.limit, now)
    }

    /// That there is no room for it now.
    pub(super) fn crowded(&self, now: u64) -> Vec<u8> {
        self.reply(ResponseCode::ServFail, now)
    }
}

/// What everybody who answers shares.
pub(super) struct Desk {
    zone: ArcSwap<Zone>,
    keys: Vec<TSigner>,
}

impl Desk {
    pub(super) fn new(zone: Zone, keys: Vec<TSigner>) -> Desk {
        Desk { zone: ArcSwap::from_pointee(zone), keys }
    }

    /// The zone that counts now.
    pub(super) fn zone(&self) -> Arc<Zone> {
        self.zone.load_full()
    }

    /// What is done about `bytes`, at `now`, in seconds since 1970.
    pub(super) fn take(&self, bytes: &[u8], way: Way, now: u64) -> Taken {
        let Ok(request) = Message::from_vec(bytes) else {
            let response = unreadable(bytes).and_then(|response| response.to_vec().ok());
            return response.map_or(Taken::Nothing, Taken::Answer);
        };
        if request.message_type != MessageType::Query {
            return Taken::Nothing;
        }
        let limit = match way {
            Way::Udp => udp_limit(&request),
            Way::Tcp => limits::TCP_ANSWER,
        };
        let signature = match check(&self.keys, bytes, &request, now) {
            Checked::Refused(response) => return Taken::Answer(sent(*response, None, limit, now)),
            Checked::Unsigned => None,
            Checked::Signed(signature) => Some(signature),
        };
        match (request.op_code, signature) {
            (OpCode::Update, Some(signature)) => {
                Taken::Change(Box::new(Change { request, signature, limit }))
            }
            // Who is nobody in particular may change nothing.
            (OpCode::Update, None) => {
                let mut response = begun(&request);
                response.metadata.response_code = ResponseCode::Refused;
                Taken::Answer(sent(response, None, limit, now))
            }
            (_, signature) => {
                let response = answer(&self.zone.load(), &request);
                Taken::Answer(sent(response, signature.as_ref(), limit, now))
            }
        }
    }
}

/// `response` as it is sent, signed where the request was.
fn sent(mut response: Message, signature: Option<&Signature>, limit: usize, now: u64) -> Vec<u8> {
    if let Some(signature) = signature {
        let room = limit.saturating_sub(limits::SIGNATURE);
        let fits = response.to_vec().is_ok_and(|bytes| bytes.len() <= room);
        if !fits {
            response = response.truncate();
            response.metadata.message_type = MessageType::Response;
        }
        if signature.sign(&mut response, now).is_none() {
            return Vec::new();
        }
    }
    encoded(&response, limit).unwrap_or_default()
}

/// Makes the changes.
pub(super) struct Clerk {
    pub(super) desk: Arc<Desk>,
    pub(super) path: PathBuf,
    pub(super) done: Done,
}

impl Clerk {
    /// Makes `change`, or none of it, and says so. The same bytes again make nothing, and get the same answer.
    pub(super) fn change(&mut self, change: &Change, now: u64) -> Vec<u8> {
        let Signature { mac, until, .. } = &change.signature;
        let code = self.done.answer(mac, now).unwrap_or_else(|| {
            let code = self.made(change);
            self.done.note(mac, (now, *until), code);
            code
        });
        change.reply(code, now)
    }

    fn made(&self, change: &Change) -> ResponseCode {
        let zone = self.desk.zone();
        match change.on(&zone) {
            Ok(None) => ResponseCode::NoError,
            Ok(Some(next)) => self.publish(next, change),
            Err(code) => {
                tracing::info!(zone = %zone.origin(), key = change.signature.key(), answer = %code, "update refused");
                code
            }
        }
    }

    fn publish(&self, next: Zone, change: &Change) -> ResponseCode {
        if let Err(error) = disk::write(&self.path, &next) {
            tracing::error!(path = %self.path.display(), %error, "the zone cannot be written: it stays as it was");
            return ResponseCode::ServFail;
        }
        let serial = next.soa().serial;
        tracing::info!(zone = %next.origin(), serial, key = change.signature.key(), "zone updated");
        self.desk.zone.store(Arc::new(next));
        ResponseCode::NoError
    }
}
