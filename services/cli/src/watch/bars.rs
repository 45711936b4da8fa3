//! How a batch that is followed is shown: bars on a terminal, a line now and then elsewhere.

use super::words;
use crate::{
    error::CliError,
    numbers::bytes,
    text,
    view::{Batch, Job},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::IsTerminal,
    time::{Duration, Instant},
};
use tourbus_domain::JobState;
use uuid::Uuid;

/// Jobs at work that have a bar.
const BARS_MAX: usize = 5;
/// Where there is no terminal, a line at most this often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Widest name beside a bar, in columns.
const NAME_COLUMNS: usize = 28;
/// The whole of a bar: what it shows is a share.
const STEPS: u64 = 1000;

/// What is shown of a batch.
pub struct Progress {
    way: Way,
    at_work: BTreeMap<Uuid, Job>,
}

enum Way {
    Bars(Box<Bars>),
    Lines { last: Option<(Instant, String)> },
}

struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    jobs: Vec<ProgressBar>,
}

fn share(done: i64, total: i64) -> u64 {
    if total <= 0 {
        return 0;
    }
    (done.max(0) as f64 / total as f64 * STEPS as f64).min(STEPS as f64) as u64
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours, and a test reads them.
    let read = ProgressStyle::with_template(template);
    read.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

const WHOLE: &str = "[{bar:30}] {msg}";
const JOB: &str = "  [{bar:20}] {msg}";

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        let way = if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let whole = all.add(ProgressBar::new(STEPS).with_style(style(WHOLE)));
            Way::Bars(Box::new(Bars { all, whole, jobs: Vec::new() }))
        } else {
            Way::Lines { last: None }
        };
        Self { way, at_work: BTreeMap::new() }
    }

    /// These jobs, and no others, are at work.
    pub fn jobs_are(&mut self, jobs: Vec<Job>) {
        self.at_work.clear();
        self.jobs(jobs);
    }

    /// These jobs have changed.
    pub fn jobs(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let state = job.state.parse::<JobState>().ok();
            if state.is_some_and(|s| s.is_final() || s == JobState::Queued) {
                self.at_work.remove(&job.id);
            } else {
                self.at_work.insert(job.id, job);
            }
        }
    }

    /// Shows where the batch stands.
    pub fn show(&mut self, batch: &Batch) {
        let said = words::standing(batch);
        match &mut self.way {
            Way::Lines { last } => {
                let now = Instant::now();
                let due = last.as_ref().is_none_or(|(at, before)| {
                    now.duration_since(*at) >= LINE_EVERY && *before != said
                });
                if due {
                    eprintln!("{}", text::line(&said));
                    *last = Some((now, said));
                }
            }
            Way::Bars(bars) => {
                let done = if batch.bytes_total > 0 {
                    share(batch.bytes_done, batch.bytes_total)
                } else {
                    share(batch.ended(), batch.jobs_total)
                };
                bars.whole.set_position(done);
                bars.whole.set_message(text::line(&said));
                bars.show(self.at_work.values().take(BARS_MAX));
            }
        }
    }

    /// The master does not answer at the moment.
    pub fn away(&mut self, error: &CliError) {
        let said = format!("{}; trying again", text::line(&error.to_string()));
        match &mut self.way {
            Way::Lines { last } => {
                let due = last.as_ref().is_none_or(|(at, _)| at.elapsed() >= LINE_EVERY);
                if due {
                    eprintln!("{said}");
                    *last = Some((Instant::now(), said));
                }
            }
            Way::Bars(bars) => bars.whole.set_message(said),
        }
    }

    /// Takes the bars away.
    pub fn end(&mut self) {
        if let Way::Bars(bars) = &mut self.way {
            for bar in bars.jobs.drain(..) {
                bar.finish_and_clear();
            }
            bars.whole.finish_and_clear();
        }
    }
}

impl Bars {
    fn show<'a>(&mut self, jobs: impl ExactSizeIterator<Item = &'a Job>) {
        while self.jobs.len() > jobs.len() {
            if let Some(bar) = self.jobs.pop() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        while self.jobs.len() < jobs.len() {
            self.jobs.push(self.all.add(ProgressBar::new(STEPS).with_style(style(JOB))));
        }
        for (bar, job) in self.jobs.iter().zip(jobs) {
            bar.set_position(share(job.bytes_done, job.bytes_total));
            let name = text::cut(&text::line(&job.subject()), NAME_COLUMNS);
            bar.set_message(format!("{name}  {}, {}", job.state, bytes(job.bytes_total)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_templates_are_ones() {
        for template in [WHOLE, JOB] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn a_share_is_within_its_bar() {
        assert_eq!([share(0, 0), share(-1, 5), share(1, 2), share(9, 5)], [0, 0, 500, STEPS]);
    }
}
