//! `cargo xtask bench check`: a thousand manifests by `walproof check`, its start beside that of a bare process, and linters
//! beside it.
//!
//! Half of the files are Compose projects, half manifests of Kubernetes, made up from a seed so that every run judges the
//! same. Programs take turns, round by round, so that a busy machine is busy for all. Peers come from the registries of
//! npm and Python into `target/peers/`: `dclint` lints Compose files, `yamllint` YAML of any kind. They answer other
//! questions; what is compared is how long somebody waits for a linter on the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::flags::{Flags, repository};
use crate::ground::Folder;
use crate::prove::Binary;
use crate::result::{ResultFile, at, spread};

/// What issue 5 asks for.
const SECONDS_MAX: f64 = 1.0;
const START_RATIO_MAX: f64 = 10.0;
/// A start is short: so many in a row are one measurement.
const STARTS: u32 = 20;

/// `--files N`, `--rounds N`, `--peers dclint,yamllint`, `--result FOLDER`; true when both bars hold.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (files, rounds) = (flags.number("files", 1000)?, flags.number("rounds", 5)?);
    let peers = flags.choice("peers", &["dclint", "yamllint"])?;
    let folder = flags.result_folder();
    flags.finish()?;
    let binary = Binary::build()?;
    let ground = Folder::make("bench-check")?;
    corpus(ground.path(), files)?;
    let empty = ground.path().join("empty");
    fs::create_dir_all(&empty).map_err(|error| at(&empty, &error))?;
    let mut programs = vec![
        ("walproof check", words(binary.path(), &["check", "--no-config", "--format", "json"], ground.path()), 1),
        ("walproof check, nothing to do", words(binary.path(), &["check", "--no-config"], &empty), STARTS),
        ("bare process", words(Path::new("/bin/true"), &[], Path::new("/")), STARTS),
    ];
    for peer in peers {
        programs.push((peer, install(peer, ground.path())?, 1));
    }
    let mut result = ResultFile::begin(&folder, "bench-check", json!({"files": files, "rounds": rounds}))?;
    for round in 1..=rounds {
        for (name, command, times) in &programs {
            let seconds = timed(command, *times)?;
            result.add(json!({"program": name, "round": round, "seconds": seconds}), summary)?;
        }
    }
    let summary = summary(result.runs());
    println!("{}\nresult in {}", serde_json::to_string_pretty(&summary).expect("plain"), result.path().display());
    let number = |pointer: &str| summary.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::INFINITY);
    Ok(number("/seconds/walproof check/median") < SECONDS_MAX && number("/start_ratio") < START_RATIO_MAX)
}

fn words(program: &Path, flags: &[&str], on: &Path) -> Vec<PathBuf> {
    let flags = flags.iter().map(PathBuf::from);
    [program.to_owned()].into_iter().chain(flags).chain([on.to_owned()]).collect()
}

/// Seconds for one of `times` runs in a row.
fn timed(command: &[PathBuf], times: u32) -> Result<f64, String> {
    let begun = Instant::now();
    for _ in 0..times {
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Linters end with 1 when they find something, and all of them do here.
        let status = process.status().map_err(|error| at(&command[0], &error))?;
        if status.code().is_none_or(|code| code > 1) {
            return Err(format!("`{}` ended with {status}", command[0].display()));
        }
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(times))
}

fn summary(runs: &[Value]) -> Value {
    let of = |name: &str| {
        let these = runs.iter().filter(|run| run["program"] == name);
        spread(these.filter_map(|run| run["seconds"].as_f64()))
    };
    let mut names: Vec<&str> = runs.iter().filter_map(|run| run["program"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let seconds: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), of(name))).collect();
    let median = |name: &str| of(name)["median"].as_f64();
    let ratio = |one: &str, other: &str| Some(median(one)? / median(other)?);
    json!({
        "start_ratio": ratio("walproof check, nothing to do", "bare process"),
        "dclint_ratio": ratio("dclint", "walproof check"),
        "yamllint_ratio": ratio("yamllint", "walproof check"),
        "seconds": seconds,
    })
}

/// Installs a peer; gives its command line.
fn install(peer: &str, on: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = repository().join("target/peers").join(peer);
    fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(&folder).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("cannot install `{peer}`\nbecause: `{program}` failed\ntry: `--peers` without it")),
        }
    };
    match peer {
        "dclint" => {
            run("npm", &["install", "--silent", "--prefix", ".", "dclint@3"])?;
            Ok(words(&folder.join("node_modules/.bin/dclint"), &["-r"], &on.join("compose")))
        }
        _ => {
            run("python3", &["-m", "venv", "."])?;
            run("bin/pip", &["install", "--quiet", "yamllint==1.37.1"])?;
            Ok(words(&folder.join("bin/yamllint"), &["-f", "parsable"], on))
        }
    }
}

/// Writes the files: half under `compose/`, each in a folder of its own, half under `kubernetes/`.
fn corpus(folder: &Path, files: u32) -> Result<(), String> {
    for number in 0..files {
        let (path, text) = match number % 2 {
            0 => (folder.join(format!("compose/{number}/compose.yaml")), compose(number)),
            _ => (folder.join(format!("kubernetes/{number}.yaml")), kubernetes(number)),
        };
        let parent = path.parent().expect("it lies in a folder");
        fs::create_dir_all(parent).map_err(|error| at(parent, &error))?;
        fs::write(&path, text).map_err(|error| at(&path, &error))?;
    }
    Ok(())
}

/// Three to eight services; every third file mounts a single database file.
fn compose(number: u32) -> String {
    const IMAGES: &[&str] =
        &["vaultwarden/server:1.32", "grafana/grafana:11", "nginx:1.27", "postgres:16", "louislam/uptime-kuma:1"];
    let mut text = "services:\n".to_owned();
    for service in 0..3 + number % 6 {
        let image = IMAGES[((number + service) % 5) as usize];
        let mount = match (number + service) % 3 {
            0 => format!("./app{service}.db:/data/app{service}.db"),
            1 => format!("data{service}:/data"),
            _ => format!("./data{service}:/data:ro"),
        };
        text.push_str(&format!(
            "  service{service}:\n    image: {image}\n    restart: unless-stopped\n    environment:\n      - TZ=Europe/Berlin\n      \
             - DATABASE_URL=sqlite:///data/app{service}.db\n    volumes:\n      - {mount}\n      - ./media:/media\n    ports:\n      \
             - \"{}:80\"\n",
            8000 + service
        ));
    }
    text.push_str("volumes:\n");
    (0..3 + number % 6).for_each(|service| text.push_str(&format!("  data{service}: {{}}\n")));
    text
}

/// A Deployment, its claim and its Service.
fn kubernetes(number: u32) -> String {
    let (name, replicas) = (format!("app{number}"), 1 + number % 3);
    let class = ["longhorn", "nfs-client", "gp3"][(number % 3) as usize];
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: bench\nspec:\n  replicas: {replicas}\n  \
         selector:\n    matchLabels: {{app: {name}}}\n  template:\n    metadata:\n      labels: {{app: {name}}}\n    spec:\n      \
         containers:\n        - name: app\n          image: ghcr.io/example/{name}:1.0\n          env:\n            - name: DATABASE_URL\n              \
         value: sqlite:///data/app.db\n          volumeMounts:\n            - name: data\n              mountPath: /data\n      volumes:\n        \
         - name: data\n          persistentVolumeClaim:\n            claimName: {name}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  \
         name: {name}\n  namespace: bench\nspec:\n  accessModes: [ReadWriteOnce]\n  storageClassName: {class}\n  resources:\n    requests:\n      \
         storage: 1Gi\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: bench\nspec:\n  selector: {{app: {name}}}\n  \
         ports: [{{port: 80}}]\n"
    )
}
