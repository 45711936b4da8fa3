//! Fences: an order that has been overtaken stops, and has stopped before the next one acts.
//!
//! ```text
//! fences/<job>/lock           held for a few system calls around every change below
//! fences/<job>/floor          the least epoch that still counts, for all steps of the job
//! fences/<job>/<kind>-<seq>   one step: "<epoch> <ticket>" of its latest try; held by `flock`
//!                             while a try runs, so a killed worker frees it
//! ```
//!
//! A try enters by writing its epoch and ticket, then takes the step's lock. Whoever runs under
//! an older epoch, or under the same epoch with another ticket (the message was delivered again,
//! so the earlier delivery is lost), finds that at its next check, stops, and lets go of the lock.
//!
//! *Invariant:* of all tries of one step on one server, at most one acts at a time.

use crate::error::{Doing, RootError, absent};
use rustix::{
    fs::{self, FlockOperation, Mode, OFlags},
    io::Errno,
};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use tourbus_domain::{Epoch, JobId, StepKey};
use uuid::Uuid;

const LOCK: &str = "lock";
const FLOOR: &str = "floor";

/// The fence of one job.
#[derive(Debug, Clone)]
pub struct Fence {
    dir: PathBuf,
}

/// One delivery of one try: tells it from a repetition of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    epoch: Epoch,
    number: u64,
}

impl Ticket {
    /// A ticket that nobody else has. Tickets of a later call win over earlier ones.
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, number: Uuid::new_v4().as_u64_pair().1 }
    }
}

/// What came of asking to enter.
#[derive(Debug)]
pub enum Entering {
    /// In; until the value is dropped.
    Entered(Entered),
    /// An earlier try still runs, and will find that it is void: ask again soon, by
    /// [`Fence::enter_again`].
    Busy,
    /// Overtaken.
    Stale,
}

/// A try that runs. Dropping it lets the next one in, so whatever acts for the try must hold it.
#[derive(Debug)]
pub struct Entered {
    step: OwnedFd,
    floor: OwnedFd,
    ticket: Ticket,
    path: PathBuf,
}

/// The try has been overtaken or called off: stop, touch nothing more, say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the try is void")]
pub struct Void;

impl Fence {
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Asks to run a try. `floor`: what the order says of the other tries.
    pub fn enter(&self, key: StepKey, ticket: Ticket, floor: Epoch) -> Result<Entering, RootError> {
        let lock = self.lock()?;
        if self.raise(floor)? > ticket.epoch {
            return Ok(Entering::Stale);
        }
        let path = self.step(key);
        let step = open(&path)?;
        if latest(&step, &path)?.epoch > ticket.epoch {
            return Ok(Entering::Stale);
        }
        put(&step, &path, &format!("{:020} {:020}\n", ticket.epoch, ticket.number))?;
        let entering = self.take(step, path, ticket);
        drop(lock);
        entering
    }

    /// Asks again after [`Entering::Busy`].
    pub fn enter_again(&self, key: StepKey, ticket: Ticket) -> Result<Entering, RootError> {
        let lock = self.lock()?;
        let path = self.step(key);
        let step = open(&path)?;
        if self.raise(0)? > ticket.epoch || latest(&step, &path)? != ticket {
            return Ok(Entering::Stale);
        }
        let entering = self.take(step, path, ticket);
        drop(lock);
        entering
    }

    fn take(&self, step: OwnedFd, path: PathBuf, ticket: Ticket) -> Result<Entering, RootError> {
        match fs::flock(&step, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let floor = open(&self.dir.join(FLOOR))?;
                Ok(Entering::Entered(Entered { step, floor, ticket, path }))
            }
            Err(Errno::WOULDBLOCK) => Ok(Entering::Busy),
            Err(e) => Err(RootError::new("lock", &path, e)),
        }
    }

    /// Voids every try of the job with an epoch below `floor`.
    pub fn raise_floor(&self, floor: Epoch) -> Result<(), RootError> {
        let lock = self.lock()?;
        self.raise(floor)?;
        self.forget_below(floor)?;
        drop(lock);
        Ok(())
    }

    /// Voids this very try of a step, and every earlier one.
    pub fn void(&self, key: StepKey, epoch: Epoch, floor: Epoch) -> Result<(), RootError> {
        let lock = self.lock()?;
        self.raise(floor)?;
        let path = self.step(key);
        let step = open(&path)?;
        if latest(&step, &path)?.epoch <= epoch {
            put(&step, &path, &format!("{:020} {:020}\n", epoch + 1, 0))?;
        }
        drop(lock);
        Ok(())
    }

    /// Whether any step but `except` still runs. Asked after [`Fence::raise_floor`], a "no" holds
    /// for every try that was voided.
    pub fn is_busy(&self, except: StepKey) -> Result<bool, RootError> {
        let lock = self.lock()?;
        let except = self.step(except);
        let mut busy = false;
        for path in self.steps()? {
            busy |= path != except && !is_free(&open(&path)?, &path)?;
        }
        drop(lock);
        Ok(busy)
    }

    /// The floor says all that these steps' files could say.
    fn forget_below(&self, floor: Epoch) -> Result<(), RootError> {
        for path in self.steps()? {
            let step = open(&path)?;
            if latest(&step, &path)?.epoch < floor && is_free(&step, &path)? {
                std::fs::remove_file(&path).doing("remove", &path)?;
            }
        }
        Ok(())
    }

    /// Removes the fence when nothing of it runs; for the janitor.
    pub(crate) fn remove(&self) -> Result<bool, RootError> {
        let lock = self.lock()?;
        for path in self.steps()? {
            if !is_free(&open(&path)?, &path)? {
                return Ok(false);
            }
        }
        std::fs::remove_dir_all(&self.dir).doing("remove", &self.dir)?;
        drop(lock);
        Ok(true)
    }

    /// Raises the floor, never lowers it; what it is then.
    fn raise(&self, floor: Epoch) -> Result<Epoch, RootError> {
        let path = self.dir.join(FLOOR);
        let file = open(&path)?;
        let was = number(&read(&file, &path)?);
        if was >= floor {
            return Ok(was);
        }
        put(&file, &path, &format!("{floor:020}\n"))?;
        Ok(floor)
    }

    fn step(&self, key: StepKey) -> PathBuf {
        self.dir.join(format!("{}-{}", key.kind, key.seq))
    }

    fn steps(&self) -> Result<Vec<PathBuf>, RootError> {
        let mut steps = Vec::new();
        for entry in std::fs::read_dir(&self.dir).doing("list", &self.dir)? {
            let path = entry.doing("list", &self.dir)?.path();
            if path.file_name().is_some_and(|n| n != LOCK && n != FLOOR) {
                steps.push(path);
            }
        }
        Ok(steps)
    }

    /// The fence's own lock; never held across anything slow.
    fn lock(&self) -> Result<OwnedFd, RootError> {
        let path = self.dir.join(LOCK);
        loop {
            std::fs::create_dir_all(&self.dir).doing("make", &self.dir)?;
            let Some(lock) = absent(open(&path))? else { continue };
            loop {
                match fs::flock(&lock, FlockOperation::LockExclusive) {
                    Ok(()) => break,
                    Err(Errno::INTR) => (),
                    Err(e) => return Err(RootError::new("lock", &path, e)),
                }
            }
            // The janitor may have removed the fence while we waited.
            if fs::fstat(&lock).doing("examine", &path)?.st_nlink > 0 {
                return Ok(lock);
            }
        }
    }
}

/// Whether nobody holds a step. If so, the caller does, until it closes the file.
fn is_free(step: &OwnedFd, path: &Path) -> Result<bool, RootError> {
    match fs::flock(step, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(RootError::new("lock", path, e)),
    }
}

impl Entered {
    /// Whether the try still counts; cheap enough for every chunk.
    pub fn check(&self) -> Result<(), Void> {
        let floor = read(&self.floor, &self.path).map_err(|_| Void)?;
        let latest = latest(&self.step, &self.path).map_err(|_| Void)?;
        if number(&floor) > self.ticket.epoch || latest != self.ticket { Err(Void) } else { Ok(()) }
    }
}

fn open(path: &Path) -> Result<OwnedFd, RootError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    fs::open(path, flags, Mode::RUSR | Mode::WUSR).doing("open", path)
}

/// In place and of one width: the inode, which is what is locked, stays.
fn put(file: &OwnedFd, path: &Path, text: &str) -> Result<(), RootError> {
    let written = rustix::io::pwrite(file, text.as_bytes(), 0).doing("write", path)?;
    if written == text.len() {
        return Ok(());
    }
    Err(RootError::new("write", path, std::io::ErrorKind::WriteZero))
}

fn read(file: &OwnedFd, path: &Path) -> Result<String, RootError> {
    let mut buffer = [0; 64];
    let read = rustix::io::pread(file, &mut buffer, 0).doing("read", path)?;
    Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
}

/// A file that is new (or was emptied by a power cut, with all that ran) counts as 0.
fn number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn latest(step: &OwnedFd, path: &Path) -> Result<Ticket, RootError> {
    let text = read(step, path)?;
    let ticket = text.split_whitespace().nth(1).and_then(|t| t.parse().ok()).unwrap_or(0);
    Ok(Ticket { epoch: number(&text), number: ticket })
}

impl crate::MediaRoot {
    /// The fence of a job.
    pub fn fence(&self, job: JobId) -> Fence {
        Fence::at(self.fence_dir(job))
    }
}

#[cfg(test)]
mod tests;
