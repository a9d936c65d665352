//! The house style, kept by a test: what can be read off the sources is not left to reviewers.
//!
//! What this file checks: length of functions, the `//!` at the top, names of files, the slices and their `.md`, the
//! arrows between crates, reasons for dependencies, purity, and words that must not stay.
//! What it must not do: grow a parser. `cargo fmt --check` goes before it, so a function ends at the brace that stands
//! where the function began.
//! Where to look next: CONTRIBUTING.md says the same in prose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use walproof_agent::workloads::WORKLOADS;
use walproof_judge::causes::CAUSES;
use walproof_judge::checkers::AnomalyKind;
use walproof_judge::rules::RULES;
use walproof_judge::signatures::SIGNATURES;
use walproof_judge::watch::alarms::ALARMS;
use walproof_lab::nemeses::NEMESES;
use walproof_lab::worlds::WORLDS;

/// Longer functions tell more than one story.
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that are longer: file, name, lines, reason. The list may only shrink, and so may each number.
const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[];

/// Names that say nothing: if a thing has no home, its noun is missing.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "handler", "common", "misc", "data", "info"];

/// Files that bear one all the same: path, reason. The list may only shrink.
const EMPTY_NAMES_THAT_STAY: &[(&str, &str)] = &[(
    "crates/walproof-lab/src/runtimes/embedded/helper.rs",
    "the process that makes and reaps a container is called helper in its own protocol and in `ps`",
)];

/// Which crates of ours a crate may depend on (DESIGN, rooms).
const ARROWS: &[(&str, &[&str])] = &[
    ("walproof-format", &[]),
    ("walproof-judge", &["walproof-format"]),
    ("walproof-guard", &["walproof-format"]),
    ("walproof-agent", &["walproof-format"]),
    ("walproof-explore", &["walproof-format"]),
    ("walproof-lab", &["walproof-format", "walproof-judge", "walproof-guard", "walproof-agent"]),
    (
        "walproof",
        &["walproof-format", "walproof-judge", "walproof-guard", "walproof-agent", "walproof-explore", "walproof-lab"],
    ),
    // Chores may look everywhere; nothing depends on them.
    (
        "xtask",
        &["walproof-format", "walproof-judge", "walproof-guard", "walproof-agent", "walproof-explore", "walproof-lab"],
    ),
    (TESTBENCH, &[]),
];

/// Tests of every crate may use it, and nothing but tests.
const TESTBENCH: &str = "walproof-testbench";

/// Crates without the world: no files, no clocks, no threads, no network.
const PURE: &[&str] = &["crates/walproof-format/src", "crates/walproof-judge/src"];
const WORLDLY: &[&str] =
    &["std::fs", "std::net", "std::env", "std::thread", "std::process", "std::time::Instant", "std::time::SystemTime"];

/// Words that must not stay, and what to do instead. Put together here so that this file does not hold them.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("dbg", "!("), "remove it"),
    (concat!("todo", "!("), "do it"),
    (concat!("unimplemented", "!("), "do it"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
    (concat!("#[ig", "nore"), "a test that does not run is no test: say `skipped: why`"),
    (concat!("#[al", "low("), "expect it, with a reason"),
    (concat!("#![al", "low("), "expect it, with a reason"),
];

// ---- the sources ----

struct Source {
    /// From the root of the workspace.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/walproof lies two below the root").to_owned()
}

/// Every file with this ending, the target folder and hidden folders left out.
fn sources(ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for top in ["crates", "xtask", "fixtures", "benchsuite"] {
        collect(&root().join(top), ending, &mut found);
    }
    assert!(!found.is_empty(), "no `.{ending}` below {}", root().display());
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && entry.file_name() != "target" {
            collect(&path, ending, found);
        } else if path.extension().is_some_and(|end| end == ending) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.push(Source { path, text });
        }
    }
}

#[track_caller]
fn assert_none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

// ---- functions ----

/// Name, line and length in lines of every function with a body.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        if let Some(length) = length_of(&lines[index..], indent) {
            found.push((name.to_owned(), index + 1, length));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    const BEFORE: &[&str] = &["pub", "const", "async", "unsafe", "extern"];
    let mut words = line.split_whitespace();
    let is_before =
        |word: &str| BEFORE.contains(&word) || word.starts_with("pub(") || word.starts_with('"') || word == "super)";
    words.by_ref().find(|word| !is_before(word)).filter(|word| *word == "fn")?;
    words.next()?.split(['(', '<']).next()
}

/// From the first line to the brace at the same place; `None`: it is declared without a body.
fn length_of(lines: &[&str], indent: &str) -> Option<usize> {
    for (index, line) in lines.iter().enumerate() {
        let at_indent = line.starts_with(indent) && !line[indent.len()..].starts_with(' ');
        if at_indent && line.ends_with(';') {
            return None;
        }
        if at_indent && line.ends_with('}') && (index == 0 || line.trim_start().starts_with('}')) {
            return Some(index + 1);
        }
    }
    None
}

#[test]
fn functions_end_where_they_should() {
    let text = "pub fn one() {}\nfn declared(\n    a: u8,\n);\n    pub(crate) const unsafe fn three<T>(\n        a: T,\n    ) {\n        a;\n    }\n";
    let found: Vec<(String, usize, usize)> = functions(text);
    assert_eq!(found, [("one".to_owned(), 1, 1), ("three".to_owned(), 5, 5)]);
}

#[test]
fn functions_are_short() {
    let mut known: BTreeMap<(&str, &str), usize> =
        LONG_FUNCTIONS.iter().map(|(path, name, lines, _)| ((*path, *name), *lines)).collect();
    let mut found = Vec::new();
    for source in sources("rs") {
        for (name, line, length) in functions(&source.text) {
            let limit = known.get(&(source.path.as_str(), name.as_str())).copied();
            if length > FUNCTION_LINES_MAX {
                known.retain(|key, _| *key != (source.path.as_str(), name.as_str()));
            }
            if length > limit.unwrap_or(FUNCTION_LINES_MAX) {
                found.push(format!("{}:{line} `{name}` has {length} lines", source.path));
            }
        }
    }
    assert_none("functions over their limit: split them where the story turns", found);
    let stale = known.keys().map(|(path, name)| format!("{path} `{name}`")).collect();
    assert_none("exceptions that nobody needs any more: remove them", stale);
}

// ---- files ----

#[test]
fn files_open_with_what_they_are() {
    let bare = sources("rs").into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("without `//!` in the first line", bare.map(|source| source.path).collect());
}

#[test]
fn names_say_something() {
    let named: BTreeSet<String> =
        sources("rs").into_iter().map(|source| source.path).filter(|path| is_empty(path)).collect();
    let stay: BTreeSet<String> = EMPTY_NAMES_THAT_STAY.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_none("names that say nothing", named.difference(&stay).cloned().collect());
    assert_none("exceptions that nobody needs any more: remove them", stay.difference(&named).cloned().collect());
}

/// Whether a folder, a file or a part of its name says nothing.
fn is_empty(path: &str) -> bool {
    let parts = path.trim_end_matches(".rs").split(['/', '_', '-']);
    parts.into_iter().any(|part| EMPTY_NAMES.contains(&part))
}

#[test]
fn nothing_is_left_over() {
    let mut found = Vec::new();
    for source in sources("rs") {
        for (number, line) in source.text.lines().enumerate() {
            let words = LEFTOVERS.iter().filter(|(word, _)| line.contains(word));
            found.extend(words.map(|(word, instead)| format!("{}:{} `{word}`: {instead}", source.path, number + 1)));
        }
    }
    assert_none("left over", found);
}

#[test]
fn pure_crates_do_not_touch_the_world() {
    let mut found = Vec::new();
    for source in sources("rs").iter().filter(|source| PURE.iter().any(|pure| source.path.starts_with(pure))) {
        // Tests may look at the world; they stand last.
        let lines = source.text.lines().take_while(|line| *line != "#[cfg(test)]");
        for (number, line) in lines.enumerate() {
            let words = WORLDLY.iter().filter(|word| line.contains(*word) && !line.trim_start().starts_with("//"));
            found.extend(words.map(|word| format!("{}:{} `{word}`", source.path, number + 1)));
        }
    }
    assert_none("files, clocks or threads in a pure crate", found);
}

// ---- slices ----

/// Every `.rs` of a room but `mod.rs` is in the slice, and its `.md` lies beside it; every `.md` has its `.rs`.
fn assert_slice(room: &str, names: BTreeSet<String>) {
    let stems = |ending: &str| -> BTreeSet<String> {
        let all = fs::read_dir(root().join(room)).expect(room).flatten().map(|entry| entry.path());
        let files = all.filter(|path| path.extension().is_some_and(|end| end == ending));
        let stems = files.filter_map(|path| Some(path.file_stem()?.to_str()?.replace('_', "-")));
        stems.filter(|stem| stem != "mod").collect()
    };
    assert_eq!(stems("rs"), names, "the files of {room} and its slice");
    assert_eq!(stems("md"), names, "the pages of {room} and its slice");
}

#[test]
fn every_world_is_in_its_slice_with_its_page() {
    assert_slice("crates/walproof-lab/src/worlds", WORLDS.iter().map(|world| world.name.to_owned()).collect());
}

#[test]
fn every_nemesis_is_in_its_slice_with_its_page() {
    assert_slice("crates/walproof-lab/src/nemeses", NEMESES.iter().map(|nemesis| nemesis.name.to_owned()).collect());
}

#[test]
fn every_workload_is_in_its_slice_with_its_page() {
    assert_slice("crates/walproof-agent/src/workloads", WORKLOADS.iter().map(|kind| kind.name.to_owned()).collect());
}

#[test]
fn every_signature_is_in_its_slice_with_its_page() {
    assert_slice("crates/walproof-judge/src/signatures", SIGNATURES.iter().map(|one| one.name.to_owned()).collect());
}

#[test]
fn every_cause_is_in_its_slice_with_its_page() {
    assert_slice("crates/walproof-judge/src/causes", CAUSES.iter().map(|cause| cause.name.to_owned()).collect());
}

/// Names in a slice whose examples do not have, in their folder, one whose name begins with each of these.
fn without_examples(folder: &str, names: &[&str], kinds: &[&str]) -> Vec<String> {
    let bare = names.iter().filter(|name| {
        let folders = fs::read_dir(root().join(folder).join(name)).into_iter().flatten().flatten();
        let found: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        !kinds.iter().all(|kind| found.iter().any(|name| name.starts_with(kind)))
    });
    bare.map(|name| format!("{folder}/{name}/{{{}}}", kinds.join(","))).collect()
}

#[test]
fn every_rule_is_in_its_slice_with_its_page_and_its_fixtures() {
    assert_slice("crates/walproof-judge/src/rules", RULES.iter().map(|rule| rule.name.to_owned()).collect());
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_none("rules without examples", without_examples("fixtures/manifests", &names, &["unsafe", "safe"]));
}

#[test]
fn every_alarm_is_in_its_slice_with_its_page_and_its_records() {
    assert_slice("crates/walproof-judge/src/watch/alarms", ALARMS.iter().map(|alarm| alarm.name.to_owned()).collect());
    let names: Vec<&str> = ALARMS.iter().map(|alarm| alarm.name).collect();
    assert_none("alarms without records", without_examples("fixtures/watch", &names, &["raised", "quiet"]));
}

#[test]
fn every_anomaly_has_its_page_and_every_page_its_anomaly() {
    let kinds: BTreeSet<String> = AnomalyKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    let pages = sources("md").into_iter().filter_map(|source| {
        let name =
            source.path.strip_prefix("crates/walproof-judge/src/checkers/")?.strip_suffix(".md")?.replace('_', "-");
        Some(name)
    });
    assert_eq!(pages.collect::<BTreeSet<String>>(), kinds);
}

// ---- manifests ----

/// The lines of a section of a manifest, comments and blanks left out.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let header = format!("[{name}]");
    let after = manifest.lines().skip_while(move |line| *line != header).skip(1);
    let lines = after.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn crates_depend_as_drawn() {
    let mut found = Vec::new();
    for manifest in sources("toml").iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let folder = Path::new(&manifest.path).parent().and_then(Path::file_name).expect("a crate's folder");
        let name = folder.to_string_lossy();
        let Some((_, allowed)) = ARROWS.iter().find(|(drawn, _)| *drawn == name) else {
            found.push(format!("{name} is not drawn: add it to ARROWS and to DESIGN"));
            continue;
        };
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let lines = section(&manifest.text, kind).into_iter();
            let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
            let ours = names.filter(|on| on.starts_with("walproof"));
            let is_drawn = |on: &str| allowed.contains(&on) || (on == TESTBENCH && kind == "dev-dependencies");
            found.extend(ours.filter(|on| !is_drawn(on)).map(|on| format!("{name} -> {on}")));
        }
    }
    assert_none("arrows that are not drawn", found);
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let lines = section(&manifest, "workspace.dependencies");
    assert!(lines.len() > 5, "the section is found");
    let foreign = lines.into_iter().filter(|line| !line.starts_with("walproof"));
    let bare =
        foreign.filter(|line| line.split_once('#').is_none_or(|(_, reason)| reason.split_whitespace().count() < 3));
    assert_none("without a reason of at least three words", bare.map(str::to_owned).collect());
}

#[test]
fn versions_stand_in_the_root_alone() {
    let mut found = Vec::new();
    for manifest in sources("toml").iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let lines =
            section(&manifest.text, "dependencies").into_iter().chain(section(&manifest.text, "dev-dependencies"));
        let own = lines.filter(|line| !line.contains("workspace = true"));
        found.extend(own.map(|line| format!("{}: {line}", manifest.path)));
        if !manifest.text.contains("[lints]\nworkspace = true") {
            found.push(format!("{}: the workspace's lints are not taken over", manifest.path));
        }
    }
    assert_none("not from the workspace", found);
}
