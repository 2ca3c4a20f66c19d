//! A file of HCL is read or refused with a place that lies inside it.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use roadworks::hcl::{Colour, Source, parse_body};

fuzz_target!(|text: &str| {
    let source = Source::new(PathBuf::from("main.tf"), text);
    if let Err(mistake) = parse_body(&source) {
        assert!(!mistake.render(Colour::Never).is_empty());
    }
});
