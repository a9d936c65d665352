//! What workloads of Kubernetes say, as far as it bears on how many pods have which files open, and who is stopped
//! when.
//!
//! Everything written carries its place. A value that Kubernetes fills in is a [`Setting::Default`] with that value, so
//! that a rule need not know the defaults and can still tell that nobody wrote it.
//!
//! What it must not do: read YAML, judge. What is mounted is described in `storage`.
//!
//! Where to look next: [`super::Set`], which answers who mounts what.

use serde::Serialize;

use super::storage::{Claim, Volume};
use crate::manifest::compose::Pair;
use crate::manifest::span::{Span, Spanned};

/// A value that is written, or the one that Kubernetes takes instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting<T> {
    /// It is written.
    Written(Spanned<T>),
    /// Nothing is written; this holds.
    Default(T),
    /// Something is written that cannot be read; there is a warning.
    Unreadable(Span),
}

impl<T> Setting<T> {
    /// The value that holds, unless it cannot be read.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Written(written) => Some(&written.value),
            Self::Default(value) => Some(value),
            Self::Unreadable(_) => None,
        }
    }

    /// Where it is written.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Written(written) => Some(written.span),
            Self::Default(_) => None,
            Self::Unreadable(span) => Some(*span),
        }
    }
}

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// `metadata.name`, or `metadata.generateName` with [`Identity::generated`].
    pub name: Spanned<String>,
    /// A suffix is added by Kubernetes.
    pub generated: bool,
    /// `metadata.namespace`, if one is written.
    pub namespace: Option<Spanned<String>>,
    /// `metadata.annotations`.
    pub annotations: Vec<Pair>,
    /// `metadata.labels`.
    pub labels: Vec<Pair>,
}

/// The namespace of an object that names none. Who applies the manifest may choose another one for all of them.
pub const DEFAULT_NAMESPACE: &str = "default";

impl Identity {
    /// The namespace, [`DEFAULT_NAMESPACE`] if none is written.
    pub fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or(DEFAULT_NAMESPACE, |namespace| &namespace.value)
    }

    /// The value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        let found = self.annotations.iter().find(|pair| pair.name.value == name)?;
        found.value.as_ref().map(|value| value.value.as_str())
    }
}

/// What kind of object starts the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// Replaces pods by new ones, by default beside the old ones.
    Deployment,
    /// Numbered pods, each replaced after it has gone.
    StatefulSet,
    /// A pod on each node.
    DaemonSet,
    /// Keeps a number of pods.
    ReplicaSet,
    /// The older form of [`WorkloadKind::ReplicaSet`].
    ReplicationController,
    /// Pods that end.
    Job,
    /// Jobs by the clock.
    CronJob,
    /// One pod.
    Pod,
}

impl WorkloadKind {
    /// As `kind:` writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Pod => "Pod",
        }
    }
}

/// Something that starts pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// What kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub identity: Identity,
    /// How many pods at once: `replicas`, for jobs `parallelism`; 1 by default, 1 for a pod. `None`: a DaemonSet, which
    /// has one on each node.
    pub replicas: Option<Setting<u64>>,
    /// How pods are replaced; `None` for kinds that replace none.
    pub strategy: Option<Strategy>,
    /// Of a CronJob: `Allow` (the default), `Forbid` or `Replace`.
    pub concurrency_policy: Option<Setting<String>>,
    /// Of a CronJob: when.
    pub schedule: Option<Spanned<String>>,
    /// Of a StatefulSet: `OrderedReady` (the default) or `Parallel`.
    pub pod_management: Option<Setting<String>>,
    /// Of a StatefulSet: a claim of its own for each pod, which its pods mount by the template's name.
    pub claim_templates: Vec<Claim>,
    /// The pod, or the template for pods.
    pub pod: Pod,
    /// The whole object.
    pub span: Span,
}

/// How pods are replaced by those of a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Strategy {
    /// `RollingUpdate` (the default), `Recreate` (Deployment), `OnDelete` (StatefulSet, DaemonSet), or what is written.
    pub kind: Setting<String>,
    /// How many pods more there may be meanwhile: 25 % of a Deployment, none of the others.
    pub max_surge: Setting<Portion>,
    /// How many pods less: 25 % of a Deployment, one of the others.
    pub max_unavailable: Setting<Portion>,
    /// Of a StatefulSet: pods with lower numbers stay as they are; 0 by default.
    pub partition: Setting<u64>,
    /// Where it is written, if it is.
    pub span: Option<Span>,
}

impl Strategy {
    /// How many pods of the new version may run beside this many old ones, which are those that are meant to run.
    ///
    /// Kubernetes rounds a percentage up, so that the default of 25 % is one pod beside a single one. `None`: it cannot
    /// be read.
    pub fn surge_count(&self, replicas: u64) -> Option<u64> {
        match self.kind.value()?.as_str() {
            "RollingUpdate" => Some(match *self.max_surge.value()? {
                Portion::Count(count) => count,
                Portion::Percent(percent) => replicas.saturating_mul(percent).div_ceil(100),
            }),
            "Recreate" | "OnDelete" => Some(0),
            _ => None,
        }
    }
}

/// A number of pods, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Portion {
    /// So many.
    Count(u64),
    /// So many of a hundred.
    Percent(u64),
}

/// A pod or a template for pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pod {
    /// Labels of the pods.
    pub labels: Vec<Pair>,
    /// Annotations of the pods.
    pub annotations: Vec<Pair>,
    /// Containers that run before the others, those among them that stay included, in order.
    pub init_containers: Vec<Container>,
    /// The containers.
    pub containers: Vec<Container>,
    /// What containers can mount.
    pub volumes: Vec<Volume>,
    /// The time between the signal to stop and `SIGKILL`; 30 by default.
    pub termination_grace_period_seconds: Setting<u64>,
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: Option<Spanned<String>>,
    /// Whether it is in the node's network namespace.
    pub host_network: Option<Spanned<bool>>,
    /// Whether it is in the node's process namespace.
    pub host_pid: Option<Spanned<bool>>,
    /// Whether it is in the node's namespace of System V memory.
    pub host_ipc: Option<Spanned<bool>>,
    /// `false`: it has a user namespace of its own.
    pub host_users: Option<Spanned<bool>>,
    /// Whether its containers see each other's processes.
    pub share_process_namespace: Option<Spanned<bool>>,
    /// The class of the runtime: gVisor, Kata and others under a name of the cluster's choice.
    pub runtime_class_name: Option<Spanned<String>>,
    /// As whom it runs.
    pub security: PodSecurity,
    /// On which nodes.
    pub placement: Placement,
    /// The whole pod specification.
    pub span: Span,
}

impl Pod {
    /// Every container, those that run first included.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// The volume of a name.
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.name.value == name)
    }
}

/// As whom a pod runs, and whose its volumes become.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PodSecurity {
    /// The user's number.
    pub run_as_user: Option<Spanned<u64>>,
    /// The group's number.
    pub run_as_group: Option<Spanned<u64>>,
    /// Whether the user may not be root.
    pub run_as_non_root: Option<Spanned<bool>>,
    /// The group that volumes are given to, where their driver can.
    pub fs_group: Option<Spanned<u64>>,
    /// `OnRootMismatch`, or `Always` (the default): all files are walked at each start.
    pub fs_group_change_policy: Option<Spanned<String>>,
    /// More groups.
    pub supplemental_groups: Vec<Spanned<u64>>,
    /// Labels of SELinux.
    pub selinux: Option<SelinuxLabel>,
    /// The whole, if it is written.
    pub span: Option<Span>,
}

/// As whom a container runs; what is written here wins over what is written for the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContainerSecurity {
    /// The user's number.
    pub run_as_user: Option<Spanned<u64>>,
    /// The group's number.
    pub run_as_group: Option<Spanned<u64>>,
    /// Whether the user may not be root.
    pub run_as_non_root: Option<Spanned<bool>>,
    /// Whether the image's own files are read-only.
    pub read_only_root_filesystem: Option<Spanned<bool>>,
    /// Whether it has every privilege.
    pub privileged: Option<Spanned<bool>>,
    /// Labels of SELinux.
    pub selinux: Option<SelinuxLabel>,
    /// The whole, if it is written.
    pub span: Option<Span>,
}

/// The label of SELinux that processes and their volumes get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SelinuxLabel {
    /// The user.
    pub user: Option<Spanned<String>>,
    /// The role.
    pub role: Option<Spanned<String>>,
    /// The type.
    pub kind: Option<Spanned<String>>,
    /// The level, `s0:c123,c456`: two pods with different ones cannot open each other's files.
    pub level: Option<Spanned<String>>,
    /// The whole.
    pub span: Span,
}

/// On which nodes pods may run, and whether beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The one node.
    pub node_name: Option<Spanned<String>>,
    /// Labels that the node must have.
    pub node_selector: Vec<Pair>,
    /// Rules that the node must fulfil.
    pub node_affinity_required: Option<Span>,
    /// Rules for which nodes are preferred.
    pub node_affinity_preferred: Option<Span>,
    /// Pods that must be there already.
    pub pod_affinity_required: Option<Span>,
    /// Pods that must not be there.
    pub pod_anti_affinity_required: Option<Span>,
    /// Pods that had better not be there.
    pub pod_anti_affinity_preferred: Option<Span>,
    /// How pods are spread.
    pub topology_spread: Option<Span>,
}

impl Placement {
    /// Where pods are tied to certain nodes: by the node's name, its labels, or rules that it must fulfil. Several
    /// nodes may fulfil them.
    pub fn pinned(&self) -> Option<Span> {
        let by_name = self.node_name.as_ref().map(|name| name.span);
        let by_labels = self.node_selector.first().map(|label| label.name.span);
        by_name.or(by_labels).or(self.node_affinity_required)
    }
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Before the others, and ends.
    Init,
    /// From before the others to the end (an init container with `restartPolicy: Always`).
    Sidecar,
    /// With the others.
    Main,
}

/// One container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its name.
    pub name: Spanned<String>,
    /// When it runs.
    pub role: Role,
    /// The image.
    pub image: Option<Spanned<String>>,
    /// What replaces the image's entry point.
    pub command: Vec<Spanned<String>>,
    /// What replaces the image's command.
    pub args: Vec<Spanned<String>>,
    /// The directory that the command starts in.
    pub working_dir: Option<Spanned<String>>,
    /// Variables.
    pub environment: Vec<Variable>,
    /// Objects all of whose entries become variables.
    pub environment_from: Vec<Reference>,
    /// Ports that it opens.
    pub ports: Vec<Port>,
    /// What it is sure to get.
    pub requests: Amounts,
    /// What it may take at most.
    pub limits: Amounts,
    /// As whom.
    pub security: ContainerSecurity,
    /// When it is killed and started again.
    pub liveness_probe: Option<Probe>,
    /// When it gets requests.
    pub readiness_probe: Option<Probe>,
    /// When the other probes begin.
    pub startup_probe: Option<Probe>,
    /// What is done right after its start.
    pub post_start: Option<Action>,
    /// What is done before the signal to stop, within the same grace period.
    pub pre_stop: Option<Action>,
    /// What it mounts.
    pub mounts: Vec<VolumeMount>,
    /// Volumes that it gets as block devices.
    pub devices: Vec<VolumeDevice>,
    /// The whole.
    pub span: Span,
}

impl Container {
    /// The words that are started, as far as the manifest says: `command` and `args`.
    pub fn words(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.command.iter().chain(&self.args)
    }
}

/// A variable of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value as written; `$(OTHER)` in it is put in by Kubernetes.
    pub value: Option<Spanned<String>>,
    /// Where its value comes from instead.
    pub from: Option<Reference>,
}

/// A key of a ConfigMap or Secret, a field of the pod, or a whole object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// `secretKeyRef`, `configMapKeyRef`, `fieldRef`, `secretRef` and so on.
    pub kind: Spanned<String>,
    /// The object.
    pub name: Option<Spanned<String>>,
    /// The key or the field; of a whole object what is put before its keys (`prefix`).
    pub key: Option<Spanned<String>>,
}

/// A port that a container opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name.
    pub name: Option<Spanned<String>>,
    /// In the container.
    pub container_port: Option<Spanned<u64>>,
    /// On the node: two pods with one host port cannot run on one node.
    pub host_port: Option<Spanned<u64>>,
}

/// Amounts of what a node has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Memory.
    pub memory_bytes: Option<Spanned<u64>>,
    /// Processors, in thousandths of one.
    pub cpu_thousandths: Option<Spanned<u64>>,
    /// The node's own disk.
    pub ephemeral_storage_bytes: Option<Spanned<u64>>,
}

/// A question asked again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What is asked.
    pub action: Action,
    /// Seconds before the first time; 0 by default.
    pub initial_delay_seconds: Setting<u64>,
    /// Seconds between two times; 10 by default.
    pub period_seconds: Setting<u64>,
    /// Seconds that an answer may take; 1 by default.
    pub timeout_seconds: Setting<u64>,
    /// Failures in a row that count; 3 by default.
    pub failure_threshold: Setting<u64>,
    /// Successes in a row that count; 1 by default.
    pub success_threshold: Setting<u64>,
    /// Seconds until `SIGKILL` after this probe failed, instead of the pod's.
    pub termination_grace_period_seconds: Option<Spanned<u64>>,
    /// The whole.
    pub span: Span,
}

/// What a probe or a hook does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// What kind of action.
    pub kind: ActionKind,
    /// The whole.
    pub span: Span,
}

/// What kind of action a probe or a hook is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// A command in the container.
    Exec {
        /// Its words.
        command: Vec<Spanned<String>>,
    },
    /// A request.
    HttpGet {
        /// The path.
        path: Option<Spanned<String>>,
        /// A number or a name.
        port: Option<Spanned<String>>,
    },
    /// A connection.
    TcpSocket {
        /// A number or a name.
        port: Option<Spanned<String>>,
    },
    /// A call.
    Grpc {
        /// A number.
        port: Option<Spanned<String>>,
    },
    /// Waiting.
    Sleep {
        /// So long.
        seconds: Option<Spanned<u64>>,
    },
    /// Another one, or none.
    Unknown,
}

/// A volume at a path of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeMount {
    /// The name of a volume of the pod, or of a claim template of the StatefulSet.
    pub name: Spanned<String>,
    /// Where in the container, as written.
    pub mount_path: Spanned<String>,
    /// Which part of the volume.
    pub sub_path: Option<Spanned<String>>,
    /// The same with `$(VARIABLE)` in it.
    pub sub_path_expr: Option<Spanned<String>>,
    /// Whether the container may only read.
    pub read_only: Option<Spanned<bool>>,
    /// `HostToContainer`, `Bidirectional` or `None`.
    pub propagation: Option<Spanned<String>>,
    /// The whole.
    pub span: Span,
}

impl VolumeMount {
    /// Whether the container may only read, whatever the volume says.
    pub fn is_read_only(&self) -> bool {
        self.read_only.as_ref().is_some_and(|flag| flag.value)
    }
}

/// A volume as a block device of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeDevice {
    /// The name of the volume.
    pub name: Spanned<String>,
    /// Where in the container.
    pub device_path: Option<Spanned<String>>,
}

/// What changes the number of pods of a workload by their load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Autoscaler {
    /// Its name.
    pub identity: Identity,
    /// The kind of the workload.
    pub target_kind: Option<Spanned<String>>,
    /// The name of the workload, in the same namespace.
    pub target_name: Option<Spanned<String>>,
    /// At least so many pods; 1 by default.
    pub replicas_min: Setting<u64>,
    /// At most so many.
    pub replicas_max: Option<Spanned<u64>>,
    /// The whole object.
    pub span: Span,
}

/// A longer value of a ConfigMap is a file, not the value of a variable.
pub const CONFIG_VALUE_BYTES_MAX: usize = 2_048;

/// A ConfigMap, as far as it gives values to variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigMap {
    /// Its name.
    pub identity: Identity,
    /// Entries that are one line of at most [`CONFIG_VALUE_BYTES_MAX`] bytes.
    pub entries: Vec<Pair>,
}
