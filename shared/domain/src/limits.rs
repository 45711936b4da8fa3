//! What a server's moves may take of it: how many at once, how fast, and how much of its disk.
//! Pure, so that pages, API and workers mean the same.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Slowest rate that can be set, in bytes per second: a chunk must get through while its delivery
/// may be held.
pub const LIMIT_BYTES_S_MIN: u64 = 256 << 10;
/// Fastest rate that can be set: more is no limit.
pub const LIMIT_BYTES_S_MAX: u64 = 1 << 40;
/// Most moves at once that can be set: more is no limit.
pub const LIMIT_MOVES_MAX: u32 = 1_000;
/// Most windows of one server.
pub const LIMIT_WINDOWS_MAX: usize = 20;
/// Largest reserve that can be set, in bytes (1 PiB).
pub const LIMIT_RESERVE_BYTES_MAX: u64 = 1 << 50;
/// Least share of one worker, in bytes per second, however many share a rate.
const SHARE_BYTES_S_MIN: u64 = 128 << 10;
const DAY_MINUTES: u16 = 24 * 60;
const WEEK_MINUTES: u16 = 7 * DAY_MINUTES;

/// Limits of one server; what is none is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerLimits {
    /// Moves out of it at once: from the first byte read until the old copy is set aside.
    pub moves_out_max: Option<u32>,
    /// Moves into it at once: from the first byte fetched until the tree is in its place.
    pub moves_in_max: Option<u32>,
    /// What its workers stage and fetch for moves, together.
    pub bandwidth: Bandwidth,
    /// Disk that moves leave free on it, in bytes; none for the cluster's default.
    pub disk_reserve_bytes: Option<u64>,
}

/// Bytes per second, by time of day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bandwidth {
    /// Outside all windows; none for no limit.
    pub default_bytes_s: Option<u64>,
    /// Hours with a rate of their own, in UTC; no two at the same time.
    pub windows: Vec<RateWindow>,
}

/// Some hours of some days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    /// The days on which it begins; empty for every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// When it begins, in UTC.
    pub from: Clock,
    /// When it ends; not later than it begins means on the next day.
    pub to: Clock,
    /// Its rate; none for no limit.
    #[serde(default)]
    pub bytes_s: Option<u64>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "days are days")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// The week, in order.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

impl FromStr for Day {
    type Err = LimitFault;
    fn from_str(text: &str) -> Result<Self, LimitFault> {
        let found = Self::ALL.into_iter().find(|d| d.as_str().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| LimitFault::NoDay(short(text)))
    }
}

/// A time of day, in minutes since midnight: `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clock(u16);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        clock.to_string()
    }
}

impl TryFrom<String> for Clock {
    type Error = LimitFault;
    fn try_from(text: String) -> Result<Self, LimitFault> {
        text.parse()
    }
}

impl FromStr for Clock {
    type Err = LimitFault;
    fn from_str(text: &str) -> Result<Self, LimitFault> {
        let number = |t: &str| (t.len() == 2).then(|| t.parse::<u16>().ok()).flatten();
        let parts = text.trim().split_once(':');
        let parts = parts.and_then(|(h, m)| number(h).zip(number(m)));
        match parts {
            Some((h, m)) if m < 60 && h * 60 + m <= DAY_MINUTES => Ok(Self(h * 60 + m)),
            _ => Err(LimitFault::NoTime(short(text))),
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What is wrong with limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitFault {
    /// Not a time of day.
    #[error("{0:?} is no time of day")]
    NoTime(String),
    /// Not a day.
    #[error("{0:?} is no day of the week")]
    NoDay(String),
    /// A number of moves.
    #[error("{0} is no limit of moves at once")]
    Moves(u32),
    /// A rate.
    #[error("{0} bytes per second ({mb} MB) is no rate to move at", mb = *.0 as f64 / 1e6)]
    Rate(u64),
    /// The reserve.
    #[error("a reserve of {0} bytes is more than any disk has")]
    Reserve(u64),
    /// Too many windows.
    #[error("{0} windows are too many")]
    Windows(usize),
    /// A window without length, or that begins when the day is over.
    #[error("the window from {0} to {1} has no length")]
    Empty(Clock, Clock),
    /// Two at the same time.
    #[error("the windows {0} and {1} overlap: it is not clear which rate counts")]
    Overlap(RateWindow, RateWindow),
}

impl LimitFault {
    /// How to mend it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoTime(_) => {
                "Write hours and minutes in UTC, such as 08:30; 24:00 is the end of the day."
                    .to_owned()
            }
            Self::NoDay(_) => "Write mon, tue, wed, thu, fri, sat or sun.".to_owned(),
            Self::Moves(_) => format!(
                "Use 1 to {LIMIT_MOVES_MAX}, or leave it out for no limit. To stop moves into a server set it to inactive."
            ),
            Self::Rate(_) => format!(
                "Use {LIMIT_BYTES_S_MIN} (0.27 MB) to {LIMIT_BYTES_S_MAX}; 0 or nothing for no limit."
            ),
            Self::Reserve(_) => format!(
                "Use at most {LIMIT_RESERVE_BYTES_MAX}, or leave it out for the cluster's default."
            ),
            Self::Windows(_) => {
                format!("Use at most {LIMIT_WINDOWS_MAX}: one window may be on several days.")
            }
            Self::Empty(..) => "For a whole day write 00:00 to 24:00.".to_owned(),
            Self::Overlap(..) => "Let one end when the other begins.".to_owned(),
        }
    }

    /// The field that it is about.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Moves(_) => "limits.moves",
            Self::Reserve(_) => "limits.disk_reserve_bytes",
            _ => "limits.bandwidth",
        }
    }
}

impl fmt::Display for RateWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for day in &self.days {
            write!(f, "{} ", day.as_str())?;
        }
        write!(f, "{}–{}", self.from, self.to)
    }
}

/// A rate, and how long it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateNow {
    /// None for no limit.
    pub bytes_s: Option<u64>,
    /// When the window ends that it is of; none outside all windows.
    pub until: Option<Clock>,
}

impl RateWindow {
    const fn minutes(&self) -> u16 {
        if self.to.0 > self.from.0 {
            self.to.0 - self.from.0
        } else {
            DAY_MINUTES - self.from.0 + self.to.0
        }
    }

    /// Its beginnings, in minutes since Monday.
    fn begins(&self) -> impl Iterator<Item = u16> {
        let (days, from) = (self.days.clone(), self.from.0);
        let on = move |day: &Day| days.is_empty() || days.contains(day);
        let at = move |day: Day| day as u16 * DAY_MINUTES + from;
        Day::ALL.into_iter().filter(on).map(at)
    }

    fn holds(&self, minute: u16) -> bool {
        self.begins().any(|b| (minute + WEEK_MINUTES - b) % WEEK_MINUTES < self.minutes())
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.begins().any(|b| other.holds(b % WEEK_MINUTES))
            || other.begins().any(|b| self.holds(b % WEEK_MINUTES))
    }
}

impl Bandwidth {
    /// The rate at this time.
    pub fn rate_at(&self, now: DateTime<Utc>) -> RateNow {
        let day = now.weekday().num_days_from_monday() * u32::from(DAY_MINUTES);
        let minute = u16::try_from(day + now.hour() * 60 + now.minute()).unwrap_or(0);
        match self.windows.iter().find(|w| w.holds(minute)) {
            Some(window) => RateNow { bytes_s: window.bytes_s, until: Some(window.to) },
            None => RateNow { bytes_s: self.default_bytes_s, until: None },
        }
    }
}

/// One worker's share of a server's rate, among so many.
pub fn rate_share(bytes_s: u64, workers: u32) -> u64 {
    (bytes_s / u64::from(workers.max(1))).max(SHARE_BYTES_S_MIN)
}

impl ServerLimits {
    /// The same as it is kept (0 is no limit), or the first thing that is wrong with it.
    pub fn checked(mut self) -> Result<Self, LimitFault> {
        let rates = self.bandwidth.windows.iter_mut().map(|w| &mut w.bytes_s);
        for rate in rates.chain([&mut self.bandwidth.default_bytes_s]) {
            *rate = rate.filter(|r| *r > 0);
            if let Some(r) = rate.filter(|r| !(LIMIT_BYTES_S_MIN..=LIMIT_BYTES_S_MAX).contains(r)) {
                return Err(LimitFault::Rate(r));
            }
        }
        for moves in [self.moves_out_max, self.moves_in_max].into_iter().flatten() {
            if !(1..=LIMIT_MOVES_MAX).contains(&moves) {
                return Err(LimitFault::Moves(moves));
            }
        }
        if let Some(bytes) = self.disk_reserve_bytes.filter(|b| *b > LIMIT_RESERVE_BYTES_MAX) {
            return Err(LimitFault::Reserve(bytes));
        }
        let windows = &mut self.bandwidth.windows;
        if windows.len() > LIMIT_WINDOWS_MAX {
            return Err(LimitFault::Windows(windows.len()));
        }
        for window in windows.iter_mut() {
            window.days.sort_unstable();
            window.days.dedup();
            if window.from == window.to || window.from.0 == DAY_MINUTES {
                return Err(LimitFault::Empty(window.from, window.to));
            }
        }
        for (n, one) in windows.iter().enumerate() {
            if let Some(other) = windows[..n].iter().find(|o| o.overlaps(one)) {
                return Err(LimitFault::Overlap(other.clone(), one.clone()));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use proptest::prelude::*;

    fn window(days: &[Day], from: &str, to: &str, mib: u64) -> RateWindow {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        RateWindow { days: days.to_vec(), from, to, bytes_s: Some(mib << 20) }
    }

    fn limits(windows: &[RateWindow]) -> ServerLimits {
        let bandwidth = Bandwidth { default_bytes_s: Some(9 << 20), windows: windows.to_vec() };
        ServerLimits { bandwidth, ..ServerLimits::default() }
    }

    #[test]
    fn a_window_may_cross_midnight_and_the_end_of_the_week() {
        let limits = limits(&[window(&[Day::Sun], "22:00", "06:00", 1)]).checked().unwrap();
        // The 29th of November 2026 is a Sunday.
        let at = |day, h| Utc.with_ymd_and_hms(2026, 11, day, h, 0, 0).unwrap();
        let mib = |day, h| limits.bandwidth.rate_at(at(day, h)).bytes_s.unwrap() >> 20;
        assert_eq!((mib(29, 21), mib(29, 22), mib(30, 5), mib(30, 6)), (9, 1, 1, 9));
        assert_eq!(mib(29, 3), 9, "it begins on Sundays");
        assert_eq!(limits.bandwidth.rate_at(at(30, 5)).until, Some("06:00".parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let two = [window(&[], "22:00", "06:00", 1), window(&[Day::Tue], "05:00", "07:00", 2)];
        assert!(matches!(limits(&two).checked(), Err(LimitFault::Overlap(..))));
        let apart =
            [window(&[Day::Mon], "22:00", "06:00", 1), window(&[Day::Tue], "06:00", "24:00", 2)];
        assert!(limits(&apart).checked().is_ok());
        assert!(matches!(
            limits(&[window(&[], "08:00", "08:00", 1)]).checked(),
            Err(LimitFault::Empty(..))
        ));
        for bad in ["8:00", "24:01", "12:60", "", "0800", "-1:00"] {
            assert!(bad.parse::<Clock>().is_err(), "{bad}");
        }
        let slow = ServerLimits {
            bandwidth: Bandwidth { default_bytes_s: Some(1), windows: vec![] },
            ..ServerLimits::default()
        };
        assert_eq!(slow.checked(), Err(LimitFault::Rate(1)));
        let none = ServerLimits { moves_out_max: Some(0), ..ServerLimits::default() };
        assert_eq!(none.checked(), Err(LimitFault::Moves(0)));
    }

    proptest! {
        #[test]
        fn of_windows_that_are_taken_at_most_one_counts(
            raw in prop::collection::vec((0u8..128, 0u16..1440, 1u16..=1440), 0..4),
            minute in 0u16..WEEK_MINUTES,
        ) {
            let windows: Vec<RateWindow> = raw.iter().map(|(days, from, to)| RateWindow {
                days: Day::ALL.into_iter().filter(|d| days & (1 << (*d as u8)) != 0).collect(),
                from: Clock(*from), to: Clock(*to), bytes_s: None,
            }).collect();
            let hold = |minute| windows.iter().filter(|w| w.holds(minute)).count();
            match limits(&windows).checked() {
                Ok(kept) => {
                    prop_assert!(hold(minute) <= 1);
                    let text = serde_json::to_string(&kept).unwrap();
                    prop_assert_eq!(serde_json::from_str::<ServerLimits>(&text).unwrap(), kept);
                }
                Err(LimitFault::Overlap(..)) => {
                    prop_assert!((0..WEEK_MINUTES).any(|m| hold(m) > 1));
                }
                Err(_) => {}
            }
        }

        #[test]
        fn shares_are_no_more_than_the_whole(rate in LIMIT_BYTES_S_MIN * 8..LIMIT_BYTES_S_MAX, workers in 1u32..8) {
            prop_assert!(rate_share(rate, workers) * u64::from(workers) <= rate);
        }
    }
}
