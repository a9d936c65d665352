//! Signatures: kinds of log lines that say something about a database or about what it stands on.
//!
//! What this room is: one file with its page for each signature, the [`SIGNATURES`] slice. A signature is data: codes of
//! SQLite, phrases in lower case, and where words are not enough a question to the line. Its page holds real lines and
//! false friends; both are tests. To add one: a `.rs` with a `pub static`, a `.md`, two lines here.
//! What it must not do: name causes (`crate::causes` does), match names of applications.
//! Where to look next: `crate::logs` for how lines are found and read.

mod another_engine;
mod another_engine_locked;
mod block_device_failed;
mod bus_error;
mod busy;
mod busy_at_journal_mode;
mod busy_recovery;
mod busy_snapshot;
mod call_not_supported;
mod cannot_open;
mod ceph_not_responding;
mod checkpoint_blocked;
mod cifs_not_responding;
mod copied_while_changing;
mod corrupt;
mod corrupt_filesystem;
mod database_moved;
mod delete_failed;
mod disk_full;
mod fcntl64_missing;
mod inherited_by_fork;
mod integrity_failed;
mod io_error;
mod journal_already_gone;
mod libc_mismatch;
mod lock_refused;
mod locking_protocol;
mod mount_server_gone;
mod multiple_links;
mod nfs_locks_lost;
mod nfs_not_responding;
mod nfs_silly_rename;
mod no_locks_asked;
mod no_space;
mod no_temporary_directory;
mod not_a_database;
mod opened_immutable;
mod out_of_memory_kill;
mod path_is_a_directory;
mod permission_denied;
mod pod_evicted;
mod pool_exhausted;
mod read_only;
mod read_only_directory;
mod read_only_file_system;
mod read_only_sidecar;
mod remounted_read_only;
mod replicator_error;
mod rolling_update;
mod selinux_denied;
mod several_replicas;
mod shared_memory_not_opened;
mod shared_memory_not_sized;
mod shared_memory_refused;
mod short_read;
mod single_file_mounted;
mod sqlite_log;
mod stale_handle;
mod storage_call_failed;
mod storage_named;
mod table_locked;
mod task_blocked;
mod unlinked_while_open;
mod version_with_reset_bug;
mod volume_forced;
mod volume_multi_attach;
mod wal_file_gone;
mod wal_header_zeroed;
mod wal_large;
mod wal_recovered;

use crate::logs::Reading;

/// All signatures, by name.
pub static SIGNATURES: &[&Signature] = &[
    &another_engine::SIGNATURE,
    &another_engine_locked::SIGNATURE,
    &block_device_failed::SIGNATURE,
    &bus_error::SIGNATURE,
    &busy::SIGNATURE,
    &busy_at_journal_mode::SIGNATURE,
    &busy_recovery::SIGNATURE,
    &busy_snapshot::SIGNATURE,
    &call_not_supported::SIGNATURE,
    &cannot_open::SIGNATURE,
    &ceph_not_responding::SIGNATURE,
    &checkpoint_blocked::SIGNATURE,
    &cifs_not_responding::SIGNATURE,
    &copied_while_changing::SIGNATURE,
    &corrupt::SIGNATURE,
    &corrupt_filesystem::SIGNATURE,
    &database_moved::SIGNATURE,
    &delete_failed::SIGNATURE,
    &disk_full::SIGNATURE,
    &fcntl64_missing::SIGNATURE,
    &inherited_by_fork::SIGNATURE,
    &integrity_failed::SIGNATURE,
    &io_error::SIGNATURE,
    &journal_already_gone::SIGNATURE,
    &libc_mismatch::SIGNATURE,
    &lock_refused::SIGNATURE,
    &locking_protocol::SIGNATURE,
    &mount_server_gone::SIGNATURE,
    &multiple_links::SIGNATURE,
    &nfs_locks_lost::SIGNATURE,
    &nfs_not_responding::SIGNATURE,
    &nfs_silly_rename::SIGNATURE,
    &no_locks_asked::SIGNATURE,
    &no_space::SIGNATURE,
    &no_temporary_directory::SIGNATURE,
    &not_a_database::SIGNATURE,
    &opened_immutable::SIGNATURE,
    &out_of_memory_kill::SIGNATURE,
    &path_is_a_directory::SIGNATURE,
    &permission_denied::SIGNATURE,
    &pod_evicted::SIGNATURE,
    &pool_exhausted::SIGNATURE,
    &read_only::SIGNATURE,
    &read_only_directory::SIGNATURE,
    &read_only_file_system::SIGNATURE,
    &read_only_sidecar::SIGNATURE,
    &remounted_read_only::SIGNATURE,
    &replicator_error::SIGNATURE,
    &rolling_update::SIGNATURE,
    &selinux_denied::SIGNATURE,
    &several_replicas::SIGNATURE,
    &shared_memory_not_opened::SIGNATURE,
    &shared_memory_not_sized::SIGNATURE,
    &shared_memory_refused::SIGNATURE,
    &short_read::SIGNATURE,
    &single_file_mounted::SIGNATURE,
    &sqlite_log::SIGNATURE,
    &stale_handle::SIGNATURE,
    &storage_call_failed::SIGNATURE,
    &storage_named::SIGNATURE,
    &table_locked::SIGNATURE,
    &task_blocked::SIGNATURE,
    &unlinked_while_open::SIGNATURE,
    &version_with_reset_bug::SIGNATURE,
    &volume_forced::SIGNATURE,
    &volume_multi_attach::SIGNATURE,
    &wal_file_gone::SIGNATURE,
    &wal_header_zeroed::SIGNATURE,
    &wal_large::SIGNATURE,
    &wal_recovered::SIGNATURE,
];

/// A kind of line.
#[derive(Debug)]
pub struct Signature {
    /// Kebab-case name.
    pub name: &'static str,
    /// What it is, in one line.
    pub line: &'static str,
    /// The documentation, with lines that it recognises and lines that it must not.
    pub explain: &'static str,
    /// What such a line amounts to.
    pub gravity: Gravity,
    /// Result codes of SQLite that mean it. A details code that no signature names is its primary code's.
    pub codes: &'static [u32],
    /// Phrases in lower case that mean it, any of them; of one phrase all words must be there, the rarest first.
    pub phrases: &'static [&'static [&'static str]],
    /// Words in lower case that rule it out.
    pub unless: &'static [&'static str],
    /// What words cannot tell.
    pub confirm: Option<fn(&Reading) -> bool>,
    /// Whether the storage that the line names counts as evidence.
    pub names_storage: bool,
}

/// What a line amounts to, from harmless up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Expected in a sound life.
    Notice,
    /// Something happened to the ground, or is known about it; SQLite has not complained by this.
    Context,
    /// SQLite or the system refused, and nothing acknowledged is lost by that.
    Loud,
    /// It points at lost or damaged data, or at a set-up that loses them without a word.
    Damage,
}

impl Gravity {
    /// The word for people and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Context => "context",
            Self::Loud => "loud",
            Self::Damage => "damage",
        }
    }
}

impl Signature {
    /// What a signature says as long as it says nothing else.
    const NOTHING: Self = Self {
        name: "",
        line: "",
        explain: "",
        gravity: Gravity::Context,
        codes: &[],
        phrases: &[],
        unless: &[],
        confirm: None,
        names_storage: false,
    };
}

/// The signature of this name.
pub fn find(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().copied().find(|signature| signature.name == name)
}

/// The signature of a result code of SQLite, by itself or by its primary code.
pub fn of_code(code: u32) -> Option<&'static Signature> {
    let named = |code: u32| SIGNATURES.iter().copied().find(|signature| signature.codes.contains(&code));
    named(code).or_else(|| named(walproof_format::sqlite::error_code::primary(code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Scan, Scanner};

    fn scanned(line: &str) -> Scan {
        let mut scanner = Scanner::new();
        scanner.feed(line.as_bytes());
        scanner.finish()
    }

    fn recognises(line: &str, name: &str) -> bool {
        scanned(line).kinds.iter().any(|kind| kind.signature.name == name)
    }

    /// The lines of a page's fenced block under a heading.
    fn block<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
        let after = page.split_once(&format!("## {heading}\n```\n")).map(|(_, after)| after);
        after.and_then(|after| after.split_once("\n```")).map_or(Vec::new(), |(lines, _)| lines.lines().collect())
    }

    #[test]
    fn signatures_are_sorted_documented_and_found_by_name() {
        assert!(SIGNATURES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for signature in SIGNATURES {
            assert!(find(signature.name).is_some());
            let headings = ["What it recognises", "What it says", "Lines", "False friends", "References"];
            for heading in headings {
                assert!(signature.explain.contains(&format!("## {heading}\n")), "{}: {heading}", signature.name);
            }
            let phrases = signature.phrases.iter().flat_map(|phrase| phrase.iter()).chain(signature.unless);
            assert!(phrases.clone().all(|word| *word == word.to_ascii_lowercase()), "{}", signature.name);
        }
    }

    #[test]
    fn no_code_has_two_signatures() {
        let mut codes: Vec<u32> = SIGNATURES.iter().flat_map(|signature| signature.codes).copied().collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        let unknown = codes
            .iter()
            .filter(|code| !walproof_format::sqlite::error_code::ERROR_CODES.iter().any(|row| row.code == **code));
        assert_eq!(unknown.count(), 0);
    }

    #[test]
    fn pages_hold_lines_that_are_recognised_and_false_friends_that_are_not() {
        let mut wrong = Vec::new();
        for signature in SIGNATURES {
            let (lines, friends) = (block(signature.explain, "Lines"), block(signature.explain, "False friends"));
            assert!(!lines.is_empty() && !friends.is_empty(), "{}", signature.name);
            for line in lines.iter().filter(|line| !recognises(line, signature.name)) {
                wrong.push(format!("{} must recognise: {line}", signature.name));
            }
            for line in friends.iter().filter(|line| recognises(line, signature.name)) {
                wrong.push(format!("{} must not recognise: {line}", signature.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
