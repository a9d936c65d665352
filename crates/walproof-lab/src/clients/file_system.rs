//! Answers the kernel of one client: every request is carried out on the backing directory.
//!
//! What it must not do: call fsync on the backing file system. What is durable is modelled by `unsynced.rs`; that the
//! machine itself loses power is not what these clients are for, and real syncs would only make their runs slow.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{
    DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown, lchown, symlink,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackingId, BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLock, ReplyOpen, ReplyStatfs, ReplyWrite, TimeOrNow, WriteFlags,
};

use super::inodes::{Inodes, Key, Node};
use super::knobs::{Knobs, Request};
use super::lock_table::{Kind, Lock, Owner};
use super::server::Server;
use super::{ClientOptions, Locks, Pages, milliseconds};

/// The largest write that the kernel hands over at once, in bytes.
const WRITE_BYTES_MAX: u32 = 128 << 10;
/// How long a lock that may wait is waited for before EAGAIN, and how often it is tried.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// One client's file system.
#[derive(Debug)]
pub(super) struct FileSystem {
    server: Arc<Server>,
    client: u64,
    options: ClientOptions,
    knobs: Arc<Knobs>,
    inodes: Inodes,
    handles: Mutex<HashMap<u64, Arc<Handle>>>,
    next_handle: AtomicU64,
    /// What the kernel reads and writes by itself; one for each inode as long as it is open.
    passed_through: Mutex<HashMap<u64, Weak<BackingId>>>,
}

/// What the kernel has open.
#[derive(Debug)]
enum Handle {
    /// What is passed through stays known to the kernel as long as it is held here.
    File {
        file: File,
        key: Key,
        _passed_through: Option<Arc<BackingId>>,
    },
    Directory {
        entries: Vec<(u64, FileType, OsString)>,
    },
}

impl FileSystem {
    /// A client that the server has not seen before.
    pub fn new(server: Arc<Server>, options: ClientOptions, knobs: Arc<Knobs>) -> io::Result<Self> {
        Ok(Self {
            client: server.new_client(),
            inodes: Inodes::new(server.backing())?,
            server,
            options,
            knobs,
            handles: Mutex::default(),
            next_handle: AtomicU64::new(1),
            passed_through: Mutex::default(),
        })
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<u64, Arc<Handle>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, number: FileHandle) -> io::Result<Arc<Handle>> {
        self.handles().get(&number.0).cloned().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn add_handle(&self, handle: Handle) -> FileHandle {
        let number = self.next_handle.fetch_add(1, Ordering::Relaxed);
        self.handles().insert(number, Arc::new(handle));
        FileHandle(number)
    }

    /// Lets the request pass the knobs.
    fn pass(&self, request: Request) -> io::Result<()> {
        if self.knobs.pass(request) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EIO)) }
    }

    fn node(&self, number: INodeNo) -> io::Result<Arc<Node>> {
        self.pass(Request::Other)?;
        self.inodes.get(number.0)
    }

    /// Changes names, remembered where that is asked for.
    fn change<T>(&self, names: &[(&Node, &OsStr)], act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match &self.server.unsynced {
            None => act(),
            Some(unsynced) => {
                let names: Vec<_> = names.iter().map(|(node, name)| (node.key, &node.handle, *name)).collect();
                unsynced.change_names(&names, act)
            }
        }
    }

    /// Makes something under a name and tells the kernel of it.
    fn make(
        &self,
        request: &fuser::Request,
        parent: INodeNo,
        name: &OsStr,
        act: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<(Arc<Node>, Metadata)> {
        let parent = self.node(parent)?;
        let path = parent.child(name);
        self.change(&[(&parent, name)], || {
            act(&path)?;
            lchown(&path, Some(request.uid()), Some(request.gid()))
        })?;
        self.inodes.look_up(&parent, name)
    }

    fn answer_entry(&self, found: io::Result<(Arc<Node>, Metadata)>, reply: ReplyEntry) {
        match found {
            Ok((node, metadata)) => reply.entry_with_ttls(
                &milliseconds(self.options.attributes_ms),
                &milliseconds(self.options.names_ms),
                &attributes(&node, &metadata),
                Generation(node.generation),
            ),
            Err(error) => reply.error(error.into()),
        }
    }

    fn answer_attributes(&self, found: io::Result<FileAttr>, reply: ReplyAttr) {
        match found {
            Ok(attributes) => reply.attr(&milliseconds(self.options.attributes_ms), &attributes),
            Err(error) => reply.error(error.into()),
        }
    }

    /// What the kernel is told about the pages of an opened file.
    fn open_flags(&self) -> FopenFlags {
        match self.options.pages {
            Pages::Cached | Pages::CachedUntilOpen | Pages::WriteBack | Pages::Passthrough => FopenFlags::empty(),
            Pages::CachedAlways => FopenFlags::FOPEN_KEEP_CACHE,
            Pages::DirectIo => FopenFlags::FOPEN_DIRECT_IO,
        }
    }

    /// How the backing file is opened: readable whatever the client asks for, since pages are read before they are
    /// written, and never appending, since the kernel says where each write goes.
    fn open_options(writes: bool) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(writes);
        options
    }

    fn open_file(&self, number: INodeNo, flags: OpenFlags) -> io::Result<(Arc<Node>, File)> {
        let node = self.node(number)?;
        let writes = flags.acc_mode() != OpenAccMode::O_RDONLY || self.options.pages == Pages::WriteBack;
        let file = Self::open_options(writes).open(node.path())?;
        Ok((node, file))
    }

    /// Opens or makes the file, with the caller as its owner.
    fn create_file(
        &self,
        request: &fuser::Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> io::Result<(Arc<Node>, Metadata, File)> {
        let parent = self.node(parent)?;
        let path = parent.child(name);
        let act = || {
            let (exclusive, existing) = (flags & libc::O_EXCL != 0, || Self::open_options(true).open(&path));
            let new = || {
                let file = Self::open_options(true).mode(mode & 0o7777).create_new(true).open(&path)?;
                fchown(&file, Some(request.uid()), Some(request.gid())).map(|()| file)
            };
            match new() {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !exclusive => existing(),
                made => made,
            }
        };
        let file = match &self.server.unsynced {
            Some(unsynced) => unsynced.create((parent.key, &parent.handle), name, act)?,
            None => act()?,
        };
        let (node, metadata) = self.inodes.of_open(&file)?;
        if flags & libc::O_TRUNC != 0 && metadata.len() > 0 {
            self.set_length(node.key, &file, 0)?;
        }
        Ok((node, metadata, file))
    }

    /// The inode as the kernel may read and write it by itself; the same one as long as anybody has it open.
    fn passed_through(
        &self,
        number: u64,
        open_backing: impl FnOnce() -> io::Result<BackingId>,
    ) -> io::Result<Option<Arc<BackingId>>> {
        if self.options.pages != Pages::Passthrough {
            return Ok(None);
        }
        let mut all = self.passed_through.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get(&number).and_then(Weak::upgrade) {
            return Ok(Some(open));
        }
        let backing = Arc::new(open_backing()?);
        all.retain(|_, other| other.strong_count() > 0);
        all.insert(number, Arc::downgrade(&backing));
        Ok(Some(backing))
    }

    fn set_length(&self, key: Key, file: &File, length: u64) -> io::Result<()> {
        match &self.server.unsynced {
            Some(unsynced) => unsynced.set_length(key, file, length),
            None => file.set_len(length),
        }
    }

    fn lock_of(&self, owner: LockOwner, first: u64, last: u64, kind: i32, pid: u32) -> Lock {
        let kind = match kind {
            libc::F_RDLCK => Kind::Shared,
            libc::F_WRLCK => Kind::Exclusive,
            _ => Kind::Unlock,
        };
        Lock { owner: Owner { client: self.client, process: owner.0 }, first, last, kind, pid }
    }

    fn release_locks(&self, number: INodeNo, owner: LockOwner) {
        if self.options.locks == Locks::Forwarded
            && let Ok(node) = self.inodes.get(number.0)
        {
            self.server.locks().release(node.key, Owner { client: self.client, process: owner.0 });
        }
    }

    /// Takes a lock; one that may wait is tried for a while, with the table free in between.
    fn take_lock(&self, key: Key, wanted: Lock, wait: bool) -> io::Result<()> {
        let deadline = std::time::Instant::now() + LOCK_WAIT;
        while !self.server.locks().set(key, wanted) {
            if !wait || std::time::Instant::now() > deadline {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
            std::thread::sleep(LOCK_RETRY);
        }
        Ok(())
    }

    fn read_file(&self, handle: FileHandle, offset: u64, size: u32) -> io::Result<Vec<u8>> {
        self.pass(Request::Read)?;
        let handle = self.handle(handle)?;
        let Handle::File { file, .. } = &*handle else { return Err(io::Error::from_raw_os_error(libc::EISDIR)) };
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn write_file(&self, handle: FileHandle, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.pass(Request::Write)?;
        let handle = self.handle(handle)?;
        let Handle::File { file, key, .. } = &*handle else { return Err(io::Error::from_raw_os_error(libc::EBADF)) };
        match &self.server.unsynced {
            Some(unsynced) => unsynced.write(*key, file, offset, bytes),
            None => file.write_all_at(bytes, offset),
        }
    }

    fn sync_file(&self, handle: FileHandle) -> io::Result<()> {
        self.pass(Request::Sync)?;
        match (&*self.handle(handle)?, &self.server.unsynced) {
            (Handle::File { key, .. }, Some(unsynced)) => unsynced.sync_file(*key),
            _ => Ok(()),
        }
    }

    fn allocate(&self, handle: FileHandle, offset: u64, length: u64, mode: i32) -> io::Result<()> {
        self.pass(Request::Write)?;
        // Punching and zeroing change bytes that were there: SQLite never asks for it.
        if mode & !libc::FALLOC_FL_KEEP_SIZE != 0 {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let handle = self.handle(handle)?;
        let Handle::File { file, key, .. } = &*handle else { return Err(io::Error::from_raw_os_error(libc::EBADF)) };
        let act = || {
            // SAFETY: plain integers, and a descriptor that is open as long as `file` lives.
            let code = unsafe { libc::fallocate(file.as_raw_fd(), mode, offset as libc::off_t, length as libc::off_t) };
            if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        };
        match &self.server.unsynced {
            Some(unsynced) => unsynced.lengthen(*key, file, act),
            None => act(),
        }
    }

    fn list(&self, number: INodeNo) -> io::Result<FileHandle> {
        let node = self.node(number)?;
        let mut entries = vec![
            (node.number, FileType::Directory, OsString::from(".")),
            (node.number, FileType::Directory, OsString::from("..")),
        ];
        for entry in fs::read_dir(node.path())?.flatten() {
            let metadata = entry.metadata()?;
            entries.push((metadata.ino(), kind_of(&metadata), entry.file_name()));
        }
        Ok(self.add_handle(Handle::Directory { entries }))
    }

    fn set_attributes(&self, node: &Node, change: &Change) -> io::Result<FileAttr> {
        let path = node.path();
        if let Some(mode) = change.mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))?;
        }
        if change.uid.is_some() || change.gid.is_some() {
            chown(&path, change.uid, change.gid)?;
        }
        if let Some(length) = change.length {
            self.pass(Request::Write)?;
            self.set_length(node.key, &Self::open_options(true).open(&path)?, length)?;
        }
        if change.accessed.is_some() || change.modified.is_some() {
            let at = |time: TimeOrNow| match time {
                TimeOrNow::SpecificTime(time) => time,
                TimeOrNow::Now => SystemTime::now(),
            };
            let mut times = fs::FileTimes::new();
            times = change.accessed.map_or(times, |time| times.set_accessed(at(time)));
            times = change.modified.map_or(times, |time| times.set_modified(at(time)));
            File::open(&path)?.set_times(times)?;
        }
        Ok(attributes(node, &node.handle.metadata()?))
    }

    fn link_to(&self, number: INodeNo, parent: INodeNo, name: &OsStr) -> io::Result<(Arc<Node>, Metadata)> {
        let (node, parent) = (self.node(number)?, self.inodes.get(parent.0)?);
        let (from, to) = (c_path(&node.path())?, c_path(&parent.child(name))?);
        self.change(&[(&parent, name)], || {
            // SAFETY: two strings that outlive the call.
            let code = unsafe {
                libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW)
            };
            if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        })?;
        self.inodes.look_up(&parent, name)
    }
}

/// What setattr asks for.
struct Change {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    length: Option<u64>,
    accessed: Option<TimeOrNow>,
    modified: Option<TimeOrNow>,
}

/// The kernel reads a number of 0 as "there is nothing, and believe it for a while".
const NOTHING: FileAttr = FileAttr {
    ino: INodeNo(0),
    size: 0,
    blocks: 0,
    atime: UNIX_EPOCH,
    mtime: UNIX_EPOCH,
    ctime: UNIX_EPOCH,
    crtime: UNIX_EPOCH,
    kind: FileType::RegularFile,
    perm: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 4096,
    flags: 0,
};

fn attributes(node: &Node, metadata: &Metadata) -> FileAttr {
    let since_epoch = |s: i64, ns: i64| UNIX_EPOCH + Duration::new(s.max(0) as u64, ns as u32);
    FileAttr {
        ino: INodeNo(node.number),
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: since_epoch(metadata.atime(), metadata.atime_nsec()),
        mtime: since_epoch(metadata.mtime(), metadata.mtime_nsec()),
        ctime: since_epoch(metadata.ctime(), metadata.ctime_nsec()),
        kind: kind_of(metadata),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        ..NOTHING
    }
}

fn kind_of(metadata: &Metadata) -> FileType {
    FileType::from_std(metadata.file_type()).unwrap_or(FileType::RegularFile)
}

fn c_path(path: &Path) -> io::Result<std::ffi::CString> {
    Ok(std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?)
}

fn answer(done: io::Result<()>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.into()),
    }
}

/// Where a symbolic link leads.
fn target_of(link: &File) -> io::Result<OsString> {
    let mut target = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: an empty path means the descriptor itself; the buffer is as long as we say.
    let length = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    target.truncate(length as usize);
    Ok(OsString::from_vec(target))
}

impl Filesystem for FileSystem {
    fn init(&mut self, _: &fuser::Request, kernel: &mut KernelConfig) -> io::Result<()> {
        let mut wanted = InitFlags::FUSE_PARALLEL_DIROPS;
        wanted |= match self.options.locks {
            Locks::Local => InitFlags::empty(),
            Locks::Forwarded => InitFlags::FUSE_POSIX_LOCKS,
        };
        wanted |= match self.options.pages {
            Pages::Cached => InitFlags::FUSE_AUTO_INVAL_DATA,
            Pages::WriteBack => InitFlags::FUSE_AUTO_INVAL_DATA | InitFlags::FUSE_WRITEBACK_CACHE,
            Pages::Passthrough => InitFlags::FUSE_PASSTHROUGH,
            Pages::CachedUntilOpen | Pages::CachedAlways | Pages::DirectIo => InitFlags::empty(),
        };
        let lacking = |lacks: InitFlags| io::Error::other(format!("this kernel's FUSE lacks {lacks:?}"));
        kernel.add_capabilities(wanted).map_err(lacking)?;
        let depth = u32::from(self.options.pages == Pages::Passthrough);
        let stacked = kernel.set_max_stack_depth(depth);
        let written = kernel.set_max_write(WRITE_BYTES_MAX);
        let refused = |_| io::Error::other("fuser takes other limits now");
        stacked.and(written).map(drop).map_err(refused)
    }

    fn destroy(&mut self) {
        self.server.locks().release_client(self.client);
    }

    fn lookup(&self, _: &fuser::Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.node(parent).and_then(|parent| self.inodes.look_up(&parent, name));
        let absent = found.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT));
        if absent && self.options.absent_names_ms > 0 {
            let time = milliseconds(self.options.absent_names_ms);
            return reply.entry_with_ttls(&time, &time, &NOTHING, Generation(0));
        }
        self.answer_entry(found, reply);
    }

    fn forget(&self, _: &fuser::Request, number: INodeNo, times: u64) {
        self.inodes.forget(number.0, times);
    }

    fn getattr(&self, _: &fuser::Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.node(number).and_then(|node| Ok(attributes(&node, &node.handle.metadata()?)));
        self.answer_attributes(found, reply);
    }

    fn setattr(
        &self,
        _: &fuser::Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        length: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = Change { mode, uid, gid, length, accessed, modified };
        self.answer_attributes(self.node(number).and_then(|node| self.set_attributes(&node, &change)), reply);
    }

    fn readlink(&self, _: &fuser::Request, number: INodeNo, reply: ReplyData) {
        match self.node(number).and_then(|node| target_of(&node.handle)) {
            Ok(target) => reply.data(target.as_encoded_bytes()),
            Err(error) => reply.error(error.into()),
        }
    }

    fn mkdir(&self, request: &fuser::Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let made = self.make(request, parent, name, |path| DirBuilder::new().mode(mode & 0o7777).create(path));
        self.answer_entry(made, reply);
    }

    fn symlink(&self, request: &fuser::Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.answer_entry(self.make(request, parent, name, |path| symlink(target, path)), reply);
    }

    fn link(&self, _: &fuser::Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.answer_entry(self.link_to(number, parent, name), reply);
    }

    fn unlink(&self, _: &fuser::Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.node(parent).and_then(|parent| {
            let path = parent.child(name);
            self.change(&[(&parent, name)], || fs::remove_file(path))
        });
        answer(done, reply);
    }

    fn rmdir(&self, _: &fuser::Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.node(parent).and_then(|parent| {
            let path = parent.child(name);
            self.change(&[(&parent, name)], || fs::remove_dir(path))
        });
        answer(done, reply);
    }

    fn rename(
        &self,
        _: &fuser::Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let done = self.node(parent).and_then(|parent| {
            let new_parent = self.inodes.get(new_parent.0)?;
            let (from, to) = (parent.child(name), new_parent.child(new_name));
            self.change(&[(&parent, name), (&new_parent, new_name)], || fs::rename(from, to))
        });
        answer(done, reply);
    }

    fn open(&self, _: &fuser::Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.open_file(number, flags).and_then(|(node, file)| {
            let backing = self.passed_through(number.0, || reply.open_backing(&file))?;
            Ok((node, file, backing))
        });
        match opened {
            Err(error) => reply.error(error.into()),
            Ok((node, file, backing)) => {
                let handle = self.add_handle(Handle::File { file, key: node.key, _passed_through: backing.clone() });
                match backing {
                    Some(backing) => reply.opened_passthrough(handle, self.open_flags(), &backing),
                    None => reply.opened(handle, self.open_flags()),
                }
            }
        }
    }

    fn create(
        &self,
        request: &fuser::Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.create_file(request, parent, name, mode, flags).and_then(|(node, metadata, file)| {
            let backing = self.passed_through(node.number, || reply.open_backing(&file))?;
            Ok((node, metadata, file, backing))
        });
        match created {
            Err(error) => reply.error(error.into()),
            Ok((node, metadata, file, backing)) => {
                let handle = self.add_handle(Handle::File { file, key: node.key, _passed_through: backing.clone() });
                let (time, found) = (milliseconds(self.options.attributes_ms), attributes(&node, &metadata));
                let (generation, flags) = (Generation(node.generation), self.open_flags());
                match backing {
                    Some(backing) => reply.created_passthrough(&time, &found, generation, handle, flags, &backing),
                    None => reply.created(&time, &found, generation, handle, flags),
                }
            }
        }
    }

    fn read(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(handle, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_file(handle, offset, bytes) {
            Ok(()) => reply.written(bytes.len() as u32),
            Err(error) => reply.error(error.into()),
        }
    }

    fn flush(&self, _: &fuser::Request, number: INodeNo, _: FileHandle, owner: LockOwner, reply: ReplyEmpty) {
        let passed = self.pass(Request::Other);
        self.release_locks(number, owner);
        answer(passed, reply);
    }

    fn release(
        &self,
        _: &fuser::Request,
        number: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        owner: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if let Some(owner) = owner {
            self.release_locks(number, owner);
        }
        self.handles().remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &fuser::Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.sync_file(handle), reply);
    }

    fn fsyncdir(&self, _: &fuser::Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let done = self.pass(Request::Sync).and_then(|()| self.inodes.get(number.0)).map(|node| {
            if let Some(unsynced) = &self.server.unsynced {
                unsynced.sync_directory(node.key);
            }
        });
        answer(done, reply);
    }

    fn opendir(&self, _: &fuser::Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.list(number) {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error.into()),
        }
    }

    fn readdir(&self, _: &fuser::Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.handle(handle).as_deref() {
            Ok(Handle::Directory { entries }) => {
                for (index, (number, kind, name)) in entries.iter().enumerate().skip(offset as usize) {
                    if reply.add(INodeNo(*number), index as u64 + 1, *kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            _ => reply.error(Errno::EBADF),
        }
    }

    fn releasedir(&self, _: &fuser::Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.handles().remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &fuser::Request, number: INodeNo, reply: ReplyStatfs) {
        let asked = self.node(number).and_then(|node| {
            // SAFETY: statvfs is plain data, all zero is a valid value.
            let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
            // SAFETY: a descriptor that is open as long as `node` lives, and a valid place for the answer.
            let code = unsafe { libc::fstatvfs(node.handle.as_raw_fd(), &mut found) };
            if code == 0 { Ok(found) } else { Err(io::Error::last_os_error()) }
        });
        match asked {
            Ok(found) => reply.statfs(
                found.f_blocks,
                found.f_bfree,
                found.f_bavail,
                found.f_files,
                found.f_ffree,
                found.f_bsize as u32,
                found.f_namemax as u32,
                found.f_frsize as u32,
            ),
            Err(error) => reply.error(error.into()),
        }
    }

    fn getlk(
        &self,
        _: &fuser::Request,
        number: INodeNo,
        _: FileHandle,
        owner: LockOwner,
        first: u64,
        last: u64,
        kind: i32,
        pid: u32,
        reply: ReplyLock,
    ) {
        match self.node(number) {
            Err(error) => reply.error(error.into()),
            Ok(node) => {
                let wanted = self.lock_of(owner, first, last, kind, pid);
                match self.server.locks().in_the_way(node.key, &wanted) {
                    None => reply.locked(first, last, libc::F_UNLCK, 0),
                    // A process of another client has a number that means nothing here.
                    Some(held) => {
                        let pid = if held.owner.client == self.client { held.pid } else { 0 };
                        let kind = if held.kind == Kind::Shared { libc::F_RDLCK } else { libc::F_WRLCK };
                        reply.locked(held.first, held.last, kind, pid);
                    }
                }
            }
        }
    }

    fn setlk(
        &self,
        _: &fuser::Request,
        number: INodeNo,
        _: FileHandle,
        owner: LockOwner,
        first: u64,
        last: u64,
        kind: i32,
        pid: u32,
        wait: bool,
        reply: ReplyEmpty,
    ) {
        let wanted = self.lock_of(owner, first, last, kind, pid);
        answer(self.node(number).and_then(|node| self.take_lock(node.key, wanted, wait)), reply);
    }

    fn fallocate(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer(self.allocate(handle, offset, length, mode), reply);
    }
}
