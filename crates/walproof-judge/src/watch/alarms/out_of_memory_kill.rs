//! A process of a container that has a database open was killed because memory ran out.
//!
//! What it must not do: say that it damaged the database: SIGKILL does not.
//! Where to look next: `comings.rs`, which counts; `restart_loop.rs`.

use super::{Alarm, Found, Level, Seen, size, span};
use crate::watch::Raised;
use crate::watch::comings::{ContainerPast, InferredKill};

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "out-of-memory-kill",
    line: "a process of a container was killed because memory ran out",
    explain: include_str!("out_of_memory_kill.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.past.containers().filter_map(|(name, past)| killed(seen, name, past)).map(Found::from).collect()
}

fn killed(seen: &Seen<'_>, name: &str, past: &ContainerPast) -> Option<Raised> {
    let at = past.oom_ms.filter(|at| seen.lasts_ms(*at) <= seen.thresholds.stays_ms)?;
    let killed =
        if past.oom_kills == 1 { "1 process was".to_owned() } else { format!("{} processes were", past.oom_kills) };
    let ago = span(seen.lasts_ms(at));
    let mut witness = vec![format!("{killed} killed since the watch began, the last {ago} ago")];
    if let Some(inferred) = &past.inferred {
        let used = inferred.memory_bytes.map_or("an unknown part".to_owned(), size);
        witness.push(format!(
            "the machine counted the kill while a process of {name} ended, and nothing else that is watched did; it used {used} of {} before",
            size(inferred.limit_bytes)
        ));
    }
    let sure = past.inferred.as_ref().is_none_or(InferredKill::is_likely);
    let one = seen.moment.containers.iter().find(|one| one.container.name == name);
    witness.extend(one.and_then(|one| {
        let (used, limit) = (one.memory_bytes?, one.container.memory_limit_bytes?);
        Some(format!("it uses {} of {} now", size(used), size(limit)))
    }));
    Some(Raised {
        alarm: ALARM.name,
        level: if sure { Level::Warning } else { Level::Notice },
        about: name.to_owned(),
        database: None,
        container: Some(name.to_owned()),
        pid: None,
        since_unix_ms: seen.unix_ms(at),
        says: match past.inferred {
            None => format!("memory ran out in container {name}, and the kernel killed a process of it"),
            Some(_) => format!("memory ran out, and the kernel most likely killed a process of container {name}"),
        },
        witness,
        try_this:
            "raise its limit, or let it use less (`PRAGMA cache_size`, `PRAGMA temp_store`); the next opener recovers \
                   the log by itself"
                .to_owned(),
    })
}
