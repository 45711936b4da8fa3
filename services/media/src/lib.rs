//! The media service: an artist's files to listeners, from the home server's own disk.
