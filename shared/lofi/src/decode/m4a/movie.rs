//! The `moov` box: which track is the song, how it is coded, and where its frames are.

use super::{
    boxes::{Atoms, cut_off, descend, u32_at, u64_at},
    smpb,
};
use crate::{
    error::{AudioError, Place},
    section::Section,
};
use std::ops::Range;

/// Tracks that are looked at.
const TRACKS_MAX: usize = 64;
/// The largest decoder configuration that is read, in bytes. AAC-LC's has 2 to 5.
const CONFIG_BYTES_MAX: usize = 64;

/// The song in a file.
pub(super) struct Movie {
    /// AAC's `AudioSpecificConfig`.
    pub(super) config: Vec<u8>,
    /// Ticks per second.
    pub(super) timescale: u32,
    /// Where the song begins, in ticks of the track: what is before it is the encoder's own.
    pub(super) start: u64,
    /// Where it ends, in ticks of the track.
    pub(super) end: u64,
    /// Where it is, in samples, if iTunes has noted it and there is no edit list.
    pub(super) noted: Option<Range<u64>>,
    /// How long the track says it is, in ticks.
    pub(super) duration: u64,
    /// Coded frames.
    pub(super) sample_count: u64,
    /// Sizes, runs and offsets of chunks: `stsz`, `stsc`, `stco` or `co64`.
    pub(super) sizes: Section,
    pub(super) runs: Section,
    pub(super) offsets: Section,
    /// Whether offsets have eight bytes.
    pub(super) is_wide: bool,
}

impl Movie {
    pub(super) fn read(file: &Section) -> Result<Self, AudioError> {
        let moov = find_moov(file)?;
        let movie_scale = match descend(&moov, &[*b"mvhd"])? {
            Some(mvhd) => times(&mvhd)?.0,
            None => 1000,
        };
        let mut atoms = Atoms::of(&moov, 0);
        let (mut song, mut tracks) = (None, 0);
        while let Some(atom) = atoms.next()? {
            if &atom.kind != b"trak" {
                continue;
            }
            tracks += 1;
            if tracks > TRACKS_MAX {
                break;
            }
            match handler(&atom.body)? {
                Some(kind) if &kind == b"soun" && song.is_none() => song = Some(atom.body),
                Some(kind) if &kind == b"vide" && !is_picture(&atom.body)? => {
                    return Err(AudioError::NotAudio { looks_like: "an MPEG-4 video" });
                }
                _ => {}
            }
        }
        match song {
            Some(track) => {
                let mut movie = track_of(&track, movie_scale)?;
                let is_edited = descend(&track, &[*b"edts", *b"elst"])?.is_some();
                // A broken tag costs the tag, not the song.
                movie.noted = if is_edited { None } else { smpb::read(&moov).ok().flatten() };
                Ok(movie)
            }
            None => Err(AudioError::NotAudio { looks_like: "an MPEG-4 file without sound" }),
        }
    }
}

fn find_moov(file: &Section) -> Result<Section, AudioError> {
    let mut atoms = Atoms::of_file(file);
    let mut fragments = false;
    while let Some(atom) = atoms.next()? {
        match &atom.kind {
            b"ftyp" if matches!(atom.body.array_at::<4>(0), Ok(Some(brand)) if is_image(brand)) => {
                return Err(AudioError::NotAudio { looks_like: "a HEIC or AVIF image" });
            }
            b"moov" => return Ok(atom.body),
            b"moof" => fragments = true,
            _ => {}
        }
    }
    Err(if fragments {
        fragmented()
    } else {
        AudioError::corrupt(Place::byte(file.start()), "its table of contents (moov) is missing")
    })
}

fn is_image(brand: [u8; 4]) -> bool {
    [*b"heic", *b"heix", *b"mif1", *b"msf1", *b"avif"].contains(&brand)
}

fn fragmented() -> AudioError {
    AudioError::unsupported("an M4A file in fragments, as streams are stored")
}

fn handler(trak: &Section) -> Result<Option<[u8; 4]>, AudioError> {
    match descend(trak, &[*b"mdia", *b"hdlr"])? {
        Some(hdlr) => hdlr.array_at::<4>(8).map_err(AudioError::Unreadable),
        None => Ok(None),
    }
}

/// Whether a video track is the cover: songs with chapters have such.
fn is_picture(trak: &Section) -> Result<bool, AudioError> {
    let stsd = descend(trak, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"])?;
    let kind = match stsd {
        Some(stsd) => stsd.array_at::<4>(12).map_err(AudioError::Unreadable)?,
        None => None,
    };
    Ok(matches!(kind.as_ref(), Some(b"jpeg" | b"png " | b"mjpg")))
}

/// Ticks per second and duration in ticks, of `mvhd` or `mdhd`.
fn times(head: &Section) -> Result<(u32, u64), AudioError> {
    let is_long = u32_at(head, 0)? >> 24 == 1;
    let (scale, duration) = if is_long {
        (u32_at(head, 20)?, u64_at(head, 24)?)
    } else {
        (u32_at(head, 12)?, u64::from(u32_at(head, 16)?))
    };
    if scale == 0 {
        return Err(AudioError::corrupt(Place::byte(head.start()), "it has no measure of time"));
    }
    Ok((scale, duration))
}

fn track_of(trak: &Section, movie_scale: u32) -> Result<Movie, AudioError> {
    let mdia = need(trak, &[*b"mdia"])?;
    let (timescale, duration) = times(&need(&mdia, &[*b"mdhd"])?)?;
    let table = need(&mdia, &[*b"minf", *b"stbl"])?;
    let config = codec(&need(&table, &[*b"stsd"])?)?;
    let sizes = need(&table, &[*b"stsz"])?;
    let sample_count = u64::from(u32_at(&sizes, 8)?);
    if sample_count == 0 {
        return Err(fragmented());
    }
    let runs = need(&table, &[*b"stsc"])?;
    let (offsets, is_wide) = match descend(&table, &[*b"co64"])? {
        Some(wide) => (wide, true),
        None => (need(&table, &[*b"stco"])?, false),
    };
    let (start, end) = edit(trak, movie_scale, timescale, duration)?;
    Ok(Movie {
        config,
        timescale,
        start,
        end,
        noted: None,
        duration,
        sample_count,
        sizes,
        runs,
        offsets,
        is_wide,
    })
}

fn need(from: &Section, path: &[[u8; 4]]) -> Result<Section, AudioError> {
    descend(from, path)?.ok_or_else(|| {
        let name = path.last().map(|k| k.escape_ascii().to_string()).unwrap_or_default();
        let place = Place::byte(from.start());
        AudioError::corrupt(place, format!("its box {name} is missing"))
    })
}

/// The part of the track that is the song, in its ticks. One edit is honoured: it takes off what
/// the encoder added. Several edits are somebody's cuts, which players do not follow either.
fn edit(trak: &Section, movie: u32, scale: u32, duration: u64) -> Result<(u64, u64), AudioError> {
    let whole = (0, duration);
    let Some(list) = descend(trak, &[*b"edts", *b"elst"])? else { return Ok(whole) };
    let is_long = u32_at(&list, 0)? >> 24 == 1;
    let mut found = None;
    for n in 0..u64::from(u32_at(&list, 4)?.min(8)) {
        let (length, start) = if is_long {
            (u64_at(&list, 8 + n * 20)?, u64_at(&list, 16 + n * 20)? as i64)
        } else {
            let start = u32_at(&list, 12 + n * 12)? as i32;
            (u64::from(u32_at(&list, 8 + n * 12)?), i64::from(start))
        };
        // -1: a pause before the song.
        let Ok(start) = u64::try_from(start) else { continue };
        if found.replace((start, length)).is_some() {
            return Ok(whole);
        }
    }
    let Some((start, length)) = found else { return Ok(whole) };
    // The length is in the movie's ticks, which may be coarse: milliseconds. An end that is the
    // track's within a tick is the track's.
    let in_track = |ticks: u64| (u128::from(ticks) * u128::from(scale) / u128::from(movie)) as u64;
    let end = start.saturating_add(in_track(length));
    let is_all = length == 0 || end.abs_diff(duration) <= in_track(1).max(1) || end > duration;
    Ok((start.min(duration), if is_all { duration } else { end }))
}

/// The `AudioSpecificConfig` of a sample description that is AAC.
fn codec(stsd: &Section) -> Result<Vec<u8>, AudioError> {
    let Some(entry) = Atoms::of(stsd, 8).next()? else { return Err(cut_off(stsd)) };
    if &entry.kind != b"mp4a" {
        return Err(AudioError::unsupported(format!("{} in an M4A file", codec_name(entry.kind))));
    }
    // QuickTime's versions of the entry are longer.
    let version = u32_at(&entry.body, 8)? >> 16;
    let skip = 28
        + match version {
            1 => 16,
            2 => 36,
            _ => 0,
        };
    let esds = match Atoms::of(&entry.body, skip).find(*b"esds")? {
        Some(esds) => Some(esds),
        None => match Atoms::of(&entry.body, skip).find(*b"wave")? {
            Some(wave) => descend(&wave, &[*b"esds"])?,
            None => None,
        },
    };
    config(&esds.ok_or_else(|| cut_off(&entry.body))?)
}

fn codec_name(kind: [u8; 4]) -> String {
    match &kind {
        b"alac" => "Apple Lossless (ALAC)",
        b"ac-3" | b"ec-3" => "Dolby Digital",
        b"ac-4" => "Dolby AC-4",
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b"samr" | b"sawb" => "AMR speech",
        b".mp3" => "MP3",
        b"drms" | b"enca" => "copy-protected audio",
        b"twos" | b"sowt" | b"lpcm" | b"in24" | b"in32" | b"fl32" | b"ipcm" | b"fpcm" => {
            "uncompressed audio"
        }
        _ => return format!("an unknown codec ({})", kind.escape_ascii()),
    }
    .to_owned()
}

/// Takes a descriptor's head off: its tag, and what is in it. ISO 14496-1, 8.3.3.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let mut length = 0_usize;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (body, after) = rest.split_at(length.min(rest.len()));
    Some((*tag, body, after))
}

/// The `AudioSpecificConfig` in an `esds` box.
fn config(esds: &Section) -> Result<Vec<u8>, AudioError> {
    let bytes = esds.bytes_at(4, 1024).map_err(AudioError::Unreadable)?;
    let parse = || {
        let (3, body, _) = descriptor(&bytes)? else { return None };
        let flags = *body.get(2)?;
        let mut skip = 3;
        skip += if flags & 0x80 == 0 { 0 } else { 2 };
        skip += if flags & 0x40 == 0 { 0 } else { 1 + usize::from(*body.get(skip)?) };
        skip += if flags & 0x20 == 0 { 0 } else { 2 };
        let (4, body, _) = descriptor(body.get(skip..)?)? else { return None };
        let kind = *body.first()?;
        let config = match descriptor(body.get(13..)?) {
            Some((5, config, _)) => config.get(..config.len().min(CONFIG_BYTES_MAX))?,
            _ => &[],
        };
        Some((kind, config.to_vec()))
    };
    let (kind, config) = parse().ok_or_else(|| cut_off(esds))?;
    match kind {
        0x40 | 0x66..=0x68 => {}
        0x69 | 0x6B => return Err(AudioError::unsupported("MP3 in an M4A file")),
        0xA5 | 0xA6 => return Err(AudioError::unsupported("Dolby Digital in an M4A file")),
        0xDD => return Err(AudioError::unsupported("Vorbis in an M4A file")),
        kind => {
            let what = format!("an unknown codec ({kind:#04x}) in an M4A file");
            return Err(AudioError::unsupported(what));
        }
    }
    let Some(first) = config.first() else { return Err(cut_off(esds)) };
    // The audio object type: ISO 14496-3, table 1.17.
    let what = match first >> 3 {
        2 => return Ok(config),
        5 | 29 => "HE-AAC",
        31 => "xHE-AAC or another new kind of AAC",
        _ => "AAC of another kind than AAC-LC",
    };
    Err(AudioError::unsupported(format!("{what} in an M4A file")))
}
