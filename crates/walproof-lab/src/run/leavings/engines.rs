//! What a run leaves on engines and with OCI tools: containers, images, tools' own state.
//!
//! What this file is: the notes of it, and their removal by the same command lines that made it.
//! What it must not do: touch what does not carry the run's label or name.
//! Where to look next: `../leavings.rs`, which keeps the notes and calls this first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{CleanReport, RunId};
use crate::runtimes::engine::{LABEL, full_name};
use crate::runtimes::{RUNTIMES, find_program};

/// What an image of a run is called, before the run's digits.
pub const IMAGE_PREFIX: &str = "localhost/walproof:run-";

/// An engine on which a run made something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedEngine {
    /// Its command line.
    pub program: PathBuf,
    /// The variables that say which engine that speaks to.
    pub environment: BTreeMap<String, String>,
    /// Images that were loaded, by tag.
    pub images: Vec<String>,
    /// Containers of the user's that are hurt.
    pub targets: Vec<String>,
}

/// An OCI command line that keeps state of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedTool {
    /// The program.
    pub program: PathBuf,
    /// Flags before the command.
    pub arguments: Vec<String>,
}

/// Notes an engine, or what is new on one that was noted before.
pub(super) fn note(noted: &mut Vec<NotedEngine>, new: &NotedEngine) {
    let same = |one: &&mut NotedEngine| one.program == new.program && one.environment == new.environment;
    match noted.iter_mut().find(same) {
        Some(one) => {
            new.images.iter().for_each(|image| super::add(&mut one.images, image.clone()));
            new.targets.iter().for_each(|target| super::add(&mut one.targets, target.clone()));
        }
        None => noted.push(new.clone()),
    }
}

impl NotedEngine {
    fn here(program: PathBuf) -> NotedEngine {
        NotedEngine { program, environment: BTreeMap::new(), images: Vec::new(), targets: Vec::new() }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).envs(&self.environment).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("`{}`: {error}", self.program.display()))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    fn containers(&self, run: &RunId) -> Result<Vec<String>, String> {
        let label = format!("label={LABEL}={run}");
        let said = self.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label])?;
        Ok(said.split_whitespace().map(str::to_owned).collect())
    }

    fn remove_container(&self, id: &str) -> Result<(), String> {
        // A paused one cannot be killed, and podman's `rm --force` asks nicely first and waits. What does not apply is
        // refused, and need not succeed.
        let _ = self.ask(&["unpause", id]);
        let _ = self.ask(&["kill", id]);
        self.ask(&["rm", "--force", "--volumes", id]).map(drop)
    }

    /// Removes a tag of ours; the layers go with the last one.
    fn remove_image(&self, tag: &str) -> Result<bool, String> {
        let known = self.ask(&["image", "inspect", "--format", "{{.Id}}", tag]).is_ok();
        if known { self.ask(&["rmi", tag]).map(|_| true) } else { Ok(false) }
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Removes what a run made on its engines.
pub(super) fn sweep(run: &RunId, engines: &[NotedEngine], report: &mut CleanReport) {
    for engine in engines {
        let name = engine.name();
        match engine.containers(run) {
            Err(because) => report.failed.push(format!("containers of run {run} on {name}: {because}")),
            Ok(all) => all.iter().for_each(|id| {
                let what = format!("container {} of run {run} on {name}", &id[..id.len().min(12)]);
                tell(engine.remove_container(id).map(|()| true), what, report);
            }),
        }
        for target in &engine.targets {
            // Paused or down: of the two only one applies, and the other is refused.
            let _ = engine.ask(&["unpause", target]);
            let healed = engine.ask(&["start", target]).map(|_| true);
            // One that the user has removed needs nothing any more.
            let gone = healed.is_err() && engine.ask(&["container", "inspect", "--format", "{{.Id}}", target]).is_err();
            let healed = if gone { Ok(false) } else { healed };
            tell(healed, format!("what was done to your container `{target}` on {name}"), report);
        }
        for tag in engine.images.iter().filter(|tag| **tag == format!("{IMAGE_PREFIX}{run}")) {
            tell(engine.remove_image(tag), format!("image `{tag}` on {name}"), report);
        }
    }
}

fn tell(outcome: Result<bool, String>, what: String, report: &mut CleanReport) {
    match outcome {
        Ok(true) => report.removed.push(what),
        Ok(false) => {}
        Err(because) => report.failed.push(format!("{what}: {because}")),
    }
}

/// Lets OCI tools delete what they know of a run's containers: a sandbox has more processes than the one that is ours.
pub(super) fn delete(run: &RunId, folder: &Path, tools: &[NotedTool], containers: &[&str]) {
    for (tool, name) in tools.iter().flat_map(|tool| containers.iter().map(move |name| (tool, name))) {
        let mut command = Command::new(&tool.program);
        command.args(&tool.arguments).arg("--root").arg(folder.join("state"));
        command.args(["delete", "--force", &full_name(run.as_str(), name)]);
        // Whether it knew it or not: processes, cgroups and the folder are looked at afterwards.
        let _ = command.stdin(Stdio::null()).output();
    }
}

/// Runs that the installed engines know something of: their containers by label, their images by tag.
pub(super) fn runs_on(engine: &NotedEngine) -> BTreeSet<RunId> {
    let label = format!("label={LABEL}");
    // One by one: podman 4 has no `.Label` in the format of its lists.
    let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
    let ids = engine.ask(&["ps", "--all", "--filter", &label, "--quiet"]).unwrap_or_default();
    let run_of = |id: &str| engine.ask(&["container", "inspect", "--format", &format, id]).ok();
    let containers: Vec<String> = ids.lines().filter_map(run_of).collect();
    let images = engine.ask(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).unwrap_or_default();
    let tags = images.lines().filter_map(|line| line.trim().strip_prefix(IMAGE_PREFIX));
    containers.iter().map(String::as_str).chain(tags).filter_map(|digits| RunId::parse(digits.trim())).collect()
}

/// The engines that can be asked here.
pub(super) fn installed() -> Vec<NotedEngine> {
    let engines = RUNTIMES.iter().filter(|entry| entry.is_engine());
    engines.filter_map(|entry| find_program(entry.name)).map(NotedEngine::here).collect()
}

/// What an engine still has of a run whose notes are gone: removed when nothing of it runs.
pub(super) fn remove_orphan(engine: &NotedEngine, run: &RunId, report: &mut CleanReport) {
    let label = format!("label={LABEL}={run}");
    let living = engine.ask(&["ps", "--quiet", "--filter", &label]).unwrap_or_default();
    let name = engine.name();
    if !living.is_empty() {
        let count = living.lines().count();
        let line =
            format!("run {run}: {count} containers of it run on {name}, and its state folder is not to be seen here");
        report.kept.push(line);
        return;
    }
    let images = vec![format!("{IMAGE_PREFIX}{run}")];
    sweep(run, &[NotedEngine { images, ..engine.clone() }], report);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(images: &[&str]) -> NotedEngine {
        let images = images.iter().map(|tag| (*tag).to_owned()).collect();
        NotedEngine { images, ..NotedEngine::here("/usr/bin/docker".into()) }
    }

    #[test]
    fn an_engine_is_noted_once() {
        let mut noted = Vec::new();
        note(&mut noted, &engine(&[]));
        note(&mut noted, &engine(&["one"]));
        note(&mut noted, &engine(&["one", "two"]));
        assert_eq!(noted, [engine(&["one", "two"])]);
        let elsewhere = BTreeMap::from([("DOCKER_HOST".to_owned(), "ssh://there".to_owned())]);
        note(&mut noted, &NotedEngine { environment: elsewhere, ..engine(&[]) });
        assert_eq!(noted.len(), 2);
    }

    #[test]
    fn an_engine_that_is_gone_is_a_failure_to_clean() {
        let gone = NotedEngine::here("/no/such/docker".into());
        let mut report = CleanReport::default();
        sweep(&RunId::random(), &[gone], &mut report);
        assert_eq!(report.failed.len(), 1);
    }

    #[test]
    fn images_of_others_are_not_removed() {
        let mut report = CleanReport::default();
        let asked = NotedEngine { images: vec!["postgres:16".to_owned()], ..NotedEngine::here("/bin/true".into()) };
        sweep(&RunId::random(), &[asked], &mut report);
        assert_eq!(report, CleanReport::default());
    }
}
