//! The only library that touches the world.
//!
//! What this room is: [`runtimes`] start containers, [`run`] plans and supervises a run and cleans up after it.
//! What it must not do: open a user's database with SQLite, print, exit.
//! Where to look next: `walproof-judge` for what is concluded from what is collected here.

pub mod run;
pub mod runtimes;
