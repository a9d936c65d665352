//! What was recognised and what it may be, as lines for people. It must not conclude anything; the judge does.

use walproof_format::sqlite::error_code;
use walproof_judge::logs::{Alarm, Answer, Diagnosis, Given, Kind, Place, Scan, Suspect, Timeline, Why};

use super::Outcome;
use crate::render::{several, thousands};

/// How many suspects are shown with all that is known of them; the others in one line.
const FULL_MAX: usize = 3;

/// Prints it.
pub fn show(outcome: &Outcome<'_>) {
    let Outcome { sources, scan, diagnosis, taken, errors: _ } = outcome;
    say!("walproof logs {}", sources.join(" "));
    let formats: Vec<&str> = scan.formats.iter().map(|format| format.word()).collect();
    let formats = if formats.is_empty() { String::new() } else { format!(", {}", formats.join(" and ")) };
    let recognised = several(scan.recognised, "line");
    line(
        "read",
        &format!("{}, {} bytes{formats}; {recognised} recognised", several(scan.lines, "line"), thousands(scan.bytes)),
    );
    if scan.pieces > 0 {
        line("", &format!("{} of very long lines, each read by itself", several(scan.pieces, "piece")));
    }
    taken.given.iter().for_each(show_fact);
    taken.left_out.iter().for_each(|text| line("not taken", text));
    scan.kinds.iter().for_each(|kind| show_kind(sources, kind));
    show_timeline(sources, scan);
    line("answer", answer(outcome));
    show_beside(diagnosis);
    if diagnosis.damage {
        line(
            "",
            "it points at lost or damaged data: stop all openers and copy db, -wal, -shm before anything is repaired",
        );
    }
    for (index, suspect) in diagnosis.suspects.iter().enumerate() {
        if index < FULL_MAX {
            show_suspect(sources, index + 1, suspect);
        } else {
            line(&format!("suspect {}", index + 1), &format!("{}: {}", suspect.cause.name, suspect.cause.line));
        }
    }
}

fn show_fact(fact: &Given) {
    let grounds: Vec<String> = fact.grounds.iter().map(|ground| format!("{ground:?}")).collect();
    let understood = match (&fact.raises, grounds.is_empty()) {
        (_, false) => words(&grounds),
        (Some(cause), true) => format!("speaks for {cause}"),
        (None, true) => "names nothing that is known to matter".to_owned(),
    };
    let from = fact.from.as_ref().map(|from| format!(", taken from {from}")).unwrap_or_default();
    line("given", &format!("{} ({understood}){from}", fact.text));
}

/// What came first, where more than one thing has a time, and what makes that doubtful.
fn show_timeline(sources: &[String], scan: &Scan) {
    let timeline = Timeline::of(scan);
    if timeline.events.len() > 1 {
        for (index, event) in timeline.events.iter().enumerate() {
            let time = event.kind.first.time.as_ref().map_or("", |time| time.text.as_str());
            let after = event.after_ms.map_or(String::new(), |ms| format!("{} later: ", length(ms)));
            let lasts = event.last_unix_ms - event.first_unix_ms;
            let lasts = if event.kind.count > 1 { format!(" over {}", length(lasts)) } else { String::new() };
            let silence =
                event.silence_unix_ms.map_or(String::new(), |(from, to)| format!(", {} silent", length(to - from)));
            let text = format!(
                "{time}  {after}{}, {} x{lasts}{silence}",
                event.kind.signature.name,
                thousands(event.kind.count)
            );
            line(if index == 0 { "in time" } else { "" }, &text);
        }
    }
    if let Some((before, complaint)) = timeline.before_the_first_complaint() {
        let ms = complaint.first_unix_ms - before.first_unix_ms;
        let (before, complaint) = (before.kind.signature.name, complaint.kind.signature.name);
        line("order", &format!("{before}, {} before the first {complaint}", length(ms)));
    }
    let doubt = |text: &str| line("doubt", text);
    if timeline.zones_differ {
        doubt("some times have a zone and some have none, which were taken as UTC: their order may be wrong by hours");
    }
    if timeline.events.len() > 1 && timeline.no_zone && sources.len() > 1 {
        doubt("no time has a zone: the order holds if all logs are of one zone");
    }
    if !timeline.timeless.is_empty() && !timeline.events.is_empty() {
        let names: Vec<&str> = timeline.timeless.iter().map(|kind| kind.signature.name).collect();
        doubt(&format!("not in this order, because no time with a year is near: {}", names.join(", ")));
    }
    for step in scan.steps_back.values() {
        let times = several(step.count, "time");
        doubt(&format!(
            "the clock goes back {times}, by {} at {}",
            length(step.furthest_ms),
            place(sources, &step.place)
        ));
    }
}

/// A length of time in the unit that people would use.
fn length(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", ms as f64 / 1e3),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// An alarm of `--follow`, in four lines.
pub fn alarm(sources: &[String], alarm: &Alarm<'_>) {
    let Alarm { cause, why, certainty, answer, damage, is_beside, kind } = alarm;
    let harm = if cause.loses { "can lose data" } else { "loses nothing by itself" };
    let clear = if *answer == Answer::Told { "leads clearly" } else { "cannot be told from this alone" };
    let rank = match why {
        Why::First => clear.to_owned(),
        Why::Overtakes(before) => format!("overtakes {before}; {clear}"),
        Why::NamedByDefinition if *is_beside => format!("named by a line; does not explain the {}", seen_too(*damage)),
        Why::NamedByDefinition => "named by a line; not the first suspect".to_owned(),
        Why::PointsAtDamage => format!("still the first suspect, and now there is damage; {clear}"),
    };
    line("alarm", &format!("{} ({}; {harm}; {rank}): {}", cause.name, certainty.word(), cause.line));
    line("", &format!("{} `{}`", place(sources, &kind.first), kind.example));
    if *damage {
        line("", "lines point at lost or damaged data: stop all openers and copy db, -wal, -shm before any repair");
    }
    if let Some(settle) = cause.points("Settle it").first() {
        part("settle", settle);
    }
}

fn answer(outcome: &Outcome<'_>) -> &'static str {
    let by_facts = outcome.scan.kinds.is_empty() && !outcome.diagnosis.suspects.is_empty();
    match outcome.diagnosis.answer {
        Answer::Nothing if outcome.errors.len() >= outcome.sources.len() => {
            "none: what was named could not be read to its end"
        }
        Answer::Nothing if !outcome.errors.is_empty() => {
            "nothing that matters in what could be read; some of what was named could not be"
        }
        Answer::Nothing if by_facts => "nothing was recognised; what follows rests on the given facts alone",
        Answer::Nothing => "nothing that matters was recognised; that is no proof of health",
        Answer::Harmless => "harmless: what a sound database goes through as well",
        Answer::Hints => "nothing complained; these are conditions under which databases suffer",
        Answer::Told => "the first suspect leads clearly",
        Answer::CannotBeTold => "cannot be told from this alone; settle it with the commands below",
    }
}

/// That two things are going on, where they are.
fn show_beside(diagnosis: &Diagnosis<'_>) {
    let Some(beside) = diagnosis.beside() else { return };
    let (name, seen) = (beside.cause.name, seen_too(diagnosis.damage));
    if diagnosis.suspects.first().is_some_and(|first| first.is_beside) {
        line("", &format!("{name} explains its own lines; the {seen} is explained by nothing that is known here"));
    } else {
        line("", &format!("two things are going on: {name} explains its own lines and does not explain the {seen}"));
    }
}

/// What a suspect that stands beside does not explain.
const fn seen_too(damage: bool) -> &'static str {
    if damage { "damage that was seen" } else { "refusal of the storage that was seen" }
}

fn show_kind(sources: &[String], kind: &Kind) {
    let code = kind.code.map(|code| format!(", SQLITE_{}", error_code::quoted(code))).unwrap_or_default();
    let errno = kind.errno.map(|errno| format!(", {errno}")).unwrap_or_default();
    let driver = kind.driver.map(|driver| format!(", {driver}")).unwrap_or_default();
    let times = format!("{} x", thousands(kind.count));
    line("seen", &format!("{} ({}): {times}{code}{errno}{driver}", kind.signature.name, kind.signature.gravity.word()));
    let until = if kind.count > 1 { format!(" ... {}", place(sources, &kind.last)) } else { String::new() };
    line("", &format!("{}{until}", place(sources, &kind.first)));
    line("", &format!("`{}`", kind.example));
}

fn place(sources: &[String], place: &Place) -> String {
    let source = sources.get(place.source as usize).map_or("?", String::as_str);
    let time = place.time.as_ref().map(|time| format!(" at {}", time.text)).unwrap_or_default();
    format!("{source}:{}{time}", place.line)
}

fn show_suspect(sources: &[String], number: usize, suspect: &Suspect<'_>) {
    let cause = suspect.cause;
    let harm = match (cause.loses, suspect.is_beside) {
        (true, _) => "can lose data",
        (false, false) => "loses nothing by itself",
        (false, true) => "loses nothing by itself; explains its own lines only",
    };
    let certainty = suspect.certainty.word();
    line(&format!("suspect {number}"), &format!("{} ({certainty}; {harm}): {}", cause.name, cause.line));
    let (speaks_for, against): (Vec<_>, Vec<_>) = suspect.support.iter().partition(|one| one.decibans > 0);
    for (label, support) in [("for", speaks_for), ("against", against)] {
        let texts: Vec<String> = support
            .iter()
            .map(|one| match (one.kind, one.ground, one.finding) {
                (Some(kind), ..) => format!("{} ({})", kind.signature.name, place(sources, &kind.first)),
                (_, Some(ground), _) => words(&[format!("{ground:?}")]),
                (.., Some(fact)) => format!("`check` found it ({})", fact.from.as_deref().unwrap_or_default()),
                (None, None, None) => String::new(),
            })
            .collect();
        if !texts.is_empty() {
            part(label, &texts.join(", "));
        }
    }
    part("apart", cause.section("What tells it apart"));
    cause.points("Settle it").iter().for_each(|text| part("settle", text));
    cause.points("What to do").iter().for_each(|text| part("do", text));
    cause.points("What not to do").iter().for_each(|text| part("do not", text));
}

/// `NetworkFilesystem` as `network filesystem`.
fn words(names: &[String]) -> String {
    let spaced = |name: &String| {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push(' ');
            }
            text.extend(letter.to_lowercase());
        }
        text
    };
    names.iter().map(spaced).collect::<Vec<String>>().join(", ")
}

fn line(label: &str, text: &str) {
    say!("  {label:<10} {text}");
}

fn part(label: &str, text: &str) {
    say!("    {label:<8} {}", text.replace('\n', " "));
}
