//! The tag before a small MP3.

use crate::tags::Tags;
use lofty::{
    TextEncoding,
    config::WriteOptions,
    id3::v2::{Frame, FrameId, Id3v2Tag, TextInformationFrame},
    tag::{Accessor, TagExt},
};
use std::borrow::Cow;

/// An ID3v2.3 tag: what old players read as well. Nothing for a song that says nothing.
pub(crate) fn id3(tags: &Tags) -> Vec<u8> {
    if tags.is_empty() {
        return Vec::new();
    }
    let mut tag = Id3v2Tag::new();
    if let Some(title) = &tags.title {
        tag.set_title(title.clone());
    }
    if let Some(artist) = &tags.artist {
        tag.set_artist(artist.clone());
    }
    if let Some(album) = &tags.album {
        tag.set_album(album.clone());
    }
    if let Some(track) = tags.track {
        tag.set_track(track);
    }
    if let Some(year) = tags.year {
        // ID3v2.3's own frame: what `set_date` makes is of 2.4, and would be left out.
        let id = FrameId::Valid(Cow::Borrowed("TYER"));
        let text = TextInformationFrame::new(id, TextEncoding::Latin1, format!("{year:04}"));
        tag.insert(Frame::Text(text));
    }
    let mut bytes = Vec::new();
    let options = WriteOptions::new().use_id3v23(true).preferred_padding(0);
    // Writing into memory, of texts that have been cleaned: a tag that fails nevertheless costs
    // the tag.
    if tag.dump_to(&mut bytes, options).is_err() {
        bytes.clear();
    }
    bytes
}
