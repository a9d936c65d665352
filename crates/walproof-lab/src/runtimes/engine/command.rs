//! A container in the words of `docker run`, which podman and nerdctl speak as well.
//!
//! What this file is: a pure function from a [`ContainerSpec`] to arguments.
//! What it must not do: start anything.

use std::path::Path;

use super::{Engine, LABEL, full_name};
use crate::image::PROGRAM;
use crate::runtimes::{ContainerSpec, Likeness, Mount};

/// The arguments of `run` and everything after it. `program`: mounted over the one in the image.
pub fn run(engine: &Engine, run: &str, spec: &ContainerSpec, program: Option<&Path>) -> Vec<String> {
    let mut words = Words::default();
    words.flags(&["run", "--interactive", "--restart", "no", "--network", "none", "--pull", "never"]);
    words.pair("--name", &full_name(run, &spec.name));
    words.pair("--hostname", &spec.name);
    words.pair("--label", &format!("{LABEL}={run}"));
    words.flags(engine.client.tool.flags);
    // In an image of the user's `/tmp` may be anything; at a place that no image has, the mode holds.
    let temporary =
        if spec.likeness.as_ref().is_some_and(|one| one.image.is_some()) { "/walproof-tmp" } else { "/tmp" };
    for variable in ["HOME", "TMPDIR", "SQLITE_TMPDIR"] {
        words.pair("--env", &format!("{variable}={}", if variable == "HOME" { "/" } else { temporary }));
    }
    words.pair("--env", &format!("WALPROOF_RUN={run}"));
    words.pair("--env", &format!("WALPROOF_CONTAINER={}", spec.name));
    words.limits(engine, spec);
    if engine.client.tool.own_ulimits {
        words.ulimits();
    }
    let likeness = spec.likeness.as_ref();
    match likeness {
        Some(likeness) => words.likeness(likeness),
        None => words.alone(engine, spec),
    }
    let asked_runtime = likeness.and_then(|likeness| likeness.oci_runtime.as_ref()).or(engine.oci_runtime.as_ref());
    if let Some(oci_runtime) = asked_runtime {
        words.pair("--runtime", oci_runtime);
    }
    if !spec.mounts.iter().any(|mount| mount.destination() == Path::new(temporary)) {
        words.pair("--tmpfs", &format!("{temporary}:mode=1777,size=64m"));
    }
    if let Some(program) = program {
        let source = program.to_path_buf();
        words.mount(&Mount::Bind { source, destination: PROGRAM.into(), read_only: true });
    }
    spec.mounts.iter().for_each(|mount| words.mount(mount));
    words.pair("--entrypoint", PROGRAM);
    words.0.push(likeness.and_then(|likeness| likeness.image.clone()).unwrap_or_else(|| engine.image.clone()));
    words.0.extend(spec.arguments.iter().cloned());
    words.0
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn flags(&mut self, flags: &[&str]) {
        self.0.extend(flags.iter().map(|flag| (*flag).to_owned()));
    }

    fn pair(&mut self, flag: &str, value: &str) {
        self.flags(&[flag, value]);
    }

    fn pairs(&mut self, flag: &str, values: &[String]) {
        values.iter().for_each(|value| self.pair(flag, value));
    }

    fn limits(&mut self, engine: &Engine, spec: &ContainerSpec) {
        if engine.abilities.limits {
            let bytes = spec.memory_bytes_max.to_string();
            self.pair("--memory", &bytes);
            self.pair("--memory-swap", &bytes);
            self.pair("--pids-limit", &spec.pids_max.to_string());
        }
    }

    /// No more than we have ourselves, since nobody may be allowed to raise a limit; and no more processes than podman
    /// leaves to itself before it starts anything.
    fn ulimits(&mut self) {
        for (name, resource, most) in [("nofile", libc::RLIMIT_NOFILE, 1 << 20), ("nproc", libc::RLIMIT_NPROC, 32_768)]
        {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: a valid out-pointer.
            unsafe { libc::getrlimit(resource, &mut limit) };
            let hard = limit.rlim_max.min(most);
            self.pair("--ulimit", &format!("{name}={hard}:{hard}"));
        }
    }

    /// A container of our own: as closed as it can be.
    fn alone(&mut self, engine: &Engine, spec: &ContainerSpec) {
        self.flags(&["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
        if engine.told.selinux {
            // What is mounted is scratch of ours, which bears no label of a container.
            self.pair("--security-opt", "label=disable");
        }
        if let Some((uid, gid)) = spec.user.or(engine.own_user()) {
            self.pair("--user", &format!("{uid}:{gid}"));
            if engine.client.tool.umask {
                self.pair("--umask", "0002");
            }
        }
    }

    /// A container like one of the user's.
    fn likeness(&mut self, likeness: &Likeness) {
        if let Some(user) = &likeness.user {
            self.pair("--user", user);
        }
        if let Some(namespace) = &likeness.user_namespace {
            self.pair("--userns", namespace);
        }
        if likeness.privileged {
            self.flags(&["--privileged"]);
        }
        if likeness.image.is_some() {
            self.flags(&["--no-healthcheck"]);
        }
        self.pairs("--group-add", &likeness.groups);
        self.pairs("--security-opt", &likeness.security_options);
        self.pairs("--cap-add", &likeness.capabilities_added);
        self.pairs("--cap-drop", &likeness.capabilities_dropped);
    }

    fn mount(&mut self, mount: &Mount) {
        let text = |path: &Path| path.display().to_string();
        let mut fields = match mount {
            Mount::Bind { source, destination, .. } => {
                vec![
                    "type=bind".to_owned(),
                    format!("source={}", text(source)),
                    format!("target={}", text(destination)),
                ]
            }
            Mount::Volume { name, destination, .. } => {
                vec!["type=volume".to_owned(), format!("source={name}"), format!("target={}", text(destination))]
            }
            Mount::Tmpfs { destination } => vec!["type=tmpfs".to_owned(), format!("target={}", text(destination))],
            Mount::Overlay { .. } => unreachable!("refused before: engines make no such overlays"),
        };
        if let Mount::Bind { read_only: true, .. } | Mount::Volume { read_only: true, .. } = mount {
            fields.push("readonly".to_owned());
        }
        self.pair("--mount", &fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
    }
}

/// A field of `--mount`, which is read as a line of CSV.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(mount: Mount) -> String {
        let mut words = Words::default();
        words.mount(&mount);
        words.0[1].clone()
    }

    #[test]
    fn a_bind_mount_names_both_ends() {
        let mount = Mount::Bind { source: "/a".into(), destination: "/db".into(), read_only: true };
        assert_eq!(mounted(mount), "type=bind,source=/a,target=/db,readonly");
    }

    #[test]
    fn commas_and_quotes_are_csv() {
        let mount = Mount::Bind { source: "/a, \"b\"".into(), destination: "/db".into(), read_only: false };
        assert_eq!(mounted(mount), "type=bind,\"source=/a, \"\"b\"\"\",target=/db");
    }

    #[test]
    fn a_volume_is_mounted_by_its_name() {
        let mount = Mount::Volume { name: "app_data".to_owned(), destination: "/db".into(), read_only: false };
        assert_eq!(mounted(mount), "type=volume,source=app_data,target=/db");
    }
}
