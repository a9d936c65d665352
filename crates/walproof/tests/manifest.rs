//! `walproof manifest` from outside: what it writes, what it refuses, and that it overwrites nothing.
//!
//! What it must not do: repeat what `walproof_judge::sound_manifest` tests of the text.

use std::fs;
use std::process::{Command, Output};

fn walproof(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_walproof")).args(arguments).output().expect("walproof starts")
}

const COMPOSE: &[&str] = &["manifest", "compose", "--image", "example/app:1", "--path", "/data/app.db"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    COMPOSE.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_manifest_goes_to_standard_output_or_to_a_new_file() {
    let printed = walproof(COMPOSE);
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).expect("text");
    assert!(text.contains("\n  app:\n    image: \"example/app:1\"\n"), "{text}");

    let path = std::env::temp_dir().join(format!("walproof-manifest-{}.yaml", std::process::id()));
    let named = path.display().to_string();
    let first = walproof(&with(&["--output", &named]));
    let second = walproof(&with(&["--output", &named, "--port", "80"]));
    let kept = fs::read_to_string(&path);
    let _ = fs::remove_file(&path);
    assert_eq!((first.status.code(), second.status.code()), (Some(0), Some(2)));
    assert_eq!(kept.expect("the file"), text);
}

#[test]
fn what_is_not_taken_says_why_and_what_to_try() {
    for (more, expected) in [
        (&["--backup", "vacuum-into"][..], "needs `--backup-image`"),
        (&["--backup", "litestream", "--backup-image", "l:1"], "`--user` is missing"),
        (&["--backup-image", "x"], "`--backup-image` has no use"),
        (&["--size", "5Gi"], "`--size` has no use"),
        (&["--storage-class", "fast"], "`--storage-class` has no use"),
        (&["--port", "0"], "`0` is not taken for `--port`"),
        (&["--user", "node"], "`node` is not taken for `--user`"),
        (&["--name", "a\nb: c"], "`a\\nb: c` is not taken for `--name`"),
    ] {
        let refused = walproof(&with(more));
        let error = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{error}");
        assert!(error.contains(expected) && error.contains("because: ") && error.contains("try: "), "{error}");
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn a_full_disk_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let ended = Command::new(env!("CARGO_BIN_EXE_walproof")).args(COMPOSE).stdout(full).output().expect("starts");
    let error = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{error}");
    assert!(error.contains("cannot write to standard output") && error.contains("because: "), "{error}");
}
