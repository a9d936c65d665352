//! `walproof explain`: the documentation of any anomaly, nemesis or world.

use walproof_judge::checkers::AnomalyKind;
use walproof_lab::error::LabError;
use walproof_lab::nemeses::NEMESES;
use walproof_lab::worlds::WORLDS;

/// Prints one page, or the list.
pub fn run(name: Option<&str>) -> Result<i32, LabError> {
    match name {
        None => list(),
        Some(name) => {
            let page = page(name).ok_or_else(|| {
                LabError::new(
                    format!("nothing is called `{name}`"),
                    "it is no anomaly, no nemesis and no world",
                    "`walproof explain` for the list",
                )
            })?;
            say!("# {name}\n\n{}", page.trim());
        }
    }
    Ok(0)
}

fn page(name: &str) -> Option<&'static str> {
    let anomaly = AnomalyKind::from_name(name).map(AnomalyKind::explain);
    let nemesis = NEMESES.iter().find(|nemesis| nemesis.name == name).map(|nemesis| nemesis.explain);
    let world = WORLDS.iter().find(|world| world.name == name).map(|world| world.explain);
    anomaly.or(nemesis).or(world)
}

fn list() {
    say!("anomalies");
    AnomalyKind::ALL.iter().for_each(|kind| say!("  {}", kind.name()));
    say!("nemeses");
    NEMESES.iter().for_each(|nemesis| say!("  {}", nemesis.name));
    say!("worlds                     WAL       DELETE");
    for world in WORLDS {
        say!("  {:<24} {:<9} {}", world.name, world.wal.word(), world.rollback.word());
    }
}
