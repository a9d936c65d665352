//! SQLite in a mapped file, and its version.
//!
//! Each build of SQLite bears the time and the hash of its sources, `2024-01-30 16:01:20 e876e51a...`, and its version
//! as a text of its own. Programs made for one version bear the first as well (the shell `sqlite3` does), so a file holds
//! SQLite only if it also holds what wal.c says after recovery. Which of the texts that look like a version is SQLite's:
//! the one that was released on that day, or the only one.
//!
//! What it must not do: run anything; read more than [`READ_BYTES_MAX`] of a file.
//! Where to look next: `maps.rs` for which files are mapped.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::maps::Mapped;
use crate::collect::quiet::open_quietly;

/// Larger files are read so far.
const READ_BYTES_MAX: u64 = 200 << 20;
const CHUNK_BYTES: usize = 1 << 20;
/// Longer than anything that is looked for.
const OVERLAP_BYTES: usize = 128;
/// What only SQLite itself says, in old versions with a capital letter.
const OF_SQLITE: &[u8] = b"ecovered %d frames from WAL file %s";
/// A hash has 64 digits, or 40 before 2017; sources that were edited end in other letters instead of the last four.
const HASH_DIGITS_MIN: usize = 36;
/// Every this many bytes one is looked at: it cannot miss a hash.
const STEP: usize = 24;
/// `2024-01-30 16:01:20 `.
const TIME_BYTES: usize = 20;

/// The version of each SQLite in a mapped file, `None` for one whose version cannot be told. `None`: the file cannot be
/// read.
pub fn versions(pid: u32, mapped: &Mapped) -> Option<Vec<Option<String>>> {
    let file = open(pid, mapped)?;
    let mut elf = [0; 4];
    if file.read_exact_at(&mut elf, 0).is_err() || elf != *b"\x7fELF" {
        return Some(Vec::new());
    }
    let found = search(|buffer, offset| file.read_at(buffer, offset));
    Some(found.versions())
}

/// The file that is mapped, also after an upgrade has put another one in its place.
fn open(pid: u32, mapped: &Mapped) -> Option<File> {
    let regular = |path: &Path| {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((open_quietly(path).ok()?, metadata.ino()))
    };
    let by_mapping = format!("/proc/{pid}/map_files/{}", mapped.range);
    if let Some((file, _)) = regular(Path::new(&by_mapping)) {
        return Some(file);
    }
    if let Some((file, inode)) = regular(Path::new(&format!("/proc/{pid}/exe")))
        && inode == mapped.inode
    {
        return Some(file);
    }
    // What still has its name is found by it; what lies there instead of a deleted one is another file.
    let by_name = Path::new(&format!("/proc/{pid}/root{}", mapped.path)).to_owned();
    if mapped.deleted { None } else { regular(&by_name).map(|(file, _)| file) }
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Days of sources, with the beginning of the hash: one for each SQLite in it.
    sources: BTreeSet<(String, String)>,
    /// Texts like `3.45.1`.
    texts: BTreeSet<String>,
    /// It holds [`OF_SQLITE`].
    sqlite: bool,
}

impl Found {
    fn versions(&self) -> Vec<Option<String>> {
        let sources = self.sources.iter().filter(|_| self.sqlite);
        sources.map(|(day, _)| self.version(day)).collect()
    }

    fn version(&self, day: &str) -> Option<String> {
        let released = RELEASES.iter().filter(|(of_day, _)| *of_day == day).map(|(_, version)| *version);
        let here: Vec<&str> = released.filter(|version| self.texts.contains(*version)).collect();
        match (&here[..], self.texts.len(), self.sources.len()) {
            ([version], _, _) => Some((*version).to_owned()),
            ([], 1, 1) => self.texts.first().cloned(),
            _ => None,
        }
    }
}

fn search(read: impl Fn(&mut [u8], u64) -> std::io::Result<usize>) -> Found {
    let (mut found, mut buffer) = (Found::default(), vec![0; CHUNK_BYTES]);
    let (mut kept, mut offset) = (0, 0);
    while offset < READ_BYTES_MAX {
        let Ok(more @ 1..) = read(&mut buffer[kept..], offset) else { break };
        offset += more as u64;
        let length = kept + more;
        look(&buffer[..length], &mut found);
        kept = length.min(OVERLAP_BYTES);
        buffer.copy_within(length - kept..length, 0);
    }
    found
}

fn look(bytes: &[u8], found: &mut Found) {
    for at in (0..bytes.len()).step_by(STEP) {
        if is_hash_digit(bytes[at])
            && let Some(source) = source(bytes, at)
        {
            found.sources.insert(source);
        }
    }
    for at in memchr::memchr_iter(b'.', bytes) {
        found.texts.extend(version_text(bytes, at));
    }
    found.sqlite = found.sqlite || memchr::memmem::find(bytes, OF_SQLITE).is_some();
}

fn is_hash_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The source id whose hash a byte belongs to: its day, and the beginning of its hash.
fn source(bytes: &[u8], at: usize) -> Option<(String, String)> {
    let begin = at - bytes[..at].iter().rev().take(64).take_while(|byte| is_hash_digit(**byte)).count();
    let digits = bytes[begin..].iter().take(64).take_while(|byte| is_hash_digit(**byte)).count();
    let time = std::str::from_utf8(bytes.get(begin.checked_sub(TIME_BYTES)?..begin)?).ok()?;
    let shape: String = time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    (digits >= HASH_DIGITS_MIN && shape == "0000-00-00 00:00:00 " && time.starts_with("20"))
        .then(|| (time[..10].to_owned(), String::from_utf8_lossy(&bytes[begin..begin + 16]).into_owned()))
}

/// A text `3.x.y` or `3.x.y.z` that ends with a zero byte and is not part of a longer one; `at` is its first point.
fn version_text(bytes: &[u8], at: usize) -> Option<String> {
    let begin = at.checked_sub(1).filter(|begin| bytes[*begin] == b'3')?;
    if begin > 0 && (bytes[begin - 1].is_ascii_alphanumeric() || b".-_ /".contains(&bytes[begin - 1])) {
        return None;
    }
    let rest = &bytes[begin..bytes.len().min(begin + 12)];
    let text = std::str::from_utf8(&rest[..memchr::memchr(0, rest)?]).ok()?;
    let numbers: Option<Vec<u32>> = text.split('.').map(|number| number.parse().ok()).collect();
    let plausible = matches!(numbers?[..], [3, minor, _] | [3, minor, _, _] if (6..1000).contains(&minor));
    plausible.then(|| text.to_owned())
}

/// Days of sources and the versions that were made of them (sqlite.org/chronology.html; the day of release is that of
/// the sources). Newer ones are told by their text alone.
#[rustfmt::skip]
static RELEASES: &[(&str, &str)] = &[
    ("2016-01-06", "3.10.0"), ("2016-01-14", "3.10.1"), ("2016-01-20", "3.10.2"), ("2016-02-15", "3.11.0"),
    ("2016-03-03", "3.11.1"), ("2016-03-29", "3.12.0"), ("2016-04-08", "3.12.1"), ("2016-04-18", "3.12.2"),
    ("2016-05-18", "3.13.0"), ("2016-08-11", "3.14.1"), ("2016-09-12", "3.14.2"), ("2016-10-14", "3.15.0"),
    ("2016-11-04", "3.15.1"), ("2016-11-28", "3.15.2"), ("2017-01-02", "3.16.0"), ("2017-01-03", "3.16.1"),
    ("2017-01-06", "3.16.2"), ("2017-02-13", "3.17.0"), ("2017-03-28", "3.18.0"), ("2017-05-22", "3.19.0"),
    ("2017-05-24", "3.19.1"), ("2017-05-25", "3.19.2"), ("2017-06-08", "3.19.3"), ("2017-06-16", "3.18.1"),
    ("2017-06-17", "3.18.2"), ("2017-08-01", "3.20.0"), ("2017-08-24", "3.20.1"), ("2017-10-24", "3.21.0"),
    ("2018-01-22", "3.22.0"), ("2018-04-02", "3.23.0"), ("2018-04-10", "3.23.1"), ("2018-06-04", "3.24.0"),
    ("2018-09-15", "3.25.0"), ("2018-09-18", "3.25.1"), ("2018-09-25", "3.25.2"), ("2018-11-05", "3.25.3"),
    ("2018-12-01", "3.26.0"), ("2019-02-07", "3.27.0"), ("2019-02-08", "3.27.1"), ("2019-02-25", "3.27.2"),
    ("2019-04-16", "3.28.0"), ("2019-07-10", "3.29.0"), ("2019-10-04", "3.30.0"), ("2019-10-10", "3.30.1"),
    ("2020-01-22", "3.31.0"), ("2020-01-27", "3.31.1"), ("2020-05-22", "3.32.0"), ("2020-05-25", "3.32.1"),
    ("2020-06-04", "3.32.2"), ("2020-06-18", "3.32.3"), ("2020-08-14", "3.33.0"), ("2020-12-01", "3.34.0"),
    ("2021-01-20", "3.34.1"), ("2021-03-12", "3.35.0"), ("2021-03-15", "3.35.1"), ("2021-03-17", "3.35.2"),
    ("2021-03-26", "3.35.3"), ("2021-04-02", "3.35.4"), ("2021-04-19", "3.35.5"), ("2021-06-18", "3.36.0"),
    ("2021-11-27", "3.37.0"), ("2021-12-30", "3.37.1"), ("2022-01-06", "3.37.2"), ("2022-02-22", "3.38.0"),
    ("2022-03-12", "3.38.1"), ("2022-03-26", "3.38.2"), ("2022-04-27", "3.38.3"), ("2022-05-04", "3.38.4"),
    ("2022-05-06", "3.38.5"), ("2022-06-25", "3.39.0"), ("2022-07-13", "3.39.1"), ("2022-07-21", "3.39.2"),
    ("2022-09-05", "3.39.3"), ("2022-09-29", "3.39.4"), ("2022-11-16", "3.40.0"), ("2022-12-28", "3.40.1"),
    ("2023-02-21", "3.41.0"), ("2023-03-10", "3.41.1"), ("2023-03-22", "3.41.2"), ("2023-05-16", "3.42.0"),
    ("2023-08-24", "3.43.0"), ("2023-09-11", "3.43.1"), ("2023-10-10", "3.43.2"), ("2023-11-01", "3.44.0"),
    ("2023-11-22", "3.44.1"), ("2023-11-24", "3.44.2"), ("2024-01-15", "3.45.0"), ("2024-01-30", "3.45.1"),
    ("2024-03-12", "3.45.2"), ("2024-04-15", "3.45.3"), ("2024-05-23", "3.46.0"), ("2024-08-13", "3.46.1"),
    ("2024-10-21", "3.47.0"), ("2024-11-25", "3.47.1"), ("2024-12-07", "3.47.2"), ("2025-01-14", "3.48.0"),
    ("2025-02-06", "3.49.0"), ("2025-02-18", "3.49.1"), ("2025-05-07", "3.49.2"), ("2025-05-29", "3.50.0"),
    ("2025-06-06", "3.50.1"), ("2025-06-28", "3.50.2"), ("2025-07-17", "3.50.3"), ("2025-07-30", "3.50.4"),
    ("2025-11-04", "3.51.0"), ("2025-11-28", "3.51.1"), ("2026-01-09", "3.51.2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "2024-01-30 16:01:20 e876e51a0ed5c5b3126f52e532044363a014bc594cfefa87ffb5b82257ccalt1";

    fn tells(parts: &[&[u8]], versions: &[Option<&str>]) {
        for shift in 0..STEP {
            let bytes = [&vec![1; shift][..], &parts.concat()].concat();
            let found = search(|buffer, offset| {
                let rest = &bytes[bytes.len().min(offset as usize)..];
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            });
            let versions: Vec<Option<String>> = versions.iter().map(|one| one.map(str::to_owned)).collect();
            assert_eq!(found.versions(), versions, "{found:?}");
        }
    }

    #[test]
    fn sources_words_and_version_make_a_library() {
        let id = ID.as_bytes();
        tells(&[id, b"\0\x003.45.1\0recovered %d frames from WAL file %s\0"], &[Some("3.45.1")]);
        tells(&[b"\x003.45.1\0", id, b"\0Python\x003.11.2\0recovered %d frames from WAL file %s\0"], &[Some("3.45.1")]);
        // Of sources nobody knows, only a single text can be the version.
        let future = ID.replace("2024", "2044");
        tells(&[future.as_bytes(), b"\0\x003.99.1\0recovered %d frames from WAL file %s\0"], &[Some("3.99.1")]);
        tells(&[future.as_bytes(), b"\0\x003.99.1\0\x003.12.0\0recovered %d frames from WAL file %s\0"], &[None]);
        // A program that was made for a version, and a library without the rest.
        tells(&[b"\x003.45.1\0recovered %d frames from WAL file %s\0"], &[]);
        tells(&[id, b"\0\x003.45.1\0"], &[]);
    }

    #[test]
    fn two_copies_in_one_file_are_two() {
        let other = ID.replace("2024-01-30", "2022-12-28").replace("e876", "df5c");
        let text = b"\0\x003.45.1\0\x003.40.1\0recovered %d frames from WAL file %s\0";
        tells(&[ID.as_bytes(), b"\0", other.as_bytes(), text], &[Some("3.40.1"), Some("3.45.1")]);
    }

    #[test]
    fn nothing_is_lost_between_two_reads() {
        let mut bytes = vec![0; CHUNK_BYTES - 40];
        bytes.extend(ID.as_bytes());
        bytes.extend(b"\x003.45.1\0");
        bytes.resize(2 * CHUNK_BYTES - OVERLAP_BYTES - 18, 0);
        bytes.extend(b"recovered %d frames from WAL file %s\0");
        tells(&[&bytes], &[Some("3.45.1")]);
    }

    #[test]
    fn the_table_is_sorted_by_days() {
        assert!(RELEASES.is_sorted());
    }
}
