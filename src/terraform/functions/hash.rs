//! Functions that digest a text or a file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Digest as _;
use sha2::Digest as _;

use super::arguments::{Answer, Arguments, Signature, TEXT};
use super::filesystem::read;
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("base64sha256", &[TEXT], |args| of_text(args, sha256, base64)),
    Signature::fixed("base64sha512", &[TEXT], |args| of_text(args, sha512, base64)),
    Signature::fixed("filebase64sha256", &[TEXT], |args| of_file(args, sha256, base64)),
    Signature::fixed("filebase64sha512", &[TEXT], |args| of_file(args, sha512, base64)),
    Signature::fixed("filemd5", &[TEXT], |args| of_file(args, md5, hex)),
    Signature::fixed("filesha1", &[TEXT], |args| of_file(args, sha1, hex)),
    Signature::fixed("filesha256", &[TEXT], |args| of_file(args, sha256, hex)),
    Signature::fixed("filesha512", &[TEXT], |args| of_file(args, sha512, hex)),
    Signature::fixed("md5", &[TEXT], |args| of_text(args, md5, hex)),
    Signature::fixed("sha1", &[TEXT], |args| of_text(args, sha1, hex)),
    Signature::fixed("sha256", &[TEXT], |args| of_text(args, sha256, hex)),
    Signature::fixed("sha512", &[TEXT], |args| of_text(args, sha512, hex)),
];

type Digest = fn(&[u8]) -> Vec<u8>;
type Print = fn(&[u8]) -> String;

fn of_text(mut args: Arguments<'_>, digest: Digest, print: Print) -> Answer {
    Ok(Value::String(print(&digest(args.text()?.as_bytes()))))
}

fn of_file(mut args: Arguments<'_>, digest: Digest, print: Print) -> Answer {
    let bytes = read(&args.text()?, args.context)?;
    Ok(Value::String(print(&digest(&bytes))))
}

fn md5(bytes: &[u8]) -> Vec<u8> {
    md5::Md5::digest(bytes).to_vec()
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    sha1::Sha1::digest(bytes).to_vec()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    sha2::Sha256::digest(bytes).to_vec()
}

fn sha512(bytes: &[u8]) -> Vec<u8> {
    sha2::Sha512::digest(bytes).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, text};

    /// Printed by Terraform 1.11.4, and by md5sum and sha1sum.
    #[test]
    fn digests_are_the_known_ones() {
        assert_eq!(answer("md5", [text("a")]), Ok(text("0cc175b9c0f1b6a831c399e269772661")));
        assert_eq!(
            answer("sha1", [text("a")]),
            Ok(text("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"))
        );
        let base64 = "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=";
        assert_eq!(answer("base64sha256", [text("a")]), Ok(text(base64)));
    }
}
