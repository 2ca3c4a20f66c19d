//! Where frames end: as `redis-protocol` has it, however they are cut, with the limits and the words of Redis.

use proptest::collection::vec;
use proptest::prelude::*;
use redis_protocol::{resp2, resp3};
use roadworks::redis::frame::{GATHERED, Guest, Kind, ProtocolError};

use crate::fuzzed_redis::{answers, commands, frames};

/// A command as clients write it.
fn encoded(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Mostly short words, and now and then one that is longer than what is gathered.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        40 => vec(any::<u8>(), 0..12),
        4 => vec(any::<u8>(), 4_000..5_000),
        1 => (GATHERED..GATHERED + 9_000).prop_map(|size| vec![b'x'; size]),
    ]
}

/// Bytes of an answer, and which versions of RESP have it.
type Answer = (Vec<u8>, Versions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Both,
    Two,
    Three,
}

fn bulk(first: char) -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), 0..40).prop_map(move |bytes| {
        let mut all = format!("{first}{}\r\n", bytes.len()).into_bytes();
        all.extend(bytes);
        all.extend(b"\r\n");
        all
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    use Versions::{Both, Three, Two};
    let text = "[a-z ]{0,9}";
    let line = |text: String, of: Versions| (format!("{text}\r\n").into_bytes(), of);
    let leaf = prop_oneof![
        text.prop_map(move |text| line(format!("+{text}"), Both)),
        text.prop_map(move |text| line(format!("-ERR {text}"), Both)),
        any::<i64>().prop_map(move |number| line(format!(":{number}"), Both)),
        bulk('$').prop_map(|bytes| (bytes, Both)),
        Just(line("$-1".to_owned(), Two)),
        Just(line("*-1".to_owned(), Two)),
        Just(line("_".to_owned(), Three)),
        prop_oneof![Just("#t"), Just("#f")].prop_map(move |yes| line(yes.to_owned(), Three)),
        any::<i32>().prop_map(move |number| line(format!(",{number}.5"), Three)),
        any::<i64>().prop_map(move |number| line(format!("({number}"), Three)),
        bulk('!').prop_map(|bytes| (bytes, Three)),
        "[a-z]{0,9}"
            .prop_map(move |text| line(format!("={}\r\ntxt:{text}", text.len() + 4), Three)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        (vec((bulk('$'), inner), 0..6), 0..3_usize).prop_map(|(items, kind)| {
            let mut all = format!("{}{}\r\n", ['*', '~', '%'][kind], items.len()).into_bytes();
            let mut versions = if kind == 0 { Both } else { Three };
            for (key, (value, of)) in &items {
                // Theirs are sets and maps of what can be a key.
                if kind > 0 {
                    all.extend(key);
                }
                if kind != 1 && (*of == versions || *of == Both || versions == Both) {
                    all.extend(value);
                    versions = if *of == Both { versions } else { *of };
                } else if kind != 1 {
                    all.extend(b":1\r\n");
                }
            }
            (all, versions)
        })
    })
}

proptest! {
    #[test]
    fn a_command_ends_where_redis_protocol_ends_it_however_it_is_cut(
        sent in vec(vec(word(), 1..6), 1..5),
        piece in prop_oneof![Just(1_usize), 2..40_usize, 1_000..20_000_usize],
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|words| encoded(words)).collect();
        let (found, mistake) = commands(&bytes, piece, Guest::Known);
        prop_assert_eq!(mistake, None);
        prop_assert_eq!(found.len(), sent.len());
        let mut begin = 0;
        for (found, sent) in found.iter().zip(&sent) {
            let (_, length) = resp2::decode::decode(&bytes[begin..]).unwrap().unwrap();
            prop_assert_eq!(found.end, begin + length);
            begin = found.end;
            let sizes: Vec<_> = sent.iter().map(|word| word.len() as u64).collect();
            prop_assert_eq!(&found.sizes, &sizes);
            for (kept, sent) in found.words.iter().zip(sent) {
                prop_assert!(kept.as_ref().is_none_or(|kept| kept == sent));
                prop_assert!(kept.is_some() || sent.len() > 4_096, "a short word is kept");
            }
        }
    }

    #[test]
    fn an_answer_ends_where_redis_protocol_ends_it_however_it_is_cut(
        sent in vec(answer(), 1..6),
        piece in 1..60_usize,
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let (found, mistake) = answers(&bytes, piece);
        prop_assert_eq!(mistake, None);
        prop_assert_eq!(found.len(), sent.len());
        let mut begin = 0;
        for ((end, _), (_, versions)) in found.iter().zip(&sent) {
            if *versions != Versions::Two {
                let whole = resp3::decode::complete::decode(&bytes[begin..]);
                prop_assert_eq!(*end, begin + whole.unwrap().unwrap().1);
            }
            if *versions != Versions::Three {
                let (_, length) = resp2::decode::decode(&bytes[begin..]).unwrap().unwrap();
                prop_assert_eq!(*end, begin + length);
            }
            begin = *end;
        }
    }

    #[test]
    fn no_bytes_are_read_in_two_ways(input in vec(
        prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'3'), Just(b'-'), Just(b'"'), Just(b'\\'), Just(b'%'), Just(b'|'), Just(b'>'), any::<u8>()],
        0..60,
    )) {
        frames(&input);
    }
}

fn mistake(bytes: &[u8], guest: Guest) -> Option<String> {
    commands(bytes, bytes.len(), guest).1.map(|error| String::from_utf8(error.answer()).unwrap())
}

#[test]
fn what_is_no_command_is_refused_in_the_words_of_redis() {
    for (bytes, words) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"GET \"a\r\n", "unbalanced quotes in request"),
        (b"GET \"a\"b\r\n", "unbalanced quotes in request"),
        (b"GET 'a\r\n", "unbalanced quotes in request"),
        (&vec![b'x'; 70_000], "too big inline request"),
    ] {
        let said = mistake(bytes, Guest::Known);
        let wanted = format!("-ERR Protocol error: {words}\r\n");
        assert_eq!(
            said,
            Some(wanted),
            "{}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
    }
    assert_eq!(mistake(b"*1048576\r\n", Guest::Known), None);
    assert_eq!(mistake(b"*1\r\n$536870912\r\n", Guest::Known), None);
}

#[test]
fn nobody_unknown_sends_more_than_redis_lets_them() {
    let known = |bytes: &[u8]| mistake(bytes, Guest::Known);
    let unknown = |bytes: &[u8]| mistake(bytes, Guest::Unknown).unwrap_or_default();
    for (bytes, words) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*2\r\n$3\r\nGET\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        assert_eq!(known(bytes), None);
        assert!(unknown(bytes).contains(words));
    }
    assert_eq!(unknown(b"*10\r\n$16384\r\n"), "");
}

#[test]
fn inline_words_are_unquoted_as_redis_does_it() {
    for (line, words) in [
        ("PING", &["PING"][..]),
        ("  SET  a\tb ", &["SET", "a", "b"]),
        (r#"SET "a key" 'it\'s'"#, &["SET", "a key", "it's"]),
        (r#"SET "\x41\n\"\q\xzz" 'a\n'"#, &["SET", "A\n\"qxzz", "a\\n"]),
        (r#"SET "" ''"#, &["SET", "", ""]),
        (r#"a"b""#, &["ab"]),
        ("a\0b", &["a"]),
    ] {
        for end in ["\r\n", "\n"] {
            let (found, mistake) = commands(format!("{line}{end}").as_bytes(), 1, Guest::Known);
            assert_eq!((found.len(), mistake), (1, None), "{line}");
            let found: Vec<_> = found[0].words.iter().flatten().cloned().collect();
            assert_eq!(
                found,
                words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>(),
                "{line}"
            );
        }
    }
    let (found, mistake) = commands(b"\r\n*0\r\n*-1\r\nPING\r\n", 3, Guest::Known);
    assert_eq!((found.len(), mistake), (1, None), "nothing is no command");
}

#[test]
fn a_value_of_any_size_is_passed_on_as_it_comes_and_its_options_are_known() {
    let words =
        [b"SET".to_vec(), b"k".to_vec(), vec![b'v'; 40 << 20], b"EX".to_vec(), b"60".to_vec()];
    let (found, mistake) = commands(&encoded(&words), 16 << 10, Guest::Known);
    assert_eq!((found.len(), mistake), (1, None));
    assert_eq!(found[0].sizes[2], 40 << 20);
    let kept: Vec<_> = found[0].words.iter().flatten().map(Vec::as_slice).collect();
    assert_eq!(kept, [&b"SET"[..], b"k", b"EX", b"60"]);

    let mut answer = format!("${}\r\n", 40 << 20).into_bytes();
    answer.extend(vec![b'v'; 40 << 20]);
    answer.extend(b"\r\n+OK\r\n");
    let (found, mistake) = answers(&answer, 16 << 10);
    assert_eq!((found.len(), mistake), (2, None));
}

#[test]
fn pushes_errors_and_attributes_are_told_apart() {
    for (bytes, kind) in [
        (&b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n"[..], Some(Kind::Push)),
        (b"-LOADING Redis is loading\r\n", Some(Kind::Error)),
        (b"!21\r\nSYNTAX invalid syntax\r\n", Some(Kind::Error)),
        (b"|1\r\n+ttl\r\n:3600\r\n*1\r\n:1\r\n", Some(Kind::Value)),
        (b"|1\r\n+a\r\n:1\r\n-ERR\r\n", Some(Kind::Error)),
        (b"*-1\r\n", Some(Kind::Value)),
        (b"*2\r\n*-1\r\n$-1\r\n", Some(Kind::Value)),
        (b"*1\r\n-ERR in EXEC\r\n", Some(Kind::Value)),
        (b"*?\r\n:1\r\n.\r\n", None),
        (b"$?\r\n;4\r\nabcd\r\n;0\r\n", None),
        (b"*1\r\n>1\r\n:1\r\n", Some(Kind::Value)),
        (b"HTTP/1.1 400 Bad Request\r\n", None),
        (b"+OK\n", None),
        (b"%-1\r\n", None),
    ] {
        let (found, mistake) = answers(bytes, 1);
        let found = found.first().map(|(end, kind)| {
            assert_eq!(*end, bytes.len());
            *kind
        });
        assert_eq!(
            (found, mistake.is_some()),
            (kind, kind.is_none()),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_mistake_says_what_redis_says() {
    assert_eq!(
        ProtocolError::NoBulk(b'x').answer(),
        b"-ERR Protocol error: expected '$', got 'x'\r\n"
    );
}
