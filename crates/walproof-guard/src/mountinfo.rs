//! `/proc/self/mountinfo` as bytes, and which of its mounts a path lies on.
//!
//! ```text
//! 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//! id parent dev root mount-point options optional-fields - fstype source super-options
//! ```
//!
//! Spaces, tabs, newlines and backslashes in a field are octal escapes (`\040`); other bytes stand as they are, so
//! nothing here asks for UTF-8. A line that cannot be read is left out. `walproof-judge` has a cousin of this file for
//! text that was collected elsewhere; it keeps strings, and this crate may not depend on it.
//!
//! What this file must not do: read files, or conclude anything from a name.
//! Where to look next: `look` reads the file, `filesystems` knows the names.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub id: u32,
    pub parent: u32,
    /// Which part of the file system is mounted; ends in `//deleted` when that part was removed.
    pub root: PathBuf,
    pub mount_point: PathBuf,
    pub fstype: String,
    pub source: String,
    /// Options of the mount and of the file system, between commas. Not cut up: tables of 10,000 mounts exist.
    pub options: String,
}

impl Mount {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|own| own == option)
    }

    /// The mounted directory or file is no longer in its file system.
    pub(crate) fn is_deleted(&self) -> bool {
        self.root.as_os_str().as_encoded_bytes().ends_with(b"//deleted")
    }
}

/// All mounts in the text, in its order (a later one lies over an earlier one).
pub(crate) fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// The mount that an absolute path without symbolic links lies on: the longest prefix that is not hidden.
///
/// The walk goes from the root down, so that a mount hidden by a later one over its parent directory is not found.
pub(crate) fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let root = mounts.iter().rev().find(|mount| mount.mount_point == Path::new("/") && is_top(mounts, mount));
    match root {
        Some(root) => Some(descend(mounts, root, path)),
        None => longest_prefix(mounts, path),
    }
}

fn is_top(mounts: &[Mount], mount: &Mount) -> bool {
    mount.parent == mount.id || mounts.iter().all(|other| other.id != mount.parent)
}

fn descend<'a>(mounts: &'a [Mount], from: &'a Mount, path: &Path) -> &'a Mount {
    let mut current = from;
    // Each step goes to another mount; a list with a circle in it must end as well.
    for _ in 0..mounts.len() {
        let children = mounts.iter().filter(|m| m.parent == current.id && m.id != current.id);
        // Of two at one point the later one lies on top: `rev`, since `min_by_key` takes the first of equals.
        let next = children.rev().filter(|m| path.starts_with(&m.mount_point)).min_by_key(|m| length(m));
        match next {
            Some(next) => current = next,
            None => break,
        }
    }
    current
}

fn longest_prefix<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.mount_point)).max_by_key(|mount| length(mount))
}

fn length(mount: &Mount) -> usize {
    mount.mount_point.as_os_str().len()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let separator = line.windows(3).position(|window| window == b" - ")?;
    let (before, after) = (&line[..separator], &line[separator + 3..]);
    let mut before = before.split(|byte| *byte == b' ');
    let mut after = after.splitn(3, |byte| *byte == b' ');
    let (id, parent) = (number(before.next()?)?, number(before.next()?)?);
    let _device = before.next()?;
    let (root, mount_point, own) = (before.next()?, before.next()?, before.next()?);
    let (fstype, source, super_options) = (after.next()?, after.next()?, after.next().unwrap_or(b""));
    Some(Mount {
        id,
        parent,
        root: PathBuf::from(OsString::from_vec(unescape(root))),
        mount_point: PathBuf::from(OsString::from_vec(unescape(mount_point))),
        fstype: text(fstype),
        source: text(source),
        options: format!("{},{}", text(own), text(super_options)),
    })
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// `\040` and its like as the byte they stand for.
fn unescape(field: &[u8]) -> Vec<u8> {
    if !field.contains(&b'\\') {
        return field.to_vec();
    }
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, length) = escaped(rest).map_or((first, 1), |byte| (byte, 4));
        plain.push(byte);
        rest = if length == 1 { after } else { &rest[length..] };
    }
    plain
}

fn escaped(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.strip_prefix(b"\\")?.get(..3)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    const TEXT: &[u8] = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /mnt rw - tmpfs tmpfs rw
31 30 0:41 / /mnt/data\\040of\\134me rw,nosuid - nfs4 server:/export rw,vers=4.2,local_lock=none
32 22 0:42 / /mnt rw - xfs /dev/sdb rw
33 22 0:43 / /app rw - ext4 /dev/sdc rw
34 33 0:44 / /app rw - btrfs /dev/sdd rw,subvolid=5
35 34 0:45 /app.db//deleted /app/app.db ro shared:2 master:3 - ext4 /dev/sde rw
37 22 0:46 / /caf\xe9\\011\\012 rw - ceph c rw
nonsense
36 22 - broken
";

    #[track_caller]
    fn lies_on(path: &str, fstype: &str) {
        assert_eq!(mount_of(&parse(TEXT), Path::new(path)).map(|mount| mount.fstype.as_str()), Some(fstype), "{path}");
    }

    #[track_caller]
    fn unescapes(field: &[u8], plain: &[u8]) {
        assert_eq!(unescape(field), plain);
    }

    #[test]
    fn every_field_is_read_and_broken_lines_are_left_out() {
        let mounts = parse(TEXT);
        assert_eq!(mounts.len(), 8);
        assert_eq!(mounts[2].mount_point, Path::new("/mnt/data of\\me"));
        assert_eq!(mounts[2].source, "server:/export");
        assert_eq!(mounts[2].options, "rw,nosuid,rw,vers=4.2,local_lock=none");
        assert!(mounts[2].has("nosuid") && mounts[2].has("local_lock=none") && !mounts[2].has("local_lock"));
        assert_eq!(mounts[7].mount_point.as_os_str().as_bytes(), b"/caf\xe9\t\n");
    }

    #[test]
    fn escapes_are_octal_and_what_is_none_stays() {
        unescapes(b"\\040\\011\\012\\134", b" \t\n\\");
        unescapes(b"\\04\\999\\", b"\\04\\999\\");
        unescapes(b"\\0400\\134040", b" 0\\040");
        unescapes(b"\\777", b"\\777");
    }

    #[test]
    fn a_path_lies_on_the_deepest_visible_mount() {
        lies_on("/home/me", "ext4");
        lies_on("/app", "btrfs");
        lies_on("/app/x", "btrfs");
        lies_on("/app/app.db", "ext4");
        lies_on("/application", "ext4");
    }

    #[test]
    fn a_later_mount_over_the_parent_hides_what_lies_below() {
        lies_on("/mnt/data of\\me/db", "xfs");
    }

    #[test]
    fn a_mounted_file_that_was_removed_says_so() {
        assert!(parse(TEXT)[6].is_deleted() && !parse(TEXT)[5].is_deleted());
    }

    #[test]
    fn without_a_root_the_longest_prefix_is_taken() {
        let mounts = parse(b"31 30 0:41 / /mnt/a rw - nfs4 s:/ rw\n32 30 0:42 / /mnt rw - xfs /dev/sdb rw\n");
        assert_eq!(mount_of(&mounts, Path::new("/mnt/a/b")).map(|mount| mount.id), Some(31));
        assert_eq!(mount_of(&mounts, Path::new("/srv")), None);
    }

    /// The kernel's own answer, where it gives one.
    fn mount_id_by_statx(path: &Path) -> Option<u64> {
        let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
        let mut answer = std::mem::MaybeUninit::<libc::statx>::zeroed();
        // SAFETY: both pointers are valid over the call; the structure is plain numbers, and zero is one.
        let answer = unsafe {
            let failed = libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, libc::STATX_MNT_ID, answer.as_mut_ptr()) != 0;
            (!failed).then(|| answer.assume_init())?
        };
        (answer.stx_mask & libc::STATX_MNT_ID != 0).then_some(answer.stx_mnt_id)
    }

    #[test]
    fn the_kernel_says_the_same_of_every_mount_point_here() {
        let mounts = parse(&std::fs::read("/proc/self/mountinfo").unwrap());
        let mut compared = 0;
        for mount in &mounts {
            let Some(theirs) = mount_id_by_statx(&mount.mount_point) else { continue };
            let ours = mount_of(&mounts, &mount.mount_point).map(|mount| u64::from(mount.id));
            assert_eq!(ours, Some(theirs), "{}", mount.mount_point.display());
            compared += 1;
        }
        println!("{compared} of {} mount points compared", mounts.len());
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let mounts = parse(b"1 1 0:1 / / rw - ext4 a rw\n2 3 0:2 / /a rw - xfs b rw\n3 2 0:3 / /a rw - xfs c rw\n");
        assert_eq!(mount_of(&mounts, Path::new("/a/b")).map(|mount| mount.id), Some(1));
    }

    #[test]
    fn ten_thousand_mounts_take_few_milliseconds() {
        let line = |i: u32| format!("{} 1 0:{i} / /mnt/volume\\040{i}/pods/mount rw - ext4 /dev/sd{i} rw\n", i + 2);
        let text = format!("1 1 0:1 / / rw - ext4 a rw\n{}", (0..10_000).map(line).collect::<String>());
        let begun = std::time::Instant::now();
        let mounts = parse(text.as_bytes());
        assert_eq!(mount_of(&mounts, Path::new("/mnt/volume 9999/pods/mount/a.db")).map(|m| m.id), Some(10_001));
        println!("10,000 mounts: {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
        assert!(begun.elapsed().as_secs() < 10);
    }
}
