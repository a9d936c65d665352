//! A probe's report for people.

use walproof_judge::probe::{Answer, LitmusCount, LockFacts, PairFacts, Release, SideFacts};
use walproof_judge::verdict::{Verdict, VerdictKind};
use walproof_lab::probes::pair::Depth;
use walproof_lab::run::probe::{PairReport, Party, ProbeReport, RaceBound};

use crate::render::{facts_line, first_reason, line, quoted, several, show_surroundings, thousands};

/// Reasons shown of a verdict; the JSON document has all.
const REASONS_SHOWN: usize = 4;

/// Prints it.
pub fn show(report: &ProbeReport, asked: &str) {
    say!("walproof probe {}", report.directory);
    boundary(report);
    for pair in &report.pairs {
        show_pair(pair, report);
    }
    guards(report);
    if let Some(durability) = &report.durability {
        line("fsync", &durability.words());
    }
    for verdict in &report.verdicts {
        if verdict.mode().word().eq_ignore_ascii_case(asked) {
            show_asked(verdict);
        }
    }
    others(report, asked);
    line("settle", &format!("walproof verify {}   (stress, chaos, every commit accounted for)", settle(report, asked)));
}

fn boundary(report: &ProbeReport) {
    let kernel = match &report.same_kernel {
        Answer::Yes => "one kernel",
        Answer::No => "SEVERAL kernels, this one",
        _ => "kernel",
    };
    let parties = if report.parties.len() == 1 { "party" } else { "parties" };
    line("boundary", &format!("{} {parties} ({})", report.parties.len(), report.runtime.isolation));
    line("", &format!("{kernel} {}", report.machine.kernel));
    if let Some(crippled) = report.crippled {
        line("", &format!("the last party is crippled on purpose: {crippled}"));
    }
    for party in &report.parties {
        line("party", &words_of(party));
    }
    for database in &report.databases {
        let name = database.path.file_name().unwrap_or_default().to_string_lossy();
        let openers = several(database.openers.len() as u64, "opener");
        line("found", &format!("{name}: {}, {openers}; it is not touched", database.journal));
    }
}

fn words_of(party: &Party) -> String {
    let mount = party.mount.as_ref().map_or("unknown storage".to_owned(), |mount| {
        format!("{} {} at {}", mount.fstype, mount.options.join(","), mount.mount_point)
    });
    format!("{}: {} on {mount}", party.name, party.database)
}

fn show_pair(pair: &PairReport, report: &ProbeReport) {
    let [one, other] = &pair.between;
    let several_pairs = report.pairs.len() > 1;
    let name = if several_pairs { format!("{one}, {other}: ") } else { String::new() };
    line("facts", &format!("{name}{}   {:.2} s", facts_line(&pair.facts), pair.took_ms / 1e3));
    if several_pairs {
        let decisions = pair.decisions.iter().map(|of| format!("{} {}", of.mode.word(), of.decision.kind.word()));
        line("", &format!("between these two: {}", decisions.collect::<Vec<_>>().join(", ")));
    }
    if report.depth == Depth::Quick {
        return;
    }
    locks(&pair.facts);
    if let Some(names) = names_line(&pair.facts) {
        line("names", &names);
    }
    races(&pair.facts, &pair.bounds);
    calls(&pair.facts);
}

/// What each party could tell by itself.
fn guards(report: &ProbeReport) {
    for guard in &report.guards {
        let reason = guard.reason.as_deref().filter(|_| guard.verdict != "safe");
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        line("guard", &format!("{}: {}, from its own view{reason}", guard.party, guard.verdict));
    }
}

fn both(facts: &PairFacts) -> [&SideFacts; 2] {
    [&facts.a_to_b, &facts.b_to_a]
}

fn locks(facts: &PairFacts) {
    let asked: Vec<&LockFacts> = both(facts).into_iter().filter_map(|side| side.locks.as_ref()).collect();
    let Some(first) = asked.first() else { return };
    let (tried, wrong) = (
        asked.iter().map(|locks| locks.pairs_tried).sum::<u32>(),
        asked.iter().map(|locks| locks.wrong.len()).sum::<usize>(),
    );
    let matrix = match wrong {
        _ if tried == 0 => "no pair of SQLite's locks could be tried ?".to_owned(),
        0 => format!("{} pairs of SQLite's locks ✓", thousands(tried.into())),
        wrong => format!("{wrong} of {} pairs of SQLite's locks ✗", thousands(tried.into())),
    };
    let upgrade = mark(asked.iter().flat_map(|locks| [&locks.upgrade_refused, &locks.upgrade_granted]));
    let paused = mark(asked.iter().map(|locks| &locks.held_while_paused));
    let open_file = mark(asked.iter().map(|locks| &locks.open_file_locks));
    line("locks", &format!("{matrix}  upgrade {upgrade}  kept while paused {paused}  OFD {open_file}"));
    let released = |which: fn(&LockFacts) -> &Release| slowest(asked.iter().map(|locks| which(locks)));
    let holder = match first.holder_pid {
        Some(0) => "F_GETLK names nobody that this pid namespace could see".to_owned(),
        Some(pid) => format!("F_GETLK names pid {pid}"),
        None => "F_GETLK names nobody".to_owned(),
    };
    line(
        "",
        &format!(
            "let go after close {}, exit {}, SIGKILL {}; {holder}",
            released(|locks| &locks.released_on_close),
            released(|locks| &locks.released_on_exit),
            released(|locks| &locks.released_on_kill)
        ),
    );
}

fn slowest<'a>(releases: impl Iterator<Item = &'a Release> + Clone) -> String {
    if let Some(no) = releases.clone().find(|release| release.released != Answer::Yes) {
        return mark([&no.released]);
    }
    let us = releases.filter_map(|release| release.after_us).max().unwrap_or(0);
    format!("{:.1} ms", us as f64 / 1e3)
}

/// Picks a question that a quick probe does not ask.
type Asked = fn(&SideFacts) -> &Option<Answer>;

fn names_line(facts: &PairFacts) -> Option<String> {
    let questions: [(&str, Asked); 4] = [
        ("truncation", |side| &side.truncation_seen),
        ("unlink seen", |side| &side.unlink_seen),
        ("rename", |side| &side.rename_seen),
        ("cut under mapping", |side| &side.truncation_seen_in_mapping),
    ];
    let asked = questions.map(|(name, question)| {
        let answers: Vec<&Answer> = both(facts).into_iter().filter_map(|side| question(side).as_ref()).collect();
        (!answers.is_empty()).then(|| format!("{name} {}", mark(answers)))
    });
    let asked: Vec<String> = asked.into_iter().flatten().collect();
    (!asked.is_empty()).then(|| asked.join("  "))
}

fn races(facts: &PairFacts, bounds: &[RaceBound]) {
    let counts: Vec<&LitmusCount> = both(facts).into_iter().flat_map(|side| &side.litmus).collect();
    let mut names: Vec<&str> = counts.iter().map(|count| count.test.name()).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let words = names.into_iter().map(|name| {
        let of_name = || counts.iter().filter(|count| count.test.name() == name);
        let (wrong, observed) =
            (of_name().map(|count| count.wrong).sum::<u64>(), of_name().map(|count| count.observed).sum::<u64>());
        match wrong {
            0 if observed == 0 => format!("{name} ? nothing seen"),
            0 => format!("{name} ✓ {}", thousands(observed)),
            wrong => format!("{name} ✗ {} of {}", thousands(wrong), thousands(observed)),
        }
    });
    let words: Vec<String> = words.collect();
    for (index, some) in words.chunks(3).enumerate() {
        line(if index == 0 { "races" } else { "" }, &some.join("  "));
    }
    if let Some(rarest) = bounds.iter().max_by(|one, other| one.rate_max.total_cmp(&other.rate_max)) {
        let name = rarest.test.name();
        line("", &format!("at 95 %, if independent: < {:.1e} wrong a change, `{name}` seen least", rarest.rate_max));
    }
}

fn calls(facts: &PairFacts) {
    let worst = |which: fn(&SideFacts) -> Option<f64>| {
        both(facts)
            .into_iter()
            .filter_map(which)
            .fold(None, |worst: Option<f64>, us| Some(worst.map_or(us, |w| w.max(us))))
    };
    let times = [
        ("open", worst(|side| side.times.open_us)),
        ("lock", worst(|side| side.times.lock_us)),
        ("read", worst(|side| side.times.read_us)),
        ("write", worst(|side| side.times.write_us)),
        ("mmap", worst(|side| side.times.map_us)),
        ("a store is seen after", worst(|side| side.times.store_us)),
    ];
    let times: Vec<String> =
        times.into_iter().filter_map(|(name, us)| us.map(|us| format!("{name} {}", microseconds(us)))).collect();
    if !times.is_empty() {
        line("calls", &times.join("  "));
    }
}

fn microseconds(us: f64) -> String {
    match us {
        us if us < 1.0 => format!("{:.0} ns", us * 1e3),
        us if us < 10.0 => format!("{us:.1} us"),
        us if us < 1e4 => format!("{us:.0} us"),
        us => format!("{:.1} ms", us / 1e3),
    }
}

/// The worst of some answers in one mark.
fn mark<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> String {
    let worst = answers.into_iter().max_by_key(|answer| match answer {
        Answer::Yes => 0,
        Answer::Unknown(_) => 1,
        Answer::Errno(_) => 2,
        Answer::No => 3,
    });
    match worst {
        Some(Answer::Yes) => "✓".to_owned(),
        Some(Answer::No) => "✗".to_owned(),
        Some(Answer::Errno(errno)) => format!("✗ errno {errno}"),
        Some(Answer::Unknown(_)) | None => "?".to_owned(),
    }
}

fn show_asked(verdict: &Verdict) {
    let word = verdict.kind().word().to_uppercase();
    let mode = verdict.mode().word().to_uppercase();
    line(&word, &format!("{mode}: {}", headline(verdict.kind())));
    let reasons = verdict.reasons();
    reasons.iter().take(REASONS_SHOWN).for_each(|reason| line("", &format!("because: {reason}")));
    if reasons.len() > REASONS_SHOWN {
        line("", &format!("and {} more reasons: `--json`", reasons.len() - REASONS_SHOWN));
    }
    if verdict.kind() != VerdictKind::Unsafe {
        show_surroundings(verdict);
    }
}

fn headline(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Safe => "nothing that a probe can ask speaks against it; it was not stressed",
        VerdictKind::Risky => "nothing was found here, and it may break where this probe cannot look",
        VerdictKind::Refuses => "SQLite fails loudly here; nothing is lost",
        VerdictKind::Unknown => "it cannot be told from what was answered",
        VerdictKind::Unsafe => "what SQLite needs is not there",
    }
}

fn others(report: &ProbeReport, asked: &str) {
    for verdict in report.verdicts.iter().filter(|verdict| !verdict.mode().word().eq_ignore_ascii_case(asked)) {
        let mode = verdict.mode().word();
        line("", &format!("{mode:<14} {}{}", verdict.kind().word(), first_reason(verdict)));
    }
}

/// The flags of the test that settles it.
fn settle(report: &ProbeReport, asked: &str) -> String {
    let journal = if asked == "wal" { String::new() } else { format!("--journal {asked} ") };
    let world = if report.world == "shared-directory" { String::new() } else { format!("--world {} ", report.world) };
    match &report.own {
        Some(_) => format!("{journal}with the same `--compose` or `--like`"),
        None => format!("{journal}{world}{}", quoted(std::path::Path::new(&report.directory))),
    }
}
