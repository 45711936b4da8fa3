//! A stretch of a file, read as if it were a file of its own.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use symphonia::core::io::MediaSource;

/// How far into the file somebody has read. Shared with whoever shows progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// The byte of the file, counted from its very start.
    pub(crate) fn byte(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, byte: u64) {
        self.0.store(byte, Ordering::Relaxed);
    }
}

/// Bytes `start..end` of a file. Copies read independently of each other.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    file: Arc<File>,
    start: u64,
    end: u64,
    at: u64,
    meter: Meter,
}

impl Section {
    /// All of a file, as long as it is now.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), start: 0, end, at: 0, meter: Meter::default() })
    }

    /// A part of this one: offsets count from its start and are cut to what is there.
    pub(crate) fn part(&self, start: u64, end: u64) -> Self {
        let end = self.start.saturating_add(end).min(self.end);
        let start = self.start.saturating_add(start).min(end);
        Self { file: self.file.clone(), start, end, at: start, meter: self.meter.clone() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Where it begins, in the whole file.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Fills as much of `buffer` as there is at `offset`, and says how much that is.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = self.start.saturating_add(offset).min(self.end);
        let want = usize::try_from(self.end - from).unwrap_or(usize::MAX).min(buffer.len());
        let mut have = 0;
        while have < want {
            match self.file.read_at(&mut buffer[have..want], from + have as u64) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.meter.set(from + have as u64);
        Ok(have)
    }

    /// The bytes at `offset`, or `None` if there are not as many.
    pub(crate) fn array_at<const N: usize>(&self, offset: u64) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        Ok((self.read_at(offset, &mut bytes)? == N).then_some(bytes))
    }

    /// At most `bytes_max` bytes at `offset`.
    pub(crate) fn bytes_at(&self, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let left = self.len().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(bytes_max)];
        let have = self.read_at(offset, &mut bytes)?;
        bytes.truncate(have);
        Ok(bytes)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(self.at - self.start, buffer)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => self.start.checked_add(n),
            SeekFrom::End(n) => self.end.checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        let outside = || io::Error::from(io::ErrorKind::InvalidInput);
        let target = target.filter(|t| *t >= self.start).ok_or_else(outside)?;
        self.at = target;
        Ok(target - self.start)
    }
}

impl MediaSource for Section {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}

/// A header of our own making in front of a section. It cannot be sought in.
#[derive(Debug)]
pub(crate) struct Spliced {
    head: Cursor<Vec<u8>>,
    tail: Section,
}

impl Spliced {
    pub(crate) const fn new(head: Vec<u8>, tail: Section) -> Self {
        Self { head: Cursor::new(head), tail }
    }
}

impl Read for Spliced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.head.read(buffer)?;
        if n > 0 || buffer.is_empty() { Ok(n) } else { self.tail.read(buffer) }
    }
}

impl Seek for Spliced {
    fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl MediaSource for Spliced {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}
