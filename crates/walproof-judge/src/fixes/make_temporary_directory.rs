//! `no-temp-directory`: a directory for temporary files at `/tmp`, in memory or of the node.
//!
//! What it must not do: put a second mount at `/tmp`, or take a name that the pod uses already.
//!
//! Where to look next: `write`, for where entries come in.

use super::layout::{Kind, Node};
use super::question::{Question, entry_at, object, pod_keys};
use super::write::{New, Sheet};
use super::{Change, Edit, Fix};
use crate::manifest::Span;
use crate::sharing::{StorageKind, WorkloadId, WorkloadKind};

pub(super) static CHANGE: Change =
    Change { rule: "no-temp-directory", line: "mounts a directory for temporary files at /tmp", make };

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let (id, workload) = question.workload()?;
    if question.graph.mounts_of(id).any(|(_, mount)| mount.target == "/tmp") {
        return Err("something is mounted at `/tmp` already".to_owned());
    }
    let span = Question::place(workload.span)?;
    let edits = match workload.kind {
        WorkloadKind::Service => service(question, id, span)?,
        WorkloadKind::CommandLine => vec![command_line(question)?],
        WorkloadKind::Quadlet => vec![unit(question, span)?],
        WorkloadKind::Image | WorkloadKind::Container | WorkloadKind::Process => {
            return Err("it is not started from a text that could be changed".to_owned());
        }
        _ => pod(question, span)?,
    };
    Ok(question.fix(format!("{} has a directory for temporary files at `/tmp`", workload.shown()), edits))
}

fn service(question: &Question<'_>, id: WorkloadId, span: Span) -> Result<Vec<Edit>, String> {
    let start = question.own(span)?.start;
    let sheet = question.sheet(span)?;
    let chain = sheet.layout.chain(start);
    let (_, service) = entry_at(&chain, start).ok_or("the service is not found in the text")?;
    sheet.layout.own(service)?;
    let Some((key, tmpfs)) = service.entries().iter().find(|(key, _)| key.scalar() == Some("tmpfs")) else {
        let merged = service.merges()
            && question
                .graph
                .mounts_of(id)
                .any(|(_, mount)| question.graph.storage(mount.storage).kind == StorageKind::Memory);
        if merged {
            return Err("`tmpfs` is merged from somewhere else, and a new one would replace it".to_owned());
        }
        let new = New { block: "tmpfs: [/tmp]", flow: "tmpfs: [/tmp]" };
        return Ok(vec![sheet.insert_entry(service, &["image", "container_name"], &new)?]);
    };
    sheet.layout.own(tmpfs)?;
    match &tmpfs.kind {
        Kind::Sequence { .. } => Ok(vec![sheet.append_item(tmpfs, &New { block: "- /tmp", flow: "/tmp" })?]),
        Kind::Scalar(text) if text.is_empty() => Ok(vec![sheet.replace_value(key, tmpfs, "[/tmp]")]),
        Kind::Scalar(_) => {
            let written = &sheet.layout.text[tmpfs.start..tmpfs.end];
            let written = if written.contains([',', '[', ']', '{', '}']) && !written.starts_with(['"', '\'']) {
                format!("'{}'", written.replace('\'', "''"))
            } else {
                written.to_owned()
            };
            Ok(vec![sheet.edit(tmpfs.start, tmpfs.end, format!("[{written}, /tmp]"))])
        }
        _ => Err("`tmpfs` is neither a path nor a list".to_owned()),
    }
}

fn pod(question: &Question<'_>, span: Span) -> Result<Vec<Edit>, String> {
    let (_, workload) = question.workload()?;
    let start = question.own(span)?.start;
    let sheet = question.sheet(span)?;
    let object = object(&sheet.layout.chain(start))?;
    let pod = sheet.layout.walk(object, pod_keys(object))?;
    let container = container(&sheet, pod, workload.container.as_deref(), start)?;
    sheet.layout.own(container)?;
    let taken = |name: &str| {
        pod.get("volumes").is_some_and(|volumes| volumes.items().iter().any(|volume| is_named(volume, name)))
    };
    let name = ["tmp", "tmp-files", "sqlite-tmp"]
        .into_iter()
        .find(|name| !taken(name))
        .ok_or("names for a volume are used up")?;
    let mounted = add(
        &sheet,
        container,
        ("volumeMounts", &["image", "name"]),
        &format!("- name: {name}\n\tmountPath: /tmp"),
        &format!("{{name: {name}, mountPath: /tmp}}"),
    )?;
    let volume = add(
        &sheet,
        pod,
        ("volumes", &["serviceAccountName", "restartPolicy", "terminationGracePeriodSeconds"]),
        &format!("- name: {name}\n\temptyDir: {{}}"),
        &format!("{{name: {name}, emptyDir: {{}}}}"),
    )?;
    Ok(vec![mounted, volume])
}

fn is_named(item: &Node, name: &str) -> bool {
    item.get("name").and_then(Node::scalar) == Some(name)
}

/// The container of a name; without a name the only one, or the one in which the place lies.
fn container<'n>(sheet: &Sheet<'_>, pod: &'n Node, name: Option<&str>, at: usize) -> Result<&'n Node, String> {
    let lists = ["containers", "initContainers"].into_iter().filter_map(|key| pod.get(key));
    for list in lists {
        sheet.layout.own(list)?;
        let items = list.items();
        let found = items.iter().find(|item| match name {
            Some(name) => is_named(item, name),
            None => items.len() == 1 || item.outer <= at && at < item.end,
        });
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err("the container is not found in the pod".to_owned())
}

/// A new item of a list that may not be there yet.
fn add(sheet: &Sheet<'_>, holder: &Node, place: (&str, &[&str]), block: &str, flow: &str) -> Result<Edit, String> {
    let (key, after) = place;
    let listed = holder.entries().iter().find(|(name, _)| name.scalar() == Some(key));
    match listed {
        Some((_, list)) if matches!(list.kind, Kind::Sequence { .. }) => {
            sheet.layout.own(list)?;
            sheet.append_item(list, &New { block, flow })
        }
        Some((name, value)) if value.scalar() == Some("") => Ok(sheet.replace_value(name, value, &format!("[{flow}]"))),
        Some(_) => Err(format!("`{key}` is no list")),
        None if holder.merges() => Err(format!("`{key}` may be merged from somewhere else")),
        None => {
            // Under a new key an item stands one step in, and its second line two spaces after its dash.
            let hung: Vec<String> = block.lines().map(|line| format!("\t{}", line.replacen('\t', "  ", 1))).collect();
            let block = format!("{key}:\n{}", hung.join("\n"));
            sheet.insert_entry(holder, after, &New { block: &block, flow: &format!("{key}: [{flow}]") })
        }
    }
}

/// `--tmpfs /tmp` before the image.
fn command_line(question: &Question<'_>) -> Result<Edit, String> {
    let (_, workload) = question.workload()?;
    let image = workload.image.as_ref().ok_or("the command names no image")?;
    let written = question.written(image.span)?;
    let written_there = written.text.contains(image.value.as_str());
    let at = written.start;
    let edit = Edit { file: written.file.to_owned(), start: at, end: at, text: "--tmpfs /tmp ".to_owned() };
    written_there.then_some(edit).ok_or_else(|| "the image is not found in the command".to_owned())
}

/// `Tmpfs=/tmp` at the beginning of the section.
fn unit(question: &Question<'_>, span: Span) -> Result<Edit, String> {
    let written = question.written(span)?;
    let (_, text) = question.texts.iter().find(|(name, _)| *name == written.file).ok_or("the unit is not at hand")?;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim() == "[Container]" && line.ends_with('\n') {
            let newline = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
            return Ok(Edit {
                file: written.file.to_owned(),
                start: at,
                end: at,
                text: format!("Tmpfs=/tmp{newline}"),
            });
        }
    }
    Err("the unit has no section `[Container]`".to_owned())
}
