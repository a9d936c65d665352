//! Objects that start pods without saying which: charts, GitOps, custom resources.
//!
//! A kind counts where it is known to start pods ([`KINDS`]), or where its `spec` has what only pods and charts have.
//! Everything else is silent: most custom resources start nothing.
//!
//! What it must not do: judge, guess what a chart becomes.
//!
//! Where to look next: `documents`, which asks for what it does not read.

use serde::Serialize;

use crate::manifest::yaml::{Node, Value};

const CHART: &str = "render it (`helm template`, `flux build`)";
const KUSTOMIZATION: &str = "render it (`kubectl kustomize`, `flux build`)";
const ARGO: &str = "render it (`argocd app manifests`, `helm template`)";
const PODS: &str = "check what it becomes (`kubectl get pods -o yaml`)";

/// Kind, the end of its group, and what to do. Sorted.
const KINDS: &[(&str, &str, &str)] = &[
    ("Application", "argoproj.io", ARGO),
    ("ApplicationSet", "argoproj.io", ARGO),
    ("ClusterWorkflowTemplate", "argoproj.io", PODS),
    ("CronWorkflow", "argoproj.io", PODS),
    ("DeploymentConfig", "apps.openshift.io", PODS),
    ("Grafana", "grafana.integreatly.org", PODS),
    ("HelmChart", "helm.cattle.io", CHART),
    ("HelmRelease", "fluxcd.io", CHART),
    ("Kustomization", "fluxcd.io", KUSTOMIZATION),
    ("Kustomization", "kustomize.config.k8s.io", KUSTOMIZATION),
    ("Rollout", "argoproj.io", PODS),
    ("Service", "serving.knative.dev", PODS),
    ("Template", "template.openshift.io", "render it (`oc process`)"),
    ("Workflow", "argoproj.io", PODS),
    ("WorkflowTemplate", "argoproj.io", PODS),
];

/// Groups whose objects speak of containers, images and charts and start none: sources, policies.
const SPEAKING: &[&str] =
    &["gatekeeper.sh", "image.toolkit.fluxcd.io", "kyverno.io", "source.toolkit.fluxcd.io", "upgrade.cattle.io"];

/// Objects in objects: a pod's template lies not deeper.
const DEPTH_MAX: usize = 8;

/// An object that starts pods, and is not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unread {
    /// Its kind.
    pub kind: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Where it begins, from 1.
    pub line: u32,
    /// What to do instead, in words.
    pub advice: &'static str,
}

/// What an object of a kind that is not read is worth; `None`: not a word.
pub(super) fn of(kind: &str, group: &str, node: &Node) -> Option<Unread> {
    let known = KINDS.iter().find(|(known, end, _)| *known == kind && ends_with(group, end));
    let advice = known.map(|(_, _, advice)| *advice).or_else(|| by_spec(group, node))?;
    let name = node.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_text).unwrap_or("");
    Some(Unread { kind: kind.to_owned(), name: name.to_owned(), line: node.span.start.line, advice })
}

/// Whether a group is this one, or below it.
fn ends_with(group: &str, end: &str) -> bool {
    group.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn by_spec(group: &str, node: &Node) -> Option<&'static str> {
    // What is of Kubernetes itself is known.
    let is_known = !group.contains('.') || ends_with(group, "k8s.io");
    if is_known || SPEAKING.iter().any(|end| ends_with(group, end)) {
        return None;
    }
    let spec = node.get("spec")?;
    if spec.get("chart").is_some() {
        return Some(CHART);
    }
    (spec.get("image").is_some() || has_containers(spec, DEPTH_MAX)).then_some(PODS)
}

fn has_containers(node: &Node, depth: usize) -> bool {
    let is_list = |node: &Node| matches!(node.value, Value::Sequence(_));
    let below = |node: &Node| depth > 0 && has_containers(node, depth - 1);
    node.get("containers").is_some_and(is_list) || node.entries().iter().any(|entry| below(&entry.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Source;
    use crate::manifest::kubernetes::parse;

    #[track_caller]
    fn says(version: &str, kind: &str, spec: &str, advice: Option<&str>) {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n");
        let set = parse(&[Source { name: "a.yaml", text: &text }]);
        let unread: Vec<&Unread> = set.left_out.iter().filter_map(|left| left.unread.as_ref()).collect();
        assert_eq!(unread.iter().map(|one| one.advice).collect::<Vec<_>>(), Vec::from_iter(advice), "{text}");
        assert!(unread.iter().all(|one| one.name == "a" && one.kind == kind && one.line == 1), "{text}");
    }

    #[test]
    fn what_starts_pods_is_said() {
        says("helm.toolkit.fluxcd.io/v2", "HelmRelease", "{}", Some(CHART));
        says("helm.cattle.io/v1", "HelmChart", "{chart: x}", Some(CHART));
        says("argoproj.io/v1alpha1", "Application", "{}", Some(ARGO));
        says("kustomize.config.k8s.io/v1beta1", "Kustomization", "{}", Some(KUSTOMIZATION));
        says("serving.knative.dev/v1", "Service", "{}", Some(PODS));
        says("apps.kruise.io/v1", "CloneSet", "{template: {spec: {containers: [{name: a}]}}}", Some(PODS));
        says("example.org/v1", "App", "{image: a}", Some(PODS));
        says("example.org/v1", "Deployment", "{chart: {name: a}}", Some(CHART));
    }

    #[test]
    fn what_starts_none_is_silent() {
        says("v1", "Service", "{}", None);
        says("networking.k8s.io/v1", "Ingress", "{}", None);
        says("monitoring.coreos.com/v1", "ServiceMonitor", "{selector: {}}", None);
        says("source.toolkit.fluxcd.io/v1", "HelmChart", "{chart: x}", None);
        says("image.toolkit.fluxcd.io/v1", "ImageRepository", "{image: x}", None);
        says("kyverno.io/v1", "ClusterPolicy", "{rules: {pattern: {spec: {containers: [a]}}}}", None);
        says("cert-manager.io/v1", "Certificate", "{secretName: x}", None);
        says("app.k8s.io/v1", "Application", "{}", None);
        says("example.org/v1", "Policy", "{containers: 3}", None);
        says("apiextensions.k8s.io/v1", "CustomResourceDefinition", "{properties: {containers: []}}", None);
        says("notargoproj.io/v1", "Application", "{}", None);
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(KINDS.is_sorted() && SPEAKING.is_sorted());
    }
}
