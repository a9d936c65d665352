//! Whole files through [`parse`]: what is read, where it stands, who mounts what, what is left out, what is refused.
//!
//! Where to look next: `fixtures/manifests/kubernetes/`, the files that are read here.

use super::*;
use crate::manifest::mutation::{self, Numbers};
use crate::manifest::{ManifestErrorKind, Span, Spanned, WarningKind};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/manifests/kubernetes/", $name))
    };
}

const VAULTWARDEN: &str = fixture!("vaultwarden.yaml");
const UPTIME_KUMA: &str = fixture!("uptime_kuma.yaml");
const SONARR: &str = fixture!("sonarr.yaml");
const GRAFANA: &str = fixture!("grafana_helm_output.yaml");
const N8N: &str = fixture!("n8n_list.yaml");
const EVERY_VOLUME: &str = fixture!("every_volume.yaml");
const HELM_TEMPLATE: &str = fixture!("helm_template.yaml");
const QUOTED_TEMPLATE: &str = fixture!("quoted_template.yaml");

/// A pod that mounts a claim.
const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: default}
spec:
  containers: [{name: c, volumeMounts: [{name: d, mountPath: /d}]}]
  volumes: [{name: d, persistentVolumeClaim: {claimName: e, readOnly: true}}]
";

fn set(text: &str) -> Set {
    parse(&[Source { name: "app.yaml", text }])
}

/// A set with nothing odd in it.
#[track_caller]
fn reads(text: &str) -> Set {
    let set = set(text);
    assert_eq!((&set.errors[..], &set.warnings[..]), (&[][..], &[][..]));
    set
}

/// A Deployment with these lines in the pod's specification.
fn pod_of(lines: &str) -> (Pod, Vec<String>) {
    let indented: String = lines.lines().map(|line| format!("      {line}\n")).collect();
    let containers = if lines.contains("containers:") { "" } else { "      containers: [{name: a, image: b}]\n" };
    let set = set(&format!(
        "apiVersion: apps/v1\n\
             kind: Deployment\n\
             metadata: {{name: a}}\n\
             spec:\n  template:\n    spec:\n{containers}{indented}"
    ));
    assert_eq!(set.errors, []);
    let messages = set.warnings.iter().map(|warning| warning.message.clone()).collect();
    (set.workloads.into_iter().next().expect("one workload").pod, messages)
}

#[track_caller]
fn stands<T>(value: &Option<Spanned<T>>, place: &str) {
    assert_eq!(value.as_ref().expect("a value").span.shown(), place);
}

#[track_caller]
fn written<T: PartialEq + std::fmt::Debug>(setting: &Setting<T>, value: T, place: &str) {
    assert_eq!((setting.value(), setting.span().map(Span::shown).as_deref()), (Some(&value), Some(place)));
}

#[track_caller]
fn default<T: PartialEq + std::fmt::Debug + Clone>(setting: &Setting<T>, value: T) {
    assert_eq!(setting, &Setting::Default(value));
}

fn text(value: &Option<Spanned<String>>) -> &str {
    value.as_ref().map_or("", |value| &value.value)
}

fn number(value: &Option<Spanned<u64>>) -> Option<u64> {
    value.as_ref().map(|value| value.value)
}

fn texts(values: &[Spanned<String>]) -> Vec<&str> {
    values.iter().map(|value| value.value.as_str()).collect()
}

#[track_caller]
fn warns(text: &str, place: &str, message: &str) {
    let set = set(text);
    let found: Vec<String> = set.warnings.iter().map(|w| format!("{} {}", w.span.shown(), w.message)).collect();
    assert!(found.iter().any(|found| found.starts_with(place) && found.contains(message)), "{found:#?}");
}

#[track_caller]
fn leaves_out(text: &str, reason: LeftOutReason, place: &str, message: &str) {
    let set = set(text);
    assert_eq!((&set.errors[..], set.workloads.len(), set.left_out.len()), (&[][..], 0, 1), "{:?}", set.left_out);
    let left = &set.left_out[0];
    assert_eq!((left.reason, left.span.shown().as_str()), (reason, place), "{}", left.message);
    assert!(left.message.contains(message), "{}", left.message);
}

#[track_caller]
fn refuses(text: &str, kind: ManifestErrorKind, line: u32, because: &str) {
    let set = set(text);
    let [error] = &set.errors[..] else { panic!("one error: {:?}", set.errors) };
    assert_eq!((error.kind, error.place.map(|place| place.line)), (kind, Some(line)), "{error}");
    assert!(error.because.contains(because), "{error}");
}

// ---- workloads ----

#[test]
fn every_value_knows_its_place() {
    let set = reads(VAULTWARDEN);
    let workload = set.workload(WorkloadKind::Deployment, "vaultwarden", "vaultwarden").expect("the Deployment");
    assert_eq!(workload.identity.name.span.shown(), "23:9-23:20");
    written(workload.replicas.as_ref().expect("replicas"), 1, "28:13-28:14");
    let container = &workload.pod.containers[0];
    stands(&container.image, "44:18-44:50");
    stands(&container.environment[1].value, "49:22-49:28");
    assert_eq!(container.environment[2].from.as_ref().expect("from").kind.span.shown(), "52:17-52:29");
    stands(&container.limits.memory_bytes, "69:23-69:28");
    assert_eq!(container.mounts[0].span.shown(), "71:15-72:31");
    assert_eq!(container.mounts[0].mount_path.span.shown(), "72:26-72:31");
    assert_eq!(workload.pod.volumes[0].span.shown(), "74:11-76:40");
    stands(&workload.pod.security.fs_group, "40:18-40:22");
    assert_eq!(set.claims[0].terms.access_modes[0].span.shown(), "14:7-14:20");
    stands(&set.claims[0].terms.storage_class, "15:21-15:29");
    assert_eq!(set.claims[0].span.shown(), "7:1-18:19");
    assert_eq!(set.file_of(container.span), "app.yaml");
}

#[test]
fn what_is_not_written_is_a_default_with_its_value() {
    let set = reads(VAULTWARDEN);
    let workload = &set.workloads[0];
    let strategy = workload.strategy.as_ref().expect("a strategy");
    default(&strategy.kind, "RollingUpdate".to_owned());
    default(&strategy.max_surge, Portion::Percent(25));
    assert_eq!((strategy.surge_count(1), strategy.surge_count(8), strategy.span), (Some(1), Some(2), None));
    default(&workload.pod.termination_grace_period_seconds, 30);
    let probe = workload.pod.containers[0].liveness_probe.as_ref().expect("a probe");
    default(&probe.period_seconds, 10);
    written(&probe.timeout_seconds, 2, "63:29-63:30");
    default(&set.claims[0].terms.volume_mode, "Filesystem".to_owned());
}

#[test]
fn strategies_are_told_apart() {
    let sonarr = reads(SONARR);
    let strategy = sonarr.workloads[0].strategy.as_ref().expect("a strategy");
    written(&strategy.max_surge, Portion::Count(1), "41:31-41:32");
    assert_eq!(strategy.surge_count(1), Some(1));
    default(sonarr.workloads[0].replicas.as_ref().expect("replicas"), 1);
    let grafana = reads(GRAFANA);
    let strategy = grafana.workloads[0].strategy.as_ref().expect("a strategy");
    written(&strategy.kind, "Recreate".to_owned(), "54:11-54:19");
    assert_eq!(strategy.surge_count(1), Some(0));
    let kuma = reads(UPTIME_KUMA);
    let strategy = kuma.workloads[0].strategy.as_ref().expect("a strategy");
    written(&strategy.partition, 0, "30:18-30:19");
    assert_eq!(strategy.surge_count(3), Some(0));
    let daemons = set("apiVersion: apps/v1\n\
             kind: DaemonSet\n\
             metadata: {name: a}\n\
             spec: {updateStrategy: {rollingUpdate: {maxSurge: 10%}}}");
    assert_eq!(daemons.workloads[0].replicas, None);
    assert_eq!(daemons.workloads[0].strategy.as_ref().and_then(|s| s.surge_count(11)), Some(2));
}

#[test]
fn a_job_by_the_clock_has_its_pod_three_levels_down() {
    let set = reads(VAULTWARDEN);
    let job = set.workload(WorkloadKind::CronJob, "vaultwarden", "vaultwarden-backup").expect("the job");
    written(job.concurrency_policy.as_ref().expect("a policy"), "Forbid".to_owned(), "85:22-85:28");
    stands(&job.schedule, "84:13-84:25");
    assert_eq!((text(&job.pod.restart_policy), job.strategy.is_none()), ("OnFailure", true));
    assert_eq!(job.pod.containers[0].command.len(), 3);
    assert_eq!(job.pod.containers[0].command[2].span.shown(), "94:37-94:94");
}

#[test]
fn containers_that_run_first_are_told_from_those_that_stay() {
    let set = reads(UPTIME_KUMA);
    let pod = &set.workloads[0].pod;
    let roles: Vec<(&str, Role)> = pod.all_containers().map(|one| (one.name.value.as_str(), one.role)).collect();
    assert_eq!(roles, [("permissions", Role::Init), ("litestream", Role::Sidecar), ("uptime-kuma", Role::Main)]);
    assert_eq!(texts(&pod.init_containers[1].args), ["replicate"]);
    written(&pod.termination_grace_period_seconds, 5, "39:38-39:39");
    stands(&pod.runtime_class_name, "40:25-40:31");
    assert_eq!(pod.placement.pinned().map(Span::shown).as_deref(), Some("42:9-42:31"));
}

#[test]
fn probes_and_hooks_are_read() {
    let set = reads(UPTIME_KUMA);
    let main = &set.workloads[0].pod.containers[0];
    let liveness = main.liveness_probe.as_ref().expect("a probe");
    let ActionKind::Exec { command } = &liveness.action.kind else { panic!("a command: {liveness:?}") };
    assert_eq!(texts(command), ["extra/healthcheck"]);
    written(&liveness.initial_delay_seconds, 180, "68:34-68:37");
    let readiness = main.readiness_probe.as_ref().map(|probe| &probe.action.kind);
    assert!(matches!(readiness, Some(ActionKind::TcpSocket { port: Some(port) }) if port.value == "3001"));
    let pre_stop = main.pre_stop.as_ref().expect("a hook");
    assert!(matches!(&pre_stop.kind, ActionKind::Exec { command } if texts(command) == ["sleep", "10"]));
    assert_eq!(main.post_start, None);
    let startup = reads(GRAFANA).workloads[0].pod.containers[0].startup_probe.clone().expect("a probe");
    assert!(matches!(startup.action.kind, ActionKind::Grpc { port: Some(_) }));
    let (pod, _) =
        pod_of("containers: [{name: a, lifecycle: {preStop: {sleep: {seconds: 5}}, postStart: {other: {}}}}]");
    let hooks = &pod.containers[0];
    let pre_stop = &hooks.pre_stop.as_ref().expect("a hook").kind;
    assert!(matches!(pre_stop, ActionKind::Sleep { seconds } if number(seconds) == Some(5)));
    assert_eq!(hooks.post_start.as_ref().expect("a hook").kind, ActionKind::Unknown);
}

#[test]
fn confinement_is_read() {
    let kuma = reads(UPTIME_KUMA);
    let security = &kuma.workloads[0].pod.containers[0].security;
    stands(&security.read_only_root_filesystem, "79:37-79:41");
    assert_eq!(text(&security.selinux.as_ref().expect("a label").level), "s0:c123,c456");
    let every = reads(EVERY_VOLUME);
    let pod = &every.workloads[0].pod;
    assert!([&pod.host_pid, &pod.host_ipc, &pod.share_process_namespace].iter().all(|flag| flag.is_some()));
    let sonarr = reads(SONARR);
    let pod = &sonarr.workloads[0].pod;
    stands(&pod.host_network, "46:20-46:24");
    assert!(pod.placement.pod_anti_affinity_required.is_some() && pod.placement.pinned().is_none());
    let (pod, messages) =
        pod_of("securityContext: {supplementalGroups: [1, 2], seLinuxOptions: {type: spc_t}}\nhostUsers: false");
    assert_eq!((pod.security.supplemental_groups.len(), messages.len()), (2, 0));
    assert_eq!(pod.host_users.map(|flag| flag.value), Some(false));
}

#[test]
fn amounts_are_in_bytes_and_thousandths() {
    let set = reads(VAULTWARDEN);
    let container = &set.workloads[0].pod.containers[0];
    assert_eq!(number(&container.requests.cpu_thousandths), Some(50));
    assert_eq!(number(&container.limits.memory_bytes), Some(512 << 20));
    let (pod, _) =
        pod_of("containers: [{name: a, resources: {limits: {memory: 128974848000m, ephemeral-storage: 2G, cpu: 1}}}]");
    let limits = &pod.containers[0].limits;
    assert_eq!(number(&limits.memory_bytes), Some(128_974_848));
    assert_eq!(
        (number(&limits.ephemeral_storage_bytes), number(&limits.cpu_thousandths)),
        (Some(2_000_000_000), Some(1000))
    );
}

#[test]
fn variables_and_their_origins_are_read() {
    let set = reads(GRAFANA);
    let container = &set.workloads[0].pod.containers[0];
    let from = container.environment[0].from.as_ref().expect("from");
    assert_eq!((from.kind.value.as_str(), text(&from.key)), ("fieldRef", "status.podIP"));
    assert_eq!(text(&container.environment[1].value), "sqlite3");
    assert_eq!(text(&container.environment_from[0].name), "grafana-env");
    assert_eq!(text(&container.mounts[1].sub_path_expr), "$(POD_NAME)");
}

// ---- storage ----

#[test]
fn every_kind_of_volume_is_told() {
    let set = reads(EVERY_VOLUME);
    let kinds: Vec<&str> = set.workloads[0].pod.volumes.iter().map(|volume| volume.source.kind()).collect();
    let expected = "emptyDir hostPath configMap secret projected downwardAPI image azureFile cephfs glusterfs iscsi \
                    csi flexVolume rbd persistentVolumeClaim ephemeral";
    assert_eq!(kinds.join(" "), expected);
    let volume = |name: &str| &set.workloads[0].pod.volume(name).expect("the volume").source;
    assert!(
        matches!(volume("ceph"), VolumeSource::CephFs(share) if text(&share.server) == "10.0.0.1:6789,10.0.0.2:6789")
    );
    assert!(matches!(volume("flexible"), VolumeSource::Other { driver, .. } if text(driver) == "fstab/cifs"));
    assert!(matches!(volume("host"), VolumeSource::HostPath { kind, .. } if text(kind) == "DirectoryOrCreate"));
    assert_eq!(set.workloads[0].pod.containers[0].devices[0].name.value, "raw");
    assert!(set.workloads[0].identity.generated);
}

#[test]
fn mounts_lead_to_what_lies_behind() {
    let set = reads(EVERY_VOLUME);
    let mounted = set.mounted(&set.workloads[0]);
    let told: Vec<String> = mounted.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "/scratch emptyDir",
            "/host hostPath",
            "/absent missing",
            "/own own claim own of local-path",
            "/model image ro"
        ]
    );
    let set = reads(UPTIME_KUMA);
    let mounted = set.mounted(&set.workloads[0]);
    assert_eq!(told_last(&mounted), "/tmp emptyDir");
    assert_eq!(self::told(&mounted[0]), "/app/data own claim data of default nfs.csi.k8s.io");
}

/// A mount in one line.
fn told(mounted: &Mounted<'_>) -> String {
    let storage = match mounted.storage {
        Storage::Missing => "missing".to_owned(),
        Storage::Volume(volume) => volume.source.kind().to_owned(),
        Storage::Claimed(claimed) => {
            let class = match claimed.class {
                Class::Known(class) => format!("known {}", class.identity.name.value),
                Class::Named(name) => name.value.clone(),
                Class::Default(class) => format!("default {}", text(&class.provisioner)),
                Class::ClusterDefault => "cluster default".to_owned(),
                Class::None => format!("none, {}", claimed.provisioner().map_or("", |name| &name.value)),
                Class::Unknown => "unknown".to_owned(),
            };
            let own = if claimed.own { "own " } else { "" };
            format!("{own}claim {} of {class}", claimed.name.value)
        }
    };
    let read_only = if mounted.is_read_only() { " ro" } else { "" };
    format!("{} {storage}{read_only}", mounted.mount.mount_path.value)
}

fn told_last(mounted: &[Mounted<'_>]) -> String {
    mounted.last().map(told).unwrap_or_default()
}

#[test]
fn claims_lead_to_all_who_mount_them() {
    let set = reads(VAULTWARDEN);
    let mounters = set.mounters("vaultwarden", "vaultwarden-data");
    let told: Vec<String> =
        mounters.iter().map(|m| format!("{} {}", m.workload.kind.name(), told(&m.mounted))).collect();
    assert_eq!(
        told,
        ["Deployment /data claim vaultwarden-data of longhorn", "CronJob /data claim vaultwarden-data of longhorn ro"]
    );
    assert_eq!(set.mounters("default", "vaultwarden-data").len(), 0);
    let kuma = reads(UPTIME_KUMA);
    assert_eq!(kuma.mounters("monitoring", "data-uptime-kuma-0").len(), 3);
    assert_eq!(kuma.mounters("monitoring", "data-uptime-kuma-x").len(), 0);
    assert_eq!(kuma.mounters("monitoring", "data").len(), 0);
}

#[test]
fn a_claim_leads_to_its_class_and_its_volume() {
    let set = reads(N8N);
    let mounted = set.mounted(&set.workloads[0]);
    assert_eq!(told(&mounted[0]), "/home/node/.n8n claim n8n of known efs-sc");
    let class = set.class("efs-sc").expect("the class");
    assert_eq!(class.parameter("fileSystemId").map(|id| id.span.shown()).as_deref(), Some("22:21-22:28"));
    default(&class.reclaim_policy, "Delete".to_owned());
    let sonarr = reads(SONARR);
    let mounted = sonarr.mounted(&sonarr.workloads[0]);
    assert_eq!(told(&mounted[0]), "/config claim sonarr-config of none, smb.csi.k8s.io");
    let volume = sonarr.volume_of("media", "sonarr-config").expect("the volume");
    assert_eq!(
        (texts(&volume.mount_options)[1], volume.mount_options[1].span.shown().as_str()),
        ("nobrl", "14:7-14:12")
    );
    assert_eq!(number(&volume.capacity_bytes), Some(10 << 30));
    let grafana = reads(GRAFANA);
    assert_eq!(told_last(&grafana.mounted(&grafana.workloads[0])), "/var/lib/grafana claim grafana of cluster default");
    let kuma = reads(UPTIME_KUMA);
    assert!(kuma.classes[0].is_default() && texts(&kuma.classes[0].mount_options) == ["nfsvers=4.1", "nolock"]);
}

#[test]
fn a_claim_of_elsewhere_is_not_here() {
    let set = reads(POD);
    assert_eq!(told_last(&set.mounted(&set.workloads[0])), "/d claim e of unknown ro");
}

#[test]
fn the_old_annotation_names_the_class_too() {
    let set = reads(
        "apiVersion: v1\n\
             kind: PersistentVolumeClaim\n\
             metadata: {name: a, annotations: {volume.beta.kubernetes.io/storage-class: old}}\n\
             spec: {accessModes: [RWX]}",
    );
    assert_eq!(text(&set.claims[0].terms.storage_class), "old");
    assert!(set.claims[0].terms.allows(AccessMode::ReadWriteMany));
}

#[test]
fn autoscalers_lead_to_what_they_scale() {
    let set = reads(SONARR);
    let found: Vec<&Autoscaler> = set.autoscalers_of(&set.workloads[0]).collect();
    assert_eq!((found.len(), set.pod_count_max(&set.workloads[0])), (1, Some(3)));
    stands(&found[0].replicas_max, "73:16-73:17");
    assert_eq!(set.target_of(found[0]).map(|workload| workload.span), Some(set.workloads[0].span));
    assert_eq!(reads(VAULTWARDEN).autoscalers.len(), 0);
}

#[test]
fn objects_of_several_files_find_each_other() {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: e}\nspec: {storageClassName: fast}";
    let set = parse(&[
        Source { name: "k/broken.yaml", text: "a: [" },
        Source { name: "k/claim.yaml", text: claim },
        Source { name: "k/pod.yaml", text: POD },
    ]);
    let mounters = set.mounters("default", "e");
    assert_eq!(told(&mounters[0].mounted), "/d claim e of fast ro");
    assert_eq!(set.file_of(mounters[0].mounted.mount.span), "k/pod.yaml");
    assert_eq!((set.errors.len(), set.files[1].directory.as_str()), (1, "k"));
}

#[test]
fn json_is_read_as_well() {
    let set = reads(
        r#"{"apiVersion": "v1", "kind": "PodList", "items": [
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
  "spec": {"hostPID": true, "containers": [{"name": "c"}]}}]}"#,
    );
    stands(&set.workloads[0].pod.host_pid, "3:23-3:27");
}

#[test]
fn lines_may_end_as_on_windows_and_a_mark_may_stand_before() {
    let windows = format!("\u{feff}{}", VAULTWARDEN.replace('\n', "\r\n"));
    assert_eq!(reads(&windows), reads(VAULTWARDEN));
}

// ---- what is left out ----

#[test]
fn templates_are_left_out_politely() {
    let left = |text: &str, place: &str| leaves_out(text, LeftOutReason::Template, place, "template, not judged");
    left(HELM_TEMPLATE, "1:1-1:1");
    left(QUOTED_TEMPLATE, "4:9-4:25");
    left("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: {{ .Values.x }}\n", "5:12-5:12");
    left("kind: Deployment\napiVersion: apps/v1\nspec:\n  replicas: {{ x }}\n", "4:13-4:13");
    let named = parse(&[Source { name: "x/_helpers.tpl", text: "anything: [" }]);
    assert_eq!((named.errors.len(), named.left_out[0].reason), (0, LeftOutReason::Template));
    // Texts that Kubernetes takes as they are.
    assert_eq!(reads(GRAFANA).left_out, []);
}

#[test]
fn what_is_beside_the_point_is_not_worth_a_word_and_other_kinds_are() {
    let set = reads(N8N);
    assert_eq!((set.workloads.len(), set.claims.len(), set.left_out.len()), (1, 1, 1));
    assert!(set.left_out[0].message.contains("`Rollout` of `argoproj.io`"));
    assert_eq!((reads(UPTIME_KUMA).left_out.len(), reads(VAULTWARDEN).left_out.len()), (0, 0));
}

#[test]
fn what_is_no_manifest_is_named() {
    let looks = |text: &str| set(text).left_out[0].message.clone();
    assert!(looks("services: {a: {image: b}}").contains("Compose"));
    assert!(looks("apiVersion: v2\nname: a\nversion: 1.0.0").contains("Chart.yaml"));
    assert!(looks("resources: [a.yaml]").contains("kustomization"));
    assert!(looks("replicaCount: 1").contains("values of a Helm chart"));
    assert!(looks("a: b").contains("no `kind`"));
    leaves_out("# nothing\n", LeftOutReason::Empty, "1:1-1:1", "blanks");
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    leaves_out(kustomization, LeftOutReason::OtherKind, "1:1-2:20", "kubectl kustomize");
    leaves_out("a: b", LeftOutReason::NotKubernetes, "1:1-1:5", "no `kind`");
}

#[test]
fn variables_of_whoever_applies_are_noted_with_their_place() {
    let set =
        set("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {storageClassName: \"${CLASS}\"}");
    let class = set.claims[0].terms.storage_class.as_ref().expect("a class");
    assert!(set.is_unknown(class.span) && !set.is_unknown(set.claims[0].span));
}

#[test]
fn numbers_that_somebody_puts_in_later_are_unreadable_and_no_mistakes() {
    let set = set("apiVersion: apps/v1\n\
             kind: Deployment\n\
             metadata: {name: a}\n\
             spec:\n  replicas: ${N}\n  template: {spec: {containers: [{name: a}]}}");
    assert_eq!(set.warnings.iter().map(|warning| warning.kind).collect::<Vec<_>>(), [WarningKind::NotKnownHere]);
    assert!(matches!(set.workloads[0].replicas, Some(Setting::Unreadable(_))));
}

#[test]
fn an_object_that_stands_twice_is_noticed() {
    let set = parse(&[Source { name: "base.yaml", text: N8N }, Source { name: "all.yaml", text: N8N }]);
    let found: Vec<String> = set.warnings.iter().map(|w| format!("{}: {}", set.file_of(w.span), w.message)).collect();
    let again = [
        "all.yaml: PersistentVolumeClaim `n8n` stands here again (first at `base.yaml:7`)",
        "all.yaml: ReplicaSet `n8n` stands here again (first at `base.yaml:29`)",
    ];
    assert_eq!(found, again);
}

// ---- what is odd, what is refused ----

#[test]
fn values_of_the_wrong_type_are_warnings_and_the_rest_is_read() {
    let of = |lines: &str| format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec:\n{lines}");
    warns(&of("  replicas: \"3\""), "5:13", "quotes");
    warns(&of("  replicas: many"), "5:13", "`many` is not a whole number");
    warns(&of("  strategy: Recreate"), "5:13", "`Recreate` is not a mapping `strategy`");
    warns(&of("  template: {spec: {containers: {a: b}}}"), "5:33", "a list `containers`");
    warns(&of("  template: {spec: {hostPID: 1, containers: [{name: a}]}}"), "5:30", "`true` or `false`");
    warns(&of("  template: {spec: {containers: [a]}}"), "5:34", "`a` is not a container");
    warns(&of("  template: {spec: {containers: [{image: a}]}}"), "5:34", "a container needs a `name`");
    warns(
        &of("  template: {spec: {containers: [{name: a, volumeMounts: [{name: b}]}]}}"),
        "5:59",
        "needs a `mountPath`",
    );
    warns(&of("  template: {spec: {containers: [{name: a, resources: {limits: {memory: 1GB}}}]}}"), "5:73", "quantity");
    warns(&of("  replicas: 1\n  replicas: 2"), "6:3", "the last one counts");
    warns(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {accessModes: [RWX, Any]}",
        "4:27",
        "access mode",
    );
    warns("kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}", "1:1", "`apiVersion`");
    warns("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}]}", "1:1", "needs a `name`");
    let read = set(&of("  replicas: many\n  strategy: {type: Recreate}"));
    assert!(matches!(read.workloads[0].replicas, Some(Setting::Unreadable(_))));
    assert_eq!(read.workloads[0].strategy.as_ref().and_then(|s| s.surge_count(1)), Some(0));
}

#[test]
fn broken_text_is_refused_with_its_place() {
    refuses("a: [b\n\n", ManifestErrorKind::Broken, 1, "");
    refuses("spec:\n\tb: c\n", ManifestErrorKind::Broken, 2, "tab");
    refuses("a: b\0c", ManifestErrorKind::Broken, 1, "control character");
    refuses("a: 'b", ManifestErrorKind::Broken, 1, "");
    refuses("a: &a [*a]", ManifestErrorKind::Cycle, 1, "alias");
}

#[test]
fn what_stands_before_the_broken_place_is_read() {
    let set = set(&format!("{VAULTWARDEN}\n---\na: [b\n"));
    assert_eq!((set.workloads.len(), set.errors.len()), (2, 1));
}

#[test]
fn depth_size_and_aliases_have_bounds() {
    refuses(&"- ".repeat(10_000), ManifestErrorKind::TooMuch, 1, "deep");
    refuses(&"[".repeat(10_000), ManifestErrorKind::TooMuch, 1, "recursion");
    refuses(&" ".repeat(100 << 20), ManifestErrorKind::TooMuch, 1, "are not read");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let names = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{names}]\n"));
    }
    let set = set(&bomb);
    assert_eq!(set.errors.iter().map(|error| error.kind).collect::<Vec<_>>(), [ManifestErrorKind::TooMuch]);
}

// ---- any text ----

/// Pieces that YAML and Kubernetes care about.
const PIECES: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "|\n",
    "'",
    "\"",
    "#",
    "---\n",
    "\t",
    "\r",
    "ü",
    "\u{2028}",
    "\u{feff}",
    "{{ x }}",
    "{{- if",
    "{%",
    "${A}",
    "~",
    "null",
    "kind: List\nitems:\n",
    "kind: Pod\n",
    "spec:\n",
    "template:\n",
    "containers:\n",
    "volumes:\n",
    "replicas: ",
    "9999999999999999999",
    "-1",
    "25%",
    "1e9999",
    "persistentVolumeClaim: ",
    "volumeClaimTemplates:\n",
    "name: ",
    "apiVersion: v1\n",
    "\u{1F600}",
];

#[test]
fn any_text_is_read_or_refused() {
    let texts = [VAULTWARDEN, UPTIME_KUMA, SONARR, GRAFANA, N8N, EVERY_VOLUME, HELM_TEMPLATE, ""];
    let mut numbers = Numbers(5);
    for _ in 0..4_000 {
        let text = mutation::mutated(&mut numbers, &texts, PIECES);
        let set = set(&text);
        let objects = set.workloads.iter().map(|workload| workload.span);
        let noticed = set.warnings.iter().map(|warning| warning.span);
        for span in objects.chain(noticed).chain(set.left_out.iter().map(|left| left.span)) {
            assert!(span.lies_in(&text), "{span:?} in {text:?}");
        }
        for workload in &set.workloads {
            for mounted in set.mounted(workload) {
                let _read = told(&mounted);
            }
            let _most = (set.pod_count_max(workload), set.mounters(workload.identity.namespace(), "data"));
        }
    }
}

#[test]
fn the_same_text_gives_the_same_set() {
    assert_eq!(set(UPTIME_KUMA), set(UPTIME_KUMA));
}
