//! Functions of encodings: base64, JSON, CSV, URLs.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::arguments::{ANY, Answer, Arguments, Failure, Signature, TEXT};
use super::json;
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("base64decode", &[TEXT], base64_decode),
    Signature::fixed("base64encode", &[TEXT], |mut args| {
        Ok(Value::String(STANDARD.encode(args.text()?)))
    }),
    Signature::fixed("csvdecode", &[TEXT], csv_decode),
    Signature::fixed("jsondecode", &[TEXT], |mut args| json::decode(&args.text()?)),
    Signature::fixed("jsonencode", &[ANY.nullable()], |mut args| {
        Ok(Value::String(json::encode(&args.any()?)?))
    }),
    Signature::fixed("urlencode", &[TEXT], url_encode),
];

/// Go's decoder passes over line ends.
fn base64_decode(mut args: Arguments<'_>) -> Answer {
    let text = args.text()?.replace(['\r', '\n'], "");
    let bytes = STANDARD.decode(text).map_err(|_bad_text| "this text is not base64")?;
    let text =
        String::from_utf8(bytes).map_err(|_binary| "the decoded bytes are not UTF-8 text")?;
    Ok(Value::String(text))
}

/// As Go's `url.QueryEscape`: a space becomes a plus.
fn url_encode(mut args: Arguments<'_>) -> Answer {
    let mut encoded = String::new();
    for byte in args.text()?.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => {
                let escape = format!("%{other:02X}");
                encoded.push_str(&escape);
            }
        }
    }
    Ok(Value::String(encoded))
}

/// The first line names the columns; each further line is an object of texts.
fn csv_decode(mut args: Arguments<'_>) -> Answer {
    let mut rows = csv_rows(&args.text()?)?.into_iter();
    let header = rows.next().ok_or("the line of column names is missing")?;
    for (index, name) in header.iter().enumerate() {
        if header.iter().skip(index + 1).any(|other| other == name) {
            return Err("two columns have one name".into());
        }
    }
    let mut objects = Vec::new();
    for row in rows {
        if row.len() != header.len() {
            return Err("a line has another number of fields than the first".into());
        }
        let entries: BTreeMap<String, Value> =
            header.iter().cloned().zip(row.into_iter().map(Value::String)).collect();
        objects.push(Value::Object(entries));
    }
    Ok(Value::List(objects))
}

/// Lines of fields, by RFC 4180 as Go reads it: empty lines are passed over, a quote inside an unquoted field is wrong.
fn csv_rows(text: &str) -> Result<Vec<Vec<String>>, Failure> {
    let text = text.replace("\r\n", "\n");
    let mut rows = Vec::new();
    let mut left = text.strip_suffix('\n').unwrap_or(&text);
    while !left.is_empty() {
        if let Some(after) = left.strip_prefix('\n') {
            left = after;
            continue;
        }
        let mut row = Vec::new();
        loop {
            let (field, after) = csv_field(left)?;
            row.push(field);
            left = after;
            match left.strip_prefix(',') {
                Some(after) => left = after,
                None => break,
            }
        }
        left = left.strip_prefix('\n').unwrap_or(left);
        rows.push(row);
    }
    Ok(rows)
}

/// One field, and what stands behind it: a comma, a line end, or nothing.
fn csv_field(text: &str) -> Result<(String, &str), Failure> {
    let Some(mut left) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (field, after) = text.split_at(end);
        if field.contains('"') {
            return Err("a quote stands inside an unquoted field".into());
        }
        return Ok((field.to_owned(), after));
    };
    let mut field = String::new();
    loop {
        let (part, after) = left.split_once('"').ok_or("a quoted field has no end")?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                left = after;
            }
            None if after.is_empty() || after.starts_with([',', '\n']) => {
                return Ok((field, after));
            }
            None => return Err("something follows a quoted field".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, object, refused, text};
    use super::*;

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn texts_are_encoded_as_terraform_encodes_them() {
        assert_eq!(answer("base64encode", [text("héllo")]), Ok(text("aMOpbGxv")));
        assert_eq!(answer("base64decode", [text("aG\nk=")]), Ok(text("hi")));
        assert_eq!(
            answer("urlencode", [text("a b&c/é~*-_.")]),
            Ok(text("a+b%26c%2F%C3%A9~%2A-_."))
        );
        for bad in ["aGk", "aG k=", "/w=="] {
            assert!(refused("base64decode", [text(bad)]), "{bad}");
        }
    }

    #[test]
    fn lines_become_objects() {
        let row = |left: &str, right: &str| object([("a", text(left)), ("b", text(right))]);
        let rows = Value::List(vec![row("1", "2"), row("x,\"y\n", ""), row(" z", "")]);
        let csv = "a,b\r\n1,2\n\"x,\"\"y\n\",\n\n z,";
        assert_eq!(answer("csvdecode", [text(csv)]), Ok(rows));
        assert_eq!(answer("csvdecode", [text("a,b\n")]), Ok(Value::List(vec![])));
        for bad in ["", "a,a\n1,2", "a,b\n1", "a\nx\"y", "a\n\"x", "a\n\"x\"y"] {
            assert!(refused("csvdecode", [text(bad)]), "{bad:?}");
        }
    }
}
