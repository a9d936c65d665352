//! `cargo xtask bench start`: what it costs to start an agent, beside the runtime's own start.
//!
//! In one run, interleaved: the tool's plainest command (`docker run -i --network none IMAGE agent`, `runc run` of a
//! bundle), from starting the command to the first byte that comes out of the container; and an agent by walproof, from
//! asking for it to the same byte. Good enough when the median of the ratios of a round is at most 1.1.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use walproof_lab::image::Image;
use walproof_lab::run::leavings::{RunDirectory, RunId};
use walproof_lab::runtimes::bundle::{self, Confinement, UserNamespace};
use walproof_lab::runtimes::{ContainerSpec, Mount, Runtime, cgroups, choose};

use crate::flags::Flags;
use crate::ground::Folder;
use crate::result::{ResultFile, median};

/// The most that an agent's start may take of the runtime's own.
const RATIO_MAX: f64 = 1.1;
const TAG: &str = "localhost/walproof-bench:start";

/// Measures it; true when every runtime is within the ratio.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let rounds = flags.number("rounds", 15)?;
    let names = flags.word("only", "docker,podman,runc");
    let results = flags.result_folder();
    flags.finish()?;
    let mut result = ResultFile::begin(&results, "bench-start", json!({"rounds": rounds, "runtimes": names}))?;
    for name in names.split(',') {
        let ground = Ground::lay_out(name)?;
        // The first start of each finds caches cold.
        ground.bare(u32::MAX)?;
        ground.agent(u32::MAX)?;
        for round in 0..rounds {
            let (bare, agent) = match round % 2 {
                0 => (ground.bare(round)?, ground.agent(round)?),
                _ => {
                    let agent = ground.agent(round)?;
                    (ground.bare(round)?, agent)
                }
            };
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let entry =
                json!({"runtime": name, "bare_ms": ms(bare), "agent_ms": ms(agent), "ratio": ms(agent) / ms(bare)});
            result.add(entry, summary)?;
        }
    }
    let summary = summary(result.runs());
    println!("{summary:#}\nresult in {}", result.path().display());
    let within = |one: &Value| one["ratio"].as_f64().is_some_and(|ratio| ratio <= RATIO_MAX);
    Ok(summary.as_object().is_some_and(|all| !all.is_empty() && all.values().all(within)))
}

fn summary(runs: &[Value]) -> Value {
    let mut all = serde_json::Map::new();
    for name in runs.iter().filter_map(|run| run["runtime"].as_str()) {
        let of = |field: &str| {
            let mine = runs.iter().filter(|run| run["runtime"] == name);
            let mut numbers: Vec<f64> = mine.filter_map(|run| run[field].as_f64()).collect();
            numbers.sort_by(f64::total_cmp);
            median(&numbers)
        };
        let one = json!({"bare_ms": of("bare_ms"), "agent_ms": of("agent_ms"), "ratio": of("ratio")});
        all.insert(name.to_owned(), one);
    }
    Value::Object(all)
}

/// A runtime, and what its own command needs.
struct Ground {
    name: String,
    runtime: Box<dyn Runtime>,
    run: RunDirectory,
    folder: Folder,
}

impl Ground {
    fn lay_out(name: &str) -> Result<Ground, String> {
        let runtime = choose(Some(name)).map_err(|error| format!("{error}: {}", error.because()))?;
        let run = RunDirectory::create(&RunId::random()).map_err(|error| error.to_string())?;
        let folder = Folder::make_in(&std::env::temp_dir(), "bench-start")?;
        let ground = Ground { name: name.to_owned(), runtime, run, folder };
        if ground.runtime.engine().is_some() {
            ground.load()?;
        } else {
            ground.write_bundle()?;
        }
        Ok(ground)
    }

    fn load(&self) -> Result<(), String> {
        let tar = self.folder.path().join("image.tar");
        let file = std::fs::File::create(&tar).map_err(|error| error.to_string())?;
        let image = Image::of_ourselves().map_err(|error| error.to_string())?;
        image.write(TAG, file).map_err(|error| error.to_string())?;
        self.engine(&["load", "--input", &tar.display().to_string()])
    }

    fn engine(&self, arguments: &[&str]) -> Result<(), String> {
        let output = Command::new(&self.name).args(arguments).output().map_err(|error| error.to_string())?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{} {arguments:?}: {error}", self.name)) }
    }

    fn write_bundle(&self) -> Result<(), String> {
        let bundle = self.folder.path().join("bundle");
        let confinement = Confinement {
            cgroup_path: cgroups::path_of(self.run.id().as_str(), "bare"),
            limits: true,
            user_namespace: UserNamespace::Host,
        };
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let configuration = bundle::configuration(&spec("bare", self.folder.path()), &confinement, "bench", &program);
        std::fs::create_dir_all(bundle.join("rootfs"))
            .and_then(|()| std::fs::write(bundle.join("config.json"), configuration.to_string()))
            .map_err(|error| error.to_string())
    }

    /// The tool's own plainest command.
    fn bare(&self, round: u32) -> Result<Duration, String> {
        let name = format!("walproof-bench-{}-{round}", std::process::id());
        let mut command = Command::new(&self.name);
        match self.runtime.engine() {
            Some(_) => {
                command.args(["run", "--interactive", "--network", "none", "--name", &name]);
                if self.name == "podman" {
                    // Without these Debian's podman starts nothing at all here.
                    command.args(["--runtime", "runc", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
                }
                command.args([TAG, "agent"]);
            }
            None => {
                let (state, bundle) = (self.folder.path().join("state"), self.folder.path().join("bundle"));
                command.arg("--root").arg(state).arg("run").arg("--bundle").arg(bundle).arg(&name);
            }
        }
        let began = Instant::now();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let child = child.as_mut().map_err(|error| error.to_string())?;
        let mut byte = [0];
        let mut output = child.stdout.take().ok_or("no output")?;
        output.read_exact(&mut byte).map_err(|error| format!("{name} said nothing: {error}"))?;
        let took = began.elapsed();
        drop(child.stdin.take());
        child.wait().map_err(|error| error.to_string())?;
        if self.runtime.engine().is_some() {
            self.engine(&["rm", "--force", &name])?;
        }
        Ok(took)
    }

    /// An agent, as every run starts it.
    fn agent(&self, round: u32) -> Result<Duration, String> {
        let spec = spec(&format!("agent-{round}"), self.folder.path());
        let began = Instant::now();
        // It returns when the agent has spoken.
        let mut container = self.runtime.start(&self.run, &spec).map_err(|error| error.because())?;
        let took = began.elapsed();
        container.remove().map_err(|error| error.because())?;
        Ok(took)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.runtime.engine().is_some() {
            let _ = self.engine(&["rmi", "--force", TAG]);
        }
    }
}

fn spec(name: &str, folder: &Path) -> ContainerSpec {
    let source: PathBuf = folder.to_owned();
    ContainerSpec {
        name: name.to_owned(),
        mounts: vec![Mount::Bind { source, destination: "/db".into(), read_only: false }],
        arguments: vec!["agent".to_owned()],
        memory_bytes_max: 256 << 20,
        pids_max: 32,
        user: None,
        program: None,
        likeness: None,
    }
}
