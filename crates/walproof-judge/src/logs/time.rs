//! Times as logs write them: RFC 3339 and its relatives, syslog, klog, web servers, logcat, `dmesg`, seconds since 1970.
//!
//! ```text
//! 2024-01-02T03:04:05.123456789Z      2024-01-02 03:04:05,123        2024/01/02 03:04:05
//! Jan  2 03:04:05                     Tue Jan  2 03:04:05 2024       02/Jan/2024:03:04:05 +0000
//! Jan 02, 2024 3:04:05 AM             02-Jan-2024 03:04:05 UTC
//! I0102 03:04:05.123456               01-02 03:04:05.678             [12345.678901]
//! 1704164645 1704164645.123           1704164645123
//! ```
//!
//! What it must not do: guess a year or a zone. A time without a zone is taken as UTC, one without a year cannot be
//! ordered against others and keeps its text alone.

/// A time in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// As it was written.
    pub text: String,
    /// Milliseconds since 1970, UTC; `None` where the year is not written.
    pub unix_ms: Option<i64>,
}

/// A time is looked for at the beginnings of this many words.
const WORDS_MAX: usize = 8;
/// A time that begins later than this is part of the message.
const OFFSET_MAX: usize = 100;

impl Time {
    /// Whether its zone is written, or it counts seconds since 1970.
    pub fn has_zone(&self) -> bool {
        let text = self.text.as_bytes();
        let is_number = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let offset = text.iter().rposition(|byte| matches!(byte, b'+' | b'-')).filter(|at| *at > 10);
        let is_utc = matches!(text.last(), Some(b'Z' | b'z')) || text.ends_with(b"UTC") || text.ends_with(b"GMT");
        is_number || is_utc || offset.is_some_and(|at| text.len() - at <= 6)
    }
}

/// The time at which a line was written: the first that stands near its beginning.
pub fn of_line(line: &[u8]) -> Option<Time> {
    with_place(line).map(|(_, time)| time)
}

/// The same, with where in the line it begins.
pub fn with_place(line: &[u8]) -> Option<(usize, Time)> {
    let mut starts = 0;
    let mut index = 0;
    let end = line.len().min(OFFSET_MAX);
    while index < end {
        let begins = index == 0 || matches!(line[index - 1], b' ' | b'[' | b'"' | b'(' | b'=' | b'|' | b'\t');
        if begins && !matches!(line[index], b' ' | b'[' | b'(') {
            if let Some(time) = at(&line[index..], index == 0, index > 0 && line[index - 1] == b'[') {
                return Some((index, time));
            }
            starts += 1;
            if starts == WORDS_MAX {
                return None;
            }
        }
        index += 1;
    }
    None
}

/// A number that is seconds, milliseconds, microseconds or nanoseconds since 1970, told by its size.
pub fn since_1970(text: &str) -> Option<Time> {
    let whole = text.split('.').next()?;
    let number: i64 = whole.parse().ok()?;
    let fraction = text.split_once('.').and_then(|(_, fraction)| millis(fraction.as_bytes()));
    let unix_ms = match whole.len() {
        10 => number * 1000 + fraction.unwrap_or(0),
        13 => number,
        16 => number / 1000,
        19 => number / 1_000_000,
        _ => return None,
    };
    Some(Time { text: text.to_owned(), unix_ms: Some(unix_ms) })
}

fn at(text: &[u8], first: bool, bracket: bool) -> Option<Time> {
    match text.first()? {
        b'0'..=b'9' => numeric(text, first, bracket),
        b'I' | b'W' | b'E' | b'F' => klog(text).or_else(|| named_month(text)),
        b'A'..=b'Z' => named_month(text),
        _ => None,
    }
}

fn numeric(text: &[u8], first: bool, bracket: bool) -> Option<Time> {
    let found = full_date(text).or_else(|| day_first(text)).or_else(|| logcat(text));
    found.or_else(|| if bracket { since_boot(text) } else { None }).or_else(|| {
        let length = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        first.then(|| since_1970(std::str::from_utf8(&text[..length.min(32)]).ok()?)).flatten()
    })
}

/// `2024-01-02T03:04:05.123Z` and with `/`, a blank, a comma, an offset.
fn full_date(text: &[u8]) -> Option<Time> {
    let year = digits(text, 0, 4)?;
    let dash = *text.get(4)?;
    if !matches!(dash, b'-' | b'/' | b'.') || text.get(7) != Some(&dash) {
        return None;
    }
    let (month, day) = (digits(text, 5, 2)?, digits(text, 8, 2)?);
    if !matches!(text.get(10)?, b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let (of_day, after) = clock(text, 11)?;
    let blank = usize::from(text.get(after) == Some(&b' ') && matches!(text.get(after + 1), Some(b'+' | b'-')));
    let (offset, end) = zone(text, after + blank).unwrap_or((0, after));
    finished(&text[..end], year, month, day, of_day - offset)
}

/// `02/Jan/2024:03:04:05 +0000` of web servers, `02-Jan-2024 03:04:05 UTC` of PHP.
fn day_first(text: &[u8]) -> Option<Time> {
    let (day, month, year) = (digits(text, 0, 2)?, month(text.get(3..6)?)?, digits(text, 7, 4)?);
    let marks = (*text.get(2)?, *text.get(6)?, *text.get(11)?);
    if !matches!(marks, (b'/', b'/', b':') | (b'-', b'-', b' ')) {
        return None;
    }
    let (of_day, after) = clock(text, 12)?;
    let (offset, end) = zone(text, after + 1).unwrap_or((0, after));
    finished(&text[..end], year, month, day, of_day - offset)
}

/// `01-02 03:04:05.678`: no year.
fn logcat(text: &[u8]) -> Option<Time> {
    digits(text, 0, 2)?;
    digits(text, 3, 2)?;
    if text.get(2) != Some(&b'-') || text.get(5) != Some(&b' ') {
        return None;
    }
    let (_, end) = clock(text, 6)?;
    yearless(&text[..end])
}

/// `[12345.678901]`: seconds since the machine started.
fn since_boot(text: &[u8]) -> Option<Time> {
    let end = text.iter().position(|byte| *byte == b']').filter(|end| *end < 20)?;
    let number = std::str::from_utf8(&text[..end]).ok()?;
    let (seconds, micros) = number.split_once('.')?;
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits(seconds) && all_digits(micros)).then(|| Time { text: format!("{number} s after boot"), unix_ms: None })
}

/// `I0102 03:04:05.123456`: no year.
fn klog(text: &[u8]) -> Option<Time> {
    digits(text, 1, 4)?;
    let (_, end) = clock(text, 6).filter(|_| text.get(5) == Some(&b' '))?;
    yearless(&text[1..end])
}

/// `Jan  2 03:04:05`, and `Tue Jan  2 03:04:05 2024`.
fn named_month(text: &[u8]) -> Option<Time> {
    let begin = if month(text.get(..3)?).is_some() { 0 } else { 4 };
    let month = month(text.get(begin..begin + 3)?)?;
    if begin == 0 && text.get(6) == Some(&b',') {
        return half_days(text, month);
    }
    let day_text = std::str::from_utf8(text.get(begin + 4..begin + 6)?).ok()?;
    let day: i64 = day_text.trim_start().parse().ok()?;
    let (of_day, end) = clock(text, begin + 7)?;
    match digits(text, end + 1, 4).filter(|_| begin == 4) {
        Some(year) => finished(&text[..end + 5], year, month, day, of_day),
        None => yearless(&text[..end]),
    }
}

/// `Jan 02, 2024 3:04:05 AM` of `java.util.logging`.
fn half_days(text: &[u8], month: i64) -> Option<Time> {
    let (day, year) = (digits(text, 4, 2)?, digits(text, 8, 4)?);
    // The hour has one digit or two.
    let hour_digits = if text.get(14) == Some(&b':') { 1 } else { 2 };
    let padded = [&b"0"[..2 - hour_digits], text.get(13..13 + hour_digits + 6)?].concat();
    let (of_day, _) = clock(&padded, 0).filter(|(of_day, _)| (3_600_000..13 * 3_600_000).contains(of_day))?;
    let end = 13 + hour_digits + 9;
    let of_half_day = of_day % (12 * 3_600_000);
    let of_day = match text.get(end - 3..end)? {
        b" AM" => of_half_day,
        b" PM" => of_half_day + 12 * 3_600_000,
        _ => return None,
    };
    finished(&text[..end], year, month, day, of_day)
}

/// `hh:mm:ss` with a fraction, as milliseconds of the day, and where it ends.
fn clock(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let (hours, minutes, seconds) = (digits(text, at, 2)?, digits(text, at + 3, 2)?, digits(text, at + 6, 2)?);
    if text.get(at + 2) != Some(&b':') || text.get(at + 5) != Some(&b':') || hours > 24 || minutes > 59 || seconds > 60
    {
        return None;
    }
    let whole = ((hours * 60 + minutes) * 60 + seconds) * 1000;
    let end = at + 8;
    if !matches!(text.get(end), Some(b'.' | b',')) {
        return Some((whole, end));
    }
    let count = text[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).take(9).count();
    match millis(&text[end + 1..end + 1 + count]) {
        Some(fraction) => Some((whole + fraction, end + 1 + count)),
        None => Some((whole, end)),
    }
}

/// `Z`, `UTC`, `+01:00` or `+0100`, as milliseconds, and where it ends.
fn zone(text: &[u8], at: usize) -> Option<(i64, usize)> {
    if matches!(text.get(at..at + 3), Some(b"UTC" | b"GMT")) {
        return Some((0, at + 3));
    }
    let sign = match text.get(at)? {
        b'Z' | b'z' => return Some((0, at + 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(text, at + 1, 2)?;
    let colon = usize::from(text.get(at + 3) == Some(&b':'));
    let minutes = digits(text, at + 3 + colon, 2)?;
    Some((sign * (hours * 60 + minutes) * 60_000, at + 5 + colon))
}

fn digits(text: &[u8], at: usize, count: usize) -> Option<i64> {
    let part = text.get(at..at + count)?;
    part.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn millis(fraction: &[u8]) -> Option<i64> {
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((0..3).fold(0, |sum, index| sum * 10 + i64::from(fraction.get(index).map_or(0, |byte| byte - b'0'))))
}

fn month(name: &[u8]) -> Option<i64> {
    const NAMES: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    NAMES.iter().position(|known| *known == name).map(|index| index as i64 + 1)
}

fn yearless(text: &[u8]) -> Option<Time> {
    Some(Time { text: String::from_utf8_lossy(text).into_owned(), unix_ms: None })
}

fn finished(text: &[u8], year: i64, month: i64, day: i64, of_day_ms: i64) -> Option<Time> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 by the calendar's 400-year cycle, the year begun in March so that leap days come last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(Time { text: String::from_utf8_lossy(text).into_owned(), unix_ms: Some(days * 86_400_000 + of_day_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(line: &str, text: &str, unix_ms: Option<i64>) {
        assert_eq!(of_line(line.as_bytes()), Some(Time { text: text.to_owned(), unix_ms }), "{line}");
    }

    const MS: Option<i64> = Some(1_704_164_645_123);
    const S: Option<i64> = Some(1_704_164_645_000);

    #[test]
    fn times_of_many_loggers() {
        reads("2024-01-02T03:04:05.123456789Z stderr F x", "2024-01-02T03:04:05.123456789Z", MS);
        reads("2024-01-02T04:04:05.123+01:00 x", "2024-01-02T04:04:05.123+01:00", MS);
        reads("2024-01-02 03:04:05,123 - root - ERROR - x", "2024-01-02 03:04:05,123", MS);
        reads("2024/01/02 03:04:05 x", "2024/01/02 03:04:05", S);
        reads("[2024-01-02 03:04:05] local.ERROR: x", "2024-01-02 03:04:05", S);
        reads("time=\"2024-01-02T03:04:05Z\" level=error", "2024-01-02T03:04:05Z", S);
        reads("app-1  | 2024-01-02 03:04:05 x", "2024-01-02 03:04:05", S);
        reads("[Tue Jan  2 03:04:05 2024] x", "Tue Jan  2 03:04:05 2024", S);
        reads("::1 - - [02/Jan/2024:03:04:05 +0000] x", "02/Jan/2024:03:04:05 +0000", S);
        reads("1704164645.123 x", "1704164645.123", MS);
        reads("[02-Jan-2024 03:04:05 UTC] PHP Warning:  x", "02-Jan-2024 03:04:05 UTC", S);
        reads("[02-Jan-2024 03:04:05 Europe/Berlin] PHP Warning:  x", "02-Jan-2024 03:04:05", S);
        reads("Jan 02, 2024 3:04:05 AM org.app.Main run", "Jan 02, 2024 3:04:05 AM", S);
        reads("Jan 02, 2024 12:04:05 AM x", "Jan 02, 2024 12:04:05 AM", S.map(|ms| ms - 3 * 3_600_000));
        reads("Jan 02, 2024 12:04:05 PM x", "Jan 02, 2024 12:04:05 PM", S.map(|ms| ms + 9 * 3_600_000));
        reads("Jan 02, 2024 11:04:05 PM x", "Jan 02, 2024 11:04:05 PM", S.map(|ms| ms + 20 * 3_600_000));
    }

    #[test]
    fn zones_are_seen() {
        let zoned = |line: &str| of_line(line.as_bytes()).expect("a time").has_zone();
        assert!(zoned("2024-01-02T03:04:05.123456789Z x") && zoned("2024-01-02T04:04:05.123+01:00 x"));
        assert!(zoned("1704164645.123 x") && zoned("[02/Jan/2024:03:04:05 -0500] x"));
        assert!(zoned("[02-Jan-2024 03:04:05 UTC] x") && !zoned("[02-Jan-2024 03:04:05 Europe/Berlin] x"));
        assert!(!zoned("2024-01-02 03:04:05,123 x") && !zoned("Tue Jan  2 03:04:05 2024"));
    }

    #[test]
    fn times_without_a_year_keep_their_text() {
        reads("Jan  2 03:04:05 host app[1]: x", "Jan  2 03:04:05", None);
        reads("E0102 03:04:05.123456   1 x.go:1] x", "0102 03:04:05.123456", None);
        reads("01-02 03:04:05.678  12  12 E SQLiteLog: (5) x", "01-02 03:04:05.678", None);
        reads("[12345.678901] EXT4-fs error", "12345.678901 s after boot", None);
    }

    #[test]
    fn other_numbers_are_no_times() {
        for line in
            ["", "5386", "2024-01-02", "SqliteError: x", "(1544)", "2024-13-02 03:04:05", "12:00", "May the force"]
        {
            assert_eq!(of_line(line.as_bytes()), None, "{line}");
        }
    }
}
