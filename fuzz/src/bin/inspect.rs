//! Any bytes are a song or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tourbus_fuzz::{bounded, check, file, limits, mutator, watch_panics};
use tourbus_lofi::{COLUMNS_MAX, inspect};

mutator!();

fuzz_target!(init: watch_panics(), |bytes: &[u8]| {
    let limits = limits();
    match bounded(|| inspect(file(bytes), &limits)) {
        Ok(song) => {
            assert!((limits.duration_ms_min..=limits.duration_ms_max).contains(&song.duration_ms));
            assert!(song.loudness.is_none_or(f64::is_finite));
            assert!(song.true_peak_dbtp.is_none_or(f64::is_finite));
            assert!(song.peaks.columns().len() <= COLUMNS_MAX);
        }
        Err(error) => check(&error),
    }
});
