//! What an uploaded song really is, and its small version for slow lines.
//!
//! [`inspect()`] decodes all of a song once and says what it is, how long, how loud, and what its
//! waveform looks like. [`convert()`] does the same and makes a small version meanwhile, as a
//! [`Profile`] says. Files are judged by their content. Whatever is in them, memory and time
//! stay bounded by [`Limits`]; every decoder is memory-safe.
//!
//! All of it blocks; none of it knows a runtime.
//!
//! # Fuzzing
//!
//! `make fuzz` at the root feeds [`inspect()`] what nobody meant, led by coverage; `FUZZ=convert` does
//! [`convert()`], `FUZZ_S` says for how many seconds. It takes stable Rust and a C++ compiler. It ends
//! at a panic of our own code or one that leaves it, at 10 s or 96 MiB for one file, and at a refusal
//! that claims to be the disk's fault; the input is then in `fuzz/artifacts`. A decoder that panics is
//! told as `REFUSED`. Put the input of what was mended into `fuzz/corpus/inspect`, which a test goes
//! through.

mod bursts;
mod chain;
mod convert;
mod decode;
mod encode;
mod error;
mod excerpt;
mod format;
mod inspect;
mod limits;
mod measure;
mod mix;
mod peaks;
mod plan;
mod profile;
mod resample;
mod section;
mod sniff;
mod song;
mod speakers;
mod tags;
mod true_peak;
mod verify;

pub use convert::{ConvertError, Converted, Made, PASSES_MAX, convert};
pub use error::{AudioError, Extent, Place};
pub use format::Format;
pub use inspect::{Inspection, inspect};
pub use limits::{CHANNELS_MAX, Limits, MISSING_MS_MAX, SAMPLE_RATE_HZ_MAX, SAMPLE_RATE_HZ_MIN};
pub use peaks::{COLUMNS_MAX, Peaks, PeaksError};
pub use profile::{Encoding, Excerpt, MP3_SAMPLE_RATES_HZ, Profile, ProfileError};
pub use tags::{TEXT_CHARS_MAX, Tags};
pub use verify::{VerifyError, verify};
