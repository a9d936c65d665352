//! YAML text as it is written: every key, value, bracket and alias with its bytes, so that a few of them can be changed
//! and all others stay.
//!
//! What this file is: the events of `saphyr-parser` put together without following aliases. Nothing is merged and nothing
//! is copied; a value that others use by an anchor says so, and whoever would change it is told no.
//!
//! What it must not do: change text, know Compose or Kubernetes, guess where the parser says nothing.
//!
//! Where to look next: `write` for the edits, `crate::manifest` for the reading that follows aliases.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use crate::manifest::Place;

/// No real file is deeper; the tree is dropped and walked by recursion.
const DEPTH_MAX: usize = 64;

/// A text and what stands where in it.
pub(super) struct Layout<'a> {
    pub text: &'a str,
    documents: Vec<Node>,
    /// Where aliases of an anchor stand.
    aliases: HashMap<usize, Vec<usize>>,
    /// The bytes of every scalar, in order.
    scalars: Vec<(usize, usize)>,
}

/// A scalar, list, mapping or alias, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// The first byte, anchors and tags included.
    pub outer: usize,
    /// The first byte of the value itself.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
    anchor: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Scalar(String),
    Sequence { items: Vec<Node>, flow: bool },
    Mapping { entries: Vec<(Node, Node)>, flow: bool },
    Alias,
}

impl Node {
    /// The text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The items of a list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// The value of a key that stands here itself, not by a merge.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name.scalar() == Some(key)).map(|(_, value)| value)
    }

    /// Whether entries of others are merged into this mapping.
    pub fn merges(&self) -> bool {
        self.get("<<").is_some()
    }

    fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Sequence { items, .. } => items.iter().collect(),
            Kind::Mapping { entries, .. } => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Kind::Scalar(_) | Kind::Alias => Vec::new(),
        }
    }
}

impl<'a> Layout<'a> {
    /// What stands where; `None`: it is no YAML, or too deep.
    pub fn of(text: &'a str) -> Option<Self> {
        let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
        let skipped = text.len() - bare.len();
        let bytes: Vec<usize> =
            bare.char_indices().map(|(at, _)| at).chain([bare.len()]).map(|at| at + skipped).collect();
        let layout = Self { text, documents: Vec::new(), aliases: HashMap::new(), scalars: Vec::new() };
        let mut building = Building { layout, bytes, open: Vec::new(), last: skipped };
        let mut parser = Parser::new_from_str(bare);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.ok()?;
            building.take(&event, span)?;
        }
        Some(building.layout)
    }

    /// The nodes that hold a byte, from the document down.
    pub fn chain(&self, at: usize) -> Vec<&Node> {
        let mut chain = Vec::new();
        let mut level: Vec<&Node> = self.documents.iter().collect();
        while let Some(node) = level.iter().find(|node| node.outer <= at && at < node.end.max(node.outer + 1)) {
            chain.push(*node);
            level = node.children();
        }
        chain
    }

    /// Why a chain must not be changed: a node of it is used elsewhere as well.
    pub fn refuses(&self, chain: &[&Node]) -> Option<String> {
        chain.iter().find_map(|node| {
            let uses = self.aliases.get(&node.anchor).filter(|_| node.anchor != 0)?;
            let line = self.line_of(*uses.first()?);
            Some(format!(
                "what stands in line {} carries an anchor that line {line} uses too: a change here would change that behind \
                 your back",
                self.line_of(node.outer)
            ))
        })
    }

    /// The value under these keys. An alias, a merge or an anchor that others use ends it.
    pub fn walk<'n>(&self, from: &'n Node, keys: &[&str]) -> Result<&'n Node, String> {
        let mut node = from;
        for key in keys {
            self.own(node)?;
            node = node.get(key).ok_or_else(|| match node.merges() {
                true => format!("`{key}` is merged from somewhere else"),
                false => format!("there is no `{key}` in line {}", self.line_of(node.outer)),
            })?;
        }
        self.own(node)?;
        Ok(node)
    }

    /// Whether a node stands here, and is used here alone.
    pub fn own(&self, node: &Node) -> Result<(), String> {
        if matches!(node.kind, Kind::Alias) {
            let line = self.line_of(node.outer);
            return Err(format!(
                "line {line} uses an alias: what it names stands somewhere else and others may use it"
            ));
        }
        self.refuses(&[node]).map_or(Ok(()), Err)
    }

    /// The line of a byte, from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The first byte of the line that a byte stands in.
    pub fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// The first byte of the line after the one that a byte stands in; the end of the text if there is none.
    pub fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// How many bytes stand before a byte in its line.
    pub fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    /// What ends a line here.
    pub fn newline(&self) -> &'static str {
        let first = self.text.find('\n');
        if first.is_some_and(|at| self.text[..at].ends_with('\r')) { "\r\n" } else { "\n" }
    }

    /// Where comments stand, `#` included, the end of the line not.
    pub fn comments(&self) -> Vec<(usize, usize)> {
        let bytes = self.text.as_bytes();
        let mut found = Vec::new();
        let mut scalars = self.scalars.iter().copied().filter(|(start, end)| start < end).peekable();
        let mut at = 0;
        while at < bytes.len() {
            while scalars.peek().is_some_and(|(_, end)| *end <= at) {
                scalars.next();
            }
            if let Some((_, end)) = scalars.peek().filter(|(start, _)| *start <= at) {
                at = *end;
                continue;
            }
            let begins = bytes[at] == b'#' && (at == 0 || bytes[at - 1].is_ascii_whitespace());
            if begins {
                let end = self.text[at..].find(['\r', '\n']).map_or(bytes.len(), |length| at + length);
                found.push((at, end));
                at = end;
            }
            at += 1;
        }
        found
    }
}

/// The byte of a place of a text.
pub(super) fn byte_of(text: &str, place: Place) -> Option<usize> {
    let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut start = skipped;
    for _ in 1..place.line {
        start += text[start..].find('\n')? + 1;
    }
    let rest = &text[start..];
    let count = place.column as usize - 1;
    let length = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(count)?;
    Some(start + length)
}

struct Building<'a> {
    layout: Layout<'a>,
    /// The byte of each character.
    bytes: Vec<usize>,
    open: Vec<Open>,
    last: usize,
}

struct Open {
    nodes: Vec<Node>,
    is_mapping: bool,
    anchor: usize,
    outer: usize,
    flow: bool,
}

impl Building<'_> {
    fn take(&mut self, event: &Event<'_>, span: saphyr_parser::Span) -> Option<()> {
        let (outer, end) = (*self.bytes.get(span.start.index())?, *self.bytes.get(span.end.index())?);
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let is_empty = outer == end || self.layout.text[outer..end].trim().is_empty();
                let (outer, end) = if is_empty { (self.last, self.last) } else { (outer, end) };
                let start = self.after_properties(outer, end);
                let end = quoted_end(&self.layout.text[start..end]).map_or(end, |length| start + length);
                self.layout.scalars.push((start, end));
                self.add(Node { kind: Kind::Scalar(text.to_string()), outer, start, end, anchor: *anchor });
            }
            Event::Alias(anchor) => {
                self.layout.aliases.entry(*anchor).or_default().push(outer);
                self.add(Node { kind: Kind::Alias, outer, start: outer, end, anchor: 0 });
            }
            Event::SequenceStart(anchor, _) => self.begin(false, *anchor, outer, end)?,
            Event::MappingStart(anchor, _) => self.begin(true, *anchor, outer, end)?,
            Event::SequenceEnd | Event::MappingEnd => self.finish(outer)?,
            Event::DocumentStart(_) => self.last = end,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Some(())
    }

    /// The first byte after `&anchor` and `!tag`.
    fn after_properties(&self, mut at: usize, end: usize) -> usize {
        while let Some(rest) = self.layout.text.get(at..end).filter(|rest| rest.starts_with(['&', '!'])) {
            let property = rest.find(char::is_whitespace).unwrap_or(rest.len());
            at += property + (rest[property..].len() - rest[property..].trim_start().len());
        }
        at
    }

    fn begin(&mut self, is_mapping: bool, anchor: usize, outer: usize, end: usize) -> Option<()> {
        let start = self.after_properties(outer, self.layout.text.len());
        let bracket = if is_mapping { '{' } else { '[' };
        // Of a block the parser gives where its first key or dash stands, which is never a bracket of its own kind but
        // in a list of lists in brackets: there both begin at one byte, and only brackets have a length.
        let flow = self.layout.text[start..].starts_with(bracket) && end > start;
        self.open.push(Open { nodes: Vec::new(), is_mapping, anchor, outer, flow });
        self.last = if flow { start + 1 } else { self.last };
        (self.open.len() <= DEPTH_MAX).then_some(())
    }

    fn finish(&mut self, bracket: usize) -> Option<()> {
        let open = self.open.pop()?;
        let end = if open.flow { bracket + 1 } else { self.last };
        let start = self.after_properties(open.outer, self.layout.text.len());
        let first = open.nodes.first().map_or(start, |node| node.outer);
        // A block list begins at its first item: where the parser puts its start differs.
        let start = if open.flow { start } else { first };
        let outer = if open.anchor == 0 { open.outer.min(start) } else { open.outer };
        let kind = if open.is_mapping {
            let mut entries = Vec::with_capacity(open.nodes.len() / 2);
            let mut nodes = open.nodes.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                entries.push((key, value));
            }
            Kind::Mapping { entries, flow: open.flow }
        } else {
            Kind::Sequence { items: open.nodes, flow: open.flow }
        };
        self.add(Node { kind, outer, start, end, anchor: open.anchor });
        Some(())
    }

    fn add(&mut self, node: Node) {
        self.last = self.last.max(node.end);
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.layout.documents.push(node),
        }
    }
}

/// The length of a text in quotes: the parser's ends after the spaces and the comment that follow.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut at = 1;
    while let Some(length) = text[at..].find(['\\', quote]) {
        at += length;
        let doubled = quote == '\'' && text[at..].starts_with("''");
        match text[at..].starts_with('\\') {
            true if quote == '"' => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            true => at += 1,
            false if doubled => at += 2,
            false => return Some(at + 1),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn stands(text: &str, keys: &[&str], expected: &str) {
        let layout = Layout::of(text).expect("YAML");
        let node = keys.iter().fold(&layout.documents[0], |node, key| node.get(key).expect("the key"));
        assert_eq!(&text[node.start..node.end], expected, "{text}");
    }

    #[test]
    fn values_stand_at_their_bytes() {
        stands("\u{feff}é: &a !!str  x # c\r\nb: {k: 'v'}\r\n", &["é"], "x");
        stands("é: &a x # c\r\nb: {k: 'v'}\r\n", &["b", "k"], "'v'");
        stands("a: &m\n  - 1\n  - {k: v}\nb: 1\n", &["a"], "1\n  - {k: v}");
        stands("a:\n- 1\n- [x, y]  # c\n", &["a"], "1\n- [x, y]");
        stands("a: {}\nb: [\n  x ]\n", &["a"], "{}");
        stands("a: {}\nb: [\n  x ]\n", &["b"], "[\n  x ]");
        stands("a: 'it''s'  # no'\nb: 1", &["a"], "'it''s'");
        stands("a: \"\\\"\" # no\"\nb: 1", &["a"], "\"\\\"\"");
        stands("a:\n\nb: 1\n", &["a"], "");
        stands("a:\n  b:\n    c: d\n\n# x\ne: f\n", &["a"], "b:\n    c: d");
    }

    #[test]
    fn comments_are_those_outside_of_values() {
        let text = "# one\na: 'x # no' # two\nb: a#no\nc: |  # three\n  # no\nd: \"#no\" #four\r\n#five";
        let layout = Layout::of(text).expect("YAML");
        let found: Vec<&str> = layout.comments().into_iter().map(|(start, end)| &text[start..end]).collect();
        assert_eq!(found, ["# one", "# two", "# three", "#four", "#five"]);
    }

    #[test]
    fn what_others_use_is_refused() {
        let text = "a: &x {k: 1}\nb: *x\nc: &y {k: 2}\n";
        let layout = Layout::of(text).expect("YAML");
        assert!(layout.refuses(&layout.chain(text.find('1').expect("it"))).is_some_and(|why| why.contains("line 2")));
        assert_eq!(layout.refuses(&layout.chain(text.find("2}").expect("it"))), None);
        assert!(layout.walk(&layout.documents[0], &["b", "k"]).is_err_and(|why| why.contains("alias")));
        assert!(layout.walk(&layout.documents[0], &["c", "k"]).is_ok());
    }
}
