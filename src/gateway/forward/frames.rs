//! Where WebSocket frames end (RFC 6455 §5.2), read off the bytes that pass. It looks at no payload and keeps none: it is
//! here so that a close frame of ours never lands in the middle of somebody else's frame.

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST: usize = 14;

/// How far into a frame the stream is.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    /// The head of the frame of now, as far as it came.
    head: Vec<u8>,
    /// Bytes of payload still to come.
    payload: u64,
}

impl Frames {
    /// Whether a frame of ours may begin here.
    pub(super) fn at_boundary(&self) -> bool {
        self.head.is_empty() && self.payload == 0
    }

    /// How many of `bytes` belong to the frame of now. They are taken as sent.
    fn rest_of_one(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for byte in bytes {
            if self.payload > 0 {
                break;
            }
            self.head.push(*byte);
            taken += 1;
            if let Some(payload) = payload(&self.head) {
                self.head.clear();
                self.payload = payload;
                if payload == 0 {
                    return taken;
                }
            }
        }
        let left = u64::try_from(bytes.len() - taken).unwrap_or(u64::MAX);
        let piece = self.payload.min(left);
        self.payload -= piece;
        taken + usize::try_from(piece).unwrap_or_default()
    }

    /// How many of `bytes` belong to the frame of now, none of them sent yet.
    pub(super) fn rest(&self, bytes: &[u8]) -> usize {
        self.clone().rest_of_one(bytes)
    }

    /// Takes all of `bytes` as sent.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.rest_of_one(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }
}

/// How long the payload after this head is; `None` while the head is not whole.
fn payload(head: &[u8]) -> Option<u64> {
    let (_, rest) = head.split_first()?;
    let (second, rest) = rest.split_first()?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (bytes, length) = match second & 0x7f {
        126 => (
            2,
            rest.get(..2).map(|long| long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        ),
        127 => (
            8,
            rest.get(..8).map(|long| long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        ),
        short => (0, Some(u64::from(short))),
    };
    debug_assert!(head.len() <= LONGEST, "a head that long is whole");
    (rest.len() >= bytes + mask).then_some(length).flatten()
}

/// "Service restart" (the IANA registry of close codes): come back later, and not all at once.
const RESTART: [u8; 2] = 1012_u16.to_be_bytes();

/// A close frame for the client.
pub(super) fn farewell_to_client() -> [u8; 4] {
    [0x88, 0x02, RESTART[0], RESTART[1]]
}

/// A close frame for the upstream, masked as everything is that comes from a client (RFC 6455 §5.3).
pub(super) fn farewell_to_upstream(mask: [u8; 4]) -> [u8; 8] {
    let [a, b, c, d] = mask;
    [0x88, 0x82, a, b, c, d, RESTART[0] ^ a, RESTART[1] ^ b]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::fn_params_excessive_bools, reason = "it is one bit of the frame")]
    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mut bytes = vec![0x82];
        let bit = if masked { 0x80 } else { 0 };
        match length {
            0..126 => bytes.push(bit | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(bit | 0x7e);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(bit | 0x7f);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(std::iter::repeat_n(0x88, length + if masked { 4 } else { 0 }));
        bytes
    }

    #[test]
    fn frames_of_every_length_end_where_they_end() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            for masked in [false, true] {
                let one = frame(length, masked);
                let mut frames = Frames::default();
                let both = [&one[..], &[0x81]].concat();
                assert_eq!(frames.rest_of_one(&both), one.len(), "{length} {masked}");
                assert!(frames.at_boundary());
                frames.pass(&one[..one.len() - 1]);
                assert!(!frames.at_boundary(), "{length} {masked}");
                frames.pass(&one[one.len() - 1..]);
                assert!(frames.at_boundary());
            }
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_come_the_boundaries_are_the_same(
            lengths in prop::collection::vec((0_usize..300, any::<bool>()), 1..6),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for (length, masked) in lengths {
                bytes.extend(frame(length, masked));
                ends.push(bytes.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for cut in cuts.iter().cycle() {
                if at == bytes.len() {
                    break;
                }
                let next = (at + cut).min(bytes.len());
                frames.pass(&bytes[at..next]);
                at = next;
                prop_assert_eq!(frames.at_boundary(), ends.contains(&at), "{}", at);
            }
        }

        #[test]
        fn whatever_comes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::default();
            frames.pass(&bytes);
            prop_assert!(frames.head.len() <= LONGEST);
        }
    }

    #[test]
    fn farewells_say_1012() {
        assert_eq!(farewell_to_client(), [0x88, 2, 0x03, 0xf4]);
        let masked = farewell_to_upstream([1, 2, 3, 4]);
        assert_eq!(masked, [0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xf4 ^ 2]);
    }
}
