//! Histograms of durations: bounds, and what they tell.

/// Upper bounds in microseconds, each included in its bucket. All bounds that OpenTelemetry recommends for
/// `http.server.request.duration` are among them ([`PUBLISHED`]), and more, for better quantiles.
pub(crate) const BOUNDS: [u64; 27] = [
    100, 250, 500, 1_000, 2_500, 5_000, 7_500, 10_000, 17_500, 25_000, 35_000, 50_000, 75_000, 100_000, 150_000,
    250_000, 350_000, 500_000, 750_000, 1_000_000, 1_500_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000, 30_000_000,
    60_000_000,
];

/// One for each bound, and one for what is longer.
pub(crate) const BUCKETS: usize = BOUNDS.len() + 1;

/// The bounds that OpenTelemetry recommends, in microseconds and as text in seconds.
pub(crate) const PUBLISHED: [(u64, &str); 14] = [
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (75_000, "0.075"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (750_000, "0.75"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (7_500_000, "7.5"),
    (10_000_000, "10.0"),
];

/// The bucket of a duration.
pub(crate) fn bucket_of(microseconds: u64) -> usize {
    BOUNDS.partition_point(|bound| *bound < microseconds)
}

/// How many took no longer than a published bound.
pub(crate) fn up_to(buckets: &[u64; BUCKETS], bound: u64) -> u64 {
    buckets[..=bucket_of(bound)].iter().fold(0, |sum, count| sum.wrapping_add(*count))
}

/// The duration in seconds that so many of a hundred did not exceed, as well as buckets can tell: requests are taken to be
/// spread evenly within one. What is beyond the last bound counts as that bound. `None` if there were no requests.
pub(crate) fn quantile(buckets: &[u64; BUCKETS], percent: u64) -> Option<f64> {
    let count: f64 = buckets.iter().map(|count| *count as f64).sum();
    if count == 0.0 {
        return None;
    }
    let rank = (count * percent as f64 / 100.0).max(1.0);
    let mut below = 0.0;
    for (number, inside) in buckets.iter().enumerate() {
        let inside = *inside as f64;
        if inside > 0.0 && below + inside >= rank {
            let low = number.checked_sub(1).map_or(0, |before| BOUNDS[before]) as f64;
            let high = BOUNDS.get(number).map_or(low, |bound| *bound as f64);
            return Some((low + (high - low) * (rank - below) / inside) / 1e6);
        }
        below += inside;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_and_belong_to_their_bucket() {
        assert!(BOUNDS.is_sorted_by(|one, other| one < other));
        assert_eq!((bucket_of(0), bucket_of(100), bucket_of(101)), (0, 0, 1));
        assert_eq!((bucket_of(60_000_000), bucket_of(60_000_001), bucket_of(u64::MAX)), (26, 27, 27));
    }

    #[test]
    fn what_is_published_is_counted_exactly() {
        for (bound, text) in PUBLISHED {
            assert!(BOUNDS.contains(&bound), "{bound}");
            assert_eq!(text.parse::<f64>().expect("a number"), bound as f64 / 1e6);
            let mut buckets = [0; BUCKETS];
            for microseconds in [bound - 1, bound, bound + 1] {
                buckets[bucket_of(microseconds)] += 1;
            }
            assert_eq!(up_to(&buckets, bound), 2);
        }
    }

    #[test]
    fn a_quantile_is_within_the_bucket_that_has_it() {
        assert_eq!(quantile(&[0; BUCKETS], 50), None);
        let mut buckets = [0; BUCKETS];
        buckets[bucket_of(2_000)] = 98;
        buckets[bucket_of(400_000)] = 2;
        let at = |percent| quantile(&buckets, percent).expect("requests");
        assert!((0.001..=0.0025).contains(&at(50)), "{}", at(50));
        assert!((0.001..=0.0025).contains(&at(95)), "{}", at(95));
        assert!((0.35..=0.5).contains(&at(99)), "{}", at(99));
        buckets[BUCKETS - 1] = 1000;
        assert_eq!(quantile(&buckets, 99), Some(60.0));
    }
}
