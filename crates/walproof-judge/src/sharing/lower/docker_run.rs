//! Command lines that start containers.
//!
//! Lines of one script run on one machine, so they share its paths and volumes. In Markdown lines are often
//! alternatives of each other, so each of them is a project of its own; and so is, in a script, a line that stands
//! there a second time (for Docker, for Podman) or gives a container the name that another one has: they never run at
//! once.
//!
//! What it must not do: judge, put in variables of the shell. A path stays as written, so that one variable is one path.
//!
//! Where to look next: `crate::manifest::docker_run::model` for what comes in, `mounts`.

use super::mounts::{self, Link, Sources};
use super::{Builder, Moved, compose};
use crate::manifest::Spanned;
use crate::manifest::compose::{Mount as Written, MountKind, Pair, Volume, paths};
use crate::manifest::docker_run::{Options, Run, Runs};
use crate::sharing::{StopTime, Workload, WorkloadId, WorkloadKind};

/// The time that engines give a container when nobody says.
pub(super) const STOP_TIME_MS: u64 = 10_000;
/// The current directory, as shells write it.
const CURRENT: &[&str] = &["${PWD}", "$(pwd)", "$(PWD)", "$(CURDIR)", "$PWD", "`pwd`", "%cd%", "%CD%"];
const PROSE: &[&str] = &[".markdown", ".md", ".mdx"];

/// Adds the command lines of files.
pub fn add(builder: &mut Builder<'_>, runs: &Runs) {
    let moved = builder.begin(&runs.files);
    for (number, file) in runs.files.iter().enumerate() {
        let name = file.name.to_ascii_lowercase();
        let is_prose = PROSE.iter().any(|ending| name.ends_with(ending));
        let mut together: Vec<&Run> = Vec::new();
        let mut alone: Vec<&Run> = Vec::new();
        for run in runs.runs.iter().filter(|run| run.span.source == number) {
            let never_at_once = is_prose || together.iter().any(|other| are_alternatives(other, run));
            if never_at_once { &mut alone } else { &mut together }.push(run);
        }
        project(builder, moved, &together);
        for run in alone {
            project(builder, moved, &[run]);
        }
    }
}

/// Two lines of which only one runs: for the same name, or the same but for the engine.
fn are_alternatives(one: &Run, other: &Run) -> bool {
    let value = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let names = (value(&one.options.name), value(&other.options.name));
    if let (Some(name), Some(other)) = &names {
        return name == other;
    }
    let told = |run: &Run| -> Vec<String> {
        let sources = |mount: &Written| format!("{:?}", without_places(mount));
        let words = run.command.iter().map(|word| word.value.clone());
        run.options.mounts.iter().map(sources).chain(words).chain(value(&run.image)).collect()
    };
    names == (None, None) && told(one) == told(other)
}

/// What is mounted where, in words.
fn without_places(mount: &Written) -> (String, String) {
    let source = match &mount.kind {
        MountKind::Bind { source } => source.value.clone(),
        MountKind::Named { volume } => volume.value.clone(),
        _ => String::new(),
    };
    (source, mount.target.value.clone())
}

fn project(builder: &mut Builder<'_>, moved: Moved, runs: &[&Run]) {
    if runs.is_empty() {
        return;
    }
    builder.begin_next();
    let ids: Vec<WorkloadId> = runs.iter().map(|run| one(builder, moved, run)).collect();
    let mut links: Vec<Link> = Vec::new();
    for (run, to) in runs.iter().zip(&ids) {
        for from in &run.options.volumes_from {
            let is_it = |run: &&Run| run.options.name.as_ref().is_some_and(|name| name.value == from.name);
            if let Some(at) = runs.iter().position(is_it) {
                links.push(mounts::link(ids[at], *to, from, moved));
            }
        }
    }
    mounts::add_from(builder, &links);
}

fn one(builder: &mut Builder<'_>, moved: Moved, run: &Run) -> WorkloadId {
    let engine = engine(&run.program.value);
    let name = run.options.name.as_ref().or(run.image.as_ref()).unwrap_or(&run.program);
    let read_only = run.options.read_only.as_ref().filter(|flag| flag.value);
    let words = run.options.entrypoint.iter().chain(&run.command);
    let workload = builder.workload(Workload {
        span: Some(moved.span(name.span)),
        image: moved.option(run.image.as_ref()),
        words: words.map(|word| moved.spanned(word)).collect(),
        // Engines differ in what is read-only then, so without an engine nothing is said.
        read_only_root: read_only.filter(|_| engine.is_some()).map(|flag| moved.span(flag.span)),
        engine,
        ..of_options(moved, &run.options, Workload::new(WorkloadKind::CommandLine, &name.value))
    });
    let sources = Line { moved, options: &run.options };
    mounts::add(builder, &sources, workload, &run.options.mounts);
    mounts::add_memory(builder, moved, workload, &run.options.tmpfs);
    let keeps_tmpfs = run.options.read_only_tmpfs.as_ref().is_none_or(|flag| flag.value);
    if engine == Some("podman") && read_only.is_some() && keeps_tmpfs {
        mounts::add_read_only_tmpfs(builder, workload);
    }
    workload
}

/// What options say of a workload, besides its mounts, its words and its read-only files.
pub(super) fn of_options(moved: Moved, options: &Options, workload: Workload) -> Workload {
    let namespace = options.user_namespace.as_ref().filter(|mode| mode.value != "host");
    let stop = options.stop_timeout_seconds.as_ref();
    let of_privileged = options.privileged.as_ref().filter(|flag| flag.value).map(|flag| moved.span(flag.span));
    Workload {
        environment: options.environment.iter().map(|pair| compose::variable(moved, pair)).collect(),
        labels: options.labels.iter().map(|pair| compose::variable(moved, pair)).collect(),
        stop_time: StopTime {
            ms: Some(stop.map_or(STOP_TIME_MS, |seconds| seconds.value.saturating_mul(1000))),
            span: stop.map(|seconds| moved.span(seconds.span)),
        },
        user: moved.option(options.user.as_ref()),
        groups: options.group_add.iter().map(|group| moved.spanned(group)).collect(),
        memory_limit_bytes: moved.option(options.memory_limit_bytes.as_ref()),
        runtime: moved.option(options.runtime.as_ref()),
        user_namespace: namespace.map(|mode| moved.span(mode.span)),
        user_namespace_mode: moved.option(namespace),
        own_label: mounts::own_label(moved, &options.security_options).or(of_privileged),
        working_directory: moved.option(options.working_directory.as_ref()),
        ..workload
    }
}

fn engine(program: &str) -> Option<&'static str> {
    match program {
        "docker" => Some("docker"),
        "nerdctl" => Some("nerdctl"),
        "podman" | "podman-remote" => Some("podman"),
        _ => None,
    }
}

/// One command line, or what is written as one.
pub(super) struct Line<'a> {
    pub moved: Moved,
    pub options: &'a Options,
}

impl Sources for Line<'_> {
    fn moved(&self) -> Moved {
        self.moved
    }

    fn path(&self, source: &Spanned<String>) -> Option<String> {
        let after =
            |word: &&str| source.value.strip_prefix(*word).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let text = match CURRENT.iter().find_map(after) {
            Some(rest) => format!(".{rest}"),
            None => source.value.clone(),
        };
        Some(as_written_or_resolved(".", &text))
    }

    /// `--mount type=volume,volume-driver=...,volume-opt=type=nfs,...` makes the volume if it is not there.
    fn volume(&self, name: &str, mount: &Written) -> Option<Volume> {
        let others = || mount.options.others.iter();
        let value = |option: &Spanned<String>, key: &str| {
            option.value.strip_prefix(key).map(|value| Spanned::new(value.to_owned(), option.span))
        };
        let driver = others().find_map(|option| value(option, "volume-driver=")).or(self.options.volume_driver.clone());
        let driver_opts: Vec<Pair> = others().filter_map(|option| value(option, "volume-opt=")).map(pair).collect();
        let says_more = driver.is_some() || !driver_opts.is_empty();
        says_more.then(|| Volume {
            key: Spanned::new(name.to_owned(), mount.span),
            real_name: None,
            external: false,
            driver,
            driver_opts,
            span: mount.span,
        })
    }
}

fn pair(option: Spanned<String>) -> Pair {
    let (name, value) = option.value.split_once('=').unwrap_or((&option.value, ""));
    let of = |text: &str| Spanned::new(text.to_owned(), option.span);
    Pair { name: of(name), value: Some(of(value)) }
}

/// A path against a directory, unless it begins with something that only the machine knows.
pub(super) fn as_written_or_resolved(directory: &str, path: &str) -> String {
    match path.chars().next() {
        Some('$' | '%' | '`' | '~') => path.trim_end_matches('/').to_owned(),
        _ => paths::resolve(directory, path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Source, docker_run};
    use crate::sharing::{Applications, Graph, Host, Nature, StorageKind};

    fn graph(name: &str, text: &str) -> Graph {
        let applications = Applications::built_in();
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        add(&mut builder, &docker_run::parse(&[Source { name, text }]));
        builder.finish()
    }

    /// How many others are known to open the database of the first line.
    fn sharer_count(name: &str, text: &str) -> usize {
        let graph = graph(name, text);
        let (first, _) = graph.all_databases().next().expect("a database");
        graph.sharers(first).len()
    }

    const TWO: &str =
        "docker run -v vol:/data vaultwarden/server\ndocker run --name b -v vol:/data vaultwarden/server\n";

    #[test]
    fn lines_of_a_script_share_and_lines_of_prose_do_not() {
        assert_eq!(sharer_count("run.sh", TWO), 1);
        assert_eq!(sharer_count("README.md", &format!("```\n{TWO}```\n")), 0);
        assert_eq!(sharer_count("run.sh", &TWO.replace("vol:/data", "$HOME/vol:/data")), 1);
    }

    #[test]
    fn a_line_that_stands_twice_is_no_second_opener() {
        assert_eq!(sharer_count("run.sh", &TWO.replace(" --name b", "").replacen("docker", "podman", 1)), 0);
        assert_eq!(sharer_count("run.sh", &TWO.replacen("run ", "run --name b ", 1)), 0);
    }

    #[test]
    fn the_current_directory_is_one_however_it_is_written() {
        let text = TWO.replacen("vol:/data", "$(pwd)/vol:/data", 1).replacen(" vol:/data", " ./vol:/data", 1);
        assert_eq!(sharer_count("run.sh", &text), 1);
    }

    #[test]
    fn options_of_a_volume_say_what_it_is() {
        let text =
            "docker run --mount 'type=volume,src=d,dst=/data,volume-opt=type=nfs,\"volume-opt=o=addr=1,nolock\"' x\n";
        let graph = graph("run.sh", text);
        assert_eq!(graph.storages[0].nature, Nature::Network("nfs".to_owned()));
        assert_eq!(graph.storages[0].options.last().map(|option| option.value.as_str()), Some("nolock"));
    }

    #[test]
    fn a_read_only_root_of_podman_has_memory_to_write_to() {
        let count = |text: &str| graph("run.sh", text).mounts.len();
        assert_eq!(count("podman run --read-only x\n"), 3);
        assert_eq!(count("podman run --read-only --tmpfs /tmp x\n"), 3);
        assert_eq!(count("podman run --read-only --read-only-tmpfs=false x\n"), 0);
        assert_eq!(count("docker run --read-only x\n"), 0);
        assert_eq!(graph("run.sh", "$DOCKER run --read-only x\n").workloads[0].read_only_root, None);
    }

    #[test]
    fn mounts_of_other_containers_are_had_too() {
        let text = "docker run --name a -v vol:/data -v /anonymous --tmpfs /run x\ndocker run --volumes-from a:ro y\n";
        let graph = graph("run.sh", text);
        let of_second: Vec<_> = graph.mounts_of(WorkloadId(1)).map(|(_, mount)| mount).collect();
        assert!(of_second.iter().all(|mount| mount.read_only) && of_second.len() == 2);
        assert_eq!(graph.storage(of_second[1].storage).kind, StorageKind::Anonymous);
        assert_eq!(of_second[1].storage, graph.mounts[1].storage);
    }
}
