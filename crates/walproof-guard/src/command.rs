//! `walproof guard PATH` for shell entry points: what to print and the exit code.
//!
//! What this file must not do: print or exit; the command line does.
//! Where to look next: `assessment` for the exit codes' meaning, docs/guard.md for examples.

use std::path::Path;

use crate::{Options, assess_with};

/// What is to be printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// One line for people and logs.
    #[default]
    Line,
    /// The recommended pragmas, ready for `sqlite3`.
    Set,
    /// One JSON document.
    Json,
}

/// What `walproof guard` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandAnswer {
    /// For standard output: one line, with its end.
    pub text: String,
    /// For standard error: with `--set`, the line that tells why; else empty.
    pub aside: String,
    /// 0 safe or risky, 1 unsafe or refuses, 3 unknown (0 with fail open).
    pub exit_code: u8,
}

/// Assesses the path and puts the answer as asked.
pub fn command(path: &Path, options: Options, output: Output) -> CommandAnswer {
    let assessment = assess_with(path, options);
    let (text, aside) = match output {
        Output::Line => (format!("{assessment}\n"), String::new()),
        Output::Set => (format!("{}\n", assessment.pragmas()), format!("{assessment}\n")),
        Output::Json => (format!("{}\n", assessment.to_json()), String::new()),
    };
    CommandAnswer { text, aside, exit_code: assessment.exit_code() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(output: Output) -> CommandAnswer {
        command(Path::new("/nowhere/at/all/app.db"), Options::default(), output)
    }

    #[test]
    fn every_output_is_one_line_with_its_exit_code() {
        for output in [Output::Line, Output::Set, Output::Json] {
            let answer = says(output);
            assert_eq!((answer.text.lines().count(), answer.exit_code), (1, 3), "{answer:?}");
        }
    }

    #[test]
    fn set_is_sql_and_the_reason_stands_aside() {
        let answer = says(Output::Set);
        assert!(answer.text.starts_with("PRAGMA busy_timeout=") && answer.aside.starts_with("unknown: "), "{answer:?}");
    }
}
