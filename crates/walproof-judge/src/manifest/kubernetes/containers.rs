//! Containers of a pod, from trees.
//!
//! What it must not do: know what a volume is. A mount names one; `set` finds it.
//!
//! Where to look next: `model` for what comes out.

use super::model::{
    Action, ActionKind, Amounts, Container, ContainerSecurity, Port, Probe, Reference, Role, Variable, VolumeDevice,
    VolumeMount,
};
use super::pods;
use crate::manifest::reader::Reader;
use crate::manifest::span::Spanned;
use crate::manifest::yaml::{Node, Value};

/// One container; `None`, with a warning, if it is no mapping.
pub(super) fn container(reader: &mut Reader, node: &Node, is_init: bool) -> Option<Container> {
    if !matches!(node.value, Value::Mapping(_)) {
        reader.wrong(node, "a container");
        return None;
    }
    let name = reader.needed(node, "name", "a container");
    let name = name.unwrap_or_else(|| Spanned::new(String::new(), node.span));
    let stays = reader.text_at(node, "restartPolicy").is_some_and(|policy| policy.value == "Always");
    let role = match (is_init, stays) {
        (true, true) => Role::Sidecar,
        (true, false) => Role::Init,
        (false, _) => Role::Main,
    };
    let empty = Node::null(node.span);
    let resources = reader.section(node, "resources").unwrap_or(&empty);
    let lifecycle = reader.section(node, "lifecycle").unwrap_or(&empty);
    Some(Container {
        name,
        role,
        image: reader.text_at(node, "image"),
        command: reader.texts_at(node, "command"),
        args: reader.texts_at(node, "args"),
        working_dir: reader.text_at(node, "workingDir"),
        environment: each(reader, node, "env", variable),
        environment_from: each(reader, node, "envFrom", whole_object),
        ports: each(reader, node, "ports", |reader, item| Some(port(reader, item))),
        requests: amounts(reader, resources, "requests"),
        limits: amounts(reader, resources, "limits"),
        security: security(reader, node),
        liveness_probe: probe(reader, node, "livenessProbe"),
        readiness_probe: probe(reader, node, "readinessProbe"),
        startup_probe: probe(reader, node, "startupProbe"),
        post_start: reader.section(lifecycle, "postStart").map(|hook| action(reader, hook)),
        pre_stop: reader.section(lifecycle, "preStop").map(|hook| action(reader, hook)),
        mounts: each(reader, node, "volumeMounts", mount),
        devices: each(reader, node, "volumeDevices", device),
        span: node.span,
    })
}

/// The items of a list that are mappings, each read; others are warnings.
fn each<T>(reader: &mut Reader, node: &Node, key: &str, read: impl Fn(&mut Reader, &Node) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in reader.items(node, key) {
        if matches!(item.value, Value::Mapping(_)) {
            found.extend(read(reader, item));
        } else {
            reader.wrong(item, &format!("a mapping in `{key}`"));
        }
    }
    found
}

fn variable(reader: &mut Reader, node: &Node) -> Option<Variable> {
    let name = reader.needed(node, "name", "a variable")?;
    let from = reader.section(node, "valueFrom").and_then(|from| reference(reader, from));
    Some(Variable { name, value: reader.text_at(node, "value"), from })
}

/// The one mapping in a mapping, such as `secretKeyRef: {name: a, key: b}`.
fn reference(reader: &mut Reader, node: &Node) -> Option<Reference> {
    let entry = node.entries().iter().find(|entry| matches!(entry.value.value, Value::Mapping(_)))?;
    let key = ["key", "fieldPath", "resource"].into_iter().find(|key| entry.value.get(key).is_some());
    Some(Reference {
        kind: entry.key.clone(),
        name: reader.text_at(&entry.value, "name"),
        key: key.and_then(|key| reader.text_at(&entry.value, key)),
    })
}

/// `configMapRef: {name: a}` with the `prefix` beside it.
fn whole_object(reader: &mut Reader, node: &Node) -> Option<Reference> {
    let prefix = reader.text_at(node, "prefix").filter(|prefix| !prefix.value.is_empty());
    reference(reader, node).map(|reference| Reference { key: prefix, ..reference })
}

fn port(reader: &mut Reader, node: &Node) -> Port {
    Port {
        name: reader.text_at(node, "name"),
        container_port: reader.whole_at(node, "containerPort"),
        host_port: reader.whole_at(node, "hostPort"),
    }
}

fn amounts(reader: &mut Reader, resources: &Node, key: &str) -> Amounts {
    let Some(node) = reader.section(resources, key) else { return Amounts::default() };
    Amounts {
        memory_bytes: reader.bytes_at(node, "memory"),
        cpu_thousandths: reader.thousandths_at(node, "cpu"),
        ephemeral_storage_bytes: reader.bytes_at(node, "ephemeral-storage"),
    }
}

fn security(reader: &mut Reader, container: &Node) -> ContainerSecurity {
    let Some(node) = reader.section(container, "securityContext") else { return ContainerSecurity::default() };
    ContainerSecurity {
        run_as_user: reader.whole_at(node, "runAsUser"),
        run_as_group: reader.whole_at(node, "runAsGroup"),
        run_as_non_root: reader.flag_at(node, "runAsNonRoot"),
        read_only_root_filesystem: reader.flag_at(node, "readOnlyRootFilesystem"),
        privileged: reader.flag_at(node, "privileged"),
        selinux: pods::selinux(reader, node),
        span: Some(node.span),
    }
}

fn probe(reader: &mut Reader, container: &Node, key: &str) -> Option<Probe> {
    let node = reader.section(container, key)?;
    Some(Probe {
        action: action(reader, node),
        initial_delay_seconds: reader.whole_or(node, "initialDelaySeconds", 0),
        period_seconds: reader.whole_or(node, "periodSeconds", 10),
        timeout_seconds: reader.whole_or(node, "timeoutSeconds", 1),
        failure_threshold: reader.whole_or(node, "failureThreshold", 3),
        success_threshold: reader.whole_or(node, "successThreshold", 1),
        termination_grace_period_seconds: reader.whole_at(node, "terminationGracePeriodSeconds"),
        span: node.span,
    })
}

fn action(reader: &mut Reader, node: &Node) -> Action {
    let kind = if let Some(exec) = reader.section(node, "exec") {
        ActionKind::Exec { command: reader.texts_at(exec, "command") }
    } else if let Some(http) = reader.section(node, "httpGet") {
        ActionKind::HttpGet { path: reader.text_at(http, "path"), port: reader.text_at(http, "port") }
    } else if let Some(tcp) = reader.section(node, "tcpSocket") {
        ActionKind::TcpSocket { port: reader.text_at(tcp, "port") }
    } else if let Some(grpc) = reader.section(node, "grpc") {
        ActionKind::Grpc { port: reader.text_at(grpc, "port") }
    } else if let Some(sleep) = reader.section(node, "sleep") {
        ActionKind::Sleep { seconds: reader.whole_at(sleep, "seconds") }
    } else {
        ActionKind::Unknown
    };
    Action { kind, span: node.span }
}

fn mount(reader: &mut Reader, node: &Node) -> Option<VolumeMount> {
    let name = reader.needed(node, "name", "a mount")?;
    let mount_path = reader.needed(node, "mountPath", "a mount")?;
    Some(VolumeMount {
        name,
        mount_path,
        sub_path: reader.text_at(node, "subPath"),
        sub_path_expr: reader.text_at(node, "subPathExpr"),
        read_only: reader.flag_at(node, "readOnly"),
        propagation: reader.text_at(node, "mountPropagation"),
        span: node.span,
    })
}

fn device(reader: &mut Reader, node: &Node) -> Option<VolumeDevice> {
    let name = reader.needed(node, "name", "a device")?;
    Some(VolumeDevice { name, device_path: reader.text_at(node, "devicePath") })
}
