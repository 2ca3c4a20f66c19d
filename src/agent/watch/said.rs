//! What is said of a site whose levers cannot be read, and how soon they are looked at again.

use std::time::Duration;

/// How often is looked, and how soon after what could not be read: a move is noticed within a minute.
const EVERY: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(10);

/// Whether the last look failed.
#[derive(Debug, Default)]
pub(super) struct Said(bool);

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readable {
    No(String),
    Again,
}

impl Said {
    /// The first failure of several in a row is tried again soon.
    pub(super) fn pause(&self, looked: &Result<(), String>) -> Duration {
        if looked.is_err() && !self.0 { AGAIN } else { EVERY }
    }

    /// The first failure of several in a row is news, and so is that they are over.
    pub(super) fn news(&mut self, looked: &Result<(), String>) -> Option<Readable> {
        let failed = std::mem::replace(&mut self.0, looked.is_err());
        match looked {
            Err(why) if !failed => Some(Readable::No(why.clone())),
            Ok(()) if failed => Some(Readable::Again),
            Ok(()) | Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_said_once_and_the_first_is_tried_again_soon() {
        let (mut said, failed) = (Said::default(), Err("silent".to_owned()));
        assert_eq!((said.pause(&Ok(())), said.news(&Ok(()))), (EVERY, None));
        let first = (said.pause(&failed), said.news(&failed));
        assert_eq!(first, (AGAIN, Some(Readable::No("silent".to_owned()))));
        assert_eq!((said.pause(&failed), said.news(&failed)), (EVERY, None));
        assert_eq!((said.pause(&Ok(())), said.news(&Ok(()))), (EVERY, Some(Readable::Again)));
        assert_eq!(said.news(&Ok(())), None);
    }
}
