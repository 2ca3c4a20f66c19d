//! What a running gateway counts, read from its admin listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use super::serving::{Serving, ask};

/// Where the admin listener of `serving` is: where it listens besides its gateway's address.
pub(crate) fn admin(serving: &Serving) -> SocketAddr {
    let output = Command::new("ss").arg("-Hltnp").output().expect("script/test installs ss");
    let listens = String::from_utf8_lossy(&output.stdout).into_owned();
    let process = format!("pid={},", serving.pid());
    let own = listens.lines().filter(|line| line.contains(&process));
    let mut addresses = own.filter_map(|line| line.split_whitespace().nth(3)?.parse().ok());
    addresses.find(|address| *address != serving.address()).expect("an admin listener")
}

/// How many requests had which fate since the start, by its word.
pub(crate) fn requests(admin: SocketAddr) -> BTreeMap<String, u64> {
    let (status, whole) = ask(admin, "GET", "/metrics");
    assert_eq!(status, 200, "{whole}");
    let counts = whole.lines().filter_map(|line| {
        let (_, rest) = line.split_once("roadworks_requests_total{")?;
        let (labels, count) = rest.split_once("} ")?;
        let word = labels.split("decision=\"").nth(1)?.split('"').next()?;
        Some((word.to_owned(), count.trim().parse().ok()?))
    });
    counts.collect()
}
