//! One crippled party: what a probe must answer when one side cannot, or is not there any more.
//!
//! What this file is: the [`CRIPPLES`] slice, each with what must come of it. A cripple changes the last party's view
//! before it starts, or strikes while the probe goes on.
//! What it must not do: touch anything but the probe's own parties and storage of ours.

use std::time::Duration;

use walproof_format::protocol::{Call, Quirks};
use walproof_judge::verdict::VerdictKind;

use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::runtimes::Mount;
use crate::worlds::View;

/// How a party is crippled.
#[derive(Debug)]
pub struct Cripple {
    /// Kebab-case name.
    pub name: &'static str,
    /// One line for people.
    pub explain: &'static str,
    /// The world that has what it needs.
    pub world: &'static str,
    /// What must come of it for WAL and for DELETE.
    pub expected: [VerdictKind; 2],
    /// What the reason must say.
    pub reason: &'static str,
    /// How.
    pub how: How,
}

/// What is done to it.
#[derive(Debug)]
pub enum How {
    /// It sees something else from the start.
    View(fn(&mut View)),
    /// Something happens to it in the middle.
    Strike(fn(&Fleet<'_>, u16) -> Result<(), LabError>),
}

/// A user that owns nothing here.
const STRANGER: u32 = 64_321;
/// After so long a probe is in its middle: the scratch files are made, and nothing was changed yet.
pub const MIDDLE: Duration = Duration::from_millis(30);
/// A server that is frozen stays so.
const FROZEN: Duration = Duration::from_secs(60);

use VerdictKind::{Refuses, Safe, Unknown, Unsafe};

/// All cripples, by name.
pub static CRIPPLES: &[Cripple] = &[
    Cripple {
        name: "deny-locks",
        explain: "fcntl locks fail with EPERM",
        world: "shared-directory",
        expected: [Refuses, Refuses],
        reason: "errno 1",
        how: How::View(|view| view.quirks = Quirks::refusing(Call::Lock, libc::EPERM)),
    },
    Cripple {
        name: "deny-shared-memory",
        explain: "mmap of a wal-index fails with EPERM",
        world: "shared-directory",
        expected: [Refuses, Safe],
        reason: "cannot map shared memory (errno 1)",
        how: How::View(|view| view.quirks = Quirks::refusing(Call::SharedMemory, libc::EPERM)),
    },
    Cripple {
        name: "fake-locks",
        explain: "fcntl locks are answered with success and not taken",
        world: "shared-directory",
        expected: [Unsafe, Unsafe],
        reason: "is granted a lock",
        how: How::View(|view| view.quirks = Quirks::refusing(Call::Lock, 0)),
    },
    Cripple {
        name: "freeze-server",
        explain: "the server of the storage stops answering",
        world: "one-client-shared",
        expected: [Unknown, Unknown],
        reason: "did not answer",
        how: How::Strike(freeze_server),
    },
    Cripple {
        name: "kill-party",
        explain: "SIGKILL in the middle",
        world: "shared-directory",
        expected: [Unknown, Unknown],
        reason: "this party has ended",
        how: How::Strike(|fleet, party| fleet.kill(party)),
    },
    Cripple {
        name: "other-user",
        explain: "a user that may not write to the directory",
        world: "shared-directory",
        expected: [Refuses, Refuses],
        reason: "errno 13",
        how: How::View(|view| view.user = Some((STRANGER, STRANGER))),
    },
    Cripple {
        name: "pause-party",
        explain: "SIGSTOP in the middle",
        world: "shared-directory",
        expected: [Unknown, Unknown],
        reason: "is stopped",
        how: How::Strike(|fleet, party| fleet.pause(party).map(drop)),
    },
    Cripple {
        name: "read-only",
        explain: "its mount is read-only",
        world: "shared-directory",
        expected: [Refuses, Refuses],
        reason: "errno 30",
        how: How::View(make_read_only),
    },
];

/// The cripple of this name.
pub fn find(name: &str) -> Result<&'static Cripple, LabError> {
    CRIPPLES.iter().find(|cripple| cripple.name == name).ok_or_else(|| {
        let names: Vec<&str> = CRIPPLES.iter().map(|cripple| cripple.name).collect();
        LabError::new(format!("there is no cripple `{name}`"), format!("they are {}", names.join(", ")), "one of these")
    })
}

fn make_read_only(view: &mut View) {
    for mount in &mut view.mounts {
        if let Mount::Bind { read_only, .. } = mount {
            *read_only = true;
        }
    }
}

fn freeze_server(fleet: &Fleet<'_>, _party: u16) -> Result<(), LabError> {
    if fleet.clients().is_empty() {
        let because = "the world has no storage of ours that it could freeze";
        return Err(LabError::new("cannot freeze the server", because, "`--world one-client-shared`"));
    }
    fleet.clients().iter().for_each(|client| client.knobs().stall(FROZEN));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cripples_are_sorted_and_found() {
        assert!(CRIPPLES.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(CRIPPLES.iter().all(|cripple| find(cripple.name).is_ok_and(|found| !found.explain.is_empty())));
        assert!(find("amputate").is_err());
    }
}
