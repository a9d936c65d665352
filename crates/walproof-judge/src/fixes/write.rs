//! The few edits of YAML that fixes are made of: a scalar replaced, an entry or item put in, an entry taken out.
//!
//! They keep what they do not name: comments, order, anchors, quotes, block or flow, the step of the indentation, the
//! ends of lines, a last line without an end.
//!
//! What it must not do: take away a comment. A comment in what is taken out stays on a line of its own.
//!
//! Where to look next: `layout` for what stands where.

use super::edits::Edit;
use super::layout::{Kind, Layout, Node};

/// A file under change.
pub(super) struct Sheet<'a> {
    /// Its name.
    pub name: &'a str,
    /// What stands where.
    pub layout: Layout<'a>,
}

/// An entry or item to put in, in both styles. A tab at the beginning of a line of `block` is one step of indentation.
pub(super) struct New<'a> {
    pub block: &'a str,
    pub flow: &'a str,
}

impl<'a> Sheet<'a> {
    /// An edit of this file.
    pub fn edit(&self, start: usize, end: usize, text: impl Into<String>) -> Edit {
        Edit { file: self.name.to_owned(), start, end, text: text.into() }
    }

    /// Another text in the same quotes. The new text must need none.
    pub fn replace_scalar(&self, node: &Node, new: &str) -> Edit {
        let written = &self.layout.text[node.start..node.end];
        let quoted = written.len() >= 2 && written.starts_with(['"', '\'']);
        let inner = if quoted { (node.start + 1, node.end - 1) } else { (node.start, node.end) };
        let gap = if written.is_empty() { " " } else { "" };
        self.edit(inner.0, inner.1, format!("{gap}{new}"))
    }

    /// A value that is nothing, an alias or a flow value, replaced by one in flow style.
    pub fn replace_value(&self, key: &Node, value: &Node, flow: &str) -> Edit {
        let flow = if self.is_json(key) { as_json(flow) } else { flow.to_owned() };
        if value.outer < value.end {
            return self.edit(value.start, value.end, flow);
        }
        let colon = self.layout.text[key.end..].find(':').map_or(key.end, |at| key.end + at + 1);
        self.edit(colon, colon, format!(" {flow}"))
    }

    fn is_json(&self, key: &Node) -> bool {
        self.layout.text[key.start..].starts_with('"')
    }

    /// A new entry of a mapping, after the first of these keys that has one line, or any that has.
    pub fn insert_entry(&self, mapping: &Node, after: &[&str], new: &New<'_>) -> Result<Edit, String> {
        let Kind::Mapping { entries, flow } = &mapping.kind else {
            return Err(format!("line {} holds no mapping", self.layout.line_of(mapping.outer)));
        };
        if *flow {
            return Ok(self.insert_into_flow(mapping, entries.first().map(|(key, _)| key), new.flow));
        }
        let preferred = after.iter().filter_map(|name| entries.iter().find(|(key, _)| key.scalar() == Some(name)));
        let short = preferred.chain(entries).find(|(key, value)| self.has_one_line(key, value));
        let (first, _) = entries.first().ok_or("the mapping is empty")?;
        let column = self.layout.column(first.outer);
        let indent = " ".repeat(column);
        match short.or(entries.last()) {
            Some((key, value)) => Ok(self.insert_lines(value.end.max(key.end), &indent, &self.step(first), new.block)),
            None => Err("the mapping is empty".to_owned()),
        }
    }

    fn has_one_line(&self, key: &Node, value: &Node) -> bool {
        let layout = &self.layout;
        value.end > value.start && layout.line_start(key.outer) == layout.line_start(value.end)
    }

    /// Lines after the line in which a byte is the last one of a value.
    fn insert_lines(&self, end: usize, indent: &str, step: &str, block: &str) -> Edit {
        let layout = &self.layout;
        let newline = layout.newline();
        let at_start = end > 0 && layout.text[..end].ends_with('\n');
        let at = if at_start { end } else { layout.next_line(end) };
        let lines: Vec<String> = block
            .lines()
            .map(|line| {
                let rest = line.trim_start_matches('\t');
                format!("{indent}{}{rest}", step.repeat(line.len() - rest.len()))
            })
            .collect();
        let body = lines.join(newline);
        let ends_open = at == layout.text.len() && !layout.text.ends_with('\n');
        let text = if ends_open { format!("{newline}{body}") } else { format!("{body}{newline}") };
        self.edit(at, at, text)
    }

    /// One step of the indentation: what the line of a key has more than the line above that has less; else two.
    fn step(&self, key: &Node) -> String {
        let layout = &self.layout;
        let column = layout.column(key.outer);
        let above = layout.text[..layout.line_start(key.outer)].lines().rev();
        let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let indents = above.filter(|line| !blank(line)).map(|line| line.len() - line.trim_start().len());
        let parent = indents.into_iter().find(|indent| *indent < column);
        let step = parent.map_or(2, |indent| column - indent);
        " ".repeat(if (1..=8).contains(&step) { step } else { 2 })
    }

    fn insert_into_flow(&self, whole: &Node, first: Option<&Node>, flow: &str) -> Edit {
        let Some(first) = first else { return self.edit(whole.start + 1, whole.start + 1, flow) };
        let flow = if self.is_json(first) { as_json(flow) } else { flow.to_owned() };
        let before = &self.layout.text[whole.start..first.outer];
        let gap = match before.contains('\n') {
            true => format!("{}{}", self.layout.newline(), " ".repeat(self.layout.column(first.outer))),
            false => " ".to_owned(),
        };
        self.edit(first.outer, first.outer, format!("{flow},{gap}"))
    }

    /// A new last item of a list.
    pub fn append_item(&self, list: &Node, new: &New<'_>) -> Result<Edit, String> {
        let Kind::Sequence { items, flow } = &list.kind else {
            return Err(format!("line {} holds no list", self.layout.line_of(list.outer)));
        };
        let Some(last) = items.last() else { return Ok(self.edit(list.start + 1, list.start + 1, new.flow)) };
        if *flow {
            let json = matches!(last.kind, Kind::Mapping { .. })
                && last.entries().first().is_some_and(|(key, _)| self.is_json(key))
                || last.scalar().is_some() && self.is_json(last);
            let text = if json { as_json(new.flow) } else { new.flow.to_owned() };
            return Ok(self.edit(last.end, last.end, format!(", {text}")));
        }
        let before = &self.layout.text[self.layout.line_start(last.outer)..last.outer];
        if before.trim() != "-" {
            return Err(format!(
                "the list in line {} is written in a way that is not followed",
                self.layout.line_of(last.outer)
            ));
        }
        let dash = before.len() - before.trim_start().len();
        let hang = " ".repeat(before.len() - dash);
        let indent = " ".repeat(dash);
        Ok(self.insert_lines(last.end, &indent, &hang, new.block))
    }

    /// An entry taken out. Comments in it stay.
    pub fn remove_entry(&self, mapping: &Node, name: &str) -> Result<Vec<Edit>, String> {
        let Kind::Mapping { entries, flow } = &mapping.kind else { return Ok(Vec::new()) };
        let Some(index) = entries.iter().position(|(key, _)| key.scalar() == Some(name)) else { return Ok(Vec::new()) };
        let (key, value) = &entries[index];
        let end = value.end.max(key.end);
        if *flow {
            return self.remove_from_flow(entries, index, end);
        }
        let layout = &self.layout;
        let start = layout.line_start(key.outer);
        if layout.text[start..key.outer].trim() != "" {
            return Err(format!("`{name}` stands in the same line as the dash before it"));
        }
        let end = if layout.text[..end].ends_with('\n') { end } else { layout.next_line(end) };
        let kept: Vec<&str> = self.comments_in(start, end).map(|(from, to)| &layout.text[from..to]).collect();
        let indent = &layout.text[start..key.outer];
        let newline = layout.newline();
        if end == layout.text.len() && !layout.text.ends_with('\n') && start > newline.len() {
            let text: String = kept.iter().map(|comment| format!("{newline}{indent}{comment}")).collect();
            return Ok(vec![self.edit(start - newline.len(), end, text)]);
        }
        let text: String = kept.iter().map(|comment| format!("{indent}{comment}{newline}")).collect();
        Ok(vec![self.edit(start, end, text)])
    }

    fn remove_from_flow(&self, entries: &[(Node, Node)], index: usize, end: usize) -> Result<Vec<Edit>, String> {
        let (start, end) = match (entries.get(index + 1), index.checked_sub(1).and_then(|before| entries.get(before))) {
            (Some((next, _)), _) => (entries[index].0.outer, next.outer),
            (None, Some((_, before))) => (before.end, end),
            (None, None) => (entries[index].0.outer, end),
        };
        if self.comments_in(start, end).next().is_some() {
            return Err(format!("a comment stands in what would go, line {}", self.layout.line_of(start)));
        }
        Ok(vec![self.edit(start, end, "")])
    }

    fn comments_in(&self, start: usize, end: usize) -> impl Iterator<Item = (usize, usize)> {
        self.layout.comments().into_iter().filter(move |(from, to)| start <= *from && *to <= end)
    }
}

/// Flow style with quotes around every word that is no number.
fn as_json(flow: &str) -> String {
    let mut result = String::new();
    let mut word = String::new();
    for c in flow.chars().chain([' ']) {
        if matches!(c, '{' | '}' | '[' | ']' | ':' | ',' | ' ') {
            let bare = word.is_empty() || word.parse::<u64>().is_ok() || matches!(word.as_str(), "true" | "false");
            result.push_str(&if bare {
                std::mem::take(&mut word)
            } else {
                format!("\"{}\"", std::mem::take(&mut word))
            });
            result.push(c);
        } else {
            word.push(c);
        }
    }
    result.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::edits::apply;
    use super::*;

    const NEW: New<'_> = New { block: "s:\n\tt: R", flow: "s: {t: R}" };

    #[track_caller]
    fn becomes(text: &str, change: impl Fn(&Sheet<'_>, &Node) -> Vec<Edit>, expected: &str) {
        let sheet = Sheet { name: "a", layout: Layout::of(text).expect("YAML") };
        let chain = sheet.layout.chain(text.find('k').expect("a key named k"));
        let mapping = chain.iter().rev().find(|node| matches!(node.kind, Kind::Mapping { .. })).expect("a mapping");
        assert_eq!(apply(text, &change(&sheet, mapping)).expect("applies"), expected);
    }

    fn insert(sheet: &Sheet<'_>, mapping: &Node) -> Vec<Edit> {
        vec![sheet.insert_entry(mapping, &["r"], &NEW).expect("an edit")]
    }

    #[test]
    fn entries_come_in_in_the_style_of_their_mapping() {
        becomes(
            "a:\n    k: 1 # c\n    r: 2 # d\n# e\n",
            insert,
            "a:\n    k: 1 # c\n    r: 2 # d\n    s:\n        t: R\n# e\n",
        );
    }

    #[test]
    fn flow_json_and_ends_of_lines_stay() {
        becomes("a: {k: 1}", insert, "a: {s: {t: R}, k: 1}");
        becomes("a: {\"k\": 1}", insert, "a: {\"s\": {\"t\": \"R\"}, \"k\": 1}");
        becomes("{\n  \"k\": 1\n}", insert, "{\n  \"s\": {\"t\": \"R\"},\n  \"k\": 1\n}");
        becomes("a:\r\n  k: 1", insert, "a:\r\n  k: 1\r\n  s:\r\n    t: R");
        becomes("- k: 1\n  z: 2\n", insert, "- k: 1\n  s:\n    t: R\n  z: 2\n");
    }

    #[test]
    fn entries_go_and_their_comments_stay() {
        let remove = |sheet: &Sheet<'_>, mapping: &Node| sheet.remove_entry(mapping, "k").expect("edits");
        becomes("a:\n  k: # one\n    x: 1 # two\n  # three\n  b: 2", remove, "a:\n  # one\n  # two\n  # three\n  b: 2");
        becomes("a: {k: {x: 1}, b: 2}", remove, "a: {b: 2}");
        becomes("a: {b: 2, k: 1}", remove, "a: {b: 2}");
        becomes("a:\n  b: 1\n  k:\n    - x", remove, "a:\n  b: 1");
    }
}
