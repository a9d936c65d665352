//! Public cases: is the cause that was found the first suspect, or among the first three?
//!
//! What is fed: the quoted lines, and in the second and third setting facts as `--with` takes them, word for word from
//! the case's environment: `fs`, `runtime`, `orchestrator` (what a user can name), then `mount` too (what a user finds in
//! a manifest). `-`, `?` and `any` are not fed: nobody would give them. Repository, address, title and finding are never
//! fed.
//!
//! The cases are split in two halves by a hash of their id, for whoever tunes: change weights by the first half, look at
//! the second. How blind the second is so far: its lines were read when the signatures were written; no weight was set
//! by it; one rule (`StorageNotNamed`) was made because of a miss in it (C123). The cases that nobody here has read are
//! the better judge.
//!
//! What it must not do: pass by a class that is wide enough. Which cause stands for which class is [`CLASSES`].
//! Run with `--nocapture` for the tables.

use std::path::Path;

use serde_json::Value;
use walproof_judge::causes;
use walproof_judge::logs::{Given, Scanner, suspects};

/// The classes of the cases, and the cause that stands for each; `None`: walproof has none.
const CLASSES: &[(&str, Option<&str>)] = &[
    ("app-contention", Some("busy-made-by-application")),
    ("busy-snapshot", Some("busy-made-by-application")),
    ("checkpoint-starvation", Some("checkpoint-starvation")),
    // BoltDB on CephFS: the case's own finding is that it is not SQLite.
    ("clusterfs-other", Some("another-engine")),
    ("detector-false-positive", None),
    ("disk-full", Some("disk-full")),
    ("force-detach", Some("two-writers-by-orchestration")),
    ("fs-lacks-locks", Some("filesystem-without-locks")),
    ("fuse-no-lock", Some("fuse-without-mmap-or-locks")),
    ("fuse-no-mmap", Some("fuse-without-mmap-or-locks")),
    ("immutable-misuse", Some("immutable-on-live-database")),
    ("mmap-sigbus", Some("shared-memory-truncated")),
    ("musl-libc", Some("built-for-another-libc")),
    ("netfs-wal", Some("wal-on-network-filesystem")),
    ("no-busy-timeout", Some("busy-made-by-application")),
    ("no-temp-dir", Some("no-temporary-directory")),
    ("objectstore-fuse", Some("object-store-as-filesystem")),
    ("overlap-writers", Some("two-writers-by-orchestration")),
    ("posix-lock-cancel", Some("locks-lost-inside-process")),
    ("replicas-gt-1", Some("two-writers-by-orchestration")),
    ("replicator-bug", Some("replication-tool")),
    ("ro-reader-wal", Some("read-only-reader")),
    ("runtime-lock-emulation", Some("locks-emulated")),
    ("selinux", Some("selinux-denies")),
    ("single-file-mount", Some("single-file-mount")),
    ("smb-brl", Some("smb-refuses-locks")),
    ("smb-nobrl-silent", Some("locks-not-sent")),
    ("stale-sidecar-restore", Some("unsafe-copy")),
    ("uid-mismatch", Some("directory-not-writable")),
    ("unsafe-copy", Some("unsafe-copy")),
    ("userns-mismatch", Some("directory-not-writable")),
    ("vmshare-host-plus-container", Some("shared-through-virtual-machine")),
    ("vmshare-lock", Some("shared-through-virtual-machine")),
    ("vmshare-wal", Some("shared-through-virtual-machine")),
    ("wal-reset-bug", Some("wal-reset-bug")),
];

/// What is fed beside the lines: name, keys of the environment.
const SETTINGS: &[(&str, &[&str])] = &[
    ("lines alone", &[]),
    ("lines, fs, runtime, orchestrator", &["fs", "runtime", "orchestrator"]),
    ("lines and all facts with mount", &["fs", "runtime", "orchestrator", "mount"]),
];

/// The setting of a user who can name what the database lies on and what it runs in.
const USUAL: usize = 1;

/// Shares of log cases that must be reached: first suspect, among the first three, in percent.
const BAR: (usize, usize) = (85, 95);
/// The same of the held-out half: it has 16 cases, so that one miss is 93 %.
const BAR_HELD_OUT: (usize, usize) = (85, 93);

struct Case {
    id: String,
    is_log: bool,
    lines: Vec<String>,
    environment: Value,
    class: String,
}

struct Outcome {
    rank: Option<usize>,
    names: Vec<&'static str>,
    lead: i32,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/logs/cases.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(case).collect()
}

fn case(line: &str) -> Case {
    let value: Value = serde_json::from_str(line).expect("a case is JSON");
    let text = |key: &str| value[key].as_str().expect(key).to_owned();
    let lines = value["symptom_lines"].as_array().expect("lines").iter();
    Case {
        id: text("id"),
        is_log: value["symptom_kind"] == "log",
        lines: lines.map(|line| line.as_str().expect("text").to_owned()).collect(),
        environment: value["environment"].clone(),
        class: text("root_cause_class"),
    }
}

impl Case {
    /// FNV-1a of the id: `true` is the half that weights may be tuned on.
    fn is_tuned_on(&self) -> bool {
        let hash = self
            .id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // FNV mixes its high bits badly on short ids.
        let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        (mixed >> 40) & 1 == 0
    }

    fn facts(&self, keys: &[&str]) -> Vec<Given> {
        let values = keys.iter().filter_map(|key| Some((key, self.environment[key].as_str()?)));
        let said = values.filter(|(_, value)| !matches!(*value, "-" | "?" | "any"));
        said.map(|(key, value)| Given::parse(&format!("{key}={value}")).expect("a known key")).collect()
    }

    fn cause(&self) -> Option<&'static str> {
        let found = CLASSES.iter().find(|(class, _)| *class == self.class);
        found.unwrap_or_else(|| panic!("no cause stands for the class {}", self.class)).1
    }

    fn judge(&self, keys: &[&str]) -> Outcome {
        let mut scanner = Scanner::new();
        self.lines.iter().for_each(|line| scanner.feed(format!("{line}\n").as_bytes()));
        let scan = scanner.finish();
        let facts = self.facts(keys);
        let diagnosis = suspects(&scan, &facts);
        let names: Vec<&str> = diagnosis.suspects.iter().map(|suspect| suspect.cause.name).collect();
        let rank = self.cause().and_then(|cause| names.iter().position(|name| *name == cause));
        Outcome { rank, names, lead: diagnosis.lead() }
    }
}

/// First, among the first three, of how many.
fn score<'c>(cases: impl Iterator<Item = &'c Case>, keys: &[&str]) -> (usize, usize, usize) {
    cases.fold((0, 0, 0), |(first, three, all), case| {
        let rank = case.judge(keys).rank;
        let is_first = usize::from(rank == Some(0));
        (first + is_first, three + usize::from(rank.is_some_and(|rank| rank < 3)), all + 1)
    })
}

fn percent((first, three, all): (usize, usize, usize)) -> String {
    format!("first {first}/{all} = {} %, of three {three}/{all} = {} %", first * 100 / all, three * 100 / all)
}

fn print_table(cases: &[Case], name: &str, keys: &[&str]) {
    println!("\n== {name}");
    for case in cases.iter().filter(|case| case.is_log) {
        let Outcome { rank, names, lead } = case.judge(keys);
        let half = if case.is_tuned_on() { "tuned" } else { "held" };
        let rank = rank.map_or("-".to_owned(), |rank| (rank + 1).to_string());
        let lead = if lead == i32::MAX { "alone".to_owned() } else { lead.to_string() };
        let three = names.iter().take(3).copied().collect::<Vec<&str>>().join(", ");
        println!("{} {half:<5} {:<28} rank {rank} lead {lead:<5} {three}", case.id, case.class);
    }
    let logs = || cases.iter().filter(|case| case.is_log);
    println!("log cases          {}", percent(score(logs(), keys)));
    println!("  tuned-on half    {}", percent(score(logs().filter(|case| case.is_tuned_on()), keys)));
    println!("  held-out half    {}", percent(score(logs().filter(|case| !case.is_tuned_on()), keys)));
    println!("prose and titles   {}", percent(score(cases.iter().filter(|case| !case.is_log), keys)));
}

#[test]
fn the_cause_that_was_found_is_the_first_suspect() {
    let cases = cases();
    for (name, keys) in SETTINGS {
        print_table(&cases, name, keys);
    }
    let logs = || cases.iter().filter(|case| case.is_log);
    let keys = SETTINGS[USUAL].1;
    for (what, bar, (first, three, all)) in [
        ("all log cases", BAR, score(logs(), keys)),
        ("the held-out half", BAR_HELD_OUT, score(logs().filter(|case| !case.is_tuned_on()), keys)),
    ] {
        assert!(first * 100 >= bar.0 * all, "{what}: first suspect in {first} of {all}");
        assert!(three * 100 >= bar.1 * all, "{what}: among three in {three} of {all}");
    }
}

#[test]
fn every_class_has_a_cause_that_is_there() {
    for cause in CLASSES.iter().filter_map(|(_, cause)| *cause) {
        assert!(causes::find(cause).is_some(), "{cause}");
    }
    assert!(cases().iter().filter(|case| case.cause().is_some()).count() > 50);
}
