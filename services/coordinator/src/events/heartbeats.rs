//! Not telling a worker every five seconds what it has been told already.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tourbus_domain::StepRef;
use tourbus_store::VoidTry;

/// The same try is called off again after this long, if it is still held then.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Tries remembered at most; beyond that, all are forgotten, which costs only repetition.
const REMEMBERED_MAX: usize = 10_000;

/// Remembers which tries were called off lately. A hint only: losing it is harmless.
#[derive(Default)]
pub(super) struct VoidLimiter {
    told: HashMap<StepRef, Instant>,
}

impl VoidLimiter {
    /// Of these tries, those not called off lately.
    pub(super) fn pick(&mut self, tries: Vec<VoidTry>) -> Vec<VoidTry> {
        let now = Instant::now();
        if !tries.is_empty() {
            self.told.retain(|_, at| now.duration_since(*at) < AGAIN_AFTER);
        }
        if self.told.len() > REMEMBERED_MAX {
            self.told.clear();
        }
        tries.into_iter().filter(|t| self.told.insert(t.step, now).is_none()).collect()
    }
}
