//! Terraform's own way with its options: one dash, and the order in which they stand.

use std::ffi::OsString;

use crate::terraform::VariableInput;

/// Terraform's long options with one dash, which clap would read as a row of short ones.
const SINGLE_DASH: [&str; 11] = [
    "var",
    "var-file",
    "state",
    "variable",
    "out",
    "json",
    "auto-approve",
    "detailed-exitcode",
    "no-color",
    "from-plans",
    "input",
];

/// Rewrites Terraform's single-dash options to double dashes, and nothing else.
pub(in crate::cli) fn with_double_dashes(
    words: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut plain = false;
    let rewrite = |word: OsString| {
        plain = plain || word == "--";
        let Some(text) = word.to_str().filter(|_| !plain) else { return word };
        let name = text.strip_prefix('-').map(|rest| rest.split('=').next().unwrap_or(rest));
        match name {
            Some(name) if SINGLE_DASH.contains(&name) => format!("-{text}").into(),
            _ => word,
        }
    };
    words.into_iter().map(rewrite).collect()
}

/// `-var` and `-var-file` in the order of the command line, which decides which one wins.
pub(in crate::cli) fn variables(words: &[OsString]) -> Vec<VariableInput> {
    let mut found = Vec::new();
    let mut words = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.into_owned(), None),
        };
        let mut value = || value.clone().or_else(|| words.next().map(std::borrow::Cow::into_owned));
        match name.as_str() {
            "--var" => found.extend(value().map(VariableInput::Value)),
            "--var-file" => found.extend(value().map(|file| VariableInput::File(file.into()))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn terraforms_single_dashes_are_read_and_others_left_alone() {
        let line = "roadworks plan -var a=-json -detailed-exitcode -out=x -c dir -- -json";
        let rewritten = with_double_dashes(words(line));
        assert_eq!(
            rewritten,
            words("roadworks plan --var a=-json --detailed-exitcode --out=x -c dir -- -json")
        );
    }

    #[test]
    fn variables_keep_the_order_of_the_command_line() {
        let line = words("roadworks plan --var a=1=2 --var-file=x.tfvars --var=b=3");
        assert_eq!(
            variables(&line),
            [
                VariableInput::Value("a=1=2".to_owned()),
                VariableInput::File("x.tfvars".into()),
                VariableInput::Value("b=3".to_owned()),
            ]
        );
    }
}
