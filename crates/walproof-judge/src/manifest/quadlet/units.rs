//! From the assignments of a unit file to the model.
//!
//! What it must not do: refuse a unit. A value of the wrong form is left out with a warning at its place; keys that are
//! not held are not noticed, since they differ by version of Podman.
//!
//! Where to look next: `model` for what comes out, podman-systemd.unit(5) for the keys.

use super::model::{ContainerUnit, KubeUnit, PodUnit, Service, Unit, VolumeUnit};
use super::time_span::time_span;
use crate::manifest::compose::{Mount, Pair, quantity};
use crate::manifest::docker_run::{mounts, options};
use crate::manifest::reader::shortened;
use crate::manifest::span::{Spanned, Warning, WarningKind};
use crate::manifest::unit_file::Assignment;
use crate::manifest::words::{self, Rules, Word};

/// Reads values and collects what is odd about them.
pub(super) struct Values<'a> {
    assignments: &'a [Assignment],
    section: &'a str,
    warnings: &'a mut Vec<Warning>,
}

/// A `.container` file.
pub(super) fn container(unit: Unit, assignments: &[Assignment], warnings: &mut Vec<Warning>) -> ContainerUnit {
    let mut of = Values { assignments, section: "Container", warnings };
    let mut mounts = of.mounts("Volume");
    mounts.extend(of.long_mounts());
    let podman_args = of.words("PodmanArgs");
    let arguments = options::options(&podman_args, of.warnings);
    ContainerUnit {
        unit,
        name: of.text("ContainerName"),
        image: of.text("Image"),
        entrypoint: of.text("Entrypoint"),
        command: of.last_words("Exec"),
        mounts,
        tmpfs: of.all("Tmpfs").iter().map(mounts::tmpfs).collect(),
        pod: of.text("Pod"),
        user: of.text("User"),
        group: of.text("Group"),
        group_add: of.texts("GroupAdd"),
        user_namespace: of.user_namespace(),
        id_maps: ["UIDMap", "GIDMap", "SubUIDMap", "SubGIDMap"].into_iter().flat_map(|key| of.texts(key)).collect(),
        environment: of.pairs("Environment"),
        environment_files: of.texts("EnvironmentFile"),
        networks: of.texts("Network"),
        read_only: of.flag("ReadOnly"),
        read_only_tmpfs: of.flag("ReadOnlyTmpfs"),
        init: of.flag("RunInit"),
        security_label_disable: of.flag("SecurityLabelDisable"),
        security_label_level: of.text("SecurityLabelLevel"),
        stop_timeout_seconds: of.parsed("StopTimeout", "a number of seconds", |text| text.parse().ok()),
        stop_signal: of.text("StopSignal"),
        auto_update: of.text("AutoUpdate"),
        health_command: of.text("HealthCmd"),
        health_on_failure: of.text("HealthOnFailure"),
        shm_size_bytes: of.parsed("ShmSize", "a size such as `64m`", quantity::bytes),
        memory_limit_bytes: of.parsed("Memory", "a size such as `512m`", quantity::bytes),
        podman_args: podman_args.iter().map(Word::spanned).collect(),
        arguments,
        service: service(assignments, warnings),
    }
}

/// A `.volume` file.
pub(super) fn volume(unit: Unit, assignments: &[Assignment], warnings: &mut Vec<Warning>) -> VolumeUnit {
    let mut of = Values { assignments, section: "Volume", warnings };
    VolumeUnit {
        unit,
        name: of.text("VolumeName"),
        driver: of.text("Driver"),
        device: of.text("Device"),
        kind: of.text("Type"),
        options: of.text("Options"),
        copy: of.flag("Copy"),
        user: of.text("User"),
        group: of.text("Group"),
    }
}

/// A `.pod` file.
pub(super) fn pod(unit: Unit, assignments: &[Assignment], warnings: &mut Vec<Warning>) -> PodUnit {
    let mut of = Values { assignments, section: "Pod", warnings };
    PodUnit {
        unit,
        name: of.text("PodName"),
        mounts: of.mounts("Volume"),
        user_namespace: of.user_namespace(),
        networks: of.texts("Network"),
        service: service(assignments, warnings),
    }
}

/// A `.kube` file.
pub(super) fn kube(unit: Unit, assignments: &[Assignment], warnings: &mut Vec<Warning>) -> KubeUnit {
    let mut of = Values { assignments, section: "Kube", warnings };
    KubeUnit {
        unit,
        manifests: of.texts("Yaml"),
        user_namespace: of.user_namespace(),
        service: service(assignments, warnings),
    }
}

fn service(assignments: &[Assignment], warnings: &mut Vec<Warning>) -> Service {
    let mut of = Values { assignments, section: "Service", warnings };
    let timeout = ["TimeoutStopSec", "TimeoutSec"].into_iter().find(|key| of.text(key).is_some());
    let is_share = of.text("MemoryMax").is_some_and(|max| max.value.ends_with('%') || max.value == "infinity");
    let memory = |of: &mut Values<'_>| of.parsed("MemoryMax", "a size such as `512M`", quantity::bytes);
    Service {
        restart: of.text("Restart"),
        timeout_stop: timeout.and_then(|key| of.parsed(key, "a time such as `1min 30s`", time_span)),
        kill_mode: of.text("KillMode"),
        memory_max_bytes: if is_share { None } else { memory(&mut of) },
    }
}

impl Values<'_> {
    fn warn(&mut self, kind: WarningKind, word: &Word, message: String) {
        self.warnings.push(Warning::new(kind, word.span, message));
    }

    /// The assignments of a key that no empty one takes back.
    fn assigned(&self, key: &str) -> Vec<&Assignment> {
        let of_key = self.assignments.iter().filter(|one| one.section == self.section && one.key.value == key);
        let mut found = Vec::new();
        for assignment in of_key {
            if assignment.value.chars.is_empty() {
                found.clear();
            } else {
                found.push(assignment);
            }
        }
        found
    }

    /// The values of a key, each as one word.
    fn all(&mut self, key: &str) -> Vec<Word> {
        let words: Vec<Word> = self.assigned(key).into_iter().map(|one| words::whole(&one.value)).collect();
        self.note_unknown(&words);
        words
    }

    /// The values of a key, split into words.
    fn words(&mut self, key: &str) -> Vec<Word> {
        let words: Vec<Word> =
            self.assigned(key).into_iter().flat_map(|one| words::split(&one.value, Rules::Systemd)).collect();
        self.note_unknown(&words);
        words
    }

    /// The last value of a key, split into words.
    fn last_words(&mut self, key: &str) -> Vec<Spanned<String>> {
        let words = self.assigned(key).last().map(|one| words::split(&one.value, Rules::Systemd)).unwrap_or_default();
        self.note_unknown(&words);
        words.iter().map(Word::spanned).collect()
    }

    fn note_unknown(&mut self, words: &[Word]) {
        for word in words {
            if let Some(unknown) = word.first_unknown() {
                self.warn(WarningKind::NotKnownHere, word, format!("`{unknown}` is only known to the machine"));
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<Spanned<String>> {
        self.all(key).last().map(Word::spanned)
    }

    fn texts(&mut self, key: &str) -> Vec<Spanned<String>> {
        self.all(key).iter().map(Word::spanned).collect()
    }

    fn parsed<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Spanned<T>> {
        let word = self.all(key).pop()?;
        let value = parse(word.hidden());
        if value.is_none() && word.first_unknown().is_none() {
            let message = format!("`{}` is not {expected}", shortened(&word.shown()));
            self.warn(WarningKind::WrongValue, &word, message);
        }
        value.map(|value| Spanned::new(value, word.span))
    }

    fn flag(&mut self, key: &str) -> Option<Spanned<bool>> {
        self.parsed(key, "`true` or `false`", quantity::truth)
    }

    fn pairs(&mut self, key: &str) -> Vec<Pair> {
        self.words(key).iter().map(Word::pair).collect()
    }

    fn user_namespace(&mut self) -> Option<Spanned<String>> {
        self.text("UserNS").or_else(|| self.text("RemapUsers"))
    }

    /// `Volume=source:target:options`.
    fn mounts(&mut self, key: &str) -> Vec<Mount> {
        let words = self.all(key);
        words.iter().filter_map(|word| self.mount(word, mounts::short(word))).collect()
    }

    /// `Mount=type=bind,...`.
    fn long_mounts(&mut self) -> Vec<Mount> {
        let words = self.all("Mount");
        words.iter().filter_map(|word| self.mount(word, mounts::long(word))).collect()
    }

    fn mount(&mut self, word: &Word, read: Result<Mount, &str>) -> Option<Mount> {
        match read {
            Ok(mount) => Some(mount),
            Err(because) => {
                let message = format!("`{}` is no mount: {because}", shortened(&word.shown()));
                self.warn(WarningKind::WrongValue, word, message);
                None
            }
        }
    }
}
