//! At most ten dependencies in the whole tree, and no SQLite among them.
//!
//! What this file must not do: run cargo. The lock file holds the tree.
//! Where to look next: `Cargo.toml`.

use std::collections::{BTreeMap, BTreeSet};

/// Each package of the lock file and what it depends on, of every feature and target.
fn packages(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let tables = lock.split("[[package]]").skip(1);
    let named = tables.map(|table| {
        let name = table.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let listed = table.split_once("dependencies = [").map_or("", |(_, rest)| rest.split(']').next().unwrap_or(""));
        let names = listed.split('"').skip(1).step_by(2).map(|on| on.split(' ').next().unwrap_or(on));
        (name.expect("a package has a name"), names.collect())
    });
    named.collect()
}

#[test]
fn the_tree_is_small_and_holds_no_sqlite() {
    let lock =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).expect("the lock file");
    let packages = packages(&lock);
    let mut tree = BTreeSet::new();
    let mut open = packages["walproof-guard"].clone();
    while let Some(name) = open.pop() {
        if tree.insert(name) {
            open.extend(&packages[name]);
        }
    }
    println!("{} dependencies: {tree:?}", tree.len());
    assert!(!tree.is_empty() && tree.len() <= 10, "{tree:?}");
    assert!(!tree.iter().any(|name| name.contains("sqlite")), "{tree:?}");
}
