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
    format!("{scan:#?}")
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
    for round in 0..60 {
        let mut text = Vec::new();
        for _ in 0..draw.next(60) {
            text.extend_from_slice(lines[draw.next(lines.len())].as_bytes());
            if draw.next(20) == 0 {
                let filler = [b"y".as_slice(), b"y ", b"\n", b"\\u0041", b"database is locked "][draw.next(5)];
                text.extend_from_slice(&filler.repeat(draw.next(3 * LINE_BYTES_MAX) / filler.len()));
                text.extend_from_slice(lines[draw.next(lines.len())].as_bytes());
            }
            if draw.next(20) != 0 {
                text.push(b'\n');
            }
        }
        let whole = told(&scanned(&text));
        for chunk in [1 + draw.next(7), 1 + draw.next(5000), 65536, 1 + draw.next(4 * LINE_BYTES_MAX)] {
            assert!(told(&scanned_in(&text, chunk)) == whole, "round {round}, chunks of {chunk}");
        }
    }
}

/// Wherever it stands in a line that is read in pieces, a message counts once, as itself, and has the line's time.
#[test]
fn a_message_in_a_long_line_counts_once() {
    let mut places: Vec<usize> = (0..300_000).step_by(9_973).collect();
    for edge in [LINE_BYTES_MAX, 2 * LINE_BYTES_MAX - 1024] {
        places.extend((edge - 3_000..edge + 100).step_by(17));
    }
    for filler in ["x", "x "] {
        for lead in &places {
            let mut text = b"2024-01-02T03:04:05Z ".to_vec();
            text.extend_from_slice(&filler.as_bytes().repeat(lead / filler.len()));
            text.extend_from_slice(b" sqlite3.OperationalError: database is locked (517) ");
            text.extend_from_slice(&filler.as_bytes().repeat(80_000));
            text.push(b'\n');
            for chunk in [1024 * 1024, 30_011] {
                let scan = scanned_in(&text, chunk);
                assert_eq!((scan.kinds.len(), scan.lines, scan.recognised), (1, 1, 1), "{lead}: {}", told(&scan));
                let kind = &scan.kinds[0];
                assert_eq!((kind.code, kind.driver.is_some(), kind.count), (Some(517), true, 1), "{lead}");
                assert!(kind.first.time.is_some(), "{lead}");
            }
        }
    }
}

#[test]
fn pieces_are_counted_in_lines_that_say_nothing_too() {
    let pieces = |length: usize, chunk: usize| scanned_in(&vec![b'y'; length], chunk).pieces;
    for chunk in [1, 1000, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 1024 * 1024] {
        assert_eq!((pieces(LINE_BYTES_MAX, chunk), pieces(LINE_BYTES_MAX + 1, chunk)), (0, 2), "{chunk}");
        assert_eq!(pieces(300_000, chunk), 5, "{chunk}");
    }
    let both = [vec![b'y'; 300_000], b"\nfine\n".to_vec(), vec![b'y'; 100_000], b"\n".to_vec()].concat();
    let scan = scanned(&both);
    assert_eq!((scan.lines, scan.pieces), (3, 7));
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
