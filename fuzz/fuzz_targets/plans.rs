//! Two documents of `terraform show -json` are compared or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roadworks::terraform::plans::compare;

fuzz_target!(|documents: (&[u8], &[u8])| {
    drop(compare(documents.0, documents.1));
});
