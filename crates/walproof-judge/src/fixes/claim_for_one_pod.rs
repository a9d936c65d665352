//! `access-mode-trusted`: a claim for one node becomes a claim for one pod.
//!
//! What it must not do: change a claim that other pods mount too, or one of several modes; hide that a claim that exists
//! cannot be changed in place.
//!
//! Where to look next: `crate::sharing::storage` for what a claim asks for.

use super::question::{Question, object};
use super::{Change, Fix, Step};
use crate::manifest::kubernetes::AccessMode;
use crate::sharing::{StorageId, StorageKind};

pub(super) static CHANGE: Change =
    Change { rule: "access-mode-trusted", line: "makes a claim one for a single pod (ReadWriteOncePod)", make };

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let id = question.finding.about.storage.ok_or("the finding names no storage")?;
    let storage = question.graph.storage(id);
    let access = storage.access.as_ref().ok_or("the claim is not in these files")?;
    let [mode] = access.modes.as_slice() else {
        return Err("the claim asks for several modes, and `ReadWriteOncePod` stands alone".to_owned());
    };
    if mode.value != AccessMode::ReadWriteOnce {
        return Err("the claim does not ask for `ReadWriteOnce`".to_owned());
    }
    refuse_others(question, id)?;
    let sheet = question.sheet(access.span)?;
    let chain = sheet.layout.chain(question.own(access.span)?.start);
    let bound = chain.iter().rev().find_map(|node| node.get("volumeName"));
    if bound.is_some()
        || object(&chain).is_ok_and(|object| object.get("spec").is_some_and(|spec| spec.get("volumeName").is_some()))
    {
        return Err("the claim names its volume, which must allow `ReadWriteOncePod` as well".to_owned());
    }
    let fix =
        question.scalar(Some(mode.span), "ReadWriteOncePod", format!("{} is for one pod", named(&storage.kind)))?;
    Ok(Fix { needs: steps(&storage.kind), moves_data: true, ..fix })
}

fn named(kind: &StorageKind) -> String {
    match kind {
        StorageKind::Claim(namespace, name) => format!("the claim `{namespace}/{name}`"),
        StorageKind::OwnClaim(name) => format!("the claim that `{name}` makes"),
        _ => "the claim".to_owned(),
    }
}

/// With this mode a second pod does not start at all.
fn refuse_others(question: &Question<'_>, id: StorageId) -> Result<(), String> {
    let graph = question.graph;
    let mounts: Vec<_> = graph.mounts.iter().filter(|mount| mount.storage == id).collect();
    let first = mounts.first().map(|mount| graph.workload(mount.workload));
    let other = mounts
        .iter()
        .map(|mount| graph.workload(mount.workload))
        .find(|workload| first.is_some_and(|first| first.pod != workload.pod));
    match (other, first) {
        (Some(other), _) => Err(format!("{} mounts the claim too and would not start any more", other.shown())),
        (None, Some(one)) if !graph.storage(id).own_for_each_copy && one.copies.count_max != Some(1) => {
            Err(format!("{} runs more than once, and only one of them would start", one.shown()))
        }
        _ => Ok(()),
    }
}

/// As the documentation of Kubernetes does it: "Change the Access Mode of a PersistentVolume to ReadWriteOncePod".
fn steps(kind: &StorageKind) -> Vec<Step> {
    let (namespace, claim) = match kind {
        StorageKind::Claim(namespace, name) => (format!(" -n {namespace}"), name.clone()),
        StorageKind::OwnClaim(name) => (String::new(), format!("{name}-SET-0")),
        _ => (String::new(), "CLAIM".to_owned()),
    };
    let template = matches!(kind, StorageKind::OwnClaim(_));
    let mut steps = vec![
        Step::new("the driver must be one of CSI (Kubernetes 1.29 and later); a new claim needs nothing else", []),
        Step::new(
            "a claim that exists cannot be changed: keep its volume first, and see `Retain` before you go on",
            [
                format!("kubectl get pvc{namespace} {claim} -o jsonpath='{{.spec.volumeName}}'"),
                r#"kubectl patch pv VOLUME -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'"#.to_owned(),
                "kubectl get pv VOLUME -o jsonpath='{.spec.persistentVolumeReclaimPolicy}'".to_owned(),
            ],
        ),
        Step::new(
            "stop every pod that mounts it, then free the volume of the old claim and give it the new mode",
            [
                format!("kubectl delete pvc{namespace} {claim}"),
                r#"kubectl patch pv VOLUME -p '{"spec":{"claimRef":{"uid":""}}}'"#.to_owned(),
                r#"kubectl patch pv VOLUME -p '{"spec":{"accessModes":["ReadWriteOncePod"]}}'"#.to_owned(),
            ],
        ),
    ];
    if template {
        steps.push(Step::new(
            "the template of a StatefulSet cannot be changed either: delete the set without its pods' claims, then apply it again",
            ["kubectl delete statefulset SET --cascade=orphan".to_owned()],
        ));
    }
    steps
}
