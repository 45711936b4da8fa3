//! What can go wrong, what people are told of it, and with which status the program ends.

use crate::text;
use serde::Deserialize;

/// A problem document of the API (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// What is wrong, the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable name.
    pub code: String,
    /// What is wrong here.
    pub detail: String,
    /// How to mend it.
    pub remedy: String,
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was asked for in a way that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The master does not answer.
    #[error("cannot reach the master at {url}: {why}")]
    Away {
        /// Where it should be.
        url: String,
        /// What happened instead.
        why: String,
    },
    /// There is no token, or none that the master takes.
    #[error("not signed in: {0}")]
    SignedOut(String),
    /// The master says no.
    #[error("{}", told(.0))]
    Refused(Problem),
    /// The master does not know what is asked for.
    #[error("this master does not offer that: it is older than this program ({0})")]
    NotOffered(String),
    /// Something else failed.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads what is printed any more.
    #[error("nobody reads the output")]
    Unread,
}

impl CliError {
    /// The exit status of the program.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Refused(_) | Self::NotOffered(_) | Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Away { .. } => 3,
            Self::SignedOut(_) => 4,
        }
    }

    /// What people are told, if anything; what the master said in it cannot steer a terminal.
    pub fn said(&self) -> Option<String> {
        (!matches!(self, Self::Unread)).then(|| text::lines(&self.to_string()))
    }

    /// Whether the same may go well a little later.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// `Title: detail`, the remedy on a line of its own.
fn told(problem: &Problem) -> String {
    let Problem { title, detail, remedy, code, status } = problem;
    let mut said = match (title.is_empty(), detail.is_empty()) {
        (false, false) => format!("{title}: {detail}"),
        (false, true) => title.clone(),
        (true, false) => detail.clone(),
        (true, true) => format!("the master answers {status} {code}"),
    };
    if !remedy.is_empty() {
        said = format!("{said}\n  {remedy}");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_status() {
        let problem = |status| Problem { status, ..Problem::default() };
        for (error, code, passes) in [
            (CliError::Unread, 0, false),
            (CliError::Refused(problem(409)), 1, false),
            (CliError::Refused(problem(503)), 1, true),
            (CliError::NotOffered("GET /x".into()), 1, false),
            (CliError::Failed("x".into()), 1, false),
            (CliError::Usage("x".into()), 2, false),
            (CliError::Away { url: "u".into(), why: "w".into() }, 3, true),
            (CliError::SignedOut("x".into()), 4, false),
        ] {
            assert_eq!((error.code(), error.passes()), (code, passes), "{error}");
        }
    }

    #[test]
    fn a_problem_says_what_and_what_to_do() {
        let problem = Problem {
            title: "Not possible in this state".into(),
            detail: "Another job \u{1b}[2Jholds the artist.".into(),
            remedy: "Wait for it.".into(),
            ..Problem::default()
        };
        assert_eq!(
            CliError::Refused(problem).said().unwrap(),
            "Not possible in this state: Another job \u{fffd}[2Jholds the artist.\n  Wait for it."
        );
    }
}
