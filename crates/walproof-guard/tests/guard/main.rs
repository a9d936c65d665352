//! The guard at work: on paths of every shape, mounts of its own making, system calls that lie, and from other languages.
//!
//! What it must not do: leave a mount, a process or a file. Mounts, users and filters are given to one thread each, and
//! go with it.
//! Where to look next: `bench` for how. `WALPROOF_REQUIRE=guard` makes every skip a failure.

mod bench;
mod dependencies;
mod documented;
mod header;
mod lying_kernel;
mod mounts;
mod other_languages;
mod path_shapes;
