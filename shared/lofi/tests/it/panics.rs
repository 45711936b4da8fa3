//! Whose a panic is. The fuzzer in `fuzz/` uses this file as well.

use std::{backtrace::Backtrace, panic::PanicHookInfo};

/// Whether our own code panicked. A decoder of others that does is a refusal.
pub fn is_ours(info: &PanicHookInfo<'_>) -> bool {
    let place = info.location().map_or("", |l| l.file());
    // The standard library panics for whoever called it.
    owner(place)
        .or_else(|| Backtrace::force_capture().to_string().lines().find_map(owner))
        .unwrap_or(true)
}

/// Whether a line that names a source file names one of ours; `None` if it is nobody's.
fn owner(line: &str) -> Option<bool> {
    let is_ours = line.contains("shared/lofi/src/");
    (is_ours || line.contains("/registry/src/") || line.contains("/vendor/")).then_some(is_ours)
}
