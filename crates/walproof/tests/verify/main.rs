//! The main job from outside: the real binary, real containers, real SQLite.
//!
//! What this room is: one file for each theme. All themes are one test binary, because what stresses the machine must
//! not run beside other stress (`support::stress_alone`), and because each static binary takes its time to link.
//! What it must not do: look into walproof; what a user cannot see is tested where it lives.
//! Where to look next: `support/`. What cannot be tested on a machine says `skipped: why`, also among passing tests;
//! `WALPROOF_REQUIRE=containers,filesystems` makes such a skip a failure, as `.ci/run` does.

mod bang;
mod engines;
mod file_systems;
mod leavings;
mod misuse;
mod own;
mod probe;
mod process_runtime;
mod selftest;
mod support;
mod verdicts;
mod worlds;
