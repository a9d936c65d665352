//! What stands under `volumes:` of a service, in the short form and in the long one.
//!
//! ```text
//! /target                  a volume without a name
//! source:/target[:options] a bind if the source begins with `.`, `/`, `~`, `\\` or a drive, a named volume otherwise
//! ```
//! A single letter before a colon is a Windows drive, as it is to Compose: `a:/data` is one path.
//!
//! What it must not do: resolve paths, know which volumes are declared.
//!
//! Where to look next: `read`, which calls this for each item; `merge`, which needs the targets.

use super::keys;
use super::model::{Mount, MountKind, MountOptions, Selinux};
use super::paths::{is_of_windows, normal};
use super::quantity;
use crate::manifest::reader::{Reader, is_unset};
use crate::manifest::span::{Span, Spanned, WarningKind};
use crate::manifest::yaml::{Node, Scalar, Value};

/// The parts of the short form; an empty source is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortForm<'a> {
    pub source: Option<&'a str>,
    pub target: &'a str,
    pub options: Option<&'a str>,
}

/// Takes the short form apart; the error says what is wrong with it.
pub(super) fn parts<'a>(text: &'a str) -> Result<ShortForm<'a>, &'static str> {
    let mut sections = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(':') {
        let section = &text[start..at];
        let is_drive = section.len() == 1 && section.as_bytes()[0].is_ascii_alphabetic();
        if !is_drive {
            sections.push(section);
            start = at + 1;
        }
    }
    sections.push(&text[start..]);
    let some = |section: &'a str| Some(section).filter(|section| !section.is_empty());
    let (source, target, options) = match sections[..] {
        [target] => (None, target, None),
        [source, target] => (some(source), target, None),
        [source, target, options] => (some(source), target, Some(options)),
        _ => return Err("it has too many colons"),
    };
    let target = some(target).ok_or("it has no target")?;
    Ok(ShortForm { source, target, options })
}

/// One item; `None`, with a warning, if it is no mount.
pub(super) fn mount(reader: &mut Reader, node: &Node) -> Option<Mount> {
    match &node.value {
        Value::Scalar(scalar) if !node.is_null() => short(reader, scalar, node.span),
        Value::Mapping(_) => long(reader, node),
        _ => {
            reader.wrong(node, "a mount");
            None
        }
    }
}

fn short(reader: &mut Reader, scalar: &Scalar, span: Span) -> Option<Mount> {
    let mut mount = match from_text(&scalar.text, span) {
        Ok(mount) => mount,
        Err(because) => {
            reader.warn(WarningKind::WrongValue, span, format!("`{}` is no mount: {because}", scalar.text));
            return None;
        }
    };
    if mount.kind == MountKind::Unknown && !scalar.unset {
        reader.warn(WarningKind::WrongValue, span, format!("`{}` has no source", scalar.text));
    }
    if matches!(mount.kind, MountKind::Bind { .. }) {
        mount.options.create_host_path = Some(Spanned::new(true, span));
    }
    Some(mount)
}

/// A mount in the short form, as Compose, `docker run --volume` and quadlets write it; the error says what is wrong.
///
/// A colon with nothing before it is [`MountKind::Unknown`]. Whether a missing path is made is not said here.
pub(in crate::manifest) fn from_text(text: &str, span: Span) -> Result<Mount, &'static str> {
    let parts = parts(text)?;
    let spanned = |text: &str| Spanned::new(text.to_owned(), span);
    let target = Spanned::new(normal(parts.target), span);
    let has_colon = parts.options.is_some() || text.starts_with(':');
    let kind = match parts.source {
        Some(source) if is_path(source) => MountKind::Bind { source: spanned(source) },
        Some(source) => MountKind::Named { volume: spanned(source) },
        None if has_colon => MountKind::Unknown,
        None => MountKind::Anonymous,
    };
    let mut mount = Mount { kind, target, read_only: false, options: MountOptions::default(), span };
    for word in parts.options.unwrap_or("").split(',').filter(|word| !word.is_empty()) {
        take_word(&mut mount, spanned(word));
    }
    Ok(mount)
}

fn take_word(mount: &mut Mount, word: Spanned<String>) {
    let span = word.span;
    let options = &mut mount.options;
    match word.value.as_str() {
        "ro" | "readonly" => mount.read_only = true,
        "rw" => mount.read_only = false,
        "z" => options.selinux = Some(Spanned::new(Selinux::Shared, span)),
        "Z" => options.selinux = Some(Spanned::new(Selinux::Private, span)),
        "nocopy" => options.nocopy = Some(Spanned::new(true, span)),
        "consistent" | "cached" | "delegated" => options.consistency = Some(word),
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => options.propagation = Some(word),
        _ => options.others.push(word),
    }
}

/// Whether the source of the short form is a path and not a name.
pub(in crate::manifest) fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~']) || is_of_windows(source)
}

fn long(reader: &mut Reader, node: &Node) -> Option<Mount> {
    reader.note_unknown(node, keys::MOUNT, "in a mount");
    let target = node.get("target").and_then(|target| reader.text(target));
    let Some(target) = target.filter(|target| !target.value.is_empty()) else {
        reader.warn(WarningKind::WrongValue, node.span, "a mount needs a `target`");
        return None;
    };
    let kind = long_kind(reader, node);
    let read_only = node.get("read_only").and_then(|value| reader.truth(value)).is_some_and(|flag| flag.value);
    let target = Spanned::new(normal(&target.value), target.span);
    Some(Mount { kind, target, read_only, options: long_options(reader, node), span: node.span })
}

fn long_kind(reader: &mut Reader, node: &Node) -> MountKind {
    let source_node = node.get("source");
    let source = source_node.and_then(|source| reader.text(source));
    let is_unset = source_node.is_some_and(is_unset);
    let Some(kind) = node.get("type").and_then(|kind| reader.text(kind)) else {
        reader.warn(WarningKind::WrongValue, node.span, "a mount needs a `type`, such as `bind` or `volume`");
        return match source {
            _ if is_unset => MountKind::Unknown,
            Some(source) if is_path(&source.value) => MountKind::Bind { source },
            Some(source) => MountKind::Named { volume: source },
            None => MountKind::Anonymous,
        };
    };
    match kind.value.as_str() {
        "bind" | "volume" if is_unset => MountKind::Unknown,
        "bind" => match source {
            Some(source) => MountKind::Bind { source },
            None => {
                reader.warn(WarningKind::WrongValue, node.span, "a mount of type `bind` needs a `source`");
                MountKind::Unknown
            }
        },
        "volume" => match source.filter(|source| !source.value.is_empty()) {
            Some(volume) => MountKind::Named { volume },
            None => MountKind::Anonymous,
        },
        "tmpfs" => tmpfs(reader, node.get("tmpfs")),
        _ => MountKind::Other { kind, source },
    }
}

fn tmpfs(reader: &mut Reader, options: Option<&Node>) -> MountKind {
    let size_bytes = options.and_then(|options| options.get("size")).and_then(|size| reader.bytes(size));
    let mode = options.and_then(|options| options.get("mode")).and_then(|mode| {
        let quoted = matches!(&mode.value, Value::Scalar(scalar) if !scalar.plain);
        reader.parsed(mode, "a mode such as `01777`", |text| quantity::file_mode(text, quoted))
    });
    MountKind::Tmpfs { size_bytes, mode }
}

fn long_options(reader: &mut Reader, node: &Node) -> MountOptions {
    let bind = |key: &str| node.get("bind").and_then(|bind| bind.get(key));
    let volume = |key: &str| node.get("volume").and_then(|volume| volume.get(key));
    let subpath = volume("subpath").or_else(|| node.get("image").and_then(|image| image.get("subpath")));
    MountOptions {
        propagation: bind("propagation").and_then(|value| reader.text(value)),
        create_host_path: bind("create_host_path").and_then(|value| reader.truth(value)),
        selinux: bind("selinux").and_then(|value| reader.parsed(value, "`z` or `Z`", selinux)),
        nocopy: volume("nocopy").and_then(|value| reader.truth(value)),
        subpath: subpath.and_then(|value| reader.text(value)),
        consistency: node.get("consistency").and_then(|value| reader.text(value)),
        others: Vec::new(),
    }
}

fn selinux(text: &str) -> Option<Selinux> {
    match text {
        "z" => Some(Selinux::Shared),
        "Z" => Some(Selinux::Private),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn splits(text: &str, source: &str, target: &str, options: &str) {
        let found = parts(text).expect("a mount");
        let found = (found.source.unwrap_or_default(), found.target, found.options.unwrap_or_default());
        assert_eq!(found, (source, target, options), "{text}");
    }

    #[test]
    fn the_short_form_is_taken_apart() {
        splits("/data", "", "/data", "");
        splits("./a:/b", "./a", "/b", "");
        splits("~/x:/y:ro,z", "~/x", "/y", "ro,z");
        splits("name:/y", "name", "/y", "");
        splits("C:\\a:/b", "C:\\a", "/b", "");
        splits("C:/a:D:\\b:ro", "C:/a", "D:\\b", "ro");
        splits("a:/data", "", "a:/data", "");
        splits(":/data", "", "/data", "");
        splits("x", "", "x", "");
    }

    #[test]
    fn what_is_no_mount_is_told() {
        assert_eq!(["", "a/b:", "ab::ro"].map(parts), [Err("it has no target"); 3]);
        assert_eq!(parts("/a:/b:ro:rw"), Err("it has too many colons"));
    }
}
