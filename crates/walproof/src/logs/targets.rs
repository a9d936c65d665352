//! What is to be read: files, standard input, and what an engine, Kubernetes or journald keeps, by their own command lines.
//!
//! A file of that name comes first. `docker://NAME` and the like are those of `check`; `k8s://NAMESPACE/POD/CONTAINER`,
//! `unit:NAME` and `kernel:` are only here. A bare name that is no file is asked for at the engines that are here.
//! What it must not do: start what reads (`command.rs`), open a file.

use std::path::{Path, PathBuf};

use walproof_lab::collect::live::{self, LiveTarget};
use walproof_lab::error::LabError;
use walproof_lab::runtimes::find_program;

use super::command::Asked;
use crate::arguments::LogsFlags;
use crate::check::running;

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Input,
    /// A file; with `--follow` it may appear later.
    File(PathBuf),
    /// What a command prints.
    Command(Asked),
}

impl Source {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::Input => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Command(asked) => asked.name.clone(),
        }
    }
}

/// All that was named, in that order.
pub fn sources(flags: &LogsFlags) -> Result<Vec<Source>, LabError> {
    let sources: Vec<Source> = flags.files.iter().map(|path| source(path, flags)).collect::<Result<_, _>>()?;
    for source in &sources {
        let is_command = matches!(source, Source::Command(_));
        if flags.since.is_some() && !is_command {
            let because = format!("`{}` has no index of times", source.name());
            return Err(LabError::new(
                "cannot begin at a time",
                because,
                "`--since` with a container, a pod or a unit",
            ));
        }
        if flags.tail.is_some() && matches!(source, Source::Input) {
            let because = "standard input can only be read from where it begins";
            return Err(LabError::new("cannot take the last lines", because, "`tail -n N | walproof logs`"));
        }
    }
    Ok(sources)
}

fn source(path: &Path, flags: &LogsFlags) -> Result<Source, LabError> {
    let text = path.to_str().filter(|text| *text != "-" && !path.exists());
    let Some(text) = text else {
        return Ok(if path == Path::new("-") { Source::Input } else { Source::File(path.to_owned()) });
    };
    if text == "kernel:" {
        return Ok(Source::Command(Asked::kernel(flags)));
    }
    if let Some(unit) = text.strip_prefix("unit:").filter(|unit| !unit.is_empty()) {
        return Ok(Source::Command(Asked::unit(unit, flags)));
    }
    if let Some(("k8s", [namespace, pod, container])) = scheme(text) {
        return Ok(Source::Command(Asked::pod((namespace, pod), Some(container), flags)));
    }
    match running(text) {
        Some(LiveTarget::Container { engine, name }) if engine != "embedded" => {
            Ok(Source::Command(Asked::container(&engine, &name, flags)))
        }
        Some(LiveTarget::Pod { namespace, name }) => Ok(Source::Command(Asked::pod((&namespace, &name), None, flags))),
        Some(_) if !is_plain_number(text) => Err(LabError::new(
            format!("`{text}` keeps no log that can be asked for"),
            "only containers of engines, pods and units do",
            "its log file, `unit:NAME`, or pipe it: `COMMAND 2>&1 | walproof logs`",
        )),
        _ => Ok(by_bare_name(text, flags).unwrap_or_else(|| Source::File(path.to_owned()))),
    }
}

/// `k8s://a/b/c` as its scheme and three parts.
fn scheme(text: &str) -> Option<(&str, [&str; 3])> {
    let (scheme, rest) = text.split_once("://")?;
    let mut parts = rest.split('/').filter(|part| !part.is_empty() && !part.starts_with('-'));
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some((scheme, three))
}

fn is_plain_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A container of an engine that is here.
fn by_bare_name(name: &str, flags: &LogsFlags) -> Option<Source> {
    let may_be_a_name = !name.starts_with('-') && !name.contains(['/', ':']);
    let engines = ["docker", "podman", "nerdctl"].into_iter().filter(|engine| find_program(engine).is_some());
    let has = |engine: &&str| live::container_is_there(engine, name).is_ok();
    let engine = may_be_a_name.then(|| engines.into_iter().find(has)).flatten()?;
    Some(Source::Command(Asked::container(engine, name, flags)))
}
