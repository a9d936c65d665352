//! `cargo xtask prove probe`: quick probes, many in a row. On sound storage no false alarm: ext4, tmpfs, xfs, btrfs, an
//! overlay's upper layer, networked storage with passthrough. In every world whose boundary is broken no miss. And a
//! party killed at any moment makes no probe say unsafe.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};
use walproof_judge::verdict::JournalMode;
use walproof_lab::worlds::{Expectation, Fault, WORLDS, World};

use crate::flags::Flags;
use crate::ground::{FILE_SYSTEMS, Folder, Mounted, private_mounts};
use crate::prove::{Binary, groups, of_group};
use crate::result::{ResultFile, spread};

/// A world of networked storage that is sound.
const PASSTHROUGH: &str = "two-clients-passthrough";
/// Kills are spread over so many milliseconds of a full probe.
const KILLS_OVER_MS: u32 = 1_300;
/// What must be proved.
const PARTS: [&str; 3] = ["sound", "broken", "killed"];

/// One probe, and what must come of it.
struct Case {
    group: String,
    number: u32,
    directory: PathBuf,
    flags: Vec<String>,
    /// Verdicts that are right for WAL and for DELETE.
    right: [&'static [&'static str]; 2],
}

const SOUND: &[&str] = &["safe", "risky"];
const UNSAFE: &[&str] = &["unsafe"];
const REFUSES: &[&str] = &["refuses"];
const NO_ALARM: &[&str] = &["safe", "risky", "unknown"];

/// Proves it; true when every probe said what is right.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (runs, broken_runs) = (flags.number("runs", 200)?, flags.number("broken-runs", 50)?);
    let (kills, jobs) = (flags.number("kills", 100)?, flags.number("jobs", 2)?);
    let parts = flags.choice("only", &PARTS)?;
    let folder = flags.result_folder();
    flags.finish()?;
    private_mounts()?;
    let mounted: Vec<(&str, Mounted)> =
        FILE_SYSTEMS.iter().map(|name| Ok((*name, Mounted::make(name)?))).collect::<Result<_, String>>()?;
    let ext4 = mounted.first().expect("there is a file system").1.path().to_owned();
    let overlay = Overlay::over(&ext4)?;
    let asked = json!({"runs": runs, "broken_runs": broken_runs, "kills": kills, "jobs": jobs, "parts": parts});
    let mut result = ResultFile::begin(&folder, "prove-probe", asked)?;
    let mut cases = Vec::new();
    if parts.contains(&"sound") {
        let places = mounted.iter().map(|(name, ground)| (*name, ground.path().to_owned(), "shared-directory"));
        let others = [
            ("overlay", overlay.point.path().to_owned(), "shared-directory"),
            ("passthrough", ext4.clone(), PASSTHROUGH),
        ];
        let places: Vec<_> = places.chain(others).collect();
        cases.extend(
            (1..=runs).flat_map(|number| places.iter().map(move |place| sound(number, place)).collect::<Vec<_>>()),
        );
    }
    if parts.contains(&"broken") {
        let worlds = || WORLDS.iter().filter(|world| is_broken(world));
        cases.extend(
            (1..=broken_runs).flat_map(|number| worlds().map(|world| broken(number, world, &ext4)).collect::<Vec<_>>()),
        );
    }
    if parts.contains(&"killed") {
        cases.extend((1..=kills).map(|number| killed(number, kills, &ext4)));
    }
    let passed = run_all(cases, jobs, &mut result)?;
    print_table(result.runs());
    println!("result in {}", result.path().display());
    Ok(passed)
}

fn is_broken(world: &World) -> bool {
    world.fault == Fault::Boundary
        && [JournalMode::Wal, JournalMode::Delete].iter().any(|&mode| right(world, mode) != SOUND)
}

fn right(world: &World, mode: JournalMode) -> &'static [&'static str] {
    match world.expectation(mode) {
        Expectation::Safe | Expectation::Starves => SOUND,
        Expectation::Unsafe | Expectation::UnsafeAfterCrash => UNSAFE,
        Expectation::Refuses => REFUSES,
    }
}

fn sound(number: u32, (name, directory, world): &(&str, PathBuf, &str)) -> Case {
    let flags = ["--quick", "--world", world].map(String::from).to_vec();
    Case { group: format!("sound {name}"), number, directory: directory.clone(), flags, right: [SOUND, SOUND] }
}

fn broken(number: u32, world: &World, directory: &Path) -> Case {
    let flags = ["--quick", "--world", world.name].map(String::from).to_vec();
    let right = [right(world, JournalMode::Wal), right(world, JournalMode::Delete)];
    Case { group: format!("broken {}", world.name), number, directory: directory.to_owned(), flags, right }
}

fn killed(number: u32, of: u32, directory: &Path) -> Case {
    let after = format!("{}ms", (KILLS_OVER_MS * number / of).max(10));
    let flags = ["--cripple", "kill-party", "--cripple-after", &after].map(String::from).to_vec();
    Case { group: "killed".into(), number, directory: directory.to_owned(), flags, right: [NO_ALARM, NO_ALARM] }
}

fn run_all(cases: Vec<Case>, jobs: u32, result: &mut ResultFile) -> Result<bool, String> {
    let binary = Binary::build()?;
    let total = cases.len();
    let queue = Mutex::new(cases.into_iter());
    let noted = Mutex::new(result);
    let work = || -> Result<(), String> {
        loop {
            let Some(case) = queue.lock().expect("no worker panics").next() else { return Ok(()) };
            let entry = ask(&binary, &case)?;
            let mut result = noted.lock().expect("no worker panics");
            let index = result.runs().len() + 1;
            if entry["passed"] != true || index.is_multiple_of(100) {
                println!("{index:>5}/{total} {:<40} {:>3}  {}", case.group, case.number, entry["failures"]);
            }
            result.add(entry, summary)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
    })?;
    let result = noted.into_inner().expect("no worker panics");
    Ok(result.runs().iter().all(|run| run["passed"] == true))
}

fn ask(binary: &Binary, case: &Case) -> Result<Value, String> {
    let began = Instant::now();
    let mut command = Command::new(binary.path());
    let output = command.args(["probe", "--json"]).args(&case.flags).arg(&case.directory).output();
    let output = output.map_err(|error| format!("`walproof probe`: {error}"))?;
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let verdict = |mode: &str| {
        let verdicts = report["verdicts"].as_array().map_or(&[][..], Vec::as_slice);
        verdicts.iter().find(|verdict| verdict["mode"] == mode).cloned().unwrap_or(Value::Null)
    };
    let mut failures = Vec::new();
    for (mode, right) in ["wal", "delete"].into_iter().zip(case.right) {
        let verdict = verdict(mode);
        let kind = verdict["kind"].as_str().unwrap_or("no report");
        if !right.contains(&kind) {
            failures.push(format!("{mode} is {kind}: {}", verdict["reasons"]));
        }
    }
    let left = report["left_behind"].as_array().map_or(0, Vec::len);
    if left > 0 {
        failures.push(format!("left behind: {}", report["left_behind"]));
    }
    if report.is_null() {
        failures.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(json!({
        "group": case.group,
        "number": case.number,
        "flags": case.flags.join(" "),
        "passed": failures.is_empty(),
        "failures": failures,
        "took_ms": took_ms.round(),
    }))
}

fn summary(runs: &[Value]) -> Value {
    let each = groups(runs).into_iter().map(|group| {
        let (of_group, passed) = of_group(runs, group);
        let took = spread(of_group.iter().filter_map(|run| run["took_ms"].as_f64()));
        (group.to_owned(), json!({"runs": of_group.len(), "passed": passed, "took_ms": took}))
    });
    Value::Object(each.collect())
}

fn print_table(runs: &[Value]) {
    println!("{:<44} {:>9}  {:>24}", "", "right", "ms min/median/max");
    for (group, of) in summary(runs).as_object().into_iter().flatten() {
        let ms = |field: &str| of["took_ms"][field].as_f64().unwrap_or(f64::NAN);
        let took = format!("{:.0}/{:.0}/{:.0}", ms("min"), ms("median"), ms("max"));
        let right = format!("{}/{}", of["passed"], of["runs"]);
        println!("{group:<44} {right:>9}  {took:>24}");
    }
}

/// An overlay whose upper layer lies in a directory; unmounted when dropped.
struct Overlay {
    point: Folder,
}

impl Overlay {
    fn over(directory: &Path) -> Result<Self, String> {
        let point = Folder::make("prove-overlay")?;
        let layer = |name: &str| {
            let path = directory.join(name);
            std::fs::create_dir_all(&path).map(|()| path.display().to_string()).map_err(|error| error.to_string())
        };
        let options = format!("lowerdir={},upperdir={},workdir={}", layer("lower")?, layer("upper")?, layer("work")?);
        let mounted =
            Command::new("mount").args(["-t", "overlay", "-o", &options, "walproof-prove"]).arg(point.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self { point }),
            Ok(output) => Err(format!("cannot mount an overlay\nbecause: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("cannot mount an overlay\nbecause: {error}\ntry: install mount")),
        }
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.point.path()).output();
    }
}
