//! A token: whose it is and how long it is good for, signed with the site's key and compared in constant time.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::config::Secret;
use crate::switch::OperationId;

/// No token is good for longer.
pub const LONGEST: Duration = Duration::from_hours(12);
/// What a signature is for, so that the key may sign other things too.
const PURPOSE: &[u8] = b"roadworks bypass 1";

/// A site's key, by which tokens are made and known again.
#[derive(Debug, Clone)]
pub struct Key {
    secret: Secret,
    site: String,
}

impl Key {
    /// The key of the site of this name.
    pub fn new(secret: Secret, site: &str) -> Key {
        Key { secret, site: site.to_owned() }
    }

    /// A token for testers of `operation`, good until `expiry` (in whole seconds, and 12 hours from now at most).
    pub fn token(&self, operation: &OperationId, expiry: Timestamp, now: Timestamp) -> Secret {
        let last = expires_at_most(now);
        let seconds = expiry.as_second().min(last);
        let mac = self.mac(operation, seconds).finalize().into_bytes();
        Secret::new(format!("{seconds:x}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// How long `token` is good for, if it is: of this site and this operation, and not too old.
    pub fn verified(
        &self,
        token: &[u8],
        operation: &OperationId,
        now: Timestamp,
    ) -> Option<Duration> {
        let (seconds, signature) = std::str::from_utf8(token).ok()?.split_once('.')?;
        let seconds = i64::from_str_radix(seconds, 16).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(operation, seconds).verify_slice(&signature).ok()?;
        let left =
            u64::try_from(seconds.saturating_sub(now.as_second())).ok().filter(|left| *left > 0)?;
        (seconds <= expires_at_most(now)).then(|| Duration::from_secs(left))
    }

    /// Each part with its length, so that no two texts are signed alike.
    fn mac(&self, operation: &OperationId, expiry: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.bytes())
            .expect("a key of HMAC may have any length");
        for part in [PURPOSE, self.site.as_bytes(), operation.to_string().as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&expiry.to_be_bytes());
        mac
    }
}

fn expires_at_most(now: Timestamp) -> i64 {
    now.as_second() + LONGEST.as_secs().cast_signed()
}
