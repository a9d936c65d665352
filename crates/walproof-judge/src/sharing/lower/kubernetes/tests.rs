//! Manifests through to the graph: who has how many copies, what lies behind a mount, who shares it.
//!
//! Where to look next: `fixtures/manifests/kubernetes/`, the files that are read here.

use super::*;
use crate::check;
use crate::manifest::mutation::{self, Numbers};
use crate::manifest::{Source, kubernetes};
use crate::sharing::{Applications, Graph, Host, Kernels, On};
use walproof_format::sqlite::db_header::JournalFamily;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/manifests/", $name))
    };
}

const VAULTWARDEN: &str = fixture!("kubernetes/vaultwarden.yaml");
const SONARR: &str = fixture!("kubernetes/sonarr.yaml");
const EVERY_VOLUME: &str = fixture!("kubernetes/every_volume.yaml");
const UPTIME_KUMA: &str = fixture!("kubernetes/uptime_kuma.yaml");
const N8N: &str = fixture!("kubernetes/n8n_list.yaml");
const GRAFANA: &str = fixture!("kubernetes/grafana_helm_output.yaml");

fn graph(text: &str) -> Graph {
    let applications = Applications::built_in();
    let mut builder = Builder::new(Host::Unknown, &applications, &[]);
    add(&mut builder, &kubernetes::parse(&[Source { name: "app.yaml", text }]));
    builder.finish()
}

fn workload<'a>(graph: &'a Graph, name: &str) -> &'a Workload {
    graph.workloads.iter().find(|workload| workload.name == name).expect("a workload")
}

#[test]
fn a_deployment_is_lowered_with_what_kubernetes_fills_in() {
    let graph = graph(VAULTWARDEN);
    let one = workload(&graph, "vaultwarden/vaultwarden");
    assert_eq!(
        (one.kind, one.role, one.nodes, one.engine),
        (WorkloadKind::Deployment, Role::Main, Nodes::Several, Some("kubernetes"))
    );
    assert_eq!((one.copies.count_max, one.copies.by), (Some(1), CopiesBy::Written));
    assert_eq!(one.rollout, Rollout { overlap: Overlap::Yes, span: None });
    assert_eq!(
        (one.stop_time.ms, one.user.as_ref().map(|user| user.value.as_str())),
        (Some(30_000), Some("1000:1000"))
    );
    assert_eq!(one.groups.iter().map(|group| group.value.as_str()).collect::<Vec<_>>(), ["1000"]);
    assert_eq!(one.memory_limit_bytes.as_ref().map(|limit| limit.value), Some(512 << 20));
    let task = workload(&graph, "vaultwarden/vaultwarden-backup");
    assert_eq!((task.role, task.rollout.overlap), (Role::Task, Overlap::No));
}

#[test]
fn a_claim_is_one_storage_for_all_who_mount_it() {
    let graph = graph(VAULTWARDEN);
    let (id, _) = graph.all_databases().next().expect("a database");
    let storage = graph.storage(graph.storage_of(id).expect("a storage"));
    assert_eq!(storage.kind, StorageKind::Claim("vaultwarden".to_owned(), "vaultwarden-data".to_owned()));
    let Nature::NotKnown(question) = &storage.nature else { panic!("{:?}", storage.nature) };
    assert!(
        question.contains("`kubectl get storageclass longhorn`") && question.contains("names are free"),
        "{question}"
    );
    assert_eq!(graph.reachers(id).len(), 1);
}

#[test]
fn volumes_tell_what_a_claim_is_made_of() {
    let graph = graph(SONARR);
    let (id, _) = graph.all_databases().next().expect("a database");
    let storage = graph.storage(graph.storage_of(id).expect("a storage"));
    assert_eq!(
        (&storage.nature, storage.because.as_str()),
        (&Nature::Network("cifs".to_owned()), "its driver is `smb.csi.k8s.io`")
    );
    assert_eq!(
        storage.options.iter().map(|option| option.value.as_str()).collect::<Vec<_>>(),
        ["dir_mode=0777", "nobrl"]
    );
    let copies = workload(&graph, "media/sonarr").copies;
    assert_eq!((copies.count_max, copies.by), (Some(3), CopiesBy::Autoscaler));
    assert_eq!(graph.kernels(id), Some(Kernels::Several("cifs".to_owned())));
}

/// A Deployment `web` whose `/data` is the volume, with a database of SQLite in it, and more documents.
fn web(volume: &str, more: &str) -> Graph {
    graph(&format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 2\n  template:\n    spec:\n      \
         containers:\n      - name: app\n        image: example/app\n        env: [{{name: X, value: \"sqlite:////data/app.db\"}}]\n        \
         volumeMounts: [{{name: data, mountPath: /data/}}]\n      volumes:\n      - {{name: data, {volume}}}\n---\n{more}"
    ))
}

#[track_caller]
fn meets(volume: &str, more: &str, expected: Option<Kernels>) {
    let graph = web(volume, more);
    let (id, _) = graph.all_databases().next().expect("a database");
    assert_eq!(graph.kernels(id), expected, "{volume}\n{more}");
}

fn claim(class: &str, mode: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c}}\n\
         spec: {{accessModes: [{mode}], storageClassName: {class}}}\n---\n"
    )
}

fn class(provisioner: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: fast}}\nprovisioner: {provisioner}\n---\n"
    )
}

const CLAIM: &str = "persistentVolumeClaim: {claimName: c}";

#[test]
fn storage_decides_on_which_kernels_copies_meet() {
    let nfs = || Some(Kernels::Several("nfs".to_owned()));
    meets("emptyDir: {}", "", None);
    meets("hostPath: {path: /srv/data}", "", Some(Kernels::OneEach));
    meets("nfs: {server: nas, path: /x}", "", nfs());
    let with = |provisioner: &str, mode: &str| format!("{}{}", class(provisioner), claim("fast", mode));
    meets(CLAIM, &with("rancher.io/local-path", "ReadWriteOnce"), Some(Kernels::One));
    meets(CLAIM, &with("ebs.csi.aws.com", "ReadWriteOnce"), Some(Kernels::OneAndOthersWait));
    meets(CLAIM, &with("driver.longhorn.io", "ReadWriteOnce"), Some(Kernels::OneAndOthersWait));
    meets(CLAIM, &with("driver.longhorn.io", "ReadWriteMany"), nfs());
    meets(CLAIM, &with("nfs.csi.k8s.io", "ReadWriteOnce"), nfs());
    meets(CLAIM, &with("nfs.csi.k8s.io", "ReadWriteOncePod"), Some(Kernels::One));
}

#[test]
fn a_claim_without_a_class_in_the_set_gets_the_one_volume_that_fits() {
    let volume = |source: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: v}}\n\
             spec: {{accessModes: [ReadWriteOnce], storageClassName: manual, {source}}}\n---\n"
        )
    };
    let claimed = |source: &str| format!("{}{}", claim("manual", "ReadWriteOnce"), volume(source));
    meets(CLAIM, &claimed("nfs: {server: nas, path: /x}"), Some(Kernels::Several("nfs".to_owned())));
    meets(CLAIM, &claimed("hostPath: {path: /srv}"), Some(Kernels::OneEach));
    meets(CLAIM, &claimed("local: {path: /srv}"), Some(Kernels::One));
    let graph = web(CLAIM, &claim("manual", "ReadWriteOnce"));
    assert!(matches!(graph.storages[0].nature, Nature::NotKnown(_)));
}

#[test]
fn a_claim_of_a_template_is_the_one_that_others_mount_by_its_full_name() {
    let graph = graph(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec:\n  containers: [{name: c, volumeMounts: [{name: d, mountPath: /d}]}]\n  \
         volumes: [{name: d, persistentVolumeClaim: {claimName: data-web-0}}]\n---\n\
         apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      \
         containers: [{name: c, image: a, volumeMounts: [{name: data, mountPath: /data}]}]\n  \
         volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]\n",
    );
    assert_eq!(graph.storages.len(), 1);
    assert_eq!(graph.storages[0].kind, StorageKind::OwnClaim("data".to_owned()));
}

#[test]
fn config_maps_give_values_and_variables_are_put_in() {
    let graph = graph(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {DIR: /data, KIND: postgres}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    envFrom: [{configMapRef: {name: m}, prefix: A_}]\n    \
         env:\n    - {name: DB, value: \"sqlite:///$(A_DIR)/app.db\"}\n    - {name: K, valueFrom: {configMapKeyRef: {name: m, key: KIND}}}\n    \
         - {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}\n",
    );
    let pod = workload(&graph, "p");
    assert_eq!(pod.variable("DB").map(|value| value.value.as_str()), Some("sqlite:////data/app.db"));
    assert_eq!(pod.variable("K").map(|value| value.value.as_str()), Some("postgres"));
    assert!(pod.variable("S").is_none() && pod.environment.iter().any(|variable| variable.name == "S"));
}

#[test]
fn every_kind_of_volume_has_a_nature() {
    let graph = graph(EVERY_VOLUME);
    let host = graph.storages.iter().find(|storage| matches!(storage.kind, StorageKind::HostPath(_))).expect("a path");
    assert_eq!(host.nature, Nature::Local);
    let own = graph.storages.iter().find(|storage| matches!(storage.kind, StorageKind::OwnClaim(_))).expect("a claim");
    assert!(own.own_for_each_copy && matches!(own.nature, Nature::NotKnown(_)));
    assert!(graph.location_of(WorkloadId(0), "/host/x").is_some_and(|at| matches!(at.on, On::Host(_))));
}

const PIECES: &[&str] = &[
    "replicas: 3\n",
    "replicas: ",
    "{",
    "}",
    "[",
    "]",
    "- ",
    ": ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "kind: Deployment\n",
    "kind: StorageClass\n",
    "provisioner: nfs.csi.k8s.io\n",
    "claimName: ",
    "emptyDir: {}\n",
    "hostPath: {path: \"\"}\n",
    "subPath: ../..\n",
    "mountPath: \"\"\n",
    "mountPath: /\n",
    "value: sqlite:////\n",
    "$(X)",
    "image: grafana/grafana\n",
    "accessModes: [ReadWriteOnce]\n",
    "---\n",
    "\u{1F600}",
    "18446744073709551615",
    "maxSurge: 100%\n",
];

#[test]
fn any_text_is_lowered_and_judged_without_a_panic() {
    let texts = [VAULTWARDEN, SONARR, EVERY_VOLUME, UPTIME_KUMA, N8N, GRAFANA];
    let mut numbers = Numbers(11);
    for round in 0..3_000 {
        let text = mutation::mutated(&mut numbers, &texts, PIECES);
        let graph = graph(&text);
        let assumed = [None, Some(JournalFamily::Wal), Some(JournalFamily::Rollback)][round % 3];
        for weighed in check::judge(&graph, assumed) {
            if let Some(span) = weighed.finding.span {
                assert!(span.lies_in(&text), "{span:?} of {} in {text:?}", weighed.finding.rule);
            }
        }
    }
}
