//! Lines of a given width from parts that stay together, and the heights of panels.
//!
//! What it must not do: know what is told.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::watch::account::{Part, Tone};

/// Between two parts.
const GAP: usize = 3;

/// Styles, with colours or without.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Colours may be used.
    pub colour: bool,
}

impl Paint {
    /// A tone as a style; without colours it is told by weight alone.
    pub fn of(self, tone: Tone) -> Style {
        match (tone, self.colour) {
            (Tone::Plain, _) => Style::new(),
            (Tone::Dim, _) => Style::new().add_modifier(Modifier::DIM),
            (Tone::Loud, true) => Style::new().fg(Color::Yellow),
            (Tone::Loud, false) => Style::new().add_modifier(Modifier::BOLD),
            (Tone::Bad, true) => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            (Tone::Bad, false) => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        }
    }

    /// A colour, if there are colours.
    pub fn hue(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}

/// Cells that a text takes.
pub fn cells(text: &str) -> usize {
    Span::raw(text).width()
}

/// Text in lines of at most this many cells, broken between words where that is possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word.to_owned();
        let room = |line: &str, word: &str| cells(line) + usize::from(!line.is_empty()) + cells(word) <= width;
        if !line.is_empty() && !room(&line, &word) {
            lines.push(std::mem::take(&mut line));
        }
        while cells(&word) > width {
            let at = split_at(&word, width);
            if at == word.len() {
                // A letter that is wider than the line.
                break;
            }
            let rest = word.split_off(at);
            lines.push(std::mem::replace(&mut word, rest));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

/// The byte up to which a text takes at most this many cells, one letter at least.
fn split_at(text: &str, width: usize) -> usize {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += cells(letter.encode_utf8(&mut [0; 4]));
        if taken > width && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Text cut to this many cells, with an ellipsis where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    match width {
        0 => String::new(),
        1 => "…".to_owned(),
        _ => format!("{}…", &text[..split_at(text, width - 1)]),
    }
}

/// Text cut at its beginning: of a path the end says more.
pub fn cut_left(text: &str, width: usize) -> String {
    if cells(text) <= width || width < 2 {
        return cut(text, width);
    }
    let mut rest = text;
    while cells(rest) > width - 1 {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    format!("…{rest}")
}

/// Parts beside one another after a label, as many as fit into a line, the rest below.
pub fn flow(paint: Paint, label: &str, label_cells: usize, parts: &[Part], width: usize) -> Vec<Line<'static>> {
    let room = width.saturating_sub(label_cells).max(1);
    let mut lines: Vec<Vec<Span<'static>>> = vec![Vec::new()];
    let mut taken = 0;
    for part in parts {
        for (number, piece) in wrap(&part.text, room).into_iter().enumerate() {
            let gap = if taken == 0 { 0 } else { GAP };
            if number > 0 || taken + gap + cells(&piece) > room {
                lines.push(Vec::new());
                taken = 0;
            }
            let line = lines.last_mut().expect("one is there");
            if taken > 0 {
                line.push(Span::raw(" ".repeat(GAP)));
                taken += GAP;
            }
            taken += cells(&piece);
            line.push(Span::styled(piece, paint.of(part.tone)));
        }
    }
    let label = Span::styled(format!("{label:label_cells$}"), paint.hue(Color::Cyan));
    let begin = |number| if number == 0 { label.clone() } else { Span::raw(" ".repeat(label_cells)) };
    let lines = lines.into_iter().enumerate().filter(|(number, line)| *number == 0 || !line.is_empty());
    lines.map(|(number, line)| Line::from_iter(std::iter::once(begin(number)).chain(line))).collect()
}

/// What a panel wants: lines at least, and at best. In the order in which they are served.
#[derive(Clone, Copy, Debug)]
pub struct Wants {
    /// Below this it is left out.
    pub least: u16,
    /// More is of no use.
    pub best: u16,
}

/// Shares lines out: each in turn what it needs at least, then each in turn what it wants.
pub fn share(lines: u16, wants: &[Wants]) -> Vec<u16> {
    let mut left = lines;
    let mut shares: Vec<u16> = wants
        .iter()
        .map(|want| {
            let least = want.least.min(want.best);
            let share = if least <= left { least } else { 0 };
            left -= share;
            share
        })
        .collect();
    for (share, want) in shares.iter_mut().zip(wants) {
        // What was left out stays so.
        if *share > 0 {
            let more = want.best.saturating_sub(*share).min(left);
            *share += more;
            left -= more;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_loses_nothing() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
    }

    #[test]
    fn text_is_cut_where_it_says_least() {
        assert_eq!((cut("abcdef", 4), cut("abc", 4), cut("abc", 0)), ("abc…".into(), "abc".into(), String::new()));
        assert_eq!(cut_left("/var/lib/app.db", 8), "…/app.db");
    }

    #[test]
    fn lines_are_shared_out_by_need_then_by_wish() {
        let wants = [Wants { least: 3, best: 5 }, Wants { least: 2, best: 10 }, Wants { least: 4, best: 4 }];
        assert_eq!(share(20, &wants), [5, 10, 4]);
        assert_eq!(share(11, &wants), [5, 2, 4]);
        assert_eq!(share(6, &wants), [4, 2, 0]);
        assert_eq!(share(0, &wants), [0, 0, 0]);
    }
}
