//! `format` and `formatlist`: the verbs of Terraform's own small printf.
//!
//! Widths and precisions are bounded, so that a short format cannot print a long text.

use unicode_segmentation::UnicodeSegmentation;

use super::arguments::{ANY, Answer, Arguments, Failure, Parameter, Signature, TEXT, known};
use super::json;
use crate::terraform::convert::{to_bool, to_number, to_string};
use crate::terraform::decimal::Notation;
use crate::terraform::number::Number;
use crate::terraform::value::Value;

// Terraform takes a null of a type that it knows, and is undecided about one that it does not: null is refused here.
const ARGUMENT: Parameter = ANY.unknowable();

pub(super) const TABLE: &[Signature] = &[
    Signature::open("format", &[TEXT], ARGUMENT, format),
    Signature::open("formatlist", &[TEXT], ARGUMENT, format_list),
];

/// Widest field, and most digits behind a point.
const WIDEST: usize = 1_024;
/// Most lines that `formatlist` prints.
const MOST_LINES: usize = 65_536;

fn format(mut args: Arguments<'_>) -> Answer {
    let (format, args) = (args.text()?, args.rest());
    args.iter().try_for_each(known)?;
    Ok(Value::String(print(&format, &args)?))
}

/// One line per element of the lists, which have one length; other arguments stand in every line.
fn format_list(mut args: Arguments<'_>) -> Answer {
    let (format, args) = (args.text()?, args.rest());
    let mut length = None;
    let mut columns = Vec::new();
    for arg in args {
        match arg {
            Value::Unknown(unknown) => return Err(Failure::Unknown(unknown)),
            Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
                if *length.get_or_insert(elements.len()) != elements.len() {
                    return Err("the lists must have one length".into());
                }
                columns.push(Column::Each(elements));
            }
            other => columns.push(Column::Always(other)),
        }
    }
    let length = length.unwrap_or(1);
    if length.saturating_mul(columns.len().max(1)) > MOST_LINES {
        return Err("the lists are too long".into());
    }
    let mut lines = Vec::new();
    for index in 0..length {
        let row: Vec<Value> = columns.iter().filter_map(|column| column.at(index)).collect();
        let line = match row.iter().try_for_each(known) {
            Ok(()) => Value::String(print(&format, &row)?),
            Err(Failure::Unknown(unknown)) => Value::Unknown(unknown),
            Err(refused) => return Err(refused),
        };
        lines.push(line);
    }
    Ok(Value::List(lines))
}

enum Column {
    Each(Vec<Value>),
    Always(Value),
}

impl Column {
    fn at(&self, index: usize) -> Option<Value> {
        match self {
            Self::Each(elements) => elements.get(index).cloned(),
            Self::Always(value) => Some(value.clone()),
        }
    }
}

/// `%[flags][width][.precision][\[argument\]]letter`
#[derive(Debug, Default)]
struct Verb {
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
    letter: char,
}

impl Verb {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Texts are padded by what a reader counts, and a zero pads them too, on either side.
    fn padded(&self, text: &str) -> String {
        let length = text.graphemes(true).count();
        let padding = self.width.unwrap_or(0).saturating_sub(length);
        let padding = (if self.has('0') { "0" } else { " " }).repeat(padding);
        if self.has('-') { format!("{text}{padding}") } else { format!("{padding}{text}") }
    }

    fn sign(&self, number: &Number) -> &'static str {
        match number.is_negative() {
            true => "-",
            false if self.has('+') => "+",
            false if self.has(' ') => " ",
            false => "",
        }
    }
}

fn print(format: &str, args: &[Value]) -> Result<String, Failure> {
    let mut printed = String::new();
    let mut left = format;
    // The number of the argument that comes next, from 1, and the highest that was used.
    let (mut next, mut highest) = (1, 0);
    while let Some((literal, rest)) = left.split_once('%') {
        printed.push_str(literal);
        if let Some(rest) = rest.strip_prefix('%') {
            printed.push('%');
            left = rest;
            continue;
        }
        let (verb, argument, rest) = parse(rest, next)?;
        highest = highest.max(argument);
        next = argument + 1;
        let value = args.get(argument - 1).ok_or("there are fewer arguments than verbs")?;
        printed.push_str(&print_verb(&verb, value)?);
        if printed.len() > super::LARGEST {
            return Err("the result is too large".into());
        }
        left = rest;
    }
    if highest < args.len() {
        return Err("there are more arguments than verbs".into());
    }
    printed.push_str(left);
    Ok(printed)
}

/// A verb, the argument that it prints, and what follows.
fn parse(text: &str, next: usize) -> Result<(Verb, usize, &str), Failure> {
    let wrong = || Failure::from("the format has a verb that is not valid");
    let flags_end = text.find(|letter| !"0#-+ ".contains(letter)).ok_or_else(wrong)?;
    let (flags, rest) = text.split_at(flags_end);
    let (width, rest) = digits(rest)?;
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (precision, rest) = digits(rest)?;
            (Some(precision.unwrap_or(0)), rest)
        }
        None => (None, rest),
    };
    let (argument, rest) = match rest.strip_prefix('[') {
        Some(rest) if rest.starts_with(|first| ('1'..='9').contains(&first)) => {
            let (argument, rest) = digits(rest)?;
            (argument.unwrap_or(next), rest.strip_prefix(']').ok_or_else(wrong)?)
        }
        Some(_) => return Err(wrong()),
        None => (next, rest),
    };
    let letter = rest.chars().next().filter(char::is_ascii_alphabetic).ok_or_else(wrong)?;
    let verb = Verb { flags: flags.to_owned(), width, precision, letter };
    Ok((verb, argument, rest.get(1..).unwrap_or("")))
}

fn digits(text: &str) -> Result<(Option<usize>, &str), Failure> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let number = digits.parse().ok().filter(|number| *number <= WIDEST);
    Ok((Some(number.ok_or("a width or precision is too large")?), rest))
}

fn print_verb(verb: &Verb, value: &Value) -> Result<String, Failure> {
    if *value == Value::Null && verb.letter != 'v' {
        return Err("null cannot be formatted".into());
    }
    match verb.letter {
        'v' => print_any(verb, value),
        't' => match to_bool(value)? {
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err("a bool is required".into()),
        },
        's' | 'q' => print_text(verb, value),
        'b' | 'd' | 'o' | 'x' | 'X' => print_integer(verb, &number(value)?),
        'e' | 'E' | 'f' | 'g' | 'G' => Ok(print_float(verb, &number(value)?)),
        _ => Err("the format has a verb that is not supported".into()),
    }
}

fn number(value: &Value) -> Result<Number, Failure> {
    match to_number(value)? {
        Value::Number(number) => Ok(number),
        _ => Err("a number is required".into()),
    }
}

/// Texts as they are, numbers with an exponent where that is shorter, everything else as JSON.
fn print_any(verb: &Verb, value: &Value) -> Result<String, Failure> {
    let text = match value {
        Value::String(text) if !verb.has('#') => text.clone(),
        Value::Number(number) if !verb.has('#') => {
            let sign = if number.is_negative() { "-" } else { "" };
            format!("{sign}{}", number.in_notation(Notation::Shorter, None))
        }
        other => json::encode(other)?,
    };
    Ok(verb.padded(&text))
}

fn print_text(verb: &Verb, value: &Value) -> Result<String, Failure> {
    let Value::String(mut text) = to_string(value)? else {
        return Err("a string is required".into());
    };
    // A precision of 0 cuts nothing, as in Terraform.
    if let Some(precision) = verb.precision.filter(|precision| *precision > 0) {
        text = text.graphemes(true).take(precision).collect();
    }
    if verb.letter == 'q' {
        text = json::encode(&Value::String(text))?;
    }
    Ok(verb.padded(&text))
}

/// Go's `big.Int.Format`.
fn print_integer(verb: &Verb, number: &Number) -> Result<String, Failure> {
    let integer = number.to_integer().ok_or("a whole number is required")?;
    let (radix, prefix) = match verb.letter {
        'b' => (2, "0b"),
        'o' => (8, "0"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        _ => (10, ""),
    };
    let prefix = if verb.has('#') { prefix } else { "" };
    let digits = integer.into_parts().1.in_radix(radix).to_string();
    let digits = if verb.letter == 'X' { digits.to_uppercase() } else { digits };
    if digits == "0" && verb.precision == Some(0) {
        return Ok(String::new());
    }
    let sign = verb.sign(number);
    let zeros = verb.precision.unwrap_or(0).saturating_sub(digits.len());
    let padding =
        verb.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len() + zeros + digits.len());
    let zeros = "0".repeat(zeros);
    Ok(if verb.has('-') {
        format!("{sign}{prefix}{zeros}{digits}{}", " ".repeat(padding))
    } else if verb.has('0') && verb.precision.is_none() {
        format!("{sign}{prefix}{}{digits}", "0".repeat(padding))
    } else {
        format!("{}{sign}{prefix}{zeros}{digits}", " ".repeat(padding))
    })
}

/// Go's `big.Float.Format`.
fn print_float(verb: &Verb, number: &Number) -> String {
    let (notation, precision) = match verb.letter {
        'e' | 'E' => (Notation::Exponent, Some(verb.precision.unwrap_or(6))),
        'f' => (Notation::Point, Some(verb.precision.unwrap_or(6))),
        _ => (Notation::Shorter, verb.precision),
    };
    let digits = number.in_notation(notation, precision);
    let digits = if verb.letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
    let sign = verb.sign(number);
    let padding = verb.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
    if verb.has('-') {
        format!("{sign}{digits}{}", " ".repeat(padding))
    } else if verb.has('0') {
        format!("{sign}{}{digits}", "0".repeat(padding))
    } else {
        format!("{}{sign}{digits}", " ".repeat(padding))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{number, object, text, texts, unknown};
    use super::super::{Error, call};
    use super::*;

    fn ask(format: &str, args: &[Value]) -> Result<Value, Error> {
        let all = std::iter::once(text(format)).chain(args.iter().cloned()).collect();
        call("format", all, &super::super::tests::context())
    }

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn numbers_are_formatted_as_terraform_formats_them() {
        for (format, given, printed) in [
            ("%v", "1000000", "1e+06"),
            ("%v", "100000", "100000"),
            ("%v", "12345678", "1.2345678e+07"),
            ("%v", "0.00001", "1e-05"),
            ("%s", "1000000", "1000000"),
            ("%#v", "1000000", "1000000"),
            ("%5d|", "42", "   42|"),
            ("%-05d|", "42", "42   |"),
            ("%05d", "-42", "-0042"),
            ("%+05d", "42", "+0042"),
            ("%6.3d", "7", "   007"),
            ("%.0d", "0", ""),
            ("%#x", "255", "0xff"),
            ("%X", "255", "FF"),
            ("%x", "-255", "-ff"),
            ("%#b", "5", "0b101"),
            ("%#o", "8", "010"),
            ("%f", "1.5", "1.500000"),
            ("%.2f", "1.005", "1.00"),
            ("%.0f", "0.5", "0"),
            ("%.0f", "1.5", "2"),
            ("%.0f", "2.5", "2"),
            ("%8.2f", "3.14159", "    3.14"),
            ("%08.2f", "-3.14159", "-0003.14"),
            ("%+.1f", "2", "+2.0"),
            ("%e", "123456.789", "1.234568e+05"),
            ("%.2e", "123456.789", "1.23e+05"),
            ("%G", "1e-10", "1E-10"),
            ("%g", "123456.789", "123456.789"),
            ("%.3g", "123456.789", "1.23e+05"),
            ("%.3g", "1", "1"),
            ("%012.3f", "-1.5", "-0000001.500"),
            ("%d", "1e21", "1000000000000000000000"),
            ("%f", "0", "0.000000"),
            ("%e", "0", "0.000000e+00"),
            ("%g", "0", "0"),
        ] {
            assert_eq!(ask(format, &[number(given)]), Ok(text(printed)), "{format} {given}");
        }
    }

    #[test]
    fn texts_are_padded_and_cut_by_what_a_reader_counts() {
        for (format, given, printed) in [
            ("%5s", "ab", "   ab"),
            ("%-5s|", "ab", "ab   |"),
            ("%05s", "ab", "000ab"),
            ("%-05s|", "ab", "ab000|"),
            ("%.2s", "abc", "ab"),
            ("%5.1s", "abc", "    a"),
            ("%.0s", "abc", "abc"),
            ("%5.s", "abc", "  abc"),
            ("%10q", "ab", "      \"ab\""),
            ("%q", "a\"b<é", "\"a\\\"b\\u003cé\""),
            ("%3s", "👨‍👩‍👧", "  👨‍👩‍👧"),
            ("%v%%", "x", "x%"),
            ("%[1]s%[1]s", "x", "xx"),
        ] {
            assert_eq!(ask(format, &[text(given)]), Ok(text(printed)), "{format}");
        }
        assert_eq!(ask("%[2]s %[1]s", &[text("a"), text("b")]), Ok(text("b a")));
        let list = object([("a", Value::Null)]);
        assert_eq!(ask("%v", &[list]), Ok(text("{\"a\":null}")));
    }

    #[test]
    fn what_terraform_does_not_format_is_refused() {
        for (format, args) in [
            ("100%", vec![]),
            ("%z", vec![number("1")]),
            ("%s", vec![]),
            ("%s", texts(&["a", "b"])),
            ("x", texts(&["a"])),
            ("%[0]s", texts(&["a"])),
            ("%é", texts(&["a"])),
            ("%*d", vec![number("5"), number("1")]),
            ("%d", vec![number("1.5")]),
            ("%t", vec![number("1")]),
            ("%s", vec![Value::Tuple(vec![])]),
            ("%99999999d", vec![number("1")]),
            ("%.99999999f", vec![number("1")]),
        ] {
            assert!(matches!(ask(format, &args), Err(Error::Refused { .. })), "{format}");
        }
    }

    #[test]
    fn a_list_of_formats_has_a_line_for_each_element() {
        let context = super::super::tests::context();
        let ask = |args: Vec<Value>| call("formatlist", args, &context);
        let letters = Value::Tuple(texts(&["a", "b"]));
        assert_eq!(
            ask(vec![text("%s-%s"), letters.clone(), text("x")]),
            Ok(Value::List(texts(&["a-x", "b-x"])))
        );
        assert_eq!(ask(vec![text("%s"), Value::Tuple(vec![])]), Ok(Value::List(vec![])));
        assert_eq!(ask(vec![text("x")]), Ok(Value::List(texts(&["x"]))));
        assert!(ask(vec![text("%s%s"), letters, Value::Tuple(texts(&["c"]))]).is_err());
        let half = Value::Tuple(vec![text("a"), unknown()]);
        assert_eq!(ask(vec![text("%s"), half]), Ok(Value::List(vec![text("a"), unknown()])));
    }
}
