//! Which paths a workload copies, and which it writes over, by the commands among its words or by its image.
//!
//! What it must not do: judge, or read what only the machine knows (variables, files of scripts, the configuration of a
//! backup program).
//!
//! Where to look next: `manifest::script` for the commands, `rules::unsafe_copy` for what follows.

use super::applications::without_tag;
use super::{Graph, Location, Workload, WorkloadId, storage};
use crate::manifest::script::{self, Command};
use crate::manifest::{Span, compose::paths};

/// Something that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The program or the image that does it.
    pub by: String,
    /// The path, absolute as the workload sees it. A star may stand in its last part.
    pub path: String,
    /// What is left out, as written.
    pub excluded: Vec<String>,
    /// Where it is written.
    pub span: Option<Span>,
}

/// How a file is met by what is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Met {
    /// With the directory that it lies in, its sidecars included.
    WithDirectory,
    /// The file itself.
    Alone,
}

/// Which words of a command are copied.
enum Sources {
    /// All but the last.
    AllButLast,
    /// All but so many at the beginning.
    After(usize),
}

/// Programs that copy: name, the words that make it copy (one of each list, in this order), what is copied.
const TOOLS: &[(&str, &[&[&str]], Sources)] = &[
    ("7z", &[&["a"]], Sources::After(1)),
    ("aws", &[&["s3"], &["cp", "sync", "mv"]], Sources::AllButLast),
    ("azcopy", &[&["copy", "sync"]], Sources::AllButLast),
    ("borg", &[&["create"]], Sources::After(1)),
    ("cp", &[], Sources::AllButLast),
    ("duplicity", &[], Sources::AllButLast),
    ("gsutil", &[&["cp", "rsync"]], Sources::AllButLast),
    ("kopia", &[&["snapshot", "snap"], &["create"]], Sources::After(0)),
    ("mc", &[&["mirror", "cp"]], Sources::AllButLast),
    ("rclone", &[&["copy", "copyto", "sync"]], Sources::AllButLast),
    ("restic", &[&["backup"]], Sources::After(0)),
    ("rsync", &[], Sources::AllButLast),
    ("s3cmd", &[&["put", "sync"]], Sources::AllButLast),
    ("scp", &[], Sources::AllButLast),
    ("zip", &[], Sources::After(1)),
];

/// Options whose value is no path that is copied.
const OTHER_VALUES: &[&str] = &[
    "--backup-dir",
    "--cache-dir",
    "--config",
    "--exclude",
    "--exclude-file",
    "--exclude-from",
    "--files-from",
    "--host",
    "--iexclude",
    "--link-dest",
    "--log-file",
    "--password-file",
    "--repo",
    "--repository",
    "--tag",
];

/// Images that start a program with the words as its arguments.
const IMAGES_OF_PROGRAMS: &[(&str, &str)] = &[
    ("amazon/aws-cli", "aws"),
    ("kopia/kopia", "kopia"),
    ("minio/mc", "mc"),
    ("restic/restic", "restic"),
    ("rclone/rclone", "rclone"),
];

/// Images that copy by themselves: name, the variable that says what, what else.
const IMAGES_THAT_COPY: &[(&str, &str, &str)] = &[
    ("futurice/docker-volume-backup", "BACKUP_SOURCES", "/backup"),
    ("jareware/docker-volume-backup", "BACKUP_SOURCES", "/backup"),
    ("mazzolino/restic", "RESTIC_BACKUP_SOURCES", "/data"),
    ("offen/docker-volume-backup", "BACKUP_SOURCES", "/backup"),
];

impl Workload {
    /// The commands among its words.
    pub fn commands(&self) -> Vec<Command> {
        let program = self.image.as_ref().and_then(|image| {
            IMAGES_OF_PROGRAMS.iter().find(|(name, _)| is_image(&image.value, name)).map(|(_, program)| *program)
        });
        let program = program.filter(|program| self.words.first().is_none_or(|first| !first.value.ends_with(program)));
        script::commands(&self.words, program)
    }

    /// What it copies.
    pub fn copies_of_files(&self) -> Vec<Copied> {
        let mut found: Vec<Copied> = self.commands().iter().flat_map(copied_by).collect();
        if let Some(image) = &self.image
            && let Some((name, variable, path)) =
                IMAGES_THAT_COPY.iter().find(|(name, ..)| is_image(&image.value, name))
        {
            let written = self.variable(variable).map_or(*path, |value| value.value.as_str());
            found.extend(written.split_whitespace().filter(|path| path.starts_with('/')).map(|path| Copied {
                by: (*name).to_owned(),
                path: paths::normal(path),
                excluded: Vec::new(),
                span: Some(image.span),
            }));
        }
        found
    }
}

impl Graph {
    /// How a file is met by what a workload copies; `None`: it is not.
    pub fn meets(&self, copier: WorkloadId, copied: &Copied, file: &Location) -> Option<Met> {
        let name = file.path.rsplit('/').next().unwrap_or("");
        if copied.excluded.iter().any(|pattern| leaves_out(pattern, name)) {
            return None;
        }
        let (path, pattern) = match copied.path.rsplit_once('/') {
            Some((directory, last)) if last.contains(['*', '?', '[']) => (directory, Some(last)),
            _ => (copied.path.as_str(), None),
        };
        let here = self.location_of(copier, path).filter(|here| here.on == file.on);
        match (here, pattern) {
            (Some(here), Some(pattern)) => {
                let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
                let all = matches_name(pattern, &format!("{name}-wal"));
                let met = if all { Met::WithDirectory } else { Met::Alone };
                (directory == here.path && matches_name(pattern, name)).then_some(met)
            }
            (Some(here), None) if here.path == file.path => Some(Met::Alone),
            (Some(here), None) if lies_below(&file.path, &here.path) => Some(Met::WithDirectory),
            // What is mounted below a path is copied with it.
            _ => self.mounts_below(copier, path, file).then_some(Met::WithDirectory),
        }
    }

    fn mounts_below(&self, copier: WorkloadId, path: &str, file: &Location) -> bool {
        let below = self.mounts_of(copier).filter(|(_, mount)| storage::lies_in(&mount.target, path));
        let roots = below.filter_map(|(_, mount)| self.location_of(copier, &mount.target));
        roots.into_iter().any(|root| root.on == file.on && lies_below(&file.path, &root.path))
    }
}

fn lies_below(path: &str, whole: &str) -> bool {
    whole.is_empty() || storage::lies_in(path, whole)
}

/// An image, as written in a manifest, against a name without registry and tag.
pub fn is_image(image: &str, name: &str) -> bool {
    let bare = without_tag(image);
    bare == name || bare.strip_suffix(name).is_some_and(|rest| rest.ends_with('/'))
}

fn copied_by(command: &Command) -> Vec<Copied> {
    let paths = match command.program.as_str() {
        "tar" | "bsdtar" => of_tar(command),
        _ => of_tool(command),
    };
    let copied =
        |path| Copied { by: command.program.clone(), path, excluded: excluded(command), span: Some(command.span) };
    paths.into_iter().map(copied).collect()
}

fn of_tool(command: &Command) -> Vec<String> {
    let Some((_, verbs, sources)) = TOOLS.iter().find(|(program, ..)| *program == command.program) else {
        return Vec::new();
    };
    let mut operands = operands(command);
    for verb in *verbs {
        match operands.iter().position(|word| verb.contains(word)) {
            Some(at) => operands.drain(..=at),
            None => return Vec::new(),
        };
    }
    let sources = match sources {
        Sources::AllButLast => operands.split_last().map_or(&[][..], |(_, sources)| sources),
        Sources::After(count) => operands.get(*count..).unwrap_or(&[]),
    };
    sources.iter().filter_map(|path| command.absolute(path)).collect()
}

/// The words that are no options and no values of options known to have one.
fn operands(command: &Command) -> Vec<&str> {
    let mut found = Vec::new();
    let mut words = command.arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if OTHER_VALUES.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            found.push(word);
        }
    }
    found
}

/// `tar czf out.tgz -C /data app.db`, `tar --create --file=out.tar /data`.
fn of_tar(command: &Command) -> Vec<String> {
    let mut creates = false;
    let mut directory = command.directory.clone();
    let mut found = Vec::new();
    let mut words = command.arguments.iter().enumerate();
    while let Some((index, word)) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            creates |= matches!(long, "create" | "append" | "update");
            match long.split_once('=') {
                Some(("directory", path)) => directory = Some(path.to_owned()),
                None if long == "directory" => directory = words.next().map(|(_, path)| path.clone()),
                None if matches!(long, "file" | "exclude" | "exclude-from" | "transform") => _ = words.next(),
                _ => {}
            }
        } else if index == 0 || word.starts_with('-') {
            let letters = word.trim_start_matches('-');
            creates |= letters.contains(['c', 'r', 'u']);
            if letters.contains('f') {
                words.next();
            }
            if letters.contains('C') {
                directory = words.next().map(|(_, path)| path.clone());
            }
        } else {
            let command = Command { directory: directory.clone(), ..command.clone() };
            found.extend(command.absolute(word));
        }
    }
    if creates { found } else { Vec::new() }
}

/// What a command is told to leave out.
fn excluded(command: &Command) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = command.arguments.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("--exclude" | "--iexclude", pattern)) => found.push(pattern.to_owned()),
            None if matches!(word.as_str(), "--exclude" | "--iexclude" | "-e" | "-x") => {
                found.extend(words.next().cloned())
            }
            _ => {}
        }
    }
    found
}

/// Whether a pattern leaves out a file of this name, by the last part of the pattern.
fn leaves_out(pattern: &str, name: &str) -> bool {
    matches_name(pattern.rsplit('/').next().unwrap_or(pattern), name)
}

/// Whether a name fits a pattern with stars; what stands in brackets is not read, and fits nothing.
pub fn matches_name(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Place, Spanned};
    use crate::sharing::WorkloadKind;

    fn workload(image: &str, words: &[&str]) -> Workload {
        let place = Place { line: 1, column: 1 };
        let spanned = |text: &str| Spanned::new(text.to_owned(), Span { source: 0, start: place, end: place });
        let words = words.iter().map(|word| spanned(word)).collect();
        Workload { image: Some(spanned(image)), words, ..Workload::new(WorkloadKind::Service, "a") }
    }

    #[track_caller]
    fn copies(words: &[&str], expected: &[&str]) {
        let found = workload("alpine", words).copies_of_files();
        assert_eq!(found.iter().map(|copied| copied.path.as_str()).collect::<Vec<_>>(), expected, "{words:?}");
    }

    #[test]
    fn programs_that_copy_are_known() {
        copies(&["cp", "-a", "/data/app.db", "/data/x", "/backup/"], &["/data/app.db", "/data/x"]);
        copies(&["rsync", "-a", "--delete", "/data/", "host:/backup"], &["/data"]);
        copies(&["tar", "czf", "/backup/x.tgz", "/data"], &["/data"]);
        copies(&["tar", "-c", "-f", "/b.tar", "-C", "/data", "."], &["/data"]);
        copies(&["tar", "xzf", "/backup/x.tgz", "/data"], &[]);
        copies(&["restic", "-r", "s3:x", "backup", "--tag", "a", "/data"], &["/data"]);
        copies(&["restic", "snapshots"], &[]);
        copies(&["borg", "create", "/repo::a", "/data"], &["/data"]);
        copies(&["aws", "s3", "sync", "/data", "s3://bucket"], &["/data"]);
        copies(&["aws", "s3", "cp", "s3://bucket/app.db", "/data/app.db"], &[]);
        copies(&["rclone", "sync", "/data", "remote:x"], &["/data"]);
        copies(&["kopia", "snapshot", "create", "/data"], &["/data"]);
        copies(&["zip", "-r", "/b.zip", "/data"], &["/data"]);
        copies(&["sh", "-c", "cd /data && tar czf /b.tgz ."], &["/data"]);
        copies(&["sh", "-c", "cp $DB /backup; cat /data/app.db"], &[]);
    }

    #[test]
    fn images_that_copy_are_known() {
        let found = workload("offen/docker-volume-backup:v2", &[]).copies_of_files();
        assert_eq!(found[0].path, "/backup");
        let found = workload("docker.io/restic/restic:1", &["backup", "/data"]).copies_of_files();
        assert_eq!(found[0].path, "/data");
    }

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, fits) in [
            ("*.db", "app.db", true),
            ("*.db", "app.db-wal", false),
            ("*.db*", "app.db-wal", true),
            ("app.db", "app.db", true),
            ("app", "app.db", false),
            ("*", "x", true),
            ("a*b*c", "axxbyyc", true),
        ] {
            assert_eq!(matches_name(pattern, name), fits, "{pattern} {name}");
        }
    }
}
