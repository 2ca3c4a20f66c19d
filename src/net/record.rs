//! DNS names, types and data, to text and back: what a person writes, and what a file keeps.
//!
//! Data whose text would not read back the same is written as RFC 3597 section 5 has it: `\# 4 7f000001`.

use std::fmt::Write as _;
use std::str::FromStr as _;

use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{
    BinDecoder, BinEncodable as _, BinEncoder, NameEncoding, Restrict,
};

/// What no zone holds: questions, and parts of a message.
pub fn is_meta(kind: RecordType) -> bool {
    // RFC 6895 section 3.1: 128 to 255 are questions and meta types, 0 is none, 41 is OPT.
    matches!(u16::from(kind), 0 | 41 | 128..=255)
}

/// `A`, `aaaa`, or `TYPE65280` as RFC 3597 has it.
pub fn type_of(text: &str) -> Option<RecordType> {
    let upper = text.to_ascii_uppercase();
    if let Some(number) = upper.strip_prefix("TYPE") {
        return number.parse::<u16>().ok().map(RecordType::from);
    }
    RecordType::from_str(&upper).ok()
}

/// The same, to text.
pub fn type_name(kind: RecordType) -> String {
    let name = kind.to_string();
    match RecordType::from_str(&name) {
        Ok(back) if back == kind => name,
        _ => format!("TYPE{}", u16::from(kind)),
    }
}

/// A name from the root, with or without its last dot.
pub fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Whether a text can stand for `name` without loss.
pub fn is_plain(name: &Name) -> bool {
    self::name(&name.to_ascii()).is_some_and(|back| back.eq_case(name))
}

/// The data of a record of this type.
pub fn data(kind: RecordType, text: &str) -> Result<RData, String> {
    let shown = type_name(kind);
    if let Some(bytes) = text.trim().strip_prefix("\\#") {
        return generic(bytes)
            .and_then(|bytes| from_wire(kind, &bytes))
            .ok_or_else(|| format!("`{text}` is not {shown} data: \\# LENGTH HEX"));
    }
    RData::try_from_str(kind, text)
        .ok()
        .and_then(|data| to_wire(&data))
        .and_then(|bytes| from_wire(kind, &bytes))
        .ok_or_else(|| format!("`{text}` is not {shown} data"))
}

/// The same, to text.
pub fn shown(data: &RData) -> String {
    let text = data.to_string();
    if self::data(data.record_type(), &text).is_ok_and(|back| back == *data) {
        return text;
    }
    let bytes = to_wire(data).unwrap_or_default();
    let mut text = format!("\\# {} ", bytes.len());
    for byte in bytes {
        #[expect(clippy::let_underscore_must_use, reason = "a text takes what is written to it")]
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How many bytes it has in a message that compresses nothing.
pub fn size(data: &RData) -> usize {
    to_wire(data).map_or(0, |bytes| bytes.len())
}

/// ` 4 7f000001` to its bytes.
fn generic(text: &str) -> Option<Vec<u8>> {
    let mut words = text.split_whitespace();
    let length: usize = words.next()?.parse().ok()?;
    let hex: Vec<u8> = words.collect::<String>().into_bytes();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Vec<u8> = hex.chunks(2).map(byte).collect::<Option<_>>()?;
    (bytes.len() == length).then_some(bytes)
}

fn to_wire(data: &RData) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).ok()?;
    Some(bytes)
}

/// Names in it become absolute, as they are in every message. No data at all is none.
fn from_wire(kind: RecordType, bytes: &[u8]) -> Option<RData> {
    let length = u16::try_from(bytes.len()).ok().filter(|length| *length > 0)?;
    let mut decoder = BinDecoder::new(bytes);
    let data = RData::read(&mut decoder, kind, Restrict::new(length)).ok()?;
    decoder.is_empty().then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back_the_same() {
        let cases = [
            ("A", "192.0.2.1"),
            ("aaaa", "2001:db8::1"),
            ("CNAME", "lb.example.net"),
            ("MX", "10 mail.example.net."),
            ("TXT", "\"v=spf1 -all\" more"),
            ("TXT", "\\# 3 02ff00"),
            ("TYPE65280", "\\# 2 abcd"),
            ("SRV", "0 5 5060 sip.example.net."),
        ];
        for (kind, text) in cases {
            let kind = type_of(kind).unwrap();
            assert_eq!(type_of(&type_name(kind)), Some(kind));
            let read = data(kind, text).unwrap();
            assert_eq!(data(kind, &shown(&read)).unwrap(), read, "{text}: {}", shown(&read));
        }
    }

    #[test]
    fn what_is_no_data_is_refused() {
        for (kind, text) in [
            ("A", "192.0.2"),
            ("A", "\\# 3 7f0000"),
            ("A", "\\# 4 7f00001"),
            ("A", ""),
            ("MX", "x"),
        ] {
            assert!(data(type_of(kind).unwrap(), text).is_err(), "{kind} {text}");
        }
        assert_eq!(type_of("banana"), None);
        assert!(name("a..b").is_none());
    }

    #[test]
    fn names_in_data_are_absolute_and_compare_without_case() {
        let of = |text| data(RecordType::CNAME, text).unwrap();
        assert_eq!(of("LB.example.net"), of("lb.EXAMPLE.net."));
    }
}
