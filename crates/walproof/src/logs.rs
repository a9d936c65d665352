//! `walproof logs`: diagnosis from log text.
//!
//! Files are read once, front to back, in chunks; `walproof_judge::logs` recognises and ranks, `logs/show.rs` prints,
//! `logs/document.rs` is the JSON. docs/logs.md says what each field means and what text cannot tell.
//! What it must not do: read a whole file, follow one, ask a container or a unit (they pipe: `docker logs X 2>&1 |`).

mod document;
mod show;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use walproof_judge::logs::{Answer, Diagnosis, Scan, Scanner, suspects};
use walproof_lab::error::LabError;

use crate::arguments::LogsFlags;

/// How much is read at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What was read and what came of it.
struct Outcome<'r> {
    sources: &'r [String],
    scan: &'r Scan,
    diagnosis: &'r Diagnosis<'r>,
    flags: &'r LogsFlags,
}

/// Runs it; exit codes in docs/logs.md.
pub fn run(flags: &LogsFlags) -> Result<i32, LabError> {
    let files = files(flags)?;
    let (mut scanner, mut sources, mut errors) = (Scanner::new(), Vec::new(), Vec::new());
    for path in &files {
        match read(path, &mut scanner) {
            Ok(()) => sources.push(name(path)),
            Err(error) => {
                // What was read before it failed counts; the place keeps its name.
                sources.push(name(path));
                errors.push(error);
            }
        }
        scanner.end_source();
    }
    let scan = scanner.finish();
    let diagnosis = suspects(&scan, &flags.facts);
    let read = Outcome { sources: &sources, scan: &scan, diagnosis: &diagnosis, flags };
    if flags.json {
        say!("{}", serde_json::to_string_pretty(&document::of(&read, &errors)).expect("plain data"));
    } else {
        show::show(&read);
    }
    errors.iter().for_each(|error| eprintln!("walproof: {error}"));
    Ok(if errors.is_empty() { exit_code(&diagnosis) } else { 2 })
}

/// 0, 1 or 3, as `--help` says.
fn exit_code(diagnosis: &Diagnosis<'_>) -> i32 {
    let loses = diagnosis.suspects.first().is_some_and(|first| first.cause.loses);
    match diagnosis.answer {
        _ if diagnosis.damage => 1,
        Answer::Told if loses => 1,
        Answer::CannotBeTold => 3,
        Answer::Nothing | Answer::Harmless | Answer::Hints | Answer::Told => 0,
    }
}

fn files(flags: &LogsFlags) -> Result<Vec<PathBuf>, LabError> {
    if !flags.files.is_empty() {
        return Ok(flags.files.clone());
    }
    if io::stdin().is_terminal() {
        let because = "no FILE was named and standard input is a terminal";
        return Err(LabError::new("nothing to read", because, "`docker logs NAME 2>&1 | walproof logs`"));
    }
    Ok(vec![PathBuf::from("-")])
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path, scanner: &mut Scanner) -> Result<(), LabError> {
    if path == Path::new("-") {
        return feed(path, &mut io::stdin().lock(), scanner);
    }
    let mut file =
        File::open(path).map_err(|error| LabError::path("cannot read", path, error, "a file that may be read"))?;
    feed(path, &mut file, scanner)
}

fn feed(path: &Path, from: &mut impl Read, scanner: &mut Scanner) -> Result<(), LabError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut is_first = true;
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LabError::path("cannot read", path, error, "a file, not a directory")),
        };
        if is_first && let Some((what, instead)) = not_text(&chunk[..length]) {
            return Err(LabError::path("cannot read", path, what, instead));
        }
        is_first = false;
        scanner.feed(&chunk[..length]);
    }
}

/// Files in which nothing would be recognised, so that silence would be taken for health.
fn not_text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    const FORMS: &[(&[u8], &str, &str)] = &[
        (b"\x1f\x8b", "it is compressed by gzip", "`zcat FILE | walproof logs`"),
        (b"\x28\xb5\x2f\xfd", "it is compressed by zstd", "`zstdcat FILE | walproof logs`"),
        (b"\xfd7zXZ", "it is compressed by xz", "`xzcat FILE | walproof logs`"),
        (b"LPKSHHRH", "it is journald's own binary file", "`journalctl --file FILE -o json | walproof logs`"),
        (b"SQLite format 3\0", "it is a database", "`walproof inspect FILE`"),
        (b"\xff\xfe", "it is UTF-16", "`iconv -f utf-16 -t utf-8 FILE | walproof logs`"),
        (b"\xfe\xff", "it is UTF-16", "`iconv -f utf-16 -t utf-8 FILE | walproof logs`"),
    ];
    let found = FORMS.iter().find(|(magic, ..)| start.starts_with(magic));
    found.map(|(_, what, instead)| (*what, *instead))
}
