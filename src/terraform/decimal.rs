//! A binary number as the shortest decimal that reads back, as Terraform prints it.
//!
//! Must never print an exponent; its tests stand with those of `number.rs`.

use std::fmt;

use dashu_int::UBig;
use dashu_int::ops::BitTest;

use super::number::{Float, magnitude};

/// An exact decimal: `0.d1d2d3.. * 10^point`.
struct Decimal {
    digits: Vec<u8>,
    point: isize,
}

impl Decimal {
    /// `mantissa * 2^exponent`, exactly: a negative power of two is a power of five, shifted by decimal places.
    fn exact(mantissa: &UBig, exponent: isize) -> Self {
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
    let repr = float.repr();
    let mantissa = magnitude(repr.significand());
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
    exact.to_string()
}
