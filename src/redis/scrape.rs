//! What guards tell whoever scrapes. Names and units are those of docs/metrics.md; no label has a key or an address in it.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::gate::Gate;
use super::report::{State, state};
use crate::clock::monotonic;

/// Asked at every scrape.
#[derive(Debug)]
pub(super) struct Scrape(pub(super) Vec<Weak<Gate>>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let gates: Vec<_> = self.0.iter().filter_map(Weak::upgrade).collect();
        let help = "What is done with a command: 1 for the state of now";
        let mut states = encoder.encode_descriptor("redis_state", help, None, MetricType::Gauge)?;
        for gate in &gates {
            let now = state(gate, gate.seen().0, monotonic());
            for one in State::ALL {
                let labels =
                    [("site", gate.site.as_str()), ("redis", gate.name()), ("state", one.word())];
                states.encode_family(&labels)?.encode_gauge(&i64::from(one == now))?;
            }
        }
        let help = "Commands that were answered, by what they do and why they were answered so";
        let mut answers =
            encoder.encode_descriptor("redis_answers", help, None, MetricType::Counter)?;
        for gate in &gates {
            for (family, reason, count) in gate.counters.all() {
                let labels = [
                    ("site", gate.site.as_str()),
                    ("redis", gate.name()),
                    ("family", family),
                    ("reason", reason),
                ];
                let mut line = answers.encode_family(&labels)?;
                line.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
        let help = "Keys and patterns that are to be removed before Redis is read";
        let mut keys =
            encoder.encode_descriptor("redis_journal_keys", help, None, MetricType::Gauge)?;
        let journals = gates.iter().filter(|gate| gate.keeper.is_some());
        each(&mut keys, journals, |gate| count(gate.seen().2.keys))?;
        let help = "Whether Redis stays away until somebody has seen to the journal";
        let mut broken =
            encoder.encode_descriptor("redis_journal_broken", help, None, MetricType::Gauge)?;
        let journals = gates.iter().filter(|gate| gate.keeper.is_some());
        each(&mut broken, journals, |gate| i64::from(gate.seen().2.broken.is_some()))?;
        let help = "Clients that are connected";
        let mut clients =
            encoder.encode_descriptor("redis_clients", help, None, MetricType::Gauge)?;
        each(&mut clients, gates.iter(), |gate| count(gate.clients.load(Relaxed)))?;
        let help = "Connections to Redis that are theirs";
        let mut links =
            encoder.encode_descriptor("redis_connections", help, None, MetricType::Gauge)?;
        each(&mut links, gates.iter(), |gate| count(gate.links.load(Relaxed)))?;
        let help = "How long what was read took until it was written on, one in 61 measured";
        let mut added = encoder.encode_descriptor(
            "redis_added",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for gate in &gates {
            let labels = [("site", gate.site.as_str()), ("redis", gate.name())];
            let sum = gate.added.sum();
            let mut line = added.encode_family(&labels)?;
            line.encode_histogram::<NoLabelSet>(sum.seconds, sum.count(), &sum.buckets, None)?;
        }
        Ok(())
    }
}

fn each<'a>(
    metric: &mut MetricEncoder<'_>,
    gates: impl Iterator<Item = &'a Arc<Gate>>,
    value: impl Fn(&Gate) -> i64,
) -> fmt::Result {
    for gate in gates {
        let labels = [("site", gate.site.as_str()), ("redis", gate.name())];
        metric.encode_family(&labels)?.encode_gauge(&value(gate))?;
    }
    Ok(())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
