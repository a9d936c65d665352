//! Volumes, claims, persistent volumes and storage classes, from trees.
//!
//! What it must not do: resolve what is named; `set` does.
//!
//! Where to look next: `storage` for what comes out.

use super::model::Setting;
use super::storage::{
    AccessMode, Claim, ClaimReference, ClaimTerms, Csi, PersistentVolume, Share, StorageClass, Volume, VolumeSource,
};
use crate::manifest::reader::Reader;
use crate::manifest::span::{Span, Spanned, WarningKind};
use crate::manifest::yaml::{Entry, Node, Value};

/// The annotation that named the class before there was a field for it.
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Keys of a persistent volume's specification that do not say what it is.
const NOT_A_SOURCE: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

/// A volume of a pod; `None`, with a warning, if it has no name.
pub(super) fn volume(reader: &mut Reader, node: &Node) -> Option<Volume> {
    if !matches!(node.value, Value::Mapping(_)) {
        reader.wrong(node, "a volume");
        return None;
    }
    let name = reader.needed(node, "name", "a volume")?;
    let entry = node.entries().iter().find(|entry| entry.key.value != "name");
    let source = match entry {
        Some(entry) => source(reader, entry)?,
        // Kubernetes takes an empty directory then.
        None => VolumeSource::EmptyDir { medium: None, size_limit_bytes: None },
    };
    Some(Volume { name, source, span: node.span })
}

/// What stands under the key that says what a volume is; `None`, with a warning, if it names no claim.
fn source(reader: &mut Reader, entry: &Entry) -> Option<VolumeSource> {
    let node = &entry.value;
    reader.expect_mapping(node, &format!("`{}`", entry.key.value));
    Some(match entry.key.value.as_str() {
        "emptyDir" => VolumeSource::EmptyDir {
            medium: reader.text_at(node, "medium").filter(|medium| !medium.value.is_empty()),
            size_limit_bytes: reader.bytes_at(node, "sizeLimit"),
        },
        "hostPath" => VolumeSource::HostPath { path: reader.text_at(node, "path"), kind: reader.text_at(node, "type") },
        "persistentVolumeClaim" => VolumeSource::Claim {
            name: reader.needed(node, "claimName", "a volume of a claim")?,
            read_only: reader.flag_at(node, "readOnly"),
        },
        "ephemeral" => {
            let template = reader.section(node, "volumeClaimTemplate").unwrap_or(node);
            VolumeSource::Ephemeral(Box::new(terms(reader, template)))
        }
        "configMap" => VolumeSource::ConfigMap(reader.text_at(node, "name")),
        "secret" => VolumeSource::Secret(reader.text_at(node, "secretName")),
        "projected" => VolumeSource::Projected,
        "downwardAPI" => VolumeSource::DownwardApi,
        "image" => VolumeSource::Image(reader.text_at(node, "reference")),
        "csi" => VolumeSource::Csi(csi(reader, node)),
        "local" => VolumeSource::Local { path: reader.text_at(node, "path") },
        kind => return Some(shared_source(reader, kind, entry)),
    })
}

/// Kinds that lie elsewhere, and those that this reader does not know.
fn shared_source(reader: &mut Reader, kind: &str, entry: &Entry) -> VolumeSource {
    let node = &entry.value;
    let mut share = |server: &str, path: &str| Share {
        server: reader.text_at(node, server),
        path: reader.text_at(node, path),
        read_only: reader.flag_at(node, "readOnly"),
    };
    match kind {
        "nfs" => VolumeSource::Nfs(share("server", "path")),
        "glusterfs" => VolumeSource::Glusterfs(share("endpoints", "path")),
        "azureFile" => VolumeSource::AzureFile(share("secretName", "shareName")),
        "iscsi" => VolumeSource::Iscsi(share("targetPortal", "iqn")),
        "cephfs" => {
            let monitors = reader.items(node, "monitors");
            let names: Vec<&str> = monitors.iter().filter_map(Node::as_text).collect();
            let server = monitors.first().map(|first| Spanned::new(names.join(","), first.span));
            let (path, read_only) = (reader.text_at(node, "path"), reader.flag_at(node, "readOnly"));
            VolumeSource::CephFs(Share { server, path, read_only })
        }
        _ => VolumeSource::Other { kind: entry.key.clone(), driver: reader.text_at(node, "driver") },
    }
}

fn csi(reader: &mut Reader, node: &Node) -> Csi {
    Csi {
        driver: reader.text_at(node, "driver"),
        volume_handle: reader.text_at(node, "volumeHandle"),
        fs_type: reader.text_at(node, "fsType"),
        attributes: reader.pairs_at(node, "volumeAttributes"),
        read_only: reader.flag_at(node, "readOnly"),
    }
}

/// A PersistentVolumeClaim, or a template for one.
pub(super) fn claim(reader: &mut Reader, object: &Node) -> Claim {
    let identity = reader.identity(object);
    let mut terms = terms(reader, object);
    if terms.storage_class.is_none() {
        let old = identity.annotations.iter().find(|pair| pair.name.value == OLD_CLASS);
        terms.storage_class = old.and_then(|pair| pair.value.clone());
    }
    Claim { identity, terms, span: object.span }
}

/// `spec` of a claim or of a template for one.
fn terms(reader: &mut Reader, object: &Node) -> ClaimTerms {
    let empty = Node::null(object.span);
    let spec = reader.section(object, "spec").unwrap_or(&empty);
    let resources = reader.section(spec, "resources").unwrap_or(&empty);
    let requests = reader.section(resources, "requests").unwrap_or(&empty);
    let place =
        |key: &str| -> Option<Span> { spec.get(key).filter(|node| !node.entries().is_empty()).map(|node| node.span) };
    ClaimTerms {
        access_modes: access_modes(reader, spec),
        storage_class: class_name(reader, spec),
        storage_bytes: reader.bytes_at(requests, "storage"),
        volume_mode: reader.text_or(spec, "volumeMode", "Filesystem"),
        volume_name: reader.text_at(spec, "volumeName").filter(|name| !name.value.is_empty()),
        selector: place("selector"),
        source: place("dataSource").or_else(|| place("dataSourceRef")),
        span: spec.span,
    }
}

/// Empty text is a class of its own: none.
fn class_name(reader: &mut Reader, spec: &Node) -> Option<Spanned<String>> {
    reader.text_at(spec, "storageClassName")
}

fn access_modes(reader: &mut Reader, spec: &Node) -> Vec<Spanned<AccessMode>> {
    let items = reader.items(spec, "accessModes");
    items.iter().filter_map(|item| reader.filled(item, "an access mode", AccessMode::named)).collect()
}

/// A PersistentVolume.
pub(super) fn persistent_volume(reader: &mut Reader, object: &Node) -> PersistentVolume {
    let empty = Node::null(object.span);
    let spec = reader.section(object, "spec").unwrap_or(&empty);
    let capacity = reader.section(spec, "capacity").unwrap_or(&empty);
    let is_source = |entry: &&Entry| {
        let is_mapping = matches!(entry.value.value, Value::Mapping(_));
        is_mapping && !NOT_A_SOURCE.contains(&entry.key.value.as_str())
    };
    let source_entry = spec.entries().iter().find(is_source);
    let claim = reader.section(spec, "claimRef").map(|node| ClaimReference {
        namespace: reader.text_at(node, "namespace"),
        name: reader.text_at(node, "name"),
        span: node.span,
    });
    PersistentVolume {
        identity: reader.identity(object),
        access_modes: access_modes(reader, spec),
        capacity_bytes: reader.bytes_at(capacity, "storage"),
        source: source_entry.and_then(|entry| source(reader, entry)),
        mount_options: reader.texts_at(spec, "mountOptions"),
        reclaim_policy: reader.text_or(spec, "persistentVolumeReclaimPolicy", "Retain"),
        storage_class: class_name(reader, spec),
        volume_mode: reader.text_or(spec, "volumeMode", "Filesystem"),
        claim,
        node_affinity: reader.section(spec, "nodeAffinity").map(|node| node.span),
        span: object.span,
    }
}

/// A StorageClass.
pub(super) fn storage_class(reader: &mut Reader, object: &Node) -> StorageClass {
    let provisioner = reader.text_at(object, "provisioner");
    if provisioner.is_none() {
        reader.warn(WarningKind::WrongValue, object.span, "a StorageClass needs a `provisioner`");
    }
    let reclaim_policy: Setting<String> = reader.text_or(object, "reclaimPolicy", "Delete");
    StorageClass {
        identity: reader.identity(object),
        provisioner,
        parameters: reader.pairs_at(object, "parameters"),
        mount_options: reader.texts_at(object, "mountOptions"),
        reclaim_policy,
        volume_binding_mode: reader.text_or(object, "volumeBindingMode", "Immediate"),
        span: object.span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(NOT_A_SOURCE.is_sorted());
    }
}
