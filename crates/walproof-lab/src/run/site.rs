//! Where a run takes place: what is tested, the scratch folders, and the ground that agents get.
//!
//! What this file must not do: start a stress or judge; `verify.rs` and `probe.rs` do.
//! Where to look next: `worlds` and `own` lay out what agents see, `leavings.rs` removes it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use walproof_format::plan::StorageKnobs;
use walproof_format::protocol::Workload;
use walproof_judge::facts::OtherKernels;

use crate::collect::{databases, machine, storage};
use crate::error::LabError;
use crate::own::ground::{Layout, of_image, open_to_the_user_of};
use crate::own::{self, Own};
use crate::run::fleet::{Fleet, FleetPlan};
use crate::run::leavings::{RunDirectory, RunId};
use crate::run::verify::{Boundary, Options};
use crate::runtimes::Runtime;
use crate::worlds::{self, Ground, HostMount, View, World};

/// Bytes that must be free in the tested directory: database, log and their copies in every private place.
pub(super) const FREE_BYTES_MIN: u64 = 32 << 20;
/// The smallest limit on the size of a file under which a test makes sense.
pub(super) const FILE_BYTES_MAX_MIN: u64 = 1 << 30;
/// Openers of the user's own boundary that are probed, each with each.
pub(super) const PROBED_MAX: u16 = 4;

/// What is tested.
pub(super) enum Tested {
    /// A prepared boundary.
    World(&'static World),
    /// The user's own.
    Own(Own),
}

impl Tested {
    /// Every opener of the user's own boundary gets an agent at least.
    pub(super) fn find(options: &mut Options, runtime: &dyn Runtime) -> Result<Tested, LabError> {
        let Some(asked) = &options.own else { return Ok(Tested::World(find_world(&options.world)?)) };
        let own = Own::find(asked, options.image.as_deref(), runtime)?;
        options.world = own::NAME.to_owned();
        // What it hangs by is seen by the probe alone.
        options.probe = true;
        options.agents = options.agents.max(own.agents_min());
        Ok(Tested::Own(own))
    }

    /// The directories in which scratch is made, the first for what all have in common.
    pub(super) fn places(&self, options: &Options) -> Result<Vec<PathBuf>, LabError> {
        match self {
            Tested::World(_) => Ok(vec![open_directory(&options.directory)?]),
            Tested::Own(own) if own.places().is_empty() => Err(LabError::new(
                "the database is in no mount of anybody",
                "every container has one of its own then, which goes with it",
                "mount the directory of the database, or correct `--database`",
            )
            .blind()),
            Tested::Own(own) => own.places().into_iter().map(open_directory).collect(),
        }
    }

    pub(super) fn check_needs(&self, runtime: &dyn Runtime) -> Result<(), LabError> {
        match self {
            Tested::World(world) => check_needs(world, runtime),
            Tested::Own(_) if runtime.abilities().bind_mounts => Ok(()),
            Tested::Own(_) => Err(LabError::new(
                format!("runtime `{}` cannot mount what your containers mount", runtime.name()),
                "plain processes share the mounts of the host",
                "leave `--runtime` out, or name an engine",
            )),
        }
    }

    /// How many kinds of parties there are.
    pub(super) fn openers(&self) -> u16 {
        match self {
            Tested::World(_) => 2,
            Tested::Own(own) => own.agents_min(),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Tested::World(world) => world.name,
            Tested::Own(_) => own::NAME,
        }
    }
}

/// Where a run takes place.
pub(super) struct Site<'a> {
    pub(super) runtime: &'a dyn Runtime,
    pub(super) run: &'a RunDirectory,
    pub(super) scratch: &'a Path,
    pub(super) history: &'a Path,
    pub(super) interrupted: &'a AtomicBool,
}

impl Site<'_> {
    pub(super) fn fleet(
        &self,
        ground: Ground,
        options: &Options,
        prefix: &'static str,
        history: Option<PathBuf>,
    ) -> Result<Fleet<'_>, LabError> {
        let workload = Workload { keep_lists: options.keep_history, ..options.workload.clone() };
        let (runtime, run, seed) = (self.runtime, self.run, options.seed);
        let program = options.program.clone();
        let targets = options.targets.clone();
        Fleet::mounted(FleetPlan { runtime, run, ground, workload, seed, history, program, prefix, targets })
    }

    /// A subdirectory of scratch or history.
    pub(super) fn folder(&self, parent: &Path, name: &str) -> Result<PathBuf, LabError> {
        let folder = parent.join(name);
        fs::create_dir_all(&folder)
            .map(|()| folder.clone())
            .map_err(|error| LabError::path("cannot make the directory", &folder, error, "free space or inodes there"))
    }

    pub(super) fn ground(
        &self,
        tested: &Tested,
        options: &Options,
        name: &str,
        agents: u16,
    ) -> Result<Ground, LabError> {
        let folder = self.folder(self.scratch, name)?;
        let laid_out = match tested {
            Tested::World(world) => self.ground_of_world(world, options, &folder, agents),
            Tested::Own(own) => own.ground(
                &Layout {
                    scratch_name: &self.run.scratch_name(),
                    phase: name,
                    private: self.history,
                    likeness: self.runtime.engine().is_some(),
                },
                agents,
            ),
        };
        laid_out.map_err(|error| match (tested, error.kind()) {
            (Tested::Own(_), io::ErrorKind::PermissionDenied) => {
                let what = "cannot lay out what your containers have in";
                LabError::path(what, &folder, error, "run as root, who can give files to others")
            }
            _ => LabError::path("cannot lay out the world in", &folder, error, "test another file system's directory"),
        })
    }

    fn ground_of_world(&self, world: &World, options: &Options, folder: &Path, agents: u16) -> io::Result<Ground> {
        let mut ground = (world.prepare)(folder, agents)?;
        if let Some(image) = &options.image {
            ground.views.iter_mut().chain(&mut ground.creators).for_each(|view| view.likeness = Some(of_image(image)));
            let scratch = folder.parent().unwrap_or(folder);
            open_to_the_user_of(scratch.parent().unwrap_or(scratch), scratch)?;
        }
        Ok(ground)
    }

    /// Two parties of a world, or one of every opener of the user's own boundary, started and ready to be asked.
    pub(super) fn parties(
        &self,
        tested: &Tested,
        options: &Options,
        count: u16,
        change: impl FnOnce(&mut Vec<View>),
    ) -> Result<Fleet<'_>, LabError> {
        let mut ground = self.ground(tested, options, "probe", count)?;
        change(&mut ground.views);
        ground.creators = vec![ground.views[0].clone()];
        turn_knobs(&mut ground, options.storage)?;
        let fleet = self.fleet(ground, options, "probe", None)?;
        let database = &fleet.ground().database;
        if !database.exists() {
            // Whoever the agents are, they open it.
            fs::File::create(database)
                .and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o666)))
                .map_err(|error| LabError::path("cannot create", database, error, "free space there"))?;
        }
        fleet.start_everybody()?;
        Ok(fleet)
    }
}

/// Lets the ground's storage of ours behave as asked.
pub(super) fn turn_knobs(ground: &mut Ground, asked: StorageKnobs) -> Result<(), LabError> {
    let mut turned = asked.is_untouched();
    for mount in &mut ground.host_mounts {
        if let HostMount::Client { options, .. } = mount {
            options.latency = asked.latency.unwrap_or(options.latency);
            options.failing = asked.failing.unwrap_or(options.failing);
            turned = true;
        }
    }
    let because = "the world has no storage of ours";
    let remedy = "a world of networked storage: `--world one-client-shared`, or one of the `two-clients-*`";
    if turned { Ok(()) } else { Err(LabError::new("cannot slow the storage or let it fail", because, remedy)) }
}

/// An image belongs to an engine, and must be there: nothing is pulled.
pub(super) fn check_image(options: &Options, runtime: &dyn Runtime) -> Result<(), LabError> {
    let Some(image) = &options.image else { return Ok(()) };
    let Some(engine) = runtime.engine() else {
        let because = format!("runtime `{}` has no images", runtime.name());
        return Err(LabError::new("cannot put agents into an image", because, "`--runtime docker`, or leave it out"));
    };
    engine.ask(&["image", "inspect", "--format", "{{.Id}}", image]).map(drop).map_err(|error| {
        LabError::new(format!("cannot use image `{image}`"), error.because(), "pull or build it first")
    })
}

pub(super) fn find_world(name: &str) -> Result<&'static World, LabError> {
    worlds::find(name).ok_or_else(|| {
        let names: Vec<&str> = worlds::WORLDS.iter().map(|world| world.name).collect();
        LabError::new(
            format!("there is no world `{name}`"),
            format!("the worlds are {}", names.join(", ")),
            "one of these",
        )
    })
}

pub(super) fn check_needs(world: &World, runtime: &dyn Runtime) -> Result<(), LabError> {
    if world.needs.met_by(runtime.abilities()) {
        return Ok(());
    }
    if let Some(lacking) = world.needs.lacking() {
        let what = format!("the world `{}` cannot be made here", world.name);
        return Err(LabError::new(what, lacking, "run as root where /dev/fuse is, or take another `--world`"));
    }
    let what = format!("the world `{}` cannot be made by runtime `{}`", world.name, runtime.name());
    let (because, try_this) = match runtime.abilities().containers {
        true => ("it makes no overlay of directories that one chooses", "`--runtime embedded`"),
        false => (
            "it needs mounts of its own for each agent, and plain processes share those of the host",
            "run as root, or where user namespaces may mount",
        ),
    };
    Err(LabError::new(what, because, try_this))
}

/// The directory, absolute; it must be one.
pub(super) fn open_directory(directory: &Path) -> Result<PathBuf, LabError> {
    let absolute = fs::canonicalize(directory)
        .map_err(|error| LabError::path("cannot use", directory, error, "name a directory that exists"))?;
    if !absolute.is_dir() {
        return Err(LabError::path(
            "cannot use",
            directory,
            "it is not a directory",
            "name the directory of the database",
        ));
    }
    // Before anything is noted that could not be removed again.
    let path = std::ffi::CString::new(absolute.as_os_str().as_encoded_bytes()).unwrap_or_default();
    // SAFETY: a string that outlives the call.
    if unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) } != 0 {
        let error = std::io::Error::last_os_error();
        let what = "cannot make the scratch directory in";
        return Err(LabError::path(what, directory, error, "test a directory that you may write to"));
    }
    Ok(absolute)
}

/// Before anything is made: a full disk breaks every database, and says nothing about the boundary. The log is as long
/// in frames whatever the page size.
pub(super) fn check_space(directory: &Path, workload: &Workload) -> Result<(), LabError> {
    let needed = FREE_BYTES_MIN * u64::from(workload.page_size_bytes / 4096).max(1);
    match storage::free_bytes(directory) {
        Some(free) if free < needed => Err(LabError::path(
            "cannot test",
            directory,
            format!("only {} KiB are free there, and this test needs {} MiB", free >> 10, needed >> 20),
            "free space there, or test a directory of the same storage that has some",
        )),
        _ => Ok(()),
    }
}

/// A limit on the size of files fails writes on any storage: it is lifted as far as this user may.
pub(super) fn lift_file_size_limit() -> Result<(), LabError> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid out-pointer.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: a valid limit, not above the hard one.
    unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) };
    if limit.rlim_max >= FILE_BYTES_MAX_MIN {
        return Ok(());
    }
    Err(LabError::new(
        "cannot test under this limit on the size of files",
        format!("no file may grow beyond {} KiB here, and writes beyond it fail on any storage", limit.rlim_max >> 10),
        "`ulimit -f unlimited` in a fresh shell",
    ))
}

/// `.walproof-<run>` in every tested directory; gives the first.
pub(super) fn make_scratch(run: &RunDirectory, directories: &[PathBuf]) -> Result<PathBuf, LabError> {
    let mut made = Vec::new();
    for directory in directories {
        let scratch = run.note_scratch(&directory.join(run.scratch_name()))?;
        fs::create_dir(&scratch).map_err(|error| {
            LabError::path(
                "cannot make the scratch directory",
                &scratch,
                error,
                "test a directory that this user may write to, on a file system with free space",
            )
        })?;
        made.push(scratch);
    }
    Ok(made.swap_remove(0))
}

/// The folder of the histories, outside the tested directory.
pub(super) fn make_history(run: &RunDirectory, options: &Options, directory: &Path) -> Result<PathBuf, LabError> {
    let parent = options.history.clone().unwrap_or_else(std::env::temp_dir);
    let parent = fs::canonicalize(&parent).map_err(|error| {
        LabError::path("cannot keep histories in", &parent, error, "set TMPDIR, or name a folder with `--history`")
    })?;
    if options.history.is_some() && parent.starts_with(directory) {
        return Err(LabError::path(
            "cannot keep histories in",
            &parent,
            "it lies inside the tested directory, and what breaks there must not break them",
            "name a folder elsewhere",
        ));
    }
    let folder = parent.join(format!("walproof-history-{}", run.id().as_str()));
    let folder = run.note_history(&folder)?;
    fs::create_dir(&folder)
        .map_err(|error| LabError::path("cannot make", &folder, error, "name another folder with `--history`"))?;
    Ok(folder)
}

pub(super) fn worse(one: OtherKernels, other: OtherKernels) -> OtherKernels {
    match (&one, &other) {
        (OtherKernels::Yes(_), _) | (OtherKernels::Perhaps(_), OtherKernels::Perhaps(_)) | (_, OtherKernels::No) => one,
        _ => other,
    }
}

pub(super) fn look(
    options: &Options,
    tested: &Tested,
    runtime: &dyn Runtime,
    places: &[PathBuf],
    id: &RunId,
) -> Boundary {
    let mut storage = storage::look(&places[0]);
    // Whatever may be shared with another kernel makes the whole no better than that.
    for place in &places[1..] {
        storage.other_kernels = worse(storage.other_kernels, storage::look(place).other_kernels);
    }
    let mut abilities = runtime.abilities().clone();
    let own = match tested {
        Tested::World(_) => None,
        Tested::Own(own) => {
            abilities.missing.extend(own.not_taken());
            if own.agents_min() > PROBED_MAX {
                abilities.missing.push(format!("the probe of more than the first {PROBED_MAX} openers"));
            }
            Some(own.report())
        }
    };
    Boundary {
        run: id.as_str().to_owned(),
        runtime: runtime.name().to_owned(),
        abilities,
        agents: options.agents,
        world: tested.name().to_owned(),
        storage,
        machine: machine::look(),
        databases: places.iter().flat_map(|place| databases::look(place)).collect(),
        sqlite: String::new(),
        own,
        directory: places[0].clone(),
    }
}
