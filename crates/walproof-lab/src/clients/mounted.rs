//! The guard of a mounted client: dropping it ends the session and unmounts.
//!
//! It ends by MNT_FORCE, which aborts the connection: every request in flight and every later one fails with ENOTCONN,
//! whoever waits goes on, and our threads end. An ordinary unmount would wait for processes that have files open there.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
#[cfg(test)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use fuser::{Config, Session, SessionACL};

use super::file_system::FileSystem;
use super::knobs::Knobs;
use super::server::Server;
use super::{ClientOptions, DEVICE};

/// Threads that serve one client: so many requests may be slow or stalled before the others wait as well.
const THREADS: usize = 16;

/// A mounted client.
#[derive(Debug)]
pub struct Client {
    target: PathBuf,
    options: ClientOptions,
    server: Arc<Server>,
    knobs: Arc<Knobs>,
    serving: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

impl Client {
    /// Mounts a client of the server at `target`, an existing directory.
    pub fn mount(server: Arc<Server>, target: &Path, options: ClientOptions, seed: u64) -> io::Result<Self> {
        let (target, knobs) = (target.to_owned(), Arc::new(Knobs::new(seed, options.latency, options.failing)));
        let client = Self { target, options, server, knobs, serving: Mutex::new(None) };
        client.mount_again()?;
        Ok(client)
    }

    /// Where it is mounted.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Its options.
    pub fn options(&self) -> ClientOptions {
        self.options
    }

    /// The server of its backing directory.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// What makes it slow, stall or fail.
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    fn serving(&self) -> MutexGuard<'_, Option<JoinHandle<io::Result<()>>>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mounts it after [`Self::unmount`], as a machine that comes up again: nothing is remembered, no lock is held.
    pub fn mount_again(&self) -> io::Result<()> {
        let mut serving = self.serving();
        if serving.is_some() {
            return Ok(());
        }
        let file_system = FileSystem::new(Arc::clone(&self.server), self.options, Arc::clone(&self.knobs))?;
        let device = OpenOptions::new().read(true).write(true).open(DEVICE)?;
        mount_at(&self.target, device.as_raw_fd())?;
        let mut configuration = Config::default();
        configuration.n_threads = Some(THREADS);
        let started = Session::from_fd(file_system, device.into(), SessionACL::All, configuration)
            .and_then(|session| std::thread::Builder::new().name("client".into()).spawn(|| session.run()));
        match started {
            Ok(thread) => *serving = Some(thread),
            Err(error) => {
                let _ = unmount(&self.target);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The client goes down: who waits for it fails, what it held is free, what it had cached is gone.
    pub fn unmount(&self) -> io::Result<()> {
        let Some(thread) = self.serving().take() else { return Ok(()) };
        self.knobs.release();
        let unmounted = unmount(&self.target);
        if unmounted.is_ok() {
            // Its threads have nothing more to read; whether they liked it does not matter.
            let _ = thread.join();
        }
        unmounted
    }
}

#[cfg(test)]
impl Client {
    /// As if the server had died: the mount stays and answers nobody.
    pub(crate) fn abort_connection(&self) {
        let device = CString::new(self.target.as_os_str().as_encoded_bytes()).expect("no NUL in a path");
        // The first call begins to unmount, which aborts; what is open keeps it mounted.
        let _held = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(&self.target).expect("there");
        // SAFETY: a string that outlives the call.
        unsafe { libc::umount2(device.as_ptr(), libc::MNT_FORCE) };
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // What cannot be unmounted now is detached with the scratch that it lies in.
        let _ = self.unmount();
    }
}

fn mount_at(target: &Path, device: i32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mode = fs::metadata(target)?.mode();
    let options = format!("fd={device},rootmode={mode:o},user_id=0,group_id=0,allow_other,default_permissions");
    let (target, options) = (CString::new(target.as_os_str().as_encoded_bytes())?, CString::new(options)?);
    // SAFETY: strings that outlive the call.
    let code = unsafe {
        libc::mount(
            c"walproof".as_ptr(),
            target.as_ptr(),
            c"fuse.walproof".as_ptr(),
            libc::MS_NODEV | libc::MS_NOSUID,
            options.as_ptr().cast(),
        )
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Aborts the connection and takes the mount away, whoever has files open there.
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_encoded_bytes())?;
    let flags = libc::MNT_FORCE | libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW;
    // SAFETY: a string that outlives the call.
    let code = unsafe { libc::umount2(target.as_ptr(), flags) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
