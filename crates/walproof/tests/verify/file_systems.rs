//! WAL and DELETE on file systems of our own: loop mounts in a mount namespace that dies with the run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{BINARY, Bench, SOUND_TIME, eventually_empty, is_root, skip, stress_alone};

/// Exit code of the script when the mount failed: none that walproof has.
const NOT_MOUNTED: i32 = 90;
/// The least that mkfs.xfs makes is 300 MiB. The image is sparse.
const IMAGE_BYTES: u64 = 512 * 1024 * 1024;
/// Mounts `$1` of type `$2` with the options `$3` at `$4` and becomes the rest.
const SCRIPT: &str = r#"mount -t "$2" -o "$3" "$1" "$4" || exit 90; shift 4; exec "$@""#;

/// `$0` probes `$1`.
const MANY_PROBES: &str = r#"for probe in 1 2 3 4 5 6 7 8; do "$0" probe --quick "$1" || exit $?; done"#;

/// A file system that is made here.
struct FileSystem {
    name: &'static str,
    /// The command that makes it; `None`: it has no image.
    make: Option<(&'static str, &'static [&'static str])>,
}

#[test]
fn ext4_is_safe() {
    sound(&FileSystem { name: "ext4", make: Some(("mkfs.ext4", &["-q", "-F"])) });
}

#[test]
fn xfs_is_safe() {
    sound(&FileSystem { name: "xfs", make: Some(("mkfs.xfs", &["-q", "-f"])) });
}

#[test]
fn btrfs_is_safe() {
    sound(&FileSystem { name: "btrfs", make: Some(("mkfs.btrfs", &["-q", "-f"])) });
}

#[test]
fn tmpfs_is_safe() {
    sound(&FileSystem { name: "tmpfs", make: None });
}

fn sound(file_system: &FileSystem) {
    let bench = Bench::new();
    let image = match prepare(file_system, &bench) {
        Ok(image) => image,
        Err(why) => return skip("filesystems", file_system.name, &why),
    };
    let _alone = stress_alone();
    let probed = bench.start(many_probes(file_system, &image, &bench)).ended();
    if probed.code == NOT_MOUNTED {
        return skip("filesystems", file_system.name, probed.error.trim());
    }
    probed.assert_code(0);
    for journal in ["wal", "delete"] {
        let ended = bench.start(mounted(file_system, &image, &bench, journal)).ended();
        if ended.code == NOT_MOUNTED {
            return skip("filesystems", file_system.name, ended.error.trim());
        }
        ended.assert_code(0);
        let report = bench.report();
        assert_eq!(report["storage"]["mount"]["fstype"], file_system.name);
        assert_eq!(report["verdicts"][0]["mode"], journal);
        assert_eq!(report["verdicts"][0]["kind"], "safe");
        bench.assert_nothing_left();
    }
    let attached = eventually_empty(|| loop_devices(&image));
    assert!(attached.is_empty(), "loop devices: {attached:?}");
}

/// The image, or `tmpfs`.
fn prepare(file_system: &FileSystem, bench: &Bench) -> Result<PathBuf, String> {
    if !is_root() {
        return Err("mounts want root".into());
    }
    let Some((program, arguments)) = file_system.make else { return Ok("tmpfs".into()) };
    let image = bench.beside("image");
    File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).map_err(|error| error.to_string())?;
    let made = tool(program).args(arguments).arg(&image).stdout(Stdio::null()).output();
    match made {
        Err(error) => Err(format!("{program}: {error}")),
        Ok(made) if !made.status.success() => {
            Err(format!("{program}: {}", String::from_utf8_lossy(&made.stderr).trim()))
        }
        Ok(_) => Ok(image),
    }
}

/// A program that may live where only root's PATH leads.
fn tool(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("env");
    command.arg(format!("PATH={path}:/usr/sbin:/sbin")).arg(program);
    command
}

/// Quick probes, one after the other, none of which may be alarmed. Many more: `cargo xtask prove probe`.
fn many_probes(file_system: &FileSystem, image: &Path, bench: &Bench) -> Command {
    let mut command = in_file_system(file_system, image, bench);
    command.args(["sh", "-c", MANY_PROBES, BINARY]).arg(bench.tested());
    command
}

/// `verify` on the file system.
fn mounted(file_system: &FileSystem, image: &Path, bench: &Bench, journal: &str) -> Command {
    let mut command = in_file_system(file_system, image, bench);
    command.arg(BINARY).args(bench.verify_arguments(&["--time", SOUND_TIME, "--journal", journal]));
    command
}

/// What follows runs in a mount namespace in which the tested directory is the file system.
fn in_file_system(file_system: &FileSystem, image: &Path, bench: &Bench) -> Command {
    let options = if file_system.make.is_some() { "loop" } else { "size=512m" };
    let mut command = tool("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
    command.arg(image).args([file_system.name, options]).arg(bench.tested());
    command
}

/// Loop devices that still hold the image.
fn loop_devices(image: &Path) -> Vec<String> {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let holds = |name: &String| {
        let backing = std::fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).unwrap_or_default();
        backing.trim().starts_with(&image.display().to_string())
    };
    devices.map(|device| device.file_name().to_string_lossy().into_owned()).filter(holds).collect()
}
