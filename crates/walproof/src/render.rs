//! What a person sees: a line for each phase, live progress on a terminal, the verdict.

use std::io::IsTerminal;
use std::path::Path;

use crate::output::redraw;
use walproof_format::sqlite::error_code::quoted as quoted_code;
use walproof_judge::checkers::{Anomaly, Side, WitnessLine};
use walproof_judge::probe::{Answer, PairFacts, SideFacts};
use walproof_judge::verdict::{Basis, Verdict, VerdictKind};
use walproof_lab::own::{self, OwnReport};
use walproof_lab::run::report::Report;
use walproof_lab::run::stress::Progress;
use walproof_lab::run::verify::{Boundary, Control, Event, Options};

/// Anomalies shown in full.
const ANOMALIES_SHOWN: usize = 3;
/// Cells of the progress bar.
const BAR_CELLS: usize = 20;
/// Milliseconds between two redraws.
const REDRAW_MS: u128 = 100;

/// The terminal during one run.
pub struct Screen {
    command: &'static str,
    terminal: bool,
    colour: bool,
    time_ms: u128,
    drawn_ms: u128,
}

impl Screen {
    /// Prints the headline.
    pub fn begin(command: &'static str, options: &Options) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        say!("walproof {command} {}    seed {:016x}", tested(options), options.seed);
        Self { command, terminal, colour, time_ms: options.time.as_millis().max(1), drawn_ms: 0 }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Boundary(boundary) => show_boundary(boundary),
            Event::Probe(Some(probed)) => {
                line("probe", &format!("{}   {:.1} s", facts_line(&probed.facts), probed.took.as_secs_f64()));
            }
            Event::Probe(None) if self.command != "verify" => {}
            Event::Probe(None) => line("probe", "none: it takes two agents that live"),
            Event::Control(control) => line("control", &control_line(control)),
            Event::Stress(progress) => self.show_progress(progress),
        }
    }

    fn show_progress(&mut self, progress: &Progress) {
        let elapsed = progress.elapsed.as_millis();
        if !self.terminal || elapsed < self.drawn_ms + REDRAW_MS {
            return;
        }
        self.drawn_ms = elapsed;
        let filled = (elapsed * BAR_CELLS as u128 / self.time_ms).min(BAR_CELLS as u128) as usize;
        let bar: String = "━".repeat(filled) + &"╌".repeat(BAR_CELLS - filled);
        redraw(&format!("  {:<10} {bar} {}", "bang", progress_words(progress)));
    }

    /// Prints the verdict.
    pub fn end(&mut self, report: &Report) {
        if self.terminal {
            redraw("");
        }
        line("bang", &bang_line(report));
        if self.command == "bang" {
            show_conduct(report);
            show_fairness(report);
            line("used", &usage_line(report));
        }
        // In a broken run the records that a plant would start from are broken themselves.
        if report.verdicts.first().is_some_and(|verdict| verdict.kind() != VerdictKind::Unsafe) {
            line("planted", &planted_line(report));
        }
        for verdict in &report.verdicts {
            self.show_verdict(verdict, report);
        }
        if !["shared-directory", own::NAME].contains(&report.replay.world.as_str()) {
            let met = if report.expected.met { "as expected" } else { "NOT AS EXPECTED" };
            line("expected", &format!("{} of world {}: {met}", report.expected.outcome, report.expected.world));
        }
    }

    /// Prints where the report is and how to run the same again.
    pub fn tell_report(&self, path: &Path) {
        Self::tell_report_of(self.command, path);
    }

    /// The same without a screen.
    pub fn tell_report_of(command: &str, path: &Path) {
        let again = format!("walproof {command} --replay {}", quoted(path));
        line("report", &format!("{}      again: {again}", path.display()));
    }

    fn show_verdict(&self, verdict: &Verdict, report: &Report) {
        let word = verdict.kind().word();
        let mode = verdict.mode().word().to_uppercase();
        if verdict.basis() == Basis::ProbeOnly {
            line("", &format!("{mode}: {word} (probe only, not stressed){}", first_reason(verdict)));
            return;
        }
        let name = if self.colour { paint(verdict.kind(), &word.to_uppercase()) } else { word.to_uppercase() };
        say!("  {name}{} {}", " ".repeat(10usize.saturating_sub(word.len())), headline(verdict.kind(), &mode));
        let bounds: Vec<&str> = verdict.bounds().iter().map(|bound| bound.text.as_str()).collect();
        if !bounds.is_empty() {
            line("", &format!("at 95 %, if independent: {}", bounds.join(", ")));
        }
        show_anomalies(verdict.witness(), report);
        if verdict.witness().is_empty() {
            verdict.reasons().iter().for_each(|reason| line("", &format!("because: {reason}")));
        }
        if verdict.kind() != VerdictKind::Unsafe {
            show_surroundings(verdict);
        }
    }
}

/// One line for each journal mode of a matrix.
pub fn show_matrix(reports: &[Report]) {
    for report in reports {
        let Some(verdict) = report.verdicts.first() else { continue };
        let word = verdict.kind().word().to_uppercase();
        let mode = verdict.mode().word();
        line("matrix", &format!("{mode:<14} {word:<8} {}", bang_line(report)));
    }
}

/// What is tested, in the words of the command line.
fn tested(options: &Options) -> String {
    match &options.own {
        None => options.directory.display().to_string(),
        Some(own) => {
            let compose = own.compose.iter().map(|file| format!("--compose {file}"));
            compose.chain(own.like.iter().map(|name| format!("--like {name}"))).collect::<Vec<_>>().join(" ")
        }
    }
}

fn show_own(own: &OwnReport) {
    if own.files > 1 {
        line("as", &format!("{} files, where one database is asked about: they do not open the same one", own.files));
    }
    if let [alone] = &own.openers[..] {
        line("as", &format!("containers of {} alone, as replicas or an overlapping update would be", alone.name));
    }
    for opener in &own.openers {
        line("as", &format!("{}: {} in {}", opener.name, opener.database, opener.reach));
        let user = opener.user.as_ref().map(|user| format!("user {user}"));
        let image = opener.image.as_ref().map(|image| format!("image {image}"));
        let both: Vec<String> = image.into_iter().chain(user).collect();
        if !both.is_empty() {
            line("", &format!("{}: {}", opener.name, both.join(", ")));
        }
    }
}

fn show_boundary(boundary: &Boundary) {
    let mount = boundary.storage.mount.as_ref();
    let storage = mount.map_or("unknown storage".to_owned(), |mount| {
        format!("{} {} at {}", mount.fstype, mount.options.join(","), mount.mount_point)
    });
    line("boundary", &format!("{} ({})", several(boundary.agents.into(), "agent"), boundary.abilities.isolation));
    let sqlite = &boundary.sqlite;
    line("", &format!("one kernel {}, SQLite {sqlite}, {storage}", boundary.machine.kernel));
    boundary.own.iter().for_each(show_own);
    for database in &boundary.databases {
        let name = database.path.file_name().unwrap_or_default().to_string_lossy();
        let links = if database.links > 1 {
            format!(", {} hard links (see `hard-link`)", database.links)
        } else {
            String::new()
        };
        let openers = database.openers.len();
        line(
            "found",
            &format!("{name}: {}, {}{links}; it is not touched", database.journal, several(openers as u64, "opener")),
        );
    }
}

/// Picks one answer of a direction.
type Question = fn(&SideFacts) -> &Answer;

/// Both directions of each fact in one mark.
pub fn facts_line(facts: &PairFacts) -> String {
    let questions: [(&str, Question); 7] = [
        ("open", |side| &side.opens_read_write),
        ("sibling", |side| &side.sibling),
        ("lock", |side| &side.lock_conflict_seen),
        ("shared memory", |side| &side.store_seen),
        ("hand-off", |side| &side.hand_off_fresh),
        ("new file", |side| &side.new_file_seen),
        ("unlink", |side| &side.unlink_while_open),
    ];
    let mark = |answer: &Answer| match answer {
        Answer::Yes => "✓".to_owned(),
        Answer::No => "✗".to_owned(),
        Answer::Errno(errno) => format!("✗ errno {errno}"),
        Answer::Unknown(_) => "?".to_owned(),
    };
    let both = |ask: Question| {
        let (one, other) = (ask(&facts.a_to_b), ask(&facts.b_to_a));
        if one == other { mark(one) } else { format!("{}/{}", mark(one), mark(other)) }
    };
    questions.map(|(name, ask)| format!("{name} {}", both(ask))).join("  ")
}

fn control_line(control: &Control) -> String {
    match (&control.failed, control.caught_after, control.caught_as) {
        (Some(why), ..) => format!("could not be done: {why}"),
        (None, Some(after), Some(kind)) => format!(
            "broken world fake-locks caught after {:.0} ms: {kind}   {:.1} s",
            after.as_secs_f64() * 1e3,
            control.took.as_secs_f64()
        ),
        _ => format!("broken world fake-locks NOT caught in {} commits", thousands(control.commits)),
    }
}

fn progress_words(progress: &Progress) -> String {
    format!(
        "{:4.1} s   {}   {}   {}   {}",
        progress.elapsed.as_secs_f64(),
        several(progress.commits, "commit"),
        several(progress.kills.into(), "kill"),
        several(progress.pauses.into(), "pause"),
        several(progress.anomalies, "anomaly")
    )
}

fn bang_line(report: &Report) -> String {
    let (exposures, strikes) = (&report.exposures, &report.strikes);
    let anomalies: u64 = report.anomaly_counts.iter().map(|count| count.count).sum();
    format!(
        "{:.1} s   {}   {}   {} ({} inside a spilled transaction)   {}   {}",
        report.timing.stress / 1e3,
        several(exposures.commits, "commit"),
        several(exposures.wal_resets, "WAL reset"),
        several(strikes.kills.into(), "kill"),
        strikes.kills_inside_spilled,
        several(strikes.pauses.into(), "pause"),
        several(anomalies, "anomaly")
    ) + &replaced_words(strikes.replaced)
}

/// Who failed how, when somebody was crippled.
fn show_conduct(report: &Report) {
    let Some(conduct) = &report.conduct else { return };
    let side = |side: &Side| {
        let errors: Vec<String> = side
            .errors
            .iter()
            .map(|count| format!("{} x{}", quoted_code(count.code), thousands(count.count)))
            .collect();
        let errors = if errors.is_empty() { "no errors".to_owned() } else { errors.join(", ") };
        let shut_out = if side.shut_out > 0 { ", shut out" } else { "" };
        format!("{}, {errors}{shut_out}", several(side.commits, "commit"))
    };
    line("crippled", &format!("failed {}: {}", conduct.manner.words(), side(&conduct.crippled)));
    line("healthy", &side(&conduct.healthy));
}

fn show_fairness(report: &Report) {
    let fairness = &report.fairness;
    let Some(share) = fairness.slowest_over_fastest else { return };
    let wait = |us: u64| if us < 1_000 { format!("{us} us") } else { format!("{:.1} ms", us as f64 / 1e3) };
    let waits = &fairness.wait_us;
    line(
        "fairness",
        &format!(
            "slowest/fastest {share:.2}   waits for the lock: half up to {}, 99 % up to {}, the longest {}   {} timed out",
            wait(waits.p50),
            wait(waits.p99),
            wait(waits.max),
            thousands(fairness.timed_out)
        ),
    );
    fairness.starved.iter().for_each(|starved| line("starved", &starved.summary));
}

fn usage_line(report: &Report) -> String {
    let usage = &report.usage;
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    format!(
        "memory {} and {} of all agents   disk {} and {} of histories",
        mib(usage.lab_memory_bytes_max),
        mib(usage.agents_memory_bytes_max),
        mib(usage.scratch_disk_bytes_max),
        mib(usage.history_disk_bytes_max)
    )
}

/// Hangs are no anomalies, and no secret.
fn replaced_words(replaced: u32) -> String {
    if replaced == 0 { String::new() } else { format!("   {} replaced", several(replaced.into(), "silent agent")) }
}

fn planted_line(report: &Report) -> String {
    let named = report.planted.iter().filter(|plant| plant.named).count();
    let missed: Vec<&str> = report.planted.iter().filter(|plant| !plant.named).map(|plant| plant.kind.name()).collect();
    let tail = if missed.is_empty() { String::new() } else { format!("; missed: {}", missed.join(", ")) };
    format!("{named} of {} planted anomalies named{tail}", report.planted.len())
}

fn headline(kind: VerdictKind, mode: &str) -> String {
    match kind {
        VerdictKind::Safe => format!("{mode} across these agents on this directory: not broken by this run"),
        VerdictKind::Risky => format!("{mode}: not broken by this run, but it may break where this run cannot look"),
        VerdictKind::Refuses => format!("{mode}: SQLite refuses loudly; nothing is lost"),
        VerdictKind::Unknown => format!("{mode}: not enough was seen to say anything"),
        VerdictKind::Unsafe => format!("{mode}: this boundary breaks SQLite"),
    }
}

fn show_anomalies(anomalies: &[Anomaly], report: &Report) {
    if let Some(after) = report.timing.anomaly_caught_after_first_commit {
        let counts: Vec<String> =
            report.anomaly_counts.iter().map(|count| format!("{} {}", thousands(count.count), count.kind)).collect();
        line("", &format!("{}; the first {after:.1} ms after the first commit", counts.join(", ")));
    }
    let first_commit_ns = report.exposures.first_commit_ns.unwrap_or(0);
    let mut kinds = Vec::new();
    for anomaly in anomalies {
        if kinds.contains(&anomaly.kind) || kinds.len() == ANOMALIES_SHOWN {
            continue;
        }
        kinds.push(anomaly.kind);
        line("witness", &format!("{} ({}): {}", anomaly.kind.name(), anomaly.certainty.word(), anomaly.summary));
        anomaly.witness.iter().take(4).for_each(|witness| line("", &witness_words(witness, first_commit_ns)));
    }
    if let Some(kind) = kinds.first() {
        line("", &format!("more: walproof explain {}", kind.name()));
    }
}

/// Who, when (since the first commit), which number, which code, which SQL.
fn witness_words(witness: &WitnessLine, first_commit_ns: u64) -> String {
    let number = witness.number.map_or(String::new(), |number| format!(" number {number}"));
    let sql = if witness.sql.is_empty() { String::new() } else { format!("   `{}`", witness.sql) };
    let code = witness.extended_code.as_ref().map_or(String::new(), |code| format!(" {code}"));
    format!(
        "  agent {} life {} at {:+.3} ms: {} {}{number}{code}: {}{sql}",
        witness.agent,
        witness.life,
        (witness.start_ns as f64 - first_commit_ns as f64) / 1e6,
        witness.operation,
        witness.phase,
        witness.role
    )
}

pub fn show_surroundings(verdict: &Verdict) {
    for (index, condition) in verdict.conditions().iter().enumerate() {
        line(if index == 0 { "if" } else { "" }, condition);
    }
    let not_seen = verdict.coverage().map(|coverage| coverage.not_seen()).unwrap_or_default();
    if !not_seen.is_empty() {
        line("not seen", &not_seen.join(", "));
    }
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

pub fn first_reason(verdict: &Verdict) -> String {
    verdict.reasons().first().map_or(String::new(), |reason| format!(": {reason}"))
}

fn paint(kind: VerdictKind, word: &str) -> String {
    let colour = match kind {
        VerdictKind::Safe => 32,
        VerdictKind::Risky | VerdictKind::Unknown | VerdictKind::Refuses => 33,
        VerdictKind::Unsafe => 31,
    };
    format!("\x1b[1;{colour}m{word}\x1b[0m")
}

pub fn line(name: &str, text: &str) {
    say!("  {name:<10} {text}");
}

/// `1 kill`, `2 kills`, `3 anomalies`.
pub fn several(number: u64, noun: &str) -> String {
    let noun = match (number, noun) {
        (1, noun) => noun.to_owned(),
        (_, "anomaly") => "anomalies".to_owned(),
        (_, noun) => format!("{noun}s"),
    };
    format!("{} {noun}", thousands(number))
}

/// `412,388`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(412_388), "412,388");
        assert_eq!(thousands(1_000), "1,000");
    }
}
