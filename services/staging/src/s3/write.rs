//! Put and delete.

use super::{Objects, blocking};
use crate::store::{Attributes, Incoming, internal};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use futures_util::StreamExt;
use s3s::{
    S3Error, S3ErrorCode, S3Request, S3Result,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Md5},
    dto::{
        Checksum, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, PutObjectInput,
        PutObjectOutput, StreamingBlob,
    },
    s3_error,
};
use std::time::Duration;

/// One write to a file: what a writer holds in memory, twice.
const WRITE_BYTES: usize = 1 << 20;
/// Longest silence of a client in the middle of its upload.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// Most keys in one batch delete, as S3 has it.
const BATCH_MAX: usize = 1000;

impl Objects {
    pub(super) async fn put(&self, req: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let mut input = req.input;
        if input.if_match.is_some() || input.if_none_match.is_some() {
            return Err(s3_error!(NotImplemented, "conditions of a put"));
        }
        let Some(body) = input.body.take() else { return Err(s3_error!(IncompleteBody)) };
        let expected = input.content_length.and_then(|n| u64::try_from(n).ok());
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let incoming = self
            .blocking(move |store| store.check_put(&bucket, &key).and_then(|()| store.incoming()))
            .await?;
        let mut digests = Digests::asked_for(&input, &req.headers);
        let (incoming, bytes) = receive(body, incoming, &mut digests).await?;
        if expected.is_some_and(|n| n != bytes) {
            return Err(s3_error!(IncompleteBody));
        }
        let trailers = req.trailing_headers.and_then(|t| t.take()).unwrap_or_default();
        let checksum = digests.verify(&input, &trailers)?;
        let attributes = Attributes::new(input.content_type, input.metadata);
        let (bucket, key) = (input.bucket, input.key);
        let tag = self
            .blocking(move |store| {
                attributes.save(incoming.file())?;
                store.promote(incoming, &bucket, &key)
            })
            .await?;
        Ok(PutObjectOutput {
            e_tag: Some(ETag::Strong(tag)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    pub(super) async fn delete_batch(
        &self,
        input: DeleteObjectsInput,
    ) -> S3Result<DeleteObjectsOutput> {
        if input.delete.objects.len() > BATCH_MAX {
            return Err(s3_error!(MalformedXML, "more than 1000 keys in one batch"));
        }
        self.blocking(move |store| {
            store.bucket(&input.bucket)?;
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            for object in input.delete.objects {
                match store.remove(&input.bucket, &object.key) {
                    Ok(()) => deleted
                        .push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
                    Err(e) => errors.push(s3s::dto::Error {
                        key: Some(object.key),
                        code: Some(e.code().as_str().to_owned()),
                        message: e.message().map(str::to_owned),
                        ..s3s::dto::Error::default()
                    }),
                }
            }
            let quiet = input.delete.quiet.unwrap_or(false);
            Ok(DeleteObjectsOutput {
                deleted: (!quiet).then_some(deleted),
                errors: Some(errors).filter(|e| !e.is_empty()),
                ..DeleteObjectsOutput::default()
            })
        })
        .await
    }
}

/// Writes a body as it comes, a megabyte at a time, while the next one arrives.
async fn receive(
    mut body: StreamingBlob,
    mut incoming: Incoming,
    digests: &mut Digests,
) -> S3Result<(Incoming, u64)> {
    let mut total = 0;
    loop {
        let (mut parts, mut bytes): (Vec<Bytes>, usize) = (Vec::new(), 0);
        let ended = loop {
            let next = tokio::time::timeout(BODY_TIMEOUT, body.next()).await;
            let Some(part) = next.map_err(|_| s3_error!(RequestTimeout))? else { break true };
            // The client went away, or its signature of this part is wrong.
            let part = part.map_err(|e| S3Error::with_source(S3ErrorCode::IncompleteBody, e))?;
            digests.update(&part);
            bytes += part.len();
            parts.push(part);
            if bytes >= WRITE_BYTES {
                break false;
            }
        };
        total += bytes as u64;
        if !parts.is_empty() {
            incoming = blocking(move || {
                incoming.append(&parts).map_err(internal)?;
                Ok(incoming)
            })
            .await?;
        }
        if ended {
            return Ok((incoming, total));
        }
    }
}

/// Checksums that the client sent or announced; none are computed unasked.
struct Digests {
    md5: Option<Md5>,
    others: ChecksumHasher,
}

impl Digests {
    fn asked_for(input: &PutObjectInput, headers: &http::HeaderMap) -> Self {
        let named: Vec<String> = headers
            .get_all("x-amz-trailer")
            .iter()
            .chain(headers.get_all("x-amz-sdk-checksum-algorithm"))
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(|v| v.trim().to_ascii_lowercase().replace("x-amz-checksum-", ""))
            .collect();
        let asked =
            |sent: Option<&String>, name: &str| sent.is_some() || named.iter().any(|n| n == name);
        let others = ChecksumHasher {
            crc32: asked(input.checksum_crc32.as_ref(), "crc32").then(Default::default),
            crc32c: asked(input.checksum_crc32c.as_ref(), "crc32c").then(Default::default),
            crc64nvme: asked(input.checksum_crc64nvme.as_ref(), "crc64nvme").then(Default::default),
            sha1: asked(input.checksum_sha1.as_ref(), "sha1").then(Default::default),
            sha256: asked(input.checksum_sha256.as_ref(), "sha256").then(Default::default),
        };
        Self { md5: input.content_md5.is_some().then(Md5::new), others }
    }

    fn update(&mut self, part: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(part);
        }
        self.others.update(part);
    }

    /// Compares with what the client sent, in the head or behind the body.
    fn verify(self, input: &PutObjectInput, trailers: &http::HeaderMap) -> S3Result<Checksum> {
        if let (Some(md5), Some(sent)) = (self.md5, &input.content_md5)
            && BASE64.encode(md5.finalize()) != *sent
        {
            return Err(s3_error!(BadDigest, "Content-MD5 does not match the body"));
        }
        let got = self.others.finalize();
        let pairs = [
            ("crc32", &got.checksum_crc32, &input.checksum_crc32),
            ("crc32c", &got.checksum_crc32c, &input.checksum_crc32c),
            ("crc64nvme", &got.checksum_crc64nvme, &input.checksum_crc64nvme),
            ("sha1", &got.checksum_sha1, &input.checksum_sha1),
            ("sha256", &got.checksum_sha256, &input.checksum_sha256),
        ];
        for (name, got, head) in pairs {
            let trailer = trailers.get(format!("x-amz-checksum-{name}"));
            let sent = trailer.and_then(|v| v.to_str().ok()).or(head.as_deref());
            if sent.is_some() && sent != got.as_deref() {
                return Err(s3_error!(BadDigest, "{name} does not match the body"));
            }
        }
        Ok(got)
    }
}
