//! A share of a whole, as `5%`: kept in thousandths, told to programs as a number from 0 to 1.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share, from nothing to all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "f64", from = "f64")]
pub struct Share(u16);

impl Share {
    /// Nothing.
    pub const NONE: Share = Share(0);
    /// All of it.
    pub const ALL: Share = Share(1000);

    /// So many thousandths; more than all is all.
    pub const fn thousandths(number: u16) -> Share {
        if number > Share::ALL.0 { Share::ALL } else { Share(number) }
    }

    /// So many of a hundred.
    pub const fn percent(number: u16) -> Share {
        Share::thousandths(number.saturating_mul(10))
    }

    /// The nearest share to this part of one; what is no number is nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 1,000"
    )]
    pub fn of(part: f64) -> Share {
        Share((part.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }

    /// In thousandths.
    pub const fn in_thousandths(self) -> u16 {
        self.0
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        f64::from(share.0) / 1000.0
    }
}

impl From<f64> for Share {
    fn from(part: f64) -> Share {
        Share::of(part)
    }
}

/// `35 %`, or `0.5 %`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (whole, 0) => write!(f, "{whole} %"),
            (whole, tenth) => write!(f, "{whole}.{tenth} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_as_a_part_of_one_and_read_back() {
        for thousandths in 0..=1000 {
            let share = Share::thousandths(thousandths);
            let json = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<Share>(&json).unwrap(), share, "{json}");
        }
        assert_eq!(serde_json::to_string(&Share::percent(35)).unwrap(), "0.35");
        let shown = [350, 5, 1000].map(|number| Share::thousandths(number).to_string());
        assert_eq!(shown, ["35 %", "0.5 %", "100 %"]);
        let odd = [f64::NAN, -1.0, 7.0].map(Share::of);
        assert_eq!(odd, [Share::NONE, Share::NONE, Share::ALL]);
    }
}
