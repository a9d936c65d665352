//! Mounts of every kind that can be made here, each in a mount namespace of one thread.
//!
//! What this file must not do: mount anything where another thread could see it.
//! Where to look next: `src/mountinfo.rs`; the clients of walproof-lab stand for networked storage.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use walproof_guard::Verdict::{Refuses, Risky, Unknown, Unsafe};
use walproof_guard::{Ground, Options, Verdict, assess};
use walproof_testbench::Folder;

use crate::bench::{BYTES, apart, comes_to, folder, skip, timed};

/// Runs the story in a thread with mounts of its own, or skips it.
fn with_own_mounts(what: &'static str, story: impl FnOnce(&Folder) + Send + 'static) {
    // Made and removed outside: in there its mounts would keep it.
    let folder = Arc::new(folder("mounts"));
    let inside = Arc::clone(&folder);
    apart(move || {
        // SAFETY: takes a number; only this thread is changed.
        if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
            return skip(what, &format!("no mount namespace: {}", io::Error::last_os_error()));
        }
        mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "").expect("private");
        story(&inside);
    });
    drop(Arc::into_inner(folder).expect("the thread has ended, and its share with it"));
}

fn mount(source: &str, at: &Path, fstype: &str, flags: libc::c_ulong, data: &str) -> io::Result<()> {
    let [source, fstype, data] = [source, fstype, data].map(|text| CString::new(text).unwrap());
    let at = CString::new(at.as_os_str().as_bytes()).unwrap();
    // SAFETY: all four are NUL-terminated and live over the call.
    let answer = unsafe { libc::mount(source.as_ptr(), at.as_ptr(), fstype.as_ptr(), flags, data.as_ptr().cast()) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bind(source: &Path, at: &Path) {
    mount(source.to_str().expect("ours"), at, "", libc::MS_BIND, "").expect("a bind mount");
}

fn tmpfs(at: &Path, data: &str) {
    mount("made-here", at, "tmpfs", 0, data).expect("a tmpfs");
}

#[test]
fn tmpfs_is_safe_and_says_what_is_lost() {
    with_own_mounts("tmpfs_is_safe_and_says_what_is_lost", |folder| {
        // Space, tab, newline and backslash are octal in the mount table.
        let at = folder.folder("with space\tand\nmore\\040");
        tmpfs(&at, "size=8m");
        let assessment = timed(&at.join("a.db"), Options { posix_child: true, ..Options::default() });
        let filesystem = assessment.filesystem.clone().expect("known");
        assert_eq!(assessment.verdict, Verdict::Safe, "{assessment:#?}");
        assert_eq!((filesystem.fstype.as_str(), filesystem.ground), ("tmpfs", Some(Ground::Memory)));
        assert_eq!((filesystem.mount_point.as_path(), filesystem.source.as_str()), (at.as_path(), "made-here"));
        assert!(assessment.reasons.iter().any(|reason| reason.says.contains("gone after a restart")));
    });
}

#[test]
fn the_uppermost_mount_counts() {
    with_own_mounts("the_uppermost_mount_counts", |folder| {
        let (outer, inner) = (folder.folder("outer"), folder.folder("outer/inner"));
        tmpfs(&inner, "size=1m");
        mount("hides-it", &outer, "tmpfs", 0, "size=8m").expect("over the other's parent");
        fs::create_dir(&inner).expect("in the upper one");
        let filesystem = assess(inner.join("a.db")).filesystem.expect("known");
        assert_eq!((filesystem.source.as_str(), filesystem.mount_point.as_path()), ("hides-it", outer.as_path()));
    });
}

#[test]
fn a_single_file_mount_is_unsafe() {
    with_own_mounts("a_single_file_mount_is_unsafe", |folder| {
        let (from, at) = (folder.write("host/app.db", BYTES), folder.write("container/app.db", BYTES));
        bind(&from, &at);
        comes_to(Unsafe, "single-file-mount", &at);
        std::os::unix::fs::symlink(&at, folder.at("link.db")).expect("a link");
        comes_to(Unsafe, "single-file-mount", &folder.at("link.db"));
    });
}

#[test]
fn a_mounted_sidecar_is_unsafe() {
    with_own_mounts("a_mounted_sidecar_is_unsafe", |folder| {
        bind(&folder.write("host/a.db-shm", BYTES), &folder.write("container/a.db-shm", BYTES));
        comes_to(Unsafe, "sidecar-mount", &folder.at("container/a.db"));
    });
}

#[test]
fn three_mounted_files_are_risky() {
    with_own_mounts("three_mounted_files_are_risky", |folder| {
        for name in ["a.db", "a.db-wal", "a.db-shm"] {
            bind(&folder.write(&format!("host/{name}"), BYTES), &folder.write(&format!("container/{name}"), BYTES));
        }
        comes_to(Risky, "three-file-mounts", &folder.at("container/a.db"));
    });
}

#[test]
fn a_read_only_mount_is_refused() {
    with_own_mounts("a_read_only_mount_is_refused", |folder| {
        let at = folder.write("data/a.db", BYTES);
        let data = folder.at("data");
        bind(&data, &data);
        mount("none", &data, "", libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY, "").expect("read-only");
        comes_to(Refuses, "mounted-read-only", &at);
        comes_to(Refuses, "mounted-read-only", &data.join("missing.db"));
    });
}

#[test]
fn an_overlay_is_risky() {
    with_own_mounts("an_overlay_is_risky", |folder| {
        let place = folder.folder("layers");
        tmpfs(&place, "size=16m");
        let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|part| {
            let path = place.join(part);
            fs::create_dir(&path).expect("a layer");
            path.to_str().expect("ours").to_owned()
        });
        fs::write(format!("{lower}/old.db"), "in the image").expect("a file");
        let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        if let Err(error) = mount("overlay", Path::new(&merged), "overlay", 0, &layers) {
            return skip("an_overlay_is_risky", &format!("no overlay: {error}"));
        }
        comes_to(Risky, "file-system", &Path::new(&merged).join("new.db"));
        comes_to(Risky, "file-system", &Path::new(&merged).join("old.db"));
        assert!(!Path::new(&upper).join("old.db").exists(), "it was not opened, so it was not copied up");
    });
}

#[test]
fn a_full_disk_is_left_alone() {
    with_own_mounts("a_full_disk_is_left_alone", |folder| {
        let at = folder.folder("full");
        tmpfs(&at, "size=2m");
        fs::write(at.join("filler"), vec![1; 1_500_000]).expect("there is room for it");
        let assessment = timed(&at.join("a.db"), Options::default());
        assert!(!assessment.probed && assessment.verdict == Unknown, "{assessment:#?}");
        assert!(assessment.reasons.iter().any(|reason| reason.name == "disk-full"), "{assessment:#?}");
    });
}

#[test]
fn no_files_left_to_make_is_refused() {
    with_own_mounts("no_files_left_to_make_is_refused", |folder| {
        let at = folder.folder("inodes");
        tmpfs(&at, "size=8m,nr_inodes=2");
        fs::write(at.join("last"), "").expect("the last one");
        comes_to(Refuses, "scratch-refused", &at.join("a.db"));
    });
}

#[test]
fn a_mount_of_what_was_removed_says_so() {
    with_own_mounts("a_mount_of_what_was_removed_says_so", |folder| {
        let (from, at) = (folder.folder("host"), folder.folder("container"));
        bind(&from, &at);
        fs::remove_dir(&from).expect("empty");
        let assessment = timed(&at.join("a.db"), Options::default());
        assert!(assessment.reasons.iter().any(|reason| reason.name == "mount-of-removed"), "{assessment:#?}");
        assert!(!assessment.may_use_wal(), "{assessment:#?}");
    });
}

#[test]
fn without_proc_nothing_is_safe() {
    with_own_mounts("without_proc_nothing_is_safe", |folder| {
        tmpfs(Path::new("/proc"), "size=1m");
        comes_to(Unknown, "mount-unknown", &folder.at("a.db"));
    });
}
