//! What processes tell of themselves: metrics that dashboards and alerts find, one trace for one move,
//! logs that machines read.

mod collector;
mod promql;

use collector::Collector;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tourbus_domain::{FindingKind, JobKind, StepKind};
use tourbus_telemetry::{Labels, Process};
use tourbus_tests::{support::Cluster, support::endpoints, tree, wait};

const PATIENCE: Duration = Duration::from_secs(60);
/// What Prometheus itself adds.
const PROMETHEUS_OWN: [&str; 1] = ["up"];

fn compose() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("compose")
}

/// Every expression of alerts and dashboards, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let alerts = fs::read_to_string(compose().join("prometheus/alerts.yml")).unwrap();
    let rules = alerts.lines().filter(|l| l.trim_start().starts_with("- alert:")).count();
    for line in alerts.lines() {
        if let Some(expr) = line.trim_start().strip_prefix("expr: ") {
            let expr = expr.strip_prefix('\'').and_then(|e| e.strip_suffix('\'')).unwrap();
            found.push(("alerts.yml".to_owned(), expr.to_owned()));
        }
    }
    assert_eq!(found.len(), rules, "an expression is not on a line of its own");
    for entry in fs::read_dir(compose().join("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let before = found.len();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{name}: {}", panel["title"]);
                found.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if let Some(query) = variable["query"]["query"].as_str() {
                found.push((name.clone(), query.to_owned()));
            }
        }
        assert!(found.len() > before, "{name} shows nothing");
    }
    found
}

/// The names that a process exports, `# TYPE` lines included: name to type.
struct Scraped {
    text: String,
    types: BTreeMap<String, String>,
    helped: BTreeSet<String>,
}

impl Scraped {
    fn read(text: String) -> Self {
        let mut types = BTreeMap::new();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
            {
                types.insert(name.to_owned(), kind.to_owned());
            }
            if let Some((name, _)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
                helped.insert(name.to_owned());
            }
        }
        Self { text, types, helped }
    }

    /// The names that samples have.
    fn samples(&self) -> BTreeSet<String> {
        let lines = self.text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        lines.map(|l| l.split(['{', ' ']).next().unwrap().to_owned()).collect()
    }

    /// What is wrong with it: a sample without type or help, a counter that is not called one.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for sample in self.samples() {
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| sample.strip_suffix(end))
                .find(|base| self.types.get(*base).is_some_and(|t| t == "histogram"));
            let name = of_histogram.unwrap_or(&sample);
            let Some(kind) = self.types.get(name) else {
                faults.push(format!("{name} has no TYPE"));
                continue;
            };
            if !self.helped.contains(name) {
                faults.push(format!("{name} has no HELP"));
            }
            if kind == "summary" || (kind == "counter") != name.ends_with("_total") {
                faults.push(format!("{name} is a {kind}"));
            }
        }
        faults
    }
}

async fn scrape(url: &str) -> Scraped {
    let http = tourbus_http::plain().unwrap().timeout(Duration::from_secs(10)).build().unwrap();
    let answer = http.get(format!("{url}/metrics")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    Scraped::read(answer.text().await.unwrap())
}

/// One of each process, and where its metrics are.
fn places(cluster: &Cluster) -> Vec<(Process, String)> {
    let at = |process: &str| {
        let config: toml::Table =
            fs::read_to_string(cluster.config_path(process)).unwrap().parse().unwrap();
        let listen = config.get("listen").or_else(|| config["health"].get("listen")).unwrap();
        format!("http://{}", listen.as_str().unwrap())
    };
    vec![
        (Process::Web, at("web")),
        (Process::Coordinator, at("coordinator")),
        (Process::Worker, at("worker-server2-1")),
        (Process::Media, at("media-server2")),
        (Process::Agent, at("agent-server2")),
        (Process::Staging, endpoints().staging.config().endpoint),
    ]
}

/// Everything that all processes export now; fails if one of them exports it badly.
async fn exported(cluster: &Cluster) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (process, url) in places(cluster) {
        let scraped = scrape(&url).await;
        assert_eq!(scraped.faults(), Vec::<String>::new(), "{process:?}");
        let samples = scraped.samples();
        for metric in process.metrics() {
            let open = matches!(metric.labels, Labels::Seen(_));
            let ends = ["", "_count"].map(|end| format!("{}{end}", metric.name));
            let there = ends.iter().any(|name| samples.contains(name));
            assert!(there || open, "{process:?} does not export {} yet", metric.name);
        }
        let known: BTreeSet<&str> = process.metrics().map(|m| m.name).collect();
        let unknown: Vec<&String> =
            scraped.types.keys().filter(|name| !known.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{process:?}: not in the catalogue: {unknown:?}");
        all.extend(samples);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_every_metric_of_dashboards_and_alerts_is_exported() {
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for (place, expression) in expressions() {
        for name in promql::metrics(&expression).unwrap_or_else(|e| panic!("{place}: {e}")) {
            named.entry(name).or_insert_with(|| place.clone());
        }
    }
    for own in PROMETHEUS_OWN {
        named.remove(own);
    }
    assert!(named.len() > 50, "the expressions were not read: {named:?}");
    // Exported only once it has happened, as its labels cannot be known before.
    for late in ["tourbus_dead_letters_total", "tourbus_worker_events_dropped_total"] {
        assert!(Process::ALL.iter().any(|p| p.metrics().any(|m| m.name == late)), "{late}");
        named.remove(late);
    }
    let cluster = Cluster::start("telemetry_metrics").await;
    // Queues and servers are seen within seconds.
    let missing = || async {
        let exported = exported(&cluster).await;
        named.iter().filter(|(n, _)| !exported.contains(*n)).collect::<Vec<_>>()
    };
    wait::until("every metric that is named", PATIENCE, missing, Vec::is_empty).await;
    cluster.finish().await;
}

#[test]
fn telemetry_labels_know_every_kind() {
    let values = |process: Process, metric: &str, label: &str| {
        let metric = process.metrics().find(|m| m.name == metric).unwrap();
        let Labels::Known(labels) = metric.labels else { panic!("{}", metric.name) };
        labels.iter().find(|(name, _)| *name == label).unwrap().1.to_vec()
    };
    let steps: Vec<&str> = StepKind::ALL.into_iter().map(StepKind::as_str).collect();
    assert_eq!(values(Process::Worker, "tourbus_worker_steps_total", "kind"), steps);
    assert_eq!(values(Process::Coordinator, "tourbus_rescues_total", "kind"), steps);
    let jobs: Vec<&str> = JobKind::ALL.into_iter().map(JobKind::as_str).collect();
    assert_eq!(values(Process::Coordinator, "tourbus_job_run_seconds", "kind"), jobs);
    let findings: Vec<&str> = FindingKind::ALL.into_iter().map(FindingKind::as_str).collect();
    assert_eq!(values(Process::Coordinator, "tourbus_open_findings", "kind"), findings);
}

/// Every line of a process's log, as JSON.
fn log_of(cluster: &Cluster, process: &str) -> Vec<Value> {
    let text = cluster.log_of(process);
    let lines = text.lines().filter(|l| !l.is_empty());
    let read = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|e| panic!("{process}: {e}: {line}"))
    };
    lines.map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_one_move_is_one_trace_and_logs_are_json() {
    let collector = Collector::start().await;
    let settings = ["web", "coordinator", "worker", "media", "agent"].map(|role| {
        format!(
            "[{role}.telemetry]\nlog_format = \"json\"\notlp_endpoint = \"{}\"\n",
            collector.url()
        )
    });
    let cluster = Cluster::start_with("telemetry_trace", &settings.concat()).await;
    let artist = cluster.add_artist("server2", |root| tree::odd(root, 8)).await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(job["state"], "succeeded", "{job}");
    let trace = job["trace_id"].as_str().unwrap().to_owned();

    let wanted = BTreeSet::from(
        [
            "tourbus-web POST /api/v1/moves",
            "tourbus-coordinator send export",
            "tourbus-worker do export",
            "tourbus-coordinator apply done",
            "tourbus-worker do import",
            "tourbus-worker do sync",
            "tourbus-worker do promote",
            "tourbus-worker do retire",
        ]
        .map(str::to_owned),
    );
    let missing = || async {
        let seen: BTreeSet<String> =
            collector.spans(&trace).iter().map(collector::Seen::title).collect();
        wanted.difference(&seen).cloned().collect::<Vec<_>>()
    };
    wait::until("the spans of the move", PATIENCE, missing, Vec::is_empty).await;
    let spans = collector.spans(&trace);
    let by_id: BTreeMap<&str, &collector::Seen> =
        spans.iter().map(|s| (s.id.as_str(), s)).collect();
    let roots: Vec<_> =
        spans.iter().filter(|s| s.parent.is_none()).map(collector::Seen::title).collect();
    assert_eq!(roots, ["tourbus-web POST /api/v1/moves"]);
    for span in spans.iter().filter(|s| s.title() == "tourbus-worker do export") {
        let parent = by_id[span.parent.as_deref().unwrap()];
        assert_eq!(parent.title(), "tourbus-coordinator send export");
        let first = by_id[parent.parent.as_deref().unwrap()];
        assert_eq!(first.title(), "tourbus-web POST /api/v1/moves");
        assert!(span.start_ns >= parent.start_ns && span.end_ns >= span.start_ns, "{span:?}");
    }

    for process in ["web", "coordinator", "worker-server2-1", "media-server2", "agent-server2"] {
        let lines = log_of(&cluster, process);
        assert!(!lines.is_empty(), "{process} logs nothing");
        for line in &lines {
            for field in ["timestamp", "level", "target"] {
                assert!(line[field].is_string(), "{process}: no {field}: {line}");
            }
        }
    }
    let of_the_move = |line: &&Value| line["span"]["trace_id"] == json!(trace);
    let worker = log_of(&cluster, "worker-server2-1");
    let ended = worker.iter().filter(of_the_move).find(|l| l["message"] == "step.ended");
    assert_eq!(ended.unwrap()["outcome"], "done", "{worker:?}");
    cluster.finish().await;
}
