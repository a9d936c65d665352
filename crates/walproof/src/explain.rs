//! `walproof explain`: the documentation of any anomaly, nemesis, world or workload.

use walproof_agent::workloads::{self, WORKLOADS};
use walproof_judge::checkers::AnomalyKind;
use walproof_lab::error::LabError;
use walproof_lab::nemeses::NEMESES;
use walproof_lab::worlds::WORLDS;

/// Prints the pages of a name, or the list.
pub fn run(name: Option<&str>) -> Result<i32, LabError> {
    match name {
        None => list(),
        Some(name) => {
            let pages = pages(name);
            if pages.is_empty() {
                return Err(LabError::new(
                    format!("nothing is called `{name}`"),
                    "it is no anomaly, no nemesis, no world and no workload",
                    "`walproof explain` for the list",
                ));
            }
            for (what, page) in pages {
                // Anomalies bring their own heading.
                let page = page.trim().trim_start_matches(&format!("# {name}\n")).trim();
                say!("# {name} ({what})\n\n{page}\n");
            }
        }
    }
    Ok(0)
}

/// A nemesis and a world may share a name: what strikes one side for a while, and what all sides have.
fn pages(name: &str) -> Vec<(&'static str, &'static str)> {
    let anomaly = AnomalyKind::from_name(name).map(|kind| ("anomaly", kind.explain()));
    let nemesis = NEMESES.iter().find(|nemesis| nemesis.name == name).map(|nemesis| ("nemesis", nemesis.explain));
    let world = WORLDS.iter().find(|world| world.name == name).map(|world| ("world", world.explain));
    let workload = workloads::find(name).map(|kind| ("workload", kind.explain));
    [anomaly, nemesis, world, workload].into_iter().flatten().collect()
}

fn list() {
    say!("anomalies");
    AnomalyKind::ALL.iter().for_each(|kind| say!("  {}", kind.name()));
    say!("nemeses                           WAL                DELETE             on a sound boundary");
    for nemesis in NEMESES {
        let usual = if nemesis.usual { "in every run" } else { "" };
        say!("  {:<31} {:<18} {:<18} {usual}", nemesis.name, nemesis.wal.word(), nemesis.rollback.word());
    }
    say!("workloads");
    WORKLOADS.iter().for_each(|kind| say!("  {:<31} {}", kind.name, kind.line));
    say!("worlds                            WAL                DELETE");
    for world in WORLDS {
        say!("  {:<31} {:<18} {}", world.name, world.wal.word(), world.rollback.word());
    }
}
