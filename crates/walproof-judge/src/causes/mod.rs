//! Causes: why a database suffers, ranked by what a log and the user's facts speak for.
//!
//! What this room is: one file with its page for each cause, the [`CAUSES`] slice. A cause is data: how often it is
//! found, and what speaks for and against it. The page says what tells it apart, what settles it, what to do and what
//! not to do; the answers that `walproof logs` prints are taken from it. To add one: a `.rs`, a `.md`, two lines here.
//!
//! **Weights.** Decibans: ten times the decimal logarithm of odds, so 10 is ten to one, 3 is two to one. The prior is that
//! of the public cases (23 cases: 14, 10 cases: 10, 5 cases: 7), which were collected by topic: they say what people
//! write about, not how often it happens. 20 and more: the line names the cause by definition, or nearly. 14 to 18: a
//! fact or a line that few other causes share. 8 to 12: usual for the cause, shared by a few. 1 to 6: it happens.
//! Negative: the fact makes it unlikely. A page or a comment says so where a weight is not obvious.
//! What it must not do: match names of applications or people's words; add up repetition. A million lines of one kind
//! weigh what one does.
//! Where to look next: `crate::logs::suspects` for the sum.

mod another_engine;
mod built_for_another_libc;
mod busy_made_by_application;
mod checkpoint_starvation;
mod directory_not_writable;
mod disk_full;
mod files_replaced_while_open;
mod filesystem_without_locks;
mod fuse_without_mmap_or_locks;
mod immutable_on_live_database;
mod killed_for_memory;
mod locks_emulated;
mod locks_lost_inside_process;
mod locks_not_sent;
mod no_temporary_directory;
mod object_store_as_filesystem;
mod read_only_reader;
mod replication_tool;
mod selinux_denies;
mod shared_memory_truncated;
mod shared_through_virtual_machine;
mod single_file_mount;
mod smb_refuses_locks;
mod storage_failed;
mod storage_server_away;
mod two_writers_by_orchestration;
mod unsafe_copy;
mod wal_on_network_filesystem;
mod wal_reset_bug;

use crate::finding::Certainty;
use crate::logs::Ground;

/// All causes, by name.
pub static CAUSES: &[&Cause] = &[
    &another_engine::CAUSE,
    &built_for_another_libc::CAUSE,
    &busy_made_by_application::CAUSE,
    &checkpoint_starvation::CAUSE,
    &directory_not_writable::CAUSE,
    &disk_full::CAUSE,
    &files_replaced_while_open::CAUSE,
    &filesystem_without_locks::CAUSE,
    &fuse_without_mmap_or_locks::CAUSE,
    &immutable_on_live_database::CAUSE,
    &killed_for_memory::CAUSE,
    &locks_emulated::CAUSE,
    &locks_lost_inside_process::CAUSE,
    &locks_not_sent::CAUSE,
    &no_temporary_directory::CAUSE,
    &object_store_as_filesystem::CAUSE,
    &read_only_reader::CAUSE,
    &replication_tool::CAUSE,
    &selinux_denies::CAUSE,
    &shared_memory_truncated::CAUSE,
    &shared_through_virtual_machine::CAUSE,
    &single_file_mount::CAUSE,
    &smb_refuses_locks::CAUSE,
    &storage_failed::CAUSE,
    &storage_server_away::CAUSE,
    &two_writers_by_orchestration::CAUSE,
    &unsafe_copy::CAUSE,
    &wal_on_network_filesystem::CAUSE,
    &wal_reset_bug::CAUSE,
];

/// Why a database suffers.
#[derive(Debug)]
pub struct Cause {
    /// Kebab-case name.
    pub name: &'static str,
    /// What it is, in one line.
    pub line: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// How usual it is before anything was seen, in decibans.
    pub prior: i32,
    /// Whether acknowledged data can be lost by it.
    pub loses: bool,
    /// What speaks for it and against it.
    pub evidence: &'static [Evidence],
}

/// Something that speaks for or against a cause.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// What has to be seen or known.
    pub sign: Sign,
    /// How much it says, in decibans.
    pub decibans: i32,
    /// How sure the cause is when this is seen.
    pub certainty: Certainty,
}

/// What has to be seen or known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A signature recognised a line.
    Seen(&'static str),
    /// The user, or a line, names this ground.
    Named(Ground),
}

const fn seen(signature: &'static str, decibans: i32) -> Evidence {
    Evidence { sign: Sign::Seen(signature), decibans, certainty: Certainty::Suspected }
}

const fn named(ground: Ground, decibans: i32) -> Evidence {
    Evidence { sign: Sign::Named(ground), decibans, certainty: Certainty::Suspected }
}

impl Evidence {
    const fn as_sure_as(self, certainty: Certainty) -> Self {
        Self { certainty, ..self }
    }
}

impl Cause {
    /// The text under a heading of its page; the empty text when it has none.
    pub fn section(&self, heading: &str) -> &'static str {
        let after = self.explain.split_once(&format!("## {heading}\n")).map_or("", |(_, after)| after);
        after.split("\n## ").next().unwrap_or("").trim()
    }

    /// The points of a list under a heading of its page.
    pub fn points(&self, heading: &str) -> Vec<&'static str> {
        self.section(heading).lines().filter_map(|line| line.strip_prefix("- ")).collect()
    }
}

/// The cause of this name.
pub fn find(name: &str) -> Option<&'static Cause> {
    CAUSES.iter().copied().find(|cause| cause.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signatures;

    #[test]
    fn causes_are_sorted_documented_and_found_by_name() {
        assert!(CAUSES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for cause in CAUSES {
            assert!(find(cause.name).is_some());
            for heading in
                ["What it is", "Why it breaks SQLite", "What tells it apart", "How sure we are", "References"]
            {
                assert!(!cause.section(heading).is_empty(), "{}: {heading}", cause.name);
            }
            for heading in ["Settle it", "What to do", "What not to do"] {
                assert!(!cause.points(heading).is_empty(), "{}: {heading}", cause.name);
            }
        }
    }

    #[test]
    fn evidence_is_of_signatures_that_are_there_and_stands_once() {
        for cause in CAUSES {
            for (index, evidence) in cause.evidence.iter().enumerate() {
                let Sign::Seen(name) = evidence.sign else { continue };
                assert!(signatures::find(name).is_some(), "{}: {name}", cause.name);
                assert!(cause.evidence[..index].iter().all(|other| other.sign != evidence.sign), "{name}");
            }
        }
    }

    #[test]
    fn every_signature_speaks_for_a_cause() {
        // They name storage or stand beside a code; by themselves they speak for nothing.
        const MUTE: &[&str] = &["storage-named"];
        let spoken: Vec<Sign> = CAUSES.iter().flat_map(|cause| cause.evidence).map(|evidence| evidence.sign).collect();
        let names = signatures::SIGNATURES.iter().map(|signature| signature.name);
        let mute: Vec<&str> = names.filter(|name| !spoken.contains(&Sign::Seen(name))).collect();
        assert_eq!(mute, MUTE);
    }
}
