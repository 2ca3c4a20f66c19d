//! A binary number as the shortest decimal that reads back, as Terraform prints it.
//!
//! Must never print an exponent; its tests stand with those of `number.rs`.

use std::fmt;

use dashu_int::UBig;
use dashu_int::ops::BitTest;

use super::number::{Float, magnitude};

/// How `format` prints a number: Go's verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notation {
    /// `%e`
    Exponent,
    /// `%f`
    Point,
    /// `%g`: with an exponent where that is shorter
    Shorter,
}

/// A number without its sign in one of Go's notations; without a precision, with the digits that read back (`Append` in
/// math/big/ftoa.go).
pub(super) fn in_notation(float: &Float, notation: Notation, precision: Option<usize>) -> String {
    let mut decimal = match precision {
        Some(_) => Decimal::exact(&magnitude(float.repr().significand()), float.repr().exponent()),
        None => shortest_decimal(float),
    };
    let point = usize::try_from(decimal.point).unwrap_or(0);
    match (notation, precision) {
        (Notation::Exponent, Some(precision)) => decimal.round(precision + 1),
        (Notation::Point, Some(precision)) => {
            let kept =
                decimal.point.saturating_add(isize::try_from(precision).unwrap_or(isize::MAX));
            match usize::try_from(kept) {
                Ok(kept) => decimal.round(kept),
                Err(_below_the_last_digit) => decimal.round_down(0),
            }
        }
        (Notation::Shorter, Some(precision)) => decimal.round(precision.max(1)),
        (_, None) => {}
    }
    let length = decimal.digits.len();
    match notation {
        Notation::Exponent => decimal.with_exponent(precision.unwrap_or(length.saturating_sub(1))),
        Notation::Point => decimal.with_point(precision.unwrap_or(length.saturating_sub(point))),
        Notation::Shorter => decimal.shorter(precision),
    }
}

/// An exact decimal: `0.d1d2d3.. * 10^point`.
struct Decimal {
    digits: Vec<u8>,
    point: isize,
}

impl Decimal {
    /// `mantissa * 2^exponent`, exactly: a negative power of two is a power of five, shifted by decimal places.
    fn exact(mantissa: &UBig, exponent: isize) -> Self {
        if *mantissa == UBig::ZERO {
            return Self { digits: Vec::new(), point: 0 };
        }
        let power = exponent.unsigned_abs();
        let (integer, places) = if exponent >= 0 {
            (mantissa.clone() << power, 0)
        } else {
            (mantissa.clone() * UBig::from(5u8).pow(power), power)
        };
        let text = integer.to_string();
        let point = isize::try_from(text.len()).unwrap_or(isize::MAX)
            - isize::try_from(places).unwrap_or(isize::MAX);
        let digits = text.trim_end_matches('0').bytes().map(|digit| digit - b'0').collect();
        Self { digits, point }
    }

    fn at(&self, index: usize) -> u8 {
        self.digits.get(index).copied().unwrap_or(0)
    }

    fn round_down(&mut self, length: usize) {
        self.digits.truncate(length);
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
    }

    fn round_up(&mut self, length: usize) {
        self.digits.truncate(length);
        while self.digits.last() == Some(&9) {
            self.digits.pop();
        }
        if let Some(last) = self.digits.last_mut() {
            *last += 1;
        } else {
            self.digits.push(1);
            self.point += 1;
        }
    }

    /// To the nearest, ties to even (Go, `decimal.round`).
    fn round(&mut self, length: usize) {
        let next = self.at(length);
        let exactly_half = next == 5 && length + 1 == self.digits.len();
        let odd = length > 0 && self.at(length - 1) % 2 == 1;
        if next > 5 || (next == 5 && (!exactly_half || odd)) {
            self.round_up(length);
        } else {
            self.round_down(length);
        }
    }
}

impl Decimal {
    /// Where the point stands, 0 for zero, which has no digits.
    fn magnitude(&self) -> isize {
        if self.digits.is_empty() { 0 } else { self.point }
    }

    fn digit(&self, index: usize) -> char {
        char::from(b'0' + self.at(index))
    }

    /// `1.25e+03`
    fn with_exponent(&self, precision: usize) -> String {
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        let fraction: String = (1..=precision).map(|index| self.digit(index)).collect();
        let dot = if precision > 0 { "." } else { "" };
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}{dot}{fraction}e{sign}{:02}", self.digit(0), exponent.abs())
    }

    /// `1250.00`
    fn with_point(&self, precision: usize) -> String {
        let point = self.magnitude();
        let whole: String =
            (0..usize::try_from(point).unwrap_or(0)).map(|index| self.digit(index)).collect();
        let behind =
            |place: isize| usize::try_from(point + place).map_or('0', |index| self.digit(index));
        let fraction: String = (0..isize::try_from(precision).unwrap_or(0)).map(behind).collect();
        let dot = if precision > 0 { "." } else { "" };
        let whole = if whole.is_empty() { "0".to_owned() } else { whole };
        format!("{whole}{dot}{fraction}")
    }

    /// With an exponent below 1e-4, and from the precision on (from a million on, if the digits are the shortest).
    fn shorter(&self, precision: Option<usize>) -> String {
        let signed = |length: usize| isize::try_from(length).unwrap_or(isize::MAX);
        let (length, point) = (self.digits.len(), self.magnitude());
        let digits = precision.map_or(length, |precision| precision.max(1));
        let limit = match precision {
            None => 6,
            Some(_) if digits > length && signed(length) >= point => length,
            Some(_) => digits,
        };
        let exponent = point - 1;
        if exponent < -4 || exponent >= signed(limit) {
            return self.with_exponent(digits.min(length).saturating_sub(1));
        }
        let digits = if signed(digits) > point { length } else { digits };
        self.with_point(usize::try_from(signed(digits) - point).unwrap_or(0))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |digit: &u8| char::from(b'0' + digit);
        let Ok(point) = usize::try_from(self.point) else {
            let zeros = "0".repeat(self.point.unsigned_abs());
            return write!(f, "0.{zeros}{}", self.digits.iter().map(digit).collect::<String>());
        };
        let whole: String = self.digits.iter().take(point).map(digit).collect();
        let fraction: String = self.digits.iter().skip(point).map(digit).collect();
        let zeros = "0".repeat(point.saturating_sub(self.digits.len()));
        let whole = if point == 0 { "0".to_owned() } else { whole };
        let dot = if fraction.is_empty() { "" } else { "." };
        write!(f, "{whole}{zeros}{dot}{fraction}")
    }
}

/// The fewest digits that still lie between the two neighbours' midpoints: the algorithm of Go's `big.Float` for
/// `Text('f', -1)`, which Terraform uses (math/big/ftoa.go, `roundShortest`), digit by digit as there.
pub(super) fn shortest(float: &Float) -> String {
    shortest_decimal(float).to_string()
}

fn shortest_decimal(float: &Float) -> Decimal {
    let repr = float.repr();
    let mantissa = magnitude(repr.significand());
    if mantissa == UBig::ZERO {
        return Decimal { digits: Vec::new(), point: 0 };
    }
    let mut exact = Decimal::exact(&mantissa, repr.exponent());
    // One bit more than the precision, so that the lowest bit is half a unit in the last place.
    let shift = (float.precision() + 1).saturating_sub(mantissa.bit_len());
    let half_units = mantissa << shift;
    let exponent = repr.exponent() - isize::try_from(shift).unwrap_or(isize::MAX);
    let lower = Decimal::exact(&(half_units.clone() - UBig::ONE), exponent);
    let upper = Decimal::exact(&(half_units.clone() + UBig::ONE), exponent);
    let inclusive = !half_units.bit(1);
    for index in 0..exact.digits.len() {
        let (low, digit, high) = (lower.at(index), exact.at(index), upper.at(index));
        let down = low != digit || (inclusive && index + 1 == lower.digits.len());
        let up = digit != high && (inclusive || digit + 1 < high || index + 1 < upper.digits.len());
        match (down, up) {
            (true, true) => exact.round(index + 1),
            (true, false) => exact.round_down(index + 1),
            (false, true) => exact.round_up(index + 1),
            (false, false) => continue,
        }
        break;
    }
    exact
}
