//! The guard's table of file systems and the judge's say the same: the guard is embedded without the judge, and the judge
//! may not depend on the guard, so each has a table, and this test keeps them one.
//!
//! Where to look next: `walproof_guard::FILESYSTEMS`, `walproof_judge::sharing::lower::nature_of_type`,
//! `walproof_judge::storage::mount_options`.

use walproof_guard::{FILESYSTEMS, Ground, MOUNT_OPTIONS, Verdict};
use walproof_judge::sharing::Nature;
use walproof_judge::sharing::lower::nature_of_type;
use walproof_judge::storage::mount_options::{Weight, meaning};

#[test]
fn every_file_system_of_the_guard_has_the_same_nature_in_the_graph() {
    for row in FILESYSTEMS {
        let nature = nature_of_type(row.fstype);
        let same = match row.ground {
            Ground::Local => nature == Nature::Local,
            Ground::Memory => nature == Nature::Memory,
            Ground::Layered => nature == Nature::Layered,
            Ground::Mirror => matches!(nature, Nature::Mirror(_)),
            Ground::HostShare => matches!(nature, Nature::HostShare(_)),
            // A bucket is reached over a network; rules say more of it.
            Ground::Network => matches!(nature, Nature::Network(_) | Nature::ObjectStore(_)),
        };
        assert!(same, "{}: {:?} in the guard, {nature:?} in the graph", row.fstype, row.ground);
    }
}

#[test]
fn an_option_that_is_unsafe_to_the_guard_is_a_danger_to_the_judge() {
    for row in MOUNT_OPTIONS.iter().filter(|row| row.ceiling == Verdict::Unsafe) {
        for fstype in row.fstypes {
            let known = meaning(fstype, row.option);
            assert!(known.is_some_and(|known| known.weight == Weight::Danger), "{fstype} {}", row.option);
        }
    }
}
