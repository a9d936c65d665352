//! Which driver wrote a line, told by the words it puts around SQLite's message.
//!
//! What it must not do: decide anything. The driver is named so that a reader finds the line's documentation; several
//! drivers write nothing of their own, and then none is named.

use std::sync::LazyLock;

use super::needles::{Seen, Table};

/// Words of a driver in lower case, and its name. The first that is found wins: special ones before general ones.
pub static DRIVERS: &[(&str, &str)] = &[
    ("system.data.sqlite", ".NET System.Data.SQLite"),
    ("microsoft.data.sqlite", ".NET Microsoft.Data.Sqlite"),
    ("sqlite error ", ".NET Microsoft.Data.Sqlite"),
    ("org.sqlite.", "Java sqlite-jdbc"),
    ("[sqlite_", "Java sqlite-jdbc"),
    ("android.database.sqlite", "Android"),
    ("sqlitelog", "Android"),
    ("(code ", "Android"),
    ("sqlitefailure(", "Rust rusqlite"),
    ("rusqlite", "Rust rusqlite"),
    ("error returned from database", "Rust sqlx"),
    ("sqlx", "Rust sqlx"),
    ("prisma", "Node prisma"),
    ("sqliteerror { extended_code", "Node prisma"),
    ("sqlalchemy", "Python sqlite3 through SQLAlchemy"),
    ("django.db.utils", "Python sqlite3 through Django"),
    ("apsw", "Python apsw"),
    ("sqlite3.operationalerror", "Python sqlite3"),
    ("sqlite3.databaseerror", "Python sqlite3"),
    ("err_sqlite_error", "Node node:sqlite"),
    ("sqliteerror:", "Node better-sqlite3"),
    ("error: sqlite_", "Node node-sqlite3"),
    ("sqlstate[hy000]", "PHP PDO"),
    ("sqlite3::exec(", "PHP SQLite3"),
    ("sqlite3::query(", "PHP SQLite3"),
    ("sqlite3::querysingle(", "PHP SQLite3"),
    ("sqlite3::prepare(", "PHP SQLite3"),
    ("sqlite3::open(", "PHP SQLite3"),
    ("sqlite3stmt::execute(", "PHP SQLite3"),
    ("sqlite3::", "Ruby sqlite3"),
    ("exqlite", "Elixir exqlite"),
    (") (sqlite_", "Go modernc.org/sqlite"),
    ("sqlite: step", "Go zombiezen.com/go/sqlite"),
    ("dbd::sqlite", "Perl DBD::SQLite"),
    ("os_unix.c", "SQLite's own log"),
];

static WORDS: LazyLock<Table> = LazyLock::new(|| Table::new(DRIVERS.iter().map(|(words, _)| *words)));

/// The driver that wrote a text in which these words stand.
pub fn of(seen: &Seen) -> Option<&'static str> {
    WORDS.first(seen).map(|row| DRIVERS[row].1)
}

#[cfg(test)]
mod tests {
    use super::{Seen, of};

    #[test]
    fn drivers_are_known_by_their_words() {
        for (text, driver) in [
            ("sqlite3.operationalerror: database is locked", Some("Python sqlite3")),
            ("sqliteerror: database is locked", Some("Node better-sqlite3")),
            ("[error: sqlite_busy: database is locked]", Some("Node node-sqlite3")),
            ("database is locked (5) (sqlite_busy)", Some("Go modernc.org/sqlite")),
            ("sqlstate[hy000]: general error: 5 database is locked", Some("PHP PDO")),
            ("php warning:  sqlite3::exec(): database is locked in /app/a.php on line 3", Some("PHP SQLite3")),
            ("php warning:  sqlite3stmt::execute(): unable to execute statement: disk i/o error", Some("PHP SQLite3")),
            ("sqlite3::busyexception: database is locked", Some("Ruby sqlite3")),
            ("database is locked", None),
        ] {
            assert_eq!(of(&Seen::of(text)), driver, "{text}");
        }
    }
}
