//! A process that cannot run holds a lock that others need.

use walproof_format::sqlite::lock_bytes::Lock;

use super::{Alarm, Level, Seen};
use crate::watch::Raised;
use crate::watch::moment::{Runs, Watched, WatchedOpener};

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "frozen-lock-holder",
    line: "a process that is paused, stopped or stuck holds a lock that others need",
    explain: include_str!("frozen_lock_holder.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Raised> {
    let all = seen.moment.databases.iter();
    all.flat_map(|watched| watched.openers.iter().filter_map(|opener| holder(seen, watched, opener))).collect()
}

fn holder(seen: &Seen<'_>, watched: &Watched, opener: &WatchedOpener) -> Option<Raised> {
    let (what, try_this) = match &opener.runs {
        Runs::Freely | Runs::Zombie => return None,
        Runs::Frozen => ("frozen (its cgroup is paused)", "let it go on: `docker unpause`, `podman unpause`"),
        Runs::Stopped => ("stopped by a signal or a debugger", "let it go on: `kill -CONT`, or detach the debugger"),
        Runs::InKernel { .. } => ("stuck in the kernel", "look at its storage: `dmesg`, the server of its file system"),
    };
    // What everybody holds all the while keeps nobody out.
    let in_the_way = |lock: &Lock| !matches!(lock, Lock::Dms | Lock::Shared | Lock::Read0);
    let held = opener.locks.iter().flatten();
    let held: Vec<Lock> = held.filter(|one| in_the_way(&one.lock) || one.exclusive).map(|one| one.lock).collect();
    let since = seen.past.halted_since_ms(&watched.path, opener.pid, opener.started_ticks, &opener.runs)?;
    let lasts = seen.moment.elapsed_ms.saturating_sub(since);
    if held.is_empty() || lasts < seen.thresholds.frozen_holder_ms {
        return None;
    }
    let names: Vec<&str> = held.iter().map(|lock| lock.name()).collect();
    let who = seen.moment.who(opener);
    Some(Raised {
        alarm: ALARM.name,
        level: Level::Warning,
        about: format!("{} pid {} {}", watched.path, opener.pid, opener.started_ticks),
        database: Some(watched.path.clone()),
        container: seen.moment.container_of(opener).map(|one| one.container.name.clone()),
        pid: Some(opener.pid),
        since_unix_ms: seen.unix_ms(since),
        says: format!("{who} is {what} and holds {} of `{}`", names.join(", "), watched.path),
        witness: vec![format!("held and halted at every look for {lasts} ms")],
        try_this: try_this.to_owned(),
    })
}
