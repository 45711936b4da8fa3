//! The loop: report, run checks when they are due or wanted, report what they found.

use crate::{
    AgentError,
    checks::{self, Facts},
    master::{Master, Reported},
    settings,
    state::{self, AgentState, Counter, Trouble},
};
use chrono::Utc;
use std::{fs, time::Duration};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tourbus_config::AgentConfig;
use tourbus_protocol::{
    CheckName, CheckResult, CheckState, ServerKey,
    agent::{Report, ReportAnswer, Settings},
};
use tourbus_supervisor::files;
use tourbus_telemetry::{Health, Process};

/// The version that this agent is of.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What an agent works with.
struct Agent {
    config: AgentConfig,
    key: ServerKey,
    master: Master,
    counter: Counter,
    health: Health,
    /// What was found and not yet taken by the master.
    found: Vec<CheckResult>,
    /// What was found last, for the state file while the master is away.
    last: Vec<CheckResult>,
    /// What was last in the way of a report.
    trouble: Option<Trouble>,
    /// Why the settings that the master has now are not taken.
    refused: Vec<CheckResult>,
}

/// Reports until `shutdown`.
pub async fn run(config: AgentConfig, shutdown: CancellationToken) -> Result<(), AgentError> {
    let health = Health::install(Process::Agent, &["master"])
        .map_err(|e| AgentError::Metrics(e.to_string()))?;
    let address = config.health.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| AgentError::Listen { address, source })?;
    let (served, stop) = (health.clone(), shutdown.clone());
    let serving = tokio::spawn(async move {
        if let Err(error) = tourbus_telemetry::serve(listener, served, stop.cancelled_owned()).await
        {
            tracing::warn!(%error, "agent.health_listener_failed");
        }
    });
    let key_error = |message: String| AgentError::Key { path: config.key_file.clone(), message };
    let text = fs::read_to_string(&config.key_file).map_err(|e| key_error(e.to_string()))?;
    let key = ServerKey::from_hex(&text).map_err(|e| key_error(e.to_string()))?;
    let agent = Agent {
        master: Master::new(&config.master_url, &config.master_tls)?,
        counter: Counter::open(&config.state_dir)?,
        key,
        health,
        found: Vec::new(),
        last: Vec::new(),
        trouble: None,
        refused: Vec::new(),
        config,
    };
    tracing::info!(server = %agent.config.server, master = agent.config.master_url, "agent.started");
    agent.report_until(shutdown).await;
    serving.abort();
    Ok(())
}

impl Agent {
    async fn report_until(mut self, shutdown: CancellationToken) {
        let every = Duration::from_millis(self.config.report_every_ms.max(100));
        let mut running: Option<JoinHandle<Vec<CheckResult>>> = None;
        let mut checks_due = Instant::now();
        loop {
            let next_report = Instant::now() + every;
            let answer = self.report().await;
            if let Some((facts, wanted)) = answer
                && running.is_none()
                && (wanted || Instant::now() >= checks_due)
            {
                running = Some(tokio::spawn(checks::all(self.config.clone(), facts)));
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = sleep_until(next_report) => {}
                mut found = finished(&mut running) => {
                    settings::overrule(&mut found, &self.refused);
                    checks_due = Instant::now() + self.pause_after(&found);
                    count(&found);
                    self.last.clone_from(&found);
                    self.found = found;
                    running = None;
                }
            }
        }
        if let Some(checks) = running {
            checks.abort();
        }
    }

    fn pause_after(&self, found: &[CheckResult]) -> Duration {
        let red = found.iter().any(|c| c.state == CheckState::Red);
        let config = &self.config;
        Duration::from_secs(if red { config.red_checks_every_s } else { config.checks_every_s })
    }

    /// Reports once. What the checks must know of the master, and whether they are wanted, if it
    /// was taken.
    async fn report(&mut self) -> Option<(Facts, bool)> {
        let seq = match self.counter.next(Utc::now()) {
            Ok(seq) => seq,
            Err(error) => {
                // Without a number kept, a later report could be taken for a replay.
                self.trouble(
                    Trouble {
                        cause: format!("The agent's own directory cannot be written: {error}."),
                        remedy: "Free some disk, or mend the directory's owner and mode."
                            .to_owned(),
                    },
                    false,
                );
                return None;
            }
        };
        let report = Report {
            server: self.config.server.clone(),
            seq,
            at: Utc::now(),
            version: VERSION.to_owned(),
            checks: self.found.clone(),
            settings: self.config.settings_file.as_deref().map(state::fingerprint),
        };
        match self.master.report(&report, &self.key).await {
            Reported::Taken { answer, clock_ahead_s } => {
                self.found.clear();
                Some(self.taken(*answer, clock_ahead_s))
            }
            Reported::Replayed(trouble) => {
                self.counter.jump();
                self.trouble(trouble, false);
                None
            }
            Reported::Deleted(trouble) => {
                self.trouble(trouble, true);
                None
            }
            Reported::Failed(trouble) => {
                self.trouble(trouble, false);
                None
            }
        }
    }

    fn taken(&mut self, answer: ReportAnswer, clock_ahead_s: f64) -> (Facts, bool) {
        self.health.set("master", Ok(()));
        metrics::counter!("tourbus_agent_reports_total", "outcome" => "taken").increment(1);
        match &answer.settings {
            Some(settings) => self.take(settings),
            None => self.refused.clear(),
        }
        self.trouble = None;
        let checks = answer.checks;
        self.keep(&AgentState { at: Utc::now(), checks, trouble: None, deleted: false });
        let facts = Facts { master_version: answer.version, clock_ahead_s };
        (facts, answer.checks_wanted)
    }

    /// Keeps new settings, for `tourbus server run`.
    fn take(&mut self, settings: &Settings) {
        let Some(file) = &self.config.settings_file else { return };
        let refused = settings::refused(settings, &self.config.allow_unencrypted);
        if refused.is_empty() {
            match files::write_json(file, settings, 0o600) {
                Ok(()) => tracing::info!("agent.settings_taken"),
                Err(error) => tracing::error!(%error, "agent.settings_not_kept"),
            }
        } else if refused != self.refused {
            tracing::error!(why = ?refused, "agent.settings_refused");
        }
        self.refused = refused;
    }

    fn trouble(&mut self, trouble: Trouble, deleted: bool) {
        metrics::counter!("tourbus_agent_reports_total", "outcome" => "failed").increment(1);
        // Once, not with every report.
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(cause = trouble.cause, remedy = trouble.remedy, "agent.not_reported");
            self.trouble = Some(trouble.clone());
        }
        self.health.set("master", Err(trouble.cause.clone()));
        let mut checks =
            vec![CheckResult::red(CheckName::Agent, &trouble.cause, trouble.remedy.clone())];
        checks.extend(self.last.iter().cloned());
        self.keep(&AgentState { at: Utc::now(), checks, trouble: Some(trouble), deleted });
    }

    fn keep(&self, state: &AgentState) {
        if let Err(error) = state.write(&self.config.state_dir) {
            tracing::warn!(%error, "agent.state_not_kept");
        }
    }
}

/// Shows how many checks are green and red.
fn count(found: &[CheckResult]) {
    for (name, state) in [("green", CheckState::Green), ("red", CheckState::Red)] {
        let n = found.iter().filter(|c| c.state == state).count();
        metrics::gauge!("tourbus_agent_checks", "state" => name).set(n as f64);
    }
}

/// What the running checks found; waits for ever when none run.
async fn finished(running: &mut Option<JoinHandle<Vec<CheckResult>>>) -> Vec<CheckResult> {
    match running {
        // A panic is a bug, and found nothing; the next round comes.
        Some(task) => task.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
