//! Blocks of free ports that parallel processes of this user do not hand out twice.
//!
//! A port is picked long before its process listens, and again after its process was killed.
//! So ports come from below the kernel's ephemeral range, where no outgoing connection takes
//! them, and a lock file per block keeps other stacks off for as long as the lease lives.

use crate::LocalError;
use rand::seq::SliceRandom;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
};
use tourbus_supervisor::files;

/// The first port that is leased.
const FIRST: u16 = 15_000;
/// Past the last one; Linux's ephemeral range starts at 32768 unless it was changed.
const END: u16 = 32_600;
/// Ports in a block, and so the most that one lease can have.
const BLOCK: u16 = 40;

/// Consecutive free ports on 127.0.0.1, held until dropped.
#[derive(Debug, Clone)]
pub struct PortLease {
    first: u16,
    _lock: Arc<File>,
}

impl PortLease {
    /// Leases `count` consecutive ports, at most [`BLOCK`].
    pub fn take(count: u16) -> Result<Self, LocalError> {
        let none = LocalError::NoPorts { wanted: count };
        if count > BLOCK {
            return Err(none);
        }
        let uid = rustix::process::getuid().as_raw();
        let dir = std::env::temp_dir().join(format!("tourbus-ports-{uid}"));
        files::make_dir(&dir)?;
        let mut blocks: Vec<u16> = (FIRST..END - BLOCK).step_by(usize::from(BLOCK)).collect();
        blocks.shuffle(&mut rand::rng());
        for first in blocks {
            let path = dir.join(first.to_string());
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(LocalError::io("open", &path))?;
            let held = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
            if held && (first..first + count).all(is_free) {
                return Ok(Self { first, _lock: Arc::new(lock) });
            }
        }
        Err(none)
    }

    /// The `n`th port of the lease.
    pub const fn port(&self, n: u16) -> u16 {
        self.first + n
    }
}

/// Whether a port of 127.0.0.1 can be listened on right now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leases_never_share_a_port() {
        let leases: Vec<_> = (0..20).map(|_| PortLease::take(BLOCK).unwrap()).collect();
        let mut firsts: Vec<_> = leases.iter().map(|l| l.port(0)).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 20);
    }
}
