//! Bounds for a process that reads what strangers have sent.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::io;

/// What a process may use up.
pub struct Bounds {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Time on a core, in seconds.
    pub cpu_s: u64,
    /// Size of what it writes, in bytes.
    pub file_bytes: u64,
}

/// Keeps this process to the files that it has open, and within bounds. It ends with whoever has
/// started it. To be called before there is a second thread. Whether the kernel keeps it to its
/// files; one without Landlock does not, and the other bounds stand all the same.
pub fn confine(bounds: &Bounds) -> anyhow::Result<bool> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(bounds)?;
    Ok(shut_in())
}

fn limit(bounds: &Bounds) -> io::Result<()> {
    let at_most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, at_most(bounds.memory_bytes))?;
    setrlimit(Resource::Cpu, at_most(bounds.cpu_s))?;
    setrlimit(Resource::Core, at_most(0))?;
    Ok(setrlimit(Resource::Fsize, at_most(bounds.file_bytes))?)
}

/// No file, no port, no other process from now on; what is open stays open.
fn shut_in() -> bool {
    let shut = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V5))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    shut().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}
