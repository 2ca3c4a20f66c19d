//! What must not stay as it was moved, such as a pool whose clients wait: it is written down before it moves, somebody else says
//! that they look after it, and puts it back when its time is over or whoever moved it is gone.
//!
//! Never opens a site: what visitors get stays as it is.

use std::cell::RefCell;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::keeper::Opener;
use super::running::running;
use super::{Error, Sight, Site};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::{self, Guarded, Observation};
use crate::store::{self, Clocks, Expect, Holder, Notice, SiteStore, Store, Version};
use crate::switch::{LeverName, Mode, OperationId, Step};

/// The document of what is paused.
const KEY: &str = "pause.json";
/// How often whoever looks after it looks at it.
const LOOK: Duration = Duration::from_millis(250);
/// How long somebody may take to say that they look after it.
const ANSWER: Duration = Duration::from_secs(5);
/// How often it is asked whether a site has anything that is paused.
const SELDOM: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long whoever runs a command may take to say that they live.
const FIRST_WORD: Duration = Duration::from_secs(3);
/// How often it is asked whether the command lives that it is paused for.
const ALIVE: Duration = Duration::from_secs(1);

/// Something that is paused, or about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    /// Its format.
    format: u32,
    /// Whose move paused it.
    operation: OperationId,
    /// The lever.
    lever: LeverName,
    /// Who asked.
    by: String,
    /// It is let go then at the latest, by the clock of whoever asked.
    until: Timestamp,
    /// How long it may last, in milliseconds, for whoever has another clock.
    longest: u64,
    /// The command that it is paused for: it is let go where that is gone.
    run: Option<u64>,
    /// What lets it go.
    undo: Vec<Step>,
    /// Who looks after it.
    keeper: Option<String>,
    /// Nobody need look after it any more.
    over: bool,
}

/// How what is paused stands, for whoever looks after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Nothing is.
    Running,
    /// It is looked after.
    Paused,
    /// It cannot be read.
    Unknown,
}

impl Sight {
    /// Whether something is paused on the way from here to `to` that somebody else has to look after.
    pub fn pauses<S: Store>(&self, site: &Site<S>, to: Mode) -> bool {
        let seen = site.levers.iter().zip(&self.levers);
        seen.into_iter().any(|(lever, seen)| {
            let steps = lever.steps(seen, to);
            lever.guarded(seen, &steps, to).is_some()
        })
    }
}

/// Who moves what must not stay.
pub(super) struct Mover<'a> {
    pub(super) operation: &'a OperationId,
    pub(super) by: &'a str,
    pub(super) run: Option<&'a Holder>,
}

/// Writes down what is about to be paused, and waits until somebody looks after it; refuses where nobody does.
pub(super) async fn begin<S: Store>(
    store: &SiteStore<S>,
    mover: &Mover<'_>,
    (lever, guarded): (LeverName, Guarded),
) -> Result<(), Error> {
    let known = read(store).await?;
    let expect = known.as_ref().map_or(Expect::Absent, |(_, at)| Expect::At(at.clone()));
    let longest = SignedDuration::try_from(guarded.longest).unwrap_or(SignedDuration::MAX);
    let before = known.map(|(before, _)| before);
    let undo = undo_after(before.as_ref(), guarded.undo);
    let before = before.filter(|before| !before.over);
    let pause = Pause {
        format: 1,
        operation: mover.operation.clone(),
        lever,
        by: mover.by.to_owned(),
        until: clock::now().checked_add(longest).unwrap_or(Timestamp::MAX),
        longest: u64::try_from(longest.as_millis()).unwrap_or(u64::MAX),
        run: mover.run.map(Holder::token),
        undo,
        keeper: None,
        over: false,
    };
    let own = store.write(KEY, &pause, expect).await?;
    let mut notice = store.watch(KEY).await;
    let began = clock::monotonic();
    while clock::monotonic().duration_since(began) < ANSWER {
        if let Some((now, _)) = read(store).await?
            && now.operation == pause.operation
            && now.keeper.is_some()
        {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = notice.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    // Nothing was paused for it: whatever was before is looked after as before.
    let before = before.unwrap_or(Pause { over: true, ..pause });
    match store.write(KEY, &before, Expect::At(own)).await {
        Ok(_) | Err(store::Error::Moved { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Err(Error::Lever(lever::Error::Refused {
        code: "nobody-resumes",
        message: format!(
            "nobody would let the {lever} go if this process died: no agent of this site answers"
        ),
        hint: "start one that may reach it: roadworks serve --role agent".to_owned(),
    }))
}

/// What puts back all that is paused, `undo` as it was seen now among it: a move that was cut short before, by `known`, may have
/// changed already what is to be put back.
fn undo_after(known: Option<&Pause>, mut undo: Vec<Step>) -> Vec<Step> {
    let Some(known) = known else { return undo };
    for step in &known.undo {
        match undo.iter_mut().find(|own| own.target == step.target) {
            Some(own) if !known.over || knows_less(own, step) => *own = step.clone(),
            None if !known.over => undo.push(step.clone()),
            Some(_) | None => {}
        }
    }
    undo
}

/// Whether `own` says nothing of something that `other` puts back: a move that was cut short had changed it already.
fn knows_less(own: &Step, other: &Step) -> bool {
    let mut keys = other.after.as_object().into_iter().flat_map(|after| after.keys());
    keys.any(|key| own.after.get(key).is_none())
}

/// Nobody need look after it any more where all of it is seen to run.
pub(super) async fn settle<S: Store>(
    store: &SiteStore<S>,
    lever: LeverName,
    seen: &Observation,
) -> Result<(), store::Error> {
    let Some((pause, version)) = read(store).await? else { return Ok(()) };
    if pause.over || pause.lever != lever || !pause.undo.iter().all(|step| is_back(step, seen)) {
        return Ok(());
    }
    let over = Pause { over: true, ..pause };
    match store.write(KEY, &over, Expect::At(version)).await {
        // Whoever looked after it let it go in this moment.
        Ok(_) | Err(store::Error::Moved { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether what `operation` paused is looked after still.
pub(super) async fn is_kept<S: Store>(
    store: &SiteStore<S>,
    operation: &OperationId,
) -> Result<bool, store::Error> {
    let pause = read(store).await?;
    Ok(pause.is_some_and(|(pause, _)| pause.operation == *operation && !pause.over))
}

/// Whether a part is where `undo` puts it. One that cannot be asked, or is gone, is not seen to be.
fn is_back(undo: &Step, seen: &Observation) -> bool {
    says(undo, seen, |now, wanted| now == Some(wanted))
}

/// Whether a part can be asked that `undo` would put back.
fn is_seen(undo: &Step, seen: &Observation) -> bool {
    says(undo, seen, |now, _| now.is_some())
}

/// Whether the part of `undo` says of each thing that it ends with what `fits`.
fn says(undo: &Step, seen: &Observation, fits: fn(Option<&Value>, &Value) -> bool) -> bool {
    let wanted = || undo.after.as_object().into_iter().flatten();
    let mut own = seen.parts.iter().filter(|part| part.target == undo.target);
    own.any(|part| wanted().all(|(key, value)| fits(part.value.get(key), value)))
}

/// The steps of `lever`, which end where it was before it was paused.
pub(super) async fn as_before<S: Store>(
    store: &SiteStore<S>,
    lever: LeverName,
    steps: Vec<Step>,
) -> Result<Vec<Step>, store::Error> {
    let Some((pause, _)) = read(store).await? else { return Ok(steps) };
    // What was let go since it was seen is where it was before, too.
    if pause.lever != lever {
        return Ok(steps);
    }
    let undoes = |step: &Step, undo: &Step| undo.target == step.target && lets_go(step, undo);
    let back = |step: Step| match pause.undo.iter().find(|undo| undoes(&step, undo)) {
        Some(undo) => Step { after: undo.after.clone(), ..step },
        None => step,
    };
    Ok(steps.into_iter().map(back).collect())
}

/// Whether `step` ends, in what `undo` changes, where that does.
fn lets_go(step: &Step, undo: &Step) -> bool {
    let mut wanted = undo.after.as_object().into_iter().flatten();
    wanted.all(|(key, value)| {
        undo.before.get(key) == Some(value) || step.after.get(key) == Some(value)
    })
}

async fn read<S: Store>(store: &SiteStore<S>) -> Result<Option<(Pause, Version)>, store::Error> {
    store.document::<Pause>(KEY).await
}

/// Whoever looks after what is paused at one site.
pub struct PauseKeeper<'a, S, O> {
    site: &'a str,
    store: &'a SiteStore<S>,
    opener: &'a O,
    /// `user@host`, and what it is.
    name: String,
    /// How much later than others it lets go what lasts too long.
    grace: Duration,
    /// Since when it has known of the pause of this operation.
    known: RefCell<Option<(OperationId, Instant)>>,
    /// The site as it was when it began to look after it: what it is read from may be what is worked on.
    kept: RefCell<Option<Site<S>>>,
}

impl<'a, S: Store, O: Opener<S>> PauseKeeper<'a, S, O> {
    /// Under this name, for the site in `store`, at whose levers `opener` gets.
    pub fn new(
        (site, store): (&'a str, &'a SiteStore<S>),
        opener: &'a O,
        name: String,
    ) -> PauseKeeper<'a, S, O> {
        let (known, kept) = (RefCell::default(), RefCell::new(None));
        PauseKeeper { site, store, opener, name, grace: Duration::ZERO, known, kept }
    }

    /// The same, but so much later than others: where whoever looks after it is dead.
    #[must_use]
    pub fn after(self, grace: Duration) -> Self {
        PauseKeeper { grace, ..self }
    }

    /// Looks after it for as long as it is polled.
    pub async fn keep(&self) -> std::convert::Infallible {
        loop {
            if self.opener.pauses() || self.kept.borrow().is_some() {
                self.turn().await;
                self.changed().await;
            } else {
                tokio::time::sleep(SELDOM).await;
            }
        }
    }

    /// Lets go what it looks after: it looks after nothing any more.
    pub async fn leave(&self) {
        if self.kept.borrow().is_none() {
            return;
        }
        if let Ok(Some((pause, version))) = read(self.store).await
            && !pause.over
            && pause.keeper.as_ref() == Some(&self.name)
            && let Err(error) = self.let_go(pause, version, "whoever looked after it ends").await
        {
            tracing::error!(site = self.site, %error, hint = error.hint(), "what is paused could not be let go");
        }
    }

    /// Comes back when it is worth looking again.
    pub async fn changed(&self) {
        let mut notice = self.store.watch(KEY).await;
        tokio::select! {
            biased;
            () = notice.changed() => {}
            () = tokio::time::sleep(ALIVE) => {}
        }
    }

    /// Looks once: says that it looks after what is paused, and lets go what has been paused for long enough.
    pub async fn turn(&self) -> Stands {
        let (pause, version) = match read(self.store).await {
            Ok(Some((pause, version))) if !pause.over => (pause, version),
            Ok(_) => return Stands::Running,
            Err(error) => {
                tracing::warn!(site = self.site, %error, "what is paused cannot be read");
                return Stands::Unknown;
            }
        };
        let done = match self.due(&pause).await {
            Some(why) => self.let_go(pause, version, why).await,
            None if pause.keeper.is_none() => self.take(pause, version).await,
            None => Ok(()),
        };
        if let Err(error) = done {
            tracing::error!(site = self.site, %error, hint = error.hint(), "what is paused could not be looked after");
            tokio::time::sleep(AGAIN).await;
        }
        Stands::Paused
    }

    /// Why it is to be let go now, if it is. Who asked may have another clock.
    async fn due(&self, pause: &Pause) -> Option<&'static str> {
        let now = clock::monotonic();
        let since = {
            let mut known = self.known.borrow_mut();
            match &*known {
                Some((operation, since)) if *operation == pause.operation => *since,
                _ => {
                    *known = Some((pause.operation.clone(), now));
                    now
                }
            }
        };
        let lasted = now.duration_since(since);
        let over = pause.until.saturating_add(self.grace).unwrap_or(Timestamp::MAX);
        let by_clock = self.store.clocks() == Clocks::One && over <= clock::now();
        if by_clock || lasted >= Duration::from_millis(pause.longest) + self.grace {
            return Some("it had been paused for as long as its clients may wait");
        }
        // Whoever runs a command may not have said yet that they live.
        let own = pause.run.filter(|_| lasted > FIRST_WORD)?;
        match running(self.store).await {
            Ok(Some(held)) if held.token == own => None,
            Ok(_) => Some("whoever ran a command meanwhile is gone"),
            // Its time comes in any case.
            Err(_) => None,
        }
    }

    /// Says that it looks after it, where it can.
    async fn take(&self, pause: Pause, version: Version) -> Result<(), Error> {
        let site = self.open().await?;
        let lever = site.levers.iter().find(|lever| lever.name() == pause.lever);
        let fit = match lever {
            Some(lever) => {
                let seen = lever.observe().await?;
                pause.undo.iter().all(|step| is_seen(step, &seen))
            }
            None => false,
        };
        if !fit {
            let why = format!("its {} cannot be asked from here", pause.lever);
            return Err(Error::Unopened { why });
        }
        let kept = Pause { keeper: Some(self.name.clone()), ..pause };
        match self.store.write(KEY, &kept, Expect::At(version)).await {
            Ok(_) => {
                self.kept.replace(Some(site));
                Ok(())
            }
            Err(store::Error::Moved { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn let_go(&self, pause: Pause, version: Version, why: &str) -> Result<(), Error> {
        let kept = self.kept.take();
        let site = match (self.open().await, kept) {
            (Ok(site), _) | (Err(_), Some(site)) => site,
            (Err(error), None) => return Err(error),
        };
        let done = self.let_go_by(&site, pause, version, why).await;
        if done.is_err() {
            self.kept.replace(Some(site));
        }
        done
    }

    async fn let_go_by(
        &self,
        site: &Site<S>,
        pause: Pause,
        version: Version,
        why: &str,
    ) -> Result<(), Error> {
        let lever = site.levers.iter().find(|lever| lever.name() == pause.lever);
        let Some(lever) = lever else {
            return Err(Error::Unopened { why: format!("it has no {} any more", pause.lever) });
        };
        // Somebody may have paused it anew while the site was opened.
        if read(self.store).await?.is_none_or(|(_, now)| now != version) {
            return Ok(());
        }
        let mut why = why.to_owned();
        if let Err(error) = lever.start(&pause.undo, &pause.operation).await {
            let seen = lever.observe().await?;
            if !pause.undo.iter().all(|step| is_back(step, &seen)) {
                return Err(error.into());
            }
            why = format!("{why}; {error}");
        }
        tracing::warn!(site = self.site, operation = %pause.operation, why, "the {} runs again", pause.lever);
        let over = Pause { over: true, ..pause.clone() };
        match self.store.write(KEY, &over, Expect::At(version)).await {
            Ok(_) | Err(store::Error::Moved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let switch = self.store.switch().await?.map(|(switch, _)| switch);
        let entry = Entry {
            detail: Some(format!("the {} runs again: {why}", pause.lever)),
            ..Entry::beside(switch.as_ref(), self.site, Event::LetGo, &self.name)
        };
        let number = (switch.map_or(0, |switch| switch.version), fastrand::u32(..));
        Ok(audit::append(self.store, &entry, number).await?)
    }

    async fn open(&self) -> Result<Site<S>, Error> {
        self.opener.open().await.map_err(|why| Error::Unopened { why })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::MemoryStore;

    fn undo(target: &str, after: Value) -> Step {
        let mut before = after.clone();
        before["paused"] = json!(true);
        let (kind, target) = ("pgbouncer".to_owned(), target.to_owned());
        Step { lever: LeverName::Database, kind, target, before, after }
    }

    fn pause(undo: Vec<Step>) -> Pause {
        let now = clock::now();
        Pause {
            format: 1,
            operation: OperationId::at(now, 1),
            lever: LeverName::Database,
            by: "ana".to_owned(),
            until: now,
            longest: 0,
            run: None,
            undo,
            keeper: None,
            over: false,
        }
    }

    #[test]
    fn what_a_pause_leaves_behind_is_not_what_was_before_it() {
        let before = undo("pool shop", json!({ "paused": false, "server_login_retry": "15" }));
        let seen = undo("pool shop", json!({ "paused": false }));
        let other = undo("pool other", json!({ "paused": false, "server_login_retry": "9" }));
        let known = pause(vec![before.clone(), other.clone()]);
        assert_eq!(undo_after(Some(&known), vec![seen.clone()]), [before.clone(), other.clone()]);
        let over = Pause { over: true, ..known };
        assert_eq!(undo_after(Some(&over), vec![seen]), [before]);
        let changed = undo("pool other", json!({ "paused": false, "server_login_retry": "3" }));
        assert_eq!(
            undo_after(Some(&over), vec![changed.clone()]),
            [changed],
            "somebody set it since"
        );
    }

    #[tokio::test]
    async fn what_was_let_go_meanwhile_is_put_back_whole_and_what_is_paused_is_left() {
        let store = SiteStore::new(MemoryStore::default());
        let whole = json!({ "paused": false, "server_login_retry": "15" });
        let over = Pause { over: true, ..pause(vec![undo("pool shop", whole.clone())]) };
        store.write(KEY, &over, Expect::Absent).await.unwrap();
        let half = undo("pool shop", json!({ "paused": false }));
        let pauses = undo("pool shop", json!({ "paused": true }));
        let lever = LeverName::Database;
        let steps = as_before(&store, lever, vec![half, pauses.clone()]).await.unwrap();
        assert_eq!((&steps[0].after, &steps[1]), (&whole, &pauses));
    }
}
