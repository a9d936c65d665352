//! Texts broken at random, the same ones every time, for the tests of all readers.
//!
//! What it must not do: know a format; the caller gives the texts to begin with and the pieces that hurt.
//!
//! Where to look next: the tests named `any_text_is_read_or_refused`.

/// Numbers that look random and are the same every time (splitmix64).
pub(crate) struct Numbers(pub u64);

impl Numbers {
    /// The next number, less than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap_or(0)
    }
}

/// One of the texts with up to a dozen cuts and pieces put in.
pub(crate) fn mutated(numbers: &mut Numbers, texts: &[&str], pieces: &[&str]) -> String {
    let mut text: Vec<char> = texts[numbers.below(texts.len())].chars().collect();
    for _ in 0..1 + numbers.below(12) {
        let at = numbers.below(text.len() + 1);
        match numbers.below(4) {
            0 if at < text.len() => {
                let end = (at + 1 + numbers.below(20)).min(text.len());
                text.drain(at..end);
            }
            1 if at < text.len() => text.truncate(at),
            _ => {
                text.splice(at..at, pieces[numbers.below(pieces.len())].chars());
            }
        }
    }
    text.into_iter().collect()
}
