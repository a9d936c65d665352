//! Compose projects: services, their mounts, named volumes with their drivers.
//!
//! What it must not do: judge.
//!
//! Where to look next: `crate::manifest::compose::model` for what comes in.

use super::mounts::{self, Link, Sources};
use super::{Builder, Moved};
use crate::manifest::compose::{Compose, Mount as Written, Pair, Service, Volume, VolumesFrom};
use crate::manifest::{Span, Spanned};
use crate::sharing::{
    Copies, CopiesBy, Host, Mount, Nature, Nodes, Overlap, Rollout, StopTime, Storage, StorageId, StorageKind,
    Variable, Workload, WorkloadId, WorkloadKind,
};

/// The time that Compose gives a container when nobody says.
const STOP_TIME_MS: u64 = 10_000;

/// Adds a project. `home`: what `~` stands for, if that is known.
pub fn add(builder: &mut Builder<'_>, compose: &Compose, home: Option<&str>) {
    let moved = builder.begin(&compose.files);
    let project = Project { compose, moved, home };
    let active = || compose.services.iter().filter(|service| service.active);
    let ids: Vec<WorkloadId> = active().map(|service| project.service(builder, service)).collect();
    let find = |from: &VolumesFrom| {
        let is_it = |service: &Service| match &service.container_name {
            Some(name) if from.is_container => name.value == from.name,
            _ => !from.is_container && service.name.value == from.name,
        };
        active().position(is_it).map(|at| ids[at])
    };
    let links: Vec<Link> = active()
        .zip(&ids)
        .flat_map(|(service, to)| service.volumes_from.iter().map(|from| (from, *to)))
        .filter_map(|(from, to)| Some(mounts::link(find(from)?, to, from, moved)))
        .collect();
    mounts::add_from(builder, &links);
}

struct Project<'a> {
    compose: &'a Compose,
    moved: Moved,
    home: Option<&'a str>,
}

impl Project<'_> {
    fn service(&self, builder: &mut Builder<'_>, service: &Service) -> WorkloadId {
        let workload = builder.workload(self.workload(service));
        mounts::add(builder, self, workload, &service.mounts);
        mounts::add_memory(builder, self.moved, workload, &service.tmpfs);
        workload
    }

    fn workload(&self, service: &Service) -> Workload {
        let moved = self.moved;
        let words = [&service.entrypoint, &service.command].into_iter().flatten().flat_map(|command| &command.words);
        let deploy = service.deploy.as_ref();
        let update = deploy.and_then(|deploy| deploy.update_order.as_ref());
        let rollback = deploy.and_then(|deploy| deploy.rollback_order.as_ref());
        let starts_first = [update, rollback].into_iter().flatten().find(|order| order.value == "start-first");
        let order = starts_first.or(update);
        let overlap = if starts_first.is_some() { Overlap::Yes } else { Overlap::No };
        Workload {
            span: Some(moved.span(service.name.span)),
            image: moved.option(service.image.as_ref()),
            words: words.map(|word| moved.spanned(word)).collect(),
            environment: service.environment.iter().map(|pair| variable(moved, pair)).collect(),
            labels: service.labels.iter().map(|pair| variable(moved, pair)).collect(),
            copies: self.copies(service),
            rollout: Rollout { overlap, span: order.map(|order| moved.span(order.span)) },
            stop_time: StopTime {
                ms: Some(service.stop_grace_period_ms.as_ref().map_or(STOP_TIME_MS, |period| period.value)),
                span: service.stop_grace_period_ms.as_ref().map(|period| moved.span(period.span)),
            },
            user: moved.option(service.user.as_ref()),
            groups: service.group_add.iter().map(|group| moved.spanned(group)).collect(),
            memory_limit_bytes: moved.option(service.memory_limit_bytes.as_ref()),
            read_only_root: service.read_only.as_ref().filter(|flag| flag.value).map(|flag| moved.span(flag.span)),
            runtime: moved.option(service.runtime.as_ref()),
            user_namespace: service
                .userns_mode
                .as_ref()
                .filter(|mode| mode.value != "host")
                .map(|mode| moved.span(mode.span)),
            nodes: nodes(service),
            user_namespace_mode: moved.option(service.userns_mode.as_ref()).filter(|mode| mode.value != "host"),
            own_label: mounts::own_label(moved, &service.security_opt),
            working_directory: moved.option(service.working_dir.as_ref()),
            ..Workload::new(WorkloadKind::Service, &service.name.value)
        }
    }

    fn copies(&self, service: &Service) -> Copies {
        let deploy = service.deploy.as_ref();
        let mode = deploy.and_then(|deploy| deploy.mode.as_ref());
        if let Some(mode) = mode.filter(|mode| mode.value.starts_with("global")) {
            return Copies { count_max: None, by: CopiesBy::Node, span: Some(self.moved.span(mode.span)) };
        }
        let written = deploy.and_then(|deploy| deploy.replicas.as_ref()).or(service.scale.as_ref());
        match written {
            Some(count) => {
                Copies { count_max: Some(count.value), by: CopiesBy::Written, span: Some(self.moved.span(count.span)) }
            }
            None => Copies { count_max: Some(1), by: CopiesBy::Default, span: None },
        }
    }
}

impl Sources for Project<'_> {
    fn moved(&self) -> Moved {
        self.moved
    }

    fn path(&self, source: &Spanned<String>) -> Option<String> {
        (!self.compose.has_unset_variable(source.span)).then(|| self.compose.resolve(source, self.home))
    }

    fn volume(&self, name: &str, _: &Written) -> Option<Volume> {
        self.compose.volume(name).cloned()
    }
}

/// A volume of the engine as it is declared.
pub(super) fn declared(builder: &mut Builder<'_>, moved: Moved, volume: &Volume) -> StorageId {
    if let Some(source) = bound_device(volume) {
        return host_path(builder, source.value.clone(), Some(moved.span(source.span)));
    }
    let span = Some(moved.span(volume.span));
    let told = driver_nature(volume);
    builder.storage(StorageKind::Named(volume.key.value.clone()), |kind| Storage {
        nature: told.nature,
        because: told.because,
        span: told.span.map(|span| moved.span(span)).or(span),
        options: options(volume).into_iter().map(|option| moved.spanned(&option)).collect(),
        ..of_engine(kind, span)
    })
}

/// A mount of a directory that can be written to.
pub(super) fn plain(workload: WorkloadId, storage: StorageId, target: String, span: Option<Span>) -> Mount {
    let target = if target.len() > 1 { target.trim_end_matches('/').to_owned() } else { target };
    Mount {
        workload,
        storage,
        sub_path: None,
        target,
        is_file: None,
        read_only: false,
        selinux: None,
        source: None,
        span,
    }
}

/// One, unless something is written that only a swarm heeds.
fn nodes(service: &Service) -> Nodes {
    let Some(deploy) = &service.deploy else { return Nodes::One };
    match &deploy.mode {
        Some(mode) if mode.value.starts_with("global") => Nodes::Several,
        Some(_) => Nodes::NotKnown,
        None if deploy.update_order.is_some() || deploy.rollback_order.is_some() => Nodes::NotKnown,
        None => Nodes::One,
    }
}

pub(super) fn variable(moved: Moved, pair: &Pair) -> Variable {
    Variable { name: pair.name.value.clone(), value: moved.option(pair.value.as_ref()) }
}

pub(super) fn memory(builder: &mut Builder<'_>, span: Option<Span>) -> StorageId {
    builder.storage(StorageKind::Memory, |kind| Storage {
        nature: Nature::Memory,
        own_for_each_copy: true,
        ..of_engine(kind, span)
    })
}

pub(super) fn anonymous(builder: &mut Builder<'_>, span: Option<Span>) -> StorageId {
    builder.storage(StorageKind::Anonymous, |kind| Storage { own_for_each_copy: true, ..of_engine(kind, span) })
}

/// Something of which nothing can be told.
pub(super) fn other(builder: &mut Builder<'_>, kind_word: &str, span: Option<Span>) -> StorageId {
    let question = match kind_word {
        "" => "what is mounted here".to_owned(),
        word => format!("what a mount of type `{word}` is made of here"),
    };
    builder
        .storage(StorageKind::NotKnown, |kind| Storage { nature: Nature::NotKnown(question), ..of_engine(kind, span) })
}

/// A path of the host, by what is said of the host.
pub(super) fn host_path(builder: &mut Builder<'_>, path: String, span: Option<Span>) -> StorageId {
    let host = builder.graph().host;
    let windows = path.as_bytes().get(1) == Some(&b':') || path.starts_with("\\\\");
    let of = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let (nature, because) = match host.shares_paths() {
        Some(false) | None if of(&["/mnt/user/"]) => (
            Nature::NotKnown(
                "whether `/mnt/user` is a user share of Unraid (`fuse.shfs`), which has lost databases in WAL mode, while \
                 the pool itself, `/mnt/cache`, is a local file system"
                    .to_owned(),
            ),
            "user shares of Unraid lie there".to_owned(),
        ),
        None if of(&["/Users/", "/Volumes/"]) => (
            Nature::HostShare("virtiofs or its like".to_owned()),
            "it is a path of macOS, which reaches containers through a virtual machine".to_owned(),
        ),
        _ if windows => (Nature::HostShare("9p or virtiofs".to_owned()), "it is a path of Windows".to_owned()),
        Some(false) => (Nature::Local, String::new()),
        None => (Nature::DependsOnHost, String::new()),
        Some(true) if host == Host::Wsl && !path.starts_with("/mnt/") => (Nature::Local, String::new()),
        Some(true) => (
            Nature::HostShare("virtiofs or its like".to_owned()),
            format!("paths of the host reach containers of `{}` through a share of a virtual machine", host.word()),
        ),
    };
    builder.storage(StorageKind::HostPath(path), |kind| Storage { nature, because, ..of_engine(kind, span) })
}

/// A volume of the engine's own driver.
pub(super) fn of_engine(kind: StorageKind, span: Option<Span>) -> Storage {
    Storage {
        kind,
        nature: Nature::Local,
        because: String::new(),
        span,
        options: Vec::new(),
        access: None,
        own_for_each_copy: false,
    }
}

struct Told {
    nature: Nature,
    because: String,
    span: Option<Span>,
}

fn opt<'a>(volume: &'a Volume, name: &str) -> Option<&'a Spanned<String>> {
    volume.driver_opts.iter().find(|pair| pair.name.value == name)?.value.as_ref()
}

/// `o: bind` with a `device`: a path of the host under another name.
fn bound_device(volume: &Volume) -> Option<&Spanned<String>> {
    let bind = opt(volume, "o")?.value.split(',').any(|option| matches!(option, "bind" | "rbind"));
    opt(volume, "device").filter(|_| bind)
}

fn options(volume: &Volume) -> Vec<Spanned<String>> {
    let Some(written) = opt(volume, "o") else { return Vec::new() };
    written
        .value
        .split(',')
        .filter(|option| !option.is_empty())
        .map(|option| Spanned::new(option.to_owned(), written.span))
        .collect()
}

/// What a volume's driver and type say.
fn driver_nature(volume: &Volume) -> Told {
    let of_engine = volume.driver.as_ref().is_none_or(|driver| driver.value == "local");
    let kind = opt(volume, "type").filter(|_| of_engine);
    match (kind, &volume.driver) {
        (Some(kind), _) => {
            let because = format!("its type is `{}`", kind.value);
            Told { nature: super::nature_of_type(&kind.value), because, span: Some(kind.span) }
        }
        (None, Some(driver)) if !of_engine => Told {
            nature: Nature::NotKnown(format!("what the volume driver `{}` mounts", driver.value)),
            because: format!("its driver is `{}`", driver.value),
            span: Some(driver.span),
        },
        _ if volume.external => Told {
            nature: Nature::NotKnown(format!(
                "what the volume `{0}` is made of (`docker volume inspect {0}`)",
                called(volume)
            )),
            because: "it is external: somebody else made it, and how is not written here".to_owned(),
            span: None,
        },
        _ => Told { nature: Nature::Local, because: String::new(), span: None },
    }
}

/// What the engine calls a volume, as far as that is written.
fn called(volume: &Volume) -> &str {
    volume.real_name.as_ref().map_or(&volume.key.value, |name| &name.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Source;
    use crate::manifest::compose::{self, Profiles};
    use crate::sharing::{Applications, Graph};

    fn graph(text: &str) -> Graph {
        let applications = Applications::built_in();
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        let sources = [Source { name: "compose.yaml", text }];
        let read = compose::parse(&sources, &|_| None, &mut |_| Err(String::new()), &Profiles::none());
        add(&mut builder, &read.expect("a project"), None);
        builder.finish()
    }

    #[test]
    fn what_an_external_volume_is_made_of_is_a_question() {
        let graph =
            graph("services: {a: {image: x, volumes: [\"vol:/d\"]}}\nvolumes: {vol: {external: true, name: real}}\n");
        let Nature::NotKnown(question) = &graph.storages[0].nature else { panic!("{:?}", graph.storages) };
        assert!(question.contains("`docker volume inspect real`"), "{question}");
    }

    #[test]
    fn mounts_of_other_services_are_had_too_through_any_number_of_them() {
        let graph = graph(
            "services:\n  c: {image: x, volumes_from: [\"b:ro\"]}\n  b: {image: x, volumes_from: [a, c], volumes: [\"./own:/d\"]}\n  \
             a: {image: x, volumes: [\"/anonymous\", \"vol:/d\"], tmpfs: [/run]}\n",
        );
        let targets = |id: usize| -> Vec<&str> {
            graph.mounts_of(WorkloadId(id)).map(|(_, mount)| mount.target.as_str()).collect()
        };
        assert_eq!((targets(1), targets(0)), (vec!["/d", "/anonymous"], vec!["/d", "/anonymous"]));
        assert!(graph.mounts_of(WorkloadId(0)).all(|(_, mount)| mount.read_only));
        let storages: Vec<_> = graph.mounts.iter().filter(|mount| mount.target == "/anonymous").collect();
        assert!(storages.len() == 3 && storages.iter().all(|mount| mount.storage == storages[0].storage));
    }

    #[test]
    fn a_directory_above_another_holds_it_from_the_current_one_on() {
        let graph = graph(
            "services:\n  a: {image: x, environment: {U: \"sqlite:////d/app.db\"}, volumes: [\"./data:/d\"]}\n  \
             b: {image: x, volumes: [\".:/all\"]}\n",
        );
        let (id, _) = graph.all_databases().next().expect("a database");
        assert_eq!(graph.reachers(id).len(), 1);
    }
}
