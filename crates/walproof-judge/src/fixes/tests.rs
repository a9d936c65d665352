//! Fixes on graphs made by hand, in every style that YAML has, and what they must never do.

use super::*;
use crate::finding::Certainty;
use crate::manifest::compose::Selinux;
use crate::manifest::kubernetes::AccessMode;
use crate::manifest::{Place, SourceFile, Span, Spanned};
use crate::rules::{About, Finding, Judged, RULES, Severity};
use crate::sharing::{
    Access, Copies, CopiesBy, MountId, Nature, OpenOption, Rollout, Storage, StorageId, StorageKind, Workload,
    WorkloadId, WorkloadKind,
};

/// A case: a text and the graph of one workload in it.
struct Case {
    name: &'static str,
    text: String,
    graph: Graph,
}

impl Case {
    fn new(name: &'static str, text: &str, kind: WorkloadKind) -> Self {
        let files = vec![SourceFile { name: name.to_owned(), directory: String::new() }];
        let workload = Workload { pod: 1, ..Workload::new(kind, "web") };
        let mut graph = Graph::default();
        graph.files = files;
        graph.workloads = vec![workload];
        let mut case = Self { name, text: text.to_owned(), graph };
        case.graph.workloads[0].span = case.find("web");
        case
    }

    /// Where a text stands, the first time.
    fn find(&self, needle: &str) -> Option<Span> {
        let at = self.text.find(needle)?;
        let place = |at: usize| {
            let before = &self.text[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            Place { line: u32::try_from(line).expect("small"), column: u32::try_from(column).expect("small") }
        };
        Some(Span { source: 0, start: place(at), end: place(at + needle.len()) })
    }

    fn storage(&mut self, kind: StorageKind, options: &[&str], written: &str) {
        let span = self.find(written);
        let options = options.iter().map(|option| Spanned::new((*option).to_owned(), span.expect("written")));
        let options = options.collect();
        let storage = Storage {
            kind,
            nature: Nature::Local,
            because: String::new(),
            span,
            options,
            access: None,
            own_for_each_copy: false,
        };
        self.graph.storages.push(storage);
    }

    fn offer(&self, rule: &'static str) -> Result<Fix, String> {
        let about = About {
            workload: Some(WorkloadId(0)),
            storage: Some(StorageId(0)).filter(|_| !self.graph.storages.is_empty()),
            mount: Some(MountId(0)).filter(|_| !self.graph.mounts.is_empty()),
            database: None,
        };
        let finding = Finding {
            rule,
            judged: Judged::always(Severity::Unsafe),
            certainty: Certainty::Suspected,
            span: None,
            seen_at: String::new(),
            message: String::new(),
            because: String::new(),
            remedy: String::new(),
            related: Vec::new(),
            about,
            settle: None,
        };
        let weighed = Weighed { severity: Severity::Unsafe, finding, depends: String::new() };
        offer(&self.graph, &weighed, &[(self.name, &self.text)])
    }

    /// The text after the fix, with its comments as they were.
    #[track_caller]
    fn fixed(&self, rule: &'static str) -> String {
        let fix = self.offer(rule).unwrap_or_else(|why| panic!("{rule}: {why}\n{}", self.text));
        let new = apply(&self.text, &fix.edits).expect("applies");
        assert_eq!(comments(&new).expect("YAML"), comments(&self.text).expect("YAML"), "{new}");
        new
    }

    #[track_caller]
    fn refused(&self, rule: &'static str, because: &str) {
        let why = self.offer(rule).expect_err("no fix");
        assert!(why.contains(because), "{why}");
    }
}

fn deployment(text: &str) -> Case {
    Case::new(
        "app.yaml",
        &format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n{text}"),
        WorkloadKind::Deployment,
    )
}

#[track_caller]
fn recreates(before: &str, after: &str) {
    let fixed = deployment(before).fixed("overlapping-rollout");
    assert_eq!(fixed.split_once("web}\n").map(|(_, rest)| rest), Some(after));
}

#[test]
fn a_strategy_comes_in_where_there_is_none() {
    recreates(
        "spec:\n  # how many\n  replicas: 1 # one\n  # what\n  template: {}\n",
        "spec:\n  # how many\n  replicas: 1 # one\n  strategy:\n    type: Recreate\n  # what\n  template: {}\n",
    );
    recreates(
        "spec:\n    template:\n        spec:\n            x: y",
        "spec:\n    template:\n        spec:\n            x: y\n    strategy:\n        type: Recreate",
    );
    recreates("spec: {template: {}}\n", "spec: {strategy: {type: Recreate}, template: {}}\n");
    recreates("spec: {\n  replicas: 1\n  }\n", "spec: {\n  strategy: {type: Recreate},\n  replicas: 1\n  }\n");
}

#[test]
fn a_strategy_that_is_there_changes() {
    recreates("spec:\n  strategy:\n  replicas: 1\n", "spec:\n  strategy: {type: Recreate}\n  replicas: 1\n");
    recreates("spec:\n  strategy: {} # none\n", "spec:\n  strategy: {type: Recreate} # none\n");
    recreates(
        "spec:\n  strategy:\n    type: 'RollingUpdate' # a\n    rollingUpdate: # b\n      maxSurge: 1 # c\n      # d\n      maxUnavailable: 0\n  x: 1\n",
        "spec:\n  strategy:\n    type: 'Recreate' # a\n    # b\n    # c\n    # d\n  x: 1\n",
    );
    recreates(
        "spec:\n  strategy:\n    rollingUpdate:\n      maxSurge: 1\n  x: 1\n",
        "spec:\n  strategy:\n    type: Recreate\n  x: 1\n",
    );
    recreates(
        "spec: {strategy: {rollingUpdate: {maxSurge: 1}, type: RollingUpdate}}\n",
        "spec: {strategy: {type: Recreate}}\n",
    );
    recreates(
        "x: &s {type: RollingUpdate}\nspec:\n  strategy: *s\n",
        "x: &s {type: RollingUpdate}\nspec:\n  strategy: {type: Recreate}\n",
    );
}

#[test]
fn what_others_use_is_not_changed_behind_their_back() {
    deployment("spec:\n  strategy: &s\n    type: RollingUpdate\ny: *s\n").refused("overlapping-rollout", "anchor");
    deployment("spec: &s\n  x: 1\ny: *s\n").refused("overlapping-rollout", "anchor");
    deployment("x: &s {type: RollingUpdate}\nspec:\n  strategy: {<<: *s}\n").refused("overlapping-rollout", "merged");
}

#[test]
fn a_cron_job_forbids_a_second_one() {
    let text =
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web}\nspec:\n  # when\n  schedule: '@daily' # x\n";
    let fixed = Case::new("app.yaml", text, WorkloadKind::CronJob).fixed("overlapping-rollout");
    assert_eq!(fixed, format!("{text}  concurrencyPolicy: Forbid\n"));
}

#[test]
fn json_and_ends_of_lines_stay() {
    let text = "{\"kind\": \"Deployment\",\r\n \"metadata\": {\"name\": \"web\"}, \"spec\": {\"replicas\": 1}}";
    let fixed = Case::new("app.json", text, WorkloadKind::Deployment).fixed("overlapping-rollout");
    assert_eq!(fixed, text.replace("{\"replicas\"", "{\"strategy\": {\"type\": \"Recreate\"}, \"replicas\""));
}

#[test]
fn copies_and_orders_are_replaced_where_they_stand() {
    let text = "services:\n  web:\n    deploy: {replicas: '3', update_config: {order: start-first}} # x\n    stop_grace_period: 1s\n";
    let mut case = Case::new("compose.yaml", text, WorkloadKind::Service);
    let span = case.find("'3'");
    case.graph.workloads[0].copies = Copies { count_max: Some(3), by: CopiesBy::Written, span };
    let span = case.find("start-first");
    case.graph.workloads[0].rollout = Rollout { overlap: crate::sharing::Overlap::Yes, span };
    assert_eq!(case.fixed("several-writers-by-replicas"), text.replace('3', "1"));
    assert_eq!(case.fixed("start-first-rollout"), text.replace("start-first", "stop-first"));
}

#[test]
fn an_autoscaler_is_held_at_one() {
    let text =
        "kind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  minReplicas: 2\n  maxReplicas: 5 # many\n";
    let mut case = Case::new("app.yaml", &format!("apiVersion: v2\n{text}"), WorkloadKind::Deployment);
    case.graph.workloads[0].copies =
        Copies { count_max: Some(5), by: CopiesBy::Autoscaler, span: case.find("5 #").map(one_wide) };
    let fixed = case.fixed("autoscaled-database");
    assert!(fixed.ends_with("  minReplicas: 1\n  maxReplicas: 1 # many\n"), "{fixed}");
}

fn one_wide(span: Span) -> Span {
    Span { end: Place { column: span.start.column + 1, ..span.start }, ..span }
}

#[test]
fn a_claim_is_one_for_a_pod_if_it_has_no_other() {
    let text = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: web}\nspec:\n  accessModes:\n  - ReadWriteOnce # x\n";
    let mut case = Case::new("app.yaml", text, WorkloadKind::Deployment);
    case.storage(StorageKind::Claim("default".to_owned(), "web".to_owned()), &[], "accessModes");
    let span = case.find("ReadWriteOnce").expect("it");
    let access = Access { modes: vec![Spanned::new(AccessMode::ReadWriteOnce, span)], span };
    case.graph.storages[0].access = Some(access);
    case.graph.mounts.push(mount(None));
    assert_eq!(case.fixed("access-mode-trusted"), text.replace("ReadWriteOnce", "ReadWriteOncePod"));
    let fix = case.offer("access-mode-trusted").expect("a fix");
    assert!(fix.moves_data && fix.needs.iter().any(|step| step.commands.iter().any(|line| line.contains("Retain"))));
    case.graph.workloads.push(Workload { pod: 2, ..Workload::new(WorkloadKind::CronJob, "backup") });
    case.graph.mounts.push(crate::sharing::Mount { workload: WorkloadId(1), ..mount(None) });
    case.refused("access-mode-trusted", "`backup` mounts the claim too");
}

fn mount(span: Option<Span>) -> crate::sharing::Mount {
    crate::sharing::Mount {
        workload: WorkloadId(0),
        storage: StorageId(0),
        sub_path: None,
        target: "/data".to_owned(),
        is_file: None,
        read_only: false,
        selinux: None,
        source: None,
        span,
    }
}

#[track_caller]
fn makes_tmp(name: &'static str, kind: WorkloadKind, before: &str, after: &str) {
    assert_eq!(Case::new(name, before, kind).fixed("no-temp-directory"), after);
}

#[test]
fn a_service_gets_a_temporary_directory() {
    let service = |before: &str, after: &str| {
        let whole = |rest: &str| format!("services:\n  web:\n{rest}");
        makes_tmp("compose.yaml", WorkloadKind::Service, &whole(before), &whole(after));
    };
    service("    image: x # y\n    ports: [1]\n", "    image: x # y\n    tmpfs: [/tmp]\n    ports: [1]\n");
    service("    tmpfs:\n      - /run # r\n    image: x", "    tmpfs:\n      - /run # r\n      - /tmp\n    image: x");
    service("    tmpfs:\n    - /run\n", "    tmpfs:\n    - /run\n    - /tmp\n");
    service("    tmpfs: [/run]\n", "    tmpfs: [/run, /tmp]\n");
    service("    tmpfs: /run # r\n", "    tmpfs: [/run, /tmp] # r\n");
    service("    tmpfs: /run:size=1m,mode=1777\n", "    tmpfs: ['/run:size=1m,mode=1777', /tmp]\n");
    service("    tmpfs:\n    image: x\n", "    tmpfs: [/tmp]\n    image: x\n");
    let text = "x: &x {image: y}\nservices: {web: *x, other: *x}\n";
    Case::new("compose.yaml", text, WorkloadKind::Service).refused("no-temp-directory", "alias");
}

#[test]
fn a_pod_gets_a_temporary_directory() {
    let pod = |before: &str, after: &str| {
        let whole = |rest: &str| format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n{rest}");
        makes_tmp("app.yaml", WorkloadKind::Pod, &whole(before), &whole(after));
    };
    pod(
        "  containers:\n  - name: c\n    image: x # y\n  restartPolicy: Always\n",
        "  containers:\n  - name: c\n    image: x # y\n    volumeMounts:\n      - name: tmp\n        mountPath: /tmp\n  restartPolicy: Always\n  volumes:\n    - name: tmp\n      emptyDir: {}\n",
    );
    pod(
        "  containers:\n    - name: c\n      volumeMounts:\n        - name: tmp\n          mountPath: /d\n  volumes:\n    - {name: tmp}\n",
        "  containers:\n    - name: c\n      volumeMounts:\n        - name: tmp\n          mountPath: /d\n        - name: tmp-files\n          mountPath: /tmp\n  volumes:\n    - {name: tmp}\n    - name: tmp-files\n      emptyDir: {}\n",
    );
    pod(
        "  containers: [{name: c, volumeMounts: []}]\n  volumes: []\n",
        "  containers: [{name: c, volumeMounts: [{name: tmp, mountPath: /tmp}]}]\n  volumes: [{name: tmp, emptyDir: {}}]\n",
    );
}

#[test]
fn labels_and_options_change_alone() {
    let text = "services:\n  web:\n    volumes:\n      - \"./Z:/data:ro,Z\" # :Z, as it was\n";
    let mut case = Case::new("compose.yaml", text, WorkloadKind::Service);
    let span = case.find("\"./Z:/data:ro,Z\" # :Z, as it was");
    let selinux = span.map(|span| Spanned::new(Selinux::Private, span));
    case.graph.mounts.push(crate::sharing::Mount { selinux, ..mount(span) });
    assert_eq!(case.fixed("selinux-private-label"), text.replace("ro,Z", "ro,z"));

    let text = "volumes:\n  d:\n    driver_opts: {o: \"addr=10.0.0.1,nolock,soft\"} # nolock\n# web\n";
    let mut case = Case::new("compose.yaml", text, WorkloadKind::Service);
    case.storage(
        StorageKind::Named("d".to_owned()),
        &["addr=10.0.0.1", "nolock", "soft"],
        "\"addr=10.0.0.1,nolock,soft\"",
    );
    assert_eq!(case.fixed("nolock-mount"), text.replacen("nolock", "lock", 1));
    assert_eq!(case.fixed("soft-mount"), text.replace("soft", "hard"));
    case.refused("nobrl-mount", "not written");
}

#[test]
fn every_change_is_sorted_and_every_rule_is_answered() {
    assert!(FIXES.windows(2).all(|pair| pair[0].rule < pair[1].rule));
    assert!(BY_HAND.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(BY_HAND.iter().all(|(rule, _)| FIXES.iter().all(|change| change.rule != *rule)));
    let answered =
        |name: &str| FIXES.iter().any(|change| change.rule == name) || BY_HAND.iter().any(|(rule, _)| *rule == name);
    let bare: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !answered(name)).collect();
    assert!(bare.is_empty(), "neither a change in FIXES nor a reason in BY_HAND: {bare:?}");
    assert!(FIXES.iter().all(|change| !change.line.is_empty()));
}

/// One compose file in every style: two and four spaces, lists in and out, both ends of lines, with and without the last
/// one; whatever is changed, the comments stay and the rest is the same text.
#[test]
fn comments_stay_in_every_style() {
    for (step, inset, newline, ending) in styles() {
        let text = variant(step, inset, newline, ending);
        let mut case = Case::new("compose.yaml", &text, WorkloadKind::Service);
        let span = case.find("start-first");
        case.graph.workloads[0].rollout = Rollout { overlap: crate::sharing::Overlap::Yes, span };
        let mut span = case.find("replicas: 3").expect("it");
        span.start.column += 10;
        case.graph.workloads[0].copies = Copies { count_max: Some(3), by: CopiesBy::Written, span: Some(span) };
        let written = "\"sqlite:///data/a.db?immutable=1\"";
        let span = case.find(written).expect("it");
        case.graph.databases.push(database(span));
        for rule in ["start-first-rollout", "several-writers-by-replicas", "no-temp-directory"] {
            let fixed = case.fixed(rule);
            assert_eq!(fixed.matches('\r').count(), if newline == "\n" { 0 } else { fixed.matches('\n').count() });
            assert_eq!(fixed.ends_with('\n'), text.ends_with('\n'));
            let kept = text.lines().filter(|line| fixed.lines().any(|other| other == *line)).count();
            assert!(kept + 1 >= text.lines().count(), "{fixed}");
        }
    }
}

fn styles() -> impl Iterator<Item = (usize, usize, &'static str, bool)> {
    let ends = [("\n", true), ("\n", false), ("\r\n", true), ("\r\n", false)];
    let ends = move |step, inset| ends.into_iter().map(move |(newline, ending)| (step, inset, newline, ending));
    [(2, 0), (2, 2), (4, 0), (4, 4), (3, 1)].into_iter().flat_map(move |(step, inset)| ends(step, inset))
}

fn variant(step: usize, inset: usize, newline: &str, ending: bool) -> String {
    let lines = [
        (0, 0, "# top: 'not a key'"),
        (0, 0, "services: # all"),
        (1, 0, "# before"),
        (1, 0, "web: &w"),
        (2, 0, "image: \"x#y\" # z"),
        (2, 0, "environment:"),
        (2, inset, "- \"sqlite:///data/a.db?immutable=1\" # why"),
        (2, 0, "deploy: # here"),
        (3, 0, "replicas: 3 # too many"),
        (3, 0, "update_config: {order: start-first} # quick"),
        (2, 0, "command: |"),
        (3, 0, "echo # no comment"),
        (0, 0, "# last"),
    ];
    let lines: Vec<String> =
        lines.iter().map(|(depth, inset, text)| format!("{}{text}", " ".repeat(depth * step + inset))).collect();
    lines.join(newline) + if ending { newline } else { "" }
}

fn database(span: Span) -> crate::sharing::Database {
    crate::sharing::Database {
        workload: WorkloadId(0),
        path: "/data/a.db".to_owned(),
        is_directory: false,
        evidence: crate::sharing::Evidence {
            kind: crate::sharing::EvidenceKind::Address,
            because: String::new(),
            span: Some(span),
        },
        mode: crate::sharing::Mode::not_known(),
        options: vec![OpenOption { name: "immutable".to_owned(), value: Spanned::new("1".to_owned(), span) }],
    }
}
