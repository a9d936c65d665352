//! Which databases a workload opens: by its image, by addresses in its variables and words, by names of files that are
//! mounted, by what the user says.
//!
//! The surest evidence for a path wins. A variable with the address of a server takes back what the table and names of
//! files say of the image, not what an address of SQLite says.
//!
//! What it must not do: take a directory for a database because of its name.
//!
//! Where to look next: `sharing::applications` for the table.

use walproof_format::sqlite::db_header::JournalFamily;

use crate::manifest::compose::paths;
use crate::manifest::{Span, Spanned};
use crate::sharing::{
    Application, Applications, Database, Evidence, EvidenceKind, Graph, Mode, OpenOption, WorkloadId,
};

/// Endings of names that databases of SQLite usually have. `.db` is used by others as well.
const ENDINGS: &[&str] = &[".db", ".db3", ".s3db", ".sqlite", ".sqlite3"];
/// Schemes of addresses that only SQLite has, the longest first.
const SCHEMES: &[&str] =
    &["sqlite+aiosqlite://", "sqlite+pysqlite://", "jdbc:sqlite:", "sqlite3://", "sqlite://", "sqlite:", "file:"];
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
        Some(name) => *name == workload.name || Some(name) == workload.container.as_ref(),
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
    let values = workload
        .environment
        .iter()
        .filter_map(|variable| Some((Some(variable.name.as_str()), variable.value.as_ref()?)));
    let words = workload.words.iter().map(|word| (None, word));
    let texts: Vec<(Option<&str>, &Spanned<String>)> = values.chain(words).collect();
    let mut found: Vec<Database> = texts.iter().filter_map(|(name, text)| by_address(id, *name, text)).collect();
    let row = workload.image.as_ref().and_then(|image| Some((image, applications.of_image(&image.value)?)));
    let server = texts.iter().any(|(name, text)| is_server(*name, &text.value))
        || row.is_some_and(|(_, row)| row.elsewhere(workload).is_some());
    if server {
        return found;
    }
    if let Some((image, row)) = row.filter(|(_, row)| row.uses_sqlite(workload)) {
        found.extend(by_application(graph, id, image, row));
    }
    let mut named: Vec<Database> =
        texts.iter().filter_map(|(_, text)| by_file_name(id, &text.value, text.span)).collect();
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
    let (scheme, address) = SCHEMES.iter().find_map(|scheme| {
        let at = text.value.find(scheme)?;
        let before = text.value[..at].chars().next_back();
        let begins = before.is_none_or(|c| matches!(c, '=' | ' ' | '"' | '\'' | ','));
        begins.then(|| (*scheme, &text.value[at + scheme.len()..]))
    })?;
    let address = address.split([' ', '"', '\'']).next().unwrap_or("");
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = absolute(scheme, path)?;
    // `file:` is also an address of anything; the name or the query has to speak for SQLite.
    if scheme == "file:" && !is_database_name(&path) && query.is_empty() {
        return None;
    }
    let options: Vec<OpenOption> = options(query, text.span);
    let because = match name {
        Some(name) => format!("the variable `{name}` is an address of SQLite"),
        None => "an address of SQLite is among the words that are started".to_owned(),
    };
    Some(Database {
        workload,
        path,
        is_directory: false,
        evidence: Evidence { kind: EvidenceKind::Address, because, span: Some(text.span) },
        mode: mode(&options, text.span),
        options,
    })
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
            name: name.to_ascii_lowercase(),
            value: Spanned::new(value.to_owned(), span),
        })
        .collect()
}

/// As drivers take it: `_journal_mode=WAL`, `_journal=WAL`, `_pragma=journal_mode(WAL)`.
fn mode(options: &[OpenOption], span: Span) -> Mode {
    let value = options.iter().find_map(|option| match option.name.trim_start_matches('_') {
        "journal_mode" | "journal" | "journalmode" => Some(option.value.value.to_ascii_lowercase()),
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
    let plain = path.starts_with('/') && !path.contains(['$', ' ', '*', ':', '?']);
    (plain && is_database_name(path)).then(|| Database {
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

fn is_database_name(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Place;

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
