//! What is a song can be made small, and what is made of it plays; what is none is refused alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::ops::ControlFlow;
use tourbus_fuzz::{bounded, check, empty, file, limits, mutator, watch_panics};
use tourbus_lofi::{ConvertError, Profile, convert, inspect, verify};

mutator!();

fuzz_target!(init: watch_panics(), |bytes: &[u8]| {
    let (limits, output) = (limits(), empty());
    let copy = output.try_clone().expect("a second handle");
    let go_on = &mut |_| ControlFlow::Continue(());
    let made = bounded(|| convert(file(bytes), output, &Profile::classic(), &limits, go_on));
    match (made, inspect(file(bytes), &limits)) {
        (Ok(made), Ok(song)) => {
            assert_eq!(made.song, song);
            // A small version may be longer by less than one of its samples.
            let limits = tourbus_lofi::Limits { duration_ms_max: 3000, ..limits };
            verify(copy, made.frames, &limits).expect("it plays");
        }
        (Err(ConvertError::Song(made)), Err(song)) => {
            check(&made);
            assert_eq!(made.code(), song.code());
        }
        (made, song) => panic!("{made:?} {song:?}"),
    }
});
