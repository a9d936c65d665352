//! The tables and plots of `probe --storage`, and the lines of `--watch`, cut to the terminal's width.

use std::path::Path;

use walproof_format::measure::Percentiles;
use walproof_judge::storage::gap::duration;
use walproof_judge::storage::mount_options::Weight;
use walproof_judge::storage::settings::Candidate;
use walproof_judge::storage::stalls::{Interruption, Second, Stall, Summary};
use walproof_judge::storage::{CallRow, ModeRow, StorageReport};
use walproof_lab::probes::storage::Watching;

use crate::output::columns;
use crate::render::{quoted, several, thousands};

/// Eighths of a cell, upwards and to the right.
const UP: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const RIGHT: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// The plot's axis: powers of two of nanoseconds, 64 ns to 8 s.
const OCTAVES: (u32, u32) = (6, 33);
/// Narrower terminals get plots with two octaves in a cell.
const WIDE: usize = 100;

/// All of it.
pub fn report(report: &StorageReport) {
    for (index, condition) in report.conditions.iter().enumerate() {
        paragraph(if index == 0 { "measured" } else { "" }, condition);
    }
    paragraph("", &format!("SQLite {}", report.sqlite));
    calls(&report.calls);
    modes(&report.modes);
    settings(&report.settings);
    say!("");
    named("tuning", &report.tuning);
    mount_options(report);
    named("no figures", &report.not_measured);
    named("not proved", &report.limits);
}

fn calls(rows: &[CallRow]) {
    let wide = columns() >= WIDE;
    let axis = axis(wide);
    say!("\n  {:<21}{:>8}{:>8}{:>8}{:>8}{:>9}  {axis}", "calls made alone", "p50", "p90", "p99", "p99.9", "max");
    for row in rows {
        let Percentiles { count, p50_ns, p90_ns, p99_ns, p999_ns, max_ns, .. } = row.latency;
        // Of fewer calls than that, the last percentile is the maximum.
        let known = |ns, calls_min| if count >= calls_min { ns } else { 0 };
        let told = [p50_ns, p90_ns, known(p99_ns, 100), known(p999_ns, 1000)].map(|ns| format!("{:>8}", short(ns)));
        say!("  {:<21}{}{:>9}  {}", row.call, told.concat(), short(max_ns), plot(&row.octaves, wide));
    }
}

/// Where 1 us, 1 ms and 1 s lie on the plot.
fn axis(wide: bool) -> String {
    let mut axis = String::new();
    for (label, octave) in [("1us", 10), ("1ms", 20), ("1s", 30)] {
        let cell = (octave - OCTAVES.0) / if wide { 1 } else { 2 };
        axis += &" ".repeat((cell as usize).saturating_sub(axis.len()));
        axis += label;
    }
    axis
}

/// The share of each power of two, or of each two of them, as a row of bars.
fn plot(octaves: &[(u32, u64)], wide: bool) -> String {
    let step = if wide { 1 } else { 2 };
    let (first, last) = OCTAVES;
    let cells = ((last - first) / step + 1) as usize;
    let mut counts = vec![0u64; cells];
    for &(octave, count) in octaves {
        counts[((octave.clamp(first, last) - first) / step) as usize] += count;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&count: &u64| UP[(count * 8).div_ceil(most) as usize];
    counts.iter().map(bar).collect::<String>().trim_end().to_owned()
}

fn modes(rows: &[ModeRow]) {
    if rows.is_empty() {
        return;
    }
    say!("\n  {:<21}{:>10}{:>10}{:>7}{:>10}", "commits a second", "predicted", "measured", "ratio", "p99");
    let most = rows.iter().map(|row| row.measured_commits_per_s).fold(0.0, f64::max);
    let room = columns().saturating_sub(64).min(40);
    for row in rows {
        let name = format!("{} {}", row.journal_mode.word(), row.synchronous.word());
        say!(
            "  {name:<21}{:>10}{:>10}{:>7.2}{:>10}  {}",
            rate(row.predicted_commits_per_s),
            rate(row.measured_commits_per_s),
            row.ratio,
            short(row.commit_latency.p99_ns),
            bar(row.measured_commits_per_s / most.max(1.0), room)
        );
        if row.explanation != "as predicted" {
            hanging("      ", &row.explanation);
        }
    }
}

/// A bar of this share of so many cells.
fn bar(share: f64, cells: usize) -> String {
    let eighths = ((share * cells as f64 * 8.0).round() as usize).clamp(1, cells.max(1) * 8);
    let rest = RIGHT[eighths % 8];
    let full = "█".repeat(eighths / 8);
    if rest == ' ' { full } else { format!("{full}{rest}") }
}

fn settings(candidates: &[Candidate]) {
    if candidates.is_empty() {
        return;
    }
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    let rank = |candidate: &Candidate| (candidate.promise, candidate.commits_per_s);
    sorted.sort_by(|one, other| {
        let (one, other) = (rank(one), rank(other));
        other.0.cmp(&one.0).then(other.1.total_cmp(&one.1))
    });
    say!("\n  {:<38}{:>9}{:>9}   {}", "settings (* nobody beats it)", "commits/s", "read", "after a power loss");
    for candidate in sorted {
        say!(
            "{} {:<38}{:>9}{:>9}   {}",
            if candidate.on_front { "*" } else { " " },
            short_name(candidate),
            rate(candidate.commits_per_s),
            short(candidate.read_mean_ns as u64),
            candidate.promise.word()
        );
    }
    hanging("  ", "everything else as SQLite has it; read: the mean of a point read; what overlaps counts as equal");
}

/// `wal full wal_autocheckpoint=100`.
fn short_name(candidate: &Candidate) -> String {
    candidate.pragmas().replacen("journal_mode=", "", 1).replacen("synchronous=", "", 1)
}

fn mount_options(report: &StorageReport) {
    let lines = report.mount_options.iter().map(|known| {
        let weight = if matches!(known.weight, Weight::Danger | Weight::NoPromise) { "DANGER: " } else { "" };
        format!("{}: {weight}{} ({})", known.option, known.meaning, known.source)
    });
    let lines: Vec<String> = lines.collect();
    let none = ["no mount option that means something to SQLite".to_owned()];
    named("in force", if lines.is_empty() { &none } else { &lines });
}

fn named(name: &str, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        paragraph(if index == 0 { name } else { "" }, line);
    }
}

/// A name and a text beside it, over several lines where the terminal is narrow.
fn paragraph(name: &str, text: &str) {
    let mut name = name;
    for line in wrapped(text, columns().saturating_sub(14)) {
        say!("  {name:<10} {line}");
        name = "";
    }
}

fn hanging(indent: &str, text: &str) {
    for line in wrapped(text, columns().saturating_sub(indent.len() + 1)) {
        say!("{indent}{line}");
    }
}

/// Broken between words; a longer word stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn short(ns: u64) -> String {
    if ns == 0 { "-".to_owned() } else { duration(ns as f64) }
}

fn rate(per_s: f64) -> String {
    if per_s >= 100.0 { thousands(per_s.round() as u64) } else { format!("{per_s:.1}") }
}

/// The lines of `--watch`, with the medians so far for their plot.
pub struct WatchLines {
    medians: Vec<u64>,
}

impl WatchLines {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { medians: Vec::new() }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Watching<'_>, directory: &Path) {
        match event {
            Watching::Began { storage } => {
                say!("walproof probe --watch {}    {storage}", quoted(directory));
                say!("  {:>7}  {:^29}  {:^19}", "", "write + fdatasync", "lock + unlock");
                say!("  {:>7}  {:>9} {:>9} {:>9}  {:>9} {:>9}", "second", "p50", "p99", "max", "p50", "max");
            }
            Watching::Second(second) => self.second(second),
            Watching::Stalled(stall) => {
                say!("  {:>7.0}  STALL: nothing has come back for {}", stall.at_s, short(stall.ns));
            }
            Watching::Ended(summary) => end(summary),
        }
    }

    fn second(&mut self, second: &Second) {
        let (write, lock) = (&second.write_sync, &second.lock);
        self.medians.push(write.p50_ns);
        let room = columns().saturating_sub(64).min(60);
        let shown = &self.medians[self.medians.len().saturating_sub(room)..];
        let most = shown.iter().copied().max().unwrap_or(0).max(1);
        let trail: String = shown.iter().map(|&ns| UP[(ns * 8).div_ceil(most).min(8) as usize]).collect();
        let told = [write.p50_ns, write.p99_ns, write.max_ns].map(|ns| format!("{:>9}", short(ns))).join(" ");
        say!("  {:>7.0}  {told}  {:>9} {:>9}  {trail}", second.at_s, short(lock.p50_ns), short(lock.max_ns));
        for Stall { call, ns, .. } in &second.stalls {
            say!("  {:>7}  STALL: {call} took {}", "", short(*ns));
        }
        for Interruption { call, errno, count, .. } in &second.interruptions {
            let error = std::io::Error::from_raw_os_error(*errno);
            say!("  {:>7}  INTERRUPTION: {call} failed {}: {error}", "", several((*count).into(), "time"));
        }
    }
}

fn end(summary: &Summary) {
    let Summary { watched_s, write_sync, lock, stalls, longest_stall_ns, failed_calls, silent_at_end_ns } = summary;
    let told = |of: &Percentiles| {
        format!(
            "p50 {}, p99 {}, p99.9 {}, max {}",
            short(of.p50_ns),
            short(of.p99_ns),
            short(of.p999_ns),
            short(of.max_ns)
        )
    };
    say!("");
    paragraph("watched", &format!("{watched_s:.0} s"));
    paragraph("write", &format!("and fdatasync, {}: {}", several(write_sync.count, "time"), told(write_sync)));
    paragraph("lock", &format!("and unlock, {}: {}", several(lock.count, "time"), told(lock)));
    let longest = if *stalls == 0 { String::new() } else { format!(", the longest {}", short(*longest_stall_ns)) };
    paragraph("stalls", &format!("{}{longest}", thousands(*stalls)));
    paragraph("failed", &several(*failed_calls, "call"));
    if let Some(ns) = silent_at_end_ns {
        paragraph("unknown", &format!("the storage had not answered for {} when watching ended", short(*ns)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_bar_for_every_octave_and_none_is_lost() {
        assert_eq!(plot(&[(6, 1), (7, 8)], true), "▁█");
        assert_eq!(plot(&[(6, 1), (7, 8)], false), "█");
        assert_eq!(
            plot(&[(0, 5), (60, 5)], true).chars().filter(|c| *c == '█').count(),
            2,
            "beyond the axis is at its end"
        );
        assert_eq!(plot(&[], true), "");
    }

    #[test]
    fn the_axis_names_the_cells_of_the_plot() {
        assert_eq!(axis(false), "  1us  1ms  1s");
        let one_us = plot(&[(10, 1)], true);
        assert_eq!(one_us.chars().position(|c| c == '█'), axis(true).find("1us"));
    }

    #[test]
    fn bars_are_never_empty_nor_too_long() {
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.0, 4), "▏");
        assert_eq!(bar(0.5, 3), "█▌");
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("immeasurable", 3), ["immeasurable"]);
    }
}
