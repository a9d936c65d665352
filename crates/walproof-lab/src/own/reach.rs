//! How an opener reaches its database: through a directory, through single files, or not out of its container at all.
//!
//! What this file is: the mounts of one opener and the path of its database, resolved to places on the host.
//! What it must not do: make anything.
//! Where to look next: `ground.rs`, which lays the same out again.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Opener, OwnMount, Source, unknown};
use crate::error::LabError;
use crate::runtimes::{Mount, Runtime};

/// Endings of the files that SQLite has beside a database, the database itself first.
pub(super) const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// How an opener reaches its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Where its sidecars lie.
    pub folder: Folder,
    /// Single files that are mounted over it, by their ending.
    pub files: Vec<FileMount>,
}

/// Where the sidecars of an opener lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folder {
    /// In a directory that is mounted.
    Mounted {
        /// The whole mount, as the agent gets it.
        mount: Mount,
        /// The directory of the database on the host.
        place: PathBuf,
        /// What it is called for people.
        words: String,
        /// Whether it may not be written.
        read_only: bool,
    },
    /// In the container itself.
    Private,
}

/// A single file that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMount {
    /// Which of SQLite's files it is, by its ending.
    pub suffix: &'static str,
    /// The file on the host.
    pub source: PathBuf,
    /// Whether it may not be written.
    pub read_only: bool,
}

impl Reach {
    /// Directories of the host in which scratch must be made.
    pub fn places(&self) -> Vec<&Path> {
        let folder = match &self.folder {
            Folder::Mounted { place, .. } => Some(place.as_path()),
            Folder::Private => None,
        };
        folder.into_iter().chain(self.files.iter().filter_map(|file| file.source.parent())).collect()
    }

    /// The database on the host; `None`: it never leaves the container.
    pub fn database(&self, inside: &Path) -> Option<PathBuf> {
        let mounted = self.files.iter().find(|file| file.suffix.is_empty()).map(|file| file.source.clone());
        mounted.or_else(|| match &self.folder {
            Folder::Mounted { place, .. } => Some(place.join(inside.file_name()?)),
            Folder::Private => None,
        })
    }

    /// Whether it may only read.
    pub fn read_only(&self) -> bool {
        match self.files.iter().find(|file| file.suffix.is_empty()) {
            Some(file) => file.read_only,
            None => matches!(self.folder, Folder::Mounted { read_only: true, .. }),
        }
    }

    /// In words, for people.
    pub fn words(&self) -> String {
        let folder = match &self.folder {
            Folder::Mounted { words, read_only, .. } => {
                format!("{words}{}", if *read_only { ", read-only" } else { "" })
            }
            Folder::Private => "a directory of the container's own".to_owned(),
        };
        if self.files.is_empty() {
            return folder;
        }
        let files = self.files.iter().map(|file| {
            let name = if file.suffix.is_empty() { "the database" } else { file.suffix };
            format!("{name} = `{}`", file.source.display())
        });
        format!("single files ({}) over {folder}", files.collect::<Vec<_>>().join(", "))
    }
}

/// Resolves a database's path inside through the mounts of an opener.
pub fn of(opener: &Opener, database: &Path, runtime: &dyn Runtime) -> Result<Reach, LabError> {
    let folder = folder_of(opener, database, runtime)?;
    let files: Vec<FileMount> = SUFFIXES
        .into_iter()
        .filter_map(|suffix| {
            let target = with_suffix(database, suffix);
            let mount = opener.mounts.iter().rev().find(|mount| mount.target == target)?;
            Some(file_of(opener, mount, suffix))
        })
        .collect::<Result<_, LabError>>()?;
    let reach = Reach { folder, files };
    refuse_links(opener, database, &reach)?;
    Ok(reach)
}

/// `/data/app.db` and `-wal`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    text.into()
}

/// The mount with the longest target that holds the directory of the database; of equals the later one.
fn folder_of(opener: &Opener, database: &Path, runtime: &dyn Runtime) -> Result<Folder, LabError> {
    let parent = database.parent().unwrap_or(Path::new("/"));
    let holding = opener.mounts.iter().filter(|mount| parent.starts_with(&mount.target));
    let Some(mount) = holding.max_by_key(|mount| mount.target.components().count()) else { return Ok(Folder::Private) };
    let rest = parent.strip_prefix(&mount.target).unwrap_or(Path::new(""));
    let target = mount.target.display();
    let (whole, root, words) = match &mount.source {
        // Memory of the container's own is as private as its layer.
        Source::Memory => return Ok(Folder::Private),
        Source::Unknown { because } => {
            let what = format!("cannot tell what {} mounts at `{target}`", opener.name);
            return Err(unknown(what, because, "set what is missing, and ask again"));
        }
        Source::Path(path) => {
            let root = real(opener, path)?;
            let mount =
                Mount::Bind { source: root.clone(), destination: mount.target.clone(), read_only: mount.read_only };
            (mount, root, format!("directory `{}` at `{target}`", path.display()))
        }
        Source::Volume { name, subpath } => {
            let root = runtime.volume_path(name).map_err(|error| {
                let what = format!("cannot look into volume `{name}` of {}", opener.name);
                unknown(
                    what,
                    error.because(),
                    "`docker compose create`, which makes it, or let the application run once",
                )
            })?;
            volume(name, subpath.as_deref(), root, mount)
        }
    };
    let place = root.join(rest);
    // What a link on the way leads to inside is for the container to say, not for the host.
    let linked =
        fs::canonicalize(&place).is_ok_and(|real| fs::canonicalize(&root).is_ok_and(|root| real != root.join(rest)));
    if linked {
        let what = format!("cannot lay out what {} has at `{}`", opener.name, parent.display());
        let because = format!("there is a symbolic link on the way to `{}`", place.display());
        return Err(unknown(what, because, "`--database` with the path that it leads to, inside"));
    }
    if !place.is_dir() {
        let what = format!("cannot lay out what {} has at `{}`", opener.name, parent.display());
        let because = format!("`{}` is no directory that can be seen here", place.display());
        return Err(unknown(what, because, "make it as the application would (or let it run once), and ask again"));
    }
    Ok(Folder::Mounted { mount: whole, place, words, read_only: mount.read_only })
}

/// A directory in a volume is mounted by the engine as a bind mount of it; so do we, with every version of it.
fn volume(name: &str, subpath: Option<&str>, root: PathBuf, mount: &OwnMount) -> (Mount, PathBuf, String) {
    let (destination, read_only) = (mount.target.clone(), mount.read_only);
    let target = destination.display().to_string();
    match subpath {
        None => {
            let words = format!("volume `{name}` at `{target}`");
            (Mount::Volume { name: name.to_owned(), destination, read_only }, root, words)
        }
        Some(subpath) => {
            let source = root.join(subpath);
            let words = format!("`{subpath}` in volume `{name}` at `{target}`");
            (Mount::Bind { source: source.clone(), destination, read_only }, source, words)
        }
    }
}

fn file_of(opener: &Opener, mount: &OwnMount, suffix: &'static str) -> Result<FileMount, LabError> {
    let what = || format!("cannot lay out the file that {} mounts at `{}`", opener.name, mount.target.display());
    let Source::Path(path) = &mount.source else {
        return Err(unknown(what(), "it is no file of the host", "mount the directory of the database"));
    };
    let source = real(opener, path)?;
    if !source.is_file() {
        let because = format!("`{}` is no regular file", source.display());
        return Err(unknown(what(), because, "see what is there: an engine makes a directory where nothing was"));
    }
    Ok(FileMount { suffix, source, read_only: mount.read_only })
}

/// As the engine resolves it: links of the host followed.
fn real(opener: &Opener, path: &Path) -> Result<PathBuf, LabError> {
    fs::canonicalize(path).map_err(|error| {
        let what = format!("cannot find `{}`, which {} mounts", path.display(), opener.name);
        unknown(what, error, "make it as the application would (or let it run once), and ask again")
    })
}

/// SQLite puts the sidecars beside what a link leads to, wherever that is inside.
fn refuse_links(opener: &Opener, database: &Path, reach: &Reach) -> Result<(), LabError> {
    let Some(path) = reach.database(database) else { return Ok(()) };
    let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_symlink());
    if !is_link {
        return Ok(());
    }
    let what = format!("cannot lay out the database of {} alike", opener.name);
    let because = format!("`{}` is a symbolic link", path.display());
    Err(unknown(what, because, format!("`--database {}=` and the path that it leads to, inside", opener.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::{Likeness, choose};

    struct Host {
        root: PathBuf,
    }

    impl Host {
        fn new(name: &str) -> Host {
            let root = std::env::temp_dir().join(format!("walproof-reach-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("data/sub")).expect("a directory");
            fs::write(root.join("data/app.db"), "").expect("a file");
            Host { root: fs::canonicalize(root).expect("real") }
        }

        fn reach(&self, mounts: &[(&str, &str)], database: &str) -> Result<Reach, LabError> {
            let mounts = mounts.iter().map(|(source, target)| OwnMount {
                source: Source::Path(self.root.join(source)),
                target: (*target).into(),
                read_only: false,
            });
            let opener = Opener {
                name: "web".to_owned(),
                mounts: mounts.collect(),
                likeness: Likeness::default(),
                hints: Vec::new(),
                not_taken: Vec::new(),
                obstacle: None,
            };
            of(&opener, Path::new(database), choose(Some("process")).expect("always there").as_ref())
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    #[test]
    fn the_longest_target_holds_the_database() {
        let host = Host::new("longest");
        let reach = host.reach(&[("", "/"), ("data", "/data"), ("data/sub", "/data/sub")], "/data/sub/app.db");
        let places = reach.expect("a reach");
        assert_eq!(places.places(), [host.root.join("data/sub")]);
        std::os::unix::fs::symlink("sub", host.root.join("data/link")).expect("a link");
        assert!(host.reach(&[("data", "/srv")], "/srv/link/app.db").expect_err("a link on the way").blind);
        let deeper = host.reach(&[("data", "/srv")], "/srv/sub/app.db").expect("a reach");
        assert_eq!(deeper.places(), [host.root.join("data/sub")]);
    }

    #[test]
    fn a_single_file_over_nothing_leaves_the_sidecars_in_the_container() {
        let host = Host::new("single");
        let reach = host.reach(&[("data/app.db", "/data/app.db")], "/data/app.db").expect("a reach");
        assert_eq!(reach.folder, Folder::Private);
        assert_eq!(reach.database(Path::new("/data/app.db")), Some(host.root.join("data/app.db")));
        let over = host.reach(&[("data/sub", "/data"), ("data/app.db", "/data/app.db")], "/data/app.db");
        assert_eq!(over.expect("a reach").places(), [host.root.join("data/sub"), host.root.join("data")]);
    }

    #[test]
    fn no_mount_at_all_is_private() {
        let host = Host::new("none");
        let reach = host.reach(&[("data", "/other")], "/data/app.db").expect("a reach");
        assert_eq!((reach.folder.clone(), reach.database(Path::new("/data/app.db"))), (Folder::Private, None));
    }

    #[test]
    fn what_cannot_be_laid_out_is_unknown() {
        let host = Host::new("unknown");
        assert!(host.reach(&[("missing", "/data")], "/data/app.db").expect_err("no such directory").blind);
        assert!(host.reach(&[("data", "/data")], "/data/missing/app.db").expect_err("no such directory").blind);
        assert!(host.reach(&[("data/sub", "/data/app.db")], "/data/app.db").expect_err("a directory").blind);
        std::os::unix::fs::symlink("app.db", host.root.join("data/link.db")).expect("a link");
        assert!(host.reach(&[("data", "/data")], "/data/link.db").expect_err("a link").blind);
    }
}
