//! Pods, by `kubectl`: their manifest, and which containers of this machine are theirs.
//!
//! What it must not do: anything but `get`.
//! Where to look next: `containers.rs` for how a process is known by its cgroup.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::asking::told_within;
use crate::error::LabError;
use crate::runtimes::find_program;

/// A server may be far away.
const TIME: Duration = Duration::from_secs(10);

/// A pod as its cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its uid, which cgroups bear.
    pub uid: String,
    /// Ids, names and images of its containers.
    pub containers: Vec<(String, String, String)>,
}

/// The manifest of a pod, as JSON.
pub fn manifest(namespace: &str, name: &str) -> Result<String, LabError> {
    let failed = |because: String| {
        let try_this = format!("`kubectl get pod {name} --namespace {namespace}`");
        LabError::new(format!("cannot look at pod `{namespace}/{name}`"), because, try_this)
    };
    let program = find_program("kubectl").ok_or_else(|| failed("there is no `kubectl` in PATH".to_owned()))?;
    let mut command = Command::new(program);
    command.args(["get", "pod", "--output", "json", "--namespace", namespace, "--", name]);
    told_within(&mut command, TIME).map_err(failed)
}

/// What a manifest tells of a running pod.
pub fn read(manifest: &str) -> Option<Pod> {
    let value: Value = serde_json::from_str(manifest).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let all = statuses.iter().flat_map(|name| value["status"][name].as_array().into_iter().flatten());
    let containers = all.filter_map(|one| {
        let id = one["containerID"].as_str()?.rsplit("//").next()?.to_owned();
        Some((id, text(&one["name"]), text(&one["image"])))
    });
    Some(Pod { uid: value["metadata"]["uid"].as_str()?.to_owned(), containers: containers.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_tells_its_containers() {
        let pod = read(
            r#"{"metadata": {"uid": "0b6b"}, "status": {"containerStatuses":
               [{"containerID": "containerd://abc", "name": "web", "image": "app:1"}, {"name": "waits"}]}}"#,
        );
        let containers = vec![("abc".to_owned(), "web".to_owned(), "app:1".to_owned())];
        assert_eq!(pod, Some(Pod { uid: "0b6b".into(), containers }));
        assert_eq!(read("no json"), None);
    }
}
