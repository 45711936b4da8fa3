//! Times: as people give them, and as they are shown.

use crate::numbers;
use chrono::{DateTime, Local, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use std::str::FromStr;

/// A moment that somebody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(DateTime<Utc>);

impl Since {
    /// For the API.
    pub fn machine(self) -> String {
        machine(self.0)
    }

    /// `2h` before `now`, the beginning of a day here, or a time as in RFC 3339.
    fn read(text: &str, now: DateTime<Utc>) -> Option<Self> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(at.to_utc()));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            let start = day.and_time(NaiveTime::MIN).and_local_timezone(Local);
            return start.earliest().map(|at| Self(at.to_utc()));
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_s = match &text[digits.len()..] {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        let seconds = digits.parse::<u32>().ok().map(|n| i64::from(n) * unit_s)?;
        now.checked_sub_signed(TimeDelta::try_seconds(seconds)?).map(Self)
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text.trim(), Utc::now()).ok_or_else(|| {
            "a time is 90s, 15min, 2h or 7d (ago), a day such as 2026-11-22, or a time such as \
             2026-11-22T18:00:00Z"
                .to_owned()
        })
    }
}

/// As the API reads it, to the last digit.
pub fn machine(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// `2026-11-22 18:45:09`, here.
pub fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `5 min ago`: the largest unit is enough for a list.
pub fn ago(at: DateTime<Utc>) -> String {
    age((Utc::now() - at).num_seconds())
}

fn age(seconds: i64) -> String {
    match seconds {
        // Clocks differ a little.
        ..=0 => "now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// How long something took, or has taken until now.
pub fn took(from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> String {
    let seconds = (to.unwrap_or_else(Utc::now) - from).num_seconds().max(0);
    numbers::duration(seconds.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_times_in_several_ways() {
        let now: DateTime<Utc> = "2026-11-28T12:00:00Z".parse().unwrap();
        let read = |text| Since::read(text, now).map(Since::machine);
        assert_eq!(read("2h").as_deref(), Some("2026-11-28T10:00:00Z"));
        assert_eq!(read("15min"), read("15m"));
        assert_eq!(read("7d"), read("1w"));
        assert_eq!(read("2026-11-28T13:00:00+01:00").as_deref(), Some("2026-11-28T12:00:00Z"));
        let exact = "2026-11-28T12:00:00.123456Z";
        assert_eq!(read(exact).as_deref(), Some(exact), "nothing is cut off");
        assert!(read("2026-11-22").is_some());
        for bad in ["", "h", "yesterday", "-3h", "3 h", "99999999999d", "4000000000w"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_age_has_one_unit() {
        assert_eq!(
            [age(-3), age(5), age(61), age(7300), age(172_800)],
            ["now", "5 s ago", "1 min ago", "2 h ago", "2 d ago"]
        );
    }
}
