//! How long something took, over many requests.

use core::time::Duration;

/// Buckets of a histogram.
pub(crate) const BUCKETS: usize = 65;
/// The last one: 65.536 seconds and more.
const LAST: usize = BUCKETS - 1;

/// A sum, the extremes and a histogram, whose buckets grow by quarters of an octave of milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) total: Duration,
    /// The shortest and the longest, in microseconds.
    pub(crate) extremes: Option<(u64, u64)>,
    pub(crate) buckets: [u64; BUCKETS],
}

impl Default for Distribution {
    fn default() -> Self {
        Self { total: Duration::ZERO, extremes: None, buckets: [0; BUCKETS] }
    }
}

impl Distribution {
    pub(super) fn add(&mut self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.total = self.total.saturating_add(time);
        self.widen((microseconds, microseconds));
        self.buckets[bucket_of(microseconds)] += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        if let Some(extremes) = other.extremes {
            self.widen(extremes);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
    }

    fn widen(&mut self, (low, high): (u64, u64)) {
        self.extremes = Some(self.extremes.map_or((low, high), |(least, most)| (least.min(low), most.max(high))));
    }
}

/// Bucket `4 k + q` begins at `2^k (1 + q / 4)` milliseconds; what is shorter than one is in the first.
fn bucket_of(microseconds: u64) -> usize {
    let Some(octave) = (microseconds / 1000).checked_ilog2() else { return 0 };
    if octave >= 16 {
        return LAST;
    }
    let start = 1000 << octave;
    let quarter = (microseconds - start) * 4 / start;
    octave as usize * 4 + quarter as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_begins_with_its_lower_bound() {
        for (microseconds, bucket) in [
            (0, 0),
            (999, 0),
            (1000, 0),
            (1249, 0),
            (1250, 1),
            (1999, 3),
            (2000, 4),
            (2499, 4),
            (2500, 5),
            (1_024_000, 40),
            (1_279_999, 40),
            (1_280_000, 41),
            (57_343_999, 62),
            (57_344_000, 63),
            (65_535_999, 63),
            (65_536_000, 64),
            (u64::MAX, 64),
        ] {
            assert_eq!(bucket_of(microseconds), bucket, "{microseconds}");
        }
    }

    #[test]
    fn two_distributions_add_up() {
        let of = |times: &[u64]| {
            let mut distribution = Distribution::default();
            times.iter().for_each(|time| distribution.add(Duration::from_micros(*time)));
            distribution
        };
        let (mut sum, other) = (of(&[3000, 100]), of(&[90, 7_000_000]));
        sum.merge(&Distribution::default());
        sum.merge(&other);
        assert_eq!(sum, of(&[90, 100, 3000, 7_000_000]));
        assert_eq!((sum.total, sum.extremes), (Duration::from_micros(7_003_190), Some((90, 7_000_000))));
        assert_eq!(Distribution::default().extremes, None);
    }
}
