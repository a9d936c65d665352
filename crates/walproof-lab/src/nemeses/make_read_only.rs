//! Nemesis `make-read-only`: one agent's mount is read-only for a while.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;
use crate::runtimes::Mount;

/// One agent's mount is read-only for a while.
pub static NEMESIS: Nemesis = Nemesis {
    name: "make-read-only",
    explain: include_str!("make_read_only.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 600 },
    usual: false,
    needs: Needs::Limits,
    wal: Effect::Loud,
    rollback: Effect::Loud,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    fleet.cripple(agent, |view| view.mounts.iter_mut().for_each(make_read_only))?;
    Ok(Wound::new(move || fleet.make_whole(agent)))
}

fn make_read_only(mount: &mut Mount) {
    if let Mount::Bind { read_only, .. } = mount {
        *read_only = true;
    }
}
