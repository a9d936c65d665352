//! Whole units through [`parse`]: what is read, where it stands, which units name each other.
//!
//! Where to look next: `fixtures/manifests/quadlet/`, the files that are read here.

use super::*;
use crate::manifest::compose::{Mount, MountKind, Selinux};
use crate::manifest::mutation::{self, Numbers};
use crate::manifest::{ManifestErrorKind, Spanned, WarningKind};

macro_rules! fixture {
    ($name:literal) => {
        Source {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/manifests/quadlet/", $name)),
        }
    };
}

const VAULTWARDEN: Source<'_> = fixture!("vaultwarden.container");
const CACHE: Source<'_> = fixture!("vaultwarden-cache.volume");
const WEB: Source<'_> = fixture!("web.pod");
const MEDIA: Source<'_> = fixture!("media.kube");

fn all() -> Set {
    let set = parse(&[VAULTWARDEN, CACHE, WEB, MEDIA]);
    assert_eq!((set.errors.len(), set.left_out.len()), (0, 0));
    set
}

/// A container with these lines.
fn reads(lines: &str) -> (ContainerUnit, Vec<String>) {
    let set = parse(&[Source { name: "a.container", text: &format!("[Container]\n{lines}\n") }]);
    let messages = set.warnings.iter().map(|w| format!("{} {}", w.span.shown(), w.message)).collect();
    (set.containers.into_iter().next().expect("one container"), messages)
}

#[track_caller]
fn stands<T: PartialEq + std::fmt::Debug>(value: &Option<Spanned<T>>, expected: T, place: &str) {
    let value = value.as_ref().expect("a value");
    assert_eq!((&value.value, value.span.shown().as_str()), (&expected, place));
}

fn texts(values: &[Spanned<String>]) -> Vec<&str> {
    values.iter().map(|value| value.value.as_str()).collect()
}

/// A mount in one line, with its place.
fn told(mount: &Mount) -> String {
    let source = match &mount.kind {
        MountKind::Bind { source } => format!("bind {}", source.value),
        MountKind::Named { volume } => format!("volume {}", volume.value),
        other => format!("{other:?}"),
    };
    let read_only = if mount.read_only { " ro" } else { "" };
    format!("{} {source} at {}{read_only}", mount.span.shown(), mount.target.value)
}

#[test]
fn a_container_is_read_with_its_places() {
    let set = all();
    let unit = &set.containers[0];
    stands(&unit.image, "docker.io/vaultwarden/server:1.32.0".to_owned(), "7:7-7:42");
    stands(&unit.name, "vaultwarden".to_owned(), "8:15-8:26");
    stands(&unit.stop_timeout_seconds, 5, "20:13-20:14");
    stands(&unit.read_only, true, "18:10-18:14");
    stands(&unit.shm_size_bytes, 64 << 20, "19:9-19:12");
    stands(&unit.user_namespace, "keep-id:uid=1000,gid=1000".to_owned(), "15:8-15:33");
    stands(&unit.auto_update, "registry".to_owned(), "21:12-21:20");
    stands(&unit.service.timeout_stop, TimeSpan::Milliseconds(90_000), "31:16-31:24");
    stands(&unit.service.restart, "always".to_owned(), "30:9-30:15");
    assert_eq!(
        (texts(&unit.command), unit.command[2].span.shown().as_str()),
        (vec!["/start.sh", "--data", "/data"], "25:3-25:8")
    );
    assert_eq!((unit.unit.stem(), set.file_of(unit.unit.span)), ("vaultwarden", "vaultwarden.container"));
}

#[test]
fn every_mount_is_found_that_of_the_pod_too() {
    let set = all();
    let mounts: Vec<&Mount> = set.mounts_of(&set.containers[0]).collect();
    assert_eq!(
        mounts.iter().map(|mount| told(mount)).collect::<Vec<_>>(),
        [
            "9:8-9:32 bind %h/vaultwarden at /data",
            "10:8-10:39 volume vaultwarden-cache.volume at /cache",
            "11:7-11:62 bind /mnt/nas/backup at /backup ro",
            "26:29-26:52 bind /srv/icons at /icons",
            "3:8-3:29 bind /srv/shared at /shared",
        ]
    );
    assert_eq!(mounts[0].options.selinux.as_ref().map(|selinux| selinux.value), Some(Selinux::Private));
    assert_eq!((texts(&mounts[0].options.others), texts(&mounts[3].options.others)), (vec!["U"], vec!["idmap"]));
    assert!(set.is_unknown(mounts[0].span) && !set.is_unknown(mounts[1].span));
    assert_eq!(set.containers[0].tmpfs[0].options, ["size=64m"]);
}

#[test]
fn units_lead_to_each_other() {
    let set = all();
    let volume = set.volume_of(&set.containers[0].mounts[1]).expect("the volume");
    stands(&volume.kind, "nfs".to_owned(), "3:6-3:9");
    stands(&volume.device, "nas.example.org:/export/cache".to_owned(), "4:8-4:37");
    stands(&volume.options, "addr=nas.example.org,nolock,soft".to_owned(), "5:9-5:41");
    assert_eq!(volume.copy.as_ref().map(|copy| copy.value), Some(false));
    assert_eq!(set.mounters(volume).len(), 1);
    assert_eq!(set.pod_of(&set.containers[0]).map(|pod| pod.unit.name.as_str()), Some("web.pod"));
    assert_eq!(texts(&set.kubes[0].manifests), ["media.yaml"]);
    let by_name = parse(&[
        Source { name: "a.container", text: "[Container]\nVolume=systemd-b:/b\nVolume=own:/c" },
        Source { name: "b.volume", text: "[Volume]" },
        Source { name: "c.volume", text: "[Volume]\nVolumeName=own" },
    ]);
    assert_eq!(by_name.volumes.iter().map(|volume| by_name.mounters(volume).len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn environments_and_arguments_are_split_into_words() {
    let set = all();
    let unit = &set.containers[0];
    let pairs: Vec<String> = unit
        .environment
        .iter()
        .map(|pair| format!("{}={}", pair.name.value, pair.value.as_ref().map_or("", |value| &value.value)))
        .collect();
    assert_eq!(pairs, ["DOMAIN=https://vault.example.org", "ENABLE_DB_WAL=true"]);
    assert_eq!(unit.environment[1].name.span.shown(), "13:46-13:66");
    stands(&unit.arguments.memory_limit_bytes, 512 << 20, "26:21-26:25");
    assert_eq!(texts(&unit.podman_args).len(), 4);
}

#[test]
fn repeated_keys_add_up_and_an_empty_one_takes_back() {
    let (unit, _) = reads("Volume=/a:/a\nVolume=/b:/b\nVolume=\nVolume=/c:/c\nImage=one\nImage=two");
    assert_eq!(unit.mounts.iter().map(told).collect::<Vec<_>>(), ["5:8-5:13 bind /c at /c"]);
    assert_eq!(unit.image.expect("an image").value, "two");
}

#[test]
fn drop_ins_are_read_after_their_unit() {
    let set = parse(&[
        Source { name: "q/a.container.d/20-b.conf", text: "[Container]\nImage=third" },
        Source { name: "q/a.container.d/10-a.conf", text: "[Container]\nImage=second\nVolume=/b:/b" },
        Source { name: "q/a.container", text: "[Container]\nImage=first\nVolume=/a:/a" },
        Source { name: "q/lost.container.d/a.conf", text: "[Container]\n" },
    ]);
    let [unit] = &set.containers[..] else { panic!("one container: {set:#?}") };
    let image = unit.image.as_ref().expect("an image");
    assert_eq!((image.value.as_str(), set.file_of(image.span)), ("third", "q/a.container.d/20-b.conf"));
    assert_eq!((unit.mounts.len(), set.left_out.as_slice()), (2, &["q/lost.container.d/a.conf".to_owned()][..]));
}

#[test]
fn odd_values_are_warnings_and_the_rest_is_read() {
    let (unit, messages) =
        reads("Image=a\nStopTimeout=soon\nVolume=/a:/b:ro:rw\nReadOnly=perhaps\nMount=type=bind\nwords");
    assert!(unit.image.is_some() && unit.mounts.is_empty());
    let expected = [
        "3:13-3:17 `soon` is not a number of seconds",
        "4:8-4:19 `/a:/b:ro:rw` is no mount: it has too many colons",
        "5:10-5:17 `perhaps` is not `true` or `false`",
        "6:7-6:16 `type=bind` is no mount: it has no target",
        "7:1-7:6 this is no `Key=value`, no `[Section]` and no comment",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn other_files_are_left_out_and_what_is_no_text_is_refused() {
    let set = parse(&[
        Source { name: "a.network", text: "[Network]\n" },
        Source { name: "b.container", text: "\u{1}" },
        Source { name: "c.container", text: "" },
    ]);
    assert_eq!((set.left_out.as_slice(), set.containers.len()), (&["a.network".to_owned()][..], 1));
    assert_eq!(set.errors[0].kind, ManifestErrorKind::Broken);
    let large = " ".repeat(100 << 20);
    assert_eq!(parse(&[Source { name: "a.pod", text: &large }]).errors[0].kind, ManifestErrorKind::TooMuch);
}

#[test]
fn lines_may_end_as_on_windows() {
    let windows = VAULTWARDEN.text.replace('\n', "\r\n");
    assert_eq!(parse(&[Source { name: VAULTWARDEN.name, text: &windows }]), parse(&[VAULTWARDEN]));
}

// ---- any text ----

/// Pieces that systemd and quadlets care about.
const PIECES: &[&str] = &[
    "\n",
    "\\\n",
    " ",
    "=",
    "[",
    "]",
    "[Container]\n",
    "[Volume]\n",
    "#",
    ";",
    "'",
    "\"",
    "\\",
    "%",
    "%h",
    "%%",
    "Volume=",
    "Mount=",
    "Tmpfs=",
    ":",
    "/",
    ",",
    "ü",
    "\r",
    "\t",
    "\u{feff}",
    "PodmanArgs=",
    "-v ",
    "--mount ",
    "Environment=",
    "TimeoutStopSec=",
    "infinity",
    "9999999999999999999",
    "\u{e001}",
    "Exec=",
];

#[test]
fn any_text_is_read_or_refused() {
    let mut numbers = Numbers(17);
    let texts = [VAULTWARDEN.text, CACHE.text, WEB.text, ""];
    for round in 0..8_000 {
        let text = mutation::mutated(&mut numbers, &texts, PIECES);
        let set = parse(&[Source { name: ["a.container", "a.volume", "a.pod", "a.kube"][round % 4], text: &text }]);
        let mounts = set.containers.iter().flat_map(|unit| set.mounts_of(unit)).map(|mount| mount.span);
        for span in mounts.chain(set.warnings.iter().map(|warning| warning.span)) {
            assert!(span.lies_in(&text), "{span:?} in {text:?}");
        }
    }
    assert_eq!(parse(&[VAULTWARDEN]).warnings.iter().filter(|w| w.kind == WarningKind::WrongValue).count(), 0);
}
