//! `walproof check`: what endangers SQLite, as far as it can be read.
//!
//! Top down: `check/settings.rs` puts flags and `.walproof.toml` together, `check/targets.rs` sorts the targets,
//! `walproof_lab::collect::manifests` reads files, `check/live.rs` asks for what runs, the judge finds and renders.
//! docs/check.md says what each form of output means.
//! What it must not do: open a database with SQLite, write anything but what `--output`, `--write-baseline` and
//! `--fix=write` (`check/fix.rs`) name.

mod fix;
mod live;
mod settings;
pub mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;

use walproof_judge::check::baseline::Baseline;
use walproof_judge::check::checked::{self, Checked, Given, Level, Read, Said};
use walproof_judge::check::projects::{self, Project};
use walproof_judge::manifest::compose::paths;
use walproof_judge::manifest::recognise::{Kind, is_page};
use walproof_judge::render::text::Style;
use walproof_judge::render::{github, json, junit, sarif, text};
use walproof_judge::sharing::Graph;
use walproof_judge::sharing::lower::{Builder, NamedDatabase};
use walproof_lab::collect::manifests::{self, Asked, Gathered};
use walproof_lab::error::LabError;

use crate::arguments::CheckFlags;
use crate::output;
use settings::Settings;

/// Text is never wider: long lines are hard to read.
const WIDTH_MAX: usize = 120;

/// Runs it; exit codes as `--help` says.
pub fn run(flags: &CheckFlags) -> Result<i32, LabError> {
    let settings = settings::of(flags)?;
    let mut checked = look(flags, &settings)?;
    let fixes = fix::run(flags, &mut checked, &|| look(flags, &settings))?;
    if let Some(path) = &flags.write_baseline {
        write(path, &Baseline::write(&checked))?;
    }
    let shown = show(&checked, flags);
    match &flags.output {
        Some(path) => write(path, &shown)?,
        None => output::document(&shown)?,
    }
    // A document for programs stays one.
    match flags.format.as_str() {
        "text" => output::document(&fixes)?,
        _ => eprint!("{fixes}"),
    }
    let code = checked.exit_code();
    Ok(if flags.write_baseline.is_some() && code != 2 { 0 } else { code })
}

/// Reads what was asked for, and judges it.
fn look(flags: &CheckFlags, settings: &Settings) -> Result<Checked, LabError> {
    let targets = targets::sort(&flags.targets, flags.compose.is_empty());
    let (pods, said) = live::manifests(&targets.live);
    let asked = Asked { texts: pods, ..settings.asked(targets.files, targets.standard_input) };
    let mut gathered = manifests::gather(&asked);
    gathered.said.extend(said);
    let live = live::look(&targets.live, &gathered.databases);
    Ok(judge(settings, gathered, live))
}

/// Everything into one graph, and judged.
fn judge(settings: &Settings, gathered: Gathered, live: live::Seen) -> Checked {
    let Gathered { projects, texts, left_out, mut said, .. } = gathered;
    let mut builder = Builder::new(settings.host, &settings.applications, &settings.databases);
    let mut read = Read { left_out: left_out.into_iter().collect(), ..Read::default() };
    let whole = read.left_out.iter().filter(|left| left.object.is_none());
    let passed: BTreeSet<String> = whole.map(|left| left.file.clone()).collect();
    let mut judged: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for project in &projects {
        projects::add(&mut builder, project, settings.home.as_deref());
        let files = project.files().iter().map(|file| manifests::shown(&file.name));
        for file in files.filter(|file| !passed.contains(file)) {
            let word = if is_page(&file) { PAGE } else { word(project) };
            judged.entry(word).or_default().insert(file);
        }
    }
    live.add(&mut builder, &mut read, &mut said);
    read.left_out.sort();
    read.judged.extend(judged.into_iter().map(|(kind, files)| (kind, files.len())));
    let mut graph = builder.finish();
    for file in &mut graph.files {
        file.name = manifests::shown(&file.name);
    }
    said.extend(settings.said.iter().cloned());
    let named = settings.databases.iter().enumerate().filter(|(_, named)| !is_there(&graph, named));
    // A configuration stands above folders that are judged one by one.
    let level = |at| if at < settings.databases_of_config { Level::Note } else { Level::Error };
    said.extend(named.map(|(at, named)| not_there(named, level(at))));
    read.not_seen.extend(not_chosen(&projects));
    let (policy, baseline) = (settings.policy.clone(), settings.baseline.clone());
    checked::of(graph, Given { texts, read, said, policy, baseline })
}

/// Whether a database that was named was found in any workload.
fn is_there(graph: &Graph, named: &NamedDatabase) -> bool {
    graph.databases.iter().any(|database| {
        let workload = graph.workload(database.workload);
        let is_of_name = named.workload.as_ref().is_none_or(|name| workload.is_called(name));
        is_of_name && paths::normal(&named.path) == database.path
    })
}

/// Whoever names a database must not be told that nothing was found because of a slip in the name.
fn not_there(named: &NamedDatabase, level: Level) -> Said {
    let workload = named.workload.as_ref().map_or(String::new(), |name| format!("{name}:"));
    Said {
        level,
        file: format!("{workload}{}", named.path),
        place: None,
        what: "this database was named and is in no workload".to_owned(),
        because: match &named.workload {
            Some(name) => format!("no workload that was read is called `{name}`"),
            None => "no workload that was read mounts anything over this path".to_owned(),
        },
        try_this: "`--database WORKLOAD:/path` with a name as the summary shows it".to_owned(),
    }
}

/// Services that start only with a profile, which nobody named.
fn not_chosen(projects: &[Project]) -> Option<String> {
    let composes = projects.iter().filter_map(|project| match project {
        Project::Compose(compose) => Some(compose),
        _ => None,
    });
    let services = composes.flat_map(|compose| compose.services.iter().filter(|service| !service.active));
    let names: BTreeSet<String> = services.map(|service| format!("`{}`", service.name.value)).collect();
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = names.len().saturating_sub(5);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!names.is_empty())
        .then(|| format!("services of profiles that were not chosen (`--profile`): {}{more}", shown.join(", ")))
}

/// What scripts and pages are called, whatever stands in them.
const PAGE: &str = "script or page";

/// What files of a kind are called.
fn word(project: &Project) -> &'static str {
    match project.kind() {
        Kind::Compose => "Compose",
        Kind::Kubernetes => "Kubernetes",
        Kind::Quadlet => "quadlet",
        Kind::DockerRun => PAGE,
        Kind::Dockerfile => "Dockerfile",
    }
}

fn show(checked: &Checked, flags: &CheckFlags) -> String {
    match flags.format.as_str() {
        "json" => json::render(checked),
        "sarif" => sarif::render(checked),
        "junit" => junit::render(checked),
        "github" => github::render(checked),
        _ => {
            let is_terminal = flags.output.is_none() && std::io::stdout().is_terminal();
            let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            text::render(checked, Style { colour, width: output::columns().clamp(40, WIDTH_MAX) })
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), LabError> {
    std::fs::write(path, text)
        .map_err(|error| LabError::path("cannot write", path, error, "a file in a folder of yours"))
}
