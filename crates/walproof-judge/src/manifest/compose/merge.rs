//! One tree over another, as Compose merges files and extended services.
//!
//! Mappings are merged key by key, lists appended, everything else replaced. Besides:
//! 1. `command`, `entrypoint` and `healthcheck.test` are replaced as a whole;
//! 2. mounts are unique by target, files of variables by path, other lists of names by name: the later one takes the
//!    place of the earlier one;
//! 3. `environment`, `labels`, `depends_on` and `env_file` are brought into one form first ([`settle`]), so that a
//!    list merges with a mapping;
//! 4. `null` over a value changes nothing; `!reset` removes the value, `!override` replaces it.
//!
//! What it must not do: know files, variables or types.
//!
//! Where to look next: `files`, which says what is merged with what.

use std::collections::HashMap;

use super::mounts;
use super::paths::normal;
use crate::manifest::span::{Spanned, Warning, WarningKind};
use crate::manifest::yaml::{Entry, Node, Tag, Value};

/// Merges the entries of a whole file over those of the files before.
pub(super) fn over_files(below: &mut Vec<Entry>, above: Vec<Entry>) {
    merge_entries(below, above, &mut |key, below, above| match key {
        "services" => over_named(below, above, over_service),
        _ => over_node(below, above),
    });
}

/// Merges a service over the one that it extends or that an earlier file has.
pub(super) fn over_service(below: &mut Node, above: Node) {
    over(below, above, &mut |key, below, above| match key {
        "command" | "entrypoint" => replace(below, above),
        // A name without a value means that it is passed through, which is something, not nothing.
        "environment" | "labels" => over(below, above, &mut |_, below, above| *below = above),
        "volumes" => append(below, above, Some(mount_target)),
        "tmpfs" => append(below, above, Some(first_part)),
        "env_file" => append(below, above, Some(path_of)),
        "cap_add" | "cap_drop" | "depends_on" | "profiles" | "group_add" | "volumes_from" => {
            append(below, above, Some(whole));
        }
        "healthcheck" => over(below, above, &mut |key, below, above| match key {
            "test" => replace(below, above),
            _ => over_node(below, above),
        }),
        _ => over_node(below, above),
    });
}

/// Mappings whose values are merged by a rule of their own.
fn over_named(below: &mut Node, above: Node, rule: fn(&mut Node, Node)) {
    over(below, above, &mut |_, below, above| rule(below, above));
}

fn over_node(below: &mut Node, above: Node) {
    match (&below.value, &above.value) {
        (Value::Sequence(_), Value::Sequence(_)) => append(below, above, None),
        _ => over(below, above, &mut |_, below, above| over_node(below, above)),
    }
}

/// The rule for a key that both have.
type Rule<'a> = &'a mut dyn FnMut(&str, &mut Node, Node);

fn over(below: &mut Node, above: Node, rule: Rule<'_>) {
    if above.is_null() && above.tag == Tag::None {
        return;
    }
    if below.tag == Tag::Reset || above.tag != Tag::None {
        *below = above;
        return;
    }
    match (&mut below.value, above.value) {
        (Value::Mapping(below_entries), Value::Mapping(above_entries)) => {
            below.span = above.span;
            merge_entries(below_entries, above_entries, rule);
        }
        (_, value) => *below = Node { value, ..above },
    }
}

fn merge_entries(below: &mut Vec<Entry>, above: Vec<Entry>, rule: Rule<'_>) {
    let mut index: HashMap<String, usize> =
        below.iter().enumerate().map(|(at, entry)| (entry.key.value.clone(), at)).collect();
    for entry in above {
        match index.get(&entry.key.value) {
            Some(&at) => {
                let under = &mut below[at];
                under.key.span = entry.key.span;
                rule(&entry.key.value, &mut under.value, entry.value);
            }
            None => {
                index.insert(entry.key.value.clone(), below.len());
                below.push(entry);
            }
        }
    }
}

fn replace(below: &mut Node, above: Node) {
    if !above.is_null() || above.tag != Tag::None {
        *below = above;
    }
}

/// What makes an item of a list the same as another.
type Identity = fn(&Node) -> Option<String>;

fn append(below: &mut Node, above: Node, identity: Option<Identity>) {
    let plain = below.tag != Tag::Reset && above.tag == Tag::None;
    match (&mut below.value, above.value) {
        (Value::Sequence(items), Value::Sequence(more)) if plain => {
            below.span = above.span;
            items.extend(more);
            if let Some(identity) = identity {
                unique(items, identity, &mut |_, _| {});
            }
        }
        (_, value) => {
            let above = Node { value, ..above };
            replace(below, above);
        }
    }
}

/// The later of two same items takes the place of the earlier one.
fn unique(items: &mut Vec<Node>, identity: Identity, noticed: &mut dyn FnMut(&Node, &Node)) {
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        let same = identity(&item).and_then(|name| match index.get(&name) {
            Some(&at) => Some(at),
            None => {
                index.insert(name, kept.len());
                None
            }
        });
        match same {
            Some(at) => {
                noticed(&kept[at], &item);
                kept[at] = item;
            }
            None => kept.push(item),
        }
    }
    *items = kept;
}

fn whole(node: &Node) -> Option<String> {
    node.as_text().map(str::to_owned)
}

fn first_part(node: &Node) -> Option<String> {
    Some(normal(node.as_text()?.split(':').next()?))
}

fn path_of(node: &Node) -> Option<String> {
    node.as_text().or_else(|| node.get("path")?.as_text()).map(str::to_owned)
}

fn mount_target(node: &Node) -> Option<String> {
    match node.as_text() {
        Some(text) => Some(normal(mounts::parts(text).ok()?.target)),
        None => node.get("target")?.as_text().map(normal),
    }
}

/// Brings one file's service into the form that merging expects, and notices targets that stand twice in it.
pub(super) fn settle(service: &mut Node, warnings: &mut Vec<Warning>) {
    let Value::Mapping(entries) = &mut service.value else { return };
    for entry in entries {
        match entry.key.value.as_str() {
            "environment" | "labels" => pairs_as_mapping(&mut entry.value),
            "depends_on" => names_as_list(&mut entry.value),
            "env_file" | "tmpfs" | "profiles" => one_as_list(&mut entry.value),
            "volumes" => {
                if let Value::Sequence(items) = &mut entry.value.value {
                    unique(items, mount_target, &mut |first, second| warnings.push(mounted_twice(first, second)));
                }
            }
            _ => {}
        }
    }
}

fn mounted_twice(first: &Node, second: &Node) -> Warning {
    let target = mount_target(second).unwrap_or_default();
    let line = first.span.start.line;
    let message = format!("`{target}` is mounted here again (first in line {line}): the last one counts");
    Warning::new(WarningKind::Duplicate, second.span, message)
}

/// `- NAME=value` as `NAME: value`; a later one of the same name counts.
fn pairs_as_mapping(node: &mut Node) {
    let Value::Sequence(items) = &mut node.value else { return };
    let pairs = items.drain(..).filter_map(pair).collect();
    let mut entries = Vec::new();
    merge_entries(&mut entries, pairs, &mut |_, below, above| *below = above);
    node.value = Value::Mapping(entries);
}

/// An item that is no text keeps its value under an empty name, where the reader complains of it.
fn pair(item: Node) -> Option<Entry> {
    let span = item.span;
    let Some(text) = item.as_text() else {
        return (!item.is_null()).then(|| Entry { key: Spanned::new(String::new(), span), value: item });
    };
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Node::text(value.to_owned(), span)),
        None => (text.to_owned(), Node::null(span)),
    };
    Some(Entry { key: Spanned::new(name, span), value: Node { tag: item.tag, ..value } })
}

fn names_as_list(node: &mut Node) {
    if let Value::Mapping(entries) = &mut node.value {
        let names = entries.drain(..).filter(|entry| entry.value.tag != Tag::Reset);
        node.value = Value::Sequence(names.map(|entry| Node::text(entry.key.value, entry.key.span)).collect());
    }
}

fn one_as_list(node: &mut Node) {
    if !node.is_null() && matches!(node.value, Value::Scalar(_)) {
        let item = Node { tag: Tag::None, ..node.clone() };
        node.value = Value::Sequence(vec![item]);
    }
}
