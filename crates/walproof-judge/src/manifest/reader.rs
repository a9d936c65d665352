//! Single values of a tree, read into types; what is odd about them is collected with its place.
//!
//! What it must not do: know a format. `compose::read` and `kubernetes::fields` add the forms of their own.
//!
//! Where to look next: `yaml` for the trees.

use super::compose::quantity;
use super::span::{Span, Spanned, Warning, WarningKind};
use super::yaml::{Node, Tag, Value};

/// Reads nodes and collects what is odd about them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub warnings: Vec<Warning>,
}

impl Reader {
    pub fn warn(&mut self, kind: WarningKind, span: Span, message: impl Into<String>) {
        self.warnings.push(Warning::new(kind, span, message));
    }

    /// Notices that something else was expected here.
    pub fn wrong(&mut self, node: &Node, expected: &str) {
        let message = match node.as_text() {
            Some(text) => format!("`{}` is not {expected}", shortened(text)),
            None => format!("{} stands where {expected} is expected", node.noun()),
        };
        self.warn(WarningKind::WrongValue, node.span, message);
    }

    /// Notices anything but a mapping or nothing.
    pub fn expect_mapping(&mut self, node: &Node, what: &str) {
        if !matches!(node.value, Value::Mapping(_)) && !node.is_null() {
            self.warn(WarningKind::WrongValue, node.span, format!("{what} is a mapping, and this is {}", node.noun()));
        }
    }

    /// Any single value as text; nothing is `None` without a warning.
    pub fn text(&mut self, node: &Node) -> Option<Spanned<String>> {
        self.parsed(node, "a single value", |text| Some(text.to_owned()))
    }

    /// A single value in a form of its own.
    pub fn parsed<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Spanned<T>> {
        if node.is_null() || node.tag == Tag::Reset {
            return None;
        }
        let value = node.as_text().and_then(parse);
        if value.is_none() && !is_unset(node) {
            self.wrong(node, expected);
        }
        value.map(|value| Spanned::new(value, node.span))
    }

    pub fn truth(&mut self, node: &Node) -> Option<Spanned<bool>> {
        self.parsed(node, "`true` or `false`", quantity::truth)
    }

    pub fn count(&mut self, node: &Node) -> Option<Spanned<u64>> {
        self.parsed(node, "a number", |text| text.parse().ok())
    }

    /// The single values of a list, or a single value as a list of one.
    pub fn texts(&mut self, node: &Node) -> Vec<Spanned<String>> {
        match &node.value {
            Value::Sequence(items) => items.iter().filter_map(|item| self.text(item)).collect(),
            _ => self.text(node).into_iter().collect(),
        }
    }
}

/// Nothing stands there because a variable has no value, of which there is a warning already.
pub(super) fn is_unset(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.unset && scalar.text.is_empty())
}

/// The beginning of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
