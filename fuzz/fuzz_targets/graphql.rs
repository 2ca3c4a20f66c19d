//! A body is taken for a read only if it cannot write.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other targets' checks")]
#[path = "../../tests/fuzzed.rs"]
mod fuzzed;

fuzz_target!(|input: &[u8]| fuzzed::graphql(input));
