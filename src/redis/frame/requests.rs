//! A client's bytes -> commands: where each ends, its name and its arguments.

use std::fmt;
use std::ops::Range;

use super::{GATHERED, LONGEST_BULK, Line, ProtocolError, inline, line, short};

/// As many arguments a command may have.
const MOST_ARGUMENTS: u64 = 1 << 20;
/// Of an argument of a long command no more is kept: keys and options are shorter, values need not be known.
const LONGEST_KEPT: u64 = 4 << 10;
/// Of so many arguments a command is plain: guests may send them too.
const MOST_PLAIN: usize = 10;
/// All that is kept of a long command.
const MOST_KEPT: usize = 4 << 20;

/// What somebody may send whom Redis does not know yet, or whom it does not ask who they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guest {
    /// Everything that Redis takes.
    #[default]
    Known,
    /// At most ten arguments of at most 16 KiB each: nobody unknown fills the memory.
    Unknown,
}

/// Reads one client's commands, one after the other.
#[derive(Debug, Default)]
pub struct Requests {
    /// Who sends them.
    pub guest: Guest,
    /// How far the frame has been looked at, from the front of the buffer.
    at: usize,
    stage: Stage,
    spans: Vec<Span>,
    /// Arguments that are not in the buffer as they are: those of inline commands and of long ones.
    kept: Vec<u8>,
    extent: Extent,
}

/// What comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Begin,
    /// A line without a `*`.
    Inline,
    /// So many arguments, the next with its length.
    Arguments(u64),
    /// What is left of an argument, its line's end included, and how many come after it.
    Bulk { size: u64, after: u64 },
    /// The same of one that is not kept: its size, and what is left of it.
    Skipped { size: u64, left: u64, after: u64 },
    /// The frame is over.
    Ended,
}

/// Whether the frame is in the buffer from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Extent {
    #[default]
    Gathered,
    Inline,
    Long,
}

/// Where an argument is.
#[derive(Debug, Clone, Copy)]
enum Span {
    Kept { at: u32, size: u32 },
    Long(u64),
}

impl Span {
    fn kept(range: &Range<usize>) -> Span {
        // Nothing that is kept is longer than `MOST_KEPT` or a gathered frame.
        let at = u32::try_from(range.start).unwrap_or(u32::MAX);
        Span::Kept { at, size: u32::try_from(range.len()).unwrap_or(u32::MAX) }
    }

    fn of(self, bytes: &[u8]) -> Argument<'_> {
        match self {
            Span::Kept { at, size } => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                Argument::Short(bytes.get(at..at.saturating_add(size)).unwrap_or_default())
            }
            Span::Long(size) => Argument::Long(size),
        }
    }
}

/// What is at the front of a buffer.
#[derive(Debug)]
pub enum Request<'a> {
    /// A command that goes on. Of a long one the first `done` bytes are not needed any more: they are to be passed on, and taken
    /// away before more is read.
    More {
        /// 0 while the command is gathered.
        done: usize,
    },
    /// The last `length` bytes of a command.
    Whole {
        /// Where the next one begins.
        length: usize,
        /// Its name and arguments.
        arguments: Arguments<'a>,
    },
    /// An empty line, or an array of nothing: it is answered by nobody.
    Nothing {
        /// Where the next one begins.
        length: usize,
    },
}

/// One argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Argument<'a> {
    /// As it was sent.
    Short(&'a [u8]),
    /// So many bytes of a long command, of which none is kept.
    Long(u64),
}

/// The name and the arguments of a command.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Arguments<'a> {
    /// How many there are, the name included; never 0.
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// The name is number 0.
    pub fn get(&self, number: usize) -> Option<Argument<'a>> {
        self.spans.get(number).map(|span| span.of(self.bytes))
    }

    /// The same where it is kept.
    pub fn short(&self, number: usize) -> Option<&'a [u8]> {
        match self.get(number)? {
            Argument::Short(bytes) => Some(bytes),
            Argument::Long(_) => None,
        }
    }

    /// As the client wrote it; empty for one that is too long to be a name.
    pub fn name(&self) -> &'a [u8] {
        self.short(0).unwrap_or_default()
    }

    /// Whether argument `number` is this word, in whatever case.
    pub fn is(&self, number: usize, word: &str) -> bool {
        self.short(number).is_some_and(|bytes| bytes.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Shows no values: a password may be among them.
impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (of {})", String::from_utf8_lossy(self.name()), self.count())
    }
}

/// Shows no value.
impl fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Short(bytes) => write!(f, "{} bytes", bytes.len()),
            Argument::Long(size) => write!(f, "{size} bytes, not kept"),
        }
    }
}

/// The name and the length of the command at the front of `buffer`, where it is a plain one: whole, and of few short arguments, as
/// nearly all are. Its bytes begin a command: [`Requests::is_between`].
#[inline]
pub fn plain(buffer: &[u8]) -> Option<(&[u8], usize)> {
    let mut name = None;
    let length = arguments(buffer, |argument| {
        name.get_or_insert(argument);
    })?;
    Some((buffer.get(name?)?, length))
}

/// Where the arguments of a plain command are, and its length.
#[inline]
fn arguments(buffer: &[u8], mut each: impl FnMut(Range<usize>)) -> Option<usize> {
    let (count, mut at) = short(b'*', buffer).filter(|(count, _)| *count <= MOST_PLAIN)?;
    for _ in 0..count {
        let (size, line) = short(b'$', buffer.get(at..)?)?;
        let begins = at + line;
        at = begins + size + 2;
        if at > buffer.len() {
            return None;
        }
        each(begins..begins + size);
    }
    Some(at)
}

/// Whether there is more to look at.
enum Step {
    On,
    Wait,
}

impl Requests {
    /// Looks at `buffer`, which begins with the next command, or goes on where the last look let go of what was done.
    pub fn read<'a>(&'a mut self, buffer: &'a [u8]) -> Result<Request<'a>, ProtocolError> {
        if self.stage == Stage::Ended {
            self.forget();
        }
        if self.stage == Stage::Begin {
            self.at_once(buffer);
        }
        while self.stage != Stage::Ended {
            match self.step(buffer)? {
                Step::On => {}
                Step::Wait => return Ok(Request::More { done: self.let_go(buffer) }),
            }
        }
        let length = self.at;
        if self.spans.is_empty() {
            return Ok(Request::Nothing { length });
        }
        let bytes = if self.extent == Extent::Gathered { buffer } else { &self.kept };
        Ok(Request::Whole { length, arguments: Arguments { bytes, spans: &self.spans } })
    }

    /// The command that was whole at the last look is looked at again, from its beginning. Only for one that was gathered.
    pub fn look_again(&mut self) {
        self.forget();
    }

    /// The command that was whole at the last look, whose last bytes are at the front of `buffer`.
    pub fn last<'a>(&'a self, buffer: &'a [u8]) -> Option<Arguments<'a>> {
        let bytes = if self.extent == Extent::Gathered { buffer } else { &self.kept };
        let is_whole = self.stage == Stage::Ended && !self.spans.is_empty();
        is_whole.then_some(Arguments { bytes, spans: &self.spans })
    }

    fn forget(&mut self) {
        self.spans.clear();
        self.kept.clear();
        // One long command of thousands does not keep its memory for the rest.
        self.spans.shrink_to(1 << 10);
        self.kept.shrink_to(4 << 10);
        (self.at, self.stage, self.extent) = (0, Stage::Begin, Extent::Gathered);
    }

    /// Looks at a plain command in one go. The steps look at any other, and say what is wrong with one.
    fn at_once(&mut self, buffer: &[u8]) {
        let spans = &mut self.spans;
        match arguments(buffer, |argument| spans.push(Span::kept(&argument))) {
            Some(length) => (self.at, self.stage) = (length, Stage::Ended),
            None => spans.clear(),
        }
    }

    /// Whether the next bytes begin a command.
    pub fn is_between(&self) -> bool {
        matches!(self.stage, Stage::Begin | Stage::Ended)
    }

    fn step(&mut self, buffer: &[u8]) -> Result<Step, ProtocolError> {
        let bytes = buffer.get(self.at..).unwrap_or_default();
        match self.stage {
            Stage::Begin => match bytes.first() {
                None => return Ok(Step::Wait),
                Some(b'*') => return self.count(bytes),
                Some(_) => self.stage = Stage::Inline,
            },
            Stage::Inline => return self.line(buffer),
            Stage::Arguments(0) | Stage::Ended => self.stage = Stage::Ended,
            Stage::Arguments(left) => return self.length(bytes, left - 1),
            Stage::Bulk { size, after } => return Ok(self.bulk(bytes, size, after)),
            Stage::Skipped { size, left, after } => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
                self.at += usize::try_from(here).unwrap_or(usize::MAX);
                if here < left {
                    self.stage = Stage::Skipped { size, left: left - here, after };
                    return Ok(Step::Wait);
                }
                self.spans.push(Span::Long(size));
                self.stage = Stage::Arguments(after);
            }
        }
        Ok(Step::On)
    }

    /// `*3`
    fn count(&mut self, bytes: &[u8]) -> Result<Step, ProtocolError> {
        let Line::Whole { number, length } = line(bytes) else { return Ok(Step::Wait) };
        let number = number.ok_or(ProtocolError::Count)?;
        // Fewer than none is none.
        let count = u64::try_from(number).unwrap_or(0);
        if count > MOST_ARGUMENTS {
            return Err(ProtocolError::Count);
        }
        if count > 10 && self.guest == Guest::Unknown {
            return Err(ProtocolError::GuestCount);
        }
        self.at += length;
        self.stage = Stage::Arguments(count);
        Ok(Step::On)
    }

    /// `$5`
    fn length(&mut self, bytes: &[u8], after: u64) -> Result<Step, ProtocolError> {
        match bytes.first() {
            None => return Ok(Step::Wait),
            Some(b'$') => {}
            Some(other) => return Err(ProtocolError::NoBulk(*other)),
        }
        let Line::Whole { number, length } = line(bytes) else { return Ok(Step::Wait) };
        let size = number.and_then(|number| u64::try_from(number).ok());
        let size = size.filter(|size| *size <= LONGEST_BULK).ok_or(ProtocolError::Length)?;
        if size > 16 << 10 && self.guest == Guest::Unknown {
            return Err(ProtocolError::GuestLength);
        }
        self.at += length;
        self.stage = match self.extent {
            Extent::Long if !self.keeps(size) => Stage::Skipped { size, left: size + 2, after },
            _ => Stage::Bulk { size, after },
        };
        Ok(Step::On)
    }

    /// Whether an argument of a long command is kept.
    fn keeps(&self, size: u64) -> bool {
        size <= LONGEST_KEPT && self.kept.len() < MOST_KEPT
    }

    fn bulk(&mut self, bytes: &[u8], size: u64, after: u64) -> Step {
        let Ok(whole) = usize::try_from(size) else { return Step::Wait };
        if bytes.len() < whole + 2 {
            return Step::Wait;
        }
        let begins = match self.extent {
            Extent::Long => {
                self.kept.extend_from_slice(bytes.get(..whole).unwrap_or_default());
                self.kept.len() - whole
            }
            Extent::Gathered | Extent::Inline => self.at,
        };
        self.spans.push(Span::kept(&(begins..begins + whole)));
        self.at += whole + 2;
        self.stage = Stage::Arguments(after);
        Step::On
    }

    /// A line is looked at once, however slowly it comes.
    fn line(&mut self, buffer: &[u8]) -> Result<Step, ProtocolError> {
        let fresh = buffer.get(self.at..).unwrap_or_default();
        let end = fresh.iter().position(|byte| *byte == b'\n').map(|end| self.at + end);
        if end.unwrap_or(buffer.len()) > GATHERED {
            return Err(ProtocolError::LongLine);
        }
        let Some(end) = end else {
            self.at = buffer.len();
            return Ok(Step::Wait);
        };
        let text = buffer.get(..end).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let spans = &mut self.spans;
        inline::words(text, &mut self.kept, |word| spans.push(Span::kept(&word)))?;
        (self.at, self.stage, self.extent) = (end + 1, Stage::Ended, Extent::Inline);
        Ok(Step::On)
    }

    /// How much of the buffer is not needed any more.
    fn let_go(&mut self, buffer: &[u8]) -> usize {
        if self.stage == Stage::Inline
            || (self.extent == Extent::Gathered && buffer.len() <= GATHERED)
        {
            return 0;
        }
        if self.extent == Extent::Gathered {
            self.become_long(buffer);
        }
        std::mem::take(&mut self.at)
    }

    /// What is known of the command so far is kept by itself.
    fn become_long(&mut self, buffer: &[u8]) {
        self.extent = Extent::Long;
        for span in std::mem::take(&mut self.spans) {
            let kept = match span.of(buffer) {
                Argument::Short(bytes) => {
                    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    if self.keeps(size) {
                        let begins = self.kept.len();
                        self.kept.extend_from_slice(bytes);
                        Span::kept(&(begins..self.kept.len()))
                    } else {
                        Span::Long(size)
                    }
                }
                Argument::Long(size) => Span::Long(size),
            };
            self.spans.push(kept);
        }
        if let Stage::Bulk { size, after } = self.stage
            && !self.keeps(size)
        {
            let here = buffer.len().saturating_sub(self.at);
            let here = u64::try_from(here).unwrap_or(u64::MAX).min(size + 2);
            self.at += usize::try_from(here).unwrap_or(usize::MAX);
            self.stage = Stage::Skipped { size, left: size + 2 - here, after };
        }
    }
}
