//! The size of the `-wal` over time, with marks below: who wrote, when it was checkpointed, how many read.
//!
//! A column is a stretch of time; of several looks in it the largest size is shown, and any lock that was seen. Where no
//! look fell into a column, the one before it holds on.
//! What it must not do: keep a series of its own.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Widget};
use walproof_judge::watch::Watching;
use walproof_judge::watch::past::Point;

use super::layout::Paint;
use super::view::{View, WINDOWS_MS};
use crate::watch::account::Tone;
use crate::watch::words;

/// Lines with the head that it needs: two of the plot, two of marks, the time.
pub const LINES_LEAST: u16 = 6;
/// More are of no use.
pub const LINES_MOST: u16 = 20;
/// Cells before the plot.
const LABEL: u16 = 11;

/// A column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Column {
    wal_bytes: Option<u64>,
    writing: bool,
    checkpointing: bool,
    reset: bool,
    readers: u32,
}

/// Its head.
pub fn title(view: &View) -> String {
    format!("-wal over {}", words::lasts(WINDOWS_MS[view.window]).trim_end_matches(" 0 s").trim_end_matches(" 0 min"))
}

/// Draws it.
pub fn draw(watching: &Watching, view: &View, area: Rect, buffer: &mut Buffer) {
    let past = view.chosen(watching).and_then(|watched| watching.past().database(&watched.path));
    let (Some(past), true) = (past, area.width > LABEL + 10 && area.height > 2) else { return };
    let paint = Paint { colour: view.colour };
    let points: Vec<&Point> = past.series.iter().collect();
    let columns = columns(&points, WINDOWS_MS[view.window], usize::from(area.width - LABEL));
    let marks = marks(&columns, paint);
    let strips = u16::try_from(marks.len()).unwrap_or(0).min(area.height - 2);
    let height = area.height - 1 - strips;
    let largest = columns.iter().filter_map(|column| column.wal_bytes).max().unwrap_or(0);
    let above = Rect { x: area.x + LABEL, width: area.width - LABEL, height, ..area };
    let sizes: Vec<u64> = columns.iter().map(|column| column.wal_bytes.unwrap_or(0)).collect();
    Sparkline::default().data(&sizes).max(largest.max(1)).style(paint.hue(Color::Green)).render(above, buffer);
    let dim = paint.of(Tone::Dim);
    let label = |text: &str| format!("{text:>9} ");
    buffer.set_string(area.x, area.y, label(&words::bytes(largest)), dim);
    if height > 1 {
        buffer.set_string(area.x, area.y + height - 1, label("0"), dim);
    }
    for (number, (name, line)) in (0..strips).zip(marks) {
        let y = area.y + height + number;
        buffer.set_string(area.x, y, label(name), dim);
        Paragraph::new(line).render(Rect { x: above.x, y, width: above.width, height: 1 }, buffer);
    }
    let time = title(view).replace("-wal over ", "-");
    buffer.set_string(above.x, area.bottom() - 1, time, dim);
    buffer.set_string(above.right() - 3, area.bottom() - 1, "now", dim);
}

/// Strips of marks, the weightiest first.
fn marks(columns: &[Column], paint: Paint) -> Vec<(&'static str, Line<'static>)> {
    let strip = |mark: &dyn Fn(&Column) -> char, colour| {
        Line::from(Span::styled(columns.iter().map(mark).collect::<String>(), paint.hue(colour)))
    };
    let copied = |column: &Column| match column {
        Column { reset: true, .. } => '↺',
        Column { checkpointing: true, .. } => '▲',
        _ => ' ',
    };
    let readers = |column: &Column| match column.readers {
        0 => ' ',
        many => char::from_digit(many, 10).unwrap_or('+'),
    };
    vec![
        ("write", strip(&|column| if column.writing { '▪' } else { ' ' }, Color::Yellow)),
        ("ckpt", strip(&copied, Color::Magenta)),
        ("readers", strip(&readers, Color::Blue)),
    ]
}

/// Points, in columns; the last one ends at the last point.
fn columns(points: &[&Point], window_ms: u64, width: usize) -> Vec<Column> {
    let mut columns = vec![Column::default(); width];
    let Some(last) = points.last() else { return columns };
    let width_ms = (window_ms / width.max(1) as u64).max(1);
    // From the right: the last column holds the last point.
    let place = |point: &Point| {
        let back = (last.elapsed_ms - point.elapsed_ms.min(last.elapsed_ms)) / width_ms;
        usize::try_from(back).ok().and_then(|back| width.checked_sub(back + 1))
    };
    for (number, point) in points.iter().enumerate() {
        let before = number.checked_sub(1).map(|before| points[before]);
        let until = points.get(number + 1).map_or(Some(width), |next| place(next)).unwrap_or(0);
        let from = place(point).unwrap_or(0);
        let last = until.max(from + 1).min(width);
        for (at, column) in columns.iter_mut().enumerate().take(last).skip(from) {
            if place(point).is_some() || at < until {
                column.take(point, before, at == from);
            }
        }
    }
    columns
}

impl Column {
    /// `first`: the column in which the point lies, rather than one where it holds on.
    fn take(&mut self, point: &Point, before: Option<&Point>, first: bool) {
        self.wal_bytes = self.wal_bytes.max(Some(point.wal_bytes));
        self.writing |= point.writing;
        self.readers = self.readers.max(point.readers);
        self.checkpointing |= point.checkpointing;
        if let (Some(before), true) = (before, first) {
            self.checkpointing |= before.backfilled_frames < point.backfilled_frames;
            self.reset |= point.max_frame.is_some() && point.max_frame < before.max_frame;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(elapsed_ms: u64, wal_bytes: u64) -> Point {
        Point { elapsed_ms, wal_bytes, ..Point::default() }
    }

    fn sizes(points: &[Point], window_ms: u64, width: usize) -> Vec<u64> {
        let points: Vec<&Point> = points.iter().collect();
        columns(&points, window_ms, width).iter().map(|column| column.wal_bytes.unwrap_or(99)).collect()
    }

    #[test]
    fn the_last_point_stands_at_the_right_and_gaps_are_held() {
        assert_eq!(sizes(&[at(0, 1), at(2000, 5)], 5000, 5), [99, 99, 1, 1, 5]);
        assert_eq!(sizes(&[at(0, 1), at(100, 7), at(200, 3)], 4000, 4), [99, 99, 99, 7]);
        assert_eq!(sizes(&[at(0, 1), at(100_000, 2)], 3000, 3), [1, 1, 2]);
        assert_eq!(sizes(&[], 3000, 2), [99, 99]);
    }

    #[test]
    fn checkpoints_and_resets_are_marked_where_they_happened() {
        let frames = |elapsed_ms, max, back| Point {
            elapsed_ms,
            max_frame: Some(max),
            backfilled_frames: Some(back),
            ..Point::default()
        };
        let points = [frames(0, 9, 0), frames(1000, 9, 9), frames(2000, 1, 0), frames(3000, 2, 0)];
        let columns = columns(&points.iter().collect::<Vec<_>>(), 4000, 4);
        let marked = |mark: fn(&Column) -> bool| columns.iter().map(mark).collect::<Vec<_>>();
        assert_eq!(marked(|column| column.checkpointing), [false, true, false, false]);
        assert_eq!(marked(|column| column.reset), [false, false, true, false]);
    }
}
