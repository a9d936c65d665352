//! Openers from containers that an engine has, running or not (`--like`).
//!
//! What this file is: what `container inspect` says, as openers.
//! What it must not do: touch the container.
//! Where to look next: `compose.rs` for the same from a file.

use std::path::Path;

use serde_json::Value;

use super::ground::inode;
use super::{Opener, OwnMount, Source};
use crate::error::LabError;
use crate::runtimes::{Likeness, Runtime};

/// The containers of these names.
pub fn openers(names: &[String], runtime: &dyn Runtime) -> Result<Vec<Opener>, LabError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let Some(engine) = runtime.engine() else {
        let because = format!("runtime `{}` is no engine and has no containers of yours", runtime.name());
        return Err(LabError::new("cannot look at containers", because, "`--runtime docker`, or `--runtime podman`"));
    };
    let of = |name: &String| {
        let said = engine.ask(&["container", "inspect", "--format", "{{json .}}", name]).map_err(|error| {
            LabError::new(format!("cannot look at container `{name}`"), error.because(), "a name that `ps --all` lists")
        })?;
        let inspected = serde_json::from_str(&said).map_err(|error| {
            LabError::new(format!("cannot read what is said of container `{name}`"), error, "report this")
        })?;
        Ok(opener(name, &inspected))
    };
    names.iter().map(of).collect()
}

fn opener(name: &str, inspected: &Value) -> Opener {
    let (configuration, host) = (&inspected["Config"], &inspected["HostConfig"]);
    let texts = |value: &Value| {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<String>>()
    };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let memory = host["Tmpfs"].as_object().into_iter().flatten().map(|(target, _)| OwnMount {
        source: Source::Memory,
        target: target.into(),
        read_only: false,
    });
    let pid = inspected["State"]["Pid"].as_u64().filter(|pid| *pid > 0);
    let mounts = inspected["Mounts"].as_array().into_iter().flatten().filter_map(mount);
    let mounts = mounts.map(|mount| as_it_runs(mount, pid)).chain(memory).collect();
    let mut hints = texts(&configuration["Env"]);
    hints.extend(texts(&configuration["Cmd"]));
    hints.extend(texts(&configuration["Entrypoint"]));
    Opener {
        name: name.to_owned(),
        mounts,
        likeness: Likeness {
            image: text(&inspected["Image"]),
            user: text(&configuration["User"]),
            groups: texts(&host["GroupAdd"]),
            security_options: texts(&host["SecurityOpt"]),
            capabilities_added: texts(&host["CapAdd"]),
            capabilities_dropped: texts(&host["CapDrop"]),
            privileged: host["Privileged"].as_bool().unwrap_or(false),
            user_namespace: text(&host["UsernsMode"]),
            oci_runtime: text(&host["Runtime"]).filter(|runtime| runtime != "oci"),
            memory_bytes_max: host["Memory"].as_u64().filter(|bytes| *bytes > 0),
        },
        hints,
        not_taken: Vec::new(),
        obstacle: None,
    }
}

fn mount(mount: &Value) -> Option<OwnMount> {
    let text = |name: &str| mount[name].as_str().unwrap_or_default().to_owned();
    let source = match text("Type").as_str() {
        "bind" => Source::Path(text("Source").into()),
        "volume" => Source::Volume { name: text("Name"), subpath: None },
        "tmpfs" => Source::Memory,
        other => Source::Unknown { because: format!("a mount of type `{other}` cannot be laid out") },
    };
    let target = mount["Destination"].as_str()?.into();
    Some(OwnMount { source, target, read_only: mount["RW"] == false })
}

/// What a running container has mounted may not be what lies at that path any more: the directory was replaced, a file
/// was moved over another one.
fn as_it_runs(mount: OwnMount, pid: Option<u64>) -> OwnMount {
    let (Source::Path(path), Some(pid)) = (&mount.source, pid) else { return mount };
    let inside = format!("/proc/{pid}/root{}", mount.target.display());
    match (inode(Path::new(&inside)), inode(path)) {
        (Some(running), Some(there)) if running != there => {
            let because = format!("`{}` was replaced after the container was started", path.display());
            OwnMount { source: Source::Unknown { because }, ..mount }
        }
        _ => mount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn docker_tells_everything_that_counts() {
        let opener = opener(
            "web",
            &json!({
                "Image": "sha256:1234",
                "Config": {"User": "1000:1000", "Env": ["DB=/data/app.db"], "Cmd": ["serve"], "Entrypoint": null},
                "HostConfig": {"Memory": 268435456, "Runtime": "runc", "Privileged": false, "CapAdd": null,
                               "CapDrop": ["ALL"], "SecurityOpt": ["label=type:x"], "GroupAdd": null,
                               "Tmpfs": {"/tmp": ""}},
                "Mounts": [
                    {"Type": "bind", "Source": "/srv/app.db", "Destination": "/data/app.db", "RW": true},
                    {"Type": "volume", "Name": "app_data", "Source": "/var/lib/x", "Destination": "/data", "RW": false},
                ],
            }),
        );
        assert_eq!(opener.mounts.len(), 3);
        assert_eq!(opener.mounts[0].source, Source::Path("/srv/app.db".into()));
        assert!(opener.mounts[1].read_only && !opener.mounts[0].read_only);
        assert_eq!(opener.mounts[2].source, Source::Memory);
        assert_eq!(opener.likeness.memory_bytes_max, Some(256 << 20));
        assert_eq!(opener.likeness.capabilities_dropped, ["ALL"]);
        assert_eq!(opener.hints, ["DB=/data/app.db", "serve"]);
    }

    #[test]
    fn a_container_that_says_nothing_is_no_panic() {
        assert_eq!(opener("x", &Value::Null).mounts, Vec::new());
    }
}
