//! A state is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roadworks::terraform::State;

fuzz_target!(|bytes: &[u8]| {
    drop(State::parse(bytes));
});
