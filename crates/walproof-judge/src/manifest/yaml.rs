//! YAML text as a tree in which every scalar, key, list and mapping knows its place.
//!
//! What this file is: events of `saphyr-parser` put together without recursion. Aliases are replaced by copies of
//! what they name, merge keys (`<<`, one mapping or a list of them) are folded into their mapping: what stands there
//! itself wins over what is merged, and of several merged mappings the first. A key that stands twice is noticed and
//! the last one counts.
//!
//! What it must not do: know Compose, but for the tags `!reset` and `!override`, which change how trees are merged.
//!
//! Bounds, so that no input takes memory or stack out of proportion:
//! 1. a text has at most as many bytes as its [`Budget`] says, [`SOURCE_BYTES_MAX`] unless longer ones are known;
//! 2. a tree is at most [`DEPTH_MAX`] deep, copies of aliases included (so that walking it may recurse);
//! 3. all trees of one reading, copies included, weigh at most [`WEIGHT_MAX`] (an alias bomb runs into this).
//!
//! Where to look next: `compose::merge` for what is done with trees.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::error::{ManifestErrorKind, place_at_end};
use super::span::{Place, Span, Spanned, Warning, WarningKind};

/// No real file is larger.
pub(super) const SOURCE_BYTES_MAX: usize = 1 << 20;
/// No real file is deeper.
pub(super) const DEPTH_MAX: usize = 64;
/// Bytes of text, plus [`NODE_WEIGHT`] for each node, in all trees of one reading.
pub(super) const WEIGHT_MAX: usize = 96 << 20;
/// What a node weighs besides its text.
const NODE_WEIGHT: usize = 64;

/// A scalar, list or mapping at its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub tag: Tag,
    pub span: Span,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// Text, with what decides whether it is `null`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scalar {
    pub text: String,
    /// Written without quotes and not as a block.
    pub plain: bool,
    /// A variable without a value stood in it.
    pub unset: bool,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: Spanned<String>,
    pub value: Node,
}

/// How a node behaves when it is merged over another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    None,
    /// `!reset`: what stands below is removed.
    Reset,
    /// `!override`: what stands below is replaced, not merged.
    Override,
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub kind: ManifestErrorKind,
    pub place: Place,
    pub because: String,
}

/// What is said of a line with braces of a template.
const OF_TEMPLATE: &str = "the line looks like part of a template";
/// What to do with it.
pub(super) const RENDER_IT: &str = "render it, and give the output: `helm template . | walproof check -`";

impl Broken {
    /// Whether a program seems to have to fill the text in first.
    pub fn is_template(&self) -> bool {
        self.because.ends_with(OF_TEMPLATE)
    }
}

/// What may still be built before it is too much.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    source_bytes_max: usize,
}

impl Budget {
    pub fn new() -> Self {
        Self::for_sources_of(SOURCE_BYTES_MAX)
    }

    /// For texts of at most this many bytes.
    pub fn for_sources_of(source_bytes_max: usize) -> Self {
        Self { left: WEIGHT_MAX, source_bytes_max }
    }

    /// Whether this much was left; if so, it is taken.
    pub fn spend(&mut self, weight: usize) -> bool {
        let enough = self.left >= weight;
        self.left = self.left.saturating_sub(weight);
        enough
    }
}

impl Node {
    /// A scalar that is no `null`, whatever it reads.
    pub fn text(text: String, span: Span) -> Self {
        Self { value: Value::Scalar(Scalar { text, plain: false, unset: false }), tag: Tag::None, span }
    }

    /// Nothing.
    pub fn null(span: Span) -> Self {
        let scalar = Scalar { text: String::new(), plain: true, unset: false };
        Self { value: Value::Scalar(scalar), tag: Tag::None, span }
    }

    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                scalar.plain && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// What it is, for messages.
    pub fn noun(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        find(self.entries(), key)
    }

    /// The text of a scalar that is not `null`.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if !self.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// What a copy of it costs.
    pub fn weight(&self) -> usize {
        let below = match &self.value {
            Value::Scalar(scalar) => scalar.text.len(),
            Value::Sequence(nodes) => nodes.iter().map(Node::weight).sum(),
            Value::Mapping(entries) => {
                entries.iter().map(|entry| NODE_WEIGHT + entry.key.value.len() + entry.value.weight()).sum()
            }
        };
        NODE_WEIGHT + below
    }

    /// Whether both say the same, wherever they say it.
    pub fn says_the_same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(one), Value::Scalar(two)) => one.text == two.text,
            (Value::Sequence(one), Value::Sequence(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.says_the_same(two))
            }
            (Value::Mapping(one), Value::Mapping(two)) => {
                one.len() == two.len()
                    && one
                        .iter()
                        .zip(two)
                        .all(|(one, two)| one.key.value == two.key.value && one.value.says_the_same(&two.value))
            }
            _ => false,
        }
    }
}

/// The value of a key.
pub(super) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    entries.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value)
}

/// The documents of a text that hold anything, in order.
pub(super) fn documents(
    source: usize,
    text: &str,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Node>, Broken> {
    let mut found = Vec::new();
    read_documents(source, text, budget, warnings, &mut found)?;
    Ok(found)
}

/// The same, with the documents before a broken one kept in `documents`.
pub(super) fn read_documents(
    source: usize,
    text: &str,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
    documents: &mut Vec<Node>,
) -> Result<(), Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_text(text, budget.source_bytes_max)?;
    let mut tree = Tree {
        source,
        text: Lines::of(text),
        budget,
        warnings,
        open: Vec::new(),
        anchors: HashMap::new(),
        documents,
        last: Place::START,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| scan_error(text, &error))?;
        tree.take(event, tree.span(span))?;
    }
    Ok(())
}

/// What the library would misread, above all `NUL`, which it takes for the end.
fn check_text(text: &str, bytes_max: usize) -> Result<(), Broken> {
    if text.len() > bytes_max {
        let because = format!("it has {} bytes, and more than {bytes_max} are not read", text.len());
        return Err(Broken { kind: ManifestErrorKind::TooMuch, place: Place::START, because });
    }
    let is_control = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || c == '\u{7f}';
    match text.find(is_control) {
        Some(at) => Err(Broken {
            kind: ManifestErrorKind::Broken,
            place: place_at_end(&text[..at]),
            because: format!("the control character `{}` does not occur in YAML", first_escaped(&text[at..])),
        }),
        None => Ok(()),
    }
}

fn first_escaped(text: &str) -> String {
    text.chars().take(1).flat_map(char::escape_default).collect()
}

fn scan_error(text: &str, error: &ScanError) -> Broken {
    let marker = error.marker();
    let mut place = place_of(*marker);
    if place >= place_at_end(text) {
        // What is missing at the end is missed at the last thing that is there.
        place = place_at_end(text.trim_end());
    }
    let mut because = error.info().trim_end_matches('.').to_lowercase();
    let line = text.lines().nth(place.line.max(1) as usize - 1).unwrap_or("");
    if line.contains("{{") || line.contains("{%") {
        because.push_str("; ");
        because.push_str(OF_TEMPLATE);
    } else if line.trim_start_matches(' ').starts_with('\t') {
        because.push_str("; the line is indented with a tab, where YAML takes spaces only");
    }
    let too_deep = because.contains("recursion limit");
    let kind = if too_deep { ManifestErrorKind::TooMuch } else { ManifestErrorKind::Broken };
    Broken { kind, place, because }
}

/// The library counts lines from 1 and columns from 0.
fn place_of(marker: saphyr_parser::Marker) -> Place {
    Place::at(marker.line().max(1), marker.col() + 1)
}

/// The tree under construction.
struct Tree<'a> {
    source: usize,
    text: Lines<'a>,
    budget: &'a mut Budget,
    warnings: &'a mut Vec<Warning>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    documents: &'a mut Vec<Node>,
    /// The end of what was read last: where a list or mapping without brackets ends.
    last: Place,
}

/// The text by its lines, to find where a value in quotes ends: the library's mark lies after the comment that follows.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The same stretch up to the closing quote, if there is one in its first line.
    fn quoted(&self, span: Span) -> Span {
        let Place { line, column } = span.start;
        let start = self.starts.get(line as usize - 1).copied();
        let Some(rest) = start.and_then(|start| self.text.get(start..)) else { return span };
        let rest = rest.lines().next().unwrap_or("");
        // An anchor or a tag may stand before the quote.
        let mut chars =
            rest.chars().enumerate().skip(column as usize - 1).skip_while(|(_, c)| !matches!(c, '"' | '\''));
        let Some((_, quote)) = chars.next() else { return span };
        let mut chars = chars.peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quote == '"' => drop(chars.next()),
                '\'' if quote == c && chars.peek().is_some_and(|(_, next)| *next == '\'') => drop(chars.next()),
                c if c == quote => {
                    let end = Place::at(line as usize, at + 2);
                    return if end < span.end { Span { end, ..span } } else { span };
                }
                _ => {}
            }
        }
        span
    }
}

/// What an alias may name.
struct Anchored {
    node: Node,
    height: usize,
    weight: usize,
}

/// A list or mapping whose end has not come.
struct Frame {
    parts: Parts,
    anchor: usize,
    tag: Tag,
    start: Place,
    height: usize,
    weight: usize,
}

enum Parts {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, merged: Vec<Node>, key: Option<Key> },
}

/// The key that waits for its value.
enum Key {
    Text(Spanned<String>),
    Merge,
    /// A list or mapping as a key: its value is left out.
    Unusable,
}

impl Tree<'_> {
    fn span(&self, span: saphyr_parser::Span) -> Span {
        Span { source: self.source, start: place_of(span.start), end: place_of(span.end) }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.last = span.end;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span),
            Event::SequenceStart(anchor, tag) => self.open(Parts::Sequence(Vec::new()), anchor, tag.as_deref(), span),
            Event::MappingStart(anchor, tag) => {
                let parts = Parts::Mapping { entries: Vec::new(), merged: Vec::new(), key: None };
                self.open(parts, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&saphyr_parser::Tag>,
        span: Span,
    ) -> Result<(), Broken> {
        let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
        let plain = style == ScalarStyle::Plain && !is_text;
        let weight = NODE_WEIGHT + text.len();
        let is_quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let span = if is_quoted { self.text.quoted(span) } else { span };
        self.spend(weight, span)?;
        let span = if plain && text.is_empty() {
            // The library marks what is not there at the next thing that is.
            Span { source: self.source, start: self.last, end: self.last }
        } else {
            self.last = span.end;
            span
        };
        let value = Value::Scalar(Scalar { text: text.into_owned(), plain, unset: false });
        self.add(Node { value, tag: tag_of(tag), span }, 1, weight, anchor)
    }

    fn open(
        &mut self,
        parts: Parts,
        anchor: usize,
        tag: Option<&saphyr_parser::Tag>,
        span: Span,
    ) -> Result<(), Broken> {
        self.spend(NODE_WEIGHT, span)?;
        if self.open.len() + 1 > DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.last = span.start;
        let frame = Frame { parts, anchor, tag: tag_of(tag), start: span.start, height: 0, weight: NODE_WEIGHT };
        self.open.push(frame);
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Broken> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        // Only brackets have an end of their own; without them the mark is where the next thing begins. With them the
        // mark goes on over the blanks and the comment that follow.
        let bracket = Place { column: span.start.column.saturating_add(1), ..span.start };
        let end = if span.start == span.end { self.last.max(frame.start) } else { bracket };
        self.last = end;
        let span = Span { source: self.source, start: frame.start, end };
        let value = match frame.parts {
            Parts::Sequence(nodes) => Value::Sequence(nodes),
            Parts::Mapping { entries, merged, .. } => Value::Mapping(self.mapping(entries, merged)),
        };
        self.add(Node { value, tag: frame.tag, span }, frame.height + 1, frame.weight, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Broken> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let because = "an alias names a value that contains the alias itself, or one of another document";
            return Err(Broken { kind: ManifestErrorKind::Cycle, place: span.start, because: because.to_owned() });
        };
        let (height, weight) = (anchored.height, anchored.weight);
        if self.open.len() + height > DEPTH_MAX {
            return Err(too_deep(span));
        }
        if !self.budget.spend(weight) {
            return Err(too_much(span));
        }
        let node = anchored.node.clone();
        self.last = span.end;
        self.add(node, height, weight, 0)
    }

    /// A finished node goes into what is open, or is a document.
    fn add(&mut self, node: Node, height: usize, weight: usize, anchor: usize) -> Result<(), Broken> {
        if anchor != 0 {
            self.spend(weight, node.span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), height, weight });
        }
        let Some(frame) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        frame.height = frame.height.max(height);
        frame.weight += weight;
        let unusable = frame.parts.add(node);
        if let Some(warning) = unusable {
            self.warnings.push(warning);
        }
        Ok(())
    }

    /// The entries with what was merged, each key once.
    fn mapping(&mut self, entries: Vec<Entry>, merged: Vec<Node>) -> Vec<Entry> {
        let mut index: HashMap<String, usize> = HashMap::with_capacity(entries.len());
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match index.get(&entry.key.value) {
                Some(&at) => {
                    self.warnings.push(duplicate(&entry.key, kept[at].key.span.start.line));
                    kept[at] = entry;
                }
                None => {
                    index.insert(entry.key.value.clone(), kept.len());
                    kept.push(entry);
                }
            }
        }
        for entry in merged.into_iter().flat_map(|node| self.merge_source(node)) {
            if !index.contains_key(&entry.key.value) {
                index.insert(entry.key.value.clone(), kept.len());
                kept.push(entry);
            }
        }
        kept
    }

    fn merge_source(&mut self, node: Node) -> Vec<Entry> {
        let span = node.span;
        let is_null = node.is_null();
        match node.value {
            Value::Mapping(entries) => entries,
            Value::Sequence(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Mapping(_))) => {
                nodes.into_iter().flat_map(|node| self.merge_source(node)).collect()
            }
            _ if is_null => Vec::new(),
            _ => {
                let message = "`<<` takes a mapping or a list of mappings, and this is neither";
                self.warnings.push(Warning::new(WarningKind::WrongValue, span, message));
                Vec::new()
            }
        }
    }

    fn spend(&mut self, weight: usize, span: Span) -> Result<(), Broken> {
        if self.budget.spend(weight) { Ok(()) } else { Err(too_much(span)) }
    }
}

impl Parts {
    /// Puts a node where it belongs; a key that is none comes back as a warning.
    fn add(&mut self, node: Node) -> Option<Warning> {
        let (entries, merged, waiting) = match self {
            Parts::Sequence(nodes) => {
                nodes.push(node);
                return None;
            }
            Parts::Mapping { entries, merged, key } => (entries, merged, key),
        };
        match waiting.take() {
            Some(Key::Text(key)) => entries.push(Entry { key, value: node }),
            Some(Key::Merge) => merged.push(node),
            Some(Key::Unusable) => {}
            None => {
                let span = node.span;
                let key = key_of(node);
                let unusable = matches!(key, Key::Unusable);
                *waiting = Some(key);
                let message = "a list or a mapping is no key";
                return unusable.then(|| Warning::new(WarningKind::WrongValue, span, message));
            }
        }
        None
    }
}

fn key_of(node: Node) -> Key {
    match node.value {
        Value::Scalar(scalar) if scalar.plain && scalar.text == "<<" => Key::Merge,
        Value::Scalar(scalar) => Key::Text(Spanned::new(scalar.text, node.span)),
        _ => Key::Unusable,
    }
}

fn tag_of(tag: Option<&saphyr_parser::Tag>) -> Tag {
    match tag {
        Some(tag) if tag.handle == "!" && tag.suffix == "reset" => Tag::Reset,
        Some(tag) if tag.handle == "!" && tag.suffix == "override" => Tag::Override,
        _ => Tag::None,
    }
}

fn duplicate(key: &Spanned<String>, first_line: u32) -> Warning {
    let message = format!("`{}` stands here again (first in line {first_line}): the last one counts", key.value);
    Warning::new(WarningKind::Duplicate, key.span, message)
}

fn too_deep(span: Span) -> Broken {
    let because = format!("values are nested more than {DEPTH_MAX} deep");
    Broken { kind: ManifestErrorKind::TooMuch, place: span.start, because }
}

fn too_much(span: Span) -> Broken {
    let because = format!("with its aliases expanded this takes more than {} MiB", WEIGHT_MAX >> 20);
    Broken { kind: ManifestErrorKind::TooMuch, place: span.start, because }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn document(text: &str) -> (Node, Vec<Warning>) {
        let mut warnings = Vec::new();
        let documents = documents(0, text, &mut Budget::new(), &mut warnings);
        (documents.expect("a tree").remove(0), warnings)
    }

    #[track_caller]
    fn holds(text: &str, path: &[&str], expected: &str) {
        let (document, _) = document(text);
        let node = path.iter().fold(&document, |node, key| node.get(key).unwrap_or_else(|| panic!("`{key}`")));
        assert_eq!(node.as_text(), Some(expected), "{text}");
    }

    #[track_caller]
    fn spans(text: &str, key: &str, start: (u32, u32), end: (u32, u32)) {
        let (document, _) = document(text);
        let span = document.get(key).expect("the key").span;
        let found = ((span.start.line, span.start.column), (span.end.line, span.end.column));
        assert_eq!(found, (start, end), "{text}");
    }

    #[test]
    fn what_stands_there_wins_over_what_is_merged_wherever_the_merge_key_stands() {
        holds("a: &a {k: 1}\nb: {<<: *a, k: 2}", &["b", "k"], "2");
        holds("a: &a {k: 1}\nb: {k: 2, <<: *a}", &["b", "k"], "2");
        holds("a: &a {k: 1}\nb: &b {k: 2}\nc: {<<: [*a, *b]}", &["c", "k"], "1");
        holds("a: {\"<<\": x}", &["a", "<<"], "x");
    }

    #[test]
    fn lists_and_mappings_end_where_their_last_value_does() {
        spans("a:\n  - b\n  - c  # no\n\nd: e", "a", (2, 3), (3, 6));
        spans("a: [b,\n  c\n  ]\nd: e", "a", (1, 4), (3, 4));
        spans("a: {b: }\n", "a", (1, 4), (1, 9));
        spans("a:\nd: e", "a", (1, 2), (1, 2));
        spans("a: 'b'\n", "a", (1, 4), (1, 7));
        spans("a: 'b''c'  # no'\nd: e", "a", (1, 4), (1, 10));
        spans("a: \"\\\"\"  # no\"\n\nd: e", "a", (1, 4), (1, 8));
        spans("a: [b]  # no]\nd: e", "a", (1, 4), (1, 7));
    }

    #[test]
    fn an_aliased_value_has_the_place_where_it_is_written() {
        spans("a: &a x\nb: *a", "b", (1, 4), (1, 8));
    }

    #[test]
    fn a_key_that_stands_twice_is_noticed() {
        let (document, warnings) = document("a: 1\nb: 2\na: 3");
        assert_eq!((document.get("a").and_then(Node::as_text), document.entries().len()), (Some("3"), 2));
        assert_eq!(warnings.iter().map(|warning| warning.span.start.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn null_is_what_yaml_says_it_is() {
        let (document, _) = document("a: [Null, ~, null, 'null', \"\", !!str null, 0]");
        let Some(Node { value: Value::Sequence(items), .. }) = document.get("a") else { panic!("a list") };
        assert_eq!(items.iter().map(Node::is_null).collect::<Vec<_>>(), [true, true, true, false, false, false, false]);
    }

    #[test]
    fn tags_of_compose_are_kept() {
        let (document, _) = document("a: !reset null\nb: !override [x]\nc: !other y");
        assert_eq!(
            document.entries().iter().map(|entry| entry.value.tag).collect::<Vec<_>>(),
            [Tag::Reset, Tag::Override, Tag::None]
        );
    }
}
