//! A test binary with a main of its own: it runs itself in other roles, as a container's helper, as a child that looks
//! or as whoever holds a database. What main does not know as a role goes to [`run`].
//!
//! What it must not do: capture what a test says; run two tests at once; note skips in the log. Nobody captures what
//! such a binary says, so that its skips are heard as they are.

use std::panic::catch_unwind;
use std::time::Instant;

use crate::skips;

/// Why a test does not apply here: what is missing, by its name in `WALPROOF_REQUIRE`, and why.
#[derive(Debug)]
pub struct Skip(pub &'static str, pub String);

/// How a test ends that does not panic.
pub type Outcome = Result<(), Skip>;

/// A test and its name.
pub type Test = (&'static str, fn() -> Outcome);

/// Runs the tests whose names contain the word that cargo passed on, all if there is none or it is a flag, and ends the
/// process. `--list` lists them.
pub fn run(tests: &[Test], word: &str) -> ! {
    if word == "--list" {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        std::process::exit(0);
    }
    let filter = if word.starts_with('-') { "" } else { word };
    let wanted = tests.iter().filter(|(name, _)| name.contains(filter));
    let failed = wanted.filter(|(name, body)| !passes(name, *body)).count();
    println!("\ntest result: {}. {failed} failed", if failed == 0 { "ok" } else { "FAILED" });
    std::process::exit(i32::from(failed > 0));
}

fn passes(name: &str, body: fn() -> Outcome) -> bool {
    let began = Instant::now();
    match catch_unwind(body) {
        Ok(Ok(())) => println!("  ok      {name} ({:.0?})", began.elapsed()),
        Ok(Err(Skip(requirement, why))) => {
            skips::tell(name, &why);
            return !skips::is_required(requirement);
        }
        Err(_) => {
            println!("  FAILED  {name}");
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_fails() {
        assert!(passes("sound", || Ok(())));
        assert!(!passes("broken", || panic!("as it should")));
    }
}
