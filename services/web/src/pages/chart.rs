//! Small charts, drawn here as SVG: no script, and as sharp as the screen.

use crate::queues::Point;
use chrono::{DateTime, Utc};
use std::fmt::Write;

/// Width and height of a sparkline, in its own units.
const SIZE: (f64, f64) = (120.0, 24.0);
/// How far back it goes, in seconds.
const SPAN_S: f64 = 3600.0;
/// Two points further apart than this are not joined, in seconds.
const GAP_S: f64 = 60.0;

/// A sparkline: the last hour of what waits on a queue and what is in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spark {
    /// The SVG path of the line.
    pub line: String,
    /// The highest value.
    pub top: u64,
    /// What it shows, in words.
    pub words: String,
}

/// Draws the last hour before `now`. None when there is nothing to draw.
pub fn spark(points: &[Point], now: DateTime<Utc>) -> Option<Spark> {
    if points.len() < 2 {
        return None;
    }
    let value = |p: &Point| p.ready + p.unacked;
    let top = points.iter().map(value).max().unwrap_or(0);
    let mut line = String::new();
    let mut before: Option<f64> = None;
    for point in points {
        let age_s = (now - point.at).num_milliseconds() as f64 / 1000.0;
        let x = SIZE.0 * (1.0 - (age_s / SPAN_S).clamp(0.0, 1.0));
        let y = SIZE.1 - 1.0 - (SIZE.1 - 2.0) * value(point) as f64 / top.max(1) as f64;
        let joined = before.is_some_and(|b| (b - age_s) <= GAP_S);
        let verb = if joined { 'L' } else { 'M' };
        // Writing into a string cannot fail.
        write!(line, "{verb}{x:.1} {y:.1}").ok();
        before = Some(age_s);
    }
    let last = points.last().map_or(0, value);
    let words = format!("the last hour: at most {top}, now {last}");
    Some(Spark { line, top, words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;

    #[test]
    fn a_line_goes_from_an_hour_ago_to_now_and_breaks_where_nothing_was_seen() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let point = |ago_s, ready| Point {
            at: now - Duration::seconds(ago_s),
            ready,
            unacked: 0,
            in_s: 0.0,
            out_s: 0.0,
        };
        let spark = spark(&[point(3600, 0), point(3555, 4), point(60, 2), point(0, 0)], now);
        let spark = spark.unwrap();
        assert_eq!(spark.line, "M0.0 23.0L1.5 1.0M118.0 12.0L120.0 23.0");
        assert_eq!(spark.words, "the last hour: at most 4, now 0");
        assert_eq!(super::spark(&[point(0, 1)], now), None);
    }
}
