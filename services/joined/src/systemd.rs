//! The systemd unit of a joined server.

use crate::{JoinedError, home::Home};
use std::{fs, os::unix::fs::chown, path::Path, process::Command};

const UNIT: &str = "/etc/systemd/system/tourbus.service";
/// The user that the server runs as, if the machine has it; `join.sh` makes it.
const USER: &str = "tourbus";

/// Whether this machine runs systemd and we may install a unit.
pub(crate) fn is_here() -> bool {
    Path::new("/run/systemd/system").is_dir() && rustix::process::geteuid().is_root()
}

/// Writes the unit and (re)starts it.
pub(crate) fn install(home: &Home, binary: &Path) -> Result<(), JoinedError> {
    let user = user_ids(&fs::read_to_string("/etc/passwd").unwrap_or_default());
    if let Some((uid, gid)) = user {
        give(home.path(), uid, gid)?;
    }
    let text = unit(home.path(), binary, user.is_some());
    fs::write(UNIT, text).map_err(JoinedError::io("write", UNIT))?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "tourbus.service"])?;
    systemctl(&["restart", "tourbus.service"])
}

fn unit(dir: &Path, binary: &Path, own_user: bool) -> String {
    let user = if own_user { format!("User={USER}\nGroup={USER}\n") } else { String::new() };
    format!(
        "# Written by `tourbus join`.
[Unit]
Description=Tourbus: one server of a music community
After=network-online.target
Wants=network-online.target

[Service]
{user}ExecStart={binary} server run --dir {dir}
Restart=always
RestartSec=2
TimeoutStopSec=40
KillMode=mixed
# The web port may be 80 or 443.
AmbientCapabilities=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
PrivateTmp=yes
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
",
        binary = quoted(binary),
        dir = quoted(dir),
    )
}

/// A path as systemd's `ExecStart` takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%").replace('$', "$$");
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// Gives the directory to the server's user: all but trees of artists, which its own processes
/// make.
fn give(path: &Path, uid: u32, gid: u32) -> Result<(), JoinedError> {
    chown(path, Some(uid), Some(gid)).map_err(JoinedError::io("give away", path))?;
    for name in ["server.key", "join.json", "settings.json", "lock", "config", "agent", "media"] {
        let inner = path.join(name);
        let Ok(meta) = fs::symlink_metadata(&inner) else { continue };
        std::os::unix::fs::lchown(&inner, Some(uid), Some(gid))
            .map_err(JoinedError::io("give away", &inner))?;
        if meta.is_dir() && name != "media" {
            let entries = fs::read_dir(&inner).map_err(JoinedError::io("read", &inner))?;
            for entry in entries.flatten() {
                std::os::unix::fs::lchown(entry.path(), Some(uid), Some(gid))
                    .map_err(JoinedError::io("give away", entry.path()))?;
            }
        }
    }
    Ok(())
}

fn user_ids(passwd: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != USER {
            return None;
        }
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn systemctl(args: &[&str]) -> Result<(), JoinedError> {
    let command = format!("systemctl {}", args.join(" "));
    let failed = |output: String| JoinedError::Command { command: command.clone(), output };
    let output =
        Command::new("systemctl").args(args).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_exactly_the_server_of_this_directory() {
        let text = unit(Path::new("/var/lib/tour bus"), Path::new("/usr/local/bin/tourbus"), true);
        let exec = "ExecStart=\"/usr/local/bin/tourbus\" server run --dir \"/var/lib/tour bus\"";
        assert!(text.contains(exec), "{text}");
        assert!(text.contains("User=tourbus\nGroup=tourbus\nExecStart"));
        assert!(!unit(Path::new("/a"), Path::new("/b"), false).contains("User="));
    }

    #[test]
    fn the_user_is_found() {
        let passwd = "root:x:0:0::/root:/bin/sh\ntourbus:x:998:997::/var/lib/tourbus:/bin/false\n";
        assert_eq!(user_ids(passwd), Some((998, 997)));
        assert_eq!(user_ids("tourbusser:x:1:1::/:/bin/sh"), None);
    }
}
