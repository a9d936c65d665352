//! World `mixed-vfs-none`: every second agent opens the database with the VFS `unix-none`.

use walproof_format::protocol::Quirks;

use super::{BROKEN, Expectation, Fault, Needs, World, every_second};

/// every second agent opens the database with the VFS `unix-none`.
pub static WORLD: World = World {
    name: "mixed-vfs-none",
    explain: include_str!("mixed_vfs_none.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Unsafe,
    fault: Fault::Openers,
    needs: Needs::Nothing,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| every_second(scratch, agents, |view| view.quirks = quirks()),
};

fn quirks() -> Quirks {
    Quirks { vfs: Some("unix-none".into()), ..Quirks::default() }
}
