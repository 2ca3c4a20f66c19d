//! Where keys are, as a real Redis says it.

use std::collections::BTreeMap;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use roadworks::redis::frame::{Request, Requests};
use roadworks::redis::keys;
use roadworks::redis::table::{self, Keys};

use super::forms::{READS, WRITES};
use crate::support::redis::{RedisServer, encoded};

fn list(frame: OwnedFrame) -> Vec<OwnedFrame> {
    match frame {
        OwnedFrame::Array(items) => items,
        other => panic!("{other:?}"),
    }
}

fn text(frame: &OwnedFrame) -> String {
    match frame {
        OwnedFrame::SimpleString(text) | OwnedFrame::BulkString(text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        other => panic!("{other:?}"),
    }
}

fn number(frame: &OwnedFrame) -> i64 {
    match frame {
        OwnedFrame::Integer(number) => *number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_command_is_in_the_table_as_a_real_redis_has_it() {
    let server = RedisServer::start();
    let mut client = server.client();
    client.send(&encoded(&["COMMAND"]));
    let (all, _) = decode(&client.next().unwrap()).unwrap().unwrap();
    let real: BTreeMap<_, _> = list(all)
        .into_iter()
        .map(|command| {
            let command = list(command);
            (text(&command[0]), [1, 3, 4, 5].map(|at| number(&command[at])))
        })
        .collect();
    assert_eq!(real.len(), table::all().len());
    for (name, [arity, first, last, step]) in real {
        let ours = table::find(name.to_uppercase().as_bytes()).unwrap();
        assert_eq!((ours.name, ours.arity), (name.as_str(), arity));
        let as_of_real = match ours.keys {
            Keys::At(first, last, step) => {
                Some([i64::try_from(first).unwrap(), last, i64::try_from(step).unwrap()])
            }
            Keys::None => Some([0, 0, 0]),
            _ => None,
        };
        // Those of a container are its subcommands'.
        let is_container = ["object", "memory", "xinfo", "xgroup"].contains(&name.as_str());
        if let Some(ours) = as_of_real.filter(|_| !is_container) {
            assert_eq!(ours, [first, last, step], "{name}");
        }
    }
    assert!(table::find(b"NOSUCH").is_none());
}

#[test]
fn the_keys_of_every_form_are_those_that_a_real_redis_finds() {
    let server = RedisServer::start();
    let mut client = server.client();
    let more = [
        "EVAL s 2 a b c",
        "ZINTERSTORE d 2 a b WEIGHTS 1 2",
        "XREAD COUNT 2 STREAMS a b 0 0",
        "SORT k BY w STORE d",
        "GEORADIUS k 0 0 1 m STORE d",
        "BLMPOP 0 2 a b LEFT",
        "MSETNX a 1 b 2 c 3",
        "BITOP AND d a b",
    ];
    for form in READS.iter().chain(&WRITES).chain(&more) {
        let words: Vec<_> = form.split(' ').collect();
        let (mut requests, bytes) = (Requests::default(), encoded(&words));
        let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else { panic!("{form}") };
        let command = table::find(arguments.name()).unwrap();
        let ours = keys::of(command, &arguments).unwrap();
        client.send(&encoded(&[vec!["COMMAND", "GETKEYS"], words.clone()].concat()));
        let (real, _) = decode(&client.next().unwrap()).unwrap().unwrap();
        let real: Vec<_> = match real {
            OwnedFrame::Array(keys) => keys.iter().map(text).collect(),
            // It has none, and says so by an error.
            OwnedFrame::Error(_) => Vec::new(),
            other => panic!("{other:?}"),
        };
        // A channel is no key, and Redis finds one there.
        if !["SPUBLISH"].contains(&words[0]) {
            let ours: Vec<_> =
                ours.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
            assert_eq!(ours, real, "{form}");
        }
    }
}
