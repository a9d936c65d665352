//! The project's own chores: `cargo xtask bench NAME`, `cargo xtask prove NAME`.
//!
//! What this room is: a file for each chore; `flags.rs`, `result.rs` and `ground.rs` serve them all.
//! Exit codes: 0 what was to be shown is shown, 1 it is not, 2 the chore itself failed or was misused.
//! Where to look next: `prove.rs` for what all proofs share, `benchsuite/runs/` for what came out of them.

mod bare_loop;
mod bench_back_off;
mod bench_check;
mod bench_checker;
mod bench_detection;
mod bench_harness;
mod bench_health;
mod bench_inspect;
mod bench_logs;
mod bench_mix;
mod bench_run;
mod bench_start;
mod bench_watch;
mod flags;
mod ground;
mod prove;
mod prove_fuzz;
mod prove_hour;
mod prove_inspect;
mod prove_memory;
mod prove_probe;
mod prove_scale;
mod prove_sound;
mod prove_wal_reset;
mod prove_watch_harmless;
mod prove_worlds;
mod result;

use std::process::ExitCode;

use walproof_lab::collect::live;
use walproof_lab::runtimes;

use crate::flags::Flags;

const USAGE: &str = "no such chore
try: one of
  cargo xtask bench checker [--records N] [--agents K]
  cargo xtask bench check  [--files 1000] [--rounds 5] [--peers dclint,yamllint]
  cargo xtask bench harness [--seconds 3] [--rounds 5] [--agents 1,2,4,8] [--runtime process] [--dir DIR]
  cargo xtask bench health  [--rounds 200]
  cargo xtask bench watch   [--pairs 40] [--slice 1s] [--every 100ms] [--agents 2] [--dir DIR]
  cargo xtask bench detection [--runs 5] [--time 45s] [--jobs 1]
  cargo xtask prove hour    [--total 60m] [--time 40s] [--only ext4,tmpfs,xfs,btrfs] [--jobs 2]
  cargo xtask bench back-off [--seconds 30] [--rounds 3] [--agents 8] [--synchronous normal] [--dir DIR]
  cargo xtask bench logs [--megabytes 1000]
  cargo xtask bench inspect [--rounds 7] [--mebibytes 1024] [--page-size 4096] [--dir /dev/shm]
  cargo xtask bench mix [--seconds 10] [--rounds 3] [--agents 2] [--rows 1000000] [--dir DIR]
  cargo xtask bench start [--rounds 15] [--only docker,podman,runc]
  cargo xtask prove sound   [--runs 20] [--time 20s] [--only ext4,tmpfs,xfs,btrfs] [--jobs 1]
  cargo xtask prove worlds  [--runs 20] [--time 10s] [--only WORLD,...] [--journal wal,delete] [--jobs 1]
  cargo xtask prove probe   [--runs 200] [--broken-runs 50] [--kills 100] [--only sound,broken,killed] [--jobs 2]
  cargo xtask prove watch-harmless [--polls 100000] [--round 30s] [--agents 2]
  cargo xtask prove inspect [--histories 2000] [--seed 1]
  cargo xtask prove memory  [--time 5m]
  cargo xtask prove fuzz    [--time 10m] [--only TARGET,...] [--jobs 2]
  cargo xtask prove scale   [--time 3m] [--agents 75] [--workload NAME,...]
  cargo xtask prove wal-reset [--runs 5] [--time 20s] [--bundled-runs 1] [--bundled-time 180s] [--only canary,bundled]
                         [--agents 3] [--think 300] [--synchronous off] [--until-found 1]
all but `bench checker` take [--result FOLDER], by default benchsuite/runs";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rest = || Flags::new(&arguments[2.min(arguments.len())..]);
    let done = match words.as_slice() {
        ["bench", "checker", ..] => bench_checker::run(&arguments[2..]).map(|()| true),
        ["bench", "check", ..] => rest().and_then(bench_check::run),
        ["bench", "harness", ..] => rest().and_then(bench_harness::run),
        ["bench", "health", ..] => rest().and_then(bench_health::run),
        ["bench", "watch", ..] => rest().and_then(bench_watch::run),
        ["bench", "detection", ..] => rest().and_then(bench_detection::run),
        ["prove", "hour", ..] => rest().and_then(prove_hour::run),
        ["bench", "back-off", ..] => rest().and_then(bench_back_off::run),
        ["bench", "start", ..] => rest().and_then(bench_start::run),
        ["bench", "logs", ..] => rest().and_then(bench_logs::run),
        ["bench", "inspect", ..] => rest().and_then(bench_inspect::run),
        ["bench", "mix", ..] => rest().and_then(bench_mix::run),
        ["prove", "sound", ..] => rest().and_then(prove_sound::run),
        ["prove", "worlds", ..] => rest().and_then(prove_worlds::run),
        ["prove", "wal-reset", ..] => rest().and_then(prove_wal_reset::run),
        ["prove", "probe", ..] => rest().and_then(prove_probe::run),
        ["prove", "scale", ..] => rest().and_then(prove_scale::run),
        ["prove", "fuzz", ..] => rest().and_then(prove_fuzz::run),
        ["prove", "watch-harmless", ..] => rest().and_then(prove_watch_harmless::run),
        ["prove", "inspect", ..] => rest().and_then(prove_inspect::run),
        ["prove", "memory", ..] => rest().and_then(prove_memory::run),
        // What this binary is to itself: the agents and the bare loops of `bench harness`.
        ["agent"] => return code(walproof_agent::agent_main()),
        [prove_watch_harmless::POLL, kind, path] => prove_watch_harmless::poll_main(kind, path).map(|()| true),
        [live::LOOK] => return code(live::look_main()),
        [runtimes::HELPER, ..] => return code(runtimes::helper_main(&arguments[1..])),
        [bare_loop::NAME, configuration] => bare_loop::child_main(configuration).map(|()| true),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(shown) => code(i32::from(!shown)),
        Err(message) => {
            eprintln!("xtask: {message}");
            code(2)
        }
    }
}

fn code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(2))
}
