//! One pass over bytes as they come: lines are found, most are passed over, what is recognised is counted.
//!
//! What is kept: for each kind (signature, code, driver, error of the system) a count, the first and the last place and
//! one line, cut. The kinds are bounded by tables, so memory does not grow with the input.
//! What it must not do: keep lines, need a whole line, stop at damage. A line longer than [`LINE_BYTES_MAX`] is read in
//! pieces; a message that lies across the edge of two pieces is not seen.

use memchr::{memchr, memchr_iter, memrchr};

use super::envelope::{self, Format};
use super::ground::Ground;
use super::needles::NEEDLES;
use super::reading::Reading;
use super::time::{self, Time};
use crate::signatures::{SIGNATURES, Signature};

/// Longer lines are read in pieces of this size; docker and CRI cut at 16 KiB themselves.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// A message for people is cut here.
const EXAMPLE_CHARS_MAX: usize = 240;
/// A line without a time takes that of a line before it, this many lines at most: a traceback is not longer.
const LINES_BACK_MAX: usize = 40;
const BYTES_BACK_MAX: usize = 16 * 1024;
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
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Lines read.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Lines that were recognised as something.
    pub recognised: u64,
    /// Pieces of lines longer than [`LINE_BYTES_MAX`].
    pub pieces: u64,
    /// How recognised lines were wrapped.
    pub formats: Vec<Format>,
    /// What was recognised, in the order of the signatures.
    pub kinds: Vec<Kind>,
    /// Storage that lines named, with the first place.
    pub grounds: Vec<(Ground, Place)>,
}

/// Takes bytes, in chunks of any size.
#[derive(Debug, Default)]
pub struct Scanner {
    scan: Scan,
    source: u32,
    line: u64,
    carry: Vec<u8>,
    /// The last whole lines before what is being read, so that times do not depend on the size of chunks.
    tail: Vec<u8>,
    in_long_line: bool,
    looks_in_vain: u32,
}

impl Scanner {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes of this input.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.scan.bytes += bytes.len() as u64;
        while !self.carry.is_empty() || self.in_long_line {
            let room = LINE_BYTES_MAX - self.carry.len();
            let end = memchr(b'\n', bytes).map(|end| end + 1).filter(|end| *end <= room);
            let taken = end.unwrap_or(room.min(bytes.len()));
            self.carry.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if end.is_some() {
                self.end_carried_line();
            } else if self.carry.len() == LINE_BYTES_MAX {
                self.read_piece();
            } else {
                return;
            }
        }
        let whole = memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        self.read_block(&bytes[..whole]);
        if whole < bytes.len() {
            let rest = &bytes[whole..];
            // A long line begins: by the way of the carry, piece by piece.
            let first = rest.len().min(LINE_BYTES_MAX - 1);
            self.carry.extend_from_slice(&rest[..first]);
            if first < rest.len() {
                self.scan.bytes -= (rest.len() - first) as u64;
                self.feed(&rest[first..]);
            }
        }
    }

    /// This input is at its end; what follows is another one.
    pub fn end_source(&mut self) {
        if !self.carry.is_empty() || self.in_long_line {
            self.end_carried_line();
        }
        self.source += 1;
        self.line = 0;
        self.tail.clear();
        self.looks_in_vain = 0;
    }

    /// What was seen.
    pub fn finish(mut self) -> Scan {
        if !self.carry.is_empty() {
            self.end_source();
        }
        self.scan.kinds.sort_by_key(|kind| (kind.signature.name, kind.code, kind.driver, kind.errno));
        self.scan.formats.sort_unstable();
        self.scan
    }

    fn end_carried_line(&mut self) {
        let mut line = std::mem::take(&mut self.carry);
        self.in_long_line = false;
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        self.read_block(&line);
        line.clear();
        self.carry = line;
    }

    /// A piece of a line that goes on, cut behind a blank or a quote where there is one near the edge.
    fn read_piece(&mut self) {
        let edge = LINE_BYTES_MAX - 1024;
        let cut = self.carry[edge..]
            .iter()
            .rposition(|byte| matches!(byte, b' ' | b'"' | b','))
            .map_or(LINE_BYTES_MAX, |at| edge + at + 1);
        let rest = self.carry.split_off(cut);
        let piece = std::mem::replace(&mut self.carry, rest);
        self.in_long_line = true;
        self.scan.pieces += 1;
        if NEEDLES.next_hit(&piece).is_some() {
            self.read_line(&piece, self.line + 1, &[]);
        }
    }

    /// Whole lines.
    fn read_block(&mut self, block: &[u8]) {
        let (mut from, mut counted) = (0, 0);
        while let Some(hit) = NEEDLES.next_hit(&block[from..]) {
            let hit = from + hit;
            let begin = memrchr(b'\n', &block[..hit]).map_or(0, |end| end + 1);
            let end = memchr(b'\n', &block[hit..]).map_or(block.len(), |end| hit + end);
            self.line += memchr_iter(b'\n', &block[counted..begin]).count() as u64;
            counted = begin;
            let line = &block[begin..end];
            for piece in line.chunks(LINE_BYTES_MAX) {
                self.read_line(piece, self.line + 1, &block[..begin]);
            }
            from = (end + 1).min(block.len());
        }
        self.line += memchr_iter(b'\n', &block[counted..]).count() as u64;
        self.scan.lines += memchr_iter(b'\n', block).count() as u64;
        self.keep_tail(block);
    }

    fn keep_tail(&mut self, block: &[u8]) {
        let recent = &block[block.len().saturating_sub(BYTES_BACK_MAX)..];
        if recent.len() < block.len() {
            self.tail.clear();
        }
        self.tail.extend_from_slice(recent);
        if self.tail.len() > BYTES_BACK_MAX {
            self.tail.drain(..self.tail.len() - BYTES_BACK_MAX);
        }
    }

    fn read_line(&mut self, line: &[u8], number: u64, before: &[u8]) {
        let reading = Reading::new(envelope::open(line));
        let found = NEEDLES.recognise(&reading);
        if found.is_empty() {
            return;
        }
        self.scan.recognised += 1;
        if !self.scan.formats.contains(&reading.format) {
            self.scan.formats.push(reading.format);
        }
        let time = reading.time.clone().or_else(|| self.time_before(before));
        let place = Place { source: self.source, line: number, time };
        for index in found {
            self.keep(SIGNATURES[index], &reading, &place);
        }
    }

    fn keep(&mut self, signature: &'static Signature, reading: &Reading, place: &Place) {
        if signature.names_storage {
            for ground in reading.grounds() {
                if !self.scan.grounds.iter().any(|(known, _)| *known == ground) {
                    self.scan.grounds.push((ground, place.clone()));
                }
            }
        }
        let key = (signature.name, reading.code, reading.driver, reading.errno);
        let known =
            self.scan.kinds.iter_mut().find(|kind| (kind.signature.name, kind.code, kind.driver, kind.errno) == key);
        match known {
            Some(kind) => kind.see(place),
            None => self.scan.kinds.push(Kind {
                signature,
                code: reading.code,
                errno: reading.errno,
                driver: reading.driver,
                count: 1,
                first: place.clone(),
                last: place.clone(),
                example: around(reading, signature),
                path: reading.path().map(|path| path.chars().take(EXAMPLE_CHARS_MAX).collect()),
            }),
        }
    }

    /// The time of the nearest line before that has one: of a traceback only the first line does, and in journald's
    /// export the time is a line of its own.
    fn time_before(&mut self, before: &[u8]) -> Option<Time> {
        if self.looks_in_vain >= LOOKS_IN_VAIN_MAX {
            return None;
        }
        let mut bytes_left = BYTES_BACK_MAX;
        let lines = lines_back(before).chain(lines_back(&self.tail)).take(LINES_BACK_MAX);
        let mut near = lines.take_while(|line| {
            let fits = line.len() < bytes_left;
            bytes_left = bytes_left.saturating_sub(line.len() + 1);
            fits
        });
        let found = near.find_map(|line| envelope::export_time(line).or_else(|| time::of_line(line)));
        self.looks_in_vain = if found.is_some() { 0 } else { self.looks_in_vain + 1 };
        found
    }
}

/// Whole lines from the last to the first.
fn lines_back(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

impl Kind {
    fn see(&mut self, place: &Place) {
        self.count += 1;
        let at = |place: &Place| place.time.as_ref().and_then(|time| time.unix_ms);
        if let (Some(now), Some(first)) = (at(place), at(&self.first))
            && now < first
        {
            self.first = place.clone();
            return;
        }
        let is_older = matches!((at(place), at(&self.last)), (Some(now), Some(last)) if now < last);
        if !is_older {
            self.last = place.clone();
        }
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
