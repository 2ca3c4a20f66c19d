//! A `workers "name"` block -> who writes in the background, and by what they are made quiet and resumed.

use std::path::PathBuf;
use std::time::Duration;

use hcl_edit::structure::{Block, Body};

use super::dns::account;
use super::read::Reader;
use super::secret::Secret;
use super::site::Account;
use crate::switch::Mode;

/// The tag in which a service of ECS keeps what its count was, while it is scaled to nothing.
pub const DESIRED_COUNT: &str = "roadworks:desired-count";
/// How long jobs may take to end, and one command, where nothing is said.
const DEADLINE: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(20);
const SOONEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_hours(24);
const LONGEST_COMMAND: Duration = Duration::from_mins(5);
const USUAL: [Mode; 2] = [Mode::Closed, Mode::Detour];
const PRESETS: [&str; 7] = ["celery", "rq", "sidekiq", "horizon", "systemd", "ecs", "eventbridge"];
const EXAMPLE: &str = "quiet = [\"./queue\", \"pause\"] and resume = [\"./queue\", \"resume\"], or a preset such as preset = \"celery\"";
const COMMON: [&str; 4] = ["preset", "when", "deadline", "timeout"];
const OF_AWS: [&str; 3] = ["profile", "region", "assume_role"];
/// The longest name of a schedule and of its group (`EventBridge` Scheduler API reference), and of a service of ECS.
const LONGEST_SCHEDULE: usize = 64;
const LONGEST_ARN: usize = 512;

/// Who writes in the background, under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersConfig {
    /// What it is called in plans.
    pub name: String,
    /// By what they are moved.
    pub way: WorkersWay,
    /// The modes in which they are quiet.
    pub when: Vec<Mode>,
    /// When they have their turn among the others.
    pub turn: Turn,
    /// How long jobs that run may take to end.
    pub deadline: Duration,
    /// How long one command may take.
    pub timeout: Duration,
    /// The folder that commands are run in: that of the configuration.
    pub folder: PathBuf,
}

/// When workers have their turn among a site's others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// What makes jobs by the clock: quieted first, resumed last.
    Cron,
    /// What works on them.
    Queue,
}

/// By what workers are moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkersWay {
    /// By commands of one's own.
    Commands(WorkersCommands),
    /// Celery's remote control.
    Celery {
        /// The program with its `-A APP`.
        run: Vec<String>,
        /// The queues whose consumers are cancelled.
        queues: Vec<String>,
        /// Which workers, by their names; empty for all that hear.
        nodes: Vec<String>,
    },
    /// `rq suspend`.
    Rq {
        /// The program.
        run: Vec<String>,
        /// The Redis, handed over in the environment; or why this machine does not know it.
        url: Result<Option<Secret>, String>,
    },
    /// Sidekiq's quiet, which only a restart ends.
    Sidekiq {
        /// What runs a line of Ruby with the app loaded.
        run: Vec<String>,
        /// The restart.
        resume: Vec<String>,
    },
    /// Laravel Horizon.
    Horizon {
        /// `php artisan`
        run: Vec<String>,
        /// Prints how many jobs run: Horizon has no word for it.
        busy: Option<Vec<String>>,
    },
    /// A timer of systemd's.
    Systemd {
        /// `systemctl`
        run: Vec<String>,
        /// `nightly.timer`
        unit: String,
    },
    /// A service of ECS, scaled to nothing.
    Ecs {
        /// The cluster's name or ARN.
        cluster: String,
        /// The service's name or ARN.
        service: String,
        /// Whose credentials scale it.
        account: Account,
    },
    /// A schedule of `EventBridge` Scheduler, disabled.
    Schedule {
        /// Its name.
        name: String,
        /// The group that it is in.
        group: String,
        /// Whose credentials write it.
        account: Account,
    },
}

impl WorkersWay {
    /// Whose credentials move them, where they are in AWS.
    pub fn account(&self) -> Option<&Account> {
        match self {
            WorkersWay::Ecs { account, .. } | WorkersWay::Schedule { account, .. } => Some(account),
            WorkersWay::Commands(_)
            | WorkersWay::Celery { .. }
            | WorkersWay::Rq { .. }
            | WorkersWay::Sidekiq { .. }
            | WorkersWay::Horizon { .. }
            | WorkersWay::Systemd { .. } => None,
        }
    }
}

/// Commands of one's own, each safe to be run twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersCommands {
    /// No job begins after it.
    pub quiet: Vec<String>,
    /// Jobs begin again.
    pub resume: Vec<String>,
    /// Prints how many jobs run.
    pub busy: Option<Vec<String>>,
    /// Ends with 0 where they are quiet, with 1 where not.
    pub is_quiet: Option<Vec<String>>,
}

/// Reads the `workers` blocks of a site.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    blocks: impl Iterator<Item = &'a Block>,
) -> Vec<WorkersConfig> {
    let mut all: Vec<WorkersConfig> = Vec::new();
    for block in blocks {
        let Some(workers) = one(reader, block) else { continue };
        if all.iter().any(|other| other.name == workers.name) {
            let message = format!("there are two workers \"{}\"", workers.name);
            let hint = "each has a name of its own: plans and errors call it so".to_owned();
            reader.wrong_with(&block.ident, message, Some(hint));
        }
        all.push(workers);
    }
    all
}

fn one<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<WorkersConfig> {
    let labels = reader.labels(block, &["name"])?;
    let name = labels.first().copied()?;
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
    if name.is_empty() || !name.chars().all(plain) {
        let hint = "letters, digits, `-`, `_` and `.`".to_owned();
        reader.wrong_with(&block.ident, format!("`{name}` is no name for workers"), Some(hint));
    }
    let body = &block.body;
    let (way, turn) = way(reader, block)?;
    let when = reader.list(body, "when", mode).unwrap_or_else(|| USUAL.to_vec());
    if let (true, Some(given)) = (when.is_empty(), body.get_attribute("when")) {
        let hint = "when = [\"closed\", \"detour\"], which is also what is so without it";
        let message = "workers that are never quiet need no block";
        reader.wrong_with(&given.value, message, Some(hint.to_owned()));
    }
    let deadline = reader.duration(body, "deadline", SOONEST..=LONGEST).unwrap_or(DEADLINE);
    let timeout = reader.duration(body, "timeout", SOONEST..=LONGEST_COMMAND).unwrap_or(TIMEOUT);
    let folder = reader.folder().to_owned();
    Some(WorkersConfig { name: name.to_owned(), way, when, turn, deadline, timeout, folder })
}

fn mode(word: &str) -> Result<Mode, String> {
    match word.parse::<Mode>() {
        Ok(Mode::Open) => Err("workers work while a site is open".to_owned()),
        Ok(mode) => Ok(mode),
        Err(error) => Err(error.to_string()),
    }
}

fn way<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<(WorkersWay, Turn)> {
    let body = &block.body;
    if body.get_attribute("preset").is_none() {
        return commands(reader, block);
    }
    let known: Vec<_> = PRESETS.iter().map(|preset| (*preset, *preset)).collect();
    let queue = |way: Option<WorkersWay>| Some((way?, Turn::Queue));
    match reader.choice(body, "preset", &known)? {
        "celery" => queue(celery(reader, block)),
        "rq" => queue(Some(rq(reader, body))),
        "sidekiq" => queue(sidekiq(reader, block)),
        "horizon" => {
            only(reader, body, &["run", "busy"]);
            let run = run(reader, body, &["php", "artisan"]);
            let busy = words(reader, body, "busy");
            queue(Some(WorkersWay::Horizon { run, busy }))
        }
        "systemd" => Some((systemd(reader, block)?, Turn::Cron)),
        "ecs" => queue(ecs(reader, block)),
        _ => Some((schedule(reader, block)?, Turn::Cron)),
    }
}

fn only(reader: &mut Reader<'_>, body: &Body, own: &[&str]) {
    let keys: Vec<_> = COMMON.iter().chain(own).copied().collect();
    reader.only(body, &keys, &[], &[]);
}

/// A command that has a word at least.
fn words(reader: &mut Reader<'_>, body: &Body, key: &str) -> Option<Vec<String>> {
    let words = reader.command(body, key)?;
    if words.first().is_none_or(String::is_empty) {
        let message = format!("`{key}` is a command: [\"program\", ..], or a line for the shell");
        reader.wrong(&body.get_attribute(key)?.value, message);
        return None;
    }
    Some(words)
}

/// The program of a preset, with what stands before its own words.
fn run(reader: &mut Reader<'_>, body: &Body, usual: &[&str]) -> Vec<String> {
    let given = body.get_attribute("run").and_then(|_| reader.texts(body, "run"));
    given.unwrap_or_else(|| usual.iter().map(|&word| word.to_owned()).collect())
}

fn commands<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<(WorkersWay, Turn)> {
    let body = &block.body;
    only(reader, body, &["quiet", "resume", "busy", "is_quiet", "cron"]);
    let missing = ["quiet", "resume"].into_iter().find(|key| body.get_attribute(key).is_none());
    if let Some(key) = missing {
        let message = format!("`workers` needs `{key}`, or a `preset` that knows it");
        reader.wrong_with(&block.ident, message, Some(EXAMPLE.to_owned()));
    }
    let turn = match reader.boolean(body, "cron") {
        Some(true) => Turn::Cron,
        Some(false) | None => Turn::Queue,
    };
    let (busy, is_quiet) = (words(reader, body, "busy"), words(reader, body, "is_quiet"));
    let (quiet, resume) = (words(reader, body, "quiet"), words(reader, body, "resume"));
    let way =
        WorkersWay::Commands(WorkersCommands { quiet: quiet?, resume: resume?, busy, is_quiet });
    Some((way, turn))
}

fn celery<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<WorkersWay> {
    let body = &block.body;
    only(reader, body, &["run", "app", "queues", "nodes"]);
    let mut run = run(reader, body, &["celery"]);
    let app = reader.needed(block, "app");
    if body.get_attribute("queues").is_none() {
        let hint = "queues = [\"celery\"] is Celery's own default".to_owned();
        let message = "preset \"celery\" needs the `queues` that are to be quiet";
        reader.wrong_with(&block.ident, message, Some(hint));
    }
    let named = |text: &str| match text {
        "" => Err("a queue has a name".to_owned()),
        option if option.starts_with('-') => Err(format!("`{option}` is no name of a queue")),
        name => Ok(name.to_owned()),
    };
    let queues = reader.list(body, "queues", named)?;
    if let (true, Some(given)) = (queues.is_empty(), body.get_attribute("queues")) {
        reader.wrong(&given.value, "`queues` names one queue at least");
    }
    let node = |text: &str| match text {
        name if name.contains('@') && !name.contains(',') && !name.starts_with('-') => {
            Ok(name.to_owned())
        }
        other => Err(format!("`{other}` is no name of a worker: mail@host")),
    };
    let nodes = reader.list(body, "nodes", node).unwrap_or_default();
    run.extend(["-A".to_owned(), app?]);
    Some(WorkersWay::Celery { run, queues, nodes })
}

fn rq(reader: &mut Reader<'_>, body: &Body) -> WorkersWay {
    only(reader, body, &["run", "url"]);
    let run = run(reader, body, &["rq"]);
    let url = reader.perhaps_secret(body, "url").map(|url| url.map(Secret::new));
    WorkersWay::Rq { run, url }
}

fn sidekiq<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<WorkersWay> {
    let body = &block.body;
    only(reader, body, &["run", "resume"]);
    let run = run(reader, body, &["bundle", "exec", "rails", "runner"]);
    if body.get_attribute("resume").is_none() {
        let hint = "resume = [\"systemctl\", \"restart\", \"sidekiq\"], or whatever restarts them";
        let message = "preset \"sidekiq\" needs `resume`: a Sidekiq that was quieted takes no job again before it is restarted";
        reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
    }
    Some(WorkersWay::Sidekiq { run, resume: words(reader, body, "resume")? })
}

fn systemd<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<WorkersWay> {
    let body = &block.body;
    only(reader, body, &["run", "unit"]);
    let run = run(reader, body, &["systemctl"]);
    reader.needed(block, "unit")?;
    let unit = reader.parsed(body, "unit", |text| {
        let fits = |one: char| one.is_ascii_alphanumeric() || ":-_.\\@".contains(one);
        match text.strip_suffix(".timer") {
            Some(name) if !name.is_empty() && !name.starts_with('-') && name.chars().all(fits) => {
                Ok(text.to_owned())
            }
            Some(_) | None => Err(format!("`{text}` is no timer of systemd's: nightly.timer")),
        }
    })?;
    Some(WorkersWay::Systemd { run, unit })
}

fn ecs<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<WorkersWay> {
    let own: Vec<_> = ["cluster", "service"].into_iter().chain(OF_AWS).collect();
    only(reader, &block.body, &own);
    let account = account(reader, block);
    let mut named = |key: &'static str| {
        reader.needed(block, key)?;
        reader.parsed(&block.body, key, |text| {
            let fits = |one: char| one.is_ascii_alphanumeric() || "-_:/".contains(one);
            if text.is_empty() || text.len() > LONGEST_ARN || !text.chars().all(fits) {
                return Err(format!("`{key}` is a name or an ARN"));
            }
            Ok(text.to_owned())
        })
    };
    let (cluster, service) = (named("cluster"), named("service"));
    Some(WorkersWay::Ecs { cluster: cluster?, service: service?, account })
}

fn schedule<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<WorkersWay> {
    let own: Vec<_> = ["schedule", "group"].into_iter().chain(OF_AWS).collect();
    only(reader, &block.body, &own);
    let account = account(reader, block);
    reader.needed(block, "schedule")?;
    let mut named = |key: &'static str| {
        reader.parsed(&block.body, key, |text| {
            let fits = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
            if text.is_empty() || text.len() > LONGEST_SCHEDULE || !text.chars().all(fits) {
                let most = LONGEST_SCHEDULE;
                return Err(format!("`{key}` is a name of 1 to {most} letters, digits and -_."));
            }
            Ok(text.to_owned())
        })
    };
    let group = named("group").unwrap_or_else(|| "default".to_owned());
    Some(WorkersWay::Schedule { name: named("schedule")?, group, account })
}

#[cfg(test)]
mod tests {
    use super::super::rig::{good, wrong, wrong_and_hints};
    use super::*;

    fn site(blocks: &str) -> String {
        format!(
            "site \"shop\" {{\ngateway {{\nlisten = [\":8080\"]\nupstreams = [\"http://127.0.0.1:3000\"]\n}}\n{blocks}\n}}\n"
        )
    }

    fn workers(lines: &str) -> String {
        site(&format!("workers \"mail\" {{\n{lines}\n}}"))
    }

    fn read(lines: &str) -> WorkersConfig {
        good(&workers(lines)).sites[0].workers[0].clone()
    }

    #[test]
    fn commands_of_ones_own_are_words_or_a_line_and_have_their_defaults() {
        let own = read("quiet = [\"./q\", \"pause\"]\nresume = \"./q resume\"");
        let WorkersWay::Commands(commands) = &own.way else { panic!("{own:?}") };
        assert_eq!(commands.quiet, ["./q", "pause"]);
        assert_eq!(commands.resume, ["sh", "-c", "./q resume"]);
        assert_eq!((&commands.busy, &commands.is_quiet), (&None, &None));
        assert_eq!((own.turn, own.when.as_slice()), (Turn::Queue, &USUAL[..]));
        assert_eq!((own.deadline.as_secs(), own.timeout.as_secs()), (60, 20));
        let cron = read("quiet = [\"a\"]\nresume = [\"b\"]\ncron = true\nwhen = [\"hold\"]");
        assert_eq!((cron.turn, cron.when.as_slice()), (Turn::Cron, &[Mode::Hold][..]));
    }

    #[test]
    fn each_preset_is_read_and_what_makes_jobs_by_the_clock_comes_first() {
        for (lines, turn) in [
            ("preset = \"celery\"\napp = \"shop\"\nqueues = [\"celery\", \"mail\"]", Turn::Queue),
            ("preset = \"rq\"\nurl = \"redis://127.0.0.1/1\"", Turn::Queue),
            (
                "preset = \"sidekiq\"\nresume = [\"systemctl\", \"restart\", \"sidekiq\"]",
                Turn::Queue,
            ),
            ("preset = \"horizon\"", Turn::Queue),
            ("preset = \"systemd\"\nunit = \"nightly.timer\"", Turn::Cron),
            ("preset = \"ecs\"\ncluster = \"shop\"\nservice = \"worker\"", Turn::Queue),
            (
                "preset = \"eventbridge\"\nschedule = \"nightly\"\nregion = \"eu-central-1\"",
                Turn::Cron,
            ),
        ] {
            assert_eq!(read(lines).turn, turn, "{lines}");
        }
        let celery = read(
            "preset = \"celery\"\napp = \"shop\"\nqueues = [\"celery\"]\nrun = [\"ssh\", \"w1\", \"celery\"]",
        );
        let WorkersWay::Celery { run, .. } = celery.way else { panic!() };
        assert_eq!(run, ["ssh", "w1", "celery", "-A", "shop"]);
    }

    #[test]
    fn each_mistake_has_its_place() {
        for (lines, line, says) in [
            ("quiet = [\"a\"]", 6, "needs `resume`"),
            ("quiet = []\nresume = [\"b\"]", 7, "`quiet` is a command"),
            (
                "quiet = [\"a\"]\nresume = [\"b\"]\nqueues = [\"x\"]",
                9,
                "`queues` is not known here",
            ),
            (
                "quiet = [\"a\"]\nresume = [\"b\"]\nwhen = [\"open\"]",
                9,
                "work while a site is open",
            ),
            ("quiet = [\"a\"]\nresume = [\"b\"]\nwhen = []", 9, "never quiet"),
            ("quiet = [\"a\"]\nresume = [\"b\"]\ntimeout = \"1h\"", 9, "`timeout` is at least"),
            ("preset = \"celery\"\nqueues = [\"celery\"]", 6, "needs `app`"),
            ("preset = \"celery\"\napp = \"shop\"", 6, "needs the `queues`"),
            ("preset = \"celery\"\napp = \"shop\"\nqueues = [\"--all\"]", 9, "no name of a queue"),
            ("preset = \"sidekiq\"", 6, "before it is restarted"),
            ("preset = \"systemd\"\nunit = \"nightly.service\"", 8, "no timer"),
            ("preset = \"eventbridge\"\nschedule = \"a/b\"", 8, "`schedule` is a name"),
            (
                "preset = \"ecs\"\ncluster = \"c\"\nservice = \"a b\"",
                9,
                "`service` is a name or an ARN",
            ),
        ] {
            let mistakes = wrong(&workers(lines));
            assert!(
                mistakes.len() == 1 && mistakes[0].starts_with(&format!("{line}:")),
                "{lines}: {mistakes:?}"
            );
            assert!(mistakes[0].contains(says), "{lines}: {mistakes:?}");
        }
    }

    #[test]
    fn two_of_one_name_and_a_word_that_is_nearly_right_are_told() {
        let block = "workers \"mail\" {\nquiet = [\"a\"]\nresume = [\"b\"]\n}";
        let two = wrong(&site(&format!("{block}\n{block}")));
        assert!(two.len() == 1 && two[0].contains("two workers \"mail\""), "{two:?}");
        let near = wrong_and_hints(&workers("preset = \"selery\""));
        assert!(near[0].contains("did you mean \"celery\"?"), "{near:?}");
        let near = wrong_and_hints(&workers("quite = [\"a\"]\nquiet = [\"a\"]\nresume = [\"b\"]"));
        assert!(near[0].contains("did you mean `quiet`?"), "{near:?}");
        assert!(wrong(&site("workers {\n}"))[0].contains("`workers \"name\" { .. }`"));
    }

    #[test]
    fn each_block_of_the_page_is_read_as_it_is_written() {
        let page = include_str!("../../docs/workers.md");
        let blocks: Vec<_> = page.split("```hcl\n").skip(1).collect();
        for block in &blocks {
            let block = block.split("```").next().unwrap().replace("RQ_REDIS_URL", "BYPASS_KEY");
            assert_eq!(good(&site(&block)).sites[0].workers.len(), 1, "{block}");
        }
        assert_eq!(blocks.len(), PRESETS.len() + 1);
    }

    #[test]
    fn a_url_is_a_secret_and_in_no_message() {
        let told = format!("{:?}", read("preset = \"rq\"\nurl = \"redis://:hunter2@127.0.0.1/1\""));
        assert!(!told.contains("hunter2"), "{told}");
        let (_, mistakes) = super::super::rig::load_text(&workers(
            "preset = \"rq\"\nurl = \"redis://:hunter2@127.0.0.1/1\"\nqueue = \"x\"",
        ));
        let told = format!("{mistakes:?}");
        assert!(told.contains("`queue` is not known here"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
