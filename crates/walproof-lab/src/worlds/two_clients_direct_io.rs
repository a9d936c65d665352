//! World `two-clients-direct-io`: two network clients of one directory; locks are shared, no page is kept, shared mappings are refused.

use super::{Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; locks are shared, no page is kept, shared mappings are refused.
pub static WORLD: World = World {
    name: "two-clients-direct-io",
    explain: include_str!("two_clients_direct_io.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::DirectIo, 0).with_unsynced_writes_remembered();
