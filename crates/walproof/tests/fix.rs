//! `walproof check --fix` from outside: a diff changes nothing, `--fix=write` changes the file and nothing about it, data
//! moves only when its rule is named.
//!
//! What it must not do: repeat what `walproof_judge::fixes` tests of the edits.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use walproof_testbench::Folder;

const FILE: &str = "compose.yaml";
const UNSAFE: &str = "# mine\nservices:\n  app:\n    image: example/app # ours\n    environment: {U: \"sqlite:////data/app.db?_journal_mode=WAL\"}\n    volumes: [\"./app.db:/data/app.db\"] # alone";

/// A folder with this Compose file.
fn folder_with(text: &str) -> Folder {
    let folder = Folder::new("fix");
    folder.write(FILE, text);
    folder
}

fn text(folder: &Folder) -> String {
    fs::read_to_string(folder.at(FILE)).expect("the file")
}

fn check(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    let ended = command.args(["check", "--no-config"]).args(more).arg("compose.yaml").current_dir(folder).output();
    let ended = ended.expect("walproof starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

#[test]
fn a_diff_changes_nothing_and_says_what_must_be_named() {
    let folder = folder_with(UNSAFE);
    let (code, out, _) = check(folder.path(), &["--fix"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("only with `--move-data single-file-mount`"), "{out}");
    assert!(out.contains("docker compose cp app:/data/app.db-wal") && out.contains("mv -n ./app.db"), "{out}");
    assert!(out.contains("-    volumes: [\"./app.db:/data/app.db\"] # alone\n"), "{out}");
    assert!(out.contains("+    volumes: [\"./app-data:/data\"] # alone\n"), "{out}");
    assert_eq!(text(&folder), UNSAFE);
}

#[test]
fn data_is_moved_only_when_its_rule_is_named() {
    let folder = folder_with(UNSAFE);
    let (code, ..) = check(folder.path(), &["--fix=write"]);
    assert_eq!((code, text(&folder).as_str()), (Some(1), UNSAFE));
    fs::set_permissions(folder.at(FILE), fs::Permissions::from_mode(0o640)).expect("set");
    let (code, out, error) =
        check(folder.path(), &["--fix=write", "--move-data", "single-file-mount", "--rule", "single-file-mount"]);
    assert_eq!(code, Some(0), "{out}{error}");
    assert_eq!(text(&folder), UNSAFE.replace("./app.db:/data/app.db", "./app-data:/data"));
    assert_eq!(fs::metadata(folder.at(FILE)).expect("it").permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
}

#[test]
fn links_out_of_the_folder_and_hard_links_are_left_alone() {
    let elsewhere = folder_with(UNSAFE);
    let folder = folder_with(UNSAFE);
    let flags = ["--fix=write", "--move-data", "single-file-mount"];
    fs::hard_link(folder.at(FILE), folder.at("other")).expect("linked");
    let (code, _, error) = check(folder.path(), &flags);
    assert!(code == Some(2) && error.contains("hard links"), "{error}");
    fs::remove_file(folder.at(FILE)).expect("removed");
    symlink(elsewhere.at(FILE), folder.at(FILE)).expect("linked");
    let (code, _, error) = check(folder.path(), &flags);
    assert!(code == Some(2) && error.contains("leads out of its folder"), "{error}");
    assert_eq!(text(&elsewhere), UNSAFE);
}

const MOVE: [&str; 3] = ["--fix=write", "--move-data", "single-file-mount"];

fn run_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    let ended = command.args(["check", "--no-config"]).args(arguments).current_dir(folder).output().expect("starts");
    let text = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_directory_that_is_there_is_not_taken_for_a_new_one() {
    let folder = folder_with(UNSAFE);
    fs::create_dir(folder.at("app-data")).expect("made");
    let (_, out) = run_in(folder.path(), &[&MOVE[..], &["compose.yaml"]].concat());
    assert!(out.contains("app-data` is there already"), "{out}");
    assert_eq!(text(&folder), UNSAFE);
}

#[test]
fn a_link_is_held_to_its_own_folder_and_an_include_to_what_was_named() {
    let folder = folder_with(UNSAFE);
    let inner = folder.at("p");
    fs::create_dir(&inner).expect("made");
    symlink(folder.at(FILE), inner.join("compose.yaml")).expect("linked");
    let (code, out) = run_in(folder.path(), &[&MOVE[..], &["p/compose.yaml"]].concat());
    assert!(code == Some(2) && out.contains("leads out of its folder"), "{out}");
    fs::remove_file(inner.join("compose.yaml")).expect("removed");
    fs::write(inner.join("compose.yaml"), "include: [../compose.yaml]\n").expect("written");
    let (_, out) = run_in(&inner, &[&MOVE[..], &["compose.yaml"]].concat());
    assert!(out.contains("lies outside of what was named"), "{out}");
    assert_eq!(text(&folder), UNSAFE);
}

#[test]
fn nothing_that_a_terminal_obeys_is_shown() {
    let folder = folder_with(&UNSAFE.replace("# alone", "# \u{9b}2J\u{202e}"));
    let (_, out) = run_in(folder.path(), &["--fix", "compose.yaml"]);
    assert!(out.contains("+    volumes") && !out.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{out}");
}

#[test]
fn a_full_disk_is_told_in_every_format() {
    let folder = folder_with(UNSAFE);
    for format in ["text", "json", "sarif", "junit", "github"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
        command.args(["check", "--no-config", "--format", format, "compose.yaml"]).current_dir(folder.path());
        let ended = command.stdout(full).output().expect("starts");
        let error = String::from_utf8_lossy(&ended.stderr);
        assert!(
            ended.status.code() == Some(2) && error.contains("cannot write to standard output"),
            "{format} {error}"
        );
    }
}
