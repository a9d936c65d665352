//! Rule `fuse-without-shared-memory`: the database lies behind a server in user space, whose options decide.
//!
//! What it must not do: say that such a mount is sound because it is on one machine.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::manifest::Spanned;
use crate::sharing::{DatabaseId, Graph, Nature, Storage};

/// The database lies behind a FUSE server over other directories.
pub static RULE: Rule = Rule {
    name: "fuse-without-shared-memory",
    line: "The database lies on a FUSE mount whose options decide about shared memory and locks",
    explain: include_str!("fuse_without_shared_memory.md"),
    ground: Ground::Cases(&["C063", "C066"]),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let storage = graph.storage(graph.storage_of(id)?);
    let Nature::Mirror(kind) = &storage.nature else { return None };
    if !graph.is_first_entry(id) {
        return None;
    }
    let uncached = uncached(storage);
    let shown = graph.database(id).shown();
    let (wal, message, because) = match (kind.as_str(), uncached) {
        ("fuse.shfs", _) => (
            Severity::Unsafe,
            format!("{shown} lies on a user share of Unraid, `{kind}`"),
            "user shares have lost databases in WAL mode; the pool below them is a local file system",
        ),
        (_, Some(option)) => (
            Severity::Refuses,
            format!("{shown} lies on `{kind}` with `{}`", option.value),
            "files that bypass the page cache cannot be mapped: WAL fails with 5386, `disk I/O error`, unless kernel \
             and server are new enough to allow mapping all the same",
        ),
        (_, None) => (
            Severity::Unknown,
            format!("does `{kind}` keep shared memory and locks for {shown}"),
            "a server in user space passes calls on: whether mappings work, and whose locks are whose, depends on its \
             options, which stand in no mount line",
        ),
    };
    // Locks that a server mixes up, or pages that an open() drops, need a second opener to show.
    let rollback = graph.has_several_openers(id).then_some(Severity::Risky);
    let mount = graph.mount_of(id).and_then(|mount| graph.mount(mount).span);
    Some(
        RULE.finding(Judged { wal: Some(wal), rollback }, About::database(graph, id), message)
            .at([uncached.map(|option| option.span), storage.span, mount])
            .because(because)
            .remedy(match kind.as_str() {
                "fuse.shfs" => "put the database on the pool itself: `/mnt/cache` instead of `/mnt/user`",
                "fuse.mergerfs" => {
                    "put the database on one of the file systems below; else mount with `cache.files=auto-full`, and test it"
                }
                _ => "put the database on one of the file systems below",
            })
            .related(mount, "mounted here")
            .settled_by(probe_of(graph, id))
            .known_by(graph.database(id)),
    )
}

/// The option by which the server keeps files out of the page cache.
fn uncached(storage: &Storage) -> Option<&Spanned<String>> {
    let allowed = storage.option_that(|option| option == "direct-io-allow-mmap=true").is_some();
    storage.option_that(|option| matches!(option, "direct_io" | "cache.files=off")).filter(|_| !allowed)
}
