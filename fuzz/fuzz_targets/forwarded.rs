//! Words about somebody else's address are read or ignored, and count only from a trusted proxy.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other targets' checks")]
#[path = "../../tests/fuzzed.rs"]
mod fuzzed;

fuzz_target!(|input: &[u8]| fuzzed::forwarded(input));
