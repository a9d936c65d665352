//! Which manifests of Kubernetes go together.
//!
//! Files that are given together are one set, as one would apply them. Where an object stands in several files (a base
//! and its overlays, one folder for each environment), those are alternatives: each folder is a set of its own then, with
//! all files in which nothing of the kind stands; and where one folder holds several, each file.
//!
//! What it must not do: drop a file. Every file is in at least one set.
//!
//! Where to look next: `walproof_judge::manifest::kubernetes`.

use std::collections::{BTreeMap, BTreeSet};

use walproof_judge::manifest::Source;
use walproof_judge::manifest::compose::paths::directory_of;
use walproof_judge::manifest::kubernetes::{self, Set};

/// Files that every alternative takes along are read again for each: not more than this in all.
const SHARED_BYTES_MAX: usize = 64 << 20;

/// The sets of these files.
pub fn parse(sources: &[Source<'_>]) -> Vec<Set> {
    let whole = kubernetes::parse(sources);
    let clashing = clashing(&whole);
    if clashing.is_empty() {
        return vec![whole];
    }
    let folder_of = |index: &usize| directory_of(sources[*index].name);
    let folders: BTreeSet<String> = clashing.iter().map(folder_of).collect();
    if folders.len() == 1 {
        return by_file(sources, &clashing);
    }
    let (in_folders, shared): (Vec<usize>, Vec<usize>) =
        (0..sources.len()).partition(|index| folders.contains(&folder_of(index)));
    let shared = affordable(sources, &shared, folders.len());
    let mut sets = Vec::new();
    for folder in &folders {
        let own = in_folders.iter().filter(|index| folder_of(index) == *folder);
        let these: Vec<Source<'_>> = own.chain(&shared).map(|index| sources[*index]).collect();
        let set = kubernetes::parse(&these);
        let again = self::clashing(&set);
        sets.extend(if again.is_empty() { vec![set] } else { by_file(&these, &again) });
    }
    sets
}

/// Each clashing file with all that do not clash.
fn by_file(sources: &[Source<'_>], clashing: &BTreeSet<usize>) -> Vec<Set> {
    let others: Vec<usize> = (0..sources.len()).filter(|index| !clashing.contains(index)).collect();
    let others = affordable(sources, &others, clashing.len());
    let with = |index: &usize| {
        let these: Vec<Source<'_>> = std::iter::once(index).chain(&others).map(|index| sources[*index]).collect();
        kubernetes::parse(&these)
    };
    clashing.iter().map(with).collect()
}

/// None where they would have to be read too often: what they say is not known there then.
fn affordable(sources: &[Source<'_>], shared: &[usize], times: usize) -> Vec<usize> {
    let bytes: usize = shared.iter().map(|index| sources[*index].text.len()).sum();
    if bytes.saturating_mul(times) > SHARED_BYTES_MAX { Vec::new() } else { shared.to_vec() }
}

/// Files with a workload or a claim that stands in another file as well.
fn clashing(set: &Set) -> BTreeSet<usize> {
    let workloads = set.workloads.iter().map(|workload| (workload.kind.name(), &workload.identity));
    let claims = set.claims.iter().map(|claim| ("PersistentVolumeClaim", &claim.identity));
    let mut files: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
    for (kind, identity) in workloads.chain(claims).filter(|(_, identity)| !identity.generated) {
        let key = (kind, identity.namespace(), identity.name.value.as_str());
        files.entry(key).or_default().insert(identity.name.span.source);
    }
    files.into_values().filter(|files| files.len() > 1).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{containers: [{{name: c}}]}}}}}}\n"
        )
    }

    #[track_caller]
    fn splits(files: &[(&str, &str)], expected: &[&[&str]]) {
        let texts: Vec<(&str, String)> = files.iter().map(|(file, name)| (*file, deployment(name))).collect();
        let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
        let sets: Vec<Vec<String>> =
            parse(&sources).iter().map(|set| set.files.iter().map(|file| file.name.clone()).collect()).collect();
        assert_eq!(sets, expected);
    }

    #[test]
    fn alternatives_are_sets_of_their_own() {
        splits(&[("/a/x.yaml", "x"), ("/b/y.yaml", "y")], &[&["/a/x.yaml", "/b/y.yaml"]]);
        splits(
            &[("/base/x.yaml", "x"), ("/class.yaml", "c"), ("/prod/x.yaml", "x"), ("/prod/z.yaml", "z")],
            &[&["/base/x.yaml", "/class.yaml"], &["/prod/x.yaml", "/prod/z.yaml", "/class.yaml"]],
        );
        splits(
            &[("/a/1.yaml", "x"), ("/a/2.yaml", "x"), ("/a/3.yaml", "y")],
            &[&["/a/1.yaml", "/a/3.yaml"], &["/a/2.yaml", "/a/3.yaml"]],
        );
    }
}
