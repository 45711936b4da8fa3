//! Files that have no name until they are whole: whoever makes one may die at any moment, and nothing
//! is left of it.

use crate::{
    beneath::Beneath,
    error::{Doing, RootError},
    write::WriteFile,
    writing::UPLOADS,
};
use rustix::{
    fs::{self, AtFlags, CWD, Mode, OFlags},
    io::Errno,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use tourbus_protocol::TreePath;
use uuid::Uuid;

const MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FLAGS: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);
/// How much is copied at a time where a file cannot be given a name.
const COPY_BYTES: usize = 256 << 10;

impl Beneath {
    /// A new, empty file on this tree's disk that no directory knows of.
    pub fn unnamed(&self) -> Result<WriteFile, RootError> {
        match fs::openat(&self.fd, c".", FLAGS | OFlags::TMPFILE, MODE) {
            Ok(fd) => Ok(WriteFile::new(fd, self.shown.clone())),
            // Not every file system has this.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                self.forgotten().map(|fd| WriteFile::new(fd, self.shown.clone()))
            }
            Err(e) => Err(RootError::new("write in", &self.shown, e)),
        }
    }

    /// The same by making one and taking its name away.
    fn forgotten(&self) -> Result<OwnedFd, RootError> {
        let path = TreePath::known(format!("{UPLOADS}/{}.unnamed", Uuid::new_v4()));
        self.make_dir(&TreePath::known(UPLOADS))?;
        self.at(&path, |dir, name| {
            let fd = fs::openat(dir, name, FLAGS | OFlags::CREATE | OFlags::EXCL, MODE)?;
            fs::unlinkat(dir, name, AtFlags::empty())?;
            Ok(fd)
        })
        .doing("write", &self.shown(&path))
    }

    /// Gives such a file, which must be on this tree's disk, a name, in the place of what has it.
    /// For an instant it has the name `via` as well, which must be nobody else's.
    pub fn name(&self, file: &WriteFile, via: &TreePath, to: &TreePath) -> Result<(), RootError> {
        self.remove_entry(via)?;
        for path in [via, to] {
            if let (Some(parent), _) = crate::beneath::split(path) {
                self.make_dir(&parent)?;
            }
        }
        let linked = self.at(via, |dir, name| {
            let open = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
            fs::linkat(CWD, open, dir, name, AtFlags::SYMLINK_FOLLOW)
        });
        if linked.is_err() {
            self.copy(file, via)?;
        }
        self.replace(via, to)
    }

    fn copy(&self, file: &WriteFile, to: &TreePath) -> Result<(), RootError> {
        let copy = self.write(to)?;
        copy.set_len(0)?;
        let (mut buffer, mut at) = (vec![0; COPY_BYTES], 0);
        loop {
            let n = file.read_at(&mut buffer, at)?;
            if n == 0 {
                return copy.sync();
            }
            copy.write_at(&buffer[..n], at)?;
            at += n as u64;
        }
    }
}

impl AsFd for WriteFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &std::path::Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_is_nowhere_until_it_is_named_and_then_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Beneath::open(dir.path()).unwrap();
        let (via, to) = (TreePath::known(".uploads/x"), TreePath::known("lofi/a.mp3"));
        for text in ["first", "second"] {
            let file = tree.unnamed().unwrap();
            file.write_at(text.as_bytes(), 0).unwrap();
            assert!(names(&dir.path().join(".uploads")).is_empty());
            tree.name(&file, &via, &to).unwrap();
            assert_eq!(std::fs::read_to_string(dir.path().join("lofi/a.mp3")).unwrap(), text);
        }
        drop(tree.unnamed().unwrap());
        assert!(names(&dir.path().join(".uploads")).is_empty());
    }

    #[test]
    fn where_files_cannot_be_named_they_are_copied() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Beneath::open(dir.path()).unwrap();
        let file = WriteFile::new(tree.forgotten().unwrap(), dir.path().to_owned());
        let bytes: Vec<u8> = (0..COPY_BYTES * 2 + 7).map(|n| n as u8).collect();
        file.write_at(&bytes, 0).unwrap();
        let (via, to) = (TreePath::known(".uploads/x"), TreePath::known("lofi/a.mp3"));
        tree.name(&file, &via, &to).unwrap();
        assert_eq!(std::fs::read(dir.path().join("lofi/a.mp3")).unwrap(), bytes);
        assert!(names(&dir.path().join(".uploads")).is_empty());
    }
}
