//! As whom PostgreSQL runs, which refuses to be root.

use crate::LocalError;
use std::{fs, os::unix::fs::MetadataExt, path::Path};
use tourbus_supervisor::RunAs;

/// Decides for a directory: root becomes `postgres` where that user can reach it, and a user
/// namespace's user elsewhere (`/root/…`). What owns existing data decides first.
pub fn for_postgres(data: &Path) -> Result<RunAs, LocalError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(RunAs::Same);
    }
    let Some((uid, gid)) = passwd_entry("postgres") else {
        return Err(LocalError::Missing { program: "PostgreSQL's user", package: "postgresql" });
    };
    let as_user = RunAs::User { uid, gid };
    let as_namespace = RunAs::Namespace { id: uid };
    if let Ok(meta) = fs::metadata(data) {
        return Ok(if meta.uid() == uid { as_user } else { as_namespace });
    }
    let reachable = data.ancestors().skip(1).all(|dir| {
        fs::metadata(dir).is_ok_and(|m| {
            let bit = if m.uid() == uid { 0o100 } else { 0o001 };
            m.mode() & bit != 0
        })
    });
    Ok(if reachable { as_user } else { as_namespace })
}

fn passwd_entry(name: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

/// Gives a path to whom the child will be, as seen from outside.
pub fn own(run_as: RunAs, path: &Path) -> Result<(), LocalError> {
    match run_as {
        RunAs::User { uid, gid } => std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(LocalError::io("give to user postgres", path)),
        RunAs::Same | RunAs::Namespace { .. } => Ok(()),
    }
}
