//! World `two-clients-direct-io-local-locks`: two network clients of one directory; no page is kept, each answers locks by itself.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; no page is kept, each answers locks by itself.
pub static WORLD: World = World {
    name: "two-clients-direct-io-local-locks",
    explain: include_str!("two_clients_direct_io_local_locks.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::DirectIo, 0).with_local_locks();
