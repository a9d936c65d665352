//! Times as systemd writes them: `90`, `5min 20s`, `1h`, `infinity`.
//!
//! What it must not do: know where a value stands; `None` is what does not read.
//!
//! Where to look next: systemd.time(7).

use super::model::TimeSpan;

/// A time; a number without a unit is seconds.
pub(super) fn time_span(text: &str) -> Option<TimeSpan> {
    let text = text.trim();
    if text == "infinity" {
        return Some(TimeSpan::Forever);
    }
    let mut rest = text;
    let mut total_us: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total_us = total_us.checked_add(times(number, microseconds(unit)?)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(TimeSpan::Milliseconds(total_us / 1000))
}

fn times(number: &str, unit_us: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = &fraction[..fraction.len().min(6)];
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let part = digits(fraction)?.checked_mul(unit_us)? / 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    digits(whole)?.checked_mul(unit_us)?.checked_add(part)
}

fn microseconds(unit: &str) -> Option<u64> {
    const SECOND: u64 = 1_000_000;
    match unit {
        "us" | "usec" | "µs" | "μs" => Some(1),
        "ms" | "msec" => Some(1000),
        "" | "s" | "sec" | "second" | "seconds" => Some(SECOND),
        "m" | "min" | "minute" | "minutes" => Some(60 * SECOND),
        "h" | "hr" | "hour" | "hours" => Some(3600 * SECOND),
        "d" | "day" | "days" => Some(86_400 * SECOND),
        "w" | "week" | "weeks" => Some(604_800 * SECOND),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn lasts(text: &str, milliseconds: impl Into<Option<u64>>) {
        assert_eq!(time_span(text), milliseconds.into().map(TimeSpan::Milliseconds), "{text}");
    }

    #[test]
    fn times_add_up() {
        lasts("90", 90_000);
        lasts("5min 20s", 320_000);
        lasts("1h30m", 5_400_000);
        lasts("1.5 s", 1500);
        lasts("500ms", 500);
        lasts("0", 0);
        assert_eq!(time_span("infinity"), Some(TimeSpan::Forever));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "s", "1x", "-1", "1.2.3", ".", "99999999999999999999", "999999999999999w"] {
            lasts(text, None);
        }
    }
}
