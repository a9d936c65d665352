//! A container that has a database open restarts again and again.
//!
//! What it must not do: take a program that is started for each piece of work for one; a restart is another first process
//! (number 1 inside) in a container of the same name.
//! Where to look next: `comings.rs`, which counts.

use super::{Alarm, Found, Level, Seen, span};
use crate::watch::Raised;
use crate::watch::comings::ContainerPast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "restart-loop",
    line: "a container that has a database open restarts again and again",
    explain: include_str!("restart_loop.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.past.containers().filter_map(|(name, past)| loops(seen, name, past)).map(Found::from).collect()
}

fn loops(seen: &Seen<'_>, name: &str, past: &ContainerPast) -> Option<Raised> {
    let within_ms = seen.thresholds.restarts_within_ms;
    let recent: Vec<u64> = past.restarts_ms.iter().copied().filter(|at| seen.lasts_ms(*at) <= within_ms).collect();
    let first = *recent.first().filter(|_| recent.len() >= seen.thresholds.restarts)?;
    // A job of a container with a name of its own, started every minute, looks the same, and is slower.
    let is_fast =
        seen.lasts_ms(recent[recent.len() - seen.thresholds.restarts.max(1)]) <= seen.thresholds.restarts_fast_ms;
    let mut witness = vec![format!(
        "its first process (`{}`) was another one {} times within {}",
        past.command,
        recent.len(),
        span(seen.lasts_ms(first))
    )];
    let killed = past.oom_ms.filter(|at| *at >= first);
    witness.extend(killed.map(|_| "memory ran out in the same time: see `out-of-memory-kill`".to_owned()));
    Some(Raised {
        alarm: ALARM.name,
        level: if is_fast { Level::Warning } else { Level::Notice },
        about: name.to_owned(),
        database: Some(past.database.clone()),
        container: Some(name.to_owned()),
        pid: past.pid,
        since_unix_ms: seen.unix_ms(first),
        says: format!(
            "container {name}, which has `{}` open, has restarted {} times within {}",
            past.database,
            recent.len(),
            span(seen.lasts_ms(first))
        ),
        witness,
        try_this: "read why it ended: `docker logs`, `kubectl logs --previous`, or `walproof logs CONTAINER`"
            .to_owned(),
    })
}
