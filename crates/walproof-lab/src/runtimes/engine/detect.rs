//! Whether and how an engine can serve: found out by a real container, never by its name.
//!
//! What this file is: the engine's own words, the image loaded, and one container that must read what we wrote, write
//! what we read, and live on our kernel: the histories of agents are read while they are written.
//! What it must not do: start or touch anything of the user's.
//! Where to look next: `../../run/leavings/engines.rs`, which removes the image again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use super::{Client, Engine, Told, Tool};
use crate::image::Image;
use crate::run::leavings::{RunDirectory, RunId};
use crate::runtimes::{Abilities, ContainerSpec, HELPER, Mount, Runtime, RuntimeError, find_program};

/// What is written for the probing container to read.
const NONCE: &str = "nonce";

/// One attempt: an OCI runtime by name, and whether limits are asked for.
type Way = (Option<String>, bool);

/// Finds the engine; `oci_runtime`: the OCI runtime that was asked for below it.
pub fn detect(tool: &'static Tool, oci_runtime: Option<&str>) -> Result<Box<dyn Runtime>, RuntimeError> {
    let client = find(tool)?;
    let told = ask(&client)?;
    let keeper = RunDirectory::create(&RunId::random())?;
    let image = load(&client, &keeper)?;
    let name = oci_runtime.map_or_else(|| tool.name.to_owned(), |inner| format!("{}:{inner}", tool.name));
    let abilities = Abilities {
        isolation: String::new(),
        containers: true,
        bind_mounts: true,
        overlay_mounts: false,
        limits: true,
        volumes: true,
        version: Some(told.version.clone()),
        missing: Vec::new(),
        notes: vec!["overlay mounts: an engine makes none of directories that you choose".to_owned()],
    };
    let mut engine =
        Engine { client, name, told, abilities, oci_runtime: None, image, anchors: Mutex::default(), keeper };
    engine.find_way(oci_runtime)?;
    engine.abilities.isolation = engine.isolation();
    Ok(Box::new(engine))
}

fn unavailable(client: &Client, because: String) -> RuntimeError {
    RuntimeError::Unavailable { name: client.tool.name.to_owned(), tried: vec![because] }
}

fn find(tool: &'static Tool) -> Result<Client, RuntimeError> {
    match find_program(tool.name) {
        Some(program) => Ok(Client { tool, program }),
        None => {
            let tried = vec![format!("there is no `{}` in PATH", tool.name)];
            Err(RuntimeError::Unavailable { name: tool.name.to_owned(), tried })
        }
    }
}

fn ask(client: &Client) -> Result<Told, RuntimeError> {
    let said = client.ask(&["info", "--format", "{{json .}}"]);
    let said = said.map_err(|error| unavailable(client, error.because()))?;
    let read = serde_json::from_str(&said).map_err(|error| unavailable(client, format!("`info` said {error}")))?;
    let told = (client.tool.read)(&read);
    match told.version.is_empty() {
        // A client without its daemon answers as well.
        true => Err(unavailable(client, format!("its daemon does not answer: {}", errors_in(&read)))),
        false => Ok(told),
    }
}

fn errors_in(info: &serde_json::Value) -> String {
    let all = info["ServerErrors"].as_array().into_iter().flatten().filter_map(|error| error.as_str());
    let all: Vec<&str> = all.collect();
    if all.is_empty() { "it says nothing of itself".to_owned() } else { all.join("; ") }
}

/// The image under a tag of our own, noted before it is loaded. Its layers are stored once however many tags there are.
fn load(client: &Client, keeper: &RunDirectory) -> Result<String, RuntimeError> {
    let tag = format!("localhost/walproof:run-{}", keeper.id());
    let image =
        Image::of_ourselves().map_err(|error| unavailable(client, format!("{}: {}", error.what, error.because)))?;
    let mut noted = client.noted();
    noted.images.push(tag.clone());
    keeper.note_engine(&noted)?;
    let failed = |error: std::io::Error| RuntimeError::system("load the image", error);
    let mut child = client.command().arg("load").stdin(Stdio::piped()).spawn().map_err(failed)?;
    // When it hangs up early, what it says is the cause, not our broken pipe.
    let written = child.stdin.take().map(|to| image.write(&tag, to));
    let output = child.wait_with_output().map_err(failed)?;
    match (output.status.success(), written) {
        (true, Some(Ok(()))) => Ok(tag),
        (true, Some(Err(error))) => Err(failed(error)),
        _ => Err(unavailable(client, format!("the image could not be loaded: {}", super::complaint(&output)))),
    }
}

/// What the probing container said: `ready`, its kernel's boot id, what it read from us.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    boot_id: String,
    nonce: String,
}

impl Engine {
    /// Tries its own OCI runtime first, with limits and without; then those that are known to help.
    fn find_way(&mut self, asked: Option<&str>) -> Result<(), RuntimeError> {
        let mut tried: Vec<String> = Vec::new();
        for (oci_runtime, limits) in ways(self.client.tool, asked) {
            self.oci_runtime.clone_from(&oci_runtime);
            self.abilities.limits = limits;
            match self.try_container() {
                Ok(answer) => {
                    self.check(&answer)?;
                    self.abilities.notes.extend(tried);
                    return Ok(());
                }
                Err(error) => {
                    let with = oci_runtime.map_or_else(|| self.told.oci_runtime.clone(), |name| name.clone());
                    let limits = if limits { "" } else { " without limits" };
                    let line = format!("containers by {with}{limits}: {}", last_words(&error));
                    if !tried.contains(&line) {
                        tried.push(line);
                    }
                }
            }
        }
        Err(RuntimeError::Unavailable { name: self.name.clone(), tried })
    }

    fn try_container(&self) -> Result<Answer, RuntimeError> {
        let folder = self.keeper.path().join("bound");
        let written =
            fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(NONCE), self.keeper.id().as_str()));
        written.map_err(|error| RuntimeError::system(format!("write in `{}`", folder.display()), error))?;
        let mount = Mount::Bind { source: folder, destination: "/bound".into(), read_only: false };
        let spec = ContainerSpec::of_ourselves("probe", vec![mount], &[HELPER, "probe", "/bound"]);
        let mut container = self.start(&self.keeper, &spec)?;
        let mut line = String::new();
        if let Some(mut ends) = container.take_line() {
            let _ = BufReader::new(&mut ends.from_agent).read_line(&mut line);
        }
        container.remove()?;
        read_answer(&line).ok_or_else(|| RuntimeError::Start {
            container: "probe".to_owned(),
            because: format!("it said `{}` instead of `ready`", line.trim()),
            stderr: container.stderr_tail(),
        })
    }

    /// Whether the container was where we are.
    fn check(&self, answer: &Answer) -> Result<(), RuntimeError> {
        let own = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        if answer.boot_id != own.trim() {
            let machine = self.told.virtual_machine.as_deref().unwrap_or("another machine");
            return Err(unavailable(
                &self.client,
                format!(
                    "its containers run on another kernel ({machine}), and their histories cannot be read from here \
                     while they are written: run walproof itself in a container there, see docs/runtimes.md"
                ),
            ));
        }
        let written = fs::read_to_string(self.keeper.path().join("bound/answer")).unwrap_or_default();
        match (answer.nonce.as_str() == self.keeper.id().as_str(), written.trim() == self.keeper.id().as_str()) {
            (true, true) => Ok(()),
            (false, _) => Err(unavailable(
                &self.client,
                "it does not see this machine's files: DOCKER_HOST names another machine, or walproof runs in a \
                 container itself"
                    .to_owned(),
            )),
            (true, false) => {
                let why = if self.told.remapped { ": their users are others outside (userns-remap)" } else { "" };
                Err(unavailable(&self.client, format!("its containers may not write into a directory of ours{why}")))
            }
        }
    }

    fn isolation(&self) -> String {
        let oci_runtime = self.oci_runtime.as_deref().unwrap_or(&self.told.oci_runtime);
        let limits = match self.abilities.limits {
            true => format!("cgroup {} memory+pids", self.told.cgroup_version),
            false => "no limits".to_owned(),
        };
        let rootless = if self.told.rootless { "rootless, " } else { "" };
        format!(
            "{} {} ({oci_runtime}), {rootless}own pid/mnt/ipc/uts/net, {limits}",
            self.client.tool.name, self.told.version
        )
    }
}

fn ways(tool: &Tool, asked: Option<&str>) -> Vec<Way> {
    let others = tool.other_oci_runtimes.iter().filter(|name| find_program(name).is_some());
    let runtimes: Vec<Option<String>> = match asked {
        Some(asked) => vec![Some(asked.to_owned())],
        None => std::iter::once(None).chain(others.map(|name| Some((*name).to_owned()))).collect(),
    };
    let with_limits = runtimes.iter().cloned().map(|name| (name, true));
    with_limits.chain(runtimes.iter().cloned().map(|name| (name, false))).collect()
}

/// The last line that a failed start wrote.
fn last_words(error: &RuntimeError) -> String {
    match error {
        RuntimeError::Start { stderr, .. } if !stderr.trim().is_empty() => {
            stderr.lines().map(str::trim).rfind(|line| super::is_said(line)).unwrap_or_default().to_owned()
        }
        other => other.because(),
    }
}

fn read_answer(line: &str) -> Option<Answer> {
    let mut words = line.split_whitespace();
    (words.next()? == "ready").then_some(())?;
    Some(Answer { boot_id: words.next()?.to_owned(), nonce: words.next().unwrap_or_default().to_owned() })
}

/// What runs inside, after `container-helper probe`: reads the nonce, writes it back, tells both and its kernel.
pub fn answer_probe(folder: Option<&Path>) -> String {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let nonce = folder.and_then(|folder| fs::read_to_string(folder.join(NONCE)).ok()).unwrap_or_default();
    if let Some(folder) = folder {
        // Whether it could be written is for the other side to see.
        let _ = fs::write(folder.join("answer"), &nonce);
    }
    format!("ready {} {nonce}", boot_id.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::engine::{docker::DOCKER, podman::PODMAN};

    #[test]
    fn an_answer_has_three_words() {
        let answer = read_answer("ready b00 d1\n").expect("an answer");
        assert_eq!((answer.boot_id.as_str(), answer.nonce.as_str()), ("b00", "d1"));
        assert_eq!(read_answer("ready b00").expect("without a nonce").nonce, "");
        assert_eq!(read_answer("hello"), None);
    }

    #[test]
    fn what_was_asked_for_is_not_replaced() {
        assert_eq!(ways(&PODMAN, Some("runsc")), [(Some("runsc".to_owned()), true), (Some("runsc".to_owned()), false)]);
        assert_eq!(ways(&DOCKER, None), [(None, true), (None, false)]);
    }
}
