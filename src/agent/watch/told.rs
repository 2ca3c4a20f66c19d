//! What the watch tells whoever scrapes. Names are those of docs/metrics.md.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::Drift;
use crate::switch::LeverName;

/// The sites that an agent of this process leads. A clone speaks of the same.
#[derive(Debug, Clone, Default)]
pub struct Watched(Arc<Mutex<BTreeMap<String, Site>>>);

/// A site, as it was looked at last.
#[derive(Debug)]
struct Site {
    /// When all of it could be read.
    at: Option<Timestamp>,
    /// Each lever that is watched, and whether somebody else moved it.
    levers: BTreeMap<LeverName, bool>,
}

impl Watched {
    fn sites(&self) -> MutexGuard<'_, BTreeMap<String, Site>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `levers` of `site` were looked at, all of them at `read` if that could be, and these had been moved.
    pub(super) fn looked(
        &self,
        site: &str,
        read: Option<Timestamp>,
        levers: &[LeverName],
        drifts: &[Drift],
    ) {
        let moved = |lever: LeverName| drifts.iter().any(|drift| drift.lever == lever);
        let levers = levers.iter().map(|lever| (*lever, moved(*lever))).collect();
        let mut sites = self.sites();
        let at = read.or_else(|| sites.get(site)?.at);
        sites.insert(site.to_owned(), Site { at, levers });
    }

    /// Another agent leads `site`, or none.
    pub(in crate::agent) fn leaves(&self, site: &str) {
        self.sites().remove(site);
    }
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sites = self.sites();
        let help = "Whether somebody else moved a lever behind the switch's back";
        let mut drift = encoder.encode_descriptor("drift", help, None, MetricType::Gauge)?;
        for (site, Site { levers, .. }) in sites.iter() {
            for (lever, moved) in levers {
                let labels = [("site", site.as_str()), ("lever", lever.word())];
                drift.encode_family(&labels)?.encode_gauge(&i64::from(*moved))?;
            }
        }
        let (name, help) = ("watched_timestamp_seconds", "When the levers could be read last");
        let mut read = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (site, Site { at, .. }) in sites.iter() {
            let Some(at) = at else { continue };
            let at = at.as_duration().as_secs_f64();
            read.encode_family(&[("site", site.as_str())])?.encode_gauge(&at)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Then;
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_lever_that_is_watched_is_told_of_while_its_site_is_led_here() {
        let (metrics, watched) = (Metrics::new(), Watched::default());
        metrics.add(watched.clone());
        let drift = Drift {
            lever: LeverName::Dns,
            kind: "route53".to_owned(),
            target: "shop A".to_owned(),
            was: Value::Null,
            is: Value::Null,
            noticed: Timestamp::UNIX_EPOCH,
            then: Then::Reported,
            why: None,
        };
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let levers = [LeverName::Dns, LeverName::Balancer];
        watched.looked("shop", Some(at), &levers, &[]);
        watched.looked("shop", None, &levers, &[drift]);
        let text = metrics.text();
        for line in [
            "roadworks_drift{site=\"shop\",lever=\"dns\"} 1",
            "roadworks_drift{site=\"shop\",lever=\"balancer\"} 0",
            "roadworks_watched_timestamp_seconds{site=\"shop\"} 1800000000.0",
        ] {
            assert!(text.lines().any(|has| has == line), "{line}\n{text}");
        }
        watched.leaves("shop");
        assert!(!metrics.text().contains("site=\"shop\""));
    }
}
