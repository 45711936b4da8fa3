//! End to end: real broker, real database, real S3 server, real browser.
