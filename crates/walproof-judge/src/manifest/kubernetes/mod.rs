//! Manifests of Kubernetes: text of any number of files in, one typed [`Set`] out.
//!
//! What this room is: [`parse`] takes files apart into documents and lists (`documents`), reads workloads (`workloads`,
//! `pods`, `containers`) and storage (`claims`) into the [`model`] and [`storage`], and leaves out politely what is a
//! template (`templates`) or of another kind. Output of `helm template`, `kubectl kustomize` and `kubectl get -o yaml`
//! or `-o json` is read like any manifest.
//!
//! How a rule walks, from a workload to what lies behind its mounts and back:
//!
//! ```
//! use walproof_judge::manifest::{Source, kubernetes};
//! # let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  \
//! #     containers: [{name: c, volumeMounts: [{name: d, mountPath: /d}]}]\n  \
//! #     volumes: [{name: d, persistentVolumeClaim: {claimName: e}}]\n";
//! let set = kubernetes::parse(&[Source { name: "app.yaml", text }]);
//! for workload in &set.workloads {
//!     let pods = set.pod_count_max(workload); // replicas, or what an autoscaler allows
//!     for mounted in set.mounted(workload) {
//!         match mounted.storage {
//!             // emptyDir, hostPath, nfs and so on, at `volume.span`
//!             kubernetes::Storage::Volume(volume) => println!("{}", volume.source.kind()),
//!             // a claim: its class, provisioner and volume, and everybody else who mounts it
//!             kubernetes::Storage::Claimed(claimed) => {
//!                 let provisioner = claimed.provisioner();
//!                 let all = set.mounters(workload.identity.namespace(), &claimed.name.value);
//!             }
//!             kubernetes::Storage::Missing => {}
//!         }
//!     }
//! }
//! # assert_eq!(set.mounters("default", "e").len(), 1);
//! ```
//!
//! What it must not do: open files, judge, fill in templates. A value of the wrong type is a warning with its place and
//! the rest is read; a file that is no YAML is an error in [`Set::errors`] and the other files are read.
//!
//! Bounds: a file has at most [`SOURCE_BYTES_MAX`] bytes, and those of `yaml` hold.
//!
//! Where to look next: [`Set`].

mod claims;
mod containers;
mod documents;
mod fields;
pub mod model;
mod pods;
mod quantity;
mod set;
pub mod storage;
mod templates;
mod unread;
mod workloads;

#[cfg(test)]
mod tests;

pub use model::{
    Action, ActionKind, Amounts, Autoscaler, ConfigMap, Container, ContainerSecurity, DEFAULT_NAMESPACE, Identity,
    Placement, Pod, PodSecurity, Port, Portion, Probe, Reference, Role, SelinuxLabel, Setting, Strategy, Variable,
    VolumeDevice, VolumeMount, Workload, WorkloadKind,
};
pub use set::{Claimed, Class, LeftOut, LeftOutReason, Mounted, Mounter, Set, Storage};
pub use storage::{
    AccessMode, Claim, ClaimReference, ClaimTerms, Csi, PersistentVolume, Share, StorageClass, Volume, VolumeSource,
};
pub use unread::Unread;

use super::reader::Reader;
use super::span::Source;

/// No real file is larger: all of a cluster's monitoring, definitions included, has about five megabytes.
pub const SOURCE_BYTES_MAX: usize = 8 << 20;

/// Reads files that belong together. Nothing is refused as a whole: see [`Set::errors`] and [`Set::left_out`].
pub fn parse(sources: &[Source<'_>]) -> Set {
    let mut set = Set::default();
    let mut reader = Reader::default();
    for source in sources {
        documents::read(&mut set, &mut reader, *source, SOURCE_BYTES_MAX);
    }
    set.note_duplicates(&mut reader);
    set.warnings = reader.warnings;
    set.warnings.sort_by(|one, two| (one.span, &one.message).cmp(&(two.span, &two.message)));
    set.warnings.dedup();
    set
}
