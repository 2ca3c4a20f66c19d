//! What is told to whoever scrapes: one register for the whole process, in `OpenMetrics`. Costs nothing until it is asked.
//!
//! No label ever holds what a visitor chose: a path, a host, an address.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// What it is served as.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The register. All names begin with `roadworks_`.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    reload_went_well: Gauge,
    reloaded_at: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// With what every process tells: its version, and how its configuration was read last.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("roadworks");
        let (reload_went_well, reloaded_at) = (Gauge::default(), Gauge::default());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        registry.register(
            "config_last_reload_successful",
            "Whether the configuration was good when it was read last",
            reload_went_well.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When a good configuration was read last",
            reloaded_at.clone(),
        );
        Metrics { registry: Mutex::new(registry), reload_went_well, reloaded_at }
    }

    /// Asks `collector` at every scrape.
    pub fn add(&self, collector: impl Collector) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(collector));
    }

    /// The configuration was read, and is in force since `at`.
    pub fn reloaded(&self, at: Timestamp) {
        self.reload_went_well.set(1);
        self.reloaded_at.set(at.as_second());
    }

    /// The configuration was read, and is no good: the one of before is in force.
    pub fn not_reloaded(&self) {
        self.reload_went_well.set(0);
    }

    /// All of it.
    pub fn text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => text,
            // Writing to a text never fails; a collector that does is not worth a scrape without the others.
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}

/// Counts of durations, in buckets of seconds.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    bounds: [f64; N],
    counts: [AtomicU64; N],
    /// Longer than the last bound.
    beyond: AtomicU64,
    micros: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    pub(crate) const fn new(bounds: [f64; N]) -> Histogram<N> {
        Histogram {
            bounds,
            counts: [const { AtomicU64::new(0) }; N],
            beyond: AtomicU64::new(0),
            micros: AtomicU64::new(0),
        }
    }

    pub(crate) fn took(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let fits = self.bounds.iter().zip(&self.counts).find(|(bound, _)| seconds <= **bound);
        fits.map_or(&self.beyond, |(_, count)| count).fetch_add(1, Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// What it counted.
    pub(crate) fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        self.add_to(&mut sum);
        sum
    }

    pub(crate) fn add_to(&self, sum: &mut Sum) {
        sum.buckets.resize(N + 1, (f64::INFINITY, 0));
        let counts = self.counts.iter().chain([&self.beyond]);
        let bounds = self.bounds.iter().chain([&f64::INFINITY]);
        for ((bound, count), bucket) in bounds.zip(counts).zip(&mut sum.buckets) {
            *bucket = (*bound, bucket.1 + count.load(Relaxed));
        }
        sum.seconds += Duration::from_micros(self.micros.load(Relaxed)).as_secs_f64();
    }
}

/// What histograms counted, together.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) buckets: Vec<(f64, u64)>,
    pub(crate) seconds: f64,
}

impl Sum {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_told_as_it_went() {
        let metrics = Metrics::new();
        metrics.reloaded("2026-11-23T12:00:00Z".parse().unwrap());
        metrics.not_reloaded();
        let text = metrics.text();
        for line in [
            "roadworks_config_last_reload_successful 0",
            "roadworks_config_last_reload_success_timestamp_seconds 1795435200",
            &format!("roadworks_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
            "# EOF",
        ] {
            assert!(text.lines().any(|has| has == line), "{line}\n{text}");
        }
    }
}
