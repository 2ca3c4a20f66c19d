//! `status`: what visitors get, what was asked for, and how far it is; once, or again on each change.

mod watch;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::StatusArgs;
use super::context::{Context, Opened};
use super::error::Error;
use super::local::stands;
use super::report::{
    Form, asked_words, check_words, checks_object, error_object, own_gateway_object,
    own_gateway_words, status_object, status_words, untold_words, warnings_words,
};
use super::schedule::announced;
use crate::agent::{
    self, Heartbeat, Planned, Sight, Site, Untold, drifts, look, running, untold, windows,
};
use crate::checks::{Outcome, asked_once};
use crate::clock;
use crate::lever::Position;
use crate::store::{AnyStore, Held};
use crate::switch::Mode;
use crate::tasks::all;

/// The exit code of `-detailed-exitcode` where a site is not open.
const NOT_OPEN: u8 = 2;

/// How long a check may take to answer whoever only looks.
const CHECKS: Duration = Duration::from_secs(5);

/// Of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The site that the command line means.
    One,
    /// All that the configuration has, if it has several.
    All,
}

pub(super) async fn run(context: &Context, args: &StatusArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let all_sites = context.common.site.is_none() && config.sites.len() > 1;
    let of = if all_sites { Of::All } else { Of::One };
    let state = Context::state(&config);
    if args.watch {
        let watched = watch::run(context, &config, of).await;
        if let Err(error) = &watched {
            let one = context.common.site.as_ref();
            let names = config.sites.iter().filter_map(|site| site.name.as_ref());
            for name in names.filter(|name| one.is_none_or(|one| one == *name)) {
                own_gateway(context, &state, name, error).await;
            }
        }
        return watched;
    }
    let told = if of == Of::All {
        // At once: a store that is away takes its time to say so, for each.
        let sites = config.sites.iter().map(|site| async {
            let opened = Box::pin(context.open_site(&config, site)).await;
            (site.name.clone().unwrap_or_default(), told_of(context, opened).await)
        });
        all(sites).await
    } else {
        let only = config.sites.iter().find_map(|site| site.name.clone());
        let name = context.common.site.clone().or(only).unwrap_or_default();
        vec![(name, told_of(context, context.open().await).await)]
    };
    let mut shown = Shown::default();
    for (name, told) in told {
        shown.add(context, (&state, of), name, told).await?;
    }
    shown.end(context, of, args)
}

/// What is shown of all sites.
#[derive(Default)]
struct Shown {
    objects: Vec<Value>,
    failed: Vec<(String, Error)>,
    any_not_open: bool,
}

impl Shown {
    /// Shows one more site, or what the gateway of this machine gives where it cannot be read.
    async fn add(
        &mut self,
        context: &Context,
        (state, of): (&Path, Of),
        name: String,
        told: Result<Told, Error>,
    ) -> Result<(), Error> {
        match told {
            Ok(Told { object, words, warnings, open }) => {
                self.any_not_open |= !open;
                self.objects.push(object);
                if context.report.form() == Form::Words {
                    context.report.words(&warnings);
                    context.report.data(&words)?;
                }
            }
            Err(error) => {
                let own = own_gateway(context, state, &name, &error).await;
                let mut object = own.map(|beat| own_gateway_object(&name, beat));
                if of == Of::All {
                    let object = object.get_or_insert_with(|| json!({ "site": name }));
                    let told = error_object(&error).get_mut("error").map(Value::take);
                    if let Some(fields) = object.as_object_mut() {
                        fields.insert("error".to_owned(), told.unwrap_or_default());
                    }
                }
                self.objects.extend(object);
                self.failed.push((name, error));
            }
        }
        Ok(())
    }

    /// The object of all, and the errors: the first is the exit code's.
    fn end(self, context: &Context, of: Of, args: &StatusArgs) -> Result<u8, Error> {
        let json = context.report.form() == Form::Json;
        if json && !self.objects.is_empty() {
            context.report.object(&all_of(&self.objects, of))?;
        }
        let mut failed = self.failed.into_iter();
        let Some((first, error)) = failed.next() else {
            return Ok(if args.detailed_exitcode && self.any_not_open { NOT_OPEN } else { 0 });
        };
        if of == Of::All && !json {
            for (name, error) in failed {
                context.report.words(&unreadable(&name));
                context.report.failure(&error);
            }
            context.report.words(&unreadable(&first));
        }
        Err(error)
    }
}

fn unreadable(name: &str) -> String {
    format!("site {name} cannot be read:")
}

/// What the gateway of this machine says of itself where the store is out of reach: that one is not, if there is one.
async fn own_gateway(
    context: &Context,
    state: &Path,
    name: &str,
    error: &Error,
) -> Option<Heartbeat> {
    if !matches!(error, Error::Store(_) | Error::Agent(agent::Error::Store(_))) {
        return None;
    }
    let beat: Heartbeat = serde_json::from_value(stands(state, name).await.ok()?).ok()?;
    context.report.words(&own_gateway_words(&beat));
    Some(beat)
}

/// What is told of one site.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    object: Value,
    words: String,
    warnings: String,
    open: bool,
}

impl Told {
    /// Who was not told of what happened.
    fn untold(&mut self, untold: &[Untold]) {
        for one in untold {
            self.words.push('\n');
            self.words.push_str(&untold_words(one));
        }
        if let Some(fields) = self.object.as_object_mut() {
            fields.insert("untold".to_owned(), json!(untold));
        }
    }

    /// What became of the site's checks, each asked once.
    fn checked(&mut self, outcomes: &[Outcome]) {
        if outcomes.is_empty() {
            return;
        }
        self.words.push_str("\nChecks, each asked once:\n");
        self.words.push_str(&check_words(outcomes));
        if let Some(fields) = self.object.as_object_mut() {
            fields.insert("checks".to_owned(), checks_object(outcomes));
        }
    }
}

impl Told {
    /// Windows to come, announced.
    fn planned(&mut self, known: &[Planned]) {
        if let Some(fields) = self.object.as_object_mut() {
            fields.insert("windows".to_owned(), json!(announced(known, clock::now())));
        }
    }

    /// Who runs a command in this maintenance, if somebody does.
    fn runs(&mut self, held: Option<Held>) {
        let run = held.as_ref().map(|held| json!({ "by": held.holder, "seen": held.at }));
        if let Some(fields) = self.object.as_object_mut() {
            fields.insert("run".to_owned(), json!(run));
        }
        if let Some(held) = held {
            let by = held.holder;
            self.words = format!(
                "{}\n{by} runs a command in this maintenance: nobody opens before it has ended",
                self.words
            );
        }
    }
}

/// One object, or all of them where there are several sites.
fn all_of(objects: &[Value], of: Of) -> Value {
    match objects {
        [only] if of == Of::One => only.clone(),
        all => json!({ "format": 1, "sites": all }),
    }
}

/// Looks at one site.
async fn told_of(context: &Context, opened: Result<Opened, Error>) -> Result<Told, Error> {
    let opened = opened?;
    let (looked, outcomes) =
        tokio::join!(seen(&opened.site), asked_once(&opened.site.checks, CHECKS));
    match looked {
        Ok(sight) => {
            let mut told = told(&opened, &sight);
            // Whoever cannot be asked who was not told says the rest all the same.
            told.untold(&untold(&opened.site.store).await.unwrap_or_default());
            told.checked(&outcomes);
            // Where they cannot be read, everything else is told all the same.
            let (known, _) = windows(&opened.site.store).await.unwrap_or_default();
            told.planned(&known);
            told.runs(running(&opened.site.store).await.ok().flatten());
            Ok(told)
        }
        Err(error) => {
            asked(context, &opened).await;
            Err(error.into())
        }
    }
}

/// What is so, and what an agent noticed of it.
async fn seen(site: &Site<AnyStore>) -> Result<Sight, agent::Error> {
    let mut sight = look(site).await?;
    // Where it is not readable, where the levers stand is shown all the same.
    sight.noticed = drifts(&site.store).await.unwrap_or_default();
    Ok(sight)
}

/// The levers are out of reach; what was asked for is not, or is said with the gateway of this machine.
async fn asked(context: &Context, opened: &Opened) {
    if let Ok(Some((switch, _))) = opened.site.store.switch().await {
        context.report.words(&asked_words(&opened.site.name, &switch, clock::now()));
    }
}

fn told(opened: &Opened, sight: &Sight) -> Told {
    let now = clock::now();
    // A name that leads elsewhere, or nowhere, is not open.
    let known = sight
        .levers
        .iter()
        .all(|seen| !matches!(seen.position, Position::Foreign | Position::Absent));
    Told {
        object: status_object(&opened.site, sight, now),
        words: status_words(&opened.site, sight, now),
        warnings: warnings_words(&opened.site.warnings),
        open: known && sight.mode(&opened.site) == Mode::Open,
    }
}
