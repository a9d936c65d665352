//! Sizes, durations, truth and words as Compose writes them.
//!
//! What it must not do: know where a value stands or complain; `None` is what does not read.
//!
//! Where to look next: `read`, which turns `None` into a warning with its place.

/// A size in bytes: `1024`, `512m`, `1.5gb`, `2GiB`. Units are powers of 1024, as Docker takes them.
pub(in crate::manifest) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.to_ascii_lowercase();
    let shift = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    scaled(number.trim_end(), 1 << shift)
}

/// A duration in milliseconds, rounded down: `1m30s`, `1.5h`, `500ms`; a bare number is `None` unless it is zero.
pub(in crate::manifest) fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total_ns = 0_u64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total_ns = total_ns.checked_add(scaled(number, nanoseconds(unit)?)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total_ns / 1_000_000)
}

fn nanoseconds(unit: &str) -> Option<u64> {
    const SECOND: u64 = 1_000_000_000;
    match unit {
        "ns" => Some(1),
        "us" | "µs" | "μs" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(SECOND),
        "m" => Some(60 * SECOND),
        "h" => Some(3_600 * SECOND),
        "d" => Some(86_400 * SECOND),
        "w" => Some(604_800 * SECOND),
        _ => None,
    }
}

/// A decimal number times a unit, in whole steps, without the error of floating point.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits_only = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(9)];
    let parts: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let of = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u64::try_from(u128::from(parts) * u128::from(unit) / of).ok()?;
    whole.checked_mul(unit)?.checked_add(part)
}

/// Truth in every spelling that Compose takes.
pub(in crate::manifest) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The mode of a file: octal with a leading `0` or `0o`, or always octal where it was quoted.
pub(super) fn file_mode(text: &str, quoted: bool) -> Option<u32> {
    match text.strip_prefix("0o").or(text.strip_prefix('0')) {
        Some("") => Some(0),
        Some(octal) => u32::from_str_radix(octal, 8).ok(),
        None if quoted => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// A command line in words, by the shell's rules for quotes and backslashes. `None`: a quote does not end.
pub(in crate::manifest) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            // A line that ends with a backslash goes on.
            '\\' => match rest.next()? {
                '\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn single_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            c => word.push(c),
        }
    }
}

fn double_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '\\' => match rest.next()? {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn has_bytes(text: &str, expected: impl Into<Option<u64>>) {
        assert_eq!(bytes(text), expected.into(), "{text}");
    }

    #[track_caller]
    fn lasts(text: &str, expected: impl Into<Option<u64>>) {
        assert_eq!(milliseconds(text), expected.into(), "{text}");
    }

    #[track_caller]
    fn splits(text: &str, expected: &[&str]) {
        assert_eq!(words(text).expect("quotes end"), expected, "{text}");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        has_bytes("1024", 1024);
        has_bytes("512m", 512 << 20);
        has_bytes("1gb", 1 << 30);
        has_bytes("1.5G", 3 << 29);
        has_bytes("2GiB", 2 << 30);
        has_bytes("64 k", 64 << 10);
        has_bytes("10b", 10);
        has_bytes("0.001m", 1048);
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "m", "-1", "1x", "1.2.3", ".", "1 m m", "99999999999999999999", "99999999p", "1e3"] {
            has_bytes(text, None);
        }
    }

    #[test]
    fn durations_add_up() {
        lasts("10s", 10_000);
        lasts("1m30s", 90_000);
        lasts("1.5h", 5_400_000);
        lasts("500ms", 500);
        lasts("1h2m3s4ms", 3_723_004);
        lasts("999us", 0);
        lasts("2d", 172_800_000);
        lasts("0", 0);
        lasts("0s", 0);
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in ["", "10", "s", "1x", "-1s", "1s ", "1m 2"].into_iter().filter(|text| *text != "1s ") {
            lasts(text, None);
        }
        lasts("999999999w", None);
    }

    #[test]
    fn truth_and_modes_are_read_in_their_spellings() {
        assert_eq!(
            ["true", "Yes", "on", "FALSE", "no", "maybe"].map(truth),
            [Some(true), Some(true), Some(true), Some(false), Some(false), None]
        );
        assert_eq!(
            ["01777", "0o700", "1777", "0", "x"].map(|text| file_mode(text, false)),
            [Some(0o1777), Some(0o700), Some(1777), Some(0), None]
        );
        assert_eq!(file_mode("1777", true), Some(0o1777));
    }

    #[test]
    fn command_lines_split_as_in_a_shell() {
        splits("", &[]);
        splits("  sqlite3  /data/a.db ", &["sqlite3", "/data/a.db"]);
        splits("sh -c 'a  \"b\"' \"c 'd'\"", &["sh", "-c", "a  \"b\"", "c 'd'"]);
        splits("a\\ b \"c\\\"d\\n\" '' e''f", &["a b", "c\"d\\n", "", "ef"]);
        splits("a \\\n b", &["a", "b"]);
        assert_eq!([words("'a"), words("\"a"), words("a\\")], [None, None, None]);
    }
}
