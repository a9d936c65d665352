//! The answer: a verdict, the journal mode that follows from it, the file system, and the reasons.
//!
//! What this file must not do: decide; `weigh` does. It only knows how an answer reads.
//! Where to look next: `command` for exit codes and shell text, `json` for machines, `c_abi` for other languages.

use std::fmt;
use std::path::PathBuf;

use crate::filesystems::Ground;

/// What can be said of WAL at this path; the worst wins, so the order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// One kernel's file system, and everything that was measured is as WAL needs it.
    Safe,
    /// Nothing broke, and something that cannot be seen from here may break it.
    Risky,
    /// SQLite fails loudly; nothing is lost.
    Refuses,
    /// It cannot be told from here.
    Unknown,
    /// It breaks: measured here, or documented for what this path lies on.
    Unsafe,
}

impl Verdict {
    /// The word for people and machines.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Safe => "safe",
            Verdict::Risky => "risky",
            Verdict::Refuses => "refuses",
            Verdict::Unknown => "unknown",
            Verdict::Unsafe => "unsafe",
        }
    }
}

/// How sure a reason is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// Seen here and now, at this path.
    Measured,
    /// Said by SQLite's or the kernel's documentation; [`Reason::source`] tells where.
    Documented,
    /// Known from public reports, or it follows from what is known.
    Suspected,
}

impl Certainty {
    /// The word for people and machines.
    pub const fn word(self) -> &'static str {
        match self {
            Certainty::Measured => "measured",
            Certainty::Documented => "documented",
            Certainty::Suspected => "suspected",
        }
    }
}

/// The journal mode to ask SQLite for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalMode {
    /// Write-ahead log.
    Wal,
    /// Rollback journal. It needs working locks and fresh reads, too: read the reasons.
    Delete,
}

impl JournalMode {
    /// The word that `PRAGMA journal_mode` takes.
    pub const fn word(self) -> &'static str {
        match self {
            JournalMode::Wal => "wal",
            JournalMode::Delete => "delete",
        }
    }
}

/// What an `unknown` means for the recommended journal mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenUnknown {
    /// Fail closed: no WAL.
    #[default]
    NoWal,
    /// Fail open: WAL.
    Wal,
}

/// How to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Make, map, lock and remove a scratch file in the database's directory. Without it the best answer is `unknown`:
    /// a name alone never makes a path safe.
    pub probe: bool,
    /// Also let a forked child meet a POSIX lock of this process on the scratch file. The child makes two system calls
    /// and is reaped by its pid. Costs what a fork of the calling process costs.
    pub posix_child: bool,
    /// What `unknown` means for the journal mode.
    pub when_unknown: WhenUnknown,
}

impl Default for Options {
    fn default() -> Self {
        Self { probe: true, posix_child: false, when_unknown: WhenUnknown::NoWal }
    }
}

/// What the path lies on, by the mount table of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Type as the kernel lists it, `fuse.sshfs` and the like included.
    pub fstype: String,
    /// Where it is mounted, as this process sees it.
    pub mount_point: PathBuf,
    /// What is mounted: a device, a server's export, a word.
    pub source: String,
    /// What kind of storage that is; `None`: the table has no row for it.
    pub ground: Option<Ground>,
}

/// One thing that bears on the verdict, or a condition under which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its name, in kebab-case; it stays the same over versions.
    pub name: &'static str,
    /// How far it lowers the answer; `safe`: a condition or a note.
    pub verdict: Verdict,
    /// How sure it is.
    pub certainty: Certainty,
    /// One sentence for people.
    pub says: String,
    /// What to do about it.
    pub remedy: Option<&'static str>,
    /// Where it is written.
    pub source: Option<&'static str>,
}

/// May this path use WAL, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assessment {
    /// The path as it was asked for.
    pub asked: PathBuf,
    /// Where SQLite would find the database: absolute, without symbolic links as far as they could be followed.
    pub path: PathBuf,
    /// The worst of the reasons.
    pub verdict: Verdict,
    /// The journal mode to ask for.
    pub journal_mode: JournalMode,
    /// What the database's directory lies on; `None`: the mount table could not be read.
    pub filesystem: Option<Filesystem>,
    /// Everything that bears on the verdict, the worst first; for `safe`, its conditions.
    pub reasons: Vec<Reason>,
    /// Whether a scratch file was put to the test.
    pub probed: bool,
    pub(crate) when_unknown: WhenUnknown,
}

impl Assessment {
    /// Whether to ask for WAL.
    pub fn may_use_wal(&self) -> bool {
        self.journal_mode == JournalMode::Wal
    }

    /// 0 safe or risky, 1 unsafe or refuses, 3 unknown (0 where the caller wants WAL then).
    pub fn exit_code(&self) -> u8 {
        match (self.verdict, self.when_unknown) {
            (Verdict::Safe | Verdict::Risky, _) | (Verdict::Unknown, WhenUnknown::Wal) => 0,
            (Verdict::Unsafe | Verdict::Refuses, _) => 1,
            (Verdict::Unknown, WhenUnknown::NoWal) => 3,
        }
    }

    /// The pragmas to run first on every connection, the busy timeout before all others.
    ///
    /// `synchronous` is what keeps an acknowledged commit over a power loss in that mode: FULL for WAL, EXTRA for DELETE.
    pub fn pragmas(&self) -> &'static str {
        match self.journal_mode {
            JournalMode::Wal => "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            JournalMode::Delete => "PRAGMA busy_timeout=5000; PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;",
        }
    }

    /// The same answer with a reason more; the worst still wins.
    pub(crate) fn with_reason(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self.settle();
        self
    }

    /// Verdict and journal mode from the reasons.
    pub(crate) fn settle(&mut self) {
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict));
        self.verdict = self.reasons.first().map_or(Verdict::Unknown, |worst| worst.verdict);
        self.journal_mode = match (self.verdict, self.when_unknown) {
            (Verdict::Safe | Verdict::Risky, _) | (Verdict::Unknown, WhenUnknown::Wal) => JournalMode::Wal,
            _ => JournalMode::Delete,
        };
    }
}

/// One line: verdict, path, journal mode, file system, and the worst reasons (for `safe`, its conditions).
impl fmt::Display for Assessment {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = one_line(&self.path.to_string_lossy());
        write!(to, "{}: `{path}` journal_mode={}", self.verdict.word(), self.journal_mode.word())?;
        if let Some(filesystem) = &self.filesystem {
            let mount_point = filesystem.mount_point.to_string_lossy();
            write!(to, " ({} at `{}`)", one_line(&filesystem.fstype), one_line(&mount_point))?;
        }
        for reason in self.reasons.iter().filter(|reason| reason.verdict == self.verdict) {
            write!(to, "; {}", one_line(&reason.says))?;
        }
        Ok(())
    }
}

/// Text without line ends and other control characters: a path may hold them.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessment(verdicts: &[Verdict], when_unknown: WhenUnknown) -> Assessment {
        let reason = |verdict: &Verdict| Reason {
            name: "made-up",
            verdict: *verdict,
            certainty: Certainty::Measured,
            says: "made\nup".to_owned(),
            remedy: None,
            source: None,
        };
        let mut assessment = Assessment {
            asked: "a.db".into(),
            path: "/a\n.db".into(),
            verdict: Verdict::Unknown,
            journal_mode: JournalMode::Delete,
            filesystem: None,
            reasons: verdicts.iter().map(reason).collect(),
            probed: true,
            when_unknown,
        };
        assessment.settle();
        assessment
    }

    #[track_caller]
    fn comes_to(verdicts: &[Verdict], when_unknown: WhenUnknown, verdict: Verdict, wal: bool, exit_code: u8) {
        let assessment = assessment(verdicts, when_unknown);
        assert_eq!((assessment.verdict, assessment.may_use_wal(), assessment.exit_code()), (verdict, wal, exit_code));
    }

    #[test]
    fn the_worst_wins_and_the_caller_says_what_unknown_means() {
        use Verdict::*;
        comes_to(&[Safe, Risky], WhenUnknown::NoWal, Risky, true, 0);
        comes_to(&[Safe, Refuses, Risky], WhenUnknown::Wal, Refuses, false, 1);
        comes_to(&[Unknown, Refuses], WhenUnknown::NoWal, Unknown, false, 3);
        comes_to(&[Unknown, Refuses], WhenUnknown::Wal, Unknown, true, 0);
        comes_to(&[Unknown, Unsafe], WhenUnknown::Wal, Unsafe, false, 1);
    }

    #[test]
    fn without_a_reason_nothing_is_safe() {
        comes_to(&[], WhenUnknown::NoWal, Verdict::Unknown, false, 3);
    }

    #[test]
    fn the_line_is_one_line() {
        assert_eq!(assessment(&[Verdict::Safe], WhenUnknown::NoWal).to_string().lines().count(), 1);
    }
}
