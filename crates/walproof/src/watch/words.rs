//! Numbers, times and states in words, the same in the view, in lines and in reports.
//!
//! What it must not do: ask a clock. Times come in as data; what is shown is UTC.

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::render::harmless;
use walproof_judge::sharing::live::{JournalFamilyWord, LiveFile, LiveMount};
use walproof_judge::watch::moment::{Event, HeldLock, Moment, Runs, Watched, WatchedOpener};
use walproof_judge::watch::past::DatabasePast;

/// Rates are those of this time.
const RATES_MS: u64 = 10_000;
/// Growth is that of this time.
const GROWTH_MS: u64 = 60_000;

/// `2026-11-26T00:41:02Z`.
pub fn utc(unix_ms: u64) -> String {
    let (days, second) = (unix_ms / 86_400_000, unix_ms / 1000 % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{}Z", clock_of(second))
}

/// `00:41:02`.
pub fn clock(unix_ms: u64) -> String {
    clock_of(unix_ms / 1000 % 86_400)
}

fn clock_of(second: u64) -> String {
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of a day since 1970, by eras of 400 years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_month)
}

/// `12.3 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut size, mut unit) = (count as f64 / 1024.0, 0);
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `0.8 s`, `14 s`, `3 min 20 s`, `6 h 12 min`, `2 d 3 h`.
pub fn lasts(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=9 => format!("{:.1} s", ms as f64 / 1000.0),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The mode of journalling.
pub fn mode(watched: &Watched) -> &'static str {
    match watched.header.as_ref().and_then(|header| header.family) {
        Some(JournalFamilyWord::Wal) => "WAL mode",
        Some(JournalFamilyWord::Rollback) => "rollback journal",
        None => "mode not seen",
    }
}

/// `ext4 at /data (/dev/sda1)`.
pub fn storage(mount: Option<&LiveMount>) -> String {
    let Some(mount) = mount else { return "storage not seen".to_owned() };
    let source = if mount.source.is_empty() { String::new() } else { format!(" ({})", mount.source) };
    let file = if mount.is_file { ", a mount of the file itself" } else { "" };
    harmless(&format!("{} at {}{source}{file}", mount.fstype, mount.mount_point))
}

/// The sizes of its files: `db 4.0 MiB`, `-wal 1.2 MiB`.
pub fn sizes(watched: &Watched) -> Vec<String> {
    let size =
        |name: &str, file: &Option<LiveFile>| file.as_ref().map(|file| format!("{name} {}", bytes(file.size_bytes)));
    let gone = || Some("db: no file of that name".to_owned());
    let all = [
        size("db", &watched.file).or_else(gone),
        size("-wal", &watched.wal),
        size("-shm", &watched.shm),
        size("-journal", &watched.journal),
    ];
    all.into_iter().flatten().collect()
}

/// Whether it runs.
pub fn runs(runs: &Runs) -> String {
    match runs {
        Runs::Freely => "runs".to_owned(),
        Runs::Frozen => "frozen".to_owned(),
        Runs::Stopped => "stopped".to_owned(),
        Runs::InKernel { at: Some(at) } => harmless(&format!("stuck in {at}")),
        Runs::InKernel { at: None } => "stuck in kernel".to_owned(),
        Runs::Zombie => "zombie".to_owned(),
    }
}

/// What everybody holds all the while says nothing.
pub fn says_something(held: &HeldLock) -> bool {
    held.exclusive || !matches!(held.lock, Lock::Dms | Lock::Shared)
}

/// `worker (docker)`, or a dash.
pub fn container(moment: &Moment, opener: &WatchedOpener) -> String {
    match moment.container_of(opener) {
        Some(one) => {
            let pod = one.pod.as_ref().map(|pod| format!(" in {pod}")).unwrap_or_default();
            let engine = &one.container.engine;
            let engine = if engine.is_empty() { String::new() } else { format!(" ({engine})") };
            harmless(&format!("{}{engine}{pod}", one.container.name))
        }
        None => "-".to_owned(),
    }
}

/// The versions of SQLite in a process.
pub fn versions(opener: &WatchedOpener) -> String {
    let mut all: Vec<&str> = opener.libraries.iter().map(|one| one.version.as_deref().unwrap_or("?")).collect();
    all.dedup();
    if all.is_empty() { "?".to_owned() } else { harmless(&all.join("+")) }
}

/// Commits a second of late; `None`: not seen yet.
pub fn commits_per_second(past: &DatabasePast) -> Option<f64> {
    past.commits_per_second(RATES_MS)
}

/// Bytes by which the `-wal` grew, a minute.
pub fn growth_per_minute(past: &DatabasePast) -> Option<f64> {
    past.wal_growth_bytes_per_second(GROWTH_MS).map(|rate| rate * 60.0)
}

/// `+1.2 MiB/min`, `-3.0 KiB/min`, `steady`.
pub fn growth(per_minute: f64) -> String {
    let size = bytes(per_minute.abs() as u64);
    match per_minute {
        rate if rate >= 1.0 => format!("+{size}/min"),
        rate if rate <= -1.0 => format!("-{size}/min"),
        _ => "steady".to_owned(),
    }
}

/// An event in a line.
pub fn event(event: &Event) -> String {
    let who = |pid: &u32, container: &Option<String>| match container {
        Some(container) => format!("{container}, pid {pid}"),
        None => format!("pid {pid}"),
    };
    let text = match event {
        Event::Opened { database, pid, container, command } => {
            format!("opened {database}: {} {command}", who(pid, container))
        }
        Event::Closed { database, pid, container, command, ended } => {
            let how = if *ended { "ended" } else { "closed" };
            format!("{how} {database}: {} {command}", who(pid, container))
        }
        Event::OutOfMemory { container, kills } => format!("out of memory: {kills} killed in {container}"),
        Event::OutOfMemoryElsewhere { kills } => format!("out of memory: {kills} killed somewhere on this machine"),
        Event::LockHeld { database, lock, exclusive, pid, container, held_us, .. } => {
            let how = if *exclusive { "" } else { " shared" };
            let held = *held_us as f64 / 1000.0;
            format!("held {}{how} {held:.1} ms of {database}: {}", lock.name(), who(pid, container))
        }
        Event::LockRefused { database, lock, pid, container, times } => {
            format!("refused {} {times} times of {database}: {}", lock.name(), who(pid, container))
        }
    };
    harmless(&text)
}

/// Whether it is worth a line: locks come and go by the thousand, and are long ones only when held for a second.
pub fn is_of_note(event: &Event) -> bool {
    match event {
        Event::Opened { .. }
        | Event::Closed { .. }
        | Event::OutOfMemory { .. }
        | Event::OutOfMemoryElsewhere { .. } => true,
        Event::LockHeld { held_us, exclusive, .. } => *exclusive && *held_us >= 1_000_000,
        Event::LockRefused { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_653_662_999), "2026-11-26T00:41:02Z");
        assert_eq!(clock(1_795_653_662_999), "00:41:02");
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!((bytes(0), bytes(1023), bytes(1024)), ("0 B".into(), "1023 B".into(), "1.0 KiB".into()));
        assert_eq!((bytes((1 << 20) - 1), bytes(3 << 29)), ("1.0 MiB".into(), "1.5 GiB".into()));
        assert_eq!((count(7), count(1234), count(1_234_567)), ("7".into(), "1,234".into(), "1,234,567".into()));
        assert_eq!((count(123), count(123_456)), ("123".into(), "123,456".into()));
        assert_eq!((lasts(840), lasts(14_900), lasts(200_000)), ("0.8 s".into(), "14 s".into(), "3 min 20 s".into()));
        assert_eq!((lasts(22_320_000), lasts(183_600_000)), ("6 h 12 min".into(), "2 d 3 h".into()));
        assert_eq!(
            (growth(0.0), growth(2048.0), growth(-5.0)),
            ("steady".into(), "+2.0 KiB/min".into(), "-5 B/min".into())
        );
    }

    #[test]
    fn what_a_terminal_obeys_is_taken_out() {
        let event = Event::Opened {
            database: "/a\u{1b}[2J.db".into(),
            pid: 1,
            container: Some("\u{9b}x".into()),
            command: "\u{7}".into(),
        };
        assert!(!super::event(&event).contains(char::is_control));
    }
}
