//! What was recognised and what it may be, as lines for people. It must not conclude anything; the judge does.

use walproof_format::sqlite::error_code;
use walproof_judge::logs::{Answer, Kind, Place, Suspect};

use super::Outcome;
use crate::render::{several, thousands};

/// How many suspects are shown with all that is known of them; the others in one line.
const FULL_MAX: usize = 3;

/// Prints it.
pub fn show(outcome: &Outcome<'_>) {
    let Outcome { sources, scan, diagnosis, flags } = outcome;
    say!("walproof logs {}", sources.join(" "));
    let formats: Vec<&str> = scan.formats.iter().map(|format| format.word()).collect();
    let formats = if formats.is_empty() { String::new() } else { format!(", {}", formats.join(" and ")) };
    let recognised = several(scan.recognised, "line");
    line(
        "read",
        &format!("{}, {} bytes{formats}; {recognised} recognised", several(scan.lines, "line"), thousands(scan.bytes)),
    );
    if scan.pieces > 0 {
        line(
            "",
            &format!("{} of very long lines: a message across two of them is not seen", several(scan.pieces, "piece")),
        );
    }
    for fact in &flags.facts {
        let grounds: Vec<String> = fact.grounds.iter().map(|ground| format!("{ground:?}")).collect();
        let understood =
            if grounds.is_empty() { "names nothing that is known to matter".into() } else { words(&grounds) };
        line("given", &format!("{} ({understood})", fact.text));
    }
    scan.kinds.iter().for_each(|kind| show_kind(sources, kind));
    line("answer", answer(outcome));
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

fn answer(outcome: &Outcome<'_>) -> &'static str {
    let by_facts = outcome.scan.kinds.is_empty() && !outcome.diagnosis.suspects.is_empty();
    match outcome.diagnosis.answer {
        Answer::Nothing if by_facts => "nothing was recognised; what follows rests on the given facts alone",
        Answer::Nothing => "nothing that matters was recognised; that is no proof of health",
        Answer::Harmless => "harmless: what a sound database goes through as well",
        Answer::Hints => "nothing complained; these are conditions under which databases suffer",
        Answer::Told => "the first suspect leads clearly",
        Answer::CannotBeTold => "cannot be told from this alone; settle it with the commands below",
    }
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
    let harm = if cause.loses { "can lose data" } else { "loses nothing by itself" };
    let certainty = suspect.certainty.word();
    line(&format!("suspect {number}"), &format!("{} ({certainty}; {harm}): {}", cause.name, cause.line));
    let (speaks_for, against): (Vec<_>, Vec<_>) = suspect.support.iter().partition(|one| one.decibans > 0);
    for (label, support) in [("for", speaks_for), ("against", against)] {
        let texts: Vec<String> = support
            .iter()
            .map(|one| match (one.kind, one.ground) {
                (Some(kind), _) => format!("{} ({})", kind.signature.name, place(sources, &kind.first)),
                (None, Some(ground)) => words(&[format!("{ground:?}")]),
                (None, None) => String::new(),
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
