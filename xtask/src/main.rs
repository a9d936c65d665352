//! The project's own chores: `cargo xtask bench NAME`, `cargo xtask prove NAME`.

mod bench_checker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["bench", "checker", ..] => bench_checker::run(&arguments[2..]),
        _ => Err("no such chore\ntry: `cargo xtask bench checker [--records N] [--agents K]`".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
