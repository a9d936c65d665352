//! What a fix is asked: a finding in its graph, and the texts that the graph was read from.
//!
//! What it must not do: decide. It finds places, and says in words why a place cannot be changed.
//!
//! Where to look next: the changes, which ask it.

use super::layout::{Kind, Layout, Node, byte_of};
use super::write::Sheet;
use super::{Fix, Named};
use crate::manifest::Span;
use crate::manifest::recognise::{Kind as Format, kind_of};
use crate::rules::Finding;
use crate::sharing::{Graph, Mount, MountId, Workload, WorkloadId};

/// A finding, its graph and the texts.
pub(super) struct Question<'a> {
    pub graph: &'a Graph,
    pub finding: &'a Finding,
    pub texts: &'a [Named<'a>],
}

/// What is written at a span: the file, the first byte and the text.
pub(super) struct Written<'a> {
    pub file: &'a str,
    pub start: usize,
    pub text: &'a str,
    pub format: Option<Format>,
}

impl Written<'_> {
    /// Whether the file is YAML.
    pub fn is_yaml(&self) -> bool {
        matches!(self.format, Some(Format::Compose | Format::Kubernetes))
    }
}

const NOT_WRITTEN: &str = "what would change is written nowhere";

impl<'a> Question<'a> {
    /// The name and text of the file of a span.
    fn file(&self, span: Span) -> Result<Named<'a>, String> {
        let name = self.graph.file_of(span);
        let found = self.texts.iter().find(|(known, _)| *known == name);
        found.copied().ok_or_else(|| format!("the text of `{name}` is not at hand"))
    }

    /// The layout of the YAML file of a span.
    pub fn sheet(&self, span: Span) -> Result<Sheet<'a>, String> {
        let (name, text) = self.file(span)?;
        let layout = Layout::of(text).ok_or_else(|| format!("`{name}` is not read as YAML"))?;
        Ok(Sheet { name, layout })
    }

    /// The text of a span.
    pub fn written(&self, span: Span) -> Result<Written<'a>, String> {
        let (file, text) = self.file(span)?;
        let (start, end) = (byte_of(text, span.start), byte_of(text, span.end));
        match (start, end) {
            (Some(start), Some(end)) if start <= end => {
                let format = kind_of(file, text);
                let written = Written { file, start, text: &text[start..end], format };
                Ok(if written.is_yaml() { self.bare(span, written, end) } else { written })
            }
            _ => Err("the place is not found in the text".to_owned()),
        }
    }

    /// Without the anchor before it and without what follows a quoted value in its line.
    fn bare(&self, span: Span, written: Written<'a>, end: usize) -> Written<'a> {
        let Ok(sheet) = self.sheet(span) else { return written };
        let chain = sheet.layout.chain(written.start);
        let whole = chain.iter().find(|node| node.outer == written.start && node.end <= end);
        match whole {
            Some(node) => Written { start: node.start, text: &sheet.layout.text[node.start..node.end], ..written },
            None => written,
        }
    }

    /// The same, if changing it changes nothing else: no anchor on the way to it that others use.
    pub fn own(&self, span: Span) -> Result<Written<'a>, String> {
        let written = self.written(span)?;
        if written.is_yaml() {
            let sheet = self.sheet(span)?;
            let chain = sheet.layout.chain(written.start);
            if let Some(why) = sheet.layout.refuses(&chain) {
                return Err(why);
            }
        }
        Ok(written)
    }

    /// The workload that the finding is about.
    pub fn workload(&self) -> Result<(WorkloadId, &'a Workload), String> {
        let id = self.finding.about.workload.ok_or("the finding names no workload")?;
        Ok((id, self.graph.workload(id)))
    }

    /// The mount that the finding is about.
    pub fn mount(&self) -> Result<(MountId, &'a Mount), String> {
        let id = self.finding.about.mount.ok_or("the finding names no mount")?;
        Ok((id, self.graph.mount(id)))
    }

    /// A span that must be there.
    pub fn place(span: Option<Span>) -> Result<Span, String> {
        span.ok_or_else(|| NOT_WRITTEN.to_owned())
    }

    /// The fix that replaces the scalar at a span.
    pub fn scalar(&self, span: Option<Span>, new: &str, title: String) -> Result<Fix, String> {
        let span = Self::place(span)?;
        let written = self.own(span)?;
        let sheet = self.sheet(span)?;
        let chain = sheet.layout.chain(written.start);
        let node = chain.last().filter(|node| node.scalar().is_some()).ok_or("the place holds no single value")?;
        if node.scalar().is_some_and(|text| text.contains('$')) || sheet.layout.text[node.start..node.end].contains('$')
        {
            return Err("the value comes from a variable".to_owned());
        }
        Ok(self.fix(title, vec![sheet.replace_scalar(node, new)]))
    }

    /// A fix of this finding's rule that needs nothing else.
    pub fn fix(&self, title: String, edits: Vec<super::Edit>) -> Fix {
        let rule = self.finding.rule;
        Fix { rule, title, edits, needs: Vec::new(), moves_data: false, also: Vec::new(), makes: Vec::new() }
    }

    /// Other workloads whose mount is written in the same words: they change too (`extends`, a file included twice).
    pub fn also(&self, mount: MountId) -> Vec<String> {
        let one = self.graph.mount(mount);
        let others = self.graph.all_mounts().filter(|(id, other)| {
            *id != mount && other.span == one.span && one.span.is_some() && other.workload != one.workload
        });
        others.map(|(_, other)| self.graph.workload(other.workload).shown()).collect()
    }
}

/// The object of Kubernetes on a chain: the innermost mapping that has a kind and metadata.
pub(super) fn object<'n>(chain: &[&'n Node]) -> Result<&'n Node, String> {
    let is_object = |node: &&&Node| node.get("kind").is_some() && node.get("metadata").is_some();
    chain.iter().rev().find(is_object).copied().ok_or_else(|| "it stands in no object of Kubernetes".to_owned())
}

/// The keys that lead from an object to the specification of its pods.
pub(super) fn pod_keys(object: &Node) -> &'static [&'static str] {
    match object.get("kind").and_then(Node::scalar) {
        Some("Pod") => &["spec"],
        Some("CronJob") => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => &["spec", "template", "spec"],
    }
}

/// The key of a mapping that begins at a byte, and its value.
pub(super) fn entry_at<'n>(chain: &[&'n Node], at: usize) -> Option<(&'n Node, &'n Node)> {
    let mappings = chain.iter().rev().filter(|node| matches!(node.kind, Kind::Mapping { .. }));
    let entries = mappings.flat_map(|node| node.entries());
    entries.map(|(key, value)| (key, value)).find(|(key, _)| key.outer <= at && at < key.end)
}
