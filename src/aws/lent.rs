//! Lends a session's credentials to `object_store`, which would look for its own.
//!
//! Never keeps any for the life of a process: keys are taken out of use, and rarely say when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use jiff::{SignedDuration, Timestamp};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex as Turn;
use tokio::time::Instant;

use super::session::Session;
use crate::clock;

/// So long before they end, credentials are asked for anew.
const RENEWED: SignedDuration = SignedDuration::from_mins(5);
/// Those that tell no end are asked for anew so long after they were.
const KEPT: Duration = Duration::from_mins(15);
/// How long whoever gives them may take while there are old ones: less than a store waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Those that were refused at once, but others that were refused, too, only so long after: it may be that nobody is let in.
const REFUSED: Duration = Duration::from_secs(10);

/// A session's credentials.
#[derive(Debug)]
pub(super) struct Lent {
    session: Session,
    /// One asks at a time.
    turn: Turn<()>,
    found: Mutex<Option<Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    keys: Arc<AwsCredential>,
    ends: Option<Timestamp>,
    asked: Instant,
    refused: bool,
    /// Whether they were asked for because those before were refused.
    instead: bool,
}

impl Found {
    fn of(keys: &Credentials, asked: Instant) -> Found {
        let ends = keys.expiry().and_then(|ends| Timestamp::try_from(ends).ok());
        let keys = Arc::new(AwsCredential {
            key_id: keys.access_key_id().to_owned(),
            secret_key: keys.secret_access_key().to_owned(),
            token: keys.session_token().map(Into::into),
        });
        Found { keys, ends, asked, refused: false, instead: false }
    }

    /// Whether they are used without asking for new ones.
    fn is_good(&self) -> bool {
        let age = clock::monotonic().duration_since(self.asked);
        let lasts = match self.ends {
            Some(ends) => clock::now().duration_until(ends) > RENEWED,
            None => age < KEPT,
        };
        lasts && !(self.refused && (!self.instead || age >= REFUSED))
    }
}

impl Lent {
    pub(super) fn of(session: &Session) -> Lent {
        Lent { session: session.clone(), turn: Turn::default(), found: Mutex::default() }
    }

    /// They were not accepted.
    pub(super) fn refused(&self) {
        if let Some(found) = self.found().as_mut() {
            found.refused = true;
        }
    }

    fn found(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's credentials, read anew where there were some. Whoever gives them and is silent must not keep the old ones from
    /// being used while they are good.
    async fn asked(&self, before: Option<&Found>) -> Result<Credentials, CredentialsError> {
        if before.is_none() {
            return self.session.credentials().await;
        }
        let asked = async { self.session.anew().await.credentials().await };
        let late = |_| CredentialsError::provider_timed_out(PATIENCE);
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }
}

#[async_trait]
impl CredentialProvider for Lent {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let _turn = self.turn.lock().await;
        let before = self.found().clone();
        if let Some(found) = before.as_ref().filter(|found| found.is_good()) {
            return Ok(Arc::clone(&found.keys));
        }
        let asked = clock::monotonic();
        let instead = before.as_ref().is_some_and(|found| found.refused);
        let found = match (self.asked(before.as_ref()).await, before) {
            (Ok(keys), _) => Found { instead, ..Found::of(&keys, asked) },
            // The old ones may be good for a while yet.
            (Err(_), Some(found)) if found.ends.is_none() => {
                Found { asked, instead, refused: false, ..found }
            }
            (Err(_), Some(found)) if found.ends.is_some_and(|ends| ends > clock::now()) => found,
            (Err(cause), _) => {
                let source = Box::new(cause);
                return Err(object_store::Error::Generic { store: "S3", source });
            }
        };
        let keys = Arc::clone(&found.keys);
        *self.found() = Some(found);
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

    use super::super::loopback::{Fake, Then, session_with};
    use super::super::s3::{Bucket, Location};
    use super::*;

    /// Keys without an end, others each time: `AKIA1`, `AKIA2`; the third are not to be had.
    #[derive(Debug, Default)]
    struct Rotated(AtomicUsize);

    impl ProvideCredentials for Rotated {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let times = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            let keys = Credentials::new(format!("AKIA{times}"), "secret", None, None, "test");
            let none = CredentialsError::not_loaded("the file is gone");
            future::ProvideCredentials::ready(if times == 3 { Err(none) } else { Ok(keys) })
        }
    }

    fn rotated(endpoint: &str) -> Session {
        session_with(endpoint, SharedCredentialsProvider::new(Rotated::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_tell_no_end_are_asked_for_anew_after_a_quarter_of_an_hour() {
        let lent = Lent::of(&rotated("http://127.0.0.1:1"));
        let id = async || lent.get_credential().await.unwrap().key_id.clone();
        assert_eq!(id().await, "AKIA1");
        tokio::time::advance(KEPT / 2).await;
        assert_eq!(id().await, "AKIA1");
        tokio::time::advance(KEPT / 2).await;
        assert_eq!(id().await, "AKIA2");
        // Those that were good go on where no others are to be had, and that is tried again.
        tokio::time::advance(KEPT).await;
        assert_eq!(id().await, "AKIA2");
        tokio::time::advance(KEPT).await;
        assert_eq!(id().await, "AKIA4");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_let_in_by_no_keys_asks_for_others_now_and_then_only() {
        let lent = Lent::of(&rotated("http://127.0.0.1:1"));
        let id = async || lent.get_credential().await.unwrap().key_id.clone();
        assert_eq!(id().await, "AKIA1");
        lent.refused();
        assert_eq!(id().await, "AKIA2");
        lent.refused();
        assert_eq!(id().await, "AKIA2");
        tokio::time::advance(REFUSED).await;
        // There are none at first; then there are.
        assert_eq!(id().await, "AKIA2");
        lent.refused();
        tokio::time::advance(REFUSED).await;
        assert_eq!(id().await, "AKIA4");
    }

    #[tokio::test]
    async fn a_bucket_that_begins_to_refuse_a_key_is_asked_with_the_next_one() {
        for (status, code) in
            [(403, "InvalidAccessKeyId"), (400, "ExpiredToken"), (403, "AccessDenied")]
        {
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let refuses = Then::Refuse("Credential=AKIA1/", status, body);
            let fake = Fake::new(refuses).await;
            let bucket =
                Bucket::open(&rotated(&fake.url()), "states", &Location::default()).unwrap();
            fake.during(async {
                bucket.get("a").await.unwrap_err();
                bucket.get("a").await.unwrap().unwrap();
            })
            .await;
            assert_eq!(fake.heard.borrow().len(), 2, "{code}");
        }
    }
}
