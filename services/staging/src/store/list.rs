//! Listings: a walk in the order of keys that enters only what can match, and stops when the page
//! is full.

use super::{DirStore, internal, remove::is_absent};
use s3s::S3Result;
use std::{fs, io, path::Path, time::SystemTime};

/// What to list.
#[derive(Debug, Default)]
pub(crate) struct ListQuery {
    /// Only keys that begin so.
    pub(crate) prefix: String,
    /// Only keys after this one; after a common prefix, nothing below it.
    pub(crate) after: Option<String>,
    /// Keys with this after the prefix are rolled up; empty for none.
    pub(crate) delimiter: String,
    /// Most entries.
    pub(crate) limit: usize,
}

/// One line of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// An object: key, bytes, time.
    Object(String, u64, SystemTime),
    /// Keys rolled up to their common prefix.
    Prefix(String),
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        let (Self::Object(name, ..) | Self::Prefix(name)) = self;
        name
    }
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    /// More follow after the last entry.
    pub(crate) truncated: bool,
}

impl DirStore {
    pub(crate) fn list(&self, bucket: &str, query: &ListQuery) -> S3Result<Listing> {
        let root = self.bucket(bucket)?;
        let mut walk = Walk { query, page: Listing::default() };
        // Start at the deepest directory that the prefix names wholly.
        let start = query.prefix.rfind('/').map_or("", |end| &query.prefix[..=end]);
        if start.split_terminator('/').any(|part| matches!(part, "" | "." | "..")) {
            return Ok(walk.page);
        }
        walk.directory(&root.join(start), start).map_err(internal)?;
        Ok(walk.page)
    }
}

struct Walk<'a> {
    query: &'a ListQuery,
    page: Listing,
}

impl Walk<'_> {
    /// Lists a directory whose keys begin with `base`. Memory: the names of the directories on
    /// the way, and the page.
    fn directory(&mut self, path: &Path, base: &str) -> io::Result<()> {
        for name in self.names(path, base)? {
            if self.page.truncated {
                break;
            }
            let key = format!("{base}{name}");
            if name.ends_with('/') {
                if self.enters(&key) {
                    self.directory(&path.join(&name), &key)?;
                }
            } else if self.takes(&key) {
                self.object(&path.join(&name), key)?;
            }
        }
        Ok(())
    }

    /// Names in a directory that can matter, in the order of keys: a directory sorts with its
    /// slash. One removed meanwhile has none.
    fn names(&self, path: &Path, base: &str) -> io::Result<Vec<String>> {
        let wanted = self.query.prefix.get(base.len()..).unwrap_or("");
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // We make only names that are UTF-8.
            let Ok(mut name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() {
                name.push('/');
            }
            if name.starts_with(wanted) || wanted.starts_with(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether something below this directory can be in the page.
    fn enters(&self, directory: &str) -> bool {
        let before = |after: &str| after > directory && !after.starts_with(directory);
        !self.query.after.as_deref().is_some_and(before) && !self.rolled_up(directory)
    }

    fn takes(&self, key: &str) -> bool {
        let seen = self.query.after.as_deref().is_some_and(|after| key <= after);
        key.starts_with(&self.query.prefix) && !seen && !self.rolled_up(key)
    }

    /// Whether the key belongs to a common prefix that is listed already, on this page or before.
    fn rolled_up(&self, key: &str) -> bool {
        let delimiter = self.query.delimiter.as_str();
        if delimiter.is_empty() {
            return false;
        }
        let before = self.query.after.as_deref().filter(|after| after.ends_with(delimiter));
        let last = match self.page.entries.last() {
            Some(Entry::Prefix(last)) => Some(last.as_str()),
            _ => None,
        };
        before
            .into_iter()
            .chain(last)
            .any(|p| p.len() > self.query.prefix.len() && key.starts_with(p))
    }

    fn object(&mut self, path: &Path, key: String) -> io::Result<()> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if is_absent(&e) => return Ok(()),
            Err(e) => return Err(e),
        };
        if self.page.entries.len() >= self.query.limit {
            self.page.truncated = true;
            return Ok(());
        }
        let delimiter = self.query.delimiter.as_str();
        let rest = self.query.prefix.len();
        let end = if delimiter.is_empty() { None } else { key[rest..].find(delimiter) };
        self.page.entries.push(match end {
            Some(end) => Entry::Prefix(key[..rest + end + delimiter.len()].to_owned()),
            None => Entry::Object(key, metadata.len(), metadata.modified()?),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 7] = ["a-b/1", "a/1", "a/2", "a/x/3", "a0", "b/c/4", "c"];

    fn store() -> (tempfile::TempDir, DirStore) {
        let root = tempfile::tempdir().unwrap();
        let store = DirStore::open(root.path(), "bucket").unwrap();
        for key in KEYS {
            store.promote(store.incoming().unwrap(), "bucket", key).unwrap();
        }
        (root, store)
    }

    /// All names, read in pages of `limit`.
    fn names(store: &DirStore, prefix: &str, delimiter: &str, limit: usize) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let (prefix, delimiter) = (prefix.to_owned(), delimiter.to_owned());
            let query = ListQuery { prefix, after, delimiter, limit };
            let page = store.list("bucket", &query).unwrap();
            assert!(page.entries.len() <= limit);
            names.extend(page.entries.iter().map(|e| e.name().to_owned()));
            if !page.truncated {
                return names;
            }
            after = names.last().cloned();
        }
    }

    #[test]
    fn pages_of_any_size_give_the_same_keys_in_order() {
        let (_root, store) = store();
        for limit in 1..=8 {
            assert_eq!(names(&store, "", "", limit), KEYS, "pages of {limit}");
            assert_eq!(names(&store, "a/", "", limit), ["a/1", "a/2", "a/x/3"]);
            assert_eq!(names(&store, "a", "", limit), KEYS[..5]);
            assert_eq!(names(&store, "b/c/4", "", limit), ["b/c/4"]);
            assert_eq!(names(&store, "nothing/", "", limit), [""; 0]);
        }
    }

    #[test]
    fn a_delimiter_rolls_up_directories_once() {
        let (_root, store) = store();
        for limit in 1..=6 {
            assert_eq!(names(&store, "", "/", limit), ["a-b/", "a/", "a0", "b/", "c"]);
            assert_eq!(names(&store, "a/", "/", limit), ["a/1", "a/2", "a/x/"]);
            assert_eq!(names(&store, "a", "/", limit), ["a-b/", "a/", "a0"]);
        }
    }

    #[test]
    fn a_prefix_never_leaves_the_bucket() {
        let (root, store) = store();
        fs::write(root.path().join("outside"), "secret").unwrap();
        for prefix in ["../", "/", "a/../../", "./", "a//"] {
            assert_eq!(names(&store, prefix, "", 10), [""; 0], "{prefix}");
        }
    }

    #[test]
    fn removing_the_last_object_removes_its_directories() {
        let (root, store) = store();
        store.remove("bucket", "b/c/4").unwrap();
        store.remove("bucket", "b/c/4").unwrap();
        assert!(!root.path().join("bucket/b").exists());
        store.remove("bucket", "a/x").unwrap();
        assert_eq!(names(&store, "a/x/", "", 10), ["a/x/3"], "a directory is no object");
    }
}
