//! What a gateway tells whoever scrapes it. Names and units are those of docs/metrics.md.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::core::Shared;
use super::report::Report;
use super::site::Site;
use crate::clock;
use crate::metrics::Sum;
use crate::switch::Mode;

/// Asked at every scrape.
#[derive(Debug)]
pub(super) struct Scrape(pub(super) Arc<Shared>);

/// One site, seen once for the whole scrape.
struct Seen {
    site: Arc<Site>,
    report: Report,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = clock::now();
        let see = |site: Arc<Site>| Seen { report: site.report(now), site };
        let sites = self.0.sites.load_full();
        let seen: Vec<Seen> = sites.values().cloned().map(see).collect();
        let mut page = Page { encoder: &mut encoder };
        page.modes(&seen)?;
        page.requests(&seen)?;
        page.upstreams(&seen)?;
        page.trouble(&seen)?;
        page.whole(&self.0)
    }
}

struct Page<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
}

impl Page<'_, '_> {
    fn modes(&mut self, seen: &[Seen]) -> fmt::Result {
        let mut mode = self.gauge("mode", "What visitors get: 1 for the mode of now")?;
        for Seen { site, report } in seen {
            for one in Mode::LADDER {
                let labels = [("site", site.name()), ("mode", one.word())];
                mode.encode_family(&labels)?.encode_gauge(&i64::from(report.mode == Some(one)))?;
            }
        }
        let mut desired = self.gauge("desired_mode", "What the switch asks for")?;
        for Seen { site, .. } in seen {
            let Some(asked) = site.around().desired else { continue };
            for one in Mode::LADDER {
                let labels = [("site", site.name()), ("mode", one.word())];
                desired.encode_family(&labels)?.encode_gauge(&i64::from(asked == one))?;
            }
        }
        let mut since =
            self.gauge("mode_since_timestamp_seconds", "When the mode of now was asked for")?;
        for Seen { site, .. } in seen {
            if let Some(posture) = &site.home.door.snapshot().posture {
                let at = seconds(posture.since);
                of(&mut since, site, |mut line| line.encode_gauge(&at))?;
            }
        }
        let mut until =
            self.gauge("deadline_timestamp_seconds", "When the operation of now is to end")?;
        for Seen { site, .. } in seen {
            let snapshot = site.home.door.snapshot();
            if let Some(end) = snapshot.posture.as_ref().and_then(|posture| posture.until) {
                let at = seconds(end);
                of(&mut until, site, |mut line| line.encode_gauge(&at))?;
            }
        }
        let help = "From asking for a mode until no request of the mode before ran";
        let mut took = self.histogram("switch_duration", help)?;
        for Seen { site, .. } in seen {
            of(&mut took, site, |line| sum(line, &site.home.door.switches()))?;
        }
        let mut spent = self.gauge("hold_spent", "Whether patience is over: requests get 503")?;
        each(&mut spent, seen, |report| i64::from(report.hold_spent))?;
        let help = "While a site opens gently, the share of visitors who are let in";
        let mut share = self.gauge("ramp_share", help)?;
        for Seen { site, report } in seen {
            if let Some(ramp) = &report.ramp {
                of(&mut share, site, |mut line| line.encode_gauge(&f64::from(ramp.share)))?;
            }
        }
        let help = "How often a gentle opening fell back: nobody was let in any more";
        let mut falls = self.metric("ramp_fallbacks", help, MetricType::Counter)?;
        for Seen { site, .. } in seen {
            let count = site.home.door.falls();
            of(&mut falls, site, |mut line| {
                line.encode_counter::<NoLabelSet, _, u64>(&count, None)
            })?;
        }
        Ok(())
    }

    fn requests(&mut self, seen: &[Seen]) -> fmt::Result {
        let mut total = self.metric("requests", "What became of requests", MetricType::Counter)?;
        for Seen { site, .. } in seen {
            for (word, count) in site.home.tallies.fates() {
                let labels = [("site", site.name()), ("decision", word)];
                total.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        let mut waiting = self.gauge("held_requests", "Requests that wait")?;
        each(&mut waiting, seen, |report| number(report.waiting))?;
        let mut inside = self.gauge("inflight_requests", "Requests at the upstreams")?;
        each(&mut inside, seen, |report| {
            number(report.in_flight + report.exempt.iter().map(|(_, count)| count).sum::<u64>())
        })?;
        let mut upgraded = self.gauge("upgraded_connections", "WebSockets and other upgrades")?;
        each(&mut upgraded, seen, |report| number(report.upgraded))?;
        let mut waited = self.histogram("hold_wait", "How long requests waited")?;
        for Seen { site, .. } in seen {
            of(&mut waited, site, |line| sum(line, &site.home.tallies.waits()))?;
        }
        let help = "From a request's first byte to its answer's last";
        let mut took = self.histogram("request_duration", help)?;
        for Seen { site, .. } in seen {
            of(&mut took, site, |line| sum(line, &site.home.tallies.durations()))?;
        }
        Ok(())
    }

    fn upstreams(&mut self, seen: &[Seen]) -> fmt::Result {
        let mut up = self.gauge("upstream_up", "Whether requests go to an upstream")?;
        for Seen { site, report } in seen {
            for upstream in &report.upstreams {
                let labels = [("site", site.name()), ("upstream", upstream.url.as_str())];
                up.encode_family(&labels)?.encode_gauge(&i64::from(upstream.healthy))?;
            }
        }
        Ok(())
    }

    fn trouble(&mut self, seen: &[Seen]) -> fmt::Result {
        let help = "Whether the switch cannot be read, kept on this machine, or told of";
        let mut trouble = self.gauge("trouble", help)?;
        for Seen { site, .. } in seen {
            let now = site.around();
            for (what, is_so) in
                [("store", now.store), ("disk", now.disk), ("heartbeat", now.heartbeat)]
            {
                let labels = [("site", site.name()), ("what", what)];
                trouble.encode_family(&labels)?.encode_gauge(&i64::from(is_so))?;
            }
        }
        Ok(())
    }

    fn whole(&mut self, shared: &Shared) -> fmt::Result {
        let open = i64::try_from(shared.open()).unwrap_or(i64::MAX);
        self.gauge("connections", "Open connections of clients")?.encode_gauge(&open)?;
        let help = "How often a limit was reached, and the connection answered or closed";
        let mut limits = self.metric("limits", help, MetricType::Counter)?;
        for (word, count) in shared.counters.limits.all() {
            let labels = [("limit", word)];
            let mut limit = limits.encode_family(&labels)?;
            limit.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        for (name, help, count) in [
            (
                "misdirected_requests",
                "Requests for a Host that no site has",
                &shared.counters.misdirected,
            ),
            ("access_log_lines_lost", "Lines that nobody took in time", &shared.counters.unlogged),
        ] {
            let mut metric = self.metric(name, help, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&count.load(Relaxed), None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.metric(name, help, MetricType::Gauge)
    }

    fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)
    }

    fn metric(
        &mut self,
        name: &'static str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, None, kind)
    }
}

/// One line, labelled with its site.
fn of(
    metric: &mut MetricEncoder<'_>,
    site: &Site,
    line: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    line(metric.encode_family(&[("site", site.name())])?)
}

fn each(
    metric: &mut MetricEncoder<'_>,
    seen: &[Seen],
    value: impl Fn(&Report) -> i64,
) -> fmt::Result {
    seen.iter().try_for_each(|Seen { site, report }| {
        of(metric, site, |mut line| line.encode_gauge(&value(report)))
    })
}

fn sum(mut metric: MetricEncoder<'_>, sum: &Sum) -> fmt::Result {
    metric.encode_histogram::<NoLabelSet>(sum.seconds, sum.count(), &sum.buckets, None)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
