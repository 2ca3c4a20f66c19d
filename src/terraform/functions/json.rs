//! JSON as Terraform writes and reads it: big numbers whole, HTML characters escaped, the last of two equal keys kept.
//!
//! Bounded in depth; the size is bounded by the text that was given.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::arguments::{Failure, known};
use crate::terraform::value::Value;

/// Nesting that is read. Go would go on to 10,000; a record needs three.
const DEEPEST: usize = 128;

/// `jsonencode`.
pub(super) fn encode(value: &Value) -> Result<String, Failure> {
    known(value)?;
    let mut text = String::new();
    write(value, &mut text);
    Ok(text)
}

fn write(value: &Value, text: &mut String) {
    match value {
        // `encode` lets nothing unknown through.
        Value::Null | Value::Unknown(_) => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => quote(string, text),
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(element, text);
            }
            text.push(']');
        }
        Value::Map(entries) | Value::Object(entries) => {
            text.push('{');
            for (index, (name, value)) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(name, text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
    }
}

/// As Go's encoder quotes, which also escapes what HTML and old JavaScript would take amiss.
fn quote(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let escape = format!("\\u{:04x}", u32::from(character));
                text.push_str(&escape);
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// `jsondecode`: arrays become tuples and objects objects.
pub(super) fn decode(text: &str) -> Result<Value, Failure> {
    let mut reader = Reader { left: text.chars().peekable() };
    let value = reader.value(0)?;
    reader.space();
    match reader.left.next() {
        None => Ok(value),
        Some(_) => Err("something follows the JSON value".into()),
    }
}

struct Reader<'a> {
    left: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.left.next_if(|next| matches!(next, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    fn value(&mut self, depth: usize) -> Result<Value, Failure> {
        if depth > DEEPEST {
            return Err("the JSON is nested too deep".into());
        }
        self.space();
        match self.left.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => Ok(Value::String(self.string()?)),
            Some('t') => self.word("true", Value::Bool(true)),
            Some('f') => self.word("false", Value::Bool(false)),
            Some('n') => self.word("null", Value::Null),
            Some('-' | '0'..='9') => self.number(),
            Some(_) => Err(invalid()),
            None => Err("the JSON ends too early".into()),
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Failure> {
        self.left.next_if_eq(&wanted).map(|_found| ()).ok_or_else(invalid)
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Failure> {
        word.chars().try_for_each(|wanted| self.expect(wanted))?;
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, Failure> {
        self.expect('[')?;
        let mut elements = Vec::new();
        self.space();
        if self.left.next_if_eq(&']').is_some() {
            return Ok(Value::Tuple(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            if self.left.next_if_eq(&']').is_some() {
                return Ok(Value::Tuple(elements));
            }
            self.expect(',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Failure> {
        self.expect('{')?;
        let mut entries = BTreeMap::new();
        self.space();
        if self.left.next_if_eq(&'}').is_some() {
            return Ok(Value::Object(entries));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(':')?;
            entries.insert(name, self.value(depth + 1)?);
            self.space();
            if self.left.next_if_eq(&'}').is_some() {
                return Ok(Value::Object(entries));
            }
            self.expect(',')?;
        }
    }

    /// RFC 8259's grammar: no leading zero, digits on both sides of the point.
    fn number(&mut self) -> Result<Value, Failure> {
        let mut text = String::new();
        text.extend(self.left.next_if_eq(&'-'));
        match self.left.next_if_eq(&'0') {
            Some(zero) => text.push(zero),
            None => self.digits(&mut text)?,
        }
        if let Some(point) = self.left.next_if_eq(&'.') {
            text.push(point);
            self.digits(&mut text)?;
        }
        if let Some(exponent) = self.left.next_if(|next| matches!(next, 'e' | 'E')) {
            text.push(exponent);
            text.extend(self.left.next_if(|next| matches!(next, '-' | '+')));
            self.digits(&mut text)?;
        }
        Ok(Value::Number(text.parse()?))
    }

    fn digits(&mut self, text: &mut String) -> Result<(), Failure> {
        let before = text.len();
        while let Some(digit) = self.left.next_if(char::is_ascii_digit) {
            text.push(digit);
        }
        if text.len() == before { Err(invalid()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, Failure> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.left.next().ok_or_else(invalid)? {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\u{1f}' => return Err(invalid()),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Failure> {
        match self.left.next().ok_or_else(invalid)? {
            character @ ('"' | '\\' | '/') => Ok(character),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'u' => self.unicode(),
            _ => Err(invalid()),
        }
    }

    /// A surrogate must have its pair; Go would put a replacement character.
    fn unicode(&mut self) -> Result<char, Failure> {
        let first = self.unit()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or_else(invalid);
        }
        self.expect('\\')?;
        self.expect('u')?;
        let units = [first, self.unit()?].map(|unit| u16::try_from(unit).unwrap_or(u16::MAX));
        let mut pair = char::decode_utf16(units);
        match (pair.next(), pair.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(invalid()),
        }
    }

    fn unit(&mut self) -> Result<u32, Failure> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.left.next().and_then(|next| next.to_digit(16)).ok_or_else(invalid)?;
            unit = unit * 16 + digit;
        }
        Ok(unit)
    }
}

fn invalid() -> Failure {
    "this is no valid JSON".into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, object, refused, text};
    use super::*;

    /// Printed by Terraform 1.11.4.
    #[test]
    fn json_is_written_as_terraform_writes_it() {
        let list = Value::Tuple(vec![
            Value::Bool(true),
            Value::Null,
            text("<&>\u{2028}é\"\\\n\u{1}\u{7f}"),
        ]);
        let value = object([("b", number("1.50")), ("a", list)]);
        let written = "{\"a\":[true,null,\"\\u003c\\u0026\\u003e\\u2028é\\\"\\\\\\n\\u0001\u{7f}\"],\"b\":1.5}";
        assert_eq!(answer("jsonencode", [value]), Ok(text(written)));
        assert_eq!(
            answer("jsonencode", [number("1e30")]),
            Ok(text("1000000000000000000000000000000"))
        );
    }

    #[test]
    fn json_is_read_with_its_numbers_whole() {
        let read = |json: &str| answer("jsondecode", [text(json)]);
        assert_eq!(
            read(" [1e5, 12345678901234567890123] "),
            Ok(Value::Tuple(vec![number("100000"), number("12345678901234567890123"),]))
        );
        assert_eq!(read("{\"a\":1,\"a\":{}}"), Ok(object([("a", object([]))])));
        assert_eq!(read("\"\\ud83d\\ude00\\u00e9\\/\""), Ok(text("😀é/")));
        assert_eq!(read("null"), Ok(Value::Null));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for json in [
            "",
            "[1] x",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "tru",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud83d\"",
            "'a'",
            "\"a",
            "nulll",
        ] {
            assert!(refused("jsondecode", [text(json)]), "{json}");
        }
    }

    #[test]
    fn json_that_is_nested_without_end_is_refused() {
        assert!(refused("jsondecode", [text(&"[".repeat(100_000))]));
    }
}
