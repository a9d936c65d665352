//! `cargo xtask bench health`: how long a probe by `walproof health` takes, beside a process that does nothing.
//!
//! Each round starts, in turn, `/bin/true` and the probe of a live database, of one at rest, and with `--locks`, so that a
//! busy machine is busy for all. What is judged is the median of a probe against the 20 ms that were asked for; the ratio
//! to the bare process is what can be compared between machines.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::flags::Flags;
use crate::ground::Folder;
use crate::prove::Binary;
use crate::result::{ResultFile, at, spread};

/// What issue 7 asks for.
const MS_MAX: f64 = 20.0;

/// `--rounds N`, `--result FOLDER`; true when every probe is quick enough.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let rounds = flags.number("rounds", 200)?;
    let results = flags.result_folder();
    flags.finish()?;
    let binary = Binary::build()?;
    let folder = Folder::make("bench-health")?;
    let (live, rest) = (folder.path().join("live.db"), folder.path().join("rest.db"));
    let held = database(&live)?;
    drop(database(&rest)?);
    let words = |words: &[&str], path: &PathBuf| {
        let mut all = vec![binary.path().to_owned(), "health".into()];
        all.extend(words.iter().map(PathBuf::from));
        all.push(path.clone());
        all
    };
    let programs = [
        ("bare process", vec![PathBuf::from("/bin/true")]),
        ("live", words(&[], &live)),
        ("live, --locks", words(&["--locks"], &live)),
        ("at rest", words(&[], &rest)),
    ];
    let mut result = ResultFile::begin(&results, "bench-health", json!({"rounds": rounds}))?;
    for round in 0..rounds {
        let mut entry = json!({"round": round});
        for (name, command) in &programs {
            entry[*name] = json!(milliseconds(command)?);
        }

        result.add(entry, summary)?;
    }
    drop(held);
    let summary = summary(result.runs());
    println!("{summary:#}\nresult in {}", result.path().display());
    let median = |name: &str| summary["ms"][name]["median"].as_f64().unwrap_or(f64::INFINITY);
    Ok(programs.iter().all(|(name, _)| median(name) < MS_MAX))
}

/// A database with commits in its log.
fn database(path: &std::path::Path) -> Result<Connection, String> {
    let open = || {
        let connection = Connection::open(path)?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(99999))")?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| format!("`{}`: {error}", path.display()))
}

fn milliseconds(command: &[PathBuf]) -> Result<f64, String> {
    let begun = Instant::now();
    let mut process = Command::new(&command[0]);
    process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = process.status().map_err(|error| at(&command[0], &error))?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if status.success() { Ok(took) } else { Err(format!("`{command:?}` ended with {status}")) }
}

fn summary(runs: &[Value]) -> Value {
    let names = ["bare process", "live", "live, --locks", "at rest"];
    let of = |name: &str| spread(runs.iter().filter_map(|run| run[name].as_f64()));
    let ratio = |name: &str| {
        let ratios = runs.iter().filter_map(|run| Some(run[name].as_f64()? / run["bare process"].as_f64()?));
        spread(ratios)
    };
    let each =
        |of: &dyn Fn(&str) -> Value| Value::Object(names.iter().map(|name| ((*name).to_owned(), of(name))).collect());
    json!({"ms": each(&of), "ratio_to_bare_process": each(&ratio)})
}
