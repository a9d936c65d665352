//! One service of the merged tree as a [`Service`].
//!
//! What it must not do: merge, resolve, judge.
//!
//! Where to look next: `read` for how single values are read, `mounts` for `volumes:`.

use super::Profiles;
use super::keys;
use super::model::{Command, Deploy, Service, Tmpfs, VolumesFrom};
use super::mounts;
use super::paths::normal;
use super::quantity;
use super::read::live;
use crate::manifest::reader::Reader;
use crate::manifest::span::{Span, Spanned, WarningKind};
use crate::manifest::yaml::{Entry, Node, Value};

/// The service of an entry; `None`, with a warning, if it is no mapping.
pub(super) fn read(reader: &mut Reader, entry: &Entry, profiles: &Profiles) -> Option<Service> {
    if entry.key.value.starts_with("x-") {
        return None;
    }
    if !matches!(entry.value.value, Value::Mapping(_)) {
        reader.wrong(&entry.value, "a service");
        return None;
    }
    let span = Span { start: entry.key.span.start, ..entry.value.span };
    let mut service = empty(entry.key.clone(), span);
    for Entry { key, value } in live(entry.value.entries()) {
        let name = key.value.as_str();
        let held = image(reader, name, value, &mut service)
            || confinement(reader, name, value, &mut service)
            || storage(reader, name, value, &mut service)
            || life(reader, name, value, &mut service);
        if !held && !keys::is_known(keys::SERVICE, name) {
            reader.warn(WarningKind::UnknownKey, key.span, format!("Compose knows no key `{name}` in a service"));
        }
    }
    deploy_limits(reader, &entry.value, &mut service);
    service.active = profiles.start(&service.profiles);
    Some(service)
}

/// What runs.
fn image(reader: &mut Reader, key: &str, value: &Node, service: &mut Service) -> bool {
    match key {
        "image" => service.image = reader.text(value),
        "build" => service.build = (!value.is_null()).then_some(value.span),
        "container_name" => service.container_name = reader.text(value),
        "command" => service.command = command(reader, value),
        "entrypoint" => service.entrypoint = command(reader, value),
        "environment" => service.environment = reader.pairs(value),
        "env_file" => service.env_file = env_files(reader, value),
        "labels" => service.labels = reader.pairs(value),
        "working_dir" => service.working_dir = reader.text(value),
        _ => return false,
    }
    true
}

/// As whom, and with which walls around it.
fn confinement(reader: &mut Reader, key: &str, value: &Node, service: &mut Service) -> bool {
    match key {
        "user" => service.user = reader.text(value),
        "group_add" => service.group_add = reader.texts(value),
        "privileged" => service.privileged = reader.truth(value),
        "cap_add" => service.cap_add = reader.texts(value),
        "cap_drop" => service.cap_drop = reader.texts(value),
        "security_opt" => service.security_opt = reader.texts(value),
        "userns_mode" => service.userns_mode = reader.text(value),
        "pid" => service.pid = reader.text(value),
        "ipc" => service.ipc = reader.text(value),
        "runtime" => service.runtime = reader.text(value),
        "network_mode" => service.network_mode = reader.text(value),
        "mem_limit" => service.memory_limit_bytes = reader.bytes(value),
        "pids_limit" => service.process_count_limit = reader.limit(value),
        _ => return false,
    }
    true
}

/// Which files it sees.
fn storage(reader: &mut Reader, key: &str, value: &Node, service: &mut Service) -> bool {
    match key {
        "read_only" => service.read_only = reader.truth(value),
        "tmpfs" => service.tmpfs = reader.texts(value).into_iter().map(tmpfs).collect(),
        "volumes" => match &value.value {
            Value::Sequence(items) => {
                service.mounts = items.iter().filter_map(|item| mounts::mount(reader, item)).collect();
            }
            _ if value.is_null() => {}
            _ => reader.wrong(value, "a list of mounts"),
        },
        "volumes_from" => service.volumes_from = reader.texts(value).into_iter().map(volumes_from).collect(),
        _ => return false,
    }
    true
}

/// When it starts and how it ends.
fn life(reader: &mut Reader, key: &str, value: &Node, service: &mut Service) -> bool {
    match key {
        "init" => service.init = reader.truth(value),
        "restart" => service.restart = reader.text(value),
        "stop_grace_period" => service.stop_grace_period_ms = reader.milliseconds(value),
        "stop_signal" => service.stop_signal = reader.text(value),
        "scale" => service.scale = reader.count(value),
        "healthcheck" => service.healthcheck = healthcheck(reader, value),
        "depends_on" => service.depends_on = reader.texts(value),
        "profiles" => service.profiles = reader.texts(value),
        "deploy" => service.deploy = deploy(reader, value),
        _ => return false,
    }
    true
}

fn command(reader: &mut Reader, node: &Node) -> Option<Command> {
    let words = match &node.value {
        _ if node.is_null() => return None,
        Value::Sequence(items) => items.iter().filter_map(|item| reader.text(item)).collect(),
        _ => {
            let split = reader.parsed(node, "a command line whose quotes end", quantity::words)?;
            split.value.into_iter().map(|word| Spanned::new(word, node.span)).collect()
        }
    };
    Some(Command { words, span: node.span })
}

fn env_files(reader: &mut Reader, node: &Node) -> Vec<Spanned<String>> {
    let Value::Sequence(items) = &node.value else { return reader.texts(node) };
    let path = |item: &Node| reader.text(item.get("path").unwrap_or(item));
    items.iter().filter_map(path).collect()
}

fn tmpfs(text: Spanned<String>) -> Tmpfs {
    let (target, options) = text.value.split_once(':').unwrap_or((&text.value, ""));
    let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    Tmpfs { target: normal(target), options, span: text.span }
}

/// `[container:]name[:ro|rw]`.
fn volumes_from(text: Spanned<String>) -> VolumesFrom {
    let (is_container, rest) = match text.value.strip_prefix("container:") {
        Some(rest) => (true, rest),
        None => (false, text.value.as_str()),
    };
    let (name, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
    VolumesFrom { name: name.to_owned(), is_container, read_only: mode == "ro", span: text.span }
}

/// Where a check is set up, unless it says that there is none.
fn healthcheck(reader: &mut Reader, node: &Node) -> Option<Span> {
    reader.expect_mapping(node, "`healthcheck`");
    let disabled = node.get("disable").and_then(|disable| reader.truth(disable)).is_some_and(|flag| flag.value);
    let is_none = match node.get("test").map(|test| &test.value) {
        Some(Value::Sequence(words)) => words.first().and_then(Node::as_text) == Some("NONE"),
        _ => false,
    };
    (!node.entries().is_empty() && !disabled && !is_none).then_some(node.span)
}

fn deploy(reader: &mut Reader, node: &Node) -> Option<Deploy> {
    reader.expect_mapping(node, "`deploy`");
    if node.entries().is_empty() {
        return None;
    }
    let order = |reader: &mut Reader, value: &Node| value.get("order").and_then(|order| reader.text(order));
    let mut deploy = Deploy {
        mode: None,
        replicas: None,
        update_order: None,
        rollback_order: None,
        restart_condition: None,
        span: node.span,
    };
    for Entry { key, value } in live(node.entries()) {
        match key.value.as_str() {
            "mode" => deploy.mode = reader.text(value),
            "replicas" => deploy.replicas = reader.count(value),
            "update_config" => deploy.update_order = order(reader, value),
            "rollback_config" => deploy.rollback_order = order(reader, value),
            "restart_policy" => {
                deploy.restart_condition = value.get("condition").and_then(|condition| reader.text(condition));
            }
            // Its limits are read with those of the service.
            "resources" => {}
            other if keys::is_known(keys::DEPLOY, other) => {}
            other => {
                reader.warn(WarningKind::UnknownKey, key.span, format!("Compose knows no key `{other}` in `deploy`"))
            }
        }
    }
    Some(deploy)
}

/// The limits of `deploy`, which win over those of the service.
fn deploy_limits(reader: &mut Reader, node: &Node, service: &mut Service) {
    let limits = node.get("deploy").and_then(|deploy| deploy.get("resources")?.get("limits"));
    let Some(limits) = limits else { return };
    let memory = limits.get("memory").and_then(|memory| reader.bytes(memory));
    let pids = limits.get("pids").and_then(|pids| reader.limit(pids));
    service.memory_limit_bytes = memory.or(service.memory_limit_bytes.take());
    service.process_count_limit = pids.or(service.process_count_limit.take());
}

fn empty(name: Spanned<String>, span: Span) -> Service {
    Service {
        name,
        active: true,
        profiles: Vec::new(),
        image: None,
        build: None,
        container_name: None,
        command: None,
        entrypoint: None,
        environment: Vec::new(),
        env_file: Vec::new(),
        user: None,
        group_add: Vec::new(),
        working_dir: None,
        read_only: None,
        privileged: None,
        init: None,
        cap_add: Vec::new(),
        cap_drop: Vec::new(),
        security_opt: Vec::new(),
        userns_mode: None,
        pid: None,
        ipc: None,
        runtime: None,
        network_mode: None,
        memory_limit_bytes: None,
        process_count_limit: None,
        tmpfs: Vec::new(),
        mounts: Vec::new(),
        volumes_from: Vec::new(),
        restart: None,
        stop_grace_period_ms: None,
        stop_signal: None,
        deploy: None,
        scale: None,
        healthcheck: None,
        depends_on: Vec::new(),
        labels: Vec::new(),
        span,
    }
}
