//! Facts for the suspects: those of the command line, and those that `check` knows of what `--with` points to.
//!
//! What it must not do: conclude. `walproof_judge::logs::facts_of` takes what is certain and says what it left out.

use std::path::PathBuf;

use walproof_judge::check::checked::{Checked, Level};
use walproof_judge::logs::{Given, Taken, facts_of};
use walproof_lab::error::LabError;

use crate::arguments::{LogsFlags, With};
use crate::check;

/// What was given, and what was looked at for it.
pub struct Facts {
    given: Vec<Given>,
    checked: Option<Checked>,
}

/// Looks at what `--with` points to.
pub fn look(flags: &LogsFlags) -> Result<Facts, LabError> {
    let given = flags.facts.iter().filter_map(|with| match with {
        With::Fact(fact) => Some(fact.clone()),
        With::Target(_) => None,
    });
    let targets: Vec<PathBuf> = flags.facts.iter().filter_map(With::target).cloned().collect();
    let checked = if targets.is_empty() { None } else { Some(check::judged(&targets)?) };
    let wrong = checked.iter().flat_map(|checked| &checked.said).find(|said| said.level == Level::Error);
    if let Some(said) = wrong {
        let what = format!("cannot take facts of `{}`: {}", said.file, said.what);
        return Err(LabError::new(what, &said.because, &said.try_this));
    }
    Ok(Facts { given: given.collect(), checked })
}

impl Facts {
    /// All of them, for a log that names these paths.
    pub fn of(&self, paths: &[&str]) -> Taken {
        let mut taken = self.checked.as_ref().map(|checked| facts_of(checked, paths)).unwrap_or_default();
        taken.given.splice(0..0, self.given.iter().cloned());
        taken
    }
}
