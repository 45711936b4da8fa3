//! How long to wait before the next try of a step.

use std::time::Duration;

/// Exponential backoff with full jitter, capped. Pure: the random number is an argument.
///
/// Full jitter (a uniform draw from zero to the exponential bound) spreads a herd best; see
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. A floor keeps a retry from
/// being immediate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Bound of the first delay, and the least delay of any.
    pub base: Duration,
    /// Bound that no delay exceeds.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), max: Duration::from_mins(1) }
    }
}

impl Backoff {
    /// The delay before try `attempt + 1`, when `attempt` tries (from 1) have failed.
    /// `unit` is a uniform random number in `0.0..1.0`.
    pub fn delay(&self, attempt: u32, unit: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let bound = self.base.saturating_mul(1 << doublings).min(self.max);
        let spread = bound.saturating_sub(self.base);
        self.base.min(bound) + spread.mul_f64(unit.clamp(0.0, 1.0))
    }
}
