//! Docker, by `docker`: the daemon that the context or DOCKER_HOST names, rootful or rootless.
//!
//! Where to look next: `../engine.rs` for what engines have in common.

use serde_json::Value;

use super::{Told, Tool};

/// Docker.
pub static DOCKER: Tool = Tool {
    name: "docker",
    read,
    other_oci_runtimes: &[],
    tells_want_of_memory: true,
    flags: &["--log-driver", "none"],
    own_ulimits: false,
    umask: false,
};

/// What `docker info` says; nerdctl says it in the same words.
pub(super) fn read(info: &Value) -> Told {
    let text = |name: &str| info[name].as_str().unwrap_or_default().to_owned();
    let options: Vec<&str> =
        info["SecurityOptions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let has = |option: &str| options.iter().any(|one| one.split(',').any(|part| part == format!("name={option}")));
    let version = text("CgroupVersion");
    Told {
        version: text("ServerVersion"),
        oci_runtime: text("DefaultRuntime"),
        cgroup_version: if version.is_empty() { version } else { format!("v{version}") },
        rootless: has("rootless"),
        selinux: has("selinux"),
        remapped: has("userns"),
        virtual_machine: virtual_machine(&text("OperatingSystem"), &text("Name")),
    }
}

/// Products that put a virtual machine between the user's files and the containers.
fn virtual_machine(system: &str, name: &str) -> Option<String> {
    let products =
        [("Docker Desktop", "docker-desktop"), ("OrbStack", "orbstack"), ("Rancher Desktop", "lima-rancher-desktop")];
    let found = products.iter().find(|(said, host)| system.contains(said) || name == *host);
    let lima = name.starts_with("lima-") || name == "colima" || name.starts_with("colima-");
    found.map(|(product, _)| (*product).to_owned()).or_else(|| lima.then(|| "Lima".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_engine_on_linux_tells_its_version_and_its_limits() {
        let told = read(&json!({
            "ServerVersion": "20.10.24+dfsg1", "DefaultRuntime": "runc", "CgroupVersion": "1", "Name": "vm",
            "OperatingSystem": "Debian GNU/Linux 12 (bookworm)", "SecurityOptions": ["name=seccomp,profile=default"],
        }));
        assert_eq!((told.version.as_str(), told.cgroup_version.as_str()), ("20.10.24+dfsg1", "v1"));
        assert!(!told.rootless && !told.selinux && !told.remapped);
        assert_eq!(told.virtual_machine, None);
    }

    #[test]
    fn security_options_are_read_one_by_one() {
        let told = read(&json!({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=selinux"]}));
        assert!(told.rootless && told.selinux && !told.remapped);
        assert!(read(&json!({"SecurityOptions": ["name=userns"]})).remapped);
    }

    #[test]
    fn docker_desktop_is_recognised() {
        let told = read(&json!({"OperatingSystem": "Docker Desktop", "Name": "docker-desktop"}));
        assert_eq!(told.virtual_machine.as_deref(), Some("Docker Desktop"));
        assert_eq!(virtual_machine("OrbStack", "orbstack").as_deref(), Some("OrbStack"));
        assert_eq!(virtual_machine("Ubuntu 24.04", "colima").as_deref(), Some("Lima"));
    }

    #[test]
    fn an_engine_that_says_nothing_is_no_panic() {
        assert_eq!(read(&Value::Null), Told::default());
    }
}
