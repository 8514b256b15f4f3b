//! The counters of a process group, or of embedded mode: a row of shared memory for each thread of httpd.
//!
//! A thread adds to its own row. A request counts as begun first, and as one of the ways to end last, each in one word: at
//! any moment those that have begun and not ended run, or have died with their process. The last row is for threads that
//! found no row of their own; they share it, and their counts are as exact.

use super::buckets::{BUCKETS, bucket_of};
use super::ends::{self, Ends};
use super::exemplars::{self, Exemplar, Exemplars};
use super::trace_context::TraceIds;
use super::{clock, threads::Threads};
use crate::unix::shared::SharedCounters;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Words of a row.
const BEGUN: usize = 0;
const ENDED: usize = 1;
const SUM: usize = ENDED + Outcome::COUNT;
const BUCKET: usize = SUM + 1;
/// A row of whole cache lines.
const ROW: usize = 40;
const _: () = assert!(BUCKET + BUCKETS <= ROW);

/// How often the parent keeps the counts, for what has happened lately.
const SAMPLES: usize = 8;
const SAMPLE: usize = ROW;
/// The time at which a sample was taken stands in the place of what had begun.
const TAKEN: usize = BEGUN;
/// What is called "lately".
const LATELY: u64 = 60_000_000;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Outcome {
    Informational,
    Success,
    Redirection,
    ClientError,
    ServerError,
    /// Its response was cut short, whatever its status was.
    Cut,
    /// Its process of httpd died.
    Died,
}

impl Outcome {
    pub(crate) const ALL: [Self; 7] = [
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Cut,
        Self::Died,
    ];
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// The outcome of a request with this status.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        ["1xx", "2xx", "3xx", "4xx", "5xx", "cut", "died"][self as usize]
    }
}

/// What a meter counts the requests of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Those that httpd's own processes serve.
    Embedded,
    /// Those of a process group.
    Group(String),
    /// Those that were refused before it was clear who serves them.
    Refused,
}

/// Counts, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// By [`Outcome`].
    pub(crate) ended: [u64; Outcome::COUNT],
    pub(crate) running: u64,
    /// Microseconds of all that have ended, but those that died.
    pub(crate) sum: u64,
    pub(crate) buckets: [u64; BUCKETS],
}

impl Totals {
    /// All requests that have ended, whichever way.
    pub(crate) fn requests(&self) -> u64 {
        self.ended.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    fn merge(&mut self, other: &Self) {
        let add = |sum: &mut u64, count: &u64| *sum = sum.wrapping_add(*count);
        self.ended.iter_mut().zip(&other.ended).for_each(|(sum, count)| add(sum, count));
        add(&mut self.running, &other.running);
        add(&mut self.sum, &other.sum);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| add(sum, count));
    }

    /// Those that have ended since.
    fn since(&self, before: &Self) -> Self {
        let difference = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            ended: core::array::from_fn(|number| difference(self.ended[number], before.ended[number])),
            running: self.running,
            sum: difference(self.sum, before.sum),
            buckets: core::array::from_fn(|number| difference(self.buckets[number], before.buckets[number])),
        }
    }

    fn add(&mut self, words: &[AtomicU64]) {
        let load = |word: usize| words[word].load(Relaxed);
        self.ended.iter_mut().zip(ENDED..).for_each(|(sum, word)| *sum = sum.wrapping_add(load(word)));
        self.sum = self.sum.wrapping_add(load(SUM));
        self.buckets.iter_mut().zip(BUCKET..).for_each(|(sum, word)| *sum = sum.wrapping_add(load(word)));
    }
}

/// What has happened lately.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lately {
    pub(crate) seconds: f64,
    pub(crate) counts: Totals,
}

/// The counters. They stay for the life of httpd, whatever becomes of processes and configurations.
pub(crate) struct Meter {
    pub(crate) subject: Subject,
    /// Among all meters.
    pub(crate) number: u64,
    /// By `clock::now`.
    made: u64,
    words: SharedCounters,
    rows: usize,
}

impl Meter {
    /// # Errors
    /// The system has no memory left.
    pub(super) fn new(subject: Subject, number: u64, rows: usize) -> nix::Result<Self> {
        let rows = rows + 1;
        let words = SharedCounters::new(rows * ROW + SAMPLES * SAMPLE + ends::WORDS + exemplars::WORDS)?;
        Ok(Self { subject, number, made: clock::now(), words, rows })
    }

    fn row(&self, row: usize) -> &[AtomicU64] {
        &self.words[row * ROW..][..ROW]
    }

    fn sample(&self, sample: usize) -> &[AtomicU64] {
        &self.words[self.rows * ROW + sample * SAMPLE..][..SAMPLE]
    }

    /// How the processes of the group began and ended.
    pub(crate) fn ends(&self) -> Ends<'_> {
        Ends(&self.words[self.rows * ROW + SAMPLES * SAMPLE..][..ends::WORDS])
    }

    /// The last traced request of each bucket.
    pub(crate) fn exemplars(&self) -> Exemplars<'_> {
        Exemplars(&self.words[self.rows * ROW + SAMPLES * SAMPLE + ends::WORDS..])
    }

    /// A request with this trace context has ended.
    pub(super) fn note_trace(&self, ids: TraceIds, microseconds: u64) {
        let exemplar = Exemplar { ids, took: microseconds, time: clock::epoch() };
        self.exemplars().note(bucket_of(microseconds), exemplar);
    }

    /// A row, or the one that is shared.
    fn row_of(&self, row: Option<usize>) -> &[AtomicU64] {
        self.row(row.unwrap_or(self.rows - 1))
    }

    pub(super) fn begin(&self, row: Option<usize>) {
        self.row_of(row)[BEGUN].fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self, row: Option<usize>, outcome: Outcome, microseconds: u64) {
        let words = self.row_of(row);
        words[SUM].fetch_add(microseconds, Relaxed);
        words[BUCKET + bucket_of(microseconds)].fetch_add(1, Relaxed);
        words[ENDED + outcome as usize].fetch_add(1, Relaxed);
    }

    /// The counts of a row; those that have begun and have not ended are taken to run.
    fn read(words: &[AtomicU64]) -> Totals {
        let mut totals = Totals::default();
        totals.add(words);
        totals.running = words[BEGUN].load(Relaxed).saturating_sub(totals.requests());
        totals
    }

    /// Whether a request of the row has begun and not ended.
    pub(super) fn has_open(&self, row: usize) -> bool {
        Self::read(self.row(row)).running > 0
    }

    /// The thread of a row is gone: what it had not ended has died. Returns how many requests that are.
    pub(super) fn settle(&self, row: usize) -> u64 {
        let words = self.row(row);
        let open = Self::read(words).running;
        if open > 0 {
            words[ENDED + Outcome::Died as usize].fetch_add(open, Relaxed);
        }
        open
    }

    /// All counts; `lives` tells whether a process does.
    pub(crate) fn totals(&self, threads: &Threads, lives: &dyn Fn(u32) -> bool) -> Totals {
        let mut totals = Totals::default();
        // A row that no one has used is not looked at any further: most are such.
        for row in (0..self.rows).filter(|row| self.row(*row)[BEGUN].load(Relaxed) != 0) {
            let mut here = Self::read(self.row(row));
            if here.running > 0 && row < threads.rows() {
                let mut owner = threads.owner(row);
                if owner == 0 {
                    // It has been settled meanwhile.
                    here = Self::read(self.row(row));
                    owner = threads.owner(row);
                }
                if owner != 0 && !lives(owner) {
                    let died = &mut here.ended[Outcome::Died as usize];
                    *died = died.wrapping_add(core::mem::take(&mut here.running));
                }
            }
            totals.merge(&here);
        }
        totals
    }

    /// Keeps the counts as they are now in the place of the oldest sample. Only the parent of httpd calls this.
    pub(super) fn keep_sample(&self, threads: &Threads, now: u64) {
        let totals = self.totals(threads, &|_| true);
        let oldest = (0..SAMPLES).min_by_key(|sample| self.sample(*sample)[TAKEN].load(Relaxed));
        let words = self.sample(oldest.unwrap_or(0));
        words[TAKEN].store(0, Relaxed);
        words[ENDED..].iter().zip(totals.ended).for_each(|(word, count)| word.store(count, Relaxed));
        words[SUM].store(totals.sum, Relaxed);
        words[BUCKET..].iter().zip(totals.buckets).for_each(|(word, count)| word.store(count, Relaxed));
        words[TAKEN].store(now, Relaxed);
    }

    /// What has happened since a minute ago, or a bit longer: since the latest sample that is as old. Without one, since
    /// the oldest, or since the meter was made.
    pub(crate) fn lately(&self, totals: &Totals, now: u64) -> Lately {
        let samples = (0..SAMPLES).filter_map(|sample| self.read_sample(sample));
        let mut samples: Vec<_> = samples.collect();
        samples.sort_by_key(|(taken, _)| *taken);
        let old_enough = samples.iter().rev().find(|(taken, _)| now.saturating_sub(*taken) >= LATELY);
        let since_start = (self.made, Totals::default());
        let oldest = if samples.len() < SAMPLES { Some(&since_start) } else { samples.first() };
        let (taken, before) = old_enough.or(oldest).unwrap_or(&since_start);
        Lately { seconds: now.saturating_sub(*taken) as f64 / 1e6, counts: totals.since(before) }
    }

    /// A sample and when it was taken, unless it is being replaced.
    fn read_sample(&self, sample: usize) -> Option<(u64, Totals)> {
        let words = self.sample(sample);
        let taken = words[TAKEN].load(Relaxed);
        let mut totals = Totals::default();
        totals.add(words);
        (taken != 0 && words[TAKEN].load(Relaxed) == taken).then_some((taken, totals))
    }
}

#[cfg(test)]
mod tests {
    use super::super::buckets::{quantile, up_to};
    use super::*;
    use proptest::prelude::*;
    use std::thread;

    fn meter(rows: usize) -> (Meter, Threads) {
        let threads = Threads::new(rows).expect("memory");
        (1..=rows).for_each(|process| assert!(threads.take(process as u32, 0).is_some()));
        (Meter::new(Subject::Embedded, 0, rows).expect("memory"), threads)
    }

    #[test]
    fn threads_add_up_exactly_with_rows_of_their_own_and_without() {
        const REQUESTS: u64 = 50_000;
        let (meter, threads) = &meter(2);
        thread::scope(|scope| {
            for row in [Some(0), Some(1), None, None] {
                scope.spawn(move || {
                    for number in 0..REQUESTS {
                        meter.begin(row);
                        meter.end(row, Outcome::ALL[number as usize % 6], number);
                    }
                });
            }
        });
        let totals = meter.totals(threads, &|_| true);
        assert_eq!((totals.requests(), totals.running), (4 * REQUESTS, 0));
        assert_eq!(totals.buckets.iter().sum::<u64>(), 4 * REQUESTS);
        assert_eq!(totals.sum, 4 * (REQUESTS - 1) * REQUESTS / 2);
    }

    #[test]
    fn what_has_begun_runs_or_has_died() {
        let (meter, threads) = meter(2);
        (0..3).for_each(|_| meter.begin(Some(0)));
        meter.end(Some(0), Outcome::Success, 10);
        meter.begin(Some(1));
        let count = |lives: &dyn Fn(u32) -> bool| {
            let totals = meter.totals(&threads, lives);
            (totals.running, totals.ended[Outcome::Died as usize], totals.requests())
        };
        assert_eq!(count(&|_| true), (3, 0, 1));
        assert_eq!(count(&|process| process != 1), (1, 2, 3));
        meter.settle(0);
        assert_eq!(count(&|_| true), (1, 2, 3));
        meter.settle(0);
        assert_eq!(count(&|_| true), (1, 2, 3));
    }

    #[test]
    fn lately_is_a_minute_ago_or_as_far_back_as_is_known() {
        let (meter, threads) = meter(1);
        let lately = |now: u64| {
            let lately = meter.lately(&meter.totals(&threads, &|_| true), now);
            (lately.seconds, lately.counts.requests())
        };
        let at = |seconds: u64| meter.made + seconds * 1_000_000;
        meter.begin(Some(0));
        meter.end(Some(0), Outcome::Success, 10);
        assert_eq!(lately(at(5)), (5.0, 1));
        for number in 1..=20 {
            meter.keep_sample(&threads, at(number * 10));
            meter.begin(Some(0));
            meter.end(Some(0), Outcome::Success, 10);
        }
        assert_eq!(lately(at(201)), (61.0, 7));
        assert_eq!(lately(at(209)), (69.0, 7));
        assert_eq!(lately(at(800)), (600.0, 1));
    }

    proptest! {
        #[test]
        fn any_words_can_be_added_up(words in proptest::collection::vec(any::<u64>(), 100)) {
            let (meter, threads) = meter(1);
            meter.words.iter().zip(words.iter().cycle()).for_each(|(word, value)| word.store(*value, Relaxed));
            let totals = meter.totals(&threads, &|_| false);
            let lately = meter.lately(&totals, u64::MAX);
            let _ = (quantile(&lately.counts.buckets, 99), up_to(&totals.buckets, 10_000_000));
            let _ = meter.ends().last().count();
        }
    }
}
