//! What must agree with the master: version and clock.

use tourbus_protocol::{CheckName, CheckResult, agent::CLOCK_OFF_MAX_S};

/// The same version.
pub(super) fn version(master_url: &str, master: &str) -> CheckResult {
    let own = env!("CARGO_PKG_VERSION");
    if own == master {
        return CheckResult::green(CheckName::Version, format!("Both run version {own}."));
    }
    CheckResult::red(
        CheckName::Version,
        format!("This server runs version {own}, the master {master}."),
        format!(
            "On this server: `curl -fsS {master_url}/join.sh | sudo sh` installs the master's \
             version and restarts."
        ),
    )
}

/// Clocks that agree.
pub(super) fn clock(ahead_s: f64) -> CheckResult {
    let off = ahead_s.abs();
    if off <= CLOCK_OFF_MAX_S as f64 {
        let text = format!("This server's clock and the master's are {off:.1} s apart.");
        return CheckResult::green(CheckName::Clock, text);
    }
    let direction = if ahead_s > 0.0 { "ahead of" } else { "behind" };
    CheckResult::red(
        CheckName::Clock,
        format!("This server's clock is {} {direction} the master's.", spell(off)),
        "Set both clocks by the network: `timedatectl set-ntp true` (package systemd-timesyncd), \
         then `timedatectl` shows whether it works.",
    )
}

fn spell(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{} s", seconds.round())
    } else {
        format!("{} minutes", (seconds / 60.0).round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_protocol::CheckState;

    #[test]
    fn a_clock_off_by_minutes_is_told_with_its_direction() {
        assert_eq!(clock(-59.0).state, CheckState::Green);
        let behind = clock(-420.0);
        assert!(behind.cause.contains("7 minutes behind"), "{}", behind.cause);
        assert!(clock(61.0).cause.contains("61 s ahead of"));
    }

    #[test]
    fn another_version_says_both() {
        assert_eq!(version("http://m", env!("CARGO_PKG_VERSION")).state, CheckState::Green);
        let other = version("http://m", "99.0.0");
        assert!(other.cause.contains("99.0.0") && other.remedy.contains("http://m/join.sh"));
    }
}
