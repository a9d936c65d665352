//! One pass over bytes as they come: lines are found, most are passed over, what is recognised is counted.
//!
//! What is kept: for each kind (signature, code, driver, error of the system) a count, the first and the last place and
//! one line, cut. The kinds are bounded by tables, so memory does not grow with the input. Several inputs may come in
//! turns, each with its own unfinished line ([`Scanner::turn_to`]).
//! A line longer than [`LINE_BYTES_MAX`] is read in pieces. It counts once for each kind, as any other line does.
//! What it must not do: keep lines, need a whole line, stop at damage, depend on the size of chunks.
//! Where to look next: `pieces.rs` for where long lines are cut, `memory.rs` for lines that come again and again,
//! `timeline.rs` for their order in time.

use std::collections::BTreeMap;

use memchr::{memchr, memchr_iter, memrchr};

use super::envelope::{self, Format};
use super::ground::Ground;
use super::memory::Memory;
use super::needles::NEEDLES;
use super::pieces::{self, Cut, LINE_BYTES_MAX};
use super::reading::Reading;
use super::time::{self, Time};
use crate::signatures::{SIGNATURES, Signature};

/// A message for people is cut here.
const EXAMPLE_CHARS_MAX: usize = 240;
/// A line without a time takes that of a line before it, this many lines at most: a traceback is not longer.
const LINES_BACK_MAX: usize = 40;
const BYTES_BACK_MAX: usize = 16 * 1024;
/// One byte more is kept: so a line that lost its beginning is too long to be looked at.
const TAIL_BYTES: usize = BYTES_BACK_MAX + 1;
/// After so many looks back in vain, no more are taken: this log has no times.
const LOOKS_IN_VAIN_MAX: u32 = 64;

/// Where a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of the inputs, from 0.
    pub source: u32,
    /// Line number, from 1.
    pub line: u64,
    /// When it was written, by itself or by the nearest line before it that says so.
    pub time: Option<Time>,
}

/// Lines that say the same.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What recognised them.
    pub signature: &'static Signature,
    /// SQLite's code in them.
    pub code: Option<u32>,
    /// The operating system's error in them.
    pub errno: Option<&'static str>,
    /// The driver that wrote them.
    pub driver: Option<&'static str>,
    /// How many there are.
    pub count: u64,
    /// The first.
    pub first: Place,
    /// The last, by time where both have one, else as they were read.
    pub last: Place,
    /// The first line's message, cut.
    pub example: String,
    /// A path in it, if one ends as a database's files do.
    pub path: Option<String>,
    /// The longest time between one of them and the next, in the order read: when it began, when it ended.
    pub silence_unix_ms: Option<(i64, i64)>,
}

/// Where the clock of a log goes back: lines were sorted by nobody, or the clock was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepBack {
    /// How often, by more than [`STEP_BACK_MS_MIN`].
    pub count: u64,
    /// The furthest, in milliseconds.
    pub furthest_ms: i64,
    /// The line that is older than the recognised one before it, of the furthest.
    pub place: Place,
}

/// Writers that share a log are not in order to the second.
pub const STEP_BACK_MS_MIN: i64 = 2_000;

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Lines read.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Lines that were recognised as something.
    pub recognised: u64,
    /// Pieces of lines longer than [`LINE_BYTES_MAX`], the last ones included.
    pub pieces: u64,
    /// How recognised lines were wrapped.
    pub formats: Vec<Format>,
    /// What was recognised, in the order of the signatures.
    pub kinds: Vec<Kind>,
    /// Storage that lines named, with the first place.
    pub grounds: Vec<(Ground, Place)>,
    /// Where time goes back within one input, by input.
    pub steps_back: BTreeMap<u32, StepBack>,
}

/// Takes bytes, in chunks of any size.
#[derive(Debug, Default)]
pub struct Scanner {
    scan: Scan,
    input: Input,
    /// Inputs whose turn it is not.
    others: BTreeMap<u32, Input>,
    memory: Memory,
}

/// One input, between two chunks.
#[derive(Debug, Default)]
struct Input {
    source: u32,
    line: u64,
    carry: Vec<u8>,
    /// The last whole lines before what is being read, so that times do not depend on the size of chunks.
    tail: Vec<u8>,
    /// What was read of the line that is not ended.
    begun: Option<Begun>,
    looks_in_vain: u32,
    /// When the last recognised line was written.
    unix_ms: Option<i64>,
}

/// A line of which a part was read before it ended: because it is long, or after a silence.
#[derive(Debug, Default)]
struct Begun {
    is_long: bool,
    /// The kinds that it was counted for, by their place in the scan's list.
    kinds: Vec<usize>,
    /// When it was written, as the first piece of a long line says.
    time: Option<Time>,
}

impl Scanner {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, reading every line anew. It must come to the same; tests compare.
    pub fn without_memory() -> Self {
        Self { memory: Memory::none(), ..Self::default() }
    }

    /// What is fed from here on is of this input; each keeps its unfinished line while others have their turn.
    pub fn turn_to(&mut self, source: u32) {
        if self.input.source != source {
            let next = self.others.remove(&source).unwrap_or(Input { source, ..Input::default() });
            let before = std::mem::replace(&mut self.input, next);
            self.others.insert(before.source, before);
        }
    }

    /// What was seen up to here, in the order in which it was found.
    pub fn so_far(&self) -> &Scan {
        &self.scan
    }

    /// Reads the line that this input has begun and not ended, after a silence. It is read again as a whole when it ends,
    /// and does not count again for what it was counted for.
    pub fn read_unfinished(&mut self) {
        let line = std::mem::take(&mut self.input.carry);
        if NEEDLES.next_hit(&line).is_some() {
            self.input.begun.get_or_insert_default();
            self.read_line(&line, self.input.line + 1, &[]);
        }
        self.input.carry = line;
    }

    /// The file of this input was cut or replaced: what was begun is a line of its own, and numbers begin again.
    pub fn begin_again(&mut self) {
        self.end_line();
        self.input = Input { source: self.input.source, ..Input::default() };
    }

    fn end_line(&mut self) {
        if !self.input.carry.is_empty() {
            self.end_carried_line();
        }
    }

    /// The next bytes of this input. Whole lines are read where they are, but for long ones; those, and what is begun, go
    /// by the way of the carry, so that it does not matter how they come.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.scan.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.input.carry.is_empty() {
                let (lines, rest) = bytes.split_at(whole_lines(bytes));
                self.read_block(lines);
                bytes = rest;
            }
            let near = &bytes[..bytes.len().min(LINE_BYTES_MAX + 1 - self.input.carry.len())];
            let end = memchr(b'\n', near);
            let (taken, rest) = bytes.split_at(end.map_or(near.len(), |end| end + 1));
            self.input.carry.extend_from_slice(taken);
            bytes = rest;
            if end.is_some() {
                self.end_carried_line();
            } else if self.input.carry.len() > LINE_BYTES_MAX {
                self.cut_piece();
            }
        }
    }

    /// This input is at its end; what follows is another one.
    pub fn end_source(&mut self) {
        self.end_line();
        self.input = Input { source: self.input.source + 1, ..Input::default() };
    }

    /// What was seen.
    pub fn finish(mut self) -> Scan {
        self.end_line();
        for (_, input) in std::mem::take(&mut self.others) {
            self.input = input;
            self.end_line();
        }
        self.scan.kinds.sort_by_key(|kind| (kind.signature.name, kind.code, kind.driver, kind.errno));
        self.scan.formats.sort_unstable();
        self.scan
    }

    fn end_carried_line(&mut self) {
        let mut line = std::mem::take(&mut self.input.carry);
        if self.input.begun.as_ref().is_some_and(|begun| begun.is_long) {
            self.read_piece(&line);
            self.input.line += 1;
            self.scan.lines += 1;
            // What stands before a long line is far away from what stands behind it.
            self.input.tail.clear();
        } else {
            if line.last() != Some(&b'\n') {
                line.push(b'\n');
            }
            self.read_block(&line);
        }
        self.input.begun = None;
        line.clear();
        self.input.carry = line;
    }

    /// Reads the beginning of what is carried of a line that goes on. The rest stays, with some of it once more.
    fn cut_piece(&mut self) {
        let Cut { end, next } = pieces::cut(&self.input.carry);
        let rest = self.input.carry[next..].to_vec();
        let mut piece = std::mem::replace(&mut self.input.carry, rest);
        piece.truncate(end);
        let begun = self.input.begun.get_or_insert_default();
        if !begun.is_long {
            begun.is_long = true;
            begun.time = envelope::time_of(&piece);
        }
        self.read_piece(&piece);
    }

    fn read_piece(&mut self, piece: &[u8]) {
        self.scan.pieces += 1;
        if NEEDLES.next_hit(piece).is_some() {
            self.read_line(piece, self.input.line + 1, &[]);
        }
    }

    /// Whole lines, none of them long.
    fn read_block(&mut self, block: &[u8]) {
        let (mut from, mut counted) = (0, 0);
        while let Some(hit) = NEEDLES.next_hit(&block[from..]) {
            let hit = from + hit;
            let begin = memrchr(b'\n', &block[..hit]).map_or(0, |end| end + 1);
            let end = memchr(b'\n', &block[hit..]).map_or(block.len(), |end| hit + end);
            self.input.line += memchr_iter(b'\n', &block[counted..begin]).count() as u64;
            counted = begin;
            self.read_line(&block[begin..end], self.input.line + 1, &block[..begin]);
            from = (end + 1).min(block.len());
        }
        self.input.line += memchr_iter(b'\n', &block[counted..]).count() as u64;
        self.scan.lines += memchr_iter(b'\n', block).count() as u64;
        self.keep_tail(block);
    }

    fn keep_tail(&mut self, block: &[u8]) {
        let recent = &block[block.len().saturating_sub(TAIL_BYTES)..];
        if recent.len() < block.len() {
            self.input.tail.clear();
        }
        self.input.tail.extend_from_slice(recent);
        if self.input.tail.len() > TAIL_BYTES {
            self.input.tail.drain(..self.input.tail.len() - TAIL_BYTES);
        }
    }

    fn read_line(&mut self, line: &[u8], number: u64, before: &[u8]) {
        let outline = self.memory.wants(line).then(|| envelope::outline(line)).flatten();
        let known = outline.as_ref().and_then(|outline| self.memory.find(outline));
        if let Some(known) = known {
            let kinds = known.kinds.clone();
            if !kinds.is_empty() {
                let place = self.recognised_at(outline.and_then(|outline| outline.time), number, before);
                kinds.iter().for_each(|kind| self.see(*kind, &place));
            }
            return;
        }
        let reading = Reading::new(envelope::open(line));
        let recognised = NEEDLES.recognise(&reading);
        let mut kinds = Vec::new();
        if !recognised.signatures.is_empty() {
            if !self.scan.formats.contains(&reading.format) {
                self.scan.formats.push(reading.format);
            }
            let place = self.recognised_at(reading.time.clone(), number, before);
            kinds.extend(recognised.signatures.iter().map(|index| self.keep(SIGNATURES[*index], &reading, &place)));
        }
        if outline.is_some() && recognised.by_words_alone {
            self.memory.keep(kinds.into());
        }
    }

    /// Counts a recognised line, once; where it is, and when it was written.
    fn recognised_at(&mut self, time: Option<Time>, number: u64, before: &[u8]) -> Place {
        let begun = self.input.begun.as_ref();
        self.scan.recognised += u64::from(begun.is_none_or(|begun| begun.kinds.is_empty()));
        // What looks like a time in the middle of a long line is none of its own.
        let of_line = begun.and_then(|begun| begun.time.clone());
        let time = of_line.or(time).or_else(|| self.time_before(before));
        let place = Place { source: self.input.source, line: number, time };
        let Some(now) = place.unix_ms() else { return place };
        let back_ms = self.input.unix_ms.replace(now).map_or(0, |before| before.saturating_sub(now));
        if back_ms >= STEP_BACK_MS_MIN {
            let fresh = || StepBack { count: 0, furthest_ms: 0, place: place.clone() };
            let step = self.scan.steps_back.entry(place.source).or_insert_with(fresh);
            step.count += 1;
            if back_ms > step.furthest_ms {
                (step.furthest_ms, step.place) = (back_ms, place.clone());
            }
        }
        place
    }

    /// Counts it; the answer is which kind it is.
    fn keep(&mut self, signature: &'static Signature, reading: &Reading, place: &Place) -> usize {
        if signature.names_storage {
            for ground in reading.grounds() {
                if !self.scan.grounds.iter().any(|(known, _)| *known == ground) {
                    self.scan.grounds.push((ground, place.clone()));
                }
            }
        }
        let key = (signature.name, reading.code, reading.driver, reading.errno);
        let known =
            self.scan.kinds.iter().position(|kind| (kind.signature.name, kind.code, kind.driver, kind.errno) == key);
        if let Some(index) = known {
            self.see(index, place);
            return index;
        }
        self.scan.kinds.push(Kind {
            signature,
            code: reading.code,
            errno: reading.errno,
            driver: reading.driver,
            count: 1,
            first: place.clone(),
            last: place.clone(),
            example: around(reading, signature),
            path: reading.path().map(|path| path.chars().take(EXAMPLE_CHARS_MAX).collect()),
            silence_unix_ms: None,
        });
        let index = self.scan.kinds.len() - 1;
        self.is_new_of_line(index);
        index
    }

    /// One more line of a kind.
    fn see(&mut self, kind: usize, place: &Place) {
        if self.is_new_of_line(kind) {
            self.scan.kinds[kind].see(place);
        }
    }

    /// Whether the line that is read was not counted for this kind yet; from here on it was.
    fn is_new_of_line(&mut self, kind: usize) -> bool {
        let Some(begun) = &mut self.input.begun else { return true };
        let is_new = !begun.kinds.contains(&kind);
        if is_new {
            begun.kinds.push(kind);
        }
        is_new
    }

    /// The time of the nearest line before that has one: of a traceback only the first line does, and in journald's
    /// export the time is a line of its own.
    fn time_before(&mut self, before: &[u8]) -> Option<Time> {
        if self.input.looks_in_vain >= LOOKS_IN_VAIN_MAX {
            return None;
        }
        let mut bytes_left = BYTES_BACK_MAX;
        let lines = lines_back(before).chain(lines_back(&self.input.tail));
        let near = lines.take_while(|line| {
            let fits = line.len() < bytes_left;
            bytes_left = bytes_left.saturating_sub(line.len() + 1);
            fits
        });
        let mut near = near.filter(|line| !line.is_empty()).take(LINES_BACK_MAX);
        let found = near.find_map(|line| envelope::export_time(line).or_else(|| time::of_line(line)));
        self.input.looks_in_vain = if found.is_some() { 0 } else { self.input.looks_in_vain + 1 };
        found
    }
}

/// Whole lines from the last to the first.
fn lines_back(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b"\n").into_iter().flat_map(|text| text.rsplit(|byte| *byte == b'\n'))
}

/// How many bytes at the beginning are whole lines, up to the first long one.
fn whole_lines(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(newline) = memrchr(b'\n', &bytes[end..bytes.len().min(end + LINE_BYTES_MAX + 1)]) {
        end += newline + 1;
    }
    end
}

impl Place {
    /// Milliseconds since 1970, where the time is known with its year.
    pub fn unix_ms(&self) -> Option<i64> {
        self.time.as_ref().and_then(|time| time.unix_ms)
    }
}

impl Kind {
    fn see(&mut self, place: &Place) {
        self.count += 1;
        let now = place.unix_ms();
        if let (Some(now), Some(first)) = (now, self.first.unix_ms())
            && now < first
        {
            self.first.clone_from(place);
            return;
        }
        let last = self.last.unix_ms();
        if matches!((now, last), (Some(now), Some(last)) if now < last) {
            return;
        }
        if let (Some(now), Some(last)) = (now, last)
            && self.silence_unix_ms.is_none_or(|(from, to)| now - last > to - from)
        {
            self.silence_unix_ms = Some((last, now));
        }
        self.last.clone_from(place);
    }
}

/// The part of a message that people want to see: from its beginning, or around what was recognised when that is far in.
fn around(reading: &Reading, signature: &Signature) -> String {
    let words = signature.phrases.iter().map(|phrase| phrase[0]);
    let words = words.chain(super::code::MESSAGES.iter().map(|(message, _)| *message));
    let message = reading.message.trim();
    let lower = message.to_ascii_lowercase();
    let at = words.into_iter().filter_map(|word| lower.find(word)).min().unwrap_or(0);
    let skipped = lower[..at].chars().count().saturating_sub(EXAMPLE_CHARS_MAX / 2);
    let shown: String = message.chars().skip(skipped).take(EXAMPLE_CHARS_MAX).collect();
    if skipped > 0 { format!("...{shown}") } else { shown }
}
