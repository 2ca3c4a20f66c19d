//! The nameserver of `roadworks serve`, asked and changed from outside.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::tsig::TsigError;
use roadworks::config::load;
use roadworks::dns::nameserver::Nameserver;
use roadworks::tasks::Tasks;

use crate::support::nameserver::{
    Asker, BYTES, SECRET, address, by_tcp, config, file, key, one, question, record, seconds, swap,
    values,
};
use crate::support::serving::{Stand, until};
use crate::support::terraform::skipped;

const LIVE: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
const DETOUR: [&str; 2] = ["198.51.100.1", "198.51.100.2"];

fn lines() -> String {
    let shop = record("shop", "A", "\"192.0.2.1\", \"192.0.2.2\"");
    config(&(shop + &record("www", "CNAME", "\"shop.example.test.\"")))
}

fn stand() -> Stand {
    Stand::new(&lines())
}

#[test]
fn t1_no_answer_is_torn_while_a_record_is_flipped_three_thousand_times() {
    // In memory: three thousand writes to a disk take their time, and tear nothing.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.unwrap();
    let stand = Stand::at(folder.path(), &lines());
    let loaded = load(stand.folder(), &|_| None).unwrap().nameserver.unwrap();
    let (tasks, done) = (Tasks::new(), Arc::new(AtomicBool::new(false)));
    let nameserver = Nameserver::start(&loaded, stand.folder(), &tasks).unwrap();
    let server = nameserver.addresses()[0];
    let ask = || {
        let done = Arc::clone(&done);
        let work = move || {
            let asker = Asker::of(server);
            let (mut count, mut torn) = (0_u64, Vec::new());
            while !done.load(Ordering::Relaxed) {
                let answer = asker.ask("shop", "A");
                let values = values(&answer);
                let whole = answer.authoritative && (values == LIVE || values == DETOUR);
                if !whole {
                    torn.push((answer.response_code, values));
                }
                count += 1;
            }
            (count, torn)
        };
        tasks.start_thread("asker", work).unwrap()
    };
    let askers = [ask(), ask(), ask(), ask()];
    let asker = Asker::of(server);
    let first = asker.serial();
    let mut now = (LIVE, DETOUR);
    for flip in 0..3_000 {
        assert_eq!(asker.update(swap("shop", &now.0, &now.1)), ResponseCode::NoError, "{flip}");
        now = (now.1, now.0);
    }
    done.store(true, Ordering::Relaxed);
    for thread in askers {
        let (count, torn) = thread.join().unwrap();
        assert!(count > 100 && torn.is_empty(), "{count} asked, {torn:?}");
    }
    assert_eq!(asker.serial(), first.wrapping_add(3_000));
    tasks.stop();
}

#[test]
fn t2_a_stale_swap_changes_nothing() {
    let stand = stand();
    let serving = stand.serve();
    let asker = Asker::of(address(&serving));
    let before = (asker.serial(), fs::read(file(&stand)).unwrap());
    for stale in [&LIVE[..1], &DETOUR[..], &["192.0.2.1", "192.0.2.2", "192.0.2.3"]] {
        assert_eq!(asker.update(swap("shop", stale, &DETOUR)), ResponseCode::NXRRSet, "{stale:?}");
    }
    assert_eq!((asker.serial(), fs::read(file(&stand)).unwrap()), before);
    assert_eq!(asker.values("shop", "A"), LIVE);
    // Of those who read the same, one wins.
    assert_eq!(asker.update(swap("shop", &LIVE, &DETOUR)), ResponseCode::NoError);
    assert_eq!(asker.update(swap("shop", &LIVE, &["192.0.2.9"])), ResponseCode::NXRRSet);
    assert_eq!(asker.values("shop", "A"), DETOUR);
}

#[test]
fn t9_what_is_on_disk_is_answered_after_a_kill_and_the_serial_is_never_an_older_one() {
    let stand = stand();
    let mut last = 0;
    let mut count = 0_u32;
    for round in 0..4 {
        let serving = stand.serve();
        let asker = Asker::of(address(&serving));
        let serial = asker.serial();
        assert!(serial >= last, "round {round}: {serial} after {last}");
        // What was confirmed is there, and at most the one after it that was not.
        let text = asker.values("count", "TXT").pop().unwrap_or_default();
        let told: u32 = text.trim_matches('"').parse().unwrap_or(0);
        assert!(told == count || told == count + 1, "{told} after {count}");
        count = told;
        for _ in 0..20 {
            let next = counted(count + 1);
            assert_eq!(asker.update(next), ResponseCode::NoError);
            count += 1;
        }
        last = asker.serial();
        let mut unheard = counted(count + 1);
        unheard.finalize(&key(BYTES, "update"), seconds()).unwrap();
        asker.send(&unheard.to_vec().unwrap());
        serving.signal("KILL");
        serving.ended();
    }
    // As if it had been killed after the disk and before anybody could be told.
    let serving = stand.serve();
    let written = fs::read_to_string(file(&stand)).unwrap().replace("192.0.2.1", "192.0.2.7");
    fs::write(file(&stand), written).unwrap();
    assert_eq!(Asker::of(address(&serving)).values("shop", "A"), LIVE);
    serving.signal("KILL");
    serving.ended();
    let serving = stand.serve();
    assert_eq!(Asker::of(address(&serving)).values("shop", "A"), ["192.0.2.2", "192.0.2.7"]);
}

/// The update that writes this number.
fn counted(number: u32) -> Message {
    let mut message = swap("count", &[], &[]);
    message.authorities[0].data = hickory_proto::rr::RData::Update0(RecordType::TXT);
    message.authorities.push(one("count", "TXT", 5, &format!("\"{number}\"")));
    message
}

#[test]
fn nobody_without_the_key_changes_anything_and_each_is_told_why() {
    let stand = stand();
    let serving = stand.serve();
    let asker = Asker::of(address(&serving));
    let change = || swap("shop", &LIVE, &DETOUR);
    let read = |bytes: &[u8]| Message::from_vec(bytes).unwrap();
    let unsigned = read(&asker.bytes(&change().to_vec().unwrap()));
    assert_eq!(unsigned.response_code, ResponseCode::Refused);
    for (key, time, error) in [
        (key(b"another secret of somebody else.", "update"), seconds(), TsigError::BadSig),
        (key(BYTES, "another"), seconds(), TsigError::BadKey),
        (key(BYTES, "update"), seconds() - 3_600, TsigError::BadTime),
        (key(BYTES, "update"), 7, TsigError::BadSig),
    ] {
        let mut message = change();
        message.finalize(&key, time).unwrap();
        let answer = read(&asker.bytes(&message.to_vec().unwrap()));
        assert_eq!(answer.response_code, ResponseCode::NotAuth);
        assert_eq!(answer.signature().unwrap().data.error, Some(error));
    }
    assert_eq!(asker.values("shop", "A"), LIVE);
}

/// Who recorded a flip and its way back cannot make the flip again; who missed an answer gets it.
#[test]
fn the_bytes_of_an_update_are_made_once_and_answered_each_time() {
    let stand = stand();
    let serving = stand.serve();
    let asker = Asker::of(address(&serving));
    let mut flip = swap("shop", &LIVE, &DETOUR);
    flip.finalize(&key(BYTES, "update"), seconds()).unwrap();
    let recorded = flip.to_vec().unwrap();
    let made = || Message::from_vec(&asker.bytes(&recorded)).unwrap().response_code;
    let sent = seconds();
    assert_eq!(made(), ResponseCode::NoError);
    assert_eq!(asker.values("shop", "A"), DETOUR);
    assert_eq!(asker.update(swap("shop", &DETOUR, &LIVE)), ResponseCode::NoError);
    // Within a second the same bytes may be another update.
    until(|| (seconds() > sent + 2).then_some(()));
    assert_eq!(made(), ResponseCode::NoError);
    assert_eq!(asker.values("shop", "A"), LIVE, "it was made again");
}

#[test]
fn broken_messages_break_nothing() {
    let stand = stand();
    let serving = stand.serve();
    let server = address(&serving);
    let asker = Asker::of(server);
    let good = question("shop", "A").to_vec().unwrap();
    for cut in 0..good.len() {
        asker.send(&good[..cut]);
        let mut stream = TcpStream::connect(server).unwrap();
        stream.write_all(&[0, u8::try_from(cut).unwrap()]).unwrap();
        stream.write_all(&good[..cut]).unwrap();
    }
    for place in 0..good.len() {
        let mut bent = good.clone();
        bent[place] ^= 0xff;
        asker.send(&bent);
    }
    asker.send(&vec![0; 60_000]);
    let asker = Asker::of(server);
    assert_eq!(asker.values("shop", "A"), LIVE);
    // Several questions on one connection, one of them with a letter too few.
    let mut stream = TcpStream::connect(server).unwrap();
    let answer = Message::from_vec(&by_tcp(&mut stream, &good[..good.len() - 1])).unwrap();
    assert_eq!(answer.response_code, ResponseCode::FormErr);
    assert_eq!(values(&Message::from_vec(&by_tcp(&mut stream, &good)).unwrap()), LIVE);
    let mut status = question("shop", "A");
    status.metadata.op_code = OpCode::Status;
    let answer = Message::from_vec(&by_tcp(&mut stream, &status.to_vec().unwrap())).unwrap();
    assert_eq!(answer.response_code, ResponseCode::NotImp);
    let mut other = Message::query();
    other.add_query(Query::query(
        roadworks::net::record::name("example.com").unwrap(),
        RecordType::A,
    ));
    let answer = Message::from_vec(&by_tcp(&mut stream, &other.to_vec().unwrap())).unwrap();
    assert!(answer.response_code == ResponseCode::Refused && !answer.recursion_available);
}

#[test]
fn dig_says_what_is_answered_and_by_which_way() {
    let stand = stand();
    let serving = stand.serve();
    let at = format!("@{}", address(&serving));
    let ran = stand.run(&["dig", &at, "www.example.test"]).exits(0);
    assert_eq!(
        ran.stdout,
        "www.example.test. 5 CNAME shop.example.test.\nshop.example.test. 5 A 192.0.2.1\nshop.example.test. 5 A 192.0.2.2\n"
    );
    assert!(ran.stderr.starts_with("NOERROR from 127.0.0.1:"), "{ran:?}");
    let told =
        stand.run(&["--json", "dig", &at, "gone.example.test", "TXT", "+tcp"]).exits(0).json();
    let wanted = serde_json::json!({ "format": 1, "status": "NXDOMAIN", "authoritative": true, "answers": [] });
    assert_eq!(told, wanted);
    stand.run(&["dig", &at, "a", "A", "more"]).exits(1);
    drop(serving);
    let silent = stand.run(&["--json", "dig", &at, "shop.example.test"]).exits(1);
    assert_eq!(silent.error()["code"], "no-answer");
}

#[test]
fn the_tools_of_bind_read_and_change_it() {
    let there = |tool: &str| Command::new(tool).arg("-v").output().is_ok();
    if !there("dig") || !there("nsupdate") {
        return skipped("the_tools_of_bind_read_and_change_it", "dig and nsupdate");
    }
    let stand = stand();
    let serving = stand.serve();
    let server = address(&serving);
    let port = server.port().to_string();
    let dig = |words: &[&str]| {
        let mut command = Command::new("dig");
        command.args(["@127.0.0.1", "-p", &port, "+tries=1", "+noall", "+answer", "+comments"]);
        let output = command.args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let change = |words: &str| {
        stand.write(
            "change",
            &format!("server 127.0.0.1 {port}\nzone example.test\n{words}\nsend\n"),
        );
        let key = format!("hmac-sha256:update:{SECRET}");
        let output = Command::new("nsupdate")
            .args(["-y", &key, "change"])
            .current_dir(stand.folder())
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let told = dig(&["shop.example.test", "A"]);
    assert!(told.contains("status: NOERROR") && told.contains("flags: qr aa rd;"), "{told}");
    let transfer = dig(&["+all", "AXFR", "example.test"]);
    assert!(transfer.contains("Transfer failed") && !transfer.contains("SOA"), "{transfer}");
    let done = change(
        "prereq yxrrset shop.example.test A\nupdate delete shop.example.test A\nupdate add shop.example.test 5 A 198.51.100.1",
    );
    assert_eq!(done, "");
    assert!(dig(&["+tcp", "shop.example.test"]).contains("198.51.100.1"));
    let refused = change("prereq nxdomain shop.example.test\nupdate delete shop.example.test");
    assert!(refused.contains("YXDOMAIN"), "{refused}");
    let signed =
        dig(&["-y", &format!("hmac-sha256:update:{SECRET}"), "www.example.test", "+additional"]);
    assert!(signed.contains("NOERROR") && !signed.contains("Couldn't verify"), "{signed}");
}

#[test]
fn the_file_counts_where_there_is_one_and_the_block_changes_only_at_a_restart() {
    let stand = stand();
    let serving = stand.serve();
    let first = Asker::of(address(&serving)).serial();
    stand.write("roadworks.hcl", &config(&record("shop", "A", "\"192.0.2.9\"")));
    stand.run(&["reload"]).exits(1);
    serving.signal("TERM");
    assert_eq!(serving.ended(), Some(0));
    let serving = stand.serve();
    let asker = Asker::of(address(&serving));
    assert_eq!(
        (asker.values("shop", "A"), asker.serial()),
        (LIVE.map(str::to_owned).to_vec(), first)
    );
    drop(serving);
    fs::write(file(&stand), "{").unwrap();
    let refused = stand.run(&["serve"]).exits(1);
    assert!(refused.stderr.contains("is not a zone that this Roadworks wrote"), "{refused:?}");
}
