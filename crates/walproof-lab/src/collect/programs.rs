//! Another build of the agent: whether it is one, and with which SQLite.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use walproof_format::protocol::{Hello, Reply, VERSION};

use crate::error::LabError;

/// Starts a program as an agent, hears its first words and lets it go.
pub fn hello_of(program: &Path) -> Result<Hello, LabError> {
    let no_agent = |because: String| {
        LabError::path(
            "no agent of walproof is",
            program,
            because,
            "build it from this version of walproof, see canaries/",
        )
    };
    let mut command = Command::new(program);
    command.arg("agent").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| no_agent(error.to_string()))?;
    let mut line = String::new();
    let heard = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    // Its standard input ends with this, and so does it; who is no agent is not waited for.
    drop(child.stdin.take());
    let _ = child.kill();
    let _ = child.wait();
    if let Some(Err(error)) = heard {
        return Err(no_agent(error.to_string()));
    }
    match serde_json::from_str(&line) {
        Ok(Reply::Hello(hello)) if hello.protocol == VERSION => Ok(hello),
        Ok(Reply::Hello(hello)) => {
            Err(no_agent(format!("it speaks version {} of the protocol, we {VERSION}", hello.protocol)))
        }
        _ => Err(no_agent(format!("it did not say hello but `{}`", line.trim()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_something_else_is_no_agent() {
        let error = hello_of(Path::new("/bin/echo")).expect_err("echo");
        assert!(error.because.contains("`agent`"), "{error}");
        assert!(hello_of(Path::new("/nowhere")).is_err());
    }
}
