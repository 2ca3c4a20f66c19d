//! Celery, by its remote control: consumers of queues are cancelled and added again.
//!
//! Its broker has to be up. What a worker fetched ahead it still runs, so that counts as running, too.

use serde_json::Value;

use super::run::{Runner, with};
use super::way::{Doing, Effect, Failed, Jobs, Seen, Stand, Way};

/// For how many seconds `celery` collects the answers of its workers.
const COLLECTS: &str = "2";

/// Celery's workers of some queues.
#[derive(Debug)]
pub(super) struct Celery {
    pub(super) runner: Runner,
    /// The program with its `-A APP`.
    pub(super) run: Vec<String>,
    pub(super) queues: Vec<String>,
    /// Which workers; empty for all.
    pub(super) nodes: Vec<String>,
}

impl Celery {
    fn words(&self, verb: &str, more: &[&str]) -> Vec<String> {
        let nodes = self.nodes.join(",");
        let to: &[&str] = if nodes.is_empty() { &[] } else { &["-d", &nodes] };
        let json: &[&str] = if verb == "inspect" { &["-j"] } else { &[] };
        let all = [&[verb, "-t", COLLECTS], json, to, more].concat();
        with(&self.run, all)
    }

    /// What its workers answer, by their names.
    async fn inspected(&self, method: &str) -> Result<Answers, String> {
        let said = self.runner.says(&self.words("inspect", &[method])).await?;
        answers(&said, &self.nodes)
    }

    async fn tell(&self, what: &str) -> Result<(), Failed> {
        for (number, queue) in self.queues.iter().enumerate() {
            let done = self.runner.does(&self.words("control", &[what, queue])).await;
            done.map_err(|failed| match number {
                0 => failed,
                _ => Failed { effect: Effect::Unknown, ..failed },
            })?;
        }
        Ok(())
    }

    async fn seen(&self) -> Seen {
        let (consumed, active, reserved, scheduled) = tokio::join!(
            self.inspected("active_queues"),
            self.inspected("active"),
            self.inspected("reserved"),
            self.inspected("scheduled"),
        );
        let all = (|| Ok((consumed?, active?, reserved?, scheduled?)))();
        let (consumed, active, reserved, scheduled) = match all {
            Ok(all) => all,
            Err(why) => {
                let why: String = why;
                return Seen::unheard(why);
            }
        };
        let named = |queue: &Value| {
            queue.get("name").and_then(Value::as_str).is_some_and(|name| self.has(name))
        };
        let works = consumed.iter().flat_map(|(_, queues)| queues).any(named);
        let stand = if works { Stand::Working } else { Stand::Quiet };
        let mut seen = Seen::of(stand, Jobs::Running(many(&active) + many(&reserved)));
        let later = many(&scheduled);
        if later > 0 {
            seen.notes.push(format!(
                "{later} of its jobs wait inside the workers for a time of their own, and begin then, quiet or not"
            ));
        }
        seen
    }

    fn has(&self, name: &str) -> bool {
        self.queues.iter().any(|queue| queue == name)
    }
}

/// What each worker answered.
type Answers = Vec<(String, Vec<Value>)>;

fn many(answers: &Answers) -> u64 {
    answers.iter().map(|(_, jobs)| jobs.len() as u64).sum()
}

/// The answers in what `celery inspect -j` prints, last: an app may print something of its own before.
fn answers(said: &str, nodes: &[String]) -> Result<Answers, String> {
    let unread = || "`celery inspect -j` printed no JSON".to_owned();
    let line = said.lines().rev().find(|line| line.starts_with('{')).ok_or_else(unread)?;
    let parsed: Value = serde_json::from_str(line).map_err(|_| unread())?;
    let all = parsed.as_object().ok_or_else(unread)?;
    if let Some(silent) = nodes.iter().find(|node| !all.contains_key(*node)) {
        return Err(format!("the worker {silent} does not answer"));
    }
    let of = |(node, list): (&String, &Value)| {
        list.as_array().map(|list| (node.clone(), list.clone())).ok_or_else(unread)
    };
    all.iter().map(of).collect()
}

impl Way for Celery {
    fn kind(&self) -> &'static str {
        "celery"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(self.seen())
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.tell("cancel_consumer"))
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.tell("add_consumer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_all_workers_are_read_whatever_the_app_prints_before_them() {
        let said = "loading shop\n{\"a@w1\": [{\"id\": 1}], \"b@w2\": []}\n";
        let all = answers(said, &[]).unwrap();
        assert_eq!((all.len(), many(&all)), (2, 1));
        assert!(answers(said, &["a@w1".to_owned()]).is_ok());
        for (said, nodes, says) in [
            (said, vec!["c@w3".to_owned()], "c@w3 does not answer"),
            ("nothing", vec![], "no JSON"),
            ("{\"a@w1\": {\"error\": \"x\"}}", vec![], "no JSON"),
        ] {
            let why = answers(said, &nodes).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
    }
}
