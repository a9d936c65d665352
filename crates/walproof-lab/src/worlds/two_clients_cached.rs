//! World `two-clients-cached`: two network clients of one directory; locks are shared, attributes believed for 1 s.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; locks are shared, attributes believed for 1 s.
pub static WORLD: World = World {
    name: "two-clients-cached",
    explain: include_str!("two_clients_cached.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::Cached, 1000);
