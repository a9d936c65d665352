//! Single system calls on scratch files, laid out as SQLite makes them on its own: what a call costs depends on what
//! was written before it, so they come in the order of a script.
//!
//! ```text
//! calls.db      256 pages, written once and synced: pages are only written over, in a spread order
//! calls.log     1000 frames of 24 bytes and a page, written once: frames are written over one after the other
//! calls.db-journal*  made, filled, and removed, cut or zeroed by the script; one for each of the three
//! calls.shm     eight pages, mapped; each is stored into once, then they are made anew
//! calls.new     appended to, up to 256 pages; then cut
//! ```
//!
//! fsync is what the bundled SQLite calls: it is compiled without HAVE_FDATASYNC.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use walproof_format::measure::{CallKind, CallTime, CallTimes, Glance, Histogram, SLOW_NS, SlowCall, Step};

use super::MeasureFailure;
use crate::clock::monotonic_ns;

/// Pages of the file whose pages are written over.
const DATABASE_PAGES: u64 = 256;
/// Of these a commit changes one, as SQLite's do here: `sqlite.rs` has as many hot rows.
const HOT_PAGES: u64 = 64;
/// Frames of the log.
pub const LOG_FRAMES: u64 = 1000;
/// Bytes of the log at most, whatever the page size.
pub const LOG_BYTES_MAX: u64 = 8 << 20;
/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: u64 = 24;
/// Bytes of the log's header.
pub const LOG_HEADER_BYTES: u64 = 32;
/// Bytes of the header of a journal on storage that does not tear neighbouring bytes.
const JOURNAL_HEADER_BYTES: u64 = 512;
/// Pages of a wal-index region, and their size.
const SHM_PAGES: usize = 8;
const SHM_PAGE_BYTES: usize = 4096;
/// The journal that each commit deletes.
const DELETED: &str = "calls.db-journal";
/// Bytes of a write by which files are made. A kernel keeps what came in one write in one piece of its cache, and a page
/// written over costs more the larger that piece: with 1 MiB at once, calls on one file cost twice those on another.
pub const WRITE_BYTES: usize = 32 << 10;
/// SQLite's RESERVED_BYTE.
const LOCK_AT: i64 = 0x4000_0001;

/// The scratch files.
pub struct CallFiles {
    folder: PathBuf,
    page: Vec<u8>,
    database: File,
    log: File,
    appended: File,
    journal: Option<File>,
    journal_name: &'static str,
    probed: Option<File>,
    mapping: Option<Mapping>,
    journal_end: u64,
    appended_end: u64,
    /// Pages and frames written so far.
    page_cursor: u64,
    frame_cursor: u64,
    is_root: bool,
}

impl CallFiles {
    /// Makes them; about 5 MiB with pages of 4 KiB.
    pub fn lay_out(folder: &Path, page_bytes: usize) -> io::Result<Self> {
        let frames = log_frames(page_bytes as u64);
        let database = filled(&folder.join("calls.db"), DATABASE_PAGES * page_bytes as u64)?;
        let log = filled(&folder.join("calls.log"), log_bytes(frames, page_bytes as u64))?;
        // SAFETY: geteuid has no preconditions.
        let is_root = unsafe { libc::geteuid() } == 0;
        Ok(Self {
            page: (0..page_bytes).map(|index| (index * 31) as u8).collect(),
            database,
            log,
            appended: filled(&folder.join("calls.new"), 0)?,
            folder: folder.to_owned(),
            journal: None,
            journal_name: DELETED,
            probed: None,
            mapping: None,
            journal_end: 0,
            appended_end: 0,
            page_cursor: 0,
            frame_cursor: 0,
            is_root,
        })
    }

    /// Repeats a script until the slice is over, at least once.
    pub fn repeat(
        &mut self,
        script: &[Step],
        for_ms: u32,
        most: u32,
        frames_before: u32,
    ) -> Result<CallTimes, MeasureFailure> {
        self.journal = None;
        self.journal_name = journal_of(script);
        self.settle().map_err(MeasureFailure::system("sync scratch files"))?;
        // Names and attributes are known, as they are to SQLite, which has just read when it commits.
        for call in [CallKind::StatJournal, CallKind::StatLog, CallKind::StatDatabase, CallKind::SizeDatabase] {
            self.carry_out(call).map_err(MeasureFailure::system(call.word()))?;
        }
        let mut times: Vec<Histogram> = vec![Histogram::default(); CallKind::ALL.len()];
        let end_ns = monotonic_ns() + u64::from(for_ms) * 1_000_000;
        let mut repetitions = 0;
        while repetitions == 0 || (monotonic_ns() < end_ns && repetitions < most) {
            for call in (0..frames_before).flat_map(|_| [CallKind::WriteFrameHeader, CallKind::WriteFrame]) {
                self.make(call).map_err(MeasureFailure::system(call.word()))?;
            }
            for step in script {
                for _ in 0..step.times {
                    let took = self.carry_out(step.call).map_err(MeasureFailure::system(step.call.word()))?;
                    times[step.call as usize].record(took);
                }
            }
            repetitions += 1;
        }
        let calls = CallKind::ALL.iter().zip(times).filter(|(_, latency)| latency.count() > 0);
        Ok(CallTimes { repetitions, calls: calls.map(|(&call, latency)| CallTime { call, latency }).collect() })
    }

    /// What scripts without syncs left unwritten is not for the first sync of the next one.
    fn settle(&mut self) -> io::Result<()> {
        settle(&self.folder, &[&self.database, &self.log], &self.path(self.journal_name))
    }

    /// What must be there before a call is made here, so that it is not timed.
    fn carry_out(&mut self, call: CallKind) -> io::Result<u64> {
        if call == CallKind::MapFault {
            return self.fault();
        }
        if call == CallKind::AppendPage && self.appended_end >= DATABASE_PAGES * self.page.len() as u64 {
            self.appended.set_len(0)?;
            self.appended_end = 0;
        }
        let began = monotonic_ns();
        self.make(call)?;
        Ok(monotonic_ns() - began)
    }

    fn make(&mut self, call: CallKind) -> io::Result<()> {
        use CallKind::*;
        match call {
            Lock => lock(&self.database, libc::F_WRLCK),
            Unlock => lock(&self.database, libc::F_UNLCK),
            StatJournal => stat(&self.path(self.journal_name)),
            StatLog => stat(&self.path("calls.db-wal")),
            StatDatabase => stat(&self.path("calls.db")),
            SizeDatabase => self.database.metadata().map(drop),
            ReadHeader => self.database.read_at(&mut [0; 16], 24).map(drop),
            ReadPage => self.read_page(),
            ReadFrame => self.read_frame(),
            ReadJournalEnd => self.open_journal()?.read_at(&mut [0; 8], self.journal_end + 512).map(drop),
            AccessFile => access(&self.path("calls.db")),
            OpenJournal | OpenFile | CreateFile => self.open(call),
            CloseJournal => {
                self.journal = None;
                Ok(())
            }
            CloseFile => {
                self.probed = None;
                Ok(())
            }
            UnlinkJournal => fs::remove_file(self.path(self.journal_name)),
            UnlinkFile => fs::remove_file(self.path("calls.made")),
            TruncateJournal => self.open_journal()?.set_len(0),
            TruncateDatabase => self.database.set_len(DATABASE_PAGES * self.page.len() as u64),
            SyncDirectory => {
                // SQLite goes on where a directory cannot be synced, except after an unlink.
                let _ = sync(&File::open(&self.folder)?);
                Ok(())
            }
            SyncDirectoryAfterUnlink => sync(&File::open(&self.folder)?),
            SyncJournal | SyncJournalHeader | SyncJournalEnd => sync(self.open_journal()?),
            SyncDatabase | FsyncOverwritten => sync(&self.database),
            FdatasyncOverwritten => sync_data(&self.database),
            FsyncAppended => sync(&self.appended),
            SyncLog | SyncLogHeader | SyncLogForCheckpoint => sync(&self.log),
            MapFault => Ok(()),
            _ => self.write(call),
        }
    }

    fn write(&mut self, call: CallKind) -> io::Result<()> {
        use CallKind::*;
        let page_bytes = self.page.len() as u64;
        match call {
            WriteJournalHeader => {
                self.journal_end = JOURNAL_HEADER_BYTES;
                self.open_journal()?.write_all_at(&self.page[..JOURNAL_HEADER_BYTES as usize], 0)
            }
            WriteJournalCount => self.open_journal()?.write_all_at(&self.page[..12], 0),
            ZeroJournalHeader => self.open_journal()?.write_all_at(&[0; 28], 0),
            WriteJournalNumber => self.append_to_journal(4),
            WriteJournalPage => self.append_to_journal(self.page.len()),
            WriteDatabasePage | OverwritePage => {
                self.page_cursor += 1;
                self.database.write_all_at(&self.page, self.page_at())
            }
            WriteFrameHeader => {
                self.frame_cursor += 1;
                self.log.write_all_at(&self.page[..FRAME_HEADER_BYTES as usize], self.frame_at())
            }
            WriteFrame => self.log.write_all_at(&self.page, self.frame_at() + FRAME_HEADER_BYTES),
            WriteLogHeader => {
                self.frame_cursor = 0;
                self.log.write_all_at(&self.page[..LOG_HEADER_BYTES as usize], 0)
            }
            AppendPage => {
                self.appended_end += page_bytes;
                self.appended.write_all_at(&self.page, self.appended_end - page_bytes)
            }
            _ => Ok(()),
        }
    }

    fn append_to_journal(&mut self, bytes: usize) -> io::Result<()> {
        self.open_journal()?.write_all_at(&self.page[..bytes], self.journal_end)?;
        self.journal_end += bytes as u64;
        Ok(())
    }

    fn read_page(&mut self) -> io::Result<()> {
        let mut page = vec![0; self.page.len()];
        self.database.read_at(&mut page, self.page_at()).map(drop)
    }

    fn read_frame(&mut self) -> io::Result<()> {
        let mut page = vec![0; self.page.len()];
        self.log.read_at(&mut page, self.frame_at() + FRAME_HEADER_BYTES).map(drop)
    }

    fn open(&mut self, call: CallKind) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOFOLLOW);
        match call {
            CallKind::OpenFile => self.probed = Some(options.open(self.path("calls.db"))?),
            CallKind::CreateFile => self.probed = Some(options.create_new(true).open(self.path("calls.made"))?),
            _ => {
                let file = options.create(true).mode(0o644).open(self.path(self.journal_name))?;
                file.metadata()?;
                if self.is_root {
                    // SQLite gives a journal of root's to the owner of the database.
                    std::os::unix::fs::fchown(&file, Some(0), Some(0))?;
                }
                self.journal = Some(file);
            }
        }
        Ok(())
    }

    fn open_journal(&self) -> io::Result<&File> {
        self.journal.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    /// Hot pages lie spread over the file and are taken in turn.
    fn page_at(&self) -> u64 {
        self.page_cursor % HOT_PAGES * (DATABASE_PAGES / HOT_PAGES) * self.page.len() as u64
    }

    fn frame_at(&self) -> u64 {
        let page_bytes = self.page.len() as u64;
        LOG_HEADER_BYTES + self.frame_cursor % log_frames(page_bytes) * (FRAME_HEADER_BYTES + page_bytes)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Stores into a page that nobody has touched in this mapping.
    fn fault(&mut self) -> io::Result<u64> {
        let mapping = match self.mapping.take() {
            Some(mapping) if mapping.touched < SHM_PAGES => mapping,
            _ => Mapping::of(&self.path("calls.shm"))?,
        };
        let mapping = self.mapping.insert(mapping);
        let began = monotonic_ns();
        mapping.touch();
        Ok(monotonic_ns() - began)
    }

    /// A page written and synced, a lock taken and let go, a pause; until the time is over. A failing call is told,
    /// and does not end it.
    pub fn glance(&mut self, for_ms: u32, pause_ms: u32) -> Glance {
        let mut seen = Glance::default();
        let end_ns = monotonic_ns() + u64::from(for_ms) * 1_000_000;
        loop {
            for (word, calls) in [
                ("write+fdatasync", [CallKind::OverwritePage, CallKind::FdatasyncOverwritten]),
                ("lock", [CallKind::Lock, CallKind::Unlock]),
            ] {
                let began = monotonic_ns();
                let done = calls.into_iter().try_for_each(|call| self.make(call));
                let ns = monotonic_ns() - began;
                match done {
                    Err(error) => seen.failed.push((word.to_owned(), error.raw_os_error().unwrap_or(libc::EIO))),
                    Ok(()) if word == "lock" => seen.lock.record(ns),
                    Ok(()) => seen.write_sync.record(ns),
                }
                if ns >= SLOW_NS {
                    seen.slow.push(SlowCall { call: word.to_owned(), ns });
                }
            }
            if monotonic_ns() >= end_ns {
                return seen;
            }
            std::thread::sleep(Duration::from_millis(pause_ms.into()));
        }
    }
}

/// What becomes of a journal decides what the next one finds, so each way has its own, which stays from slice to slice.
fn journal_of(script: &[Step]) -> &'static str {
    let makes = |call| script.iter().any(|step| step.call == call);
    match () {
        () if makes(CallKind::TruncateJournal) => "calls.db-journal-cut",
        () if makes(CallKind::ZeroJournalHeader) => "calls.db-journal-zeroed",
        () => DELETED,
    }
}

/// A mapped wal-index region of its own, and how many of its pages were stored into.
struct Mapping {
    base: *mut u8,
    touched: usize,
}

impl Mapping {
    /// Made as SQLite does: a byte written at the end of each page, then mapped.
    fn of(path: &Path) -> io::Result<Self> {
        let file = filled(path, 0)?;
        for page in 1..=SHM_PAGES {
            file.write_all_at(&[0], (page * SHM_PAGE_BYTES - 1) as u64)?;
        }
        let (size, protection) = (SHM_PAGES * SHM_PAGE_BYTES, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a fresh shared mapping of an open file; the kernel chooses the address.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base.cast(), touched: 0 })
    }

    fn touch(&mut self) {
        // SAFETY: `touched` is below SHM_PAGES, so the byte lies inside the mapping and inside the file, whose page was
        // written before; nobody else knows this file.
        unsafe { self.base.add(self.touched * SHM_PAGE_BYTES).write_volatile(1) };
        self.touched += 1;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.base.cast(), SHM_PAGES * SHM_PAGE_BYTES) };
    }
}

/// Frames that a log of such pages has here.
pub fn log_frames(page_bytes: u64) -> u64 {
    LOG_FRAMES.min(LOG_BYTES_MAX / (FRAME_HEADER_BYTES + page_bytes))
}

/// Bytes of a log with so many frames.
pub fn log_bytes(frames: u64, page_bytes: u64) -> u64 {
    LOG_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + page_bytes)
}

/// A new file of so many zero bytes, written and synced: its blocks are there.
pub fn filled(path: &Path, bytes: u64) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    let zeros = vec![0; WRITE_BYTES];
    for at in (0..bytes).step_by(WRITE_BYTES) {
        file.write_all_at(&zeros[..(bytes - at).min(WRITE_BYTES as u64) as usize], at)?;
    }
    if bytes > 0 {
        file.sync_all()?;
    }
    Ok(file)
}

/// Writes everything of these files, of a journal that may be there, and of the directory; untimed.
pub fn settle(folder: &Path, files: &[&File], journal: &Path) -> io::Result<()> {
    files.iter().try_for_each(|file| file.sync_all())?;
    if let Ok(journal) = File::open(journal) {
        journal.sync_all()?;
    }
    // Where directories cannot be synced, nothing of them is left for a later sync either.
    let _ = File::open(folder)?.sync_all();
    Ok(())
}

fn lock(file: &File, kind: i32) -> io::Result<()> {
    // SAFETY: flock is plain data; all zero is a valid value.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = kind as i16;
    request.l_whence = libc::SEEK_SET as i16;
    request.l_start = LOCK_AT;
    request.l_len = 1;
    // SAFETY: `request` is a valid flock and lives through the call.
    answer(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &request) })
}

fn sync(file: &File) -> io::Result<()> {
    // SAFETY: a plain system call on a descriptor of ours.
    answer(unsafe { libc::fsync(file.as_raw_fd()) })
}

fn sync_data(file: &File) -> io::Result<()> {
    // SAFETY: a plain system call on a descriptor of ours.
    answer(unsafe { libc::fdatasync(file.as_raw_fd()) })
}

fn access(path: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: a valid C string.
    answer(unsafe { libc::access(path.as_ptr(), libc::R_OK | libc::W_OK) })
}

/// A name that is not there is an answer as well.
fn stat(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn answer(code: i32) -> io::Result<()> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_folder<T>(name: &str, act: impl FnOnce(&Path) -> T) -> T {
        let folder = std::env::temp_dir().join(format!("walproof-calls-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        let outcome = act(&folder);
        fs::remove_dir_all(folder).expect("removes");
        outcome
    }

    #[test]
    fn a_script_is_carried_out_in_order_and_every_call_is_timed() {
        use CallKind::*;
        let calls = [
            Lock,
            StatJournal,
            OpenJournal,
            WriteJournalHeader,
            WriteJournalNumber,
            WriteJournalPage,
            SyncJournal,
            SyncDirectory,
            ReadJournalEnd,
            WriteDatabasePage,
            SyncDatabase,
            CloseJournal,
            UnlinkJournal,
            Unlock,
            WriteFrameHeader,
            WriteFrame,
            SyncLog,
            MapFault,
            CreateFile,
            CloseFile,
            UnlinkFile,
            AppendPage,
        ];
        let script: Vec<Step> = calls.iter().map(|&call| Step { call, times: 1 }).collect();
        let times = in_folder("script", |folder| {
            let mut files = CallFiles::lay_out(folder, 4096).expect("laid out");
            files.repeat(&script, 0, 1, 0).expect("once");
            files.repeat(&script, 10_000, 20, 3).expect("twenty times")
        });
        assert_eq!(times.repetitions, 20);
        for call in calls {
            assert_eq!(times.of(call).map(Histogram::count), Some(20), "{}", call.word());
        }
    }

    #[test]
    fn a_failing_call_is_named() {
        let failure = in_folder("failing", |folder| {
            let mut files = CallFiles::lay_out(folder, 4096).expect("laid out");
            files.repeat(&[Step { call: CallKind::UnlinkJournal, times: 1 }], 0, 1, 0).expect_err("no journal")
        });
        assert_eq!((failure.place.as_str(), failure.errno), ("unlink-journal", libc::ENOENT));
    }

    #[test]
    fn a_glance_sees_both_and_lasts_as_told() {
        let seen = in_folder("glance", |folder| CallFiles::lay_out(folder, 4096).expect("laid out").glance(30, 1));
        assert!(seen.write_sync.count() > 0 && seen.lock.count() > 0 && seen.failed.is_empty());
    }
}
