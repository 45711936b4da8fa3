//! The table itself.

use super::{
    Labels::{self, Known, Seen},
    Metric, Process,
    Type::{Counter, Gauge, Histogram},
};

/// Kinds of steps, as `StepKind` names them; a test compares.
const STEPS: &[&str] = &[
    "export",
    "import",
    "sync",
    "promote",
    "retire",
    "abandon_import",
    "abandon_export",
    "provision",
    "lofi",
    "verify",
];
/// Kinds of jobs.
const JOBS: &[&str] = &["move", "provision", "lofi", "verify"];
/// How a job ends.
const JOB_ENDS: &[&str] = &["succeeded", "failed", "cancelled", "stuck"];
/// How a try of a step ends.
const STEP_ENDS: &[&str] = &["done", "failed", "yielded", "snoozed", "void"];
/// Kinds of findings.
const FINDINGS: &[&str] = &["corrupt", "unreadable", "missing", "changed", "untracked"];

/// Answers, confirms, transactions: from milliseconds to half a minute.
const QUICK_S: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Steps and jobs: from a tenth of a second to a day.
const LONG_S: &[f64] =
    &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];
/// Batches of events; 200 is the most.
const COUNTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

const NONE: Labels = Known(&[]);

const fn counter(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Counter, labels, help }
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Gauge, labels, help }
}

const fn quick(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Histogram(QUICK_S), labels, help }
}

const fn long(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Histogram(LONG_S), labels, help }
}

pub(super) const COMMON: &[Metric] = &[
    gauge(
        "tourbus_build_info",
        Seen(&["version", "process"]),
        "1 while the process runs, with its version",
    ),
    gauge("process_start_time_seconds", NONE, "When the process started, in seconds since 1970"),
    counter(
        "tourbus_otlp_spans_total",
        Known(&[("outcome", &["sent", "dropped"])]),
        "Spans for the collector",
    ),
];

const BROKER: &[Metric] = &[
    gauge("tourbus_broker_blocked", NONE, "1 while the broker takes no messages from this process"),
    gauge(
        "tourbus_broker_connected",
        Known(&[("connection", &["publishing", "consuming"])]),
        "1 while the connection stands",
    ),
    counter(
        "tourbus_broker_reconnects_total",
        Known(&[("connection", &["publishing", "consuming"])]),
        "Connections that were lost or could not be made",
    ),
    counter(
        "tourbus_broker_publishes_total",
        Known(&[(
            "outcome",
            &[
                "confirmed",
                "unroutable",
                "nacked",
                "refused",
                "timeout",
                "disconnected",
                "blocked",
                "too_large",
            ],
        )]),
        "Messages published, by what came of them",
    ),
    quick(
        "tourbus_broker_confirm_seconds",
        NONE,
        "How long a batch of messages took to be confirmed",
    ),
    counter(
        "tourbus_broker_settled_total",
        Known(&[("verdict", &["ack", "requeue", "reject", "lost"])]),
        "Deliveries settled",
    ),
    counter("tourbus_broker_deliveries_total", Seen(&["queue"]), "Messages delivered"),
    counter(
        "tourbus_broker_consumer_rebuilds_total",
        Seen(&["queue"]),
        "Consumers that were lost and made again",
    ),
];

/// Of both that have a database.
const ACQUIRES: Metric = counter(
    "tourbus_database_acquires_total",
    NONE,
    "Connections taken from the pool: one for each query or transaction",
);

/// Of whoever changes jobs: a task that is cancelled ends in web.
const LAPS: &[Metric] = &[
    long(
        "tourbus_job_wait_seconds",
        Known(&[("kind", JOBS)]),
        "From asking for a job to its beginning",
    ),
    long(
        "tourbus_job_run_seconds",
        Known(&[("kind", JOBS), ("outcome", JOB_ENDS)]),
        "From a job's beginning to its end",
    ),
];

const WEB: &[Metric] = &[
    ACQUIRES,
    counter(
        "tourbus_http_requests_total",
        Seen(&["method", "route", "status"]),
        "Requests answered, by route",
    ),
    quick("tourbus_http_answer_seconds", Seen(&["route"]), "Time until an answer begins, by route"),
    gauge("tourbus_sse_clients", NONE, "Open streams of changes"),
    counter(
        "tourbus_front_door_remembered_total",
        NONE,
        "Visitors sent on from memory while the database was away",
    ),
    counter(
        "tourbus_broker_polls_total",
        Known(&[("outcome", &["ok", "failed"])]),
        "Looks at the broker's management API",
    ),
    gauge(
        "tourbus_queue_ready_messages",
        Seen(&["queue", "server", "lane"]),
        "Messages that wait on a queue",
    ),
    gauge(
        "tourbus_queue_unacked_messages",
        Seen(&["queue", "server", "lane"]),
        "Messages of a queue that somebody works on",
    ),
    gauge("tourbus_queue_consumers", Seen(&["queue", "server", "lane"]), "Consumers of a queue"),
    gauge(
        "tourbus_queue_oldest_waiting_seconds",
        Seen(&["queue", "server", "lane"]),
        "How long the oldest order waits on a lane; 0 when none does",
    ),
    gauge(
        "tourbus_broker_alarm_nodes",
        NONE,
        "Nodes of the broker that are short of memory or disk",
    ),
];

const COORDINATOR: &[Metric] = &[
    counter("tourbus_webhook_tries_total", Seen(&["outcome"]), "Tries to tell a webhook"),
    ACQUIRES,
    gauge(
        "tourbus_open_jobs",
        Known(&[("kind", JOBS), ("state", &["queued", "running", "rolling_back"])]),
        "Jobs that have not ended",
    ),
    gauge("tourbus_stuck_jobs", NONE, "Jobs that cannot even be undone"),
    gauge(
        "tourbus_outbox_rows",
        NONE,
        "Orders that the broker has not been given yet, later ones included",
    ),
    gauge("tourbus_outbox_due_rows", NONE, "Orders that the broker should have been given by now"),
    gauge("tourbus_outbox_oldest_due_seconds", NONE, "How long the oldest of these has been due"),
    counter("tourbus_orders_published_total", NONE, "Orders that the broker has confirmed"),
    counter("tourbus_orders_unroutable_total", NONE, "Orders for whose lane there was no queue"),
    Metric {
        name: "tourbus_event_batch_events",
        kind: Histogram(COUNTS),
        labels: NONE,
        help: "Events applied together",
    },
    quick("tourbus_event_apply_seconds", NONE, "How long a batch of events took to be applied"),
    counter(
        "tourbus_events_total",
        Known(&[("outcome", &["applied", "ignored", "rejected"])]),
        "Events of jobs",
    ),
    counter("tourbus_heartbeats_total", NONE, "Heartbeats of workers"),
    counter("tourbus_void_tries_total", NONE, "Tries called off that a worker still held"),
    counter(
        "tourbus_rescues_total",
        Known(&[("kind", STEPS)]),
        "Steps sent again because no heartbeat named them any more",
    ),
    counter("tourbus_followed_total", NONE, "Jobs sent to where their artist lives now"),
    counter(
        "tourbus_plays_total",
        Known(&[("outcome", &["applied", "foreign"])]),
        "Plays that servers told",
    ),
    counter(
        "tourbus_catalogues_total",
        Known(&[("outcome", &["applied", "old", "foreign"])]),
        "Lists of songs that servers told",
    ),
    counter("tourbus_sweep_objects_total", NONE, "Objects of dead moves removed from staging"),
    counter("tourbus_verify_turns_total", NONE, "Artists whose turn to be verified has come"),
    counter(
        "tourbus_dead_letters_total",
        Seen(&["reason", "fault"]),
        "Dead letters taken off the broker",
    ),
    gauge("tourbus_waiting_dead_letters", NONE, "Dead letters that wait for somebody"),
    gauge(
        "tourbus_open_findings",
        Known(&[("kind", FINDINGS)]),
        "Files that are not what their record says, and nobody has settled",
    ),
    gauge(
        "tourbus_balance_skew_ratio",
        NONE,
        "By how much of its share the plays of the server that is furthest from it are above or below",
    ),
    gauge(
        "tourbus_server_silent_seconds",
        Seen(&["server"]),
        "Since when no worker of a server has reported",
    ),
    gauge(
        "tourbus_server_free_bytes",
        Seen(&["server"]),
        "Free disk of a server, as last reported",
    ),
    gauge("tourbus_server_disk_bytes", Seen(&["server"]), "Size of that disk"),
    gauge("tourbus_server_artists", Seen(&["server"]), "Artists that live on a server"),
    gauge(
        "tourbus_server_recent_plays",
        Seen(&["server"]),
        "Plays of these artists in the last 30 days",
    ),
];

const WORKER: &[Metric] = &[
    gauge(
        "tourbus_worker_paused_lanes",
        NONE,
        "Lanes of the server from which this worker takes nothing, because a person paused them",
    ),
    gauge(
        "tourbus_worker_limit_bytes_per_second",
        NONE,
        "This worker's share of the bandwidth for moves; 0 without a limit",
    ),
    counter("tourbus_worker_paced_total", NONE, "Waits for bandwidth"),
    counter(
        "tourbus_worker_steps_total",
        Known(&[("kind", STEPS), ("outcome", STEP_ENDS)]),
        "Tries of steps that ended",
    ),
    long(
        "tourbus_worker_step_seconds",
        Known(&[("kind", STEPS)]),
        "How long a try of a step took, however it ended",
    ),
    gauge("tourbus_worker_held_steps", NONE, "Tries in this worker's hands"),
    gauge("tourbus_worker_free_bytes", NONE, "Free disk of the media root"),
    gauge("tourbus_worker_quarantined", NONE, "1 while this server takes no work"),
    counter(
        "tourbus_worker_refused_total",
        NONE,
        "Messages refused: unsigned, expired or for somebody else",
    ),
    counter(
        "tourbus_worker_events_dropped_total",
        Seen(&["event"]),
        "Events on the way that were dropped",
    ),
    counter("tourbus_worker_staged_bytes_total", NONE, "Bytes put into staging"),
    counter("tourbus_worker_imported_bytes_total", NONE, "Bytes fetched, verified and written"),
    counter(
        "tourbus_worker_verified_bytes_total",
        NONE,
        "Bytes verified before an artist was promoted",
    ),
    counter(
        "tourbus_worker_mended_slices_total",
        NONE,
        "Pieces that did not hash right and were fetched again",
    ),
    counter("tourbus_worker_reread_bytes_total", NONE, "Bytes read back by verify jobs"),
    counter(
        "tourbus_worker_converted_audio_seconds_total",
        NONE,
        "Music converted, in seconds of its playing time",
    ),
    counter("tourbus_worker_plays_delivered_total", NONE, "Plays told to the master"),
    counter("tourbus_worker_catalogues_told_total", NONE, "Lists of songs told to the master"),
];

const MEDIA: &[Metric] = &[
    counter(
        "tourbus_media_requests_total",
        Known(&[(
            "status",
            &["200", "206", "304", "308", "400", "403", "404", "416", "other", "5xx"],
        )]),
        "Answers, by status",
    ),
    quick(
        "tourbus_media_answer_seconds",
        Known(&[("route", &["file", "page", "workshop", "other"])]),
        "Time until an answer begins, by route",
    ),
    counter("tourbus_media_bytes_total", NONE, "Bytes of files sent to listeners"),
    counter("tourbus_media_disk_reads_total", NONE, "Reads that waited for the disk"),
    gauge("tourbus_media_streams", NONE, "Files being sent now"),
    counter("tourbus_media_plays_total", NONE, "Plays counted"),
    counter("tourbus_media_plays_lost_total", NONE, "Plays that could not be written down"),
    counter(
        "tourbus_media_uploads_total",
        Known(&[("event", &["begun", "placed", "refused", "given_up"])]),
        "Uploads, by what became of them",
    ),
    counter("tourbus_media_upload_bytes_total", NONE, "Bytes of uploads taken"),
];

const AGENT: &[Metric] = &[
    counter(
        "tourbus_agent_reports_total",
        Known(&[("outcome", &["taken", "failed"])]),
        "Reports to the master",
    ),
    gauge(
        "tourbus_agent_checks",
        Known(&[("state", &["green", "red"])]),
        "Checks of this server, by what they found last",
    ),
];

const STAGING: &[Metric] = &[counter(
    "tourbus_staging_requests_total",
    Seen(&["method", "status"]),
    "Requests to the embedded store",
)];

pub(super) const fn of(process: Process) -> &'static [&'static [Metric]] {
    match process {
        Process::Web => &[WEB, LAPS],
        Process::Coordinator => &[BROKER, COORDINATOR, LAPS],
        Process::Worker => &[BROKER, WORKER],
        Process::Media => &[MEDIA],
        // Its check of the broker connects for a moment only.
        Process::Agent => &[BROKER, AGENT],
        Process::Staging => &[STAGING],
    }
}
