//! The tries that this worker holds, for its heartbeats.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tourbus_domain::StepRef;

/// All tries in hand. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// How many deliveries of each: a try that is delivered again is held twice for a while.
    tries: Arc<Mutex<HashMap<StepRef, usize>>>,
}

/// Holds one until it is dropped.
#[derive(Debug)]
pub struct Hold {
    held: Held,
    step: StepRef,
}

impl Held {
    /// Takes one into the hand.
    pub fn hold(&self, step: StepRef) -> Hold {
        *self.lock().entry(step).or_insert(0) += 1;
        Hold { held: self.clone(), step }
    }

    /// All of them.
    pub fn all(&self) -> Vec<StepRef> {
        let mut all: Vec<StepRef> = self.lock().keys().copied().collect();
        all.sort_unstable();
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<StepRef, usize>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut tries = self.held.lock();
        if let Some(count) = tries.get_mut(&self.step) {
            *count -= 1;
            if *count == 0 {
                tries.remove(&self.step);
            }
        }
    }
}
