//! World `two-clients-local-locks`: two network clients of one directory; each answers locks by itself.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; each answers locks by itself.
pub static WORLD: World = World {
    name: "two-clients-local-locks",
    explain: include_str!("two_clients_local_locks.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::Cached, 1000).with_local_locks();
