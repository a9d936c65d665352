//! Which reader a file is for, by its name and a look at its text, so that whoever walks a folder need not know
//! formats.
//!
//! What it must not do: read, or say that a file is right. A reader may still find that it is of another kind.
//!
//! Where to look next: the room that [`Kind`] names.

use super::markdown;

/// The room that reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`super::compose`].
    Compose,
    /// [`super::kubernetes`], templates of manifests included: it says what they are.
    Kubernetes,
    /// [`super::quadlet`].
    Quadlet,
    /// [`super::docker_run`], and for the fences of Markdown [`super::markdown`].
    DockerRun,
    /// [`super::dockerfile`].
    Dockerfile,
}

const QUADLETS: &[&str] = &[".container", ".kube", ".pod", ".volume"];
const SCRIPTS: &[&str] = &[".bash", ".bat", ".cmd", ".markdown", ".md", ".mdx", ".ps1", ".service", ".sh", ".zsh"];
const PAGES: &[&str] = &[".markdown", ".md", ".mdx"];
const TREES: &[&str] = &[".json", ".yaml", ".yml"];
const TEMPLATES: &[&str] = &[".gotmpl", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl"];

/// The reader for a file; `None`: none of them, or a script that names no engine.
pub fn kind_of(name: &str, text: &str) -> Option<Kind> {
    let lower = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    let begins = |beginning: &str| lower == beginning || lower.starts_with(&format!("{beginning}."));
    if begins("dockerfile") || begins("containerfile") || ends(&[".dockerfile", ".containerfile"]) {
        return Some(Kind::Dockerfile);
    }
    if ends(QUADLETS) || is_drop_in(name) {
        return Some(Kind::Quadlet);
    }
    if ends(TREES) || ends(TEMPLATES) {
        return tree(&lower, text);
    }
    let is_script = ends(SCRIPTS) || begins("makefile") || (!lower.contains('.') && text.starts_with("#!"));
    if is_script && is_page(name) && !markdown::trees(text).is_empty() {
        return Some(Kind::DockerRun);
    }
    let names_engine = ["docker", "podman", "nerdctl"].iter().any(|engine| text.contains(engine));
    (is_script && names_engine).then_some(Kind::DockerRun)
}

/// Whether a file of this name is Markdown.
pub fn is_page(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PAGES.iter().any(|ending| lower.ends_with(ending))
}

/// Whether a file of this name can be of any kind, whatever its text: others need not be read.
pub fn may_be(name: &str) -> bool {
    // A text that speaks of everything.
    kind_of(name, "#!docker\nkind: x\napiVersion: x\nservices:\n").is_some()
}

/// `NAME.container.d/10-more.conf`.
fn is_drop_in(path: &str) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else { return false };
    let is_of_quadlet = |folder: &str| QUADLETS.iter().any(|ending| folder.ends_with(ending));
    file.ends_with(".conf") && folder.strip_suffix(".d").is_some_and(is_of_quadlet)
}

fn tree(name: &str, text: &str) -> Option<Kind> {
    if (name.starts_with("compose.") || name.starts_with("docker-compose")) && !text.contains("apiVersion") {
        return Some(Kind::Compose);
    }
    let has_key = |key: &str, at_top: bool| {
        text.lines().any(|line| {
            let line = line.trim_start_matches('\u{feff}');
            let line = if at_top { line } else { line.trim_start_matches(['{', ' ']) };
            let line = line.trim_start_matches(['{', '"']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches('"').trim_start().starts_with(':'))
        })
    };
    if has_key("apiVersion", false) && text.contains("kind") {
        return Some(Kind::Kubernetes);
    }
    has_key("services", true).then_some(Kind::Compose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(name: &str, text: &str, expected: impl Into<Option<Kind>>) {
        assert_eq!(kind_of(name, text), expected.into(), "{name}");
    }

    #[test]
    fn names_decide_where_they_can() {
        is("a/Dockerfile", "", Kind::Dockerfile);
        is("Dockerfile.alpine", "", Kind::Dockerfile);
        is("app.dockerfile", "", Kind::Dockerfile);
        is("Dockerfiles-and-more.txt", "", None);
        is("a.container", "", Kind::Quadlet);
        is("q/a.container.d/10-b.conf", "", Kind::Quadlet);
        is("etc/nginx.conf", "", None);
        is("docker-compose.prod.yml", "x: y", Kind::Compose);
    }

    #[test]
    fn texts_decide_the_rest() {
        is("a.yaml", "# c\napiVersion: v1\nkind: Pod\n", Kind::Kubernetes);
        is("list.json", "{\"kind\": \"List\",\n  \"apiVersion\": \"v1\"}", Kind::Kubernetes);
        is("a.yaml.j2", "{% if x %}\napiVersion: v1\nkind: {{ y }}\n", Kind::Kubernetes);
        is("stack.yml", "version: '3'\nservices:\n  a: {}\n", Kind::Compose);
        is("a.yml", "x:\n  services: 1\n", None);
        is("a.md", "```\npodman run x\n```", Kind::DockerRun);
        is("a.md", "1. x\n   ```yaml\n   services:\n     a: {}\n   ```", Kind::DockerRun);
        is("a.md", "```yaml\nservice: x\n```\nservices:\n", None);
        is("Makefile", "run:\n\tdocker run x", Kind::DockerRun);
        is("start", "#!/bin/sh\ndocker run x", Kind::DockerRun);
        is("a.sh", "echo", None);
        is("a.txt", "docker run x", None);
    }

    #[test]
    fn names_alone_rule_out_most_files() {
        assert_eq!(["a.yml", "a.json.j2", "start", "a.pod", "Dockerfile"].map(may_be), [true; 5]);
        assert_eq!(["a.png", "a.rs", "a.txt", "app.db"].map(may_be), [false; 4]);
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!([QUADLETS, SCRIPTS, TREES, TEMPLATES].iter().all(|list| list.is_sorted()));
    }
}
