//! The zone of a first start: the records of the configuration, and what a zone cannot be without.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{Name, RData, RecordType};

use super::error::Error;
use super::zone::{RrSet, Zone};
use crate::config::NameserverConfig;

/// How long it may be believed that a name is not there: short, so that a name that comes is seen soon.
const NEGATIVE: u32 = 5;
const TTL: u32 = 60;
const REFRESH: i32 = 3_600;
const RETRY: i32 = 600;
const EXPIRE: i32 = 604_800;

/// The zone of `config`, listening at `at`, with this serial.
pub(super) fn zone(
    config: &NameserverConfig,
    at: &[SocketAddr],
    serial: u32,
) -> Result<Zone, Error> {
    let origin = &config.zone;
    let mut sets: Vec<(Name, RecordType, RrSet)> = Vec::new();
    for record in &config.records {
        let set = RrSet { ttl: record.ttl, data: record.data.clone() };
        sets.push((record.name.clone(), record.kind, set));
    }
    let own = |label: &str| origin.prepend_label(label).unwrap_or_else(|_| origin.clone());
    let given = config.records.iter().find(|one| one.kind == RecordType::NS && one.name == *origin);
    let primary = match given.and_then(|record| record.data.first()) {
        Some(RData::NS(server)) => server.0.clone(),
        _ => own("ns"),
    };
    if given.is_none() {
        let set = RrSet { ttl: TTL, data: vec![RData::NS(NS(primary.clone()))] };
        sets.push((origin.clone(), RecordType::NS, set));
        let taken = config.records.iter().any(|record| record.name == primary);
        sets.extend(
            addresses(at)
                .into_iter()
                .filter(|_| !taken)
                .map(|(kind, data)| (primary.clone(), kind, RrSet { ttl: TTL, data })),
        );
    }
    let soa = SOA::new(primary, own("hostmaster"), serial, REFRESH, RETRY, EXPIRE, NEGATIVE);
    let set = RrSet { ttl: TTL, data: vec![RData::SOA(soa)] };
    sets.push((origin.clone(), RecordType::SOA, set));
    Zone::new(origin, sets).map_err(Error::Records)
}

/// The addresses that it listens at, where they are not all there are.
fn addresses(at: &[SocketAddr]) -> Vec<(RecordType, Vec<RData>)> {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for ip in at.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()) {
        match ip {
            IpAddr::V4(ip) if !four.contains(&RData::A(A(ip))) => four.push(RData::A(A(ip))),
            IpAddr::V6(ip) if !six.contains(&RData::AAAA(AAAA(ip))) => {
                six.push(RData::AAAA(AAAA(ip)));
            }
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
    let both = [(RecordType::A, four), (RecordType::AAAA, six)];
    both.into_iter().filter(|(_, data)| !data.is_empty()).collect()
}
