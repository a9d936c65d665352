//! What each target is: a file or folder, standard input, or something that runs.
//!
//! What it must not do: look further than whether a path is there.

use std::path::PathBuf;

/// Targets by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Files and folders.
    pub files: Vec<PathBuf>,
    /// `-` is among them.
    pub standard_input: bool,
    /// Things that run.
    pub live: Vec<Running>,
}

/// Something that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// `docker://NAME`, `podman://NAME`: engine and container.
    Container(&'static str, String),
    /// `k8s://NAMESPACE/POD`.
    Pod(String, String),
    /// `pid:NUMBER`.
    Process(u32),
    /// `host://`.
    Host,
}

impl Running {
    /// As it was named.
    pub fn shown(&self) -> String {
        match self {
            Self::Container(engine, name) => format!("{engine}://{name}"),
            Self::Pod(namespace, pod) => format!("k8s://{namespace}/{pod}"),
            Self::Process(number) => format!("pid:{number}"),
            Self::Host => "host://".to_owned(),
        }
    }
}

/// Sorts them. `or_here`: without any, the current folder.
pub fn sort(targets: &[PathBuf], or_here: bool) -> Targets {
    let mut sorted = Targets::default();
    for target in targets {
        // A file of that name, if there is one.
        let running = target.to_str().filter(|_| !target.exists()).and_then(running);
        match running {
            Some(running) => sorted.live.push(running),
            None if target.as_os_str() == "-" => sorted.standard_input = true,
            None => sorted.files.push(target.clone()),
        }
    }
    if targets.is_empty() && or_here {
        sorted.files.push(PathBuf::from("."));
    }
    sorted
}

fn running(text: &str) -> Option<Running> {
    let named = |rest: &str| (!rest.is_empty()).then(|| rest.to_owned());
    if let Some(name) = text.strip_prefix("docker://") {
        return named(name).map(|name| Running::Container("docker", name));
    }
    if let Some(name) = text.strip_prefix("podman://") {
        return named(name).map(|name| Running::Container("podman", name));
    }
    if let Some(rest) = text.strip_prefix("k8s://") {
        let (namespace, pod) = rest.split_once('/').unwrap_or(("default", rest));
        return named(pod).map(|pod| Running::Pod(namespace.to_owned(), pod));
    }
    if text == "host://" {
        return Some(Running::Host);
    }
    text.strip_prefix("pid:").unwrap_or(text).parse().ok().map(Running::Process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart() {
        let sorted = sort(
            &["-", "docker://web", "k8s://shop/db-0", "k8s://db-0", "pid:12", "34", "host://", "a.yaml", "k8s://"]
                .map(PathBuf::from),
            true,
        );
        assert!(sorted.standard_input);
        assert_eq!(sorted.files, ["a.yaml", "k8s://"].map(PathBuf::from));
        let pod = |namespace: &str| Running::Pod(namespace.to_owned(), "db-0".to_owned());
        let docker = Running::Container("docker", "web".to_owned());
        let expected = [docker, pod("shop"), pod("default"), Running::Process(12), Running::Process(34), Running::Host];
        assert_eq!(sorted.live, expected);
        assert_eq!(sort(&[], true).files, [PathBuf::from(".")]);
        assert_eq!(sort(&[], false), Targets::default());
    }
}
