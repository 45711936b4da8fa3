//! What each listener has had of each song lately.

use std::{collections::HashMap, time::Duration};

/// Listeners of songs that are remembered at once. Beyond it those who have heard least recently
/// are forgotten first, and may be counted again.
const LISTENERS_MAX: usize = 1_000_000;

/// How often listeners are forgotten, in seconds.
const FORGET_EVERY_S: i64 = 60;

#[derive(Debug, Clone, Copy)]
struct Heard {
    bytes: u64,
    /// When it was last heard; of a play, when it was counted.
    at_s: i64,
    counted: bool,
}

/// Listeners by their marks.
#[derive(Debug)]
pub(super) struct Listeners {
    window_s: i64,
    forgot_at_s: i64,
    heard: HashMap<String, Heard>,
}

impl Listeners {
    pub(super) fn new(window: Duration) -> Self {
        Self { window_s: window.as_secs().cast_signed(), forgot_at_s: 0, heard: HashMap::new() }
    }

    /// A play that was counted before.
    pub(super) fn counted(&mut self, mark: &str, at_s: i64) {
        self.heard.insert(mark.to_owned(), Heard { bytes: 0, at_s, counted: true });
    }

    /// Notes that so many bytes more were sent. Whether there is nothing more to note: enough has
    /// been heard, or the play is counted already. `marks`: this period's and the last one's.
    pub(super) fn hear(&mut self, marks: &[String; 2], bytes: u64, needed: u64, at_s: i64) -> bool {
        if self.is_counted(marks, at_s) {
            return true;
        }
        let before = self.heard.remove(&marks[1]).map_or(0, |h| h.bytes);
        let heard = self.heard.entry(marks[0].clone()).or_insert(Heard {
            bytes: before,
            at_s,
            counted: false,
        });
        if heard.counted || heard.at_s + self.window_s < at_s {
            *heard = Heard { bytes: 0, at_s, counted: false };
        }
        heard.bytes += bytes;
        heard.bytes >= needed
    }

    /// Counts a play, if it is not counted yet. Whether it was not.
    pub(super) fn count(&mut self, marks: &[String; 2], at_s: i64) -> bool {
        if self.is_counted(marks, at_s) {
            return false;
        }
        self.counted(&marks[0], at_s);
        true
    }

    fn is_counted(&self, marks: &[String; 2], at_s: i64) -> bool {
        let counts = |h: &Heard| h.counted && at_s < h.at_s + self.window_s;
        marks.iter().any(|m| self.heard.get(m).is_some_and(counts))
    }

    /// Forgets what lies outside the window, and more when there is too much; at most once in
    /// [`FORGET_EVERY_S`], for it looks at all of them.
    pub(super) fn forget(&mut self, now_s: i64) {
        if (0..FORGET_EVERY_S).contains(&(now_s - self.forgot_at_s)) {
            return;
        }
        self.forgot_at_s = now_s;
        let window_s = self.window_s;
        self.heard.retain(|_, h| now_s < h.at_s + window_s);
        if self.heard.len() <= LISTENERS_MAX {
            return;
        }
        let mut times: Vec<i64> = self.heard.values().map(|h| h.at_s).collect();
        let (_, oldest, _) = times.select_nth_unstable(self.heard.len() - LISTENERS_MAX);
        let oldest = *oldest;
        self.heard.retain(|_, h| h.at_s > oldest);
        tracing::warn!(limit = LISTENERS_MAX, "plays.many_listeners: some may be counted twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(this: &str, last: &str) -> [String; 2] {
        [this.to_owned(), last.to_owned()]
    }

    #[test]
    fn a_play_is_enough_bytes_over_many_requests_and_once_in_the_window() {
        let mut listeners = Listeners::new(Duration::from_secs(100));
        let one = marks("a", "a0");
        assert!(!listeners.hear(&one, 400, 1000, 0));
        assert!(!listeners.hear(&one, 400, 1000, 5));
        assert!(listeners.hear(&one, 400, 1000, 9));
        assert!(listeners.count(&one, 9));
        assert!(listeners.hear(&one, 9000, 1000, 50) && !listeners.count(&one, 50));
        assert!(
            listeners.hear(&one, 1000, 1000, 109) && listeners.count(&one, 109),
            "a new window"
        );
        assert!(listeners.hear(&marks("b", "b0"), 10, 10, 109), "a small song is all of it");
    }

    #[test]
    fn a_new_period_knows_the_marks_of_the_last_one() {
        let mut listeners = Listeners::new(Duration::from_secs(100));
        assert!(!listeners.hear(&marks("a1", "a0"), 900, 1000, 0));
        let later = marks("a2", "a1");
        assert!(listeners.hear(&later, 100, 1000, 10), "900 were heard under the old mark");
        assert!(listeners.count(&later, 10));
        assert!(!listeners.count(&marks("a3", "a2"), 50));
    }

    #[test]
    fn what_was_counted_before_a_restart_counts() {
        let mut listeners = Listeners::new(Duration::from_secs(100));
        listeners.counted("a", 10);
        assert!(!listeners.count(&marks("a", "x"), 50));
        listeners.forget(111);
        assert!(listeners.heard.is_empty());
    }
}
