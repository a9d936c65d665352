//! Which container a process is in, told by its cgroup, and what an engine says of containers.
//!
//! What it must not do: ask an engine for more than `inspect`; take a process for a container's because of a number: an
//! engine may be that of another machine.
//! Where to look next: `pods.rs` for Kubernetes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use walproof_judge::facts::Mount;
use walproof_judge::sharing::live::{LiveContainer, LiveMount};

use super::asking::{TIME, told_within};
use super::file::live_mount;
use super::process::Seen;
use crate::runtimes::{cgroups, find_program};

/// The engines whose command lines are asked.
pub const ENGINES: &[&str] = &["docker", "podman", "nerdctl"];
/// Digits of an id that are shown.
const SHORT: usize = 12;
/// What every container has, and what engines lay over it.
const USUAL: &[&str] =
    &["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"];

/// A container as a cgroup tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// `docker`, `podman`, `containerd`, `kubernetes`, `lxc`, `embedded`.
    pub engine: &'static str,
    /// Its id, or its name.
    pub id: String,
    /// The pod it belongs to.
    pub pod: Option<String>,
}

/// The container that a process is in, by its cgroup.
pub fn by_cgroup(seen: &Seen) -> Option<Told> {
    let paths = seen.cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.filter_map(in_cgroup).max_by_key(|told| told.id.len())
}

/// The same without a cgroup that tells: by whoever watches it, or by our own label.
pub fn by_watcher(seen: &Seen) -> Option<Told> {
    if let Some(id) = seen.watcher.iter().find(|word| is_id(word)) {
        let conmon = seen.watcher.first().is_some_and(|program| program.ends_with("conmon"));
        let engine = if conmon { "podman" } else { "containerd" };
        return Some(Told { engine, id: id.clone(), pod: None });
    }
    let (run, name) = seen.label.clone()?;
    Some(Told { engine: "embedded", id: format!("{run}/{name}"), pod: None })
}

fn in_cgroup(path: &str) -> Option<Told> {
    let pod = path.split('/').find_map(pod);
    let told = path.split('/').rev().find_map(|part| Some((engine(part, path), id(part)?)));
    if let Some((engine, id)) = told {
        let engine = if pod.is_some() { "kubernetes" } else { engine };
        return Some(Told { engine, id: id.to_owned(), pod });
    }
    if let Some(own) = path.split_once(cgroups::PREFIX).and_then(|(_, own)| own.contains('/').then_some(own)) {
        return Some(Told { engine: "embedded", id: own.to_owned(), pod: None });
    }
    let lxc = path.split('/').find_map(|part| part.strip_prefix("lxc.payload."));
    let lxc = lxc.or_else(|| path.strip_prefix("/lxc/").and_then(|rest| rest.split('/').next()));
    lxc.map(|name| Told { engine: "lxc", id: name.to_owned(), pod: None })
}

/// `docker-<id>.scope`, `libpod-<id>`, `system.slice:docker:<id>`, `<id>`.
fn id(part: &str) -> Option<&str> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let id = part.rsplit(['-', ':']).next()?;
    is_id(id).then_some(id)
}

fn is_id(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn engine(part: &str, path: &str) -> &'static str {
    match () {
        // The process that watches a container is none of it.
        () if part.starts_with("libpod-") || path.contains("libpod") => "podman",
        () if part.contains("docker") || path.contains("/docker/") => "docker",
        () if part.contains("nerdctl") => "nerdctl",
        () => "containerd",
    }
}

/// `pod<uid>`, `kubepods-burstable-pod<uid>.slice`: the uid, with dashes.
fn pod(part: &str) -> Option<String> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let of_slice = || part.contains("kubepods").then(|| part.rsplit_once("-pod")).flatten().map(|(_, uid)| uid);
    let uid = part.strip_prefix("pod").or_else(of_slice)?.replace('_', "-");
    (uid.len() >= 32 && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())).then_some(uid)
}

/// A container as it is without anybody's word on it.
pub fn unnamed(told: &Told) -> LiveContainer {
    let name = match told.engine {
        "embedded" | "lxc" => told.id.rsplit('/').next().unwrap_or_default().to_owned(),
        _ => told.id.chars().take(SHORT).collect(),
    };
    LiveContainer { name, engine: told.engine.to_owned(), ..LiveContainer::default() }
}

/// A container as its engine knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Its whole id.
    pub id: String,
    /// Its first process; `None`: it does not run.
    pub pid: Option<u32>,
    /// The rest.
    pub container: LiveContainer,
}

/// Asks an engine about containers, by names or ids.
pub fn inspect(engine: &str, names: &[String]) -> Result<Vec<Inspected>, String> {
    Ok(told(engine, names)?.iter().filter_map(|value| inspected(engine, value)).collect())
}

/// The same as the engine puts it.
pub fn told(engine: &str, names: &[String]) -> Result<Vec<Value>, String> {
    let program = find_program(engine).ok_or_else(|| format!("there is no `{engine}` in PATH"))?;
    let mut command = Command::new(program);
    command.args(["container", "inspect", "--format", "{{json .}}"]).args(names);
    let said = told_within(&mut command, TIME)?;
    Ok(all(&said))
}

/// One after the other, on a line each or on many; Podman before version 5 makes a list of them all the same.
fn all(said: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(said).into_iter::<Value>().map_while(Result::ok);
    let each = values.flat_map(|value| match value {
        Value::Array(all) => all,
        one => vec![one],
    });
    each.collect()
}

fn inspected(engine: &str, value: &Value) -> Option<Inspected> {
    let text = |values: &[&Value]| {
        let text = values.iter().find_map(|value| value.as_str().filter(|text| !text.is_empty()));
        text.unwrap_or_default().to_owned()
    };
    let host = &value["HostConfig"];
    let runtime = text(&[&value["OCIRuntime"], &host["Runtime"]]);
    Some(Inspected {
        id: value["Id"].as_str()?.to_owned(),
        pid: value["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        container: LiveContainer {
            name: text(&[&value["Name"]]).trim_start_matches('/').to_owned(),
            engine: engine.to_owned(),
            image: text(&[&value["ImageName"], &value["Config"]["Image"]]),
            // Podman has `oci` there, which is a word for whatever it uses.
            runtime: if runtime == "oci" { String::new() } else { runtime },
            mounts: Vec::new(),
            memory_limit_bytes: host["Memory"].as_u64().filter(|bytes| *bytes > 0),
        },
    })
}

/// Whether a process is of a container with this id: by its cgroup, or by the word of whoever watches it.
pub fn is_of(seen: &Seen, id: &str) -> bool {
    seen.cgroup.contains(id) || seen.watcher.iter().any(|word| word == id)
}

/// What a container mounts: its own table without what every container has.
pub fn own_mounts(table: &[Mount]) -> Vec<LiveMount> {
    let usual = |mount: &&Mount| {
        !USUAL.iter().any(|usual| mount.mount_point == *usual || mount.mount_point.starts_with(&format!("{usual}/")))
    };
    table.iter().filter(usual).map(|mount| live_mount(mount, "")).collect()
}

/// The limit of memory of the cgroup that a process is in.
pub fn memory_limit_bytes(cgroup: &str) -> Option<u64> {
    let hierarchies = cgroups::hierarchies();
    let limits = cgroup.lines().filter_map(|line| {
        let mut words = line.splitn(3, ':');
        let (_, controllers, path) = (words.next()?, words.next()?, words.next()?);
        let is_memory = |one: &&cgroups::Hierarchy| match one.unified {
            true => controllers.is_empty(),
            false => {
                one.controllers.iter().any(|word| word == "memory")
                    && controllers.split(',').any(|word| word == "memory")
            }
        };
        let hierarchy = hierarchies.iter().find(is_memory)?;
        let folder = hierarchy.mount_point.join(path.trim_start_matches('/'));
        limit_in(&folder)
    });
    limits.min()
}

fn limit_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let text = read("memory.max").or_else(|| read("memory.limit_in_bytes"))?;
    // `max`, or the largest number of pages: no limit.
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "3f4b7d2c9a1e5f60718293a4b5c6d7e8f9012345678abcdef0123456789abcde";

    #[track_caller]
    fn is(path: &str, engine: &str, pod: Option<&str>) {
        let told = in_cgroup(&path.replace("ID", ID)).unwrap_or_else(|| panic!("{path}"));
        assert_eq!((told.engine, told.id.as_str(), told.pod.as_deref()), (engine, ID, pod), "{path}");
    }

    #[test]
    fn cgroups_tell_containers() {
        is("/docker/ID", "docker", None);
        is("/system.slice/docker-ID.scope", "docker", None);
        is("/../ID", "containerd", None);
        is("/machine.slice/libpod-ID.scope/container", "podman", None);
        is("/libpod_parent/libpod-ID", "podman", None);
        is("/machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope", "podman", None);
        is("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", "podman", None);
        is("/default/ID", "containerd", None);
        is("/system.slice/nerdctl-ID.scope", "nerdctl", None);
        let uid = Some("0b6b7a3e-7c1d-4f5a-9b7e-2d1c3b4a5968");
        is("/kubepods/burstable/pod0b6b7a3e-7c1d-4f5a-9b7e-2d1c3b4a5968/ID", "kubernetes", uid);
        is(
            "/kubepods.slice/kubepods-pod0b6b7a3e_7c1d_4f5a_9b7e_2d1c3b4a5968.slice/cri-containerd-ID.scope",
            "kubernetes",
            uid,
        );
    }

    #[test]
    fn ours_and_lxc_have_names() {
        let own = in_cgroup("/walproof-0011223344556677/agent-0").expect("ours");
        assert_eq!((own.engine, unnamed(&own).name.as_str()), ("embedded", "agent-0"));
        let lxc = in_cgroup("/lxc.payload.web/system.slice/app.service").expect("lxc");
        assert_eq!((lxc.engine, unnamed(&lxc).name.as_str()), ("lxc", "web"));
    }

    #[test]
    fn a_watcher_names_what_it_watches() {
        let watched = |words: &[&str]| {
            let watcher = words.iter().map(|word| word.replace("ID", ID)).collect();
            by_watcher(&Seen { watcher, ..Seen::default() }).map(|told| told.engine)
        };
        assert_eq!(watched(&["/usr/bin/conmon", "-c", "ID", "-u", "ID"]), Some("podman"));
        assert_eq!(
            watched(&["/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "ID"]),
            Some("containerd")
        );
        assert_eq!(watched(&["/sbin/init"]), None);
    }

    #[test]
    fn services_are_no_containers() {
        for path in ["/", "/system.slice/docker.service", "/user.slice/user-0.slice/session-1.scope", "/init.scope"] {
            assert_eq!(in_cgroup(path), None, "{path}");
        }
    }

    #[test]
    fn lists_and_lines_are_the_same() {
        assert_eq!(all("{\"a\": 1}\n{\"a\": 2}\n").len(), 2);
        assert_eq!(all("[\n {\"a\": 1},\n {\"a\": 2}\n]").len(), 2);
        assert_eq!(all("oh").len(), 0);
    }

    #[test]
    fn engines_tell_in_two_dialects() {
        let docker = json!({"Id": ID, "Name": "/web", "State": {"Pid": 7}, "Config": {"Image": "app:1"},
                            "HostConfig": {"Runtime": "runsc", "Memory": 1024}});
        let told = inspected("docker", &docker).expect("it has an id");
        assert_eq!((told.container.name.as_str(), told.pid), ("web", Some(7)));
        assert_eq!((told.container.runtime.as_str(), told.container.memory_limit_bytes), ("runsc", Some(1024)));
        let podman = json!({"Id": ID, "Name": "web", "State": {"Pid": 0}, "ImageName": "app:1", "OCIRuntime": "crun",
                            "HostConfig": {"Runtime": "oci", "Memory": 0}});
        let told = inspected("podman", &podman).expect("it has an id");
        assert_eq!((told.container.runtime.as_str(), told.pid, told.container.image.as_str()), ("crun", None, "app:1"));
        assert_eq!(inspected("docker", &Value::Null), None);
    }
}
