//! Takes over an existing community, one server at a time, on that server's machine: artists from a
//! list, their files from a directory, each made known to the master when its tree is whole.
//!
//! 1. The list is read and checked, all of it, before anything is done ([`list`]).
//! 2. For each artist the old directory is looked through, and every file gets its place in the
//!    artist's tree ([`layout`]); a dry run ends here.
//! 3. The master is asked whether it would take the artist. One that it knows is left as it is,
//!    wherever it lives now.
//! 4. The tree is drafted beside the others, each file copied and read back ([`build`]). What is there
//!    from an earlier run is not copied again.
//! 5. The master is told ([`master`]), and then the tree is renamed into place. Before that nobody can
//!    see anything of it.
//!
//! The old files are never changed. Whatever ends a run, the same command goes on where it was: ids
//! are made from the old ones.

pub mod build;
pub mod layout;
pub mod list;
pub mod master;
mod probe;
pub mod report;
mod run;

pub use list::{ListError, Listed, Rejected, Song};
pub use report::{Outcome, Report};
pub use run::{AdoptError, Options, run};
