//! `walproof selftest`: the detector tested, as one table.

use std::fs;
use std::path::Path;
use std::time::Instant;

use walproof_lab::error::LabError;
use walproof_lab::run::selftest::{Row, Standing, cases, run as examine_all};
use walproof_lab::runtimes;

use crate::arguments::SelftestFlags;
use crate::interrupt;
use crate::verify::{random_seed, write_report};

/// Runs it; exit code 1 when an expectation fails, 3 when something could not be tested.
pub fn run(flags: &SelftestFlags) -> Result<i32, LabError> {
    let directory = flags.directory.clone().unwrap_or_else(|| ".".into());
    let seed = flags.seed.unwrap_or_else(random_seed);
    let runtime = runtimes::choose(flags.runtime.as_deref())?;
    let mut cases = cases(&directory, seed);
    cases.retain(|case| flags.only.as_ref().is_none_or(|only| case.name.contains(only.as_str())));
    if cases.is_empty() {
        let because = format!("no case is called like `{}`", flags.only.as_deref().unwrap_or_default());
        return Err(LabError::new("there is nothing to test", because, "`walproof explain` for the names"));
    }
    if let Some(path) = &flags.report {
        check_free(path)?;
    }
    say!("walproof selftest {}    seed {seed:016x}    runtime {}", directory.display(), runtime.name());
    say!("{}", headline());
    let (began, interrupted) = (Instant::now(), interrupt::install());
    let rows = examine_all(runtime.as_ref(), &cases, flags.jobs, interrupted, &mut |row| say!("{}", words(row)));
    if let Some(path) = &flags.report {
        write_report(path, &rows)?;
    }
    let count = |standing| rows.iter().filter(|row| row.standing == standing).count();
    let (met, failed, skipped) = (count(Standing::Met), count(Standing::Failed), count(Standing::Skipped));
    let unrun = cases.len() - rows.len();
    say!(
        "  {met} as expected, {failed} not, {skipped} skipped, {unrun} not run   {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(if failed > 0 { 1 } else { i32::from(skipped + unrun > 0) * 3 })
}

/// A file of the user's is no place for a table.
fn check_free(path: &Path) -> Result<(), LabError> {
    match fs::metadata(path) {
        Ok(found) if found.len() > 0 => {
            Err(LabError::path("will not overwrite", path, "it exists", "name another file with `--report`"))
        }
        _ => Ok(()),
    }
}

fn headline() -> String {
    format!(
        "  {:<38} {:<7} {:<19} {:<8} {:<12} {:>9} {:>8}  {}",
        "case", "journal", "expected", "probe", "guard", "caught", "took", "outcome"
    )
}

fn words(row: &Row) -> String {
    let mark = match row.standing {
        Standing::Met => "✓",
        Standing::Failed => "✗",
        Standing::Skipped => "-",
    };
    let caught = row.caught_after_ms.map_or(String::new(), |ms| format!("{ms:.1} ms"));
    let because = row.because.as_ref().map_or(String::new(), |why| format!("   {why}"));
    let outcome = if row.standing == Standing::Skipped { "skipped:" } else { &row.outcome };
    let took = format!("{:.1} s", row.took_ms as f64 / 1e3);
    let (probe, guard) = (row.probe.unwrap_or_default(), row.guard.as_deref().unwrap_or_default());
    format!(
        "{mark} {:<38} {:<7} {:<19} {probe:<8} {guard:<12} {caught:>9} {took:>8}  {outcome}{because}",
        row.name, row.journal_mode, row.expected
    )
}
