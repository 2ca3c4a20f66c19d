//! A webhook, as Standard Webhooks says: one id for all tries of one event, the time of this try, and a signature over both and
//! the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use jiff::Timestamp;
use sha2::Sha256;

use super::{Error, Event, post};
use crate::config::{Destination, Secret};

pub(super) async fn tell(
    to: &Destination,
    secret: Option<&Secret>,
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    let body = event.json().to_string();
    let at = now.as_second();
    let mut headers = vec![("webhook-id", event.id.clone()), ("webhook-timestamp", at.to_string())];
    if let Some(secret) = secret {
        headers.push(("webhook-signature", signature(secret, (&event.id, at), &body)));
    }
    post::sent(to, Method::POST, ("", headers), body.into()).await.map(drop)
}

/// `v1,` and the HMAC-SHA256 of `id.timestamp.body` as Base64.
fn signature(secret: &Secret, (id, at): (&str, i64), body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC takes any key");
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks specification's own libraries.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &Secret::new(secret),
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330),
            "{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
