//! Alarms over recorded watches: each is raised where it should be, within two seconds, naming the container, and sound
//! life raises nothing above a notice.
//!
//! `fixtures/watch/ALARM/NAME/moments.jsonl` are the records, `expected` what comes of them: for each change the time since
//! the watch began, what happened, the level, the alarm, who, and the witness below. `WALPROOF_BLESS=1` records the stories of `scenes/stories.rs`
//! anew; read every line of the difference.
//!
//! What it must not do: judge by other code than that of a watch.
//! Where to look next: `walproof_judge::watch::alarms`.

mod scenes;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use scenes::stories::{CALM, STORIES};
use scenes::{EVERY_MS, Scene, random};
use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::watch::alarms::{ALARMS, Level};
use walproof_judge::watch::moment::{Event, Moment};
use walproof_judge::watch::{Raised, Thresholds, Watching};

fn folder(alarm: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/watch").join(alarm).join(name)
}

/// Every change of a watch: milliseconds since it began, whether the alarm went on, the alarm.
fn replay(moments: Vec<Moment>) -> Vec<(u64, bool, Raised)> {
    let mut watching = Watching::new(Thresholds::default());
    let mut all = Vec::new();
    for moment in moments {
        let at = moment.elapsed_ms;
        let changes = watching.observe(moment);
        all.extend(changes.raised.into_iter().map(|one| (at, true, one)));
        all.extend(changes.cleared.into_iter().map(|one| (at, false, one)));
    }
    all
}

fn shown(changes: &[(u64, bool, Raised)]) -> String {
    let mut text = String::new();
    for (at, on, one) in changes {
        let (word, who) = (if *on { "raised" } else { "cleared" }, one.container.as_deref().unwrap_or("-"));
        let level = format!("{:?}", one.level).to_lowercase();
        writeln!(text, "{at} {word} {level} {} container={who}: {}", one.alarm, one.says).expect("a string");
        for line in one.witness.iter().filter(|_| *on) {
            writeln!(text, "    {line}").expect("a string");
        }
    }
    text
}

fn recorded(alarm: &str, name: &str) -> Vec<Moment> {
    let path = folder(alarm, name).join("moments.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

fn bless(alarm: &str, name: &str, scene: &Scene) {
    let folder = folder(alarm, name);
    std::fs::create_dir_all(&folder).expect("a folder for the record");
    let lines = scene.seen.iter().map(|moment| serde_json::to_string(moment).expect("plain data") + "\n");
    std::fs::write(folder.join("moments.jsonl"), lines.collect::<String>()).expect("the record");
    std::fs::write(folder.join("expected"), shown(&replay(scene.seen.clone()))).expect("what is expected");
}

#[test]
fn recorded_watches_raise_what_they_should() {
    let mut wrong = Vec::new();
    for (alarm, name, tell) in STORIES {
        if std::env::var_os("WALPROOF_BLESS").is_some() {
            let mut scene = Scene::new();
            tell(&mut scene);
            bless(alarm, name, &scene);
        }
        let changes = replay(recorded(alarm, name));
        let expected = std::fs::read_to_string(folder(alarm, name).join("expected")).unwrap_or_default();
        if shown(&changes) != expected {
            wrong.push(format!("{alarm}/{name} is not as recorded:\n{}", shown(&changes)));
        }
        wrong.extend(
            broken_promise(alarm, name, &changes).map(|what| format!("{alarm}/{name} {what}:\n{}", shown(&changes))),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the name of a story promises and does not hold.
fn broken_promise(alarm: &str, name: &str, changes: &[(u64, bool, Raised)]) -> Option<String> {
    let own = changes.iter().find(|(_, on, one)| *on && one.alarm == alarm);
    let loud = changes.iter().find(|(_, _, one)| one.level > Level::Notice);
    match name.split('-').next() {
        Some("quiet") if own.is_some() => Some("raises its alarm".to_owned()),
        Some("quiet" | "notice") if loud.is_some() => Some("raises something above a notice".to_owned()),
        Some("quiet") => None,
        _ => late(name, own?).or_else(|| unnamed(name, own?)),
    }
    .or_else(|| (own.is_none() && !name.starts_with("quiet")).then(|| "does not raise its alarm".to_owned()))
}

/// A loop takes as long as its turns, and steps as long as three of them.
fn late(name: &str, (at, _, one): &(u64, bool, Raised)) -> Option<String> {
    let lasts_ms = at.saturating_sub((CALM - 1) * EVERY_MS + 30);
    let slow = lasts_ms > 2_000 && one.alarm != "restart-loop" && !name.contains("-by-steps-");
    slow.then(|| format!("raises its alarm only after {lasts_ms} ms"))
}

/// Alarms that are about a database as a whole name who has it open as far as they can.
fn unnamed(name: &str, (_, _, one): &(u64, bool, Raised)) -> Option<String> {
    let about_all = one.alarm == "wal-grows" || name.contains("nobody-is-seen");
    let bare = one.says.is_empty() || one.witness.is_empty() || one.try_this.is_empty();
    (bare || (one.container.is_none() && !about_all)).then(|| "does not say who, what, or what to do".to_owned())
}

#[test]
fn every_alarm_has_stories_of_both_kinds() {
    let told: BTreeSet<(&str, bool)> =
        STORIES.iter().map(|(alarm, name, _)| (*alarm, name.starts_with("quiet"))).collect();
    let wanted: BTreeSet<(&str, bool)> =
        ALARMS.iter().flat_map(|alarm| [(alarm.name, true), (alarm.name, false)]).collect();
    assert_eq!(told, wanted);
}

#[test]
fn sound_life_raises_nothing_above_a_notice() {
    for seed in 0..400 {
        let scene = random::sound_life(seed, 120);
        let loud: Vec<_> = replay(scene.seen).into_iter().filter(|(_, _, one)| one.level > Level::Notice).collect();
        assert!(loud.is_empty(), "seed {seed}:\n{}", shown(&loud));
    }
}

#[test]
fn moments_that_make_no_sense_harm_nobody() {
    let mut dice = random::Dice(7);
    for _ in 0..200 {
        let mut watching = Watching::new(Thresholds { points_max: 16, ..Thresholds::default() });
        for _ in 0..60 {
            let moment = random::wild_moment(&mut dice);
            watching.observe(moment);
            for path in ["/srv/app.db", "web", ""] {
                let Some(past) = watching.past().database(path) else { continue };
                let _ = (past.commits_per_second(5_000), past.filling(), past.wal_growth_bytes_per_second(5_000));
                assert!(past.series.len() <= 16 && past.refusals.len() <= 32 && past.family_changes_ms.len() <= 16);
            }
        }
    }
}

/// Counts what a life did, and what of it was counted.
#[test]
fn counters_survive_wraps_restarts_and_new_logs() {
    let mut scene = Scene::new();
    scene.index().change_counter = u32::MAX - 5;
    scene.looks(4, |scene, _| scene.commit(10));
    scene.looks(1, |scene, _| {
        [101, 202].into_iter().for_each(|pid| scene.close(pid));
        scene.open_first(303, Some(0), "node server.js");
        scene.commit(7);
    });
    scene.looks(2, |scene, _| scene.traffic(600));
    scene.looks(1, |scene, _| scene.traffic(5));
    let mut watching = Watching::new(Thresholds::default());
    let mut last = 0;
    for moment in scene.seen {
        watching.observe(moment);
        let counters = &watching.past().database("/srv/app.db").expect("it is watched").counters;
        assert!(counters.commits >= last, "counters never go back");
        last = counters.commits;
    }
    let counters = &watching.past().database("/srv/app.db").expect("it is watched").counters;
    // The first ten were before the first look.
    assert_eq!(counters.commits, 30 + 7 + 1200 + 5);
    assert_eq!((counters.wal_resets, counters.checkpoints), (2, 1), "{counters:?}");
}

#[test]
fn holds_and_refusals_are_counted() {
    let mut scene = Scene::new();
    scene.looks(3, |scene, time| {
        let (database, container) = ("/srv/app.db".to_owned(), Some("worker".to_owned()));
        let held_us = [5, 900, 70][time as usize];
        let (lock, pid, exclusive) = (Lock::Write, 200 + time as u32, true);
        let total_us = held_us + 10;
        let held = Event::LockHeld {
            database: database.clone(),
            lock,
            exclusive,
            pid,
            container: container.clone(),
            held_us,
            total_us,
            times: 2,
        };
        let refused = Event::LockRefused { database, lock: Lock::Checkpoint, pid, container, times: 3 };
        scene.now.events.extend([held, refused]);
    });
    let mut watching = Watching::new(Thresholds::default());
    scene.seen.into_iter().for_each(|moment| drop(watching.observe(moment)));
    let past = watching.past().database("/srv/app.db").expect("it is watched");
    let stats = &past.holds[&Lock::Write];
    assert_eq!((stats.count, stats.total_us, stats.longest_us), (6, 1005, 900));
    assert_eq!(stats.longest_by, Some((201, Some("worker".to_owned()))));
    assert_eq!((past.refused[&Lock::Checkpoint], past.refusals.len()), (9, 3));
}

#[test]
fn an_alarm_stays_through_one_lucky_look_and_through_silence() {
    let mut scene = Scene::new();
    scene.calm(4).looks(4, |scene, time| {
        if time == 0 {
            scene.delete_sidecars()
        }
    });
    let mut flicker = scene.seen.last().expect("a look").clone();
    let mut watching = Watching::new(Thresholds::default());
    scene.seen.iter().for_each(|moment| drop(watching.observe(moment.clone())));
    let on = watching.active().len();
    assert!(on >= 2, "{:?}", watching.active());
    flicker.elapsed_ms += 500;
    flicker.databases[0].openers.clear();
    assert_eq!(watching.observe(flicker.clone()).cleared, []);
    for _ in 0..20 {
        flicker.elapsed_ms += 500;
        flicker.databases[0].silent_ms = Some(500);
        assert_eq!(watching.observe(flicker.clone()).cleared, []);
    }
    flicker.elapsed_ms += 5_000;
    flicker.databases[0].silent_ms = None;
    assert!(watching.observe(flicker).cleared.len() >= on);
    assert!(watching.active().is_empty());
}
