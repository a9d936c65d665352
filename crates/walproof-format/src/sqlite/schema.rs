//! The schema: the rows of `sqlite_schema`, the table whose root is page 1.
//!
//! ```text
//! column  type      what
//! 0       text      `table`, `index`, `view` or `trigger`
//! 1       text      its name
//! 2       text      the table it belongs to
//! 3       integer   its root page; 0 or NULL when it has none (views, triggers, virtual tables)
//! 4       text      the SQL that made it; NULL for indexes that SQLite makes itself
//! ```
//!
//! A row is valid when (1) its record is (`record.rs`), (2) the first three are text, (3) the root page is a number in
//! 0..=4294967294. Whether the root is one is for `owners.rs` to find out. SQL is not read.

use serde::Serialize;

use super::btree::Cell;
use super::db_header::TextEncoding;
use super::pages::PageSource;
use super::record::{Columns, Value};
use super::u32_at;

/// Bytes of a row that are read: its first columns are short, the SQL after them may be long.
const ROW_BYTES_MAX: usize = 16 << 10;
/// What the names of a schema may take together.
const NAMES_BYTES_MAX: usize = 8 << 20;
/// Objects of a schema.
const OBJECTS_MAX: usize = 100_000;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// A table, with rowids or without; also a virtual one.
    Table,
    /// An index.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
    /// Something else.
    Unknown,
}

impl ObjectKind {
    /// As the schema calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
            Self::Unknown => "object",
        }
    }
}

/// A row of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemaObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The table it belongs to.
    pub table: String,
    /// The root of its b-tree, when it has one.
    pub root_page: Option<u32>,
}

impl SchemaObject {
    /// The schema itself.
    pub fn schema() -> Self {
        let name = || "sqlite_schema".to_owned();
        Self { kind: ObjectKind::Table, name: name(), table: name(), root_page: Some(1) }
    }

    /// From the payload of a row, which may end early; `None` when it is no such row.
    pub fn of_row(payload: &[u8], encoding: TextEncoding) -> Option<Self> {
        let mut columns = Columns::of(payload);
        let mut text = || match columns.next()? {
            Value::Text(bytes) => Some(encoding.decode(bytes)),
            _ => None,
        };
        let (kind, name, table) = (text()?, text()?, text()?);
        let root = match columns.next()? {
            Value::Integer(root) => u32::try_from(root).ok()?,
            Value::Null => 0,
            _ => return None,
        };
        let kind = match kind.as_str() {
            "table" => ObjectKind::Table,
            "index" => ObjectKind::Index,
            "view" => ObjectKind::View,
            "trigger" => ObjectKind::Trigger,
            _ => ObjectKind::Unknown,
        };
        Some(Self { kind, name, table, root_page: (root != 0).then_some(root) })
    }
}

/// How much of a schema is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SchemaRoom {
    objects: usize,
    names_bytes: usize,
    full: bool,
}

impl SchemaRoom {
    /// Whether there is room for it.
    pub fn takes(&mut self, object: &SchemaObject) -> bool {
        let bytes = object.name.len() + object.table.len();
        self.full |= self.objects >= OBJECTS_MAX || self.names_bytes + bytes > NAMES_BYTES_MAX;
        (self.objects, self.names_bytes) = (self.objects + 1, self.names_bytes + bytes);
        !self.full
    }

    pub const fn is_full(&self) -> bool {
        self.full
    }
}

/// The start of a cell's payload, from its page and its overflow pages.
pub(super) fn payload(source: &(impl PageSource + ?Sized), cell: &Cell<'_>, usable_bytes: u32) -> Vec<u8> {
    let mut bytes = cell.local.to_vec();
    let wanted = usize::try_from(cell.payload_bytes).unwrap_or(usize::MAX).min(ROW_BYTES_MAX);
    let mut next = cell.overflow.unwrap_or(0);
    // A chain in a circle ends here, since every page has more than nothing.
    while bytes.len() < wanted && next != 0 {
        let Some(page) = source.page(next) else { break };
        let Some(content) = page.get(4..usable_bytes as usize) else { break };
        bytes.extend_from_slice(&content[..content.len().min(wanted - bytes.len())]);
        next = u32_at(&page, 0).unwrap_or(0);
    }
    bytes
}
