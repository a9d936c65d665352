//! A made-up storage where every call takes so long, weighed as a measured one.

use walproof_format::measure::{CallKind, CallTime, CheckpointTime};

use super::*;

/// Each call takes `ns`, SQLite's calls likewise, its processor `own_ns` for a commit.
fn round(ns: u64, commit_ns: u64, inside_ns: u64, is_log: bool) -> Round {
    let one = |ns| {
        let mut latency = Histogram::default();
        latency.record(ns);
        latency
    };
    let calls = CallKind::ALL.iter().map(|&call| CallTime { call, latency: one(ns) }).collect();
    let calls = CallTimes { repetitions: 1, calls };
    let inside = vec![GroupTime { group: CallGroup::Sync, count: 1, total_ns: inside_ns, max_ns: inside_ns }];
    let checkpoint = CheckpointTime { ns: 150 * ns, pages: 64, inside: inside.clone() };
    let commits = CommitTimes {
        latency: one(commit_ns),
        inside,
        restart_ns: is_log.then_some(commit_ns),
        checkpoint: is_log.then_some(checkpoint),
    };
    Round { calls: calls.clone(), checkpoint_calls: calls.clone(), restart_calls: calls, commits }
}

fn measurements(mode: JournalMode, level: Synchronous, rounds: Vec<Round>) -> Measurements {
    let mut reads = Histogram::default();
    reads.record(2_000);
    Measurements { settings: settings::plain(mode, level), rounds, reads, refused: None }
}

fn evidence(modes: Vec<Measurements>) -> Evidence {
    Evidence {
        directory: "/srv".into(),
        conditions: vec![],
        sqlite: "3".into(),
        survey: CallTimes::default(),
        not_measured: vec![],
        modes,
        variants: vec![],
        mount_options: vec![],
    }
}

/// WAL at FULL is nine calls of 1 us and 1 us of its own; so is what SQLite took.
fn even() -> Vec<Measurements> {
    let own = 1_000;
    vec![
        measurements(JournalMode::Wal, Synchronous::Off, vec![round(1_000, 8_000 + own, 8_000, true); 3]),
        measurements(JournalMode::Wal, Synchronous::Full, vec![round(1_000, 9_000 + own, 9_000, true); 3]),
    ]
}

#[test]
fn where_calls_cost_the_same_alone_the_prediction_is_right() {
    let report = weigh(evidence(even()));
    let row = report.modes.iter().find(|row| row.synchronous == Synchronous::Full).expect("a row");
    assert_eq!(row.cost.0.commit_ns, row.cost.1.commit_ns);
    assert!((row.ratio - 1.0).abs() < 0.03, "{}", row.ratio);
    assert_eq!(row.explanation, "as predicted");
}

#[test]
fn one_mad_round_moves_neither_side() {
    let mut modes = even();
    modes[1].rounds[1] = round(900_000, 10_000, 9_000, true);
    let row = weigh(evidence(modes)).modes.pop().expect("a row");
    assert!((row.ratio - 1.0).abs() < 0.03, "{}", row.ratio);
}

#[test]
fn a_gap_is_told_with_its_part() {
    let mut modes = even();
    modes[1].rounds.iter_mut().for_each(|round| *round = self::round(1_000, 60_000, 59_000, true));
    let row = weigh(evidence(modes)).modes.pop().expect("a row");
    assert!(row.ratio > 2.0 && row.explanation.starts_with("sync: "), "{} {}", row.ratio, row.explanation);
}

#[test]
fn without_its_calibration_nothing_is_predicted() {
    let full_alone = vec![even().remove(1)];
    let report = weigh(evidence(full_alone));
    assert!(report.modes.is_empty());
    assert_eq!(report.settings.len(), 3, "what was measured is compared all the same");
}

#[test]
fn off_is_compared_and_never_on_the_front() {
    let report = weigh(evidence(even()));
    let off = report.settings.iter().find(|candidate| candidate.settings.synchronous == "off").expect("measured");
    assert!(!off.on_front && off.promise == Promise::MayCorrupt);
    assert!(report.settings.iter().any(|candidate| candidate.on_front));
    assert!(report.tuning.iter().all(|line| !line.contains("synchronous=off")));
    assert!(report.limits[0].contains("no setting makes WAL safe"));
}

#[test]
fn what_refuses_is_told_and_stops_nothing() {
    let mut modes = even();
    let refused = "SQLITE_IOERR_SHMMAP".to_owned();
    modes.push(Measurements { refused: Some(refused), ..measurements(JournalMode::Delete, Synchronous::Full, vec![]) });
    let report = weigh(evidence(modes));
    assert_eq!(report.not_measured, ["delete full, pages of 4096 bytes: SQLITE_IOERR_SHMMAP"]);
    assert_eq!(report.modes.len(), 2);
}

#[test]
fn the_interval_of_a_median_narrows_with_the_rounds() {
    let even = |count: u32| interval((1..=count).map(f64::from).collect());
    assert_eq!(even(8), (1.0, 8.0));
    assert_eq!(even(100), (38.0, 63.0));
    assert_eq!(even(0), (0.0, 0.0));
}

#[test]
fn rounds_without_a_checkpoint_take_that_of_others() {
    let mut modes = even();
    for round in modes.iter_mut().flat_map(|of| &mut of.rounds[1..]) {
        round.commits.checkpoint = None;
        round.commits.restart_ns = None;
        (round.checkpoint_calls, round.restart_calls) = Default::default();
    }
    let row = weigh(evidence(modes)).modes.pop().expect("a row");
    assert_eq!(row.rounds, 3);
    assert!((row.ratio - 1.0).abs() < 0.03 && row.cost.1.checkpoint_ns == 150_000.0, "{row:?}");
}

#[test]
fn where_syncs_promise_nothing_no_setting_is_praised() {
    let memory = crate::mountinfo::Mount { fstype: "tmpfs".into(), ..Default::default() };
    let report = weigh(Evidence { mount_options: mount_options::in_force(&memory), ..evidence(even()) });
    assert_eq!(report.tuning.len(), 1);
    assert!(report.tuning[0].contains("no setting keeps anything"), "{}", report.tuning[0]);
}
