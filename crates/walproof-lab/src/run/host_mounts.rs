//! What a world's ground has mounted on the host: clients of ours, and small disks. Dropping it unmounts.
//!
//! Mounts lie below the scratch folder, so `leavings.rs` takes them away when nobody is left to drop them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walproof_format::ledger::mix;

use crate::clients::mounted::unmount;
use crate::clients::{Client, Server};
use crate::error::LabError;
use crate::worlds::HostMount;

/// Everything mounted for one fleet.
#[derive(Debug, Default)]
pub struct HostMounts {
    /// Dropped before the disks that they may lie on.
    clients: Vec<Client>,
    disks: Vec<Disk>,
}

/// A mounted file system of the kernel's.
#[derive(Debug)]
struct Disk {
    target: PathBuf,
}

impl HostMounts {
    /// Mounts them in order; what is random in them comes from the seed.
    pub fn mount(mounts: &[HostMount], seed: u64) -> Result<Self, LabError> {
        let mut mounted = Self::default();
        let mut servers: BTreeMap<&Path, Arc<Server>> = BTreeMap::new();
        for (index, mount) in mounts.iter().enumerate() {
            let done = match mount {
                HostMount::Tmpfs { target, bytes } => Disk::mount(target, *bytes).map(|disk| mounted.disks.push(disk)),
                HostMount::Client { backing, target, options } => {
                    let server = servers
                        .entry(backing)
                        .or_insert_with(|| Arc::new(Server::new(backing, options.remembers_unsynced)));
                    Client::mount(Arc::clone(server), target, *options, mix(seed ^ index as u64))
                        .map(|client| mounted.clients.push(client))
                }
            };
            done.map_err(|error| {
                let remedy = "run as root on a kernel with FUSE (6.9 or newer for passthrough), or another `--world`";
                LabError::path("cannot mount at", mount.target(), error, remedy)
            })?;
        }
        Ok(mounted)
    }

    /// The clients, in the order of the ground.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// The small disks' mount points, in the order of the ground.
    pub fn disks(&self) -> impl Iterator<Item = &Path> {
        self.disks.iter().map(|disk| disk.target.as_path())
    }

    /// All clients go down, their servers lose what was not synced, all clients come up again. Everybody who had files
    /// open there must be dead.
    pub fn cut_power(&self) -> Result<(), LabError> {
        let failed = |target: &Path, error: io::Error| {
            LabError::path("cannot cut the power at", target, error, "take a world whose clients remember the unsynced")
        };
        for client in &self.clients {
            client.unmount().map_err(|error| failed(client.target(), error))?;
        }
        let mut done: Vec<&Arc<Server>> = Vec::new();
        for client in &self.clients {
            if !done.iter().any(|server| Arc::ptr_eq(server, client.server())) {
                client.server().drop_unsynced_writes().map_err(|error| failed(client.target(), error))?;
                done.push(client.server());
            }
        }
        self.clients.iter().try_for_each(|client| client.mount_again().map_err(|error| failed(client.target(), error)))
    }
}

impl Disk {
    fn mount(target: &Path, bytes: u64) -> io::Result<Self> {
        let path = CString::new(target.as_os_str().as_encoded_bytes())?;
        let options = CString::new(format!("size={bytes},mode=0755"))?;
        // SAFETY: strings that outlive the call.
        let code = unsafe {
            libc::mount(
                c"walproof".as_ptr(),
                path.as_ptr(),
                c"tmpfs".as_ptr(),
                libc::MS_NODEV | libc::MS_NOSUID,
                options.as_ptr().cast(),
            )
        };
        if code == 0 { Ok(Self { target: target.to_owned() }) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be unmounted now is detached with the scratch that it lies in.
        let _ = unmount(&self.target);
    }
}
