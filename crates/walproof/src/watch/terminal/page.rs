//! Pages over the picture: an alarm in full with its explanation, and the keys.
//!
//! What it must not do: scroll beyond the end.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget};
use walproof_judge::render::harmless;
use walproof_judge::watch::alarms::Alarm;
use walproof_judge::watch::{Raised, Watching, find};

use super::layout::{Paint, wrap};
use super::view::View;
use crate::watch::account::Tone;
use crate::watch::words;

/// Lines are never longer: they are hard to read.
const WIDTH_MAX: usize = 100;

const HELP: &str = "Keys

  q, Ctrl-C       quit
  Tab, Shift-Tab  the next panel, the one before
  ↑ ↓ j k         choose a database, an alarm; scroll openers, events
  PgUp PgDn Home End
  Enter           an alarm: its page; another panel: the whole screen
  Esc             back
  p, Space        the display stands still; the watch and its alerts go on
  + -             the plot over less or more time
  ? h             this page
  Ctrl-Z          give the terminal back for a while (`fg`)

What is shown

  log      the wal-index: the last committed frame, how many are copied into the database file, how many wait
  marks    read marks in use: the frame up to which readers see, and who holds the lock
  rates    of the last 10 s; counts since the watch began
  locks    by SQLite's names, with how long they were seen held at every look; SHARED and DMS are held by everybody
  ▪ ▲ ↺    WAL_WRITE_LOCK was held; a checkpoint copied frames; the log was begun anew
  not seen what could not be looked at: it is not said to be well

walproof takes no lock here and opens nothing for writing. Times are UTC.";

/// The lines of the page that is open; `None`: there is none.
pub fn lines(watching: &Watching, view: &View, width: u16) -> Option<Vec<Line<'static>>> {
    if view.help {
        return Some(wrapped(HELP, width));
    }
    let alarm = view.page.as_ref()?;
    Some(of_alarm(watching, alarm, find(alarm.alarm), Paint { colour: view.colour }, width))
}

/// Draws as much as fits.
pub fn draw(lines: Vec<Line<'static>>, scrolled: usize, area: Rect, buffer: &mut Buffer) {
    let from = scrolled.min(scrolled_max(lines.len(), area.height));
    let shown: Vec<Line<'static>> = lines.into_iter().skip(from).take(area.height.into()).collect();
    Paragraph::new(shown).render(area, buffer);
}

/// How far a page can be scrolled.
pub fn scrolled_max(lines: usize, height: u16) -> usize {
    lines.saturating_sub(height.into())
}

fn of_alarm(
    watching: &Watching,
    raised: &Raised,
    alarm: Option<&Alarm>,
    paint: Paint,
    width: u16,
) -> Vec<Line<'static>> {
    let on = watching.active().iter().find(|on| on.alarm == raised.alarm && on.about == raised.about);
    let state = if on.is_some() { "is on" } else { "was cleared" };
    let raised = on.unwrap_or(raised);
    let head = format!("{} {}", raised.level.word().to_uppercase(), raised.alarm);
    let mut lines = vec![Line::styled(format!(" {head}"), paint.of(Tone::Bad)), Line::raw("")];
    let mut text =
        vec![raised.says.clone(), String::new(), format!("since {}; {state}", words::utc(raised.since_unix_ms))];
    text.extend(raised.witness.iter().map(|seen| format!("seen: {seen}")));
    text.push(format!("try: {}", raised.try_this));
    // The order of characters may not be changed by what others named.
    let text: Vec<String> = text.iter().map(|line| harmless(line)).collect();
    lines.extend(wrapped(&text.join("\n"), width));
    lines.push(Line::raw(""));
    if let Some(alarm) = alarm {
        lines.push(Line::styled(format!(" {}", alarm.line), Style::new().add_modifier(Modifier::BOLD)));
        lines.push(Line::raw(""));
        lines.extend(wrapped(alarm.explain.trim(), width));
    }
    lines
}

/// Text in lines, one cell from the edge; headings of Markdown stand out.
fn wrapped(text: &str, width: u16) -> Vec<Line<'static>> {
    let room = usize::from(width).saturating_sub(2).clamp(1, WIDTH_MAX);
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let hang = if indent > 0 { " ".repeat(indent.min(room / 2)) } else { String::new() };
        let style = match line.starts_with('#') {
            true => Style::new().add_modifier(Modifier::BOLD),
            false => Style::new(),
        };
        let line = line.trim_start_matches('#').trim();
        let pieces = wrap(line, room.saturating_sub(hang.len()).max(1));
        lines.extend(pieces.into_iter().map(|piece| Line::styled(format!(" {hang}{piece}"), style)));
    }
    lines
}
