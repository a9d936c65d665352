//! Fields of objects of Kubernetes, by their keys, read into types.
//!
//! Kubernetes is strict about types: a number in quotes is no number to it, and neither is it here.
//!
//! What it must not do: know which object has which fields. Fields that are not asked for are not noticed: the schema
//! is large, differs by version, and grows by definitions of the cluster's own.
//!
//! Where to look next: `workloads`, `pods`, `containers` and `claims`, which ask.

use super::model::{Identity, Setting};
use super::quantity;
use crate::manifest::compose::Pair;
use crate::manifest::compose::quantity::truth;
use crate::manifest::reader::Reader;
use crate::manifest::span::{Spanned, WarningKind};
use crate::manifest::yaml::{Node, Value};

impl Reader {
    /// The mapping under a key; anything else but nothing is a warning.
    pub fn section<'a>(&mut self, node: &'a Node, key: &str) -> Option<&'a Node> {
        let found = node.get(key).filter(|found| !found.is_null())?;
        if matches!(found.value, Value::Mapping(_)) {
            return Some(found);
        }
        self.wrong(found, &format!("a mapping `{key}`"));
        None
    }

    /// The items of the list under a key; anything else but nothing is a warning.
    pub fn items<'a>(&mut self, node: &'a Node, key: &str) -> &'a [Node] {
        match node.get(key) {
            Some(Node { value: Value::Sequence(items), .. }) => items,
            Some(found) if !found.is_null() => {
                self.wrong(found, &format!("a list `{key}`"));
                &[]
            }
            _ => &[],
        }
    }

    pub fn text_at(&mut self, node: &Node, key: &str) -> Option<Spanned<String>> {
        node.get(key).and_then(|found| self.text(found))
    }

    pub fn texts_at(&mut self, node: &Node, key: &str) -> Vec<Spanned<String>> {
        self.items(node, key).iter().filter_map(|item| self.text(item)).collect()
    }

    pub fn flag_at(&mut self, node: &Node, key: &str) -> Option<Spanned<bool>> {
        let found = node.get(key)?;
        let expected = "`true` or `false`";
        self.plain(found, expected, |text| truth(text).filter(|_| !matches!(text, "0" | "1")))
    }

    pub fn whole_at(&mut self, node: &Node, key: &str) -> Option<Spanned<u64>> {
        let found = node.get(key)?;
        self.whole(found)
    }

    pub fn whole(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.plain(node, "a whole number", |text| text.parse().ok())
    }

    /// Bytes of a quantity, which may stand in quotes.
    pub fn bytes_at(&mut self, node: &Node, key: &str) -> Option<Spanned<u64>> {
        let found = node.get(key)?;
        self.filled(found, "a quantity such as `512Mi`", quantity::whole)
    }

    pub fn thousandths_at(&mut self, node: &Node, key: &str) -> Option<Spanned<u64>> {
        let found = node.get(key)?;
        self.filled(found, "a quantity such as `500m`", quantity::thousandths)
    }

    /// A whole number, or what Kubernetes takes if nothing is written.
    pub fn whole_or(&mut self, node: &Node, key: &str, default: u64) -> Setting<u64> {
        let read = self.whole_at(node, key);
        setting(node.get(key), read, default)
    }

    /// A text, or what Kubernetes takes if nothing is written.
    pub fn text_or(&mut self, node: &Node, key: &str, default: &str) -> Setting<String> {
        let read = self.text_at(node, key);
        setting(node.get(key), read, default.to_owned())
    }

    /// Names with texts.
    pub fn pairs_at(&mut self, node: &Node, key: &str) -> Vec<Pair> {
        let Some(found) = self.section(node, key) else { return Vec::new() };
        found.entries().iter().map(|entry| Pair { name: entry.key.clone(), value: self.text(&entry.value) }).collect()
    }

    /// The text under a key that must be there; its lack is a warning at the whole.
    pub fn needed(&mut self, node: &Node, key: &str, what: &str) -> Option<Spanned<String>> {
        let is_there = node.get(key).is_some_and(|found| !found.is_null());
        if !is_there {
            self.warn(WarningKind::WrongValue, node.span, format!("{what} needs a `{key}`"));
        }
        self.text_at(node, key)
    }

    /// What an object is called; without a name it is called nothing, with a warning.
    pub fn identity(&mut self, object: &Node) -> Identity {
        let empty = Node::null(object.span);
        let metadata = self.section(object, "metadata").unwrap_or(&empty);
        let written = self.text_at(metadata, "name");
        let generated = written.is_none();
        let name = written.or_else(|| self.text_at(metadata, "generateName"));
        let name = name.unwrap_or_else(|| {
            self.warn(WarningKind::WrongValue, object.span, "an object needs a `name` in its `metadata`");
            Spanned::new(String::new(), object.span)
        });
        Identity {
            generated: generated && !name.value.is_empty(),
            name,
            namespace: self.text_at(metadata, "namespace"),
            annotations: self.pairs_at(metadata, "annotations"),
            labels: self.pairs_at(metadata, "labels"),
        }
    }

    /// A value that must not stand in quotes.
    fn plain<T>(&mut self, node: &Node, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Spanned<T>> {
        let quoted = matches!(&node.value, Value::Scalar(scalar) if !scalar.plain);
        if quoted && !is_unfilled(node) {
            self.wrong(node, &format!("{expected}: it stands in quotes"));
            return None;
        }
        self.filled(node, expected, parse)
    }

    /// A value, unless a variable stands there that somebody puts in later, which is noticed elsewhere.
    pub fn filled<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Spanned<T>> {
        if is_unfilled(node) { None } else { self.parsed(node, expected, parse) }
    }
}

fn is_unfilled(node: &Node) -> bool {
    node.as_text().is_some_and(|text| text.contains("${"))
}

/// What was read under a key, or the default if nothing stands there.
pub(super) fn setting<T>(found: Option<&Node>, read: Option<Spanned<T>>, default: T) -> Setting<T> {
    match (read, found) {
        (Some(read), _) => Setting::Written(read),
        (None, Some(node)) if !node.is_null() => Setting::Unreadable(node.span),
        (None, _) => Setting::Default(default),
    }
}
