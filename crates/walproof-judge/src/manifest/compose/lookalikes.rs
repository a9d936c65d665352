//! Files of other kinds that people hand over as Compose files, told by their keys at the top.
//!
//! What it must not do: read them. It names them, so that the error says more than that `services` is missing.
//!
//! Where to look next: `files`, which asks.

use crate::manifest::error::{ManifestError, ManifestErrorKind};
use crate::manifest::yaml::{Node, Value};

/// Keys that occur together at the top, and what has them. The first that fits is told.
const LOOKALIKES: &[(&[&str], &str)] = &[
    (&["apiVersion", "kind"], "a Kubernetes manifest"),
    (&["apiVersion", "version", "name"], "a Helm chart's `Chart.yaml`"),
    (&["apiVersion"], "a Kubernetes manifest"),
    (&["AWSTemplateFormatVersion"], "a CloudFormation template"),
    (&["on", "jobs"], "a GitHub Actions workflow"),
    (&["runs", "inputs"], "a GitHub action"),
    (&["stages", "variables"], "a GitLab CI file"),
    (&["stages"], "a GitLab CI file"),
    (&["openapi"], "an OpenAPI description"),
    (&["swagger"], "an OpenAPI description"),
    (&["job"], "a Nomad job"),
    (&["language"], "a Travis CI file"),
    (&["replicaCount"], "values of a Helm chart"),
];

/// An error if this document cannot be one of a Compose file, whatever other files bring.
pub(super) fn check(file: &str, document: &Node) -> Result<(), ManifestError> {
    let Value::Mapping(entries) = &document.value else {
        let looks = match &document.value {
            Value::Sequence(items) if items.iter().any(|item| item.get("hosts").is_some()) => "an Ansible playbook",
            Value::Sequence(_) => "a list",
            _ => "plain text",
        };
        return Err(other_kind(file, Some(document), looks));
    };
    let services = document.get("services");
    if services.is_some_and(|services| matches!(services.value, Value::Mapping(_))) {
        return Ok(());
    }
    if let Some(services) = services.filter(|services| !services.is_null()) {
        let looks = format!("a file whose `services` is {}", services.noun());
        return Err(other_kind(file, Some(services), &looks));
    }
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.value.as_str()).collect();
    match known(&keys) {
        Some(looks) => Err(other_kind(file, Some(document), looks)),
        None if is_of_version_1(document) => {
            Err(other_kind(file, Some(document), "a Compose file of version 1, which has no `services`"))
        }
        None => Ok(()),
    }
}

/// The error for files that have no services together.
pub(super) fn no_services(file: &str, keys: &[&str]) -> ManifestError {
    let looks = known(keys).map_or_else(|| "a file without `services` at the top".to_owned(), str::to_owned);
    other_kind(file, None, &looks)
}

fn known(keys: &[&str]) -> Option<&'static str> {
    LOOKALIKES.iter().find(|(needed, _)| needed.iter().all(|key| keys.contains(key))).map(|(_, looks)| *looks)
}

/// Services at the top, and nothing else.
fn is_of_version_1(document: &Node) -> bool {
    let is_service = |node: &Node| node.get("image").is_some() || node.get("build").is_some();
    !document.entries().is_empty() && document.entries().iter().all(|entry| is_service(&entry.value))
}

fn other_kind(file: &str, node: Option<&Node>, looks: &str) -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::OtherKind,
        file: file.to_owned(),
        place: node.map(|node| node.span.start),
        what: "is no Compose file".to_owned(),
        because: format!("it looks like {looks}"),
        try_this: "name a file that has a mapping `services` at the top".to_owned(),
    }
}
