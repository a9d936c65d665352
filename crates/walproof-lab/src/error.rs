//! What can go wrong in our own work. What is wrong in the user's system is a finding, never an error.

use std::fmt;
use std::path::Path;

use crate::run::leavings::LeavingsError;
use crate::runtimes::RuntimeError;

/// Our work failed: what, because of what, and what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabError {
    /// What failed, lower-case, values in backticks.
    pub what: String,
    /// The cause.
    pub because: String,
    /// What the user can do.
    pub try_this: String,
    /// Whether it is the caller's mistake or the machine's refusal (exit 2), or lack of sight (exit 3).
    pub blind: bool,
}

impl LabError {
    /// An error with its three lines.
    pub fn new(what: impl Into<String>, because: impl fmt::Display, try_this: impl Into<String>) -> Self {
        Self { what: what.into(), because: because.to_string(), try_this: try_this.into(), blind: false }
    }

    /// A file or directory that could not be used.
    pub fn path(what: &str, path: &Path, because: impl fmt::Display, try_this: &str) -> Self {
        Self::new(format!("{what} `{}`", path.display()), because, try_this)
    }

    /// The same error with what could not be removed.
    pub fn leaving(mut self, left_behind: &[String]) -> Self {
        if !left_behind.is_empty() {
            self.because += &format!("; not removed: {}", left_behind.join("; "));
            self.try_this += ", then `walproof clean`";
        }
        self
    }

    /// The same error as lack of sight: the storage or an agent did not answer.
    pub fn blind(self) -> Self {
        Self { blind: true, ..self }
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nbecause: {}\ntry: {}", self.what, self.because, self.try_this)
    }
}

impl std::error::Error for LabError {}

impl From<RuntimeError> for LabError {
    fn from(error: RuntimeError) -> Self {
        Self::new(error.to_string(), error.because(), error.remedy())
    }
}

impl From<LeavingsError> for LabError {
    fn from(error: LeavingsError) -> Self {
        Self::new(error.to_string(), error.because(), error.remedy())
    }
}
