//! What one asker, and all of them together, may take of the nameserver.

use std::time::Duration;

/// Bytes of an answer by UDP, whatever the asker would take: what passes every network in one piece (DNS flag day 2020).
pub(super) const UDP_ANSWER: u16 = 1_232;
/// The same where the asker says nothing (RFC 1035 section 4.2.1).
pub(super) const UDP_ANSWER_PLAIN: u16 = 512;
/// A message by TCP has a length of two bytes.
pub(super) const TCP_ANSWER: usize = 65_535;
/// What a signature may add to an answer: a name, a digest of 64 bytes, and what surrounds them.
pub(super) const SIGNATURE: usize = 400;
/// Open TCP connections; who comes beyond waits to be accepted.
pub(super) const CONNECTIONS: usize = 128;
/// How long a TCP connection may be silent, in the middle of a message too (RFC 7766 section 6.2.3: a few seconds).
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// Updates that wait for the one before them; beyond, the asker is told to try again.
pub(super) const UPDATES: usize = 64;
/// CNAMEs that one answer follows.
pub(super) const CHAIN: usize = 8;
/// Names of a zone.
pub(super) const NAMES: usize = 10_000;
/// Bytes of the data of one name and type: all of it goes into one message.
pub(super) const SET_BYTES: usize = 32 << 10;
/// Records of one name and type.
pub(super) const SET_RECORDS: usize = 1_000;
/// Bytes of a zone's file.
pub(super) const FILE: usize = 256 << 20;
/// How long the end of everything may take.
pub(super) const ENDS: Duration = Duration::from_secs(5);
/// Where the system cannot accept a connection or take a message it is asked again after this.
pub(super) const BREATHER: Duration = Duration::from_millis(100);
