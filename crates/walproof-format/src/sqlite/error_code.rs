//! SQLite's result codes and extended result codes, by name.
//!
//! A code is `primary | (detail << 8)`. The names are those of `sqlite3.h` without the prefix `SQLITE_`; a test
//! reads the header of the SQLite that this workspace compiles in, where it is to be found, and compares.
//! Where to look next: `https://sqlite.org/rescode.html`.

/// One row of the table: code, name without `SQLITE_`, meaning in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// The extended (or primary) result code.
    pub code: u32,
    /// The name in `sqlite3.h`, without `SQLITE_`.
    pub name: &'static str,
    /// What it says, short enough for one line of a witness.
    pub meaning: &'static str,
}

/// The primary result code inside an extended one.
pub const fn primary(code: u32) -> u32 {
    code & 0xff
}

/// The name of a code; an unknown detail falls back to the primary code, an unknown primary to `UNKNOWN`.
pub fn name(code: u32) -> &'static str {
    known(code).map_or("UNKNOWN", |found| found.name)
}

/// What a code says; falls back like [`name`].
pub fn meaning(code: u32) -> &'static str {
    known(code).map_or("not a code that this version knows", |found| found.meaning)
}

/// The code and its name, as people quote it: `IOERR_SHMMAP 5386`.
pub fn quoted(code: u32) -> String {
    format!("{} {code}", name(code))
}

/// Whether a code says no more than "somebody else holds a lock".
pub const fn is_busy(code: u32) -> bool {
    primary(code) == BUSY
}

/// Primary code: somebody else holds a lock.
pub const BUSY: u32 = 5;
/// Primary code: content that should not be there; may also be a read error in disguise.
pub const CORRUPT: u32 = 11;
/// Primary code: the locks kept changing under a reader.
pub const PROTOCOL: u32 = 15;
/// Primary code: the first bytes are not those of a database.
pub const NOTADB: u32 = 26;
/// The shared wal-index could not be mapped.
pub const IOERR_SHMMAP: u32 = 5386;

fn known(code: u32) -> Option<&'static ErrorCode> {
    row(code).or_else(|| row(primary(code)))
}

fn row(code: u32) -> Option<&'static ErrorCode> {
    ERROR_CODES.iter().find(|row| row.code == code)
}

const fn code(code: u32, name: &'static str, meaning: &'static str) -> ErrorCode {
    ErrorCode { code, name, meaning }
}

const fn detail(primary: u32, detail: u32, name: &'static str, meaning: &'static str) -> ErrorCode {
    ErrorCode { code: primary | (detail << 8), name, meaning }
}

/// Every code of `sqlite3.h`: primary codes first, then details by primary code.
pub static ERROR_CODES: &[ErrorCode] = &[
    code(0, "OK", "success"),
    code(1, "ERROR", "generic error"),
    code(2, "INTERNAL", "internal logic error in SQLite"),
    code(3, "PERM", "access permission denied"),
    code(4, "ABORT", "a callback asked to abort"),
    code(5, "BUSY", "the database file is locked by another connection"),
    code(6, "LOCKED", "a table is locked inside this process"),
    code(7, "NOMEM", "out of memory"),
    code(8, "READONLY", "attempt to write a read-only database"),
    code(9, "INTERRUPT", "interrupted by the application"),
    code(10, "IOERR", "some disk I/O error"),
    code(11, "CORRUPT", "the database image is malformed"),
    code(12, "NOTFOUND", "unknown file control"),
    code(13, "FULL", "the database or the disk is full"),
    code(14, "CANTOPEN", "unable to open the database file"),
    code(15, "PROTOCOL", "database lock protocol error"),
    code(16, "EMPTY", "not used"),
    code(17, "SCHEMA", "the schema changed"),
    code(18, "TOOBIG", "string or blob too big"),
    code(19, "CONSTRAINT", "a constraint was violated"),
    code(20, "MISMATCH", "data type mismatch"),
    code(21, "MISUSE", "the library was used incorrectly"),
    code(22, "NOLFS", "large files are not supported here"),
    code(23, "AUTH", "authorization denied"),
    code(24, "FORMAT", "not used"),
    code(25, "RANGE", "parameter number out of range"),
    code(26, "NOTADB", "the file is not a database"),
    code(27, "NOTICE", "a notification"),
    code(28, "WARNING", "a warning"),
    code(100, "ROW", "a row is ready"),
    code(101, "DONE", "the statement has finished"),
    detail(0, 1, "OK_LOAD_PERMANENTLY", "the extension stays loaded"),
    detail(0, 2, "OK_SYMLINK", "the path is a symbolic link"),
    detail(1, 1, "ERROR_MISSING_COLLSEQ", "a collation is missing"),
    detail(1, 2, "ERROR_RETRY", "prepare again"),
    detail(1, 3, "ERROR_SNAPSHOT", "the snapshot is no longer available"),
    detail(1, 4, "ERROR_RESERVESIZE", "wrong number of reserved bytes a page"),
    detail(1, 5, "ERROR_KEY", "wrong key"),
    detail(1, 6, "ERROR_UNABLE", "unable to do so"),
    detail(4, 2, "ABORT_ROLLBACK", "the transaction was rolled back under a statement"),
    detail(5, 1, "BUSY_RECOVERY", "another process is recovering the WAL"),
    detail(5, 2, "BUSY_SNAPSHOT", "another writer committed after this reader began"),
    detail(5, 3, "BUSY_TIMEOUT", "a blocking lock timed out"),
    detail(6, 1, "LOCKED_SHAREDCACHE", "another user of the shared cache holds the table"),
    detail(6, 2, "LOCKED_VTAB", "a virtual table is locked"),
    detail(8, 1, "READONLY_RECOVERY", "the WAL needs recovery and may not be written"),
    detail(8, 2, "READONLY_CANTLOCK", "the -shm may not be locked because it is read-only"),
    detail(8, 3, "READONLY_ROLLBACK", "a hot journal must be rolled back and may not be"),
    detail(8, 4, "READONLY_DBMOVED", "the database file was moved or replaced while open"),
    detail(8, 5, "READONLY_CANTINIT", "the -shm cannot be initialised read-only"),
    detail(8, 6, "READONLY_DIRECTORY", "the directory is not writable"),
    detail(10, 1, "IOERR_READ", "reading a file failed"),
    detail(10, 2, "IOERR_SHORT_READ", "fewer bytes than asked for"),
    detail(10, 3, "IOERR_WRITE", "writing a file failed"),
    detail(10, 4, "IOERR_FSYNC", "fsync failed"),
    detail(10, 5, "IOERR_DIR_FSYNC", "fsync of the directory failed"),
    detail(10, 6, "IOERR_TRUNCATE", "truncating a file failed"),
    detail(10, 7, "IOERR_FSTAT", "fstat failed"),
    detail(10, 8, "IOERR_UNLOCK", "unlocking failed"),
    detail(10, 9, "IOERR_RDLOCK", "taking a read lock failed"),
    detail(10, 10, "IOERR_DELETE", "deleting a file failed"),
    detail(10, 11, "IOERR_BLOCKED", "not used"),
    detail(10, 12, "IOERR_NOMEM", "out of memory during I/O"),
    detail(10, 13, "IOERR_ACCESS", "access() failed"),
    detail(10, 14, "IOERR_CHECKRESERVEDLOCK", "looking for a reserved lock failed"),
    detail(10, 15, "IOERR_LOCK", "locking failed for a reason other than a conflict"),
    detail(10, 16, "IOERR_CLOSE", "close failed"),
    detail(10, 17, "IOERR_DIR_CLOSE", "not used"),
    detail(10, 18, "IOERR_SHMOPEN", "opening the -shm failed"),
    detail(10, 19, "IOERR_SHMSIZE", "enlarging the -shm failed; often a full disk"),
    detail(10, 20, "IOERR_SHMLOCK", "locking the -shm failed"),
    detail(10, 21, "IOERR_SHMMAP", "mapping the -shm as shared memory failed"),
    detail(10, 22, "IOERR_SEEK", "seek failed"),
    detail(10, 23, "IOERR_DELETE_NOENT", "a journal to delete was already gone"),
    detail(10, 24, "IOERR_MMAP", "mapping the database failed"),
    detail(10, 25, "IOERR_GETTEMPPATH", "no directory for temporary files"),
    detail(10, 26, "IOERR_CONVPATH", "path conversion failed"),
    detail(10, 27, "IOERR_VNODE", "the file's vnode was lost"),
    detail(10, 28, "IOERR_AUTH", "the operating system denied access"),
    detail(10, 29, "IOERR_BEGIN_ATOMIC", "beginning an atomic write failed"),
    detail(10, 30, "IOERR_COMMIT_ATOMIC", "committing an atomic write failed"),
    detail(10, 31, "IOERR_ROLLBACK_ATOMIC", "rolling back an atomic write failed"),
    detail(10, 32, "IOERR_DATA", "a page's checksum is wrong"),
    detail(10, 33, "IOERR_CORRUPTFS", "a seek or read says that the file system is damaged"),
    detail(10, 34, "IOERR_IN_PAGE", "a page could not be brought in"),
    detail(10, 35, "IOERR_BADKEY", "bad key"),
    detail(10, 36, "IOERR_CODEC", "codec failed"),
    detail(11, 1, "CORRUPT_VTAB", "content of a virtual table is damaged"),
    detail(11, 2, "CORRUPT_SEQUENCE", "sqlite_sequence is damaged"),
    detail(11, 3, "CORRUPT_INDEX", "an index lacks an entry"),
    detail(14, 1, "CANTOPEN_NOTEMPDIR", "no directory for temporary files"),
    detail(14, 2, "CANTOPEN_ISDIR", "the path is a directory"),
    detail(14, 3, "CANTOPEN_FULLPATH", "the full path could not be found"),
    detail(14, 4, "CANTOPEN_CONVPATH", "path conversion failed"),
    detail(14, 5, "CANTOPEN_DIRTYWAL", "not used"),
    detail(14, 6, "CANTOPEN_SYMLINK", "the path is a symbolic link"),
    detail(19, 1, "CONSTRAINT_CHECK", "CHECK failed"),
    detail(19, 2, "CONSTRAINT_COMMITHOOK", "a commit hook refused"),
    detail(19, 3, "CONSTRAINT_FOREIGNKEY", "FOREIGN KEY failed"),
    detail(19, 4, "CONSTRAINT_FUNCTION", "a function refused"),
    detail(19, 5, "CONSTRAINT_NOTNULL", "NOT NULL failed"),
    detail(19, 6, "CONSTRAINT_PRIMARYKEY", "PRIMARY KEY failed"),
    detail(19, 7, "CONSTRAINT_TRIGGER", "a trigger refused"),
    detail(19, 8, "CONSTRAINT_UNIQUE", "UNIQUE failed"),
    detail(19, 9, "CONSTRAINT_VTAB", "a virtual table refused"),
    detail(19, 10, "CONSTRAINT_ROWID", "a rowid is not unique"),
    detail(19, 11, "CONSTRAINT_PINNED", "a row is pinned"),
    detail(19, 12, "CONSTRAINT_DATATYPE", "a strict table refused a type"),
    detail(23, 1, "AUTH_USER", "user authentication failed"),
    detail(27, 1, "NOTICE_RECOVER_WAL", "frames were recovered from a WAL"),
    detail(27, 2, "NOTICE_RECOVER_ROLLBACK", "a hot journal was rolled back"),
    detail(27, 3, "NOTICE_RBU", "notice of the RBU extension"),
    detail(28, 1, "WARNING_AUTOINDEX", "an automatic index was made"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: u32, expected: &str) {
        assert_eq!(name(code), expected, "code {code}");
    }

    #[test]
    fn the_codes_that_the_field_meets_have_their_names() {
        for (code, expected) in [
            (5, "BUSY"),
            (261, "BUSY_RECOVERY"),
            (517, "BUSY_SNAPSHOT"),
            (773, "BUSY_TIMEOUT"),
            (264, "READONLY_RECOVERY"),
            (520, "READONLY_CANTLOCK"),
            (776, "READONLY_ROLLBACK"),
            (1032, "READONLY_DBMOVED"),
            (1288, "READONLY_CANTINIT"),
            (1544, "READONLY_DIRECTORY"),
            (266, "IOERR_READ"),
            (522, "IOERR_SHORT_READ"),
            (1034, "IOERR_FSYNC"),
            (1290, "IOERR_DIR_FSYNC"),
            (1546, "IOERR_TRUNCATE"),
            (1802, "IOERR_FSTAT"),
            (2058, "IOERR_UNLOCK"),
            (2570, "IOERR_DELETE"),
            (3850, "IOERR_LOCK"),
            (4618, "IOERR_SHMOPEN"),
            (4874, "IOERR_SHMSIZE"),
            (5130, "IOERR_SHMLOCK"),
            (5386, "IOERR_SHMMAP"),
            (5898, "IOERR_DELETE_NOENT"),
            (6410, "IOERR_GETTEMPPATH"),
            (8458, "IOERR_CORRUPTFS"),
        ] {
            named(code, expected);
        }
    }

    #[test]
    fn an_unknown_detail_falls_back_to_the_primary_code() {
        named(10 | (200 << 8), "IOERR");
        named(99, "UNKNOWN");
    }

    #[test]
    fn no_code_and_no_name_stands_twice() {
        for (index, row) in ERROR_CODES.iter().enumerate() {
            assert!(ERROR_CODES[..index].iter().all(|other| other.code != row.code && other.name != row.name));
        }
    }

    /// `#define SQLITE_NAME (SQLITE_PRIMARY | (n<<8))` or `#define SQLITE_NAME n /* ... */`, when it is a result code.
    fn defined(line: &str, primaries: &[ErrorCode]) -> Option<(String, u32)> {
        let rest = line.strip_prefix("#define SQLITE_")?;
        let (name, value) = rest.split_once(char::is_whitespace)?;
        let value = value.trim().strip_prefix("(SQLITE_")?;
        let (primary, detail) = value.split_once('|')?;
        let primary = primaries.iter().find(|row| row.code < 256 && row.name == primary.trim())?.code;
        let detail = detail.trim().strip_prefix('(')?.split_once("<<8")?.0.trim().parse::<u32>().ok()?;
        Some((name.to_owned(), primary | (detail << 8)))
    }

    fn header() -> Option<String> {
        let home = std::env::var("CARGO_HOME").unwrap_or(std::env::var("HOME").ok()? + "/.cargo");
        std::fs::read_dir(home + "/registry/src")
            .ok()?
            .flatten()
            .flat_map(|index| std::fs::read_dir(index.path()).into_iter().flatten().flatten())
            .filter(|package| package.file_name().to_string_lossy().starts_with("libsqlite3-sys-"))
            .filter_map(|package| std::fs::read_to_string(package.path().join("sqlite3/sqlite3.h")).ok())
            .last()
    }

    #[test]
    fn the_table_is_that_of_the_bundled_header() {
        let Some(header) = header() else {
            println!("skipped: no sqlite3.h in cargo's registry");
            return;
        };
        let defined: Vec<_> = header.lines().filter_map(|line| defined(line, ERROR_CODES)).collect();
        assert!(defined.len() > 70, "only {} extended codes found", defined.len());
        for (name, code) in &defined {
            assert!(ERROR_CODES.iter().any(|row| row.code == *code && row.name == name), "{name} {code} is missing");
        }
        assert_eq!(ERROR_CODES.iter().filter(|row| row.code > 255).count(), defined.len());
    }
}
