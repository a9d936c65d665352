//! Which database is meant, and who opens it.
//!
//! What this file is: where an opener's database may be (as asked, in what it is told, among the files that it mounts),
//! and which of these several openers reach.
//! What it must not do: guess. Where more than one answer fits, the error lists them and asks for a flag.
//! Where to look next: `reach.rs`, by which two paths inside are found to be one file of the host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use walproof_format::plan::OwnBoundary;

use super::ground::is_same_file;
use super::reach::{self, SUFFIXES};
use super::{Opener, OwnMount, Source, unknown};
use crate::error::LabError;
use crate::runtimes::Runtime;

/// Endings that a file of this kind usually has.
const ENDINGS: &[&str] = &["db", "sqlite", "sqlite3", "db3", "s3db", "sqlitedb"];
/// What stands before a path in the words of drivers.
const SCHEMES: &[&str] = &["jdbc:sqlite:", "sqlite3:", "sqlite:", "file:"];
/// How deep and how far a mounted directory is looked through.
const DEPTH_MAX: usize = 3;
const ENTRIES_MAX: usize = 3_000;
/// What a database is called where there is none yet.
const NO_NAME_YET: &str = "walproof.db";

type Chosen = Vec<(Opener, PathBuf)>;

/// What was found.
pub struct Found {
    /// Who opens the database, and where it is inside.
    pub chosen: Chosen,
    /// Who reaches it as well, and was not named.
    pub others: Vec<String>,
}

/// Chooses the database of each opener, and leaves out who does not open it.
pub fn choose(openers: Vec<Opener>, asked: &OwnBoundary, runtime: &dyn Runtime) -> Result<Found, LabError> {
    let all = openers.clone();
    let chosen = choose_openers(openers, asked, runtime)?;
    let of_one = |(opener, path): &(Opener, PathBuf)| reach::of(opener, path, runtime).ok()?.database(path);
    let files: Vec<PathBuf> = chosen.iter().filter_map(of_one).collect();
    let is_chosen = |name: &str| chosen.iter().any(|(opener, _)| opener.name == name);
    let left_out: Vec<&Opener> = all.iter().filter(|opener| !is_chosen(&opener.name)).collect();
    if asked.services.is_empty() {
        left_out.iter().try_for_each(|opener| refuse_the_same_path_elsewhere(opener, &chosen))?;
    }
    let reaches = |opener: &&&Opener| files.iter().any(|file| inside_of(opener, file, runtime).is_some());
    let others = left_out.iter().filter(reaches).map(|opener| opener.name.clone()).collect();
    Ok(Found { others, chosen })
}

/// Whoever is told the same path and does not get to the same file is no bystander: either it is meant to be the same
/// database, and is not, or it is another one. Only the user knows.
fn refuse_the_same_path_elsewhere(opener: &Opener, chosen: &[(Opener, PathBuf)]) -> Result<(), LabError> {
    let hinted = hinted(opener);
    let Some((other, path)) = chosen.iter().find(|(_, path)| hinted.contains(path)) else { return Ok(()) };
    let name = &opener.name;
    Err(unknown(
        format!(
            "{name} is told `{}` as {} is, and has no mount that leads there to the same file",
            path.display(),
            other.name
        ),
        "its own mounts keep it apart, or it is a database of its own",
        format!(
            "`--service {} --service {name}` if they are to share it, `--service {}` if they are not",
            other.name, other.name
        ),
    ))
}

fn choose_openers(openers: Vec<Opener>, asked: &OwnBoundary, runtime: &dyn Runtime) -> Result<Chosen, LabError> {
    let told = Told::read(&asked.databases, &openers)?;
    let named = !asked.services.is_empty() || (asked.compose.is_empty() && !asked.like.is_empty());
    if named || !told.by_name.is_empty() {
        return every_one_of(openers, asked, &told, runtime);
    }
    if let Some(path) = &told.for_all {
        let reaching = openers.into_iter().filter(|opener| opener.mounts.iter().any(|mount| holds(mount, path)));
        let chosen: Chosen = reaching.map(|opener| (opener, path.clone())).collect();
        return if chosen.is_empty() { Err(nobody_mounts(path)) } else { Ok(chosen) };
    }
    whoever_shares(openers, runtime)
}

/// What was asked for by `--database`.
#[derive(Default)]
struct Told {
    for_all: Option<PathBuf>,
    by_name: BTreeMap<String, PathBuf>,
}

impl Told {
    fn read(asked: &[String], openers: &[Opener]) -> Result<Told, LabError> {
        let mut told = Told::default();
        for text in asked {
            let named = text.split_once('=').filter(|(name, _)| !name.starts_with('/'));
            let path = normal(named.map_or(text.as_str(), |(_, path)| path));
            if !path.is_absolute() || path.file_name().is_none() {
                let because = "it is no absolute path of a file inside the container";
                let try_this = "`--database /data/app.db`, or `--database SERVICE=/data/app.db`";
                return Err(LabError::new(format!("cannot use `--database {text}`"), because, try_this));
            }
            match named {
                None => told.for_all = Some(path),
                Some((name, _)) if openers.iter().any(|opener| opener.name == name) => {
                    told.by_name.insert(name.to_owned(), path);
                }
                Some((name, _)) => return Err(no_opener(name, openers)),
            }
        }
        Ok(told)
    }

    fn of(&self, opener: &Opener) -> Option<PathBuf> {
        self.by_name.get(&opener.name).or(self.for_all.as_ref()).cloned()
    }
}

/// Everybody who was named opens it.
fn every_one_of(
    openers: Vec<Opener>,
    asked: &OwnBoundary,
    told: &Told,
    runtime: &dyn Runtime,
) -> Result<Chosen, LabError> {
    let is_named = |opener: &Opener| {
        let name = &opener.name;
        asked.services.contains(name) || asked.like.contains(name) || told.by_name.contains_key(name)
    };
    let openers: Vec<Opener> = openers.into_iter().filter(is_named).collect();
    let found: Vec<Vec<PathBuf>> = openers.iter().map(|opener| candidates(opener, runtime)).collect();
    let shared = shared_file(&openers, &found, runtime);
    let mut chosen = Vec::new();
    for (opener, found) in openers.into_iter().zip(found) {
        let of_the_shared = || shared.as_ref().and_then(|file| inside_of(&opener, file, runtime));
        let database = match told.of(&opener).or_else(of_the_shared) {
            Some(path) => path,
            None => the_only_one(&opener, found)?,
        };
        chosen.push((opener, database));
    }
    Ok(chosen)
}

/// A file of the host that all of them reach, the first that anybody names.
fn shared_file(openers: &[Opener], found: &[Vec<PathBuf>], runtime: &dyn Runtime) -> Option<PathBuf> {
    let files = openers.iter().zip(found).flat_map(|(opener, found)| found.iter().map(move |path| (opener, path)));
    let mut on_host = files.filter_map(|(opener, path)| reach::of(opener, path, runtime).ok()?.database(path));
    on_host.find(|file| openers.iter().all(|opener| inside_of(opener, file, runtime).is_some()))
}

fn the_only_one(opener: &Opener, found: Vec<PathBuf>) -> Result<PathBuf, LabError> {
    let directories: Vec<&OwnMount> = opener.mounts.iter().filter(|mount| is_directory(mount)).collect();
    match (<[PathBuf; 1]>::try_from(found), &directories[..]) {
        (Ok([one]), _) => Ok(one),
        (Err(none), [directory]) if none.is_empty() => Ok(directory.target.join(NO_NAME_YET)),
        (Err(several), _) => Err(ask_for(
            &format!("cannot tell which database {} opens", opener.name),
            several.iter().map(|path| path.display().to_string()).collect(),
            &format!("`--database {}=/path/inside/app.db`", opener.name),
        )),
    }
}

/// Without names: the one database that several openers reach, else the only one that there is.
fn whoever_shares(openers: Vec<Opener>, runtime: &dyn Runtime) -> Result<Chosen, LabError> {
    let mut groups: Vec<(PathBuf, Vec<usize>)> = Vec::new();
    for opener in &openers {
        for path in candidates(opener, runtime) {
            // What cannot be reached is not passed over: the next best would be another database.
            let Some(file) = reach::of(opener, &path, runtime)?.database(&path) else { continue };
            if !groups.iter().any(|(known, _)| *known == file) {
                let reaching = (0..openers.len()).filter(|at| inside_of(&openers[*at], &file, runtime).is_some());
                let reaching = reaching.collect();
                groups.push((file, reaching));
            }
        }
    }
    if groups.is_empty() {
        openers.iter().try_for_each(refuse_what_is_in_no_mount)?;
        groups = shared_directories(&openers, runtime)?;
    }
    let several: Vec<&(PathBuf, Vec<usize>)> = groups.iter().filter(|(_, reaching)| reaching.len() > 1).collect();
    let pool = if several.is_empty() { groups.iter().collect() } else { several };
    // Databases side by side that the same containers open are one question.
    let alike = |one: &(PathBuf, Vec<usize>), other: &(PathBuf, Vec<usize>)| {
        one.1 == other.1 && one.0.parent() == other.0.parent()
    };
    let Some(first) = pool.first().filter(|first| pool.iter().all(|one| alike(one, first))) else {
        let name = |at: &usize| openers[*at].name.as_str();
        let line = |group: &(PathBuf, Vec<usize>)| {
            format!("`{}` of {}", group.0.display(), group.1.iter().map(name).collect::<Vec<_>>().join(" and "))
        };
        let lines = pool.iter().map(|group| line(group)).collect();
        let try_this = "`--service NAME` for each that opens it, and `--database /path/inside/app.db`";
        return Err(ask_for("cannot tell which database is meant", lines, try_this));
    };
    let (file, reaching) = (*first).clone();
    let chosen = openers.into_iter().enumerate().filter(|(at, _)| reaching.contains(at));
    Ok(chosen.filter_map(|(_, opener)| inside_of(&opener, &file, runtime).map(|path| (opener, path))).collect())
}

/// Where nobody has a database yet: directories that several openers mount, or the only one.
fn shared_directories(openers: &[Opener], runtime: &dyn Runtime) -> Result<Vec<(PathBuf, Vec<usize>)>, LabError> {
    let mut groups: Vec<(PathBuf, Vec<usize>)> = Vec::new();
    for (at, opener) in openers.iter().enumerate() {
        for mount in opener.mounts.iter().filter(|mount| may_be_a_directory(mount)) {
            let path = mount.target.join(NO_NAME_YET);
            let Some(file) = reach::of(opener, &path, runtime)?.database(&path) else { continue };
            match groups.iter_mut().find(|(known, _)| *known == file) {
                Some((_, reaching)) => reaching.push(at),
                None => groups.push((file, vec![at])),
            }
        }
    }
    Ok(groups)
}

/// A database that is named and lies in no mount is the container's own: no directory is guessed in its place.
fn refuse_what_is_in_no_mount(opener: &Opener) -> Result<(), LabError> {
    match hinted(opener).into_iter().find(|path| !opener.mounts.iter().any(|mount| holds(mount, path))) {
        None => Ok(()),
        Some(path) => Err(unknown(
            format!("`{}` of {} is in no mount", path.display(), opener.name),
            "it never leaves its container, and goes with it",
            "mount its directory, or name another database by `--database`",
        )),
    }
}

/// Paths inside that an opener names itself: by a mounted file, a variable, a word of its command.
fn named_by_itself(opener: &Opener) -> Vec<PathBuf> {
    let files = opener.mounts.iter().filter_map(of_a_file);
    let mut all: Vec<PathBuf> = Vec::new();
    for path in files.chain(hinted(opener)) {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

fn hinted(opener: &Opener) -> Vec<PathBuf> {
    opener.hints.iter().flat_map(|hint| paths_in(hint)).collect()
}

/// Paths inside at which an opener's database may be, the surest first. One that it names itself counts more than
/// anything that is found, also when no mount leads there: then it is the container's own.
fn candidates(opener: &Opener, runtime: &dyn Runtime) -> Vec<PathBuf> {
    let (mounted, elsewhere): (Vec<PathBuf>, Vec<PathBuf>) =
        named_by_itself(opener).into_iter().partition(|path| opener.mounts.iter().any(|mount| holds(mount, path)));
    let mut all = if mounted.is_empty() { elsewhere } else { mounted };
    if !all.is_empty() {
        return all;
    }
    for mount in opener.mounts.iter().filter(|mount| is_directory(mount)) {
        if let Some(root) = root_of(mount, runtime) {
            let mut entries_left = ENTRIES_MAX;
            find_databases(&root, &mount.target, DEPTH_MAX, &mut entries_left, &mut all);
        }
    }
    all
}

/// A mounted file that is a database, or lies beside one.
fn of_a_file(mount: &OwnMount) -> Option<PathBuf> {
    let Source::Path(path) = &mount.source else { return None };
    if !path.is_file() {
        return None;
    }
    let target = mount.target.to_str()?;
    let base = SUFFIXES[1..].iter().find_map(|suffix| target.strip_suffix(suffix)).unwrap_or(target);
    (has_ending(base) || is_sqlite(path)).then(|| base.into())
}

/// Absolute paths in a text that end as databases do.
fn paths_in(text: &str) -> Vec<PathBuf> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'`,;|&()<>".contains(c));
    let of_word = |word: &str| {
        let word = word.split(['?', '#']).next().unwrap_or(word);
        let word = word.rsplit_once('=').map_or(word, |(_, value)| value);
        let path = SCHEMES.iter().find_map(|scheme| word.strip_prefix(scheme)).unwrap_or(word);
        let path = format!("/{}", path.strip_prefix('/')?.trim_start_matches('/'));
        has_ending(&path).then(|| normal(&path))
    };
    words.filter_map(of_word).collect()
}

/// Without `.` and `..`, as far as text can tell.
fn normal(path: &str) -> PathBuf {
    Path::new(path).components().fold(PathBuf::new(), |mut path, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            other => path.push(other),
        }
        path
    })
}

fn has_ending(path: &str) -> bool {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

/// A directory, or what nobody can look at.
fn may_be_a_directory(mount: &OwnMount) -> bool {
    match &mount.source {
        Source::Path(path) => path.is_dir() || !path.exists(),
        Source::Volume { .. } | Source::Unknown { .. } => true,
        Source::Memory => false,
    }
}

fn is_directory(mount: &OwnMount) -> bool {
    match &mount.source {
        Source::Path(path) => path.is_dir(),
        Source::Volume { .. } => true,
        Source::Memory | Source::Unknown { .. } => false,
    }
}

fn holds(mount: &OwnMount, path: &Path) -> bool {
    path.starts_with(&mount.target)
}

fn root_of(mount: &OwnMount, runtime: &dyn Runtime) -> Option<PathBuf> {
    match &mount.source {
        Source::Path(path) => fs::canonicalize(path).ok(),
        Source::Volume { name, subpath } => {
            Some(runtime.volume_path(name).ok()?.join(subpath.as_deref().unwrap_or_default()))
        }
        Source::Memory | Source::Unknown { .. } => None,
    }
}

/// What a file of the host is called inside, if it can be reached there at all. An opener that names a database of this
/// name itself means that one, wherever its mounts lead besides.
fn inside_of(opener: &Opener, file: &Path, runtime: &dyn Runtime) -> Option<PathBuf> {
    let inside = |mount: &OwnMount| {
        let rest = file.strip_prefix(root_of(mount, runtime)?).ok()?;
        Some(if rest.as_os_str().is_empty() { mount.target.clone() } else { mount.target.join(rest) })
    };
    let reached = |path: &PathBuf| {
        let found = reach::of(opener, path, runtime).ok().and_then(|reach| reach.database(path));
        found.is_some_and(|found| is_same_file(&found, file))
    };
    let named = named_by_itself(opener);
    let by_name = named.iter().find(|path| reached(path)).cloned();
    let means_another = named.iter().any(|path| path.file_name() == file.file_name());
    by_name.or_else(|| opener.mounts.iter().filter_map(inside).find(reached).filter(|_| !means_another))
}

fn find_databases(folder: &Path, inside: &Path, depth: usize, entries_left: &mut usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if *entries_left == 0 {
            return;
        }
        *entries_left -= 1;
        let (path, inside) = (entry.path(), inside.join(entry.file_name()));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 && !is_scratch(&path) => {
                find_databases(&path, &inside, depth - 1, entries_left, found)
            }
            Ok(kind) if kind.is_file() && is_database(&path) => found.push(inside),
            _ => {}
        }
    }
}

/// Scratch of another run, or of one that was killed.
fn is_scratch(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".walproof-"))
}

/// One that has content, or one that was made and not yet written.
fn is_database(path: &Path) -> bool {
    let empty = || fs::metadata(path).is_ok_and(|found| found.len() == 0);
    is_sqlite(path) || (path.to_str().is_some_and(has_ending) && empty())
}

/// By the 16-byte magic; only a descriptor of our own is opened and closed.
fn is_sqlite(path: &Path) -> bool {
    let mut magic = [0; 16];
    fs::File::open(path).is_ok_and(|file| file.read_exact_at(&mut magic, 0).is_ok()) && &magic == b"SQLite format 3\0"
}

fn no_opener(name: &str, openers: &[Opener]) -> LabError {
    let known: Vec<&str> = openers.iter().map(|opener| opener.name.as_str()).collect();
    let what = format!("there is no service or container `{name}`");
    LabError::new(what, format!("there are {}", known.join(", ")), "one of these")
}

fn nobody_mounts(path: &Path) -> LabError {
    let because = "no service has a mount that holds it, so it never leaves its container";
    let what = format!("nobody shares `{}`", path.display());
    unknown(what, because, "name who opens it with `--service`, or correct the path")
}

fn ask_for(what: &str, found: Vec<String>, try_this: &str) -> LabError {
    let because = match found.len() {
        0 => "no mounted file, no variable and no word of a command names one".to_owned(),
        _ => format!("it may be {}", found.join(", or ")),
    };
    unknown(what, because, try_this)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::{Likeness, choose as choose_runtime};

    #[track_caller]
    fn names(text: &str, expected: &[&str]) {
        assert_eq!(paths_in(text), expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn drivers_write_paths_in_many_ways() {
        names("sqlite:////data/app.db", &["/data/app.db"]);
        names("sqlite:///data/app.db?mode=rwc&cache=private", &["/data/app.db"]);
        names("file:/data/app.sqlite3", &["/data/app.sqlite3"]);
        names("jdbc:sqlite:/data/app.db", &["/data/app.db"]);
        names("--db=/data/app.db --port 80", &["/data/app.db"]);
        names("litestream replicate /data/app.db s3://bucket/app.db", &["/data/app.db"]);
        names("postgres://db/app", &[]);
        names("relative/app.db", &[]);
    }

    struct Host {
        root: PathBuf,
    }

    impl Host {
        fn new(name: &str) -> Host {
            let root = std::env::temp_dir().join(format!("walproof-database-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("one")).and_then(|()| fs::create_dir_all(root.join("two"))).expect("made");
            Host { root: fs::canonicalize(root).expect("real") }
        }

        fn opener(&self, name: &str, mounts: &[(&str, &str)], hint: &str) -> Opener {
            let mounts = mounts.iter().map(|(source, target)| OwnMount {
                source: Source::Path(self.root.join(source)),
                target: (*target).into(),
                read_only: false,
            });
            let (mounts, hints) = (mounts.collect(), vec![hint.to_owned()]);
            let likeness = Likeness::default();
            Opener { name: name.to_owned(), mounts, likeness, hints, not_taken: Vec::new(), obstacle: None }
        }

        fn choose(&self, openers: Vec<Opener>, asked: OwnBoundary) -> Result<Vec<(String, String)>, LabError> {
            let asked = OwnBoundary { compose: vec!["compose.yaml".to_owned()], ..asked };
            let runtime = choose_runtime(Some("process")).expect("always there");
            let found = choose(openers, &asked, runtime.as_ref())?;
            Ok(found.chosen.into_iter().map(|(opener, path)| (opener.name, path.display().to_string())).collect())
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect()
    }

    #[test]
    fn whoever_reaches_the_named_database_opens_it() {
        let host = Host::new("reaches");
        let web = host.opener("web", &[("one", "/data")], "DB=sqlite:////data/app.db");
        let backup = host.opener("backup", &[("one", "/mnt/source")], "");
        let cache = host.opener("cache", &[("two", "/data")], "");
        let found = host.choose(vec![web, backup, cache], OwnBoundary::default()).expect("clear");
        assert_eq!(found, pairs(&[("web", "/data/app.db"), ("backup", "/mnt/source/app.db")]));
    }

    #[test]
    fn a_mounted_file_and_the_files_beside_it_are_one_database() {
        let host = Host::new("files");
        for name in ["app.db", "app.db-wal", "app.db-shm"] {
            fs::write(host.root.join("one").join(name), "").expect("written");
        }
        let mounts = [
            ("one/app.db", "/data/app.db"),
            ("one/app.db-wal", "/data/app.db-wal"),
            ("one/app.db-shm", "/data/app.db-shm"),
        ];
        let openers = vec![host.opener("a", &mounts, ""), host.opener("b", &mounts, "")];
        let found = host.choose(openers, OwnBoundary::default()).expect("clear");
        assert_eq!(found, pairs(&[("a", "/data/app.db"), ("b", "/data/app.db")]));
    }

    #[test]
    fn services_with_directories_of_their_own_are_only_compared_when_named() {
        let host = Host::new("named");
        let openers = || vec![host.opener("a", &[("one", "/data")], ""), host.opener("b", &[("two", "/data")], "")];
        assert!(host.choose(openers(), OwnBoundary::default()).expect_err("which one?").blind);
        let services = vec!["a".to_owned(), "b".to_owned()];
        let asked = OwnBoundary { services, databases: vec!["/data/app.db".to_owned()], ..OwnBoundary::default() };
        let found = host.choose(openers(), asked).expect("named");
        assert_eq!(found, pairs(&[("a", "/data/app.db"), ("b", "/data/app.db")]));
    }

    #[test]
    fn a_directory_without_a_database_is_taken_when_it_is_the_only_one() {
        let host = Host::new("empty");
        let openers =
            vec![host.opener("a", &[("one", "/x")], ""), host.opener("b", &[("one", "/y"), ("two", "/z")], "")];
        let found = host.choose(openers, OwnBoundary::default()).expect("the shared one");
        assert_eq!(found, pairs(&[("a", "/x/walproof.db"), ("b", "/y/walproof.db")]));
    }

    #[test]
    fn what_cannot_be_reached_is_not_replaced_by_something_else() {
        let host = Host::new("replaced");
        let missing = vec![host.opener("a", &[("missing", "/data"), ("one", "/config")], "/data/app.db")];
        assert!(host.choose(missing, OwnBoundary::default()).expect_err("no such directory").blind);
        let nowhere = vec![host.opener("a", &[("one", "/config")], "/var/lib/app.db")];
        let error = host.choose(nowhere, OwnBoundary::default()).expect_err("in no mount");
        assert!(error.what.contains("in no mount"), "{error}");
        let silent = vec![host.opener("a", &[("missing", "/data"), ("one", "/config")], "")];
        assert!(host.choose(silent, OwnBoundary::default()).expect_err("it may be there").blind);
    }

    #[test]
    fn what_an_opener_is_told_counts_more_than_what_is_found() {
        let host = Host::new("counts");
        fs::write(host.root.join("one/app.db"), "").expect("written");
        let web = || host.opener("web", &[("one", "/data")], "/data/app.db");
        let typo = || host.opener("worker", &[("one", "/dta")], "/data/app.db");
        let error = host.choose(vec![web(), typo()], OwnBoundary::default()).expect_err("worker is no bystander");
        assert!(error.what.contains("worker is told `/data/app.db` as web is"), "{error}");
        let both = || OwnBoundary { services: vec!["web".to_owned(), "worker".to_owned()], ..OwnBoundary::default() };
        let found = host.choose(vec![web(), typo()], both()).expect("named");
        assert_eq!(found, pairs(&[("web", "/data/app.db"), ("worker", "/data/app.db")]), "each its own");
        let renamed = [("one", "/data"), ("one/app.db", "/data/other.db")];
        let renamed = host.opener("worker", &renamed, "/data/other.db");
        let found = host.choose(vec![web(), renamed], OwnBoundary::default()).expect("clear");
        assert_eq!(found, pairs(&[("web", "/data/app.db"), ("worker", "/data/other.db")]));
        let outside = vec![host.opener("a", &[("one", "/data")], "DB=/data/../private/app.db")];
        assert!(host.choose(outside, OwnBoundary::default()).is_err(), "it leaves the mount");
    }

    #[test]
    fn who_was_not_named_and_reaches_it_is_told() {
        let host = Host::new("told");
        let openers = vec![host.opener("a", &[("one", "/x")], ""), host.opener("b", &[("one", "/y")], "")];
        let services = vec!["a".to_owned()];
        let asked = OwnBoundary { services, databases: vec!["/x/app.db".to_owned()], ..OwnBoundary::default() };
        let runtime = choose_runtime(Some("process")).expect("always there");
        assert_eq!(choose(openers, &asked, runtime.as_ref()).expect("clear").others, ["b"]);
    }

    #[test]
    fn two_candidates_are_a_question() {
        let host = Host::new("two");
        let a = host.opener("a", &[("one", "/data")], "/data/app.db");
        let b = host.opener("b", &[("two", "/data")], "/data/app.db");
        let error = host.choose(vec![a, b], OwnBoundary::default()).expect_err("which one?");
        assert!(error.because.contains("of a") && error.because.contains("of b"), "{}", error.because);
    }

    #[test]
    fn wrong_paths_and_names_are_refused() {
        let host = Host::new("wrong");
        let asked = |text: &str| OwnBoundary { databases: vec![text.to_owned()], ..OwnBoundary::default() };
        let openers = || vec![host.opener("a", &[("one", "/data")], "")];
        assert!(host.choose(openers(), asked("app.db")).is_err());
        assert!(host.choose(openers(), asked("b=/data/app.db")).is_err());
        assert!(host.choose(openers(), asked("/elsewhere/app.db")).is_err());
        assert_eq!(host.choose(openers(), asked("/data/app.db")).expect("fine"), pairs(&[("a", "/data/app.db")]));
    }
}
