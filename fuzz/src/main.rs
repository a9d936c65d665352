//! One libFuzzer binary for all targets: `WALPROOF_FUZZ_TARGET` names the one that runs.
//!
//! What this room is: [`TARGETS`], one function for each thing that reads text of others. A target only has to return;
//! a panic, an overflow, a hang or memory out of proportion is a find. To add one: a function and a line.
//! What it must not do: assert what results mean; the tests of each room do.
//! Where to look next: `xtask/src/prove_fuzz.rs`, which builds and runs it with seeds from `fixtures/`.
#![no_main]

use std::borrow::Cow;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use walproof_format::sqlite::btree::BtreePage;
use walproof_format::sqlite::db_header::TextEncoding;
use walproof_format::sqlite::freelist::Trunk;
use walproof_format::sqlite::journal_header::JournalHeader;
use walproof_format::sqlite::log_pages::LogIndex;
use walproof_format::sqlite::owners::OwnerMap;
use walproof_format::sqlite::pages::PagesInMemory;
use walproof_format::sqlite::record::Columns;
use walproof_format::sqlite::schema::SchemaObject;
use walproof_format::sqlite::wal::WalScan;
use walproof_format::sqlite::wal_hash;
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WalHeader};
use walproof_format::sqlite::wal_index::WalIndex;
use walproof_judge::check::baseline::Baseline;
use walproof_judge::check::config;
use walproof_judge::logs::Scanner;
use walproof_judge::manifest::compose::{Loaded, Profiles};
use walproof_judge::manifest::{
    Source, compose, docker_run, dockerfile, error, kubernetes, markdown, quadlet, recognise,
};
use walproof_judge::mountinfo;
use walproof_judge::sharing::live::Live;
use walproof_judge::sharing::lower::{self, Builder};
use walproof_judge::sharing::{Applications, Host};

/// Every target by its name; `prove_fuzz.rs` has the same list.
const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("applications", applications),
    ("btree", btree),
    ("check", check),
    ("compose", compose),
    ("configuration", configuration),
    ("docker-run", docker_run),
    ("dockerfile", dockerfile),
    ("journal", journal),
    ("kubernetes", kubernetes),
    ("live", live),
    ("logs", logs),
    ("markdown", markdown),
    ("mountinfo", mounts),
    ("owners", owners),
    ("quadlet", quadlet),
    ("wal", wal),
    ("wal-index", wal_index),
];

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let wanted = std::env::var("WALPROOF_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(name, _)| *name == wanted);
        found.unwrap_or_else(|| panic!("no target `{wanted}`")).1
    });
    target(bytes);
});

/// The text that a reader would get.
fn text(bytes: &[u8]) -> Option<&str> {
    error::text_of("fuzz", bytes).ok()
}

fn applications(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut table = Applications::built_in();
    let _ = table.extend(text);
    let _ = table.of_image(text);
}

/// A page of a b-tree, its cells as records and as rows of the schema; the same bytes as a trunk of the freelist.
fn btree(bytes: &[u8]) {
    for (number, reserved) in [(1, 0), (2, 32)] {
        let usable = (bytes.len() as u32).saturating_sub(reserved);
        let Some(page) = BtreePage::parse(bytes, number, usable) else { continue };
        let _ = page.damage();
        for cell in page.cells().flatten() {
            let _ = Columns::of(cell.local).count();
            for encoding in [TextEncoding::Utf8, TextEncoding::Utf16Little, TextEncoding::Utf16Big] {
                let _ = SchemaObject::of_row(cell.local, encoding);
            }
        }
    }
    let _ = Trunk::parse(bytes, bytes.len() as u32).map(|trunk| trunk.leaves().count());
}

/// A rollback journal, played back.
fn journal(bytes: &[u8]) {
    let _ = JournalHeader::parse(bytes, bytes.len() as u64);
    let mut restored = 0;
    let summary = walproof_format::sqlite::journal::read(bytes, Some(512), |_| restored += 1);
    assert_eq!(restored, summary.records_restored);
}

/// A whole database: whose each page is.
fn owners(bytes: &[u8]) {
    for pages in [PagesInMemory::of_file(bytes), PagesInMemory::new(bytes, 512)].into_iter().flatten() {
        let Some(map) = OwnerMap::read(&pages, 1 << 16) else { continue };
        let _ = (map.tallies(), map.owners().map(|(_, owner)| owner.to_string().len()).sum::<usize>());
    }
}

/// A log, with its header and as if that were lost, and what it has of each page.
fn wal(bytes: &[u8]) {
    let header = WalHeader::parse(bytes);
    for scan in [WalScan::new(&header), WalScan::without_header(512, false), WalScan::without_header(1024, true)] {
        let (Some(mut scan), Some(frames)) = (scan, bytes.get(WAL_HEADER_SIZE..)) else { continue };
        let mut seen = Vec::new();
        for frame in frames.chunks(scan.frame_size()) {
            seen.extend(scan.push(frame).map(|seen| seen.header));
        }
        let index = LogIndex::of(seen);
        for commit in index.commits() {
            let _ = (index.newest(1, commit.last_frame), index.overwritten_after(commit.last_frame, u64::MAX).len());
        }
        let _ = scan.finish(0);
    }
}

/// A wal-index: its header, and look-ups in blocks made of the bytes over and over.
fn wal_index(bytes: &[u8]) {
    let index = WalIndex::parse(bytes);
    if bytes.is_empty() {
        return;
    }
    let block: Vec<u8> = bytes.iter().copied().cycle().take(wal_hash::BLOCK_BYTES).collect();
    let last = index.first.map_or(5_000, |copy| copy.max_frame % 20_000);
    for page in 0..4 {
        let _ = wal_hash::newest(page, last, index.big_endian_machine, |_| Some(Cow::Borrowed(block.as_slice())));
    }
}

/// Everything from text to findings and fixes, for whatever kind the text seems to be of.
fn check(bytes: &[u8]) {
    static TABLE: OnceLock<Applications> = OnceLock::new();
    let Some(text) = text(bytes) else { return };
    let applications = TABLE.get_or_init(Applications::built_in);
    for (name, host) in [("a.yaml", Host::Unknown), ("a.container", Host::Linux), ("a.sh", Host::DockerDesktop)] {
        let mut builder = Builder::new(host, applications, &[]);
        let source = [Source { name, text }];
        match (name, recognise::kind_of(name, text)) {
            (_, Some(recognise::Kind::Kubernetes)) => lower::kubernetes::add(&mut builder, &kubernetes::parse(&source)),
            ("a.container", _) => lower::quadlet::add(&mut builder, &quadlet::parse(&source)),
            ("a.sh", _) => lower::docker_run::add(&mut builder, &docker_run::parse(&source)),
            _ => {
                let load = &mut |_: &str| Err::<Loaded, String>("none".to_owned());
                if let Ok(read) = compose::parse(&source, &|_| None, load, &Profiles::none()) {
                    lower::compose::add(&mut builder, &read, Some("/home/me"));
                }
            }
        }
        let graph = builder.finish();
        let found = walproof_judge::check::judge(&graph, None);
        for weighed in found.iter().take(20) {
            let _ = walproof_judge::fixes::offer(&graph, weighed, &[(name, text)]);
        }
    }
}

/// A record of what was seen on a machine.
fn live(bytes: &[u8]) {
    static TABLE: OnceLock<Applications> = OnceLock::new();
    let Ok(record) = serde_json::from_slice::<Live>(bytes) else { return };
    let mut builder = Builder::new(Host::Linux, TABLE.get_or_init(Applications::built_in), &[]);
    lower::live::add(&mut builder, &record);
    let _ = walproof_judge::check::judge(&builder.finish(), None);
}

fn compose(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    // A line of dots parts two files, so that merging, `extends` and `include` are reached.
    let (first, second) = text.split_once("\n...\n").unwrap_or((text, ""));
    let load = &mut |path: &str| match second {
        "" => Err("none".to_owned()),
        text => Ok(Loaded { name: path.to_owned(), text: text.to_owned() }),
    };
    let value = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    let sources = [Source { name: "a/compose.yaml", text: first }, Source { name: "a/b.yaml", text: second }];
    let count = if second.is_empty() { 1 } else { 2 };
    let _ = compose::parse(&sources[..count], &value, load, &Profiles::of(["*"]));
}

/// `.walproof.toml`, a baseline, a pattern of paths and the words of the command line.
fn configuration(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = (config::Config::read(text), Baseline::read("fuzz", text), config::parse_database(text));
    let (pattern, path) = text.split_once('\n').unwrap_or((text, text));
    let _ = config::matches(pattern, path);
}

/// Fences of a page, each as the manifest that it holds.
fn markdown(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for (kind, tree) in markdown::trees(text) {
        let source = [Source { name: "a.md", text: &tree }];
        match kind {
            recognise::Kind::Kubernetes => drop(kubernetes::parse(&source)),
            _ => {
                let load = &mut |_: &str| Err::<Loaded, String>("none".to_owned());
                let _ = compose::parse(&source, &|_| None, load, &Profiles::none());
            }
        }
    }
}

fn docker_run(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for name in ["a.md", "a.sh", "a.service"] {
        let _ = docker_run::parse(&[Source { name, text }]);
    }
}

fn dockerfile(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(read) = dockerfile::parse(Source { name: "Dockerfile", text }) {
        for stage in &read.stages {
            let _ = read.lineage(stage);
        }
    }
}

fn kubernetes(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let set = kubernetes::parse(&[Source { name: "a.yaml", text }]);
    for workload in &set.workloads {
        let _ = (set.mounted(workload), set.pod_count_max(workload));
    }
}

fn logs(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let read = |mut scanner: Scanner| {
        // Twice, so that every line is one that came before.
        for _ in 0..2 {
            scanner.feed(first);
            scanner.feed(second);
            scanner.end_source();
        }
        scanner.finish()
    };
    let (scan, slow) = (read(Scanner::new()), read(Scanner::without_memory()));
    assert_eq!(format!("{scan:?}"), format!("{slow:?}"));
    let _ = walproof_judge::logs::suspects(&scan, &[]);
    let _ = walproof_judge::logs::Timeline::of(&scan).before_the_first_complaint();
    // In turns, with silences and files that begin again.
    let mut scanner = Scanner::new();
    for (index, piece) in bytes.chunks(37).enumerate() {
        scanner.turn_to(index as u32 % 3);
        scanner.feed(piece);
        match index % 5 {
            0 => scanner.read_unfinished(),
            4 => scanner.begin_again(),
            _ => {}
        }
    }
    let _ = scanner.finish();
}

fn mounts(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let (path, table) = text.split_once('\n').unwrap_or(("/", text));
    let _ = mountinfo::mount_of(&mountinfo::parse(table), path);
}

fn quadlet(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let (first, second) = text.split_once("\n...\n").unwrap_or((text, text));
    let set = quadlet::parse(&[
        Source { name: "app.container", text: first },
        Source { name: "app.volume", text: second },
        Source { name: "app.container.d/10-more.conf", text: second },
        Source { name: "app.pod", text: second },
    ]);
    for container in &set.containers {
        let _ = set.mounts_of(container).count();
    }
}
