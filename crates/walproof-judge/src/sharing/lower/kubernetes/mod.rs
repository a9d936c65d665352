//! Sets of manifests of Kubernetes: containers of pods, their mounts, claims with what lies behind them.
//!
//! One workload for each container of a template; containers of one template share a pod. What Kubernetes fills in is
//! filled in here: one copy, 30 seconds to end, an update that starts the new pod first.
//!
//! What it must not do: judge, or take the name of a class for what it is.
//!
//! Where to look next: `storage` for what is mounted, `provisioners` for the table of drivers,
//! `crate::manifest::kubernetes` for what comes in.

pub mod provisioners;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::{Builder, Moved, compose};
use crate::manifest::compose::paths;
use crate::manifest::kubernetes::{
    Container, Mounted, Portion, Reference, Role as Written, Set, Setting, Storage, Strategy, VolumeSource,
    Workload as Object, WorkloadKind as Kind,
};
use crate::manifest::{Span, Spanned};
use crate::sharing::{
    Copies, CopiesBy, Mount, Nature, Nodes, Overlap, Role, Rollout, StopTime, StorageId, StorageKind, Variable,
    Workload, WorkloadId, WorkloadKind,
};
use storage::Storages;

/// Adds a set.
pub fn add(builder: &mut Builder<'_>, set: &Set) {
    let moved = builder.begin(&set.files);
    let mut lowering = Lowering { set, moved, storages: Storages::new(set, moved) };
    // A base and its overlay may both be given: to the cluster they are one object.
    let mut known = HashSet::new();
    for object in &set.workloads {
        let identity = &object.identity;
        let key = (object.kind, identity.namespace(), identity.name.value.as_str());
        if identity.generated || known.insert(key) {
            lowering.object(builder, object);
        }
    }
}

struct Lowering<'a> {
    set: &'a Set,
    moved: Moved,
    storages: Storages<'a>,
}

impl<'a> Lowering<'a> {
    fn object(&mut self, builder: &mut Builder<'_>, object: &'a Object) {
        let pod = builder.new_pod();
        let mounted = self.set.mounted(object);
        let mut volumes = HashMap::new();
        for container in object.pod.all_containers() {
            let workload = builder.workload(Workload { pod, ..self.workload(object, container) });
            for mounted in mounted.iter().filter(|mounted| std::ptr::eq(mounted.container, container)) {
                self.mount(builder, (object, workload), mounted, &mut volumes);
            }
        }
    }

    fn workload(&self, object: &Object, container: &Container) -> Workload {
        let moved = self.moved;
        let (pod, identity) = (&object.pod, &object.identity);
        let several = pod.all_containers().nth(1).is_some();
        let period = &pod.termination_grace_period_seconds;
        let flag = |flag: &Option<Spanned<bool>>, wanted: bool| {
            flag.as_ref().filter(|flag| flag.value == wanted).map(|flag| moved.span(flag.span))
        };
        Workload {
            container: several.then(|| container.name.value.clone()),
            role: role(object.kind, container.role),
            span: Some(moved.span(identity.name.span)),
            image: moved.option(container.image.as_ref()),
            words: container.words().map(|word| moved.spanned(word)).collect(),
            environment: self.environment(identity.namespace(), container),
            copies: self.copies(object),
            rollout: self.rollout(object),
            stop_time: StopTime {
                ms: period.value().map(|seconds| seconds.saturating_mul(1_000)),
                span: period.span().map(|span| moved.span(span)),
            },
            user: self.user(object, container),
            groups: self.groups(object),
            memory_limit_bytes: moved.option(container.limits.memory_bytes.as_ref()),
            read_only_root: flag(&container.security.read_only_root_filesystem, true),
            runtime: moved.option(pod.runtime_class_name.as_ref()),
            user_namespace: flag(&pod.host_users, false),
            engine: Some("kubernetes"),
            nodes: nodes(object),
            ..Workload::new(kind(object.kind), name(object))
        }
    }

    fn copies(&self, object: &Object) -> Copies {
        let at = |span: Span| Some(self.moved.span(span));
        let Some(replicas) = &object.replicas else {
            return Copies { count_max: None, by: CopiesBy::Node, span: at(object.identity.name.span) };
        };
        let scaled = self.set.autoscalers_of(object).filter_map(|scaler| scaler.replicas_max.as_ref());
        let scaled = scaled.max_by_key(|count| count.value);
        if let Some(scaled) = scaled
            && replicas.value().is_none_or(|written| scaled.value > *written)
        {
            return Copies { count_max: Some(scaled.value), by: CopiesBy::Autoscaler, span: at(scaled.span) };
        }
        match replicas {
            Setting::Written(count) => {
                Copies { count_max: Some(count.value), by: CopiesBy::Written, span: at(count.span) }
            }
            Setting::Default(count) => Copies { count_max: Some(*count), by: CopiesBy::Default, span: None },
            Setting::Unreadable(span) => Copies { count_max: None, by: CopiesBy::Unreadable, span: at(*span) },
        }
    }

    fn rollout(&self, object: &Object) -> Rollout {
        let at = |span: Option<Span>| span.map(|span| self.moved.span(span));
        if let Some(policy) = &object.concurrency_policy {
            let overlap = match policy.value().map(String::as_str) {
                Some("Allow") => Overlap::Schedule,
                Some(_) => Overlap::No,
                None => Overlap::Unreadable,
            };
            return Rollout { overlap, span: at(policy.span()) };
        }
        let Some(strategy) = &object.strategy else { return Rollout { overlap: Overlap::No, span: None } };
        let meant = object.replicas.as_ref().and_then(|replicas| replicas.value()).copied().unwrap_or(1);
        let is_rolling = strategy.kind.value().is_some_and(|kind| kind == "RollingUpdate");
        let is_rolling = is_rolling && object.kind == Kind::Deployment;
        let overlap = match strategy.surge_count(meant) {
            Some(0) if is_rolling => Overlap::WhileEnding,
            Some(_) if is_rolling && all_may_be_missing(strategy, meant) => Overlap::WhileEnding,
            Some(0) => Overlap::No,
            Some(_) => Overlap::Yes,
            None => Overlap::Unreadable,
        };
        Rollout { overlap, span: at(strategy.kind.span().or(strategy.span)) }
    }

    fn user(&self, object: &Object, container: &Container) -> Option<Spanned<String>> {
        let (own, whole) = (&container.security, &object.pod.security);
        let user = own.run_as_user.as_ref().or(whole.run_as_user.as_ref())?;
        let group = own.run_as_group.as_ref().or(whole.run_as_group.as_ref());
        let group = group.map_or(String::new(), |group| format!(":{}", group.value));
        Some(Spanned::new(format!("{}{group}", user.value), self.moved.span(user.span)))
    }

    fn groups(&self, object: &Object) -> Vec<Spanned<String>> {
        let security = &object.pod.security;
        let all = security.fs_group.iter().chain(&security.supplemental_groups);
        all.map(|group| Spanned::new(group.value.to_string(), self.moved.span(group.span))).collect()
    }

    /// Variables of whole objects first: those that are written one by one win over them.
    fn environment(&self, namespace: &str, container: &Container) -> Vec<Variable> {
        let whole = container.environment_from.iter().flat_map(|reference| self.all_of(namespace, reference));
        let mut all: Vec<Variable> = whole.collect();
        for variable in &container.environment {
            let value = variable.value.as_ref().or_else(|| self.one_of(namespace, variable.from.as_ref()?));
            let value = value.map(|value| expanded(&self.moved.spanned(value), &all));
            all.push(Variable { name: variable.name.value.clone(), value });
        }
        all
    }

    fn all_of(&self, namespace: &str, reference: &Reference) -> Vec<Variable> {
        let name = reference.name.as_ref().filter(|_| reference.kind.value == "configMapRef");
        let Some(map) = name.and_then(|name| self.set.config_map(namespace, &name.value)) else { return Vec::new() };
        let prefix = reference.key.as_ref().map_or("", |prefix| prefix.value.as_str());
        let variable = |name: &str| format!("{prefix}{name}");
        let entries = map.entries.iter();
        entries
            .map(|pair| Variable { name: variable(&pair.name.value), value: self.moved.option(pair.value.as_ref()) })
            .collect()
    }

    fn one_of(&self, namespace: &str, reference: &Reference) -> Option<&Spanned<String>> {
        let name = reference.name.as_ref().filter(|_| reference.kind.value == "configMapKeyRef")?;
        let map = self.set.config_map(namespace, &name.value)?;
        let key = &reference.key.as_ref()?.value;
        map.entries.iter().find(|pair| pair.name.value == *key)?.value.as_ref()
    }

    fn mount(
        &mut self,
        builder: &mut Builder<'_>,
        (object, workload): (&Object, WorkloadId),
        mounted: &Mounted<'a>,
        volumes: &mut HashMap<&'a str, StorageId>,
    ) {
        let written = mounted.mount;
        let name = written.name.value.as_str();
        let storage = match volumes.get(name) {
            Some(storage) => *storage,
            None => self.storage(builder, object, mounted),
        };
        volumes.insert(name, storage);
        let target = paths::normal(&written.mount_path.value);
        let span = Some(self.moved.span(written.span));
        builder.mount(Mount {
            sub_path: sub_path(mounted),
            is_file: is_file(mounted),
            read_only: mounted.is_read_only(),
            source: Some(self.moved.spanned(source(mounted))),
            ..compose::plain(workload, storage, target, span)
        });
    }

    fn storage(&mut self, builder: &mut Builder<'_>, object: &Object, mounted: &Mounted<'_>) -> StorageId {
        let namespace = object.identity.namespace();
        match &mounted.storage {
            Storage::Volume(volume) => self.storages.volume(builder, &volume.source, volume.span),
            Storage::Claimed(claimed) if !claimed.own => self.storages.claim(builder, namespace, claimed),
            Storage::Claimed(claimed) => {
                let of_template = object.claim_templates.iter().any(|template| template.identity.name == *claimed.name);
                if of_template {
                    let stateful_set = (namespace, object.identity.name.value.as_str());
                    return self.storages.template(builder, stateful_set, claimed);
                }
                self.storages.ephemeral(builder, namespace, claimed)
            }
            Storage::Missing => {
                let question =
                    format!("what the volume `{}` is: the pod has none of this name", mounted.mount.name.value);
                let span = Some(self.moved.span(mounted.mount.name.span));
                builder.storage(StorageKind::NotKnown, |kind| crate::sharing::Storage {
                    kind,
                    nature: Nature::NotKnown(question),
                    because: String::new(),
                    span,
                    options: Vec::new(),
                    access: None,
                    own_for_each_copy: false,
                })
            }
        }
    }
}

/// Whether an update ends all old pods without waiting for a new one.
fn all_may_be_missing(strategy: &Strategy, replicas: u64) -> bool {
    let missing = match strategy.max_unavailable.value() {
        Some(Portion::Count(count)) => *count,
        // Kubernetes rounds this one down.
        Some(Portion::Percent(percent)) => replicas.saturating_mul(*percent) / 100,
        None => 0,
    };
    missing >= replicas.max(1)
}

/// As people call it; a namespace that nobody wrote is not known.
fn name(object: &Object) -> String {
    let name = &object.identity.name.value;
    match &object.identity.namespace {
        Some(namespace) => format!("{}/{name}", namespace.value),
        None => name.clone(),
    }
}

const fn kind(kind: Kind) -> WorkloadKind {
    match kind {
        Kind::Deployment => WorkloadKind::Deployment,
        Kind::StatefulSet => WorkloadKind::StatefulSet,
        Kind::DaemonSet => WorkloadKind::DaemonSet,
        Kind::ReplicaSet | Kind::ReplicationController => WorkloadKind::ReplicaSet,
        Kind::Job => WorkloadKind::Job,
        Kind::CronJob => WorkloadKind::CronJob,
        Kind::Pod => WorkloadKind::Pod,
    }
}

const fn role(kind: Kind, written: Written) -> Role {
    match (written, kind) {
        (Written::Init, _) => Role::Init,
        (_, Kind::Job | Kind::CronJob) => Role::Task,
        (Written::Main | Written::Sidecar, _) => Role::Main,
    }
}

/// One if the pod is tied to a node by its name.
fn nodes(object: &Object) -> Nodes {
    let placement = &object.pod.placement;
    let by_label = placement.node_selector.iter().any(|label| label.name.value == "kubernetes.io/hostname");
    if placement.node_name.is_some() || by_label || object.kind == Kind::Pod { Nodes::One } else { Nodes::Several }
}

/// With `$(NAME)` put in where the value is known, as Kubernetes does.
fn expanded(value: &Spanned<String>, known: &[Variable]) -> Spanned<String> {
    let mut text = value.value.clone();
    for variable in known.iter().rev().filter(|_| value.value.contains("$(")) {
        let name = format!("$({})", variable.name);
        if let Some(known) = variable.value.as_ref().filter(|_| text.contains(&name) && text.len() < 4_096) {
            text = text.replacen(&name, &known.value, 8);
        }
    }
    Spanned::new(text, value.span)
}

/// Which part of the volume; one with variables in it is not known, and different from all that are.
fn sub_path(mounted: &Mounted<'_>) -> Option<String> {
    let written = mounted.mount.sub_path.as_ref().or(mounted.mount.sub_path_expr.as_ref())?;
    let path = paths::normal(&written.value);
    let path = path.trim_matches('/');
    (!path.is_empty() && path != ".").then(|| path.to_owned())
}

/// Whether one file is mounted: only a part whose name has a dot may be one, or a path of the node.
fn is_file(mounted: &Mounted<'_>) -> Option<bool> {
    let part = sub_path(mounted);
    let last = part.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
    let source = match &mounted.storage {
        Storage::Volume(volume) => Some(&volume.source),
        _ => None,
    };
    match (last, source) {
        (Some(last), _) => {
            if last.contains('.') {
                None
            } else {
                Some(false)
            }
        }
        (None, Some(VolumeSource::HostPath { kind, .. })) => match kind.as_ref().map(|kind| kind.value.as_str()) {
            Some("File" | "FileOrCreate") => Some(true),
            Some("Directory" | "DirectoryOrCreate") => Some(false),
            _ => None,
        },
        (None, _) => Some(false),
    }
}

/// What is mounted, as written.
fn source<'a>(mounted: &Mounted<'a>) -> &'a Spanned<String> {
    match mounted.storage {
        Storage::Claimed(claimed) => claimed.name,
        Storage::Volume(volume) => match &volume.source {
            VolumeSource::HostPath { path: Some(path), .. } => path,
            _ => &volume.name,
        },
        Storage::Missing => &mounted.mount.name,
    }
}
