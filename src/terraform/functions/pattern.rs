//! Functions of regular expressions. Terraform's are RE2's; ours are the `regex` crate's, which is as linear in time.
//!
//! A pattern is translated, so that what the two read differently (`\d` is ASCII there, a `[` inside a class is itself)
//! means what it means in Terraform; what cannot be translated is refused. Pattern and program are bounded in size.

use std::collections::BTreeMap;

use regex::{Captures, Regex, RegexBuilder};

use super::arguments::{Answer, Arguments, Failure, Signature, TEXT};
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("regex", &[TEXT, TEXT], first),
    Signature::fixed("regexall", &[TEXT, TEXT], all),
    Signature::fixed("replace", &[TEXT, TEXT, TEXT], replace),
];

/// Longest pattern.
const LONGEST: usize = 4_096;
/// Most matches of one call.
const MOST: usize = 65_536;

fn compiled(pattern: &str) -> Result<Regex, Failure> {
    if pattern.len() > LONGEST {
        return Err("the pattern is too long".into());
    }
    let translated =
        Translator::of(pattern).translate().ok_or("this pattern is not valid, or not supported")?;
    RegexBuilder::new(&translated)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .nest_limit(64)
        .build()
        .map_err(|_bad_pattern| "this pattern is not valid, or not supported".into())
}

fn first(mut args: Arguments<'_>) -> Answer {
    let (pattern, text) = (compiled(&args.text()?)?, args.text()?);
    let shape = Shape::of(&pattern)?;
    let captures = pattern.captures(&text).ok_or("the pattern matches no part of the text")?;
    Ok(shape.value(&captures))
}

fn all(mut args: Arguments<'_>) -> Answer {
    let (pattern, text) = (compiled(&args.text()?)?, args.text()?);
    let shape = Shape::of(&pattern)?;
    let found: Vec<Value> = pattern
        .captures_iter(&text)
        .take(MOST + 1)
        .map(|captures| shape.value(&captures))
        .collect();
    if found.len() > MOST {
        return Err("the pattern matches too often".into());
    }
    Ok(Value::List(found))
}

/// What a match becomes: a text, a tuple of the groups, or an object of the named ones.
enum Shape {
    Whole,
    Groups,
    Named(Vec<String>),
}

impl Shape {
    fn of(pattern: &Regex) -> Result<Self, Failure> {
        let groups = pattern.captures_len() - 1;
        let names: Vec<String> = pattern.capture_names().flatten().map(str::to_owned).collect();
        match (groups, names.len()) {
            (0, _) => Ok(Self::Whole),
            (_, 0) => Ok(Self::Groups),
            (groups, names) if groups != names => {
                Err("either all groups have a name or none".into())
            }
            _ => Ok(Self::Named(names)),
        }
    }

    fn value(&self, captures: &Captures<'_>) -> Value {
        let group = |found: Option<regex::Match<'_>>| {
            found.map_or(Value::Null, |text| Value::String(text.as_str().to_owned()))
        };
        match self {
            Self::Whole => group(captures.get(0)),
            Self::Groups => Value::Tuple(captures.iter().skip(1).map(group).collect()),
            Self::Named(names) => {
                let entries = names.iter().map(|name| (name.clone(), group(captures.name(name))));
                Value::Object(entries.collect::<BTreeMap<_, _>>())
            }
        }
    }
}

/// A text between two slashes is a pattern, anything else is itself.
fn replace(mut args: Arguments<'_>) -> Answer {
    let (text, wanted, replacement) = (args.text()?, args.text()?, args.text()?);
    let pattern = wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let (matches, growth) = match pattern {
        Some(pattern) => {
            let pattern = compiled(pattern)?;
            let references = replacement.matches('$').count().saturating_mul(text.len());
            let matches = pattern.find_iter(&text).count();
            if matches.saturating_mul(replacement.len().saturating_add(references))
                <= super::LARGEST
            {
                return Ok(Value::String(
                    pattern.replace_all(&text, replacement.as_str()).into_owned(),
                ));
            }
            (matches, replacement.len().saturating_add(references))
        }
        None => (text.matches(&wanted).count(), replacement.len()),
    };
    if matches.saturating_mul(growth) > super::LARGEST {
        return Err("the result is too large".into());
    }
    Ok(Value::String(text.replace(&wanted, &replacement)))
}

/// RE2 to the `regex` crate's syntax, one token at a time; `None` is "not supported".
struct Translator<'a> {
    left: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
}

impl<'a> Translator<'a> {
    fn of(pattern: &'a str) -> Self {
        Self { left: pattern.chars().peekable(), out: String::new() }
    }

    fn translate(mut self) -> Option<String> {
        while let Some(next) = self.left.next() {
            match next {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' => self.repetition(),
                other => self.out.push(other),
            }
        }
        Some(self.out)
    }

    fn escape(&mut self) -> Option<()> {
        match self.left.next()? {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str(r"[\t\n\f\r ]"),
            'S' => self.out.push_str(r"[^\t\n\f\r ]"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'Q' => self.quoted(),
            letter @ ('A' | 'z') => self.out.extend(['\\', letter]),
            other => self.shared_escape(other)?,
        }
        Some(())
    }

    /// Escapes that mean the same in both, inside a class and outside.
    fn shared_escape(&mut self, letter: char) -> Option<()> {
        match letter {
            'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'x' | 'p' | 'P' => self.out.extend(['\\', letter]),
            other if other.is_ascii_punctuation() => {
                let escape = format!("\\x{:02x}", u32::from(other));
                self.out.push_str(&escape);
            }
            _ => return None,
        }
        Some(())
    }

    /// `\Q..\E`: literal text.
    fn quoted(&mut self) {
        let mut literal = String::new();
        while let Some(next) = self.left.next() {
            if next == '\\' && self.left.next_if_eq(&'E').is_some() {
                break;
            }
            literal.push(next);
        }
        self.out.push_str(&regex::escape(&literal));
    }

    /// Groups, named groups and the flags that both have.
    fn group(&mut self) -> Option<()> {
        self.out.push('(');
        if self.left.next_if_eq(&'?').is_none() {
            return Some(());
        }
        self.out.push('?');
        loop {
            match self.left.next()? {
                end @ (':' | ')') => {
                    self.out.push(end);
                    return Some(());
                }
                flag @ ('i' | 'm' | 's' | 'U' | '-') => self.out.push(flag),
                'P' if self.left.peek() == Some(&'<') => self.out.push('P'),
                '<' if !matches!(self.left.peek(), Some('=' | '!')) => {
                    self.out.push('<');
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// `{` that starts no repetition is itself; `{,5}` starts none in RE2.
    fn repetition(&mut self) {
        if self.left.peek().is_some_and(char::is_ascii_digit) {
            self.out.push('{');
        } else {
            self.out.push_str("\\{");
        }
    }

    /// A class: what the crate would read as a nested class or a set operation is itself in RE2.
    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.left.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        // A bracket that comes first is itself.
        if self.left.next_if_eq(&']').is_some() {
            self.out.push_str("\\]");
        }
        loop {
            match self.left.next()? {
                ']' => {
                    self.out.push(']');
                    return Some(());
                }
                '[' if self.left.peek() == Some(&':') => self.named_class()?,
                '[' => self.out.push_str("\\["),
                '\\' => self.class_escape()?,
                '-' => self.hyphen()?,
                other @ ('&' | '~') => self.out.extend(['\\', other]),
                other => self.out.push(other),
            }
        }
    }

    fn class_escape(&mut self) -> Option<()> {
        match self.left.next()? {
            'd' => self.out.push_str("0-9"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("0-9A-Za-z_"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str(r"\t\n\f\r "),
            'S' => self.out.push_str(r"[^\t\n\f\r ]"),
            other => self.shared_escape(other)?,
        }
        Some(())
    }

    /// A hyphen between two characters makes a range, at an end it is itself; two of them are not supported.
    fn hyphen(&mut self) -> Option<()> {
        if self.left.peek() == Some(&'-') {
            return None;
        }
        self.out.push('-');
        Some(())
    }

    /// `[:alpha:]`, which is ASCII in both.
    fn named_class(&mut self) -> Option<()> {
        let mut name = String::new();
        loop {
            match self.left.next()? {
                ']' if name.ends_with(':') && name.len() > 1 => break,
                next if name.len() < 12 => name.push(next),
                _ => return None,
            }
        }
        let class = format!("[{name}]");
        self.out.push_str(&class);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, object, refused, text, texts};
    use super::*;

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn a_match_is_a_text_a_tuple_or_an_object() {
        let find = |pattern: &str, given: &str| answer("regex", [text(pattern), text(given)]);
        assert_eq!(find("[a-z]+", "123abc"), Ok(text("abc")));
        assert_eq!(find("([a-z]+)([0-9]*)", "abc"), Ok(Value::Tuple(texts(&["abc", ""]))));
        let named = object([("a", text("abc")), ("b", Value::Null)]);
        assert_eq!(find("(?P<a>[a-z]+)(?P<b>[0-9])?", "abc"), Ok(named));
        assert_eq!(find("(?<n>a)", "a"), Ok(object([("n", text("a"))])));
        assert_eq!(find("(a)|(b)", "b"), Ok(Value::Tuple(vec![Value::Null, text("b")])));
        assert!(refused("regex", [text("(?P<a>x)(y)"), text("xy")]));
        assert!(refused("regex", [text("z"), text("a")]));
        let all = answer("regexall", [text("([a-z])([0-9])"), text("a1b2")]);
        let rows = [["a", "1"], ["b", "2"]].map(|row| Value::Tuple(texts(&row))).to_vec();
        assert_eq!(all, Ok(Value::List(rows)));
    }

    #[test]
    fn patterns_mean_what_they_mean_in_re2() {
        let find = |pattern: &str, given: &str| answer("regex", [text(pattern), text(given)]);
        assert_eq!(find(r"\d+", "١2"), Ok(text("2")));
        assert_eq!(find(r"\w+", "é_a"), Ok(text("_a")));
        assert_eq!(find(r"\bfoo", "a foo"), Ok(text("foo")));
        assert_eq!(find(r"\pL+", "é1"), Ok(text("é")));
        assert_eq!(find(r"\Q.\E", "a.b"), Ok(text(".")));
        assert_eq!(find("[[:alpha:]]+", "ab1"), Ok(text("ab")));
        assert_eq!(find("[[a]+", "x[a"), Ok(text("[a")));
        assert_eq!(find("[a&&b]+", "&&ab"), Ok(text("&&ab")));
        assert_eq!(find(r"[]a]+", "x]a"), Ok(text("]a")));
        assert_eq!(find(r"[\w.-]+", "é a-b.c"), Ok(text("a-b.c")));
        assert_eq!(find("a{,2}", "a{,2}"), Ok(text("a{,2}")));
        for pattern in ["(", "(?=a)", r"\C", r"\1", "(?x)a", "[a", r"a\", "(?u)a", "[a--b]"] {
            assert!(refused("regex", [text(pattern), text("a")]), "{pattern}");
        }
    }

    #[test]
    fn slashes_make_a_pattern_of_what_is_replaced() {
        for (given, wanted, replacement, result) in [
            ("a.b.c", ".", "-", "a-b-c"),
            ("hello", "/l+/", "L", "heLo"),
            ("hello", "/(l+)(o)/", "$2$1", "heoll"),
            ("hello", "/(?P<x>l+)/", "<${x}>", "he<ll>o"),
            ("hello", "/(l)/", "$1x", "heo"),
            ("ab", "", "-", "-a-b-"),
            ("a/b", "/", "-", "a-b"),
            ("a//b", "//", "-", "-a-/-/-b-"),
        ] {
            let replaced = answer("replace", [text(given), text(wanted), text(replacement)]);
            assert_eq!(replaced, Ok(text(result)), "{wanted}");
        }
        assert!(refused("replace", [text("a"), text("/(/"), text("b")]));
    }

    #[test]
    fn a_pattern_or_a_result_that_explodes_is_refused() {
        assert!(refused("regex", [text(&"(".repeat(5000)), text("a")]));
        assert!(refused("regex", [text("((a{100}){100}){100}"), text("a")]));
        let replacement = text(&"$0".repeat(1000));
        assert!(refused("replace", [text(&"a".repeat(10_000)), text("/a*/"), replacement]));
    }
}
