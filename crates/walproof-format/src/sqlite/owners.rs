//! Whose each page is: table, index, overflow, freelist, pointer map, lock page, or nobody's.
//!
//! ```text
//! page 1            the schema's root (`schema.rs`) -> the root of every table and index
//! root              interior pages -> leaves; each cell -> its overflow pages, one naming the next   (`btree.rs`)
//! database header   first trunk of the freelist -> trunks -> leaves                                  (`freelist.rs`)
//! arithmetic        pages of the pointer map, the lock page                         (`pointer_map.rs`, `pages.rs`)
//! ```
//!
//! Sound when (1) every page but the lock page is reached exactly once, (2) every number that points is a page,
//! (3) each page is what the one that points there says, (4) each overflow chain is as long as its payload, (5) the
//! freelist is as long as the header says, (6) the pointer map says of each page who points to it. A page that is
//! reached again is a fault, so cycles end there.
//!
//! Each page is read once, in no deeper recursion than a list of pages still to read; memory is four bytes a page for
//! as many pages as the caller allows, some more while reading, and a bounded number of faults and names.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::btree::{BtreeKind, BtreePage, Cell};
use super::db_header::{DB_HEADER_SIZE, DbHeader, TextEncoding};
use super::freelist::Trunk;
use super::pages::{PageSource, lock_page};
use super::pointer_map::{self, Pointer};
use super::schema::{self, SchemaObject, SchemaRoom};
use super::u32_at;

/// Faults that are kept; the rest are counted.
const FAULTS_MAX: usize = 1_000;
/// Where the role stands in a packed owner.
const ROLE_SHIFT: u32 = 28;
const TREE_MASK: u32 = (1 << ROLE_SHIFT) - 1;

/// What a page is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Nothing points to it, as far as was seen.
    Nobodys,
    /// A page of a b-tree with children.
    Interior,
    /// A page of a b-tree without.
    Leaf,
    /// The rest of a long row or key.
    Overflow,
    /// A page that lists free pages.
    FreelistTrunk,
    /// A free page.
    FreelistLeaf,
    /// A page of the pointer map.
    PointerMap,
    /// The page that holds the lock bytes.
    LockPage,
}

const ROLES: [Role; 8] = [
    Role::Nobodys,
    Role::Interior,
    Role::Leaf,
    Role::Overflow,
    Role::FreelistTrunk,
    Role::FreelistLeaf,
    Role::PointerMap,
    Role::LockPage,
];

/// Whose a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// What it is.
    pub role: Role,
    /// The table or index, for pages of b-trees and their overflow pages.
    pub object: Option<&'a SchemaObject>,
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Nobodys => "nobody's",
            Role::Interior => "interior page",
            Role::Leaf => "leaf page",
            Role::Overflow => "overflow page",
            Role::FreelistTrunk => "freelist trunk",
            Role::FreelistLeaf => "freelist leaf",
            Role::PointerMap => "pointer map",
            Role::LockPage => "lock page",
        };
        match self.object {
            Some(object) => write!(f, "{} `{}`, {role}", object.kind.word(), object.name),
            None => f.write_str(role),
        }
    }
}

/// Something that is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The page on which it stands; 1 for what the database header says.
    pub page: u32,
    /// What it is.
    #[serde(flatten)]
    pub what: Wrong,
}

/// What is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "wrong")]
pub enum Wrong {
    /// The page is not there, or could not be read.
    Unreadable,
    /// Its first byte names no kind of b-tree page.
    NoBtreePage,
    /// A page of an index in a table, or the other way round.
    OfAnotherKind,
    /// What `BtreePage::damage` says.
    Btree {
        /// In its words.
        says: &'static str,
    },
    /// It points to a page that the database does not have.
    PointsBeyond {
        /// The page.
        to: u32,
    },
    /// It points to a page that something else points to as well.
    PointsToTaken {
        /// The page.
        to: u32,
    },
    /// The payload is longer than its overflow pages.
    ChainEndsEarly,
    /// The overflow pages go on after the payload.
    ChainGoesOn,
    /// A trunk says that it has more leaves than fit.
    TrunkTooFull,
    /// The header counts other than the freelist.
    FreelistCount {
        /// What the header says.
        header: u32,
        /// What was found.
        found: u32,
    },
    /// The pointer map says something else than the page that points to this one.
    PointerMap,
    /// A row of the schema that is none.
    SchemaRow,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}: ", self.page)?;
        match self.what {
            Wrong::Unreadable => f.write_str("cannot be read"),
            Wrong::NoBtreePage => f.write_str("is no page of a b-tree"),
            Wrong::OfAnotherKind => f.write_str("a page of an index in a table, or the other way round"),
            Wrong::Btree { says } => f.write_str(says),
            Wrong::PointsBeyond { to } => write!(f, "points to page {to}, which the database does not have"),
            Wrong::PointsToTaken { to } => write!(f, "points to page {to}, which is in use elsewhere"),
            Wrong::ChainEndsEarly => f.write_str("overflow pages end before the payload does"),
            Wrong::ChainGoesOn => f.write_str("overflow pages go on after the payload"),
            Wrong::TrunkTooFull => f.write_str("a freelist trunk says that it has more leaves than fit"),
            Wrong::FreelistCount { header, found } => {
                write!(f, "the header counts {header} free pages, the freelist has {found}")
            }
            Wrong::PointerMap => f.write_str("the pointer map does not say who points to it"),
            Wrong::SchemaRow => f.write_str("a row of the schema is none"),
        }
    }
}

/// Whose each page is, and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct OwnerMap {
    owners: Vec<u32>,
    /// The schema; the first is `sqlite_schema` itself.
    pub objects: Vec<SchemaObject>,
    /// Pages of the database, also those that were not looked at.
    pub page_count: u32,
    /// The first faults.
    pub faults: Vec<Fault>,
    /// All faults.
    pub fault_count: u64,
    /// Whether pages or objects beyond what was allowed were left out: `nobody's` then says nothing.
    pub partial: bool,
}

/// Pages of one object, by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageTally {
    /// With children.
    pub interior: u32,
    /// Without.
    pub leaf: u32,
    /// The rest of long rows and keys.
    pub overflow: u32,
}

impl OwnerMap {
    /// Walks over the first `pages_max` pages; `None` when there is no page 1 to start from.
    pub fn read(source: &(impl PageSource + ?Sized), pages_max: u32) -> Option<Self> {
        let header = DbHeader::parse(source.page(1)?.get(..DB_HEADER_SIZE)?);
        let mut walk = Walk::new(source, &header, pages_max)?;
        walk.fixed_pages();
        walk.trees();
        walk.freelist();
        Some(walk.map)
    }

    /// Whose a page is, from 1; `None`: it was not looked at.
    pub fn owner(&self, page: u32) -> Option<Owner<'_>> {
        let packed = *self.owners.get(page.checked_sub(1)? as usize)?;
        let role = ROLES[(packed >> ROLE_SHIFT) as usize & 7];
        let has_object = matches!(role, Role::Interior | Role::Leaf | Role::Overflow);
        let object = if has_object { self.objects.get((packed & TREE_MASK) as usize) } else { None };
        Some(Owner { role, object })
    }

    /// Every page that was looked at.
    pub fn owners(&self) -> impl Iterator<Item = (u32, Owner<'_>)> {
        (1..=self.owners.len() as u32).filter_map(|page| Some((page, self.owner(page)?)))
    }

    /// Pages of a role.
    pub fn count(&self, role: Role) -> u32 {
        self.owners.iter().filter(|packed| (**packed >> ROLE_SHIFT) as usize == role as usize).count() as u32
    }

    /// Pages of each object, in the order of [`Self::objects`].
    pub fn tallies(&self) -> Vec<PageTally> {
        let mut tallies = vec![PageTally::default(); self.objects.len()];
        for packed in &self.owners {
            let role = ROLES[(packed >> ROLE_SHIFT) as usize & 7];
            let Some(tally) = tallies.get_mut((packed & TREE_MASK) as usize) else { continue };
            match role {
                Role::Interior => tally.interior += 1,
                Role::Leaf => tally.leaf += 1,
                Role::Overflow => tally.overflow += 1,
                _ => {}
            }
        }
        tallies
    }
}

struct Walk<'s, S: PageSource + ?Sized> {
    source: &'s S,
    map: OwnerMap,
    page_size: u32,
    usable_bytes: u32,
    encoding: TextEncoding,
    auto_vacuum: bool,
    freelist_head: u32,
    freelist_count: u32,
    room: SchemaRoom,
    /// The page of the pointer map that was read last.
    map_page: Option<(u32, Option<Cow<'s, [u8]>>)>,
}

impl<'s, S: PageSource + ?Sized> Walk<'s, S> {
    fn new(source: &'s S, header: &DbHeader, pages_max: u32) -> Option<Self> {
        let page_size = source.page_size();
        let usable_bytes = page_size.checked_sub(header.reserved_bytes?.into()).filter(|bytes| *bytes >= 480)?;
        let page_count = source.page_count();
        let looked_at = page_count.min(pages_max);
        let first = source.page(1)?;
        Some(Self {
            source,
            map: OwnerMap {
                owners: vec![0; looked_at as usize],
                page_count,
                partial: looked_at < page_count,
                ..OwnerMap::default()
            },
            page_size,
            usable_bytes,
            encoding: header.text_encoding.unwrap_or(TextEncoding::Utf8),
            auto_vacuum: header.auto_vacuum?,
            freelist_head: u32_at(&first, 32)?,
            freelist_count: header.freelist_pages?,
            room: SchemaRoom::default(),
            map_page: None,
        })
    }

    fn fault(&mut self, page: u32, what: Wrong) {
        self.map.fault_count += 1;
        if self.map.faults.len() < FAULTS_MAX {
            self.map.faults.push(Fault { page, what });
        }
    }

    fn set(&mut self, page: u32, role: Role, tree: usize) {
        if let Some(owner) = self.map.owners.get_mut(page as usize - 1) {
            *owner = ((role as u32) << ROLE_SHIFT) | (tree as u32 & TREE_MASK);
        }
    }

    /// Takes a page for an owner; false when it is no page, or somebody's already, or beyond what is looked at.
    fn claim(&mut self, from: u32, page: u32, role: Role, tree: usize, pointer: Pointer) -> bool {
        if page == 0 || page > self.map.page_count {
            self.fault(from, Wrong::PointsBeyond { to: page });
            return false;
        }
        let Some(owner) = self.map.owners.get(page as usize - 1) else { return false };
        if *owner != 0 {
            self.fault(from, Wrong::PointsToTaken { to: page });
            return false;
        }
        self.set(page, role, tree);
        if self.auto_vacuum && page > 1 && self.pointer_of(page) != Some(pointer) {
            self.fault(page, Wrong::PointerMap);
        }
        true
    }

    fn pointer_of(&mut self, page: u32) -> Option<Pointer> {
        let number = pointer_map::map_page_of(page, self.page_size, self.usable_bytes)?;
        if self.map_page.as_ref().is_none_or(|(at, _)| *at != number) {
            self.map_page = Some((number, self.source.page(number)));
        }
        let (_, bytes) = self.map_page.as_ref()?;
        pointer_map::entry(bytes.as_deref()?, number, page)
    }

    fn fixed_pages(&mut self) {
        let lock = lock_page(self.page_size);
        if lock as usize <= self.map.owners.len() {
            self.set(lock, Role::LockPage, 0);
        }
        let last = self.map.owners.len() as u32;
        if !self.auto_vacuum {
            return;
        }
        let stride = self.usable_bytes / 5 + 1;
        for page in (2..=last).step_by(stride as usize) {
            let map = pointer_map::map_page_of(page, self.page_size, self.usable_bytes);
            if let Some(map) = map.filter(|map| *map <= last) {
                self.set(map, Role::PointerMap, 0);
            }
        }
    }

    /// The schema, and every tree that it names.
    fn trees(&mut self) {
        self.map.objects.push(SchemaObject::schema());
        self.tree(1, 1, 0);
        for index in 1..self.map.objects.len() {
            if let Some(root) = self.map.objects[index].root_page {
                self.tree(1, root, index);
            }
        }
        self.map.partial |= self.room.is_full();
    }

    fn tree(&mut self, from: u32, root: u32, tree: usize) {
        if !self.claim(from, root, Role::Leaf, tree, Pointer::Root) {
            return;
        }
        let mut open = vec![root];
        // Whether the tree is a table, as its root says.
        let mut is_table = None;
        while let Some(number) = open.pop() {
            let Some(bytes) = self.source.page(number) else {
                self.fault(number, Wrong::Unreadable);
                continue;
            };
            let Some(page) = BtreePage::parse(&bytes, number, self.usable_bytes) else {
                self.fault(number, Wrong::NoBtreePage);
                continue;
            };
            if *is_table.get_or_insert(page.kind.is_table()) != page.kind.is_table() {
                self.fault(number, Wrong::OfAnotherKind);
                continue;
            }
            self.btree_page(number, &page, tree, &mut open);
        }
    }

    fn btree_page(&mut self, number: u32, page: &BtreePage<'_>, tree: usize, open: &mut Vec<u32>) {
        for says in page.damage() {
            self.fault(number, Wrong::Btree { says });
        }
        if page.kind.is_interior() {
            self.set(number, Role::Interior, tree);
        }
        let lefts = page.cells().flatten().filter_map(|cell| cell.left_child);
        let first = open.len();
        for child in lefts.chain(page.right_child) {
            if self.claim(number, child, Role::Leaf, tree, Pointer::Child(number)) {
                open.push(child);
            }
        }
        // In the order of keys.
        open[first..].reverse();
        for cell in page.cells().flatten() {
            self.chain(number, &cell, tree);
            if tree == 0 && page.kind == BtreeKind::LeafTable {
                self.schema_row(number, &cell);
            }
        }
    }

    fn chain(&mut self, from: u32, cell: &Cell<'_>, tree: usize) {
        let Some(first) = cell.overflow else { return };
        let (mut before, mut next) = (from, first);
        // Every page is claimed once, so that this ends whatever the payload says.
        for index in 0..cell.overflow_pages(self.usable_bytes) {
            let pointer = if index == 0 { Pointer::FirstOverflow(from) } else { Pointer::LaterOverflow(before) };
            if next == 0 && index > 0 {
                return self.fault(before, Wrong::ChainEndsEarly);
            }
            if !self.claim(before, next, Role::Overflow, tree, pointer) {
                return;
            }
            let Some(following) = self.source.page(next).and_then(|page| u32_at(&page, 0)) else {
                return self.fault(next, Wrong::Unreadable);
            };
            (before, next) = (next, following);
        }
        if next != 0 {
            self.fault(before, Wrong::ChainGoesOn);
        }
    }

    fn schema_row(&mut self, page: u32, cell: &Cell<'_>) {
        let payload = schema::payload(self.source, cell, self.usable_bytes);
        match SchemaObject::of_row(&payload, self.encoding) {
            Some(object) => {
                if self.room.takes(&object) {
                    self.map.objects.push(object);
                }
            }
            None => self.fault(page, Wrong::SchemaRow),
        }
    }

    fn freelist(&mut self) {
        let (mut from, mut next, mut found) = (1, self.freelist_head, 0);
        while next != 0 {
            if !self.claim(from, next, Role::FreelistTrunk, 0, Pointer::Free) {
                return;
            }
            let page = self.source.page(next);
            let Some(trunk) = page.as_deref().and_then(|page| Trunk::parse(page, self.usable_bytes)) else {
                return self.fault(next, Wrong::Unreadable);
            };
            if !trunk.fits() {
                self.fault(next, Wrong::TrunkTooFull);
            }
            found += 1;
            for leaf in trunk.leaves() {
                if self.claim(next, leaf, Role::FreelistLeaf, 0, Pointer::Free) {
                    found += 1;
                }
            }
            (from, next) = (next, trunk.next.unwrap_or(0));
        }
        if found != self.freelist_count && !self.map.partial {
            self.fault(1, Wrong::FreelistCount { header: self.freelist_count, found });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::pages::PagesInMemory;

    /// Pages of 512 bytes, written by SQLite 3.40.1.
    const PLAIN: &[u8] = include_bytes!("../../../../fixtures/sqlite/databases/plain.db");
    const AUTO_VACUUM: &[u8] = include_bytes!("../../../../fixtures/sqlite/databases/auto-vacuum.db");

    fn map(bytes: &[u8]) -> OwnerMap {
        let pages = PagesInMemory::of_file(bytes).expect("a page size");
        OwnerMap::read(&pages, u32::MAX).expect("a page 1")
    }

    fn first_page(map: &OwnerMap, role: Role) -> u32 {
        map.owners().find(|(page, owner)| *page > 1 && owner.role == role).expect("there is one").0
    }

    #[track_caller]
    fn assert_fault(bytes: &[u8], offset: usize, value: u8, wrong: fn(Wrong) -> bool) {
        let mut damaged = bytes.to_vec();
        damaged[offset] = value;
        let found = map(&damaged).faults;
        assert!(found.iter().any(|fault| wrong(fault.what)), "{found:?}");
    }

    #[test]
    fn sound_databases_have_no_fault_and_no_page_without_owner() {
        for bytes in [PLAIN, AUTO_VACUUM] {
            let map = map(bytes);
            assert_eq!((map.faults.as_slice(), map.count(Role::Nobodys)), (&[][..], 0));
            let names: Vec<&str> = map.objects.iter().map(|object| object.name.as_str()).collect();
            assert_eq!(names, ["sqlite_schema", "t", "i", "w", "s"]);
        }
        assert_eq!(map(PLAIN).owner(1).expect("page 1").to_string(), "table `sqlite_schema`, leaf page");
        assert!(map(AUTO_VACUUM).owner(2).is_some_and(|owner| owner.role == Role::PointerMap));
    }

    #[test]
    fn what_is_broken_is_named() {
        assert_fault(PLAIN, 39, 99, |wrong| matches!(wrong, Wrong::FreelistCount { header: 99, .. }));
        let overflow = first_page(&map(AUTO_VACUUM), Role::Overflow);
        let start = (overflow as usize - 1) * 512;
        // The chain names itself, or a page that is not there.
        assert_fault(AUTO_VACUUM, start + 3, overflow as u8, |wrong| {
            matches!(wrong, Wrong::PointsToTaken { .. } | Wrong::ChainGoesOn)
        });
        assert_fault(AUTO_VACUUM, start + 1, 9, |wrong| {
            matches!(wrong, Wrong::PointsBeyond { .. } | Wrong::ChainGoesOn)
        });
        let leaf = first_page(&map(PLAIN), Role::Leaf);
        assert_fault(PLAIN, (leaf as usize - 1) * 512, 77, |wrong| wrong == Wrong::NoBtreePage);
        // The entry of page 3 in the pointer map.
        assert_fault(AUTO_VACUUM, 512, 7, |wrong| wrong == Wrong::PointerMap);
    }

    #[test]
    fn a_bound_on_pages_is_told() {
        let pages = PagesInMemory::of_file(PLAIN).expect("a page size");
        let map = OwnerMap::read(&pages, 2).expect("a page 1");
        assert!(map.partial && map.owner(3).is_none());
    }
}
