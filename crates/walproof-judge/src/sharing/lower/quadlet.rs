//! Podman's units for systemd, as those of one machine.
//!
//! What it must not do: judge, put in specifiers (`%h`); a path stays as written. `.kube` files are left to
//! `kubernetes`.
//!
//! Where to look next: `crate::manifest::quadlet::model` for what comes in, `docker_run` for `PodmanArgs=`.

use std::collections::HashMap;

use super::docker_run::{Line, STOP_TIME_MS, as_written_or_resolved, of_options};
use super::mounts::{self, Sources};
use super::{Builder, Moved, compose};
use crate::manifest::compose::{Mount as Written, Pair, Volume};
use crate::manifest::quadlet::{ContainerUnit, Set, TimeSpan, VolumeUnit};
use crate::manifest::{Span, Spanned};
use crate::sharing::{StopTime, Workload, WorkloadKind};

/// What systemd waits for a service to stop when nobody says (`DefaultTimeoutStopSec`).
const SYSTEMD_STOP_TIME_MS: u64 = 90_000;

/// Adds units.
pub fn add(builder: &mut Builder<'_>, set: &Set) {
    let moved = builder.begin(&set.files);
    let mut pods: HashMap<&str, usize> = HashMap::new();
    for container in &set.containers {
        let of_pod = set.pod_of(container).map(|pod| pod.unit.name.as_str());
        let pod = of_pod.map_or(0, |name| *pods.entry(name).or_insert_with(|| builder.new_pod()));
        Units { set, moved }.container(builder, container, pod);
    }
}

struct Units<'a> {
    set: &'a Set,
    moved: Moved,
}

impl Units<'_> {
    fn container(&self, builder: &mut Builder<'_>, container: &ContainerUnit, pod: usize) {
        let moved = self.moved;
        let arguments = &container.arguments;
        let workload = builder.workload(Workload { pod, ..self.workload(container) });
        mounts::add(builder, self, workload, self.set.mounts_of(container));
        mounts::add_memory(builder, moved, workload, container.tmpfs.iter().chain(&arguments.tmpfs));
        let keeps_tmpfs = container.read_only_tmpfs.as_ref().or(arguments.read_only_tmpfs.as_ref());
        if read_only(container).is_some() && keeps_tmpfs.is_none_or(|flag| flag.value) {
            mounts::add_read_only_tmpfs(builder, workload);
        }
    }

    fn workload(&self, container: &ContainerUnit) -> Workload {
        let moved = self.moved;
        let arguments =
            of_options(moved, &container.arguments, Workload::new(WorkloadKind::Quadlet, &container.unit.name));
        let words = container.entrypoint.iter().chain(&container.command);
        let own = container.environment.iter().map(|pair| compose::variable(moved, pair));
        let namespace = self.user_namespace(container);
        let memory = container.memory_limit_bytes.as_ref().or(container.service.memory_max_bytes.as_ref());
        let label_off = container.security_label_disable.as_ref().filter(|flag| flag.value).map(|flag| flag.span);
        let label = label_off.or(container.security_label_level.as_ref().map(|level| level.span));
        Workload {
            span: Some(moved.span(container.unit.span)),
            image: moved.option(container.image.as_ref()),
            words: words.map(|word| moved.spanned(word)).collect(),
            environment: own.chain(arguments.environment.iter().cloned()).collect(),
            stop_time: self.stop_time(container),
            user: self.user(container).or_else(|| arguments.user.clone()),
            groups: container
                .group_add
                .iter()
                .map(|group| moved.spanned(group))
                .chain(arguments.groups.clone())
                .collect(),
            memory_limit_bytes: moved.option(memory).or_else(|| arguments.memory_limit_bytes.clone()),
            read_only_root: read_only(container).map(|span| moved.span(span)),
            user_namespace: namespace.as_ref().map(|mode| mode.span).or(arguments.user_namespace),
            user_namespace_mode: namespace.or_else(|| arguments.user_namespace_mode.clone()),
            own_label: label.map(|span| moved.span(span)).or(arguments.own_label),
            engine: Some("podman"),
            ..arguments
        }
    }

    fn user(&self, container: &ContainerUnit) -> Option<Spanned<String>> {
        let user = self.moved.option(container.user.as_ref())?;
        Some(match &container.group {
            Some(group) => Spanned::new(format!("{}:{}", user.value, group.value), user.span),
            None => user,
        })
    }

    /// Its own, or that of its pod.
    fn user_namespace(&self, container: &ContainerUnit) -> Option<Spanned<String>> {
        let of_pod = || self.set.pod_of(container)?.user_namespace.as_ref();
        let mode = container.user_namespace.as_ref().or_else(of_pod).or(container.id_maps.first())?;
        Some(self.moved.spanned(mode)).filter(|mode| mode.value != "host")
    }

    /// Podman's time or that of systemd, whichever ends first.
    fn stop_time(&self, container: &ContainerUnit) -> StopTime {
        let of_podman = container.stop_timeout_seconds.as_ref().or(container.arguments.stop_timeout_seconds.as_ref());
        let of_podman = of_podman.map(|written| (written.value.saturating_mul(1000), Some(written.span)));
        let of_systemd = container.service.timeout_stop.as_ref().map(|written| match written.value {
            TimeSpan::Milliseconds(ms) => (ms, Some(written.span)),
            TimeSpan::Forever => (u64::MAX, Some(written.span)),
        });
        let podman = of_podman.unwrap_or((STOP_TIME_MS, None));
        let systemd = of_systemd.unwrap_or((SYSTEMD_STOP_TIME_MS, None));
        let (ms, span) = if systemd.0 < podman.0 { systemd } else { podman };
        StopTime { ms: Some(ms), span: span.map(|span| self.moved.span(span)) }
    }
}

fn read_only(container: &ContainerUnit) -> Option<Span> {
    let flag = container.read_only.as_ref().or(container.arguments.read_only.as_ref());
    flag.filter(|flag| flag.value).map(|flag| flag.span)
}

impl Sources for Units<'_> {
    fn moved(&self) -> Moved {
        self.moved
    }

    /// A relative path starts where the unit lies.
    fn path(&self, source: &Spanned<String>) -> Option<String> {
        let directory = self.set.files.get(source.span.source).map_or(".", |file| file.directory.as_str());
        Some(as_written_or_resolved(directory, &source.value))
    }

    fn volume(&self, name: &str, mount: &Written) -> Option<Volume> {
        match self.set.volume_of(mount) {
            Some(unit) => Some(volume(unit)),
            None => Line { moved: self.moved, options: &Default::default() }.volume(name, mount),
        }
    }
}

/// The unit of a volume as Compose would declare it.
fn volume(unit: &VolumeUnit) -> Volume {
    let told = [("type", &unit.kind), ("device", &unit.device), ("o", &unit.options)];
    let pair = |(key, value): (&str, &Option<Spanned<String>>)| {
        let value = value.clone()?;
        Some(Pair { name: Spanned::new(key.to_owned(), value.span), value: Some(value) })
    };
    Volume {
        key: Spanned::new(unit.unit.name.clone(), unit.unit.span),
        real_name: unit.name.clone(),
        external: false,
        driver: unit.driver.clone(),
        driver_opts: told.into_iter().filter_map(pair).collect(),
        span: unit.unit.span,
    }
}
