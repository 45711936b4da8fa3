//! The embedded S3 store of the local stack: s3s over a directory.
