//! Where a series of numbers goes: a robust slope, and when a disk that fills is full.
//!
//! The slope is the median of the slopes of all pairs of points (Theil and Sen): a third of the points may lie anywhere.
//! A direction is believed only if nine pairs of ten that differ agree on it, and is followed for no more than twenty times
//! the time in which it was seen: two seconds of a burst say nothing about the next hour. What falls in steps (a log that
//! is written anew until a checkpoint adds to the database) has many pairs that do not differ; a fall at one moment, or at
//! two, is no direction.
//!
//! What it must not do: alarm; take a number that was not seen for zero.
//! Where to look next: `past.rs`, whose points these are; `alarms/disk_filling.rs`.

use serde::Serialize;

use super::past::{DatabasePast, Point};

/// Points that a slope is made of, at most: 780 pairs.
const POINTS_MAX: usize = 40;
/// The share of pairs that must agree.
const AGREED: f64 = 0.9;
/// How many times the time that was seen a slope is followed.
const TIMES_SEEN: u64 = 20;
/// The times that are looked back for a disk that fills, longest first: what is seen over a longer time is surer.
const WINDOWS_MS: [u64; 4] = [600_000, 60_000, 10_000, 2_500];
/// Moments at which it must have fallen.
const STEPS_MIN: usize = 3;
/// Fewer points, or a shorter time, are no trend.
const POINTS_MIN: usize = 4;
const SPAN_MS_MIN: u64 = 1_000;

/// Where a series goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// For each millisecond.
    pub slope_per_ms: f64,
    /// Of the pairs that differ the share in which the later one is smaller, 0 to 1.
    pub falls: f64,
    /// How often one is smaller than the one just before.
    pub steps: usize,
    /// From the first point to the last.
    pub span_ms: u64,
}

/// The trend of points (milliseconds, number), oldest first; `None`: there are no two of different time.
pub fn trend(points: &[(u64, f64)]) -> Option<Trend> {
    let points = &thinned(points);
    let later = |at: usize| points[at + 1..].iter().map(move |two| (points[at], *two));
    let pairs = (0..points.len()).flat_map(later).filter(|(one, two)| two.0 > one.0);
    let (mut slopes, mut falls, mut differ) = (Vec::new(), 0_u32, 0_u32);
    for (one, two) in pairs {
        falls += u32::from(two.1 < one.1);
        differ += u32::from(two.1 != one.1);
        slopes.push((two.1 - one.1) / (two.0 - one.0) as f64);
    }
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let (low, high) = (slopes[(slopes.len() - 1) / 2], slopes[slopes.len() / 2]);
    let span_ms = points.last()?.0.saturating_sub(points.first()?.0);
    let steps = points.windows(2).filter(|two| two[1].1 < two[0].1).count();
    Some(Trend { slope_per_ms: (low + high) / 2.0, falls: f64::from(falls) / f64::from(differ.max(1)), steps, span_ms })
}

/// As many as are looked at, evenly, the first and the last among them.
fn thinned(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let count = points.len().min(POINTS_MAX);
    if count < 2 {
        return points.to_vec();
    }
    (0..count).map(|index| points[index * (points.len() - 1) / (count - 1)]).collect()
}

/// A disk that fills.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Filling {
    /// When it is full if it goes on like this: milliseconds since 1970.
    pub full_at_unix_ms: u64,
    /// From now until then.
    pub within_ms: u64,
    /// Free bytes that go in a second.
    pub bytes_per_second: f64,
    /// The share of it by which the `-wal` grows, 0 to 1.
    pub wal_share: f64,
    /// The time in which that was seen.
    pub span_ms: u64,
}

impl DatabasePast {
    /// Whether the disk fills, and when it is full; `None`: it does not, or nothing is clear.
    pub fn filling(&self) -> Option<Filling> {
        WINDOWS_MS.iter().find_map(|window_ms| self.filling_within(*window_ms))
    }

    /// When the disk is full if it goes on like this, in milliseconds since 1970.
    pub fn full_at_unix_ms(&self) -> Option<u64> {
        Some(self.filling()?.full_at_unix_ms)
    }

    fn filling_within(&self, window_ms: u64) -> Option<Filling> {
        let last = self.series.back()?;
        let now = last.free_bytes?;
        let free: Vec<(u64, f64)> =
            self.window(window_ms).filter_map(|point| Some((point.elapsed_ms, point.free_bytes? as f64))).collect();
        // What was before the first change says nothing about the speed.
        let begins = free.windows(2).position(|two| two[0].1 != two[1].1).unwrap_or(0);
        let free = &free[begins..];
        let trend = trend(free).filter(|trend| free.len() >= POINTS_MIN && trend.span_ms >= SPAN_MS_MIN)?;
        if trend.falls < AGREED
            || trend.steps < STEPS_MIN
            || trend.slope_per_ms >= 0.0
            || !at_its_lowest(free, now as f64)
        {
            return None;
        }
        // The cast saturates: a slope of next to nothing is full at the end of time.
        let within_ms = (now as f64 / -trend.slope_per_ms) as u64;
        if within_ms > trend.span_ms.saturating_mul(TIMES_SEEN) {
            return None;
        }
        let grows = self.wal_growth_bytes_per_second(trend.span_ms).unwrap_or(0.0).max(0.0);
        let bytes_per_second = -trend.slope_per_ms * 1000.0;
        Some(Filling {
            full_at_unix_ms: last.unix_ms.saturating_add(within_ms),
            within_ms,
            bytes_per_second,
            wal_share: (grows / bytes_per_second).min(1.0),
            span_ms: trend.span_ms,
        })
    }

    /// By how many bytes the `-wal` grows in a second, over the last so many milliseconds; below zero: it shrinks. `None`:
    /// there are no two points.
    pub fn wal_growth_bytes_per_second(&self, window_ms: u64) -> Option<f64> {
        let points: Vec<(u64, f64)> =
            self.window(window_ms).map(|point| (point.elapsed_ms, point.wal_bytes as f64)).collect();
        Some(trend(&points)?.slope_per_ms * 1000.0)
    }

    /// Transactions in a second over the last so many milliseconds; `None`: the wal-index was not to be read, or there are
    /// no two points.
    pub fn commits_per_second(&self, window_ms: u64) -> Option<f64> {
        let seen = |point: &&Point| point.max_frame.is_some();
        let first = self.window(window_ms).find(seen)?;
        let last = self.window(window_ms).filter(seen).last()?;
        let time_ms = last.elapsed_ms.saturating_sub(first.elapsed_ms);
        (time_ms > 0).then(|| last.commits.saturating_sub(first.commits) as f64 * 1000.0 / time_ms as f64)
    }

    /// Points of the last so many milliseconds, oldest first.
    fn window(&self, window_ms: u64) -> impl Iterator<Item = &Point> {
        let from = self.series.back().map_or(0, |last| last.elapsed_ms.saturating_sub(window_ms));
        let first = self.series.partition_point(|point| point.elapsed_ms < from);
        self.series.iter().skip(first)
    }
}

/// What has come back since its lowest point is a saw, and no disk that fills.
fn at_its_lowest(free: &[(u64, f64)], now: f64) -> bool {
    let lowest = free.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let highest = free.iter().map(|point| point.1).fold(0.0, f64::max);
    now <= lowest + (highest - lowest) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn series(free: impl IntoIterator<Item = u64>) -> DatabasePast {
        let mut past = DatabasePast::default();
        for (index, free) in (0_u64..).zip(free) {
            past.series.push_back(Point {
                unix_ms: 1_000_000 + index * 500,
                elapsed_ms: index * 500,
                free_bytes: Some(free),
                ..Point::default()
            });
        }
        past
    }

    /// Numbers that look like noise, the same ones each time.
    fn noise(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |last| Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)))
            .map(|number| number >> 33)
    }

    #[test]
    fn a_slope_is_that_of_most_points() {
        let mut points: Vec<(u64, f64)> = (0..20).map(|at| (at, 3.0 * at as f64)).collect();
        points[7].1 = 1e9;
        points[13].1 = -1e9;
        let found = trend(&points).expect("a trend");
        assert!((found.slope_per_ms - 3.0).abs() < 1e-9, "{found:?}");
        assert_eq!(trend(&[(5, 1.0), (5, 2.0)]), None);
        assert_eq!(trend(&[]), None);
    }

    #[test]
    fn a_disk_that_fills_has_a_date() {
        let past = series((0..4).map(|at| 100 * MIB - at * 5 * MIB));
        let full = past.filling().expect("it fills");
        assert_eq!(full.within_ms, 8_500, "85 MiB at 10 MiB a second");
        assert_eq!(past.full_at_unix_ms(), Some(1_000_000 + 1_500 + 8_500));
        let long = series((0..1200).map(|at| 40_000 * MIB - at * 5 * MIB));
        assert_eq!(long.filling().map(|full| full.span_ms), Some(599_500));
    }

    #[test]
    fn what_began_just_now_is_seen_after_a_long_calm() {
        let calm = std::iter::repeat_n(100 * MIB, 1200);
        let past = series(calm.chain((1..6).map(|at| 100 * MIB - at * 5 * MIB)));
        assert!(past.filling().is_some_and(|full| full.within_ms < 10_000));
    }

    #[test]
    fn noise_bursts_and_saws_have_no_date() {
        for seed in 0..200 {
            let past = series(noise(seed).take(1200).map(|number| 200 * MIB + number % (2 * MIB)));
            assert_eq!(past.filling(), None, "noise of seed {seed}");
        }
        let burst = series((0..5).map(|at| 50_000 * MIB - at * 10 * MIB));
        assert_eq!(burst.filling(), None, "two seconds say nothing about forty minutes");
        let saw = series((0..1200).map(|at| 1000 * MIB - (at % 100) * 4 * MIB).take(1100));
        assert!(saw.filling().is_none_or(|full| full.span_ms < 100_000), "{:?}", saw.filling());
        let idle = series(std::iter::repeat_n(3 * MIB, 1200));
        assert_eq!(idle.filling(), None);
        assert_eq!(DatabasePast::default().filling(), None);
    }

    /// A log that is written anew costs nothing; then a checkpoint adds to the database.
    #[test]
    fn a_disk_that_fills_in_steps_has_a_date_between_them() {
        let free = |at: u64| 400 * MIB - at / 5 * 10 * MIB;
        for looks in 40..120 {
            let past = series((0..looks).map(free));
            let full = past.filling().unwrap_or_else(|| panic!("nothing after {looks} looks"));
            let left_ms = free(looks - 1) / MIB * 250;
            assert!(full.within_ms.abs_diff(left_ms) < left_ms / 4 + 2_500, "{looks}: {full:?}, {left_ms} ms are left");
        }
        let one_step = series((0..40).map(|at| if at < 17 { 100 * MIB } else { 60 * MIB }));
        assert_eq!(one_step.filling(), None, "something was copied there, once");
        let two_steps = series((0..40).map(|at| 100 * MIB - at / 14 * 20 * MIB));
        assert_eq!(two_steps.filling(), None);
    }

    #[test]
    fn rates_are_those_of_the_window() {
        let mut past = series((0..21).map(|_| 7));
        for (at, point) in (0_u64..).zip(&mut past.series) {
            (point.max_frame, point.commits, point.wal_bytes) = (Some(1), at * 50, at * 1000);
        }
        assert_eq!(past.commits_per_second(5_000), Some(100.0));
        assert_eq!(past.wal_growth_bytes_per_second(5_000), Some(2000.0));
        past.series.iter_mut().for_each(|point| point.max_frame = None);
        assert_eq!(past.commits_per_second(5_000), None, "not seen is not zero");
        past.series.truncate(1);
        assert_eq!(past.wal_growth_bytes_per_second(5_000), None);
    }
}
