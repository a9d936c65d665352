//! A line of a file with a mark under a stretch of it, cut to a width.
//!
//! Columns of a terminal are no characters: tabs become four blanks, letters of East Asia and emoji take two columns,
//! combining marks none. What a terminal would obey is replaced.
//!
//! What it must not do: know findings.
//!
//! Where to look next: `text`, which frames it.

use super::is_obeyed;
use crate::manifest::Span;

/// Blanks for a tab.
const TAB: usize = 4;

/// A line to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Its number.
    pub number: u32,
    /// What is shown of it.
    pub line: String,
    /// Blanks before the mark.
    pub indent: usize,
    /// How long the mark is.
    pub length: usize,
}

/// What is shown for one column or two.
struct Cell {
    shown: char,
    width: usize,
    marked: bool,
}

/// The first line of a span in at most `width` columns. `None`: the text has no such line.
pub fn of(text: &str, span: Span, width: usize) -> Option<Excerpt> {
    let number = span.start.line;
    let line = text.split('\n').nth(number.checked_sub(1)? as usize)?.trim_end_matches('\r');
    let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line };
    let from = span.start.column.saturating_sub(1) as usize;
    let to = if span.end.line > number { usize::MAX } else { span.end.column.saturating_sub(1) as usize };
    let end = line.trim_end().chars().count();
    let cells = cells(line, from, to.max(from + 1), end);
    let (line, indent, length) = window(&cells, width.max(10));
    Some(Excerpt { number, line, indent, length: length.max(1) })
}

fn cells(line: &str, from: usize, to: usize, end: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (index, c) in line.chars().enumerate().take(end.max(from)) {
        let marked = (from..to).contains(&index);
        match c {
            '\t' => cells.extend((0..TAB).map(|_| Cell { shown: ' ', width: 1, marked })),
            c if is_obeyed(c) => cells.push(Cell { shown: '\u{fffd}', width: 1, marked }),
            c => cells.push(Cell { shown: c, width: columns(c), marked }),
        }
    }
    cells
}

/// The part around the mark that fits, with `…` where something was cut.
fn window(cells: &[Cell], width: usize) -> (String, usize, usize) {
    let total: usize = cells.iter().map(|cell| cell.width).sum();
    let first = cells.iter().position(|cell| cell.marked).unwrap_or(cells.len());
    let before: usize = cells[..first].iter().map(|cell| cell.width).sum();
    let marked: usize = cells.iter().filter(|cell| cell.marked).map(|cell| cell.width).sum();
    let mut begin = 0;
    if total > width && before + marked > width - 1 {
        // A third of the room shows what stands before the mark.
        let wanted = if marked + width / 3 < width {
            (before + marked + 2).saturating_sub(width)
        } else {
            before.saturating_sub(width / 3)
        };
        let mut skipped = 0;
        while skipped < wanted && begin < first {
            skipped += cells[begin].width;
            begin += 1;
        }
    }
    let mut line = String::new();
    let (mut used, mut indent, mut length) = (0, 0, 0);
    if begin > 0 {
        line.push('…');
        (used, indent) = (1, 1);
    }
    for (index, cell) in cells.iter().enumerate().skip(begin) {
        if used + cell.width > width - usize::from(index + 1 < cells.len()) {
            line.push('…');
            break;
        }
        line.push(cell.shown);
        used += cell.width;
        if cell.marked {
            length += cell.width;
        } else if length == 0 {
            indent += cell.width;
        }
    }
    (line, indent, length)
}

/// The columns of a text on a terminal.
pub fn width_of(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The columns of a character.
fn columns(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Place;

    fn span(line: u32, from: u32, to: u32) -> Span {
        Span { source: 0, start: Place { line, column: from }, end: Place { line, column: to } }
    }

    #[track_caller]
    fn shows(text: &str, span: Span, width: usize, line: &str, mark: &str) {
        let excerpt = of(text, span, width).expect("a line");
        let under = " ".repeat(excerpt.indent) + &"^".repeat(excerpt.length);
        assert_eq!((excerpt.line.as_str(), under.as_str()), (line, mark));
        assert!(width_of(line) <= width.max(10));
    }

    #[test]
    fn marks_stand_under_what_they_mark() {
        shows("a\nbcd ef\r\n", span(2, 5, 7), 80, "bcd ef", "    ^^");
        shows("\tx", span(1, 2, 3), 80, "    x", "    ^");
        shows("日本 x", span(1, 4, 5), 80, "日本 x", "     ^");
        shows("a\u{1b}[31mb", span(1, 1, 2), 80, "a\u{fffd}[31mb", "^");
        shows("abc", span(1, 9, 12), 80, "abc", "   ^");
        assert_eq!(of("a", span(7, 1, 2), 80), None);
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        shows(&("x".repeat(50) + "MARK"), span(1, 51, 55), 20, "…xxxxxxxxxxxxxxMARK", "               ^^^^");
        shows(&("MARK".to_owned() + &"x".repeat(50)), span(1, 1, 5), 20, "MARKxxxxxxxxxxxxxxx…", "^^^^");
        shows(&"M".repeat(50), span(1, 1, 51), 20, "MMMMMMMMMMMMMMMMMMM…", "^^^^^^^^^^^^^^^^^^^");
    }
}
