//! Podman, by `podman`: no daemon, rootful or rootless.
//!
//! Where to look next: `../engine.rs` for what engines have in common.

use serde_json::Value;

use super::{Told, Tool};

/// Podman. Debian's crun refuses a hybrid cgroup hierarchy, and runc does not. Left alone it raises
/// the limits of open files and of processes, which takes a capability that root may lack. On
/// cgroup v1 `inspect` does not say that the kernel killed for want of memory; a file of conmon does.
pub static PODMAN: Tool = Tool {
    name: "podman",
    read,
    other_oci_runtimes: &["runc"],
    tells_want_of_memory: false,
    flags: &["--log-driver", "none"],
    own_ulimits: true,
    umask: true,
};

fn read(info: &Value) -> Told {
    let host = &info["host"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is = |value: &Value| value.as_bool().unwrap_or(false);
    // A client of another machine: on macOS and Windows that is `podman machine`.
    let remote = is(&host["serviceIsRemote"]);
    Told {
        version: text(&info["version"]["Version"]),
        oci_runtime: text(&host["ociRuntime"]["name"]),
        cgroup_version: text(&host["cgroupVersion"]),
        rootless: is(&host["security"]["rootless"]),
        selinux: is(&host["security"]["selinuxEnabled"]),
        remapped: false,
        virtual_machine: remote.then(|| "a podman machine, or another host".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_tells_what_it_is() {
        let told = read(&json!({
            "host": {
                "cgroupVersion": "v1", "serviceIsRemote": false, "ociRuntime": {"name": "crun"},
                "security": {"rootless": true, "selinuxEnabled": true},
            },
            "version": {"Version": "4.3.1"},
        }));
        assert_eq!((told.version.as_str(), told.oci_runtime.as_str()), ("4.3.1", "crun"));
        assert!(told.rootless && told.selinux);
        assert_eq!(told.virtual_machine, None);
    }

    #[test]
    fn a_remote_one_is_recognised() {
        assert!(read(&json!({"host": {"serviceIsRemote": true}})).virtual_machine.is_some());
        assert_eq!(read(&Value::Null), Told::default());
    }
}
