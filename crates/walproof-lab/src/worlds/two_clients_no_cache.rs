//! World `two-clients-no-cache`: two network clients of one directory; locks are shared, nothing is believed without asking.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; locks are shared, nothing is believed without asking.
pub static WORLD: World = World {
    name: "two-clients-no-cache",
    explain: include_str!("two_clients_no_cache.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::Cached, 0).with_unsynced_writes_remembered();
