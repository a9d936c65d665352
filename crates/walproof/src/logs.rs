//! `walproof logs`: diagnosis from log text.
//!
//! Logs are read once, front to back, in chunks: `logs/targets.rs` says what is meant, `logs/command.rs` asks engines and
//! journald, `logs/follow.rs` reads what grows, `logs/facts.rs` takes what `check` knows,
//! `logs/text.rs` refuses what is no text. `walproof_judge::logs` recognises
//! and ranks, `logs/show.rs` prints, `logs/document.rs` is the JSON. docs/logs.md says what each field means and what text
//! cannot tell.
//! What it must not do: read a whole file into memory, change anything of a container or a unit.

mod command;
mod document;
mod facts;
mod follow;
mod show;
mod targets;
mod text;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::Path;

use walproof_judge::logs::{Answer, Diagnosis, Scan, Scanner, Taken, suspects};
use walproof_lab::error::LabError;

use crate::arguments::LogsFlags;
use targets::Source;
use text::{refuse_by_head, refuse_what_is_no_text};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What was read and what came of it.
struct Outcome<'r> {
    sources: &'r [String],
    scan: &'r Scan,
    diagnosis: &'r Diagnosis<'r>,
    taken: &'r Taken,
    /// What could not be read: silence of the rest says less.
    errors: &'r [LabError],
}

/// Runs it; exit codes in docs/logs.md.
pub fn run(flags: &LogsFlags) -> Result<i32, LabError> {
    let sources = sources(flags)?;
    let facts = facts::look(flags)?;
    let mut scanner = Scanner::new();
    let (errors, taken) = if flags.follow {
        let taken = facts.of(&[]);
        (follow::follow(&sources, flags, &taken.given, &mut scanner), Some(taken))
    } else {
        let errors: Vec<LabError> =
            sources.iter().filter_map(|source| read(source, flags, &mut scanner).err()).collect();
        errors.iter().for_each(|error| eprintln!("walproof: {error}"));
        (errors, None)
    };
    let scan = scanner.finish();
    let taken = taken.unwrap_or_else(|| {
        let paths: Vec<&str> = scan.kinds.iter().filter_map(|kind| kind.path.as_deref()).collect();
        facts.of(&paths)
    });
    let diagnosis = suspects(&scan, &taken.given);
    let names: Vec<String> = sources.iter().map(Source::name).collect();
    let outcome = Outcome { sources: &names, scan: &scan, diagnosis: &diagnosis, taken: &taken, errors: &errors };
    match (flags.json, flags.follow) {
        (true, true) => say!("{}", document::summary(&outcome)),
        (true, false) => {
            say!("{}", serde_json::to_string_pretty(&document::of(&outcome)).expect("plain data"));
        }
        (false, _) => show::show(&outcome),
    }
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

fn sources(flags: &LogsFlags) -> Result<Vec<Source>, LabError> {
    if !flags.files.is_empty() {
        return targets::sources(flags);
    }
    if io::stdin().is_terminal() {
        let because = "nothing was named and standard input is a terminal";
        return Err(LabError::new("nothing to read", because, "`walproof logs docker://NAME`, or a file"));
    }
    Ok(vec![Source::Input])
}

/// One source to its end. What was read before it failed counts; its number is used up in any case.
fn read(source: &Source, flags: &LogsFlags, scanner: &mut Scanner) -> Result<(), LabError> {
    let outcome = match source {
        Source::Input => feed(Path::new("-"), &mut io::stdin().lock(), scanner),
        Source::File(path) => read_file(path, flags.tail, scanner),
        Source::Command(asked) => read_command(asked, scanner),
    };
    scanner.end_source();
    outcome
}

fn read_file(path: &Path, tail: Option<u64>, scanner: &mut Scanner) -> Result<(), LabError> {
    let wrong = |error| LabError::path("cannot read", path, error, "a file that may be read");
    let mut file = File::open(path).map_err(wrong)?;
    if let Some(tail) = tail {
        refuse_by_head(path, &mut file)?;
        last_lines(&mut file, tail).map_err(wrong)?;
    }
    feed(path, &mut file, scanner)
}

fn read_command(asked: &command::Asked, scanner: &mut Scanner) -> Result<(), LabError> {
    let mut running = asked.start()?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match running.read(&mut chunk, false)? {
            0 => return Ok(()),
            length => scanner.feed(&chunk[..length]),
        }
    }
}

/// Moves to the beginning of the last lines of a file.
fn last_lines(file: &mut File, count: u64) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let (mut at, mut left) = (if count == 0 { 0 } else { end }, count);
    let mut block = vec![0; 64 * 1024];
    while at > 0 {
        let length = at.min(block.len() as u64);
        at = file.seek(SeekFrom::Start(at - length))?;
        let block = &mut block[..length as usize];
        file.read_exact(block)?;
        let newlines = block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        for begin in newlines.map(|(place, _)| at + place as u64 + 1).filter(|begin| *begin < end) {
            left -= 1;
            if left == 0 {
                return file.seek(SeekFrom::Start(begin)).map(drop);
            }
        }
    }
    file.seek(SeekFrom::Start(if count == 0 { end } else { 0 })).map(drop)
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
        if std::mem::take(&mut is_first) {
            refuse_what_is_no_text(path, &chunk[..length])?;
        }
        scanner.feed(&chunk[..length]);
    }
}
