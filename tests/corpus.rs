//! The seeds of the fuzz targets, replayed on stable Rust.

use std::fs;
use std::path::Path;

use super::fuzzed::{self, Check};
use super::{fuzzed_dns, fuzzed_redis};

#[test]
fn every_seed_of_the_gateways_fuzz_targets_holds() {
    replay(&fuzzed::CHECKS);
}

#[test]
fn every_seed_of_the_nameservers_fuzz_targets_holds() {
    replay(&fuzzed_dns::CHECKS);
}

#[test]
fn every_seed_of_the_redis_guards_fuzz_target_holds() {
    replay(&fuzzed_redis::CHECKS);
}

fn replay(checks: &[(&str, Check)]) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, check) in checks {
        let mut seen = 0;
        for entry in fs::read_dir(seeds.join(name)).unwrap() {
            let input = fs::read(entry.unwrap().path()).unwrap();
            check(&input);
            // What a fuzzer does first: cut it off, and flip a bit.
            for place in 0..input.len() {
                check(&input[..place]);
                let mut flipped = input.clone();
                flipped[place] ^= 1 << (place % 8);
                check(&flipped);
            }
            seen += 1;
        }
        assert!(seen >= 4, "{name} has seeds");
    }
}
