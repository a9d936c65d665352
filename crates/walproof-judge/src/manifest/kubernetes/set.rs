//! All objects of a set of files, and who mounts what through what.
//!
//! Names are resolved by (namespace, name) within the set alone. What the set does not hold may still be in the
//! cluster: answers say "not here", never "not there".
//!
//! What it must not do: read YAML, judge.
//!
//! Where to look next: [`Set::mounted`], the way from a workload to its storage, and [`Set::mounters`], the way back.

use std::collections::HashMap;

use serde::Serialize;

use super::model::{Autoscaler, ConfigMap, Container, DEFAULT_NAMESPACE, VolumeMount, Workload, WorkloadKind};
use super::storage::{Claim, ClaimTerms, PersistentVolume, StorageClass, Volume, VolumeSource};
use super::unread::Unread;
use crate::manifest::error::ManifestError;
use crate::manifest::reader::Reader;
use crate::manifest::span::{SourceFile, Span, Spanned, Warning, WarningKind};

/// Everything that was read from a set of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Set {
    /// What starts pods, in the order of the files.
    pub workloads: Vec<Workload>,
    /// PersistentVolumeClaims.
    pub claims: Vec<Claim>,
    /// PersistentVolumes.
    pub volumes: Vec<PersistentVolume>,
    /// StorageClasses.
    pub classes: Vec<StorageClass>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<Autoscaler>,
    /// ConfigMaps, for the values that they give to variables.
    pub config_maps: Vec<ConfigMap>,
    /// The files; `Span::source` is an index into this list.
    pub files: Vec<SourceFile>,
    /// Values of the wrong type and other odd things, in the order of the places.
    pub warnings: Vec<Warning>,
    /// Files, or their rest from a place on, that are no YAML or beyond every measure.
    #[serde(skip)]
    pub errors: Vec<ManifestError>,
    /// What is there and not judged, with the reason.
    pub left_out: Vec<LeftOut>,
}

/// Something that is not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Which kind of reason.
    pub reason: LeftOutReason,
    /// Lower-case, values in backticks.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The object, where it starts pods all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

/// Why something is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOutReason {
    /// A program has to fill it in first.
    Template,
    /// An object of a kind that this reader does not know.
    OtherKind,
    /// A document that is no object of Kubernetes.
    NotKubernetes,
    /// A file with nothing in it.
    Empty,
}

/// A mount of a container, with what lies behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted<'a> {
    /// Who mounts.
    pub container: &'a Container,
    /// Where in the container, and which part.
    pub mount: &'a VolumeMount,
    /// What.
    pub storage: Storage<'a>,
}

impl Mounted<'_> {
    /// Whether the container cannot write through this mount.
    pub fn is_read_only(&self) -> bool {
        let by_storage = match self.storage {
            Storage::Volume(volume) => is_read_only(&volume.source),
            Storage::Claimed(claimed) => claimed.read_only,
            Storage::Missing => false,
        };
        self.mount.is_read_only() || by_storage
    }
}

/// What a mount names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage<'a> {
    /// A volume of the pod that is no claim.
    Volume(&'a Volume),
    /// A claim.
    Claimed(Claimed<'a>),
    /// Nothing of that name is in the pod: Kubernetes refuses it.
    Missing,
}

/// A claim as a pod has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed<'a> {
    /// What names it: `claimName`, the template's name, or the name of the ephemeral volume.
    pub name: &'a Spanned<String>,
    /// Each pod has its own: it comes from a template of the StatefulSet or is ephemeral.
    pub own: bool,
    /// The volume says that nobody in the pod may write.
    pub read_only: bool,
    /// What is asked for; `None`: the claim is not in this set.
    pub terms: Option<&'a ClaimTerms>,
    /// The class.
    pub class: Class<'a>,
    /// The persistent volume, where the set says which one.
    pub volume: Option<&'a PersistentVolume>,
}

impl Claimed<'_> {
    /// Who makes the volume, or serves it: the provisioner of the class, or the driver of the persistent volume.
    pub fn provisioner(&self) -> Option<&Spanned<String>> {
        let by_volume = match self.volume.and_then(|volume| volume.source.as_ref()) {
            Some(VolumeSource::Csi(csi)) => csi.driver.as_ref(),
            _ => None,
        };
        let by_class = match self.class {
            Class::Known(class) | Class::Default(class) => class.provisioner.as_ref(),
            _ => None,
        };
        by_volume.or(by_class)
    }
}

/// The storage class of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class<'a> {
    /// It is in this set.
    Known(&'a StorageClass),
    /// It has this name, and is not in this set.
    Named(&'a Spanned<String>),
    /// None is named, and the set has one that is the cluster's default.
    Default(&'a StorageClass),
    /// None is named; the cluster's default, whatever that is.
    ClusterDefault,
    /// None, on purpose (`storageClassName: ""`): the volume is there already.
    None,
    /// The claim is not in this set.
    Unknown,
}

/// Who mounts a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounter<'a> {
    /// The workload.
    pub workload: &'a Workload,
    /// The mount of one of its containers.
    pub mounted: Mounted<'a>,
}

impl Set {
    /// The name of the file that a span points into.
    pub fn file_of(&self, span: Span) -> &str {
        self.files.get(span.source).map_or("", |file| file.name.as_str())
    }

    /// Whether what is written here holds a variable that somebody puts in later.
    pub fn is_unknown(&self, span: Span) -> bool {
        // They stand in the order of their places.
        let first = self.warnings.partition_point(|warning| warning.span < span);
        let mut here = self.warnings[first..].iter().take_while(|warning| warning.span == span);
        here.any(|warning| warning.kind == WarningKind::NotKnownHere)
    }

    /// Notices workloads and claims that stand here twice, as where a base and its overlay were both given: they are
    /// one object to the cluster, and two of them that share storage are no finding.
    pub(super) fn note_duplicates(&self, reader: &mut Reader) {
        let workloads = self.workloads.iter().map(|workload| (workload.kind.name(), &workload.identity));
        let claims = self.claims.iter().map(|claim| ("PersistentVolumeClaim", &claim.identity));
        let mut first = HashMap::new();
        for (kind, identity) in workloads.chain(claims).filter(|(_, identity)| !identity.generated) {
            let key = (kind, identity.namespace(), identity.name.value.as_str());
            let before: Span = *first.entry(key).or_insert(identity.name.span);
            if before != identity.name.span {
                let place = format!("`{}:{}`", self.file_of(before), before.start.line);
                let message = format!("{kind} `{}` stands here again (first at {place})", identity.name.value);
                reader.warn(WarningKind::Duplicate, identity.name.span, message);
            }
        }
    }

    /// The workload of a kind, namespace and name.
    pub fn workload(&self, kind: WorkloadKind, namespace: &str, name: &str) -> Option<&Workload> {
        let is_it = |workload: &&Workload| {
            workload.kind == kind && workload.identity.name.value == name && workload.identity.namespace() == namespace
        };
        self.workloads.iter().find(is_it)
    }

    /// The claim of a namespace and name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Claim> {
        let is_it = |claim: &&Claim| claim.identity.name.value == name && claim.identity.namespace() == namespace;
        self.claims.iter().find(is_it)
    }

    /// The ConfigMap of a namespace and name.
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        let mut all = self.config_maps.iter();
        all.find(|map| map.identity.name.value == name && map.identity.namespace() == namespace)
    }

    /// The storage class of a name.
    pub fn class(&self, name: &str) -> Option<&StorageClass> {
        self.classes.iter().find(|class| class.identity.name.value == name)
    }

    /// The class of what a claim asks for.
    pub fn class_of<'a>(&'a self, terms: &'a ClaimTerms) -> Class<'a> {
        match &terms.storage_class {
            Some(name) if name.value.is_empty() => Class::None,
            Some(name) => self.class(&name.value).map_or(Class::Named(name), Class::Known),
            None => {
                let default = self.classes.iter().find(|class| class.is_default());
                default.map_or(Class::ClusterDefault, Class::Default)
            }
        }
    }

    /// The persistent volume that a claim names, or that names the claim.
    pub fn volume_of(&self, namespace: &str, name: &str) -> Option<&PersistentVolume> {
        let claim = self.claim(namespace, name);
        let named = claim.and_then(|claim| claim.terms.volume_name.as_ref());
        if let Some(named) = named {
            return self.volumes.iter().find(|volume| volume.identity.name.value == named.value);
        }
        let is_it = |volume: &&PersistentVolume| {
            volume.claim.as_ref().is_some_and(|claim| {
                let in_namespace = claim.namespace.as_ref().map_or(DEFAULT_NAMESPACE, |namespace| &namespace.value);
                in_namespace == namespace && claim.name.as_ref().is_some_and(|written| written.value == name)
            })
        };
        self.volumes.iter().find(is_it)
    }

    /// The one persistent volume of this set that a claim can only get by its class: both name the same one, the set
    /// has no such class that would make volumes, and no other volume without a claim fits.
    pub fn volume_by_class(&self, terms: &ClaimTerms) -> Option<&PersistentVolume> {
        let wanted = terms.storage_class.as_ref()?;
        if self.class(&wanted.value).is_some() || terms.volume_name.is_some() || terms.selector.is_some() {
            return None;
        }
        let mut fitting = self.volumes.iter().filter(|volume| {
            let class = volume.storage_class.as_ref().map_or("", |class| class.value.as_str());
            let has_modes =
                terms.access_modes.iter().all(|asked| volume.access_modes.iter().any(|mode| mode.value == asked.value));
            class == wanted.value && volume.claim.is_none() && has_modes
        });
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Every mount of every container of a workload, with what lies behind it.
    pub fn mounted<'a>(&'a self, workload: &'a Workload) -> Vec<Mounted<'a>> {
        let mounts = workload
            .pod
            .all_containers()
            .flat_map(|container| container.mounts.iter().map(move |mount| (container, mount)));
        mounts.map(|(container, mount)| Mounted { container, mount, storage: self.storage(workload, mount) }).collect()
    }

    fn storage<'a>(&'a self, workload: &'a Workload, mount: &'a VolumeMount) -> Storage<'a> {
        // A template wins over a volume of its name, as it does in Kubernetes.
        let template = workload.claim_templates.iter().find(|claim| claim.identity.name.value == mount.name.value);
        if let Some(template) = template {
            return Storage::Claimed(self.own(&template.identity.name, &template.terms, false));
        }
        let Some(volume) = workload.pod.volume(&mount.name.value) else { return Storage::Missing };
        match &volume.source {
            VolumeSource::Claim { name, read_only } => {
                let read_only = read_only.as_ref().is_some_and(|flag| flag.value);
                Storage::Claimed(self.claimed(workload.identity.namespace(), name, read_only))
            }
            VolumeSource::Ephemeral(terms) => Storage::Claimed(self.own(&volume.name, terms, false)),
            _ => Storage::Volume(volume),
        }
    }

    fn own<'a>(&'a self, name: &'a Spanned<String>, terms: &'a ClaimTerms, read_only: bool) -> Claimed<'a> {
        Claimed { name, own: true, read_only, terms: Some(terms), class: self.class_of(terms), volume: None }
    }

    fn claimed<'a>(&'a self, namespace: &str, name: &'a Spanned<String>, read_only: bool) -> Claimed<'a> {
        let terms = self.claim(namespace, &name.value).map(|claim| &claim.terms);
        let class = terms.map_or(Class::Unknown, |terms| self.class_of(terms));
        Claimed { name, own: false, read_only, terms, class, volume: self.volume_of(namespace, &name.value) }
    }

    /// Who mounts a claim: all mounts of all containers, of StatefulSets that make it from a template as well.
    pub fn mounters<'a>(&'a self, namespace: &str, claim: &str) -> Vec<Mounter<'a>> {
        let mut found = Vec::new();
        for workload in self.workloads.iter().filter(|workload| workload.identity.namespace() == namespace) {
            let mounted = self.mounted(workload).into_iter().filter(|mounted| names(workload, mounted, claim));
            found.extend(mounted.map(|mounted| Mounter { workload, mounted }));
        }
        found
    }

    /// The autoscalers of a workload.
    pub fn autoscalers_of<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Autoscaler> {
        let identity = &workload.identity;
        self.autoscalers.iter().filter(move |autoscaler| {
            autoscaler.identity.namespace() == identity.namespace()
                && autoscaler.target_name.as_ref().is_some_and(|name| name.value == identity.name.value)
                && autoscaler.target_kind.as_ref().is_none_or(|written| written.value == workload.kind.name())
        })
    }

    /// The workload that an autoscaler scales.
    pub fn target_of(&self, autoscaler: &Autoscaler) -> Option<&Workload> {
        let is_it = |workload: &&Workload| self.autoscalers_of(workload).any(|one| one == autoscaler);
        self.workloads.iter().find(is_it)
    }

    /// The most pods that a workload is meant to have at once, updates apart: `replicas`, or what an autoscaler allows.
    /// `None`: one on each node, or it cannot be read.
    pub fn pod_count_max(&self, workload: &Workload) -> Option<u64> {
        let scaled = self.autoscalers_of(workload).filter_map(|autoscaler| autoscaler.replicas_max.as_ref());
        let scaled = scaled.map(|count| count.value).max();
        let written = workload.replicas.as_ref()?.value().copied();
        scaled.max(written)
    }
}

/// Whether a mount is of the claim of this name.
fn names(workload: &Workload, mounted: &Mounted<'_>, claim: &str) -> bool {
    let Storage::Claimed(claimed) = mounted.storage else { return false };
    if !claimed.own {
        return claimed.name.value == claim;
    }
    let is_template = workload.claim_templates.iter().any(|template| template.identity.name == *claimed.name);
    // Kubernetes calls it after the template, the StatefulSet and the pod's number.
    let rest = claim.strip_prefix(&claimed.name.value).and_then(|rest| rest.strip_prefix('-'));
    let number = rest.and_then(|rest| rest.strip_prefix(&workload.identity.name.value)?.strip_prefix('-'));
    is_template && number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a volume cannot be written to, whatever its mount says.
fn is_read_only(source: &VolumeSource) -> bool {
    let flag = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
    match source {
        VolumeSource::ConfigMap(_)
        | VolumeSource::Secret(_)
        | VolumeSource::Projected
        | VolumeSource::DownwardApi
        | VolumeSource::Image(_) => true,
        VolumeSource::Csi(csi) => flag(&csi.read_only),
        VolumeSource::Nfs(share)
        | VolumeSource::CephFs(share)
        | VolumeSource::Glusterfs(share)
        | VolumeSource::AzureFile(share)
        | VolumeSource::Iscsi(share) => flag(&share.read_only),
        VolumeSource::Claim { read_only, .. } => flag(read_only),
        _ => false,
    }
}
