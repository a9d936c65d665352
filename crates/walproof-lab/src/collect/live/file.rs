//! A database as it lies there: its files by `stat`, its header and its log by their bytes, its mount.
//!
//! Everything is opened read-only, without waiting and without a new access time, and read by `pread`; the order is the
//! database's header first and its log second, because a log only ever runs ahead of what it was read with.
//!
//! What it must not do: open what is no regular file; follow a name to another file than the one that is meant.
//! Where to look next: `log.rs` for the log.

use std::collections::BTreeSet;
use std::fs::{self, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use walproof_format::sqlite::db_header::{DB_HEADER_SIZE, DB_MAGIC, DbHeader, JournalFamily};
use walproof_judge::facts::Mount;
use walproof_judge::mountinfo::mount_of;
use walproof_judge::sharing::live::{JournalFamilyWord, LiveDatabase, LiveFile, LiveMount};

use super::asking::Mouth;
use super::log;
use super::process::{BESIDE, beside};
use super::question::{Identity, mounts};
use crate::collect::quiet::open_quietly;

/// Directory entries looked at, at most.
const ENTRIES_MAX: usize = 10_000;

/// The databases that a path means: the file, the one that it lies beside, or those directly in a directory.
pub fn databases(path: &Path) -> Result<Vec<PathBuf>, String> {
    let real = fs::canonicalize(path).map_err(|error| said(&error))?;
    let metadata = fs::metadata(&real).map_err(|error| said(&error))?;
    if metadata.is_file() {
        let base = real.to_str().and_then(beside).map(PathBuf::from);
        return Ok(vec![base.filter(|base| is_regular(base) && !has_magic(&real)).unwrap_or(real)]);
    }
    if !metadata.is_dir() {
        return Err("it is neither a file nor a directory".to_owned());
    }
    let entries = fs::read_dir(&real).map_err(|error| said(&error))?.flatten().take(ENTRIES_MAX);
    let found: BTreeSet<PathBuf> = entries.filter_map(|entry| in_directory(&entry.path())).collect();
    match found.is_empty() {
        true => Err("no file directly in it is a database".to_owned()),
        false => Ok(found.into_iter().collect()),
    }
}

fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => error.to_string(),
    }
}

/// A file by its magic; one without it, if a log lies beside it: its first page may be lost, or in the log alone.
fn in_directory(path: &Path) -> Option<PathBuf> {
    if !is_regular(path) {
        return None;
    }
    let of_log = path.to_str().and_then(|text| text.strip_suffix("-wal")).map(PathBuf::from);
    match of_log.filter(|base| is_regular(base)) {
        Some(base) => Some(base),
        None => has_magic(path).then(|| path.to_owned()),
    }
}

fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn has_magic(path: &Path) -> bool {
    let mut magic = [0; 16];
    is_regular(path)
        && open_quietly(path).and_then(|file| file.read_exact_at(&mut magic, 0)).is_ok()
        && magic == DB_MAGIC
}

/// Looks at a database by the first way that leads to it; `None`: none does, and nobody holds it.
pub fn look(
    ways: &[String],
    is: Option<Identity>,
    held: Option<(u32, u32)>,
    log: bool,
    mouth: &mut Mouth,
) -> Option<LiveDatabase> {
    let own = mounts(None);
    let found = ways.iter().find_map(|way| {
        mouth.touching(mount_of(&own, way).map(|mount| mount.device));
        let metadata = fs::symlink_metadata(way).ok().filter(Metadata::is_file)?;
        is.is_none_or(|is| identity(&metadata) == is).then_some((way, metadata))
    });
    if let Some((path, metadata)) = found {
        return Some(there(path, &metadata, &own, log));
    }
    let (pid, fd) = held?;
    mouth.touching(None);
    let by = PathBuf::from(format!("/proc/{pid}/fd/{fd}"));
    let metadata = fs::metadata(&by).ok().filter(Metadata::is_file)?;
    // Only what has no name is gone. What cannot be reached from here has one where it cannot be seen.
    let file = (metadata.nlink() > 0).then(|| live_file(&metadata));
    let mut database = LiveDatabase { path: ways.first()?.clone(), file, ..LiveDatabase::default() };
    read_header(&by, &mut database);
    Some(database)
}

fn there(path: &str, metadata: &Metadata, own: &[Mount], log: bool) -> LiveDatabase {
    let at = Path::new(path);
    let stat = |path: &Path| fs::symlink_metadata(path).ok().map(|metadata| live_file(&metadata));
    let [wal, shm, journal] = [0, 1, 2].map(|index| stat(Path::new(&format!("{path}{}", BESIDE[index].0))));
    let mut database = LiveDatabase {
        path: path.to_owned(),
        file: Some(live_file(metadata)),
        wal,
        shm,
        journal,
        directory: at.parent().and_then(stat),
        mount: mount_at(at, own),
        ..LiveDatabase::default()
    };
    let header = read_header(at, &mut database);
    if log && database.wal.is_some() {
        log::read(path, header.as_ref(), &mut database);
    }
    if let Some((free, total)) = at.parent().and_then(space) {
        (database.free_bytes, database.total_bytes) = (Some(free), Some(total));
    }
    database
}

fn read_header(path: &Path, database: &mut LiveDatabase) -> Option<DbHeader> {
    let file = open_quietly(path).ok().filter(|file| file.metadata().is_ok_and(|found| found.is_file()))?;
    let mut bytes = [0; DB_HEADER_SIZE];
    let length = file.read_at(&mut bytes, 0).ok()?;
    if length == 0 {
        return None;
    }
    database.has_magic = Some(bytes.starts_with(&DB_MAGIC));
    if database.has_magic != Some(true) {
        return None;
    }
    let header = DbHeader::parse(&bytes[..length]);
    database.page_size_bytes = header.page_size;
    database.family = header.journal_family().map(|family| match family {
        JournalFamily::Wal => JournalFamilyWord::Wal,
        JournalFamily::Rollback => JournalFamilyWord::Rollback,
    });
    Some(header)
}

/// The file of an open one.
pub fn identity(metadata: &Metadata) -> Identity {
    ((libc::major(metadata.dev()), libc::minor(metadata.dev())), metadata.ino())
}

pub fn live_file(metadata: &Metadata) -> LiveFile {
    let (device, inode) = identity(metadata);
    let written_ms = metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000);
    LiveFile {
        device,
        inode,
        link_count: metadata.nlink(),
        size_bytes: metadata.len(),
        user: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode() & 0o7777,
        written_ms: u64::try_from(written_ms).unwrap_or(0),
    }
}

/// The mount that a file was really reached through, which the kernel tells of a descriptor.
pub fn mount_at(path: &Path, own: &[Mount]) -> Option<LiveMount> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path).ok()?;
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let id: u32 = told.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()?;
    own.iter().find(|mount| mount.id == id).map(|mount| live_mount(mount, &path.to_string_lossy()))
}

/// A mount as it is told, for a file at this path.
pub fn live_mount(mount: &Mount, path: &str) -> LiveMount {
    let mut options = mount.options.clone();
    options.extend(mount.super_options.iter().filter(|option| !mount.options.contains(option)).cloned());
    LiveMount {
        mount_point: mount.mount_point.clone(),
        fstype: mount.fstype.clone(),
        source: mount.source.clone(),
        root: mount.root.clone(),
        device: mount.device,
        options,
        is_file: mount.mount_point == path,
    }
}

/// Bytes free for users, and all; `None`: it does not tell.
pub fn space(directory: &Path) -> Option<(u64, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(directory).ok()?;
    // SAFETY: statvfs is plain data; all zero is a valid value.
    let mut answer: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: a valid descriptor and a valid out-pointer.
    let code = unsafe { libc::fstatvfs(file.as_raw_fd(), &mut answer) };
    let unit = answer.f_frsize as u64;
    (code == 0 && answer.f_blocks > 0).then(|| (answer.f_bavail as u64 * unit, answer.f_blocks as u64 * unit))
}

/// The first of these directories that a file lies in.
pub fn within(path: &str, directories: &[String]) -> Option<String> {
    let real =
        |directory: &&String| fs::canonicalize(directory).is_ok_and(|directory| Path::new(path).starts_with(directory));
    directories.iter().find(real).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_databases() {
        let folder = std::env::temp_dir().join(format!("walproof-live-file-{}", std::process::id()));
        fs::create_dir_all(folder.join("empty")).expect("a temporary folder");
        let folder = fs::canonicalize(folder).expect("there");
        for (name, content) in [
            ("app.db", &DB_MAGIC[..]),
            ("app.db-wal", b"x"),
            ("bolt.db", b"y"),
            ("zero.db", b"\0"),
            ("zero.db-wal", b"z"),
        ] {
            fs::write(folder.join(name), content).expect("writes");
        }
        let (app, zero) = (folder.join("app.db"), folder.join("zero.db"));
        assert_eq!(databases(&folder), Ok(vec![app.clone(), zero]));
        assert_eq!(databases(&folder.join("app.db-wal")), Ok(vec![app.clone()]));
        assert_eq!(databases(&folder.join("bolt.db")), Ok(vec![folder.join("bolt.db")]));
        assert!(databases(&folder.join("empty")).is_err() && databases(&folder.join("none")).is_err());
        assert!(databases(Path::new("/dev/null")).is_err());
        let texts = [folder.join("empty"), folder.clone()].map(|path| path.display().to_string());
        assert_eq!(within(&app.display().to_string(), &texts), Some(texts[1].clone()));
        fs::remove_dir_all(folder).expect("our own");
    }
}
