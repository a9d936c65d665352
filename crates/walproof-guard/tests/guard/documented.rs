//! docs/guard.md names every reason and every file system of the table.
//!
//! What this file must not do: judge the prose.
//! Where to look next: `src/weigh.rs`, `src/filesystems.rs`.

use std::collections::BTreeSet;

use walproof_guard::{FILESYSTEMS, MOUNT_OPTIONS};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guard.md")).expect("docs/guard.md")
}

/// The names of reasons: what stands in quotes behind one of the functions that make them.
fn reasons(source: &str) -> BTreeSet<&str> {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let starts = ["measured(", "reason(", "condition(", "name:"];
    let after = starts.iter().flat_map(|start| source.split(start).skip(1));
    let quoted = after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    quoted.filter(|name| name.contains('-')).collect()
}

#[test]
fn every_reason_is_documented() {
    let page = page();
    let mut names = reasons(include_str!("../../src/weigh.rs"));
    names.extend(reasons(include_str!("../../src/sqlite_extension.rs")));
    assert!(names.len() > 40 && names.contains("if-one-kernel") && names.contains("other-vfs"), "{names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/guard.md: {missing:?}");
}

#[test]
fn every_file_system_of_the_table_is_documented() {
    let page = page();
    let words = FILESYSTEMS.iter().map(|row| row.fstype).chain(MOUNT_OPTIONS.iter().map(|row| row.option));
    let missing: Vec<&str> = words.filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "not in docs/guard.md: {missing:?}");
}
