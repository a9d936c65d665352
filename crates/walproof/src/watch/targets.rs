//! What each target is: a path, a container by its engine or by its bare name, a pod, a process, the host.
//!
//! A path that is there is a path. A bare name that is none is asked of the engines that are here; one that nobody knows
//! is a path that is waited for.
//! What it must not do: choose between two containers of one name.
//! Where to look next: `check/targets.rs`, which `check` shares.

use std::path::{Path, PathBuf};

use walproof_lab::collect::live::{LiveTarget, containers_called};
use walproof_lab::error::LabError;

use super::notes::Notes;
use crate::check::targets::{running, shown};

/// All of them.
pub fn of(texts: &[PathBuf], host: bool, notes: &Notes) -> Result<Vec<LiveTarget>, LabError> {
    let mut targets = Vec::new();
    for text in texts {
        targets.push(one(text, notes, &containers_called)?);
    }
    if host && !targets.contains(&LiveTarget::Host) {
        targets.push(LiveTarget::Host);
    }
    Ok(targets)
}

fn one(path: &Path, notes: &Notes, called: &dyn Fn(&str) -> Vec<LiveTarget>) -> Result<LiveTarget, LabError> {
    let there = path.symlink_metadata().is_ok();
    let Some(text) = path.to_str().filter(|_| !there) else { return Ok(LiveTarget::Path(path.to_owned())) };
    if let Some(target) = running(text) {
        return Ok(target);
    }
    if text.contains("://") {
        return Err(LabError::new(
            format!("cannot watch `{text}`"),
            "it names no engine that is known, or nothing of it",
            "`docker://NAME`, `podman://NAME`, `nerdctl://NAME`, `embedded://NAME`, `k8s://NAMESPACE/POD`, `pid:NUMBER`, `host://`",
        ));
    }
    let mut found = if is_name(text) { called(text) } else { Vec::new() };
    match found.len() {
        0 => Ok(LiveTarget::Path(path.to_owned())),
        1 => {
            let target = found.remove(0);
            notes.say(text, format!("`{text}` is no path here; watching the container {}", shown(&target)));
            Ok(target)
        }
        _ => {
            let all: Vec<String> = found.iter().map(|one| format!("`{}`", shown(one))).collect();
            let because = format!("several containers are called so: {}", all.join(", "));
            Err(LabError::new(format!("cannot tell what `{text}` is"), because, "one of these names"))
        }
    }
}

/// What engines take for a name, and may be no option of theirs.
fn is_name(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(engine: &str) -> LiveTarget {
        LiveTarget::Container { engine: engine.to_owned(), name: "web".to_owned() }
    }

    fn asked(text: &str, found: &[LiveTarget]) -> Result<LiveTarget, String> {
        one(Path::new(text), &Notes::new(false), &|_| found.to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bare_name_is_a_container_if_one_is_called_so() {
        assert_eq!(asked("web", &[container("docker")]), Ok(container("docker")));
        assert_eq!(asked("web", &[]), Ok(LiveTarget::Path("web".into())));
        let both = asked("web", &[container("docker"), container("podman")]).expect_err("two");
        assert!(both.contains("`docker://web`, `podman://web`"), "{both}");
    }

    #[test]
    fn paths_stay_paths_and_unknown_words_are_errors() {
        assert_eq!(asked("/", &[container("docker")]), Ok(LiveTarget::Path("/".into())));
        assert_eq!(asked("./web", &[container("docker")]), Ok(LiveTarget::Path("./web".into())));
        assert_eq!(asked("pid:7", &[]), Ok(LiveTarget::Process(7)));
        assert_eq!(asked("host://", &[]), Ok(LiveTarget::Host));
        assert!(asked("dokcer://web", &[]).is_err());
    }
}
