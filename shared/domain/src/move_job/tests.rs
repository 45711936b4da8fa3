//! Property tests over random event sequences.
