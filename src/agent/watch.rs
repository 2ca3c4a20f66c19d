//! Looks at a site's record and rules again and again: whoever moves them behind the switch's back is told of, and what they did
//! is put back where the configuration says so. A TTL that somebody lowers by hand counts at its old length, though nobody
//! planned anything before.
//!
//! Never opens a site, never moves anything while somebody else may, and never stands in the way of who does: what cannot be read
//! is tried again, and said once.

mod ledger;
mod said;
mod told;

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::answers::note_all;
use super::keeper::Opener;
use super::lead::{Depth, Order, put_back};
use super::{Error, Sight, Site, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::Silent;
use crate::store::{self, Expect, Holder, Lease as _, SiteStore, Store, Version};
use crate::switch::{LeverName, Mode, Phase, Switch};
use ledger::{FORMAT, Ledger, Looked, News, Policy};
use said::{Readable, Said};

pub use ledger::{Drift, Then};
pub use told::Watched;

/// What is news is looked at once more: others move in two steps, too, and what is read may be of a moment ago.
const SURE: Duration = Duration::from_secs(2);
/// So long a site's levers are kept as they were opened: what Terraform says need not be read at each look.
const KEPT: Duration = Duration::from_mins(5);
/// How long putting back may take, checks included.
const TIMEOUT: Duration = Duration::from_mins(2);
const KEY: &str = "drift.json";
/// The rule that is set aside for exactly what was told.
const FOREIGN: &str = "foreign-record";

/// The switch, as it stood before a look.
type Thrown = Option<(Switch, Version)>;

/// What somebody else moved and nobody has put right yet, as far as an agent noticed. Cancel safe.
pub async fn drifts<S: Store>(store: &SiteStore<S>) -> Result<Vec<Drift>, store::Error> {
    Ok(read(store).await?.0.drifts().to_vec())
}

/// The rules that putting back had set aside, where it was cut short and what was told is still there.
pub(super) async fn set_aside<S: Store>(site: &Site<S>, sight: &Sight) -> Vec<String> {
    let Some((switch, _)) = &sight.switch else { return Vec::new() };
    let all = site.levers.iter().zip(&sight.levers);
    let watched = all.filter(|(lever, _)| is_watched(lever.name()));
    let looked: Vec<_> =
        watched.map(|(lever, seen)| Looked::at(lever.as_ref(), seen, switch.mode)).collect();
    match read(&site.store).await {
        Ok((ledger, _)) if ledger.puts_back(&switch.operation, &looked) => vec![FOREIGN.to_owned()],
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Who moves these knows nothing of the switch. Gateways are our own, and follow it by themselves.
fn is_watched(lever: LeverName) -> bool {
    matches!(lever, LeverName::Dns | LeverName::Balancer)
}

async fn read<S: Store>(store: &SiteStore<S>) -> Result<(Ledger, Expect), store::Error> {
    match store.document::<Ledger>(KEY).await {
        Ok(Some((ledger, version))) if ledger.format <= FORMAT => Ok((ledger, Expect::At(version))),
        Ok(None) => Ok((Ledger::default(), Expect::Absent)),
        Ok(Some((Ledger { format, .. }, _))) => Err(store::Error::Unreadable {
            key: KEY.to_owned(),
            place: store.describe(),
            why: format!("its format is {format}"),
        }),
        // It is torn: what is so now is told anew.
        Err(store::Error::Unreadable { .. }) => Ok((Ledger::default(), Expect::Anything)),
        Err(error) => Err(error),
    }
}

/// The watch over one site.
pub(super) struct Watch<'a, S, O> {
    site: &'a str,
    store: &'a SiteStore<S>,
    opener: &'a O,
    holder: &'a Holder,
    watched: &'a Watched,
    opened: Option<Opened<S>>,
}

/// A site with its levers, as they were configured.
struct Opened<S> {
    site: Site<S>,
    at: Instant,
    edition: u64,
}

impl<'a, S: Store, O: Opener<S>> Watch<'a, S, O> {
    pub(super) fn new(
        site: &'a str,
        store: &'a SiteStore<S>,
        opener: &'a O,
        (holder, watched): (&'a Holder, &'a Watched),
    ) -> Self {
        Watch { site, store, opener, holder, watched, opened: None }
    }

    /// Looks until it is dropped, and at once where an operation has just `moved` the levers. Crash safe: what was being put
    /// back is finished like every other operation.
    pub(super) async fn run(mut self, mut moved: Receiver<Thrown>) -> Infallible {
        let mut said = Said::default();
        loop {
            moved.mark_unchanged();
            let looked = self.turn().await;
            let pause = said.pause(&looked);
            match said.news(&looked) {
                Some(Readable::No(why)) => tracing::warn!(
                    site = self.site,
                    "it is not noticed now if somebody moves the record or a rule, or lowers a TTL: {why}"
                ),
                Some(Readable::Again) => {
                    tracing::info!(site = self.site, "the record and the rules can be read again");
                }
                None => {}
            }
            tokio::select! {
                biased;
                () = changed(&mut moved) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Looks once, tells what is news, and puts back what is to be.
    async fn turn(&mut self) -> Result<(), String> {
        let thrown = self.store.switch().await.map_err(in_words)?;
        // Half way, levers differ from the switch by our own doing.
        if thrown.as_ref().is_some_and(|(switch, _)| switch.phase == Phase::Moving) {
            return Ok(());
        }
        let (ledger, expect) = read(self.store).await.map_err(in_words)?;
        self.open(if ledger.is_to_go_back() { Age::Fresh } else { Age::Kept }).await?;
        let Some(mut seen) = self.seen(&ledger, &thrown).await? else { return Ok(()) };
        if !seen.news.is_empty() {
            tokio::time::sleep(SURE).await;
            // What Terraform says may be another by now.
            self.open(Age::Fresh).await?;
            let Some(again) = self.seen(&ledger, &thrown).await? else { return Ok(()) };
            seen = again;
        }
        let Seen { ledger: next, news, unread } = seen;
        for piece in &news {
            self.tell(piece, thrown.as_ref().map(|(switch, _)| switch)).await.map_err(in_words)?;
        }
        let mut expect = expect;
        if next != ledger {
            let version = self.store.write(KEY, &next, expect).await.map_err(in_words)?;
            expect = Expect::At(version);
        }
        let read = unread.is_empty().then(clock::now);
        self.watched.looked(self.site, read, &self.levers(), next.drifts());
        if !unread.is_empty() {
            // Credentials may be others by now.
            self.opened = None;
            return Err(unread.join("; "));
        }
        match thrown {
            Some(thrown) if next.goes_back() => self.put_back(next, expect, thrown).await,
            Some(_) | None => Ok(()),
        }
    }

    /// What is watched of the site.
    fn levers(&self) -> Vec<LeverName> {
        let site = self.opened.iter().flat_map(|opened| &opened.site.levers);
        site.map(|lever| lever.name()).filter(|name| is_watched(*name)).collect()
    }

    /// Opens the site, where it is not open or not as it is to be.
    async fn open(&mut self, age: Age) -> Result<(), String> {
        let (now, edition) = (clock::monotonic(), self.opener.edition());
        let is_good = |opened: &Opened<S>| {
            age == Age::Kept && opened.edition == edition && now.duration_since(opened.at) < KEPT
        };
        if !self.opened.as_ref().is_some_and(is_good) {
            self.opened = None;
            let site = self.opener.open().await?;
            self.opened = Some(Opened { site, at: now, edition });
        }
        Ok(())
    }

    /// What the levers say now, and what of it is news; `None` where the switch was thrown meanwhile, so that it may be our own
    /// doing. A lever that cannot be read hides no other.
    async fn seen(&self, ledger: &Ledger, thrown: &Thrown) -> Result<Option<Seen>, String> {
        let Some(Opened { site, .. }) = &self.opened else { return Ok(None) };
        let mode = mode_of(thrown);
        let (mut looked, mut given) = (Vec::new(), Vec::new());
        let (mut unread, mut why) = (Vec::new(), Vec::new());
        for lever in site.levers.iter().filter(|lever| is_watched(lever.name())) {
            match lever.observe().await {
                Ok(seen) => {
                    given.extend(lever.given(&seen));
                    looked.push(Looked::at(lever.as_ref(), &seen, mode));
                }
                Err(error) => {
                    unread.push(lever.name());
                    why.push(error.to_string());
                }
            }
        }
        if !self.is_so_still(thrown).await.map_err(in_words)? {
            return Ok(None);
        }
        let now = clock::now();
        note_all(self.store, &given, now).await.map_err(in_words)?;
        let held_back = site.held_back.as_deref();
        let policy = Policy { on_drift: site.on_drift, held_back, unread: &unread };
        let switch = thrown.as_ref().map(|(switch, _)| switch);
        let (ledger, news) = ledger.seen(switch, &looked, policy, now);
        Ok(Some(Seen { ledger, news, unread: why }))
    }

    async fn is_so_still(&self, thrown: &Thrown) -> Result<bool, store::Error> {
        let now = self.store.switch().await?;
        let version = |thrown: &Thrown| thrown.as_ref().map(|(_, version)| version.clone());
        Ok(version(&now) == version(thrown))
    }

    /// The log of the site first: where it cannot be written, this is news at the next look again.
    async fn tell(&self, news: &News, switch: Option<&Switch>) -> Result<(), store::Error> {
        let (event, drift) = match news {
            News::Drifted(drift) => (Event::Drifted, drift),
            News::Over(drift) => (Event::DriftOver, drift),
        };
        let lever = drift.lever.word();
        let detail = match news {
            News::Drifted(drift) => {
                format!("{lever} {}; {}", drift.in_words(), drift.then_in_words())
            }
            News::Over(drift) => {
                format!("{lever} {} stands as it is asked for again", drift.target)
            }
        };
        let version = switch.map_or(0, |switch| switch.version);
        let entry =
            Entry { detail: Some(detail), ..Entry::beside(switch, self.site, event, &self.by()) };
        audit::append(self.store, &entry, (version, fastrand::u32(..))).await?;
        let target = drift.target.as_str();
        match news {
            News::Drifted(drift) => {
                let (was, is) = (drift.was.to_string(), drift.is.to_string());
                let then = drift.then_in_words();
                tracing::error!(
                    site = self.site,
                    lever,
                    target,
                    was,
                    is,
                    then,
                    "somebody else moved a lever"
                );
            }
            News::Over(_) => {
                tracing::info!(
                    site = self.site,
                    lever,
                    target,
                    "it stands as it is asked for again"
                );
            }
        }
        Ok(())
    }

    /// Moves the levers back to where the switch asks for, if they still are what was told.
    async fn put_back(
        &mut self,
        mut ledger: Ledger,
        expect: Expect,
        (switch, version): (Switch, Version),
    ) -> Result<(), String> {
        // Whoever moves the site now knows what they do.
        match self.store.lease(self.holder).await {
            Ok(right) => right.release().await,
            Err(store::Error::Leased { .. }) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        let Some(Opened { site, .. }) = &self.opened else { return Ok(()) };
        let sight = look(site).await.map_err(|error| error.to_string())?;
        let thrown = Some((switch, version));
        let Some(again) = self.same(&ledger, &thrown, &sight) else { return Ok(()) };
        let now = clock::now();
        ledger = again;
        ledger.tried(now);
        let written = self.store.write(KEY, &ledger, expect).await.map_err(in_words)?;
        let order = Order {
            to: mode_of(&thrown),
            by: self.by(),
            reason: None,
            overrides: vec![FOREIGN.to_owned()],
            timeout: TIMEOUT,
            end: None,
            depth: Depth::Moved,
            run: None,
        };
        match put_back(site, sight, &order, &Silent).await {
            Ok(_) => {
                tracing::info!(site = self.site, "put back what somebody else moved");
                Ok(())
            }
            // The next look tells how it stands.
            Err(Error::Store(store::Error::Leased { .. }) | Error::StalePlan { .. }) => Ok(()),
            Err(error) => {
                tracing::error!(
                    site = self.site,
                    %error,
                    hint = error.hint(),
                    "what somebody else moved could not be put back"
                );
                ledger.failed(error.to_string());
                let expect = Expect::At(written);
                self.store.write(KEY, &ledger, expect).await.map(drop).map_err(in_words)
            }
        }
    }

    /// The ledger, if everything still is as it was told.
    fn same(&self, ledger: &Ledger, thrown: &Thrown, sight: &Sight) -> Option<Ledger> {
        let Opened { site, .. } = self.opened.as_ref()?;
        let version = |thrown: &Thrown| thrown.as_ref().map(|(_, version)| version.clone());
        if version(&sight.switch) != version(thrown) {
            return None;
        }
        let all = site.levers.iter().zip(&sight.levers);
        let watched = all.filter(|(lever, _)| is_watched(lever.name()));
        let looked: Vec<_> = watched
            .map(|(lever, seen)| Looked::at(lever.as_ref(), seen, mode_of(thrown)))
            .collect();
        let held_back = site.held_back.as_deref();
        let policy = Policy { on_drift: site.on_drift, held_back, unread: &[] };
        let switch = thrown.as_ref().map(|(switch, _)| switch);
        let (again, news) = ledger.seen(switch, &looked, policy, clock::now());
        (news.is_empty() && again.goes_back()).then_some(again)
    }

    fn by(&self) -> String {
        format!("{} (agent)", self.holder.name)
    }
}

/// What was seen in one look.
struct Seen {
    ledger: Ledger,
    news: Vec<News>,
    /// Why a lever could not be read.
    unread: Vec<String>,
}

/// How old what is known of a site's levers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Kept,
}

fn mode_of(thrown: &Thrown) -> Mode {
    thrown.as_ref().map_or(Mode::Open, |(switch, _)| switch.mode)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn in_words(error: store::Error) -> String {
    error.to_string()
}

/// Comes back when an operation has moved the levers. Cancel safe.
async fn changed(moved: &mut Receiver<Thrown>) {
    if moved.changed().await.is_err() {
        pending::<()>().await;
    }
}
