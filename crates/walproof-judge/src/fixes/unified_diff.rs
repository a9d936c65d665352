//! What changes, as a unified diff that `patch -p1` takes.
//!
//! What it must not do: normalise ends of lines.
//!
//! Where to look next: `plan`, which gives both texts.

use similar::TextDiff;

use crate::render::harmless;

/// The difference of two texts of one file; the empty text if there is none.
pub fn diff(old: &str, new: &str, name: &str) -> String {
    let name = harmless(name);
    let (before, after) = (format!("a/{name}"), format!("b/{name}"));
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&before, &after).to_string()
}

/// The same for a terminal: no line says anything that it obeys. Ends of lines and tabs stay.
pub fn shown(old: &str, new: &str, name: &str) -> String {
    let plain = |line: &str| {
        let (text, end) = match line.strip_suffix("\r\n") {
            Some(text) => (text, "\r\n"),
            None => line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n")),
        };
        let parts: Vec<String> = text.split('\t').map(harmless).collect();
        parts.join("\t") + end
    };
    diff(old, new, name).split_inclusive('\n').map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_changes() {
        let expected = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\r\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n";
        assert_eq!(diff("a\r\nb", "a\r\nc", "x"), expected);
        assert_eq!(diff("a", "a", "x"), "");
        let hostile = shown("a\tb\r\n\u{1b}[2J\u{9b}\n", "a\tb\r\nx\n", "e\u{1b}]0;x\u{7}\n+++ b");
        assert!(hostile.contains(" a\tb\r\n-\u{fffd}[2J\u{fffd}\n+x\n"), "{hostile}");
        assert_eq!(hostile.lines().count(), 6, "{hostile}");
    }
}
