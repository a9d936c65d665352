//! What changes, as a unified diff that `patch -p1` takes.
//!
//! What it must not do: normalise ends of lines.
//!
//! Where to look next: `plan`, which gives both texts.

use similar::TextDiff;

/// The difference of two texts of one file; the empty text if there is none.
pub fn diff(old: &str, new: &str, name: &str) -> String {
    let (before, after) = (format!("a/{name}"), format!("b/{name}"));
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&before, &after).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_changes() {
        let expected = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\r\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n";
        assert_eq!(diff("a\r\nb", "a\r\nc", "x"), expected);
        assert_eq!(diff("a", "a", "x"), "");
    }
}
