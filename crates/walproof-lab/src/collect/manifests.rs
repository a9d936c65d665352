//! Manifests as they lie in files: found, read, put together with what belongs to them, parsed.
//!
//! What this room is: `walk` finds files below folders, `opened` reads them within bounds, `sets` says which manifests of
//! Kubernetes go together, `variables` what Compose would put in. [`gather`] is the story. Names are absolute while files
//! are parsed, since paths in them start where they are; [`shown`] gives the name for people.
//!
//! What it must not do: open what is no regular file, follow symbolic links on a walk, judge, print. What cannot be read
//! is an error where it was asked for by name, and a note where it was come upon; the rest goes on.
//!
//! Where to look next: `walproof_judge::check::projects` for what is made of it.

mod opened;
mod sets;
mod variables;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use walproof_format::sqlite::db_header::DB_MAGIC;
use walproof_judge::check::checked::{LeftOut, LeftOutWhy, Level, Said};
use walproof_judge::check::projects::Project;
use walproof_judge::manifest::compose::{self, Loaded, Profiles, paths};
use walproof_judge::manifest::error::text_of;
use walproof_judge::manifest::kubernetes::LeftOutReason;
use walproof_judge::manifest::recognise::{Kind, is_page, kind_of};
use walproof_judge::manifest::{
    ManifestError, ManifestErrorKind, Source, docker_run, dockerfile, kubernetes, markdown, quadlet,
};

use opened::FILE_BYTES_MAX;

/// The name of what was read from standard input.
pub const STANDARD_INPUT: &str = "<stdin>";

/// Compose looks for these, in this order.
const COMPOSE_NAMES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// And for these over the one that it found.
const OVERRIDE_NAMES: &[&str] =
    &["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Standard input as well.
    pub standard_input: bool,
    /// Compose files of one project, the later ones over the earlier ones.
    pub compose: Vec<PathBuf>,
    /// Files with variables for Compose, in place of `.env`.
    pub env_files: Vec<PathBuf>,
    /// Profiles of Compose.
    pub profiles: Vec<String>,
    /// Patterns of paths that are left out on a walk.
    pub exclude: Vec<String>,
    /// The folder that those patterns start from.
    pub exclude_from: PathBuf,
    /// Texts that lie in no file, with what they are called: manifests of pods.
    pub texts: Vec<(String, String)>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Files that belong together, parsed, in a stable order.
    pub projects: Vec<Project>,
    /// Every text that was read, by the name for people.
    pub texts: BTreeMap<String, String>,
    /// Files that are databases of SQLite.
    pub databases: Vec<PathBuf>,
    /// Files that are not judged.
    pub left_out: BTreeSet<LeftOut>,
    /// What went wrong.
    pub said: Vec<Said>,
}

/// A file with its text.
#[derive(Clone, Debug)]
struct Found {
    /// Absolute.
    name: String,
    text: String,
    kind: Kind,
    /// Which target it belongs to: that of a folder, or 0 for all that were named.
    group: usize,
    /// It was named, not come upon.
    named: bool,
}

impl Found {
    fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }
}

/// Reads and parses what was asked for.
pub fn gather(asked: &Asked) -> Gathered {
    let mut work = Work {
        asked,
        gathered: Gathered::default(),
        found: Vec::new(),
        seen: BTreeSet::new(),
        loaded: BTreeSet::new(),
    };
    work.find();
    work.parse_compose();
    work.parse_sets();
    work.parse_singles();
    work.gathered
}

/// The name of a file as people see it: from the current folder, if it lies below it.
pub fn shown(name: &str) -> String {
    let here = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    match name.strip_prefix(here.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => name.to_owned(),
    }
}

/// A path as the name of a file: absolute, bytes that are no UTF-8 as `\xff`.
fn named(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = match absolute.to_str() {
        Some(text) => text.to_owned(),
        None => absolute.as_os_str().as_bytes().escape_ascii().to_string(),
    };
    paths::normal(&name)
}

struct Work<'a> {
    asked: &'a Asked,
    gathered: Gathered,
    found: Vec<Found>,
    seen: BTreeSet<String>,
    /// Files that other Compose files name.
    loaded: BTreeSet<String>,
}

impl Work<'_> {
    // ---- finding ----

    fn find(&mut self) {
        for (name, text) in &self.asked.texts {
            let found = Found { name: name.clone(), text: text.clone(), kind: Kind::Kubernetes, group: 0, named: true };
            self.take(found);
        }
        if self.asked.standard_input {
            self.read_standard_input();
        }
        for (index, path) in self.asked.paths.iter().enumerate() {
            if path.is_dir() {
                self.walk(path, index + 1);
            } else {
                self.read_named(path);
            }
        }
        self.add_siblings();
        self.found.sort_by(|one, two| (one.group, &one.name).cmp(&(two.group, &two.name)));
    }

    fn walk(&mut self, folder: &Path, group: usize) {
        let is_left_out = |path: &Path| {
            let path = named(path);
            let from = named(&self.asked.exclude_from);
            let path = path.strip_prefix(&from).map_or(path.as_str(), |rest| rest.trim_start_matches('/'));
            self.asked.exclude.iter().any(|pattern| walproof_judge::check::config::matches(pattern, path))
        };
        let walked = walk::walk(folder, &is_left_out);
        for (path, because) in walked.unreadable {
            let level = if path == folder { Level::Error } else { Level::Note };
            self.say(level, &named(&path), "cannot be read", because, "as a user who may read it");
        }
        if walked.cut {
            let because = format!("it holds more than {} entries", walk::ENTRIES_MAX);
            self.say(Level::Note, &named(folder), "was not searched to its end", because, "name a folder in it");
        }
        for path in walked.files {
            self.read_walked(path, group);
        }
    }

    fn read_walked(&mut self, path: PathBuf, group: usize) {
        let name = named(&path);
        if !self.seen.insert(name.clone()) {
            return;
        }
        match opened::read(&path) {
            Ok(bytes) => match text_of(&name, &bytes) {
                Ok(text) => {
                    if let Some(kind) = kind_of(&name, text) {
                        self.take(Found { name, text: text.to_owned(), kind, group, named: false });
                    }
                }
                // Whatever it is, it is worth a word only if it looks like what is judged.
                Err(error) if kind_of(&name, &String::from_utf8_lossy(&bytes)).is_some() => {
                    self.unparsed(&error, false);
                }
                Err(_) => {}
            },
            Err(because) if opened::looks_like_one(&path) => {
                self.say(Level::Note, &name, "is not read", because, "a smaller file that may be read");
            }
            Err(_) => {}
        }
    }

    fn read_named(&mut self, path: &Path) {
        let name = named(path);
        if !self.seen.insert(name.clone()) {
            return;
        }
        if opened::starts_with(path, &DB_MAGIC) {
            self.gathered.databases.push(path.to_owned());
            return;
        }
        let bytes = match opened::read(path) {
            Ok(bytes) => bytes,
            Err(because) => {
                let try_this = "a file or a folder, `-` for standard input, `docker://NAME` for a container";
                return self.say(Level::Error, &name, "cannot be read", because, try_this);
            }
        };
        match text_of(&name, &bytes) {
            Err(error) => self.unparsed(&error, true),
            Ok(text) => match kind_of(&name, text) {
                Some(kind) => self.take(Found { name, text: text.to_owned(), kind, group: 0, named: true }),
                None => self.leave_out(LeftOutWhy::OtherKind, &name),
            },
        }
    }

    fn read_standard_input(&mut self) {
        let mut bytes = Vec::new();
        let outcome = std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        let wrong = match outcome {
            Err(error) => Some(error.to_string()),
            Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => {
                Some(format!("more than {FILE_BYTES_MAX} bytes are not read"))
            }
            Ok(_) => None,
        };
        if let Some(because) = wrong {
            return self.say(Level::Error, STANDARD_INPUT, "cannot be read", because, "name files or folders");
        }
        match text_of(STANDARD_INPUT, &bytes) {
            Err(error) => self.unparsed(&error, true),
            Ok(text) => match kind_without_name(text) {
                Some(kind) => {
                    let (name, text) = (STANDARD_INPUT.to_owned(), text.to_owned());
                    self.take(Found { name, text, kind, group: 0, named: true });
                }
                None if text.trim().is_empty() => {
                    let because = "nothing came, as when the command before it failed".to_owned();
                    self.say(Level::Error, STANDARD_INPUT, "is empty", because, "look at the command before the pipe");
                }
                None => self.leave_out(LeftOutWhy::OtherKind, STANDARD_INPUT),
            },
        }
    }

    /// A Compose file that was named stands for its folder's project: what Compose would read with it is read too.
    fn add_siblings(&mut self) {
        let is_default = |found: &&Found| {
            let (_, file) = found.name.rsplit_once('/').unwrap_or(("", &found.name));
            found.named && found.kind == Kind::Compose && [COMPOSE_NAMES, OVERRIDE_NAMES].concat().contains(&file)
        };
        let folders: BTreeSet<String> =
            self.found.iter().filter(is_default).map(|found| paths::directory_of(&found.name)).collect();
        for folder in folders {
            for name in [COMPOSE_NAMES, OVERRIDE_NAMES].concat() {
                let path = Path::new(&folder).join(name);
                if path.is_file() {
                    self.read_walked(path, 0);
                }
            }
        }
    }

    fn take(&mut self, found: Found) {
        self.gathered.texts.insert(shown(&found.name), found.text.clone());
        self.found.push(found);
    }

    fn of_kind(&self, kind: Kind) -> Vec<Found> {
        self.found.iter().filter(|found| found.kind == kind).cloned().collect()
    }

    // ---- Compose ----

    fn parse_compose(&mut self) {
        let mut stacks = vec![self.named_stack()];
        let mut folders: BTreeMap<(usize, String), Vec<Found>> = BTreeMap::new();
        for found in self.of_kind(Kind::Compose) {
            folders.entry((found.group, paths::directory_of(&found.name))).or_default().push(found);
        }
        stacks.extend(folders.into_values().flat_map(stacks_of));
        let mut parsed = Vec::new();
        for stack in stacks.into_iter().filter(|stack| !stack.is_empty()) {
            let project = self.compose(&stack);
            parsed.push((stack, project));
        }
        for (stack, project) in parsed {
            // A part of another project is none of its own.
            let is_part = stack.iter().all(|found| !found.named && self.loaded.contains(&found.name));
            match project {
                _ if is_part => {}
                Ok(project) => self.gathered.projects.push(project),
                Err(error) => self.unparsed(&error, stack.iter().any(|found| found.named)),
            }
        }
    }

    /// The files of `--compose`.
    fn named_stack(&mut self) -> Vec<Found> {
        let mut stack = Vec::new();
        for path in &self.asked.compose {
            let name = named(path);
            let read = opened::read(path).and_then(|bytes| {
                text_of(&name, &bytes).map(str::to_owned).map_err(|error| format!("{}: {}", error.what, error.because))
            });
            match read {
                Ok(text) => {
                    self.gathered.texts.insert(shown(&name), text.clone());
                    stack.push(Found { name, text, kind: Kind::Compose, group: 0, named: true });
                }
                Err(because) => {
                    self.say(Level::Error, &name, "cannot be read", because, "name a Compose file");
                    // A project without one of its files is another project.
                    return Vec::new();
                }
            }
        }
        stack
    }

    fn compose(&mut self, stack: &[Found]) -> Result<Project, ManifestError> {
        let folder = stack.first().map_or(".".to_owned(), |found| paths::directory_of(&found.name));
        let folder =
            if stack.iter().any(|found| found.name == STANDARD_INPUT) { named(Path::new(".")) } else { folder };
        let variables = variables::read(Path::new(&folder), &self.asked.env_files).unwrap_or_else(|(file, because)| {
            let level = if self.asked.env_files.is_empty() { Level::Note } else { Level::Error };
            self.say(level, &named(&file), "its variables cannot be read", because, "correct it, or `--env-file`");
            variables::Variables::default()
        });
        let profiles = match self.asked.profiles.is_empty() {
            true => variables.profiles(),
            false => self.asked.profiles.clone(),
        };
        let standard_input = format!("{folder}/{STANDARD_INPUT}");
        let sources: Vec<Source<'_>> = stack
            .iter()
            .map(|found| match found.name.as_str() {
                // Paths in it start at the current folder, as Compose takes them.
                STANDARD_INPUT => Source { name: &standard_input, text: &found.text },
                _ => found.source(),
            })
            .collect();
        let (texts, mut names) = (&mut self.gathered.texts, BTreeSet::new());
        let mut load = |path: &str| {
            let loaded = load(path)?;
            texts.insert(shown(&loaded.name), loaded.text.clone());
            names.insert(loaded.name.clone());
            Ok(loaded)
        };
        let compose = compose::parse(&sources, &|name| variables.value(name), &mut load, &Profiles::of(profiles))?;
        let mut compose = compose;
        names.retain(|name| !stack.iter().any(|found| found.name == *name));
        self.loaded.append(&mut names);
        for file in compose.files.iter_mut().filter(|file| file.name == standard_input) {
            STANDARD_INPUT.clone_into(&mut file.name);
        }
        variables::put_env_files(&mut compose);
        Ok(Project::Compose(Box::new(compose)))
    }

    // ---- the others ----

    fn parse_sets(&mut self) {
        let mut groups: BTreeMap<usize, Vec<Found>> = BTreeMap::new();
        for found in self.of_kind(Kind::Kubernetes) {
            groups.entry(found.group).or_default().push(found);
        }
        for group in groups.into_values() {
            let sources: Vec<Source<'_>> = group.iter().map(Found::source).collect();
            for set in sets::parse(&sources) {
                let is_named = |name: &str| group.iter().any(|found| found.named && found.name == name);
                set.errors.iter().for_each(|error| self.unparsed(error, is_named(&error.file)));
                for left in set.left_out.iter().filter(|left| left.reason == LeftOutReason::Template) {
                    self.leave_out(LeftOutWhy::Template, set.file_of(left.span));
                }
                for left in set.left_out.iter().filter(|left| left.unread.is_some()) {
                    let (file, object) = (shown(set.file_of(left.span)), left.unread.clone());
                    self.gathered.left_out.insert(LeftOut { why: LeftOutWhy::NotJudged, file, object });
                }
                self.gathered.projects.push(Project::Kubernetes(Box::new(set)));
            }
        }
        let mut folders: BTreeMap<(usize, String), Vec<Found>> = BTreeMap::new();
        for found in self.of_kind(Kind::Quadlet) {
            let folder = paths::directory_of(&found.name);
            // Drop-ins lie one folder deeper.
            let folder = if folder.ends_with(".d") { paths::directory_of(&folder) } else { folder };
            folders.entry((found.group, folder)).or_default().push(found);
        }
        for group in folders.into_values() {
            let sources: Vec<Source<'_>> = group.iter().map(Found::source).collect();
            let set = quadlet::parse(&sources);
            let is_named = |name: &str| group.iter().any(|found| found.named && found.name == name);
            set.errors.iter().for_each(|error| self.unparsed(error, is_named(&error.file)));
            self.gathered.projects.push(Project::Quadlet(Box::new(set)));
        }
    }

    /// The fences of a page: each is a project of its own, as they are alternatives or steps. What is wrong in one is
    /// not worth a word: most that do not parse are parts of a file.
    fn parse_fences(&mut self, page: &Found) {
        for (kind, text) in markdown::trees(&page.text) {
            let fence = Found { text, kind, ..page.clone() };
            if kind == Kind::Kubernetes {
                let set = kubernetes::parse(&[fence.source()]);
                if !set.workloads.is_empty() {
                    self.gathered.projects.push(Project::Kubernetes(Box::new(set)));
                }
                continue;
            }
            // What a page includes stays a project of its own.
            let loaded = self.loaded.clone();
            let parsed = self.compose(&[fence]);
            self.gathered.projects.extend(parsed);
            self.loaded = loaded;
        }
    }

    fn parse_singles(&mut self) {
        for found in self.of_kind(Kind::DockerRun) {
            if is_page(&found.name) {
                self.parse_fences(&found);
            }
            let runs = docker_run::parse(&[found.source()]);
            runs.errors.iter().for_each(|error| self.unparsed(error, found.named));
            // Most scripts and pages that speak of an engine start nothing.
            if !runs.runs.is_empty() {
                self.gathered.projects.push(Project::DockerRun(Box::new(runs)));
            }
        }
        for found in self.of_kind(Kind::Dockerfile) {
            match dockerfile::parse(found.source()) {
                Ok(dockerfile) => self.gathered.projects.push(Project::Dockerfile(Box::new(dockerfile))),
                Err(error) => self.unparsed(&error, found.named),
            }
        }
    }

    // ---- what went wrong ----

    fn unparsed(&mut self, error: &ManifestError, named: bool) {
        match error.kind {
            ManifestErrorKind::Template => return self.leave_out(LeftOutWhy::Template, &error.file),
            ManifestErrorKind::OtherKind => return self.leave_out(LeftOutWhy::OtherKind, &error.file),
            ManifestErrorKind::Empty => return self.leave_out(LeftOutWhy::Empty, &error.file),
            _ => {}
        }
        let said = Said {
            level: if named { Level::Error } else { Level::Note },
            file: shown(&error.file),
            place: error.place,
            what: error.what.clone(),
            because: error.because.clone(),
            try_this: error.try_this.clone(),
        };
        self.add_said(said);
    }

    fn say(&mut self, level: Level, file: &str, what: &str, because: String, try_this: &str) {
        let (what, try_this) = (what.to_owned(), try_this.to_owned());
        self.add_said(Said { level, file: shown(file), place: None, what, because, try_this });
    }

    /// Once is enough, where a file belongs to several sets.
    fn add_said(&mut self, said: Said) {
        if !self.gathered.said.contains(&said) {
            self.gathered.said.push(said);
        }
    }

    fn leave_out(&mut self, why: LeftOutWhy, file: &str) {
        self.gathered.left_out.insert(LeftOut { why, file: shown(file), object: None });
    }
}

/// The projects of one folder: what Compose takes by itself is one, every other file one of its own.
fn stacks_of(mut files: Vec<Found>) -> Vec<Vec<Found>> {
    let mut taken = |names: &[&str]| {
        let is_called = |found: &Found, name: &str| found.name.rsplit('/').next() == Some(name);
        let at = names.iter().find_map(|name| files.iter().position(|found| is_called(found, name)))?;
        Some(files.remove(at))
    };
    let first: Vec<Found> = [taken(COMPOSE_NAMES), taken(OVERRIDE_NAMES)].into_iter().flatten().collect();
    std::iter::once(first).chain(files.into_iter().map(|found| vec![found])).collect()
}

/// Another file of a Compose project.
fn load(path: &str) -> Result<Loaded, String> {
    if path.contains("://") || path.starts_with("git@") {
        return Err("it lies somewhere else, and nothing is fetched".to_owned());
    }
    let bytes = opened::read(Path::new(path))?;
    let text = text_of(path, &bytes).map_err(|error| error.because)?;
    Ok(Loaded { name: path.to_owned(), text: text.to_owned() })
}

/// The kind of a text that has no name.
fn kind_without_name(text: &str) -> Option<Kind> {
    let is_dockerfile = || {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let first = lines.find(|line| !line.to_ascii_uppercase().starts_with("ARG "));
        first.is_some_and(|line| line.to_ascii_uppercase().starts_with("FROM ")).then_some(Kind::Dockerfile)
    };
    kind_of("stdin.yaml", text).or_else(is_dockerfile).or_else(|| kind_of("stdin.sh", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_name_is_recognised() {
        for (text, kind) in [
            ("services: {}\n", Some(Kind::Compose)),
            ("---\napiVersion: v1\nkind: Pod\n", Some(Kind::Kubernetes)),
            ("ARG A=1\nFROM a\n", Some(Kind::Dockerfile)),
            ("docker run a\n", Some(Kind::DockerRun)),
            ("hello\n", None),
        ] {
            assert_eq!(kind_without_name(text), kind, "{text}");
        }
    }

    #[test]
    fn compose_files_of_a_folder_go_together_as_compose_takes_them() {
        let found = |name: &str| Found {
            name: format!("/p/{name}"),
            text: String::new(),
            kind: Kind::Compose,
            group: 0,
            named: false,
        };
        let files = ["compose.override.yml", "compose.yaml", "docker-compose.prod.yml", "docker-compose.yml"];
        let stacks: Vec<Vec<String>> = stacks_of(files.map(found).to_vec())
            .into_iter()
            .map(|stack| stack.into_iter().map(|found| found.name[3..].to_owned()).collect())
            .collect();
        let expected: [&[&str]; 3] =
            [&["compose.yaml", "compose.override.yml"], &["docker-compose.prod.yml"], &["docker-compose.yml"]];
        assert_eq!(stacks, expected);
    }
}
