//! `walproof guard`: one line and an exit code for a shell entry point.

use walproof_guard::{Options, Output, WhenUnknown, command};
use walproof_lab::error::LabError;

use crate::arguments::GuardFlags;

/// Asks about the path; never fails.
pub fn run(flags: &GuardFlags) -> Result<i32, LabError> {
    let options = Options {
        probe: !flags.no_probe,
        posix_child: flags.posix_child,
        when_unknown: if flags.fail_open { WhenUnknown::Wal } else { WhenUnknown::NoWal },
    };
    let output = match (flags.set, flags.json) {
        (true, _) => Output::Set,
        (_, true) => Output::Json,
        _ => Output::Line,
    };
    let answer = command(&flags.path, options, output);
    say!("{}", answer.text.trim_end());
    eprint!("{}", answer.aside);
    Ok(i32::from(answer.exit_code))
}
