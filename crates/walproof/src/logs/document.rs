//! The JSON document of `walproof logs`, version [`VERSION`]; docs/logs.md describes it.

use serde::Serialize;
use walproof_format::sqlite::error_code;
use walproof_judge::finding::Certainty;
use walproof_judge::logs::{Ground, Kind, Place, Support, Suspect};
use walproof_lab::error::LabError;

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
    named_in_lines: Vec<NamedGround<'a>>,
    seen: Vec<Seen<'a>>,
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
    decibans: i32,
}

/// The document of what was read.
pub fn of<'a>(outcome: &Outcome<'a>, errors: &[LabError]) -> Document<'a> {
    let Outcome { sources, scan, diagnosis, flags } = *outcome;
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
        given: flags.facts.iter().map(|fact| Fact { text: &fact.text, understood_as: &fact.grounds }).collect(),
        named_in_lines: scan
            .grounds
            .iter()
            .map(|(ground, place)| NamedGround { ground: *ground, first: at(sources, place) })
            .collect(),
        seen: scan.kinds.iter().map(|kind| seen(sources, kind)).collect(),
        suspects: diagnosis.suspects.iter().map(|suspect| ranked(sources, suspect)).collect(),
        errors: errors.iter().map(ToString::to_string).collect(),
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
        decibans: support.decibans,
    }
}
