//! What signs updates (TSIG, RFC 8945), and what the name server's signed answer says.
//!
//! The secret is in no error and no log.

use std::net::SocketAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;

use super::exchange::{Silence, Transport, send};
use crate::clock;
use crate::config::TsigKey;
use crate::dns::signer::signer;

/// What became of an update.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was made.
    Made,
    /// What it requires is not so.
    NotSo,
    /// The name server has not made it, and says why.
    Refused(Refusal),
    /// Whether it was made is not known.
    Unknown(String),
}

/// Why an update was not made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The key is not one of the name server's.
    UnknownKey,
    /// The name server has another secret for it.
    WrongSecret,
    /// The two clocks are too far apart.
    Clocks,
    /// The key is good, and may not do this.
    NoRight,
    /// The name server does not take updates of this zone.
    NotIts,
    /// Anything else, in the name server's word.
    Other(ResponseCode),
    /// The key cannot sign.
    NoKey(String),
}

/// Signs `update`, sends it once and reads the answer.
///
/// Not cancel safe: dropped midway, whether it took effect is only known by asking.
pub(super) async fn update(
    server: SocketAddr,
    key: &TsigKey,
    mut update: Message,
    again: Again,
) -> Verdict {
    let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
    let with_key = signer(key);
    let signed = with_key.and_then(|with_key| {
        let verifier = update.finalize(&with_key, now).map_err(|error| error.to_string())?;
        let bytes = update.to_vec().map_err(|error| error.to_string())?;
        Ok((verifier, bytes))
    });
    let (verifier, bytes) = match signed {
        Ok(signed) => signed,
        Err(why) => return Verdict::Refused(Refusal::NoKey(why)),
    };
    let transport = match again {
        Again::First => Transport::for_size(&bytes),
        Again::Repeated => Transport::Tcp,
    };
    let reply = match send(server, &update, &bytes, transport).await {
        Ok(reply) => reply,
        Err(silence) => return silent(&silence),
    };
    let genuine = verifier.is_some_and(|mut verifier| verifier.verify(&reply.bytes).is_ok());
    let signature = if genuine { Signature::Good } else { Signature::Missing };
    verdict(&reply.message, signature)
}

/// Whether an update is sent for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    First,
    /// After an answer that never came: by TCP, where nothing is lost on the way.
    Repeated,
}

fn silent(silence: &Silence) -> Verdict {
    Verdict::Unknown(silence.to_string())
}

/// Whether an answer is signed with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Good,
    Missing,
}

/// An answer that nobody signed may say why nothing was done, and no more than that.
fn verdict(answer: &Message, signature: Signature) -> Verdict {
    let of_key = answer.signature().and_then(|tsig| tsig.data.error);
    let refused = |refusal| Verdict::Refused(refusal);
    match (answer.response_code, of_key) {
        (ResponseCode::NotAuth, Some(TsigError::BadKey)) => refused(Refusal::UnknownKey),
        (ResponseCode::NotAuth, Some(TsigError::BadTime)) => refused(Refusal::Clocks),
        (ResponseCode::NotAuth, Some(_)) => refused(Refusal::WrongSecret),
        (ResponseCode::NoError, _) if signature == Signature::Good => Verdict::Made,
        (ResponseCode::NoError, _) => {
            Verdict::Unknown("its answer is not signed with the key".to_owned())
        }
        (
            ResponseCode::NXRRSet
            | ResponseCode::YXRRSet
            | ResponseCode::NXDomain
            | ResponseCode::YXDomain,
            _,
        ) => Verdict::NotSo,
        (ResponseCode::Refused, _) => refused(Refusal::NoRight),
        (ResponseCode::NotAuth | ResponseCode::NotZone, None) => refused(Refusal::NotIts),
        // RFC 2136 section 3.8 wants it undone then; whether it was is for a reading to say.
        (ResponseCode::ServFail, _) => Verdict::Unknown("it answered SERVFAIL".to_owned()),
        (code, _) => refused(Refusal::Other(code)),
    }
}
