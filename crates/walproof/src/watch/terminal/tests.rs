//! Pictures are looked at for what they say: words and numbers, at several sizes, with colours and without.
//!
//! What it must not do: compare whole screens, which nobody reads when they change.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::sharing::live::{JournalFamilyWord, LiveContainer, LiveFile, LiveLibrary, LiveMount};
use walproof_judge::watch::moment::{
    Event, HeaderSeen, HeldLock, IndexSeen, Moment, Runs, Watched, WatchedContainer, WatchedOpener,
};
use walproof_judge::watch::{Changes, Thresholds, Watching};

use super::draw::draw;
use super::view::{Panel, View};

/// 2026-11-26T00:41:02Z.
const BEGAN_MS: u64 = 1_795_653_662_000;

fn file(size_bytes: u64) -> Option<LiveFile> {
    Some(LiveFile { device: (8, 1), inode: size_bytes, link_count: 1, size_bytes, ..LiveFile::default() })
}

fn held(lock: Lock, exclusive: bool) -> HeldLock {
    HeldLock { lock, exclusive }
}

fn opener(pid: u32, locks: Vec<HeldLock>) -> WatchedOpener {
    WatchedOpener {
        pid,
        started_ticks: pid.into(),
        command: "python3 /srv/app.py --serve".into(),
        path: "/data/app.db".into(),
        libraries: vec![LiveLibrary { path: "/lib/libsqlite3.so".into(), version: Some("3.45.1".into()) }],
        locks: Some(locks),
        ..WatchedOpener::default()
    }
}

fn database(path: &str, look: u64) -> Watched {
    let shared = || vec![held(Lock::Shared, false), held(Lock::Dms, false)];
    let mut writer = opener(4242, [shared(), vec![held(Lock::Write, true)]].concat());
    writer.container = Some(0);
    writer.runs = Runs::Frozen;
    let reader = opener(77, [shared(), vec![held(Lock::Read1, false)]].concat());
    Watched {
        path: path.into(),
        file: file(4 << 20),
        wal: file(32 + look * 4120),
        shm: file(32_768),
        header: Some(HeaderSeen {
            has_magic: true,
            family: Some(JournalFamilyWord::Wal),
            page_size_bytes: Some(4096),
            pages: Some(1024),
            change_counter: Some(9),
        }),
        index: Some(IndexSeen {
            change_counter: u32::try_from(look * 6).expect("small"),
            max_frame: 3021,
            backfilled_frames: 1000,
            backfill_attempted_frames: 1000,
            read_marks: [Some(0), Some(3021), None, None, None],
            salts: "1122aabb/ccdd3344".into(),
            database_pages: 1024,
            page_size_bytes: 4096,
            tries: 1,
        }),
        mount: Some(LiveMount {
            mount_point: "/data".into(),
            fstype: "ext4".into(),
            source: "/dev/sda1".into(),
            ..LiveMount::default()
        }),
        free_bytes: Some(12 << 30),
        total_bytes: Some(40 << 30),
        openers: vec![writer, reader],
        ..Watched::default()
    }
}

/// Looks every half second for four seconds: a frozen writer holds the write lock.
fn watch(paths: &[&str]) -> (Watching, View) {
    let (mut watching, mut view) = (Watching::new(Thresholds::default()), View::new(true));
    for look in 0..9 {
        let container = LiveContainer { name: "worker".into(), engine: "docker".into(), ..LiveContainer::default() };
        let moment = Moment {
            unix_ms: BEGAN_MS + look * 500,
            elapsed_ms: look * 500,
            openers_looked_ms: look * 500,
            took_us: 900,
            databases: paths.iter().map(|path| database(path, look)).collect(),
            containers: vec![WatchedContainer { container, ..WatchedContainer::default() }],
            trace: Some(Err("tracefs is not mounted".into())),
            not_seen: vec!["the locks of other users' processes".into()],
            events: if look == 1 { vec![out_of_memory()] } else { Vec::new() },
        };
        let changes = watching.observe(moment);
        view.remember(watching.latest(), &changes);
    }
    view.now_unix_ms = watching.latest().unix_ms;
    (watching, view)
}

fn out_of_memory() -> Event {
    Event::OutOfMemory { container: "worker".into(), kills: 2 }
}

fn picture(watching: &Watching, view: &View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, watching, view)).expect("drawn");
    terminal.backend().buffer().clone()
}

fn text(watching: &Watching, view: &View, width: u16, height: u16) -> String {
    let buffer = picture(watching, view, width, height);
    let rows = buffer.content.chunks(width.into());
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    let missing: Vec<&&str> = words.iter().filter(|word| !text.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?} is not in\n{text}");
}

#[test]
fn what_matters_is_seen_at_every_size() {
    let (watching, view) = watch(&["/data/app.db"]);
    for (width, height) in [(60, 24), (60, 60), (80, 24), (100, 30), (120, 40), (200, 60)] {
        let text = text(&watching, &view, width, height);
        says(&text, &["frozen-lock-holder", "WARNING", "WAL_WRITE_LOCK", "worker", "4242", "/data/app.db", "q quit"]);
        says(&text, &["WAL mode", "mxFrame 3,021", "nBackfill 1,000", "2,021 waiting", "frozen", "not seen (2)"]);
    }
}

#[test]
fn a_large_terminal_shows_everything() {
    let (watching, view) = watch(&["/data/app.db"]);
    let text = text(&watching, &view, 120, 40);
    says(
        &text,
        &["db 4.0 MiB", "-shm 32.0 KiB", "ext4 at /data (/dev/sda1)", "12.0 GiB free of 40.0 GiB", "page 4,096 B"],
    );
    says(&text, &["(1) at 3,021 by pid 77", "12.0 commits/s", "48 commits", "salts 1122aabb/ccdd3344", "00:41:06 UTC"]);
    says(
        &text,
        &[
            "worker (docker)",
            "3.45.1",
            "WAL_WRITE_LOCK 0.0 s",
            "WAL_READ_LOCK(1) 4.0 s",
            "SHARED",
            "DMS",
            "frozen 4.0 s",
        ],
    );
    says(&text, &["since 00:41:02", "docker unpause", "out of memory: 2 killed in worker", "raised warning"]);
    says(&text, &["-wal over 2 min", "write", "ckpt", "readers", "now", "▪", "█"]);
    says(&text, &["the locks of other users' processes", "tracefs is not mounted"]);
}

#[test]
fn the_smallest_terminals_are_drawn_too() {
    let (watching, view) = watch(&["/data/app.db", "/data/b.db"]);
    let empty = Watching::new(Thresholds::default());
    for (width, height) in [(1, 1), (2, 2), (5, 3), (10, 4), (20, 6), (30, 10), (300, 3), (3, 100)] {
        for whole in [false, true] {
            let mut view = View { whole, ..view.clone() };
            for panel in super::view::PANELS {
                view.focus = panel;
                picture(&watching, &view, width, height);
                picture(&empty, &view, width, height);
            }
            view.help = true;
            picture(&watching, &view, width, height);
        }
    }
}

#[test]
fn before_the_first_look_nothing_is_claimed() {
    let text = text(&Watching::new(Thresholds::default()), &View::new(true), 80, 24);
    says(&text, &["the first look is on its way", "no database is seen yet"]);
}

#[test]
fn several_databases_are_listed_and_one_is_shown() {
    let (watching, mut view) = watch(&["/data/app.db", "/data/other.db"]);
    says(
        &text(&watching, &view, 120, 50),
        &["databases (2)", "> /data/app.db", "  /data/other.db", "── /data/app.db ──"],
    );
    view.key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE), &watching);
    says(&text(&watching, &view, 120, 50), &["> /data/other.db", "── /data/other.db ──"]);
}

#[test]
fn an_alarm_has_its_page() {
    let (watching, mut view) = watch(&["/data/app.db"]);
    view.focus = Panel::Alarms;
    view.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), &watching);
    let page = text(&watching, &view, 80, 24);
    says(&page, &["WARNING frozen-lock-holder", "since 2026-11-26T00:41:02Z; is on", "seen:", "try:"]);
    says(&page, &["a process that is paused, stopped or stuck holds a lock that others need"]);
    // It is scrolled to its end and not beyond.
    let page = text(&watching, &view, 80, 10);
    view.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE), &watching);
    view.keep_in_range(&watching, 80, 8);
    let (end, scrolled) = (text(&watching, &view, 80, 10), view.scrolled);
    assert_ne!(end, page, "there is more than a screen");
    assert!(scrolled < 200, "{scrolled}");
    view.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE), &watching);
    says(&text(&watching, &view, 80, 24), &["openers (2)"]);
}

#[test]
fn keys_are_told() {
    let (watching, mut view) = watch(&["/data/app.db"]);
    view.key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE), &watching);
    says(&text(&watching, &view, 80, 24), &["the display stands still", "Shift-Tab", "quit"]);
}

#[test]
fn a_display_that_stands_still_says_so_and_old_looks_are_called_old() {
    let (watching, mut view) = watch(&["/data/app.db"]);
    view.now_unix_ms += 7000;
    says(&text(&watching, &view, 80, 24), &["last look 7.0 s ago"]);
    view.paused = true;
    says(&text(&watching, &view, 80, 24), &["PAUSED", "00:41:06 UTC"]);
}

#[test]
fn without_colours_nothing_is_lost() {
    let (watching, mut view) = watch(&["/data/app.db"]);
    let coloured = text(&watching, &view, 100, 40);
    view.colour = false;
    assert_eq!(text(&watching, &view, 100, 40), coloured);
    let buffer = picture(&watching, &view, 100, 40);
    let hues = buffer.content.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert_eq!(hues.count(), 0);
}

#[test]
fn no_name_speaks_to_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}/x\r\n\u{8}";
    let (mut watching, mut view) = watch(&["/data/app.db"]);
    let mut one = database(&format!("/data/{evil}.db"), 9);
    one.index = None;
    one.index_damage = Some(evil.into());
    one.openers[0].command = evil.into();
    one.mount.as_mut().expect("one").mount_point = evil.into();
    let container = LiveContainer { name: evil.into(), engine: evil.into(), ..LiveContainer::default() };
    let moment = Moment {
        unix_ms: BEGAN_MS + 5000,
        elapsed_ms: 5000,
        databases: vec![one],
        containers: vec![WatchedContainer { container, pod: Some(evil.into()), ..WatchedContainer::default() }],
        not_seen: vec![evil.into()],
        events: vec![Event::OutOfMemory { container: evil.into(), kills: 1 }],
        ..Moment::default()
    };
    let changes: Changes = watching.observe(moment);
    view.remember(watching.latest(), &changes);
    view.notes = vec![evil.into()];
    view.page = watching.active().first().cloned();
    for page in [view.page.clone(), None] {
        view.page = page;
        for cell in &picture(&watching, &view, 120, 50).content {
            let obeyed = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!cell.symbol().contains(obeyed), "{:?}", cell.symbol());
        }
    }
}

#[test]
fn many_openers_leave_room_for_the_rest() {
    let (mut watching, mut view) = watch(&["/data/app.db"]);
    let mut many = database("/data/app.db", 9);
    many.openers = (0..60).map(|pid| opener(1000 + pid, vec![held(Lock::Shared, false)])).collect();
    watching.observe(Moment { unix_ms: BEGAN_MS, elapsed_ms: 4500, databases: vec![many], ..Moment::default() });
    says(&text(&watching, &view, 80, 24), &["openers (60)", "more", "mxFrame", "events"]);
    view.focus = Panel::Openers;
    view.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), &watching);
    view.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE), &watching);
    says(&text(&watching, &view, 80, 24), &["pid 1059"]);
}
