//! A folder of a test, a database's files as bytes, and what SQLite says is in a database.
//!
//! What it must not do: parse; that is what is tested.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use walproof_testbench::Folder;

/// In memory where there is such a place.
pub fn folder() -> Folder {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Folder::below(memory, "bytes") } else { Folder::new("bytes") }
}

/// The four files at one moment; empty when there is none. Copying drops the locks of this process: nobody else opens
/// these databases.
#[derive(Clone, Default)]
pub struct Files {
    pub database: Vec<u8>,
    pub wal: Vec<u8>,
    pub shm: Vec<u8>,
    pub journal: Vec<u8>,
}

impl Files {
    pub fn of(database: &Path) -> Self {
        let read = |suffix| fs::read(beside(database, suffix)).unwrap_or_default();
        Self { database: read(""), wal: read("-wal"), shm: read("-shm"), journal: read("-journal") }
    }

    /// Laid down in place of what was there, as a crash would leave them: without the -shm.
    pub fn lay(&self, database: &Path) {
        let all = [("", &self.database), ("-wal", &self.wal), ("-journal", &self.journal), ("-shm", &Vec::new())];
        for (suffix, bytes) in all {
            let path = beside(database, suffix);
            let _ = fs::remove_file(&path);
            if !bytes.is_empty() {
                fs::write(path, bytes).expect("a file of the test");
            }
        }
    }
}

pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// A digest of the schema and of every row; an error in SQLite's words.
pub fn dump(connection: &Connection) -> rusqlite::Result<u64> {
    let mut digest = DefaultHasher::new();
    let schema = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY type, name";
    rows(connection, schema, &mut digest)?;
    let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        name.hash(&mut digest);
        rows(connection, &format!("SELECT * FROM \"{name}\""), &mut digest)?;
    }
    Ok(digest.finish())
}

fn rows(connection: &Connection, sql: &str, digest: &mut DefaultHasher) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => 0.hash(digest),
                ValueRef::Integer(value) => (1, value).hash(digest),
                ValueRef::Real(value) => (2, value.to_bits()).hash(digest),
                ValueRef::Text(value) => (3, value).hash(digest),
                ValueRef::Blob(value) => (4, value).hash(digest),
            }
        }
    }
    Ok(())
}

/// What SQLite reads of files that a crash left, recovery included.
pub fn dump_of(files: &Files, database: &Path) -> rusqlite::Result<u64> {
    files.lay(database);
    dump(&Connection::open(database)?)
}

pub fn pragma(connection: &Connection, name: &str) -> i64 {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).expect(name)
}
