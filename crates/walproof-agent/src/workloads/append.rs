//! The workload `append`: numbers are appended to lists under keys that rotate; whole lists are read.
//!
//! When `keep_lists` is on, an agent writes what it appended and read to `append-<agent>.life-<life>.jsonl` beside its
//! history, one line before a transaction and one after it, each with one write(2) at the file's end: a SIGKILL leaves
//! whole lines and at most one torn one. `walproof_format::elle` makes Elle's list-append histories of them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use walproof_format::elle::{LISTS_BYTES_MAX, ListLine, ListStep, lists_file_name};
use walproof_format::history::{Phase, Place, Record};
use walproof_format::protocol::{Configuration, Workload};

use super::{Rider, Turn, WorkloadKind, execute};
use crate::clock::monotonic_ns;
use crate::connection::{AtPlace, SqlFailure};

/// The workload `append`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "append",
    line: "appends to lists under rotating keys; can be exported for Elle",
    explain: include_str!("append.md"),
    start: |configuration| Box::new(Append::new(configuration)),
    invariants: |_| super::names(&["newest-element-is-the-newest-commit", "elements-ascend"]),
};

/// Lists that grow at one time.
const OPEN_LISTS: u64 = 4;
/// Commits after which other lists grow: some 32 elements to a list.
const ROTATION: u64 = 128;
/// Lists that stay after they have stopped growing.
const CLOSED_LISTS: u64 = 16;

#[derive(Debug)]
struct Append {
    file: Option<File>,
    bytes: u64,
    agent: u16,
    life: u16,
    /// What the transaction in hand did.
    steps: Vec<ListStep>,
}

impl Append {
    fn new(configuration: &Configuration) -> Self {
        let (agent, life) = (configuration.agent, configuration.incarnation);
        let folder = configuration.history.as_ref().filter(|_| configuration.workload.keep_lists);
        let open = |folder: &String| {
            let path = Path::new(folder).join(lists_file_name(agent, life));
            OpenOptions::new().create(true).append(true).open(path).ok()
        };
        Self { file: folder.and_then(open), bytes: 0, agent, life, steps: Vec::new() }
    }

    /// One line, one write.
    fn say(&mut self, kind: &str) {
        let Some(file) = self.file.as_mut() else { return };
        let steps = self.steps.clone();
        let line =
            ListLine { agent: self.agent, life: self.life, kind: kind.to_owned(), time_ns: monotonic_ns(), steps };
        let text = line.encode();
        self.bytes += text.len() as u64;
        // A full disk or a full measure ends the file; what is in it stays true.
        if file.write_all(text.as_bytes()).is_err() || self.bytes > LISTS_BYTES_MAX {
            self.file = None;
        }
    }
}

impl Rider for Append {
    fn schema(&mut self, connection: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        let table = "CREATE TABLE lists(list INTEGER PRIMARY KEY, elements TEXT NOT NULL)";
        connection.execute_batch(table).at(Place::Change).map(|()| 0)
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        let (list, other) = (some_list(turn, turn.number), some_list(turn, turn.number));
        let append = ListStep::append(list, turn.number);
        self.steps = vec![append.clone(), ListStep::asked(other)];
        self.say("invoke");
        let sql = "INSERT INTO lists VALUES(?1, ?2) ON CONFLICT(list) DO UPDATE SET elements=elements||','||?2";
        execute(turn.connection, sql, params![list as i64, turn.number.to_string()])?;
        let oldest = (rotation(turn.number) * OPEN_LISTS).saturating_sub(CLOSED_LISTS);
        if turn.number.is_multiple_of(ROTATION) {
            execute(turn.connection, "DELETE FROM lists WHERE list<?1", params![oldest as i64])?;
        }
        self.steps = vec![append, ListStep::read(other, elements(turn.connection, other)?)];
        Ok(turn.digest)
    }

    /// The newest element of all lists that grow is the newest commit, and no list runs backwards.
    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let (one, other) = (some_list(turn, turn.number.max(1)), some_list(turn, turn.number.max(1)));
        self.steps = vec![ListStep::asked(one), ListStep::asked(other)];
        self.say("invoke");
        let mut statement =
            turn.connection.prepare_cached("SELECT list, elements FROM lists WHERE list>=?1").at(Place::ReadCells)?;
        let first = rotation(turn.number.max(1)) * OPEN_LISTS;
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, String>(1)?));
        let lists: Vec<(u64, String)> =
            statement.query_map(params![first as i64], pair).and_then(Iterator::collect).at(Place::ReadCells)?;
        let seen: Vec<(u64, Vec<u64>)> = lists.iter().map(|(list, text)| (*list, numbers(text))).collect();
        let of = |list| seen.iter().find(|(found, _)| *found == list).map_or_else(Vec::new, |(_, all)| all.clone());
        self.steps = vec![ListStep::read(one, of(one)), ListStep::read(other, of(other))];
        let newest = seen.iter().filter_map(|(_, all)| all.last()).max().copied().unwrap_or(0);
        let descends = seen.iter().any(|(_, all)| all.windows(2).any(|pair| pair[0] >= pair[1]));
        Ok(if newest != turn.number { Some(0) } else { descends.then_some(1) })
    }

    fn settled(&mut self, record: &Record) {
        let kind = match record.phase {
            Phase::Done => "ok",
            Phase::Unsettled => "info",
            _ => "fail",
        };
        if !self.steps.is_empty() {
            self.say(kind);
            self.steps.clear();
        }
    }
}

/// Which lists grow while this commit is made.
fn rotation(number: u64) -> u64 {
    (number - 1) / ROTATION
}

fn some_list(turn: &mut Turn<'_>, number: u64) -> u64 {
    rotation(number) * OPEN_LISTS + turn.random.below(OPEN_LISTS)
}

fn elements(connection: &Connection, list: u64) -> Result<Vec<u64>, SqlFailure> {
    let mut statement = connection.prepare_cached("SELECT elements FROM lists WHERE list=?1").at(Place::ReadCells)?;
    let text: Option<String> =
        statement.query_row(params![list as i64], |row| row.get(0)).optional().at(Place::ReadCells)?;
    Ok(text.map_or_else(Vec::new, |text| numbers(&text)))
}

/// What is no number is damage, and shows as an element that nobody appended.
fn numbers(text: &str) -> Vec<u64> {
    text.split(',').map(|word| word.parse().unwrap_or(u64::MAX)).collect()
}
