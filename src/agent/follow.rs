//! Store -> gateway: what one site's gateway is to give, from the store where it can be read, from the disk of this
//! machine where it cannot, and never looser than what somebody set here.
//!
//! Never changes the mode because the store is gone, torn or silent, and never because time passed.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval_at};

use super::heartbeat::{self, Heartbeat, Teller};
use super::kept::{Kept, Local};
use crate::clock;
use crate::gateway::{Around, Gateway, RampReport, Report};
use crate::store::{self, Notice, SiteStore, Store, Version};
use crate::switch::{Mode, Posture, Switch};
use crate::tasks::Tasks;

/// What stands in front of the app, and is told what to give.
pub trait Front: Send + Sync {
    /// From the next request on, `site` gives what `posture` says; `None` means that nothing is known.
    fn set(&self, site: &str, posture: Option<Posture>);

    /// What is asked for and what is wrong around `site`, for whoever watches from outside.
    fn around(&self, site: &str, around: Around);

    /// How `site` stands at `now`.
    fn report(&self, site: &str, now: Timestamp) -> Report;

    /// Tells that some site's drain or hold changed.
    fn changed(&self) -> watch::Receiver<u64>;
}

impl Front for Gateway {
    fn set(&self, site: &str, posture: Option<Posture>) {
        if !Gateway::set(self, site, posture) {
            tracing::warn!(site, "the gateway has no such site");
        }
    }

    fn around(&self, site: &str, around: Around) {
        Gateway::around(self, site, around);
    }

    fn report(&self, site: &str, now: Timestamp) -> Report {
        Gateway::report(self, site, now)
    }

    fn changed(&self) -> watch::Receiver<u64> {
        Gateway::changed(self)
    }
}

/// What a gateway gives, as good as, that does not know what is asked for: it answers 503 to everybody.
const UNKNOWN: Mode = Mode::Closed;
/// How often it looks whether the first upstream has answered: until then nobody can open the site.
const FIRST_WORD: Duration = Duration::from_millis(10);

/// What the store said of the switch.
type Read = Result<Option<(Switch, Version)>, store::Error>;

/// What is known of the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// Neither store nor disk could be read.
    Nothing,
    /// The store was readable, and nobody ever threw the switch.
    NeverAsked(Timestamp),
    /// This.
    Asked(Box<Switch>),
}

/// One site's switch, followed.
#[derive(Debug)]
pub struct Follow<S> {
    site: String,
    store: Arc<SiteStore<S>>,
    kept: Kept,
    known: Known,
    local: Option<Local>,
    /// What is wrong with the store, and with this machine's disk.
    of_store: Option<String>,
    of_disk: Option<String>,
    of_heartbeat: Option<String>,
}

/// What is asked of a running follower.
#[derive(Debug)]
pub enum Request {
    /// Keep this mode on this machine, or clear it.
    Local(Option<Local>, oneshot::Sender<Result<(), LocalRefused>>),
    /// Tell how the site stands here.
    Tell(oneshot::Sender<Heartbeat>),
}

/// Why a mode cannot be set on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalRefused {
    /// The store asks for less.
    #[error("the switch asks for {asked}, and a mode set on one machine is never looser")]
    Looser {
        /// What the store asks for.
        asked: Mode,
    },
    /// What the store asks for is not known: it may be anything.
    #[error(
        "what the switch asks for is not known, and a mode set on one machine is never looser: only close is possible"
    )]
    Unknown,
    /// It counts, and could not be kept.
    #[error(
        "it counts now, but a restart forgets it, since it cannot be kept on this machine: {0}"
    )]
    Unkept(String),
    /// It is kept still.
    #[error("it cannot be cleared on this machine: {0}")]
    Uncleared(String),
}

impl<S: Store> Follow<S> {
    /// Reads the store, and this machine's disk where that cannot be read: all that is known before the first request.
    pub async fn begin(site: &str, store: SiteStore<S>, kept: Kept) -> Follow<S> {
        let mut follow = Follow {
            site: site.to_owned(),
            store: Arc::new(store),
            kept,
            known: Known::Nothing,
            local: None,
            of_store: None,
            of_disk: None,
            of_heartbeat: None,
        };
        match follow.kept.switch() {
            Ok(Some(switch)) => follow.known = Known::Asked(Box::new(switch)),
            Ok(None) => {}
            Err(error) => {
                follow.of_disk = Some(format!("the switch kept here is unreadable: {error}"));
            }
        }
        match follow.kept.local() {
            Ok(local) => follow.local = local,
            // Somebody set a mode here, and which one is not known any more: the strictest that it can have been.
            Err(error) => {
                let by = format!("unreadable: {error}");
                follow.local = Some(Local { format: 1, mode: Mode::Closed, by, at: clock::now() });
            }
        }
        let read = follow.store.switch().await;
        follow.heard(read, clock::now());
        follow
    }

    /// Takes in what the store said.
    fn heard(&mut self, read: Read, now: Timestamp) {
        match (read, &self.known) {
            (Ok(Some((switch, _))), _) => {
                self.known = Known::Asked(Box::new(switch));
                self.of_store = None;
            }
            // It was thrown once: a store without it has lost it.
            (Ok(None), Known::Asked(_)) => {
                self.of_store = Some(format!(
                    "the switch is gone from the store at {}: the mode stays as it is",
                    self.store.describe()
                ));
            }
            (Ok(None), Known::NeverAsked(_)) => self.of_store = None,
            // A copy that cannot be read was a switch once.
            (Ok(None), Known::Nothing) if self.of_disk.is_some() => {
                self.of_store = Some(format!(
                    "there is no switch in the store at {}, and the one kept here is unreadable: nothing is known until somebody throws it, or that file is removed and `roadworks serve` started again",
                    self.store.describe()
                ));
            }
            (Ok(None), Known::Nothing) => {
                self.known = Known::NeverAsked(now);
                self.of_store = None;
            }
            (Err(error), _) => {
                self.of_store = Some(format!("{}: the mode stays as it is", in_words(&error)));
            }
        }
    }

    /// The site's name.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// What the gateway is to give; `None` where nothing is known.
    pub fn posture(&self) -> Option<Posture> {
        let asked = match &self.known {
            Known::Nothing => None,
            Known::NeverAsked(since) => Some(Posture::never_asked(*since)),
            Known::Asked(switch) => Some(switch.posture()),
        };
        match (&self.local, asked) {
            (Some(local), asked) if stricter(local, asked.as_ref()) => Some(Posture {
                mode: local.mode,
                operation: asked.and_then(|asked| asked.operation),
                since: local.at,
                until: None,
                patience: None,
                reopened: None,
            }),
            (_, asked) => asked,
        }
    }

    /// What the switch asks for, whatever was set on this machine.
    fn desired(&self) -> Option<Mode> {
        match &self.known {
            Known::Nothing => None,
            Known::NeverAsked(_) => Some(Mode::Open),
            Known::Asked(switch) => Some(switch.posture().mode),
        }
    }

    /// Keeps the switch for the night when the store cannot be read.
    fn keep(&mut self) {
        let Known::Asked(switch) = &self.known else { return };
        self.of_disk = match self.kept.keep_switch(switch) {
            Ok(()) => None,
            Err(error) => Some(format!("the switch cannot be kept on this machine: {error}")),
        };
    }

    fn set_local(&mut self, local: Option<Local>) -> Result<(), LocalRefused> {
        let asked = self.desired().unwrap_or(UNKNOWN);
        if local.as_ref().is_some_and(|local| local.mode < asked) {
            return Err(match self.known {
                Known::Nothing => LocalRefused::Unknown,
                Known::NeverAsked(_) | Known::Asked(_) => LocalRefused::Looser { asked },
            });
        }
        let kept = self.kept.keep_local(local.as_ref());
        let stricter = local.is_some();
        // With a full disk it can still be made stricter; loosened it must not come back at the next start.
        if kept.is_ok() || stricter {
            self.local = local;
        }
        kept.map_err(|error| {
            let told = if stricter { LocalRefused::Unkept } else { LocalRefused::Uncleared };
            told(error.to_string())
        })
    }

    fn trouble(&self) -> impl Iterator<Item = String> {
        self.of_store.iter().chain(&self.of_disk).chain(&self.of_heartbeat).cloned()
    }

    fn heartbeat(&self, front: &dyn Front, teller: &Teller) -> Heartbeat {
        let now = clock::now();
        let mut beat = {
            let (site, every) = (self.site.as_str(), self.store.pace());
            Heartbeat::of(teller, (site, every), front.report(site, now), now)
        };
        beat.local = self.local.as_ref().map(|local| local.mode);
        beat.trouble = self.trouble().collect();
        beat
    }

    /// Follows until it is told to stop, then takes its heartbeat away. A change reaches the gateway first, then whoever
    /// waits for its heartbeat, then the disk. A store that is slow to answer keeps nobody on this machine waiting.
    pub async fn run(
        mut self,
        front: &dyn Front,
        teller: &Teller,
        mut requests: mpsc::Receiver<Request>,
        tasks: &Tasks,
    ) {
        let store = Arc::clone(&self.store);
        let notice = store.watch_switch().await;
        // Between the first reading and the watch somebody may have thrown it.
        let mut reading = Box::pin(read(&store, notice, Next::Now));
        let mut telling = None;
        let mut changed = front.changed();
        let every = Duration::from_secs(u64::from(store.pace()));
        let mut tick = interval_at(clock::monotonic(), every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut given, mut kept, mut told) = (self.posture(), None, None);
        let mut warned = (Vec::new(), None);
        loop {
            self.give(front, &mut given);
            self.warn(front, &mut warned);
            if telling.is_none()
                && let Some(beat) = self.news(front, teller, told.as_ref())
            {
                told = Some(beat.clone());
                let store = &store;
                telling = Some(Box::pin(async move { beat.tell(store).await }));
            }
            if let Some(written) = at_once(&mut telling).await {
                self.told(written);
                telling = None;
            }
            if kept.as_ref() != Some(&self.known) {
                self.keep();
                kept = Some(self.known.clone());
            }
            front.around(&self.site, self.around());
            let asks_still = told.as_ref().is_some_and(Heartbeat::asks_still);
            // What may come often is last, and chance has no say: the same events have the same outcome.
            tokio::select! {
                biased;
                () = tasks.stopping() => break,
                _ = tick.tick() => {
                    told = None;
                    // A full disk is tried again: a restart would find the switch of before.
                    kept = kept.filter(|_| self.of_disk.is_none());
                }
                written = ended(&mut telling) => {
                    self.told(written);
                    telling = None;
                }
                (notice, switch) = &mut reading => {
                    self.heard(switch, clock::now());
                    reading.set(read(&store, notice, Next::Change));
                }
                Some(request) = requests.recv() => {
                    self.answer(request, (front, &mut given), teller);
                }
                told = changed.changed() => if told.is_err() { break },
                () = tokio::time::sleep(FIRST_WORD), if asks_still => {}
            }
        }
        // What it says last must not come after its goodbye.
        if telling.is_some() {
            drop(ended(&mut telling).await);
        }
        if let Err(error) = heartbeat::goodbye(&self.store, &teller.id).await {
            tracing::warn!(site = self.site, %error, "the heartbeat could not be taken away");
        }
    }

    fn around(&self) -> Around {
        Around {
            desired: self.desired(),
            store: self.of_store.is_some(),
            disk: self.of_disk.is_some(),
            heartbeat: self.of_heartbeat.is_some(),
        }
    }

    /// Has the gateway give what is known, unless it is `given` already.
    fn give(&self, front: &dyn Front, given: &mut Option<Posture>) {
        let posture = self.posture();
        if *given != posture {
            front.set(&self.site, posture.clone());
            tracing::info!(
                site = self.site,
                mode = posture.as_ref().map(|posture| posture.mode.word()),
                "the mode changed"
            );
            *given = posture;
        }
    }

    fn warn(
        &self,
        front: &dyn Front,
        (trouble, ramp): &mut (Vec<String>, Option<Box<RampReport>>),
    ) {
        self.warn_of_trouble(trouble);
        self.warn_of_ramp(front, ramp);
    }

    fn warn_of_trouble(&self, warned: &mut Vec<String>) {
        let trouble: Vec<_> = self.trouble().collect();
        if *warned == trouble {
            return;
        }
        for words in &trouble {
            tracing::warn!(site = self.site, "{words}");
        }
        if trouble.is_empty() {
            tracing::info!(site = self.site, "store and disk are well again");
        }
        *warned = trouble;
    }

    /// Says when visitors are let in no further, or not any more, and when they are again.
    fn warn_of_ramp(&self, front: &dyn Front, said: &mut Option<Box<RampReport>>) {
        let ramp = front.report(&self.site, clock::now()).ramp;
        let told =
            |ramp: Option<&RampReport>| ramp.map(|ramp| (ramp.stopped, ramp.fell_back.clone()));
        if told(said.as_deref()) != told(ramp.as_deref()) {
            let site = self.site.as_str();
            match &ramp {
                Some(now) if now.stopped.is_some() || now.fell_back.is_some() => {
                    tracing::warn!(site, "{}", now.in_words());
                }
                Some(now) => tracing::info!(site, "{}", now.in_words()),
                None if said.is_some() => tracing::info!(site, "no gentle opening any more"),
                None => {}
            }
        }
        *said = ramp;
    }

    /// What is to be told, unless `told` says all that anybody waits for.
    fn news(
        &self,
        front: &dyn Front,
        teller: &Teller,
        told: Option<&Heartbeat>,
    ) -> Option<Heartbeat> {
        let beat = self.heartbeat(front, teller);
        told.is_none_or(|told| !beat.says_the_same(told)).then_some(beat)
    }

    fn told(&mut self, written: Result<(), store::Error>) {
        self.of_heartbeat = written
            .err()
            .map(|error| format!("the heartbeat cannot be written: {}", in_words(&error)));
    }

    /// Answers once what was asked for is so.
    fn answer(
        &mut self,
        request: Request,
        (front, given): (&dyn Front, &mut Option<Posture>),
        teller: &Teller,
    ) {
        let told = match request {
            Request::Local(local, reply) => {
                let done = self.set_local(local);
                self.give(front, given);
                reply.send(done).is_ok()
            }
            Request::Tell(reply) => reply.send(self.heartbeat(front, teller)).is_ok(),
        };
        if !told {
            tracing::debug!(site = self.site, "whoever asked is gone");
        }
    }
}

/// When the store is read.
enum Next {
    Now,
    /// When it may have changed.
    Change,
}

/// What the store says next, and what tells of the time after that.
async fn read<S: Store>(
    store: &SiteStore<S>,
    mut notice: S::Notice,
    next: Next,
) -> (S::Notice, Read) {
    match next {
        Next::Now => {}
        Next::Change => notice.changed().await,
    }
    let switch = store.switch().await;
    (notice, switch)
}

/// What came of `work`, if it needs to wait for nothing.
async fn at_once<F: Future + Unpin>(work: &mut Option<F>) -> Option<F::Output> {
    let work = work.as_mut()?;
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *work).poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// What comes of `work`; without any it never comes back. Cancel safe.
async fn ended<F: Future + Unpin>(work: &mut Option<F>) -> F::Output {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}

/// Whether what was set on this machine counts. Where nothing is known the store may ask for anything.
fn stricter(local: &Local, asked: Option<&Posture>) -> bool {
    asked.map_or(local.mode >= UNKNOWN, |asked| asked.mode < local.mode)
}

fn in_words(error: &store::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
