//! The keys that Compose knows, so that others can be noticed.
//!
//! What it must not do: say what a key means; `read` does for those that the model holds.
//!
//! Where to look next: the Compose specification's schema, `compose-spec.json`.

use crate::manifest::span::{Spanned, Warning, WarningKind};

/// At the top of a file.
pub(super) const TOP: &[&str] =
    &["configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"];

/// In a service, besides those that the model holds.
pub(super) const SERVICE: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "cgroup",
    "cgroup_parent",
    "configs",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "hostname",
    "isolation",
    "label_file",
    "links",
    "logging",
    "mac_address",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "platform",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "secrets",
    "shm_size",
    "stdin_open",
    "storage_opt",
    "sysctls",
    "tty",
    "ulimits",
    "use_api_socket",
    "uts",
];

/// In `deploy`, besides those that the model holds.
pub(super) const DEPLOY: &[&str] = &["endpoint_mode", "labels", "placement"];

/// In a volume at the top, besides those that the model holds.
pub(super) const VOLUME: &[&str] = &["labels"];

/// In a mount of the long form.
pub(super) const MOUNT: &[&str] =
    &["bind", "cluster", "consistency", "image", "read_only", "source", "target", "tmpfs", "type", "volume"];

/// Whether a key is in the list or an extension.
pub(super) fn is_known(known: &[&str], key: &str) -> bool {
    key.starts_with("x-") || known.binary_search(&key).is_ok()
}

/// The warning for a key that is not.
pub(super) fn unknown(key: &Spanned<String>, at: &str) -> Warning {
    Warning::new(WarningKind::UnknownKey, key.span, format!("Compose knows no key `{}` {at}", key.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!([TOP, SERVICE, DEPLOY, VOLUME, MOUNT].iter().all(|list| list.is_sorted()));
    }
}
