//! Objects that start pods, and what scales them, from trees.
//!
//! What it must not do: know what a pod holds; `pods` does.
//!
//! Where to look next: `documents`, which finds these objects; `model` for what comes out.

use super::claims;
use super::fields::setting;
use super::model::{Autoscaler, CONFIG_VALUE_BYTES_MAX, ConfigMap, Portion, Setting, Strategy, Workload, WorkloadKind};
use super::pods;
use crate::manifest::reader::Reader;
use crate::manifest::span::Spanned;
use crate::manifest::yaml::Node;

/// The workload of an object of this kind.
pub(super) fn workload(reader: &mut Reader, kind: WorkloadKind, object: &Node) -> Workload {
    let empty = Node::null(object.span);
    let spec = reader.section(object, "spec").unwrap_or(&empty);
    let is_numbered = kind == WorkloadKind::StatefulSet;
    let is_by_the_clock = kind == WorkloadKind::CronJob;
    let templates = if is_numbered { reader.items(spec, "volumeClaimTemplates") } else { &[] };
    Workload {
        kind,
        identity: reader.identity(object),
        replicas: replicas(reader, kind, spec),
        strategy: strategy(reader, kind, spec),
        concurrency_policy: is_by_the_clock.then(|| reader.text_or(spec, "concurrencyPolicy", "Allow")),
        schedule: if is_by_the_clock { reader.text_at(spec, "schedule") } else { None },
        pod_management: is_numbered.then(|| reader.text_or(spec, "podManagementPolicy", "OrderedReady")),
        claim_templates: templates.iter().map(|template| claims::claim(reader, template)).collect(),
        pod: pod(reader, kind, object, spec),
        span: object.span,
    }
}

fn replicas(reader: &mut Reader, kind: WorkloadKind, spec: &Node) -> Option<Setting<u64>> {
    match kind {
        WorkloadKind::DaemonSet => None,
        WorkloadKind::Pod => Some(Setting::Default(1)),
        WorkloadKind::Job => Some(reader.whole_or(spec, "parallelism", 1)),
        WorkloadKind::CronJob => {
            let job = spec.get("jobTemplate").and_then(|job| job.get("spec"));
            Some(job.map_or(Setting::Default(1), |job| reader.whole_or(job, "parallelism", 1)))
        }
        _ => Some(reader.whole_or(spec, "replicas", 1)),
    }
}

/// The pod of an object: the object itself, or its template.
fn pod(reader: &mut Reader, kind: WorkloadKind, object: &Node, spec: &Node) -> super::model::Pod {
    let template = match kind {
        WorkloadKind::Pod => Some(object),
        WorkloadKind::CronJob => {
            let job = reader.section(spec, "jobTemplate").and_then(|job| reader.section(job, "spec"));
            job.and_then(|job| reader.section(job, "template"))
        }
        _ => reader.section(spec, "template"),
    };
    let empty = Node::null(object.span);
    pods::pod(reader, template.unwrap_or(&empty))
}

fn strategy(reader: &mut Reader, kind: WorkloadKind, spec: &Node) -> Option<Strategy> {
    let (key, surge, unavailable) = match kind {
        WorkloadKind::Deployment => ("strategy", Portion::Percent(25), Portion::Percent(25)),
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => ("updateStrategy", Portion::Count(0), Portion::Count(1)),
        _ => return None,
    };
    let written = reader.section(spec, key);
    let empty = Node::null(spec.span);
    let node = written.unwrap_or(&empty);
    let rolling = reader.section(node, "rollingUpdate").unwrap_or(&empty);
    Some(Strategy {
        kind: reader.text_or(node, "type", "RollingUpdate"),
        max_surge: portion_or(reader, rolling, "maxSurge", surge),
        max_unavailable: portion_or(reader, rolling, "maxUnavailable", unavailable),
        partition: reader.whole_or(rolling, "partition", 0),
        span: written.map(|node| node.span),
    })
}

/// `1` or `25%`.
fn portion_or(reader: &mut Reader, node: &Node, key: &str, default: Portion) -> Setting<Portion> {
    let found = node.get(key);
    let read = found.and_then(|found| {
        reader.filled(found, "a number or a percentage such as `25%`", |text| match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Portion::Percent),
            None => text.parse().ok().map(Portion::Count),
        })
    });
    setting(found, read, default)
}

/// A HorizontalPodAutoscaler, version 1 or 2.
pub(super) fn autoscaler(reader: &mut Reader, object: &Node) -> Autoscaler {
    let empty = Node::null(object.span);
    let spec = reader.section(object, "spec").unwrap_or(&empty);
    let target = reader.section(spec, "scaleTargetRef").unwrap_or(&empty);
    let replicas_max: Option<Spanned<u64>> = reader.whole_at(spec, "maxReplicas");
    Autoscaler {
        identity: reader.identity(object),
        target_kind: reader.text_at(target, "kind"),
        target_name: reader.text_at(target, "name"),
        replicas_min: reader.whole_or(spec, "minReplicas", 1),
        replicas_max,
        span: object.span,
    }
}

/// A ConfigMap.
pub(super) fn config_map(reader: &mut Reader, object: &Node) -> ConfigMap {
    let mut entries = reader.pairs_at(object, "data");
    entries.retain(|pair| {
        let value = pair.value.as_ref().map_or("", |value| value.value.as_str());
        value.len() <= CONFIG_VALUE_BYTES_MAX && !value.contains('\n')
    });
    ConfigMap { identity: reader.identity(object), entries }
}
