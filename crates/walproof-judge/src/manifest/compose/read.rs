//! From the merged tree to the model, key by key.
//!
//! What it must not do: refuse a file. A value of the wrong type is left out with a warning at its place, and so is a
//! key that Compose does not know.
//!
//! Where to look next: `model` for what comes out, `mounts` for `volumes:` of a service, `service` for the rest of it.

use super::Profiles;
use super::files::Files;
use super::keys;
use super::model::{Compose, Pair, Volume};
use super::quantity;
use super::service;
use crate::manifest::reader::Reader;
use crate::manifest::span::{Span, Spanned};
use crate::manifest::yaml::{Entry, Node, Tag, Value};

/// The model of a project's tree.
pub(super) fn compose(project: &[Entry], files: Files<'_>, profiles: &Profiles) -> Compose {
    let mut reader = Reader { warnings: files.warnings };
    let mut compose =
        Compose { name: None, services: Vec::new(), volumes: Vec::new(), files: files.files, warnings: Vec::new() };
    for Entry { key, value } in live(project) {
        match key.value.as_str() {
            "name" => compose.name = reader.text(value),
            "services" => {
                compose.services =
                    live(value.entries()).filter_map(|entry| service::read(&mut reader, entry, profiles)).collect();
            }
            "volumes" => {
                reader.expect_mapping(value, "`volumes` at the top");
                compose.volumes = live(value.entries()).map(|entry| volume(&mut reader, entry)).collect();
            }
            _ => {}
        }
    }
    compose.warnings = reader.warnings;
    compose.warnings.sort_by(|one, two| (one.span, &one.message).cmp(&(two.span, &two.message)));
    compose.warnings.dedup();
    compose
}

/// The entries that no `!reset` removed.
pub(super) fn live(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.value.tag != Tag::Reset)
}

fn volume(reader: &mut Reader, entry: &Entry) -> Volume {
    let span = Span { start: entry.key.span.start, ..entry.value.span };
    let mut volume = Volume {
        key: entry.key.clone(),
        real_name: None,
        external: false,
        driver: None,
        driver_opts: Vec::new(),
        span,
    };
    reader.expect_mapping(&entry.value, "a volume");
    for Entry { key, value } in live(entry.value.entries()) {
        match key.value.as_str() {
            "name" => volume.real_name = reader.text(value),
            "driver" => volume.driver = reader.text(value),
            "driver_opts" => volume.driver_opts = reader.pairs(value),
            "external" => external(reader, value, &mut volume),
            other if keys::is_known(keys::VOLUME, other) => {}
            _ => reader.warnings.push(keys::unknown(key, "in a volume")),
        }
    }
    volume
}

/// `true`, or a mapping with the name, as older files have it.
fn external(reader: &mut Reader, node: &Node, volume: &mut Volume) {
    match &node.value {
        Value::Mapping(_) => {
            volume.external = true;
            volume.real_name = node.get("name").and_then(|name| reader.text(name)).or(volume.real_name.take());
        }
        _ => volume.external = reader.truth(node).is_some_and(|flag| flag.value),
    }
}

/// Forms that only Compose has.
impl Reader {
    /// Notices keys of a mapping that are not in the list.
    pub fn note_unknown(&mut self, node: &Node, known: &[&str], at: &str) {
        let unknown = live(node.entries()).filter(|entry| !keys::is_known(known, &entry.key.value));
        self.warnings.extend(unknown.map(|entry| keys::unknown(&entry.key, at)));
    }

    pub fn bytes(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.parsed(node, "a size such as `512m`", quantity::bytes)
    }

    pub fn milliseconds(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.parsed(node, "a duration such as `1m30s`", quantity::milliseconds)
    }

    /// A count where a negative number means that there is no limit.
    pub fn limit(&mut self, node: &Node) -> Option<Spanned<u64>> {
        let limit = self.parsed(node, "a number", |text| text.parse::<i64>().ok())?;
        Some(Spanned::new(u64::try_from(limit.value).ok()?, limit.span))
    }

    /// Names with values; lists were brought into this form before merging.
    pub fn pairs(&mut self, node: &Node) -> Vec<Pair> {
        self.expect_mapping(node, "this");
        let entries = live(node.entries());
        let pairs = entries.map(|Entry { key, value }| Pair { name: key.clone(), value: self.text(value) });
        pairs.filter(|pair| !pair.name.value.is_empty()).collect()
    }
}
