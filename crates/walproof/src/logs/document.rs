//! The JSON document of `walproof logs`, version [`VERSION`]; docs/logs.md describes it.

use serde::Serialize;
use walproof_format::sqlite::error_code;
use walproof_judge::finding::Certainty;
use walproof_judge::logs::{Ground, Kind, Place, Scan, Support, Suspect, Timeline};

use super::Outcome;

/// The version of the document.
const VERSION: u32 = 1;

/// All of it.
#[derive(Serialize)]
pub struct Document<'a> {
    walproof_logs: u32,
    answer: &'static str,
    points_at_damage: bool,
    read: Input<'a>,
    given: Vec<Fact<'a>>,
    not_taken: &'a [String],
    named_in_lines: Vec<NamedGround<'a>>,
    seen: Vec<Seen<'a>>,
    timeline: InTime<'a>,
    suspects: Vec<Ranked<'a>>,
    errors: Vec<String>,
}

#[derive(Serialize)]
struct Input<'a> {
    sources: &'a [String],
    bytes: u64,
    lines: u64,
    lines_recognised: u64,
    pieces_of_long_lines: u64,
    formats: Vec<&'static str>,
}

#[derive(Serialize)]
struct Fact<'a> {
    text: &'a str,
    understood_as: &'a [Ground],
    /// Where `check` found it.
    taken_from: Option<&'a str>,
    speaks_for: Option<&'static str>,
}

/// What was seen, in the order of time.
#[derive(Serialize)]
struct InTime<'a> {
    events: Vec<InTimeEvent<'a>>,
    without_time: Vec<&'static str>,
    some_times_have_no_zone: bool,
    no_time_has_a_zone: bool,
    clock_goes_back: Vec<GoesBack<'a>>,
}

#[derive(Serialize)]
struct InTimeEvent<'a> {
    signature: &'static str,
    code: Option<u32>,
    source: &'a str,
    count: u64,
    first_unix_ms: i64,
    last_unix_ms: i64,
    after_previous_ms: Option<i64>,
    longest_silence_unix_ms: Option<(i64, i64)>,
}

#[derive(Serialize)]
struct GoesBack<'a> {
    count: u64,
    furthest_ms: i64,
    at: At<'a>,
}

#[derive(Serialize)]
struct NamedGround<'a> {
    ground: Ground,
    first: At<'a>,
}

#[derive(Serialize)]
struct At<'a> {
    source: &'a str,
    line: u64,
    time: Option<&'a str>,
    unix_ms: Option<i64>,
}

#[derive(Serialize)]
struct Seen<'a> {
    signature: &'static str,
    says: &'static str,
    gravity: &'static str,
    code: Option<u32>,
    code_name: Option<&'static str>,
    errno: Option<&'static str>,
    driver: Option<&'static str>,
    path: Option<&'a str>,
    count: u64,
    first: At<'a>,
    last: At<'a>,
    example: &'a str,
}

#[derive(Serialize)]
struct Ranked<'a> {
    cause: &'static str,
    says: &'static str,
    certainty: Certainty,
    decibans: i32,
    loses_data: bool,
    is_beside: bool,
    counted: Vec<Counted<'a>>,
    what_tells_it_apart: &'static str,
    settle: Vec<&'static str>,
    what_to_do: Vec<&'static str>,
    what_not_to_do: Vec<&'static str>,
    first_line: Option<At<'a>>,
}

#[derive(Serialize)]
struct Counted<'a> {
    signature: Option<&'a str>,
    ground: Option<Ground>,
    finding: Option<&'a str>,
    decibans: i32,
}

/// The last line of `--follow --json`.
pub fn summary(outcome: &Outcome<'_>) -> String {
    let version = super::follow::VERSION;
    let document = of(outcome);
    serde_json::json!({ "walproof_logs_follow": version, "event": "summary", "document": document }).to_string()
}

/// The document of what was read.
pub fn of<'a>(outcome: &Outcome<'a>) -> Document<'a> {
    let Outcome { sources, scan, diagnosis, taken, errors } = *outcome;
    Document {
        walproof_logs: VERSION,
        answer: diagnosis.answer.word(),
        points_at_damage: diagnosis.damage,
        read: Input {
            sources,
            bytes: scan.bytes,
            lines: scan.lines,
            lines_recognised: scan.recognised,
            pieces_of_long_lines: scan.pieces,
            formats: scan.formats.iter().map(|format| format.word()).collect(),
        },
        given: taken
            .given
            .iter()
            .map(|fact| Fact {
                text: &fact.text,
                understood_as: &fact.grounds,
                taken_from: fact.from.as_deref(),
                speaks_for: fact.raises,
            })
            .collect(),
        not_taken: &taken.left_out,
        named_in_lines: scan
            .grounds
            .iter()
            .map(|(ground, place)| NamedGround { ground: *ground, first: at(sources, place) })
            .collect(),
        seen: scan.kinds.iter().map(|kind| seen(sources, kind)).collect(),
        timeline: in_time(sources, scan),
        suspects: diagnosis.suspects.iter().map(|suspect| ranked(sources, suspect)).collect(),
        errors: errors.iter().map(ToString::to_string).collect(),
    }
}

fn in_time<'a>(sources: &'a [String], scan: &'a Scan) -> InTime<'a> {
    let timeline = Timeline::of(scan);
    let events = timeline.events.iter().map(|event| InTimeEvent {
        signature: event.kind.signature.name,
        code: event.kind.code,
        source: sources.get(event.kind.first.source as usize).map_or("", String::as_str),
        count: event.kind.count,
        first_unix_ms: event.first_unix_ms,
        last_unix_ms: event.last_unix_ms,
        after_previous_ms: event.after_ms,
        longest_silence_unix_ms: event.silence_unix_ms,
    });
    let back = scan.steps_back.values();
    InTime {
        events: events.collect(),
        without_time: timeline.timeless.iter().map(|kind| kind.signature.name).collect(),
        some_times_have_no_zone: timeline.zones_differ,
        no_time_has_a_zone: timeline.no_zone,
        clock_goes_back: back
            .map(|step| GoesBack { count: step.count, furthest_ms: step.furthest_ms, at: at(sources, &step.place) })
            .collect(),
    }
}

fn at<'a>(sources: &'a [String], place: &'a Place) -> At<'a> {
    let time = place.time.as_ref();
    At {
        source: sources.get(place.source as usize).map_or("", String::as_str),
        line: place.line,
        time: time.map(|time| time.text.as_str()),
        unix_ms: time.and_then(|time| time.unix_ms),
    }
}

fn seen<'a>(sources: &'a [String], kind: &'a Kind) -> Seen<'a> {
    Seen {
        signature: kind.signature.name,
        says: kind.signature.line,
        gravity: kind.signature.gravity.word(),
        code: kind.code,
        code_name: kind.code.map(error_code::name),
        errno: kind.errno,
        driver: kind.driver,
        path: kind.path.as_deref(),
        count: kind.count,
        first: at(sources, &kind.first),
        last: at(sources, &kind.last),
        example: &kind.example,
    }
}

fn ranked<'a>(sources: &'a [String], suspect: &'a Suspect<'a>) -> Ranked<'a> {
    let cause = suspect.cause;
    let first_line = suspect.support.iter().find_map(|one| one.kind).map(|kind| at(sources, &kind.first));
    Ranked {
        cause: cause.name,
        says: cause.line,
        certainty: suspect.certainty,
        decibans: suspect.decibans,
        loses_data: cause.loses,
        is_beside: suspect.is_beside,
        counted: suspect.support.iter().map(counted).collect(),
        what_tells_it_apart: cause.section("What tells it apart"),
        settle: cause.points("Settle it"),
        what_to_do: cause.points("What to do"),
        what_not_to_do: cause.points("What not to do"),
        first_line,
    }
}

fn counted<'a>(support: &Support<'a>) -> Counted<'a> {
    Counted {
        signature: support.kind.map(|kind| kind.signature.name),
        ground: support.ground,
        finding: support.finding.map(|fact| fact.text.as_str()),
        decibans: support.decibans,
    }
}
