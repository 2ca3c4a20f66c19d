//! What the guard of a Redis needs: a Redis that can be guarded, that lets the guard in, and a place for its journal. Asked as the
//! guard asks it.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::{Finding, fail, ok, warn};
use crate::config::RedisConfig;
use crate::redis::{Meeting, Met, meet};

/// Every precondition of each guard. Cancel safe.
pub(super) async fn findings(guards: &[RedisConfig]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for guard in guards {
        findings.push(upstream(guard).await);
        let path = guard.journal.as_ref().and_then(|journal| journal.path.as_ref());
        findings.extend(path.map(|path| journal(&guard.name, path)));
    }
    findings
}

async fn upstream(guard: &RedisConfig) -> Finding {
    const ID: &str = "redis";
    let at = format!("{} at {}", guard.name, guard.upstream.place);
    let Meeting { met, refused } = match meet(guard).await {
        Ok(meeting) => meeting,
        Err(why) => {
            let fix = "start it, let this machine reach it, or correct `upstream`";
            return fail(ID, format!("{at} is away: {why}"), fix);
        }
    };
    match (met, refused) {
        (Met::Unfit(why), _) => {
            fail(ID, format!("{at} cannot be guarded: {why}"), "name a Redis that stands alone")
        }
        (Met::Silent(_), Some(word)) => fail(
            ID,
            format!("{at} refuses the guard's own password ({word})"),
            "correct the user and the password in `upstream`",
        ),
        (Met::Redis(_), Some(word)) => warn(
            ID,
            format!("{at} lets everybody in, and refuses the guard's own password ({word})"),
            "take the user and the password out of `upstream`, or correct them",
        ),
        (Met::Silent(why), None)
            if guard.journal.is_some() || guard.upstream.password.is_some() =>
        {
            fail(
                ID,
                format!(
                    "{at} does not let the guard in ({why}): what was dropped is never removed, and Redis stays away"
                ),
                "put the user and the password into `upstream`, and let it PING, INFO, SELECT, UNLINK and SCAN",
            )
        }
        (Met::Silent(why), None) => warn(
            ID,
            format!("{at} answers, and tells the guard nothing of itself ({why})"),
            "put a user and its password into `upstream`: without, a Redis that loads its data, or that lost its master, counts as well",
        ),
        (Met::Redis(info), None) => well(&at, &info),
    }
}

/// One that can be guarded, by what it says of itself.
fn well(at: &str, info: &str) -> Finding {
    const ID: &str = "redis";
    let says = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
    };
    if !matches!(says("maxmemory"), "" | "0") && says("maxmemory_policy") == "noeviction" {
        return warn(
            ID,
            format!(
                "{at} refuses writes once its maxmemory is full: its maxmemory-policy is noeviction"
            ),
            "for a cache: CONFIG SET maxmemory-policy allkeys-lru; for queues and sessions leave it, and watch used_memory",
        );
    }
    ok(ID, format!("{at} is a Redis {} that can be guarded", says("redis_version")))
}

/// Opens what is there, and makes nothing.
fn journal(guard: &str, path: &Path) -> Finding {
    const ID: &str = "redis-journal";
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match OpenOptions::new().read(true).append(true).open(path) {
        Ok(_) => ok(ID, format!("{guard}: {shown} can be written")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match folder.unwrap_or(Path::new(".")).metadata() {
                Ok(found) if found.is_dir() => {
                    ok(ID, format!("{guard}: {shown} is made when the guard first runs"))
                }
                _ => fail(
                    ID,
                    format!("{guard}: there is no folder for {shown}"),
                    "make it on the guard's machine, on a disk that outlives its process, and let its user write there",
                ),
            }
        }
        Err(error) => fail(
            ID,
            format!("{guard}: {shown} cannot be written: {error}"),
            "let the user of `roadworks serve` write it, or name another file",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn a_redis_that_refuses_writes_once_it_is_full_is_warned_of() {
        let found = |memory: &str, policy: &str| {
            well("a", &format!("maxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\n")).result
        };
        assert_eq!(found("0", "noeviction"), Outcome::Ok);
        assert_eq!(found("1000", "noeviction"), Outcome::Warn);
        assert_eq!(found("1000", "allkeys-lru"), Outcome::Ok);
    }
}
