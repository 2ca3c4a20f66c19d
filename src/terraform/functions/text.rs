//! Functions of text. A character is what a reader sees (a grapheme cluster), as in Terraform, where not said otherwise.

use unicode_segmentation::UnicodeSegmentation;

use super::arguments::{Answer, Arguments, NUMBER, Signature, TEXT, TEXTS, as_text, elements};
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("chomp", &[TEXT], chomp),
    Signature::fixed("endswith", &[TEXT, TEXT], ends_with),
    Signature::fixed("indent", &[NUMBER, TEXT], indent),
    Signature::open("join", &[TEXT], TEXTS, join),
    Signature::fixed("lower", &[TEXT], lower),
    Signature::fixed("split", &[TEXT, TEXT], split),
    Signature::fixed("startswith", &[TEXT, TEXT], starts_with),
    Signature::fixed("strcontains", &[TEXT, TEXT], contains),
    Signature::fixed("strrev", &[TEXT], reverse),
    Signature::fixed("substr", &[TEXT, NUMBER, NUMBER], part),
    Signature::fixed("title", &[TEXT], title),
    Signature::fixed("trim", &[TEXT, TEXT], trim),
    Signature::fixed("trimprefix", &[TEXT, TEXT], trim_prefix),
    Signature::fixed("trimspace", &[TEXT], trim_space),
    Signature::fixed("trimsuffix", &[TEXT, TEXT], trim_suffix),
    Signature::fixed("upper", &[TEXT], upper),
];

fn string(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn chomp(mut args: Arguments<'_>) -> Answer {
    let text = args.text()?;
    Ok(string(text.trim_end_matches(['\r', '\n'])))
}

fn starts_with(mut args: Arguments<'_>) -> Answer {
    let (text, prefix) = (args.text()?, args.text()?);
    Ok(Value::Bool(text.starts_with(&prefix)))
}

fn ends_with(mut args: Arguments<'_>) -> Answer {
    let (text, suffix) = (args.text()?, args.text()?);
    Ok(Value::Bool(text.ends_with(&suffix)))
}

fn contains(mut args: Arguments<'_>) -> Answer {
    let (text, part) = (args.text()?, args.text()?);
    Ok(Value::Bool(text.contains(&part)))
}

fn indent(mut args: Arguments<'_>) -> Answer {
    let (spaces, text) = (args.whole()?, args.text()?);
    let spaces = usize::try_from(spaces).ok().filter(|spaces| *spaces <= 1024);
    let spaces = spaces.ok_or("between 0 and 1024 spaces are possible")?;
    let lines = text.matches('\n').count();
    if lines.saturating_mul(spaces) > super::LARGEST {
        return Err("the result is too large".into());
    }
    Ok(string(text.replace('\n', &format!("\n{}", " ".repeat(spaces)))))
}

fn join(mut args: Arguments<'_>) -> Answer {
    let separator = args.text()?;
    let lists = args.rest();
    if lists.is_empty() {
        return Err("at least one list is required".into());
    }
    let mut parts = Vec::new();
    for list in lists {
        for element in elements(list)? {
            parts.push(as_text(element)?);
        }
    }
    if separator.len().saturating_mul(parts.len()) > super::LARGEST {
        return Err("the result is too large".into());
    }
    Ok(string(parts.join(&separator)))
}

/// One character to one character, as Go maps them: `ß` stays, and there is no final sigma.
fn lower(mut args: Arguments<'_>) -> Answer {
    let simple = |character: char| match character {
        'İ' => 'i',
        other => other.to_lowercase().next().unwrap_or(other),
    };
    Ok(string(args.text()?.chars().map(simple).collect::<String>()))
}

fn upper(mut args: Arguments<'_>) -> Answer {
    Ok(string(args.text()?.chars().map(simple_upper).collect::<String>()))
}

fn simple_upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => character,
    }
}

/// Go's `strings.Title`: a letter behind what is neither letter, digit nor underscore.
fn title(mut args: Arguments<'_>) -> Answer {
    let mut previous = ' ';
    let mut titled = String::new();
    for character in args.text()?.chars() {
        let inside = previous.is_alphanumeric() || previous == '_';
        let separator = if previous.is_ascii() { !inside } else { previous.is_whitespace() };
        titled.push(if separator { simple_upper(character) } else { character });
        previous = character;
    }
    Ok(string(titled))
}

fn trim(mut args: Arguments<'_>) -> Answer {
    let (text, set) = (args.text()?, args.text()?);
    Ok(string(text.trim_matches(|character| set.contains(character))))
}

fn trim_prefix(mut args: Arguments<'_>) -> Answer {
    let (text, prefix) = (args.text()?, args.text()?);
    Ok(string(text.strip_prefix(&prefix).unwrap_or(&text)))
}

fn trim_suffix(mut args: Arguments<'_>) -> Answer {
    let (text, suffix) = (args.text()?, args.text()?);
    Ok(string(text.strip_suffix(&suffix).unwrap_or(&text)))
}

fn trim_space(mut args: Arguments<'_>) -> Answer {
    Ok(string(args.text()?.trim()))
}

/// An empty separator splits into code points, not into what a reader sees.
fn split(mut args: Arguments<'_>) -> Answer {
    let (separator, text) = (args.text()?, args.text()?);
    let parts: Vec<Value> = if separator.is_empty() {
        text.chars().map(|character| Value::String(character.to_string())).collect()
    } else {
        text.split(&separator).map(|part| Value::String(part.to_owned())).collect()
    };
    Ok(Value::List(parts))
}

fn reverse(mut args: Arguments<'_>) -> Answer {
    Ok(string(args.text()?.graphemes(true).rev().collect::<String>()))
}

/// From an offset (from the end, if negative), so many characters (to the end, if negative).
fn part(mut args: Arguments<'_>) -> Answer {
    let (text, offset, length) = (args.text()?, args.whole()?, args.whole()?);
    let total = i64::try_from(text.graphemes(true).count()).unwrap_or(i64::MAX);
    let start = if offset < 0 { offset.saturating_add(total).max(0) } else { offset };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(string(text.graphemes(true).skip(start).take(length).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, refused, text, texts};
    use super::*;

    fn one(name: &str, argument: &str) -> String {
        match answer(name, [text(argument)]) {
            Ok(Value::String(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn texts_are_changed_as_terraform_changes_them() {
        assert_eq!(one("chomp", "a\r\n\n"), "a");
        assert_eq!(one("lower", "ÀSTRAßE İΣ"), "àstraße iσ");
        assert_eq!(one("upper", "straße ŉ"), "STRAßE ŉ");
        assert_eq!(one("title", "hello wORLD foo-bar it's"), "Hello WORLD Foo-Bar It'S");
        assert_eq!(one("trimspace", "\u{85} a \u{3000}"), "a");
        assert_eq!(one("strrev", "ab👨‍👩‍👧"), "👨‍👩‍👧ba");
        assert_eq!(answer("trim", [text("??hi?!"), text("!?")]), Ok(text("hi")));
        assert_eq!(answer("trimprefix", [text("aab"), text("a")]), Ok(text("ab")));
        assert_eq!(answer("indent", [number("2"), text("a\nb\n")]), Ok(text("a\n  b\n  ")));
    }

    #[test]
    fn a_part_counts_from_either_end() {
        for (offset, length, part) in [
            ("1", "3", "ell"),
            ("-3", "2", "ll"),
            ("1", "-1", "ello"),
            ("10", "2", ""),
            ("-10", "2", "he"),
            ("0", "100", "hello"),
            ("1", "0", ""),
        ] {
            let found = answer("substr", [text("hello"), number(offset), number(length)]);
            assert_eq!(found, Ok(text(part)));
        }
        assert!(refused("substr", [text("hello"), number("1.5"), number("1")]));
    }

    #[test]
    fn lists_are_joined_and_texts_are_split() {
        let list = Value::Tuple(vec![text("a"), number("1")]);
        let joined = answer("join", [text(","), list, Value::Tuple(texts(&["b"]))]);
        assert_eq!(joined, Ok(text("a,1,b")));
        assert!(refused("join", [text(","), Value::Tuple(vec![Value::Null])]));
        assert!(refused("join", [text(",")]));
        assert_eq!(answer("split", [text(","), text("")]), Ok(Value::List(texts(&[""]))));
        assert_eq!(answer("split", [text(""), text("ab")]), Ok(Value::List(texts(&["a", "b"]))));
    }

    #[test]
    fn an_indent_that_would_fill_the_memory_is_refused() {
        assert!(refused("indent", [number("1e12"), text("a\nb")]));
        assert!(refused("indent", [number("-1"), text("a\nb")]));
        assert!(refused("indent", [number("1024"), text(&"\n".repeat(5000))]));
    }
}
