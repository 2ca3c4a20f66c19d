//! What a client says that it reads gives a form and a language, whatever it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other targets' checks")]
#[path = "../../tests/fuzzed.rs"]
mod fuzzed;

fuzz_target!(|input: &[u8]| fuzzed::accept(input));
