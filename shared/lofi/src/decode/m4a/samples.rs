//! The coded frames of a track, one after the other. Tables are read a piece at a time: a song of
//! hours has megabytes of them.

use super::movie::Movie;
use crate::{
    error::{AudioError, Place},
    section::Section,
};

/// The largest frame that is read, in bytes. AAC-LC allows 768 per channel: ISO 14496-3, 4.5.1.1.
const FRAME_BYTES_MAX: u32 = 8 * 768;
/// Bytes of a table that are read at once.
const PIECE_BYTES: usize = 4096;

/// A table of numbers in a box, read in order.
struct Table {
    body: Section,
    at: u64,
    piece: Vec<u8>,
    used: usize,
}

impl Table {
    fn new(body: &Section, at: u64) -> Self {
        Self { body: body.clone(), at, piece: Vec::new(), used: 0 }
    }

    fn next<const N: usize>(&mut self) -> Result<Option<[u8; N]>, AudioError> {
        if self.piece.len() - self.used < N {
            self.piece =
                self.body.bytes_at(self.at, PIECE_BYTES).map_err(AudioError::Unreadable)?;
            self.used = 0;
        }
        let Some(bytes) = self.piece.get(self.used..self.used + N) else { return Ok(None) };
        self.used += N;
        self.at += N as u64;
        Ok(bytes.try_into().ok())
    }

    fn u32(&mut self) -> Result<Option<u32>, AudioError> {
        Ok(self.next::<4>()?.map(u32::from_be_bytes))
    }
}

/// The frames of a song.
pub(super) struct Samples {
    file: Section,
    sizes: Table,
    /// The size of each, if all are alike.
    size: Option<u32>,
    left: u64,
    runs: Table,
    /// Chunks from this one on, counted from 1, hold `per_chunk` frames; `next_run` begins another
    /// run.
    per_chunk: u32,
    next_run: Option<(u32, u32)>,
    offsets: Table,
    is_wide: bool,
    chunk: u32,
    left_in_chunk: u32,
    /// Where the next frame is in the file.
    at: u64,
}

impl Samples {
    pub(super) fn new(file: &Section, movie: &Movie) -> Self {
        let size = movie.sizes.array_at::<4>(4).ok().flatten().map_or(0, u32::from_be_bytes);
        Self {
            file: file.clone(),
            sizes: Table::new(&movie.sizes, 12),
            size: (size > 0).then_some(size),
            left: movie.sample_count,
            runs: Table::new(&movie.runs, 8),
            per_chunk: 0,
            next_run: None,
            offsets: Table::new(&movie.offsets, 8),
            is_wide: movie.is_wide,
            chunk: 0,
            left_in_chunk: 0,
            at: 0,
        }
    }

    /// Where the next frame is, from the start of the file.
    pub(super) fn at(&self) -> u64 {
        self.file.start().saturating_add(self.at)
    }

    fn corrupt(&self, what: &str) -> AudioError {
        AudioError::corrupt(Place::byte(self.at()), what)
    }

    fn read_run(&mut self) -> Result<Option<(u32, u32)>, AudioError> {
        let Some(first) = self.runs.u32()? else { return Ok(None) };
        let Some(count) = self.runs.u32()? else { return Ok(None) };
        self.runs.u32()?;
        Ok(Some((first, count)))
    }

    /// Goes to the next chunk. `false` if there is none.
    fn enter_chunk(&mut self) -> Result<bool, AudioError> {
        self.chunk = self.chunk.saturating_add(1);
        if self.chunk == 1 {
            self.next_run = self.read_run()?;
        }
        if let Some((first, count)) = self.next_run
            && first <= self.chunk
        {
            self.per_chunk = count;
            self.next_run = self.read_run()?;
        }
        let offset = if self.is_wide {
            self.offsets.next::<8>()?.map(u64::from_be_bytes)
        } else {
            self.offsets.u32()?.map(u64::from)
        };
        let Some(offset) = offset else { return Ok(false) };
        (self.at, self.left_in_chunk) = (offset, self.per_chunk);
        Ok(true)
    }

    /// The next coded frame; `None` at the end, whether all have come or not.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, AudioError> {
        if self.left == 0 {
            return Ok(None);
        }
        // Each turn takes an offset from a table in the file.
        while self.left_in_chunk == 0 {
            if !self.enter_chunk()? {
                return Ok(None);
            }
        }
        self.left -= 1;
        self.left_in_chunk -= 1;
        let size = match self.size {
            Some(size) => Some(size),
            None => self.sizes.u32()?,
        };
        let Some(size) = size else { return Ok(None) };
        if size > FRAME_BYTES_MAX {
            return Err(self.corrupt("a frame that is larger than AAC allows"));
        }
        if self.at.saturating_add(u64::from(size)) > self.file.len() {
            return Ok(None);
        }
        let frame = self.file.bytes_at(self.at, size as usize).map_err(AudioError::Unreadable)?;
        self.at += u64::from(size);
        Ok(Some(frame))
    }
}
