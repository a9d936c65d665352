//! From one look to findings: what speaks against a database, and whether a restart would mend it.
//!
//! What SQLite's order of writes rules out (`wal.c`):
//! - `-wal` is made before `-shm` and removed after it: where `-shm` has a name, `-wal` has one.
//! - A new generation stands in `-shm`, without frames, before it stands in `-wal`: where `-shm` names frames and is the
//!   same before and after, `-wal` has that generation and that many frames.
//!
//! What it does not rule out is waited for: a database that is shorter than its header says, or without a header, may be
//! in the middle of a commit. A `-shm` that nobody is seen to hold may be left over; the next opener makes it anew.
//!
//! What it must not do: call something unhealthy that a writer at work can look like.

use walproof_format::sqlite::db_header::{DB_MAGIC, DbHeader, JournalFamily};
use walproof_format::sqlite::journal_header::{JournalHeader, JournalState};
use walproof_format::sqlite::wal::FRAME_HEADER_SIZE;
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WalHeader};
use walproof_format::sqlite::wal_index::WalIndex;

use super::look::{Gone, Look, Why};
use super::{Answer, Finding, Question};

/// A file that was written to within this time may be in the middle of a commit.
const AT_REST_MS: u64 = 5_000;
/// Frames that SQLite lets the log grow to before it checkpoints, if nobody says otherwise.
const AUTOCHECKPOINT_FRAMES: u64 = 1_000;
/// Pages that a journal of a small transaction takes.
const JOURNAL_PAGES: u64 = 64;
/// The finding that a stopped or busy writer can cause for long.
const UNSETTLED: &str = "index-unsettled";
/// The finding that whoever closes last causes between the removal of a name and the closing of the file: for as long as
/// a busy machine keeps it from running.
const DELETED_FILE_HELD: &str = "deleted-file-held";

/// Whether a finding may go away if only it is waited for.
pub fn is_unsettled(name: &str) -> bool {
    matches!(name, UNSETTLED | DELETED_FILE_HELD)
}

/// Everything that one look shows; of files that lie there no more, these.
pub fn findings(look: &Look, gone: &[Gone], question: &Question) -> Vec<Finding> {
    let mut found: Vec<Finding> = openers(look, gone);
    if let Some(cannot) = unreadable(look, question) {
        found.push(cannot);
        return found;
    }
    found.extend(header(look));
    found.extend(log(look));
    found.extend(index_unsettled(look));
    found.extend(journal(look));
    found.extend(limits(look, question));
    if !question.reads_only {
        found.extend(room(look, question));
    }
    let unread = |text: &String| note("file-not-read", text.clone(), "the user that the application runs as");
    found.extend(look.unread.iter().map(unread));
    found
}

/// Its numbers, in one line.
pub fn about(look: &Look) -> String {
    let mut parts = Vec::new();
    match DbHeader::parse(&look.header).journal_family() {
        Some(JournalFamily::Wal) => parts.push("WAL".to_owned()),
        Some(JournalFamily::Rollback) => parts.push("rollback journal".to_owned()),
        None => {}
    }
    if let Some(frames) = look.frames_waiting() {
        parts.push(format!("{frames} frames waiting"));
    }
    if let Some(wal) = &look.wal {
        parts.push(format!("log {}", size(wal.size_bytes)));
    }
    if let Some(free) = look.free_bytes {
        parts.push(format!("{} free", size(free)));
    }
    parts.join(", ")
}

fn unhealthy(name: &str, says: String, try_this: &str) -> Finding {
    finding(name, Answer::Unhealthy, says, try_this)
}

fn unknown(name: &str, says: String, try_this: &str) -> Finding {
    finding(name, Answer::Unknown, says, try_this)
}

fn note(name: &str, says: String, try_this: &str) -> Finding {
    finding(name, Answer::Healthy, says, try_this)
}

/// For readiness; a restart mends none of these.
fn finding(name: &str, ready: Answer, says: String, try_this: &str) -> Finding {
    Finding { name: name.to_owned(), ready, live: Answer::Healthy, says, try_this: try_this.to_owned() }
}

/// The database file cannot be read at all, or there is nothing to read.
fn unreadable(look: &Look, question: &Question) -> Option<Finding> {
    let missing = |says: &str| {
        let make = if question.may_be_missing { note } else { unhealthy };
        make(
            "missing",
            says.to_owned(),
            "the path and the mount; `--may-be-missing` where the application makes it later",
        )
    };
    let Some(failed) = &look.failed else {
        let log_bytes = look.wal.as_ref().map_or(0, |wal| wal.size_bytes);
        let begun = look.journal.is_some() || log_bytes <= WAL_HEADER_SIZE as u64;
        return match look.size_bytes {
            0 if begun => Some(missing("it is empty: nothing was written yet")),
            0 => Some(unhealthy(
                "log-beside-empty-database",
                format!("it is empty, and its -wal has {}: the next opener deletes that", size(log_bytes)),
                "keep a copy of the -wal before anything opens it; `walproof inspect`",
            )),
            _ => None,
        };
    };
    Some(match failed.why {
        Why::Missing => missing("there is no such file"),
        Why::Forbidden => unknown(
            "not-readable",
            format!("cannot be read: {}", failed.because),
            "the user that the application runs as",
        ),
        Why::NoFile => unknown("no-regular-file", failed.because.clone(), "the path of the database"),
        Why::Storage => unhealthy(
            "storage-fails",
            format!("the storage refuses to read it: {}", failed.because),
            "the mount, the server behind it, the kernel's log",
        ),
    })
}

/// The first 100 bytes, and the size that they name.
fn header(look: &Look) -> Option<Finding> {
    let parsed = DbHeader::parse(&look.header);
    // Rollback modes without a journal file (MEMORY, OFF) leave no other sign of a commit that goes on.
    let at_rest = look.journal.is_none() && look.untouched_ms.is_some_and(|ms| ms >= AT_REST_MS);
    let only_if_at_rest = |name: &str, says: String, try_this: &str| {
        let make = if at_rest { unhealthy } else { note };
        make(name, says, try_this)
    };
    if parsed.zeroed || (look.header.len() < 16 && look.header.iter().all(|byte| *byte == 0)) {
        let says = "its header is zeroed: the print of a folder shared with a virtual machine".to_owned();
        return Some(only_if_at_rest(
            "zeroed-page-one",
            says,
            "stop every opener before you touch it; `walproof inspect`",
        ));
    }
    if !look.header.starts_with(&DB_MAGIC) {
        let says = "its first 16 bytes are not SQLite's: damaged, encrypted, or another file".to_owned();
        return Some(unknown("no-sqlite-header", says, "the path; this probe cannot be used for encrypted databases"));
    }
    if let Some(damage) = parsed.damage.first() {
        let says = format!("its header is damaged: {damage}");
        return Some(unhealthy("damaged-header", says, "`walproof inspect`, then a copy from before"));
    }
    let named = u64::from(parsed.believed_page_count()?) * u64::from(parsed.page_size?);
    let log_may_hold_it = look.wal.as_ref().is_some_and(|wal| wal.size_bytes > WAL_HEADER_SIZE as u64);
    (look.size_bytes < named && !log_may_hold_it).then(|| {
        let says = format!("it has {} and its header names {}", size(look.size_bytes), size(named));
        only_if_at_rest("file-too-short", says, "`walproof inspect`, then a copy from before")
    })
}

/// Whether the log is the one that the wal-index speaks of.
fn log(look: &Look) -> Option<Finding> {
    let index = look.index().filter(|index| index.max_frame > 0)?;
    let waiting = look.frames_waiting().unwrap_or(0);
    // Whether somebody lives by this wal-index. If not, it may be left over, and the next opener makes it anew.
    let lives = look.shm_is_held && !look.shm_from_before_boot;
    let frames = format!("{waiting} frames wait for a checkpoint");
    let Some(wal) = &look.wal else {
        let says = format!("-wal is gone while {frames}: commits are stranded in a deleted file, or lost");
        let rescue = "restart nothing yet: who holds it still has these commits; copy /proc/PID/fd/N of the -wal first";
        return (waiting > 0 && !look.shm_from_before_boot).then(|| unhealthy("log-is-gone", says, rescue));
    };
    let header = WalHeader::parse(&wal.bytes);
    let same = header.damage.is_empty() && header.salts == Some(index.salts);
    let frame_bytes = u64::from(index.page_size?) + FRAME_HEADER_SIZE as u64;
    let needed = WAL_HEADER_SIZE as u64 + u64::from(index.max_frame) * frame_bytes;
    let (name, says) = match (same, wal.size_bytes < needed) {
        (true, false) => return None,
        (true, true) => {
            ("log-shorter-than-index", format!("-wal has {} and -shm needs {}", size(wal.size_bytes), size(needed)))
        }
        (false, _) => ("index-of-another-log", "-shm speaks of another -wal than the one that lies there".to_owned()),
    };
    let try_this = "restart nothing yet; `walproof inspect`, and who holds which file: `walproof watch`";
    Some(match lives {
        true => unhealthy(name, format!("{says}; {frames}"), try_this),
        false => note(name, format!("{says}, and nobody is seen to have it open: left over, perhaps"), try_this),
    })
}

/// Two copies that differ, or a checksum that does not agree: a writer is at work, or was stopped there.
fn index_unsettled(look: &Look) -> Option<Finding> {
    let shm = look.shm_after.as_ref()?;
    let index = WalIndex::parse(&shm.bytes);
    let torn = !index.zeroed && index.believed().is_none() && shm.bytes.len() >= 96;
    let says = "the wal-index does not come to rest: a writer is stopped in the middle of a commit, or it is damaged";
    let try_this = "who holds WAL_WRITE_LOCK, and whether it runs: `walproof watch`";
    torn.then(|| match look.shm_is_held && !look.shm_from_before_boot {
        true => unknown(UNSETTLED, says.to_owned(), try_this),
        false => note(UNSETTLED, format!("{says}; nobody is seen to have it open"), try_this),
    })
}

/// A journal is in use, or waits for the next opener to roll it back: neither keeps anybody from using the database.
fn journal(look: &Look) -> Option<Finding> {
    let journal = look.journal.as_ref()?;
    let header = JournalHeader::parse(&journal.bytes, journal.size_bytes);
    let hot = header.state == JournalState::HotOrInUse && !look.writer_is_seen;
    let says = "-journal is in use by somebody unseen, or the next opener rolls it back".to_owned();
    hot.then(|| note("journal-hot-or-in-use", says, "never delete it"))
}

/// What was asked for by flags.
fn limits(look: &Look, question: &Question) -> Vec<Finding> {
    let mut found = Vec::new();
    let reader = "who keeps a read transaction open: `walproof watch`; then `PRAGMA wal_checkpoint(TRUNCATE)`";
    if let (Some(wal), Some(max)) = (&look.wal, question.wal_bytes_max)
        && wal.size_bytes > max
    {
        let says = format!("-wal has {}, over --wal-max {}", size(wal.size_bytes), size(max));
        found.push(unhealthy("log-too-large", says, reader));
    }
    if let (Some(waiting), Some(max)) = (look.frames_waiting(), question.frames_waiting_max)
        && waiting > max
    {
        let says = format!("{waiting} frames wait for a checkpoint, over --frames-max {max}");
        found.push(unhealthy("checkpoint-behind", says, reader));
    }
    found
}

/// Whether there is room to write.
fn room(look: &Look, question: &Question) -> Vec<Finding> {
    let mut found = Vec::new();
    if look.read_only == Some(true) {
        let says = "its mount is read-only".to_owned();
        let try_this = "the mount and the kernel's log; `--reads-only` where the application only reads";
        found.push(unhealthy("read-only-mount", says, try_this));
    }
    if look.free_inodes == Some(0) && look.wal.is_none() {
        let says = "its file system has no inode left, and -wal or -journal must be made".to_owned();
        found.push(unhealthy("no-inodes", says, "remove files that are not needed"));
    }
    let min = question.free_bytes_min.unwrap_or_else(|| needed_bytes(look));
    if let Some(free) = look.free_bytes.filter(|free| *free < min) {
        let asked = if question.free_bytes_min.is_some() { "--free-min" } else { "what SQLite needs next:" };
        let says = format!("{} free on its file system, under {asked} {}", size(free), size(min));
        found.push(unhealthy("disk-full", says, "make room on its file system; a restart does not"));
    }
    found
}

/// What SQLite needs next: pages that a checkpoint appends, and a log up to where it checkpoints by itself.
fn needed_bytes(look: &Look) -> u64 {
    let header = DbHeader::parse(&look.header);
    let page_bytes = u64::from(header.page_size.unwrap_or(4096));
    if header.journal_family() != Some(JournalFamily::Wal) {
        return JOURNAL_PAGES * page_bytes;
    }
    let pages = look.index().map_or(0, |index| u64::from(index.database_pages));
    let grows = (pages * page_bytes).saturating_sub(look.size_bytes);
    let log = AUTOCHECKPOINT_FRAMES * (page_bytes + FRAME_HEADER_SIZE as u64);
    grows + log.saturating_sub(look.wal.as_ref().map_or(0, |wal| wal.size_bytes))
}

/// What processes hold, if it was asked for.
fn openers(look: &Look, all_gone: &[Gone]) -> Vec<Finding> {
    let Some(openers) = &look.openers else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(gone) = all_gone.first() {
        let says = format!("pid {} holds a {} that lies there no more ({} such)", gone.pid, gone.file, all_gone.len());
        let rescue = "restart nothing yet: commits may be in there alone; copy it from /proc/PID/fd first";
        found.push(unhealthy(DELETED_FILE_HELD, says, rescue));
    }
    if let Some(pid) = openers.stopped_writers.first() {
        let says = format!("pid {pid} holds a lock for writing and is stopped");
        let stopped = unhealthy("stopped-writer", says, "kill -CONT, or who stopped it");
        // Nothing that it committed is lost by ending it, and nobody writes until then.
        found.push(Finding { live: Answer::Unhealthy, ..stopped });
    }
    if openers.not_seen > 0 {
        let says = format!("{} processes could not be looked at", openers.not_seen);
        found.push(note("processes-not-seen", says, "more rights, or fewer processes"));
    }
    found
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}
