//! Frames of Redis end where they end however they come, or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "what the tests alone use")]
#[path = "../../tests/fuzzed_redis.rs"]
mod fuzzed_redis;

fuzz_target!(|input: &[u8]| fuzzed_redis::frames(input));
