//! What the fuzzer begins with, and what it finds: `fuzz/corpus`. Each file is a song or refused.

use crate::support::{file, no_panic_of_ours};
use std::path::Path;
use tourbus_lofi::{Limits, inspect};

#[test]
fn every_file_ends() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/inspect");
    // A few kilobytes may be hours of silence; a moment of it shows the same.
    let limits = Limits { duration_ms_max: 2000, ..Limits::default() };
    let (mut songs, mut refused) = (0, 0);
    for entry in corpus.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let song = file(&std::fs::read(&path).unwrap());
        let name = path.file_name().unwrap().display();
        match no_panic_of_ours(&name, || inspect(song, &limits)) {
            Ok(_) => songs += 1,
            Err(e) => {
                assert!(!e.is_transient(), "{name}: {e}");
                refused += 1;
            }
        }
    }
    assert!(songs >= 20 && refused >= 50, "{songs} songs, {refused} refused");
}
