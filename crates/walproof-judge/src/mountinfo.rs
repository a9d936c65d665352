//! `/proc/self/mountinfo` as text, and which of its mounts a path lies on.
//!
//! ```text
//! 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//! id parent dev root mount-point options optional-fields - fstype source super-options
//! ```
//!
//! Spaces, tabs, newlines and backslashes in a field are octal escapes. A line that cannot be read is left out.

use serde::{Deserialize, Serialize};

/// One mount, as the kernel lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The kernel's id of this mount.
    pub id: u32,
    /// The id of the mount that it lies on.
    pub parent: u32,
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// Which part of the file system is mounted.
    pub root: String,
    /// Where it is mounted, as this process sees it.
    pub mount_point: String,
    /// Options of the mount.
    pub options: Vec<String>,
    /// Type of the file system, `fuse.sshfs` and the like included.
    pub fstype: String,
    /// What is mounted: a device, a server's export, a word.
    pub source: String,
    /// Options of the file system.
    pub super_options: Vec<String>,
}

/// All mounts in the text, in its order (a later one lies over an earlier one).
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

/// The mount that an absolute path without symbolic links lies on.
///
/// The walk goes from the root down, so that a mount hidden by a later one over its parent directory is not found.
pub fn mount_of<'a>(mounts: &'a [Mount], path: &str) -> Option<&'a Mount> {
    let root = mounts.iter().rev().find(|mount| mount.mount_point == "/" && is_top(mounts, mount));
    match root {
        Some(root) => Some(descend(mounts, root, path)),
        None => longest_prefix(mounts, path),
    }
}

fn is_top(mounts: &[Mount], mount: &Mount) -> bool {
    mount.parent == mount.id || mounts.iter().all(|other| other.id != mount.parent)
}

fn descend<'a>(mounts: &'a [Mount], from: &'a Mount, path: &str) -> &'a Mount {
    let mut current = from;
    // Each step goes to another mount; a list with a circle in it must end as well.
    for _ in 0..mounts.len() {
        let children = mounts.iter().filter(|m| m.parent == current.id && m.id != current.id);
        // Of two at one point the later one lies on top: `rev`, since `min_by_key` takes the first of equals.
        let next = children.rev().filter(|m| lies_under(path, &m.mount_point)).min_by_key(|m| m.mount_point.len());
        match next {
            Some(next) => current = next,
            None => break,
        }
    }
    current
}

fn longest_prefix<'a>(mounts: &'a [Mount], path: &str) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| lies_under(path, &mount.mount_point)).max_by_key(|mount| mount.mount_point.len())
}

fn lies_under(path: &str, mount_point: &str) -> bool {
    let rest = path.strip_prefix(mount_point.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ');
    let mut after = after.splitn(3, ' ');
    Some(Mount {
        id: before.next()?.parse().ok()?,
        parent: before.next()?.parse().ok()?,
        device: device(before.next()?)?,
        root: unescape(before.next()?),
        mount_point: unescape(before.next()?),
        options: options(before.next()?),
        fstype: unescape(after.next()?),
        source: unescape(after.next()?),
        super_options: options(after.next().unwrap_or("")),
    })
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn options(text: &str) -> Vec<String> {
    text.split(',').filter(|option| !option.is_empty()).map(unescape).collect()
}

/// `\040` and its like as the byte they stand for.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match escaped(&bytes[index..]) {
            Some(byte) => {
                plain.push(byte);
                index += 4;
            }
            None => {
                plain.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn escaped(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.strip_prefix(b"\\")?.get(..3)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /mnt rw - tmpfs tmpfs rw
31 30 0:41 / /mnt/data\\040of\\134me rw,nosuid - nfs4 server:/export rw,vers=4.2,local_lock=none
32 22 0:42 / /mnt rw - xfs /dev/sdb rw
33 22 0:43 / /app rw - ext4 /dev/sdc rw
34 33 0:44 / /app rw - btrfs /dev/sdd rw,subvolid=5
35 34 0:45 /app.db /app/app.db rw - ext4 /dev/sde rw
nonsense
36 22 - broken
";

    fn lies_on(path: &str, fstype: &str) {
        assert_eq!(mount_of(&parse(TEXT), path).map(|mount| mount.fstype.as_str()), Some(fstype), "{path}");
    }

    #[test]
    fn every_field_is_read_and_broken_lines_are_left_out() {
        let mounts = parse(TEXT);
        assert_eq!(mounts.len(), 7);
        assert_eq!(mounts[2].mount_point, "/mnt/data of\\me");
        assert_eq!(mounts[2].source, "server:/export");
        assert_eq!(mounts[2].super_options, ["rw", "vers=4.2", "local_lock=none"]);
        assert_eq!((mounts[0].device, mounts[0].options.len()), ((8, 1), 2));
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
    fn without_a_root_the_longest_prefix_is_taken() {
        let mounts = parse("31 30 0:41 / /mnt/a rw - nfs4 s:/ rw\n32 30 0:42 / /mnt rw - xfs /dev/sdb rw\n");
        assert_eq!(mount_of(&mounts, "/mnt/a/b").map(|mount| mount.id), Some(31));
        assert_eq!(mount_of(&mounts, "/srv"), None);
    }
}
