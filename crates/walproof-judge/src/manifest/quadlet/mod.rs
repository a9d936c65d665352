//! Podman's quadlets: unit files of systemd that say how containers run.
//!
//! What this room is: [`parse`] reads `.container`, `.volume`, `.pod` and `.kube` files with their drop-ins
//! (`NAME.container.d/*.conf`) into the [`model`]. `manifest::unit_file` knows the syntax, `docker_run::mounts` the
//! mounts.
//!
//! How a rule walks: [`Set::containers`], each with [`Set::mounts_of`], which has those of its pod and of `PodmanArgs=`
//! as well; [`Set::volume_of`] leads from a mount to the unit of its volume with driver, device, type and options, and
//! [`Set::mounters`] leads back to everybody who mounts it. The manifests of a `.kube` file are read by
//! [`super::kubernetes`].
//!
//! ```
//! use walproof_judge::manifest::{Source, quadlet};
//! let container = "[Container]\nImage=app\nVolume=data.volume:/data:Z\n";
//! let volume = "[Volume]\nType=nfs\nDevice=nas:/data\n";
//! let set = quadlet::parse(&[
//!     Source { name: "app.container", text: container },
//!     Source { name: "data.volume", text: volume },
//! ]);
//! let mount = set.mounts_of(&set.containers[0]).next().expect("a mount");
//! let kind = set.volume_of(mount).and_then(|volume| volume.kind.as_ref());
//! assert_eq!(kind.map(|kind| (kind.value.as_str(), kind.span.start.line)), Some(("nfs", 2)));
//! assert_eq!(set.mounters(&set.volumes[0]).len(), 1);
//! ```
//!
//! What it must not do: open files, put in specifiers, judge. `.network`, `.image` and `.build` files are left out.
//!
//! Bounds: those of `placed`.
//!
//! Where to look next: [`Set`].

pub mod model;
mod time_span;
mod units;

#[cfg(test)]
mod tests;

pub use model::{ContainerUnit, KubeUnit, PodUnit, Service, Set, TimeSpan, Unit, VolumeUnit};

use super::compose::paths::directory_of;
use super::placed::Placed;
use super::span::{Place, Source, SourceFile, Span};
use super::unit_file::{self, Assignment};

/// A unit while its drop-ins are looked for.
struct Gathered {
    name: String,
    /// The unit itself is here, not only a drop-in.
    is_whole: bool,
    start: Span,
    assignments: Vec<Assignment>,
}

/// Reads quadlets that belong together; the endings of their names say what they are.
pub fn parse(sources: &[Source<'_>]) -> Set {
    let mut set = Set::default();
    let mut gathered: Vec<Gathered> = Vec::new();
    for (is_drop_in, source) in in_order(sources) {
        let number = set.files.len();
        set.files.push(SourceFile { name: source.name.to_owned(), directory: directory_of(source.name) });
        let file = match Placed::of(number, source) {
            Ok(file) => file,
            Err(error) => {
                set.errors.push(error);
                continue;
            }
        };
        let mut assignments = unit_file::assignments(&file, &mut set.warnings);
        let name = unit_name(source.name).to_owned();
        let start = Span { source: number, start: Place::START, end: Place::START };
        match gathered.iter_mut().find(|unit| is_drop_in && unit.name == name) {
            Some(unit) => unit.assignments.append(&mut assignments),
            None => gathered.push(Gathered { name, is_whole: !is_drop_in, start, assignments }),
        }
    }
    for unit in gathered {
        take(&mut set, unit);
    }
    set.warnings.sort_by(|one, two| (one.span, &one.message).cmp(&(two.span, &two.message)));
    set.warnings.dedup();
    set
}

/// Units before drop-ins, and drop-ins by name, as systemd applies them.
fn in_order<'a>(sources: &[Source<'a>]) -> Vec<(bool, Source<'a>)> {
    let mut ordered: Vec<(bool, Source<'a>)> =
        sources.iter().map(|source| (drop_in_folder(source.name).is_some(), *source)).collect();
    ordered.sort_by_key(|(is_drop_in, source)| (*is_drop_in, if *is_drop_in { last_part(source.name) } else { "" }));
    ordered
}

/// `NAME.container` of a path `.../NAME.container.d/10-more.conf`.
fn drop_in_folder(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/')?;
    last_part(folder).strip_suffix(".d").filter(|_| file.ends_with(".conf"))
}

fn unit_name(path: &str) -> &str {
    drop_in_folder(path).unwrap_or_else(|| last_part(path))
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn take(set: &mut Set, gathered: Gathered) {
    let Gathered { name, is_whole, start, assignments } = gathered;
    let own = assignments.iter().filter(|one| one.key.span.source == start.source);
    let span =
        own.fold(start, |span, one| Span { end: one.value.whole().end.max(one.key.span.end).max(span.end), ..span });
    let unit = Unit { name, span };
    let ending = unit.name.rsplit('.').next().unwrap_or("");
    match ending {
        "container" if is_whole => set.containers.push(units::container(unit, &assignments, &mut set.warnings)),
        "volume" if is_whole => set.volumes.push(units::volume(unit, &assignments, &mut set.warnings)),
        "pod" if is_whole => set.pods.push(units::pod(unit, &assignments, &mut set.warnings)),
        "kube" if is_whole => set.kubes.push(units::kube(unit, &assignments, &mut set.warnings)),
        _ => set.left_out.push(set.files.get(start.source).map_or(unit.name.clone(), |file| file.name.clone())),
    }
}
