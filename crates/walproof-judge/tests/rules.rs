//! Every rule on its fixtures: `fixtures/manifests/RULE/unsafe*/` gives what its `expected` says, no more and no less;
//! `fixtures/manifests/RULE/safe*/` gives no finding of that rule and nothing unsafe.
//!
//! A line of `expected`: `RULE SEVERITY FILE:LINE:COLUMN`, in any order, `-` for a finding without a place in a text.
//! A folder holds manifests, or `live.json`: what was seen on a machine; its findings say where by `seen_at`.
//! `host` beside it holds the word of a host, if one is said; `mode` holds `wal` or `rollback`, if one is assumed.
//! `WALPROOF_BLESS=1` writes `expected` anew: read the diff.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walproof_format::sqlite::db_header::JournalFamily;
use walproof_judge::check::{self, Weighed};
use walproof_judge::fixes;
use walproof_judge::manifest::compose::Profiles;
use walproof_judge::manifest::recognise::{Kind, kind_of};
use walproof_judge::manifest::{Source, compose, docker_run, dockerfile, kubernetes, quadlet};
use walproof_judge::rules::{RULES, Severity};
use walproof_judge::sharing::live::Live;
use walproof_judge::sharing::lower::{self, Builder};
use walproof_judge::sharing::{Applications, Graph, Host};
use walproof_judge::sound_manifest::{self, Asked, Backup, Format};

/// What was seen on a machine: `sharing::live::Live`.
const LIVE: &str = "live.json";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/manifests")
}

/// The folders of a rule whose name begins so.
fn folders(rule: &str, beginning: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(fixtures().join(rule)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = all
        .filter(|path| {
            path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning))
        })
        .collect();
    found.sort();
    found
}

/// The texts of a folder by their kind, sorted by name.
fn texts(folder: &Path) -> Vec<(Kind, String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).expect("text");
        if name == LIVE {
            continue;
        }
        if let Some(kind) = kind_of(&name, &text) {
            found.push((kind, name, text));
        }
    }
    found.sort_by(|one, two| one.1.cmp(&two.1));
    found
}

fn said(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned())
}

fn graph(folder: &Path) -> Graph {
    graph_of(folder, &texts(folder))
}

fn graph_of(folder: &Path, texts: &[(Kind, String, String)]) -> Graph {
    let applications = Applications::built_in();
    let host = said(folder, "host").map_or(Host::Unknown, |word| {
        Host::ALL.iter().find(|(_, known)| *known == word).map(|(host, _)| *host).expect("a host")
    });
    let live = said(folder, LIVE);
    assert!(!texts.is_empty() || live.is_some(), "no manifest and no record in {}", folder.display());
    let mut builder = Builder::new(host, &applications, &[]);
    let of = |wanted: Kind| -> Vec<Source<'_>> {
        let these = texts.iter().filter(|(kind, ..)| *kind == wanted);
        these.map(|(_, name, text)| Source { name, text }).collect()
    };
    let composes = of(Kind::Compose);
    if !composes.is_empty() {
        let read = compose::parse(&composes, &|_| None, &mut |_| Err("not here".to_owned()), &Profiles::none());
        lower::compose::add(&mut builder, &read.expect("a Compose project"), None);
    }
    let objects = of(Kind::Kubernetes);
    if !objects.is_empty() {
        lower::kubernetes::add(&mut builder, &kubernetes::parse(&objects));
    }
    let quadlets = of(Kind::Quadlet);
    if !quadlets.is_empty() {
        lower::quadlet::add(&mut builder, &quadlet::parse(&quadlets));
    }
    let scripts = of(Kind::DockerRun);
    if !scripts.is_empty() {
        lower::docker_run::add(&mut builder, &docker_run::parse(&scripts));
    }
    for source in of(Kind::Dockerfile) {
        lower::dockerfile::add(&mut builder, &dockerfile::parse(source).expect("a Dockerfile"));
    }
    if let Some(record) = live {
        let record: Live = serde_json::from_str(&record).expect("a record of what was seen");
        lower::live::add(&mut builder, &record);
    }
    builder.finish()
}

fn findings(folder: &Path) -> Vec<(String, Weighed)> {
    let graph = graph(folder);
    let assumed =
        said(folder, "mode").map(|mode| if mode == "wal" { JournalFamily::Wal } else { JournalFamily::Rollback });
    let shown = |weighed: Weighed| {
        let place = weighed.finding.span.map_or("-".to_owned(), |span| {
            format!("{}:{}:{}", graph.file_of(span), span.start.line, span.start.column)
        });
        (format!("{} {} {place}", weighed.finding.rule, weighed.severity.word()), weighed)
    };
    check::judge(&graph, assumed).into_iter().map(shown).collect()
}

#[test]
fn unsafe_examples_give_what_is_expected_and_nothing_else() {
    for rule in RULES {
        let folders = folders(rule.name, "unsafe");
        assert!(!folders.is_empty(), "no unsafe example of {}", rule.name);
        for folder in folders {
            let found = findings(&folder);
            let mut lines: Vec<String> = found.iter().map(|(line, _)| line.clone()).collect();
            lines.sort();
            if std::env::var_os("WALPROOF_BLESS").is_some() {
                fs::write(folder.join("expected"), lines.join("\n") + "\n").expect("written");
            }
            let expected = said(&folder, "expected").unwrap_or_default();
            let mut expected: Vec<&str> = expected.lines().collect();
            expected.sort_unstable();
            assert_eq!(lines, expected, "{}", folder.display());
            let own = found.iter().any(|(_, weighed)| weighed.finding.rule == rule.name);
            assert!(own, "{} does not find its own example {}", rule.name, folder.display());
        }
    }
}

#[test]
fn safe_examples_give_nothing_of_the_rule_and_nothing_unsafe() {
    for rule in RULES {
        let folders = folders(rule.name, "safe");
        assert!(!folders.is_empty(), "no safe example of {}", rule.name);
        for folder in folders {
            for (line, weighed) in findings(&folder) {
                assert!(weighed.finding.rule != rule.name, "{}: {line}", folder.display());
                assert!(weighed.severity < Severity::Unsafe, "{}: {line}", folder.display());
            }
        }
    }
}

#[test]
fn findings_say_why_and_what_to_do() {
    for rule in RULES {
        for folder in folders(rule.name, "unsafe") {
            for (line, weighed) in findings(&folder) {
                let finding = &weighed.finding;
                assert!(finding.span.is_some() || !finding.seen_at.is_empty(), "{}: {line}", folder.display());
                for text in [&finding.message, &finding.because, &finding.remedy] {
                    assert!(!text.is_empty() && !text.ends_with('.'), "{}: {line}: `{text}`", folder.display());
                }
            }
        }
    }
}

/// Rounds of fixing in which one change may make room for another.
const ROUNDS_MAX: usize = 8;

/// What is unsafe after every fix that is offered, and why it is left.
///
/// `mended`: the rules whose findings went, for the test that every fix mends something.
fn left_after_fixing(folder: &Path, mended: &mut BTreeSet<&'static str>) -> Vec<(&'static str, String)> {
    let assumed =
        said(folder, "mode").map(|mode| if mode == "wal" { JournalFamily::Wal } else { JournalFamily::Rollback });
    let named: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    let mut texts = texts(folder);
    let before: Vec<_> = texts.iter().map(|(_, name, text)| (name.clone(), text.clone())).collect();
    let mut first: Option<BTreeSet<&'static str>> = None;
    for _ in 0..ROUNDS_MAX {
        let graph = graph_of(folder, &texts);
        let found = check::judge(&graph, assumed);
        let rules: BTreeSet<&'static str> = found.iter().map(|weighed| weighed.finding.rule).collect();
        let first = first.get_or_insert_with(|| rules.clone());
        let pairs: Vec<(&str, &str)> = texts.iter().map(|(_, name, text)| (name.as_str(), text.as_str())).collect();
        let plan = fixes::plan(&graph, &found, &pairs, &named, &|_| None);
        if plan.fixes.is_empty() {
            mended.extend(first.difference(&rules));
            let comments = |text: &str| fixes::comments(text).map(|found| found.join("\n"));
            for ((kind, name, text), (_, old)) in texts.iter().zip(&before) {
                let yaml = matches!(kind, Kind::Compose | Kind::Kubernetes);
                assert!(!yaml || comments(text) == comments(old), "{}: comments of {name}", folder.display());
            }
            let left = plan.left.into_iter().filter(|left| found[left.finding].severity == Severity::Unsafe);
            return left.map(|left| (left.rule, left.reason)).collect();
        }
        for change in plan.changed {
            let slot = texts.iter_mut().find(|(_, name, _)| *name == change.name).expect("the file");
            slot.2 = change.new;
        }
    }
    panic!("{} is not at rest after {ROUNDS_MAX} rounds of fixing", folder.display());
}

#[test]
fn fixed_fixtures_have_no_unsafe_finding_left() {
    let mut mended = BTreeSet::new();
    for rule in RULES {
        for folder in folders(rule.name, "unsafe") {
            // At rest no fix is offered any more; what is left says why.
            for (left, reason) in left_after_fixing(&folder, &mut mended) {
                println!("{}: {left}: {reason}", folder.display());
                assert!(!reason.is_empty());
            }
        }
    }
    let idle: Vec<&str> = fixes::FIXES.iter().map(|change| change.rule).filter(|rule| !mended.contains(rule)).collect();
    assert!(idle.is_empty(), "fixes that mend no example of their rule: {idle:?}");
}

/// A manifest of ours in which the application says where its database lies, so that there is something to judge.
fn own_manifest(format: Format, asked: &Asked) -> String {
    let text = sound_manifest::write(format, asked).expect("taken");
    let (before, after) = match format {
        Format::Compose => {
            ("SQLITE_TMPDIR: /tmp\n", "SQLITE_TMPDIR: /tmp\n      DATABASE_URL: sqlite:////data/app.db\n")
        }
        Format::Kubernetes => (
            "          env:\n",
            "          env:\n            - name: DATABASE_URL\n              value: sqlite:////data/app.db\n",
        ),
    };
    text.replacen(before, after, 1)
}

#[test]
fn written_manifests_give_no_finding() {
    let image = "example/app:1".to_owned();
    let plain = Asked { image, path: "/data/app.db".to_owned(), size: "1Gi".to_owned(), ..Asked::default() };
    let copiers = [
        Backup::None,
        Backup::VacuumInto("example/sqlite:3.51.3".to_owned()),
        Backup::Litestream("litestream/litestream:0.5".to_owned()),
    ];
    for (format, name) in [(Format::Compose, "compose.yaml"), (Format::Kubernetes, "app.yaml")] {
        for (port, class) in [(None, None), (Some(80), None), (None, Some("fast")), (Some(80), Some("fast"))] {
            for backup in &copiers {
                let user = Some("1000".to_owned());
                let class = class.map(str::to_owned);
                let asked = Asked { port, user, backup: backup.clone(), storage_class: class, ..plain.clone() };
                let text = own_manifest(format, &asked);
                let kind = kind_of(name, &text).expect("a manifest");
                let graph = graph_of(Path::new("/nowhere"), &[(kind, name.to_owned(), text.clone())]);
                for weighed in check::judge(&graph, Some(JournalFamily::Wal)) {
                    // What nobody can tell from text is which storage a class gives; the text says so too.
                    let finding = &weighed.finding;
                    let told = format!("{} {}: {}", finding.rule, weighed.severity.word(), finding.message);
                    assert!(format == Format::Kubernetes && weighed.severity == Severity::Unknown, "{told}\n{text}");
                }
                assert!(graph.all_databases().count() > 0, "nothing was judged:\n{text}");
            }
        }
    }
}
