//! Limits as scripts and forms write them.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use tourbus_domain::{Bandwidth, Clock, Day, LimitFault, RateWindow, ServerLimits};
use utoipa::ToSchema;

/// What a server's moves may take of it. What is left out or null is not limited. It counts within
/// seconds, for moves that run, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ServerLimits)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsBody {
    /// Moves out of it at once, 1 to 1000. Others wait on its lane.
    pub moves_out_max: Option<u32>,
    /// Moves into it at once, 1 to 1000.
    pub moves_in_max: Option<u32>,
    /// What its workers stage and fetch for moves, together.
    pub bandwidth: BandwidthBody,
    /// Disk that moves leave free on it, in bytes; null for the cluster's default.
    pub disk_reserve_bytes: Option<u64>,
}

/// Bytes per second, by time of day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Bandwidth)]
#[serde(deny_unknown_fields, default)]
pub struct BandwidthBody {
    /// Outside all windows, at least 262144; 0 or null for no limit.
    pub default_bytes_s: Option<u64>,
    /// At most 20 windows, no two at the same time.
    pub windows: Vec<RateWindowBody>,
}

/// Hours with a rate of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RateWindow)]
#[serde(deny_unknown_fields)]
pub struct RateWindowBody {
    /// The days on which it begins, `mon` to `sun`; empty for every day.
    #[serde(default)]
    pub days: Vec<String>,
    /// When it begins, in UTC: `00:00` to `23:59`.
    pub from: String,
    /// When it ends: `00:00` to `24:00`; not later than `from` means on the next day.
    pub to: String,
    /// Its rate; 0 or null for no limit.
    #[serde(default)]
    pub bytes_s: Option<u64>,
}

impl From<&ServerLimits> for LimitsBody {
    fn from(limits: &ServerLimits) -> Self {
        let window = |w: &RateWindow| RateWindowBody {
            days: w.days.iter().map(|d| d.as_str().to_owned()).collect(),
            from: w.from.to_string(),
            to: w.to.to_string(),
            bytes_s: w.bytes_s,
        };
        Self {
            moves_out_max: limits.moves_out_max,
            moves_in_max: limits.moves_in_max,
            bandwidth: BandwidthBody {
                default_bytes_s: limits.bandwidth.default_bytes_s,
                windows: limits.bandwidth.windows.iter().map(window).collect(),
            },
            disk_reserve_bytes: limits.disk_reserve_bytes,
        }
    }
}

impl LimitsBody {
    /// As they are kept, or everything that is wrong with them.
    pub fn checked(&self) -> Result<ServerLimits, Vec<Problem>> {
        let mut faults = Vec::new();
        // Those that can be read are looked at all the same.
        let windows = self.bandwidth.windows.iter().filter_map(|w| w.window(&mut faults)).collect();
        let limits = ServerLimits {
            moves_out_max: self.moves_out_max,
            moves_in_max: self.moves_in_max,
            bandwidth: Bandwidth { default_bytes_s: self.bandwidth.default_bytes_s, windows },
            disk_reserve_bytes: self.disk_reserve_bytes,
        };
        match limits.checked() {
            Ok(limits) if faults.is_empty() => Ok(limits),
            Ok(_) => Err(faults.iter().map(problem).collect()),
            Err(more) => Err(faults.iter().chain(&more).map(problem).collect()),
        }
    }
}

impl RateWindowBody {
    fn window(&self, faults: &mut Vec<LimitFault>) -> Option<RateWindow> {
        let mut read = |text: &str| text.parse::<Clock>().map_err(|f| faults.push(f)).ok();
        let (from, to) = (read(&self.from), read(&self.to));
        let days = self.days.iter().map(|d| d.parse::<Day>().map_err(|f| faults.push(f)).ok());
        let days: Option<Vec<Day>> = days.collect();
        Some(RateWindow { days: days?, from: from?, to: to?, bytes_s: self.bytes_s })
    }
}

/// A fault as a problem document.
pub fn problem(fault: &LimitFault) -> Problem {
    let said = fault.to_string();
    let detail = said.chars().take(1).flat_map(char::to_uppercase).chain(said.chars().skip(1));
    let detail: String = detail.chain(['.']).collect();
    Problem::unprocessable("bad_limits", detail).remedy(fault.remedy()).field(fault.field())
}
