//! The scanner on input that is no log: binary, endless lines, half characters, half objects, chunks of any size.
//!
//! What it must not do: know signatures; `signatures/mod.rs` tests them by their pages.

use walproof_judge::logs::{LINE_BYTES_MAX, Scan, Scanner, suspects};

const LOCKED: &str = "2024-01-02T03:04:05Z sqlite3.OperationalError: database is locked";

/// A sequence of numbers that the seed gives (xorshift).
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }
}

fn scanned(text: &[u8]) -> Scan {
    scanned_in(text, text.len().max(1))
}

fn scanned_in(text: &[u8], chunk: usize) -> Scan {
    let mut scanner = Scanner::new();
    text.chunks(chunk).for_each(|part| scanner.feed(part));
    scanner.finish()
}

/// All that a scan says, as text.
fn told(scan: &Scan) -> String {
    format!("{} lines, {} bytes, {} recognised, {:#?}", scan.lines, scan.bytes, scan.recognised, scan.kinds)
}

#[track_caller]
fn counts(text: &[u8], signature: &str, count: u64) {
    let scan = scanned(text);
    let found: u64 = scan.kinds.iter().filter(|kind| kind.signature.name == signature).map(|kind| kind.count).sum();
    assert_eq!(found, count, "{}", told(&scan));
}

#[test]
fn damage_around_a_line_does_not_hide_it() {
    let mut binary: Vec<u8> =
        (0..100_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    binary.push(b'\n');
    binary.extend_from_slice(LOCKED.as_bytes());
    counts(&binary, "busy", 1);
    counts(b"\xff\xfe\xfd database is locked \xc3(", "busy", 1);
    counts(b"{\"log\":\"database is locked\\n\",\"stream\":\"std", "busy", 1);
    counts(b"{\"msg\":\"\\ud83d database is locked\\", "busy", 1);
    counts(b"\0\0\0database is locked\0\0", "busy", 1);
    counts(b"database is locked\r\ndatabase is locked\r\n", "busy", 2);
    let escapes = [vec![0x1b; 60_000], b" database is locked".to_vec()].concat();
    counts(&escapes, "busy", 1);
    counts(b"", "busy", 0);
}

#[test]
fn a_line_of_100_megabytes_is_read_in_pieces_and_counted_as_one() {
    let mut scanner = Scanner::new();
    let filler = vec![b'x'; 1024 * 1024];
    (0..50).for_each(|_| scanner.feed(&filler));
    scanner.feed(b" database is locked ");
    (0..50).for_each(|_| scanner.feed(&filler));
    scanner.feed(b"\nattempt to write a readonly database (1544)\n");
    let scan = scanner.finish();
    assert_eq!((scan.lines, scan.recognised), (2, 2), "{}", told(&scan));
    assert!(scan.pieces > 1000 && scan.bytes > 100 * 1024 * 1024);
    assert!(scan.kinds.iter().any(|kind| kind.signature.name == "read-only-directory" && kind.first.line == 2));
}

#[test]
fn the_size_of_chunks_changes_nothing() {
    let mut draw = Draw(0x5eed);
    let lines = [
        LOCKED,
        "Traceback (most recent call last):",
        "",
        "sqlite3.DatabaseError: database disk image is malformed",
        "2024-01-02 03:04:06,123 INFO all is well",
        "{\"log\":\"SQLITE_BUSY: database is locked\\n\",\"stream\":\"stderr\",\"time\":\"2024-01-02T03:04:07Z\"}",
        "kernel: nfs: server nas not responding, still trying",
    ];
    for _ in 0..40 {
        let mut text = Vec::new();
        for _ in 0..draw.next(60) {
            text.extend_from_slice(lines[draw.next(lines.len())].as_bytes());
            if draw.next(20) == 0 {
                text.resize(text.len() + draw.next(2 * LINE_BYTES_MAX), b'y');
            }
            text.push(b'\n');
        }
        let whole = told(&scanned(&text));
        for chunk in [1 + draw.next(7), 1 + draw.next(5000), 65536] {
            assert_eq!(told(&scanned_in(&text, chunk)), whole, "chunks of {chunk}");
        }
    }
}

#[test]
fn any_bytes_are_input() {
    let words: &[&[u8]] = &[
        b"database is locked",
        b"SQLITE_",
        b"{\"log\":\"",
        b"\"MESSAGE\":[",
        b"\\u12",
        b"\\",
        b"\"",
        b"\n",
        b"os_unix.c:",
        b"\xff\xf0\x9f",
        b" (5386)",
        b"2024-01-02T03:",
        b"MESSAGE=",
        b"__REALTIME_TIMESTAMP=99999999999999999999",
        b"3.50.4",
        b"sqlite 3.",
        b"-wal",
        b"1.7G",
        b"9999999999999999999999",
        b"page ",
        b"never used",
        b"[99999.",
        b"replicas>",
        b"\x1b[",
        b".db:/",
        b"nfs",
        b"errno: ",
        b"\xe2\x82\xac",
        b"code = x (",
        b"I0102 03:04:05.",
    ];
    for seed in 1..2000_u64 {
        let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut text = Vec::new();
        for _ in 0..draw.next(40) {
            match draw.next(4) {
                0 => text.push(draw.next(256) as u8),
                _ => text.extend_from_slice(words[draw.next(words.len())]),
            }
        }
        let scan = scanned(&text);
        let once = suspects(&scan, &[]).suspects.len();
        assert_eq!(once, suspects(&scanned(&text), &[]).suspects.len(), "seed {seed}");
    }
}

#[test]
fn memory_is_bounded_by_tables() {
    let mut draw = Draw(7);
    let mut scanner = Scanner::new();
    for number in 0..50_000 {
        scanner.feed(
            format!("database is locked ({}) /data/{number}.db errno: {}\n", draw.next(9000), draw.next(140))
                .as_bytes(),
        );
    }
    let scan = scanner.finish();
    assert!(scan.kinds.len() < 500, "{} kinds", scan.kinds.len());
    assert_eq!(scan.recognised, 50_000);
}

#[test]
fn a_traceback_and_an_export_take_the_time_of_a_line_before() {
    let traceback = b"2024-01-02 03:04:05,123 ERROR job failed\nTraceback (most recent call last):\n  File \"x.py\", line 1\nsqlite3.OperationalError: database is locked\n";
    let export = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1704164645123000\nPRIORITY=3\nMESSAGE=database is locked\n\n";
    for text in [traceback.as_slice(), export] {
        let scan = scanned(text);
        let time = scan.kinds[0].first.time.as_ref().expect("a time");
        assert_eq!(time.unix_ms, Some(1_704_164_645_123));
    }
}

#[test]
fn the_last_place_is_the_latest() {
    let text = "2024-01-02T03:04:05Z database is locked\n2024-01-02T03:04:09Z database is locked\n2024-01-02T03:04:01Z database is locked\n";
    let scan = scanned(text.as_bytes());
    assert_eq!((scan.kinds[0].first.line, scan.kinds[0].last.line, scan.kinds[0].count), (3, 2, 3));
}
