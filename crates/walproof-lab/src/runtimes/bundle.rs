//! The bundle of one container: its `config.json` and an empty root.
//!
//! What this file is: a [`ContainerSpec`] said in the words of the OCI runtime specification.
//! What it must not do: start anything.
//! Where to look next: `embedded/helper.rs`, which hands a bundle to libcontainer; `oci.rs`, which hands it to a tool.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ContainerSpec, Mount};
use crate::image::PROGRAM;

/// Whose user namespace a container lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserNamespace {
    /// That of whoever starts it, who is root there.
    Host,
    /// One that whoever reads the bundle has entered already.
    Entered,
    /// One of its own, made by whoever reads the bundle, in which this user is root.
    Made {
        /// The user outside.
        uid: u32,
        /// The group outside.
        gid: u32,
    },
}

/// What holds a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// `/walproof-<run>/<name>`.
    pub cgroup_path: String,
    /// Whether limits can be set there.
    pub limits: bool,
    /// Whose user namespace it lives in.
    pub user_namespace: UserNamespace,
}

/// The configuration, in the words of the OCI runtime specification.
pub fn configuration(spec: &ContainerSpec, confinement: &Confinement, run: &str, program: &Path) -> Value {
    let mut linux = json!({
        "cgroupsPath": confinement.cgroup_path,
        "namespaces": [
            {"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"},
            {"type": "cgroup"},
        ],
        "maskedPaths": [
            "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
            "/proc/timer_list", "/proc/timer_stats",
        ],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    });
    if confinement.limits {
        linux["resources"] = json!({"memory": {"limit": spec.memory_bytes_max}, "pids": {"limit": spec.pids_max}});
    }
    if let UserNamespace::Made { uid, gid } = confinement.user_namespace {
        linux["uidMappings"] = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
        linux["gidMappings"] = json!([{"containerID": 0, "hostID": gid, "size": 1}]);
        linux["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
    }
    json!({
        "ociVersion": "1.0.2",
        "hostname": spec.name,
        "root": {"path": "rootfs", "readonly": true},
        "annotations": {"walproof.run": run, "walproof.name": spec.name},
        "process": process(spec, run),
        "mounts": mounts(spec, program, confinement.user_namespace != UserNamespace::Host),
        "linux": linux,
    })
}

fn process(spec: &ContainerSpec, run: &str) -> Value {
    let arguments: Vec<&str> = [PROGRAM].into_iter().chain(spec.arguments.iter().map(String::as_str)).collect();
    json!({
        "terminal": false,
        "user": user(spec),
        "args": arguments,
        "env": ["PATH=/", "HOME=/", "TMPDIR=/tmp", "SQLITE_TMPDIR=/tmp", format!("WALPROOF_RUN={run}"),
                format!("WALPROOF_CONTAINER={}", spec.name)],
        "cwd": "/",
        "noNewPrivileges": true,
        "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
    })
}

/// Who is not root shares with a group: under another umask SQLite's files are closed to it for a moment
/// (docs/decisions/0012-umask-and-two-users.md).
fn user(spec: &ContainerSpec) -> Value {
    match spec.user {
        None => json!({"uid": 0, "gid": 0}),
        Some((uid, gid)) => json!({"uid": uid, "gid": gid, "umask": 0o002}),
    }
}

fn mounts(spec: &ContainerSpec, program: &Path, user_namespace: bool) -> Vec<Value> {
    let mut all = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "strictatime", "mode=755", "size=64k"]}),
        json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "nodev", "noexec", "mode=1777", "size=64m"]}),
        json!({"destination": PROGRAM, "type": "bind", "source": program, "options": ["bind", "ro", "nosuid", "nodev"]}),
    ];
    all.extend(spec.mounts.iter().map(|one| mount(one, user_namespace)));
    all
}

fn mount(mount: &Mount, user_namespace: bool) -> Value {
    match mount {
        Mount::Bind { source, destination, read_only } => json!({
            "destination": destination, "type": "bind", "source": source,
            "options": ["rbind", if *read_only { "ro" } else { "rw" }, "nosuid", "nodev", "noexec"],
        }),
        Mount::Overlay { lower, upper, work, destination } => json!({
            "destination": destination, "type": "overlay", "source": "overlay",
            "options": overlay_options(lower, upper, work, user_namespace),
        }),
        Mount::Tmpfs { destination } => json!({
            "destination": destination, "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "nodev", "noexec", "mode=1777"],
        }),
        Mount::Volume { name, .. } => unreachable!("volume `{name}` was refused before: only engines have volumes"),
    }
}

/// A colon in `lowerdir` would begin a second lower directory, a comma another option; a backslash begins an escape. In a user
/// namespace overlay may only use the `user.` attributes.
fn overlay_options(lower: &Path, upper: &Path, work: &Path, user_namespace: bool) -> Vec<String> {
    let escaped = |path: &Path| path.display().to_string().replace('\\', "\\\\").replace(',', "\\,");
    let mut options = vec![
        format!("lowerdir={}", escaped(lower).replace(':', "\\:")),
        format!("upperdir={}", escaped(upper)),
        format!("workdir={}", escaped(work)),
        "nosuid".to_owned(),
        "nodev".to_owned(),
    ];
    if user_namespace {
        options.push("userxattr".to_owned());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confined(limits: bool) -> Confinement {
        let cgroup_path = "/walproof-0/agent-0.life-1".to_owned();
        Confinement { cgroup_path, limits, user_namespace: UserNamespace::Host }
    }

    fn spec() -> ContainerSpec {
        ContainerSpec {
            name: "agent-0.life-1".to_owned(),
            mounts: vec![
                Mount::Bind { source: "/a".into(), destination: "/db".into(), read_only: false },
                Mount::Bind { source: "/f".into(), destination: "/db/x.db".into(), read_only: true },
            ],
            arguments: vec!["agent".to_owned()],
            memory_bytes_max: 1 << 28,
            pids_max: 16,
            user: None,
            program: None,
            likeness: None,
        }
    }

    fn configured(cgroups: bool) -> Value {
        configuration(&spec(), &confined(cgroups), "00", Path::new("/bin/walproof"))
    }

    #[test]
    fn libcontainers_own_reader_accepts_it() {
        let read: oci_spec::runtime::Spec = serde_json::from_value(configured(true)).expect("a valid configuration");
        let process = read.process().as_ref().expect("a process");
        assert_eq!(process.no_new_privileges(), Some(true));
        assert!(
            process.capabilities().as_ref().is_some_and(|sets| sets.bounding().as_ref().is_some_and(|b| b.is_empty()))
        );
    }

    #[test]
    fn mounts_keep_their_order() {
        let all = configured(true);
        let inside: Vec<&str> = all["mounts"]
            .as_array()
            .expect("mounts")
            .iter()
            .rev()
            .take(2)
            .rev()
            .filter_map(|one| one["destination"].as_str())
            .collect();
        assert_eq!(inside, ["/db", "/db/x.db"]);
    }

    #[test]
    fn a_user_namespace_of_its_own_maps_this_user_to_root() {
        let user_namespace = UserNamespace::Made { uid: 1000, gid: 100 };
        let made = configuration(&spec(), &Confinement { user_namespace, ..confined(false) }, "00", Path::new("/w"));
        assert_eq!(made["linux"]["uidMappings"][0]["hostID"], 1000);
        assert!(configured(false)["linux"]["uidMappings"].is_null());
    }

    #[test]
    fn without_cgroups_there_are_no_resources() {
        assert!(configured(false)["linux"]["resources"].is_null());
    }
}
