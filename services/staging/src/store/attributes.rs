//! Content type and user metadata, in an extended attribute of the object's file: it moves with
//! the rename and goes with the delete, so it can never disagree with the object.

use rustix::{fs as sys, io::Errno};
use s3s::{S3Result, s3_error};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, fs::File};

const NAME: &str = "user.tourbus.s3";
/// As S3 limits metadata to 2 KB, plus the content type; ext4 keeps one block of attributes.
const BYTES_MAX: usize = 3 << 10;
/// What an object is when nobody said; not worth an attribute.
const DEFAULT_TYPE: &str = "application/octet-stream";

/// What is kept about an object besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) content_type: String,
    pub(crate) metadata: HashMap<String, String>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { content_type: DEFAULT_TYPE.to_owned(), metadata: HashMap::new() }
    }
}

impl Attributes {
    pub(crate) fn new(
        content_type: Option<String>,
        metadata: Option<HashMap<String, String>>,
    ) -> Self {
        let content_type = content_type.unwrap_or_else(|| DEFAULT_TYPE.to_owned());
        Self { content_type, metadata: metadata.unwrap_or_default() }
    }

    /// Writes them to a file, unless they say nothing.
    pub(crate) fn save(&self, file: &File) -> S3Result<()> {
        if *self == Self::default() {
            return Ok(());
        }
        let text = json!({ "type": self.content_type, "meta": self.metadata }).to_string();
        if text.len() > BYTES_MAX {
            return Err(s3_error!(MetadataTooLarge));
        }
        match sys::fsetxattr(file, NAME, text.as_bytes(), sys::XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::NOTSUP) => Err(s3_error!(
                NotImplemented,
                "the file system of this store cannot keep metadata or a content type"
            )),
            Err(e) => Err(super::internal(e.into())),
        }
    }

    /// Reads them from a file; one without has the defaults.
    pub(crate) fn load(file: &File) -> S3Result<Self> {
        let mut text = [0; BYTES_MAX];
        let len = match sys::fgetxattr(file, NAME, &mut text) {
            Ok(len) => len,
            Err(Errno::NODATA | Errno::NOTSUP) => return Ok(Self::default()),
            Err(e) => return Err(super::internal(e.into())),
        };
        let parsed: Map<String, Value> =
            serde_json::from_slice(&text[..len]).map_err(|e| super::internal(e.into()))?;
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let metadata = parsed
            .get("meta")
            .and_then(Value::as_object)
            .map(|meta| meta.iter().filter_map(|(k, v)| Some((k.clone(), text(v)?))).collect());
        Ok(Self::new(parsed.get("type").and_then(text), metadata))
    }
}
