//! Facts in, an answer out: every rule of the guard, and nothing that touches the world.
//!
//! Each rule turns something seen into a reason; the worst reason is the verdict. `safe` is what is left when the mount
//! is known, its type has a row that allows it, and every step of the probe went as WAL needs it; anything missing makes
//! `unknown`. Where SQLite would fail loudly (`refuses`), it is no matter that the rest was not measured.
//!
//! What this file must not do: call the system.
//! Where to look next: `look` for the facts, `filesystems` for what names say, docs/guard.md for the table of reasons.

use crate::assessment::{Assessment, Certainty, Filesystem, JournalMode, Options, Reason, Verdict};
use crate::filesystems::{MOUNT_OPTIONS, remedy_of, row_of};
use crate::look::{Beside, Directory, FREE_BYTES_MIN, Facts, Kind, Role};
use crate::mountinfo::Mount;
use crate::resolve::Fault;
use crate::scratch::{Answer, Probe};

/// How SQLite's docs put the need for one memory.
const WAL_DOC: &str = "https://sqlite.org/wal.html#concurrency";
const CORRUPT_DOC: &str = "https://sqlite.org/howtocorrupt.html";
const LONGEST_SUFFIX: usize = "-journal".len();

/// The answer that follows from the facts.
pub(crate) fn weigh(facts: Facts, options: Options) -> Assessment {
    let mut reasons = Vec::new();
    match &facts.resolved.fault {
        Some(fault) => reasons.push(of_fault(fault)),
        None => {
            of_mount(&facts, &mut reasons);
            of_directory(&facts, &mut reasons);
            of_files(&facts, &mut reasons);
            of_probe(&facts, options, &mut reasons);
        }
    }
    let mut assessment = Assessment {
        filesystem: filesystem(&facts),
        asked: facts.asked,
        path: facts.resolved.path,
        verdict: Verdict::Unknown,
        journal_mode: JournalMode::Delete,
        reasons,
        probed: facts.probe.is_some(),
        when_unknown: options.when_unknown,
    };
    if assessment.reasons.iter().all(|reason| reason.verdict <= Verdict::Risky) {
        assessment.reasons.extend(conditions());
    }
    assessment.settle();
    assessment
}

fn filesystem(facts: &Facts) -> Option<Filesystem> {
    // What was no path at all lies nowhere.
    let mount = facts.mount.as_ref().ok()?.as_ref().filter(|_| facts.resolved.path.is_absolute())?;
    Some(Filesystem {
        fstype: mount.fstype.clone(),
        mount_point: mount.mount_point.clone(),
        source: mount.source.clone(),
        ground: row_of(&mount.fstype).map(|row| row.ground),
    })
}

// ---- making reasons ----

fn measured(name: &'static str, verdict: Verdict, says: impl Into<String>) -> Reason {
    Reason { name, verdict, certainty: Certainty::Measured, says: says.into(), remedy: None, source: None }
}

impl Reason {
    fn sure(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }

    fn remedy(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    fn source(mut self, source: &'static str) -> Self {
        self.source = Some(source);
        self
    }
}

fn named(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

// ---- the path ----

fn of_fault(fault: &Fault) -> Reason {
    match fault {
        Fault::NoFile(why) => measured("no-file", Verdict::Unknown, *why).remedy("give the path of the database file"),
        Fault::NulByte => measured("nul-byte", Verdict::Unknown, "a path holds no NUL byte"),
        Fault::LinksWithoutEnd => {
            measured("links-without-end", Verdict::Refuses, "more than 200 symbolic links: SQLite answers 14")
        }
        Fault::TooLong(bytes) => {
            let says = format!("the path has {bytes} bytes and SQLite has room for 512: it answers 14");
            measured("path-too-long", Verdict::Refuses, says).remedy("use a shorter path")
        }
        Fault::Unreachable(at, errno) => {
            let says = format!("`{}` cannot be reached: {}", at.display(), named(*errno));
            measured("path-unreachable", of_open_errno(*errno), says)
        }
        Fault::NoWorkingDirectory(errno) => {
            let says = format!("the working directory is gone, and the path is relative: {}", named(*errno));
            measured("no-working-directory", Verdict::Unknown, says).remedy("give an absolute path")
        }
    }
}

/// What an errno of a name that SQLite would have to open means: it meets the same, loudly, or nobody knows.
fn of_open_errno(errno: i32) -> Verdict {
    match errno {
        libc::EACCES | libc::EPERM | libc::ENOTDIR | libc::EROFS | libc::ENAMETOOLONG | libc::ELOOP | libc::ENOSYS => {
            Verdict::Refuses
        }
        _ => Verdict::Unknown,
    }
}

// ---- the mount ----

fn of_mount(facts: &Facts, reasons: &mut Vec<Reason>) {
    match &facts.mount {
        Ok(Some(mount)) => of_one_mount(mount, reasons),
        Ok(None) => {
            let says = "no mount of `/proc/self/mountinfo` holds the path";
            reasons.push(measured("mount-unknown", Verdict::Unknown, says));
        }
        Err(errno) => {
            let says = format!("`/proc/self/mountinfo` cannot be read: {}", named(*errno));
            let reason = measured("mount-unknown", Verdict::Unknown, says);
            reasons.push(reason.remedy("mount /proc, so that the file system is known"));
        }
    }
    of_file_mounts(&facts.files, reasons);
}

fn of_one_mount(mount: &Mount, reasons: &mut Vec<Reason>) {
    let Mount { fstype, .. } = mount;
    match row_of(fstype) {
        Some(row) if row.says.is_empty() => {}
        Some(row) => reasons.push(Reason {
            name: "file-system",
            verdict: row.ceiling,
            certainty: row.certainty,
            says: format!("{fstype}: {}", row.says),
            remedy: remedy_of(row.ground),
            source: Some(row.source),
        }),
        None => {
            let says = format!(
                "nothing is known of file systems of type `{fstype}`, not even whether another kernel may share it"
            );
            let reason = measured("file-system-unknown", Verdict::Unknown, says).sure(Certainty::Suspected);
            reasons.push(reason.remedy("put two parties to the test: walproof verify"));
        }
    }
    let options = MOUNT_OPTIONS.iter().filter(|row| row.fstypes.contains(&fstype.as_str()) && mount.has(row.option));
    for row in options {
        let says = format!("mounted with `{}`: {}", row.option, row.says);
        reasons.push(measured("mount-option", row.ceiling, says).sure(Certainty::Documented).source(row.source));
    }
    if mount.is_deleted() {
        let says = "the mounted directory was removed where it came from: whoever opens it there opens another one";
        reasons.push(measured("mount-of-removed", Verdict::Risky, says).remedy("restart the container"));
    }
}

/// SQLite's files that are mount points themselves: what lies beside them is not what lies beside the mounted one.
fn of_file_mounts(files: &[Beside], reasons: &mut Vec<Reason>) {
    const MOUNT_DIRECTORY: &str = "mount the directory that holds the database, not the file";
    let is_mounted = |role| files.iter().any(|file| file.role == role && file.own_mount.is_some());
    let reason = match (is_mounted(Role::Database), is_mounted(Role::Wal), is_mounted(Role::Shm)) {
        (false, false, false) => return,
        (true, true, true) => measured(
            "three-file-mounts",
            Verdict::Risky,
            "database, -wal and -shm are mounted file by file: whoever comes by the directory removes two of them",
        )
        .source("`walproof explain three-files`"),
        (true, _, _) => measured(
            "single-file-mount",
            Verdict::Unsafe,
            "the database file itself is a mount point: every container that mounts it so has a -wal and -shm of its own",
        )
        .source("`walproof explain single-file`"),
        (false, _, _) => measured(
            "sidecar-mount",
            Verdict::Unsafe,
            "a file beside the database is a mount point: openers without that mount have another one",
        )
        .source(CORRUPT_DOC),
    };
    reasons.push(reason.sure(Certainty::Documented).remedy(MOUNT_DIRECTORY));
    for mount in files.iter().filter_map(|file| file.own_mount.as_ref()) {
        of_one_mount(mount, reasons);
    }
}

// ---- the directory ----

fn of_directory(facts: &Facts, reasons: &mut Vec<Reason>) {
    match facts.directory {
        Directory::Missing => {
            let says = "the directory does not exist yet, so nothing could be measured in it";
            reasons.push(measured("directory-missing", Verdict::Unknown, says).remedy("make the directory, then ask"));
        }
        Directory::Errno(errno) => {
            let says = format!("the directory cannot be used: {}", named(errno));
            reasons.push(measured("directory-unusable", of_open_errno(errno), says));
        }
        Directory::There { may_make_files, room } => {
            let read_only = is_read_only(facts) || room.is_ok_and(|room| room.read_only);
            of_rights(may_make_files, read_only, reasons);
            if let Ok(room) = room {
                of_room(room.free_bytes, room.name_bytes_max, facts, reasons);
            }
        }
    }
}

fn is_read_only(facts: &Facts) -> bool {
    matches!(&facts.mount, Ok(Some(mount)) if mount.has("ro"))
}

fn of_rights(may_make_files: Result<(), i32>, read_only: bool, reasons: &mut Vec<Reason>) {
    if read_only {
        let says = "mounted read-only: WAL needs a -wal and a -shm that can be written, SQLite answers 14 or 8";
        let reason = measured("mounted-read-only", Verdict::Refuses, says);
        reasons.push(reason.remedy("mount it rw, or read a copy made by VACUUM INTO"));
    } else if let Err(errno) = may_make_files {
        let says = format!("no files can be made in the directory ({}): SQLite answers 14, 8 or 1544", named(errno));
        let reason = measured("directory-not-writable", Verdict::Refuses, says);
        reasons.push(reason.remedy("give the directory, not only the file, to the user who opens the database"));
    }
}

fn of_room(free_bytes: Option<u64>, name_bytes_max: Option<u64>, facts: &Facts, reasons: &mut Vec<Reason>) {
    if let Some(free) = free_bytes.filter(|free| *free < FREE_BYTES_MIN) {
        let says = format!("only {free} bytes are free: SQLite answers 13, and a new opener may die of SIGBUS");
        reasons.push(measured("disk-full", Verdict::Risky, says).remedy("make room"));
    }
    let name = facts.resolved.path.file_name().map_or(0, |name| name.len());
    if name_bytes_max.is_some_and(|max| (name + LONGEST_SUFFIX) as u64 > max) {
        let says = "the name leaves no room for `-journal` or `-wal` behind it: SQLite answers 14";
        reasons.push(measured("name-too-long", Verdict::Refuses, says).remedy("use a shorter name"));
    }
}

// ---- the files ----

fn of_files(facts: &Facts, reasons: &mut Vec<Reason>) {
    let Some((database, sidecars)) = facts.files.split_first() else { return };
    of_database(database, facts, reasons);
    for sidecar in sidecars {
        of_sidecar(sidecar, facts, reasons);
    }
    let wal = sidecars.iter().find(|file| file.role == Role::Wal);
    let is_empty = database.kind == Kind::Missing || (database.kind == Kind::File && database.bytes == 0);
    if is_empty && wal.is_some_and(|wal| wal.kind == Kind::File && wal.bytes > 0) {
        let says = "a -wal lies beside a database that is not there or empty: SQLite would remove it, commits and all";
        let reason = measured("log-without-database", Verdict::Risky, says).source(CORRUPT_DOC);
        reasons.push(reason.remedy("look first: walproof inspect"));
    }
}

fn of_database(database: &Beside, facts: &Facts, reasons: &mut Vec<Reason>) {
    match database.kind {
        Kind::Missing | Kind::Link => {}
        Kind::File => of_database_file(database, facts, reasons),
        Kind::Directory => {
            let says = "the path is a directory: SQLite answers 14";
            reasons.push(measured("database-is-a-directory", Verdict::Refuses, says));
        }
        Kind::Special => {
            let says = "the path is neither a file nor a directory: nothing can be said of it";
            reasons.push(measured("database-is-special", Verdict::Unknown, says));
        }
        Kind::Errno(errno) => {
            let says = format!("the database cannot be looked at: {}", named(errno));
            reasons.push(measured("database-unreachable", of_open_errno(errno), says));
        }
    }
}

fn of_database_file(database: &Beside, facts: &Facts, reasons: &mut Vec<Reason>) {
    if database.links > 1 {
        let says = format!("the database has {} names (hard links): through another one -wal and -shm are others", {
            database.links
        });
        let reason = measured("hard-links", Verdict::Risky, says).source(CORRUPT_DOC);
        reasons.push(reason.remedy("open it by one name in one directory only"));
    }
    if let Err(errno) = database.may_write
        && !is_read_only(facts)
    {
        let says = format!("the database cannot be written by uid {} ({}): SQLite answers 8", facts.user, named(errno));
        reasons.push(measured("database-not-writable", Verdict::Refuses, says).remedy("give it to that user"));
    } else if facts.user != 0 && database.owner != facts.user {
        let says = format!(
            "the database belongs to uid {} and this is uid {}: files that one makes beside it may be closed to the other",
            database.owner, facts.user
        );
        let reason = measured("database-of-another-user", Verdict::Risky, says).sure(Certainty::Suspected);
        reasons.push(reason.remedy("open it as one user everywhere"));
    }
}

fn of_sidecar(sidecar: &Beside, facts: &Facts, reasons: &mut Vec<Reason>) {
    let name = sidecar.role.suffix();
    match sidecar.kind {
        Kind::Missing => {}
        Kind::File => of_sidecar_file(sidecar, facts, reasons),
        Kind::Link => {
            let says = format!("`{name}` is a symbolic link: openers that see another target have another log");
            reasons.push(measured("sidecar-is-a-link", Verdict::Risky, says).sure(Certainty::Suspected));
        }
        Kind::Directory | Kind::Special => {
            let says = format!("`{name}` is not a file: SQLite answers 14");
            reasons.push(measured("sidecar-is-no-file", Verdict::Refuses, says));
        }
        Kind::Errno(errno) => {
            let says = format!("`{name}` cannot be looked at: {}", named(errno));
            reasons.push(measured("sidecar-unreachable", of_open_errno(errno), says));
        }
    }
}

fn of_sidecar_file(sidecar: &Beside, facts: &Facts, reasons: &mut Vec<Reason>) {
    let name = sidecar.role.suffix();
    if let Err(errno) = sidecar.may_write
        && !is_read_only(facts)
    {
        let says = format!(
            "`{name}` belongs to uid {} and cannot be written by uid {} ({}): SQLite answers 14 or 8",
            sidecar.owner,
            facts.user,
            named(errno)
        );
        let reason = measured("sidecar-not-writable", Verdict::Refuses, says);
        reasons.push(reason.remedy("open it as one user everywhere, and give that user the directory"));
    }
    if sidecar.role == Role::Journal && sidecar.bytes > 0 {
        let says = "a rollback journal lies beside the database: it is in use, or its writer died";
        reasons.push(measured("journal-beside", Verdict::Safe, says));
    }
}

// ---- the probe ----

fn of_probe(facts: &Facts, options: Options, reasons: &mut Vec<Reason>) {
    let before = reasons.len();
    if let Some(probe) = &facts.probe {
        of_memory(probe, reasons);
        of_locks(probe, options, reasons);
        of_unlink(probe.unlink_while_open, reasons);
    }
    let all_went_well = facts.probe.as_ref().is_some_and(went_well);
    // Whoever refuses is not asked what else it would have done.
    let refuses = reasons.iter().any(|reason| reason.verdict >= Verdict::Refuses);
    if all_went_well && reasons.len() == before {
        let says = "a scratch file in this directory was mapped, shared, locked and removed as WAL needs it";
        reasons.push(measured("probe-passed", Verdict::Safe, says));
    } else if !all_went_well && !refuses {
        let says =
            if options.probe { "the probe could not be made" } else { "nothing was measured: no probe was wanted" };
        reasons.push(measured("not-measured", Verdict::Unknown, says));
    }
}

/// Every step that `safe` rests on.
fn went_well(probe: &Probe) -> bool {
    let locks = [probe.locks_hold, probe.posix_lock_holds];
    let steps = [
        probe.make,
        probe.second_opener,
        probe.size_seen,
        probe.map_by_creator,
        probe.map_by_second,
        probe.memory_shared,
    ];
    steps.iter().all(|step| *step == Answer::Yes) && locks.contains(&Answer::Yes) && !locks.contains(&Answer::No)
}

fn of_memory(probe: &Probe, reasons: &mut Vec<Reason>) {
    match (probe.make, probe.second_opener, probe.size_seen) {
        (Answer::Errno(errno), _, _) => return reasons.push(of_make(errno)),
        (_, Answer::Errno(errno), _) => {
            let says = format!("a file that exists cannot be opened for reading and writing: {}", named(errno));
            return reasons.push(measured("second-opener-refused", of_open_errno(errno), says));
        }
        (_, _, Answer::No) => {
            let says = "a second opener does not see how long a file has become";
            return reasons.push(measured("size-stale", Verdict::Unsafe, says));
        }
        _ => {}
    }
    match (probe.map_by_creator, probe.map_by_second, probe.memory_shared) {
        (Answer::Errno(errno), Answer::Errno(_), _) => {
            let says = format!("no file can be mapped here as shared and writable ({}): SQLite answers 5386", {
                named(errno)
            });
            let reason = measured("maps-refused", Verdict::Refuses, says).source(WAL_DOC);
            reasons.push(reason.remedy("use journal_mode DELETE, or WAL with locking_mode=EXCLUSIVE in one process"));
        }
        (Answer::Errno(errno), _, _) | (_, Answer::Errno(errno), _) => {
            let says = format!("only one of two openers could map the file: {}", named(errno));
            reasons.push(measured("maps-by-the-open", Verdict::Unknown, says));
        }
        (_, _, Answer::No) => {
            let says = "what one opener stores in a shared map, another does not see";
            reasons.push(measured("memory-not-shared", Verdict::Unsafe, says).source(WAL_DOC));
        }
        (_, _, Answer::Errno(errno)) => {
            let says = format!("the mapped file could not be used: {}", named(errno));
            reasons.push(measured("map-failed", Verdict::Unknown, says));
        }
        _ => {}
    }
}

/// What it means that the scratch file could not be made or filled.
fn of_make(errno: i32) -> Reason {
    let full = matches!(errno, libc::ENOSPC | libc::EDQUOT);
    let verdict = if full { Verdict::Refuses } else { of_open_errno(errno) };
    measured("scratch-refused", verdict, format!("no file could be made and filled in the directory: {}", named(errno)))
}

fn of_locks(probe: &Probe, options: Options, reasons: &mut Vec<Reason>) {
    const NO_MODE: &str = "no journal mode is safe without locks: other storage, or one process alone";
    let locks = [probe.locks_hold, probe.posix_lock_holds];
    if locks.contains(&Answer::No) {
        let says = "a lock was granted to two openers at once: every journal mode breaks here";
        return reasons.push(measured("locks-not-held", Verdict::Unsafe, says).source(CORRUPT_DOC).remedy(NO_MODE));
    }
    if options.posix_child && matches!(probe.posix_lock_holds, Answer::Errno(_)) {
        let Answer::Errno(errno) = probe.posix_lock_holds else { return };
        reasons.push(measured("posix-lock-failed", of_lock_errno(errno), lock_failed("a POSIX lock", errno)));
    }
    // OFD locks stand in for POSIX ones: where those were seen to hold, nobody needs these.
    if let (Answer::Errno(errno), false) = (probe.locks_hold, probe.posix_lock_holds == Answer::Yes) {
        let reason = measured("lock-failed", of_lock_errno(errno), lock_failed("an OFD lock", errno));
        reasons.push(reason.remedy("ask again with the POSIX child, which locks as SQLite does"));
    }
}

fn lock_failed(what: &str, errno: i32) -> String {
    format!("{what} failed: {}", named(errno))
}

/// SQLite meets the same errno as 3, 3850, or BUSY for ever.
fn of_lock_errno(errno: i32) -> Verdict {
    match errno {
        libc::ENOLCK | libc::EPERM | libc::ENOSYS | libc::EOPNOTSUPP => Verdict::Refuses,
        _ => Verdict::Unknown,
    }
}

fn of_unlink(unlink: Answer, reasons: &mut Vec<Reason>) {
    let says = match unlink {
        Answer::Errno(errno) => format!("a file that somebody has open cannot be removed: {}", named(errno)),
        Answer::No => "a file that was removed while open is still there".to_owned(),
        Answer::Yes | Answer::NotTried => return,
    };
    let reason = measured("unlink-while-open", Verdict::Risky, says);
    reasons.push(reason.remedy("prefer TRUNCATE to DELETE: with DELETE every commit may fail with 2570"));
}

// ---- conditions ----

/// What a good answer rests on and cannot see.
fn conditions() -> [Reason; 2] {
    let condition = |name, says: &str| measured(name, Verdict::Safe, says).sure(Certainty::Documented).source(WAL_DOC);
    [
        condition("if-one-kernel", "all openers must run on this kernel"),
        condition("if-one-directory", "all openers must open this directory, under this name"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Room;
    use crate::mountinfo;
    use crate::resolve::Resolved;

    const WELL: Probe = Probe {
        make: Answer::Yes,
        second_opener: Answer::Yes,
        size_seen: Answer::Yes,
        map_by_creator: Answer::Yes,
        map_by_second: Answer::Yes,
        memory_shared: Answer::Yes,
        locks_hold: Answer::Yes,
        posix_lock_holds: Answer::NotTried,
        unlink_while_open: Answer::Yes,
    };

    fn mount(fstype: &str, options: &str) -> Mount {
        mountinfo::parse(format!("9 1 0:9 / /d {options} - {fstype} source rw\n").as_bytes()).remove(0)
    }

    fn file(role: Role, kind: Kind) -> Beside {
        Beside { role, kind, bytes: 4096, links: 1, owner: 7, may_write: Ok(()), own_mount: None }
    }

    fn files() -> Vec<Beside> {
        Role::ALL.map(|role| file(role, if role == Role::Journal { Kind::Missing } else { Kind::File })).to_vec()
    }

    fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
        let room = Room { free_bytes: Some(1 << 30), name_bytes_max: Some(255), read_only: false };
        let mut facts = Facts {
            asked: "d/a.db".into(),
            resolved: Resolved { path: "/d/a.db".into(), fault: None },
            mount: Ok(Some(mount("ext4", "rw"))),
            directory: Directory::There { may_make_files: Ok(()), room: Ok(room) },
            files: files(),
            user: 7,
            probe: Some(WELL),
        };
        change(&mut facts);
        facts
    }

    #[track_caller]
    fn comes_to(verdict: Verdict, name: &str, change: impl FnOnce(&mut Facts)) {
        let assessment = weigh(facts(change), Options { posix_child: true, ..Options::default() });
        let named = assessment.reasons.iter().find(|reason| reason.name == name);
        assert_eq!(assessment.verdict, verdict, "{assessment:#?}");
        assert!(named.is_some_and(|reason| reason.verdict == verdict), "{name}: {assessment:#?}");
    }

    #[track_caller]
    fn fstype(verdict: Verdict, name: &str, fstype: &str, options: &str) {
        comes_to(verdict, name, |facts| facts.mount = Ok(Some(mount(fstype, options))));
    }

    #[track_caller]
    fn probe(verdict: Verdict, name: &str, change: impl FnOnce(&mut Probe)) {
        comes_to(verdict, name, |facts| change(facts.probe.as_mut().expect("probed")));
    }

    #[track_caller]
    fn role(verdict: Verdict, name: &str, which: usize, change: impl FnOnce(&mut Beside)) {
        comes_to(verdict, name, |facts| change(&mut facts.files[which]));
    }

    #[test]
    fn all_well_is_safe_with_its_conditions() {
        comes_to(Verdict::Safe, "if-one-kernel", |_| {});
        comes_to(Verdict::Safe, "if-one-directory", |_| {});
        comes_to(Verdict::Safe, "probe-passed", |_| {});
    }

    #[test]
    fn a_name_lowers_the_answer() {
        fstype(Verdict::Unsafe, "file-system", "nfs4", "rw");
        fstype(Verdict::Unsafe, "file-system", "virtiofs", "rw");
        fstype(Verdict::Unsafe, "mount-option", "cifs", "rw,nobrl");
        fstype(Verdict::Risky, "file-system", "overlay", "rw");
        fstype(Verdict::Risky, "mount-option", "overlay", "rw,volatile");
        fstype(Verdict::Unknown, "file-system", "gfs2", "rw");
        fstype(Verdict::Unknown, "file-system-unknown", "fuse.nobody", "rw");
        fstype(Verdict::Safe, "file-system", "tmpfs", "rw");
    }

    #[test]
    fn no_name_makes_safe_what_was_not_measured() {
        for row in crate::FILESYSTEMS {
            let unmeasured = facts(|facts| {
                facts.mount = Ok(Some(mount(row.fstype, "rw")));
                facts.probe = None;
            });
            let assessment = weigh(unmeasured, Options { probe: false, ..Options::default() });
            assert!(assessment.verdict >= Verdict::Unknown, "{}: {assessment}", row.fstype);
        }
    }

    #[test]
    fn any_step_of_the_probe_that_is_missing_makes_unknown() {
        let steps: [fn(&mut Probe) -> &mut Answer; 7] = [
            |p| &mut p.make,
            |p| &mut p.second_opener,
            |p| &mut p.size_seen,
            |p| &mut p.map_by_creator,
            |p| &mut p.map_by_second,
            |p| &mut p.memory_shared,
            |p| &mut p.locks_hold,
        ];
        for step in steps {
            probe(Verdict::Unknown, "not-measured", |probe| *step(probe) = Answer::NotTried);
        }
    }

    #[test]
    fn what_the_probe_saw_decides() {
        probe(Verdict::Unsafe, "size-stale", |p| p.size_seen = Answer::No);
        probe(Verdict::Unsafe, "memory-not-shared", |p| p.memory_shared = Answer::No);
        probe(Verdict::Unsafe, "locks-not-held", |p| p.locks_hold = Answer::No);
        probe(Verdict::Unsafe, "locks-not-held", |p| p.posix_lock_holds = Answer::No);
        probe(Verdict::Risky, "unlink-while-open", |p| p.unlink_while_open = Answer::Errno(libc::EBUSY));
        probe(Verdict::Refuses, "scratch-refused", |p| p.make = Answer::Errno(libc::ENOSPC));
        probe(Verdict::Unknown, "scratch-refused", |p| p.make = Answer::Errno(libc::EIO));
        probe(Verdict::Refuses, "second-opener-refused", |p| p.second_opener = Answer::Errno(libc::EPERM));
        probe(Verdict::Refuses, "lock-failed", |p| p.locks_hold = Answer::Errno(libc::ENOLCK));
        probe(Verdict::Refuses, "posix-lock-failed", |p| p.posix_lock_holds = Answer::Errno(libc::ENOSYS));
    }

    #[test]
    fn maps_are_refused_only_if_both_openers_were() {
        let refused = Answer::Errno(libc::ENODEV);
        probe(Verdict::Unknown, "maps-by-the-open", |p| p.map_by_creator = refused);
        probe(Verdict::Refuses, "maps-refused", |p| (p.map_by_creator, p.map_by_second) = (refused, refused));
    }

    #[test]
    fn posix_locks_that_hold_make_up_for_ofd_locks_that_are_not_there() {
        probe(Verdict::Unknown, "lock-failed", |p| p.locks_hold = Answer::Errno(libc::EINVAL));
        probe(Verdict::Safe, "probe-passed", |p| {
            (p.locks_hold, p.posix_lock_holds) = (Answer::Errno(libc::EINVAL), Answer::Yes);
        });
    }

    #[test]
    fn who_may_write_what() {
        let denied = Err(libc::EACCES);
        role(Verdict::Refuses, "database-not-writable", 0, |f| f.may_write = denied);
        role(Verdict::Refuses, "sidecar-not-writable", 1, |f| f.may_write = denied);
        role(Verdict::Risky, "database-of-another-user", 0, |f| f.owner = 8);
        fstype(Verdict::Refuses, "mounted-read-only", "ext4", "ro");
        comes_to(Verdict::Refuses, "directory-not-writable", |facts| {
            facts.directory = Directory::There { may_make_files: denied, room: Err(libc::EIO) };
            facts.probe = None;
        });
    }

    #[test]
    fn odd_files_are_told() {
        role(Verdict::Risky, "hard-links", 0, |f| f.links = 2);
        role(Verdict::Refuses, "database-is-a-directory", 0, |f| f.kind = Kind::Directory);
        role(Verdict::Unknown, "database-is-special", 0, |f| f.kind = Kind::Special);
        role(Verdict::Risky, "sidecar-is-a-link", 2, |f| f.kind = Kind::Link);
        role(Verdict::Refuses, "sidecar-is-no-file", 1, |f| f.kind = Kind::Directory);
        role(Verdict::Risky, "log-without-database", 0, |f| f.kind = Kind::Missing);
        role(Verdict::Safe, "journal-beside", 3, |f| f.kind = Kind::File);
    }

    #[test]
    fn a_mounted_file_is_unsafe_and_its_own_file_system_counts() {
        role(Verdict::Unsafe, "single-file-mount", 0, |f| f.own_mount = Some(mount("ext4", "rw")));
        role(Verdict::Unsafe, "sidecar-mount", 2, |f| f.own_mount = Some(mount("ext4", "rw")));
        role(Verdict::Unsafe, "file-system", 0, |f| f.own_mount = Some(mount("nfs", "rw")));
    }

    #[test]
    fn three_mounted_files_are_risky() {
        comes_to(Verdict::Risky, "three-file-mounts", |facts| {
            facts.files[..3].iter_mut().for_each(|file| file.own_mount = Some(mount("ext4", "rw")));
        });
    }

    #[test]
    fn a_full_disk_is_not_written_to() {
        comes_to(Verdict::Unknown, "not-measured", |facts| {
            let room = Room { free_bytes: Some(4096), name_bytes_max: None, read_only: false };
            facts.directory = Directory::There { may_make_files: Ok(()), room: Ok(room) };
            facts.probe = None;
        });
    }

    #[test]
    fn faults_of_the_path_are_loud_or_unknown() {
        let fault = |verdict, name, fault| comes_to(verdict, name, |facts| facts.resolved.fault = Some(fault));
        fault(Verdict::Unknown, "no-file", Fault::NoFile("none"));
        fault(Verdict::Refuses, "links-without-end", Fault::LinksWithoutEnd);
        fault(Verdict::Refuses, "path-unreachable", Fault::Unreachable("/d".into(), libc::EACCES));
        fault(Verdict::Unknown, "path-unreachable", Fault::Unreachable("/d".into(), libc::EIO));
    }

    #[test]
    fn without_a_mount_table_nothing_is_safe() {
        comes_to(Verdict::Unknown, "mount-unknown", |facts| facts.mount = Err(libc::ENOENT));
        comes_to(Verdict::Unknown, "mount-unknown", |facts| facts.mount = Ok(None));
    }
}
