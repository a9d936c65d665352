//! What lies behind the mounts of a container: claims, the volumes and classes behind them, and volumes of the pod.
//!
//! What it must not do: take the name of a class for what it is. What the set does not hold is a question.
//!
//! Where to look next: `provisioners` for what drivers make; `mod` for who mounts.

use std::collections::HashMap;

use super::provisioners;
use crate::manifest::compose::{Pair, paths};
use crate::manifest::kubernetes::{
    AccessMode, ClaimTerms, Claimed, Class, Csi, PersistentVolume, Set, Share, StorageClass, VolumeSource,
};
use crate::manifest::{Span, Spanned};
use crate::sharing::lower::{Builder, Moved, compose};
use crate::sharing::{Access, Nature, Storage, StorageId, StorageKind};

/// Parameters that decide how a volume is mounted.
const PARAMETERS: &[&str] = &["backendType", "csi.storage.k8s.io/fstype", "fsType", "nfsVersion", "protocol"];
/// Parameters that are lists of mount options.
const OPTION_LISTS: &[&str] = &["mountOptions", "nfsOptions"];

/// Storages of a set, as they are asked for.
pub(super) struct Storages<'a> {
    set: &'a Set,
    moved: Moved,
    /// What a volume that the pod describes itself is in other pods as well: `nfs nas.example.org /data`.
    direct: HashMap<String, StorageId>,
    /// Claims made from templates, by namespace and `TEMPLATE-STATEFULSET`.
    own: HashMap<(String, String), StorageId>,
}

/// What a volume is made of, with spans of the set.
struct Told {
    nature: Nature,
    because: String,
    span: Option<Span>,
    options: Vec<Spanned<String>>,
}

impl Told {
    fn new(nature: Nature, because: impl Into<String>, span: Option<Span>) -> Self {
        Self { nature, because: because.into(), span, options: Vec::new() }
    }

    fn open(question: impl Into<String>, span: Option<Span>) -> Self {
        Self::new(Nature::NotKnown(question.into()), "", span)
    }

    fn with(mut self, options: impl IntoIterator<Item = Spanned<String>>) -> Self {
        self.options.extend(options);
        self
    }
}

impl<'a> Storages<'a> {
    pub(super) fn new(set: &'a Set, moved: Moved) -> Self {
        Self { set, moved, direct: HashMap::new(), own: HashMap::new() }
    }

    /// A claim of the pod's namespace.
    pub(super) fn claim(&mut self, builder: &mut Builder<'_>, namespace: &str, claimed: &Claimed<'_>) -> StorageId {
        let name = &claimed.name.value;
        if claimed.terms.is_none()
            && let Some(id) = self.of_template(builder, namespace, name)
        {
            return id;
        }
        let volume = claimed.volume.or_else(|| self.set.volume_by_class(claimed.terms?));
        let on_node = volume.filter(|volume| volume.node_affinity.is_none());
        if let Some(VolumeSource::HostPath { path: Some(path), .. }) = on_node.and_then(|volume| volume.source.as_ref())
        {
            return self.node_path(builder, path);
        }
        let told = self.told(namespace, claimed, volume);
        let kind = StorageKind::Claim(namespace.to_owned(), name.clone());
        let storage = self.storage(told, claimed.terms, false);
        builder.storage(kind, |kind| Storage { kind, ..storage })
    }

    /// A claim that each pod gets from a template of its StatefulSet.
    pub(super) fn template(
        &mut self,
        builder: &mut Builder<'_>,
        (namespace, stateful_set): (&str, &str),
        claimed: &Claimed<'_>,
    ) -> StorageId {
        let key = (namespace.to_owned(), format!("{}-{stateful_set}", claimed.name.value));
        if let Some(id) = self.own.get(&key) {
            return *id;
        }
        let id = self.ephemeral(builder, namespace, claimed);
        self.own.insert(key, id);
        id
    }

    /// A claim that each pod has for itself.
    pub(super) fn ephemeral(&mut self, builder: &mut Builder<'_>, namespace: &str, claimed: &Claimed<'_>) -> StorageId {
        let told = self.told(namespace, claimed, None);
        let storage = self.storage(told, claimed.terms, true);
        builder.storage(StorageKind::OwnClaim(claimed.name.value.clone()), |kind| Storage { kind, ..storage })
    }

    /// The storage of a template whose claim this is: `data-web-0` of the template `data` of the StatefulSet `web`.
    fn of_template(&mut self, builder: &mut Builder<'_>, namespace: &str, claim: &str) -> Option<StorageId> {
        let (own, number) = claim.rsplit_once('-')?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let set = self.set;
        let sets = set.workloads.iter().filter(|workload| workload.identity.namespace() == namespace);
        for workload in sets {
            let stateful_set = workload.identity.name.value.as_str();
            let names = |name: &str| own == format!("{name}-{stateful_set}");
            let template = workload.claim_templates.iter().find(|template| names(&template.identity.name.value));
            let Some(template) = template else { continue };
            let claimed = Claimed {
                name: &template.identity.name,
                own: true,
                read_only: false,
                terms: Some(&template.terms),
                class: set.class_of(&template.terms),
                volume: None,
            };
            return Some(self.template(builder, (namespace, stateful_set), &claimed));
        }
        None
    }

    /// A volume of a pod that is no claim.
    pub(super) fn volume(&mut self, builder: &mut Builder<'_>, source: &VolumeSource, span: Span) -> StorageId {
        let own = |kind: StorageKind, nature: Nature| {
            let told = Told::new(nature, "", Some(span));
            (kind, self.storage(told, None, true))
        };
        let (kind, storage) = match source {
            VolumeSource::HostPath { path: Some(path), .. } => return self.node_path(builder, path),
            VolumeSource::EmptyDir { medium, .. } => {
                let memory = medium.as_ref().is_some_and(|medium| medium.value == "Memory");
                own(StorageKind::EmptyDir, if memory { Nature::Memory } else { Nature::Local })
            }
            VolumeSource::ConfigMap(_)
            | VolumeSource::Secret(_)
            | VolumeSource::Projected
            | VolumeSource::DownwardApi
            | VolumeSource::Image(_) => own(StorageKind::Projected(source.kind().to_owned()), Nature::Local),
            _ => return self.direct(builder, source, span),
        };
        builder.storage(kind, |kind| Storage { kind, ..storage })
    }

    fn direct(&mut self, builder: &mut Builder<'_>, source: &VolumeSource, span: Span) -> StorageId {
        let key = identity(source);
        if let Some(id) = key.as_ref().and_then(|key| self.direct.get(key)) {
            return *id;
        }
        let told = of_source(source, false, span);
        let told = if told.span.is_none() { Told { span: Some(span), ..told } } else { told };
        let storage = self.storage(told, None, false);
        let id = builder.storage(StorageKind::Direct(source.kind().to_owned()), |kind| Storage { kind, ..storage });
        self.direct.extend(key.map(|key| (key, id)));
        id
    }

    /// A path of the node: nodes of Kubernetes run Linux, in a virtual machine if the host says so.
    fn node_path(&self, builder: &mut Builder<'_>, path: &Spanned<String>) -> StorageId {
        let span = Some(self.moved.span(path.span));
        if builder.graph().host.shares_paths() == Some(true) || !path.value.starts_with('/') {
            return compose::host_path(builder, path.value.clone(), span);
        }
        let kind = StorageKind::HostPath(paths::normal(&path.value));
        let storage = self.storage(Told::new(Nature::Local, "", Some(path.span)), None, false);
        builder.storage(kind, |kind| Storage { kind, ..storage })
    }

    fn storage(&self, told: Told, terms: Option<&ClaimTerms>, own: bool) -> Storage {
        let access = terms.map(|terms| Access {
            modes: terms.access_modes.iter().map(|mode| self.moved.spanned(mode)).collect(),
            span: self.moved.span(terms.span),
        });
        Storage {
            kind: StorageKind::NotKnown,
            nature: told.nature,
            because: told.because,
            span: told.span.map(|span| self.moved.span(span)),
            options: told.options.iter().map(|option| self.moved.spanned(option)).collect(),
            access,
            own_for_each_copy: own,
        }
    }

    /// What a claim is made of: by its volume, if the set says which one, else by its class.
    fn told(&self, namespace: &str, claimed: &Claimed<'_>, volume: Option<&PersistentVolume>) -> Told {
        let many = claimed.terms.is_some_and(|terms| terms.allows(AccessMode::ReadWriteMany));
        if let Some(volume) = volume
            && let Some(source) = &volume.source
        {
            let options = volume.mount_options.iter().flat_map(split);
            return of_source(source, many, volume.identity.name.span).with(options);
        }
        let name = &claimed.name.value;
        match claimed.class {
            Class::Known(class) | Class::Default(class) => of_class(class, many, claimed),
            Class::Named(class) => {
                let usual = provisioners::usual(&class.value).map_or(String::new(), |usual| {
                    format!(" (one of this name is mostly {usual}, but names are free)")
                });
                let question = format!(
                    "which provisioner the class `{0}` has{usual}: `kubectl get storageclass {0}`",
                    class.value
                );
                Told::open(question, Some(class.span))
            }
            Class::ClusterDefault => Told::open(
                "which provisioner the cluster's default class has: `kubectl get storageclass`",
                claimed.terms.map(|terms| terms.span),
            ),
            Class::None => Told::open(
                format!("which volume the claim `{name}` is bound to: `kubectl describe pvc {name} -n {namespace}`"),
                claimed.terms.and_then(|terms| terms.storage_class.as_ref()).map(|class| class.span),
            ),
            Class::Unknown => Told::open(
                format!("which class and volume the claim `{name}` has: `kubectl describe pvc {name} -n {namespace}`"),
                Some(claimed.name.span),
            ),
        }
    }
}

fn of_class(class: &StorageClass, many: bool, claimed: &Claimed<'_>) -> Told {
    let name = &class.identity.name.value;
    let Some(provisioner) = &class.provisioner else {
        return Told::open(format!("which provisioner the class `{name}` has"), Some(class.identity.name.span));
    };
    let span = Some(provisioner.span);
    if provisioner.value == "kubernetes.io/no-provisioner" {
        let claim = &claimed.name.value;
        let question = format!("which volume the claim `{claim}` is bound to, and what that is: `kubectl describe pv`");
        return Told::open(question, span);
    }
    let parameter = |wanted: &str| value(&class.parameters, wanted);
    let nature = of_driver(&provisioner.value, many, &parameter);
    let asked = if many && nature != of_driver(&provisioner.value, false, &parameter) {
        ", which serves `ReadWriteMany` over the network"
    } else {
        ""
    };
    let because = format!("the class `{name}` has the provisioner `{}`{asked}", provisioner.value);
    let options = class.mount_options.iter().flat_map(split).chain(told_to_driver(&class.parameters));
    Told::new(nature, because, span).with(options)
}

fn of_driver(name: &str, many: bool, parameter: &dyn Fn(&str) -> Option<String>) -> Nature {
    let known = provisioners::driver(name);
    known.and_then(|driver| driver.nature(many, parameter)).unwrap_or_else(|| {
        Nature::NotKnown(match known {
            Some(_) => format!("which kind of volume the driver `{name}` makes with these parameters"),
            None => format!("what volumes of the driver `{name}` are: a device of one node, or a network file system"),
        })
    })
}

/// What a volume that is written out is made of. `name`: where the volume is named.
fn of_source(source: &VolumeSource, many: bool, name: Span) -> Told {
    let share = |nature: &str, share: &Share| {
        let span = share.server.as_ref().map(|server| server.span).or(Some(name));
        Told::new(Nature::Network(nature.to_owned()), format!("it is a volume of kind `{}`", source.kind()), span)
    };
    match source {
        VolumeSource::Nfs(written) => share("nfs", written),
        VolumeSource::CephFs(written) => share("cephfs", written),
        VolumeSource::Glusterfs(written) => share("glusterfs", written),
        VolumeSource::AzureFile(written) => share("cifs", written),
        VolumeSource::Iscsi(_) => Told::new(Nature::Block, "it is a device by `iscsi`", Some(name)),
        VolumeSource::Local { path } => Told::new(
            Nature::Local,
            "it is a `local` volume of one node",
            path.as_ref().map(|path| path.span).or(Some(name)),
        ),
        VolumeSource::HostPath { path, .. } => Told::new(
            Nature::Local,
            "it is a path of the node that it is tied to",
            path.as_ref().map(|path| path.span).or(Some(name)),
        ),
        VolumeSource::Csi(csi) => of_csi(csi, many, name),
        _ => match provisioners::kind(source.kind()) {
            Some(nature) => Told::new(nature, format!("it is a volume of kind `{}`", source.kind()), Some(name)),
            None => Told::open(format!("what a volume of kind `{}` is made of here", source.kind()), Some(name)),
        },
    }
}

fn of_csi(csi: &Csi, many: bool, name: Span) -> Told {
    let Some(driver) = &csi.driver else { return Told::open("which driver the volume has", Some(name)) };
    let nature = of_driver(&driver.value, many, &|wanted| value(&csi.attributes, wanted));
    let file_system = csi.fs_type.iter().map(|kind| Spanned::new(format!("fsType={}", kind.value), kind.span));
    Told::new(nature, format!("its driver is `{}`", driver.value), Some(driver.span))
        .with(told_to_driver(&csi.attributes).chain(file_system))
}

/// Parameters by their names, whose case drivers ignore.
fn value(pairs: &[Pair], wanted: &str) -> Option<String> {
    let found = pairs.iter().find(|pair| pair.name.value.eq_ignore_ascii_case(wanted))?;
    found.value.as_ref().map(|value| value.value.clone()).filter(|value| !value.is_empty())
}

/// What a driver is told, as options: `protocol=nfs`, and lists of mount options one by one.
fn told_to_driver(pairs: &[Pair]) -> impl Iterator<Item = Spanned<String>> {
    let written = pairs.iter().filter_map(|pair| Some((pair.name.value.as_str(), pair.value.as_ref()?)));
    written.flat_map(|(name, value)| {
        if OPTION_LISTS.contains(&name) {
            return split(value);
        }
        let known = PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        let short = name.rsplit('/').next().unwrap_or(name);
        let option = Spanned::new(format!("{short}={}", value.value), value.span);
        known.then_some(option).into_iter().collect()
    })
}

/// Options that stand in one text, with commas between them.
fn split(written: &Spanned<String>) -> Vec<Spanned<String>> {
    let options = written.value.split(',').map(str::trim).filter(|option| !option.is_empty());
    options.map(|option| Spanned::new(option.to_owned(), written.span)).collect()
}

/// What tells a volume that is written out from others; `None`: nothing does.
fn identity(source: &VolumeSource) -> Option<String> {
    let of_share = |share: &Share| {
        let (server, path) = (share.server.as_ref()?, share.path.as_ref()?);
        Some(format!("{} {} {}", source.kind(), server.value, path.value.trim_end_matches('/')))
    };
    match source {
        VolumeSource::Nfs(share)
        | VolumeSource::CephFs(share)
        | VolumeSource::Glusterfs(share)
        | VolumeSource::AzureFile(share)
        | VolumeSource::Iscsi(share) => of_share(share),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(PARAMETERS.is_sorted() && OPTION_LISTS.is_sorted());
    }
}
