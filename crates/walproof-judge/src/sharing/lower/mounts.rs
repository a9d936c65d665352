//! Mounts of the Compose model, which command lines and units of Podman have as well, put into the graph.
//!
//! What it must not do: know which format they come from; [`Sources`] answers what differs.
//!
//! Where to look next: `compose`, `docker_run`, `quadlet`.

use super::compose::{anonymous, declared, host_path, memory, of_engine, other, plain};
use super::{Builder, Moved};
use crate::manifest::compose::{Mount as Written, MountKind, Tmpfs, Volume, VolumesFrom};
use crate::manifest::{Span, Spanned};
use crate::sharing::{Mount, Nature, StorageId, StorageKind, WorkloadId};

/// What Podman puts memory at when the image's own files are read-only (podman-run(1), `--read-only-tmpfs`).
const READ_ONLY_TMPFS: &[&str] = &["/run", "/tmp", "/var/tmp"];

/// What a format knows about what its mounts name.
pub(super) trait Sources {
    /// What spans are moved by.
    fn moved(&self) -> Moved;
    /// A path of the host as the graph has it; `None`: it cannot be told.
    fn path(&self, source: &Spanned<String>) -> Option<String>;
    /// The declaration of the volume that a mount names.
    fn volume(&self, name: &str, mount: &Written) -> Option<Volume>;
}

/// Adds the mounts of a workload.
pub(super) fn add<'a>(
    builder: &mut Builder<'_>,
    sources: &impl Sources,
    workload: WorkloadId,
    mounts: impl IntoIterator<Item = &'a Written>,
) {
    for written in mounts {
        add_one(builder, sources, workload, written);
    }
}

fn add_one(builder: &mut Builder<'_>, sources: &impl Sources, workload: WorkloadId, written: &Written) {
    let moved = sources.moved();
    let span = Some(moved.span(written.span));
    let (storage, source) = match &written.kind {
        MountKind::Bind { source } => (bind(builder, sources, source), Some(source)),
        MountKind::Named { volume } => (named(builder, sources, volume, written), Some(volume)),
        MountKind::Anonymous => (anonymous(builder, span), None),
        MountKind::Tmpfs { .. } => (memory(builder, span), None),
        MountKind::Other { kind, source } => (other(builder, &kind.value, span), source.as_ref()),
        MountKind::Unknown => (other(builder, "", span), None),
    };
    let is_bind = matches!(written.kind, MountKind::Bind { .. });
    builder.mount(Mount {
        sub_path: written.options.subpath.as_ref().map(|path| path.value.trim_matches('/').to_owned()),
        is_file: if is_bind { None } else { Some(false) },
        read_only: written.read_only,
        selinux: moved.option(written.options.selinux.as_ref()),
        source: moved.option(source),
        ..plain(workload, storage, written.target.value.clone(), span)
    });
}

fn bind(builder: &mut Builder<'_>, sources: &impl Sources, source: &Spanned<String>) -> StorageId {
    let span = Some(sources.moved().span(source.span));
    match sources.path(source) {
        Some(path) => host_path(builder, path, span),
        None => other(builder, "", span),
    }
}

fn named(builder: &mut Builder<'_>, sources: &impl Sources, volume: &Spanned<String>, written: &Written) -> StorageId {
    match sources.volume(&volume.value, written) {
        Some(volume) => declared(builder, sources.moved(), &volume),
        None => builder.storage(StorageKind::Named(volume.value.clone()), |kind| of_engine(kind, None)),
    }
}

/// Adds mounts of memory in the short form.
pub(super) fn add_memory<'a>(
    builder: &mut Builder<'_>,
    moved: Moved,
    workload: WorkloadId,
    written: impl IntoIterator<Item = &'a Tmpfs>,
) {
    for tmpfs in written {
        memory_at(builder, workload, tmpfs.target.clone(), Some(moved.span(tmpfs.span)));
    }
}

/// Adds what Podman mounts by itself where the image's own files are read-only.
pub(super) fn add_read_only_tmpfs(builder: &mut Builder<'_>, workload: WorkloadId) {
    for target in READ_ONLY_TMPFS {
        let is_there = builder.graph().mounts_of(workload).any(|(_, mount)| mount.target == *target);
        if !is_there {
            memory_at(builder, workload, (*target).to_owned(), None);
        }
    }
}

fn memory_at(builder: &mut Builder<'_>, workload: WorkloadId, target: String, span: Option<Span>) {
    let storage = memory(builder, span);
    builder.mount(Mount { is_file: Some(false), ..plain(workload, storage, target, span) });
}

/// `volumes_from`: one workload has the mounts of another.
pub(super) struct Link {
    from: WorkloadId,
    to: WorkloadId,
    read_only: bool,
    span: Span,
}

/// A link, with its span moved.
pub(super) fn link(from: WorkloadId, to: WorkloadId, written: &VolumesFrom, moved: Moved) -> Link {
    Link { from, to, read_only: written.read_only, span: moved.span(written.span) }
}

/// Adds the mounts that workloads have from others, and those from others again. What a workload mounts itself wins.
pub(super) fn add_from(builder: &mut Builder<'_>, links: &[Link]) {
    let is_memory =
        |builder: &Builder<'_>, mount: &Mount| builder.graph().storage(mount.storage).nature == Nature::Memory;
    // A chain is no longer than there are links; most need one round.
    for _ in 0..links.len() {
        let before = builder.graph().mounts.len();
        for link in links {
            let theirs: Vec<Mount> = builder.graph().mounts_of(link.from).map(|(_, mount)| mount.clone()).collect();
            for mount in theirs {
                let is_there = builder.graph().mounts_of(link.to).any(|(_, own)| own.target == mount.target);
                if !is_there && !is_memory(builder, &mount) {
                    let read_only = mount.read_only || link.read_only;
                    builder.mount(Mount { workload: link.to, read_only, span: Some(link.span), ..mount });
                }
            }
        }
        if builder.graph().mounts.len() == before {
            return;
        }
    }
}

/// Where labels of SELinux are turned off or chosen by hand, so that `Z` keeps nobody out.
pub(super) fn own_label(moved: Moved, options: &[Spanned<String>]) -> Option<Span> {
    let is_label = |option: &&Spanned<String>| option.value.starts_with("label=") || option.value.starts_with("label:");
    options.iter().find(is_label).map(|option| moved.span(option.span))
}
