//! The part of a server's form that is about limits.

use crate::{
    pages::form::Fields,
    problem::Problem,
    servers::limits::{BandwidthBody, LimitsBody, RateWindowBody},
};
use tourbus_domain::LIMIT_WINDOWS_MAX;

const MB: u64 = 1_000_000;
/// Empty rows for more windows.
const SPARE_ROWS: usize = 2;

/// A window, as it is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowRow {
    pub days: String,
    pub from: String,
    pub to: String,
    pub rate: String,
}

/// Limits, as they are typed: rates in MB/s, the reserve in MB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypedLimits {
    pub out: String,
    pub into: String,
    pub rate: String,
    pub windows: Vec<WindowRow>,
    pub reserve: String,
}

impl TypedLimits {
    /// From the form; none if it has no such part.
    pub fn of(fields: &Fields) -> Option<Self> {
        if !fields.ticked("limits") {
            return None;
        }
        let column = |name| {
            fields.all(name).take(LIMIT_WINDOWS_MAX + SPARE_ROWS).map(|t| t.trim().to_owned())
        };
        let (days, from) = (column("window_days"), column("window_from"));
        let rows = days.zip(from).zip(column("window_to")).zip(column("window_rate"));
        let windows = rows.map(|(((days, from), to), rate)| WindowRow { days, from, to, rate });
        let text = |name| fields.text(name).trim().to_owned();
        Some(Self {
            out: text("moves_out_max"),
            into: text("moves_in_max"),
            rate: text("rate"),
            windows: windows.filter(|w| *w != WindowRow::default()).collect(),
            reserve: text("reserve"),
        })
    }

    /// The windows, and empty rows for more.
    pub fn rows(&self) -> Vec<WindowRow> {
        let spare = SPARE_ROWS.min(LIMIT_WINDOWS_MAX.saturating_sub(self.windows.len()));
        self.windows
            .iter()
            .cloned()
            .chain(std::iter::repeat_n(WindowRow::default(), spare))
            .collect()
    }

    /// As a script would send it, or everything that is wrong with it.
    pub fn body(&self) -> Result<LimitsBody, Vec<Problem>> {
        let mut faults = Vec::new();
        let body = self.read(&mut faults);
        if faults.is_empty() {
            return Ok(body);
        }
        // What is no number is left out: the rest is looked at all the same.
        faults.extend(body.checked().err().into_iter().flatten());
        Err(faults)
    }

    fn read(&self, faults: &mut Vec<Problem>) -> LimitsBody {
        let mut bytes = |text: &str, field| note(megabytes(text, field), faults);
        let default_bytes_s = bytes(&self.rate, "limits.bandwidth");
        let window = |w: &WindowRow| {
            let days = w.days.split([' ', ',']).filter(|d| !d.is_empty()).map(str::to_owned);
            let (from, to) = (w.from.clone(), w.to.clone());
            let bytes_s = bytes(&w.rate, "limits.bandwidth");
            RateWindowBody { days: days.collect(), from, to, bytes_s }
        };
        let windows = self.windows.iter().map(window).collect();
        LimitsBody {
            bandwidth: BandwidthBody { default_bytes_s, windows },
            disk_reserve_bytes: bytes(&self.reserve, "limits.disk_reserve_bytes"),
            moves_out_max: note(moves(&self.out), faults),
            moves_in_max: note(moves(&self.into), faults),
        }
    }
}

impl From<&LimitsBody> for TypedLimits {
    fn from(limits: &LimitsBody) -> Self {
        let number = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
        let bytes = |n: Option<u64>| n.map_or_else(String::new, typed);
        let window = |w: &RateWindowBody| WindowRow {
            days: w.days.join(" "),
            from: w.from.clone(),
            to: w.to.clone(),
            rate: bytes(w.bytes_s),
        };
        Self {
            out: number(limits.moves_out_max),
            into: number(limits.moves_in_max),
            rate: bytes(limits.bandwidth.default_bytes_s),
            windows: limits.bandwidth.windows.iter().map(window).collect(),
            reserve: bytes(limits.disk_reserve_bytes),
        }
    }
}

/// What was read; none, and the fault is noted, if it could not be.
fn note<T>(read: Result<Option<T>, Problem>, faults: &mut Vec<Problem>) -> Option<T> {
    read.unwrap_or_else(|fault| {
        faults.push(fault);
        None
    })
}

/// Bytes in megabytes, exactly.
fn typed(bytes: u64) -> String {
    let text = format!("{}.{:06}", bytes / MB, bytes % MB);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn moves(text: &str) -> Result<Option<u32>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        wrong(text, "limits.moves", "Write a number, such as 2, or nothing for no limit.")
    })
}

/// Megabytes with up to six decimals; none for nothing.
fn megabytes(text: &str, field: &'static str) -> Result<Option<u64>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let read = || {
        let part: u64 = format!("{part:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(MB)?.checked_add(part)
    };
    let fits = digits(whole) && digits(part) && part.len() <= 6;
    let bytes = Some(()).filter(|()| fits).and_then(|()| read());
    bytes.map(Some).ok_or_else(|| wrong(text, field, "Write megabytes, such as 20 or 2.5."))
}

fn wrong(text: &str, field: &'static str, remedy: &str) -> Problem {
    let short: String = text.chars().take(40).collect();
    Problem::unprocessable("bad_limits", format!("{short:?} is no number that fits here."))
        .remedy(remedy)
        .field(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_comes_back_as_it_was() {
        let form = b"limits=1&moves_out_max=2&moves_in_max=&rate=2.5&reserve=1000&window_days=mon+tue&window_from=08%3A00&window_to=18%3A00&window_rate=20&window_days=&window_from=&window_to=&window_rate=";
        let typed = TypedLimits::of(&Fields::parse(form)).unwrap();
        let body = typed.body().unwrap();
        assert_eq!(body.bandwidth.default_bytes_s, Some(2_500_000));
        assert_eq!((body.moves_out_max, body.moves_in_max), (Some(2), None));
        assert_eq!(body.bandwidth.windows.len(), 1);
        assert_eq!(TypedLimits::from(&body), typed);
        assert!(body.checked().is_ok());
        assert_eq!(typed.rows().len(), 3);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let window = |from: &str, rate: &str| WindowRow {
            from: from.to_owned(),
            to: "18:00".to_owned(),
            rate: rate.to_owned(),
            ..WindowRow::default()
        };
        let typed = TypedLimits {
            out: "many".to_owned(),
            into: "0".to_owned(),
            rate: "0.1".to_owned(),
            windows: vec![window("8", "2"), window("09:00", "fast")],
            reserve: "-1".to_owned(),
        };
        let problems = typed.body().unwrap_err();
        let told: Vec<&str> = problems.iter().map(|p| p.detail.as_str()).collect();
        for part in ["\"many\"", "\"fast\"", "\"-1\"", "\"8\"", "100000 bytes", "0 is no limit"] {
            assert!(told.iter().any(|t| t.contains(part)), "{part} in {told:?}");
        }
        assert_eq!(told.len(), 6, "{told:?}");
    }

    #[test]
    fn what_is_no_number_is_told_beside_its_field() {
        for (bad, ok) in
            [("1.2345678", None), ("-1", None), ("1e3", None), ("0.262144", Some(262_144))]
        {
            let typed = TypedLimits { rate: bad.to_owned(), ..TypedLimits::default() };
            match (typed.body(), ok) {
                (Ok(body), Some(_)) => assert_eq!(body.bandwidth.default_bytes_s, ok),
                (Err(problems), None) => {
                    assert_eq!(problems[0].field, Some("limits.bandwidth"));
                }
                (other, _) => panic!("{bad}: {other:?}"),
            }
        }
    }
}
