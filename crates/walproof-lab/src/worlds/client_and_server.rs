//! World `client-and-server`: one side is a network client, the other works on the server's own directory.

use super::{BROKEN, Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Pages};

/// one side is a network client, the other works on the server's own directory.
pub static WORLD: World = World {
    name: "client-and-server",
    explain: include_str!("client_and_server.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| sides(scratch, agents, &[Side::Client(OPTIONS), Side::Server]),
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::Cached, 1000);
