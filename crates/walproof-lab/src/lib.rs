//! The only library that touches the world.
//!
//! What this room is: [`collect`] looks, [`probes`] ask two parties, [`runtimes`] start containers, [`clients`] are
//! networked storage on one machine, [`worlds`] prepare boundaries, [`nemeses`] hurt agents, [`run`] plans and
//! supervises a run and cleans up after it, [`rescue`] copies what can still be read of a database.
//! What it must not do: open a user's database with SQLite, print, exit.
//! Where to look next: `walproof-judge` for what is concluded from what is collected here.

pub mod clients;
pub mod clock;
pub mod collect;
pub mod error;
pub mod health;
pub mod image;
pub mod nemeses;
pub mod own;
pub mod probes;
pub mod rescue;
pub mod run;
pub mod runtimes;
pub mod watch;
pub mod worlds;
