//! Listings, in S3's two dialects.

use super::Objects;
use crate::store::{Entry, ListQuery, Listing};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3Result,
    dto::{
        CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
        ListObjectsV2Output, Object, Timestamp,
    },
};

/// Most entries of a page.
const PAGE_MAX: i32 = 1000;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

impl Objects {
    pub(super) async fn roll_v2(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        // The token of a page is its last key: it outlives a restart.
        let after = input.continuation_token.clone().max(input.start_after.clone());
        let limit = input.max_keys.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
        let query = ListQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            after,
            delimiter: input.delimiter.clone().unwrap_or_default(),
            limit: limit as usize,
        };
        let bucket = input.bucket.clone();
        let page = self.blocking(move |store| store.list(&bucket, &query)).await?;
        let next = last_name(&page);
        let count = page.entries.len() as i32;
        let truncated = page.truncated && next.is_some();
        let encode = Encode::of(input.encoding_type.as_ref());
        let (contents, common_prefixes) = split(page, encode);
        Ok(ListObjectsV2Output {
            common_prefixes: Some(common_prefixes).filter(|p| !p.is_empty()),
            contents: Some(contents),
            continuation_token: input.continuation_token,
            delimiter: input.delimiter.map(|d| encode.apply(d)),
            encoding_type: input.encoding_type,
            is_truncated: Some(truncated),
            key_count: Some(count),
            max_keys: Some(limit),
            name: Some(input.bucket),
            next_continuation_token: next.filter(|_| truncated),
            prefix: input.prefix.map(|p| encode.apply(p)),
            start_after: input.start_after.map(|k| encode.apply(k)),
            ..ListObjectsV2Output::default()
        })
    }

    pub(super) async fn roll_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let limit = input.max_keys.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
        let query = ListQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            after: input.marker.clone(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            limit: limit as usize,
        };
        let bucket = input.bucket.clone();
        let page = self.blocking(move |store| store.list(&bucket, &query)).await?;
        let next = last_name(&page);
        let truncated = page.truncated && next.is_some();
        let encode = Encode::of(input.encoding_type.as_ref());
        let (contents, common_prefixes) = split(page, encode);
        Ok(ListObjectsOutput {
            common_prefixes: Some(common_prefixes).filter(|p| !p.is_empty()),
            contents: Some(contents),
            delimiter: input.delimiter.map(|d| encode.apply(d)),
            encoding_type: input.encoding_type,
            is_truncated: Some(truncated),
            marker: input.marker.map(|m| encode.apply(m)),
            max_keys: Some(limit),
            name: Some(input.bucket),
            next_marker: next.filter(|_| truncated).map(|k| encode.apply(k)),
            prefix: input.prefix.map(|p| encode.apply(p)),
            ..ListObjectsOutput::default()
        })
    }
}

/// Whether names are percent-encoded in the answer.
#[derive(Clone, Copy)]
struct Encode(bool);

impl Encode {
    fn of(asked: Option<&EncodingType>) -> Self {
        Self(asked.is_some_and(|e| e.as_str() == EncodingType::URL))
    }

    fn apply(self, name: String) -> String {
        if self.0 { utf8_percent_encode(&name, PLAIN).to_string() } else { name }
    }
}

fn last_name(page: &Listing) -> Option<String> {
    page.entries.last().map(|entry| entry.name().to_owned())
}

fn split(page: Listing, encode: Encode) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Object(key, bytes, modified) => objects.push(Object {
                key: Some(encode.apply(key)),
                size: Some(bytes as i64),
                last_modified: Some(Timestamp::from(modified)),
                ..Object::default()
            }),
            Entry::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(encode.apply(prefix)) });
            }
        }
    }
    (objects, prefixes)
}
