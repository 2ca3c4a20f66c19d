//! What becomes of one request, from its first byte to its answer's last: counted, and written to the access log, when it
//! is dropped. A request that is dropped before it was answered is one whose client hung up.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Version};
use tokio::time::Instant;

use super::access_log::Line;
use super::address::Client;
use super::core::Core;
use super::counters::Fate;
use super::site::Site;
use crate::clock;

/// One request on its way.
pub(super) struct Record {
    core: Arc<Core>,
    site: Arc<Site>,
    began: Instant,
    answered: Option<(Fate, u16)>,
    bytes: u64,
    words: Option<Box<Words>>,
}

/// What the access log says of it, where there is one.
struct Words {
    client: Client,
    method: Method,
    version: Version,
    host: Option<HeaderValue>,
    path: String,
    id: HeaderValue,
}

/// What a record needs to know of a request.
pub(super) struct Of<'a> {
    pub(super) parts: &'a http::request::Parts,
    pub(super) client: Client,
    pub(super) id: &'a HeaderValue,
}

impl Record {
    /// It begins now.
    pub(super) fn begin(core: &Arc<Core>, site: &Arc<Site>, of: &Of<'_>) -> Record {
        let words = core.shared.access_log.as_ref().map(|_| {
            Box::new(Words {
                client: of.client,
                method: of.parts.method.clone(),
                version: of.parts.version,
                host: of.parts.headers.get(http::header::HOST).cloned(),
                path: of.parts.uri.path().to_owned(),
                id: of.id.clone(),
            })
        });
        Record {
            core: Arc::clone(core),
            site: Arc::clone(site),
            began: clock::monotonic(),
            answered: None,
            bytes: 0,
            words,
        }
    }

    /// It is answered like this.
    pub(super) fn answered(&mut self, fate: Fate, status: u16) {
        self.answered = Some((fate, status));
    }

    /// So many bytes of its answer were handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// It left the waiting room.
    pub(super) fn waited(&self) {
        let tally = self.site.home.tallies.on(self.core.index);
        tally.waited(self.age());
    }

    fn age(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.began)
    }

    fn log(&self, words: &Words, (fate, status): (Fate, u16), took: Duration) {
        let Some(log) = &self.core.shared.access_log else { return };
        let text = |value: Option<&HeaderValue>| -> String {
            value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let line = Line {
            at: clock::now().to_string(),
            site: self.site.name(),
            client: words.client.ip,
            protocol: if words.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
            method: words.method.as_str(),
            host: &text(words.host.as_ref()),
            path: &words.path,
            status,
            bytes: self.bytes,
            duration: took.as_secs_f64(),
            decision: fate.word(),
            request_id: &text(Some(&words.id)),
        };
        if !log.write(&line) {
            let lost = &self.core.shared.counters.unlogged;
            lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let ended = self.answered.unwrap_or((Fate::Gone, 499));
        let (tally, took) = (self.site.home.tallies.on(self.core.index), self.age());
        tally.count(ended.0);
        tally.took(took);
        if let Some(words) = &self.words {
            self.log(words, ended, took);
        }
    }
}
