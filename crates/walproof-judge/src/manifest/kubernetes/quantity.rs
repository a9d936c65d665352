//! Quantities as Kubernetes writes them: `512Mi`, `1.5G`, `500m`, `1e3`.
//!
//! ```text
//! quantity   digits with at most one point, then nothing, a suffix or an exponent
//! suffix     Ki Mi Gi Ti Pi Ei (powers of 1024), n u m k M G T P E (powers of 1000)
//! exponent   e or E and a whole number: `1E3` is a thousand, `1E` is 10^18
//! ```
//! `m` is a thousandth, so `512m` of memory is less than a byte: the usual mistake, which rules may point at.
//!
//! What it must not do: know where a value stands or complain; `None` is what does not read. Sizes and durations of
//! Compose have other rules (`compose::quantity`).
//!
//! Where to look next: `fields`, which turns `None` into a warning with its place.

/// Billionths: the smallest that Kubernetes keeps.
const BILLION: u128 = 1_000_000_000;

/// In bytes or other whole things, rounded up as Kubernetes rounds.
pub(super) fn whole(text: &str) -> Option<u64> {
    u64::try_from(billionths(text)?.div_ceil(BILLION)).ok()
}

/// In thousandths, rounded up: `0.5` and `500m` are 500.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    u64::try_from(billionths(text)?.div_ceil(BILLION / 1000)).ok()
}

fn billionths(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // More digits than that are less than a billionth of the smallest unit.
    let fraction = &fraction[..fraction.len().min(9)];
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let missing = 9 - u32::try_from(fraction.len()).ok()?;
    let value =
        digits(whole)?.checked_mul(BILLION)?.checked_add(digits(fraction)?.checked_mul(10_u128.pow(missing))?)?;
    scaled(value, suffix)
}

/// Times the suffix or the exponent.
fn scaled(value: u128, suffix: &str) -> Option<u128> {
    let power_of_1024 = |power: u32| value.checked_mul(1024_u128.pow(power));
    let power_of_10 = |power: i32| {
        let factor = 10_u128.checked_pow(power.unsigned_abs())?;
        if power < 0 { Some(value.div_ceil(factor)) } else { value.checked_mul(factor) }
    };
    match suffix {
        "" => Some(value),
        "Ki" => power_of_1024(1),
        "Mi" => power_of_1024(2),
        "Gi" => power_of_1024(3),
        "Ti" => power_of_1024(4),
        "Pi" => power_of_1024(5),
        "Ei" => power_of_1024(6),
        "n" => power_of_10(-9),
        "u" => power_of_10(-6),
        "m" => power_of_10(-3),
        "k" => power_of_10(3),
        "M" => power_of_10(6),
        "G" => power_of_10(9),
        "T" => power_of_10(12),
        "P" => power_of_10(15),
        "E" => power_of_10(18),
        exponent => power_of_10(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_whole(text: &str, expected: impl Into<Option<u64>>) {
        assert_eq!(whole(text), expected.into(), "{text}");
    }

    #[test]
    fn suffixes_are_powers_of_1024_or_1000() {
        is_whole("128", 128);
        is_whole("512Mi", 512 << 20);
        is_whole("1.5Gi", 3 << 29);
        is_whole("2G", 2_000_000_000);
        is_whole("64k", 64_000);
        is_whole("1Ei", 1 << 60);
        is_whole("1E", 1_000_000_000_000_000_000);
        is_whole("1E3", 1000);
        is_whole("129e6", 129_000_000);
        is_whole("12e-1", 2);
        is_whole("+5", 5);
        is_whole(".5Ki", 512);
    }

    #[test]
    fn what_is_less_than_one_is_rounded_up() {
        is_whole("512m", 1);
        is_whole("1n", 1);
        is_whole("0", 0);
        assert_eq!(["500m", "0.5", "2", "100u", "1.5"].map(thousandths), [500, 500, 2000, 1, 1500].map(Some));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "Mi", "-1", "1mi", "1MB", "1 Gi", "1.2.3", ".", "1e", "1ex", "99999999999Ei", "1e99", "1e-99"]
        {
            is_whole(text, None);
        }
        is_whole(&"9".repeat(60), None);
    }
}
