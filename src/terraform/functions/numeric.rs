//! Functions of numbers. `log` and `pow` compute with `f64`, as Terraform does; infinity and NaN are refused.

use dashu_int::{IBig, UBig};

use super::arguments::{ANY, Answer, Arguments, NUMBER, Signature, elements, known};
use crate::terraform::convert::to_number;
use crate::terraform::number::Number;
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("abs", &[NUMBER], |mut args| Ok(Value::Number(args.number()?.abs()))),
    Signature::fixed("ceil", &[NUMBER], |mut args| Ok(Value::Number(args.number()?.ceil()))),
    Signature::fixed("floor", &[NUMBER], |mut args| Ok(Value::Number(args.number()?.floor()))),
    Signature::fixed("log", &[NUMBER, NUMBER], log),
    Signature::open("max", &[], NUMBER, max),
    Signature::open("min", &[], NUMBER, min),
    Signature::fixed("parseint", &[ANY, NUMBER], parse_int),
    Signature::fixed("pow", &[NUMBER, NUMBER], pow),
    Signature::fixed("signum", &[NUMBER], signum),
    Signature::fixed("sum", &[ANY], sum),
];

/// Longest text that is read as a whole number.
const LONGEST: usize = 1_024;

fn log(mut args: Arguments<'_>) -> Answer {
    let (number, base) = (args.number()?.to_f64(), args.number()?.to_f64());
    Ok(Value::Number(Number::from_f64(go_log(number) / go_log(base))?))
}

fn pow(mut args: Arguments<'_>) -> Answer {
    let (base, power) = (args.number()?.to_f64(), args.number()?.to_f64());
    Ok(Value::Number(Number::from_f64(go_pow(base, power))?))
}

/// Go's `math.Pow`, step by step, because it rounds otherwise than the C library: a whole power by squaring the
/// fraction of the base, the rest by a logarithm.
#[expect(clippy::float_cmp, reason = "the special cases are exact, as in Go")]
fn go_pow(base: f64, power: f64) -> f64 {
    if power == 0.5 {
        return base.sqrt();
    }
    if power == -0.5 {
        return 1.0 / base.sqrt();
    }
    if power == 0.0
        || power == 1.0
        || base == 1.0
        || base == 0.0
        || !base.is_normal()
        || power.abs() >= 9.0e15
    {
        return base.powf(power);
    }
    let (mut whole, mut rest) = (power.abs().trunc(), power.abs().fract());
    if rest != 0.0 && base < 0.0 {
        return f64::NAN;
    }
    let mut answer = 1.0;
    if rest != 0.0 {
        if rest > 0.5 {
            rest -= 1.0;
            whole += 1.0;
        }
        answer = (rest * go_log(base)).exp();
    }
    let mut exponent = 0i32;
    let (mut fraction, mut scale) = fraction_and_exponent(base);
    #[expect(clippy::cast_possible_truncation, reason = "below 9e15")]
    let mut bits = whole as i64;
    while bits != 0 {
        if scale.abs() > 1 << 12 {
            exponent = exponent.saturating_add(scale);
            break;
        }
        if bits & 1 == 1 {
            answer *= fraction;
            exponent += scale;
        }
        fraction *= fraction;
        scale *= 2;
        if fraction < 0.5 {
            fraction += fraction;
            scale -= 1;
        }
        bits >>= 1;
    }
    if power < 0.0 {
        answer = 1.0 / answer;
        exponent = -exponent;
    }
    // In two steps, because 2^1024 is no float and the answer may still be one.
    let half = exponent / 2;
    answer * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// Go's `math.Log`, which is FreeBSD's (`e_log.c`): its last digit is not always the C library's.
fn go_log(number: f64) -> f64 {
    // The logarithm of 2, in two parts.
    const HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
    const LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
    // The even and the odd terms of the polynomial, the highest first.
    const ODD: [f64; 4] = [
        f64::from_bits(0x3fc2_f112_df3e_5244),
        f64::from_bits(0x3fc7_4664_96cb_03de),
        f64::from_bits(0x3fd2_4924_9422_9359),
        f64::from_bits(0x3fe5_5555_5555_5593),
    ];
    const EVEN: [f64; 3] = [
        f64::from_bits(0x3fc3_9a09_d078_c69f),
        f64::from_bits(0x3fcc_71c5_1d8e_78af),
        f64::from_bits(0x3fd9_9999_9997_fa04),
    ];
    if number <= 0.0 || !number.is_normal() {
        return number.ln();
    }
    let (mut fraction, mut exponent) = fraction_and_exponent(number);
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let (rest, scale) = (fraction - 1.0, f64::from(exponent));
    let quotient = rest / (2.0 + rest);
    let square = quotient * quotient;
    let fourth = square * square;
    let terms = |terms: &[f64]| terms.iter().fold(0.0, |sum, term| term + fourth * sum);
    let series = square * terms(&ODD) + fourth * terms(&EVEN);
    let half = 0.5 * rest * rest;
    scale * HIGH - ((half - (quotient * (half + series) + scale * LOW)) - rest)
}

/// `base = fraction * 2^exponent`, the fraction from 0.5 on and below 1. The base is a normal float.
fn fraction_and_exponent(base: f64) -> (f64, i32) {
    let bits = base.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1022;
    let fraction = f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52));
    (fraction, exponent)
}

fn max(mut args: Arguments<'_>) -> Answer {
    let largest = args.numbers()?.into_iter().max();
    largest.map(Value::Number).ok_or_else(|| "at least one number is required".into())
}

fn min(mut args: Arguments<'_>) -> Answer {
    let smallest = args.numbers()?.into_iter().min();
    smallest.map(Value::Number).ok_or_else(|| "at least one number is required".into())
}

fn signum(mut args: Arguments<'_>) -> Answer {
    Ok(Value::Number(Number::from(args.whole()?.signum())))
}

fn sum(mut args: Arguments<'_>) -> Answer {
    let list = args.any()?;
    known(&list)?;
    let mut total: Option<Number> = None;
    for element in elements(list)? {
        let Value::Number(number) = to_number(&element)? else {
            return Err("an element is null".into());
        };
        total = Some(match total {
            Some(total) => total.add(&number)?,
            None => number,
        });
    }
    total.map(Value::Number).ok_or_else(|| "an empty list has no sum".into())
}

/// Digits up to base 36 in either case; beyond, lower case comes first.
fn parse_int(mut args: Arguments<'_>) -> Answer {
    let text = match args.any()? {
        Value::String(text) => text,
        other => return Err(super::arguments::wrong("a string", &other)),
    };
    let base = u8::try_from(args.whole()?).ok().filter(|base| (2..=62).contains(base));
    let base = base.ok_or("a base between 2 and 62 is required")?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if digits.is_empty() || digits.len() > LONGEST {
        return Err("this text is no whole number".into());
    }
    let mut integer = UBig::ZERO;
    for digit in digits.bytes() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'z' => digit - b'a' + 10,
            b'A'..=b'Z' if base <= 36 => digit - b'A' + 10,
            b'A'..=b'Z' => digit - b'A' + 36,
            _ => u8::MAX,
        };
        if value >= base {
            return Err("this text is no whole number of that base".into());
        }
        integer = integer * base + value;
    }
    let integer = IBig::from(integer);
    let integer = if text.starts_with('-') { -integer } else { integer };
    Ok(Value::Number(Number::from_integer(integer)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, refused, text};
    use super::*;

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn numbers_are_computed_as_terraform_computes_them() {
        assert_eq!(answer("max", [number("1"), text("5"), number("3")]), Ok(number("5")));
        assert_eq!(answer("pow", [number("2"), number("10")]), Ok(number("1024")));
        assert_eq!(
            answer("pow", [number("1.1"), number("10")]),
            answer("tonumber", [Value::Number(Number::from_f64(2.593_742_460_100_002).unwrap())])
        );
        assert_eq!(answer("pow", [number("2"), number("-1")]), Ok(number("0.5")));
        assert_eq!(answer("pow", [number("-2"), number("3")]), Ok(number("-8")));
        assert_eq!(answer("log", [number("8"), number("2")]), Ok(number("3")));
        assert_eq!(answer("signum", [number("-5")]), Ok(number("-1")));
        assert_eq!(
            answer("sum", [Value::Tuple(vec![text("1"), number("2.5")])]),
            Ok(number("3.5"))
        );
        assert_eq!(
            answer("log", [number("7"), number("3")]),
            Ok(Value::Number(Number::from_f64(1.771_243_749_161_422_4).unwrap()))
        );
        let logarithm = answer("log", [number("1000"), number("10")]).unwrap();
        assert_eq!(logarithm, number("2.9999999999999995559107901499373838305473327636718750"));
    }

    #[test]
    fn what_is_no_plain_number_is_refused() {
        assert!(refused("max", []));
        assert!(refused("log", [number("0"), number("10")]));
        assert!(refused("log", [number("-1"), number("10")]));
        assert!(refused("pow", [number("-2"), number("0.5")]));
        assert!(refused("pow", [number("10"), number("400")]));
        assert!(refused("signum", [number("0.5")]));
        assert!(refused("sum", [Value::Tuple(vec![])]));
        assert!(refused("sum", [Value::Tuple(vec![Value::Null])]));
    }

    #[test]
    fn whole_numbers_are_read_in_any_base() {
        for (digits, base, read) in [
            ("ff", "16", "255"),
            ("FF", "16", "255"),
            ("-10", "2", "-2"),
            ("zz", "36", "1295"),
            ("aZ", "62", "681"),
            ("+5", "10", "5"),
            ("99999999999999999999999", "10", "99999999999999999999999"),
        ] {
            assert_eq!(answer("parseint", [text(digits), number(base)]), Ok(number(read)));
        }
        for (digits, base) in [
            ("12", "2"),
            ("1", "1"),
            ("0x1", "16"),
            ("", "10"),
            ("1_0", "10"),
            ("1", "63"),
            ("--1", "10"),
        ] {
            assert!(refused("parseint", [text(digits), number(base)]), "{digits}");
        }
        assert!(refused("parseint", [number("10"), number("10")]));
    }
}
