//! What iTunes notes about the ends of a song, instead of an edit list: an item of the tags, called
//! `iTunSMPB`, of numbers in hexadecimal. The second is how many samples the encoder put before
//! the song, the fourth how many the song has.

use super::boxes::{Atoms, descend};
use crate::{error::AudioError, section::Section};
use std::ops::Range;

/// Items of the tags that are looked at.
const ITEMS_MAX: usize = 1000;
/// The text is 12 numbers: the four that count are in the first half.
const TEXT_BYTES_MAX: usize = 256;

/// The samples that are the song, if the tags of `moov` say so.
pub(super) fn read(moov: &Section) -> Result<Option<Range<u64>>, AudioError> {
    let Some(meta) = descend(moov, &[*b"udta", *b"meta"])? else { return Ok(None) };
    let Some(list) = Atoms::of(&meta, 4).find(*b"ilst")? else { return Ok(None) };
    let mut items = Atoms::of(&list, 0);
    for _ in 0..ITEMS_MAX {
        let Some(item) = items.next()? else { break };
        if &item.kind == b"----"
            && let Some(song) = item_of(&item.body)?
        {
            return Ok(Some(song));
        }
    }
    Ok(None)
}

fn item_of(item: &Section) -> Result<Option<Range<u64>>, AudioError> {
    let Some(name) = Atoms::of(item, 0).find(*b"name")? else { return Ok(None) };
    let name = name.bytes_at(4, TEXT_BYTES_MAX).map_err(AudioError::Unreadable)?;
    let Some(data) = Atoms::of(item, 0).find(*b"data")? else { return Ok(None) };
    if name != b"iTunSMPB" {
        return Ok(None);
    }
    let text = data.bytes_at(8, TEXT_BYTES_MAX).map_err(AudioError::Unreadable)?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Option<Range<u64>> {
    let mut numbers = text.split_whitespace().map(|n| u64::from_str_radix(n, 16).ok());
    let start = numbers.nth(1)??;
    let length = numbers.nth(1)??;
    (length > 0).then_some(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_numbers_are_read() {
        let text = " 00000000 00000840 000001CA 00000000003F31F6 00000000 00000000";
        assert_eq!(parse(text), Some(0x840..0x840 + 0x3F_31F6));
        assert_eq!(parse(" 00000000 00000840 000001CA 0000000000000000"), None);
        assert_eq!(parse(" 0 1 2 FFFFFFFFFFFFFFFF"), None);
        assert_eq!(parse("one two three four"), None);
        assert_eq!(parse(""), None);
    }
}
