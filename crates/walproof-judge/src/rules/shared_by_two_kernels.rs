//! Rule `shared-by-two-kernels`: openers of one database run in sandboxes that do not share a kernel.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{CopiesBy, DatabaseId, Graph, Workload};

/// A database shared between sandboxes.
pub static RULE: Rule = Rule {
    name: "shared-by-two-kernels",
    line: "Openers of one database run on different kernels: gVisor, Kata, Firecracker or another virtual machine",
    explain: include_str!("shared_by_two_kernels.md"),
    ground: Ground::Cases(&["C147"]),
    judge,
};

/// Which kernel a container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// That of the node: no runtime is named, or one that is known to use it.
    OfNode,
    /// One of its own, by the name that people know it by.
    Own(&'static str),
    /// The runtime's name says nothing.
    NotKnown,
}

/// Beginnings of names of runtimes whose containers have a kernel of their own.
const SANDBOXES: &[(&str, &str)] = &[
    ("aws.firecracker", "Firecracker"),
    ("firecracker", "Firecracker"),
    ("gvisor", "gVisor"),
    ("io.containerd.kata", "Kata"),
    ("io.containerd.runsc", "gVisor"),
    ("kata", "Kata"),
    ("krun", "libkrun"),
    ("runsc", "gVisor"),
];
const OF_NODE: &[&str] = &["crun", "io.containerd.runc.v2", "nvidia", "runc", "youki"];

fn kernel(workload: &Workload) -> Kernel {
    let Some(runtime) = &workload.runtime else { return Kernel::OfNode };
    let name = runtime.value.rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    match SANDBOXES.iter().find(|(beginning, _)| name.starts_with(beginning)) {
        Some((_, shown)) => Kernel::Own(shown),
        None if OF_NODE.contains(&name.as_str()) => Kernel::OfNode,
        None => Kernel::NotKnown,
    }
}

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| with_another(graph, id).or_else(|| with_itself(graph, id))).collect()
}

fn with_another(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let here = graph.workload(graph.database(id).workload);
    let Kernel::Own(sandbox) = kernel(here) else { return None };
    let is_other = |other: &DatabaseId| {
        let there = graph.workload(graph.database(*other).workload);
        // Containers of one pod share its sandbox; of two sandboxes the first one is told.
        let is_told_there = matches!(kernel(there), Kernel::Own(_)) && *other < id;
        there.pod != here.pod && kernel(there) != Kernel::NotKnown && !is_told_there
    };
    let other = graph.sharers(id).into_iter().find(is_other)?;
    let there = graph.workload(graph.database(other).workload);
    let kernel_there = match kernel(there) {
        Kernel::Own(name) => format!("another sandbox of {name}"),
        _ => "the kernel of the node".to_owned(),
    };
    Some(
        finding(graph, id, sandbox, &format!("{} opens it on {kernel_there}", there.shown()))
            .related(there.span, "the other opener"),
    )
}

fn with_itself(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let here = graph.workload(graph.database(id).workload);
    let Kernel::Own(sandbox) = kernel(here) else { return None };
    let storage = graph.storage(graph.storage_of(id)?);
    let several = here.copies.count_max.is_some_and(|count| count > 1) && here.copies.by != CopiesBy::Default;
    if !several || storage.own_for_each_copy {
        return None;
    }
    Some(
        finding(graph, id, sandbox, "it runs more than once, each in a sandbox of its own")
            .related(here.copies.span, "how many run"),
    )
}

fn finding(graph: &Graph, id: DatabaseId, sandbox: &str, other: &str) -> Finding {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let message = format!("{} opens {} inside {sandbox}, and {other}", workload.shown(), database.shown());
    RULE.finding(Judged::always(Severity::Unsafe), About::database(graph, id), message)
        .at([workload.runtime.as_ref().map(|runtime| runtime.span)])
        .because(
            "the locks and the memory of one sandbox are not those of another: the same lock is granted twice without an \
             error (seen with Kata on virtiofs), and both write",
        )
        .remedy("let one pod or container alone open the database, or run all openers without a sandbox of their own")
        .settled_by("walproof probe --compose FILE")
        .known_by(database)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Place, Span, Spanned};
    use crate::sharing::WorkloadKind;

    #[track_caller]
    fn has(runtime: &str, expected: Kernel) {
        let place = Place { line: 1, column: 1 };
        let span = Span { source: 0, start: place, end: place };
        let mut workload = Workload::new(WorkloadKind::Service, "a");
        workload.runtime = Some(Spanned::new(runtime.to_owned(), span));
        assert_eq!(kernel(&workload), expected, "{runtime}");
    }

    #[test]
    fn runtimes_are_told_by_their_names() {
        has("runsc", Kernel::Own("gVisor"));
        has("gvisor", Kernel::Own("gVisor"));
        has("kata-qemu", Kernel::Own("Kata"));
        has("io.containerd.kata.v2", Kernel::Own("Kata"));
        has("/usr/bin/crun", Kernel::OfNode);
        has("nvidia", Kernel::OfNode);
        has("sysbox-runc", Kernel::NotKnown);
    }
}
