//! As whom a child runs.

/// The user that a child runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunAs {
    /// The user of this process.
    #[default]
    Same,
    /// Another user; only root can.
    User {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
    /// Root outside, this user inside of a user namespace: files of root can be used, and
    /// `geteuid()` is not zero.
    Namespace {
        /// User and group id inside.
        id: u32,
    },
}
