//! What a long-running process does for each of its sites: follow the switch on one thread, keep ends on another.
//!
//! A thread each, since a lever or a disk that is slow for one site must not keep another from following.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::control::Sites;
use super::follow::{Follow, Front, Request};
use super::heartbeat::Teller;
use super::keeper::{Keeper, Opener};
use crate::store::Store;
use crate::tasks::Tasks;

/// More requests to one follower wait for nobody.
const REQUESTS: usize = 16;
/// How long a site's threads may take to end: one write to a slow disk.
const ENDS: Duration = Duration::from_secs(20);

/// The threads of all sites.
#[derive(Debug)]
pub struct Crew {
    tasks: Tasks,
    sites: Sites,
    own: BTreeMap<String, Tasks>,
}

impl Crew {
    /// Nobody yet; `sites` hears of every follower.
    pub fn new(tasks: &Tasks, sites: Sites) -> Crew {
        Crew { tasks: tasks.child(), sites, own: BTreeMap::new() }
    }

    /// Whether `site` is seen to.
    pub fn has(&self, site: &str) -> bool {
        self.own.contains_key(site)
    }

    /// The sites that are seen to.
    pub fn names(&self) -> Vec<String> {
        self.own.keys().cloned().collect()
    }

    /// Follows a site, from what is known of it already.
    pub fn follow<S>(
        &mut self,
        follow: Follow<S>,
        (front, teller): (Arc<dyn Front>, Teller),
    ) -> io::Result<()>
    where
        S: Store + Send + Sync + 'static,
        S::Lease: Send,
    {
        let site = follow.site().to_owned();
        let tasks = self.tasks_of(&site);
        let (sender, receiver) = mpsc::channel::<Request>(REQUESTS);
        self.sites.add(&site, sender);
        let own = tasks.clone();
        let work = move |runtime: &tokio::runtime::Runtime| {
            runtime.block_on(follow.run(front.as_ref(), &teller, receiver, &own));
        };
        on_a_thread(&tasks, &format!("follow-{site}"), work)
    }

    /// Keeps `site`'s ends.
    pub fn keep<S, O>(&mut self, site: &str, keeper: Keeper<S, O>) -> io::Result<()>
    where
        S: Store + Send + Sync + 'static,
        O: Opener<S> + Send + 'static,
    {
        let tasks = self.tasks_of(site);
        let own = tasks.clone();
        let work = move |runtime: &tokio::runtime::Runtime| runtime.block_on(keeper.run(&own));
        on_a_thread(&tasks, &format!("keep-{site}"), work)
    }

    /// Sees to `site` no longer.
    pub async fn leave(&mut self, site: &str) {
        self.sites.remove(site);
        if let Some(tasks) = self.own.remove(site) {
            tasks.stop();
            tasks.ended(ENDS).await;
        }
    }

    /// Ends everything: heartbeats are taken away. Whether all of it has ended in time.
    pub async fn end(self) -> bool {
        self.tasks.stop();
        let mut ended = true;
        for tasks in self.own.values() {
            ended &= tasks.ended(ENDS).await;
        }
        ended
    }

    fn tasks_of(&mut self, site: &str) -> Tasks {
        self.own.entry(site.to_owned()).or_insert_with(|| self.tasks.child()).clone()
    }
}

fn on_a_thread(
    tasks: &Tasks,
    name: &str,
    work: impl FnOnce(&tokio::runtime::Runtime) + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The system shows fifteen bytes of a thread's name.
    tasks.start_thread(name, move || work(&runtime)).map(drop)
}
