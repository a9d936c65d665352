//! SQLite's result codes in the text of a line, in the disguises that drivers give them.
//!
//! ```text
//! SQLITE_IOERR_SHMMAP: disk I/O error           names: node-sqlite3, better-sqlite3, sqlite-jdbc, Go
//! disk I/O error (5386)                         a number after the message: Go modernc, the sqlite3 shell
//! (code 4874, errno 28): , while compiling      Android
//! SQLite Error 5: 'database is locked'.         Microsoft.Data.Sqlite
//! code = IoErr (10), message = ...              System.Data.SQLite
//! (code: 517) database is locked                sqlx
//! extended_code: 5386                           rusqlite, prisma
//! SQLSTATE[HY000]: General error: 8 attempt ... PDO
//! unable to open database file: out of memory (14)   Go modernc: the text is of another code
//! ```
//!
//! A number counts only in such a place, only when the table knows it, and only when it does not contradict the message
//! beside it: `(200)` is a status of HTTP. What defines a code (`#define SQLITE_CORRUPT 11 /* ... */`) does not tell it, and
//! a lock or a full disk is not SQLite's where another product says it (`pg_dump: error: database or disk is full`).
//! Where to look next: `walproof_format::sqlite::error_code` for the table.

use std::sync::LazyLock;

use super::needles::{Seen, Table};
use regex::Regex;
use walproof_format::sqlite::error_code::{ERROR_CODES, ErrorCode, primary};

/// Messages of SQLite and of drivers in lower case, and the primary code each stands for. Of two in one line the first row
/// counts, so damage comes first.
pub static MESSAGES: &[(&str, u32)] = &[
    ("database disk image is malformed", 11),
    ("malformed database schema", 11),
    ("sqlite3::corruptexception", 11),
    ("sqlitedatabasecorruptexception", 11),
    ("file is not a database", 26),
    ("file is encrypted or is not a database", 26),
    ("notadatabaseexception", 26),
    ("file opened that is not a database file", 26),
    ("database is locked", 5),
    ("database file is locked", 5),
    ("database busy", 5),
    ("database is busy", 5),
    ("to retry busy db", 5),
    ("busyexception", 5),
    ("busyerror", 5),
    ("databasebusy", 5),
    ("sqlitedatabaselockedexception", 5),
    ("database table is locked", 6),
    ("database schema is locked", 6),
    ("attempt to write a readonly database", 8),
    ("attempt to write a read-only database", 8),
    ("readonlyexception", 8),
    ("disk i/o error", 10),
    ("sqlitediskioexception", 10),
    ("some kind of disk i/o error occurred", 10),
    ("sqlite3::ioexception", 10),
    ("database or disk is full", 13),
    ("sqlite3::fullexception", 13),
    ("insertion failed because database is full", 13),
    ("unable to open database file", 14),
    ("unable to open the database file", 14),
    ("unable to open database:", 14),
    ("unable to open database \"", 14),
    ("cantopenexception", 14),
    // Go modernc adds the text of another code; people quote that part.
    ("out of memory (14)", 14),
    ("locking protocol", 15),
    ("database lock protocol error", 15),
    ("sqlite3::protocolexception", 15),
];

static MESSAGE_WORDS: LazyLock<Table> = LazyLock::new(|| Table::new(MESSAGES.iter().map(|(message, _)| *message)));

/// The code that a lower-case text tells, the most special one; `None`: it tells none.
pub fn of(text: &str) -> Option<u32> {
    of_seen(text, &Seen::of(text))
}

/// The same of a text that was looked through.
pub(super) fn of_seen(text: &str, seen: &Seen) -> Option<u32> {
    let definition = SOURCE_WORDS.first(seen).and_then(|_| definition(text));
    let code = match definition {
        Some(at) => told(&text[..at], &Seen::of(&text[..at])),
        None => told(text, seen),
    };
    code.filter(|code| !SAID_BY_OTHERS.contains(&primary(*code)) || !is_said_by_another(text, seen))
}

fn told(text: &str, seen: &Seen) -> Option<u32> {
    let from_message = MESSAGE_WORDS.first(seen).map(|row| MESSAGES[row].1);
    let agrees = |code: &u32| from_message.is_none_or(|said| primary(*code) == said);
    let named = if HEADER_WORDS.first(seen).is_some() { None } else { named(text).filter(agrees) };
    let named_or_said = named.or(from_message);
    if named.is_some_and(|code| code > 255) {
        return named;
    }
    let numbered = named_or_said.is_some() || text.contains("sqlite") || text.contains("error code");
    let number = if numbered { number(text, seen) } else { None };
    number.filter(|code| named_or_said.is_none_or(|said| primary(*code) == primary(said))).or(named_or_said)
}

/// Where source text that defines a code begins; what stands before it may be an error that quotes it.
fn definition(text: &str) -> Option<usize> {
    let defines = |after: &str| after.starts_with([' ', '\t']) && after.trim_start().starts_with("sqlite_");
    text.match_indices(DEFINE).find(|(at, word)| defines(&text[at + word.len()..])).map(|(at, _)| at)
}

const DEFINE: &str = "#define";
/// Of source text; names of codes beside the name of their header are no errors, messages still are.
const HEADERS: &[&str] = &["defined in sqlite3.h", "sqlite3.h:"];

static SOURCE_WORDS: LazyLock<Table> = LazyLock::new(|| Table::new([DEFINE]));
static HEADER_WORDS: LazyLock<Table> = LazyLock::new(|| Table::new(HEADERS.iter().copied()));

/// The primary codes whose words other products say too: a lock, a full disk. No other is passed over for the sake of a
/// product's name, least of all damage.
const SAID_BY_OTHERS: &[u32] = &[5, 13];
/// What only the programs of other products write. A name alone is no sign: a host may have it, and `mongodb: database is
/// locked` may be an importer whose own database is.
const OF_OTHERS: &[&str] = &[
    "(firebird)",
    "lock conflict on no wait transaction",
    "mariadbd[",
    "mongod[",
    "mysqld[",
    "pg_basebackup: error:",
    "pg_dump: error:",
    "pg_dumpall: error:",
    "pg_restore: error:",
    "postgres[",
    "psql: error:",
];
/// Who speaks, where a message begins with it.
const OTHERS: &[&str] = &["firebird: ", "mariadb: ", "mongodb: ", "mysql: ", "postgres: ", "postgresql: "];
/// What may stand before the one who speaks, beside numbers and single letters.
const LEVELS: &[&str] = &["error", "err", "warn", "warning", "fatal", "critical", "info", "stderr", "stdout"];

static WORDS_OF_OTHERS: LazyLock<Table> = LazyLock::new(|| Table::new(OF_OTHERS.iter().chain(OTHERS).copied()));

/// Whether another product says it, and nothing in the line speaks of SQLite.
fn is_said_by_another(text: &str, seen: &Seen) -> bool {
    WORDS_OF_OTHERS.first(seen).is_some_and(|row| row < OF_OTHERS.len() || OTHERS.iter().any(|name| speaks(text, name)))
        && !text.contains("sqlite")
}

/// Whether a message begins with this name: at the beginning of a string, or behind times and levels alone.
fn speaks(text: &str, name: &str) -> bool {
    let is_no_word = |word: &str| word.len() < 2 || LEVELS.contains(&word);
    let is_before =
        |before: &str| before.ends_with('"') || before.split(|letter: char| !letter.is_alphabetic()).all(is_no_word);
    text.match_indices(name).any(|(at, _)| is_before(&text[..at]))
}

/// The row of a name such as `SQLITE_IOERR_SHMMAP` or `ioerr_shmmap`.
pub fn by_name(name: &str) -> Option<&'static ErrorCode> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SQLITE_").unwrap_or(&name);
    ERROR_CODES.iter().find(|row| row.name == name)
}

/// The most special code that stands by name; codes that say nothing by themselves are passed over.
fn named(text: &str) -> Option<u32> {
    let mut best = None;
    let mut rest = text;
    while let Some(at) = rest.find("sqlite_") {
        rest = &rest[at + 7..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let found =
            by_name(&rest[..end]).map(|row| row.code).filter(|code| !matches!(primary(*code), 0 | 1 | 100 | 101));
        best = match (best, found) {
            (Some(before), Some(now)) if now <= before => Some(before),
            (before, now) => now.or(before),
        };
    }
    best
}

static NUMBERS: LazyLock<Regex> = LazyLock::new(|| {
    let places = [
        r"sqlite3?[ _]?error(?: code)?[ :=(]+([0-9]{1,5})(?-u:\b)",
        r"extended_?(?:result_?|error_?)?code[^a-z0-9_]{1,4}(?:some\()?([0-9]{1,5})(?-u:\b)",
        r"(?-u:\b)err(?:or)?_?(?:code|no)[^a-z0-9_]{1,4}([0-9]{1,5})(?-u:\b)",
        r"error[ :]code[ :=]+([0-9]{1,5})(?-u:\b)",
        r"\(code:? ([0-9]{1,5})(?-u:\b)",
        r"code = [a-z0-9_]+ \(([0-9]{1,5})\)",
        r"general error: ([0-9]{1,5}) ",
        r"sqlstate\[hy000\] \[([0-9]{1,5})\]",
        r"(?-u:\b)rc ?[=:] ?([0-9]{1,5})(?-u:\b)",
        r"result code:? ([0-9]{1,5})(?-u:\b)",
        r"(?-u:\b)code:? ([0-9]{1,5})(?-u:\b)",
        r"sqlitelog ?: \(([0-9]{1,5})\)",
        r"(?:locked|error|malformed|full|file|database|protocol|memory|argument|system) \(([0-9]{1,5})\)",
    ];
    Regex::new(&places.join("|")).expect("a fixed expression")
});

/// Without one of these no place of [`NUMBERS`] is there; the expression is too slow to be asked about every line.
const NUMBER_CONTEXTS: &[&str] = &[
    "code",
    "errno",
    "err_no",
    "rc=",
    "rc =",
    "rc:",
    "rc :",
    "general error: ",
    "sqlstate[",
    "sqlite error",
    "sqlite3 error",
    "sqlite_error",
    "sqliteerror",
    "sqlitelog",
    " (",
];

static NUMBER_WORDS: LazyLock<Table> = LazyLock::new(|| Table::new(NUMBER_CONTEXTS.iter().copied()));

/// The first known code in a place where drivers print one; a details code before a primary one.
fn number(text: &str, seen: &Seen) -> Option<u32> {
    NUMBER_WORDS.first(seen)?;
    let found = NUMBERS.captures_iter(text).take(8).filter_map(|captures| {
        let number = captures.iter().skip(1).flatten().next()?.as_str().parse::<u32>().ok()?;
        let told = ERROR_CODES.iter().any(|row| row.code == number) && !matches!(primary(number), 0 | 1 | 100 | 101);
        told.then_some(number)
    });
    found.reduce(|best, next| if next > 255 && best <= 255 { next } else { best })
}

/// An error of the operating system beside a code: its name, its message in lower case.
pub static ERRNOS: &[(&str, i32, &[&str])] = &[
    ("EPERM", 1, &["operation not permitted"]),
    ("ENOENT", 2, &["no such file or directory"]),
    ("EIO", 5, &["input/output error"]),
    ("ENOMEM", 12, &["cannot allocate memory"]),
    ("EACCES", 13, &["permission denied"]),
    ("ENODEV", 19, &["no such device"]),
    ("EINVAL", 22, &["invalid argument"]),
    ("EMFILE", 24, &["too many open files"]),
    ("ENOSPC", 28, &["no space left on device"]),
    ("EROFS", 30, &["read-only file system"]),
    ("ENOLCK", 37, &["no locks available"]),
    ("ENOSYS", 38, &["function not implemented"]),
    ("EOPNOTSUPP", 95, &["operation not supported"]),
    ("ENOTCONN", 107, &["transport endpoint is not connected"]),
    ("ETIMEDOUT", 110, &["connection timed out"]),
    ("ESTALE", 116, &["stale file handle", "stale nfs file handle"]),
    ("EDQUOT", 122, &["disk quota exceeded"]),
];

static ERRNO_NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"errno:? ([0-9]{1,3})(?-u:\b)|os_unix\.c:[0-9]+: \(([0-9]{1,3})\)").expect("a fixed expression")
});

/// Where names and numbers of errors stand.
const ERRNO_PLACES: &[&str] = &["= -1 e", "errno", "os_unix.c:"];

/// The messages, the row of each, and behind them the places of names and numbers.
static ERRNO_WORDS: LazyLock<(Table, Vec<usize>)> = LazyLock::new(|| {
    let rows =
        ERRNOS.iter().enumerate().flat_map(|(row, (.., messages))| messages.iter().map(move |word| (*word, row)));
    let (mut words, rows): (Vec<&str>, Vec<usize>) = rows.unzip();
    words.extend(ERRNO_PLACES);
    (Table::new(words), rows)
});

/// The words of this file that are looked for in lines; those of [`MESSAGES`] stand there.
pub(super) fn words() -> Vec<&'static str> {
    let mut words: Vec<&str> = ERRNOS.iter().flat_map(|(.., messages)| messages.iter().copied()).collect();
    words.extend(ERRNO_PLACES);
    words.extend(NUMBER_CONTEXTS);
    words.push(DEFINE);
    words.extend(HEADERS.iter().chain(OF_OTHERS).chain(OTHERS));
    words
}

/// The error of the operating system that a line tells: by message, by name (`= -1 ENOSYS`), by number (Android, SQLite's
/// own log).
pub fn errno(text: &str) -> Option<&'static str> {
    errno_seen(text, &Seen::of(text))
}

/// The same of a text that was looked through.
pub(super) fn errno_seen(text: &str, seen: &Seen) -> Option<&'static str> {
    let hit = ERRNO_WORDS.0.first(seen)?;
    if let Some(row) = ERRNO_WORDS.1.get(hit) {
        return Some(ERRNOS[*row].0);
    }
    if let Some(at) = text.find("= -1 e") {
        let word = text[at + 5..].split(|letter: char| !letter.is_ascii_alphabetic()).next()?;
        return ERRNOS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(word)).map(|(name, ..)| *name);
    }
    // node-sqlite3 prints SQLite's code as `errno:`; with its name beside it, it is none of the operating system.
    let captures = ERRNO_NUMBER.captures(text).filter(|_| !text.contains("code: 'sqlite_"))?;
    let number: i32 = captures.iter().skip(1).flatten().next()?.as_str().parse().ok()?;
    ERRNOS.iter().find(|(_, known, _)| *known == number).map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn tells(line: &str, code: u32) {
        assert_eq!(of(&line.to_ascii_lowercase()), Some(code), "{line}");
    }

    #[test]
    fn the_same_refusal_in_twenty_disguises() {
        tells("Error: stepping, database is locked (5)", 5);
        tells("Runtime error near line 3: disk I/O error (5386)", 5386);
        tells("sqlite3.OperationalError: database is locked", 5);
        tells("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file", 14);
        tells("apsw.BusyError: BusyError: database is locked", 5);
        tells("SqliteError: disk I/O error { code: 'SQLITE_IOERR_SHMMAP' }", 5386);
        tells("[Error: SQLITE_BUSY: database is locked] { errno: 5, code: 'SQLITE_BUSY' }", 5);
        tells("code: 'ERR_SQLITE_ERROR', errcode: 11, errstr: 'database disk image is malformed'", 11);
        tells("QueryError(SqliteError { extended_code: 5386, message: Some(\"disk I/O error\") })", 5386);
        tells("database is locked (5) (SQLITE_BUSY)", 5);
        tells("database is locked (517)", 517);
        tells("unable to open database file: out of memory (14)", 14);
        tells("sqlite: step: disk I/O error (SQLITE_IOERR_SHMMAP)", 5386);
        tells("Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error 5: 'database is locked'.", 5);
        tells(
            "Database file: code = IoErr (10), message = System.Data.SQLite.SQLiteException (0x800007FF): disk I/O error",
            10,
        );
        tells("[SQLITE_IOERR_SHMMAP]  I/O error in the xShmMap method (disk I/O error)", 5386);
        tells(
            "android.database.sqlite.SQLiteDiskIOException: disk I/O error (code 4874, errno 28): , while compiling",
            4874,
        );
        tells("E SQLiteLog: (1032) statement aborts at 3", 1032);
        tells("SqliteFailure(Error { code: DatabaseBusy, extended_code: 517 }, Some(\"database is locked\"))", 517);
        tells("Error code 15: Database lock protocol error", 15);
        tells("error returned from database: (code: 1544) attempt to write a readonly database", 1544);
        tells("SQLSTATE[HY000]: General error: 8 attempt to write a readonly database", 8);
        tells("SQLSTATE[HY000] [14] unable to open database file", 14);
        tells("SQLite3::BusyException: database is locked", 5);
        tells("** (Exqlite.Error) Database busy", 5);
        tells("sqlite schema migration failed (rc=10, sql=CREATE TABLE): disk I/O error", 10);
        tells("Tree 12 page 12: unable to get the page. error code=522", 522);
    }

    #[test]
    fn damage_counts_before_what_else_a_line_says() {
        tells("disk I/O error; database disk image is malformed", 11);
        tells("unable to open database file: file is not a database", 26);
    }

    #[test]
    fn other_numbers_are_no_codes() {
        for line in ["GET /x 200 (14)", "error (5)", "exit code 11", "SQLITE_ENABLE_WAL", "sqlite 3.50.4", "rc=10"] {
            assert_eq!(of(&line.to_ascii_lowercase()), None, "{line}");
        }
        // A status beside a message of SQLite does not replace the message's code.
        tells("database is locked (500)", 5);
        tells("disk I/O error, code 5", 10);
    }

    #[track_caller]
    fn tells_nothing(line: &str) {
        assert_eq!(of(&line.to_ascii_lowercase()), None, "{line}");
    }

    #[test]
    fn source_text_tells_no_code_and_an_error_that_quotes_it_does() {
        tells_nothing("#define SQLITE_CORRUPT     11   /* The database disk image is malformed */");
        tells_nothing("  430 | #define\tSQLITE_BUSY  5 /* The database file is locked */");
        tells_nothing("SQLITE_CORRUPT is defined in sqlite3.h");
        tells_nothing("/usr/include/sqlite3.h:430:29: note: in expansion of macro SQLITE_CORRUPT");
        tells("database disk image is malformed: INSERT INTO snippets VALUES ('#define SQLITE_BUSY 5')", 11);
        tells("INSERT INTO snippets VALUES ('#define X 5'): database disk image is malformed", 11);
        tells("SQL error 11 (see sqlite3.h): database disk image is malformed", 11);
        tells("SQLITE_CORRUPT, see https://docs.python.org/3/library/sqlite3.html", 11);
    }

    #[test]
    fn what_another_product_says_is_not_sqlites() {
        tells_nothing("MongoDB: database is locked by another operation");
        tells_nothing("2024-01-02T03:04:05.123Z ERROR MongoDB: database is locked by another operation");
        tells_nothing(r#"{"level":"error","msg":"mongodb: database is locked"}"#);
        tells_nothing("ERROR: the database is locked (Firebird) lock conflict on no wait transaction");
        tells_nothing("pg_dump: error: database or disk is full");
        tells_nothing("Jan  2 03:04:05 host mongod[123]: database is locked");
        // The name of a host, of a source, of a path.
        tells("Jan  2 03:04:05 mongodb app[123]: database is locked", 5);
        tells("import from mongodb: database is locked", 5);
        tells("pg_dump failed: database or disk is full", 13);
        tells("backup of /srv/postgres: database is locked", 5);
        tells("MySQL: fallback to SQLite: database is locked", 5);
        // Nobody else says this.
        tells("mongodb: database disk image is malformed", 11);
        tells("pg_dump: error: file is not a database", 26);
    }

    #[test]
    fn errors_of_the_system_beside_a_code() {
        assert_eq!(errno("disk i/o error: read-only file system"), Some("EROFS"));
        assert_eq!(errno("disk i/o error (code 4874, errno 28): "), Some("ENOSPC"));
        assert_eq!(errno("fcntl(3, f_setlk, {...}) = -1 enosys (...)"), Some("ENOSYS"));
        assert_eq!(errno("(14) os_unix.c:44000: (13) open(/data/app.db-wal) - "), Some("EACCES"));
        assert_eq!(errno("{ errno: 5, code: 'sqlite_busy' }"), None);
    }
}
