//! The media root and the disk that it is on.

use crate::users::user_name;
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tourbus_mediaroot::{MediaRoot, RootError, Space};
use tourbus_protocol::{CheckName, CheckResult};

/// Both checks.
pub(super) fn check(path: &Path, reserve_bytes: u64) -> Vec<CheckResult> {
    let root = MediaRoot::new(path);
    vec![writable(&root), disk(&root, reserve_bytes)]
}

/// Makes what must be there, writes a file and removes it.
fn writable(root: &MediaRoot) -> CheckResult {
    let path = root.path();
    let tried = if path.exists() { root.prepare().and_then(|()| root.probe()) } else { Ok(()) };
    let me = user_name(rustix::process::geteuid().as_raw());
    match (path.exists(), tried) {
        (false, _) => CheckResult::red(
            CheckName::MediaRoot,
            format!("The media root {} does not exist.", path.display()),
            format!("`{} && chown {me}: {}`", make(path), shell(path)),
        ),
        (true, Ok(())) => {
            let owner = fs::metadata(path).map_or_else(|_| String::new(), |m| user_name(m.uid()));
            CheckResult::green(
                CheckName::MediaRoot,
                format!("{} belongs to {owner} and can be written.", path.display()),
            )
        }
        (true, Err(error)) => {
            let (cause, remedy) = explain(path, &error, &me);
            CheckResult::red(CheckName::MediaRoot, cause, remedy)
        }
    }
}

fn explain(root: &Path, error: &RootError, me: &str) -> (String, String) {
    let shown = root.display();
    // What is refused may lie deeper than the root itself: that is what must be mended.
    let place = place(root, &error.path);
    let Ok(meta) = fs::metadata(&place) else {
        return (format!("The media root cannot be used: {error}."), look(&place));
    };
    if !meta.is_dir() {
        let aside = place.with_extension("aside");
        return (
            format!("{} is a file; the media root {shown} must be a directory.", place.display()),
            format!(
                "`mv {} {} && {} && chown {me}: {}`",
                shell(&place),
                shell(&aside),
                make(&place),
                shell(&place)
            ),
        );
    }
    match error.source.kind() {
        io::ErrorKind::PermissionDenied => (
            format!(
                "{} belongs to {} (mode {:o}); this server runs as {me}, which may not write \
                 there.",
                place.display(),
                user_name(meta.uid()),
                meta.mode() & 0o7777
            ),
            format!("`chown -R {me}: {p} && chmod u+rwx {p}`", p = shell(&place)),
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            let mount = mount_of(&place);
            (
                format!("{} is on {}, which is mounted read-only.", shown, mount.display()),
                format!("`mount -o remount,rw {}`", shell(&mount)),
            )
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            format!("The disk of {shown} is full."),
            format!("Free some: `du -xsh {}/*` shows what takes the room.", shell(root)),
        ),
        _ => (format!("The media root cannot be used: {error}."), look(&place)),
    }
}

/// The deepest thing on the way to `path` that is there.
fn place(root: &Path, path: &Path) -> PathBuf {
    let inside = path.starts_with(root);
    let found = path.ancestors().find(|p| p.symlink_metadata().is_ok());
    found.filter(|_| inside).unwrap_or(root).to_owned()
}

/// Where the file system of a path begins.
fn mount_of(path: &Path) -> PathBuf {
    let device = |p: &Path| fs::metadata(p).map(|m| m.dev()).ok();
    let own = device(path);
    path.ancestors().take_while(|p| device(p) == own).last().unwrap_or(path).to_owned()
}

fn disk(root: &MediaRoot, reserve_bytes: u64) -> CheckResult {
    let path = root.path();
    match root.space() {
        Ok(Space { free_bytes, total_bytes }) if free_bytes >= reserve_bytes => CheckResult::green(
            CheckName::Disk,
            format!("{} of {} are free.", human(free_bytes), human(total_bytes)),
        ),
        Ok(Space { free_bytes, .. }) => CheckResult::red(
            CheckName::Disk,
            format!(
                "Only {} are free on the disk of {}; {} must stay free.",
                human(free_bytes),
                path.display(),
                human(reserve_bytes)
            ),
            "Free some disk, or give the server a larger one.",
        ),
        Err(error) => CheckResult::red(
            CheckName::Disk,
            format!("The disk of {} cannot be examined: {}.", path.display(), error.source),
            "Mend the media root first.",
        ),
    }
}

fn make(path: &Path) -> String {
    format!("mkdir -p {}", shell(path))
}

fn look(path: &Path) -> String {
    format!("`ls -ld {}` on this server shows more.", shell(path))
}

/// A path as a shell takes it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn human(bytes: u64) -> String {
    const GIB: u64 = 1 << 30;
    if bytes >= 10 * GIB { format!("{} GiB", bytes / GIB) } else { format!("{} MiB", bytes >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_protocol::CheckState;

    #[test]
    fn a_media_root_is_made_ready_or_told_how() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("media");
        let missing = &check(&path, 0)[0];
        assert!(missing.remedy.starts_with("`mkdir -p "), "{}", missing.remedy);
        fs::write(&path, b"a file in its place").unwrap();
        let file = &check(&path, 0)[0];
        assert!(file.cause.contains("is a file"), "{}", file.cause);
        assert!(file.remedy.contains("chown"), "{}", file.remedy);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let found = check(&path, 0);
        assert!(found.iter().all(|c| c.state == CheckState::Green), "{found:?}");
        let full = &check(&path, u64::MAX)[1];
        assert_eq!(full.state, CheckState::Red);
    }

    #[test]
    fn refusals_say_who_owns_what_and_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a b");
        fs::create_dir(&root).unwrap();
        let refused = |kind: io::ErrorKind| RootError {
            action: "make",
            path: root.join(".tourbus/by-slug"),
            source: kind.into(),
        };
        let (cause, remedy) = explain(&root, &refused(io::ErrorKind::PermissionDenied), "tourbus");
        assert!(cause.contains("belongs to") && cause.contains("tourbus"), "{cause}");
        assert!(remedy.starts_with("`chown -R tourbus: '"), "{remedy}");
        let (cause, remedy) =
            explain(&root, &refused(io::ErrorKind::ReadOnlyFilesystem), "tourbus");
        assert!(cause.contains("read-only") && remedy.starts_with("`mount -o remount,rw /"));
    }
}
