//! The list of artists: CSV with a head, or JSON.

use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};
use tourbus_domain::{ArtistId, Slug};

/// Longest name, in characters; as the database has it.
const NAME_CHARS_MAX: usize = 200;

/// An artist as the old community knew them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listed {
    /// What the old community called them by: makes the new id, and names the directory.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Name in URLs; made from the name without it.
    pub slug: String,
    /// Directory below the media directory; `id` without it.
    pub dir: String,
    /// What they say of themselves.
    pub text: String,
    /// Plays, ever.
    pub plays: u64,
    /// Plays in the last 30 days.
    pub plays_30d: u64,
    /// Songs, in the order of the page; only JSON can hold them. Songs that are not named here are
    /// taken over all the same.
    pub songs: Vec<Song>,
}

/// A song of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Song {
    /// What its files are called by: `{id}_hifi.mp3`, `{id}_lofi.mp3`, or `{id}.mp3`.
    pub id: String,
    /// For people.
    pub title: String,
    /// Plays of the original.
    pub plays_hifi: u64,
    /// Plays of the small rendition.
    pub plays_lofi: u64,
}

/// What a CSV file may have.
const COLUMNS: [&str; 7] = ["id", "name", "slug", "dir", "text", "plays", "plays_30d"];

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path}: {message}; see docs/adopting.md for what it should look like")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What, and where.
        message: String,
    },
}

/// A line that cannot be taken over, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Which: counted from 1, the head of a CSV file included.
    pub line: usize,
    /// The old id, as far as there is one.
    pub id: String,
    /// What is wrong, and how to mend it.
    pub reason: String,
}

/// An artist that can be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where in the list.
    pub line: usize,
    /// What stands there.
    pub listed: Listed,
    /// The new id.
    pub artist: ArtistId,
    /// The name in URLs.
    pub slug: Slug,
}

/// Reads a list. By its name it is JSON or CSV.
pub fn read(path: &Path) -> Result<Vec<(usize, Listed)>, ListError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ListError::Read { path: path.to_owned(), source })?;
    let malformed = |message: String| ListError::Malformed { path: path.to_owned(), message };
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        let all: Vec<Listed> = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        return Ok(all.into_iter().enumerate().map(|(n, one)| (n + 1, one)).collect());
    }
    csv_lines(&text).map_err(malformed)
}

fn csv_lines(text: &str) -> Result<Vec<(usize, Listed)>, String> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        name: String,
        #[serde(default)]
        slug: String,
        #[serde(default)]
        dir: String,
        #[serde(default)]
        text: String,
        #[serde(default)]
        plays: Option<u64>,
        #[serde(default)]
        plays_30d: Option<u64>,
    }
    // What spreadsheets put before the first letter.
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = reader.headers().map_err(|e| e.to_string())?.clone();
    for column in ["id", "name"] {
        if !head.iter().any(|h| h == column) {
            let separated = if text.lines().next().is_some_and(|l| l.contains(';')) {
                "; columns are separated by commas, not by semicolons"
            } else {
                ""
            };
            return Err(format!("the head has no column `{column}`{separated}"));
        }
    }
    if let Some(unknown) = head.iter().find(|h| !COLUMNS.contains(h)) {
        return Err(format!("the head has a column {unknown:?}; there are {}", COLUMNS.join(", ")));
    }
    let mut all = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, |p| usize::try_from(p.line()).unwrap_or(0));
        let one: Line = record.deserialize(Some(&head)).map_err(|e| format!("line {line}: {e}"))?;
        let Line { id, name, slug, dir, text, plays, plays_30d } = one;
        let (plays, plays_30d) = (plays.unwrap_or(0), plays_30d.unwrap_or(0));
        let songs = Vec::new();
        all.push((line, Listed { id, name, slug, dir, text, plays, plays_30d, songs }));
    }
    Ok(all)
}

/// Tells what can be taken over from what cannot. `community` makes ids of different communities
/// different.
pub fn check(list: Vec<(usize, Listed)>, community: &str) -> (Vec<Wanted>, Vec<Rejected>) {
    let (mut wanted, mut rejected) = (Vec::new(), Vec::new());
    let (mut ids, mut slugs) = (HashMap::new(), HashMap::new());
    for (line, listed) in list {
        match one(line, &listed, community, &mut ids, &mut slugs) {
            Ok((artist, slug)) => wanted.push(Wanted { line, listed, artist, slug }),
            Err(reason) => rejected.push(Rejected { line, id: listed.id, reason }),
        }
    }
    (wanted, rejected)
}

fn one(
    line: usize,
    listed: &Listed,
    community: &str,
    ids: &mut HashMap<String, usize>,
    slugs: &mut HashMap<Slug, usize>,
) -> Result<(ArtistId, Slug), String> {
    let Listed { id, name, dir, .. } = listed;
    if id.is_empty() {
        return Err("it has no id".to_owned());
    }
    if let Some(first) = ids.insert(id.clone(), line) {
        return Err(format!("line {first} has the same id {id:?}"));
    }
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("its name is empty, or longer than {NAME_CHARS_MAX} characters"));
    }
    if name.chars().any(char::is_control) {
        return Err("its name holds a control character".to_owned());
    }
    let below = if dir.is_empty() { id } else { dir };
    if Path::new(below).components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
        return Err(format!("its directory {below:?} leads out of the media directory"));
    }
    let mut songs = HashSet::new();
    if let Some(twice) = listed.songs.iter().find(|s| !songs.insert(s.id.as_str())) {
        return Err(format!("it names song {:?} twice", twice.id));
    }
    let slug = slug(listed)?;
    if let Some(first) = slugs.insert(slug.clone(), line) {
        return Err(format!("line {first} has the address {slug:?} already; give one in `slug`"));
    }
    Ok((artist_id(community, id), slug))
}

fn slug(listed: &Listed) -> Result<Slug, String> {
    let slug = if listed.slug.is_empty() {
        Slug::suggest(&listed.name)
            .ok_or("no address can be made of its name; give one in `slug`".to_owned())?
    } else {
        listed.slug.parse().map_err(|e| format!("{e}; give another address in `slug`"))?
    };
    if slug.is_reserved() {
        return Err(format!("the site itself uses the address {slug:?}; give another in `slug`"));
    }
    Ok(slug)
}

/// The same for the same artist, in every run.
fn artist_id(community: &str, id: &str) -> ArtistId {
    let hash = blake3::Hasher::new_derive_key("tourbus 2026-11-24 adopted artist")
        .update(community.as_bytes())
        .update(b"\0")
        .update(id.as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    ArtistId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_from_a_spreadsheet_is_read() {
        let text = "\u{feff}name,id,plays,slug\n\"Rooks, The\", 7 ,12,\nLarks,8,,the-larks\n";
        let all = csv_lines(text).unwrap();
        assert_eq!((all[0].0, all[0].1.name.as_str(), all[0].1.plays), (2, "Rooks, The", 12));
        let (wanted, rejected) = check(all, "");
        assert_eq!(rejected, []);
        assert_eq!((wanted[0].slug.as_str(), wanted[1].slug.as_str()), ("rooks-the", "the-larks"));
        assert!(csv_lines("id,plays\n1,2\n").unwrap_err().contains("`name`"));
        assert!(csv_lines("id;name\n").unwrap_err().contains("semicolons"));
        assert!(csv_lines("id,name,playz\n").unwrap_err().contains("\"playz\""));
        assert!(csv_lines("id,name,plays\n1,a,x\n").unwrap_err().starts_with("line 2"));
    }

    #[test]
    fn what_cannot_be_taken_over_says_why() {
        let line = |id: &str, name: &str, dir: &str| Listed {
            id: id.into(),
            name: name.into(),
            dir: dir.into(),
            ..Listed::default()
        };
        let list = vec![
            line("1", "Rooks", ""),
            line("1", "Larks", ""),
            line("2", "rooks!", ""),
            line("3", "", ""),
            line("4", "Crows", "../etc"),
            line("5", "Admin", ""),
            line("", "X", ""),
            line("../6", "Y", ""),
        ];
        let (wanted, rejected) = check(list.into_iter().enumerate().collect(), "");
        assert_eq!(wanted.len(), 1);
        let says = [
            "same id",
            "has the address",
            "name",
            "leads out",
            "site itself",
            "no id",
            "leads out",
        ];
        for (rejected, says) in rejected.iter().zip(says) {
            assert!(rejected.reason.contains(says), "{rejected:?}");
        }
        assert_eq!(rejected.len(), says.len());
    }

    #[test]
    fn ids_stay_and_communities_do_not_mix() {
        assert_eq!(artist_id("a", "1"), artist_id("a", "1"));
        assert_ne!(artist_id("a", "1"), artist_id("b", "1"));
        assert_ne!(artist_id("a1", ""), artist_id("a", "1"));
    }
}
