//! Get and head.

use super::{Objects, blocking};
use crate::store::{Attributes, etag, internal};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use s3s::{
    S3Error, S3Result,
    dto::{
        ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob,
        Timestamp,
    },
    s3_error,
};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// One read from a file: what a reader holds in memory, twice (one waits for the socket).
const READ_BYTES: u64 = 512 << 10;

impl Objects {
    pub(super) async fn get(&self, input: GetObjectInput) -> S3Result<GetObjectOutput> {
        if input.if_match.is_some() || input.part_number.is_some() || input.version_id.is_some() {
            return Err(s3_error!(NotImplemented, "conditions, parts and versions of a get"));
        }
        let (bucket, key, range) = (input.bucket, input.key, input.range);
        self.blocking(move |store| {
            let (mut file, metadata) = store.open_object(&bucket, &key)?;
            let attributes = Attributes::load(&file)?;
            let len = metadata.len();
            let (span, content_range) = match range {
                None => (0..len, None),
                Some(range) => {
                    let span = range.check(len)?;
                    let text = format!("bytes {}-{}/{len}", span.start, span.end - 1);
                    (span, Some(text))
                }
            };
            file.seek(SeekFrom::Start(span.start)).map_err(internal)?;
            let bytes = span.end - span.start;
            Ok(GetObjectOutput {
                body: Some(StreamingBlob::wrap(read(file, bytes))),
                accept_ranges: Some("bytes".to_owned()),
                content_length: Some(bytes as i64),
                content_range,
                content_type: Some(attributes.content_type),
                e_tag: Some(ETag::Strong(etag(&metadata))),
                last_modified: Some(Timestamp::from(metadata.modified().map_err(internal)?)),
                metadata: Some(attributes.metadata).filter(|m| !m.is_empty()),
                ..GetObjectOutput::default()
            })
        })
        .await
    }

    pub(super) async fn head(&self, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let (bucket, key) = (input.bucket, input.key);
        self.blocking(move |store| {
            let (file, metadata) = store.open_object(&bucket, &key)?;
            let attributes = Attributes::load(&file)?;
            Ok(HeadObjectOutput {
                accept_ranges: Some("bytes".to_owned()),
                content_length: Some(metadata.len() as i64),
                content_type: Some(attributes.content_type),
                e_tag: Some(ETag::Strong(etag(&metadata))),
                last_modified: Some(Timestamp::from(metadata.modified().map_err(internal)?)),
                metadata: Some(attributes.metadata).filter(|m| !m.is_empty()),
                ..HeadObjectOutput::default()
            })
        })
        .await
    }
}

/// The next `left` bytes of a file. An object is replaced by a rename, never written to, so the
/// open file stays as it was for as long as the reader needs.
fn read(file: File, left: u64) -> impl Stream<Item = Result<Bytes, S3Error>> + Send + Sync {
    stream::try_unfold((file, left), |(file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (file, part) = blocking(move || {
            let want = left.min(READ_BYTES);
            let mut part = Vec::with_capacity(want as usize);
            (&file).take(want).read_to_end(&mut part).map_err(internal)?;
            Ok((file, part))
        })
        .await?;
        if part.is_empty() {
            return Err(s3_error!(InternalError, "the object's file became shorter"));
        }
        let left = left - part.len() as u64;
        Ok(Some((Bytes::from(part), (file, left))))
    })
}
