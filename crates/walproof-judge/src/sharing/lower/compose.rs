//! Compose projects: services, their mounts, named volumes with their drivers.
//!
//! What it must not do: judge.
//!
//! Where to look next: `crate::manifest::compose::model` for what comes in.

use super::{Builder, Moved};
use crate::manifest::compose::{Compose, Mount as Written, MountKind, Pair, Service, Volume};
use crate::manifest::{Span, Spanned};
use crate::sharing::{
    Copies, CopiesBy, Host, Mount, Nature, Overlap, Rollout, StopTime, Storage, StorageId, StorageKind, Variable,
    Workload, WorkloadId, WorkloadKind,
};

/// The time that Compose gives a container when nobody says.
const STOP_TIME_MS: u64 = 10_000;

/// Adds a project. `home`: what `~` stands for, if that is known.
pub fn add(builder: &mut Builder<'_>, compose: &Compose, home: Option<&str>) {
    let moved = builder.begin(&compose.files);
    let project = Project { compose, moved, home };
    for service in compose.services.iter().filter(|service| service.active) {
        project.service(builder, service);
    }
}

struct Project<'a> {
    compose: &'a Compose,
    moved: Moved,
    home: Option<&'a str>,
}

impl Project<'_> {
    fn service(&self, builder: &mut Builder<'_>, service: &Service) {
        let workload = builder.workload(self.workload(service));
        for mount in &service.mounts {
            self.mount(builder, workload, mount);
        }
        for tmpfs in &service.tmpfs {
            let span = Some(self.moved.span(tmpfs.span));
            let storage = memory(builder, span);
            let target = tmpfs.target.clone();
            let mount = plain(workload, storage, target, span);
            builder.mount(Mount { is_file: Some(false), ..mount });
        }
    }

    fn workload(&self, service: &Service) -> Workload {
        let moved = self.moved;
        let words = [&service.entrypoint, &service.command].into_iter().flatten().flat_map(|command| &command.words);
        let deploy = service.deploy.as_ref();
        let order = deploy.and_then(|deploy| deploy.update_order.as_ref());
        let starts_first = order.filter(|order| order.value == "start-first");
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

    fn mount(&self, builder: &mut Builder<'_>, workload: WorkloadId, written: &Written) {
        let span = Some(self.moved.span(written.span));
        let (storage, source) = match &written.kind {
            MountKind::Bind { source } => (self.bind(builder, source), Some(source)),
            MountKind::Named { volume } => (self.named(builder, volume), Some(volume)),
            MountKind::Anonymous => (anonymous(builder, span), None),
            MountKind::Tmpfs { .. } => (memory(builder, span), None),
            MountKind::Other { kind, source } => (other(builder, &kind.value, span), source.as_ref()),
            MountKind::Unknown => (other(builder, "", span), None),
        };
        let is_bind = matches!(written.kind, MountKind::Bind { .. });
        builder.mount(Mount {
            sub_path: written.options.subpath.as_ref().map(|path| path.value.trim_matches('/').to_owned()),
            is_file: if is_bind { None } else { Some(false) },
            read_only: written.read_only,
            selinux: self.moved.option(written.options.selinux.as_ref()),
            source: self.moved.option(source),
            ..plain(workload, storage, written.target.value.clone(), span)
        });
    }

    fn bind(&self, builder: &mut Builder<'_>, source: &Spanned<String>) -> StorageId {
        let span = self.moved.span(source.span);
        if self.compose.has_unset_variable(source.span) {
            return other(builder, "", Some(span));
        }
        let path = self.compose.resolve(source, self.home);
        host_path(builder, path, Some(span))
    }

    fn named(&self, builder: &mut Builder<'_>, volume: &Spanned<String>) -> StorageId {
        let declared = self.compose.volume(&volume.value);
        let span = declared.map(|declared| self.moved.span(declared.span));
        let Some(declared) = declared else {
            return builder.storage(StorageKind::Named(volume.value.clone()), |kind| of_engine(kind, span));
        };
        if let Some(source) = bound_device(declared) {
            return host_path(builder, source.value.clone(), Some(self.moved.span(source.span)));
        }
        let nature = driver_nature(declared);
        builder.storage(StorageKind::Named(volume.value.clone()), |kind| Storage {
            nature: nature.nature,
            because: nature.because,
            span: nature.span.map(|span| self.moved.span(span)).or(span),
            options: options(declared).into_iter().map(|option| self.moved.spanned(&option)).collect(),
            ..of_engine(kind, span)
        })
    }
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
    let (nature, because) = match host.shares_paths() {
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
fn of_engine(kind: StorageKind, span: Option<Span>) -> Storage {
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
        _ if volume.external => Told { nature: Nature::Local, because: String::new(), span: None },
        _ => Told { nature: Nature::Local, because: String::new(), span: None },
    }
}
