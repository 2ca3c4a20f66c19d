//! Workers by commands of one's own.

use super::run::{Runner, ended_badly};
use super::way::{Doing, Failed, Jobs, Seen, Stand, Way};
use crate::config::WorkersCommands;
use crate::tasks::command::output;

/// Commands of one's own.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) runner: Runner,
    pub(super) words: WorkersCommands,
}

impl Commands {
    async fn stand(&self) -> Stand {
        let Some(words) = &self.words.is_quiet else { return Stand::Unsaid };
        match self.runner.ended(words).await {
            Err(failed) => Stand::Unheard(failed.message),
            Ok(ended) => match ended.status.code() {
                Some(0) => Stand::Quiet,
                Some(1) => Stand::Working,
                Some(_) | None => Stand::Unheard(ended_badly(words, &ended).message),
            },
        }
    }
}

/// How many jobs run, by a command that prints it, if there is one.
pub(super) async fn counted(runner: &Runner, words: Option<&[String]>) -> Jobs {
    let Some(words) = words else { return Jobs::Uncounted };
    let ended = match runner.ended(words).await {
        Ok(ended) if ended.status.success() => ended,
        Ok(ended) => return Jobs::Unheard(ended_badly(words, &ended).message),
        Err(failed) => return Jobs::Unheard(failed.message),
    };
    let said = output(&ended);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    if let Some(Ok(jobs)) = last.map(str::parse) {
        return Jobs::Running(jobs);
    }
    let program = words.first().map_or("", String::as_str);
    Jobs::Unheard(format!("`{program}` printed no number of jobs on its last line"))
}

impl Way for Commands {
    fn kind(&self) -> &'static str {
        "commands"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(async {
            let counted = counted(&self.runner, self.words.busy.as_deref());
            let (stand, jobs) = tokio::join!(self.stand(), counted);
            Seen::of(stand, jobs)
        })
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.runner.does(&self.words.quiet))
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.runner.does(&self.words.resume))
    }
}
