//! The table of openers: a line for each where there is room, two where there is little.
//!
//! What it must not do: hide that locks of a process were not seen.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use walproof_judge::render::harmless;
use walproof_judge::watch::Watching;
use walproof_judge::watch::moment::{Runs, Watched, WatchedOpener};

use super::layout::{Paint, cells, cut, flow};
use crate::watch::account::{self, Tone, part};
use crate::watch::words;

/// A lock that is held for so long is no passing one.
const LASTING_MS: u64 = 1000;
/// From this width on each has one line.
const WIDE: u16 = 110;
/// Cells for who it is, in a wide table: container, pid, command, SQLite, runs.
const WIDTHS: [usize; 5] = [22, 8, 24, 8, 16];

/// All of them.
pub fn lines(watching: &Watching, watched: &Watched, paint: Paint, width: u16) -> Vec<Line<'static>> {
    if watched.openers.is_empty() {
        return vec![Line::styled(" none seen", paint.of(Tone::Dim))];
    }
    let mut lines = Vec::new();
    if width >= WIDE {
        let heads = ["container", "pid", "command", "SQLite", "state"];
        let heads = heads.iter().zip(WIDTHS).map(|(head, cells)| format!("{head:<cells$} "));
        lines.push(Line::styled(format!(" {}locks, since when", heads.collect::<String>()), paint.of(Tone::Dim)));
    }
    for opener in by_weight(watching, watched) {
        match width >= WIDE {
            true => lines.extend(wide(watching, watched, opener, paint, width)),
            false => lines.extend(narrow(watching, watched, opener, paint, width)),
        }
    }
    lines
}

/// Those that cannot run first, then those that have held a lock for a while; else in their order, which stays the same
/// from look to look.
fn by_weight<'a>(watching: &Watching, watched: &'a Watched) -> Vec<&'a WatchedOpener> {
    let now_ms = watching.latest().elapsed_ms;
    let lasting = |opener: &WatchedOpener| {
        let held = opener.locks.iter().flatten().filter(|held| words::says_something(held));
        let since = |lock| watching.past().lock_since_ms(&watched.path, opener.pid, opener.started_ticks, lock);
        held.filter_map(|held| since(held.lock)).any(|since_ms| now_ms.saturating_sub(since_ms) >= LASTING_MS)
    };
    let weight = |opener: &&WatchedOpener| match &opener.runs {
        Runs::Frozen | Runs::Stopped | Runs::InKernel { .. } => 0,
        _ if lasting(opener) => 1,
        _ => 2,
    };
    let mut openers: Vec<&WatchedOpener> = watched.openers.iter().collect();
    openers.sort_by_key(weight);
    openers
}

/// A command without the folders of its program: few cells are left for it.
fn short(command: &str) -> String {
    let (program, rest) = command.split_once(' ').map_or((command, ""), |(program, rest)| (program, rest));
    let program = program.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(program);
    harmless(format!("{program} {rest}").trim_end())
}

/// The line that this opener begins at.
pub fn first_line(watched: &Watched, opener: usize, width: u16) -> usize {
    let each = if width >= WIDE { 1 } else { 2 };
    opener.min(watched.openers.len()) * each
}

fn wide(
    watching: &Watching,
    watched: &Watched,
    opener: &WatchedOpener,
    paint: Paint,
    width: u16,
) -> Vec<Line<'static>> {
    let runs = account::runs(watching, watched, opener);
    let fields = [
        (words::container(watching.latest(), opener), Style::new()),
        (opener.pid.to_string(), Style::new()),
        (short(&opener.command), Style::new()),
        (words::versions(opener), Style::new()),
        (runs.text.clone(), paint.of(runs.tone)),
    ];
    let taken: usize = 1 + WIDTHS.iter().map(|cells| cells + 1).sum::<usize>();
    let locks = account::locks(watching, watched, opener);
    let mut lines = flow(paint, "", 0, &locks, usize::from(width).saturating_sub(taken));
    let before = |line: Line<'static>, spans: Vec<Span<'static>>| Line::from_iter(spans.into_iter().chain(line.spans));
    let mut spans = vec![Span::raw(" ")];
    for ((text, style), room) in fields.into_iter().zip(WIDTHS) {
        let text = cut(&text, room);
        let gap = " ".repeat(room + 1 - cells(&text));
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(gap));
    }
    let first = lines.remove(0);
    let rest = lines.into_iter().map(|line| before(line, vec![Span::raw(" ".repeat(taken))]));
    std::iter::once(before(first, spans)).chain(rest).collect()
}

fn narrow(
    watching: &Watching,
    watched: &Watched,
    opener: &WatchedOpener,
    paint: Paint,
    width: u16,
) -> Vec<Line<'static>> {
    let container = words::container(watching.latest(), opener);
    let command = cut(&short(&opener.command), usize::from(width / 3));
    let who = match container.as_str() {
        "-" => format!("pid {} {command}", opener.pid),
        container => format!("{container}  pid {} {command}", opener.pid),
    };
    let runs = account::runs(watching, watched, opener);
    let first = [part(who, Tone::Plain), part(format!("SQLite {}", words::versions(opener)), Tone::Dim), runs];
    let mut lines = flow(paint, "", 1, &first, width.into());
    lines.extend(flow(paint, "", 5, &account::locks(watching, watched, opener), width.into()));
    lines
}
