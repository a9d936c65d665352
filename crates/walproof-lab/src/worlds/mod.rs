//! Worlds: prepared boundaries between agents, sound or broken on purpose, each with the outcome it must have.
//!
//! What this room is: one file with its documentation for each world, the [`WORLDS`] slice. To add one: a `.rs` with
//! a `pub static`, a `.md`, two lines here.
//! What it must not do: start anything, mount anything on the host; a world only lays out directories and says what
//! each agent sees.
//! Where to look next: `run/fleet.rs` puts agents into what a world prepared.

mod cancelled_locks;
mod client_and_server;
mod deny_shared_memory;
mod different_users;
mod different_users_one_group;
mod fake_locks;
mod hard_link;
mod mixed_vfs_dotfile;
mod mixed_vfs_excl;
mod mixed_vfs_nolock;
mod mixed_vfs_none;
mod one_client_reopening;
mod one_client_shared;
mod other_mount_path;
mod overlay_and_lower;
mod read_only_side;
mod shared_directory;
mod single_file;
mod single_file_recreated;
mod small_disk;
mod symlinked_directory;
mod three_files;
mod three_files_and_directory;
mod two_clients_cached;
mod two_clients_cached_always;
mod two_clients_direct_io;
mod two_clients_direct_io_local_locks;
mod two_clients_local_locks;
mod two_clients_no_cache;
mod two_clients_passthrough;
mod two_clients_writeback;
mod two_overlays;
mod unlinked_sidecars;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walproof_format::protocol::{Duty, Quirks};
use walproof_judge::checkers::AnomalyKind;
use walproof_judge::verdict::JournalMode;

use crate::clients::{self, ClientOptions};
use crate::runtimes::{Abilities, Likeness, Mount};

/// All worlds, by name.
pub static WORLDS: &[&World] = &[
    &cancelled_locks::WORLD,
    &client_and_server::WORLD,
    &deny_shared_memory::WORLD,
    &different_users::WORLD,
    &different_users_one_group::WORLD,
    &fake_locks::WORLD,
    &hard_link::WORLD,
    &mixed_vfs_dotfile::WORLD,
    &mixed_vfs_excl::WORLD,
    &mixed_vfs_nolock::WORLD,
    &mixed_vfs_none::WORLD,
    &one_client_reopening::WORLD,
    &one_client_shared::WORLD,
    &other_mount_path::WORLD,
    &overlay_and_lower::WORLD,
    &read_only_side::WORLD,
    &shared_directory::WORLD,
    &single_file::WORLD,
    &single_file_recreated::WORLD,
    &small_disk::WORLD,
    &symlinked_directory::WORLD,
    &three_files::WORLD,
    &three_files_and_directory::WORLD,
    &two_clients_cached::WORLD,
    &two_clients_cached_always::WORLD,
    &two_clients_direct_io::WORLD,
    &two_clients_direct_io_local_locks::WORLD,
    &two_clients_local_locks::WORLD,
    &two_clients_no_cache::WORLD,
    &two_clients_passthrough::WORLD,
    &two_clients_writeback::WORLD,
    &two_overlays::WORLD,
    &unlinked_sidecars::WORLD,
];

/// What sides that do not see each other do to a database; errors alone do not show it.
const BROKEN: &[AnomalyKind] = &[
    AnomalyKind::LostCommit,
    AnomalyKind::DoubleCommit,
    AnomalyKind::StaleRead,
    AnomalyKind::TornRead,
    AnomalyKind::StructuralDamage,
];

/// Name of the database file in every world.
pub const DATABASE: &str = "walproof.db";

/// A prepared boundary.
pub struct World {
    /// Kebab-case name.
    pub name: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// What must come out in WAL mode.
    pub wal: Expectation,
    /// What must come out in DELETE mode (and TRUNCATE, PERSIST).
    pub rollback: Expectation,
    /// Where it is broken, if it is: what a probe of the boundary can see.
    pub fault: Fault,
    /// What a runtime must be able to do.
    pub needs: Needs,
    /// Nemeses that belong to this world, beside the usual ones.
    pub nemeses: &'static [&'static str],
    /// The anomalies one of which an unsafe outcome must have; empty: any.
    pub names: &'static [AnomalyKind],
    /// Lays the ground out and says what each agent sees.
    pub prepare: fn(&Path, u16) -> io::Result<Ground>,
}

impl World {
    /// What must come out in this journal mode. With `locking_mode=EXCLUSIVE` WAL needs what the rollback modes need:
    /// locks on the database file and fresh reads, no shared memory.
    pub fn expectation(&self, mode: JournalMode) -> Expectation {
        match mode {
            JournalMode::Wal => self.wal,
            _ => self.rollback,
        }
    }
}

/// What must come out of a world in a journal mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No anomaly.
    Safe,
    /// An anomaly, soon.
    Unsafe,
    /// SQLite fails loudly, nothing is lost.
    Refuses,
    /// An anomaly, but not before an agent was killed inside a transaction.
    UnsafeAfterCrash,
    /// No anomaly, but somebody hardly ever gets in: a floor is not reached.
    Starves,
}

impl Expectation {
    /// The word for people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
            Self::Refuses => "refuses",
            Self::UnsafeAfterCrash => "unsafe-after-crash",
            Self::Starves => "starves",
        }
    }
}

/// Where a world is broken, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Between the openers: a probe, which puts parties of its own there, must come to what the stress comes to.
    Boundary,
    /// In what openers do to themselves or to the files, on a boundary that is sound: a probe must say that it is.
    Openers,
}

/// What a runtime must be able to do for a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: plain processes will do.
    Nothing,
    /// Mounts of its own for each agent.
    BindMounts,
    /// Overlays of its own for each agent.
    OverlayMounts,
    /// Mounts on the host.
    HostMounts,
    /// Clients of our own on the host.
    Clients,
}

impl Needs {
    /// Whether a runtime has what is needed.
    pub fn met_by(self, abilities: &Abilities) -> bool {
        match self {
            Self::Nothing => true,
            Self::BindMounts => abilities.bind_mounts,
            Self::OverlayMounts => abilities.overlay_mounts,
            Self::HostMounts | Self::Clients => self.lacking().is_none(),
        }
    }

    /// What this machine or this user lacks, whatever the runtime.
    pub fn lacking(self) -> Option<String> {
        match self {
            Self::Nothing | Self::BindMounts | Self::OverlayMounts => None,
            Self::HostMounts => (!clients::is_root()).then(|| "mounting on the host takes root".to_owned()),
            Self::Clients => clients::why_not_here(),
        }
    }
}

/// What a world laid out.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Who creates the database, before all others start; several where what should be one database is several.
    pub creators: Vec<View>,
    /// What each agent sees.
    pub views: Vec<View>,
    /// The database file on the host, past all clients: for its header bytes.
    pub database: PathBuf,
    /// What is mounted on the host before anybody starts, in order; targets lie in the scratch folder.
    pub host_mounts: Vec<HostMount>,
}

/// Something mounted on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMount {
    /// A small disk of its own.
    Tmpfs {
        /// An empty directory.
        target: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A client of networked storage. Clients of one backing directory have one server.
    Client {
        /// The server's directory.
        backing: PathBuf,
        /// An empty directory.
        target: PathBuf,
        /// What it remembers, who answers its locks.
        options: ClientOptions,
    },
}

impl HostMount {
    /// Where it is mounted.
    pub fn target(&self) -> &Path {
        match self {
            Self::Tmpfs { target, .. } | Self::Client { target, .. } => target,
        }
    }
}

/// What one agent sees.
#[derive(Clone, Debug)]
pub struct View {
    /// Its mounts.
    pub mounts: Vec<Mount>,
    /// The database inside.
    pub database: PathBuf,
    /// The folder of the database on the host, as this agent gets it: where its sidecars lie.
    pub folder: PathBuf,
    /// What the agent does to itself.
    pub quirks: Quirks,
    /// What working means for it at first.
    pub duty: Duty,
    /// User and group inside its container; `None`: root.
    pub user: Option<(u32, u32)>,
    /// Its memory limit in bytes; `None`: the usual one.
    pub memory_bytes_max: Option<u64>,
    /// A private folder on the host that is lost when the container is recreated.
    pub lost_on_recreate: Option<PathBuf>,
    /// What its container takes from one of the user's.
    pub likeness: Option<Likeness>,
    /// A plain process on the host, whatever the runtime.
    pub on_host: bool,
}

impl View {
    /// A folder of the host at `inside`, the database in it.
    pub fn of_folder(folder: &Path, inside: &str) -> Self {
        let inside = PathBuf::from(inside);
        let mount = Mount::Bind { source: folder.to_owned(), destination: inside.clone(), read_only: false };
        Self {
            mounts: vec![mount],
            database: inside.join(DATABASE),
            folder: folder.to_owned(),
            quirks: Quirks::default(),
            duty: Duty::Work,
            user: None,
            memory_bytes_max: None,
            lost_on_recreate: None,
            likeness: None,
            on_host: false,
        }
    }

    /// The same files from the host: no container, no mounts of its own.
    pub fn on_host(&self) -> Self {
        Self { on_host: true, user: None, likeness: None, ..self.clone() }
    }

    /// A file beside its database, on the host: `-wal`, `-shm`, `-journal`.
    pub fn sidecar(&self, suffix: &str) -> PathBuf {
        let name = self.database.file_name().unwrap_or_default().to_string_lossy();
        self.mounted(suffix).unwrap_or_else(|| self.folder.join(format!("{name}{suffix}")))
    }

    /// The file of the host that is mounted at the place of a file beside its database, by itself.
    pub fn mounted(&self, suffix: &str) -> Option<PathBuf> {
        let mut inside = self.database.clone().into_os_string();
        inside.push(suffix);
        self.mounts.iter().find_map(|mount| match mount {
            Mount::Bind { source, destination, .. } if destination.as_os_str() == inside => Some(source.clone()),
            _ => None,
        })
    }

    /// The same with quirks.
    pub fn with_quirks(self, quirks: Quirks) -> Self {
        Self { quirks, ..self }
    }
}

/// The world of this name.
pub fn find(name: &str) -> Option<&'static World> {
    WORLDS.iter().copied().find(|world| world.name == name)
}

/// One directory shared by everybody at /db: the ground of several worlds.
fn shared(scratch: &Path, agents: u16, quirks: Quirks) -> io::Result<Ground> {
    let folder = scratch.join("data");
    fs::create_dir_all(&folder)?;
    let view = View::of_folder(&folder, "/db").with_quirks(quirks);
    Ok(Ground {
        creators: vec![view.clone()],
        views: vec![view; agents.into()],
        database: folder.join(DATABASE),
        host_mounts: Vec::new(),
    })
}

/// How a side reaches the one directory.
#[derive(Clone, Copy)]
enum Side {
    /// By a client of its own.
    Client(ClientOptions),
    /// On the server itself.
    Server,
}

/// Sides that reach one directory in different ways; agents are spread over them in turn, the first side creates.
fn sides(scratch: &Path, agents: u16, sides: &[Side]) -> io::Result<Ground> {
    let backing = scratch.join("server");
    fs::create_dir_all(&backing)?;
    let (mut host_mounts, mut views) = (Vec::new(), Vec::new());
    for (index, side) in sides.iter().enumerate() {
        let mut view = View::of_folder(&backing, "/db");
        if let Side::Client(options) = side {
            let target = scratch.join(format!("client-{index}"));
            fs::create_dir_all(&target)?;
            view.mounts = View::of_folder(&target, "/db").mounts;
            host_mounts.push(HostMount::Client { backing: backing.clone(), target, options: *options });
        }
        views.push(view);
    }
    let creator = views[0].clone();
    let views = (0..usize::from(agents)).map(|agent| views[agent % sides.len()].clone()).collect();
    Ok(Ground { creators: vec![creator], views, database: backing.join(DATABASE), host_mounts })
}

/// Everybody at one directory; every second agent changes its view.
fn every_second(scratch: &Path, agents: u16, change: impl Fn(&mut View)) -> io::Result<Ground> {
    let mut ground = shared(scratch, agents, Quirks::default())?;
    ground.views.iter_mut().skip(1).step_by(2).for_each(change);
    Ok(ground)
}

/// A private directory for each agent, with the one database file mounted into it.
fn one_file_mounted(scratch: &Path, agents: u16, lost_on_recreate: bool) -> io::Result<Ground> {
    let mut ground = files_mounted(scratch, agents, &[""])?;
    for view in ground.views.iter_mut().chain(&mut ground.creators).filter(|_| lost_on_recreate) {
        view.lost_on_recreate = Some(view.folder.clone());
    }
    Ok(ground)
}

/// A private directory for each agent, with files of one directory mounted into it one by one, by their endings.
fn files_mounted(scratch: &Path, agents: u16, suffixes: &[&str]) -> io::Result<Ground> {
    let data = scratch.join("data");
    fs::create_dir_all(&data)?;
    let name = |suffix: &str| format!("{DATABASE}{suffix}");
    suffixes.iter().try_for_each(|suffix| fs::File::create_new(data.join(name(suffix))).map(drop))?;
    let views = (0..agents).map(|agent| {
        let private = scratch.join(format!("private-{agent}"));
        fs::create_dir_all(&private)?;
        let mut view = View::of_folder(&private, "/db");
        view.mounts.extend(suffixes.iter().map(|suffix| Mount::Bind {
            source: data.join(name(suffix)),
            destination: PathBuf::from("/db").join(name(suffix)),
            read_only: false,
        }));
        Ok(view)
    });
    let views: Vec<View> = views.collect::<io::Result<_>>()?;
    Ok(Ground { creators: vec![views[0].clone()], views, database: data.join(DATABASE), host_mounts: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_sorted_documented_and_found_by_name() {
        assert!(WORLDS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for world in WORLDS {
            assert!(find(world.name).is_some());
            for heading in ["## What it is", "## Why it", "## How sure we are", "## References"] {
                assert!(world.explain.contains(heading), "{}: {heading}", world.name);
            }
        }
    }

    #[test]
    fn every_world_lays_out_a_view_for_each_agent() {
        for world in WORLDS {
            let scratch = std::env::temp_dir().join(format!("walproof-world-{}-{}", world.name, std::process::id()));
            fs::create_dir_all(&scratch).expect("temporary folder");
            let ground = (world.prepare)(&scratch, 3).expect(world.name);
            assert_eq!(ground.views.len(), 3, "{}", world.name);
            assert!(ground.database.starts_with(&scratch));
            fs::remove_dir_all(scratch).expect("removes");
        }
    }
}
