//! All four files broken at random: everything reads them, nothing panics, what is kept is bounded.

use std::borrow::Cow;

use walproof_format::sqlite::btree::BtreePage;
use walproof_format::sqlite::db_header::DbHeader;
use walproof_format::sqlite::journal;
use walproof_format::sqlite::owners::OwnerMap;
use walproof_format::sqlite::pages::PagesInMemory;
use walproof_format::sqlite::wal_hash::{BLOCK_BYTES, newest};
use walproof_format::sqlite::wal_index::WalIndex;

use super::files::Files;
use super::history::{Life, Random};
use super::log::{AtCommit, Log};

pub fn break_and_read(life: &mut Life, times: usize) {
    let files = Files::of(&life.folder.at("live.db"));
    for _ in 0..times {
        let mut other = files.clone();
        for bytes in [&mut other.database, &mut other.wal, &mut other.shm, &mut other.journal] {
            break_bytes(&mut life.random, bytes);
        }
        read_all(&other, life.page_size);
    }
}

fn break_bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..random.below(12) {
        // Headers are where the numbers are.
        let place = if random.below(2) == 0 { random.below(bytes.len().min(200)) } else { random.below(bytes.len()) };
        match random.below(4) {
            0 => bytes[place] = 0xff,
            1 => bytes[place] = 0,
            2 => bytes[place] = random.next() as u8,
            _ => bytes[place] ^= 1 << random.below(8),
        }
    }
    if random.below(5) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
}

fn read_all(files: &Files, page_size: u32) {
    let log = Log::read(&files.wal);
    for source_size in [Some(page_size), DbHeader::parse(&files.database).page_size].into_iter().flatten() {
        let newest = AtCommit::newest(files, log.as_ref(), source_size);
        if let Some(map) = OwnerMap::read(&newest, 1 << 20) {
            assert!(map.faults.len() <= 1_000 && map.owners().count() <= 1 << 20);
        }
        if let Some(pages) = PagesInMemory::new(&files.database, source_size) {
            let _ = OwnerMap::read(&pages, u32::MAX).map(|map| map.tallies());
        }
    }
    for page in files.database.chunks(page_size as usize) {
        if let Some(page) = BtreePage::parse(page, 2, page.len() as u32) {
            let _ = (page.damage(), page.cells().flatten().count());
        }
    }
    let index = WalIndex::parse(&files.shm);
    let last = index.first.as_ref().map_or(0, |copy| copy.max_frame.min(100_000));
    let block = |number: u32| files.shm.chunks(BLOCK_BYTES).nth(number as usize).map(Cow::Borrowed);
    for page in 0..50 {
        let _ = newest(page, last, false, block);
    }
    let _ = journal::read(files.journal.as_slice(), Some(page_size), |_| ());
}
