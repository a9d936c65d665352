//! Edits: stretches of bytes and what comes in their place.
//!
//! What it must not do: apply half of a set. Edits that overlap, or that do not lie on whole characters, change nothing.
//!
//! Where to look next: `write` for edits of YAML, `plan` for edits of several fixes.

use serde::Serialize;

/// A stretch of a file and what comes in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edit {
    /// The file, by its name in the graph.
    pub file: String,
    /// The first byte.
    pub start: usize,
    /// The byte after the last; the same as `start` where something is put in.
    pub end: usize,
    /// What comes there.
    pub text: String,
}

/// Why edits cannot be applied to a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// Two of them want the same bytes: where the second begins.
    Overlap(usize),
    /// One does not lie on whole characters of the text: where it begins.
    Outside(usize),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Overlap(at) => write!(out, "two edits overlap at byte {at}"),
            Self::Outside(at) => write!(out, "an edit at byte {at} does not lie in the text"),
        }
    }
}

impl std::error::Error for EditError {}

impl Edit {
    /// Whether both cannot be done. Two insertions at one place can, one after the other.
    pub fn overlaps(&self, other: &Edit) -> bool {
        self.file == other.file && self.start < other.end && other.start < self.end
            || self.file == other.file && self.inserts_into(other)
            || self.file == other.file && other.inserts_into(self)
    }

    fn inserts_into(&self, other: &Edit) -> bool {
        self.start == self.end && other.start < self.start && self.start < other.end
    }
}

/// The text after all edits of one file, in any order.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.start, edit.end));
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in sorted {
        if edit.start < at {
            return Err(EditError::Overlap(edit.start));
        }
        let between = text.get(at..edit.start).ok_or(EditError::Outside(edit.start))?;
        text.get(edit.start..edit.end).ok_or(EditError::Outside(edit.start))?;
        result.push_str(between);
        result.push_str(&edit.text);
        at = edit.end;
    }
    result.push_str(&text[at..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit { file: "a".to_owned(), start, end, text: text.to_owned() }
    }

    #[test]
    fn edits_apply_in_any_order_and_never_halfway() {
        let edits = [edit(4, 5, "E"), edit(0, 1, "A"), edit(2, 2, "-")];
        assert_eq!(apply("abcde", &edits).as_deref(), Ok("Ab-cdE"));
        assert_eq!(apply("abcde", &[edit(0, 3, ""), edit(2, 4, "")]), Err(EditError::Overlap(2)));
        assert_eq!(apply("é", &[edit(1, 1, "x")]), Err(EditError::Outside(1)));
        assert_eq!(apply("abc", &[edit(2, 9, "x")]), Err(EditError::Outside(2)));
        assert!(edit(0, 3, "").overlaps(&edit(2, 4, "")) && edit(1, 1, "x").overlaps(&edit(0, 2, "")));
        assert!(!edit(0, 2, "").overlaps(&edit(2, 4, "")) && !edit(1, 1, "x").overlaps(&edit(1, 1, "y")));
    }
}
