//! Where a line that is too long to be read at once is cut.
//!
//! A piece ends where nothing is said, and the next one begins before that end, behind a blank if one is near. So what
//! stands at the edge is read whole, with what stands around it, and once. Where every stretch says something, two pieces
//! share a message; the scan counts a line once for each kind.
//! What it must not do: depend on how bytes came in. It sees the beginning of the rest of a line, and nothing else.

use super::needles::NEEDLES;

/// Longer lines are read in pieces of this size at most; docker and CRI cut at 16 KiB themselves.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Two pieces share so much at least: more than the longest message, and what a driver writes around it.
const SHARED_BYTES_MIN: usize = 1024;
/// A stretch without a message, that a cut may be made at its end and all that pieces share lies within it.
const SILENCE_BYTES: usize = 4 * SHARED_BYTES_MIN;
/// How far back a silent stretch is looked for.
const BACK_BYTES: usize = 16 * 1024;

/// An end, and where the next piece begins: before it.
pub struct Cut {
    pub end: usize,
    pub next: usize,
}

/// The first piece of what is longer than [`LINE_BYTES_MAX`].
pub fn cut(rest: &[u8]) -> Cut {
    let text = &rest[..LINE_BYTES_MAX];
    let end = behind_a_blank(text, end_of_silence(text));
    Cut { end, next: behind_a_blank(text, end - SHARED_BYTES_MIN) }
}

/// The last place before which nothing was said for a while; where there is none, the end of the text.
fn end_of_silence(text: &[u8]) -> usize {
    let mut before = text.len() - BACK_BYTES;
    let mut found = text.len();
    let hits = NEEDLES.hits(&text[before..]).map(|hit| hit + text.len() - BACK_BYTES);
    for hit in hits.chain([text.len()]) {
        if hit - before >= SILENCE_BYTES {
            found = hit;
        }
        before = hit;
    }
    found
}

/// This place, or the nearest before it that is behind a blank or a quote.
fn behind_a_blank(text: &[u8], at: usize) -> usize {
    let near = &text[at - SHARED_BYTES_MIN..at];
    let blank = near.iter().rposition(|byte| matches!(byte, b' ' | b'"' | b','));
    blank.map_or(at, |blank| at - SHARED_BYTES_MIN + blank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "database disk image is malformed";

    /// The pieces of a line, as the scan takes them.
    fn pieces(line: &str) -> Vec<&str> {
        let (mut pieces, mut rest) = (Vec::new(), line);
        while rest.len() > LINE_BYTES_MAX {
            let Cut { end, next } = cut(rest.as_bytes());
            assert!(next < end && end <= LINE_BYTES_MAX && next > LINE_BYTES_MAX / 2);
            pieces.push(&rest[..end]);
            rest = &rest[next..];
        }
        pieces.push(rest);
        pieces
    }

    #[test]
    fn a_message_anywhere_stands_whole_in_one_piece_and_in_no_other() {
        for filler in ["x", "x "] {
            for lead in (LINE_BYTES_MAX - 20 * 1024..LINE_BYTES_MAX + 4 * 1024).step_by(101) {
                let lead = filler.repeat(lead / filler.len());
                let line = format!("{lead}(11) {MESSAGE} (11){}", filler.repeat(40_000));
                let with_it: Vec<&str> = pieces(&line).into_iter().filter(|piece| piece.contains("malform")).collect();
                assert_eq!(with_it.len(), 1, "{}", lead.len());
                assert!(with_it[0].contains(&format!("(11) {MESSAGE} (11)")), "{}", lead.len());
            }
        }
    }

    #[test]
    fn where_all_is_messages_each_stands_whole_in_some_piece() {
        let line: String = (0..9_999).map(|number| format!("{number}{MESSAGE}")).collect();
        let pieces = pieces(&line);
        assert!(pieces.len() > 5);
        for number in 0..9_999 {
            let message = format!("{number}{MESSAGE}");
            assert!(pieces.iter().any(|piece| piece.contains(&message)), "{number}");
        }
    }
}
