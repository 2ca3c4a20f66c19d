//! Unicode's normal form C, to which Terraform brings every text and every key (go-cty's `cty.StringVal` and
//! `cty.NormalizeString`). For wherever a text enters: literals, templates, inputs, the state, what functions return.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::Value;
use super::convert;

/// The text in normal form C. ASCII is in it already.
pub(super) fn text(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    match ComposingNormalizerBorrowed::new_nfc().normalize(&text) {
        Cow::Borrowed(_as_it_was) => text,
        Cow::Owned(normal) => normal,
    }
}

/// The same of a name that is only looked up.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(name)
}

/// A value with all its texts and keys in normal form C.
pub(super) fn value(given: Value) -> Value {
    let each = |elements: Vec<Value>| elements.into_iter().map(value).collect();
    match given {
        Value::String(inner) => Value::String(text(inner)),
        Value::List(elements) => Value::List(each(elements)),
        Value::Tuple(elements) => Value::Tuple(each(elements)),
        // Two texts may have become one, or changed places.
        Value::Set(elements) => convert::set_of(each(elements)),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, one)| (text(key), value(one))).collect())
        }
        Value::Object(entries) => {
            Value::Object(entries.into_iter().map(|(key, one)| (text(key), value(one))).collect())
        }
        Value::Null | Value::Unknown(_) | Value::Bool(_) | Value::Number(_) => given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_and_its_accent_become_one_character() {
        assert_eq!(text("e\u{301}".to_owned()), "\u{e9}");
        assert_eq!(name("e\u{301}"), "\u{e9}");
        assert_eq!(text("\u{e9} and ASCII".to_owned()), "\u{e9} and ASCII");
    }

    #[test]
    fn two_texts_of_a_set_that_become_one_are_one() {
        let texts = ["e\u{301}", "z", "\u{e9}"].map(|text| Value::String(text.to_owned()));
        let wanted = ["z", "\u{e9}"].map(|text| Value::String(text.to_owned()));
        assert_eq!(value(Value::Set(texts.to_vec())), Value::Set(wanted.to_vec()));
    }
}
