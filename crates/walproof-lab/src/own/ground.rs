//! The user's boundary laid out again, one directory deeper: `X/app.db` becomes `X/.walproof-<run>/<phase>/app.db`, on
//! the host and inside alike, so that the same mounts lead to scratch files.
//!
//! What this file is: directories and empty files with the owner and the mode of those beside them, and what each agent
//! sees.
//! What it must not do: touch anything outside `.walproof-<run>`.
//! Where to look next: `worlds/mod.rs`, whose [`Ground`] this is.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use walproof_format::protocol::{Duty, Quirks};

use super::reach::{Folder, with_suffix};
use super::{Own, Reached};
use crate::runtimes::{Likeness, Mount};
use crate::worlds::{Ground, View};

/// Below it an agent with its usual workload has too little memory.
const MEMORY_BYTES_MIN: u64 = 96 << 20;

/// Where things are laid out.
pub struct Layout<'a> {
    /// `.walproof-<run>`.
    pub scratch_name: &'a str,
    /// `bang`, `probe`, `control`.
    pub phase: &'a str,
    /// A directory for what containers have of their own.
    pub private: &'a Path,
    /// Whether the runtime can make containers like the user's.
    pub likeness: bool,
}

impl Layout<'_> {
    /// The same path one directory deeper.
    fn deeper(&self, path: &Path) -> PathBuf {
        let folder = path.parent().unwrap_or(Path::new("/")).join(self.scratch_name).join(self.phase);
        path.file_name().map_or(folder.clone(), |name| folder.join(name))
    }
}

impl Own {
    /// Lays it out for so many agents; they are spread over the openers in turn, and the first one of each database
    /// creates it.
    pub fn ground(&self, layout: &Layout<'_>, agents: u16) -> io::Result<Ground> {
        self.places().into_iter().try_for_each(|place| make_place(place, layout))?;
        self.make_files(layout)?;
        let openers: Vec<&Reached> = self.reached.iter().cycle().take(agents.into()).collect();
        let views = openers.iter().enumerate().map(|(agent, opener)| opener.view(layout, agent));
        let views: Vec<View> = views.collect::<io::Result<_>>()?;
        let creating = creating(&openers, layout);
        let database = openers[creating[0]].database_on_host(layout, creating[0]);
        let creators = creating.iter().map(|agent| views[*agent].clone()).collect();
        Ok(Ground { creators, views, database, host_mounts: Vec::new() })
    }

    /// Every file of the host that must be there before anybody comes: what is mounted as a file, and what is one file
    /// under several names.
    fn make_files(&self, layout: &Layout<'_>) -> io::Result<()> {
        let mut made: Vec<(PathBuf, Option<(u64, u64)>)> = Vec::new();
        for reached in &self.reached {
            let mounted = reached.reach.files.iter().map(|file| file.source.clone());
            // Where there is none yet the creator makes it, as its own user.
            let all = mounted.chain(reached.reach.database(&reached.database).filter(|path| path.exists()));
            for original in all.collect::<Vec<_>>() {
                let inode = fs::metadata(&original).ok().filter(|found| found.nlink() > 1);
                let inode = inode.map(|found| (found.dev(), found.ino()));
                // The same directory may be known by another path as well.
                if made.iter().any(|(path, _)| *path == original) || layout.deeper(&original).exists() {
                    continue;
                }
                let twin = made.iter().find(|(_, other)| inode.is_some() && *other == inode);
                match twin {
                    Some((first, _)) => fs::hard_link(layout.deeper(first), layout.deeper(&original))?,
                    None => make_file(&original, layout)?,
                }
                made.push((original, inode));
            }
        }
        Ok(())
    }
}

/// What a file is, whatever it is called.
pub(super) fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Whether two paths are one file, also where it is not there yet: one inode, or one name in one directory.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| inode(path.parent()?);
    let both = |one: Option<(u64, u64)>, other| one.is_some() && one == other;
    one == other
        || both(inode(one), inode(other))
        || (one.file_name() == other.file_name() && both(folder(one), folder(other)))
}

/// The first agent of every file that is to be the database; more than one where openers do not share it.
fn creating(openers: &[&Reached], layout: &Layout<'_>) -> Vec<usize> {
    let mut creating: Vec<(usize, PathBuf)> = Vec::new();
    for (agent, opener) in openers.iter().enumerate().filter(|(_, opener)| !opener.reach.read_only()) {
        let path = opener.database_on_host(layout, agent);
        if !creating.iter().any(|(_, other)| is_same_file(other, &path)) {
            creating.push((agent, path));
        }
    }
    match creating.is_empty() {
        // Nobody may write: the first one tries, and says so.
        true => vec![0],
        false => creating.into_iter().map(|(agent, _)| agent).collect(),
    }
}

/// Scratch in a directory of the user's, with its owner and mode: whoever may write there may write here.
fn make_place(place: &Path, layout: &Layout<'_>) -> io::Result<()> {
    let scratch = place.join(layout.scratch_name);
    for folder in [&scratch, &scratch.join(layout.phase)] {
        if !folder.exists() {
            fs::create_dir(folder)?;
        }
        mirror(place, folder)?;
    }
    Ok(())
}

fn make_file(original: &Path, layout: &Layout<'_>) -> io::Result<()> {
    let path = layout.deeper(original);
    fs::File::create_new(&path)?;
    match original.exists() {
        true => mirror(original, &path),
        false => chown_like(original.parent().unwrap_or(Path::new("/")), &path),
    }
}

/// Owner and mode of one for another.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    chown_like(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(fs::metadata(from)?.mode() & 0o7777))
}

/// Only root can give files away; anybody else makes them as the application would that runs as this user.
fn chown_like(from: &Path, to: &Path) -> io::Result<()> {
    let (from, found) = (fs::metadata(from)?, fs::metadata(to)?);
    match (from.uid(), from.gid()) == (found.uid(), found.gid()) {
        true => Ok(()),
        false => chown(to, Some(from.uid()), Some(from.gid())),
    }
}

impl Reached {
    fn view(&self, layout: &Layout<'_>, agent: usize) -> io::Result<View> {
        let inside = layout.deeper(&self.database);
        let folder_inside = inside.parent().unwrap_or(Path::new("/")).to_path_buf();
        let (first, folder) = match &self.reach.folder {
            Folder::Mounted { mount, place, .. } => (mount.clone(), place.join(layout.scratch_name).join(layout.phase)),
            Folder::Private => {
                let private = self.private(layout, agent);
                fs::create_dir_all(&private)?;
                // Its own user writes there, whoever that is.
                fs::set_permissions(&private, fs::Permissions::from_mode(0o777))?;
                let mount = Mount::Bind { source: private.clone(), destination: folder_inside, read_only: false };
                (mount, private)
            }
        };
        let files = self.reach.files.iter().map(|file| Mount::Bind {
            source: layout.deeper(&file.source),
            destination: with_suffix(&inside, file.suffix),
            read_only: file.read_only,
        });
        let reads_only = self.reach.read_only();
        Ok(View {
            on_host: false,
            mounts: std::iter::once(first).chain(files).collect(),
            database: inside,
            folder,
            quirks: Quirks { read_only: reads_only, ..Quirks::default() },
            duty: if reads_only { Duty::Read } else { Duty::Work },
            user: self.opener.likeness.user.as_deref().and_then(numeric).filter(|_| !layout.likeness),
            memory_bytes_max: self.opener.likeness.memory_bytes_max.map(|bytes| bytes.max(MEMORY_BYTES_MIN)),
            lost_on_recreate: None,
            likeness: layout.likeness.then(|| self.opener.likeness.clone()),
        })
    }

    fn private(&self, layout: &Layout<'_>, agent: usize) -> PathBuf {
        layout.private.join(format!("private-{}-{agent}", layout.phase))
    }

    fn database_on_host(&self, layout: &Layout<'_>, agent: usize) -> PathBuf {
        match self.reach.database(&self.database) {
            Some(path) => layout.deeper(&path),
            None => self.private(layout, agent).join(self.database.file_name().unwrap_or_default()),
        }
    }
}

/// `1000`, `1000:100`, as a user and a group; names are not known here.
pub(super) fn numeric(user: &str) -> Option<(u32, u32)> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let user: u32 = user.parse().ok()?;
    Some((user, group.map_or(Some(0), |group| group.parse().ok())?))
}

/// Gives everything below a scratch folder the owner and mode of the tested directory: agents in an image of the user's
/// are its user.
pub fn open_to_the_user_of(directory: &Path, folder: &Path) -> io::Result<()> {
    mirror(directory, folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => open_to_the_user_of(directory, &entry.path())?,
            kind if kind.is_file() => chown_like(directory, &entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

/// What an agent takes from an image alone.
pub fn of_image(image: &str) -> Likeness {
    Likeness { image: Some(image.to_owned()), ..Likeness::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_one_directory_deeper() {
        let layout = Layout { scratch_name: ".walproof-1", phase: "bang", private: Path::new("/p"), likeness: false };
        assert_eq!(layout.deeper(Path::new("/data/app.db")), Path::new("/data/.walproof-1/bang/app.db"));
        assert_eq!(layout.deeper(Path::new("/app.db")), Path::new("/.walproof-1/bang/app.db"));
    }

    #[test]
    fn a_file_is_the_same_by_whatever_path_also_before_it_is_there() {
        let root = std::env::temp_dir().join(format!("walproof-same-{}", std::process::id()));
        fs::create_dir_all(root.join("data")).expect("made");
        std::os::unix::fs::symlink("data", root.join("alias")).expect("a link");
        let (one, other) = (root.join("data/app.db"), root.join("alias/app.db"));
        assert!(is_same_file(&one, &other), "not there yet");
        assert!(!is_same_file(&one, &root.join("alias/other.db")));
        fs::write(&one, "").expect("written");
        fs::hard_link(&one, root.join("linked.db")).expect("linked");
        assert!(is_same_file(&root.join("linked.db"), &other));
        fs::remove_dir_all(root).expect("removes");
    }

    #[test]
    fn users_are_numbers_or_unknown() {
        assert_eq!(numeric("1000"), Some((1000, 0)));
        assert_eq!(numeric("1000:100"), Some((1000, 100)));
        assert_eq!(numeric("app"), None);
        assert_eq!(numeric("1000:app"), None);
    }
}
