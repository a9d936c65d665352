//! Whole Dockerfiles through [`parse`]: what is read, where it stands, what is refused.
//!
//! Where to look next: `fixtures/manifests/dockerfile/`, the file that is read here.

use super::*;
use crate::manifest::mutation::{self, Numbers};
use crate::manifest::{Spanned, WarningKind};

const TYPICAL: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/manifests/dockerfile/Dockerfile"));

#[track_caller]
fn reads(text: &str) -> Dockerfile {
    parse(Source { name: "Dockerfile", text }).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refuses(text: &str, kind: ManifestErrorKind, line: Option<u32>) {
    let error = parse(Source { name: "Dockerfile", text }).expect_err("refused");
    assert_eq!((error.kind, error.place.map(|place| place.line)), (kind, line), "{error}");
}

#[track_caller]
fn warns(text: &str, place: &str, message: &str) {
    let found: Vec<String> =
        reads(text).warnings.iter().map(|warning| format!("{} {}", warning.span.shown(), warning.message)).collect();
    assert!(found.iter().any(|found| found.starts_with(place) && found.contains(message)), "{found:#?}");
}

/// Each with its place.
fn told<'a>(values: impl IntoIterator<Item = &'a Spanned<String>>) -> Vec<String> {
    values.into_iter().map(|value| format!("{} {}", value.span.shown(), value.value)).collect()
}

fn words(command: &Option<Command>) -> Vec<&str> {
    command.iter().flat_map(|command| &command.words).map(|word| word.value.as_str()).collect()
}

#[test]
fn stages_are_read_with_their_places() {
    let read = reads(TYPICAL);
    let [build, base, last] = &read.stages[..] else { panic!("three stages: {:#?}", read.stages) };
    assert_eq!(
        told([&build.base, &base.base, &last.base]),
        ["3:32-3:51 node:${NODE}-alpine", "10:6-10:20 node:20-alpine", "17:6-17:10 base"]
    );
    assert_eq!(told(build.name.as_ref()), ["3:55-3:60 build"]);
    assert_eq!(told(build.platform.as_ref()), ["3:6-3:31 $BUILDPLATFORM"]);
    assert!(read.is_unknown(build.base.span) && !read.is_unknown(base.base.span));
    assert_eq!((build.span.shown().as_str(), last.span.shown().as_str()), ("3:1-6:10", "17:1-29:44"));
    assert_eq!(build.users, []);
    assert_eq!(told(read.arguments.iter().map(|pair| &pair.name)), ["2:5-2:12 NODE"]);
}

#[test]
fn what_an_image_brings_along_is_read() {
    let read = reads(TYPICAL);
    let last = read.last().expect("a stage");
    assert_eq!(told(&last.volumes), ["22:9-22:16 /data", "22:18-22:26 /cache", "23:8-23:13 /logs"]);
    assert_eq!(told(last.stop_signal.as_ref()), ["27:12-27:18 SIGINT"]);
    assert_eq!(told(&last.working_directories), ["18:9-18:13 /app"]);
    let entrypoint = last.entrypoint.as_ref().expect("an entry point");
    assert_eq!((entrypoint.is_exec, words(&last.entrypoint)), (true, vec!["/sbin/tini", "--"]));
    let command = last.command.as_ref().expect("a command");
    assert_eq!(
        (command.is_exec, words(&last.command)),
        (false, vec!["node", "dist/server.js", "--db", "$DATABASE_PATH"])
    );
    let check = last.health_check.as_ref().expect("a check");
    assert_eq!(words(&check.command)[..2], ["sqlite3", "/data/app.db"]);
    assert_eq!(
        told(check.options.iter().filter_map(|pair| pair.value.as_ref())),
        ["25:13-25:27 30s", "25:28-25:40 5s"]
    );
}

#[test]
fn copied_databases_are_found() {
    let read = reads(TYPICAL);
    let last = read.last().expect("a stage");
    assert_eq!(
        told(last.copied_databases()),
        ["20:6-20:17 seed/app.db", "20:18-20:33 seed/app.db-wal", "21:6-21:20 other.sqlite"]
    );
    assert_eq!(told(last.copies[0].from.as_ref()), ["19:6-19:18 build"]);
    assert_eq!(last.copies[2].target.value, "/data/other.sqlite");
}

#[test]
fn stages_have_what_those_before_them_say() {
    let read = reads(TYPICAL);
    let lineage = read.lineage(read.last().expect("a stage"));
    assert_eq!(lineage.len(), 2);
    assert_eq!(told(lineage.iter().find_map(|stage| stage.user())), ["15:6-15:15 1000:1000"]);
    let environment: Vec<String> = told(lineage[1].environment.iter().filter_map(|pair| pair.value.as_ref()));
    assert_eq!(
        environment,
        ["11:5-11:24 production", "13:5-13:41 /data/app db.sqlite3", "14:11-14:31 Uptime of all things"]
    );
    assert_eq!(read.stage("BASE").map(|stage| stage.span), Some(lineage[1].span));
    assert_eq!(read.stage("0").map(|stage| stage.span), Some(read.stages[0].span));
    let own = reads("FROM a AS a\nFROM a AS a");
    assert_eq!(own.lineage(&own.stages[1]).len(), 2);
}

#[test]
fn odd_instructions_are_warnings_and_the_rest_is_read() {
    warns("FROM a\nINSTALL b", "2:1-2:8", "`INSTALL` is no instruction");
    warns("FROM a\nCOPY b", "2:1-2:7", "needs what is copied");
    warns("FROM a\nENV b", "2:1-2:6", "needs a value");
    warns("FROM a\nHEALTHCHECK b", "2:1-2:14", "needs `NONE`");
    warns("USER b\nFROM a", "1:1-1:7", "before the first `FROM`");
    warns("FROM a\nFROM", "2:1-2:5", "names no image");
    warns("FROM a\nVOLUME $B", "2:8-2:10", "`$B` is only known");
    assert_eq!(
        reads("FROM a\nHEALTHCHECK NONE").stages[0].health_check.as_ref().and_then(|check| check.command.clone()),
        None
    );
    assert_eq!(words(&reads("FROM a\nCMD [\"b\\\"\\u0041\", \"c\"]").stages[0].command), ["b\"A", "c"]);
    assert_eq!(words(&reads("FROM a\nCMD ['b']").stages[0].command), ["[b]"]);
    assert_eq!(words(&reads("FROM a\nCMD [\"b\" \"c\"]").stages[0].command), ["[b", "c]"]);
}

#[test]
fn what_is_no_dockerfile_is_refused() {
    refuses("", ManifestErrorKind::Empty, None);
    refuses("# only\n", ManifestErrorKind::Empty, None);
    refuses("services:\n  a: b\n", ManifestErrorKind::OtherKind, Some(1));
    refuses("FROM a\n{{ if b }}\n", ManifestErrorKind::Template, Some(2));
    refuses("FROM a\n\0", ManifestErrorKind::Broken, Some(2));
    refuses(&" ".repeat(100 << 20), ManifestErrorKind::TooMuch, Some(1));
}

#[test]
fn lines_may_end_as_on_windows() {
    assert_eq!(reads(&TYPICAL.replace('\n', "\r\n")), reads(TYPICAL));
}

// ---- any text ----

/// Pieces that Dockerfiles care about.
const PIECES: &[&str] = &[
    "\n",
    "\\\n",
    "`\n",
    " ",
    "# escape=`\n",
    "#",
    "FROM a\n",
    "FROM ",
    " AS ",
    "CMD ",
    "[",
    "\"",
    "]",
    ",",
    "\\",
    "\\u12",
    "VOLUME ",
    "COPY ",
    "--from=",
    "<<E\n",
    "E\n",
    "HEALTHCHECK ",
    "--",
    "ENV ",
    "=",
    "$A",
    "${",
    "}",
    "'",
    "ü",
    "\t",
    "\r",
    "\u{feff}",
    "\u{e000}",
    "ONBUILD ",
    "a.db ",
    "CMD",
];

#[test]
fn any_text_is_read_or_refused() {
    let mut numbers = Numbers(19);
    for _ in 0..8_000 {
        let text = mutation::mutated(&mut numbers, &[TYPICAL, "FROM a\n"], PIECES);
        let Ok(read) = parse(Source { name: "Dockerfile", text: &text }) else { continue };
        let stages = read.stages.iter().map(|stage| stage.span);
        for span in stages.chain(read.warnings.iter().map(|warning| warning.span)) {
            assert!(span.lies_in(&text), "{span:?} in {text:?}");
        }
        for stage in &read.stages {
            assert!(read.lineage(stage).len() <= read.stages.len() && stage.copied_databases().count() < text.len());
        }
    }
    assert!(reads(TYPICAL).warnings.iter().all(|warning| warning.kind == WarningKind::NotKnownHere));
}
