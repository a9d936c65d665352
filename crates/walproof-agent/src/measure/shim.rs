//! A VFS that counts and times what SQLite asks of the `unix` one, and passes everything through.
//!
//! What this room is: [`register`] makes it known as [`NAME`], [`take`] gives what this thread's connections did since
//! the last call. A file of ours is a [`MeasuredFile`] with the `unix` VFS's own file right behind it, in the one piece
//! of memory that SQLite allocates for both.
//! What it must not do: change an argument or an answer.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use rusqlite::ffi;
use walproof_format::measure::{CallGroup, GroupTime};

use crate::clock::monotonic_ns;

/// The name to open a database with.
pub const NAME: &str = "walproof-measured";
const NAME_FOR_SQLITE: &std::ffi::CStr = c"walproof-measured";

#[derive(Clone, Copy, Default)]
struct Tally {
    count: u64,
    total_ns: u64,
    max_ns: u64,
}

type Tallies = [Tally; CallGroup::ALL.len()];

thread_local! {
    /// SQLite calls a VFS on the thread that uses the connection.
    static TALLIES: Cell<Tallies> = const { Cell::new([Tally { count: 0, total_ns: 0, max_ns: 0 }; CallGroup::ALL.len()]) };
}

/// What was done on this thread since the last call of this.
pub fn take() -> Vec<GroupTime> {
    let tallies = TALLIES.take();
    let done = CallGroup::ALL.into_iter().zip(tallies).filter(|(_, tally)| tally.count > 0);
    done.map(|(group, Tally { count, total_ns, max_ns })| GroupTime { group, count, total_ns, max_ns }).collect()
}

/// Makes the VFS known, once; false: this SQLite has no `unix` VFS that can do shared memory.
pub fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        // SAFETY: a valid C string; SQLite initializes itself.
        let real = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
        if real.is_null() {
            return false;
        }
        // SAFETY: a registered VFS is never freed; the struct is plain data that may be copied.
        let mut ours = unsafe { std::ptr::read(real) };
        ours.szOsFile += size_of::<MeasuredFile>() as c_int;
        ours.zName = NAME_FOR_SQLITE.as_ptr();
        ours.pNext = std::ptr::null_mut();
        ours.pAppData = real.cast();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        ours.xAccess = Some(access);
        // What else is in it are functions of `unix` that never look at the VFS which they are called through.
        // SAFETY: a VFS that lives as long as the process.
        unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 0) == ffi::SQLITE_OK }
    })
}

fn timed<T>(group: CallGroup, call: impl FnOnce() -> T) -> T {
    let began = monotonic_ns();
    let answer = call();
    let ns = monotonic_ns() - began;
    let mut tallies = TALLIES.get();
    let tally = &mut tallies[group as usize];
    tally.count += 1;
    tally.total_ns += ns;
    tally.max_ns = tally.max_ns.max(ns);
    TALLIES.set(tallies);
    answer
}

/// SQLite's part of a file of ours. Aligned as strictly as any file of `unix`, which begins where this ends.
#[repr(C, align(16))]
struct MeasuredFile {
    base: ffi::sqlite3_file,
}

/// The file of `unix` behind one of ours.
///
/// # Safety
/// `file` must be memory of `szOsFile` bytes that SQLite gave to `open`.
unsafe fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` of our VFS is our part and that of `unix`.
    unsafe { file.cast::<u8>().add(size_of::<MeasuredFile>()).cast() }
}

/// The VFS that all is passed to.
///
/// # Safety
/// `vfs` must be the one that `register` made.
unsafe fn real(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: `register` put it there.
    unsafe { (*vfs).pAppData.cast() }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with our VFS and with memory of its `szOsFile` bytes; the other arguments go through as
    // they came. `unix` sets the methods of its file, to null when there is nothing to close.
    unsafe {
        let (real, inner) = (real(vfs), behind(file));
        (*inner).pMethods = std::ptr::null();
        let Some(call) = (*real).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = timed(CallGroup::Open, || call(real, name, inner, flags, out_flags));
        let methods = (*inner).pMethods;
        // All files of `unix` have version 3 since SQLite 3.7.17.
        (*file).pMethods = if methods.is_null() { std::ptr::null() } else { &METHODS };
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: our VFS; the other arguments go through as they came.
    unsafe {
        let real = real(vfs);
        let Some(call) = (*real).xDelete else { return ffi::SQLITE_IOERR };
        timed(CallGroup::Delete, || call(real, name, sync_directory))
    }
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: our VFS; the other arguments go through as they came.
    unsafe {
        let real = real(vfs);
        let Some(call) = (*real).xAccess else { return ffi::SQLITE_IOERR };
        timed(CallGroup::Stat, || call(real, name, flags, out))
    }
}

/// A method of files: finds the file of `unix`, and calls the same method of it.
macro_rules! pass {
    ($name:ident, $method:ident, $group:ident $(, $argument:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: SQLite calls a method only on a file that `open` gave methods to, so the file behind it has its
            // own; the other arguments go through as they came.
            unsafe {
                let inner = behind(file);
                let Some(call) = (*(*inner).pMethods).$method else { return ffi::SQLITE_IOERR };
                timed(CallGroup::$group, || call(inner $(, $argument)*))
            }
        }
    };
}

pass!(close, xClose, Close);
pass!(read, xRead, Read, into: *mut c_void, count: c_int, offset: ffi::sqlite3_int64);
pass!(write, xWrite, Write, from: *const c_void, count: c_int, offset: ffi::sqlite3_int64);
pass!(truncate, xTruncate, Truncate, size: ffi::sqlite3_int64);
pass!(sync, xSync, Sync, flags: c_int);
pass!(file_size, xFileSize, Stat, size: *mut ffi::sqlite3_int64);
pass!(lock, xLock, Lock, level: c_int);
pass!(unlock, xUnlock, Lock, level: c_int);
pass!(check_reserved_lock, xCheckReservedLock, Lock, out: *mut c_int);
pass!(file_control, xFileControl, Stat, operation: c_int, argument: *mut c_void);
pass!(shm_map, xShmMap, Map, page: c_int, bytes: c_int, extend: c_int, out: *mut *mut c_void);
pass!(shm_lock, xShmLock, Lock, offset: c_int, count: c_int, flags: c_int);
pass!(shm_unmap, xShmUnmap, Map, remove: c_int);
pass!(fetch, xFetch, Read, offset: ffi::sqlite3_int64, count: c_int, out: *mut *mut c_void);
pass!(unfetch, xUnfetch, Read, offset: ffi::sqlite3_int64, page: *mut c_void);

/// No system call: passed through without a look at the clock.
macro_rules! pass_untimed {
    ($name:ident, $method:ident, $answer:ty, $otherwise:expr) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file) -> $answer {
            // SAFETY: as for the methods above.
            unsafe {
                let inner = behind(file);
                match (*(*inner).pMethods).$method {
                    Some(call) => call(inner),
                    None => $otherwise,
                }
            }
        }
    };
}

pass_untimed!(sector_size, xSectorSize, c_int, 4096);
pass_untimed!(device_characteristics, xDeviceCharacteristics, c_int, 0);
pass_untimed!(shm_barrier, xShmBarrier, (), ());

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Connection, OpenFlags};

    #[test]
    fn what_sqlite_does_is_counted_and_reaches_the_disk() {
        assert!(register() && register());
        let folder = std::env::temp_dir().join(format!("walproof-shim-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        let path = folder.join("s.db");
        let ours = Connection::open_with_flags_and_vfs(&path, OpenFlags::default(), NAME_FOR_SQLITE).expect("opens");
        ours.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (7);").expect("commits");
        let done = take();
        let count = |group| done.iter().find(|time| time.group == group).map_or(0, |time| time.count);
        for group in [CallGroup::Open, CallGroup::Write, CallGroup::Sync, CallGroup::Lock, CallGroup::Map] {
            assert!(count(group) > 0, "{}", group.word());
        }
        let other = Connection::open(&path).expect("opens through `unix`");
        let value = other.query_row("SELECT x FROM t", [], |row| row.get::<_, i64>(0)).expect("reads");
        assert_eq!(value, 7);
        assert!(take().is_empty(), "the other connection is not measured");
        drop((ours, other));
        std::fs::remove_dir_all(folder).expect("removes");
    }
}
