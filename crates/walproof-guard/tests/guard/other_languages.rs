//! The shared object, from C, from Python through ctypes, and as an extension of the real sqlite3 shell and of Python's.
//!
//! It is built here, without `crt-static` and into its own target folder: with it, cargo builds no shared object and
//! says nothing (docs/decisions/0001-one-static-binary.md).
//! What this file must not do: install anything. What is absent is skipped, and said.
//! Where to look next: `use_it.c`, `use_it.py`, `extension.py`; docs/guard.md shows the same to users.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use walproof_guard::sqlite_extension::ROUTINES;
use walproof_guard::{Options, assess, command};

use crate::bench::{folder, skip};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// Builds it once; fails when cargo built none.
fn shared_object() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp").join("shared");
        // A file of an earlier build would hide that this one made none.
        found_below(&target).into_iter().for_each(|old| fs::remove_file(old).expect("ours"));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["rustc", "--quiet", "--locked", "--offline", "--package", "walproof-guard", "--lib"]);
        cargo.args(["--crate-type", "cdylib", "--features", "shared-object", "--target-dir"]).arg(&target);
        cargo
            .current_dir(CRATE)
            .env("RUSTFLAGS", "-C target-feature=-crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let built = cargo.output().expect("cargo starts");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let found = found_below(&target);
        assert_eq!(found.len(), 1, "cargo built no shared object below {}: is crt-static on?", target.display());
        found[0].clone()
    })
}

/// `target/shared/<tuple>/debug/libwalproof_guard.so`.
fn found_below(target: &Path) -> Vec<PathBuf> {
    let tuples = fs::read_dir(target).into_iter().flatten().flatten();
    tuples.map(|tuple| tuple.path().join("debug/libwalproof_guard.so")).filter(|path| path.exists()).collect()
}

/// What the program printed; `None`: it is not here.
#[track_caller]
fn run(command: &mut Command) -> Option<String> {
    let ended = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        ended => ended.expect("it starts"),
    };
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&ended.stderr));
    Some(text)
}

/// A Python with what is needed, asked by this program.
fn python(needs: &str) -> Option<&'static str> {
    let has =
        |python: &&str| Command::new(python).args(["-c", needs]).output().is_ok_and(|ended| ended.status.success());
    ["python3", "/usr/bin/python3"].into_iter().find(has)
}

#[test]
fn a_c_program_asks() {
    let folder = folder("c");
    let program = folder.at("use_it");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I"]).arg(format!("{CRATE}/include"));
    gcc.arg(format!("{CRATE}/tests/guard/use_it.c")).arg(shared_object()).arg("-o").arg(&program);
    if run(&mut gcc).is_none() {
        return skip("a_c_program_asks", "gcc is absent");
    }
    let library = shared_object().parent().expect("a folder");
    let mut program = Command::new(program);
    let said = run(program.env("LD_LIBRARY_PATH", library).arg(folder.at("a.db"))).expect("it is there");
    let expected = assess(folder.at("a.db"));
    println!("{said}");
    let (mode, verdict) = (expected.journal_mode.word(), expected.verdict.word());
    assert!(said.starts_with(&format!("{verdict} {mode} {}\n", expected.filesystem.expect("known").fstype)), "{said}");
}

#[test]
fn python_asks_through_ctypes() {
    let Some(python) = python("import ctypes") else {
        return skip("python_asks_through_ctypes", "python3 is absent");
    };
    let folder = folder("ctypes");
    let mut script = Command::new(python);
    script.arg(format!("{CRATE}/tests/guard/use_it.py")).arg(shared_object()).arg(folder.at("a.db"));
    let said = run(&mut script).expect("it was there");
    assert_eq!(said.trim(), assess(folder.at("a.db")).to_json(), "the same document, byte for byte");
}

#[test]
fn pythons_sqlite_loads_the_extension() {
    let Some(python) = python("import sqlite3; sqlite3.Connection.enable_load_extension") else {
        return skip("pythons_sqlite_loads_the_extension", "no python3 whose sqlite3 loads extensions");
    };
    let folder = folder("extension");
    let mut script = Command::new(python);
    script.arg(format!("{CRATE}/tests/guard/extension.py")).arg(shared_object()).arg(folder.path());
    let said = run(&mut script).expect("it was there");
    println!("{said}");
    assert!(said.ends_with("all held\n"), "{said}");
}

/// Runs SQL in the shell with the extension loaded; `None`: there is no shell.
#[track_caller]
fn shell(folder: &Path, database: &str, sql: &str) -> Option<String> {
    let mut shell = Command::new("sqlite3");
    shell.current_dir(folder).args(["-batch", "-bail", database, "-cmd"]);
    shell.arg(format!(".load {}", shared_object().display())).arg(sql);
    run(&mut shell)
}

#[test]
fn the_shell_loads_the_extension() {
    let folder = folder("shell");
    let expected = assess(folder.at("a.db"));
    let Some(said) = shell(folder.path(), "a.db", "SELECT walproof_journal_mode(), walproof_verdict();") else {
        return skip("the_shell_loads_the_extension", "sqlite3 is absent");
    };
    assert_eq!(said.trim(), format!("{}|{}", expected.journal_mode.word(), expected.verdict.word()));
    let everything = shell(folder.path(), "a.db", "SELECT walproof_assess();").expect("it is here");
    assert_eq!(everything.trim(), expected.to_json());
    let through_a_view = "CREATE VIEW v AS SELECT walproof_verdict() AS x; SELECT count(*) FROM v WHERE x IS NOT NULL;";
    let mut unsafe_use = Command::new("sqlite3");
    unsafe_use.current_dir(folder.path()).args(["-batch", "-bail", "v.db", "-cmd"]);
    unsafe_use.arg(format!(".load {}", shared_object().display())).arg(through_a_view);
    let refused = unsafe_use.output().expect("it is here");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unsafe use"), "{refused:?}");
}

#[test]
fn what_set_prints_is_what_sqlite_then_is_in() {
    let folder = folder("set");
    let path = folder.at("a.db");
    let set = command(&path, Options::default(), walproof_guard::Output::Set);
    let sql = format!("{} CREATE TABLE t(x); PRAGMA journal_mode; PRAGMA synchronous;", set.text.trim());
    let Some(said) = shell(folder.path(), "a.db", &sql) else {
        return skip("what_set_prints_is_what_sqlite_then_is_in", "sqlite3 is absent");
    };
    let mode = assess(&path).journal_mode.word();
    let synchronous = if mode == "wal" { "2" } else { "3" };
    assert_eq!(said.lines().collect::<Vec<_>>(), ["5000", mode, mode, synchronous]);
}

#[test]
fn sqlite_ends_where_the_guard_looks() {
    let folder = folder("ends");
    folder.folder("real");
    folder.folder("other");
    for (link, to) in [("to-folder", "real"), ("to-file.db", "real/a.db"), ("real/dangling.db", "../other/new.db")] {
        std::os::unix::fs::symlink(to, folder.at(link)).expect("a link");
    }
    let asked =
        ["a.db", "./to-file.db", "to-folder/b.db", "to-folder/dangling.db", "to-folder/../c.db", "real/../real//d.db"];
    for path in asked {
        let sql = "CREATE TABLE t(x); SELECT file FROM pragma_database_list;";
        let guard = assess(folder.at(path)).path;
        let Some(sqlite) = shell(folder.path(), path, sql) else {
            return skip("sqlite_ends_where_the_guard_looks", "sqlite3 is absent");
        };
        assert_eq!(Path::new(sqlite.trim()), guard, "{path}");
    }
}

/// The header that the bundled SQLite came with, or the system's.
fn extension_header() -> Option<String> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))?;
    let registries = fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten().flatten();
    let crates = registries.flat_map(|registry| fs::read_dir(registry.path()).into_iter().flatten().flatten());
    let bundled = crates.filter(|entry| entry.file_name().to_string_lossy().starts_with("libsqlite3-sys-"));
    let paths = bundled.map(|entry| entry.path().join("sqlite3/sqlite3ext.h"));
    paths.chain(["/usr/include/sqlite3ext.h".into()]).find_map(|path| fs::read_to_string(path).ok())
}

#[test]
fn routines_stand_where_sqlites_header_has_them() {
    let Some(header) = extension_header() else {
        return skip("routines_stand_where_sqlites_header_has_them", "no sqlite3ext.h");
    };
    let body = header.split("struct sqlite3_api_routines {").nth(1).expect("the table");
    let body = body.split("\n};").next().expect("its end");
    let members = body.split(';').filter_map(|member| {
        let name = member.split_once("(*")?.1;
        Some(name.split(')').next()?.trim())
    });
    let members: Vec<&str> = members.collect();
    assert!(members.len() > 200, "{}", members.len());
    for (name, place) in ROUTINES {
        assert_eq!(members[*place], *name);
    }
}
