//! `walproof logs` and `walproof explain` from outside: the real binary on files and on standard input.
//!
//! What it must not do: judge the ranking; `walproof-judge` has the public cases for that.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use walproof_testbench::Folder;

fn file(folder: &Folder, name: &str, content: &[u8]) -> String {
    folder.write(name, content).display().to_string()
}

struct Ended {
    code: i32,
    out: String,
    error: String,
}

impl Ended {
    fn json(&self) -> Value {
        let json: Value = serde_json::from_str(&self.out).unwrap_or_else(|cause| panic!("{cause}: {}", self.out));
        assert_eq!(json["walproof_logs"], 1);
        json
    }

    #[track_caller]
    fn assert_says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.error);
        for word in words {
            assert!(self.out.contains(word) || self.error.contains(word), "{word}:\n{}{}", self.out, self.error);
        }
    }
}

fn run(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_walproof"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that takes no input may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let out = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: out.status.code().expect("no signal"), out: text(out.stdout), error: text(out.stderr) }
}

#[test]
fn a_bare_message_cannot_be_told_and_facts_tell() {
    let line = b"2024-01-02 03:04:05,123 ERROR sqlite3.OperationalError: database is locked\n";
    run(&["logs"], line).assert_says(3, &["cannot be told from this alone", "busy-made-by-application", "settle"]);
    run(&["logs", "-", "--with", "fs=ext4"], line).assert_says(0, &["leads clearly", "local"]);
    let nfs = run(&["logs", "-", "--with", "fs=nfs4"], line);
    nfs.assert_says(1, &["suspect 1  wal-on-network-filesystem", "network filesystem", "do not"]);
}

#[test]
fn places_counts_and_times_are_told() {
    let folder = Folder::new("logs");
    let first = file(
        &folder,
        "a.log",
        b"fine\n2024-01-02T03:04:05Z SqliteError: disk I/O error { code: 'SQLITE_IOERR_SHMMAP' }\n",
    );
    let second = file(
        &folder,
        "b.log",
        b"{\"log\":\"SqliteError: disk I/O error { code: 'SQLITE_IOERR_SHMMAP' }\\n\",\"stream\":\"stderr\",\"time\":\"2024-01-03T03:04:05Z\"}\n",
    );
    let ended = run(&["logs", &first, &second], b"");
    ended.assert_says(
        3,
        &[&format!("{first}:2 at 2024-01-02T03:04:05Z"), &format!("{second}:1"), "SQLITE_IOERR_SHMMAP 5386"],
    );
    let json = run(&["logs", &first, &second, "--json"], b"").json();
    let seen = json["seen"].as_array().expect("a list");
    assert_eq!((seen.len(), &seen[0]["count"], &seen[0]["code"]), (1, &Value::from(2), &Value::from(5386)), "{json:#}");
    assert_eq!(seen[0]["last"]["source"], Value::from(second));
    assert_eq!(json["answer"], "cannot-be-told");
    assert_eq!(json["read"]["formats"], serde_json::json!(["plain", "docker json-file"]));
}

#[test]
fn damage_exits_1_and_silence_0() {
    run(&["logs"], b"SQLite3::CorruptException: database disk image is malformed\n")
        .assert_says(1, &["lost or damaged data"]);
    run(&["logs"], b"all is well\n").assert_says(0, &["no proof of health"]);
    run(&["logs"], b"(283) recovered 42 frames from WAL file /data/app.db-wal\n").assert_says(0, &["harmless"]);
    run(&["logs"], b"SQLITE_FULL: database or disk is full\n").assert_says(0, &["disk-full (documented by SQLite"]);
}

/// Text that is long without a line's end: one JSON object, a dump of SQL.
#[test]
fn a_message_at_the_edge_of_a_piece_is_seen() {
    let folder = Folder::new("logs");
    let blanks = format!("{}database disk image is malformed and more text\n", "x ".repeat(32_755));
    let said = |text: &str| {
        let file = file(&folder, "long.log", text.as_bytes());
        [run(&["logs", "--json"], text.as_bytes()), run(&["logs", "--json", &file], b"")]
    };
    for ended in said(&blanks) {
        ended.assert_says(1, &["\"corrupt\""]);
        assert_eq!(ended.json()["read"]["pieces_of_long_lines"], 2, "{}", ended.out);
    }
    for length in 65_472..65_497 {
        let sql = "x".repeat(length);
        let line = format!("{{\"level\":\"error\",\"sql\":\"{sql}\",\"msg\":\"database disk image is malformed\"}}\n");
        let [ended, _] = said(&line);
        assert_eq!((ended.code, &ended.json()["seen"][0]["count"]), (1, &1.into()), "{length}: {}", ended.out);
    }
    // Longer than what is read at a time, and shorter: both are said.
    for length in [300_000, 3_000_000_usize] {
        for ended in said(&format!("fine\n{}\nfine\n", "y".repeat(length))) {
            let read = &ended.json()["read"];
            let pieces = read["pieces_of_long_lines"].as_u64().expect("a number") as usize;
            assert_eq!((ended.code, &read["lines"]), (0, &3.into()), "{}", ended.out);
            assert!((length.div_ceil(65_536)..length / 60_000 + 2).contains(&pieces), "{length}: {pieces}");
        }
    }
    run(&["logs"], blanks.as_bytes()).assert_says(1, &["2 pieces of very long lines"]);
}

/// What hides a message in JSON from who looks at raw bytes.
#[test]
fn escaped_letters_do_not_hide_a_message() {
    run(&["logs"], br#"{"message":"\u0064atabase disk image is malformed"}"#).assert_says(1, &["corrupt (damage)"]);
    run(&["logs"], br#"{"message":"database disk image is m\u0061lformed"}"#).assert_says(1, &["corrupt (damage)"]);
    run(&["logs"], br#"{"message":"disk I\/O error (522)"}"#).assert_says(1, &["short-read (damage)"]);
    let nested = br#"{"log":"{\"msg\":\"disk I\\/O error (522)\"}\n","stream":"stderr","time":"2024-01-02T03:04:05Z"}"#;
    run(&["logs"], nested).assert_says(1, &["short-read (damage)"]);
}

#[test]
fn misuse_says_what_to_do() {
    let folder = Folder::new("logs");
    run(&["logs", "--with", "nfs4"], b"").assert_says(2, &["fs=nfs4"]);
    run(&["logs", "--with", "colour=red"], b"").assert_says(2, &["runtime"]);
    let packed = file(&folder, "a.log.gz", b"\x1f\x8b\x08rest");
    run(&["logs", &packed], b"").assert_says(2, &[&format!("zcat < {packed} |"), "because: it is compressed"]);
    run(&["logs", &packed, "--tail", "5"], b"").assert_says(2, &["because: it is compressed by gzip"]);
    for (order, wide) in [("le", [b"database is locked\n".as_slice(), &[]]), ("be", [&[], b"database is locked\n"])] {
        let letters =
            wide[0].iter().flat_map(|letter| [*letter, 0]).chain(wide[1].iter().flat_map(|letter| [0, *letter]));
        let unmarked = file(&folder, "wide.log", &letters.collect::<Vec<u8>>());
        run(&["logs", &unmarked], b"").assert_says(2, &["it looks like UTF-16", &format!("iconv -f utf-16{order}")]);
    }
    let absent = run(&["logs", "/nowhere/at/all.log"], b"");
    absent.assert_says(2, &["cannot read `/nowhere/at/all.log`", "could not be read to its end"]);
    let beside = run(&["logs", "/nowhere/at/all.log", "-"], b"well\n");
    beside.assert_says(2, &["nothing that matters in what could be read; some of what was named could not be"]);
    let unknown = run(&["logs", "--with", "fs=neverheard"], b"x\n");
    unknown.assert_says(0, &["names nothing that is known to matter"]);
}

#[test]
fn what_is_compressed_is_refused_with_the_command_that_makes_text_of_it() {
    let folder = Folder::new("logs");
    let forms: [(&[u8], &str, &str); 9] = [
        (b"\x1f\x8b\x08", "gzip", "zcat"),
        (b"\x1f\x9d\x90", "compress", "zcat"),
        (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
        (b"\xfd7zXZ\0", "xz", "xzcat"),
        (b"\x5d\x00\x00\x80\x00", "lzma", "xzcat"),
        (b"BZh91AY&SY", "bzip2", "bzcat"),
        (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
        (b"PK\x03\x04\x14", "zip", "unzip -p"),
        (b"SQLite format 3\0", "database", "walproof inspect"),
    ];
    for (start, what, command) in forms {
        let content = [start, b"\x01\x02rest\n"].concat();
        let file = file(&folder, "a file.bin", &content);
        let named = run(&["logs", &file], b"");
        named.assert_says(2, &[what, command, &format!("'{file}'")]);
        let piped = run(&["logs"], &content);
        piped.assert_says(2, &[what, "try: `"]);
        assert!(!piped.error.contains("FILE") && !piped.error.contains("< -"), "{}", piped.error);
        let followed = run(&["logs", "--follow", "-"], &content);
        followed.assert_says(2, &[what]);
    }
    run(&["logs"], b"BZh91AY&SY").assert_says(2, &["`... | bzcat | walproof logs`"]);
    run(&["logs"], b"PK\x03\x04\x14").assert_says(2, &["`... | funzip | walproof logs`"]);
}

#[test]
fn codes_messages_signatures_and_causes_are_explained() {
    run(&["explain", "5386"], b"")
        .assert_says(0, &["SQLITE_IOERR_SHMMAP", "shared-memory-refused", "fuse-without-mmap-or-locks"]);
    run(&["explain", "SQLITE_READONLY_DBMOVED"], b"").assert_says(0, &["1032", "files-replaced-while-open"]);
    run(&["explain", "locking protocol"], b"").assert_says(0, &["SQLITE_PROTOCOL 15", "locks-emulated"]);
    run(&["explain", "busy-snapshot"], b"").assert_says(0, &["(signature)", "517"]);
    run(&["explain", "unsafe-copy"], b"").assert_says(0, &["(cause)", "## What not to do"]);
    run(&["explain", "sqlite-logging"], b"").assert_says(0, &["SQLITE_CONFIG_LOG", "better-sqlite3"]);
    run(&["explain", "19"], b"").assert_says(0, &["SQLITE_CONSTRAINT", "passes over it"]);
    run(&["explain", "pinned-checkpoint"], b"").assert_says(0, &["(alarm)"]);
    run(&["explain", "wal-grows"], b"").assert_says(0, &["(alarm)", "(rule)"]);
    run(&["explain", "nothing-of-that-name"], b"").assert_says(2, &["try:"]);
    run(&["explain"], b"").assert_says(0, &["single-file-mount", "journal-already-gone"]);
}
