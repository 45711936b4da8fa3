//! What can go wrong with a step, as a value that crosses the broker, the database and the page.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What to do about an error; the only thing that the retry logic looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "class")]
pub enum ErrorClass {
    /// Likely to pass: try again with backoff, up to the attempt cap.
    Transient,
    /// Will not pass by trying again: undo the job.
    Permanent,
    /// The other side asked for a pause: try again after it.
    RateLimited {
        /// Seconds to wait before the next try.
        after_s: u32,
    },
    /// Something that must never happen (a broken invariant): undo the job and shout.
    Fatal,
}

/// One failure, told so that a person can mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct JobError {
    /// What the retry logic does about it.
    #[serde(flatten)]
    pub class: ErrorClass,
    /// Stable snake_case name, for scripts and for tests: `disk_full`, `file_unreadable`, …
    pub code: String,
    /// What happened, in a sentence without a trailing full stop.
    pub message: String,
    /// Where: the file, relative to the artist's tree (escaped), if one file is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How to mend it: whole sentences, each with its full stop; empty if nothing is to be done.
    pub remedy: String,
}

/// The text with a full stop at its end, unless it is empty or ends a sentence already.
pub fn full_stop(text: impl Into<String>) -> String {
    let mut text = text.into();
    if !text.is_empty() && !text.ends_with(['.', '!', '?', '…']) {
        text.push('.');
    }
    text
}

impl JobError {
    /// An error of a class; add the file with [`JobError::at`]. The remedy's last full stop may
    /// be left out.
    pub fn new(
        class: ErrorClass,
        code: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            path: None,
            remedy: full_stop(remedy),
        }
    }

    /// The same error, naming the file it is about.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Whether another try can help.
    pub const fn is_retryable(&self) -> bool {
        matches!(self.class, ErrorClass::Transient | ErrorClass::RateLimited { .. })
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(path) = &self.path {
            write!(f, " ({path})")?;
        }
        if !self.remedy.is_empty() {
            write!(f, ". {}", self.remedy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_whole_sentences() {
        let remedy = |text| JobError::new(ErrorClass::Permanent, "x", "it broke", text).remedy;
        assert_eq!(remedy("Mend it, then retry"), "Mend it, then retry.");
        assert_eq!(remedy("Mend it."), "Mend it.");
        assert_eq!(remedy(""), "");
    }
}
