//! HTTP/2 in the raw: frames as somebody writes them who means harm (RFC 9113), headers without compression (RFC 7541 §6.2.2).

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::support::serving::LONG;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// Answered with this status.
    Status(u16),
    /// Reset, or lost with its connection.
    Reset,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A block of headers that begins or ends stream `stream`.
pub(super) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

pub(super) fn data(stream: u32, flags: u8, bytes: &str) -> Vec<u8> {
    frame(DATA, flags, stream, bytes.as_bytes())
}

/// An integer with a prefix of 7 bits (RFC 7541 §5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// Sends these frames on a connection of their own, and tells what became of stream `wanted`.
pub(super) fn exchange(at: SocketAddr, frames: &[u8], wanted: u32) -> Result<Became, String> {
    let mut stream = begin(at, frames);
    let (mut became, mut head) = (None, [0; 9]);
    while stream.read_exact(&mut head).is_ok() {
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = payload(&mut stream, head).map_err(|error| error.to_string())?;
        if kind == RESET && id == wanted {
            return Ok(became.unwrap_or(Became::Reset));
        }
        if kind == HEADERS && id == wanted {
            became = became.or(Some(Became::Status(status(&payload))));
        }
        if [HEADERS, DATA].contains(&kind) && id == wanted && flags & END_STREAM > 0 {
            break;
        }
    }
    Ok(became.unwrap_or(Became::Reset))
}

/// Sends them, and acknowledges what is asked.
fn begin(at: SocketAddr, frames: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), frames].concat()).unwrap();
    stream
}

/// The rest of the frame that begins with `head`. What wants an acknowledgement gets it; a connection that is gone says so
/// at the next read.
fn payload(stream: &mut TcpStream, head: [u8; 9]) -> io::Result<Vec<u8>> {
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload)?;
    let (kind, flags) = (head[3], head[4]);
    if [SETTINGS, PING].contains(&kind) && flags & ACK == 0 {
        let echoed = if kind == PING { &payload[..] } else { &[] };
        drop(stream.write_all(&frame(kind, ACK, 0, echoed)));
    }
    Ok(payload)
}

/// The kinds of the frames that come for these, until the gateway closes.
pub(super) fn kinds(at: SocketAddr, frames: &[u8]) -> Vec<u8> {
    let mut stream = begin(at, frames);
    let (mut kinds, mut head) = (Vec::new(), [0; 9]);
    while stream.read_exact(&mut head).is_ok() {
        payload(&mut stream, head).unwrap();
        kinds.push(head[3]);
    }
    kinds
}

/// The status that the first block of headers of a connection begins with.
fn status(block: &[u8]) -> u16 {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [index @ 0x88..=0x8e, ..] => KNOWN[usize::from(index - 0x88)],
        [0x48 | 0x08 | 0x18, length, rest @ ..] if length & 0x80 > 0 => {
            digits(&rest[..usize::from(length & 0x7f)])
        }
        [0x48 | 0x08 | 0x18, length, rest @ ..] => {
            std::str::from_utf8(&rest[..usize::from(*length)]).unwrap().parse().unwrap()
        }
        _ => panic!("no status in {block:?}"),
    }
}

/// Digits in Huffman's code: 0 to 2 have five bits, 3 to 9 six (RFC 7541, appendix B).
fn digits(bytes: &[u8]) -> u16 {
    let bits = bytes.iter().fold(String::new(), |bits, byte| bits + &format!("{byte:08b}"));
    let (mut rest, mut number) = (bits.as_str(), 0);
    for _ in 0..3 {
        let five = u16::from_str_radix(&rest[..5], 2).unwrap();
        let (digit, width) = if five < 3 {
            (five, 5)
        } else {
            (u16::from_str_radix(&rest[..6], 2).unwrap() - 22, 6)
        };
        number = number * 10 + digit;
        rest = &rest[width..];
    }
    number
}

#[test]
fn a_status_is_read_in_all_the_ways_it_is_written() {
    assert_eq!(status(&[0x88]), 200);
    assert_eq!(status(&[0x48, 3, b'4', b'2', b'1']), 421);
    // 503 is 011011 00000 011001.
    assert_eq!(status(&[0x48, 0x83, 0b0110_1100, 0b0000_1100, 0b1111_1111]), 503);
    // 431 is 011010 011001 00001.
    assert_eq!(status(&[0x48, 0x83, 0b0110_1001, 0b1001_0000, 0b1111_1111]), 431);
}
