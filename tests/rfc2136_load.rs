//! No answer is torn while the name moves hundreds of times under load: by day, and ten times as often at night.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use roadworks::clock;
use roadworks::config::{DnsSource, load};
use roadworks::dns::Rfc2136;
use roadworks::lever::{Lever as _, Silent};
use roadworks::switch::{Mode, OperationId};
use roadworks::tasks::Tasks;

use crate::support::dig::{Client, SECRET};
use crate::support::servers::Server;

/// `ROADWORKS_FLIPS` says another number.
const FLIPS: u32 = 300;
const SIDES: [[&str; 2]; 2] = [["192.0.2.10", "192.0.2.11"], ["198.51.100.7", "198.51.100.8"]];

/// The lever of a site whose name has two addresses on each side.
fn lever(server: &Client) -> Rfc2136 {
    let folder = tempfile::tempdir().unwrap();
    let side = |side: [&str; 2]| format!("A = [\"{}\", \"{}\"]", side[0], side[1]);
    let text = format!(
        "site \"shop\" {{\n  hosts = [\"shop.example.test\"]\n  dns \"rfc2136\" {{\n    zone = \"example.test\"\n    servers = [\"{}\"]\n    key \"roadworks\" {{\n      secret = \"{SECRET}\"\n    }}\n    live {{\n{}\n    }}\n    maintenance {{\n{}\n    }}\n  }}\n}}\n",
        server.address(),
        side(SIDES[0]),
        side(SIDES[1])
    );
    std::fs::write(folder.path().join("roadworks.hcl"), text).unwrap();
    let config = load(folder.path(), &|_| None).unwrap();
    let Some(DnsSource::Rfc2136(name)) = &config.sites[0].dns else { panic!() };
    Rfc2136::new(name.as_ref().clone())
}

/// Asks until it is over; how many answers came, and which were neither of the two.
fn ask(server: SocketAddr, over: &AtomicBool) -> (u32, Vec<BTreeSet<IpAddr>>) {
    let whole = SIDES.map(|side| side.map(|ip| ip.parse::<IpAddr>().unwrap()));
    let whole = whole.map(BTreeSet::from);
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(server).unwrap();
    let name = Name::from_ascii("shop.example.test.").unwrap();
    let (mut answers, mut torn) = (0, Vec::new());
    let mut buffer = [0; 512];
    while !over.load(SeqCst) {
        let mut question = Message::query();
        question.add_query(Query::query(name.clone(), RecordType::A));
        socket.send(&question.to_vec().unwrap()).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        let answer = Message::from_vec(&buffer[..length]).unwrap();
        let addresses = answer.answers.iter().filter_map(|record| match &record.data {
            RData::A(ip) => Some(IpAddr::V4(ip.0)),
            _ => None,
        });
        let said: BTreeSet<_> = addresses.collect();
        answers += 1;
        if !whole.contains(&said) {
            torn.push(said);
        }
    }
    (answers, torn)
}

#[test]
fn t1_no_answer_of_bind_is_torn_while_the_name_moves_under_load() {
    flipped(&Server::bind(&records()));
}

#[test]
fn t1_no_answer_of_knot_is_torn_while_the_name_moves_under_load() {
    flipped(&Server::knot(&records()));
}

#[test]
fn t1_no_answer_of_ours_is_torn_while_the_name_moves_under_load() {
    flipped(&Server::ours(&records()));
}

fn records() -> String {
    SIDES[0].map(|ip| format!("shop 60 A {ip}")).join("\n")
}

#[track_caller]
fn flipped(server: &Server) {
    let flips = std::env::var("ROADWORKS_FLIPS").map_or(FLIPS, |text| text.parse().unwrap());
    let first = server.serial();
    let over = Arc::<AtomicBool>::default();
    let askers: Vec<_> = (0..2)
        .map(|_| {
            let (over, address) = (Arc::clone(&over), server.address());
            Tasks::new().start_thread("asks", move || ask(address, &over)).unwrap()
        })
        .collect();
    let lever = lever(server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for flip in 0..flips {
            let to = if flip % 2 == 0 { Mode::Detour } else { Mode::Open };
            let operation = OperationId::at(clock::now(), flip);
            let seen = lever.observe().await.unwrap();
            let steps = lever.steps(&seen, to);
            assert_eq!(steps.len(), 1);
            let started = lever.start(&steps, &operation).await.unwrap();
            lever.confirm(&started, &Silent).await.unwrap();
        }
    });
    over.store(true, SeqCst);
    for asker in askers {
        let (answers, torn) = asker.join().unwrap();
        assert!(answers > 100, "{answers} answers say little");
        assert!(
            torn.is_empty(),
            "{} of {answers} answers are torn: {:?}",
            torn.len(),
            torn.first()
        );
    }
    assert_eq!(server.serial(), first + flips, "{}: each once", server.called());
}
