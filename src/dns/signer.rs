//! A TSIG key, ready to sign: the nameserver's answers, and the updates that we send.

use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;

use crate::config::{TsigDigest, TsigKey};

/// How far two clocks may be apart, in seconds (RFC 8945 section 10).
const FUDGE: u16 = 300;

/// Signs with `key`; or why it cannot, in words.
pub(super) fn signer(key: &TsigKey) -> Result<TSigner, String> {
    let algorithm = match key.algorithm {
        TsigDigest::Sha256 => TsigAlgorithm::HmacSha256,
        TsigDigest::Sha384 => TsigAlgorithm::HmacSha384,
        TsigDigest::Sha512 => TsigAlgorithm::HmacSha512,
    };
    let secret = key.secret.as_ref().ok_or("its secret is not here")?;
    let signer = TSigner::new(secret.bytes().to_vec(), algorithm, key.name.clone(), FUDGE);
    signer.map_err(|error| error.to_string())
}
