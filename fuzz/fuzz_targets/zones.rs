//! A zone's file is read as it was written, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other target's check")]
#[path = "../../tests/fuzzed_dns.rs"]
mod fuzzed_dns;

fuzz_target!(|input: &[u8]| fuzzed_dns::zones(input));
