//! The fix of `single-file-mount` on whole Compose files, as a user has them.

use super::*;
use crate::check;
use crate::manifest::Source;
use crate::manifest::compose::{self, Profiles};
use crate::sharing::lower::{self, Builder};
use crate::sharing::{Applications, Host};

const NAME: &str = "compose.yaml";

fn offers(text: &str) -> Vec<Result<Fix, String>> {
    let source = Source { name: NAME, text };
    let read = compose::parse(&[source], &|_| None, &mut |_| Err("not here".to_owned()), &Profiles::none());
    let applications = Applications::built_in();
    let mut builder = Builder::new(Host::Linux, &applications, &[]);
    lower::compose::add(&mut builder, &read.expect("a project"), None);
    let graph = builder.finish();
    let found = check::judge(&graph, None);
    let own = found.iter().filter(|weighed| weighed.finding.rule == "single-file-mount");
    own.map(|weighed| offer(&graph, weighed, &[(NAME, text)])).collect()
}

#[track_caller]
fn becomes(text: &str, expected: &str) -> Fix {
    let fix = offers(text).remove(0).unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert!(fix.moves_data);
    assert_eq!(apply(text, &fix.edits).expect("applies"), expected);
    fix
}

#[track_caller]
fn refused(text: &str, because: &str) {
    let offers = offers(text);
    assert!(!offers.is_empty(), "nothing found in {text}");
    for offer in offers {
        let why = offer.expect_err("no fix");
        assert!(why.contains(because), "{why}");
    }
}

fn service(mounts: &str) -> String {
    format!(
        "services:\n  app:\n    image: example/app\n    environment: {{U: \"sqlite:///data/app.db\"}}\n    volumes: {mounts}\n"
    )
}

#[test]
fn every_form_of_a_mount_changes_at_its_place() {
    becomes(&service("[\"./app.db:/data/app.db\"] # why"), &service("[\"./app-data:/data\"] # why"));
    becomes(&service("\n      - ./x/app.db:/data/app.db:rw # a:b"), &service("\n      - ./x/app-data:/data:rw # a:b"));
    becomes(
        &service("\n      - type: bind # t\n        source: './app.db'\n        target: /data/app.db # d"),
        &service("\n      - type: bind # t\n        source: './app-data'\n        target: /data # d"),
    );
    becomes(
        &service("[{type: bind, target: /data/app.db, source: ./app.db}]"),
        &service("[{type: bind, target: /data, source: ./app-data}]"),
    );
}

#[test]
fn the_steps_move_the_log_before_anything_removes_it() {
    let fix = becomes(&service("[\"./app.db:/data/app.db\"]"), &service("[\"./app-data:/data\"]"));
    let commands: Vec<&str> = fix.needs.iter().flat_map(|step| &step.commands).map(String::as_str).collect();
    assert_eq!(
        commands,
        [
            "docker compose stop app",
            "mkdir ./app-data",
            "chown --reference=./app.db ./app-data",
            "docker compose cp app:/data/app.db-wal ./app-data/app.db-wal",
            "docker compose cp app:/data/app.db-journal ./app-data/app.db-journal",
            "ls ./app.db*",
            "mv -n ./app.db ./app-data/app.db",
            "walproof inspect ./app-data/app.db",
            "docker compose up -d",
        ]
    );
}

#[test]
fn two_openers_keep_their_logs_apart() {
    let text = "services:\n  a: {image: x, volumes: [\"./app.db:/data/app.db\"]}\n  b: {image: x, volumes: [\"./app.db:/db/app.db\"]}\n";
    let offers = offers(text);
    assert_eq!(offers.len(), 2);
    for offer in offers {
        let fix = offer.expect("a fix");
        let said = format!("{:?}", fix.needs);
        assert!(
            said.contains("docker compose stop a b")
                && said.contains("app.db-wal.of-a")
                && said.contains("app.db-wal.of-b")
        );
        assert!(said.contains("if several were, stop here"));
    }
}

#[test]
fn what_cannot_be_done_soundly_is_not_offered() {
    let at = |target: &str| format!("services:\n  app: {{image: x, volumes: [\"./app.db:{target}\"]}}\n");
    refused(&at("/app/app.db"), "would hide what the image has there");
    refused(&at("/app.db"), "would hide");
    refused(&at("/usr/src/app/x.db"), "would hide");
    refused(
        "services:\n  a: {image: x, volumes: [\"./app.db:/data/app.db\"]}\n  b: {image: x, volumes: [\"./app.db:/d/other.db\"]}\n",
        "under another name",
    );
    refused(
        "services:\n  a: {image: x, volumes: [\"./s/app.db:/data/app.db\"]}\n  b: {image: x, volumes: [\"./s:/backup\"]}\n",
        "would not find it any more",
    );
    refused(&service("[\"./d:/data\", \"./app.db:/data/app.db\"]"), "is a mount already");
    refused(&service("[\"./app.db:/data/app.db\", \"./b.db:/data/b.db\"]"), "another database is mounted alone");
    refused(
        "x: &v [\"./app.db:/data/app.db\"]\nservices:\n  a: {image: x, volumes: *v}\n  b: {image: x, volumes: *v}\n",
        "anchor",
    );
    refused(&service("[\"${D:-./}app.db:/data/app.db\"]"), "variable `D`");
}

#[test]
fn who_extends_a_service_is_named() {
    let text =
        "services:\n  a:\n    image: x\n    volumes: [\"./app.db:/data/app.db\"]\n  b:\n    extends: {service: a}\n";
    for offer in offers(text) {
        let fix = offer.expect("a fix");
        assert_eq!(fix.also.len(), 1, "{fix:?}");
    }
}

#[test]
fn a_directory_that_anybody_mounts_is_not_the_new_one() {
    let more = "  old:\n    image: x\n    volumes: [\"./app-data/in:/somewhere\"]\n";
    let text = service("[\"./app.db:/data/app.db\"]") + more;
    let fix = becomes(&text, &(service("[\"./app-data-2:/data\"]") + more));
    assert!(fix.makes[0].ends_with("app-data-2"), "{:?}", fix.makes);
}

#[test]
fn the_reason_names_the_variable() {
    let text = service("[\"${DB:-./app.db}:/data/app.db\"]");
    refused(&text, "variable `DB`");
}
