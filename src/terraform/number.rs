//! Terraform's numbers: binary floats with up to 512 bits, printed as the shortest decimal that reads back.
//!
//! Must never hold an infinity (Terraform's `1/0`), and never let a short text such as `1e999999999` become a large
//! amount of memory: magnitudes beyond `LARGEST` bits are refused, where Terraform would go on.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use dashu_float::FBig;
use dashu_float::Repr;
use dashu_float::round::mode::HalfEven;
use dashu_int::ops::{BitTest, DivRem};
use dashu_int::{IBig, Sign, UBig};

use super::decimal::{Notation, in_notation, shortest};

/// What go-cty parses every literal with.
const PRECISION: usize = 512;
/// Bits of a number's largest and smallest magnitude. About 10^4900: nothing that a DNS record needs comes near.
const LARGEST: usize = 16_384;
/// Longest text that is read as a number.
const LONGEST: usize = 2_048;

pub(super) type Float = FBig<HalfEven, 2>;

/// A finite number with 512 bits of precision, as Terraform's `big.Float`.
///
/// The precision is part of the number, as there: a length has 64 bits, a logarithm 53, and a quotient of two lengths
/// prints with 64 bits' worth of digits. Equality and order look at the value alone.
#[derive(Debug, Clone)]
pub struct Number(Float);

/// Why there is no such number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not a decimal number.
    #[error("a number is required")]
    NotANumber,
    /// Terraform would print infinity, or thousands of digits.
    #[error("this number is too large or too small")]
    OutOfRange,
    /// Terraform answers infinity, or an error for `0/0`.
    #[error("division by zero")]
    DivisionByZero,
}

impl NumberError {
    /// What the person who wrote the expression can do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotANumber => "write a decimal number, like 5, -0.25 or 1e3",
            Self::OutOfRange => "numbers up to about 1e4900 are supported",
            Self::DivisionByZero => "guard the division with a condition",
        }
    }
}

impl Number {
    /// The sum.
    pub fn add(&self, other: &Self) -> Result<Self, NumberError> {
        let precision = self.shared_precision(other);
        if self.is_zero() && other.is_zero() && !(self.is_negative() && other.is_negative()) {
            return Ok(Self(with_precision(Float::ZERO, precision)));
        }
        bounded(with_precision(&self.0 + &other.0, precision))
    }

    /// The difference.
    pub fn sub(&self, other: &Self) -> Result<Self, NumberError> {
        self.add(&other.neg())
    }

    /// The product. Computed with 512 bits, and keeps as many as it needs (go-cty, `Value.Multiply`).
    pub fn mul(&self, other: &Self) -> Result<Self, NumberError> {
        let sign = self.sign() * other.sign();
        let precision = self.shared_precision(other);
        if self.is_zero() || other.is_zero() {
            return Ok(Self(signed_zero(sign, precision)));
        }
        let product =
            with_precision(self.0.clone(), PRECISION) * with_precision(other.0.clone(), PRECISION);
        let precision = precision.max(product.repr().digits()).min(PRECISION);
        bounded(with_precision(product, precision))
    }

    /// The quotient; dividing by zero is refused, because infinity is no plain number.
    pub fn div(&self, other: &Self) -> Result<Self, NumberError> {
        if other.is_zero() {
            return Err(NumberError::DivisionByZero);
        }
        let precision = self.shared_precision(other);
        let sign = self.sign() * other.sign();
        if self.is_zero() {
            return Ok(Self(signed_zero(sign, precision)));
        }
        let (above, below) = (self.0.repr(), other.0.repr());
        let exponent = above.exponent().saturating_sub(below.exponent());
        let ratio = Ratio {
            sign,
            above: magnitude(above.significand()),
            below: magnitude(below.significand()),
            exponent,
        };
        bounded(ratio.round(precision))
    }

    /// The remainder, with the sign of the dividend; by zero it is the dividend, as in Terraform (`5 % 0` is 5).
    pub fn rem(&self, other: &Self) -> Result<Self, NumberError> {
        if other.is_zero() {
            return Ok(self.clone());
        }
        let precision = self.0.precision();
        let whole = with_precision(self.div(other)?.truncated(), precision);
        let product = with_precision(whole * &other.0, precision);
        bounded(with_precision(&self.0 - product, precision))
    }

    /// The negated number.
    pub fn neg(&self) -> Self {
        if self.is_zero() {
            return Self(signed_zero(-self.sign(), self.0.precision()));
        }
        Self(-self.0.clone())
    }

    /// Without its sign.
    pub fn abs(&self) -> Self {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    /// The largest whole number that is not above this one.
    pub fn floor(&self) -> Self {
        let down = self.truncated();
        if self.is_negative() && down != self.0 { Self(down - Float::ONE) } else { Self(down) }
            .at(self.0.precision())
    }

    /// The smallest whole number that is not below this one.
    pub fn ceil(&self) -> Self {
        let up = self.neg().floor().neg();
        if up.is_zero() { up.abs() } else { up }
    }

    /// Whether it is zero, of either sign.
    pub fn is_zero(&self) -> bool {
        self.0.repr().significand().is_zero()
    }

    /// Whether it carries a minus; a negative zero does.
    pub fn is_negative(&self) -> bool {
        self.sign() == Sign::Negative
    }

    fn sign(&self) -> Sign {
        self.0.repr().sign()
    }

    /// The number as an `i64`, if it is whole and fits.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(self.to_integer()?).ok()
    }

    /// The number as a `u64`, if it is whole and fits.
    pub fn to_u64(&self) -> Option<u64> {
        u64::try_from(self.to_integer()?).ok()
    }

    /// The number as an index or a length, if it is whole and fits.
    pub fn to_usize(&self) -> Option<usize> {
        usize::try_from(self.to_integer()?).ok()
    }

    /// The number as a whole number of any size, if it is whole.
    pub fn to_integer(&self) -> Option<IBig> {
        let repr = self.0.repr();
        if self.is_zero() {
            return Some(IBig::ZERO);
        }
        let shift = usize::try_from(repr.exponent()).ok()?;
        Some(repr.significand().clone() << shift)
    }

    /// As Go's `%e`, `%f` and `%g` print it, without its sign.
    pub(crate) fn in_notation(&self, notation: Notation, precision: Option<usize>) -> String {
        in_notation(&self.0, notation, precision)
    }

    /// The nearest `f64`, for the functions that Terraform computes with one (`log`, `pow`).
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().value()
    }

    /// What an `f64` computation gave; infinities and NaN are refused.
    pub fn from_f64(float: f64) -> Result<Self, NumberError> {
        let number = Float::try_from(float).map_err(|_not_finite| NumberError::OutOfRange)?;
        if !float.is_finite() {
            return Err(NumberError::OutOfRange);
        }
        Ok(Self(with_precision(number, 53)))
    }

    /// A whole number, rounded to a literal's precision.
    pub fn from_integer(integer: IBig) -> Result<Self, NumberError> {
        bounded(with_precision(Float::from_parts(integer, 0), PRECISION))
    }

    fn at(self, precision: usize) -> Self {
        Self(with_precision(self.0, precision))
    }

    fn shared_precision(&self, other: &Self) -> usize {
        self.0.precision().max(other.0.precision())
    }

    /// Towards zero. By hand, because a shifted `IBig` rounds down and dashu's `trunc` changes the precision.
    fn truncated(&self) -> Float {
        let repr = self.0.repr();
        let Ok(shift) = usize::try_from(-repr.exponent()) else {
            return self.0.clone();
        };
        let whole = magnitude(repr.significand()) >> shift;
        if whole == UBig::ZERO {
            return signed_zero(self.sign(), self.0.precision());
        }
        with_precision(
            Float::from_parts(IBig::from_parts(self.sign(), whole), 0),
            self.0.precision(),
        )
    }
}

impl From<i64> for Number {
    fn from(integer: i64) -> Self {
        Self(with_precision(Float::from_parts(IBig::from(integer), 0), 64))
    }
}

impl From<u64> for Number {
    fn from(integer: u64) -> Self {
        Self(with_precision(Float::from_parts(IBig::from(integer), 0), 64))
    }
}

impl From<usize> for Number {
    fn from(integer: usize) -> Self {
        Self(with_precision(Float::from_parts(IBig::from(integer), 0), 64))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_zero() && other.is_zero() {
            return Ordering::Equal;
        }
        self.0.cmp(&other.0)
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Decimal text: sign, digits with or without a point, exponent. No spaces, no `_`, no other base.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        if text.len() > LONGEST {
            return Err(NumberError::OutOfRange);
        }
        let (sign, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (Sign::Negative, text.get(1..)),
            Some(b'+') => (Sign::Positive, text.get(1..)),
            _ => (Sign::Positive, Some(text)),
        };
        let unsigned = unsigned.ok_or(NumberError::NotANumber)?;
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NumberError::NotANumber);
        }
        let digits =
            UBig::from_str_radix(&digits, 10).map_err(|_no_digits| NumberError::NotANumber)?;
        if digits == UBig::ZERO {
            return Ok(Self(signed_zero(sign, PRECISION)));
        }
        let fraction =
            i64::try_from(fraction.len()).map_err(|_too_long| NumberError::OutOfRange)?;
        decimal(sign, digits, exponent - fraction)
    }
}

impl fmt::Display for Number {
    /// As Terraform converts a number to a string: never with an exponent, shortest that reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative() { "-" } else { "" };
        if self.is_zero() {
            return write!(f, "{sign}0");
        }
        f.write_str(sign)?;
        f.write_str(&shortest(&self.0))
    }
}

/// `mantissa * 10^exponent`.
fn decimal(sign: Sign, mantissa: UBig, exponent: i64) -> Result<Number, NumberError> {
    let power = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    if power > LARGEST / 3 {
        return Err(NumberError::OutOfRange);
    }
    let scale = UBig::from(10u8).pow(power);
    let (above, below) =
        if exponent < 0 { (mantissa, scale) } else { (mantissa * scale, UBig::ONE) };
    let ratio = Ratio { sign, above, below, exponent: 0 };
    bounded(ratio.round(PRECISION))
}

/// The digits behind `e`; more than a few are out of range whatever the mantissa says.
fn parse_exponent(text: &str) -> Result<i64, NumberError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::NotANumber);
    }
    if digits.trim_start_matches('0').len() > 6 {
        return Err(NumberError::OutOfRange);
    }
    text.parse().map_err(|_bad_digits| NumberError::NotANumber)
}

/// An exact quotient `above / below * 2^exponent`, before it is rounded.
struct Ratio {
    sign: Sign,
    above: UBig,
    below: UBig,
    exponent: isize,
}

impl Ratio {
    /// To the nearest number of so many bits, ties to even: divided with two bits more than wanted, the last of them
    /// standing for everything that follows.
    fn round(self, precision: usize) -> Float {
        let wanted = (precision + 2 + self.below.bit_len()).saturating_sub(self.above.bit_len());
        let (quotient, rest) = (self.above << wanted).div_rem(self.below);
        let mut quotient = quotient << 1;
        if rest != UBig::ZERO {
            quotient |= UBig::ONE;
        }
        let shift = isize::try_from(wanted).unwrap_or(isize::MAX) + 1;
        with_precision(
            Float::from_parts(IBig::from_parts(self.sign, quotient), self.exponent - shift),
            precision,
        )
    }
}

fn with_precision(float: Float, precision: usize) -> Float {
    if float.repr().significand().is_zero() {
        return signed_zero(float.repr().sign(), precision);
    }
    float.with_precision(precision).value()
}

fn signed_zero(sign: Sign, precision: usize) -> Float {
    let repr = if sign == Sign::Negative { Repr::neg_zero() } else { Repr::zero() };
    Float::from_repr(repr, dashu_float::Context::new(precision))
}

pub(super) fn magnitude(integer: &IBig) -> UBig {
    integer.clone().into_parts().1
}

fn bounded(float: Float) -> Result<Number, NumberError> {
    let repr = float.repr();
    let bits = isize::try_from(repr.digits()).unwrap_or(isize::MAX);
    let top = repr.exponent().saturating_add(bits).unsigned_abs();
    if top > LARGEST || repr.exponent().unsigned_abs() > LARGEST {
        return Err(NumberError::OutOfRange);
    }
    Ok(Number(float))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn sums_and_quotients_print_as_terraform_prints_them() {
        assert_eq!(number("0.1").add(&number("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(number("10").div(&number("4")).unwrap().to_string(), "2.5");
        let third = number("1").div(&number("3")).unwrap();
        assert_eq!(third.to_string(), format!("0.{}5", "3".repeat(154)));
        assert_eq!(third.mul(&number("3")).unwrap(), number("1"));
        let two_thirds = number("2").div(&number("3")).unwrap();
        assert_eq!(two_thirds.to_string(), format!("0.{}7", "6".repeat(153)));
    }

    #[test]
    fn remainders_keep_the_sign_of_the_dividend() {
        for (left, right, rest) in
            [("5", "0", "5"), ("5.5", "2", "1.5"), ("-5", "3", "-2"), ("5", "-3", "2")]
        {
            assert_eq!(number(left).rem(&number(right)).unwrap().to_string(), rest);
        }
        let odd = number("-5.5").rem(&number("0.7")).unwrap();
        assert_eq!(odd.to_string(), format!("-0.5{}", "9".repeat(153)));
    }

    #[test]
    fn texts_that_terraform_reads_are_read_and_others_are_not() {
        for (text, printed) in [
            ("+5", "5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1E5", "100000"),
            ("-0", "-0"),
            ("0.10", "0.1"),
            ("1e-30", "0.000000000000000000000000000001"),
            ("18446744073709551617", "18446744073709551617"),
            ("0e99", "0"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
        ] {
            assert_eq!(number(text).to_string(), printed);
        }
        for text in [
            "", " 1", "1 ", "0x10", "1_000", "-", ".", "e5", "1e", "1e+", "--1", "inf", "1.2.3",
            "é",
        ] {
            assert_eq!(text.parse::<Number>(), Err(NumberError::NotANumber), "{text}");
        }
    }

    #[test]
    fn a_short_text_does_not_become_a_large_number() {
        for text in ["1e999999999", "1e-999999999", "1e99999999999999999999", "1e6000", "1e-6000"] {
            assert_eq!(text.parse::<Number>(), Err(NumberError::OutOfRange), "{text}");
        }
        let mut number = number("1e4000");
        let mut refused = false;
        for _ in 0..4 {
            match number.mul(&number) {
                Ok(square) => number = square,
                Err(error) => {
                    assert_eq!(error, NumberError::OutOfRange);
                    refused = true;
                }
            }
        }
        assert!(refused);
    }

    #[test]
    fn dividing_by_zero_is_refused() {
        assert_eq!(number("1").div(&number("0")), Err(NumberError::DivisionByZero));
        assert_eq!(number("0").div(&number("-0")), Err(NumberError::DivisionByZero));
    }

    #[test]
    fn a_quotient_of_two_lengths_has_the_precision_of_lengths() {
        let ratio = Number::from(1usize).div(&Number::from(3usize)).unwrap();
        assert_eq!(ratio.to_string(), "0.33333333333333333334");
    }

    #[test]
    fn floor_and_ceiling_round_away_from_each_other() {
        for (text, floor, ceil) in [
            ("1.5", "1", "2"),
            ("-1.5", "-2", "-1"),
            ("3", "3", "3"),
            ("-3", "-3", "-3"),
            ("0.2", "0", "1"),
            ("-0.2", "-1", "0"),
        ] {
            assert_eq!(number(text).floor().to_string(), floor);
            assert_eq!(number(text).ceil().to_string(), ceil);
        }
    }

    #[test]
    fn whole_numbers_convert_and_others_do_not() {
        assert_eq!(number("9223372036854775807").to_i64(), Some(i64::MAX));
        assert_eq!(number("9223372036854775808").to_i64(), None);
        assert_eq!(number("18446744073709551615").to_u64(), Some(u64::MAX));
        assert_eq!(number("-1").to_usize(), None);
        assert_eq!(number("1.5").to_i64(), None);
        assert_eq!(number("-0").to_i64(), Some(0));
        assert!((number("0.5").to_f64() - 0.5).abs() < f64::EPSILON);
        assert_eq!(Number::from_f64(2f64.sqrt()).unwrap().to_string(), "1.4142135623730951");
        assert_eq!(Number::from_f64(f64::INFINITY), Err(NumberError::OutOfRange));
        assert_eq!(Number::from_f64(f64::NAN), Err(NumberError::OutOfRange));
    }

    #[test]
    fn equality_and_order_are_by_value() {
        assert_eq!(number("1.0"), Number::from(1usize));
        assert_eq!(number("-0"), number("0"));
        assert!(number("-1") < number("0.5"));
        assert!(number("1e100") > number("99"));
    }
}
