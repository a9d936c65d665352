//! An opener waits in one place of the kernel and cannot be interrupted.
//!
//! Each commit waits for the disk that way, for a moment. It is stuck if it was seen at the same place at every look and
//! nothing was committed all the while. A long read of a slow disk looks the same: sure it is only where storage is silent.
//!
//! What it must not do: call a busy disk stuck.
//! Where to look next: `storage_silent.rs`, `frozen_lock_holder.rs`.

use super::{Alarm, Found, Level, Patience, Seen, span};
use crate::watch::Raised;
use crate::watch::moment::{Runs, Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "stuck-in-kernel",
    line: "a process that has a database open waits in the kernel and cannot be interrupted",
    explain: include_str!("stuck_in_kernel.md"),
    look,
};

/// The kernel's functions in which a process waits for a server of files.
const WAITS_FOR_A_SERVER: &[&str] =
    &["request_wait_answer", "fuse_", "nfs", "rpc_", "cifs", "smb", "wait_for_response", "ceph", "p9_", "v9fs"];

fn look(seen: &Seen<'_>) -> Vec<Found> {
    // Also of a database whose storage is silent: that is when it matters.
    let all = seen.moment.databases.iter().filter_map(|one| Some((one, seen.past.database(&one.path)?)));
    all.flat_map(|(watched, past)| watched.openers.iter().filter_map(move |one| stuck(seen, watched, past, one)))
        .collect()
}

fn stuck(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast, opener: &WatchedOpener) -> Option<Found> {
    let Runs::InKernel { at } = &opener.runs else { return None };
    let since_ms = seen.past.halted_since_ms(&watched.path, opener.pid, opener.started_ticks, &opener.runs)?;
    let lasts_ms = seen.lasts_ms(since_ms);
    let goes_on =
        watched.silent_ms.is_none() && past.commits_stood_since_ms().is_some_and(|stood_ms| stood_ms > since_ms);
    if lasts_ms < seen.thresholds.stuck_ms || goes_on {
        return None;
    }
    let server = at.as_ref().is_some_and(|at| WAITS_FOR_A_SERVER.iter().any(|known| at.starts_with(known)));
    let silent = watched.silent_ms.is_some_and(|silent_ms| silent_ms >= seen.thresholds.silent_ms);
    // A long read of a slow disk is seen there each time as well.
    let sure = silent || lasts_ms >= seen.thresholds.stuck_long_ms;
    let place = at.as_deref().unwrap_or("a place that is not told");
    let mut witness = vec![format!("it was seen waiting in `{place}` at every look for {}", span(lasts_ms))];
    if server {
        witness.push("that is where one waits for a server of files".to_owned());
    }
    if silent {
        witness.push("its storage does not answer us either".to_owned());
    }
    witness.extend(
        watched.mount.as_ref().map(|mount| format!("the database lies on `{}` of `{}`", mount.fstype, mount.source)),
    );
    let raised = Raised {
        since_unix_ms: seen.unix_ms(since_ms),
        says: format!(
            "{} waits in the kernel and cannot be interrupted; it has `{}` open",
            seen.moment.who(opener),
            watched.path
        ),
        witness,
        try_this:
            "look at what it waits for: `cat /proc/PID/stack` as root, `dmesg`, the server of its file system; a \
                   signal does not reach it"
                .to_owned(),
        ..seen.of_opener(&ALARM, if sure { Level::Warning } else { Level::Notice }, watched, opener)
    };
    Some(Found { raised, patience: Patience { ms: 0, looks: 2, opener_looks: 1 } })
}
