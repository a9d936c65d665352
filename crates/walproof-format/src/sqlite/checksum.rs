//! The checksum of the WAL format.
//!
//! Over pairs of 32-bit words, all sums modulo 2^32:
//!
//! ```text
//! s0 += w(0) + s1      s1 += w(1) + s0      s0 += w(2) + s1      ...
//! ```
//!
//! `s0, s1, s0, s1, ...` is one sequence `t(i) = t(i-1) + t(i-2) + w(i)`: Fibonacci's recurrence with an input. So for
//! m words (m even), with F(0) = 0 and F(1) = 1:
//!
//! ```text
//! s0' = sum F(m-1-i) w(i) + F(m) s1   + F(m-1) s0
//! s1' = sum F(m-i)   w(i) + F(m+1) s1 + F(m)   s0
//! ```
//!
//! A page is two dot products with one table, in which no step waits for the one before: compilers make vectors of it.
//! `fearless_simd` has the loop compiled for each width of vectors (AVX-512, AVX2, SSE4.2, NEON, none) and takes the
//! widest that this processor has; 0107 says why.
//! [`serial`] is the definition, [`block`] the fast form, [`block_portable`] the same without special instructions; a
//! test holds them equal. None looks at bytes after the last whole pair: the format has none.

use std::sync::LazyLock;

use fearless_simd::{Level, Simd, dispatch};

/// What this processor has.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

/// s0 and s1.
pub type Checksum = (u32, u32);

/// Words of the largest page.
const BLOCK_WORDS: usize = 65536 / 4;

/// F(BLOCK_WORDS), ..., F(1), F(0): the weights of a block, first word first.
static FIBONACCI_DOWN: [u32; BLOCK_WORDS + 1] = fibonacci_down();

const fn fibonacci_down() -> [u32; BLOCK_WORDS + 1] {
    let mut table = [0u32; BLOCK_WORDS + 1];
    // From the end, where F(0) = 0 already stands.
    let mut at = BLOCK_WORDS - 1;
    table[at] = 1;
    while at > 0 {
        at -= 1;
        table[at] = table[at + 1].wrapping_add(table[at + 2]);
    }
    table
}

#[inline(always)]
fn word(four: &[u8], big_endian: bool) -> u32 {
    let four = [four[0], four[1], four[2], four[3]];
    if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}

/// The definition, pair after pair.
pub fn serial(bytes: &[u8], big_endian: bool, seed: Checksum) -> Checksum {
    bytes.chunks_exact(8).fold(seed, |(s0, s1), pair| {
        let s0 = s0.wrapping_add(word(&pair[..4], big_endian)).wrapping_add(s1);
        (s0, s1.wrapping_add(word(&pair[4..], big_endian)).wrapping_add(s0))
    })
}

/// The same by dot products, for pages.
pub fn block(bytes: &[u8], big_endian: bool, seed: Checksum) -> Checksum {
    dispatch!(*LEVEL, simd => block_with(simd, bytes, big_endian, seed))
}

/// Inlined into a function for each width of vectors; what `_simd` is for is its type.
#[inline(always)]
fn block_with<S: Simd>(_simd: S, bytes: &[u8], big_endian: bool, seed: Checksum) -> Checksum {
    dots(bytes, big_endian, seed)
}

/// [`block`] with what every processor of this kind has.
pub fn block_portable(bytes: &[u8], big_endian: bool, seed: Checksum) -> Checksum {
    dots(bytes, big_endian, seed)
}

/// The vectors that [`block`] uses here, in the words of `fearless_simd`.
pub fn vectors() -> String {
    let level = format!("{:?}", *LEVEL);
    level.split('(').next().unwrap_or(&level).to_owned()
}

#[inline(always)]
fn dots(bytes: &[u8], big_endian: bool, seed: Checksum) -> Checksum {
    let whole = bytes.len() - bytes.len() % 8;
    let mut sum = seed;
    // A loop, and all of it inlined: with a closure, and `word` not inlined, half the speed of the serial form was seen.
    for block in bytes[..whole].chunks(BLOCK_WORDS * 4) {
        sum = if big_endian { dot::<true>(block, sum) } else { dot::<false>(block, sum) };
    }
    sum
}

/// At most [`BLOCK_WORDS`] words, an even number of them, at least two.
#[inline(always)]
fn dot<const BIG_ENDIAN: bool>(bytes: &[u8], (s0, s1): Checksum) -> Checksum {
    let words = bytes.len() / 4;
    // weights[i] = F(words - i)
    let weights = &FIBONACCI_DOWN[BLOCK_WORDS - words..];
    let (mut to_s0, mut to_s1) = (0u32, 0u32);
    for (four, pair) in bytes.chunks_exact(4).zip(weights.windows(2)) {
        let word = word(four, BIG_ENDIAN);
        to_s1 = to_s1.wrapping_add(word.wrapping_mul(pair[0]));
        to_s0 = to_s0.wrapping_add(word.wrapping_mul(pair[1]));
    }
    let (at, before) = (weights[0], weights[1]);
    let after = at.wrapping_add(before);
    let weigh = |s1_weight: u32, s0_weight: u32| s1.wrapping_mul(s1_weight).wrapping_add(s0.wrapping_mul(s0_weight));
    (to_s0.wrapping_add(weigh(at, before)), to_s1.wrapping_add(weigh(after, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift64: random enough for sums.
    fn random(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[track_caller]
    fn assert_equal(bytes: &[u8], seed: Checksum) {
        for big_endian in [false, true] {
            let defined = serial(bytes, big_endian, seed);
            assert_eq!(block(bytes, big_endian, seed), defined, "{} bytes, {}", bytes.len(), vectors());
            assert_eq!(block_portable(bytes, big_endian, seed), defined, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn block_equals_serial_at_every_length() {
        let bytes = random(7, 70_000);
        for length in (0..=4_200).step_by(8).chain([8_192, 16_384, 32_768, 65_528, 65_536, 65_544, 70_000]) {
            assert_equal(&bytes[..length], (length as u32, 0xdead_beef));
        }
    }

    #[test]
    fn block_equals_serial_on_random_and_extreme_bytes() {
        for seed in 0..200 {
            let length = 8 * (random(seed, 2)[0] as usize + 1);
            assert_equal(
                &random(seed + 1_000, length),
                ((seed as u32).wrapping_mul(0x9e37_79b9), u32::MAX - seed as u32),
            );
        }
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            assert_equal(&[byte; 65_536], (u32::MAX, u32::MAX));
        }
    }

    /// Bytes that start anywhere: vectors are loaded from addresses that are no multiples of their width.
    #[test]
    fn block_equals_serial_at_every_page_size_and_alignment() {
        let bytes = random(11, 65_536 + 64);
        for power in 9..=16 {
            for start in 0..64 {
                assert_equal(&bytes[start..start + (1 << power)], (7, start as u32));
            }
        }
    }

    #[test]
    fn checksums_go_on_where_they_stopped() {
        let bytes = random(3, 4_096);
        let half = block(&bytes[..2_048], false, (0, 0));
        assert_eq!(block(&bytes[2_048..], false, half), block(&bytes, false, (0, 0)));
    }

    #[test]
    fn a_sum_by_hand() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0];
        // s0 = 10 + 1 + 20, s1 = 20 + 2 + 31.
        assert_eq!(serial(&bytes, false, (10, 20)), (31, 53));
    }
}
