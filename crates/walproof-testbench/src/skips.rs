//! What cannot be tested on a machine is said where also a passing test is heard, and fails where it is required.
//!
//! `WALPROOF_REQUIRE=containers,docker` makes a skip for want of these a failure. `WALPROOF_SKIP_LOG` is a file that
//! takes the lines of skips: `.ci/run` lets nothing stand in it. Every line reads `skipped: why: what`.
//! What it must not do: find out what a machine has; each test knows what it needs.

use std::fs::OpenOptions;
use std::io::Write;

/// Whether `WALPROOF_REQUIRE` names this.
pub fn is_required(requirement: &str) -> bool {
    let required = std::env::var("WALPROOF_REQUIRE").unwrap_or_default();
    is_among(&required, requirement)
}

fn is_among(required: &str, requirement: &str) -> bool {
    required.split(',').any(|name| name.trim() == requirement)
}

/// Says that something is not tested, and why: on standard error past the harness, which captures only the printing
/// macros, and in `WALPROOF_SKIP_LOG`. Fails when it is required; else the test returns.
#[track_caller]
pub fn skip(requirement: &str, what: &str, why: &str) {
    tell(what, why);
    log(what, why);
    assert!(!is_required(requirement), "required: {requirement}; {}", line(what, why));
}

/// Says it on standard error alone.
pub fn tell(what: &str, why: &str) {
    let _ = std::io::stderr().write_all(line(what, why).as_bytes());
}

/// Notes it in `WALPROOF_SKIP_LOG` alone.
pub fn log(what: &str, why: &str) {
    if let Some(log) = std::env::var_os("WALPROOF_SKIP_LOG") {
        let file = OpenOptions::new().append(true).create(true).open(log);
        file.and_then(|mut file| file.write_all(line(what, why).as_bytes())).expect("the log of skips can be written");
    }
}

fn line(what: &str, why: &str) -> String {
    format!("skipped: {why}: {what}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_a_whole_word_of_the_list() {
        for required in ["docker", "containers,docker", "containers, docker ,podman"] {
            assert!(is_among(required, "docker"), "{required}");
        }
        for required in ["", "podman", "dockerd", "docker podman"] {
            assert!(!is_among(required, "docker"), "{required}");
        }
    }

    #[test]
    fn a_line_says_why_and_what() {
        assert_eq!(line("a-test", "no root"), "skipped: no root: a-test\n");
    }
}
