//! Which arguments of a command are keys.

use super::frame::{Arguments, number};
use super::table::{Command, Keys};

/// The keys of a command as it was sent; `None` where that cannot be said, as for one that is too long to be kept.
pub fn of<'a>(command: &Command, arguments: &Arguments<'a>) -> Option<Vec<&'a [u8]>> {
    let places: Vec<usize> = match command.keys {
        Keys::None => Vec::new(),
        Keys::At(first, last, step) => {
            let last = match usize::try_from(last) {
                Ok(last) => last,
                Err(_) => arguments.count().checked_sub(usize::try_from(-last).ok()?)?,
            };
            // A container's subcommand without a key has none.
            if last < first && arguments.count() <= first {
                Vec::new()
            } else {
                (first..=last).step_by(step.max(1)).collect()
            }
        }
        Keys::Counted(at) => counted(arguments, at)?,
        Keys::FirstAndCounted => [vec![1], counted(arguments, 2)?].concat(),
        Keys::Streams => {
            let streams = (1..arguments.count()).find(|at| arguments.is(*at, "STREAMS"))? + 1;
            let rest = arguments.count() - streams;
            if rest == 0 || !rest.is_multiple_of(2) {
                return None;
            }
            (streams..streams + rest / 2).collect()
        }
        Keys::FirstAndStore => {
            let stores = (2..arguments.count())
                .filter(|at| arguments.is(*at, "STORE") || arguments.is(*at, "STOREDIST"));
            [1].into_iter().chain(stores.map(|at| at + 1)).collect()
        }
        Keys::Unknown => return None,
    };
    places.into_iter().map(|at| arguments.short(at)).collect()
}

fn counted(arguments: &Arguments<'_>, at: usize) -> Option<Vec<usize>> {
    let count = usize::try_from(number(arguments.short(at)?)?).ok()?;
    (count < arguments.count()).then(|| (at + 1..=at + count).collect())
}
