//! What starts processes: a service, a container of a pod, a command line, a unit, a running container or process.
//!
//! What it must not do: know formats. `lower` fills it in; defaults of the orchestrator are filled in there, and a span
//! is `None` where nobody wrote the value.
//!
//! Where to look next: `storage` for what they mount.

use serde::Serialize;

use crate::manifest::{Span, Spanned};

/// Something that starts processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// What kind.
    pub kind: WorkloadKind,
    /// As people call it: the service, `default/web`, the container. Of a container of a pod: the workload's name.
    pub name: String,
    /// Of a container of a pod with several: its name.
    pub container: Option<String>,
    /// Which pod or other unit it shares a node and a life with: containers of one pod have one number.
    pub pod: usize,
    /// Which project it belongs to: one Compose project, one set of manifests, one script, this machine. Storages of
    /// different projects are different.
    pub project: usize,
    /// When it runs, beside the others of its pod.
    pub role: Role,
    /// Where its name is written; for what was seen on a machine `None`.
    pub span: Option<Span>,
    /// The image.
    pub image: Option<Spanned<String>>,
    /// The words that are started, as far as they are written: entry point, then command.
    pub words: Vec<Spanned<String>>,
    /// Variables.
    pub environment: Vec<Variable>,
    /// How many run at once.
    pub copies: Copies,
    /// Whether an update runs the new one beside the old one.
    pub rollout: Rollout,
    /// The time between the signal to stop and `SIGKILL`.
    pub stop_time: StopTime,
    /// As whom, as written: `1000`, `1000:1000`, `name`.
    pub user: Option<Spanned<String>>,
    /// The group that volumes are given to (`fsGroup`), or further groups.
    pub groups: Vec<Spanned<String>>,
    /// The limit of memory.
    pub memory_limit_bytes: Option<Spanned<u64>>,
    /// Where it is said that the image's own files are read-only.
    pub read_only_root: Option<Span>,
    /// The OCI runtime or runtime class, as written: `runsc`, `kata`.
    pub runtime: Option<Spanned<String>>,
    /// Where a user namespace of its own is asked for, or ids are mapped.
    pub user_namespace: Option<Span>,
    /// Which engine, if that is known: `docker`, `podman`, `kubernetes`.
    pub engine: Option<&'static str>,
    /// On how many nodes its copies may run.
    pub nodes: Nodes,
    /// Which user namespace, as written, where ids of files are not shifted back: `auto`, `keep-id`.
    pub user_namespace_mode: Option<Spanned<String>>,
    /// Where labels of SELinux are turned off or chosen by hand.
    pub own_label: Option<Span>,
    /// The directory that it starts in, where it is written.
    pub working_directory: Option<Spanned<String>>,
    /// Of an image: files with the name of a database that are copied into it, by where they lie then.
    pub copied: Vec<Spanned<String>>,
    /// Labels of the container, annotations of the pod.
    pub labels: Vec<Variable>,
}

/// What kind of thing starts processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// A service of a Compose file.
    Service,
    /// A Deployment of Kubernetes.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A ReplicaSet or ReplicationController.
    ReplicaSet,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
    /// A Pod.
    Pod,
    /// A unit of Podman for systemd.
    Quadlet,
    /// A command line that starts a container.
    CommandLine,
    /// An image, as its Dockerfile says.
    Image,
    /// A running container.
    Container,
    /// A process outside of containers.
    Process,
    /// A machine on which nobody has a file open that was looked at.
    Machine,
}

impl WorkloadKind {
    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Pod => "Pod",
            Self::Quadlet => "unit",
            Self::CommandLine => "command",
            Self::Image => "image",
            Self::Container => "container",
            Self::Process => "process",
            Self::Machine => "machine",
        }
    }
}

impl Workload {
    /// A workload of which nothing but its kind and name is known.
    pub fn new(kind: WorkloadKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            container: None,
            pod: 0,
            project: 0,
            role: Role::Main,
            span: None,
            image: None,
            words: Vec::new(),
            environment: Vec::new(),
            copies: Copies { count_max: Some(1), by: CopiesBy::Default, span: None },
            rollout: Rollout { overlap: Overlap::No, span: None },
            stop_time: StopTime { ms: None, span: None },
            user: None,
            groups: Vec::new(),
            memory_limit_bytes: None,
            read_only_root: None,
            runtime: None,
            user_namespace: None,
            engine: None,
            nodes: Nodes::One,
            user_namespace_mode: None,
            own_label: None,
            working_directory: None,
            copied: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// As people call it, in backticks: ``service `web` ``, ``Deployment `default/web`, container `app` ``.
    pub fn shown(&self) -> String {
        let container = self.container.as_ref().map_or(String::new(), |name| format!(", container `{name}`"));
        format!("{} `{}`{container}", self.kind.word(), self.name)
    }

    /// Whether people mean this one: by its name, `web` for `shop/web`, or its container's.
    pub fn is_called(&self, name: &str) -> bool {
        let last = self.name.rsplit('/').next().unwrap_or("");
        name == self.name || name == last || self.container.as_deref() == Some(name)
    }

    /// The value of a variable, if it is written.
    pub fn variable(&self, name: &str) -> Option<&Spanned<String>> {
        self.environment.iter().rev().find(|variable| variable.name == name)?.value.as_ref()
    }
}

/// When a container runs, beside the others of its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Before the others, and ends.
    Init,
    /// With the others.
    Main,
    /// Now and then, and ends: a job.
    Task,
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; `None`: it comes from somewhere else.
    pub value: Option<Spanned<String>>,
}

/// On how many nodes, each with a kernel of its own, the copies of a workload may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nodes {
    /// One: there is no other, or the workload is tied to it.
    One,
    /// Several, as the orchestrator likes.
    Several,
    /// It depends on how it is deployed: a Compose file may become a stack of a swarm.
    NotKnown,
}

/// How many run at once, updates apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Copies {
    /// At most so many; `None`: one on each node, or it cannot be read.
    pub count_max: Option<u64>,
    /// What says so.
    pub by: CopiesBy,
    /// Where.
    pub span: Option<Span>,
}

/// What says how many run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopiesBy {
    /// Nobody: it is one.
    Default,
    /// `replicas`, `scale`, `parallelism`.
    Written,
    /// An autoscaler.
    Autoscaler,
    /// One on each node (a DaemonSet, `mode: global`).
    Node,
    /// It is written and cannot be read.
    Unreadable,
}

/// Whether an update runs the new one beside the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// Whether.
    pub overlap: Overlap,
    /// Where it is written; `None`: it is the default.
    pub span: Option<Span>,
}

/// Whether an update runs the new one beside the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// The old one ends first.
    No,
    /// The new one starts first (`RollingUpdate` of a Deployment, `order: start-first`).
    Yes,
    /// The new one starts while the old one is told to end (`RollingUpdate` of a Deployment with `maxSurge: 0`: pods that
    /// are ending do not count).
    WhileEnding,
    /// A new one of a CronJob may start while the last one runs.
    Schedule,
    /// It cannot be read.
    Unreadable,
}

/// The time between the signal to stop and `SIGKILL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StopTime {
    /// So many milliseconds; `None`: it is not known.
    pub ms: Option<u64>,
    /// Where it is written; `None`: it is the default.
    pub span: Option<Span>,
}
