//! World `different-users-one-group`: every second agent is another user of the group that may write the directory.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, fchown};
use std::path::Path;

use super::{Expectation, Fault, Ground, Needs, World, every_second};

/// every second agent is another user of the group that may write the directory.
pub static WORLD: World = World {
    name: "different-users-one-group",
    explain: include_str!("different_users_one_group.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare,
};

/// The group that both users are in.
const GROUP: u32 = 12_345;

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let mut ground = every_second(scratch, agents, |view| view.user = Some((54_321, GROUP)))?;
    ground.creators[0].user = Some((12_345, GROUP));
    ground.views.iter_mut().step_by(2).for_each(|view| view.user = Some((12_345, GROUP)));
    let folder = &ground.creators[0].folder;
    chown(folder, Some(12_345), Some(GROUP))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o2770))?;
    // SQLite gives the sidecars the mode of the database.
    let database = fs::File::create_new(&ground.database)?;
    fchown(&database, Some(12_345), Some(GROUP))?;
    fs::set_permissions(&ground.database, fs::Permissions::from_mode(0o660))?;
    Ok(ground)
}
