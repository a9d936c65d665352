//! A canary: the agent with SQLite 3.51.1. Its only work is `walproof-agent-3-51-1 agent`, on the lab's line.
//!
//! What this package must not do: contain anything else. The sources are those of `crates/walproof-agent`; only
//! `Cargo.toml` and `Cargo.lock` differ.
//! Where to look next: `xtask/src/prove_wal_reset.rs`, which shows that the bug is found.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words != ["agent"] {
        eprintln!("walproof: this is an agent with SQLite {}, and nothing else", walproof_agent::sqlite_version());
        eprintln!("because: it lacks everything but the command `agent`\ntry: `walproof bang --agent` with this file");
        return ExitCode::from(2);
    }
    ExitCode::from(u8::try_from(walproof_agent::agent_main()).unwrap_or(2))
}
