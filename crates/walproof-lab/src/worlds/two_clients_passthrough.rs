//! World `two-clients-passthrough`: two network clients of one directory whose kernel uses the backing file itself.

use super::{Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// two network clients of one directory whose kernel uses the backing file itself.
pub static WORLD: World = World {
    name: "two-clients-passthrough",
    explain: include_str!("two_clients_passthrough.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::Passthrough, 0);
