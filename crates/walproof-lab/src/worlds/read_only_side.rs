//! World `read-only-side`: every second agent has a read-only mount of the directory and only reads.

use std::io;
use std::path::Path;

use walproof_format::protocol::{Duty, Quirks};

use super::{Expectation, Fault, Ground, Needs, World, every_second};
use crate::runtimes::Mount;

/// every second agent has a read-only mount of the directory and only reads.
pub static WORLD: World = World {
    name: "read-only-side",
    explain: include_str!("read_only_side.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Refuses,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    every_second(scratch, agents, |view| {
        for mount in &mut view.mounts {
            if let Mount::Bind { read_only, .. } = mount {
                *read_only = true;
            }
        }
        view.quirks = Quirks { read_only: true, ..Quirks::default() };
        view.duty = Duty::Read;
    })
}
