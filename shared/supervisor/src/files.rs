//! Small files that must be whole and private.

use crate::SupervisorError;
use serde::Serialize;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes a file whole: a reader sees the old content or the new, never a part. `mode` as in
/// `chmod`.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SupervisorError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    match fs::remove_file(&fresh) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(SupervisorError::io("remove", &fresh)(e)),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .map_err(SupervisorError::io("create", &fresh))?;
    file.write_all(bytes).map_err(SupervisorError::io("write", &fresh))?;
    drop(file);
    fs::rename(&fresh, path).map_err(SupervisorError::io("rename to", path))
}

/// The same for a value, as indented JSON.
pub fn write_json(path: &Path, value: &impl Serialize, mode: u32) -> Result<(), SupervisorError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| SupervisorError::Json { path: path.to_owned(), message: e.to_string() })?;
    bytes.push(b'\n');
    write_atomic(path, &bytes, mode)
}

/// Makes a directory with all its parents, if it is not there.
pub fn make_dir(path: &Path) -> Result<(), SupervisorError> {
    fs::create_dir_all(path).map_err(SupervisorError::io("create", path))
}
