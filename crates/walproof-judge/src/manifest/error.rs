//! Why a file could not be read at all: what, where, because of what, and what to try.
//!
//! What it must not do: stand for something wrong in the user's system (that is a finding) or for an odd value in a
//! file that can be read all the same (that is a [`super::Warning`]).
//!
//! Where to look next: `yaml` and `compose::files`, where these are made.

use std::fmt;

use serde::Serialize;

use super::span::Place;

/// What kind of failure it is, for callers that go on with other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestErrorKind {
    /// Not text, or not YAML.
    Broken,
    /// Nothing in it.
    Empty,
    /// Text, and of another kind than asked for.
    OtherKind,
    /// A template that a program has to fill in first: not judged, and nobody's fault.
    Template,
    /// A file that it names could not be had.
    NotLoaded,
    /// It names a service that is not there.
    NotFound,
    /// It leads back to itself.
    Cycle,
    /// Larger, deeper or expanding to more than any real file.
    TooMuch,
}

/// Reading ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// What kind of failure.
    pub kind: ManifestErrorKind,
    /// The file, as shown to people.
    pub file: String,
    /// Where in the file; `None`: the file as a whole.
    pub place: Option<Place>,
    /// What failed, lower-case, values in backticks, without the file.
    pub what: String,
    /// The cause.
    pub because: String,
    /// What the user can do.
    pub try_this: String,
}

impl ManifestError {
    /// Where it is, as `file:line:column` or the file alone.
    pub fn location(&self) -> String {
        match self.place {
            Some(place) => format!("{}:{}:{}", self.file, place.line, place.column),
            None => self.file.clone(),
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}\nbecause: {}\ntry: {}", self.location(), self.what, self.because, self.try_this)
    }
}

impl std::error::Error for ManifestError {}

/// Bytes of a file as text, or why they are none. A byte order mark is left out.
pub fn text_of<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, ManifestError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        not_text(name, place_at_end(&before), "the bytes are not UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The error for bytes or characters that no text file has.
pub(super) fn not_text(name: &str, place: Place, because: &str) -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::Broken,
        file: name.to_owned(),
        place: Some(place),
        what: "is not text".to_owned(),
        because: because.to_owned(),
        try_this: "name a YAML file in UTF-8".to_owned(),
    }
}

/// The place after this text.
pub(super) fn place_at_end(text: &str) -> Place {
    let line = text.matches('\n').count() + 1;
    let last = text.rsplit('\n').next().unwrap_or("");
    Place::at(line, last.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_not_text(bytes: &[u8], line: u32, column: u32) {
        let error = text_of("f", bytes).expect_err("not text");
        assert_eq!((error.kind, error.place), (ManifestErrorKind::Broken, Some(Place { line, column })));
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_place() {
        is_not_text(b"\xff\xfe", 1, 1);
        is_not_text(b"a\nb\xc3", 2, 2);
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        assert_eq!(text_of("f", b"\xef\xbb\xbfa: b"), Ok("a: b"));
    }

    #[test]
    fn an_error_reads_in_three_lines() {
        let error = text_of("a.yaml", b"\xff").expect_err("not text");
        assert_eq!(
            error.to_string(),
            "`a.yaml:1:1`: is not text\nbecause: the bytes are not UTF-8\ntry: name a YAML file in UTF-8"
        );
    }
}
