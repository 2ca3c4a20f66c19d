//! An expression of Terraform's language has a value or an error, never a panic and never without end.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use roadworks::terraform::{Inputs, State, console, load};

/// A folder with a variable and a local to speak of.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("roadworks-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let text = "variable \"v\" { default = { a = [1, \"b\", true] } }\nlocals { l = [for x in var.v.a : x] }\n";
    std::fs::write(folder.join("main.tf"), text).expect("a file can be written there");
    folder
});

fuzz_target!(|text: &str| {
    let inputs = Inputs { folder: FOLDER.clone(), ..Inputs::default() };
    let folder = load(&inputs).expect("the folder is right");
    drop(console(&folder, &inputs, Some(&State::default()), text));
});
