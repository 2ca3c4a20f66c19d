//! Who asks (RFC 8945): a request's signature is checked, and the answer signed with the same key.
//!
//! Digests are compared in constant time, by the library. A key's secret is in no error and no log.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::tsig::{TsigError, make_tsig_record};
use hickory_proto::rr::{TSigResponseContext, TSigner};

use super::answer::begun;
use super::error::Error;
use crate::config::TsigKey;
use crate::dns::signer;

/// The key, ready for use.
pub(super) fn signer(key: &TsigKey) -> Result<TSigner, Error> {
    signer::signer(key).map_err(|_| Error::Key { name: key.name.to_ascii() })
}

/// What a request's signature says.
pub(super) enum Checked {
    /// It has none.
    Unsigned,
    /// It is that of one of our keys, and fresh.
    Signed(Signature),
    /// It is not; this is the answer.
    Refused(Box<Message>),
}

/// A signature that was found good, for the answer to be signed after it.
#[derive(Clone)]
pub(super) struct Signature {
    signer: TSigner,
    /// The request's digest.
    pub(super) mac: Vec<u8>,
    /// The last second in which it is fresh, since 1970.
    pub(super) until: u64,
}

impl Signature {
    /// Signs `response` to a request that bears this.
    pub(super) fn sign(&self, response: &mut Message, now: u64) -> Option<()> {
        let bytes = response.to_vec().ok()?;
        let context =
            TSigResponseContext::new(response.id, now, self.signer.clone(), self.mac.clone(), None);
        response.set_signature(context.sign(&bytes).ok()?);
        Some(())
    }

    /// The name of its key.
    pub(super) fn key(&self) -> String {
        self.signer.signer_name().to_ascii()
    }
}

/// Checks the signature of `request`, which was read from `bytes`, at `now`, in seconds since 1970.
pub(super) fn check(keys: &[TSigner], bytes: &[u8], request: &Message, now: u64) -> Checked {
    let Some(record) = request.signature() else { return Checked::Unsigned };
    let tsig = &record.data;
    let known =
        |key: &&TSigner| *key.signer_name() == record.name && *key.algorithm() == tsig.algorithm;
    let Some(signer) = keys.iter().find(known) else {
        let context = TSigResponseContext::unknown_key(request.id, now, record.name.clone());
        return refused(request, context);
    };
    // The library takes the one from the other without looking; a clock of 1970 is no clock.
    let good =
        tsig.time >= u64::from(tsig.fudge) && signer.verify_message_byte(bytes, None, true).is_ok();
    if !good {
        return refused(
            request,
            TSigResponseContext::bad_signature(request.id, now, signer.clone()),
        );
    }
    if now.abs_diff(tsig.time) > u64::from(tsig.fudge) {
        return untimely(request, signer, tsig, now);
    }
    let until = tsig.time + u64::from(tsig.fudge);
    Checked::Signed(Signature { signer: signer.clone(), mac: tsig.mac.clone(), until })
}

/// BADSIG and BADKEY are not signed (section 5.2).
fn refused(request: &Message, context: TSigResponseContext) -> Checked {
    let mut response = begun(request);
    response.metadata.response_code = ResponseCode::NotAuth;
    if let Some(record) = response.to_vec().ok().and_then(|bytes| context.sign(&bytes).ok()) {
        response.set_signature(record);
    }
    Checked::Refused(Box::new(response))
}

/// BADTIME is, and says what time it is here (section 5.2.3).
fn untimely(request: &Message, signer: &TSigner, asked: &TSIG, now: u64) -> Checked {
    let mut response = begun(request);
    response.metadata.response_code = ResponseCode::NotAuth;
    let here = now.to_be_bytes().get(2..).unwrap_or_default().to_vec();
    let stub = TSIG::new(
        asked.algorithm.clone(),
        asked.time,
        asked.fudge,
        Vec::new(),
        request.id,
        Some(TsigError::BadTime),
        here,
    );
    let mac = response
        .to_vec()
        .ok()
        .and_then(|bytes| signer.encode_response_tbs(&asked.mac, &bytes, &stub).ok())
        .and_then(|bytes| signer.sign(&bytes).ok());
    if let Some(mac) = mac {
        let record = make_tsig_record(signer.signer_name().clone(), stub.set_mac(mac));
        response.set_signature(Box::new(record));
    }
    Checked::Refused(Box::new(response))
}
