//! Bad input: each gets a message with its cause and what to try, its exit code, and leaves nothing behind.
//!
//! What clap refuses (a flag's value) has clap's own words and the same exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{BINARY, Bench, Ended, is_root, skip, stress_alone};

/// Our own words: what, because, try; exit 2.
fn assert_refused(bench: &Bench, ended: &Ended, words: &str) {
    ended.assert_code(2);
    assert!(ended.error.starts_with("walproof: "), "{ended}");
    for part in [words, "\nbecause: ", "\ntry: "] {
        assert!(ended.error.contains(part), "no `{part}`\n{ended}");
    }
    bench.assert_nothing_left();
}

#[test]
fn a_directory_that_is_missing() {
    let bench = Bench::new();
    assert_refused(&bench, &bench.run(&["verify", "no-such-directory"]), "no-such-directory");
    assert!(!bench.beside("no-such-directory").exists(), "it is not made either");
}

#[test]
fn a_file_for_a_directory() {
    let bench = Bench::new();
    fs::write(bench.beside("app.db"), "not a directory").expect("our own file");
    assert_refused(&bench, &bench.run(&["verify", "app.db"]), "app.db");
    assert_eq!(fs::read_to_string(bench.beside("app.db")).expect("still there"), "not a directory");
}

#[test]
fn names_that_do_not_exist() {
    for (flag, name) in [("--world", "nowhere"), ("--runtime", "teleport"), ("--journal", "memory"), ("--journal", "x")]
    {
        let bench = Bench::new();
        let ended = bench.verify(&["--time", "100ms", flag, name]);
        assert_refused(&bench, &ended, &format!("`{name}`"));
        assert!(!bench.beside("report.json").exists(), "no report of what was not done");
    }
}

#[test]
fn values_that_no_flag_takes() {
    let cases = [
        ["--seed", "xyz"],
        ["--seed", "11112222333344445"],
        ["--time", "soon"],
        ["--time", "0s"],
        ["--time", "5 parsecs"],
        ["--agents", "0"],
        ["--agents", "76"],
        ["--page-size", "1000"],
        ["--page-size", "131072"],
        ["--synchronous", "sometimes"],
        ["--reads", "100"],
        ["--row-changes", "0"],
        ["--fail-on", "monday"],
        ["--no-such-flag", "1"],
    ];
    let bench = Bench::new();
    for case in cases {
        let ended = bench.verify(&case);
        ended.assert_code(2);
        assert!(ended.error.starts_with("error: ") && ended.error.contains(case[0]), "{case:?}\n{ended}");
    }
    bench.assert_nothing_left();
}

#[test]
fn no_command_and_a_wrong_one() {
    let bench = Bench::new();
    bench.run(&[] as &[&str]).assert_code(2);
    bench.run(&["verfy"]).assert_code(2);
    bench.run(&["verify", "one", "two"]).assert_code(2);
    bench.run(&["--version"]).assert_code(0);
    bench.run(&["verify", "--help"]).assert_code(0);
}

#[test]
fn names_that_explain_and_clean_do_not_know() {
    let bench = Bench::new();
    assert_refused(&bench, &bench.run(&["explain", "nothing-of-the-kind"]), "nothing-of-the-kind");
    assert_refused(&bench, &bench.run(&["clean", "../../etc"]), "../../etc");
}

#[test]
fn a_report_that_cannot_be_written() {
    let bench = Bench::new();
    for path in ["no-such-folder/report.json", "tested"] {
        let ended = bench.run(&["verify", "--time", "100ms", "--report", path, "tested"]);
        assert_refused(&bench, &ended, path);
    }
}

#[test]
fn histories_inside_the_tested_directory() {
    let bench = Bench::new();
    fs::create_dir(bench.tested().join("inside")).expect("our own folder");
    std::os::unix::fs::symlink(bench.tested().join("inside"), bench.beside("detour")).expect("a link");
    for folder in ["tested", "tested/inside", "detour", "no-such-folder"] {
        let ended = bench.verify(&["--time", "100ms", "--history", folder]);
        assert_refused(&bench, &ended, "cannot keep histories in");
    }
    assert_eq!(fs::read_dir(bench.tested().join("inside")).expect("still there").count(), 0);
}

#[test]
fn a_replay_of_garbage() {
    let bench = Bench::new();
    let cases = [
        ("text.json", "no JSON at all"),
        ("empty.json", ""),
        ("other.json", r#"{"name": "of another program"}"#),
        ("future.json", r#"{"walproof_report": 99, "directory": ".", "replay": {}}"#),
    ];
    for (name, text) in cases {
        fs::write(bench.beside(name), text).expect("our own file");
        assert_refused(&bench, &bench.run(&["verify", "--replay", name]), name);
    }
    assert_refused(&bench, &bench.run(&["verify", "--replay", "absent.json"]), "absent.json");
}

#[test]
fn a_replay_and_what_it_already_says() {
    let bench = Bench::new();
    let ended = bench.run(&["verify", "--replay", "report.json", "--seed", "7"]);
    ended.assert_code(2);
    assert!(ended.error.contains("--seed"), "{ended}");
}

#[test]
fn a_directory_that_this_user_may_not_write() {
    let bench = Bench::new();
    fs::set_permissions(bench.tested(), fs::Permissions::from_mode(0o555)).expect("our own folder");
    let arguments = bench.verify_arguments(&["--time", "100ms", "--report", "/dev/null"]);
    // The one report flag is the test's, the other is this one: nobody may write beside the tested directory.
    let arguments = [&["verify".to_owned()], &arguments[3..]].concat();
    let ended = bench.start(as_somebody_else(&bench, &arguments)).ended();
    assert_refused(&bench, &ended, "scratch directory");
    fs::set_permissions(bench.tested(), fs::Permissions::from_mode(0o755)).expect("our own folder");
}

/// walproof as a user who is not root; who already is none stays who he is.
fn as_somebody_else(bench: &Bench, arguments: &[String]) -> Command {
    use std::os::unix::process::CommandExt;
    if !is_root() {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        return command;
    }
    // The target folder may lie where nobody else may look: a copy where everybody may.
    let copy = bench.beside("walproof");
    fs::copy(BINARY, &copy).expect("a copy of the binary");
    let mut command = Command::new(copy);
    command.args(arguments).uid(65_534).gid(65_534);
    command
}

#[test]
fn a_read_only_file_system() {
    let Some((bench, ended)) = on_small_file_system("mount -o remount,ro \"$TESTED\"") else { return };
    assert_refused(&bench, &ended, "scratch directory");
}

#[test]
fn a_file_system_without_inodes() {
    let Some((bench, ended)) = on_small_file_system("mount -o remount,nr_inodes=1 \"$TESTED\"") else { return };
    assert_refused(&bench, &ended, "scratch directory");
}

/// A full disk says nothing about journal modes: it is no verdict on the boundary.
#[test]
fn a_full_file_system() {
    for mib_free in [0, 1, 16] {
        let fill = format!("head -c {} /dev/zero > \"$TESTED/fill\"", (64 - mib_free) << 20);
        let Some((bench, ended)) = on_small_file_system(&fill) else { return };
        assert_refused(&bench, &ended, "cannot test");
        assert!(ended.error.contains("free there"), "{ended}");
    }
}

/// `verify` on a tmpfs of 64 MiB, in a mount namespace, after a preparation.
fn on_small_file_system(prepare: &str) -> Option<(Bench, Ended)> {
    if !is_root() {
        skip("filesystems", "a small file system", "mounts want root");
        return None;
    }
    let _alone = stress_alone();
    let bench = Bench::new();
    let script = format!("mount -t tmpfs -o size=64m tmpfs \"$TESTED\" && {{ {prepare}; }} || exit 90; exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh", BINARY]);
    command.args(bench.verify_arguments(&["--time", "1s"])).env("TESTED", bench.tested());
    let ended = bench.start(command).ended();
    assert_ne!(ended.code, 90, "{ended}");
    Some((bench, ended))
}

/// Where no mount namespace is allowed, containers that were asked for by name are an error and none come of it.
#[test]
fn containers_that_are_not_allowed() {
    if !is_root() {
        return skip("containers", "a limit on namespaces", "limits of a user namespace of our own want root");
    }
    let _alone = stress_alone();
    let bench = Bench::new();
    let ended = bench.start(without_namespaces(&bench, &["--runtime", "embedded"])).ended();
    assert_refused(&bench, &ended, "runtime `embedded` cannot serve here");
    let ended = bench.start(without_namespaces(&bench, &["--time", "500ms"])).ended();
    ended.assert_code(3);
    let report = bench.report();
    assert_eq!(report["runtime"]["name"], "process", "nobody asked for containers: the next best, and it is said");
    assert_eq!(report["runtime"]["containers"], false);
    assert!(report["runtime"]["missing"].to_string().contains("embedded"), "{}", report["runtime"]);
    bench.assert_nothing_left();
}

/// `verify` in a user namespace whose own limit allows no mount namespace and no further user namespace, and where no
/// engine is to be found.
fn without_namespaces(bench: &Bench, more: &[&str]) -> Command {
    const LIMIT: &str = "for kind in mnt user; do echo 0 > /proc/sys/user/max_${kind}_namespaces || exit 90; done; PATH=/nowhere exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", LIMIT, "sh"]).arg(Path::new(BINARY));
    command.args(bench.verify_arguments(more));
    command
}
