//! World `two-clients-writeback`: two network clients of one directory; locks are shared, writes reach the server later.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; locks are shared, writes reach the server later.
pub static WORLD: World = World {
    name: "two-clients-writeback",
    explain: include_str!("two_clients_writeback.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::WriteBack, 1000);
