//! The bundle of one container: its `config.json` and an empty root.
//!
//! What this file is: a [`ContainerSpec`] said in the words of the OCI runtime specification.
//! What it must not do: start anything.
//! Where to look next: `helper.rs`, which hands the bundle to libcontainer.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::runtimes::{ContainerSpec, Mount};

/// Where the binary is inside a container.
pub const PROGRAM: &str = "/walproof";

/// What the helper is asked to do; written beside `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The container's name, unique within the run.
    pub name: String,
    /// Where libcontainer keeps its state.
    pub state_folder: PathBuf,
    /// The bundle: `config.json` and `rootfs/`.
    pub bundle: PathBuf,
    /// `/walproof-<run>/<name>`.
    pub cgroup_path: String,
    /// Whether cgroups can be written; otherwise the helper stands a sham in their place.
    pub cgroups: bool,
    /// Whether the container lives in a user namespace where the caller is root.
    pub user_namespace: bool,
}

/// The configuration, in the words of the OCI runtime specification.
pub fn configuration(spec: &ContainerSpec, request: &Request, run: &str, program: &Path) -> Value {
    let mut linux = json!({
        "cgroupsPath": request.cgroup_path,
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
    if request.cgroups {
        linux["resources"] = json!({"memory": {"limit": spec.memory_bytes_max}, "pids": {"limit": spec.pids_max}});
    }
    json!({
        "ociVersion": "1.0.2",
        "hostname": spec.name,
        "root": {"path": "rootfs", "readonly": true},
        "annotations": {"walproof.run": run, "walproof.name": spec.name},
        "process": process(spec, run),
        "mounts": mounts(spec, program, request.user_namespace),
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
    }
}

/// A colon in `lowerdir` would begin a second lower directory; a backslash begins an escape everywhere. In a user
/// namespace overlay may only use the `user.` attributes.
fn overlay_options(lower: &Path, upper: &Path, work: &Path, user_namespace: bool) -> Vec<String> {
    let escaped = |path: &Path| path.display().to_string().replace('\\', "\\\\");
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

    fn request(cgroups: bool) -> Request {
        Request {
            name: "agent-0.life-1".to_owned(),
            state_folder: "/s".into(),
            bundle: "/b".into(),
            cgroup_path: "/walproof-0/agent-0.life-1".to_owned(),
            cgroups,
            user_namespace: false,
        }
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
        }
    }

    fn configured(cgroups: bool) -> Value {
        configuration(&spec(), &request(cgroups), "00", Path::new("/bin/walproof"))
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
    fn without_cgroups_there_are_no_resources() {
        assert!(configured(false)["linux"]["resources"].is_null());
    }
}
