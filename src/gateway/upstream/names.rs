//! An upstream's name -> its addresses and how long they may be believed. Addresses and `localhost` ask nobody. The
//! resolver is made anew for each question, so that a changed resolv.conf or hosts file is seen without a restart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;

use crate::clock;

use super::error::Error;

/// A name is asked for again no sooner and no later than this, whatever its TTL says.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// How long one question may take, and how often it is put.
const PATIENCE: (Duration, usize) = (Duration::from_secs(2), 2);

/// More addresses than these are not used: a broken zone must not become thousands of probes.
const MOST: usize = 64;

/// Whom names are asked of.
#[derive(Debug, Clone, Default)]
pub enum Names {
    /// As the machine is configured.
    #[default]
    System,
    /// A server on loopback.
    #[cfg(test)]
    Server(std::net::SocketAddr),
}

/// What a name leads to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    /// When to ask again.
    pub(super) again: Duration,
}

/// What nobody needs to be asked about, and never changes.
pub(super) fn fixed(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    host.parse().ok().map(|address| vec![address])
}

impl Names {
    /// Cancel safe.
    pub(super) async fn find(&self, host: &str) -> Result<Found, Error> {
        let failed = |cause| Error::Name { name: host.to_owned(), cause };
        let resolver = self.resolver().map_err(|cause| failed(Box::new(cause)))?;
        let found = resolver.lookup_ip(host).await.map_err(|cause| failed(Box::new(cause)))?;
        let mut addresses: Vec<_> = found.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MOST);
        if addresses.is_empty() {
            return Err(failed("the answer holds none".into()));
        }
        let left = found.valid_until().saturating_duration_since(clock::monotonic().into_std());
        Ok(Found { addresses, again: left.clamp(AGAIN.0, AGAIN.1) })
    }

    fn resolver(&self) -> Result<TokioResolver, hickory_resolver::net::NetError> {
        let mut builder = match self {
            Names::System => TokioResolver::builder_tokio()?,
            #[cfg(test)]
            Names::Server(address) => tests::asking(*address),
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        (options.timeout, options.attempts) = PATIENCE;
        builder.build()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use hickory_resolver::ResolverBuilder;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
    use hickory_resolver::proto::rr::rdata::A;
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use tokio::net::UdpSocket;

    use super::*;
    use crate::tasks::Tasks;

    pub(super) fn asking(address: SocketAddr) -> ResolverBuilder<TokioRuntimeProvider> {
        let mut udp = ConnectionConfig::udp();
        udp.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![udp]);
        let config = ResolverConfig::from_parts(None, vec![], vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    }

    /// A name server whose only A records can be changed; none means that it knows no such name.
    pub(in crate::gateway::upstream) async fn server(
        tasks: &Tasks,
        records: Arc<Mutex<Vec<Ipv4Addr>>>,
        ttl: u32,
    ) -> Names {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tasks.start(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let Ok(mut message) = Message::from_vec(&buffer[..length]) else { continue };
                let query = message.queries[0].clone();
                let known = records.lock().unwrap().clone();
                message.metadata.message_type = MessageType::Response;
                message.metadata.recursion_available = true;
                if known.is_empty() {
                    message.metadata.response_code = ResponseCode::NXDomain;
                }
                if query.query_type() == RecordType::A {
                    for address in known {
                        let data = RData::A(A(address));
                        message.add_answer(Record::from_rdata(query.name().clone(), ttl, data));
                    }
                }
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Names::Server(address)
    }

    #[test]
    fn addresses_and_localhost_ask_nobody() {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(fixed("LocalHost").unwrap(), both);
        assert_eq!(fixed("::1").unwrap(), [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        assert_eq!(fixed("app.internal"), None);
    }

    #[tokio::test]
    async fn a_name_leads_to_all_its_addresses_until_its_ttl() {
        let tasks = Tasks::new();
        let known = vec![Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
        let names = server(&tasks, Arc::new(Mutex::new(known.clone())), 30).await;
        let found = names.find("app.internal.").await.unwrap();
        assert_eq!(found.addresses, known.into_iter().map(IpAddr::from).collect::<Vec<_>>());
        let again = found.again;
        assert!(again > Duration::from_secs(20) && again <= Duration::from_secs(30), "{again:?}");
        let nobody = server(&tasks, Arc::default(), 30).await;
        let refused = nobody.find("app.internal.").await.unwrap_err();
        assert_eq!(refused.to_string(), "the name `app.internal.` leads to no address");
    }
}
