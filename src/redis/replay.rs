//! Removing from Redis what was written or deleted while it was away, before anybody reads it.

use std::net::SocketAddr;
use std::time::Duration;

use super::answer::Dirty;
use super::breaker::Unwritable;
use super::frame::{Kind, number};
use super::gate::Gate;
use super::journal::Entry;
use super::probe::{command, enter, words};
use super::upstream::{Said, Talk, connect};
use crate::config::RedisRole;

/// Keys of one `UNLINK`, and connections that are ended in one go.
const BATCH: usize = 500;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why something may still be there.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRemoved {
    /// It takes no writes.
    #[error("it takes no writes: {}", .0.word())]
    Unwritable(Unwritable),
    /// Something else.
    #[error("{0}")]
    Otherwise(String),
}

impl From<String> for NotRemoved {
    fn from(why: String) -> NotRemoved {
        NotRemoved::Otherwise(why)
    }
}

/// Removes all of `entries`; whatever is left undone is to be done again.
pub(super) async fn remove(gate: &Gate, entries: Vec<Entry>) -> Result<(), NotRemoved> {
    if entries.is_empty() {
        return Ok(());
    }
    let upstream = &gate.config.upstream;
    let mut stream = connect(&upstream.place, PATIENCE).await.map_err(|error| error.to_string())?;
    let mut talk = Talk { stream: &mut stream, buffer: bytes::BytesMut::new() };
    enter(&mut talk, &gate.config).await.map_err(words)?;
    end_lost(&mut talk, gate).await?;
    let (mut count, mut left) = (0_usize, entries.into_iter().peekable());
    while let Some(database) = left.peek().map(|entry| entry.database) {
        let is_there = is_there(&mut talk, database).await?;
        // Batch by batch: clients on this thread would wait while a million keys are moved or forgotten at once.
        while left.peek().is_some_and(|entry| entry.database == database) {
            let (mut keys, mut patterns, mut all) = (Vec::new(), Vec::new(), false);
            while keys.len() + patterns.len() < BATCH
                && let Some(entry) = left.next_if(|entry| entry.database == database)
            {
                match entry.dirty {
                    Dirty::Key(key) => keys.push(key),
                    Dirty::Pattern(pattern) => patterns.push(pattern),
                    Dirty::Database => all = true,
                }
            }
            if !is_there {
                tokio::task::yield_now().await;
                continue;
            }
            if all {
                said(&mut talk, &[b"FLUSHDB", b"ASYNC"]).await?;
                tracing::warn!(redis = gate.config.name, database, "flushed");
                continue;
            }
            count += keys.len();
            unlink(&mut talk, &keys).await?;
            for pattern in patterns {
                search(&mut talk, gate, &pattern).await?;
            }
        }
    }
    // While Redis is there and refuses writes it may be a few of them each time.
    if gate.is_away() {
        let redis = gate.config.name.as_str();
        tracing::info!(redis, keys = count, "what was written meanwhile is removed");
    }
    Ok(())
}

/// Has Redis end the connections that were lost: it may have received a write on one, and do it when that is removed here already. Where
/// it knows them by another address, or this user may not, they end as they do.
async fn end_lost(talk: &mut Talk<'_>, gate: &Gate) -> Result<(), String> {
    let kill =
        |lost: &SocketAddr| command(&[b"CLIENT", b"KILL", b"ADDR", lost.to_string().as_bytes()]);
    loop {
        let lost = gate.take_lost(BATCH);
        if lost.is_empty() {
            return Ok(());
        }
        let kills: Vec<_> = lost.iter().map(kill).collect();
        if let Err(error) = talk.asked_all(&kills, PATIENCE).await {
            gate.note_lost(lost);
            return Err(error.to_string());
        }
    }
}

/// Goes to a database; a client may have said one that Redis does not have, where nothing can be.
async fn is_there(talk: &mut Talk<'_>, database: u32) -> Result<bool, String> {
    let words = command(&[b"SELECT", database.to_string().as_bytes()]);
    let said = talk.asked(&words, PATIENCE).await.map_err(|error| error.to_string())?;
    match said.kind {
        Kind::Error if said.bytes.starts_with(b"-ERR DB index is out of range") => Ok(false),
        Kind::Error => Err(format!("SELECT is refused: {}", said.word())),
        Kind::Value | Kind::Push => Ok(true),
    }
}

async fn unlink(talk: &mut Talk<'_>, keys: &[Vec<u8>]) -> Result<(), NotRemoved> {
    for batch in keys.chunks(BATCH) {
        let words: Vec<_> =
            [&b"UNLINK"[..]].into_iter().chain(batch.iter().map(Vec::as_slice)).collect();
        said(talk, &words).await?;
    }
    Ok(())
}

/// Removes the keys of a pattern that are a cache's: whoever looked for them meant to.
async fn search(talk: &mut Talk<'_>, gate: &Gate, pattern: &[u8]) -> Result<(), NotRemoved> {
    let mut cursor = b"0".to_vec();
    loop {
        let found = said(talk, &[b"SCAN", &cursor, b"MATCH", pattern, b"COUNT", b"1000"]).await?;
        let (next, keys) =
            scanned(&found.bytes).ok_or_else(|| "it answers SCAN in no known form".to_owned())?;
        let is_cache = |key: &Vec<u8>| gate.config.rules.role(key) == RedisRole::Cache;
        let keys: Vec<_> = keys.into_iter().filter(is_cache).collect();
        unlink(talk, &keys).await?;
        if next == b"0" {
            return Ok(());
        }
        cursor = next;
    }
}

async fn said(talk: &mut Talk<'_>, words: &[&[u8]]) -> Result<Said, NotRemoved> {
    let said = talk.asked(&command(words), PATIENCE).await.map_err(|error| error.to_string())?;
    if said.kind == Kind::Error {
        if let Some(why) = Unwritable::told_by(&said.bytes) {
            return Err(NotRemoved::Unwritable(why));
        }
        let name = String::from_utf8_lossy(words.first().copied().unwrap_or_default());
        return Err(format!("{name} is refused: {}", said.word()).into());
    }
    Ok(said)
}

/// The cursor and the keys of an answer to `SCAN`, in RESP2.
fn scanned(bytes: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let rest = bytes.strip_prefix(b"*2\r\n")?;
    let (cursor, rest) = text(rest)?;
    let (count, mut rest) = length(rest, b'*')?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let (key, behind) = text(rest)?;
        keys.push(key.to_vec());
        rest = behind;
    }
    Some((cursor.to_vec(), keys))
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = length(bytes, b'$')?;
    let (text, rest) = rest.split_at_checked(size)?;
    Some((text, rest.strip_prefix(b"\r\n")?))
}

fn length(bytes: &[u8], first: u8) -> Option<(usize, &[u8])> {
    let rest = bytes.strip_prefix(&[first])?;
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    let count = usize::try_from(number(rest.get(..end)?)?).ok()?;
    Some((count, rest.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_scan_is_read() {
        let bytes = b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$3\r\nb\r\n\r\n";
        let (cursor, keys) = scanned(bytes).unwrap();
        assert_eq!(
            (cursor.as_slice(), keys),
            (&b"17"[..], vec![b"a".to_vec(), b"b\r\n"[..3].to_vec()])
        );
        assert_eq!(scanned(b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n"), None);
    }
}
