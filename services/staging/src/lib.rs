//! The embedded S3 store of the local stack: `s3s` speaks S3, files in a directory keep objects.
//!
//! For one machine: demos, tests, development. It keeps what Tourbus needs and no more: whole
//! objects (put, get with ranges, head, delete, batch delete, listings), their content type and
//! user metadata. No multipart uploads, versions, ACLs or copies: those answer `NotImplemented`.
//!
//! `<root>/<bucket>/<key>` is the object, as a plain file. A key's parts are file names, so a
//! part is at most 255 bytes, none is `.`, `..` or empty, and `a` and `a/b` cannot both exist;
//! such keys are refused, never bent.
//!
//! *Invariant:* a file below a bucket is a whole object. Bodies arrive in `<root>/.incoming/`
//! and are renamed into place after every check, so a process killed at any moment leaves the old
//! object or the new one; what lies in `.incoming` is removed at the next start. Files are not
//! synced: staging survives the death of the process, not the loss of the machine's power, and
//! the source of a move still has everything until its cutover.
//!
//! Why not the `s3s-fs` crate for the files: its reads are of 4 KiB (4 MB/s under eight readers),
//! each page of a listing walks the whole bucket, a put keeps two more files beside the bucket
//! that no delete removes, renames before it has compared the checksum, and empty directories
//! pile up. After replacing those, nothing of it was left but making a bucket.

mod error;
mod front;
mod s3;
mod server;
mod store;

pub use error::StagingServerError;
pub use server::{Server, run};
