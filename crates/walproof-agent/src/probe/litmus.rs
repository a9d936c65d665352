//! Races of two parties on one file: what wal.c's barriers and SQLite's page reads rely on.
//!
//! Each party runs its part for a time of its own, started by the lab at about the same moment; nothing waits for a
//! party that does not come. The cells lie where a wal-index has them: the header's two copies at 0 and 48, nBackfill
//! at 96, the hash tables from 4096 on. From 24 KiB on lies what the lab's own questions use. Counted is what was seen to change: a boundary that shows nothing proves nothing.
//!
//! A number that is written by `write()` carries its complement, so that a read which caught eight bytes in the middle
//! of a copy is known for what it is and is not counted against the order of writes.

use std::ffi::CString;
use std::hint::spin_loop;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, fence};
use std::time::{Duration, Instant};

use walproof_format::ledger::mix;
use walproof_format::probe_step::{LitmusRole, LitmusTest, ProbeAnswer};

use super::mapping::Mapping;
use super::{open_at, read_at, write_at};

/// Where a wal-index has the copies of its header, each 48 bytes.
const HEADER_COPIES: [u64; 2] = [0, 48];
const HEADER_WORDS: usize = 6;
/// Where a wal-index has nBackfill, and its hash table.
const FLAG_AT: u64 = 96;
const DATA_AT: u64 = 4096;
/// A cell for stores that may tear.
const BYTES_AT: u64 = 4160;
/// Cells of the store-buffering test, each on a cache line of its own: a store, and what was seen.
const STORES: [u64; 2] = [8192, 8256];
const SEEN: [u64; 2] = [8320, 8384];
/// Where `write()` writes.
const WRITTEN_AT: u64 = 12288;
/// Loops between two looks at the clock.
const PATIENCE: u32 = 256;

/// What a race gave so far.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    observed: u64,
    wrong: u64,
}

/// Runs one part of a race; without a mapping, only what needs none.
pub fn race(
    (test, role): (LitmusTest, LitmusRole),
    mapping: Option<&Mapping>,
    (fd, path): (i32, &CString),
    (time_ms, rounds_max): (u32, u64),
) -> io::Result<ProbeAnswer> {
    let end = Until::in_ms(time_ms);
    let mapped = || mapping.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF));
    let count = match (test, role) {
        (LitmusTest::StoreBuffering, _) => store_buffering(mapped()?, role, rounds_max, end)?,
        (LitmusTest::MessagePassing, LitmusRole::Writer) => send_messages(mapped()?, end)?,
        (LitmusTest::MessagePassing, LitmusRole::Reader) => receive_messages(mapped()?, end)?,
        (LitmusTest::Coherence, LitmusRole::Writer) => count_up(mapped()?.cell(DATA_AT)?, end),
        (LitmusTest::Coherence, LitmusRole::Reader) => watch_counter(mapped()?.cell(DATA_AT)?, end),
        (LitmusTest::TornStore, LitmusRole::Writer) => store_bytes(mapped()?.cell(BYTES_AT)?, end),
        (LitmusTest::TornStore, LitmusRole::Reader) => watch_bytes(mapped()?.cell(BYTES_AT)?, end),
        (LitmusTest::Header, LitmusRole::Writer) => write_headers(mapped()?, end)?,
        (LitmusTest::Header, LitmusRole::Reader) => read_headers(mapped()?, end)?,
        (LitmusTest::WriteAgainstMap | LitmusTest::WriteAgainstReopen, LitmusRole::Writer) => write_numbers(fd, end)?,
        (LitmusTest::WriteAgainstMap, LitmusRole::Reader) => {
            let cell = mapped()?.cell(WRITTEN_AT)?;
            watch_numbers(|| Ok(cell.load(Acquire)), end)?
        }
        (LitmusTest::WriteAgainstReopen, LitmusRole::Reader) => {
            watch_numbers(|| read_at(open_at(path, 0)?.as_raw_fd(), WRITTEN_AT), end)?
        }
    };
    Ok(ProbeAnswer { value: count.wrong, observed: count.observed, ..ProbeAnswer::default() })
}

fn send_messages(mapping: &Mapping, mut end: Until) -> io::Result<Count> {
    let (flag, data) = (mapping.cell(FLAG_AT)?, mapping.cell(DATA_AT)?);
    let mut sent = flag.load(Relaxed);
    while !end.reached() {
        sent += 1;
        data.store(sent, Relaxed);
        flag.store(sent, Release);
        spin_loop();
    }
    Ok(Count { observed: sent, wrong: 0 })
}

fn receive_messages(mapping: &Mapping, mut end: Until) -> io::Result<Count> {
    let (flag, data) = (mapping.cell(FLAG_AT)?, mapping.cell(DATA_AT)?);
    let mut count = Count::default();
    let mut last = flag.load(Acquire);
    while !end.reached() {
        let received = flag.load(Acquire);
        let behind = data.load(Relaxed) < received;
        count.see(received != last, behind);
        last = received;
    }
    Ok(count)
}

/// Rounds: store, barrier, look at the other's; then tell what was seen, and compare.
fn store_buffering(mapping: &Mapping, role: LitmusRole, rounds_max: u64, mut end: Until) -> io::Result<Count> {
    let (mine, other) = if role == LitmusRole::Writer { (0, 1) } else { (1, 0) };
    let (store, others_store) = (mapping.cell(STORES[mine])?, mapping.cell(STORES[other])?);
    let (seen, others_seen) = (mapping.cell(SEEN[mine])?, mapping.cell(SEEN[other])?);
    let mut count = Count::default();
    // What a race before has left is where this one goes on.
    let first = seen.load(Acquire) / 2 + 1;
    for round in first.. {
        if rounds_max > 0 && count.observed >= rounds_max {
            break;
        }
        // Nobody begins a round before the other has told of the one before.
        if !end.comes_after(|| others_seen.load(Acquire) / 2 >= round - 1) {
            break;
        }
        store.store(round, Relaxed);
        fence(SeqCst);
        let saw = others_store.load(Relaxed) >= round;
        seen.store(round * 2 + u64::from(saw), Release);
        if !end.comes_after(|| others_seen.load(Acquire) / 2 >= round) {
            break;
        }
        let told = others_seen.load(Acquire);
        let both_missed = told / 2 == round && told % 2 == 0 && !saw;
        count.see(true, both_missed);
    }
    Ok(count)
}

fn count_up(cell: &AtomicU64, mut end: Until) -> Count {
    let mut number = cell.load(Relaxed);
    while !end.reached() {
        number += 1;
        cell.store(number, Relaxed);
        spin_loop();
    }
    Count { observed: number, wrong: 0 }
}

fn watch_counter(cell: &AtomicU64, mut end: Until) -> Count {
    let mut count = Count::default();
    let mut last = cell.load(Relaxed);
    while !end.reached() {
        let number = cell.load(Relaxed);
        count.see(number != last, number < last);
        last = number;
    }
    count
}

/// Eight equal bytes, another one each time.
fn store_bytes(cell: &AtomicU64, mut end: Until) -> Count {
    let mut byte = cell.load(Relaxed) as u8;
    let mut count = Count::default();
    while !end.reached() {
        byte = byte.wrapping_add(1);
        cell.store(u64::from_ne_bytes([byte; 8]), Relaxed);
        spin_loop();
        count.observed += 1;
    }
    count
}

fn watch_bytes(cell: &AtomicU64, mut end: Until) -> Count {
    let mut count = Count::default();
    let mut last = cell.load(Relaxed);
    while !end.reached() {
        let value = cell.load(Relaxed);
        count.see(value != last, value.to_ne_bytes() != [value as u8; 8]);
        last = value;
    }
    count
}

/// As walIndexWriteHdr: the second copy, a barrier, the first copy.
fn write_headers(mapping: &Mapping, mut end: Until) -> io::Result<Count> {
    let copies = headers(mapping)?;
    let mut number = copies[0][0].load(Relaxed);
    while !end.reached() {
        number += 1;
        for copy in copies.iter().rev() {
            copy.iter().zip(0..).for_each(|(word, place)| word.store(header_word(number, place), Relaxed));
            fence(SeqCst);
        }
    }
    Ok(Count { observed: number, wrong: 0 })
}

/// As walIndexTryHdr: the first copy, a barrier, the second copy; equal ones are believed.
fn read_headers(mapping: &Mapping, mut end: Until) -> io::Result<Count> {
    let copies = headers(mapping)?;
    let read = |copy: &[&AtomicU64; HEADER_WORDS]| copy.map(|word| word.load(Relaxed));
    let mut count = Count::default();
    let mut last = copies[0][0].load(Relaxed);
    while !end.reached() {
        let first = read(&copies[0]);
        fence(SeqCst);
        let number = first[0];
        if first != read(&copies[1]) || number == last {
            continue;
        }
        let whole = first.iter().zip(0..).all(|(word, place)| *word == header_word(number, place));
        count.see(true, !whole);
        last = number;
    }
    Ok(count)
}

/// The first word is the number; the others follow from it.
fn header_word(number: u64, place: u64) -> u64 {
    if place == 0 { number } else { mix(number ^ (place << 56)) }
}

/// Both copies, word by word.
fn headers(mapping: &Mapping) -> io::Result<[[&AtomicU64; HEADER_WORDS]; 2]> {
    let first = mapping.cell(HEADER_COPIES[0])?;
    let mut copies = [[first; HEADER_WORDS]; 2];
    for (copy, at) in copies.iter_mut().zip(HEADER_COPIES) {
        for (word, place) in copy.iter_mut().zip(0..) {
            *word = mapping.cell(at + place * 8)?;
        }
    }
    Ok(copies)
}

fn write_numbers(fd: i32, mut end: Until) -> io::Result<Count> {
    let mut number = u64::from(number_in(read_at(fd, WRITTEN_AT)?).unwrap_or(0));
    // A call takes longer than a loop: the clock is looked at each time.
    while !end.passed() {
        number += 1;
        write_at(fd, WRITTEN_AT, with_complement(number as u32))?;
    }
    Ok(Count { observed: number, wrong: 0 })
}

fn watch_numbers(read: impl Fn() -> io::Result<u64>, mut end: Until) -> io::Result<Count> {
    let mut count = Count::default();
    let mut last = number_in(read()?).unwrap_or(0);
    while !end.passed() {
        let Some(number) = number_in(read()?) else { continue };
        count.see(number != last, number < last);
        last = number;
    }
    Ok(count)
}

fn with_complement(number: u32) -> u64 {
    u64::from(number) | u64::from(!number) << 32
}

/// `None`: caught in the middle of a copy, or nothing was written yet.
fn number_in(value: u64) -> Option<u32> {
    let (number, complement) = (value as u32, (value >> 32) as u32);
    (complement == !number).then_some(number)
}

impl Count {
    /// What was there before the race says nothing: only a change can be wrong.
    fn see(&mut self, changed: bool, wrong: bool) {
        self.observed += u64::from(changed);
        self.wrong += u64::from(changed && wrong);
    }
}

/// When a part ends.
struct Until {
    end: Instant,
    loops: u32,
}

impl Until {
    fn in_ms(time_ms: u32) -> Self {
        Self { end: Instant::now() + Duration::from_millis(time_ms.into()), loops: 0 }
    }

    /// For loops of a few nanoseconds: looks at the clock now and then, and lets others have the core.
    fn reached(&mut self) -> bool {
        self.loops += 1;
        if !self.loops.is_multiple_of(PATIENCE) {
            return false;
        }
        self.passed()
    }

    fn passed(&mut self) -> bool {
        Instant::now() >= self.end
    }

    /// Waits for something of the other party; false when the time is over first.
    fn comes_after(&mut self, condition: impl Fn() -> bool) -> bool {
        loop {
            if condition() {
                return true;
            }
            self.loops += 1;
            if self.loops.is_multiple_of(PATIENCE) {
                std::thread::yield_now();
                if self.passed() {
                    return false;
                }
            }
            spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_knows_its_complement() {
        for number in [0, 1, 255, 256, u32::MAX] {
            assert_eq!(number_in(with_complement(number)), Some(number));
        }
        // Half of 255, half of 256.
        let torn = with_complement(255) & 0xffff_ffff_ffff_ff00 | with_complement(256) & 0xff;
        assert_eq!(number_in(torn), None);
        assert_eq!(number_in(0), None);
    }

    #[test]
    fn a_header_follows_from_its_number() {
        assert_eq!(header_word(7, 0), 7);
        assert_ne!(header_word(7, 1), header_word(8, 1));
        assert_ne!(header_word(7, 1), header_word(7, 2));
    }
}
