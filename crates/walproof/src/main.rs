//! The command line: arguments, terminal, exit codes.
//!
//! What this room is: one file for each command, `arguments.rs` for all flags. Only here is printed and exited.
//! Exit codes: 0 safe or risky, 1 unsafe (or a mode that was asked for is refused), 2 walproof failed or was misused,
//! 3 unknown.
//! Where to look next: `walproof_lab::run::verify` for what `verify` does.

/// `println!` for an output that may go away.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

mod arguments;
mod bang;
mod check;
mod clean;
mod explain;
mod guard;
mod health;
mod image;
mod inspect;
mod interrupt;
mod judge;
mod logs;
mod manifest;
mod output;
mod probe;
mod render;
mod runtime_list;
mod selftest;
mod shrink;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use walproof_lab::collect::{live, storage};
use walproof_lab::error::LabError;
use walproof_lab::runtimes;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    // Only compared with our own words here; clap reads the exact bytes.
    let raw: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    match raw.get(1).map(String::as_str) {
        Some("agent") if raw.len() == 2 => code(walproof_agent::agent_main()),
        Some(storage::ANSWER) if raw.len() == 3 => code(storage::answer_main(raw[2].as_ref())),
        Some(live::LOOK) if raw.len() == 2 => code(live::look_main()),
        Some(runtimes::HELPER) => code(runtimes::helper_main(&raw[2..])),
        _ => user_command(),
    }
}

fn user_command() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no misuse.
            let misuse = error.use_stderr();
            let _ = error.print();
            return code(if misuse { 2 } else { 0 });
        }
    };
    let outcome = match arguments.command {
        Command::Verify(flags) => verify::run(&flags),
        Command::Bang(flags) => bang::run(&flags),
        Command::Probe(flags) => probe::run(&flags),
        Command::Judge(flags) => judge::run(&flags),
        Command::Inspect(flags) => inspect::run(&flags),
        Command::Logs(flags) => logs::run(&flags),
        Command::Watch(flags) => watch::run(&flags),
        Command::Check(flags) => check::run(&flags),
        Command::Shrink(flags) => shrink::run(&flags),
        Command::Selftest(flags) => selftest::run(&flags),
        Command::Runtimes { json } => runtime_list::run(json),
        Command::Image(flags) => image::run(&flags),
        Command::Manifest(kind) => manifest::run(&kind),
        Command::Guard(flags) => guard::run(&flags),
        Command::Health(flags) => health::run(&flags),
        Command::Explain { name } => explain::run(name.as_deref()),
        Command::Clean { run, guard } => clean::run(run.as_deref(), guard.as_deref()),
    };
    code(outcome.unwrap_or_else(|error| fail(&error)))
}

/// Our work failed: what, because, try. Exit 2, or 3 when it was our sight that failed.
fn fail(error: &LabError) -> i32 {
    eprintln!("walproof: {error}");
    if error.blind { 3 } else { 2 }
}

fn code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(2))
}
