//! Why a prediction and a measurement differ: which of SQLite's calls took longer or shorter than the same calls made
//! alone, and what its processor time did.

use serde::Serialize;
use walproof_format::measure::CallGroup;

/// One part of a commit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapPart {
    /// `sync`, `write`, `lock`, ...; `processor`: SQLite's own time outside of its calls.
    pub part: &'static str,
    /// As predicted, in nanoseconds for a commit.
    pub predicted_ns: f64,
    /// As measured inside SQLite, in nanoseconds for a commit.
    pub measured_ns: f64,
}

impl GapPart {
    /// Measured less predicted, in nanoseconds for a commit.
    pub fn difference_ns(&self) -> f64 {
        self.measured_ns - self.predicted_ns
    }
}

/// Both sides of every part, those that differ most first.
pub fn parts(predicted: &[(CallGroup, f64)], measured: &[(CallGroup, f64)], processor: (f64, f64)) -> Vec<GapPart> {
    let ns_of = |side: &[(CallGroup, f64)], group| side.iter().find(|(known, _)| *known == group).map_or(0.0, |x| x.1);
    let of_group = |group: CallGroup| GapPart {
        part: group.word(),
        predicted_ns: ns_of(predicted, group),
        measured_ns: ns_of(measured, group),
    };
    let mut parts: Vec<GapPart> = CallGroup::ALL.into_iter().map(of_group).collect();
    parts.push(GapPart { part: "processor", predicted_ns: processor.0, measured_ns: processor.1 });
    parts.retain(|part| part.predicted_ns > 0.0 || part.measured_ns > 0.0);
    parts.sort_by(|one, other| other.difference_ns().abs().total_cmp(&one.difference_ns().abs()));
    parts
}

/// A gap that nobody needs an explanation for.
const SMALL: f64 = 0.05;

/// The gap in a sentence.
pub fn explain(parts: &[GapPart], predicted_ns: f64, measured_ns: f64) -> String {
    let gap_ns = measured_ns - predicted_ns;
    if measured_ns <= 0.0 || gap_ns.abs() < SMALL * measured_ns {
        return "as predicted".to_owned();
    }
    let same_way = |part: &&GapPart| part.difference_ns().signum() == gap_ns.signum();
    let Some(main) = parts.iter().find(same_way) else {
        return "the parts agree: the machine was busier on one side".to_owned();
    };
    let word = if gap_ns > 0.0 { "more" } else { "less" };
    let share = (main.difference_ns() / gap_ns * 100.0).clamp(0.0, 100.0);
    format!(
        "{}: {} {word} in SQLite than alone ({} against {}), {share:.0} % of the gap",
        main.part,
        duration(main.difference_ns().abs()),
        duration(main.measured_ns),
        duration(main.predicted_ns),
    )
}

/// Nanoseconds for people: `870 ns`, `12.3 us`, `4.56 ms`, `1.20 s`.
pub fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e4 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e5 => format!("{:.1} us", ns / 1e3),
        ns if ns < 1e6 => format!("{:.0} us", ns / 1e3),
        ns if ns < 1e7 => format!("{:.2} ms", ns / 1e6),
        ns if ns < 1e8 => format!("{:.1} ms", ns / 1e6),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_differs_most_explains_the_gap() {
        let predicted = [(CallGroup::Sync, 200_000.0), (CallGroup::Lock, 5_000.0)];
        let measured = [(CallGroup::Sync, 300_000.0), (CallGroup::Lock, 4_000.0)];
        let parts = parts(&predicted, &measured, (10_000.0, 11_000.0));
        assert_eq!(parts[0].part, "sync");
        let told = explain(&parts, 215_000.0, 315_000.0);
        assert!(told.starts_with("sync: 100 us more in SQLite than alone (300 us against 200 us), 100 %"), "{told}");
    }

    #[test]
    fn a_part_that_goes_the_other_way_explains_nothing() {
        let parts = parts(&[(CallGroup::Sync, 9e5), (CallGroup::Lock, 0.0)], &[(CallGroup::Lock, 3e5)], (0.0, 0.0));
        assert!(explain(&parts, 1e5, 4e5).starts_with("lock: 300 us more"));
    }

    #[test]
    fn a_small_gap_needs_none() {
        assert_eq!(explain(&[], 100.0, 102.0), "as predicted");
        assert_eq!(explain(&[], 0.0, 0.0), "as predicted");
    }

    #[test]
    fn durations_read_well() {
        let told = [12.4, 1_234.0, 12_345.0, 123_456.0, 1_234_567.0, 12_345_678.0, 1.5e9].map(duration);
        assert_eq!(told, ["12 ns", "1.23 us", "12.3 us", "123 us", "1.23 ms", "12.3 ms", "1.50 s"]);
    }
}
