//! Lines that come again are not read again: what comes out must be the same as if they were.
//!
//! Logs are generated from the lines and false friends on the pages of all signatures, in all wrappings, with times, ids
//! and codes that change. What it must not do: check what is recognised; the pages do that.

use walproof_judge::logs::{Scan, Scanner};
use walproof_judge::signatures::SIGNATURES;

/// A fixed sequence (Numerical Recipes' constants): the same logs every time.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

/// All lines of the fenced blocks of all pages.
fn lines_of_pages() -> Vec<String> {
    let mut lines = Vec::new();
    for signature in SIGNATURES {
        let blocks = signature.explain.split("```\n").skip(1).step_by(2);
        lines.extend(blocks.flat_map(str::lines).map(str::to_owned));
    }
    assert!(lines.len() > 300, "{}", lines.len());
    lines
}

/// Digits of a line, changed here and there, so that codes, sizes and versions differ between lines that are alike.
fn varied(line: &str, sequence: &mut Sequence) -> String {
    let every = [usize::MAX, 40, 3][sequence.below(3)];
    let change = |letter: char| match letter {
        '0'..='9' if every != usize::MAX && sequence.below(every) == 0 => {
            char::from(b'0' + u8::try_from(sequence.below(10)).expect("a digit"))
        }
        other => other,
    };
    line.chars().map(change).collect()
}

fn wrapped(says: &str, second: usize, sequence: &mut Sequence) -> String {
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    let largest = [9, 99_999, 2_000_000_000][sequence.below(3)];
    let id = sequence.below(largest);
    let escaped = says.replace('\\', "\\\\").replace('"', "\\\"");
    match sequence.below(11) {
        0 => says.to_owned(),
        1 => format!("2024-01-02T{clock}.{id}Z ERROR id={id} {says}"),
        2 => format!("2024-01-02T{clock}.123456789+00:00 stderr F {says} code {id}"),
        3 => format!("{{\"log\":\"{escaped} {id}\\n\",\"stream\":\"stderr\",\"time\":\"2024-01-02T{clock}.12Z\"}}"),
        4 => format!("{{\"log\":\"2024-01-02 {clock},{id} {escaped}\\n\",\"time\":\"2024-01-02T{clock}Z\"}}"),
        5 => format!("Jan  2 {clock} host app[{id}]: {says}"),
        6 => format!("{{\"level\":50,\"time\":\"2024-01-02 {clock}\",\"pid\":{id},\"msg\":\"{escaped}\"}}"),
        7 => format!("{{\"__REALTIME_TIMESTAMP\":\"17041646{:08}\",\"MESSAGE\":\"{escaped}\"}}", id % 100_000_000),
        8 => format!("[{id}.{id:06}] {says}"),
        9 => format!("rc={id} errno {id} ({id}) {clock} {says}"),
        _ => format!("02/Jan/2024:{clock} +0000 {id} {says} ({id})"),
    }
}

fn log(seed: u64, length: usize) -> Vec<u8> {
    let (lines, mut sequence) = (lines_of_pages(), Sequence(seed));
    // Some lines come often, as in the log of an application that fails.
    let often: Vec<usize> = (0..20).map(|_| sequence.below(lines.len())).collect();
    let mut text = String::new();
    for second in 0..length {
        let usual = often[sequence.below(often.len())];
        let which = if sequence.below(3) == 0 { sequence.below(lines.len()) } else { usual };
        let says = varied(&lines[which], &mut sequence);
        text += &wrapped(&says, second, &mut sequence);
        text.push('\n');
    }
    text.into_bytes()
}

fn read(mut scanner: Scanner, text: &[u8], chunk: usize) -> Scan {
    text.chunks(chunk).for_each(|chunk| scanner.feed(chunk));
    scanner.finish()
}

#[test]
fn lines_that_are_not_read_again_come_to_the_same() {
    for seed in 1..=8 {
        let text = log(seed, 8_000);
        let (quick, slow) = (read(Scanner::new(), &text, 60_000), read(Scanner::without_memory(), &text, 60_000));
        assert!(slow.recognised > 2_000, "seed {seed}: {}", slow.recognised);
        for (one, other) in quick.kinds.iter().zip(&slow.kinds) {
            assert_eq!(format!("{one:#?}"), format!("{other:#?}"), "seed {seed}");
        }
        assert_eq!(format!("{quick:?}"), format!("{slow:?}"), "seed {seed}");
    }
}

#[test]
fn inputs_in_turns_are_read_as_one_after_the_other() {
    let (one, two) = (log(21, 500), log(22, 500));
    let mut scanner = Scanner::new();
    for at in (0..one.len().max(two.len())).step_by(777) {
        for (source, text) in [(0, &one), (1, &two)] {
            scanner.turn_to(source);
            scanner.feed(text.get(at..text.len().min(at + 777)).unwrap_or(&[]));
        }
    }
    let in_turns = scanner.finish();
    let mut scanner = Scanner::new();
    scanner.feed(&one);
    scanner.end_source();
    scanner.feed(&two);
    let in_order = scanner.finish();
    let counts = |scan: &Scan| scan.kinds.iter().map(|kind| (kind.signature.name, kind.count)).collect::<Vec<_>>();
    assert_eq!(counts(&in_turns), counts(&in_order));
    assert_eq!((in_turns.lines, in_turns.recognised), (in_order.lines, in_order.recognised));
}

#[test]
fn an_unfinished_line_is_read_after_a_silence_and_counts_once() {
    let mut scanner = Scanner::new();
    scanner.feed(b"fine\n2024-01-02T03:04:05Z database is lock");
    scanner.read_unfinished();
    assert_eq!(scanner.so_far().recognised, 0);
    scanner.feed(b"ed");
    scanner.read_unfinished();
    scanner.read_unfinished();
    assert_eq!(scanner.so_far().recognised, 1);
    scanner.feed(b" (5)\nfine\n");
    let scan = scanner.finish();
    assert_eq!((scan.recognised, scan.lines, scan.kinds[0].count, scan.kinds[0].first.line), (1, 3, 1, 2));
}

/// What follows after a silence is read as well: it may be the worse part.
#[test]
fn a_line_that_was_read_before_it_ended_is_read_to_its_end() {
    let mut scanner = Scanner::new();
    scanner.feed(b"disk I/O error");
    scanner.read_unfinished();
    scanner.feed(b"; database disk image is malformed (11)\n");
    let scan = scanner.finish();
    let names: Vec<&str> = scan.kinds.iter().map(|kind| kind.signature.name).collect();
    assert_eq!(names, ["corrupt", "io-error"], "{scan:#?}");
    assert_eq!((scan.recognised, scan.lines), (1, 1));
}

#[test]
fn a_file_that_begins_again_ends_its_line() {
    let mut scanner = Scanner::new();
    scanner.feed(b"fine\nfine\ndatabase is locked");
    scanner.begin_again();
    scanner.feed(b"fine\ndatabase is locked\n");
    let scan = scanner.finish();
    assert_eq!((scan.recognised, scan.lines, scan.kinds[0].last.line), (2, 5, 2));
}
