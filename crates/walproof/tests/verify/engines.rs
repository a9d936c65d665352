//! Other people's runtimes: the detector works through each, whatever is killed is cleaned up, and the image loads.
//!
//! What can be tested is what `walproof runtimes` says can serve; `WALPROOF_REQUIRE=docker,podman,runc` makes their
//! absence a failure.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Bench, eventually_empty, noted_runs, skip, stress_alone};

/// Those that `.ci/run` installs.
pub const RUNTIMES: [&str; 3] = ["docker", "podman", "runc"];
/// As that of the other themes: containers that take longer to start still reach every floor.
pub const SOUND_TIME: &str = "8s";

/// Whether a runtime can serve here; if not, that is told.
pub fn serves(name: &str, what: &str) -> bool {
    static LISTED: OnceLock<Value> = OnceLock::new();
    let listed = LISTED.get_or_init(|| {
        let ended = Bench::new().run(&["runtimes", "--json"]);
        ended.assert_code(0);
        serde_json::from_str(&ended.out).expect("a list in JSON")
    });
    let entry = listed.as_array().expect("a list").iter().find(|one| one["name"] == name).expect("in the list");
    if entry["serves"] == false {
        skip(name, what, &entry["missing"][0].to_string());
    }
    entry["serves"] == true
}

/// Runs a command of an engine: what it printed.
pub fn engine(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).stdin(Stdio::null()).output().expect("it is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// No container and no image of a run that nobody notes any more. Waits for what is going.
pub fn assert_engine_is_clean(name: &str) {
    if name == "runc" {
        return;
    }
    let left = eventually_empty(|| {
        let containers = engine(name, &["ps", "--all", "--filter", "label=walproof.run", "--quiet"]);
        let images = engine(name, &["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let images = images.lines().filter_map(|tag| tag.split_once("walproof:run-").map(|(_, run)| run.to_owned()));
        let runs: Vec<String> = containers.lines().filter_map(|id| run_of(name, id)).chain(images).collect();
        // Looked at last: a run has its folder from before it makes anything until after it is gone.
        let noted = noted_runs();
        runs.into_iter().filter(|run| !noted.contains(run)).collect()
    });
    assert!(left.is_empty(), "left on {name} of runs {left:?}");
}

/// The run that a container is of; `None`: it is gone. Podman 4 has no `.Label` in the format of its lists.
fn run_of(name: &str, id: &str) -> Option<String> {
    let format = ["container", "inspect", "--format", "{{index .Config.Labels \"walproof.run\"}}", id];
    let output = Command::new(name).args(format).stdin(Stdio::null()).output().expect("it is installed");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn the_detector_works_through_every_runtime() {
    let _alone = stress_alone();
    for runtime in RUNTIMES.iter().filter(|name| serves(name, "the detector")) {
        let bench = Bench::new();
        let broken = bench.verify(&["--runtime", runtime, "--world", "single-file", "--time", SOUND_TIME]);
        broken.assert_code(1);
        let anomalies = bench.report()["anomalies"].as_array().map_or(0, Vec::len);
        assert!(anomalies > 0, "a witness, not only a probe\n{broken}");
        let sound = bench.verify(&["--runtime", runtime, "--time", SOUND_TIME]);
        sound.assert_code(0);
        let report = bench.report();
        assert_eq!(report["verdicts"][0]["kind"], "safe", "{sound}");
        assert_eq!(report["runtime"]["name"], **runtime);
        assert!(report["runtime"]["version"].is_string(), "{sound}");
        bench.assert_nothing_left();
        assert_engine_is_clean(runtime);
    }
}

#[test]
fn a_probe_works_through_every_runtime() {
    for runtime in RUNTIMES.iter().filter(|name| serves(name, "a probe")) {
        let bench = Bench::new();
        let probe = |more: &[&str]| {
            let tested = bench.tested().display().to_string();
            bench.run(&[&["probe", "--runtime", runtime], more, &[tested.as_str()]].concat())
        };
        let sound = probe(&["--with-host"]);
        sound.assert_code(0);
        assert!(sound.out.contains("SAFE       WAL: ") && sound.out.contains("party      host: "), "{sound}");
        probe(&["--quick", "--world", "single-file"]).assert_code(1);
        bench.assert_nothing_left();
        assert_engine_is_clean(runtime);
    }
}

#[test]
fn what_a_killed_run_left_on_a_runtime_is_cleaned() {
    let _alone = stress_alone();
    for runtime in RUNTIMES.iter().filter(|name| serves(name, "clean after a kill")) {
        let bench = Bench::new();
        let mut running = bench.start_verify(&["--runtime", runtime, "--time", "120s"]);
        running.says("control");
        running.signal(libc::SIGKILL);
        running.ended().assert_code(-libc::SIGKILL);
        let cleaned = bench.run(&["clean"]);
        cleaned.assert_code(0);
        assert!(cleaned.out.contains("removed  scratch folder"), "{cleaned}");
        bench.assert_nothing_left();
        assert_engine_is_clean(runtime);
    }
}

#[test]
fn an_interrupt_leaves_nothing_on_an_engine() {
    let _alone = stress_alone();
    for runtime in RUNTIMES.iter().filter(|name| serves(name, "an interrupt")) {
        let bench = Bench::new();
        let mut running = bench.start_verify(&["--runtime", runtime, "--time", "120s"]);
        running.says("control");
        running.signal(libc::SIGINT);
        running.ended().assert_code(3);
        bench.assert_nothing_left();
        assert_engine_is_clean(runtime);
    }
}

#[test]
fn an_oci_runtime_may_be_given_by_its_path_or_below_an_engine() {
    let _alone = stress_alone();
    let short = ["--world", "single-file", "--time", SOUND_TIME];
    if serves("runc", "by its path") {
        let path = walproof_lab::runtimes::find_program("runc").expect("it serves").display().to_string();
        let bench = Bench::new();
        bench.verify(&[&["--runtime", path.as_str()], &short[..]].concat()).assert_code(1);
        assert_eq!(bench.report()["runtime"]["name"], path);
    }
    if serves("docker", "with an OCI runtime") {
        let bench = Bench::new();
        bench.verify(&[&["--runtime", "docker:runc"], &short[..]].concat()).assert_code(1);
        let refused = bench.verify(&["--runtime", "docker:no-such-runtime"]);
        refused.assert_code(2);
        assert!(refused.error.contains("no-such-runtime"), "{refused}");
        assert_engine_is_clean("docker");
    }
}

#[test]
fn the_image_is_the_same_every_time_and_every_engine_loads_it() {
    let bench = Bench::new();
    let (one, two) = (bench.beside("one.tar"), bench.beside("two.tar"));
    let tag = "localhost/walproof-test:image";
    for path in [&one, &two] {
        let path = path.display().to_string();
        bench.run(&["image", "--tag", tag, "--output", &path]).assert_code(0);
    }
    assert!(fs::read(&one).expect("written") == fs::read(&two).expect("written"), "byte for byte");
    for runtime in ["docker", "podman"].into_iter().filter(|name| serves(name, "the image")) {
        engine(runtime, &["load", "--input", &one.display().to_string()]);
        // Found by trying: Debian's podman cannot start anything without these.
        let extra: &[&str] = if runtime == "podman" {
            &["--runtime", "runc", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        } else {
            &[]
        };
        let said = engine(runtime, &[&["run", "--rm", "--network", "none"], extra, &[tag, "--version"]].concat());
        assert!(said.starts_with("walproof "), "{said}");
        engine(runtime, &["rmi", tag]);
    }
}

#[test]
fn a_runtime_that_cannot_serve_says_why() {
    let bench = Bench::new();
    for (name, words) in [("no-such-runtime", "the runtimes are"), ("/no/such/runc", "No such file")] {
        let ended = bench.verify(&["--runtime", name]);
        ended.assert_code(2);
        assert!(ended.error.contains(words) && ended.error.contains("try:"), "{ended}");
    }
}
