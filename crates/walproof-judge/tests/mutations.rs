//! Manifests broken at random, from the fixtures of all rules: whatever a reader still makes of them, the way to the
//! graph and every rule stand it, and every place that they name is in a file.
//!
//! What it must not do: judge what comes out.
//!
//! Where to look next: `manifest::mutation`, and `tests/rules.rs` for what has to come out of whole ones.

mod graphs;
#[path = "../src/manifest/mutation.rs"]
mod mutation;

use std::fs;
use std::path::Path;

use graphs::graph;
use mutation::{Numbers, mutated};
use walproof_judge::check;
use walproof_judge::manifest::Source;
use walproof_judge::manifest::recognise::{Kind, kind_of};
use walproof_judge::sharing::Host;

const ROUND_COUNT: usize = 1_500;
const PIECES: &[&str] = &[
    "\n",
    ":",
    "/",
    "/data",
    "/data/app.db",
    "-wal",
    "./",
    ".",
    "..",
    "%h/",
    "$HOME",
    "${X}",
    ":Z",
    ":ro",
    "volumes_from: [app]\n",
    "volumes_from: [worker, app]\n",
    "    ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "user: \"4294967296:-1\"\n",
    "read_only: true\n",
    "runtime: kata\n",
    "external: true",
    "scale: 0\n",
    "Volume=",
    "ReadOnly=true\n",
    "UserNS=auto\n",
    "StopTimeout=18446744073709551615\n",
    "VOLUME /data\n",
    "COPY app.db /data\n",
    "FROM base AS base\n",
    "--volumes-from app ",
    "--stop-timeout 9223372036854775807 ",
    "ü",
];

/// Every text of the fixtures with its name.
fn texts() -> Vec<(Kind, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/manifests");
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for case in folders(&root).flat_map(|rule| folders(&rule).collect::<Vec<_>>()) {
        for path in folders(&case) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            found.extend(kind_of(&name, &text).map(|kind| (kind, name, text)));
        }
    }
    found.sort_by(|one, two| (&one.1, &one.2).cmp(&(&two.1, &two.2)));
    found
}

#[test]
fn any_manifest_is_judged() {
    let texts = texts();
    let mut numbers = Numbers(90);
    let mut finding_count = 0;
    for kind in [Kind::Compose, Kind::Quadlet, Kind::DockerRun, Kind::Dockerfile, Kind::Kubernetes] {
        let of_kind: Vec<(&str, &str)> =
            texts.iter().filter(|(of, ..)| *of == kind).map(|(_, name, text)| (name.as_str(), text.as_str())).collect();
        assert!(!of_kind.is_empty(), "{kind:?}");
        let all: Vec<&str> = of_kind.iter().map(|(_, text)| *text).collect();
        for _ in 0..ROUND_COUNT {
            let name = of_kind[numbers.below(of_kind.len())].0;
            let one = mutated(&mut numbers, &all, PIECES);
            // Beside a whole one more of it gets as far as the rules.
            let (other, two) = of_kind[numbers.below(of_kind.len())];
            let sources = [Source { name, text: &one }, Source { name: other, text: two }];
            let host = Host::ALL[numbers.below(Host::ALL.len())].0;
            let graph = graph(kind, &sources[..1 + numbers.below(2)], host);
            for weighed in check::judge(&graph, None) {
                let related = weighed.finding.related.iter().map(|related| related.span);
                for span in weighed.finding.span.into_iter().chain(related) {
                    assert!(span.source < graph.files.len(), "{weighed:?}\n{one}\n{two}");
                }
                finding_count += 1;
            }
        }
    }
    // Too few would mean that nothing got as far as the rules.
    assert!(finding_count > ROUND_COUNT / 4, "{finding_count} findings");
}
