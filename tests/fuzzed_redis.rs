//! What must hold for any bytes that a client or a Redis sends. The fuzz target looks for some for which it does not; `corpus`
//! replays what it started from, so that every build knows of it.

use redis_protocol::{resp2, resp3};
use roadworks::redis::frame::{
    Argument, GATHERED, Guest, Kind, NotRedis, ProtocolError, Replies, Reply, Request, Requests,
};

/// A check of one input.
pub(crate) type Check = fn(&[u8]);

/// Each fuzz target, by the name of its seeds.
pub(crate) const CHECKS: [(&str, Check); 1] = [("frames", frames)];

/// One command: where it begins and ends in all that was sent, and what it consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    begin: usize,
    pub(crate) end: usize,
    pub(crate) sizes: Vec<u64>,
    pub(crate) words: Vec<Option<Vec<u8>>>,
}

/// However bytes are cut, they are the same frames or the same mistake; both sides agree with `redis-protocol` on where a frame
/// ends; and nothing is held but what a frame that is gathered needs.
pub(crate) fn frames(input: &[u8]) {
    let pieces = [input.len().max(1), 1, 7];
    for guest in [Guest::Known, Guest::Unknown] {
        let [whole, bytes, sevens] = pieces.map(|piece| commands(input, piece, guest));
        agree(&whole, &bytes);
        agree(&whole, &sevens);
        of_redis_protocol(input, &whole.0);
    }
    let [whole, bytes, sevens] = pieces.map(|piece| answers(input, piece));
    assert_eq!((&whole, &whole), (&bytes, &sevens));
    let mut begin = 0;
    for (end, kind) in whole.0 {
        let seen = input.get(begin..end).expect("an answer is within what was sent");
        // Theirs keys a map by values that floats cannot be.
        if !seen.contains(&b'%') && !seen.contains(&b'|') && !seen.contains(&b'~') {
            same_end(seen, kind);
        }
        begin = end;
    }
}

fn same_end(answer: &[u8], kind: Kind) {
    if kind != Kind::Push
        && let Ok(Some((_, length))) = resp2::decode::decode(answer)
    {
        assert_eq!(length, answer.len(), "{}", answer.escape_ascii());
    }
    if let Ok(Some((_, length))) = resp3::decode::complete::decode(answer) {
        assert_eq!(length, answer.len(), "{}", answer.escape_ascii());
    }
}

fn of_redis_protocol(input: &[u8], commands: &[Command]) {
    for Command { begin, end, .. } in commands {
        let seen = input.get(*begin..*end).expect("a command is within what was sent");
        if seen.first() == Some(&b'*')
            && let Ok(Some((_, length))) = resp2::decode::decode(seen)
        {
            assert_eq!(length, seen.len(), "{}", seen.escape_ascii());
        }
    }
}

type Read<T, E> = (Vec<T>, Option<E>);

fn agree(one: &Read<Command, ProtocolError>, other: &Read<Command, ProtocolError>) {
    assert_eq!(one.1, other.1);
    assert_eq!(one.0.len(), other.0.len());
    for (one, other) in one.0.iter().zip(&other.0) {
        assert_eq!((one.end, &one.sizes), (other.end, &other.sizes));
    }
}

/// The commands in `input`, which comes in pieces of this many bytes, and the mistake that ends them.
pub(crate) fn commands(input: &[u8], piece: usize, guest: Guest) -> Read<Command, ProtocolError> {
    let (mut requests, mut found) = (Requests::default(), Vec::new());
    requests.guest = guest;
    let (mut begin, mut have, mut first) = (0, 0, 0);
    loop {
        let buffer = input.get(begin..have).expect("it is within what was sent");
        match requests.read(buffer) {
            Ok(Request::Whole { length, arguments }) => {
                begin += length;
                let all = (0..arguments.count()).map(|at| arguments.get(at).expect("it is there"));
                let (sizes, words) = all.map(size).unzip();
                found.push(Command { begin: first, end: begin, sizes, words });
                first = begin;
            }
            Ok(Request::Nothing { length }) => {
                begin += length;
                first = begin;
            }
            Ok(Request::More { done }) => {
                begin += done;
                assert!(have - begin <= GATHERED + piece.min(GATHERED), "it holds too much");
                if have == input.len() {
                    return (found, None);
                }
                have = (have + piece).min(input.len());
            }
            Err(error) => return (found, Some(error)),
        }
    }
}

fn size(argument: Argument<'_>) -> (u64, Option<Vec<u8>>) {
    match argument {
        Argument::Short(bytes) => (bytes.len() as u64, Some(bytes.to_vec())),
        Argument::Long(size) => (size, None),
    }
}

/// The answers in `input`, which comes in pieces of this many bytes: where each ends, and the mistake that ends them.
pub(crate) fn answers(input: &[u8], piece: usize) -> Read<(usize, Kind), NotRedis> {
    let (mut replies, mut found) = (Replies::default(), Vec::new());
    let (mut begin, mut have) = (0, 0);
    loop {
        let buffer = input.get(begin..have).expect("it is within what was sent");
        match replies.read(buffer) {
            Ok(Reply::Whole { length, kind }) => {
                begin += length;
                found.push((begin, kind));
            }
            Ok(Reply::More { done }) => {
                begin += done;
                assert!(have - begin <= GATHERED + piece.min(GATHERED), "it holds too much");
                if have == input.len() {
                    return (found, None);
                }
                have = (have + piece).min(input.len());
            }
            Err(error) => return (found, Some(error)),
        }
    }
}
