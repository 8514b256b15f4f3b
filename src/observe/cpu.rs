//! How much CPU time processes had used when the parent of httpd last looked, in shared memory: what they use now, in
//! cores, is the difference.
//!
//! Only the parent writes. Who reads meanwhile notices by a count that is odd, and does without.

use crate::unix::shared::SharedCounters;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;

/// Counts the changes; odd while one is under way.
const VERSION: usize = 0;
const LENGTH: usize = 1;
const HEAD: usize = 2;
/// Words of a process: which one, and two looks at it, the older one first.
const ROW: usize = 5;

/// What a process had used at a time, both in microseconds; the time by `clock::now`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) taken: u64,
    pub(crate) cpu: u64,
}

/// The looks at all processes.
pub(crate) struct CpuTimes {
    words: SharedCounters,
    rows: usize,
}

impl CpuTimes {
    /// # Errors
    /// The system has no memory left.
    pub(super) fn new(rows: usize) -> nix::Result<Self> {
        Ok(Self { words: SharedCounters::new(HEAD + rows * ROW)?, rows })
    }

    /// The processes, each with the older and the newer look.
    fn read(&self) -> Option<Vec<(u32, Look, Look)>> {
        let version = self.words[VERSION].load(Acquire);
        let length = usize::try_from(self.words[LENGTH].load(Relaxed)).unwrap_or(0).min(self.rows);
        let rows = self.words[HEAD..][..length * ROW].chunks_exact(ROW);
        let load = |row: &[core::sync::atomic::AtomicU64], word: usize| row[word].load(Relaxed);
        let look =
            |row: &[core::sync::atomic::AtomicU64], word| Look { taken: load(row, word), cpu: load(row, word + 1) };
        let read = rows.map(|row| (load(row, 0) as u32, look(row, 1), look(row, 3))).collect();
        fence(Acquire);
        (version & 1 == 0 && self.words[VERSION].load(Relaxed) == version).then_some(read)
    }

    /// Another look at these processes; all others are forgotten. Called in the parent only.
    pub(super) fn keep(&self, processes: &[(u32, Look)]) {
        let before = self.read().unwrap_or_default();
        let newer = |process: u32| before.iter().find(|row| row.0 == process).map(|row| row.2);
        let version = self.words[VERSION].load(Relaxed) | 1;
        self.words[VERSION].store(version, Relaxed);
        fence(Release);
        for ((process, look), row) in processes.iter().zip(self.words[HEAD..].chunks_exact(ROW)) {
            let older = newer(*process).unwrap_or_default();
            let words = [u64::from(*process), older.taken, older.cpu, look.taken, look.cpu];
            row.iter().zip(words).for_each(|(word, value)| word.store(value, Relaxed));
        }
        self.words[LENGTH].store(processes.len().min(self.rows) as u64, Relaxed);
        self.words[VERSION].store(version.wrapping_add(1), Release);
    }

    /// How many cores a process has used since the look before the last one, or since it was started `age` ago.
    pub(crate) fn cores(&self, process: u32, now: Look, age: f64) -> Option<f64> {
        let rows = self.read().unwrap_or_default();
        let known = rows.iter().find(|row| row.0 == process);
        let before = known.and_then(|(_, older, newer)| [*older, *newer].into_iter().find(|look| look.taken != 0));
        // A process of the same number may have had less.
        let before = before.filter(|look| look.cpu <= now.cpu && look.taken < now.taken);
        let (cpu, seconds) = match before {
            Some(look) => (now.cpu - look.cpu, (now.taken - look.taken) as f64 / 1e6),
            None => (now.cpu, age),
        };
        (seconds > 0.0).then(|| cpu as f64 / 1e6 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn look(seconds: u64, cpu: u64) -> Look {
        Look { taken: seconds * 1_000_000, cpu: cpu * 1_000_000 }
    }

    #[test]
    fn cores_are_what_was_used_since_the_look_before() {
        let times = CpuTimes::new(2).expect("memory");
        assert_eq!(times.cores(11, look(100, 5), 10.0), Some(0.5));
        times.keep(&[(11, look(100, 5)), (12, look(100, 50))]);
        assert_eq!(times.cores(11, look(105, 15), 15.0), Some(2.0));
        times.keep(&[(11, look(110, 6)), (13, look(110, 1)), (14, look(110, 1))]);
        assert_eq!(times.cores(11, look(120, 10), 30.0), Some(0.25));
        // One that is gone, and one that has found no row.
        assert_eq!((times.cores(12, look(120, 60), 60.0), times.cores(14, look(120, 2), 4.0)), (Some(1.0), Some(0.5)));
        // Another process of the same number.
        assert_eq!(times.cores(13, look(121, 0), 0.5), Some(0.0));
        assert_eq!(times.cores(99, look(1, 0), 0.0), None);
    }

    proptest! {
        #[test]
        fn any_words_can_be_read(words in proptest::collection::vec(any::<u64>(), HEAD + ROW)) {
            let times = CpuTimes::new(1).expect("memory");
            times.words.iter().zip(&words).for_each(|(word, value)| word.store(*value, Relaxed));
            let _ = times.cores(words[HEAD] as u32, look(5, 5), 1.0);
            times.keep(&[(1, look(1, 1))]);
        }
    }
}
