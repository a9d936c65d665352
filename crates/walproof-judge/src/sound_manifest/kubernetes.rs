//! A StatefulSet of one pod with its own claim, and the Service that it wants.
//!
//! What it must not do: choose a storage class; open the database from a probe or a hook.
//!
//! Where to look next: `compose`, the same for one machine.

use super::values::{indented, yaml};
use super::{Backup, COPY_DAILY, Wanted};

/// The whole file.
pub(super) fn text(wanted: &Wanted) -> String {
    let mut text = format!(
        "# Written by `walproof manifest kubernetes`. The application must keep its database at {}\n\
         # Judge it: `walproof check app.yaml`.\n",
        wanted.path()
    );
    text.push_str(&service(wanted));
    text.push_str("---\n");
    text.push_str(&set(wanted));
    text.push_str(&pod(wanted));
    text.push_str(&claims(wanted));
    text
}

fn service(wanted: &Wanted) -> String {
    let name = yaml(&wanted.name);
    let ports = wanted.port.map_or(String::new(), |port| format!("  ports:\n    - name: main\n      port: {port}\n"));
    format!(
        "# Headless: a StatefulSet wants one. Without an address of its own it sends nobody to a pod that is not there.\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels:\n    app.kubernetes.io/name: {name}\n\
         spec:\n  clusterIP: None\n  selector:\n    app.kubernetes.io/name: {name}\n{ports}"
    )
}

fn set(wanted: &Wanted) -> String {
    let name = yaml(&wanted.name);
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: {name}\n  labels:\n    app.kubernetes.io/name: {name}\n\
         spec:\n  serviceName: {name}\n\
         \x20 # One writer. A StatefulSet never runs two pods of one number, not even during an update or after a lost node: a\n\
         \x20 # Deployment does. Do not point an autoscaler at it.\n\
         \x20 replicas: 1\n\
         \x20 # Of a StatefulSet: the old pod is gone before the new one starts.\n\
         \x20 updateStrategy:\n    type: RollingUpdate\n\
         \x20 persistentVolumeClaimRetentionPolicy:\n    whenDeleted: Retain\n    whenScaled: Retain\n\
         \x20 selector:\n    matchLabels:\n      app.kubernetes.io/name: {name}\n\
         \x20 template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {name}\n    spec:\n"
    )
}

fn pod(wanted: &Wanted) -> String {
    let mut text = String::from(
        "      # Time to close the database before SIGKILL. There is no preStop hook: the application gets SIGTERM, closes, and\n\
         \x20     # its last connection writes the log back. A checkpoint by another sqlite3 would be a second opener of another\n\
         \x20     # version, and the log is as safe as the database: the next start reads it.\n\
         \x20     terminationGracePeriodSeconds: 60\n",
    );
    text.push_str(&security(wanted));
    text.push_str("      containers:\n");
    text.push_str(&application(wanted));
    text.push_str(&backup(wanted));
    text.push_str(
        "      volumes:\n        # Sorts and VACUUM write temporary files: VACUUM as many as the database has.\n\
         \x20       - name: tmp\n          emptyDir: {}\n",
    );
    text
}

fn security(wanted: &Wanted) -> String {
    let Some(user) = wanted.user else {
        return "      # The image's own user must be able to write to the claim: `--user` adds runAsUser and fsGroup.\n".to_owned();
    };
    let root = if user.uid == 0 { "" } else { "        runAsNonRoot: true\n" };
    format!(
        "      # Whoever opens the database needs to write in its directory: fsGroup gives the claim to this group.\n\
         \x20     securityContext:\n        runAsUser: {}\n        runAsGroup: {}\n{root}        fsGroup: {}\n\
         \x20       fsGroupChangePolicy: OnRootMismatch\n        seccompProfile:\n          type: RuntimeDefault\n",
        user.uid, user.gid, user.gid
    )
}

fn application(wanted: &Wanted) -> String {
    let mut text = format!("        - name: {}\n          image: {}\n", yaml(&wanted.name), yaml(&wanted.image));
    if let Some(port) = wanted.port {
        text.push_str(&format!("          ports:\n            - name: main\n              containerPort: {port}\n"));
    }
    text.push_str(
        "          env:\n            - name: SQLITE_TMPDIR\n              value: /tmp\n\
         \x20         # A limit of memory counts the pages of the database that are cached: too small a one is a slow database.\n\
         \x20         resources:\n            requests:\n              cpu: 100m\n              memory: 128Mi\n            limits:\n              memory: 512Mi\n",
    );
    text.push_str(&probes(wanted));
    text.push_str("          volumeMounts:\n            # The directory, never the file alone: `-wal` and `-shm` must lie beside the database.\n");
    text.push_str(&mount("data", &wanted.directory));
    text.push_str(&mount("tmp", "/tmp"));
    text
}

fn mount(name: &str, path: &str) -> String {
    format!("            - name: {name}\n              mountPath: {}\n", yaml(path))
}

fn probes(wanted: &Wanted) -> String {
    if wanted.port.is_none() {
        return "          # No probes without a port (`--port`). Never use sqlite3 on the database for one: that is a second opener of another\n          # version, and it may wait for a lock that is rightly held.\n".to_owned();
    }
    "          # They ask the port, never the database. Five minutes to start: recovery reads the whole log. Liveness kills, so it\n\
     \x20         # waits: a long write is no failure.\n\
     \x20         startupProbe:\n            tcpSocket:\n              port: main\n            periodSeconds: 5\n            failureThreshold: 60\n\
     \x20         readinessProbe:\n            tcpSocket:\n              port: main\n            periodSeconds: 10\n\
     \x20         livenessProbe:\n            tcpSocket:\n              port: main\n            periodSeconds: 20\n            timeoutSeconds: 5\n            failureThreshold: 6\n"
        .to_owned()
}

fn backup(wanted: &Wanted) -> String {
    let Some(image) = wanted.backup_image() else {
        return "        # No copies are made: `--backup` adds a container for that. A copy of the file alone, without its log, is none.\n".to_owned();
    };
    let mut text = String::from(
        "        # In the same pod, so on the same kernel: both see one log. Its SQLite must have the fix of the WAL-reset bug: 3.51.3 or\n        # later, 3.50.7 or 3.44.6.\n",
    );
    text.push_str(&format!("        - name: backup\n          image: {}\n", yaml(image)));
    match wanted.backup {
        Backup::Litestream(_) => text.push_str(&litestream(wanted)),
        _ => text.push_str(&vacuum_into(wanted)),
    }
    text.push_str(
        "          resources:\n            requests:\n              cpu: 10m\n              memory: 64Mi\n            limits:\n              memory: 256Mi\n\
         \x20         volumeMounts:\n            # To write: a reader of a WAL database needs its `-shm`.\n",
    );
    text.push_str(&mount("data", &wanted.directory));
    text.push_str(&mount("tmp", "/tmp"));
    if matches!(wanted.backup, Backup::VacuumInto(_)) {
        text.push_str(&mount("backup", "/backup"));
    }
    text
}

fn vacuum_into(wanted: &Wanted) -> String {
    format!(
        "          # A copy by SQLite itself, in one read transaction; `cp` of a database in use is none. To bring one back: no pod, the\n\
         \x20         # database, `-wal` and `-shm` taken away, the copy in its place.\n\
         \x20         command: [/bin/sh, -c]\n          args:\n            - |\n{}\
         \x20         env:\n            - name: NAME\n              value: {}\n            - name: DATABASE\n              value: {}\n\
         \x20           - name: SQLITE_TMPDIR\n              value: /tmp\n",
        indented(COPY_DAILY, 14).replace("$(", "$$("),
        yaml(&wanted.name),
        yaml(&wanted.path())
    )
}

fn litestream(wanted: &Wanted) -> String {
    let keys = ["LITESTREAM_REPLICA_URL", "LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY"];
    let variables: String = keys
        .iter()
        .map(|key| {
            format!(
                "            - name: {key}\n              valueFrom:\n                secretKeyRef:\n                  name: {}-litestream\n                  key: {key}\n",
                wanted.name
            )
        })
        .collect();
    format!(
        "          # Where to and the keys: `kubectl create secret generic {}-litestream --from-env-file=litestream.env`.\n\
         \x20         args:\n            - replicate\n            - {}\n            - $(LITESTREAM_REPLICA_URL)\n          env:\n{variables}",
        wanted.name,
        yaml(&wanted.path())
    )
}

fn claims(wanted: &Wanted) -> String {
    let mut text = String::from("  volumeClaimTemplates:\n");
    text.push_str(&claim(wanted, "data"));
    if matches!(wanted.backup, Backup::VacuumInto(_)) {
        text.push_str(
            "    # On storage of its own; it goes with the cluster all the same: copy what lies here somewhere else.\n",
        );
        text.push_str(&claim(wanted, "backup"));
    }
    text
}

fn claim(wanted: &Wanted, name: &str) -> String {
    let class = match &wanted.storage_class {
        Some(class) => format!("        storageClassName: {}\n", yaml(class)),
        None => "        # The cluster's default class. It must give a block device with a file system on it, not a share of the network:\n\
                 \x20       # `--storage-class` names another one.\n"
            .to_owned(),
    };
    format!(
        "    - metadata:\n        name: {name}\n      spec:\n\
         \x20       # One pod at a time, and the cluster sees to it (Kubernetes 1.29 and later, drivers of CSI).\n\
         \x20       accessModes:\n          - ReadWriteOncePod\n{class}        resources:\n          requests:\n            storage: {}\n",
        wanted.size
    )
}
