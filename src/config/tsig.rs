//! A TSIG key (RFC 8945), as both sides of an update know it: the nameserver's askers and ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hcl_edit::structure::Block;
use hickory_proto::rr::Name;

use super::read::Reader;
use super::secret::Secret;
use crate::net::record;

/// Whoever knows the secret may change what the name server lets the key change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TsigKey {
    /// Its name, which both sides must write the same.
    pub name: Name,
    /// How it signs.
    pub algorithm: TsigDigest,
    /// The key itself, which key files have in base64; `None` where this machine does not have it.
    pub secret: Option<Secret>,
}

/// The digest of a TSIG key. SHA-1 and MD5 are no longer safe enough to be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TsigDigest {
    /// `hmac-sha256`
    Sha256,
    /// `hmac-sha384`
    Sha384,
    /// `hmac-sha512`
    Sha512,
}

const ALGORITHMS: [(&str, TsigDigest); 3] = [
    ("hmac-sha256", TsigDigest::Sha256),
    ("hmac-sha384", TsigDigest::Sha384),
    ("hmac-sha512", TsigDigest::Sha512),
];

/// Reads a `key` block whose secret has at least `shortest` bytes: of somebody else's key that is theirs to say.
pub(super) fn key<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
    shortest: usize,
) -> Option<TsigKey> {
    let labels = reader.labels(block, &["name"])?;
    let label = labels.first().copied().unwrap_or_default();
    let name = record::name(label).filter(|name| !name.is_root());
    if name.is_none() {
        reader.wrong(&block.ident, "a key has a name, as key \"update\" { .. }");
    }
    let body = &block.body;
    reader.only(body, &["algorithm", "secret"], &[], &[]);
    let algorithm = match body.get_attribute("algorithm") {
        Some(_) => reader.choice(body, "algorithm", &ALGORITHMS),
        None => Some(TsigDigest::Sha256),
    };
    if body.get_attribute("secret").is_none() {
        reader.needed(block, "secret");
    }
    let Some(text) = reader.secret(body, "secret") else {
        return Some(TsigKey { name: name?, algorithm: algorithm?, secret: None });
    };
    let secret = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() >= shortest);
    if let Some(given) = body.get_attribute("secret").filter(|_| secret.is_none()) {
        // Never says what the text is.
        let message = match shortest {
            1 => "the secret is not base64, as name servers write it in their own configuration"
                .to_owned(),
            shortest => format!("the secret is not base64 of {shortest} bytes or more"),
        };
        let hint = (shortest > 1).then(|| "make one: openssl rand -base64 32".to_owned());
        reader.wrong_with(&given.value, message, hint);
    }
    Some(TsigKey { name: name?, algorithm: algorithm?, secret: Some(Secret::new(secret?)) })
}
