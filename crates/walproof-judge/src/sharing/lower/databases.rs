//! Which databases a workload opens: by its image, by addresses in its variables and words, by names of files that are
//! mounted, by what the user says.
//!
//! The surest evidence for a path wins. A variable with the address of a server takes back what the table and names of
//! files say of the image, not what an address of SQLite says.
//!
//! What it must not do: take a directory for a database because of its name, or a file that is copied for one that is
//! opened.
//!
//! Where to look next: `sharing::applications` for the table.

use walproof_format::sqlite::db_header::JournalFamily;

use crate::manifest::compose::paths;
use crate::manifest::{Span, Spanned, script};
use crate::sharing::{
    Application, Applications, Database, Evidence, EvidenceKind, Graph, Mode, OpenOption, Workload, WorkloadId,
};

/// Endings of names that databases of SQLite usually have. `.db` is used by others as well.
const ENDINGS: &[&str] = &[".db", ".db3", ".s3db", ".sqlite", ".sqlite3"];
/// Schemes of addresses that only SQLite has, the longest first.
const SCHEMES: &[&str] = &[
    "sqlite+aiosqlite://",
    "sqlite+pysqlite://",
    "jdbc:sqlite:",
    "sqlite3://",
    "sqlite://",
    "sqlite3:",
    "sqlite:",
    "file:",
];
/// Where images usually start.
const USUAL_DIRECTORIES: &[&str] = &["/app", "/code", "/srv", "/usr/src/app", "/workspace"];
/// What .NET calls the path in a connection string.
const DATA_SOURCES: &[&str] = &["data source=", "datasource=", "filename="];
/// Options that only drivers of SQLite have, by the beginnings of their names.
const DRIVER_OPTIONS: &[&str] = &[
    "_auto_vacuum",
    "_busy_timeout",
    "_cache_size",
    "_fk",
    "_foreign_keys",
    "_journal",
    "_locking",
    "_loc",
    "_pragma",
    "_sync",
    "_timeout",
    "_txlock",
    "cache=shared",
    "immutable=",
    "mode=ro",
    "mode=rw",
    "nolock=",
    "vfs=",
];
/// Names that end so and are of other engines: Bolt, Berkeley DB, Windows, `locate`.
const OTHER_ENGINES: &[&str] = &[
    "aliases.db",
    "bolt.db",
    "cert8.db",
    "filebrowser.db",
    "key3.db",
    "locate.db",
    "meta.db",
    "mlocate.db",
    "plocate.db",
    "portainer.db",
    "raft.db",
    "secmod.db",
    "thumbs.db",
    "trivy.db",
    "vault.db",
];
/// Directories whose `*.db` are zones of a name server or packages.
const OTHER_DIRECTORIES: &[&str] = &["bind", "named", "pacman", "postfix", "zones"];
/// Programs to which a path is a file: what they name is not opened as a database.
const FILE_TOOLS: &[&str] = &[
    "7z",
    "[",
    "[[",
    "aws",
    "azcopy",
    "basename",
    "borg",
    "bsdtar",
    "bunzip2",
    "bzip2",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "curl",
    "dd",
    "dirname",
    "du",
    "duplicity",
    "echo",
    "file",
    "find",
    "gsutil",
    "gunzip",
    "gzip",
    "head",
    "install",
    "kopia",
    "ln",
    "ls",
    "mc",
    "md5sum",
    "mkdir",
    "mv",
    "printf",
    "rclone",
    "readlink",
    "realpath",
    "restic",
    "rm",
    "rsync",
    "s3cmd",
    "scp",
    "sha256sum",
    "shred",
    "stat",
    "sync",
    "tail",
    "tar",
    "test",
    "touch",
    "truncate",
    "unlink",
    "unzip",
    "wget",
    "xz",
    "zip",
    "zstd",
];
/// Schemes of addresses of servers.
const SERVERS: &[&str] = &["mariadb", "mysql", "postgres", "postgresql", "mssql", "sqlserver", "libsql", "cockroachdb"];
/// Variables that name the address of the application's database.
const ADDRESS_NAMES: &[&str] =
    &["DATABASE_URL", "DB_URL", "DATABASE_URI", "SQLALCHEMY_DATABASE_URI", "DB_DSN", "DATABASE_DSN"];
/// Variables that name the kind of the application's database.
const KIND_NAMES: &[&str] = &[
    "DB_TYPE",
    "DB_CONNECTION",
    "DATABASE_TYPE",
    "DB_CLIENT",
    "DATABASE_CLIENT",
    "DB_DRIVER",
    "DB_ENGINE",
    "DATABASE_ENGINE",
];

/// A database that the user names: `SERVICE:/data/app.db`, or `/data/app.db` in every workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDatabase {
    /// The workload's name; `None`: every one that mounts something over the path.
    pub workload: Option<String>,
    /// The path in the container.
    pub path: String,
    /// Its mode, if the user says so.
    pub family: Option<JournalFamily>,
}

/// Finds the databases of every workload.
pub(super) fn find(graph: &mut Graph, applications: &Applications, named: &[NamedDatabase]) {
    for index in 0..graph.workloads.len() {
        let id = WorkloadId(index);
        let mut found = of_workload(graph, id, applications);
        found.extend(named.iter().filter_map(|named| by_user(graph, id, named)));
        // The surest first; a later one for the same path only adds what it knows of the mode.
        found.sort_by_key(|database| database.evidence.kind);
        let mut kept: Vec<Database> = Vec::new();
        for database in found {
            match kept.iter_mut().find(|one| is_same(one, &database)) {
                Some(one) if one.mode.family.is_none() => one.mode = database.mode,
                Some(_) => {}
                None => kept.push(database),
            }
        }
        graph.databases.extend(kept);
        let lost = unplaced(graph, id);
        graph.unplaced.extend(lost.into_iter().map(|text| (id, text)));
    }
}

/// The same file, or a file in the directory of which nothing else is known.
fn is_same(one: &Database, other: &Database) -> bool {
    let in_directory = |file: &Database, directory: &Database| {
        directory.is_directory
            && !file.is_directory
            && file.path.rsplit_once('/').is_some_and(|(above, _)| above == directory.path)
    };
    one.path == other.path || in_directory(one, other) || in_directory(other, one)
}

fn by_user(graph: &Graph, id: WorkloadId, named: &NamedDatabase) -> Option<Database> {
    let workload = graph.workload(id);
    let wanted = match &named.workload {
        Some(name) => workload.is_called(name),
        None => graph.mount_of_path(id, &named.path).is_some(),
    };
    wanted.then(|| Database {
        workload: id,
        path: paths::normal(&named.path),
        is_directory: named.path.ends_with('/'),
        evidence: Evidence {
            kind: EvidenceKind::Named,
            because: "it was named on the command line".to_owned(),
            span: None,
        },
        mode: Mode { family: named.family, because: "it was named on the command line".to_owned(), span: None },
        options: Vec::new(),
    })
}

fn of_workload(graph: &Graph, id: WorkloadId, applications: &Applications) -> Vec<Database> {
    let workload = graph.workload(id);
    let words = words(workload);
    let values = workload
        .environment
        .iter()
        .filter_map(|variable| Some((Some(variable.name.as_str()), variable.value.as_ref()?)));
    let texts: Vec<(Option<&str>, &Spanned<String>)> = values.chain(words.iter().map(|word| (None, word))).collect();
    let mut found: Vec<Database> = texts.iter().filter_map(|(name, text)| addressed(graph, id, *name, text)).collect();
    let row = workload.image.as_ref().and_then(|image| Some((image, applications.of_image(&image.value)?)));
    let server = texts.iter().any(|(name, text)| is_server(*name, &text.value))
        || row.is_some_and(|(_, row)| row.elsewhere(workload).is_some());
    if server {
        return found;
    }
    if let Some((image, row)) = row.filter(|(_, row)| row.uses_sqlite(workload)) {
        found.extend(by_application(graph, id, image, row));
    }
    let opened = texts.iter().filter(|(name, _)| !name.is_some_and(is_of_backup));
    let mut named: Vec<Database> = opened.filter_map(|(name, text)| by_named_file(id, *name, text)).collect();
    let mounts = graph.mounts_of(id).map(|(_, mount)| mount);
    named.extend(
        mounts
            .filter(|mount| mount.is_file != Some(false))
            .filter_map(|mount| by_file_name(id, &mount.target, mount.span?)),
    );
    named.retain(|database| !row.is_some_and(|(_, row)| row.is_of_another_engine(workload, &database.path)));
    found.extend(named);
    found
}

/// The words that may name a database: of scripts the words of each command, of programs that handle files none.
fn words(workload: &Workload) -> Vec<Spanned<String>> {
    let commands = workload.commands();
    if script::script(&workload.words).is_none() {
        let handles_files = commands.first().is_some_and(|command| FILE_TOOLS.contains(&command.program.as_str()));
        let before = std::iter::once("").chain(workload.words.iter().map(|word| word.value.as_str()));
        let words = before.zip(&workload.words).filter(|(before, word)| !names_backup(before, &word.value));
        return if handles_files { Vec::new() } else { words.map(|(_, word)| word.clone()).collect() };
    }
    let mut found = Vec::new();
    for command in commands.iter().filter(|command| !FILE_TOOLS.contains(&command.program.as_str())) {
        let mut before = "";
        for word in &command.arguments {
            if names_backup(before, word) {
                before = word;
                continue;
            }
            // Litestream starts the application by one word.
            let parts = if before == "-exec" { word.split_whitespace().collect() } else { vec![word.as_str()] };
            found.extend(parts.into_iter().map(|part| Spanned::new(part.to_owned(), command.span)));
            before = word;
        }
    }
    found
}

/// Whether a word is the value of an option for copies: `--backup-to=/b/x.db`, `--backup-to /b/x.db`.
fn names_backup(before: &str, word: &str) -> bool {
    let option = |word: &str| word.starts_with('-') && word.split('=').next().is_some_and(is_of_backup);
    option(word) || (option(before) && !before.contains('='))
}

/// Whether a variable names a copy, which nobody has open.
fn is_of_backup(name: &str) -> bool {
    name.to_ascii_uppercase().contains("BACKUP")
}

/// A database by an address, or by a connection string of a driver.
fn addressed(graph: &Graph, id: WorkloadId, name: Option<&str>, text: &Spanned<String>) -> Option<Database> {
    let found =
        by_address(id, name, text).or_else(|| by_driver(id, name, text)).or_else(|| by_data_source(id, name, text));
    match found {
        Some(found) if graph.mount_of_path(id, &found.path).is_some() => Some(found),
        // A single name is a path at the root to nobody.
        found => by_relative_address(graph, id, text).or_else(|| {
            let is_one_name = relative(&text.value).is_some_and(|relative| !relative.path.contains('/'));
            found.filter(|_| !is_one_name)
        }),
    }
}

/// `/data/app.db?_journal_mode=WAL`, as drivers of Go take it.
fn by_driver(workload: WorkloadId, name: Option<&str>, text: &Spanned<String>) -> Option<Database> {
    let (before, query) = text.value.split_once('?')?;
    let start = before.find('/')?;
    let begins = start == 0 || before[..start].ends_with(['=', ' ', '"', '\'']);
    let query = query.split([' ', '"', '\'']).next().unwrap_or("");
    let lower = query.to_ascii_lowercase();
    let is_of_driver = lower.split('&').any(|pair| DRIVER_OPTIONS.iter().any(|option| pair.starts_with(option)));
    let path = &before[start..];
    (begins && is_of_driver && is_plain(path))
        .then(|| of_address(workload, name, paths::normal(path), query, text.span))
}

/// `Data Source=/data/app.db;Mode=ReadOnly`, as .NET takes it.
fn by_data_source(workload: WorkloadId, name: Option<&str>, text: &Spanned<String>) -> Option<Database> {
    let pairs: Vec<&str> = text.value.trim_matches(['"', '\'']).split(';').map(str::trim).collect();
    let path = pairs.iter().find_map(|pair| {
        let lower = pair.to_ascii_lowercase().replace(" =", "=").replace("= ", "=");
        let known = DATA_SOURCES.iter().any(|source| lower.starts_with(source));
        pair.split_once('=').filter(|_| known).map(|(_, path)| path.trim())
    })?;
    let path = path.strip_prefix("file:").unwrap_or(path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    // Oracle writes `//server/service`.
    let is_file = path.starts_with('/') && !path.starts_with("//") && is_plain(path);
    let rest: Vec<&str> =
        std::iter::once(query).chain(pairs.iter().copied().filter(|pair| !pair.contains(path))).collect();
    is_file.then(|| of_address(workload, name, paths::normal(path), &rest.join(";"), text.span))
}

/// An address that is relative, or is to some libraries.
struct Relative<'a> {
    /// Without `./` and the slash that some libraries do not count.
    path: &'a str,
    query: &'a str,
    /// Nobody reads it as an absolute one.
    is_sure: bool,
}

/// `sqlite:///data/app.db`, which SQLAlchemy takes for a relative path and others for an absolute one, `sqlite:app.db`,
/// `file:./data/app.db`.
fn relative(text: &str) -> Option<Relative<'_>> {
    let (scheme, address) = address(text)?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = path.strip_prefix("file:").unwrap_or(path);
    let has_slashes = scheme.ends_with("//");
    let rest = if has_slashes { path.strip_prefix('/').unwrap_or(path) } else { path };
    if rest.starts_with('/') {
        return None;
    }
    let plain = rest.trim_start_matches("./");
    // Of the drivers of SQLAlchemy it is known how they read it.
    let is_sure = !has_slashes || plain.len() < rest.len() || !plain.contains('/') || scheme.contains('+');
    let is_file = !plain.is_empty() && !plain.contains(':') && !query.contains("mode=memory");
    (is_file && (scheme != "file:" || is_database_name(plain))).then_some(Relative { path: plain, query, is_sure })
}

/// Where a relative address leads: into the directory that the workload starts in, if that is written; to the one mount
/// that ends as the path begins; else to the one mount where images usually start.
fn by_relative_address(graph: &Graph, id: WorkloadId, text: &Spanned<String>) -> Option<Database> {
    let address = relative(&text.value)?;
    if address.path.contains('$') || address.path.starts_with("..") {
        return None;
    }
    let (path, because) = in_directory(graph, id, &address)?;
    let found = of_address(id, None, path, address.query, text.span);
    Some(Database { evidence: Evidence { kind: EvidenceKind::FileName, because, span: Some(text.span) }, ..found })
}

/// The place of a relative address, and why it is taken for that.
fn in_directory(graph: &Graph, id: WorkloadId, address: &Relative<'_>) -> Option<(String, String)> {
    let known = graph.workload(id).working_directory.as_ref().map(|directory| directory.value.as_str());
    let known = known.filter(|directory| directory.starts_with('/') && !directory.contains('$')).map(|directory| {
        let path = paths::normal(&format!("{directory}/{}", address.path));
        (path, format!("its address may be relative, and `{directory}` is where it starts"))
    });
    if let Some(known) = known.clone().filter(|(path, _)| graph.mount_of_path(id, path).is_some()) {
        return Some(known);
    }
    by_ending(graph, id, address).or(known.filter(|_| address.is_sure)).or_else(|| by_usual(graph, id, address))
}

/// By the one mount that ends as the path begins.
fn by_ending(graph: &Graph, id: WorkloadId, address: &Relative<'_>) -> Option<(String, String)> {
    let (first, rest) = address.path.split_once('/')?;
    let mut mounts = graph.mounts_of(id).filter(|(_, mount)| mount.target.rsplit('/').next() == Some(first));
    let (Some((_, mount)), None) = (mounts.next(), mounts.next()) else { return None };
    let because = format!("its address may be relative, and `{}` is mounted, which ends as it begins", mount.target);
    let path = paths::normal(&format!("{}/{rest}", mount.target));
    (is_database_name(&path) && first != "etc").then_some((path, because))
}

/// By the one mount where images usually start.
fn by_usual(graph: &Graph, id: WorkloadId, address: &Relative<'_>) -> Option<(String, String)> {
    let mut mounts = graph.mounts_of(id).filter(|(_, mount)| USUAL_DIRECTORIES.contains(&mount.target.as_str()));
    let (Some((_, mount)), None) = (mounts.next(), mounts.next()) else { return None };
    let because = format!("its address is relative, and `{}` is mounted, where images usually start", mount.target);
    let is_taken = address.is_sure && graph.workload(id).working_directory.is_none();
    is_taken.then(|| (paths::normal(&format!("{}/{}", mount.target, address.path)), because))
}

/// Addresses of SQLite that lead to no place that is known, without their options.
fn unplaced(graph: &Graph, id: WorkloadId) -> Vec<Spanned<String>> {
    let workload = graph.workload(id);
    let values = workload.environment.iter().filter_map(|variable| variable.value.clone());
    let texts = values.chain(words(workload));
    let is_lost =
        |text: &Spanned<String>| relative(&text.value).is_some() && addressed(graph, id, None, text).is_none();
    let shown = texts.filter(is_lost).filter_map(|text| {
        let (scheme, address) = address(&text.value)?;
        let path = address.split('?').next().unwrap_or("");
        Some(Spanned::new(format!("{scheme}{path}"), text.span))
    });
    shown.collect()
}

/// What the table knows of an image. If something is mounted over some of its paths only, the others are those of other
/// versions and variants of the image.
fn by_application(graph: &Graph, id: WorkloadId, image: &Spanned<String>, row: &Application) -> Vec<Database> {
    let workload = graph.workload(id);
    let mut known = row.paths_in(workload);
    let is_mounted = |path: &String| graph.mount_of_path(id, &paths::normal(path)).is_some();
    if known.iter().any(is_mounted) {
        known.retain(is_mounted);
    }
    let database = |path: &String| Database {
        workload: id,
        path: paths::normal(path),
        is_directory: path.ends_with('/'),
        evidence: Evidence {
            kind: EvidenceKind::Application,
            because: format!("the application table knows it of the image `{}`", image.value),
            span: Some(image.span),
        },
        mode: Mode {
            family: row.family_in(workload),
            because: "the application table says so".to_owned(),
            span: Some(image.span),
        },
        options: Vec::new(),
    };
    known.iter().map(database).collect()
}

/// Whether a text says that the application uses a server.
fn is_server(name: Option<&str>, text: &str) -> bool {
    let Some(name) = name else { return false };
    let lower = text.to_ascii_lowercase();
    let by_scheme = || {
        lower
            .split_once("://")
            .is_some_and(|(scheme, _)| SERVERS.iter().any(|server| scheme.split('+').next() == Some(*server)))
    };
    (ADDRESS_NAMES.iter().any(|known| name.ends_with(known)) && by_scheme())
        || (KIND_NAMES.iter().any(|known| name.ends_with(known))
            && SERVERS.iter().any(|server| lower.starts_with(server)))
}

/// `sqlite:///data/app.db?mode=ro`, `jdbc:sqlite:/data/app.db`, `file:/data/app.db?immutable=1`, also after `--db=`.
fn by_address(workload: WorkloadId, name: Option<&str>, text: &Spanned<String>) -> Option<Database> {
    let (scheme, address) = address(&text.value)?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = absolute(scheme, path.strip_prefix("file:").unwrap_or(path))?;
    // `file:` is also an address of anything; the name or the query has to speak for SQLite.
    if scheme == "file:" && !is_database_name(&path) && query.is_empty() {
        return None;
    }
    Some(of_address(workload, name, path, query, text.span))
}

/// The scheme of an address of SQLite in a text, and what follows it.
fn address(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, address) = SCHEMES.iter().find_map(|scheme| {
        let at = text.find(scheme)?;
        let before = text[..at].chars().next_back();
        let begins = before.is_none_or(|c| matches!(c, '=' | ' ' | '"' | '\'' | ','));
        begins.then(|| (*scheme, &text[at + scheme.len()..]))
    })?;
    Some((scheme, address.split([' ', '"', '\'']).next().unwrap_or("")))
}

fn of_address(workload: WorkloadId, name: Option<&str>, path: String, query: &str, span: Span) -> Database {
    let options: Vec<OpenOption> = options(query, span);
    let because = match name {
        Some(name) => format!("the variable `{name}` is an address of SQLite"),
        None => "an address of SQLite is among the words that are started".to_owned(),
    };
    Database {
        workload,
        path,
        is_directory: false,
        evidence: Evidence { kind: EvidenceKind::Address, because, span: Some(span) },
        mode: mode(&options, span),
        options,
    }
}

/// The absolute path of an address; a relative one starts in a directory that only the image knows.
fn absolute(scheme: &str, path: &str) -> Option<String> {
    // SQLAlchemy writes `sqlite:////data/app.db` for an absolute path and `sqlite:///app.db` for a relative one, others
    // write `sqlite:///data/app.db` for an absolute one.
    let path = if scheme.ends_with("//") || path.starts_with("//") {
        path.trim_start_matches('/')
    } else {
        path.strip_prefix('/')?
    };
    (!path.is_empty() && !path.starts_with(':') && !path.starts_with('.')).then(|| paths::normal(&format!("/{path}")))
}

fn options(query: &str, span: Span) -> Vec<OpenOption> {
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| OpenOption {
            name: name.trim().to_ascii_lowercase(),
            value: Spanned::new(value.to_owned(), span),
        })
        .collect()
}

/// As drivers take it: `_journal_mode=WAL`, `_journal=WAL`, `_pragma=journal_mode(WAL)`.
fn mode(options: &[OpenOption], span: Span) -> Mode {
    let value = options.iter().find_map(|option| match option.name.trim_start_matches('_') {
        "journal_mode" | "journal" | "journalmode" | "journal mode" => Some(option.value.value.to_ascii_lowercase()),
        "pragma" => {
            let value = option.value.value.to_ascii_lowercase();
            let value = value.strip_prefix("journal_mode")?;
            Some(value.trim_matches(['(', ')', '=']).to_owned())
        }
        _ => None,
    });
    let family = match value.as_deref() {
        Some("wal") => JournalFamily::Wal,
        Some("delete" | "truncate" | "persist" | "memory" | "off") => JournalFamily::Rollback,
        _ => return Mode::not_known(),
    };
    Mode { family: Some(family), because: "its address says so".to_owned(), span: Some(span) }
}

/// A path whose name ends as databases do, also after `--db=`.
fn by_file_name(workload: WorkloadId, text: &str, span: Span) -> Option<Database> {
    let path = text.rsplit_once('=').map_or(text, |(_, path)| path);
    let plain = path.starts_with('/') && is_plain(path);
    (plain && is_database_name(path) && !is_of_other_engine(path)).then(|| Database {
        workload,
        path: paths::normal(path),
        is_directory: false,
        evidence: Evidence {
            kind: EvidenceKind::FileName,
            because: "its name ends as databases of SQLite usually do".to_owned(),
            span: Some(span),
        },
        mode: Mode::not_known(),
        options: Vec::new(),
    })
}

/// A path in a variable or a word; a variable with `SQLITE` in its name says of what engine it is.
fn by_named_file(workload: WorkloadId, name: Option<&str>, text: &Spanned<String>) -> Option<Database> {
    let mut found = by_file_name(workload, &text.value, text.span)?;
    if let Some(name) = name.filter(|name| name.to_ascii_uppercase().contains("SQLITE")) {
        found.evidence.kind = EvidenceKind::Address;
        found.evidence.because = format!("the variable `{name}` names it");
    }
    Some(found)
}

/// Without what a shell or a mount would take for something else.
fn is_plain(path: &str) -> bool {
    !path.contains(['$', ' ', '*', ':', '?'])
}

/// Whether the name or the directory says that it is none of SQLite although it ends so.
fn is_of_other_engine(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or("");
    OTHER_ENGINES.contains(&name) || lower.split('/').any(|part| OTHER_DIRECTORIES.contains(&part))
}

fn is_database_name(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Place;
    use crate::sharing::WorkloadKind;
    use crate::sharing::lower::compose::plain;

    fn text(value: &str) -> Spanned<String> {
        let place = Place { line: 1, column: 1 };
        Spanned::new(value.to_owned(), Span { source: 0, start: place, end: place })
    }

    #[track_caller]
    fn finds(value: &str, path: &str) -> Database {
        let found = by_address(WorkloadId(0), Some("X"), &text(value)).unwrap_or_else(|| panic!("{value}"));
        assert_eq!(found.path, path, "{value}");
        found
    }

    #[track_caller]
    fn finds_none(value: &str) {
        assert_eq!(by_address(WorkloadId(0), Some("X"), &text(value)), None, "{value}");
    }

    #[test]
    fn addresses_of_sqlite_lead_to_paths() {
        finds("sqlite:///data/app.db", "/data/app.db");
        finds("sqlite:////data/app.db", "/data/app.db");
        finds("sqlite:/data/app.db", "/data/app.db");
        finds("sqlite3:/data/app.sqlite3", "/data/app.sqlite3");
        finds("sqlite3:///data/app.sqlite3", "/data/app.sqlite3");
        finds("jdbc:sqlite:file:/data/app.db?journal_mode=WAL", "/data/app.db");
        finds("file:///data/app.db?connection_limit=1", "/data/app.db");
        finds("jdbc:sqlite:/data/app.db", "/data/app.db");
        finds("--database=sqlite+aiosqlite:////data/x", "/data/x");
        finds("file:/data/app.db", "/data/app.db");
        let found = finds("file:/data/app?_journal_mode=WAL&immutable=1", "/data/app");
        assert_eq!(found.mode.family, Some(JournalFamily::Wal));
        assert_eq!(found.option("immutable").map(|option| option.value.value.as_str()), Some("1"));
        let found = finds("sqlite:/d/a.db?_pragma=journal_mode(delete)", "/d/a.db");
        assert_eq!(found.mode.family, Some(JournalFamily::Rollback));
    }

    #[test]
    fn connection_strings_of_drivers_lead_to_paths() {
        let of_go = |value: &str| by_driver(WorkloadId(0), None, &text(value));
        let found = of_go("/data/app.db?_journal_mode=WAL&_busy_timeout=5000").expect("a database");
        assert_eq!((found.path.as_str(), found.mode.family), ("/data/app.db", Some(JournalFamily::Wal)));
        assert_eq!(
            of_go("--dsn=/data/x?_pragma=journal_mode(WAL)").map(|found| found.path),
            Some("/data/x".to_owned())
        );
        for value in ["/login?next=/a", "https://x/app.db?_txlock=immediate", "/data/app.db", "/$A?_fk=1"] {
            assert_eq!(of_go(value), None, "{value}");
        }
        let of_net = |value: &str| by_data_source(WorkloadId(0), None, &text(value));
        let found = of_net("Data Source=/data/app.db;Mode=ReadOnly;Journal Mode=WAL").expect("a database");
        assert_eq!((found.path.as_str(), found.mode.family), ("/data/app.db", Some(JournalFamily::Wal)));
        assert!(found.is_only_read());
        assert_eq!(of_net("Filename=/config/x").map(|found| found.path), Some("/config/x".to_owned()));
        for value in [
            "Data Source=db;Initial Catalog=a",
            "Server=db;Database=/x",
            "Data Source=:memory:",
            "Data Source=//db/x",
            "x=/a.db",
        ] {
            assert_eq!(of_net(value), None, "{value}");
        }
    }

    fn of_words(words: &[&str], targets: &[&str]) -> Vec<String> {
        let mut graph = Graph::default();
        let words = words.iter().map(|word| text(word)).collect();
        graph.workloads.push(Workload { words, ..Workload::new(WorkloadKind::Service, "a") });
        for target in targets {
            let span = Some(text("").span);
            let mount = plain(WorkloadId(0), crate::sharing::StorageId(0), (*target).to_owned(), span);
            graph.mounts.push(crate::sharing::Mount { is_file: Some(false), ..mount });
        }
        find(&mut graph, &Applications::built_in(), &[]);
        graph.databases.into_iter().map(|database| database.path).collect()
    }

    #[test]
    fn scripts_name_databases_and_those_that_handle_files_do_not() {
        assert_eq!(of_words(&["app", "--db-path", "/data/x.db"], &[]), ["/data/x.db"]);
        assert_eq!(of_words(&["sh", "-c", "chown 1 /b/y.db; exec app --db /data/x.db"], &[]), ["/data/x.db"]);
        assert_eq!(of_words(&["sh", "-c", "litestream replicate -exec 'app --db=/data/x.db'"], &[]), ["/data/x.db"]);
        assert_eq!(of_words(&["sh", "-c", "sqlite3 /data/x.db \".backup '/b/x.db'\""], &[]), ["/data/x.db"]);
        assert_eq!(
            of_words(&["app", "--db=/data/x.db", "--backup-to", "/b/x.db", "--backup=/b/y.db"], &[]),
            ["/data/x.db"]
        );
        assert_eq!(of_words(&["sh", "-c", "export DB=sqlite:////data/x.db && app"], &[]), ["/data/x.db"]);
        for words in
            [&["cp", "/data/x.db", "/b/x.db"][..], &["sh", "-c", "cp /data/x.db /b/x.db"], &["tar", "c", "/x.db"]]
        {
            assert_eq!(of_words(words, &[]), [""; 0], "{words:?}");
        }
    }

    #[test]
    fn relative_addresses_lead_to_the_one_mount_that_ends_so() {
        assert_eq!(of_words(&["--db=sqlite:///data/x.db"], &["/app/data"]), ["/app/data/x.db"]);
        assert_eq!(of_words(&["file:./data/x.db"], &["/app/data"]), ["/app/data/x.db"]);
        assert_eq!(of_words(&["sqlite:///data/x.db"], &["/app/data", "/data"]), ["/data/x.db"]);
        assert_eq!(of_words(&["sqlite:///data/x.db"], &["/app/data", "/b/data"]), ["/data/x.db"]);
        assert_eq!(of_words(&["file:./x.db"], &["/app/data"]), [""; 0]);
        assert_eq!(of_words(&["sqlite:////data/x.db"], &["/app/data"]), ["/data/x.db"]);
        assert_eq!(of_words(&["file:/data/x.db"], &["/app/data"]), ["/data/x.db"]);
    }

    /// Databases and what is without a place, of an address in a workload that starts in a directory.
    fn placed(address: &str, directory: Option<&str>, targets: &[&str]) -> Vec<String> {
        let mut graph = Graph::default();
        let working_directory = directory.map(text);
        let words = vec![text(address)];
        graph.workloads.push(Workload { words, working_directory, ..Workload::new(WorkloadKind::Service, "a") });
        for target in targets {
            let span = Some(text("").span);
            let mount = plain(WorkloadId(0), crate::sharing::StorageId(0), (*target).to_owned(), span);
            graph.mounts.push(crate::sharing::Mount { is_file: Some(false), ..mount });
        }
        find(&mut graph, &Applications::built_in(), &[]);
        let unplaced = graph.unplaced.into_iter().map(|(_, text)| format!("lost {}", text.value));
        graph.databases.into_iter().map(|database| database.path).chain(unplaced).collect()
    }

    #[test]
    fn relative_addresses_start_in_the_directory_of_the_workload() {
        assert_eq!(placed("sqlite:///db.sqlite3", Some("/srv/a"), &["/data"]), ["/srv/a/db.sqlite3"]);
        assert_eq!(placed("sqlite:///data/x.db", Some("/srv/a"), &["/srv/a"]), ["/srv/a/data/x.db"]);
        assert_eq!(placed("sqlite:///data/x.db", Some("/srv/a"), &["/srv/a", "/data"]), ["/data/x.db"]);
        assert_eq!(placed("sqlite+aiosqlite:///data/x.db", Some("/a"), &["/b"]), ["/a/data/x.db"]);
        assert_eq!(placed("sqlite+aiosqlite:///data/x.db", Some("/a"), &["/data"]), ["/data/x.db"]);
        assert_eq!(placed("sqlite:///db.sqlite3", None, &["/app"]), ["/app/db.sqlite3"]);
        assert_eq!(placed("sqlite:///./data/x.db", None, &["/code", "/b"]), ["/code/data/x.db"]);
        assert_eq!(placed("sqlite:///data/x.db", None, &["/app"]), ["/data/x.db"]);
        assert_eq!(placed("sqlite:////x.db", None, &["/app"]), ["/x.db"]);
    }

    #[test]
    fn addresses_without_a_place_are_told() {
        assert_eq!(placed("sqlite:///db.sqlite3", None, &["/data"]), ["lost sqlite:///db.sqlite3"]);
        assert_eq!(placed("sqlite:///./x?_key=1", None, &[]), ["lost sqlite:///./x"]);
        assert_eq!(placed("--db=file:./dev.db", None, &["/data"]), ["lost file:./dev.db"]);
        assert_eq!(placed("sqlite:./x", None, &["/app", "/code"]), ["lost sqlite:./x"]);
        for none in ["sqlite::memory:", "sqlite://", "sqlite:///:memory:", "file:./a.yml", "file:x.db?mode=memory"] {
            assert_eq!(placed(none, None, &["/app"]), [""; 0], "{none}");
        }
    }

    #[test]
    fn names_of_other_engines_are_no_databases() {
        for value in [
            "/data/portainer.db",
            "/data/GeoLite2-City.mmdb",
            "/x/Thumbs.db",
            "/var/lib/bind/db.local",
            "/etc/bind/example.com.db",
            "/root/.cache/trivy/db/trivy.db",
            "/p/cert8.db",
        ] {
            assert_eq!(by_file_name(WorkloadId(0), value, text("").span), None, "{value}");
        }
        let named = by_named_file(WorkloadId(0), Some("DB_SQLITE_PATH"), &text("/data/x.db")).expect("a database");
        assert_eq!(named.evidence.kind, EvidenceKind::Address);
        // NSS keeps these in SQLite.
        assert!(by_file_name(WorkloadId(0), "/p/cert9.db", text("").span).is_some());
    }

    #[test]
    fn what_is_none_is_left_out() {
        for value in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "file:/etc/passwd",
            "postgres://h/d",
            "sqlite:./app.db",
            "profile:/a.db",
            "",
        ] {
            finds_none(value);
        }
    }

    #[test]
    fn names_of_files_are_weak_evidence() {
        let found = by_file_name(WorkloadId(0), "--db=/data/app.sqlite3", text("").span).expect("a path");
        assert_eq!((found.path.as_str(), found.evidence.kind), ("/data/app.sqlite3", EvidenceKind::FileName));
        for value in ["app.db", "/data/app", "/data/$X.db", "/a.db:/b.db"] {
            assert_eq!(by_file_name(WorkloadId(0), value, text("").span), None, "{value}");
        }
    }

    #[test]
    fn servers_are_told() {
        assert!(is_server(Some("DATABASE_URL"), "postgres://x"));
        assert!(is_server(Some("GF_DATABASE_TYPE"), "mysql"));
        assert!(is_server(Some("APP_DB_URL"), "postgresql+asyncpg://x"));
        assert!(!is_server(Some("OTHER_URL"), "postgres://x"));
        assert!(!is_server(Some("DB_TYPE"), "sqlite3"));
    }
}
