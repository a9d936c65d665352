//! World `different-users`: every second agent is another user, who may read the files and not write them.

use super::{Expectation, Fault, Needs, World, every_second};

/// every second agent is another user, who may read the files and not write them.
pub static WORLD: World = World {
    name: "different-users",
    explain: include_str!("different_users.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Refuses,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| every_second(scratch, agents, |view| view.user = Some((12_345, 12_345))),
};
