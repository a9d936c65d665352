//! What is written is read back as it was meant, in every combination, and no value breaks out of its place.

use super::*;
use crate::manifest::compose::{self as compose_reader, MountKind, Profiles};
use crate::manifest::kubernetes::{self as kubernetes_reader, AccessMode, WorkloadKind};
use crate::manifest::{Source, WarningKind};

fn asked() -> Asked {
    Asked {
        image: "registry.example:5000/team/app:1.2@sha256:0123456789abcdef".to_owned(),
        path: "/data/app.db".to_owned(),
        size: "1Gi".to_owned(),
        ..Asked::default()
    }
}

/// Every combination of the flags.
fn every() -> Vec<Asked> {
    let mut all = vec![asked()];
    let vary = |all: Vec<Asked>, with: &dyn Fn(Asked) -> Asked| -> Vec<Asked> {
        all.iter().cloned().chain(all.iter().cloned().map(with)).collect()
    };
    all = vary(all, &|one| Asked { name: Some("my-app".to_owned()), ..one });
    all = vary(all, &|one| Asked { port: Some(8080), ..one });
    all = vary(all, &|one| Asked { storage_class: Some("fast.block".to_owned()), size: "20Gi".to_owned(), ..one });
    all = vary(all, &|one| Asked { path: "/var/lib/my app/data, 1 #x.db".to_owned(), ..one });
    all = vary(all, &|one| Asked { user: Some("1000".to_owned()), ..one });
    let with_user = |one: &Asked| one.user.is_some();
    let copied: Vec<Asked> = all
        .iter()
        .filter(|one| with_user(one))
        .flat_map(|one| {
            let vacuum = Asked { backup: Backup::VacuumInto("example/sqlite:3.51.3".to_owned()), ..one.clone() };
            let litestream =
                Asked { backup: Backup::Litestream("litestream/litestream:0.5".to_owned()), ..one.clone() };
            [vacuum, litestream, Asked { user: Some("0:5".to_owned()), ..one.clone() }]
        })
        .collect();
    all.extend(copied);
    all
}

#[test]
fn compose_reads_back_what_was_asked() {
    for asked in every() {
        let text = write(Format::Compose, &asked).expect("taken");
        let source = Source { name: "compose.yaml", text: &text };
        let read = compose_reader::parse(&[source], &|_| None, &mut |_| Err(String::new()), &Profiles::none());
        let read = read.unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let strange = read.warnings.iter().find(|warning| warning.kind != WarningKind::RequiredVariable);
        assert_eq!(strange, None, "{text}");
        let service = &read.services[0];
        assert_eq!(service.image.as_ref().map(|image| &image.value), Some(&asked.image));
        assert_eq!(service.user.is_some(), asked.user.is_some());
        assert_eq!(service.stop_grace_period_ms.as_ref().map(|time| time.value), Some(30_000));
        assert_eq!(service.tmpfs[0].target, "/tmp");
        let (directory, _) = asked.path.rsplit_once('/').expect("a path");
        for service in &read.services {
            assert_eq!(service.mounts[0].target.value, directory, "{text}");
            assert!(
                matches!(&service.mounts[0].kind, MountKind::Named { volume } if read.volume(&volume.value).is_some())
            );
        }
        assert_eq!(read.services.len(), if asked.backup == Backup::None { 1 } else { 2 });
        if let Some(copier) = read.services.get(1).filter(|_| matches!(asked.backup, Backup::VacuumInto(_))) {
            let database = copier.environment.iter().find(|pair| pair.name.value == "DATABASE").expect("it");
            assert_eq!(database.value.as_ref().map(|value| &value.value), Some(&asked.path));
            let script = &copier.command.as_ref().expect("a command").words[0].value;
            assert_eq!(script.trim_end(), COPY_DAILY);
        }
    }
}

#[test]
fn kubernetes_reads_back_what_was_asked() {
    for asked in every() {
        let text = write(Format::Kubernetes, &asked).expect("taken");
        let set = kubernetes_reader::parse(&[Source { name: "app.yaml", text: &text }]);
        assert!(set.errors.is_empty() && set.warnings.is_empty(), "{:?} {:?}\n{text}", set.errors, set.warnings);
        let [workload] = set.workloads.as_slice() else { panic!("one workload\n{text}") };
        assert_eq!(workload.kind, WorkloadKind::StatefulSet);
        assert_eq!(set.pod_count_max(workload), Some(1));
        let container = &workload.pod.containers[0];
        assert_eq!(container.image.as_ref().map(|image| &image.value), Some(&asked.image));
        let (directory, _) = asked.path.rsplit_once('/').expect("a path");
        assert!(
            workload.pod.containers.iter().all(|container| container.mounts[0].mount_path.value == directory),
            "{text}"
        );
        let modes = workload.claim_templates.iter().flat_map(|claim| &claim.terms.access_modes);
        assert!(modes.map(|mode| mode.value).all(|mode| mode == AccessMode::ReadWriteOncePod));
        let claims = if matches!(asked.backup, Backup::VacuumInto(_)) { 2 } else { 1 };
        assert_eq!(workload.claim_templates.len(), claims);
        let probes = [&container.liveness_probe, &container.readiness_probe, &container.startup_probe]
            .into_iter()
            .flatten()
            .count();
        assert_eq!(probes, if asked.port.is_some() { 3 } else { 0 }, "{text}");
    }
}

#[test]
fn comments_leave_no_value_behind() {
    for asked in every() {
        for format in [Format::Compose, Format::Kubernetes] {
            let text = write(format, &asked).expect("taken");
            assert!(crate::fixes::comments(&text).is_some_and(|comments| comments.len() > 8));
            assert!(text.ends_with('\n') && !text.contains("\n\n") && !text.contains('\t'));
            assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
            assert!(text.lines().all(|line| !line.starts_with("x20")));
        }
    }
}

#[track_caller]
fn refused(what: &str, asked: &Asked) {
    let refusal = write(Format::Compose, asked).expect_err("not taken");
    assert_eq!(refusal.what, what, "{refusal}");
    assert!(!refusal.to_string().contains('\n'));
}

#[test]
fn values_that_would_break_out_are_refused() {
    for image in ["", "a\n  privileged: true", "a b", "$X", "-x", "a\"b"] {
        refused("image", &Asked { image: image.to_owned(), ..asked() });
    }
    for path in [
        "app.db",
        "/data/",
        "/app.db",
        "/etc/x/app.db",
        "/a/../b",
        "/data/a\n.db",
        "/data/$X.db",
        "/data/a'.db",
        "/a//b",
        "/da:ta/x.db",
        "/data/*.db",
        "/data/x?.db",
        "/data/x.db-wal",
        "/data/x.db-shm",
        "/data/x.db-journal",
        "/data/\u{9b}x.db",
        "/backup/x.db",
        "/backup/a/x.db",
    ] {
        refused("path", &Asked { path: path.to_owned(), ..asked() });
    }
    for name in ["", "A", "a_b", "-a", "a-", "1a", "a\nb"] {
        refused("name", &Asked { name: Some(name.to_owned()), ..asked() });
    }
    for user in ["node", "1000:", "01", "-1", "1:2:3", "4294967295"] {
        refused("user", &Asked { user: Some(user.to_owned()), ..asked() });
    }
    for size in ["", "1", "1G", "0Gi", "1Gi\n"] {
        refused("size", &Asked { size: size.to_owned(), ..asked() });
    }
    refused("port", &Asked { port: Some(0), ..asked() });
    refused("storage-class", &Asked { storage_class: Some("a b".to_owned()), ..asked() });
    refused("user", &Asked { backup: Backup::VacuumInto("x".to_owned()), ..asked() });
    refused(
        "backup-image",
        &Asked { backup: Backup::VacuumInto("x y".to_owned()), user: Some("1".to_owned()), ..asked() },
    );
}

#[test]
fn words_that_yaml_reads_as_something_else_stay_words() {
    for name in ["true", "null", "yes", "no", "on", "off", "y", "n"] {
        let user = Some("1000".to_owned());
        let backup = Backup::VacuumInto("s:1".to_owned());
        let class = Some("1".to_owned());
        let asked = Asked { name: Some(name.to_owned()), user, backup, storage_class: class, ..asked() };
        for format in [Format::Compose, Format::Kubernetes] {
            let text = write(format, &asked).expect("taken");
            let bare = |line: &str| line.ends_with(&format!(" {name}")) || line.trim() == format!("{name}:");
            let values = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            assert_eq!(
                values
                    .clone()
                    .find(|line| bare(line) || line.ends_with(" 1"))
                    .filter(|line| !line.contains("replicas")),
                None,
                "{text}"
            );
        }
    }
}

#[test]
fn a_start_soon_after_a_copy_makes_none() {
    let look = COPY_DAILY.find("-mmin -1200").expect("it looks for a copy of the last twenty hours");
    assert!(look < COPY_DAILY.find("VACUUM INTO").expect("a copy"));
}
