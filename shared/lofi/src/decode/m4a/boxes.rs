//! Boxes: what MPEG-4 files are made of. ISO 14496-12, 4.2.

use crate::{
    error::{AudioError, Extent, Place},
    section::Section,
};

/// Boxes in a row that are looked at.
const BOXES_MAX: usize = 10_000;

/// A box: its kind and what is in it.
pub(super) struct Atom {
    pub(super) kind: [u8; 4],
    pub(super) body: Section,
}

/// The boxes in a row that `within` is made of.
pub(super) struct Atoms {
    within: Section,
    at: u64,
    seen: usize,
    is_top: bool,
}

impl Atoms {
    /// The boxes of a whole file.
    pub(super) fn of_file(file: &Section) -> Self {
        Self { within: file.clone(), at: 0, seen: 0, is_top: true }
    }

    /// The boxes in a box, after `skip` bytes.
    pub(super) fn of(body: &Section, skip: u64) -> Self {
        Self { within: body.clone(), at: skip, seen: 0, is_top: false }
    }

    /// The next one, if there is another.
    pub(super) fn next(&mut self) -> Result<Option<Atom>, AudioError> {
        let place = Place::byte(self.within.start() + self.at);
        let head = self.within.array_at::<8>(self.at).map_err(AudioError::Unreadable)?;
        let Some([s0, s1, s2, s3, a, b, c, d]) = head else { return Ok(None) };
        self.seen += 1;
        if self.seen > BOXES_MAX {
            return Err(AudioError::corrupt(place, "there is no end to its boxes"));
        }
        let (head_bytes, bytes) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            // To the end of the file.
            0 => (8, self.within.len() - self.at),
            1 => {
                let large = self.within.array_at::<8>(self.at + 8);
                let large = large.map_err(AudioError::Unreadable)?;
                (16, large.map_or(0, u64::from_be_bytes))
            }
            bytes => (8, u64::from(bytes)),
        };
        let end = self.at.saturating_add(bytes);
        if bytes < head_bytes {
            // Some writers end a list with zeros.
            return if self.is_top {
                Ok(None)
            } else {
                Err(AudioError::corrupt(place, "a broken box"))
            };
        }
        if end > self.within.len() {
            return Err(if self.is_top {
                let (promised, found) = (Extent::Bytes(end), Extent::Bytes(self.within.len()));
                AudioError::Truncated { promised, found }
            } else {
                AudioError::corrupt(place, "a box that is larger than the one around it")
            });
        }
        let body = self.within.part(self.at + head_bytes, end);
        self.at = end;
        Ok(Some(Atom { kind: [a, b, c, d], body }))
    }

    /// The first one of a kind from here on.
    pub(super) fn find(mut self, kind: [u8; 4]) -> Result<Option<Section>, AudioError> {
        while let Some(atom) = self.next()? {
            if atom.kind == kind {
                return Ok(Some(atom.body));
            }
        }
        Ok(None)
    }
}

/// The box at the end of a path, if all of it is there.
pub(super) fn descend(from: &Section, path: &[[u8; 4]]) -> Result<Option<Section>, AudioError> {
    let mut at = from.clone();
    for kind in path {
        match Atoms::of(&at, 0).find(*kind)? {
            Some(body) => at = body,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// A number of four bytes in a box, whose place is an error's.
pub(super) fn u32_at(body: &Section, offset: u64) -> Result<u32, AudioError> {
    let bytes = body.array_at::<4>(offset).map_err(AudioError::Unreadable)?;
    bytes.map(u32::from_be_bytes).ok_or_else(|| cut_off(body))
}

/// A number of eight bytes in a box.
pub(super) fn u64_at(body: &Section, offset: u64) -> Result<u64, AudioError> {
    let bytes = body.array_at::<8>(offset).map_err(AudioError::Unreadable)?;
    bytes.map(u64::from_be_bytes).ok_or_else(|| cut_off(body))
}

/// A box that ends before what it must hold.
pub(super) fn cut_off(body: &Section) -> AudioError {
    AudioError::corrupt(Place::byte(body.start()), "a box that is too short")
}
