//! The storage of a database does not answer.
//!
//! What it must not do: tell anything else of that database; what is known of it is from before.
//! Where to look next: `stuck_in_kernel.rs` for processes that wait for it.

use super::{Alarm, Found, Level, Seen, span};
use crate::watch::Raised;
use crate::watch::moment::{Runs, Watched};

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "storage-silent",
    line: "the storage of a database does not answer",
    explain: include_str!("storage_silent.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.moment.databases.iter().filter_map(|watched| silent(seen, watched)).map(Found::from).collect()
}

fn silent(seen: &Seen<'_>, watched: &Watched) -> Option<Raised> {
    let silent_ms = watched.silent_ms.filter(|silent_ms| *silent_ms >= seen.thresholds.silent_ms)?;
    let level = if silent_ms >= seen.thresholds.silent_long_ms { Level::Warning } else { Level::Notice };
    let mut witness = vec![format!("a look at its files has gone without an answer for {}", span(silent_ms))];
    witness.extend(watched.mount.as_ref().map(|mount| format!("it lies on `{}` of `{}`", mount.fstype, mount.source)));
    let stuck = |runs: &Runs| matches!(runs, Runs::InKernel { .. });
    witness.extend(watched.openers.iter().map(|opener| {
        let waits = if stuck(&opener.runs) { " and waits in the kernel" } else { "" };
        format!("{} has it open{waits}", seen.moment.who(opener))
    }));
    let raised = Raised {
        since_unix_ms: seen.moment.unix_ms.saturating_sub(silent_ms),
        says: format!("the storage of `{}` has not answered for {}", watched.path, span(silent_ms)),
        witness,
        try_this:
            "bring the server or the disk back (`dmesg`, its own logs); `busy_timeout` does not help: no lock is \
                   waited for"
                .to_owned(),
        ..seen.of_database(&ALARM, level, watched)
    };
    let sufferer = watched.openers.iter().find(|opener| stuck(&opener.runs)).or(watched.openers.first());
    Some(match sufferer {
        Some(opener) => seen.by(raised, opener),
        None => raised,
    })
}
