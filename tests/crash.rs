//! Killed at any write, and run again: the same end. strace kills at the N-th system call that writes or hears an
//! answer, so the product needs no hook.
//!
//! By day a spread of the points is tried; `ROADWORKS_TEST_CRASH_POINTS=all` tries every one.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::command::{Ran, roadworks, run};
use crate::support::route53::Route53;
use crate::support::site::{LIVE, MAINTENANCE, Site};

/// Everything by which a flip leaves a trace: files, and what goes to and comes from Route 53.
const CALLS: &str = "rename,renameat,renameat2,unlink,unlinkat,mkdir,ftruncate,fsync,fdatasync,flock,write,sendto,sendmsg,writev,recvfrom";
/// How many points each direction tries by day.
const BY_DAY: usize = 10;

/// A point to kill at: the n-th call of that name.
#[derive(Debug, Clone)]
struct Point {
    call: String,
    nth: usize,
}

/// Runs `verb` under strace, killed at a point if one is named, and gives the points that it passed.
fn traced(site: &Site, verb: &str, kill: Option<&Point>) -> (Ran, Vec<Point>) {
    let trace = site.folder().join(".trace");
    let only = format!("trace={CALLS}");
    let inject = kill.map(|Point { call, nth }| format!("inject={call}:signal=SIGKILL:when={nth}"));
    let mut around = vec!["strace", "-f", "-qq", "-o", trace.to_str().unwrap(), "-e", &only];
    around.extend(inject.iter().flat_map(|inject| ["-e", inject.as_str()]));
    let around: Vec<_> = around.into_iter().map(OsStr::new).collect();
    let ran =
        run(roadworks(site.folder(), &site.endpoint, &around).args([verb, "--yes", "--json"]));
    let calls = fs::read_to_string(&trace).unwrap_or_default();
    fs::remove_file(&trace).unwrap();
    (ran, points(&calls))
}

/// strace counts each call by name and by thread; the main thread makes every call that matters.
fn points(trace: &str) -> Vec<Point> {
    let thread = trace.split_whitespace().next().unwrap_or_default();
    let lines = trace.lines().filter_map(|line| line.strip_prefix(thread));
    let calls = lines.filter_map(|line| line.trim_start().split_once('(')).map(|(call, _)| call);
    let mut points: Vec<Point> = Vec::new();
    for call in calls.filter(|call| CALLS.split(',').any(|known| known == *call)) {
        let nth = points.iter().filter(|point| point.call == call).count() + 1;
        points.push(Point { call: call.to_owned(), nth });
    }
    points
}

fn server() -> (Route53, Site) {
    let server = Route53::start();
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    (server, site)
}

/// The points to try of `all`, the first and the last among them.
fn spread(all: &[Point]) -> Vec<Point> {
    let every = env::var("ROADWORKS_TEST_CRASH_POINTS").is_ok_and(|points| points == "all");
    if every || all.len() <= BY_DAY {
        return all.to_vec();
    }
    (0..BY_DAY).map(|place| all[place * (all.len() - 1) / (BY_DAY - 1)].clone()).collect()
}

/// Files that a crash left behind and no later run took away.
fn leftovers(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(leftovers(&path));
        } else if path.extension().is_some_and(|extension| extension == "tmp") {
            names.push(path.display().to_string());
        }
    }
    names
}

/// Kills a run of `verb` at one point, runs it again, and says whether it was killed: a run makes a few calls more or
/// fewer than the one before it.
fn mended(verb: &str, point: &Point) -> bool {
    let (server, site) = server();
    if verb == "open" {
        site.run(&["detour", "--yes"]).exits(0);
    }
    server.forget();
    let (killed, _) = traced(&site, verb, Some(point));
    let between = site.leads_to();
    assert!([LIVE, MAINTENANCE].contains(&between.as_str()), "{between}");
    site.run(&["status", "--json"]).exits(0);
    let again = site.run(&[verb, "--yes", "--json"]);
    assert_eq!(again.code, Some(0), "killed at {point:?} of {verb}, run again: {again:#?}");
    let status = again.json();
    let mode = if verb == "open" { "open" } else { "detour" };
    assert_eq!((&status["mode"], &status["desired"]), (&json!(mode), &json!(mode)), "at {point:?}");
    assert_ne!(status["phase"], "moving", "at {point:?}");
    if verb == "open" {
        site.is_open();
    } else {
        site.is_in_maintenance();
    }
    for batch in server.batches() {
        assert!(!batch.body.contains("UPSERT"), "at {point:?}");
    }
    let log = site.run(&["log", "--json"]).exits(0).json();
    let moved = log["entries"].as_array().unwrap().iter().any(|entry| entry["to"] == mode);
    assert!(moved, "the log tells of it, killed at {point:?}: {log:#}");
    assert!(leftovers(site.folder()).len() <= 1, "{:?}", leftovers(site.folder()));
    killed.code != Some(0)
}

fn mended_from_everywhere(verb: &str) {
    let (_server, site) = server();
    if verb == "open" {
        site.run(&["detour", "--yes"]).exits(0);
    }
    let (ran, calls) = traced(&site, verb, None);
    ran.exits(0);
    assert!(calls.len() > 10, "strace saw {calls:?}");
    let points = spread(&calls);
    let killed = points.iter().filter(|point| mended(verb, point)).count();
    assert!(killed + 2 >= points.len(), "{killed} of {} points were met", points.len());
}

#[test]
fn a_detour_killed_at_any_write_and_run_again_ends_in_maintenance() {
    mended_from_everywhere("detour");
}

#[test]
fn an_open_killed_at_any_write_and_run_again_ends_open() {
    mended_from_everywhere("open");
}

#[test]
fn a_detour_killed_at_any_write_can_be_taken_back_by_open() {
    let (_server, site) = server();
    let (ran, calls) = traced(&site, "detour", None);
    ran.exits(0);
    for point in spread(&calls).iter().step_by(2) {
        let (_server, site) = server();
        traced(&site, "detour", Some(point));
        let back = site.run(&["open", "--yes", "--json"]);
        assert_eq!(back.code, Some(0), "killed at {point:?}, then open: {back:#?}");
        site.is_open();
    }
}
