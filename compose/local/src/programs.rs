//! Where the programs of the packages are.

use crate::LocalError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Debian keeps each major version of PostgreSQL in a directory of its own here.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";
/// The server without Debian's wrapper, which would change the user.
const RABBITMQ_SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The oldest PostgreSQL that the project supports.
const POSTGRES_MAJOR_MIN: u32 = 15;

/// The directory of PostgreSQL's programs: of `major` if data of that version is there already,
/// else of the newest one installed.
pub fn postgres_bin(major: Option<u32>) -> Result<PathBuf, LocalError> {
    let missing = LocalError::Missing { program: "PostgreSQL 15 or newer", package: "postgresql" };
    let Ok(entries) = fs::read_dir(POSTGRES_VERSIONS) else { return Err(missing) };
    let versions = entries.filter_map(|entry| {
        let version = entry.ok()?.file_name().to_str()?.parse::<u32>().ok()?;
        let bin = Path::new(POSTGRES_VERSIONS).join(version.to_string()).join("bin");
        (version >= POSTGRES_MAJOR_MIN && bin.join("postgres").exists()).then_some((version, bin))
    });
    versions
        .filter(|(version, _)| major.is_none_or(|m| m == *version))
        .max_by_key(|(version, _)| *version)
        .map(|(_, bin)| bin)
        .ok_or(missing)
}

/// RabbitMQ's server script.
pub fn rabbitmq_server() -> Result<PathBuf, LocalError> {
    let path = PathBuf::from(RABBITMQ_SERVER);
    let missing = LocalError::Missing { program: "RabbitMQ", package: "rabbitmq-server" };
    if path.exists() { Ok(path) } else { Err(missing) }
}

/// The Erlang port mapper.
pub fn epmd() -> Result<PathBuf, LocalError> {
    let path = PathBuf::from("/usr/bin/epmd");
    let missing = LocalError::Missing { program: "epmd", package: "rabbitmq-server" };
    if path.exists() { Ok(path) } else { Err(missing) }
}

/// The `tourbus` binary that belongs to the running program: `$TOURBUS_BINARY`, or the one in
/// the same target directory (for tests and benches).
pub fn find_tourbus() -> Result<PathBuf, LocalError> {
    if let Some(path) = std::env::var_os("TOURBUS_BINARY") {
        let path = PathBuf::from(path);
        return if path.exists() { Ok(path) } else { Err(LocalError::NoBinary(path)) };
    }
    let exe = std::env::current_exe().map_err(LocalError::io("find", "/proc/self/exe"))?;
    let beside = exe.ancestors().skip(1).take(2).map(|dir| dir.join("tourbus"));
    beside
        .clone()
        .find(|path| path.is_file())
        .ok_or_else(|| LocalError::NoBinary(beside.last().unwrap_or(exe.clone())))
}
