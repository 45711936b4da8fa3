//! Numbers for people: the same on pages and on the command line.

/// `1,234,567`.
pub fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        out.push('−');
    }
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1.2 GB`: decimal units, as disks are sold.
pub fn bytes(n: i64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (n as f64, 0);
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value.abs() < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `2 min 5 s`: the two largest units.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A rough span for an estimate: `about 2–4 min`.
pub fn span(low_s: u64, high_s: u64) -> String {
    let (unit, name) = match high_s {
        0..90 => (1, "s"),
        90..5400 => (60, "min"),
        _ => (3600, "h"),
    };
    let (low, high) = (low_s / unit, high_s.div_ceil(unit).max(1));
    if low == 0 {
        format!("less than {high} {name}")
    } else if low == high {
        format!("about {high} {name}")
    } else {
        format!("about {low}–{high} {name}")
    }
}

/// How much of the whole, 0 to 100.
pub fn percent(done: i64, total: i64) -> i64 {
    if total <= 0 { 0 } else { (done.max(0) * 100 / total).min(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [count(0), count(999), count(1_234_567), count(-1000)],
            ["0", "999", "1,234,567", "−1,000"]
        );
        assert_eq!(
            [bytes(0), bytes(999), bytes(1500), bytes(123_456_789)],
            ["0 B", "999 B", "1.5 kB", "123 MB"]
        );
        assert_eq!(bytes(999_999_999), "1.0 GB");
        assert_eq!(
            [duration(5), duration(125), duration(3_700)],
            ["5 s", "2 min 5 s", "1 h 1 min"]
        );
        assert_eq!(span(0, 20), "less than 20 s");
        assert_eq!(span(100, 230), "about 1–4 min");
        assert_eq!(percent(5, 0), 0);
        assert_eq!(percent(7, 5), 100);
    }
}
