//! Every metric that a process exports, so that each is there, with its help, before the first
//! thing happens. docs/telemetry.md lists the same for people; a test compares the two.
//!
//! Labels hold what is bounded by the cluster: a server's slug, a lane, a kind, an outcome, a route's
//! template. Never an artist, a job or an address.

use metrics::{
    Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

mod table;

/// A process that exports metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// `tourbus web`.
    Web,
    /// `tourbus coordinator`.
    Coordinator,
    /// `tourbus worker`.
    Worker,
    /// `tourbus media`.
    Media,
    /// `tourbus agent`.
    Agent,
    /// `tourbus staging`.
    Staging,
}

impl Process {
    /// Every process.
    pub const ALL: [Self; 6] =
        [Self::Web, Self::Coordinator, Self::Worker, Self::Media, Self::Agent, Self::Staging];

    /// Its name, as in its command.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Media => "media",
            Self::Agent => "agent",
            Self::Staging => "staging",
        }
    }

    /// What it exports.
    pub fn metrics(self) -> impl Iterator<Item = &'static Metric> {
        table::COMMON.iter().chain(table::of(self).iter().copied().flatten())
    }
}

/// How a metric counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Type {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// Its labels.
#[derive(Debug, Clone, Copy)]
pub enum Labels {
    /// Each with every value that it can have: all series are there from the start.
    Known(&'static [(&'static str, &'static [&'static str])]),
    /// Names; series come with what they are about (a server, a lane, a route).
    Seen(&'static [&'static str]),
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name; the unit comes last.
    pub name: &'static str,
    /// How it counts.
    pub kind: Type,
    /// Its labels.
    pub labels: Labels,
    /// What it means.
    pub help: &'static str,
}

/// Gives each histogram of this process its buckets.
pub(crate) fn buckets(
    process: Process,
    mut builder: PrometheusBuilder,
) -> Result<PrometheusBuilder, BuildError> {
    for metric in process.metrics() {
        if let Type::Histogram(bounds) = metric.kind {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, bounds)?;
        }
    }
    Ok(builder)
}

/// Describes all that this process exports, and makes the series that are known now, at zero.
pub(crate) fn register(process: Process) {
    for metric in process.metrics() {
        match metric.kind {
            Type::Counter => describe_counter!(metric.name, Unit::Count, metric.help),
            Type::Gauge => describe_gauge!(metric.name, Unit::Count, metric.help),
            Type::Histogram(_) => describe_histogram!(metric.name, Unit::Count, metric.help),
        }
        for labels in metric.series() {
            match metric.kind {
                Type::Counter => counter!(metric.name, labels).increment(0),
                Type::Gauge => gauge!(metric.name, labels).increment(0.0),
                // Making the handle makes the series.
                Type::Histogram(_) => drop(histogram!(metric.name, labels)),
            }
        }
    }
}

impl Metric {
    /// Every combination of labels that is known from the start.
    fn series(&self) -> Vec<Vec<Label>> {
        let Labels::Known(labels) = self.labels else { return Vec::new() };
        let mut all = vec![Vec::new()];
        for (key, values) in labels {
            let longer = |so_far: &Vec<Label>| {
                let so_far = so_far.clone();
                values.iter().map(move |value| {
                    let mut labels = so_far.clone();
                    labels.push(Label::from_static_parts(key, value));
                    labels
                })
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// The names of its labels.
    pub fn label_names(&self) -> Vec<&'static str> {
        match self.labels {
            Labels::Known(labels) => labels.iter().map(|(name, _)| *name).collect(),
            Labels::Seen(names) => names.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// What a name may end with: a unit, or what is counted.
    const ENDS: [&str; 17] = [
        "_total",
        "_seconds",
        "_bytes",
        "_ratio",
        "_info",
        "_rows",
        "_events",
        "_messages",
        "_clients",
        "_steps",
        "_servers",
        "_letters",
        "_findings",
        "_consumers",
        "_jobs",
        "_streams",
        "_checks",
    ];
    const ENDS_ALSO: [&str; 5] = ["_nodes", "_artists", "_plays", "_lanes", "_bytes_per_second"];
    const SERIES_MAX: usize = 400;

    #[test]
    fn names_say_their_unit_and_counters_end_in_total() {
        for process in Process::ALL {
            for Metric { name, kind, help, .. } in process.metrics() {
                assert_eq!(*kind == Type::Counter, name.ends_with("_total"), "{name}");
                let unit = ENDS.iter().chain(&ENDS_ALSO).any(|end| name.ends_with(end));
                assert!(unit || help.starts_with("1 while "), "{name}: no unit");
                assert!(name.starts_with("tourbus_") || name.starts_with("process_"), "{name}");
                assert!(help.len() > 10 && !help.ends_with('.'), "{name}: {help}");
            }
        }
    }

    #[test]
    fn a_metric_is_the_same_on_every_process_and_once_on_each() {
        let mut known = BTreeMap::new();
        for process in Process::ALL {
            let mut here = BTreeSet::new();
            let mut series = 0;
            for metric in process.metrics() {
                assert!(here.insert(metric.name), "{} twice on {process:?}", metric.name);
                let said = (metric.kind, metric.help);
                let other = known.entry(metric.name).or_insert(said);
                assert_eq!(*other, said, "{}", metric.name);
                series += metric.series().len();
            }
            assert!(series < SERIES_MAX, "{process:?}: {series} series at the start");
        }
    }

    #[test]
    fn series_are_all_combinations() {
        let labels = Labels::Known(&[("a", &["1", "2"]), ("b", &["x", "y", "z"])]);
        let metric = Metric { name: "n_total", kind: Type::Counter, labels, help: "" };
        assert_eq!(metric.series().len(), 6);
        let none = Metric { labels: Labels::Known(&[]), ..metric };
        assert_eq!(none.series(), [Vec::new()]);
    }

    #[test]
    fn the_manual_lists_every_metric_and_no_other() {
        let manual = include_str!("../../../docs/telemetry.md");
        let mut listed = BTreeSet::new();
        for line in manual.lines().filter(|l| l.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let name = cells[0].trim_matches('`');
            if name.starts_with("tourbus_") || name.starts_with("process_") {
                listed.insert(name.to_owned());
            }
        }
        let exported: BTreeSet<String> =
            Process::ALL.iter().flat_map(|p| p.metrics()).map(|m| m.name.to_owned()).collect();
        assert_eq!(listed, exported);
    }
}
