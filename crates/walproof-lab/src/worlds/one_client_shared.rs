//! World `one-client-shared`: one network client, its mount shared by all containers.

use super::{Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// one network client, its mount shared by all containers.
pub static WORLD: World = World {
    name: "one-client-shared",
    explain: include_str!("one_client_shared.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS)]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::CachedAlways, 1000).with_unsynced_writes_remembered();
