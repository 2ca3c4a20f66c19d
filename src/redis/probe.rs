//! Whether Redis is well, asked on a connection of one's own: no command of a client's is ever a probe.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::breaker::Trouble;
use super::frame::{Kind, NotRedis};
use super::gate::{About, Gate};
use super::keeper::Keeper;
use super::replay::{NotRemoved, remove};
use super::upstream::{Talk, connect};
use crate::clock::monotonic;
use crate::config::RedisConfig;

/// How often what came meanwhile is removed, before Redis is read but for what is left.
const ROUNDS: usize = 5;
/// What is dropped within this while Redis is there is removed together.
const TOGETHER: Duration = Duration::from_millis(10);
/// How often it is looked whether an upstream that cannot be guarded still is none.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a connection and `INFO` may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks while Redis is away, until it is back; at the beginning, to know whom one guards; and while that cannot be guarded. Never
/// comes back.
pub(super) async fn watch_over(gate: Arc<Gate>) {
    let mut posture = gate.posture();
    probe_once(&gate).await;
    loop {
        while posture.borrow_and_update().away().is_some() {
            tokio::select! {
                () = tokio::time::sleep(gate.pause()) => {}
                // What is ordered may be over.
                changed = posture.changed() => if changed.is_err() { return } else { continue },
            }
            let found = probe(&gate).await.and_then(|()| fit(&gate));
            if gate.probed(found)
                && let Err(why) = reopen(&gate).await
            {
                gate.stays_away(&why);
            }
        }
        if gate.is_partly_away() {
            tidy(&gate).await;
            continue;
        }
        tokio::select! {
            changed = posture.changed() => if changed.is_err() { return },
            () = gate.has_dirt() => {}
            () = tokio::time::sleep(AGAIN), if gate.is_unfit() => probe_once(&gate).await,
        }
    }
}

/// What cannot be guarded is not asked.
fn fit(gate: &Gate) -> Result<(), String> {
    gate.about().unfit.map_or(Ok(()), |unfit| Err(unfit.to_string()))
}

/// Looks what the upstream is, and whether it is there.
async fn probe_once(gate: &Gate) {
    // By itself: who borrows what is told keeps it from being told anew.
    let epoch = gate.posture().borrow().epoch;
    if let Err(why) = probe(gate).await {
        gate.trouble(epoch, Trouble::Gone, &why);
    }
}

/// Ends what somebody ordered when its time is over. Never comes back.
pub(super) async fn end_orders(gate: Arc<Gate>) {
    let mut orders = gate.orders.subscribe();
    loop {
        let until = orders.borrow_and_update().until();
        let over = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => gate.order(|orders| orders.expire(monotonic())),
            changed = orders.changed() => if changed.is_err() { return },
        }
    }
}

/// Removes what was dropped from a Redis that is there, and waits for the next time.
async fn tidy(gate: &Gate) {
    if let Some(keeper) = &gate.keeper
        && let Err(why) = round(gate, keeper).await
    {
        gate.probed(Err(why.to_string()));
        tokio::time::sleep(gate.pause()).await;
        return;
    }
    // What is dropped meanwhile is removed together.
    tokio::time::sleep(TOGETHER).await;
    if let Some(quiet) = gate.calmed() {
        // Nothing came in that time: it is looked whether it is over.
        drop(tokio::time::timeout(quiet, gate.has_dirt()).await);
    } else if let Some(keeper) = &gate.keeper {
        // Others are told that nothing is left.
        keeper.finish().await;
    }
}

/// Removes what is to be removed now; whether nothing is left.
async fn round(gate: &Gate, keeper: &Keeper) -> Result<bool, NotRemoved> {
    let entries = keeper.begin().await?;
    let done = remove(gate, entries).await;
    keeper.removed(&done).await;
    done?;
    Ok(keeper.finish().await)
}

/// Removes what must not be read, and lets Redis be asked then.
async fn reopen(gate: &Gate) -> Result<(), String> {
    let Some(keeper) = &gate.keeper else {
        gate.close();
        return Ok(());
    };
    for _ in 0..ROUNDS {
        match round(gate, keeper).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // It can be read all the same, but for what is to be removed.
            Err(NotRemoved::Unwritable(why)) => {
                keeper.open_partly(Some(why)).await;
                return Ok(());
            }
            Err(why) => return Err(why.to_string()),
        }
    }
    // Others write all the while: they write to Redis from now on, and what is left is removed then.
    keeper.open_partly(None).await;
    Ok(())
}

/// Why it is not well, if it is not.
pub(super) async fn probe(gate: &Gate) -> Result<(), String> {
    let (redis, before) = (&gate.config.name, gate.about());
    let (was_unfit, was_refused) = (before.unfit.clone(), before.refused.clone());
    let Meeting { met, refused } = meet(&gate.config).await?;
    if let Some(word) = refused.as_ref().filter(|_| refused != was_refused) {
        tracing::warn!(redis, "the guard's own password is refused: {word}");
    }
    let about = match met {
        Met::Redis(info) => About { info: Some(Arc::from(info)), unfit: None, refused },
        // It answers as a Redis; what it says of itself stays what it said before.
        Met::Silent(_) => About {
            unfit: before.unfit.filter(|unfit| !matches!(unfit, Unfit::Other(_))),
            refused,
            ..before
        },
        Met::Unfit(why) => About { info: None, unfit: Some(why), refused },
    };
    let unfit = about.unfit.clone();
    // Whoever reads the log finds it so.
    gate.learnt(about);
    match (&was_unfit, &unfit) {
        // What one sends that is no Redis may be something else each time.
        (Some(Unfit::Other(_)), Some(Unfit::Other(_))) | (None, None) => {}
        (before, Some(why)) if before.as_ref() != Some(why) => {
            tracing::error!(redis, "this upstream cannot be guarded: {why}");
        }
        (_, Some(_)) => {}
        (Some(_), None) => tracing::info!(redis, "this upstream can be guarded"),
    }
    Ok(())
}

/// Why an upstream cannot be guarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It answers as no Redis does.
    #[error("it is no Redis: {0}")]
    Other(String),
    /// It has only some of the keys.
    #[error("it is part of a cluster, whose keys are on several servers")]
    Cluster,
    /// It has none.
    #[error("it is a Sentinel, not a Redis")]
    Sentinel,
}

/// What is at the address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// A Redis that is well, and its `INFO`.
    Redis(String),
    /// One that tells the guard nothing of itself, by this error: it wants a password, or another one.
    Silent(String),
    /// Nothing that can be guarded.
    Unfit(Unfit),
}

/// What came of asking an upstream who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// What is there.
    pub met: Met,
    /// The error by which it refused the guard's own password, if it did.
    pub refused: Option<String>,
}

/// Asks an upstream who it is, as a guard does before it lets anybody in; an error is why it is away. Cancel safe: nothing is kept.
pub async fn meet(config: &RedisConfig) -> Result<Meeting, String> {
    let upstream = &config.upstream;
    let mut stream = connect(&upstream.place, PATIENCE).await.map_err(|error| error.to_string())?;
    let mut talk = Talk { stream: &mut stream, buffer: BytesMut::new() };
    let budget = config.budget.max(Duration::from_millis(10));
    let greeting = async {
        let refused = enter(&mut talk, config).await?;
        Ok((talk.asked(&command(&[b"PING"]), budget).await?, refused))
    };
    let (said, refused) = match greeting.await {
        Err(error) if is_of_another(&error) => {
            return Ok(Meeting { met: Met::Unfit(Unfit::Other(words(error))), refused: None });
        }
        Err(error) => return Err(words(error)),
        Ok(greeted) => greeted,
    };
    if said.kind == Kind::Error {
        let is_about_me = said.bytes.starts_with(b"-NOAUTH") || said.bytes.starts_with(b"-NOPERM");
        return if is_about_me {
            Ok(Meeting { met: Met::Silent(said.word()), refused })
        } else {
            Err(said.word())
        };
    }
    let said = talk.asked(&command(&[b"INFO"]), PATIENCE).await.map_err(words)?;
    if said.kind == Kind::Error {
        return Ok(Meeting { met: Met::Silent(said.word()), refused });
    }
    let text = String::from_utf8_lossy(&said.bytes);
    let info = text.split_once("\r\n").map_or("", |(_, text)| text).trim_end_matches("\r\n");
    Ok(Meeting { met: of_info(info)?, refused })
}

/// Says who the guard is, where it was told: by what that is refused, if it is.
pub(super) async fn enter(talk: &mut Talk<'_>, config: &RedisConfig) -> io::Result<Option<String>> {
    let upstream = &config.upstream;
    if let Some(password) = &upstream.password {
        let user = upstream.user.as_deref().map(str::as_bytes);
        let auth: Vec<_> =
            [Some(&b"AUTH"[..]), user, Some(password.bytes())].into_iter().flatten().collect();
        let said = talk.asked(&command(&auth), PATIENCE).await?;
        return Ok((said.kind == Kind::Error).then(|| said.word()));
    }
    Ok(None)
}

/// What an error says.
pub(super) fn words(error: io::Error) -> String {
    error.into_inner().map_or_else(|| "it hung up".to_owned(), |inner| inner.to_string())
}

/// Whether what came is no answer of a Redis's.
fn is_of_another(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<NotRedis>)
}

/// What `INFO` says: that it is well, or not, or nothing that can be guarded.
fn of_info(text: &str) -> Result<Met, String> {
    let is = |line: &str| text.lines().any(|own| own == line);
    if is("loading:1") {
        return Err("it loads its data".to_owned());
    }
    if is("master_link_status:down") {
        return Err("it has lost its master".to_owned());
    }
    Ok(if is("cluster_enabled:1") || is("redis_mode:cluster") {
        Met::Unfit(Unfit::Cluster)
    } else if is("redis_mode:sentinel") {
        Met::Unfit(Unfit::Sentinel)
    } else {
        Met::Redis(text.to_owned())
    })
}

/// A command as clients write it.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loads_or_is_cut_off_is_not_well_and_a_cluster_is_no_upstream() {
        assert!(of_info("loading:1\r\n").is_err());
        assert!(of_info("role:slave\r\nmaster_link_status:down\r\n").is_err());
        assert!(matches!(of_info("redis_mode:cluster\r\n"), Ok(Met::Unfit(_))));
        assert!(matches!(of_info("redis_mode:sentinel\r\n"), Ok(Met::Unfit(_))));
        let well = "redis_version:7.0.15\r\nredis_mode:standalone\r\nloading:0\r\n";
        assert_eq!(of_info(well), Ok(Met::Redis(well.to_owned())));
    }
}
