//! What walproof reads of a database's files, held against what SQLite says of the same database.
//!
//! What this room is: histories made up from seeds (`history.rs`) and played by SQLite; `log.rs` compares frames,
//! commits, wal-index and the content of each commit, `tree.rs` headers and owners of pages, `rollback.rs` journals,
//! `damage.rs` breaks bytes. WALPROOF_INSPECT_HISTORIES=N plays N of each (`cargo xtask prove inspect`);
//! WALPROOF_INSPECT_SEED=S starts at seed S. A failure names its seed and the fewest steps that show it.
//! What it must not do: retry, or look at a database that a test did not make.

mod damage;
mod files;
mod history;
mod log;
mod rollback;
mod tree;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use history::Life;

fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Plays histories of so many seeds; what fails is played again, shorter, to say the least that shows it.
fn for_seeds(usual: u64, play: impl Fn(u64, usize)) -> u64 {
    let (count, first) = (number_from("WALPROOF_INSPECT_HISTORIES", usual), number_from("WALPROOF_INSPECT_SEED", 1));
    for seed in first..first + count {
        let steps = 4 + (seed as usize * 7) % 23;
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(seed, steps))) else { continue };
        let fails = |steps: &usize| catch_unwind(AssertUnwindSafe(|| play(seed, *steps))).is_err();
        let least = (0..=steps).find(fails);
        eprintln!("WALPROOF_INSPECT_SEED={seed} WALPROOF_INSPECT_HISTORIES=1: fails after {least:?} steps of {steps}");
        resume_unwind(panic);
    }
    count
}

#[test]
fn logs_and_indexes_say_what_sqlite_says() {
    let counts = std::cell::RefCell::new(log::Counts::default());
    let histories = for_seeds(24, |seed, steps| {
        let mut life = Life::begin(seed, true);
        (0..steps).for_each(|_| life.step());
        life.long_commit();
        log::compare(&mut life, &mut counts.borrow_mut());
        tree::compare(&life);
    });
    let counts = counts.into_inner();
    println!("{histories} histories in WAL: {counts:?}");
    assert!(histories < 20 || counts.is_plenty(), "the histories reach too little: {counts:?}");
}

#[test]
fn journals_restore_what_sqlite_restores() {
    let counts = std::cell::RefCell::new(rollback::Counts::default());
    let histories = for_seeds(16, |seed, steps| {
        let mut life = Life::begin(seed, false);
        (0..steps).for_each(|_| life.step());
        tree::compare(&life);
        rollback::compare(&mut life, &mut counts.borrow_mut());
    });
    let counts = counts.into_inner();
    println!("{histories} histories with a rollback journal: {counts:?}");
    assert!(histories < 10 || counts.is_plenty(), "the histories reach too little: {counts:?}");
}

#[test]
fn broken_bytes_are_read_without_panic() {
    let histories = for_seeds(6, |seed, steps| {
        let mut life = Life::begin(seed, seed % 3 != 0);
        (0..steps).for_each(|_| life.step());
        damage::break_and_read(&mut life, 60);
    });
    println!("{histories} histories, 60 breakings each");
}
