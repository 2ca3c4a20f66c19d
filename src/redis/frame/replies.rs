//! Redis's bytes -> answers: where each ends, and what kind it is.

use super::{GATHERED, LONGEST_BULK, LONGEST_NUMBER, Line, line, short};

/// Elements of one answer, nested ones included. `KEYS *` of a full Redis has millions.
const MOST_ELEMENTS: u64 = u32::MAX as u64;

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value, or none.
    Value,
    /// `-ERR ..`
    Error,
    /// What nobody asked for (RESP3 `>`): it is the answer to no command.
    Push,
}

/// Whoever sends this is no Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRedis {
    /// No type of RESP, or one that no Redis sends: streamed ones are refused.
    #[error("0x{0:02x} begins no answer of Redis's")]
    Type(u8),
    /// A length that is none.
    #[error("an answer has a length that is none")]
    Length,
    /// A line that does not end in `\r\n`.
    #[error("a line of an answer has no end")]
    End,
    /// More elements than an answer can have.
    #[error("an answer has too many elements")]
    Elements,
}

/// What is at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// An answer that goes on. Of a long one the first `done` bytes may be passed on, and are to be taken away before more is read.
    More {
        /// 0 while the answer is gathered.
        done: usize,
    },
    /// The last `length` bytes of an answer.
    Whole {
        /// Where the next one begins.
        length: usize,
        /// What it was.
        kind: Kind,
    },
}

/// Reads one upstream's answers, one after the other.
#[derive(Debug)]
pub struct Replies {
    at: usize,
    /// How many values are still to come until the answer is whole.
    left: u64,
    /// What is left of a value that is being passed over, its line's end included.
    body: Body,
    kind: Option<Kind>,
    is_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// A type comes next.
    None,
    /// So many bytes of a bulk.
    Bulk(u64),
    /// A line up to its end.
    Line,
}

impl Default for Replies {
    fn default() -> Self {
        Replies { at: 0, left: 1, body: Body::None, kind: None, is_long: false }
    }
}

impl Replies {
    /// Looks at `buffer`, which begins with the next answer, or goes on where the last look let go of what was done.
    pub fn read(&mut self, buffer: &[u8]) -> Result<Reply, NotRedis> {
        if self.is_at_the_beginning()
            && let Some(length) = at_once(buffer)
        {
            return Ok(Reply::Whole { length, kind: Kind::Value });
        }
        while self.left > 0 {
            if !self.step(buffer)? {
                return Ok(Reply::More { done: self.let_go(buffer) });
            }
        }
        let whole = Reply::Whole { length: self.at, kind: self.kind.unwrap_or(Kind::Value) };
        *self = Replies::default();
        Ok(whole)
    }

    /// Whether an answer is being read of which something was let go of.
    pub fn is_in_mid_answer(&self) -> bool {
        self.is_long
    }

    fn is_at_the_beginning(&self) -> bool {
        self.at == 0
            && self.body == Body::None
            && self.kind.is_none()
            && self.left == 1
            && !self.is_long
    }

    /// Whether there is more to look at.
    fn step(&mut self, buffer: &[u8]) -> Result<bool, NotRedis> {
        let bytes = buffer.get(self.at..).unwrap_or_default();
        match self.body {
            Body::None => self.value(bytes),
            Body::Bulk(left) => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
                self.at += usize::try_from(here).unwrap_or(usize::MAX);
                Ok(self.gone(Body::Bulk(left - here)))
            }
            Body::Line => match bytes.iter().position(|byte| *byte == b'\r' || *byte == b'\n') {
                None => {
                    self.at = buffer.len();
                    Ok(false)
                }
                Some(end) => {
                    self.at += end;
                    match (bytes.get(end), bytes.get(end + 1)) {
                        (Some(b'\r'), None) => Ok(false),
                        (Some(b'\r'), Some(b'\n')) => {
                            self.at += 2;
                            Ok(self.gone(Body::Bulk(0)))
                        }
                        _ => Err(NotRedis::End),
                    }
                }
            },
        }
    }

    /// Goes on with what is left of a value; whether nothing is.
    fn gone(&mut self, body: Body) -> bool {
        if body == Body::Bulk(0) {
            self.body = Body::None;
            self.left -= 1;
            return true;
        }
        self.body = body;
        false
    }

    fn value(&mut self, bytes: &[u8]) -> Result<bool, NotRedis> {
        let Some(first) = bytes.first() else { return Ok(false) };
        let kind = match first {
            b'-' | b'!' => Kind::Error,
            b'>' => Kind::Push,
            _ => Kind::Value,
        };
        // Attributes stand before what they are about, and what is in them while more than that is to come.
        let is_alone = self.kind.is_none() && self.left == 1;
        match first {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {
                self.at += 1;
                self.body = Body::Line;
            }
            b'$' | b'!' | b'=' => match length(bytes)? {
                None => return Ok(false),
                Some((None, line)) if *first == b'$' => {
                    self.at += line;
                    self.left -= 1;
                }
                Some((Some(size), line)) if size <= LONGEST_BULK => {
                    self.at += line;
                    self.body = Body::Bulk(size + 2);
                }
                Some(_) => return Err(NotRedis::Length),
            },
            // Redis puts what it pushes into the answer of a transaction that subscribes.
            b'*' | b'%' | b'~' | b'|' | b'>' => {
                if !self.aggregate(*first, bytes)? {
                    return Ok(false);
                }
            }
            other => return Err(NotRedis::Type(*other)),
        }
        if is_alone && *first != b'|' {
            self.kind = Some(kind);
        }
        Ok(true)
    }

    /// So many values come instead of one.
    fn aggregate(&mut self, first: u8, bytes: &[u8]) -> Result<bool, NotRedis> {
        let Some((count, line)) = length(bytes)? else { return Ok(false) };
        let each = if first == b'%' || first == b'|' { 2 } else { 1 };
        let instead = match (count, first) {
            (Some(count), _) => count.checked_mul(each).ok_or(NotRedis::Elements)?,
            (None, b'*') => 0,
            (None, _) => return Err(NotRedis::Length),
        };
        // An attribute is no value: what it is about comes after it.
        let itself = u64::from(first != b'|');
        let left = (self.left - itself).checked_add(instead);
        self.left = left.filter(|left| *left <= MOST_ELEMENTS).ok_or(NotRedis::Elements)?;
        self.at += line;
        Ok(true)
    }

    fn let_go(&mut self, buffer: &[u8]) -> usize {
        if !self.is_long && buffer.len() <= GATHERED {
            return 0;
        }
        self.is_long = true;
        std::mem::take(&mut self.at)
    }
}

/// The length of the answer at the front of `buffer`, where it is a whole one of those that are usual: a short bulk, none, `+OK`, or a
/// number. The steps look at any other, and say what is wrong with one.
fn at_once(buffer: &[u8]) -> Option<usize> {
    match buffer {
        [b'$', b'-', b'1', b'\r', b'\n', ..] | [b'+', b'O', b'K', b'\r', b'\n', ..] => Some(5),
        [b'$', ..] => {
            let (size, line) = short(b'$', buffer)?;
            Some(line + size + 2).filter(|length| *length <= buffer.len())
        }
        [b':', ..] => short(b':', buffer).map(|(_, line)| line),
        _ => None,
    }
}

/// The number in the line at the front of `bytes` and the line's length; no number for -1; `None` where it is not whole.
fn length(bytes: &[u8]) -> Result<Option<(Option<u64>, usize)>, NotRedis> {
    match line(bytes) {
        Line::Wait => Ok(None),
        Line::Whole { length: LONGEST_NUMBER, number: None } => Err(NotRedis::Length),
        Line::Whole { number, length } if bytes.get(length - 1) == Some(&b'\n') => match number {
            Some(-1) => Ok(Some((None, length))),
            Some(number) => match u64::try_from(number) {
                Ok(number) => Ok(Some((Some(number), length))),
                Err(_) => Err(NotRedis::Length),
            },
            None => Err(NotRedis::Length),
        },
        Line::Whole { .. } => Err(NotRedis::End),
    }
}
