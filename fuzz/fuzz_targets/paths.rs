//! A request has one kind, and a path that is spelt oddly opens nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other targets' checks")]
#[path = "../../tests/fuzzed.rs"]
mod fuzzed;

fuzz_target!(|input: &[u8]| fuzzed::paths(input));
