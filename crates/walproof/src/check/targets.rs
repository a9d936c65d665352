//! What each target is: a file or folder, standard input, or something that runs.
//!
//! What it must not do: look further than whether a path is there.

use std::path::PathBuf;

use walproof_lab::collect::live::LiveTarget;

/// Targets by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Files and folders.
    pub files: Vec<PathBuf>,
    /// `-` is among them.
    pub standard_input: bool,
    /// Things that run.
    pub live: Vec<LiveTarget>,
}

/// A target as people name it.
pub fn shown(target: &LiveTarget) -> String {
    match target {
        LiveTarget::Container { engine, name } => format!("{engine}://{name}"),
        LiveTarget::Pod { namespace, name } => format!("k8s://{namespace}/{name}"),
        LiveTarget::Process(number) => format!("pid:{number}"),
        LiveTarget::Host => "host://".to_owned(),
        LiveTarget::Path(path) => path.display().to_string(),
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

/// `docker://NAME` and the like, `k8s://POD` of the default namespace, `pid:NUMBER`, a bare number, `host://`.
pub fn running(text: &str) -> Option<LiveTarget> {
    if text == "host://" {
        return Some(LiveTarget::Host);
    }
    let pod = text.strip_prefix("k8s://").filter(|pod| !pod.is_empty() && !pod.contains('/'));
    if let Some(name) = pod {
        return Some(LiveTarget::Pod { namespace: "default".to_owned(), name: name.to_owned() });
    }
    let process = || text.strip_prefix("pid:").unwrap_or(text).parse().ok().map(LiveTarget::Process);
    LiveTarget::parse(text).or_else(process)
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
        let pod = |namespace: &str| LiveTarget::Pod { namespace: namespace.to_owned(), name: "db-0".to_owned() };
        let docker = LiveTarget::Container { engine: "docker".to_owned(), name: "web".to_owned() };
        let expected =
            [docker, pod("shop"), pod("default"), LiveTarget::Process(12), LiveTarget::Process(34), LiveTarget::Host];
        assert_eq!(sorted.live, expected);
        assert_eq!(sort(&[], true).files, [PathBuf::from(".")]);
        assert_eq!(sort(&[], false), Targets::default());
    }
}
