//! A Compose file with one opener of a database on a volume of the machine.
//!
//! What it must not do: name a program of the image that it may not have.
//!
//! Where to look next: `kubernetes`, the same for a cluster.

use super::values::{indented, yaml};
use super::{Backup, COPY_DAILY, Wanted};

/// The whole file.
pub(super) fn text(wanted: &Wanted) -> String {
    let name = &wanted.name;
    let own = yaml(name);
    let mut text = format!(
        "# Written by `walproof manifest compose`. The application must keep its database at {}\n\
         # Judge it: `walproof check compose.yaml`. Test the machine: `walproof verify --compose compose.yaml`.\n\
         # On Docker Desktop and its like keep the named volume: a path of the host is a share between two kernels there.\n\
         name: {own}\nservices:\n",
        wanted.path()
    );
    text.push_str(&application(wanted));
    text.push_str(&backup(wanted));
    text.push_str(&format!("volumes:\n  # The engine's own driver: a file system of this machine, not one of the network.\n  {name}-data: {{}}\n"));
    if matches!(wanted.backup, Backup::VacuumInto(_)) {
        text.push_str(&format!("  # On the same disk until you say otherwise: copy what lies here to another machine.\n  {name}-backup: {{}}\n"));
    }
    text
}

fn application(wanted: &Wanted) -> String {
    let name = &wanted.name;
    let mut text = format!(
        "  # One container opens the database for writing: do not scale this service, and do not start it a second time.\n\
         \x20 {}:\n    image: {}\n",
        yaml(name),
        yaml(&wanted.image)
    );
    text.push_str(&user(wanted));
    if let Some(port) = wanted.port {
        text.push_str(&format!(
            "    # From this machine alone; take `127.0.0.1:` away to let others in.\n    ports:\n      - \"127.0.0.1:{port}:{port}\"\n"
        ));
    }
    text.push_str("    # Sorts and VACUUM write temporary files: without a place for them SQLite fails.\n    environment:\n      SQLITE_TMPDIR: /tmp\n    tmpfs:\n      - /tmp\n");
    text.push_str(
        "    # The directory, never the file alone: `-wal` and `-shm` must lie beside the database.\n    volumes:\n",
    );
    text.push_str(&volume(&format!("{name}-data"), &wanted.directory));
    text.push_str("    # Time to close the database before SIGKILL: the last one to close it writes the log back.\n    stop_grace_period: 30s\n    restart: unless-stopped\n");
    text.push_str("    # A check of health needs a program in the image. Never use sqlite3 on the database for it: that is a second opener\n    # with another version.");
    match wanted.port {
        Some(port) => text.push_str(&format!(
            " With wget in the image:\n    # healthcheck: {{test: [CMD, wget, -q, -O, /dev/null, \"http://127.0.0.1:{port}/\"], interval: 30s}}\n"
        )),
        None => text.push('\n'),
    }
    text
}

fn user(wanted: &Wanted) -> String {
    match wanted.user {
        Some(user) => format!(
            "    # Whoever opens the database needs to write in its directory. A new volume takes over the owner that the directory\n\
             \x20   # has in the image; if the image has none, give it away once:\n\
             \x20   # docker compose run --rm --no-deps --user 0 --entrypoint chown {} {user} {}\n    user: \"{user}\"\n",
            wanted.name,
            shell(&wanted.directory)
        ),
        None => "    # The image's own user; it must own the directory below.\n".to_owned(),
    }
}

/// A path that holds no quote, for a shell.
fn shell(path: &str) -> String {
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    if plain { path.to_owned() } else { format!("'{path}'") }
}

fn volume(source: &str, target: &str) -> String {
    format!("      - type: volume\n        source: {source}\n        target: {}\n", yaml(target))
}

fn backup(wanted: &Wanted) -> String {
    let (Some(image), Some(user)) = (wanted.backup_image(), wanted.user) else {
        return "  # No copies are made: `--backup` adds a service for that. A copy of the file alone, without its log, is none.\n".to_owned();
    };
    let name = &wanted.name;
    let mut text = String::from(
        "  # Its SQLite must have the fix of the WAL-reset bug: 3.51.3 or later, 3.50.7 or 3.44.6.\n  # The same user: files that it makes beside the database stay the application's.\n",
    );
    text.push_str(&format!("  {name}-backup:\n    image: {}\n    user: \"{user}\"\n", yaml(image)));
    match wanted.backup {
        Backup::Litestream(_) => text.push_str(&litestream(wanted)),
        _ => text.push_str(&vacuum_into(wanted)),
    }
    text.push_str("    tmpfs:\n      - /tmp\n    volumes:\n");
    text.push_str("      # The same directory, to write: a reader of a WAL database needs its `-shm`.\n");
    text.push_str(&volume(&format!("{name}-data"), &wanted.directory));
    if matches!(wanted.backup, Backup::VacuumInto(_)) {
        text.push_str(&format!(
            "      # A new volume belongs to root unless the image says otherwise: give it away once:\n      # docker compose run \
             --rm --no-deps --user 0 --entrypoint chown {name}-backup {user} /backup\n"
        ));
        text.push_str(&volume(&format!("{name}-backup"), "/backup"));
    }
    text.push_str(&format!(
        "    stop_grace_period: 30s\n    restart: unless-stopped\n    depends_on:\n      - {}\n",
        yaml(name)
    ));
    text
}

fn vacuum_into(wanted: &Wanted) -> String {
    let script = COPY_DAILY.replace('$', "$$");
    format!(
        "    # A copy by SQLite itself, in one read transaction; `cp` of a database in use is none. To bring one back: stop\n\
         \x20   # everybody, take the database, `-wal` and `-shm` away, put the copy in its place.\n\
         \x20   entrypoint: [/bin/sh, -c]\n    command:\n      - |\n{}\
         \x20   environment:\n      NAME: {}\n      DATABASE: {}\n      SQLITE_TMPDIR: /tmp\n",
        indented(&script, 8),
        yaml(&wanted.name),
        yaml(&wanted.path())
    )
}

fn litestream(wanted: &Wanted) -> String {
    format!(
        "    # Where to is said in `.env`: LITESTREAM_REPLICA_URL=s3://bucket/{}, and the keys.\n\
         \x20   command:\n      - replicate\n      - {}\n      - \"${{LITESTREAM_REPLICA_URL:?where the copies go, such as s3://bucket/name}}\"\n\
         \x20   environment:\n      LITESTREAM_ACCESS_KEY_ID: \"${{LITESTREAM_ACCESS_KEY_ID:-}}\"\n\
         \x20     LITESTREAM_SECRET_ACCESS_KEY: \"${{LITESTREAM_SECRET_ACCESS_KEY:-}}\"\n",
        wanted.name,
        yaml(&wanted.path())
    )
}
