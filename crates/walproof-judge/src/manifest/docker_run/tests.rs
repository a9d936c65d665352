//! Whole files through [`parse`]: which command lines are found, what they say, where it stands.
//!
//! Where to look next: `fixtures/manifests/docker_run/`, the files that are read here.

use super::*;
use crate::manifest::compose::{Mount, MountKind, Selinux};
use crate::manifest::mutation::{self, Numbers};
use crate::manifest::{ManifestErrorKind, Spanned, WarningKind};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/manifests/docker_run/", $name))
    };
}

const SCRIPT: &str = fixture!("start.sh");
const README: &str = fixture!("README.md");
const UNIT: &str = fixture!("sonarr.service");

fn runs_of(name: &str, text: &str) -> Runs {
    parse(&[Source { name, text }])
}

/// The one run of a script.
#[track_caller]
fn reads(text: &str) -> Run {
    let runs = runs_of("a.sh", text);
    let [run] = &runs.runs[..] else { panic!("one run in {text:?}: {:?}", runs.runs) };
    run.clone()
}

#[track_caller]
fn reads_none(text: &str) {
    assert_eq!(runs_of("a.sh", text).runs, [], "{text}");
}

fn text(value: &Option<Spanned<String>>) -> &str {
    value.as_ref().map_or("", |value| &value.value)
}

fn texts(values: &[Spanned<String>]) -> Vec<&str> {
    values.iter().map(|value| value.value.as_str()).collect()
}

/// A mount in one line, with its place.
fn told(mount: &Mount) -> String {
    let source = match &mount.kind {
        MountKind::Bind { source } => source.value.as_str(),
        MountKind::Named { volume } => volume.value.as_str(),
        _ => "?",
    };
    let read_only = if mount.read_only { " ro" } else { "" };
    format!("{} {source} at {}{read_only}", mount.span.shown(), mount.target.value)
}

fn all_told(run: &Run) -> Vec<String> {
    run.options.mounts.iter().map(told).collect()
}

#[track_caller]
fn warns(text: &str, kind: WarningKind, place: &str, message: &str) {
    let found = runs_of("a.sh", text).warnings;
    let fits = |w: &crate::manifest::Warning| w.kind == kind && w.span.shown() == place && w.message.contains(message);
    assert!(found.iter().any(fits), "{text}: {found:#?}");
}

#[test]
fn a_script_is_read_with_its_places() {
    let runs = runs_of("start.sh", SCRIPT);
    let [vault, backup, last] = &runs.runs[..] else { panic!("three runs: {:#?}", runs.runs) };
    assert_eq!((vault.program.span.shown().as_str(), vault.span.shown().as_str()), ("7:1-7:7", "7:1-14:28"));
    assert_eq!(all_told(vault), ["11:6-11:31 $DATA/vaultwarden at /data"]);
    assert_eq!((text(&vault.image), text(&vault.options.name)), ("vaultwarden/server:1.32.0", "vaultwarden"));
    assert_eq!(vault.options.restart.as_ref().expect("restart").span.shown(), "9:3-9:27");
    assert_eq!(
        vault.options.stop_timeout_seconds.as_ref().map(|s| (s.value, s.span.shown())),
        Some((5, "12:18-12:19".to_owned()))
    );
    assert_eq!(vault.options.memory_limit_bytes.as_ref().map(|m| m.value), Some(512 << 20));
    assert_eq!(
        vault.options.environment.iter().map(|pair| text(&pair.value)).collect::<Vec<_>>(),
        ["https://vault.example.org", ""]
    );
    assert!(backup.create_only && backup.program.value == "podman");
    assert_eq!(all_told(backup), ["18:13-18:75 /mnt/nas/backup at /backup"]);
    assert!(backup.options.volumes_from[0].read_only && backup.options.volumes_from[0].name == "vaultwarden");
    assert_eq!(texts(&backup.command), ["sqlite3", "/data/db.sqlite3", ".backup '/backup/db.sqlite3'"]);
    assert_eq!((text(&last.image), text(&last.options.runtime)), ("$IMAGE", "runsc"));
}

#[test]
fn flags_and_walls_are_read() {
    let runs = runs_of("start.sh", SCRIPT);
    let backup = &runs.runs[1].options;
    let is_set = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
    assert!(is_set(&backup.init) && is_set(&backup.read_only) && text(&backup.user_namespace) == "keep-id");
    assert_eq!((backup.tmpfs[0].target.as_str(), backup.tmpfs[0].options[0].as_str()), ("/tmp", "size=16m"));
    let last = &runs.runs[2].options;
    assert_eq!((texts(&last.networks), text(&last.pid), text(&last.ipc)), (vec!["host"], "host", "host"));
    let off = reads("docker run --read-only=false --privileged a").options;
    assert!(!is_set(&off.read_only) && is_set(&off.privileged));
}

#[test]
fn markdown_is_read_in_its_code_blocks() {
    let runs = runs_of("README.md", README);
    let told: Vec<String> = runs.runs.iter().flat_map(all_told).collect();
    assert_eq!(
        told,
        ["6:48-6:69 uptime-kuma at /app/data", "13:6-13:31 $(pwd)/kuma at /app/data", "24:28-24:50 kuma at /app/data"]
    );
    let podman = &runs.runs[1].options.mounts[0].options;
    assert_eq!((podman.selinux.as_ref().map(|s| s.value), texts(&podman.others)), (Some(Selinux::Private), vec!["U"]));
    assert_eq!(podman.create_host_path, None);
}

#[test]
fn units_are_read_in_what_they_execute() {
    let runs = runs_of("/etc/systemd/system/sonarr.service", UNIT);
    let [run] = &runs.runs[..] else { panic!("one run: {:#?}", runs.runs) };
    assert_eq!((run.program.value.as_str(), run.program.span.shown().as_str()), ("docker", "9:11-9:26"));
    assert_eq!(all_told(run), ["11:6-11:29 /mnt/nfs/sonarr at /config", "13:6-13:34 /mnt/nfs/media at /media"]);
    assert_eq!((text(&run.options.user), text(&run.image)), ("${PUID}:1000", "linuxserver/sonarr"));
    assert_eq!(runs.file_of(run.span), "/etc/systemd/system/sonarr.service");
}

#[test]
fn options_are_read_in_every_spelling() {
    let image = |line: &str| text(&reads(line).image).to_owned();
    assert_eq!(image("docker run -it --rm a b"), "a");
    assert_eq!(image("docker run -v/x:/y -u=1 -e A=b a"), "a");
    assert_eq!(image("docker run -dv /x:/y a"), "a");
    assert_eq!(image("docker run --gpus all --cpus=2 --add-host x:y -p 1:1 -h name a"), "a");
    assert_eq!(image("docker -H tcp://x --debug run -- a"), "a");
    assert_eq!(image("A=b sudo -u root docker run a"), "a");
    assert_eq!(image("if ! /usr/bin/nerdctl container create a; then b; fi"), "a");
    assert_eq!(image("docker.exe run a"), "a");
    assert_eq!(image("\t@docker run a"), "a");
    assert_eq!(image("\"${CONTAINER_ENGINE}\" run a"), "a");
    assert_eq!(reads("$DOCKER run a").program.value, "$DOCKER");
    assert_eq!(all_told(&reads("docker run -dv /x:/y a")), ["1:16-1:21 /x at /y"]);
    assert_eq!(all_told(&reads("docker run --volume=/x:/y a")), ["1:12-1:26 /x at /y"]);
    assert!(reads("docker run -v /x:/y a").options.mounts[0].options.create_host_path.is_some());
    assert!(reads("docker run --mount type=bind,src=/x,dst=/y a").options.mounts[0].options.create_host_path.is_none());
}

#[test]
fn other_commands_are_none() {
    reads_none("docker ps; docker compose run app; docker exec app run; podman pod create; docker volume create x");
    reads_none("$RUNNER run a; $(which docker) ps; \"$ENGINE\" build .");
    reads_none("# docker run a\necho \"docker run a\"; echo docker run a");
    reads_none("docker\nrun a");
    reads_none("");
}

#[test]
fn what_is_only_known_to_the_machine_is_noted_with_its_place() {
    warns("docker run -v $A:/b c", WarningKind::NotKnownHere, "1:15-1:20", "`$A`");
    warns("docker run $OPTIONS -v a:/b c", WarningKind::NotFollowed, "1:12-1:20", "options may stand in `$OPTIONS`");
    warns("docker run -v \"$MOUNT\" c", WarningKind::NotKnownHere, "1:15-1:23", "`$MOUNT`");
    warns("docker run -d", WarningKind::NotFollowed, "1:1-1:14", "no image");
    warns("docker run --stop-timeout soon a", WarningKind::WrongValue, "1:27-1:31", "seconds");
    warns("docker run -m much a", WarningKind::WrongValue, "1:15-1:19", "a size");
    warns("docker run -v /a:/b:ro:rw a", WarningKind::WrongValue, "1:15-1:26", "too many colons");
    assert_eq!(text(&reads("docker run $IMAGE").image), "$IMAGE");
    assert_eq!(text(&reads("docker run --rm \"${APP_IMAGE}\" sh").image), "${APP_IMAGE}");
}

#[test]
fn what_is_no_text_is_refused_and_the_rest_is_read() {
    let sources = [Source { name: "a", text: "\0" }, Source { name: "b", text: "docker run a" }];
    let runs = parse(&sources);
    assert_eq!((runs.errors[0].kind, runs.runs.len()), (ManifestErrorKind::Broken, 1));
    let large = " ".repeat(100 << 20);
    assert_eq!(runs_of("a.sh", &large).errors[0].kind, ManifestErrorKind::TooMuch);
}

#[test]
fn lines_may_end_as_on_windows() {
    assert_eq!(runs_of("a.sh", &SCRIPT.replace('\n', "\r\n")), runs_of("a.sh", SCRIPT));
}

// ---- any text ----

/// Pieces that shells and Markdown care about.
const PIECES: &[&str] = &[
    "\n",
    " ",
    "\\\n",
    "'",
    "\"",
    "`",
    "$(",
    ")",
    "${",
    "}",
    "$A",
    "$",
    ";",
    "|",
    "&",
    "<<E\n",
    "E\n",
    ">",
    "#",
    "```\n",
    "~~~",
    "    ",
    "\t",
    "\r",
    "ü",
    "\u{feff}",
    "\u{e000}",
    "docker run ",
    "podman create ",
    "-v ",
    "-v",
    "--mount ",
    "type=bind,",
    "src=/a,dst=",
    ":/b",
    ":",
    "--",
    "-",
    "=",
    "--tmpfs ",
    "--volumes-from ",
    "C:\\",
    "^\n",
    "[Service]\n",
    "ExecStart=",
];

#[test]
fn any_text_is_read_or_refused() {
    let mut numbers = Numbers(13);
    for round in 0..9_000 {
        let text = mutation::mutated(&mut numbers, &[SCRIPT, README, UNIT, ""], PIECES);
        let runs = runs_of(["a.sh", "a.md", "a.service"][round % 3], &text);
        let spans =
            runs.runs.iter().flat_map(|run| run.options.mounts.iter().map(|mount| mount.span).chain([run.span]));
        for span in spans.chain(runs.warnings.iter().map(|warning| warning.span)) {
            assert!(span.lies_in(&text), "{span:?} in {text:?}");
        }
    }
}
