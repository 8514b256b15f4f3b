//! The last traced request of each bucket of a histogram, in shared memory: from a slow bucket to the trace of a request in
//! it.
//!
//! Only requests with a trace context come here, and a bucket takes one a second: processes do not contend for it. A count
//! that is odd while an exemplar changes tells others to leave it alone.

use super::buckets::BUCKETS;
use super::trace_context::TraceIds;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU64, fence};

/// Words of an exemplar.
const VERSION: usize = 0;
const TRACE: usize = 1;
const SPAN: usize = 3;
const TOOK: usize = 4;
const TIME: usize = 5;
const ROW: usize = 6;
/// How many words this takes.
pub(super) const WORDS: usize = BUCKETS * ROW;

/// A request with a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exemplar {
    pub(crate) ids: TraceIds,
    /// Microseconds that it took.
    pub(crate) took: u64,
    /// Seconds since the epoch.
    pub(crate) time: u64,
}

/// The words of a meter.
#[derive(Clone, Copy)]
pub(crate) struct Exemplars<'m>(pub(super) &'m [AtomicU64]);

impl Exemplars<'_> {
    /// A request of that bucket has ended.
    pub(super) fn note(self, bucket: usize, exemplar: Exemplar) {
        let words = &self.0[bucket * ROW..][..ROW];
        let version = words[VERSION].load(Relaxed);
        if version & 1 == 1 || words[TIME].load(Relaxed) == exemplar.time {
            return;
        }
        if words[VERSION].compare_exchange(version, version | 1, AcqRel, Relaxed).is_err() {
            return;
        }
        fence(Release);
        let TraceIds { trace, span } = exemplar.ids;
        let values = [(trace >> 64) as u64, trace as u64, span, exemplar.took, exemplar.time];
        words[TRACE..].iter().zip(values).for_each(|(word, value)| word.store(value, Relaxed));
        words[VERSION].store(version.wrapping_add(2), Release);
    }

    /// The exemplars by their buckets, where there are some.
    pub(crate) fn read(self) -> [Option<Exemplar>; BUCKETS] {
        core::array::from_fn(|bucket| {
            let words = &self.0[bucket * ROW..][..ROW];
            let version = words[VERSION].load(Acquire);
            let load = |word: usize| words[word].load(Relaxed);
            let trace = u128::from(load(TRACE)) << 64 | u128::from(load(TRACE + 1));
            let ids = TraceIds::new(trace, load(SPAN));
            let exemplar = ids.map(|ids| Exemplar { ids, took: load(TOOK), time: load(TIME) });
            fence(Acquire);
            exemplar.filter(|_| version & 1 == 0 && words[VERSION].load(Relaxed) == version)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_the_exemplar_of_the_last_second() {
        let words = [const { AtomicU64::new(0) }; WORDS];
        let exemplars = Exemplars(&words);
        assert_eq!(exemplars.read(), [None; BUCKETS]);
        let exemplar = |number: u64| {
            let ids = TraceIds::new(u128::MAX - u128::from(number), number + 1).expect("ids");
            Exemplar { ids, took: number, time: 1000 + number / 2 }
        };
        (0..3).for_each(|number| exemplars.note(5, exemplar(number)));
        assert_eq!(exemplars.read()[5], Some(exemplar(2)));
        exemplars.note(5, exemplar(3));
        assert_eq!(exemplars.read()[5], Some(exemplar(2)));
        // Half-written by a process that died.
        words[5 * ROW + VERSION].fetch_or(1, Relaxed);
        exemplars.note(5, exemplar(8));
        assert_eq!(exemplars.read(), [None; BUCKETS]);
    }
}
