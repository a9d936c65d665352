//! World `two-clients-cached-always`: two network clients of one directory; locks are shared, pages kept for ever.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory; locks are shared, pages kept for ever.
pub static WORLD: World = World {
    name: "two-clients-cached-always",
    explain: include_str!("two_clients_cached_always.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::CachedAlways, 3600000);
