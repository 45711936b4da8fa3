//! The staging bucket: a small trait and its S3 implementation.
