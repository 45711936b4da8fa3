//! A song's waveform, for a player to draw: the data format of BBC audiowaveform, version 2.
//!
//! The layout is audiowaveform's `doc/DataFormat.md`. All numbers are little-endian.
//!
//! ```text
//! i32 version = 2
//! u32 flags   = 1       samples have 8 bits
//! i32 sample_rate       of the song, in hertz
//! i32 samples_per_pixel samples per channel that one column stands for
//! u32 length            columns
//! i32 channels    = 1   the mix of all
//! i8  min, i8 max       for each column
//! ```
//!
//! As JSON it is audiowaveform's JSON, which peaks.js reads as well.

use crate::decode::Spec;
use serde::{Deserialize, Serialize};

/// The most columns of a song.
pub const COLUMNS_MAX: usize = 4096;
/// Samples per channel of a column to begin with: a song of six seconds has all its columns.
const SAMPLES_PER_COLUMN_MIN: u32 = 64;
const VERSION: i32 = 2;
const FLAG_8_BIT: u32 = 1;
const HEADER_BYTES: usize = 24;

/// The least and greatest sample of each stretch of a song, in all channels mixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Peaks {
    sample_rate_hz: u32,
    samples_per_column: u32,
    columns: Vec<(i8, i8)>,
}

/// Why bytes are no waveform of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeaksError {
    /// Its header is of something else.
    #[error("this is no waveform of version 2 with 8 bits and one channel")]
    Kind,
    /// It holds more or fewer columns than it says, or more than a song has.
    #[error("the waveform says it has {said} columns, and has {found}")]
    Length {
        /// What its header says.
        said: u32,
        /// What is there.
        found: usize,
    },
}

impl Peaks {
    /// The song's sample rate, in hertz.
    pub const fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Samples per channel that one column stands for. The last may stand for fewer.
    pub const fn samples_per_column(&self) -> u32 {
        self.samples_per_column
    }

    /// Least and greatest sample of each column; -127 and 127 are full scale.
    pub fn columns(&self) -> &[(i8, i8)] {
        &self.columns
    }

    /// As audiowaveform's `.dat` file.
    pub fn to_dat(&self) -> Vec<u8> {
        let mut dat = Vec::with_capacity(HEADER_BYTES + self.columns.len() * 2);
        dat.extend(VERSION.to_le_bytes());
        dat.extend(FLAG_8_BIT.to_le_bytes());
        dat.extend(self.sample_rate_hz.to_le_bytes());
        dat.extend(self.samples_per_column.to_le_bytes());
        dat.extend((self.columns.len() as u32).to_le_bytes());
        dat.extend(1_u32.to_le_bytes());
        dat.extend(self.columns.iter().flat_map(|(low, high)| [*low as u8, *high as u8]));
        dat
    }

    /// Reads what [`to_dat`](Self::to_dat) writes.
    pub fn from_dat(dat: &[u8]) -> Result<Self, PeaksError> {
        let number = |n: usize| {
            let bytes = dat.get(n * 4..n * 4 + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let head = [number(0), number(1), number(5)];
        if head != [Some(VERSION as u32), Some(FLAG_8_BIT), Some(1)] {
            return Err(PeaksError::Kind);
        }
        let (Some(rate), Some(per_column), Some(said)) = (number(2), number(3), number(4)) else {
            return Err(PeaksError::Kind);
        };
        let data: Vec<i8> = dat[HEADER_BYTES..].iter().map(|b| *b as i8).collect();
        Self::checked(rate, per_column, said, &data)
    }

    fn checked(rate: u32, per_column: u32, said: u32, data: &[i8]) -> Result<Self, PeaksError> {
        if rate == 0 || per_column == 0 {
            return Err(PeaksError::Kind);
        }
        let found = data.len() / 2;
        if !data.len().is_multiple_of(2) || found != said as usize || found > COLUMNS_MAX {
            return Err(PeaksError::Length { said, found });
        }
        let columns = data.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(Self { sample_rate_hz: rate, samples_per_column: per_column, columns })
    }

    /// At most `n` columns of the same song, each over as many of ours as its neighbours, within
    /// one. Fewer if there are not as many.
    pub fn overview(&self, n: usize) -> Vec<(i8, i8)> {
        let (have, n) = (self.columns.len(), n.min(self.columns.len()));
        let merged = |i: usize| {
            let stretch = &self.columns[i * have / n..(i + 1) * have / n];
            stretch.iter().copied().reduce(merge).unwrap_or_default()
        };
        (0..n).map(merged).collect()
    }
}

fn merge<T: PartialOrd>(a: (T, T), b: (T, T)) -> (T, T) {
    (if b.0 < a.0 { b.0 } else { a.0 }, if b.1 > a.1 { b.1 } else { a.1 })
}

/// audiowaveform's JSON.
#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    channels: u32,
    sample_rate: u32,
    samples_per_pixel: u32,
    bits: u32,
    length: u32,
    data: Vec<i8>,
}

impl From<Peaks> for Json {
    fn from(peaks: Peaks) -> Self {
        Self {
            version: VERSION,
            channels: 1,
            sample_rate: peaks.sample_rate_hz,
            samples_per_pixel: peaks.samples_per_column,
            bits: 8,
            length: peaks.columns.len() as u32,
            data: peaks.columns.into_iter().flat_map(|(low, high)| [low, high]).collect(),
        }
    }
}

impl TryFrom<Json> for Peaks {
    type Error = PeaksError;

    fn try_from(json: Json) -> Result<Self, PeaksError> {
        if (json.version, json.channels, json.bits) != (VERSION, 1, 8) {
            return Err(PeaksError::Kind);
        }
        Self::checked(json.sample_rate, json.samples_per_pixel, json.length, &json.data)
    }
}

/// A waveform in the making. When it has all the columns a song may have, neighbours become one.
pub(crate) struct PeaksBuilder {
    spec: Spec,
    per_column: u32,
    columns: Vec<(f32, f32)>,
    /// The column that is being filled, and how many samples it has.
    open: (f32, f32),
    filled: u32,
}

impl PeaksBuilder {
    pub(crate) fn new(spec: Spec) -> Self {
        let columns = Vec::with_capacity(COLUMNS_MAX);
        let per_column = SAMPLES_PER_COLUMN_MIN;
        Self { spec, per_column, columns, open: (0.0, 0.0), filled: 0 }
    }

    /// Takes in interleaved samples.
    pub(crate) fn add(&mut self, samples: &[f32]) {
        let channels = usize::from(self.spec.channels);
        let scale = 1.0 / channels as f32;
        for frame in samples.chunks_exact(channels) {
            let mix = frame.iter().sum::<f32>() * scale;
            let mix = (mix, mix);
            self.open = if self.filled == 0 { mix } else { merge(self.open, mix) };
            self.filled += 1;
            if self.filled >= self.per_column {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.columns.push(self.open);
        self.filled = 0;
        if self.columns.len() < COLUMNS_MAX {
            return;
        }
        for n in 0..COLUMNS_MAX / 2 {
            self.columns[n] = merge(self.columns[2 * n], self.columns[2 * n + 1]);
        }
        self.columns.truncate(COLUMNS_MAX / 2);
        self.per_column = self.per_column.saturating_mul(2);
    }

    pub(crate) fn finish(mut self) -> Peaks {
        if self.filled > 0 {
            self.close();
        }
        let level = |x: f32| (x * 127.0).round().clamp(-127.0, 127.0) as i8;
        let columns = self.columns.iter().map(|(low, high)| (level(*low), level(*high))).collect();
        Peaks {
            sample_rate_hz: self.spec.sample_rate_hz,
            samples_per_column: self.per_column,
            columns,
        }
    }
}

#[cfg(test)]
mod tests;
