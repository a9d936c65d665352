//! Signature `pool-exhausted`: a pool or a timeout of the driver hides SQLITE_BUSY.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A pool or a timeout of the driver hides SQLITE_BUSY.
pub static SIGNATURE: Signature = Signature {
    name: "pool-exhausted",
    line: "A pool or a timeout of the driver hides SQLITE_BUSY",
    explain: include_str!("pool_exhausted.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["p1008"],
        &["database failed to respond to a query within"],
        &["timed out fetching a new connection from the connection pool"],
        &["queuepool limit of size"],
        &["knex: timeout acquiring a connection"],
    ],
    confirm: Some(is_not_of_a_server),
    ..Signature::NOTHING
};

/// The same pools stand before servers.
fn is_not_of_a_server(reading: &Reading) -> bool {
    let is_of_a_server = ["postgres", "mysql", "mariadb", "mssql"].iter().any(|name| reading.text.contains(name));
    !is_of_a_server && (!reading.text.contains("p1008") || reading.has_word("p1008"))
}
