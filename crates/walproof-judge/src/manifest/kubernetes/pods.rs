//! Pods and templates for pods, from trees.
//!
//! What it must not do: know what a container holds (`containers`) or what a volume is (`claims`).
//!
//! Where to look next: `model` for what comes out.

use super::claims;
use super::containers;
use super::model::{Placement, Pod, PodSecurity, SelinuxLabel};
use crate::manifest::reader::Reader;
use crate::manifest::span::{Span, WarningKind};
use crate::manifest::yaml::{Node, Value};

/// The pod of a node with `metadata` and `spec`.
pub(super) fn pod(reader: &mut Reader, template: &Node) -> Pod {
    let empty = Node::null(template.span);
    let metadata = reader.section(template, "metadata").unwrap_or(&empty);
    let spec = reader.section(template, "spec").unwrap_or(&empty);
    if reader.items(spec, "containers").is_empty() {
        reader.warn(WarningKind::WrongValue, spec.span, "a pod needs `containers` in its `spec`");
    }
    let init_containers =
        reader.items(spec, "initContainers").iter().filter_map(|node| containers::container(reader, node, true));
    let init_containers = init_containers.collect();
    let containers = reader.items(spec, "containers").iter();
    let containers = containers.filter_map(|node| containers::container(reader, node, false)).collect();
    let volumes = reader.items(spec, "volumes").iter().filter_map(|node| claims::volume(reader, node)).collect();
    Pod {
        labels: reader.pairs_at(metadata, "labels"),
        annotations: reader.pairs_at(metadata, "annotations"),
        init_containers,
        containers,
        volumes,
        termination_grace_period_seconds: reader.whole_or(spec, "terminationGracePeriodSeconds", 30),
        restart_policy: reader.text_at(spec, "restartPolicy"),
        host_network: reader.flag_at(spec, "hostNetwork"),
        host_pid: reader.flag_at(spec, "hostPID"),
        host_ipc: reader.flag_at(spec, "hostIPC"),
        host_users: reader.flag_at(spec, "hostUsers"),
        share_process_namespace: reader.flag_at(spec, "shareProcessNamespace"),
        runtime_class_name: reader.text_at(spec, "runtimeClassName"),
        security: security(reader, spec),
        placement: placement(reader, spec),
        span: spec.span,
    }
}

fn security(reader: &mut Reader, spec: &Node) -> PodSecurity {
    let Some(node) = reader.section(spec, "securityContext") else { return PodSecurity::default() };
    PodSecurity {
        run_as_user: reader.whole_at(node, "runAsUser"),
        run_as_group: reader.whole_at(node, "runAsGroup"),
        run_as_non_root: reader.flag_at(node, "runAsNonRoot"),
        fs_group: reader.whole_at(node, "fsGroup"),
        fs_group_change_policy: reader.text_at(node, "fsGroupChangePolicy"),
        supplemental_groups: {
            let items = reader.items(node, "supplementalGroups");
            items.iter().filter_map(|item| reader.whole(item)).collect()
        },
        selinux: selinux(reader, node),
        span: Some(node.span),
    }
}

/// `seLinuxOptions` of a security context.
pub(super) fn selinux(reader: &mut Reader, context: &Node) -> Option<SelinuxLabel> {
    let node = reader.section(context, "seLinuxOptions")?;
    Some(SelinuxLabel {
        user: reader.text_at(node, "user"),
        role: reader.text_at(node, "role"),
        kind: reader.text_at(node, "type"),
        level: reader.text_at(node, "level"),
        span: node.span,
    })
}

fn placement(reader: &mut Reader, spec: &Node) -> Placement {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let affinity = reader.section(spec, "affinity");
    let mut terms = |kind: &str, strength: &str| -> Option<Span> {
        let node = reader.section(affinity?, kind)?.get(strength)?;
        holds_anything(node).then_some(node.span)
    };
    let mut placement = Placement {
        node_affinity_required: terms("nodeAffinity", REQUIRED),
        node_affinity_preferred: terms("nodeAffinity", PREFERRED),
        pod_affinity_required: terms("podAffinity", REQUIRED),
        pod_anti_affinity_required: terms("podAntiAffinity", REQUIRED),
        pod_anti_affinity_preferred: terms("podAntiAffinity", PREFERRED),
        ..Placement::default()
    };
    placement.node_name = reader.text_at(spec, "nodeName");
    placement.node_selector = reader.pairs_at(spec, "nodeSelector");
    let spread = spec.get("topologySpreadConstraints").filter(|node| holds_anything(node));
    placement.topology_spread = spread.map(|node| node.span);
    placement
}

fn holds_anything(node: &Node) -> bool {
    match &node.value {
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(entries) => !entries.is_empty(),
        Value::Scalar(_) => false,
    }
}
