//! From files to objects: documents, lists, what is read, and what is left out politely.
//!
//! What it must not do: refuse a set because of one file, or an object because of one value.
//!
//! Where to look next: `workloads` and `claims`, which read the objects; [`super::Set`] for what comes out.

use super::model::WorkloadKind;
use super::set::{LeftOut, LeftOutReason, Set};
use super::{claims, templates, unread, workloads};
use crate::manifest::compose::paths::directory_of;
use crate::manifest::error::{ManifestError, ManifestErrorKind};
use crate::manifest::reader::Reader;
use crate::manifest::span::{Place, Source, SourceFile, Span, Warning, WarningKind};
use crate::manifest::yaml::{self, Broken, Budget, Node, Value};

/// Groups of the kinds that are read. Others use some of the same names for other things.
const GROUPS: &[&str] = &["", "apps", "autoscaling", "batch", "extensions", "storage.k8s.io"];

/// Kinds that start no pods and hold no storage, of whatever group: not worth a word.
const BESIDE_THE_POINT: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "EndpointSlice",
    "Endpoints",
    "Gateway",
    "HTTPRoute",
    "Ingress",
    "IngressClass",
    "LimitRange",
    "Namespace",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PriorityClass",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
];

/// Keys at the top of files that become manifests, or that only look alike, and what has them.
const LOOKALIKES: &[(&[&str], &str)] = &[
    (&["services"], "a Compose file"),
    (&["apiVersion", "name", "version"], "a Helm chart's `Chart.yaml`: render it with `helm template`"),
    (&["resources"], "a kustomization: render it with `kubectl kustomize`"),
    (&["replicaCount"], "values of a Helm chart: render it with `helm template`"),
    (&["image"], "values of a Helm chart: render it with `helm template`"),
];

/// Reads one file into the set.
pub(super) fn read(set: &mut Set, reader: &mut Reader, source: Source<'_>, bytes_max: usize) {
    let number = set.files.len();
    set.files.push(SourceFile { name: source.name.to_owned(), directory: directory_of(source.name) });
    let start = Span { source: number, start: Place::START, end: Place::START };
    if templates::is_named_so(source.name) {
        set.left_out.push(template(start));
        return;
    }
    let mut documents = Vec::new();
    let mut noticed = Vec::new();
    let mut budget = Budget::for_sources_of(bytes_max);
    let outcome = yaml::read_documents(number, source.text, &mut budget, &mut noticed, &mut documents);
    if let Some(place) = template_place(source.text, &outcome, &noticed) {
        set.left_out.push(template(Span { start: place, end: place, ..start }));
        return;
    }
    reader.warnings.append(&mut noticed);
    let is_empty = documents.is_empty() && outcome.is_ok();
    if let Err(broken) = outcome {
        set.errors.push(not_yaml(source.name, broken));
    }
    if is_empty {
        let message = "there is nothing in it but blanks and comments".to_owned();
        set.left_out.push(LeftOut { reason: LeftOutReason::Empty, message, span: start, unread: None });
    }
    for document in documents {
        objects(set, reader, document);
    }
}

/// Where the text is a template, going by why it is no YAML or by what YAML makes of its braces.
fn template_place(text: &str, outcome: &Result<(), Broken>, noticed: &[Warning]) -> Option<Place> {
    match outcome {
        Err(broken) if broken.kind == ManifestErrorKind::TooMuch => None,
        Err(_) => templates::first_action(text),
        Ok(()) => {
            let mut odd = noticed.iter().filter(|warning| warning.kind == WarningKind::WrongValue);
            odd.find_map(|warning| templates::action_in(text, warning.span.start.line))
        }
    }
}

/// The objects of a document: itself, or the items of a list, of lists in lists as well.
fn objects(set: &mut Set, reader: &mut Reader, document: Node) {
    let mut waiting = vec![document];
    while let Some(node) = waiting.pop() {
        let is_list = node.get("kind").and_then(Node::as_text).is_some_and(|kind| kind.ends_with("List"));
        if !is_list || node.get("items").is_none() {
            object(set, reader, &node);
            continue;
        }
        let Value::Mapping(entries) = node.value else { continue };
        let items = entries.into_iter().find(|entry| entry.key.value == "items").map(|entry| entry.value);
        match items {
            Some(Node { value: Value::Sequence(items), .. }) => waiting.extend(items.into_iter().rev()),
            Some(other) if !other.is_null() => reader.wrong(&other, "a list of objects"),
            _ => {}
        }
    }
}

fn object(set: &mut Set, reader: &mut Reader, node: &Node) {
    let Some(kind) = node.get("kind").and_then(Node::as_text) else {
        let (reason, message) = (LeftOutReason::NotKubernetes, looks_of(node));
        set.left_out.push(LeftOut { reason, message, span: node.span, unread: None });
        return;
    };
    let version = node.get("apiVersion").and_then(Node::as_text);
    let group = version.and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    let is_read = GROUPS.contains(&group) && is_known(kind);
    if !is_read {
        let unread = unread::of(kind, group, node);
        if unread.is_some() || !BESIDE_THE_POINT.contains(&kind) {
            set.left_out.push(LeftOut { unread, ..other_kind(kind, group, node.span) });
        }
        return;
    }
    if let Some(span) = templates::unfilled(node) {
        set.left_out.push(template(span));
        return;
    }
    if version.is_none() {
        reader.warn(WarningKind::WrongValue, node.span, format!("a {kind} needs an `apiVersion`"));
    }
    templates::note_variables(reader, node);
    take(set, reader, kind, node);
}

fn is_known(kind: &str) -> bool {
    const OTHERS: &[&str] =
        &["ConfigMap", "PersistentVolumeClaim", "PersistentVolume", "StorageClass", "HorizontalPodAutoscaler"];
    workload_kind(kind).is_some() || OTHERS.contains(&kind)
}

fn workload_kind(kind: &str) -> Option<WorkloadKind> {
    const ALL: [WorkloadKind; 8] = [
        WorkloadKind::Deployment,
        WorkloadKind::StatefulSet,
        WorkloadKind::DaemonSet,
        WorkloadKind::ReplicaSet,
        WorkloadKind::ReplicationController,
        WorkloadKind::Job,
        WorkloadKind::CronJob,
        WorkloadKind::Pod,
    ];
    ALL.into_iter().find(|known| known.name() == kind)
}

fn take(set: &mut Set, reader: &mut Reader, kind: &str, node: &Node) {
    match kind {
        "ConfigMap" => set.config_maps.push(workloads::config_map(reader, node)),
        "PersistentVolumeClaim" => set.claims.push(claims::claim(reader, node)),
        "PersistentVolume" => set.volumes.push(claims::persistent_volume(reader, node)),
        "StorageClass" => set.classes.push(claims::storage_class(reader, node)),
        "HorizontalPodAutoscaler" => set.autoscalers.push(workloads::autoscaler(reader, node)),
        _ => {
            let kind = workload_kind(kind);
            set.workloads.extend(kind.map(|kind| workloads::workload(reader, kind, node)));
        }
    }
}

fn template(span: Span) -> LeftOut {
    let message = "template, not judged: render it and give the output".to_owned();
    LeftOut { reason: LeftOutReason::Template, message, span, unread: None }
}

fn other_kind(kind: &str, group: &str, span: Span) -> LeftOut {
    let message = match kind {
        "Kustomization" => "a kustomization: render it with `kubectl kustomize`".to_owned(),
        _ if group.is_empty() => format!("objects of kind `{kind}` are not read"),
        _ => format!("objects of kind `{kind}` of `{group}` are not read"),
    };
    LeftOut { reason: LeftOutReason::OtherKind, message, span, unread: None }
}

fn looks_of(node: &Node) -> String {
    let has = |keys: &&(&[&str], &str)| keys.0.iter().all(|key| node.get(key).is_some());
    match LOOKALIKES.iter().find(has) {
        Some((_, looks)) => format!("it looks like {looks}"),
        None => format!("it has no `kind`: it is {}", node.noun()),
    }
}

fn not_yaml(file: &str, broken: Broken) -> ManifestError {
    let (what, try_this) = match broken.kind {
        ManifestErrorKind::TooMuch => ("is larger than any manifest", "name the manifest of the workload alone"),
        _ if broken.is_template() => ("is not YAML", yaml::RENDER_IT),
        _ => ("is not YAML", "correct it at this place; what stands before it was read"),
    };
    ManifestError {
        kind: broken.kind,
        file: file.to_owned(),
        place: Some(broken.place),
        what: what.to_owned(),
        because: broken.because,
        try_this: try_this.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(BESIDE_THE_POINT.is_sorted() && GROUPS.is_sorted());
    }
}
